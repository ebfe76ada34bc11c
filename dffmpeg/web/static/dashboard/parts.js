// What pages are made of.

import { attribute, fill, h, keyed, text } from "./dom.js";
import { percent } from "./format.js";
import { icon } from "./icons.js";

/** The states of jobs in the order of a job's life. */
export const JOB_STATES = ["pending", "assigned", "running", "canceling", "completed", "failed", "canceled"];

/** Those that a worker has in hand. */
export const LIVE_STATES = ["assigned", "running", "canceling"];

/** What a state looks like: how it is coloured, and its icon. The word always stands beside it. */
const LOOKS = {
  pending: ["wait", "pending"],
  assigned: ["busy", "dots"],
  running: ["busy", "running"],
  canceling: ["wait", "slash"],
  completed: ["good", "check"],
  failed: ["bad", "cross"],
  canceled: ["idle", "slash"],
  removed: ["idle", "slash"],
  online: ["good", "dot"],
  offline: ["idle", "ring"],
  registering: ["wait", "dots"],
  draining: ["wait", "down"],
  paused: ["wait", "pause"],
  quarantined: ["bad", "warning"],
  starting: ["wait", "dots"],
  restarting: ["bad", "retry"],
  stopping: ["wait", "down"],
  stopped: ["idle", "ring"],
  active: ["good", "dot"],
  warning: ["wait", "warning"],
  error: ["bad", "warning"],
};

/** The tone of a state: `good`, `busy`, `wait`, `bad` or `idle`. */
export function tone(state) {
  return LOOKS[state]?.[0] ?? "idle";
}

/** A state, as icon and word. */
export function pill(state, word = state) {
  return repill(h("span"), state, word);
}

/** Have a `pill` show another state; returns it. */
export function repill(node, state, word = state) {
  if (node.dataset.state === state && node.dataset.word === word) return node;
  Object.assign(node.dataset, { state, word });
  node.className = `pill ${tone(state)}`;
  return fill(node, icon(LOOKS[state]?.[1] ?? "ring"), h("span", { text: word }));
}

/**
 * How far something is.
 *
 * @param {string} name what of, for those who do not see it.
 */
export function progress(name) {
  return h(
    "div",
    { class: "progress", role: "progressbar", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 100 },
    h("span", { class: "progress-fill" }),
  );
}

/** Show a fraction (0 to 1) in a `progress`; null where it is not known how far it is. */
export function reprogress(node, fraction) {
  const known = typeof fraction === "number";
  node.classList.toggle("unknown", !known);
  const whole = known ? Math.floor(Math.min(1, Math.max(0, fraction)) * 100) : null;
  attribute(node, "aria-valuenow", whole);
  attribute(node, "aria-valuetext", known ? percent(fraction) : "not known how far");
  node.firstElementChild.style.setProperty("--done", known ? Math.min(1, Math.max(0, fraction)) : 0);
}

const MOST_CELLS = 32;

/** A worker's slots: a cell each, filled where a job is in it; a bar where there are too many to count. */
export function slots() {
  return h("span", { class: "slots" }, h("span", { class: "cells", "aria-hidden": "true" }), h("span", { class: "slots-text" }));
}

/** Show how many slots are used in a `slots`. */
export function reslots(node, used, total) {
  const [cells, said] = node.children;
  text(said, `${used}/${total}`);
  attribute(said, "aria-label", `${used} of ${total} slots used`);
  attribute(said, "role", "img");
  const shown = Math.min(total, MOST_CELLS);
  while (cells.childElementCount > shown) cells.lastElementChild.remove();
  while (cells.childElementCount < shown) cells.append(h("span", { class: "cell" }));
  cells.classList.toggle("many", total > 12);
  const filled = total > MOST_CELLS ? Math.ceil((used / total) * MOST_CELLS) : used;
  Array.from(cells.children, (cell, index) => cell.classList.toggle("used", index < filled));
}

/** A page's heading: its place takes the focus when the page is shown. */
export function heading(title, ...beside) {
  return h("div", { class: "page-head" }, h("h1", { tabindex: -1, text: title }), h("div", { class: "page-beside" }, ...beside));
}

/** A titled box. */
export function section(title, { beside = [], level = 2, ...properties } = {}, ...children) {
  const id = `section-${(section.number = (section.number ?? 0) + 1)}`;
  return h(
    "section",
    { ...properties, class: `panel ${properties.class ?? ""}`.trim(), "aria-labelledby": id },
    h("div", { class: "panel-head" }, h(`h${level}`, { id, text: title }), h("div", { class: "panel-beside" }, beside)),
    ...children,
  );
}

/** What stands where there is nothing: what it means, and what to do next. */
export function empty(title, ...what) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title", text: title }), what.length ? h("p", {}, ...what) : null);
}

/** A button. `options` are properties of the element, such as `class`, and `icon`. */
export function button(label, onClick, { icon: name, ...properties } = {}) {
  return h("button", { type: "button", ...properties, class: `button ${properties.class ?? ""}`.trim(), on: { click: onClick } }, name ? icon(name) : null, h("span", { text: label }));
}

/** Names and values; values are nodes or strings, and null leaves an entry out. */
export function facts(entries) {
  return h(
    "dl",
    { class: "facts" },
    entries.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => h("div", {}, h("dt", { text: name }), h("dd", {}, value))),
  );
}

/**
 * A table whose rows are cards on a phone, and stay the same elements while their records are there.
 *
 * @param {object} options
 *   `label`: its accessible name.
 *   `columns`: `{name, class?, make(): Node, show(node, record)}` each; `make` gives what stands in a cell.
 *   `key(record)`: what a record is known by.
 *   `none`: what stands there for no records, a node.
 *   `class`: of the table.
 * @returns {{node: Element, show: function(Array)}}
 */
export function table({ label, columns, key, none, class: name = "" }) {
  const body = h("tbody", { role: "rowgroup" });
  const head = h(
    "thead",
    { role: "rowgroup" },
    h("tr", { role: "row" }, columns.map((column) => h("th", { role: "columnheader", scope: "col", class: column.class, text: column.name }))),
  );
  const whole = h("table", { class: `table ${name}`.trim(), role: "table", "aria-label": label }, head, body);
  // One that is wider than its place scrolls, and has to be reached by keys then.
  const place = h("div", { class: "table-place" }, whole);
  const node = h("div", {}, place, none);

  function create() {
    return h(
      "tr",
      { role: "row" },
      columns.map((column) => h("td", { role: "cell", class: column.class, data: { label: column.name } }, column.make())),
    );
  }

  function update(row, record) {
    columns.forEach((column, index) => {
      const cell = row.cells[index];
      column.show(cell.firstChild, record);
      cell.classList.toggle("blank", !cell.firstChild.textContent && !cell.firstChild.childElementCount);
    });
  }

  return {
    node,
    show(records) {
      keyed(body, records, key, create, update);
      place.hidden = records.length === 0;
      if (none) none.hidden = records.length > 0;
    },
  };
}

/** A column of plain text. */
export function textColumn(name, value, options = {}) {
  return { name, ...options, make: () => h("span"), show: (node, record) => text(node, value(record)) };
}

/** A column with a link. */
export function linkColumn(name, value, address, options = {}) {
  return {
    name,
    ...options,
    make: () => h("a"),
    show(node, record) {
      text(node, value(record));
      attribute(node, "href", value(record) ? address(record) : null);
    },
  };
}

/** A column with a state. */
export function stateColumn(name, value, options = {}) {
  return { name, ...options, make: () => h("span"), show: (node, record) => repill(node, value(record)) };
}
