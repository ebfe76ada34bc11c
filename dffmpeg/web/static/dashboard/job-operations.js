// What can be done to a job, by those who may.

import { post } from "./api.js";
import { ask } from "./confirm.js";
import { fill } from "./dom.js";
import { attempt } from "./notices.js";
import { button, LIVE_STATES } from "./parts.js";
import { go } from "./router.js";
import { mayOperate } from "./session.js";

const LEAST_PRIORITY = -100;
const MOST_PRIORITY = 100;

/**
 * Keep the buttons of a job as its state has them. None is there for who may not operate.
 *
 * @param {Element} place holds nothing else.
 * @param {object} job its record.
 */
export function showOperations(place, job) {
  const wanted = mayOperate(job.requester_id) ? possible(job.status) : [];
  const key = wanted.join(" ");
  place.job = job;
  // Whoever is about to press one must not have it exchanged under the finger.
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  fill(place, wanted.map((name) => OPERATIONS[name](() => place.job)));
}

function possible(state) {
  if (state === "pending") return ["priority", "cancel"];
  if (state === "canceling") return [];
  return LIVE_STATES.includes(state) ? ["cancel"] : ["retry"];
}

const OPERATIONS = {
  cancel: (job) => button("Cancel", () => cancel(job()), { icon: "close", class: "danger" }),
  retry: (job) => button("Run again", () => retry(job()), { icon: "retry" }),
  priority: (job) => button("Priority", () => changePriority(job())),
};

function route(job, what) {
  return `jobs/${encodeURIComponent(job.job_id)}/${what}`;
}

async function cancel(job) {
  const running = LIVE_STATES.includes(job.status);
  const answer = await ask({
    title: "Cancel this job?",
    text: running ? "Its program is ended, and what it has written so far stays as it is." : "It leaves the queue, and no worker gets it.",
    action: "Cancel the job",
    danger: true,
  });
  if (answer) await attempt(() => post(route(job, "cancel"), {}), "The job is being canceled.");
}

async function retry(job) {
  const answer = await ask({
    title: "Run this job again?",
    text: "A new job with the same command line is submitted. What the program writes replaces what is there.",
    action: "Run again",
  });
  if (!answer) return;
  let made = null;
  const done = await attempt(async () => (made = await post(route(job, "retry"), {})), "It is submitted again.");
  if (done && made?.job_id) go("jobs", made.job_id);
}

async function changePriority(job) {
  const answer = await ask({
    title: "Change the priority",
    text: "Jobs of a higher priority get a worker first.",
    action: "Change",
    fields: [
      {
        name: "priority",
        label: "Priority",
        type: "number",
        value: job.priority,
        required: true,
        hint: `A whole number from ${LEAST_PRIORITY} to ${MOST_PRIORITY}; 0 is the usual one.`,
      },
    ],
  });
  if (answer) await attempt(() => post(route(job, "priority"), { priority: Number(answer.priority) }), "The priority is changed.");
}
