// How a job is called in lists.

/** What a person would know a job by: its name, else the file that it makes, else the one that it reads, else its program. */
export function jobTitle(job) {
  if (job.name) return job.name;
  const args = job.arguments ?? [];
  return fileName(args.at(-1)) ?? fileName(args[args.indexOf("-i") + 1]) ?? `${job.binary_name ?? "job"} ${shortId(job.job_id)}`;
}

/** The last part of a path; null where an argument is none that would mean anything to anybody. */
function fileName(argument) {
  if (typeof argument !== "string" || argument.length < 2 || argument.startsWith("-")) return null;
  const name = argument.split("/").filter(Boolean).at(-1) ?? "";
  return /\.\w+$/.test(name) ? name : null;
}

/** The end of an id, which is what differs between jobs of one time. */
export function shortId(id) {
  return `…${id.slice(-6)}`;
}

/** Why a job failed or was canceled, in one line: our reason, else what its program said last; or nothing. */
export function why(job) {
  return job.reason ?? job.last_line ?? "";
}

/** How a job ended: "exit 1", "signal 9", or nothing. */
export function ending(job) {
  if (job.signal !== null && job.signal !== undefined) return `signal ${job.signal}`;
  return job.exit_code === null || job.exit_code === undefined ? "" : `exit ${job.exit_code}`;
}
