// What changes, as it does: one WebSocket for the whole page, with what is shown just now.

import { hangUp, socketUrl } from "./api.js";

const FIRST_RETRY = 500;
const MOST_RETRY = 30_000;
/** The server says something every 15 s; without that for this long, milliseconds, the connection is dead. */
const SILENCE = 40_000;

const subscribers = new Set();
const watchers = new Set();

let socket = null;
let openedFor = "";
let lastAsked = "";
let lastId = null;
let failures = 0;
let opened = false;
let retryTimer = null;
let silenceTimer = null;
let scheduled = false;
let status = { state: "idle", retryAt: null };

/**
 * Hear of events.
 *
 * @param {object} subscriber
 *   `kinds`: which, such as `["job", "progress"]`.
 *   `onEvent(kind, data, id)`: called for each, in order.
 *   `onRead(why)`: read anew what is kept: `begin` (events come from now on), `missed` (some are lost), `resumed`
 *   (connected again, nothing is lost of jobs, workers and the queue), `offline` (there is no connection: this is
 *   all that there is).
 *   `interval`: seconds between two messages, 0.2 where it is not said; the least of all subscribers counts.
 * @returns {function()} ends it.
 */
export function subscribe(subscriber) {
  subscribers.add(subscriber);
  schedule();
  return () => {
    subscribers.delete(subscriber);
    schedule();
  };
}

/** Be told how the connection is, now and whenever that changes: `{state: idle|connecting|live|waiting, retryAt}`. */
export function watchLive(watcher) {
  watchers.add(watcher);
  watcher(status);
  return () => watchers.delete(watcher);
}

/** Connect anew, as somebody else. */
export function reconnect() {
  lastId = null;
  failures = 0;
  close();
  schedule();
}

/** Try again now instead of later. */
export function retryNow() {
  if (status.state !== "waiting") return;
  failures = 0;
  connect();
}

function become(state, retryAt = null) {
  if (status.state === state && status.retryAt === retryAt) return;
  status = { state, retryAt };
  for (const watcher of watchers) watcher(status);
}

/** A page that comes subscribes just after one that goes has ended: that is one change. */
function schedule() {
  if (scheduled) return;
  scheduled = true;
  queueMicrotask(() => {
    scheduled = false;
    if (wanted() === openedFor && socket !== null) return;
    lastId = null;
    connect();
  });
}

function wanted() {
  if (!subscribers.size) return "";
  const kinds = new Set();
  let interval = Infinity;
  for (const subscriber of subscribers) {
    for (const kind of subscriber.kinds) kinds.add(kind);
    interval = Math.min(interval, subscriber.interval ?? 0.2);
  }
  return JSON.stringify([[...kinds].sort(), interval]);
}

function close() {
  clearTimeout(retryTimer);
  clearTimeout(silenceTimer);
  const before = socket;
  socket = null;
  openedFor = "";
  hangUp(before);
}

function connect() {
  close();
  const asked = wanted();
  // What nobody has been connected for nobody has read.
  if (asked !== lastAsked) opened = false;
  [openedFor, lastAsked] = [asked, asked];
  if (!openedFor) {
    become("idle");
    return;
  }
  const [kind, interval] = JSON.parse(openedFor);
  become("connecting");
  const mine = new WebSocket(socketUrl("events", { kind, interval, batch: 1, last_event_id: lastId }));
  socket = mine;
  const resumes = lastId !== null;
  mine.addEventListener("open", () => {
    if (socket !== mine) return;
    failures = 0;
    opened = true;
    become("live");
    listen(mine);
    if (resumes) read("resumed");
  });
  mine.addEventListener("message", ({ data }) => {
    if (socket !== mine) return;
    listen(mine);
    const found = JSON.parse(data);
    for (const event of Array.isArray(found) ? found : [found]) {
      take(event);
    }
  });
  mine.addEventListener("close", () => {
    if (socket === mine) wait();
  });
}

function listen(mine) {
  clearTimeout(silenceTimer);
  silenceTimer = setTimeout(() => {
    if (socket !== mine) return;
    mine.close();
    wait();
  }, SILENCE);
}

function take({ id, event, data }) {
  if (event === undefined) return;
  if (id) lastId = id;
  if (event === "here") read("begin");
  else if (event === "missed") read("missed");
  else {
    for (const subscriber of [...subscribers]) {
      if (subscriber.kinds.includes(event)) subscriber.onEvent?.(event, data, id);
    }
  }
}

function read(why) {
  for (const subscriber of [...subscribers]) subscriber.onRead?.(why);
}

function wait() {
  close();
  // Half of it is by chance, so that a coordinator that comes back is not asked by everybody at once.
  const longest = Math.min(MOST_RETRY, FIRST_RETRY * 2 ** failures);
  const delay = longest / 2 + Math.random() * (longest / 2);
  // Who was connected just now has read all, and will be again in a moment.
  const alone = failures > 0 || !opened;
  failures += 1;
  become("waiting", Date.now() + delay);
  retryTimer = setTimeout(connect, delay);
  if (alone) read("offline");
}

addEventListener("online", retryNow);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) retryNow();
});
