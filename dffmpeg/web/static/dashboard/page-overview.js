// Is it healthy, and how far is it?

import * as api from "./api.js";
import { attribute, fill, h, keyed, text } from "./dom.js";
import { every, follow } from "./follow.js";
import { bytes, count, decimal, duration, plural, retime, speed, time } from "./format.js";
import { icon } from "./icons.js";
import { recentFailures, runningJobs } from "./overview-jobs.js";
import { LIVE_STATES, button, empty, heading, pill, repill, reslots, section, slots } from "./parts.js";
import { plot } from "./plots.js";
import { link } from "./router.js";

export const title = () => "Overview";

const TILES = [
  { key: "pending", label: "Waiting", states: ["pending"] },
  { key: "running", label: "Running", states: LIVE_STATES },
  { key: "completed", label: "Completed", states: ["completed"] },
  { key: "failed", label: "Failed", states: ["failed"] },
  { key: "canceled", label: "Canceled", states: ["canceled"] },
];

/** Seconds between two looks at the history, which has a point a minute. */
const HISTORY = 30;

export function mount(place, { signal }) {
  const complaint = h("div", { class: "complaint bad", role: "alert", hidden: true });
  const queue = h("span", { hidden: true });
  const rates = h("p", { class: "quiet number push" });
  const alerts = h("ul", { class: "alerts", "aria-label": "Alerts" });
  const tiles = TILES.map(makeTile);
  const slotsTile = makeSlotsTile();
  const running = runningJobs(signal);
  const failures = recentFailures();
  const workers = h("ul", { class: "worker-list" });
  const noWorkers = empty("No worker has registered yet.", "Make one a key and a configuration, then start it: ", h("code", { text: "dffmpeg-admin user add worker1 --role worker --write-config worker.toml" }));
  noWorkers.hidden = true;
  const workersSaid = h("span", { class: "number" });
  const history = makeHistory(signal);
  place.append(
    heading("Overview", queue, rates),
    complaint,
    alerts,
    h("ul", { class: "tiles", "aria-label": "Jobs by state" }, tiles.map((tile) => tile.node), slotsTile.node),
    h(
      "div",
      { class: "columns overview-columns" },
      section("Running jobs", { beside: h("a", { href: link("jobs", { state: LIVE_STATES.join(",") }), text: "All of them" }) }, running.node),
      section("Workers", { beside: workersSaid }, workers, noWorkers),
    ),
    history.node,
    section("Recent failures", { beside: h("a", { href: link("jobs", { state: "failed" }), text: "All of them" }) }, failures.node),
  );

  function show(overview) {
    for (const tile of tiles) tile.show(overview.counts);
    slotsTile.show(overview.workers);
    queue.hidden = !overview.queue.paused;
    if (overview.queue.paused) repill(queue, "paused", `queue paused${overview.queue.reason ? `: ${overview.queue.reason}` : ""}`);
    text(rates, said(overview.rates));
    showAlerts(alerts, overview.alerts);
    const there = overview.workers.filter((worker) => worker.status !== "offline");
    text(workersSaid, overview.workers.length ? `${count(there.length)} of ${plural(overview.workers.length, "worker")} there` : "");
    keyed(workers, [...there, ...overview.workers.filter((worker) => worker.status === "offline")], (worker) => worker.worker_id, makeWorker, showWorker);
    noWorkers.hidden = overview.workers.length > 0;
  }

  follow({
    kinds: ["overview", "job", "progress"],
    signal,
    async read() {
      const [overview, live, failed] = await Promise.all([
        api.get("overview", { signal }),
        api.get("jobs", { parameters: { status: LIVE_STATES, limit: 50 }, signal }),
        api.get("jobs", { parameters: { status: "failed", limit: 6, sort: "-last_update" }, signal }),
      ]);
      show(overview);
      running.show(live.items);
      failures.show(failed.items);
    },
    onEvent(kind, data) {
      if (kind === "overview") show(data);
      else if (kind === "progress") running.onProgress(data);
      else {
        running.onJob(data);
        failures.onJob(data);
      }
    },
    onError(error) {
      complaint.hidden = error === null;
      if (error) fill(complaint, icon("warning"), h("p", { text: error.message }), error.status === 401 ? h("a", { href: link("sign-in"), text: "Sign in" }) : null);
    },
  });
}

function said({ submitted, started, ended }) {
  if (submitted === null && started === null && ended === null) return "";
  return `Last minute: ${count(submitted)} submitted, ${count(started)} started, ${count(ended)} ended`;
}

function makeTile({ key, label, states }) {
  const value = h("span", { class: "tile-value number", text: "–" });
  const node = h("li", {}, h("a", { class: `tile tile-${key}`, href: link("jobs", { state: states.join(",") }) }, h("span", { class: "tile-label", text: label }), value));
  return {
    node,
    show(counts) {
      const sum = states.reduce((total, state) => total + (counts[state] ?? 0), 0);
      text(value, count(sum));
      node.firstElementChild.classList.toggle("nothing", sum === 0);
    },
  };
}

function makeSlotsTile() {
  const value = h("span", { class: "tile-value number", text: "–" });
  const node = h("li", {}, h("a", { class: "tile tile-slots", href: link("workers") }, h("span", { class: "tile-label", text: "Slots used" }), value));
  return {
    node,
    show(workers) {
      const there = workers.filter((worker) => worker.status !== "offline");
      const sum = (name) => there.reduce((total, worker) => total + worker[name], 0);
      text(value, `${count(sum("used_slots"))} / ${count(sum("slots"))}`);
    },
  };
}

const SUBJECTS = {
  quarantined: (subject) => link("workers", subject),
  worker_lost: (subject) => link("workers", subject),
  mount_gone: (subject) => link("workers", subject.split("/")[0]),
  no_worker: () => link("jobs", { state: "pending" }),
  downlink_down: () => link("tree"),
};

function showAlerts(list, alerts) {
  keyed(
    list,
    alerts,
    (alert) => `${alert.kind} ${alert.subject}`,
    (alert) => h("li", { class: "alert" }, pill(alert.severity), h("p", { class: "alert-text" }), h("a", { text: "Show" }), time(alert.since)),
    (node, alert) => {
      const [mark, words, address, since] = node.children;
      repill(mark, alert.severity);
      text(words, alert.text);
      const found = SUBJECTS[alert.kind]?.(alert.subject) ?? null;
      address.hidden = found === null;
      attribute(address, "href", found);
      attribute(address, "aria-label", `Show ${alert.subject}`);
      retime(since, alert.since);
    },
  );
  list.hidden = alerts.length === 0;
}

function makeWorker(worker) {
  return h(
    "li",
    { class: "worker-line" },
    h("a", { class: "worker-name", href: link("workers", worker.worker_id), text: worker.worker_id }),
    pill(worker.status),
    slots(),
    h("span", { class: "worker-figures quiet number" }),
  );
}

function showWorker(node, worker) {
  const [, state, cells, figures] = node.children;
  repill(state, worker.status);
  reslots(cells, worker.used_slots, worker.slots);
  node.title = worker.hold_reason ?? "";
  const parts = [];
  if (worker.speed !== null && worker.speed !== undefined) parts.push(speed(worker.speed));
  if (worker.load !== null && worker.load !== undefined) parts.push(`load ${decimal(worker.load, 2)}`);
  text(figures, parts.join(" · "));
}

function makeHistory(signal) {
  const perMinute = (name) => (point, step) => (point[name] === null ? null : (point[name] * 60) / step);
  const plots = [
    plot({
      title: "Jobs per minute",
      unit: "per minute",
      format: (value) => decimal(value, value < 10 && value % 1 ? 1 : 0),
      series: [
        { name: "completed", tone: "good", kind: "bar", value: perMinute("completed") },
        { name: "failed", tone: "bad", kind: "bar", value: perMinute("failed") },
        { name: "canceled", tone: "idle", kind: "bar", value: perMinute("canceled") },
      ],
    }),
    plot({
      title: "Waiting time",
      format: duration,
      series: [
        { name: "longest", tone: "idle", kind: "line", value: (point) => point.waited_max },
        { name: "mean", tone: "wait", kind: "area", value: (point) => point.waited_mean },
      ],
    }),
    plot({
      title: "Slots and queue",
      format: (value) => decimal(value, value < 10 && value % 1 ? 1 : 0),
      series: [
        { name: "slots", tone: "idle", kind: "line", value: (point) => point.slots },
        { name: "used", tone: "busy", kind: "area", value: (point) => point.used_slots },
        { name: "waiting", tone: "wait", kind: "line", value: (point) => point.queued },
      ],
    }),
    plot({
      title: "Throughput",
      format: (value) => `${bytes(value)}/s`,
      series: [{ name: "streamed", tone: "busy", kind: "area", value: (point, step) => (point.bytes === null ? null : point.bytes / step) }],
    }),
  ];
  const note = h("p", { class: "quiet", hidden: true });
  let span = "hour";
  const choices = ["hour", "day"].map((name) => button(`Last ${name}`, () => choose(name), { "aria-pressed": String(name === span) }));
  const node = section("History", { beside: h("div", { class: "segments", role: "group", "aria-label": "Span" }, choices) }, note, h("div", { class: "plots" }, plots.map((one) => one.node)));

  function choose(name) {
    span = name;
    choices.forEach((choice, index) => attribute(choice, "aria-pressed", String(["hour", "day"][index] === name)));
    read();
  }

  async function read() {
    const asked = span;
    try {
      const history = await api.get("history", { parameters: { span: asked }, signal });
      if (asked !== span || signal.aborted) return;
      for (const one of plots) one.show(history);
      note.hidden = true;
    } catch (error) {
      if (api.aborted(error)) return;
      if (error.name !== "ApiError") throw error;
      note.hidden = false;
      text(note, `No history: ${error.message}`);
    }
  }

  read();
  every(HISTORY, read, signal);
  return { node };
}
