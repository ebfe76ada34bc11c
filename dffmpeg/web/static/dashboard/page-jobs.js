// The list of jobs: a page of it, which goes on living while it is looked at.

import { aborted, get } from "./api.js";
import { attribute, fill, h, text } from "./dom.js";
import { commandLine, count, duration, moment, now, percent, plural, retime, speed, time, timecode } from "./format.js";
import { filterControls, filterParameters, filterQuery, mayMatch, readFilter, terms } from "./job-filters.js";
import { subscribe } from "./live.js";
import { why } from "./naming.js";
import { button, empty, heading, linkColumn, LIVE_STATES, progress, reprogress, stateColumn, table, textColumn } from "./parts.js";
import { go, link, replaceAddress } from "./router.js";

const PAGE = 50;

/** New jobs are put in at most so often, milliseconds: a list that runs cannot be read. */
const CALM = 1000;

export const title = () => "Jobs";

export function mount(place, { query, signal }) {
  const controls = filterControls(change);
  const list = table({ label: "Jobs", columns: columns(), key: (job) => job.job_id, none: h("div") });
  const news = h("button", { type: "button", class: "button small primary", hidden: true, on: { click: () => load() } });
  const complaint = h("p", { class: "complaint bad", role: "alert", hidden: true });
  const newest = button("Newest", () => turn(null), { class: "small" });
  const later = button("Later", () => history.back(), { icon: "previous", class: "small" });
  const earlier = button("Earlier", () => turn(next), { icon: "next", class: "small" });
  const pages = h("nav", { class: "pages", "aria-label": "Pages of the list" }, newest, later, earlier);
  const panel = h("section", { class: "panel jobs-panel", "aria-label": "Jobs" }, list.node, pages);
  const beside = h("p", { class: "summary", role: "status" });
  place.append(heading("Jobs", beside, h("span", { class: "push" }), news), controls.node, complaint, panel);
  panel.addEventListener("keydown", moveByKeys);

  let filter = readFilter(query);
  let cursor = query.get("cursor");
  let next = null;
  let searched = null;
  let rows = new Map();
  let fresh = new Set();
  let request = null;
  let loadedAt = 0;
  let timer = null;

  function change(wanted, { typing }) {
    if (JSON.stringify(wanted) === JSON.stringify(filter) && !(cursor && typing)) {
      if (!typing) controls.show(filter);
      return;
    }
    if (typing) {
      replaceAddress("jobs", filterQuery(wanted));
      apply(wanted, null);
    } else {
      go("jobs", filterQuery(wanted));
    }
  }

  function apply(wanted, where) {
    [filter, cursor] = [wanted, where];
    controls.show(filter);
    load();
  }

  function turn(where) {
    go("jobs", { ...filterQuery(filter), cursor: where });
  }

  async function load() {
    clearTimeout(timer);
    timer = null;
    request?.abort();
    const mine = (request = new AbortController());
    const before = fresh;
    fresh = new Set();
    loadedAt = performance.now();
    panel.setAttribute("aria-busy", "true");
    try {
      const found = await get("jobs", { parameters: { ...filterParameters(filter), limit: PAGE, cursor }, signal: mine.signal });
      const kept = rows;
      rows = new Map(found.items.map((job) => [job.job_id, current(job, kept.get(job.job_id))]));
      next = found.next;
      searched = found.searched_until ?? null;
      complaint.hidden = true;
      show();
    } catch (error) {
      if (aborted(error)) return;
      for (const id of before) fresh.add(id);
      text(complaint, error.message);
      complaint.hidden = false;
    } finally {
      if (request === mine) panel.removeAttribute("aria-busy");
    }
  }

  function show() {
    list.show([...rows.values()]);
    const nothing = list.node.lastElementChild;
    if (!rows.size) fill(nothing, nothingHere());
    newest.disabled = cursor === null;
    later.hidden = cursor === null;
    earlier.disabled = next === null;
    pages.hidden = cursor === null && next === null;
    text(beside, summary());
    showNews();
  }

  /** How many there are, and how far it was looked for them where that takes long. */
  function summary() {
    const found = plural(rows.size, "job");
    if (next !== null && searched !== null && rows.size < PAGE) return `${found} since ${moment(searched)}; earlier ones have not been looked at yet`;
    if (cursor !== null) return `${found} of an earlier page`;
    return next === null ? found : `${found} or more`;
  }

  function nothingHere() {
    if (next !== null) return empty("None so far.", "Earlier jobs have not been looked at yet: ", button("Look further back", () => turn(next), { class: "small" }));
    if (terms(filter).length) return empty("No job is like that.", h("a", { href: link("jobs"), text: "Show all jobs" }));
    return empty("No jobs yet.", "Whatever is submitted appears here at once: ", h("code", { text: "dffmpeg-client submit -b ffmpeg -- …" }));
  }

  function showNews() {
    news.hidden = fresh.size === 0 || cursor !== null;
    text(news, `Show ${plural(fresh.size, "new job")}`);
  }

  /** Whether rows may move: nobody points at one, none has the focus, and the list's beginning is in sight. */
  function quiet() {
    return cursor === null && scrollY < 200 && !panel.matches(":hover") && !panel.contains(document.activeElement) && !document.hidden;
  }

  function stir(jobId) {
    fresh.add(jobId);
    showNews();
    if (timer !== null || !quiet()) return;
    const wait = Math.max(0, loadedAt + CALM - performance.now());
    timer = setTimeout(() => {
      timer = null;
      if (quiet()) load();
    }, wait);
  }

  const events = {
    job(event) {
      const row = rows.get(event.job_id);
      if (!row) {
        if (event.status !== "removed" && mayMatch(filter, event)) stir(event.job_id);
        return;
      }
      Object.assign(row, event);
      list.show([...rows.values()]);
    },
    progress(event) {
      const row = rows.get(event.job_id);
      if (!row || row.attempt > event.attempt) return;
      row.progress = { ...row.progress, ...event, time: event.out_time };
      list.show([...rows.values()]);
    },
  };

  const leave = subscribe({
    kinds: ["job", "progress"],
    onEvent: (kind, data) => events[kind]?.(data),
    onRead(cause) {
      if (cause !== "resumed") load();
    },
  });
  signal.addEventListener("abort", () => {
    leave();
    request?.abort();
    clearTimeout(timer);
  });
  controls.show(filter);
  load();
  return { update: (changed) => apply(readFilter(changed), changed.get("cursor")) };
}

/** A record as it was read, unless events have told of something later already. */
function current(read, kept) {
  if (!kept || !(kept.last_update > read.last_update)) return read;
  return { ...read, ...kept, arguments: read.arguments };
}

function columns() {
  return [
    stateColumn("State", (job) => job.status, { class: "narrow" }),
    { name: "Job", class: "wide", make: () => h("div", { class: "job-name" }, h("a"), h("span", { class: "quiet" })), show: showName },
    textColumn("Requester", (job) => job.requester_id, { class: "optional" }),
    linkColumn("Worker", (job) => job.worker_id ?? "", (job) => link("workers", job.worker_id), { class: "worker-column" }),
    { name: "Progress", class: "progress-column", make: makeProgress, show: showProgress },
    { name: "Submitted", class: "narrow", make: () => time(new Date(0).toISOString()), show: (node, job) => retime(node, job.created_at) },
  ];
}

function showName(node, job) {
  const [name, beside] = node.children;
  const line = job.arguments ? commandLine(job.binary_name, job.arguments) : job.binary_name;
  attribute(name, "href", link("jobs", job.job_id));
  text(name, job.name ?? line);
  name.title = line.slice(0, 2000);
  name.className = job.name ? "" : "mono";
  text(beside, [job.name ? job.binary_name : null, ...(job.labels ?? [])].filter(Boolean).join(" · "));
}

function makeProgress() {
  return h("div", { class: "job-progress" }, progress("Done"), h("span"), h("span", { class: "job-why" }));
}

function showProgress(node, job) {
  const [bar, words, reason] = node.children;
  const live = LIVE_STATES.includes(job.status);
  bar.hidden = !live;
  if (live) reprogress(bar, job.progress?.fraction ?? null);
  text(words, live ? liveWords(job) : endWords(job));
  text(reason, job.status === "failed" ? why(job) : "");
  reason.title = reason.textContent;
  reason.hidden = !reason.textContent;
}

function liveWords({ progress: found }) {
  const words = [];
  if (typeof found?.fraction === "number") words.push(percent(found.fraction));
  else if (typeof found?.time === "number") words.push(`${timecode(found.time)} done`);
  if (typeof found?.remaining === "number") words.push(`${duration(found.remaining)} left`);
  else if (typeof found?.speed === "number") words.push(speed(found.speed));
  return words.join(" · ");
}

function endWords(job) {
  if (job.status === "pending") {
    if (job.blocked) return `after ${plural(job.blocked, "other job")}`;
    return job.not_before && Date.parse(job.not_before) > now() ? "later" : (job.hindrance ?? "");
  }
  if (!job.ended_at) return "";
  const took = `took ${duration((Date.parse(job.ended_at) - Date.parse(job.created_at)) / 1000)}`;
  if (job.signal) return `${took} · signal ${count(job.signal)}`;
  return job.status === "failed" && job.exit_code !== null ? `${took} · exit ${job.exit_code}` : took;
}

/** Up and down go from job to job. */
function moveByKeys(event) {
  const steps = { ArrowDown: 1, ArrowUp: -1 };
  if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
  const links = [...event.currentTarget.querySelectorAll(".job-name a")];
  const row = event.target.closest("tr");
  const place = links.findIndex((one) => row?.contains(one));
  const goal = links[place + steps[event.key]];
  if (place < 0 || !goal) return;
  event.preventDefault();
  goal.focus();
}
