// Which page is shown: the address behind `#` says it.

import { fill } from "./dom.js";

/**
 * Where the address leads.
 *
 * @returns {{path: string[], query: URLSearchParams}} `#/jobs/17?x=y` has the path `["jobs", "17"]`.
 */
export function route() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?", 2);
  return { path: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a page: `link("jobs", id)`, `link("jobs", {state: "running"})`. */
export function link(...parts) {
  const parameters = typeof parts.at(-1) === "object" ? parts.pop() : {};
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  }
  const path = parts.map(encodeURIComponent).join("/");
  return query.size ? `#/${path}?${query}` : `#/${path}`;
}

/** Go to a page. */
export function go(...parts) {
  location.hash = link(...parts);
}

/** Change the address in place: no step back leads here, and nothing is mounted anew. */
export function replaceAddress(...parts) {
  history.replaceState(history.state, "", link(...parts));
}

/**
 * Show pages as the address says.
 *
 * A page is `{title, mount}`. `title(params)` is the document's; `mount(place, {params, query, signal})` shows it
 * in an empty element, and returns `{unmount?(), update?(query)}` or nothing. `signal` is raised when the page
 * goes. Where only the query changes and there is an `update`, that is called instead of a new `mount`.
 *
 * @param {Element} place
 * @param {Array<{pattern: string[], page: object}>} routes `:name` in a pattern stands for anything.
 * @param {object} missing the page for addresses that lead nowhere.
 * @param {function({name: string})} shown called when another page was mounted.
 * @returns {{leave: function(), remount: function()}} `leave` ends what the page does, which stays to be seen;
 *   `remount` makes it anew where it is.
 */
export function start(place, routes, missing, shown) {
  let current = null;

  function leave() {
    current?.abort.abort();
    current?.page?.unmount?.();
    current = null;
  }

  function show() {
    const { path, query } = route();
    const found = matching(routes, path) ?? { page: missing, params: {} };
    const name = path.join("/");
    if (current?.name === name && current.page?.update) {
      current.page.update(query);
      return;
    }
    const first = current === null;
    leave();
    fill(place);
    const abort = new AbortController();
    document.title = `${found.page.title(found.params)} · dffmpeg`;
    current = { name, abort, page: null };
    current.page = found.page.mount(place, { params: found.params, query, signal: abort.signal }) ?? {};
    shown({ name: path[0] ?? "", first });
  }

  addEventListener("hashchange", show);
  show();
  return {
    leave,
    remount() {
      leave();
      show();
    },
  };
}

function matching(routes, path) {
  for (const { pattern, page } of routes) {
    if (pattern.length !== path.length) continue;
    const params = {};
    const fits = pattern.every((part, index) => {
      if (!part.startsWith(":")) return part === path[index];
      params[part.slice(1)] = path[index];
      return true;
    });
    if (fits) return { page, params };
  }
  return null;
}
