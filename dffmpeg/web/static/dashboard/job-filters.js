// Which jobs are listed: the address says it, controls and chips show it. The first half is pure.

import { attribute, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { JOB_STATES } from "./parts.js";

/** What can be asked for, by its name in the address: how the API calls it, and how people do. */
const FIELDS = {
  state: { api: "state", label: "State", many: true },
  search: { api: "search", label: "Command line" },
  requester: { api: "requester", label: "Requester" },
  worker: { api: "worker", label: "Worker" },
  label: { api: "label", label: "Label", many: true },
};

/** What an address (URLSearchParams) asks for: `{state: [..], search, requester, worker, label: [..]}`. */
export function readFilter(query) {
  const found = {};
  for (const [name, field] of Object.entries(FIELDS)) {
    const value = (query.get(name) ?? "").trim();
    found[name] = field.many ? value.split(",").filter(Boolean) : value;
  }
  found.state = found.state.filter((state) => JOB_STATES.includes(state));
  return found;
}

/** The same for an address. */
export function filterQuery(filter) {
  return Object.fromEntries(Object.keys(FIELDS).map((name) => [name, joined(filter[name])]));
}

/** The same for the API. */
export function filterParameters(filter) {
  return Object.fromEntries(Object.entries(FIELDS).map(([name, { api }]) => [api, joined(filter[name])]));
}

function joined(value) {
  return (Array.isArray(value) ? value.join(",") : value) || null;
}

/** Whether a job of the feed may belong to what is asked for; its command line is not in there. */
export function mayMatch(filter, job) {
  return (
    (!filter.state.length || filter.state.includes(job.status)) &&
    (!filter.requester || filter.requester === job.requester_id) &&
    (!filter.worker || filter.worker === job.worker_id) &&
    filter.label.every((label) => job.labels.includes(label))
  );
}

/** What is asked for, each `{name, value, label}`. */
export function terms(filter) {
  return Object.entries(FIELDS).flatMap(([name, { label }]) =>
    [filter[name]].flat().filter(Boolean).map((value) => ({ name, value, label })),
  );
}

/** A filter without one of its terms. */
export function without(filter, { name, value }) {
  const left = Array.isArray(filter[name]) ? filter[name].filter((one) => one !== value) : "";
  return { ...filter, [name]: left };
}

/**
 * Controls for a filter.
 *
 * @param {function(object, {typing: boolean})} changed is told of each other filter; `typing` while somebody types.
 * @returns {{node: Element, show: function(object)}}
 */
export function filterControls(changed) {
  let filter = null;
  let timer = null;
  const search = field("search", "Search the command line", { type: "search", class: "grow" });
  const rest = [field("requester", "Requester"), field("worker", "Worker"), field("label", "Labels, by commas")];
  const states = JOB_STATES.map((state) =>
    h("button", { type: "button", class: "button small", text: state, data: { state }, on: { click: () => toggle(state) } }),
  );
  const chips = h("ul", { class: "chips", "aria-label": "Filters" });
  const form = h(
    "form",
    { class: "filters", role: "search", "aria-label": "Jobs" },
    h("div", { class: "filter-row" }, [search, ...rest].map(({ node }) => node)),
    h("div", { class: "states", role: "group", "aria-label": "State" }, states),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    take(false);
  });
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => take(true), 250);
  });
  // What was typed is one step of the history once the field is left.
  form.addEventListener("change", () => take(false));

  function take(typing) {
    clearTimeout(timer);
    const query = new URLSearchParams(new FormData(form));
    changed({ ...readFilter(query), state: filter.state }, { typing });
  }

  function toggle(state) {
    const on = filter.state.includes(state);
    changed({ ...filter, state: on ? filter.state.filter((one) => one !== state) : [...filter.state, state] }, { typing: false });
  }

  function chip(term) {
    const drop = () => {
      changed(without(filter, term), { typing: false });
      search.input.focus();
    };
    const words = `${term.label}: ${term.value}`;
    return h("li", {}, h("button", { type: "button", class: "chip", "aria-label": `Remove ${words}`, on: { click: drop } }, h("span", { text: words }), icon("close")));
  }

  return {
    node: h("div", {}, form, chips),
    show(wanted) {
      filter = wanted;
      for (const { input } of [search, ...rest]) {
        const value = [filter[input.name]].flat().join(",");
        if (input !== document.activeElement && input.value !== value) input.value = value;
      }
      for (const button of states) attribute(button, "aria-pressed", String(filter.state.includes(button.dataset.state)));
      fill(chips, terms(filter).map(chip));
      chips.hidden = !chips.childElementCount;
    },
  };
}

function field(name, label, properties = {}) {
  const { class: kind, ...attributes } = properties;
  const input = h("input", { name, placeholder: label, autocomplete: "off", spellcheck: "false", ...attributes, "aria-label": label });
  return { node: h("div", { class: `filter ${kind ?? ""}`.trim() }, input), input };
}
