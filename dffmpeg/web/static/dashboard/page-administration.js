// The queue, the janitor, who there is, and who did what; for administrators.

import { audit } from "./administration-audit.js";
import { users } from "./administration-users.js";
import * as api from "./api.js";
import { ask } from "./confirm.js";
import { fill, h, text } from "./dom.js";
import { every, follow } from "./follow.js";
import { count, duration, time } from "./format.js";
import { attempt } from "./notices.js";
import { button, empty, heading, pill, section, table, textColumn } from "./parts.js";
import { link } from "./router.js";
import { mayAdminister } from "./session.js";

export const title = () => "Administration";

const READ = 100;
const SHOWN = 15;
const REFRESH = 30;

export function mount(place, { signal }) {
  place.append(heading("Administration"));
  if (!mayAdminister()) {
    place.append(empty("This is for administrators.", h("a", { href: link("sign-in"), text: "Sign in" }), " as one to operate the queue, workers and the janitor."));
    return;
  }
  const trail = audit(signal);
  const above = h("div", { class: "columns side-first" }, h("div", { class: "stack" }, janitor(signal, trail.again)), h("div", { class: "stack" }, queue(signal, trail.again)));
  place.append(h("div", { class: "stack" }, above, users(signal, trail.again), trail.node));
}

function queue(signal, changed) {
  const state = h("div", { class: "queue-state" });
  const said = h("p", { class: "quiet" });
  const act = h("div", { class: "operations" });

  function show(found) {
    fill(state, found.paused ? pill("paused", "paused") : pill("active", "jobs are given to workers"), found.reason ? h("span", { text: found.reason }) : null);
    fill(said, found.changed_by ? [`${found.paused ? "Paused" : "Resumed"} by ${found.changed_by} `, time(found.changed_at)] : "Nobody has paused it yet.");
    fill(act, found.paused ? button("Resume the queue", resume, { icon: "play", class: "primary" }) : button("Pause the queue", pause, { icon: "pause" }));
  }

  async function pause() {
    const found = await ask({
      title: "Pause the queue?",
      text: "No worker gets a new job until it is resumed. What runs goes on; what is submitted waits.",
      action: "Pause",
      fields: [{ name: "reason", label: "Why", hint: "Others will read it; may be empty." }],
    });
    if (found === null) return;
    await attempt(async () => show(await api.post("queue/pause", { reason: found.reason || null })), "The queue is paused.");
    changed();
  }

  async function resume() {
    await attempt(async () => show(await api.post("queue/resume", {})), "Jobs are given to workers again.");
    changed();
  }

  follow({
    kinds: ["queue"],
    signal,
    read: async () => show(await api.get("queue", { signal })),
    onEvent: (_, data) => show(data),
    onError: (error) => error && text(said, error.message),
  });
  return section("Queue", {}, h("div", { class: "rows" }, state, said, act));
}

const ACTIONS = [
  ["run_all", "Everything"],
  ["clean_jobs", "Jobs: those whose worker or client is gone"],
  ["clean_workers", "Workers that are gone"],
  ["successors", "Jobs that wait for others"],
  ["messages", "Messages that nobody fetched"],
  ["retention", "What is older than it is kept"],
  ["vacuum", "Room in the database"],
];

function janitor(signal, changed) {
  const said = h("p", { class: "quiet", hidden: true });
  const list = table({
    label: "Runs of the janitor",
    key: (run) => run.run_id,
    columns: [
      { name: "When", class: "narrow", make: () => h("span"), show: (node, run) => node.firstChild?.dateTime === run.started_at || fill(node, time(run.started_at)) },
      textColumn("What", (run) => run.action.replace("_", " "), { class: "narrow" }),
      textColumn("Took", (run) => (run.ended_at ? duration((Date.parse(run.ended_at) - Date.parse(run.started_at)) / 1000) : "–"), { class: "narrow number" }),
      textColumn("Result", result),
    ],
    none: empty("The janitor has not run yet.", "It comes by itself, at the times in the coordinator's configuration."),
  });

  async function read() {
    try {
      const runs = await api.get("admin/janitor", { parameters: { limit: READ }, signal });
      list.show(runs.filter((run, index) => index === 0 || telling(run)).slice(0, SHOWN));
      said.hidden = runs.length === 0;
      text(said, "Periodic runs with nothing to do are left out, but for the last one.");
    } catch (error) {
      if (api.aborted(error)) return;
      if (error.name !== "ApiError") throw error;
      said.hidden = false;
      text(said, error.message);
    }
  }

  async function run() {
    const found = await ask({
      title: "Have the janitor sweep now?",
      text: "It does what it otherwise does at its times: it gives jobs of lost workers to others, and removes what is older than the configuration keeps it. What it removes is gone.",
      action: "Sweep",
      danger: true,
      fields: [{ name: "action", label: "What", options: ACTIONS }],
    });
    if (found === null) return;
    await attempt(() => api.post("admin/janitor", { action: found.action }), "The janitor has swept.");
    changed();
    read();
  }

  read();
  every(REFRESH, read, signal);
  return section("Janitor", { beside: button("Sweep now", run, { icon: "retry", class: "small" }) }, said, list.node);
}

/** Whether a run is more than one of the many that come by themselves and find nothing. */
function telling(run) {
  return run.action !== "periodic" || Object.values(run.result).some((number) => number);
}

/** What was done, of all that could have been. */
function result(run) {
  if (!run.ended_at) return "under way, or broken off";
  const parts = Object.entries(run.result).filter(([, number]) => number).map(([name, number]) => `${name.replaceAll("_", " ")}: ${count(number)}`);
  return parts.join(", ") || "nothing to do";
}
