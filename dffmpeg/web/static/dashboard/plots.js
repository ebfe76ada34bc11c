// Small plots over time. The drawing has only shapes and may be stretched; what is to be read stands around it.

import { attribute, fill, h, s, text } from "./dom.js";
import { moment } from "./format.js";

const WIDTH = 600;
const HEIGHT = 120;

/**
 * A plot.
 *
 * @param {object} options
 *   `title`: what it shows. `unit`: of its values, for the table.
 *   `series`: `{name, tone, kind: "bar"|"area"|"line", value(point, step)}` each; bars are stacked in this order.
 *   `format(value)`: a value for people.
 * @returns {{node: Element, show: function({step: number, points: Array})}}
 */
export function plot({ title, unit, series, format }) {
  const id = `plot-${title.toLowerCase().replace(/\W+/g, "-")}`;
  const shapes = s("g");
  const cursor = s("line", { class: "plot-cursor", y1: 0, y2: HEIGHT, visibility: "hidden" });
  const drawing = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-labelledby": `${id}-said` }, grid(), shapes, cursor);
  const said = h("span", { class: "unseen", id: `${id}-said` });
  const top = h("p", { class: "plot-top" });
  const from = h("span");
  const to = h("span");
  const values = series.map(() => h("span", { class: "plot-value number" }));
  const legend = h("ul", { class: "plot-legend" }, series.map((one, index) => h("li", {}, h("span", { class: `plot-key ${one.kind} tone-${one.tone}`, "aria-hidden": "true" }), h("span", { class: "quiet", text: one.name }), values[index])));
  const body = h("div", { class: "plot-table" });
  const details = h("details", { class: "plot-details" }, h("summary", { text: "As a table" }), body);
  const frame = h("div", { class: "plot-frame" }, drawing);
  const node = h(
    "figure",
    { class: "plot" },
    h("figcaption", {}, h("h3", { text: title }), said),
    legend,
    top,
    frame,
    h("div", { class: "plot-times" }, from, to),
    details,
  );
  let data = { step: 60, points: [] };

  function readout(index) {
    const point = data.points[index];
    series.forEach((one, place) => text(values[place], point ? shown(one.value(point, data.step)) : ""));
  }

  const shown = (value) => (value === null || value === undefined ? "–" : format(value));

  /** The last point but one is over, and the last one hardly has begun. */
  const latest = () => Math.max(0, data.points.length - 2);

  function rest() {
    attribute(cursor, "visibility", "hidden");
    text(to, "now");
    readout(latest());
  }

  frame.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const index = Math.min(data.points.length - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * data.points.length)));
    if (!data.points[index]) return;
    const x = ((index + 0.5) / data.points.length) * WIDTH;
    attribute(cursor, "x1", x);
    attribute(cursor, "x2", x);
    attribute(cursor, "visibility", "visible");
    text(to, clockTime(data.points[index].at));
    readout(index);
  });
  frame.addEventListener("pointerleave", rest);
  details.addEventListener("toggle", () => details.open && tabulate());

  function tabulate() {
    fill(
      body,
      h(
        "table",
        { class: "table-plain" },
        h("caption", { class: "unseen", text: title }),
        h("thead", {}, h("tr", {}, h("th", { scope: "col", text: "From" }), series.map((one) => h("th", { scope: "col", text: `${one.name}${unit ? ` (${unit})` : ""}` })))),
        h("tbody", {}, data.points.toReversed().map((point) => h("tr", {}, h("th", { scope: "row", text: clockTime(point.at) }), series.map((one) => h("td", { text: shown(one.value(point, data.step)) }))))),
      ),
    );
    attribute(body, "tabindex", 0);
    attribute(body, "role", "group");
    attribute(body, "aria-label", `${title}, as a table`);
  }

  function show(history) {
    data = history;
    const columns = history.points.map((point) => series.map((one) => one.value(point, history.step)));
    const highest = nice(Math.max(0, ...columns.map((column) => peak(column, series))));
    text(top, format(highest));
    shapes.replaceChildren(...draw(series, columns, highest));
    text(from, history.points.length ? clockTime(history.points[0].at) : "");
    text(said, summary(title, series, columns, format));
    rest();
    if (details.open) tabulate();
  }

  return { node, show };
}

function grid() {
  return s("g", { class: "plot-grid" }, [0.25, 0.5, 0.75].map((part) => s("line", { x1: 0, x2: WIDTH, y1: HEIGHT * part, y2: HEIGHT * part })));
}

function draw(series, columns, highest) {
  const width = WIDTH / Math.max(1, columns.length);
  const y = (value) => HEIGHT - (value / highest) * HEIGHT;
  const below = columns.map(() => 0);
  return series.flatMap((one, index) => {
    if (one.kind === "bar") return bars(one, index, columns, below, width, y);
    return curves(one, index, columns, width, y);
  });
}

function bars(one, index, columns, below, width, y) {
  return columns.flatMap((column, place) => {
    const value = column[index];
    if (!value) return [];
    const base = below[place];
    below[place] += value;
    return [s("rect", { class: `tone-${one.tone}`, x: place * width + width * 0.1, width: width * 0.8, y: y(base + value), height: y(base) - y(base + value) })];
  });
}

/** A curve has a gap where nobody counted. */
function curves(one, index, columns, width, y) {
  const runs = [[]];
  columns.forEach((column, place) => {
    const value = column[index];
    if (value === null || value === undefined) runs.push([]);
    else runs.at(-1).push([(place + 0.5) * width, y(value)]);
  });
  return runs
    .filter((run) => run.length)
    .flatMap((run) => {
      const points = run.length === 1 ? [[run[0][0] - width / 2, run[0][1]], [run[0][0] + width / 2, run[0][1]]] : run;
      const line = points.map(([x, height]) => `${x.toFixed(1)},${height.toFixed(1)}`).join("L");
      const shapes = [s("path", { class: `plot-line tone-${one.tone}`, d: `M${line}` })];
      if (one.kind === "area") shapes.unshift(s("path", { class: `plot-area tone-${one.tone}`, d: `M${line}V${HEIGHT}H${points[0][0].toFixed(1)}Z` }));
      return shapes;
    });
}

function peak(column, series) {
  const stacked = column.reduce((sum, value, index) => (series[index].kind === "bar" ? sum + (value ?? 0) : sum), 0);
  return Math.max(stacked, ...column.filter((value, index) => series[index].kind !== "bar" && value !== null && value !== undefined));
}

/** A round number that is no less. */
function nice(value) {
  if (!(value > 0)) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * size).find((step) => step >= value * 0.999);
}

function summary(title, series, columns, format) {
  const parts = series.map((one, index) => {
    const values = columns.map((column) => column[index]).filter((value) => value !== null && value !== undefined);
    if (!values.length) return `${one.name}: nothing recorded`;
    return `${one.name}: ${format(values.at(-1))} lately, ${format(Math.max(...values))} at most`;
  });
  return `${title}. ${parts.join("; ")}.`;
}

function clockTime(iso) {
  return new Date(iso).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" }) || moment(iso);
}
