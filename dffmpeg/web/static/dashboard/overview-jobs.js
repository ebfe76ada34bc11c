// The overview's two lists of jobs: those that run, with how far they are, and those that failed lately.

import * as api from "./api.js";
import { attribute, h, text } from "./dom.js";
import { UNKNOWN, duration, percent, retime, speed, time } from "./format.js";
import { ending, jobTitle, why } from "./naming.js";
import { LIVE_STATES, empty, linkColumn, progress, repill, reprogress, stateColumn, table, textColumn } from "./parts.js";
import { link } from "./router.js";

const SHOWN = 12;
const FAILURES = 6;
/** What an event says of a job is not what it runs. Only jobs that stay for so long, milliseconds, are worth asking. */
const SETTLED = 3000;

/**
 * The jobs that workers have in hand.
 *
 * @param {{ofOne?: boolean}} options `ofOne`: of one worker, which needs no column then.
 */
export function runningJobs(signal, { ofOne = false } = {}) {
  let jobs = new Map();
  const list = table({
    label: "Running jobs",
    class: "running-jobs",
    key: (job) => job.job_id,
    columns: [
      linkColumn("Job", jobTitle, (job) => link("jobs", job.job_id), { class: "wide" }),
      stateColumn("State", (job) => job.status, { class: "state" }),
      ...(ofOne ? [] : [linkColumn("Worker", (job) => job.worker_id ?? "", (job) => link("workers", job.worker_id), { class: "at" })]),
      { name: "Done", class: "done", make: makeDone, show: showDone },
      textColumn("Remaining", (job) => (job.progress?.remaining === null || job.progress?.remaining === undefined ? UNKNOWN : duration(Math.round(job.progress.remaining))), { class: "right remaining number" }),
      textColumn("Speed", (job) => speed(job.progress?.speed), { class: "right speed number" }),
    ],
    none: ofOne ? empty("Nothing runs here.") : empty("Nothing runs.", "Jobs come from a stand-in for ffmpeg, or from ", h("code", { text: "dffmpeg-client submit -b ffmpeg -- …" })),
  });
  let drawn = false;

  function draw() {
    if (drawn) return;
    drawn = true;
    requestAnimationFrame(() => {
      drawn = false;
      list.show([...jobs.values()].sort((one, other) => (one.job_id < other.job_id ? 1 : -1)).slice(0, SHOWN));
    });
  }

  async function learn(id) {
    const job = jobs.get(id);
    if (!job || job.arguments || signal.aborted) return;
    try {
      const found = await api.get(`jobs/${encodeURIComponent(id)}/status`, { signal });
      if (jobs.has(id)) jobs.set(id, { ...found, ...jobs.get(id), arguments: found.arguments });
      draw();
    } catch (error) {
      if (!api.aborted(error) && error.name !== "ApiError") throw error;
    }
  }

  return {
    node: list.node,
    show(records) {
      jobs = new Map(records.map((job) => [job.job_id, job]));
      draw();
    },
    onJob(job) {
      const before = jobs.get(job.job_id);
      if (!LIVE_STATES.includes(job.status)) jobs.delete(job.job_id);
      else {
        const same = before?.attempt === job.attempt;
        jobs.set(job.job_id, { ...before, ...job, progress: same ? before?.progress : null });
        if (!before) setTimeout(() => learn(job.job_id), SETTLED);
      }
      draw();
    },
    onProgress(news) {
      const job = jobs.get(news.job_id);
      if (!job || job.attempt !== news.attempt) return;
      job.progress = { ...job.progress, ...news };
      draw();
    },
  };
}

function makeDone() {
  return h("div", { class: "done-cell" }, progress("progress"), h("span", { class: "done-text number" }));
}

function showDone(node, job) {
  const [bar, said] = node.children;
  const fraction = job.progress?.fraction ?? null;
  attribute(bar, "aria-label", `Progress of ${jobTitle(job)}`);
  reprogress(bar, fraction);
  text(said, percent(fraction));
}

/** The jobs that failed last. */
export function recentFailures() {
  let jobs = [];
  const list = table({
    label: "Recent failures",
    class: "failures",
    key: (job) => job.job_id,
    columns: [
      linkColumn("Job", jobTitle, (job) => link("jobs", job.job_id), { class: "wide" }),
      { name: "End", class: "state", make: () => h("span"), show: (node, job) => repill(node, "failed", ending(job) || "failed") },
      textColumn("Reason", why, { class: "reason" }),
      linkColumn("Worker", (job) => job.worker_id ?? "", (job) => link("workers", job.worker_id), { class: "at" }),
      { name: "When", class: "right when", make: () => time(new Date(0).toISOString()), show: (node, job) => retime(node, job.ended_at ?? job.last_update) },
    ],
    none: empty("No job has failed lately."),
  });
  return {
    node: list.node,
    show(records) {
      jobs = records.slice(0, FAILURES);
      list.show(jobs);
    },
    onJob(job) {
      const rest = jobs.filter((other) => other.job_id !== job.job_id);
      if (job.status !== "failed" && rest.length === jobs.length) return;
      jobs = (job.status === "failed" ? [job, ...rest] : rest).slice(0, FAILURES);
      list.show(jobs);
    },
  };
}
