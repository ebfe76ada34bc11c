// A job's output as it is written: followed, or held where somebody reads.

import { hangUp, socketUrl, url } from "./api.js";
import { attribute, fill, h, text } from "./dom.js";
import { bytes, count, plural } from "./format.js";
import { icon } from "./icons.js";
import { section } from "./parts.js";
import { MOST_LINES, Terminal } from "./terminal.js";


/** So near to the end, pixels, is at the end. */
const NEAR = 12;

const RETRY = 500;
const MOST_RETRY = 15_000;

/**
 * Show a job's log.
 *
 * @param {string} jobId
 * @param {number|null} stderr the descriptor that its stderr is found under; null where it does not come through here.
 * @param {AbortSignal} signal ends it.
 * @returns {Element}
 */
export function jobLog(jobId, stderr, signal) {
  const streams = streamsOf(stderr);
  const terminal = new Terminal();
  const view = screen(terminal);
  const note = h("p", { class: "log-note hint", role: "status" });
  const follow = h("button", { type: "button", class: "button small", on: { click: () => view.follow(!view.following()) } });
  const download = h("a", { class: "button small" }, icon("download"), h("span", { text: "Download" }));
  const choices = Object.entries(streams).map(([name, label]) =>
    h("button", { type: "button", class: "button", text: label, on: { click: () => choose(name) } }),
  );
  const beside = [h("div", { class: "segments", role: "group", "aria-label": "Which output" }, choices), follow, download];
  const state = { stream: null, attempt: 0, over: false, binary: false, seen: 0 };
  let connection = null;

  function choose(stream) {
    Object.assign(state, { stream, attempt: 0, over: false, binary: false, seen: 0 });
    connection?.close();
    terminal.reset();
    view.clear();
    connection = connect(jobId, stream, { take, say });
    show();
  }

  function take(content) {
    // The first bytes of a film are no text for anybody.
    if (state.stream === "stdout" && state.seen < 4096 && content.includes(0)) {
      state.binary = true;
      terminal.reset();
      connection.close();
    } else {
      terminal.write(content);
    }
    state.seen += content.length;
    show();
  }

  function say(message) {
    if (message.attempt !== undefined) {
      if (state.attempt && message.attempt !== state.attempt) terminal.note(`Attempt ${message.attempt}`);
      state.attempt = message.attempt;
    } else if (message.dropped) {
      terminal.note(`${bytes(message.dropped)} are missing here`);
    } else if (message.end) {
      state.over = true;
    }
    show();
  }

  function words() {
    if (state.binary) return "This output is not text. It can be downloaded.";
    const said = stderr === null ? "Its stderr goes where its caller has it go, and not through here." : "";
    if (!state.seen) return said || (state.over ? "Nothing was written." : "Nothing has been written so far.");
    if (terminal.first > 0) return `The last ${count(MOST_LINES)} lines are here; the download has all that is kept.`;
    return said;
  }

  function show() {
    choices.forEach((choice, index) => attribute(choice, "aria-pressed", String(Object.keys(streams)[index] === state.stream)));
    text(note, words());
    note.hidden = !note.textContent;
    view.node.hidden = state.binary || !state.seen;
    download.href = url(`jobs/${encodeURIComponent(jobId)}/log/download`, { stream: state.stream, attempt: state.attempt || null });
    follow.hidden = state.over && view.following();
    view.draw();
  }

  view.watch(({ following, waiting }) => {
    attribute(follow, "aria-pressed", String(following));
    const said = following ? "Following" : waiting ? `Follow: ${plural(waiting, "new line")}` : "Follow";
    fill(follow, icon(following ? "play" : "pause"), h("span", { text: said }));
    follow.hidden = state.over && following;
  });
  signal.addEventListener("abort", () => connection?.close());
  choose(Object.keys(streams)[0]);
  return section("Log", { beside, class: "log-panel" }, note, view.node);
}

/** By name, what each stream is called. With `2>&1` both are one. */
function streamsOf(stderr) {
  if (stderr === 1) return { stderr: "stdout and stderr" };
  return stderr === null ? { stdout: "stdout" } : { stderr: "stderr", stdout: "stdout" };
}

/**
 * The connection to a log, which comes again by itself until the log is over.
 *
 * @param {{take: function(Uint8Array), say: function(object)}} listener
 */
function connect(jobId, stream, listener) {
  const position = { attempt: null, offset: 0 };
  let socket = null;
  let timer = null;
  let failures = 0;
  let over = false;

  function open() {
    const where = { stream, from: position.offset, attempt: position.attempt };
    const mine = new WebSocket(socketUrl(`jobs/${encodeURIComponent(jobId)}/log`, where));
    mine.binaryType = "arraybuffer";
    mine.addEventListener("message", ({ data }) => {
      if (mine !== socket) return;
      failures = 0;
      if (typeof data === "string") tell(JSON.parse(data));
      else take(new Uint8Array(data));
    });
    mine.addEventListener("close", () => {
      if (mine !== socket || over) return;
      timer = setTimeout(open, Math.min(MOST_RETRY, RETRY * 2 ** failures));
      failures += 1;
    });
    socket = mine;
  }

  function take(content) {
    position.offset += content.length;
    listener.take(content);
  }

  function tell(message) {
    if (message.attempt !== undefined) {
      if (message.attempt !== position.attempt) position.offset = 0;
      position.attempt = message.attempt;
    }
    if (message.offset !== undefined) position.offset = message.offset;
    if (message.end) over = true;
    listener.say(message);
  }

  open();
  return {
    close() {
      clearTimeout(timer);
      const before = socket;
      socket = null;
      hangUp(before);
    },
  };
}

/** The lines of a terminal as elements. While somebody reads back nothing of them changes. */
function screen(terminal) {
  const node = h("div", { class: "log", tabindex: 0, role: "region", "aria-label": "Output of the program" });
  const nodes = [];
  const watchers = [];
  let first = 0;
  let following = true;
  let scheduled = false;
  let heldAt = 0;

  function draw() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      if (following) update();
      tell();
    });
  }

  function update() {
    const from = terminal.takeChanges();
    while (nodes.length && first < terminal.first) {
      nodes.shift().remove();
      first += 1;
    }
    if (!nodes.length) first = terminal.first;
    const added = document.createDocumentFragment();
    // A change may have come before what is shown was drawn at all.
    for (let number = Math.min(from, first + nodes.length); number < terminal.first + terminal.lines.length; number += 1) {
      const line = terminal.lines[number - terminal.first];
      const last = number === terminal.first + terminal.lines.length - 1;
      if (number - first < nodes.length) drawLine(nodes[number - first], line);
      else if (!last || !line.empty) {
        const fresh = drawLine(h("div", { class: "log-line" }), line);
        nodes.push(fresh);
        added.append(fresh);
      }
    }
    node.append(added);
    node.scrollTop = node.scrollHeight;
  }

  function tell() {
    const end = terminal.first + terminal.lines.length;
    for (const watcher of watchers) watcher({ following, waiting: following ? 0 : Math.max(0, end - heldAt) });
  }

  function follow(wanted) {
    if (wanted === following) return;
    following = wanted;
    if (following) update();
    else heldAt = terminal.first + terminal.lines.length;
    tell();
  }

  node.addEventListener("scroll", () => follow(node.scrollTop + node.clientHeight >= node.scrollHeight - NEAR));
  return {
    node,
    draw,
    follow,
    following: () => following,
    watch(watcher) {
      watchers.push(watcher);
      tell();
    },
    clear() {
      fill(node);
      nodes.length = 0;
      first = 0;
      following = true;
      tell();
    },
  };
}

function drawLine(node, line) {
  node.className = line.note ? "log-line log-gap" : "log-line";
  return fill(node, line.runs().map(({ text: words, style }) => drawRun(words, style)));
}

function drawRun(words, style) {
  const { color, background } = style.colors;
  const classes = style.classes;
  if (color === null && background === null && !classes.length) return document.createTextNode(words);
  const node = h("span", { class: classes.length ? classes.join(" ") : null, text: words });
  // By the object model: the policy of the page knows no style in markup.
  if (color !== null) node.style.color = color;
  if (background !== null) node.style.background = background;
  return node;
}
