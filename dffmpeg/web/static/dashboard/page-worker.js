// One worker.

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import { every, follow } from "./follow.js";
import { count, decimal, duration, retime, time } from "./format.js";
import { icon } from "./icons.js";
import { ending, jobTitle } from "./naming.js";
import { LIVE_STATES, empty, facts, heading, linkColumn, pill, repill, reslots, section, slots, table, textColumn } from "./parts.js";
import { runningJobs } from "./overview-jobs.js";
import { link } from "./router.js";
import { mayAdminister } from "./session.js";
import { abilityList, holdText, mountList, operations, refill, tags } from "./worker-parts.js";

export const title = ({ id }) => id;

const REFRESH = 15;
const HISTORY = 20;

export function mount(place, { params: { id }, signal }) {
  const complaint = h("div", { class: "complaint bad", role: "alert", hidden: true });
  const state = pill("registering");
  const buttons = h("div", { class: "operations push" });
  const hold = h("div", { class: "complaint wait", hidden: true });
  const cells = slots();
  const about = h("div");
  const mounts = h("div");
  const abilities = h("div", { class: "programs" });
  const running = runningJobs(signal, { ofOne: true });
  const past = pastJobs();
  const body = h(
    "div",
    { class: "columns", hidden: true },
    h("div", { class: "stack" }, section("Jobs in hand", { beside: cells }, running.node), section("History", { beside: h("a", { href: link("jobs", { worker: id }), text: "All its jobs" }) }, past.node)),
    h("div", { class: "stack" }, section("About", {}, about), section("Paths and mounts", {}, mounts), section("Capabilities", {}, abilities)),
  );
  place.append(heading(id, state, buttons), complaint, hold, body);
  let shown = "";
  let worker = null;

  function show(found) {
    worker = found;
    body.hidden = false;
    repill(state, worker.status);
    reslots(cells, worker.used_slots, worker.slots);
    const said = holdText(worker);
    hold.hidden = said === null;
    if (said) fill(hold, icon("pause"), h("p", { text: `Gets no new jobs: ${said}` }));
    // What is new every ten seconds is one line only: the rest is drawn when it is another.
    const key = JSON.stringify([{ ...worker, last_seen: null, used_slots: null }, mayAdminister()]);
    const seen = about.querySelector("time");
    if (key === shown) {
      if (seen) retime(seen, worker.last_seen);
      return;
    }
    shown = key;
    fill(buttons, mayAdminister() ? operations(worker, follower.again) : null);
    fill(about, aboutIt(worker));
    fill(mounts, mountList(worker));
    refill(abilities, abilityList(worker));
  }

  const follower = follow({
    kinds: ["worker", "job", "progress"],
    signal,
    async read() {
      const route = `workers/${encodeURIComponent(id)}`;
      const of = (parameters) => api.get("jobs", { parameters: { worker: id, ...parameters }, signal });
      const [found, live, ended] = await Promise.all([
        api.get(route, { signal }),
        of({ status: LIVE_STATES, limit: 100 }),
        of({ status: ["completed", "failed", "canceled"], limit: HISTORY, sort: "-last_update" }),
      ]);
      show(found);
      running.show(live.items.filter((job) => job.worker_id === id));
      past.show(ended.items);
    },
    onEvent(kind, data) {
      if (kind === "worker") {
        if (data.worker_id === id) follower.again();
      } else if (kind === "progress") running.onProgress(data);
      else {
        running.onJob(data.worker_id === id ? data : { ...data, status: "removed" });
        if (data.worker_id === id) past.onJob(data);
      }
    },
    onError(error) {
      complaint.hidden = error === null;
      // Of one that is not there nothing is known.
      state.hidden = worker === null && error !== null;
      if (error) fill(complaint, icon("warning"), h("p", { text: error.message }), error.status === 404 ? h("a", { href: link("workers"), text: "All workers" }) : null);
    },
  });
  every(REFRESH, follower.again, signal);
}

function aboutIt(worker) {
  const resources = Object.entries(worker.resources).map(([name, number]) => `${name}: ${count(number)}`);
  const substitutions = Object.entries(worker.substitutions).map(([from, to]) => `${from} → ${to}`);
  return facts([
    ["Version", worker.version ?? "unknown"],
    ["Seen", time(worker.last_seen)],
    ["Programs", worker.binaries.join(", ")],
    ["Labels", worker.labels.length ? tags(worker.labels) : null],
    ["Resources", resources.length ? tags(resources) : null],
    ["Weight", worker.weight === 1 ? null : decimal(worker.weight, 2)],
    ["Benchmark", benchmark(worker.benchmark)],
    ["Takes jobs", worker.hours ?? "always"],
    ["Reached over", worker.transport ?? "nothing yet"],
    ["Registers every", duration(worker.registration_interval)],
    ["Runs instead", substitutions.length ? tags(substitutions) : null],
    ["Strikes", worker.strikes || null],
  ]);
}

/** Pixels a second are more than one can picture. */
function benchmark(pixels) {
  if (pixels === null) return "not measured";
  return `${decimal(pixels / 1e6, 1)} megapixels/s`;
}

function pastJobs() {
  let jobs = [];
  const list = table({
    label: "Jobs that it ran",
    class: "past-jobs",
    key: (job) => job.job_id,
    columns: [
      linkColumn("Job", jobTitle, (job) => link("jobs", job.job_id), { class: "wide" }),
      { name: "End", class: "state", make: () => h("span"), show: (node, job) => repill(node, job.status) },
      textColumn("Exit", ending, { class: "exit" }),
      textColumn("For", (job) => job.requester_id ?? "", { class: "for" }),
      { name: "When", class: "right when", make: () => time(new Date(0).toISOString()), show: (node, job) => retime(node, job.ended_at ?? job.last_update) },
    ],
    none: empty("It has finished no job yet."),
  });
  return {
    node: list.node,
    show(records) {
      jobs = records;
      list.show(jobs);
    },
    onJob(job) {
      const rest = jobs.filter((other) => other.job_id !== job.job_id);
      const known = jobs.find((other) => other.job_id === job.job_id);
      const ended = ["completed", "failed", "canceled"].includes(job.status);
      if (!ended && !known) return;
      jobs = (ended ? [{ ...known, ...job }, ...rest] : rest).slice(0, HISTORY);
      list.show(jobs);
    },
  };
}
