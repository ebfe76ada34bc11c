// Parts of a job's page: its command line, what happened to it, its attempts, and why it waits.

import { url } from "./api.js";
import { copy } from "./clipboard.js";
import { attribute, fill, h, keyed, text } from "./dom.js";
import { duration, moment, quote, time } from "./format.js";
import { button, facts, pill, section } from "./parts.js";
import { link } from "./router.js";
import { Terminal } from "./terminal.js";

const FORMS = [
  ["mapped", "Names", "Mapped directories by their names, as it travels"],
  ["client", "Client", "With the directories of whoever submitted it"],
  ["worker", "Worker", "With the directories of the worker that has it"],
];

/** The command line, in each of its forms. Returns `{node, show(commands)}`. */
export function commandPart() {
  let commands = null;
  let chosen = "mapped";
  const tabs = FORMS.map(([name, label, title]) => h("button", { type: "button", class: "button", text: label, title, data: { name }, on: { click: () => choose(name) } }));
  const line = h("code", { class: "command", tabindex: 0, role: "region", "aria-label": "The whole command line" });
  const take = button("Copy", () => copy(commands[chosen].line), { icon: "copy", class: "small" });
  const choice = h("div", { class: "segments", role: "group", "aria-label": "Whose paths" }, tabs);

  function choose(name) {
    chosen = name;
    draw();
  }

  function draw() {
    if (!commands[chosen]) chosen = "mapped";
    for (const tab of tabs) {
      attribute(tab, "aria-pressed", String(tab.dataset.name === chosen));
      tab.hidden = !commands[tab.dataset.name];
    }
    text(line, commands[chosen].line);
  }

  return {
    node: section("Command line", { beside: [choice, take] }, line),
    show(found) {
      commands = found;
      draw();
    },
  };
}

/** What happened to the job, the oldest first. Returns `{node, show(entries)}`. */
export function timelinePart() {
  const list = h("ol", { class: "timeline" });

  function update(node, entry) {
    const said = JSON.stringify(entry);
    if (node.dataset.said === said) return;
    node.dataset.said = said;
    node.className = `event ${entry.what}`;
    fill(
      node,
      h("span", { class: "event-text", text: entry.text }),
      h("span", { class: "quiet" }, time(entry.at), entry.worker_id ? [" · ", h("a", { href: link("workers", entry.worker_id), text: entry.worker_id })] : null),
    );
  }

  return {
    node: section("Timeline", {}, list),
    show(entries) {
      keyed(list, entries.map((entry, index) => ({ ...entry, index })), (entry) => entry.index, () => h("li"), update);
    },
  };
}

/** Each attempt, with the end of what it said. Returns `{node, show(jobId, attempts)}`. */
export function attemptsPart() {
  const list = h("ol", { class: "attempts" });
  const node = section("Attempts", {}, list);

  function update(jobId, item, attempt) {
    const said = JSON.stringify(attempt);
    if (item.dataset.said === said) return;
    item.dataset.said = said;
    const open = item.querySelector("details")?.open ?? false;
    fill(
      item,
      h("div", { class: "attempt-head" }, h("strong", { text: `Attempt ${attempt.attempt}` }), attempt.outcome ? outcomePill(attempt.outcome) : pill("running", "in hand")),
      facts([
        ["Worker", h("a", { href: link("workers", attempt.worker_id), text: attempt.worker_id })],
        ["Exit code", attempt.exit_code === null ? null : String(attempt.exit_code)],
        ["Signal", attempt.signal ? String(attempt.signal) : null],
        ["Ran for", ran(attempt)],
        ["Reason", attempt.reason],
        ["Encoders taken instead", substituted(attempt.substitutions)],
      ]),
      lastWords(attempt, open),
      h("a", { class: "button small", href: url(`jobs/${encodeURIComponent(jobId)}/log/download`, { attempt: attempt.attempt }), text: "Its whole log" }),
    );
  }

  return {
    node,
    show(jobId, attempts) {
      node.hidden = attempts.length === 0;
      const latest = [...attempts].reverse();
      keyed(list, latest, (attempt) => attempt.attempt, () => h("li", { class: "attempt" }), (item, attempt) => update(jobId, item, attempt));
    },
  };
}

const OUTCOMES = { completed: "completed", failed: "failed", canceled: "canceled", rejected: "quarantined", lost: "quarantined" };

function outcomePill(outcome) {
  return pill(OUTCOMES[outcome] ?? "stopped", outcome.replaceAll("_", " "));
}

function ran({ started_at: start, ended_at: end }) {
  return start && end ? duration((Date.parse(end) - Date.parse(start)) / 1000) : null;
}

function substituted(substitutions) {
  return Object.entries(substitutions ?? {}).map(([asked, taken]) => `${taken} for ${asked}`).join(", ");
}

function lastWords({ stderr_end: end }, open) {
  const said = end ? plainText(end) : "";
  if (!said) return null;
  return h("details", { open }, h("summary", { text: "What it said last" }), h("pre", { class: "log small", tabindex: 0, text: said }));
}

/** The end of an output, as a terminal would leave it. Bytes that are not UTF-8 come as `{b64}`. */
function plainText(content) {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : Uint8Array.from(atob(content.b64), (sign) => sign.charCodeAt(0));
  const terminal = new Terminal();
  terminal.write(bytes);
  return terminal.lines.map((line) => line.text).join("\n").trim();
}

/** Why it waits. Returns `{node, show(explanation)}`, hidden for null. */
export function whyPart() {
  const place = h("div", { class: "why" });
  const node = section("Why it waits", {}, place);
  return {
    node,
    show(why) {
      node.hidden = !why;
      const said = JSON.stringify(why);
      if (!why || place.dataset.said === said) return;
      place.dataset.said = said;
      fill(place, h("p", { text: whyInShort(why) }), reasons(why.waits_for), why.workers.length ? verdicts(why.workers) : null);
    },
  };
}

function whyInShort(why) {
  if (why.choice) return `It is ready, and ${why.choice} gets it when it is its turn.`;
  if (why.may_start) return why.workers.length ? "It is ready, but no worker can take it now." : "It is ready, but there is no worker.";
  return why.otherwise ? `It has to wait; then ${why.otherwise} would get it:` : "It has to wait:";
}

function reasons(found) {
  return found.length ? h("ul", { class: "bullets" }, found.map((reason) => h("li", { text: reason }))) : null;
}

function verdicts(workers) {
  const most = 20;
  const shown = workers.slice(0, most).map((verdict) =>
    h("li", {}, h("a", { href: link("workers", verdict.worker_id), text: verdict.worker_id }), pill(verdict.takes ? "online" : verdict.suitable ? "pending" : "offline", verdictWord(verdict)), h("span", { class: "quiet", text: verdict.reasons.join("; ") })),
  );
  if (workers.length > most) shown.push(h("li", { class: "quiet", text: `and ${workers.length - most} more` }));
  return h("ul", { class: "verdicts", "aria-label": "Workers" }, shown);
}

function verdictWord({ takes, suitable, has_room: room }) {
  if (takes) return "can take it";
  if (!suitable) return "cannot run it";
  return room ? "has room" : "no room now";
}

const NEEDS = { encoders: "encoder", decoders: "decoder", filters: "filter", hwaccels: "acceleration", muxers: "muxer", demuxers: "demuxer", protocols: "protocol", labels: "label", declared: "resource", writes: "writes" };

/** A job's facts. */
export function jobFacts(job) {
  const needs = Object.entries(NEEDS).flatMap(([kind, word]) => (job.needs?.[kind] ?? []).map((name) => `${word} ${name}`));
  for (const [name, slots] of Object.entries(job.resources ?? {})) needs.push(`${slots} × ${name}`);
  const after = (job.after ?? []).map((id) => h("a", { class: "mono", href: link("jobs", id), text: id }));
  return facts([
    ["Job", h("span", { class: "mono", text: job.job_id })],
    ["Requester", h("a", { href: link("jobs", { requester: job.requester_id }), text: job.requester_id })],
    ["Worker", job.worker_id ? h("a", { href: link("workers", job.worker_id), text: job.worker_id }) : null],
    ["Attempt", job.attempt ? `${job.attempt} of ${job.max_attempts}` : `none yet, of ${job.max_attempts}`],
    ["Exit code", job.exit_code === null ? null : String(job.exit_code)],
    ["Signal", job.signal ? String(job.signal) : null],
    ["Reason", job.reason],
    ["Said last", job.last_line ? h("span", { class: "mono", text: job.last_line }) : null],
    ["Priority", String(job.priority)],
    ["Labels", tags(job.labels ?? [], (label) => link("jobs", { label }))],
    ["Needs", tags(needs)],
    ["After", after.length ? h("div", { class: "stack-tight" }, after) : null],
    ["Not before", job.not_before ? moment(job.not_before) : null],
    ["Submitted", time(job.created_at)],
    ["Ended", job.ended_at ? time(job.ended_at) : null],
    ["Took", job.ended_at ? duration((Date.parse(job.ended_at) - Date.parse(job.created_at)) / 1000) : null],
    ["Working directory", job.working_directory ? h("span", { class: "mono", text: quote(job.working_directory) }) : null],
    ["Again for", job.retry_of ? h("a", { class: "mono", href: link("jobs", job.retry_of), text: job.retry_of }) : null],
  ]);
}

function tags(words, address) {
  if (!words.length) return null;
  return h("div", { class: "tags" }, words.map((word) => h(address ? "a" : "span", { class: "tag", href: address?.(word), text: word })));
}
