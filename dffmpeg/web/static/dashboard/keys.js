// The keyboard: a few shortcuts, and a page that tells of them.

import { h } from "./dom.js";
import { go } from "./router.js";

const PLACES = { o: ["Overview", ""], j: ["Jobs", "jobs"], w: ["Workers", "workers"], t: ["Tree", "tree"], a: ["Administration", "administration"] };
/** How long after `g` the second key may come, milliseconds. */
const PATIENCE = 1500;

/** Listen for shortcuts for as long as the page is there. */
export function listenToKeys() {
  let began = -Infinity;
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target instanceof Element && event.target.closest("input, textarea, select, dialog, [contenteditable]")) return;
    const second = event.timeStamp - began < PATIENCE;
    began = -Infinity;
    if (second && Object.hasOwn(PLACES, event.key)) go(PLACES[event.key][1]);
    else if (event.key === "g") began = event.timeStamp;
    else if (event.key === "/") search(event);
    else if (event.key === "?") help();
  });
}

function search(event) {
  event.preventDefault();
  if (focusSearch()) return;
  // The router has listened for longer: when this is heard the page is there.
  addEventListener("hashchange", focusSearch, { once: true });
  go("jobs");
}

function focusSearch() {
  const field = document.querySelector("main input[type=search]");
  field?.focus();
  field?.select();
  return field !== null;
}

/** Show what keys there are. */
export function help() {
  if (document.querySelector("dialog[open]")) return;
  const rows = [
    ["/", "Search jobs"],
    ...Object.entries(PLACES).map(([key, [name]]) => [`g ${key}`, `Go to ${name}`]),
    ["?", "This help"],
    ["Esc", "Close a dialog"],
  ];
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "help-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "help-title", text: "Keys" }),
      h("dl", { class: "keys" }, rows.map(([keys, what]) => h("div", {}, h("dt", {}, keys.split(" ").map((key) => h("kbd", { text: key }))), h("dd", { text: what })))),
      h("div", { class: "dialog-actions" }, h("button", { type: "submit", class: "button primary", text: "Close" })),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
