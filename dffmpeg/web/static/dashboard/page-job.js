// One job: how far it is, what it says, what happened to it, and what can be done.

import { aborted, get } from "./api.js";
import { fill, h, text } from "./dom.js";
import { bytes, decimal, duration, percent, speed, timecode } from "./format.js";
import { jobLog } from "./job-log.js";
import { showOperations } from "./job-operations.js";
import { attemptsPart, commandPart, jobFacts, timelinePart, whyPart } from "./job-parts.js";
import { subscribe } from "./live.js";
import { jobTitle } from "./naming.js";
import { empty, heading, LIVE_STATES, progress, repill, reprogress, section } from "./parts.js";
import { link } from "./router.js";

/** Between two readings of the whole page, milliseconds; states and progress come with the events themselves. */
const CALM = 250;

/** Why it waits changes without an event of the job's own. */
const WHY_AGAIN = 5000;

export const title = ({ id }) => `Job ${id}`;

export function mount(place, { params: { id }, signal }) {
  const state = h("span");
  const operations = h("div", { class: "operations push" });
  const head = heading("Job", state, operations);
  const complaint = h("p", { class: "complaint bad", role: "alert", hidden: true });
  const how = progressPart();
  const why = whyPart();
  const command = commandPart();
  const timeline = timelinePart();
  const attempts = attemptsPart();
  const log = h("div");
  const ended = new AbortController();
  const about = h("div", { class: "about" });
  const body = h(
    "div",
    { class: "columns", hidden: true },
    h("div", { class: "stack" }, how.node, why.node, log, command.node, attempts.node),
    h("div", { class: "stack" }, section("About", {}, about), timeline.node),
  );
  place.append(head, complaint, body);

  let job = null;
  let timer = null;
  let readAt = -Infinity;
  let reading = false;

  function show(page) {
    const later = job !== null && job.last_update > page.job.last_update;
    job = later ? { ...page.job, ...job } : page.job;
    text(head.firstElementChild, jobTitle(job));
    document.title = `${jobTitle(job)} · dffmpeg`;
    command.show(page.commands);
    timeline.show(page.timeline);
    attempts.show(id, page.attempts);
    why.show(job.status === "pending" ? page.why : null);
    how.show(job, page.progress ?? job.progress);
    showFacts();
    showState();
    // Not before it is known that there is such a job.
    if (!log.firstChild) log.append(jobLog(id, page.stderr, ended.signal));
    body.hidden = false;
    complaint.hidden = true;
  }

  function showFacts() {
    const said = JSON.stringify({ ...job, progress: null, last_update: null, worker_last_seen: null, client_last_seen: null });
    if (about.dataset.said === said) return;
    about.dataset.said = said;
    fill(about, jobFacts(job));
  }

  function showState() {
    repill(state, job.status);
    showOperations(operations, job);
    how.state(job);
    if (job.status !== "pending") why.show(null);
  }

  async function read() {
    clearTimeout(timer);
    timer = null;
    if (reading) {
      soon();
      return;
    }
    reading = true;
    readAt = performance.now();
    try {
      show(await get(`jobs/${encodeURIComponent(id)}`, { signal }));
    } catch (error) {
      if (!aborted(error)) complain(error);
    } finally {
      reading = false;
    }
    if (job?.status === "pending") soon(WHY_AGAIN);
  }

  /** Read it anew in so many milliseconds, or earlier where that is planned already. */
  function soon(wait = Math.max(0, readAt + CALM - performance.now())) {
    if (ended.signal.aborted || (timer !== null && wait >= CALM)) return;
    clearTimeout(timer);
    timer = setTimeout(read, wait);
  }

  function complain(error) {
    if (error.status === 404) {
      gone("There is no such job.", "It was removed, or never was.");
      return;
    }
    text(complaint, error.message);
    complaint.hidden = false;
  }

  function gone(title, words) {
    fill(place, heading("Job"), empty(title, words, " ", h("a", { href: link("jobs"), text: "All jobs" })));
    stop();
  }

  const events = {
    job(event) {
      if (event.job_id !== id) return;
      if (event.status === "removed") {
        gone("This job is no more.", "It was removed while it was shown.");
        return;
      }
      if (job !== null) {
        Object.assign(job, event);
        showState();
      }
      soon();
    },
    progress(event) {
      if (event.job_id === id && job !== null) how.show(job, { ...event, time: event.out_time });
    },
  };

  const leave = subscribe({ kinds: ["job", "progress"], onEvent: (kind, data) => events[kind]?.(data), onRead: () => soon(0) });

  function stop() {
    leave();
    clearTimeout(timer);
    ended.abort();
  }

  signal.addEventListener("abort", stop);
  read();
}

/** How far it is. Returns `{node, show(job, progress), state(job)}`. */
function progressPart() {
  const bar = progress("Done");
  const share = h("strong", { class: "share" });
  const left = h("span", { class: "quiet" });
  const values = h("dl", { class: "facts live-facts" });
  const names = { Speed: null, "Frames a second": null, "Of the film": null, Written: null };
  for (const name of Object.keys(names)) {
    names[name] = h("dd");
    values.append(h("div", {}, h("dt", { text: name }), names[name]));
  }
  const node = section("Progress", { beside: left, class: "progress-panel" }, h("div", { class: "progress-line" }, bar, share), values);
  node.hidden = true;
  let known = false;

  function state(job) {
    const live = LIVE_STATES.includes(job.status);
    node.hidden = !(live || (known && job.status !== "pending"));
    if (!live) text(left, job.status);
    bar.classList.toggle("still", !live);
  }

  return {
    node,
    state,
    show(job, found) {
      known = Boolean(found);
      reprogress(bar, found?.fraction ?? null);
      text(share, typeof found?.fraction === "number" ? percent(found.fraction) : "");
      text(left, typeof found?.remaining === "number" ? `${duration(found.remaining)} left` : "");
      text(names.Speed, speed(found?.speed));
      text(names["Frames a second"], decimal(found?.fps));
      text(names["Of the film"], timecode(found?.time));
      text(names.Written, bytes(found?.size));
      state(job);
    },
  };
}
