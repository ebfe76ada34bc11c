"use strict";

// Everything from the server is put into the page as text, never as markup.

const REFRESH = 2000; // milliseconds
const MOST_CELLS = 32;
const STATES = ["pending", "assigned", "running", "canceling", "completed", "failed", "canceled"];
const FINAL = new Set(["completed", "failed", "canceled"]);
const clockOffset = { value: 0 }; // server's clock minus ours, milliseconds

const byId = (id) => document.getElementById(id);
const now = () => Date.now() + clockOffset.value;

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Values as people read them

function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (value) => String(value).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function ago(text) {
  const seconds = Math.max(0, Math.floor((now() - Date.parse(text)) / 1000));
  if (seconds < 5) return "now";
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} days ago`;
}

function argument(value) {
  // What is not UTF-8 comes as base64, and is shown escaped.
  const text = typeof value === "string" ? value : atob(value.b64).replace(/[^ -~]/g, escapeByte);
  return /^[\w@%+=:,./$-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function escapeByte(byte) {
  return `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

function exit(job) {
  if (job.signal !== null) return `signal ${job.signal}`;
  return job.exit_code === null ? "" : String(job.exit_code);
}

function elapsed(job) {
  const end = FINAL.has(job.status) ? Date.parse(job.last_update) : now();
  return duration(end - Date.parse(job.created_at));
}

// Tables whose rows stay the same objects while they are shown, so that a selection survives a refresh

class Table {
  constructor(id, cells) {
    this.body = byId(id).tBodies[0];
    this.labels = Array.from(byId(id).tHead.rows[0].cells, (cell) => cell.textContent);
    this.classes = Array.from(byId(id).tHead.rows[0].cells, (cell) => cell.className);
    this.cells = cells;
    this.rows = new Map();
    this.empty = byId(`${id}-empty`);
  }

  show(records, key) {
    const rows = new Map();
    records.forEach((record, index) => {
      const row = this.rows.get(record[key]) || this.row();
      rows.set(record[key], row);
      this.cells.forEach((cell, column) => {
        const place = row.cells[column].firstChild;
        cell(place, record);
        row.cells[column].classList.toggle("blank", place.textContent === "" && !place.childElementCount);
      });
      if (this.body.rows[index] !== row) this.body.insertBefore(row, this.body.rows[index] || null);
    });
    for (const [name, row] of this.rows) if (!rows.has(name)) row.remove();
    this.rows = rows;
    this.empty.hidden = records.length > 0;
    this.body.parentElement.hidden = records.length === 0;
  }

  row() {
    const row = element("tr");
    row.setAttribute("role", "row");
    this.labels.forEach((label, column) => {
      const cell = element("td", this.classes[column]);
      cell.setAttribute("role", "cell");
      cell.dataset.label = label;
      cell.append(element("div"));
      row.append(cell);
    });
    return row;
  }
}

function pill(place, status) {
  if (!place.firstChild) place.append(element("span"));
  place.firstChild.className = `pill ${STATES.includes(status) || /^[a-z]+$/.test(status) ? status : ""}`;
  setText(place.firstChild, status);
}

function plain(value, className) {
  return (place, record) => {
    if (className) place.className = className;
    setText(place, value(record));
  };
}

function slots(place, worker) {
  const sign = `${worker.used_slots} of ${worker.slots}`;
  if (place.dataset.sign === sign) return;
  place.dataset.sign = sign;
  place.className = "slots";
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `${sign} slots in use`);
  // Of very many slots each cell stands for several.
  const count = Math.min(worker.slots, MOST_CELLS);
  const used = Math.ceil((worker.used_slots * count) / worker.slots);
  const cells = [];
  for (let index = 0; index < count; index += 1) {
    cells.push(element("span", index < used ? "slot used" : "slot"));
  }
  place.replaceChildren(...cells, element("span", "quiet", `${worker.used_slots} / ${worker.slots}`));
}

function command(place, job) {
  if (!place.firstChild) {
    const line = element("div", "command");
    line.tabIndex = 0;
    place.append(line, element("div", "reason"), element("div", "detail"));
  }
  const [line, reason, detail] = place.children;
  setText(line, [job.binary_name, ...job.arguments.map(argument)].join(" "));
  setText(reason, job.reason || "");
  reason.classList.toggle("bad", job.status === "failed");
  setText(detail, `${job.job_id} · ${job.requester_id}`);
}

function moment(value) {
  return (place, record) => {
    place.className = "moment";
    setText(place, ago(value(record)));
    place.title = new Date(value(record)).toLocaleString();
  };
}

function progress(place, job) {
  const fraction = job.status === "running" && job.progress ? job.progress.fraction : null;
  setText(place, fraction === null ? "" : `${Math.floor(100 * fraction)} %`);
}

const workers = new Table("workers", [
  plain((worker) => worker.worker_id, "name"),
  (place, worker) => pill(place, worker.status),
  slots,
  plain((worker) => worker.binaries.join(", ")),
  plain((worker) => worker.paths.join(", ")),
  plain((worker) => worker.version || "", "quiet"),
  moment((worker) => worker.last_seen),
]);

const jobs = new Table("jobs", [
  (place, job) => pill(place, job.status),
  command,
  plain((job) => job.worker_id || ""),
  plain((job) => (job.attempt ? String(job.attempt) : "")),
  plain(elapsed),
  progress,
  plain(exit),
  moment((job) => job.created_at),
]);

function showCounts(counts) {
  const tiles = STATES.map((state) => {
    const tile = element("div", counts[state] ? "" : "none");
    tile.append(element("dt", "", state), element("dd", "", (counts[state] || 0).toLocaleString()));
    return tile;
  });
  byId("counts").replaceChildren(...tiles);
}

function show(data) {
  showCounts(data.counts);
  workers.show([...data.workers].sort((a, b) => a.worker_id.localeCompare(b.worker_id)), "worker_id");
  jobs.show(data.jobs, "job_id");
  const up = data.workers.filter((worker) => worker.status === "online" || worker.status === "draining");
  const sum = (name) => up.reduce((total, worker) => total + worker[name], 0);
  setText(byId("workers-summary"), up.length ? `${up.length} up, ${sum("used_slots")} of ${sum("slots")} slots in use` : "");
  setText(byId("jobs-summary"), data.jobs.length ? String(data.jobs.length) : "");
}

// Asking again and again

const connection = byId("connection");
let last = null;
let asking = 0;

function say(text, className) {
  setText(connection, text);
  connection.className = `connection ${className}`;
}

async function refresh() {
  const number = (asking += 1);
  try {
    const answer = await fetch(`status/data?window=${byId("window").value}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const data = await answer.json();
    if (number !== asking) return; // the window was changed meanwhile
    const date = Date.parse(answer.headers.get("date"));
    // The header has whole seconds: a smaller difference is none.
    clockOffset.value = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
    last = data;
    show(data);
    say("live", "live");
  } catch (error) {
    say(`no answer from the coordinator (${error.message})`, "lost");
  }
}

async function run() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((resolve) => setTimeout(resolve, REFRESH));
  }
}

// Between two answers the clocks go on.
setInterval(() => { if (last && !document.hidden) jobs.show(last.jobs, "job_id"); }, 1000);
byId("window").addEventListener("change", refresh);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
run();
