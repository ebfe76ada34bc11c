// The supervision tree as a picture which is a tree for keyboards and screen readers too.

import { attribute, h, keyed, text } from "./dom.js";
import { count, now, plural, relative } from "./format.js";
import { icon } from "./icons.js";
import { repill } from "./parts.js";
import { MARKED, countBelow, parentOf } from "./tree-model.js";

/** More children than this, all of them leaves, are drawn small. */
const CROWD = 8;
const KINDS = { actor: "actor", supervisor: "supervisor", dynamic_supervisor: "dynamic supervisor" };

/**
 * The picture.
 *
 * @param {Tree} tree
 * @param {function(object)} selected called with the node that has the focus.
 */
export function drawing(tree, selected) {
  const top = h("ul", { class: "tree", role: "tree", "aria-label": "Supervision tree" });
  const items = new Map();
  let current = null;

  function item(path) {
    const cardId = `tree-${path}`;
    const group = h("ul", { role: "group", class: "tree-group" });
    const node = h(
      "li",
      { role: "treeitem", tabindex: -1, "aria-labelledby": cardId, class: "tree-item", data: { path } },
      h(
        "div",
        { class: "tree-card", id: cardId },
        h("span", { class: "tree-toggle", "aria-hidden": "true" }, icon("next")),
        h("span", { class: "tree-name" }),
        h("span", { class: "tree-state" }, h("span")),
        h("span", { class: "tree-mail number" }),
        h("span", { class: "tree-mark number" }),
      ),
      group,
    );
    items.set(path, node);
    return node;
  }

  /** Everything anew, with the same elements. */
  function show() {
    if (!tree.root) return;
    keyed(top, [tree.nodes.get(tree.root)], (node) => node.path, (node) => item(node.path), update);
    for (const path of items.keys()) if (!tree.nodes.has(path)) items.delete(path);
    if (!tree.nodes.has(current)) current = tree.root;
    reach(current);
  }

  function update(element, node) {
    showNode(element, node);
    const [, group] = element.children;
    const children = node.children.map((path) => tree.nodes.get(path));
    const crowd = children.length > CROWD && children.every((child) => !child.children.length && child.kind === "actor");
    group.classList.toggle("crowd", crowd);
    keyed(group, children, (child) => child.path, (child) => item(child.path), update);
    group.hidden = !children.length || element.dataset.closed !== undefined;
    element.classList.toggle("leaf", !children.length);
    attribute(element, "aria-expanded", children.length ? String(element.dataset.closed === undefined) : null);
  }

  /** One node, whose children are as they were. */
  function showNode(element, node) {
    const [, name, state, mail, mark] = element.firstElementChild.children;
    Object.assign(element.dataset, { state: node.state, restarts: node.restarts });
    element.classList.toggle("supervisor", node.kind !== "actor");
    element.classList.toggle("down", node.state !== "running");
    text(name, node.id);
    name.title = `${node.id}, ${KINDS[node.kind] ?? node.kind}`;
    repill(state.firstElementChild, node.state === "running" ? "online" : node.state, node.state);
    showMail(mail, node);
    showMark(mark, element, node);
  }

  function showMail(mail, node) {
    mail.hidden = !node.capacity;
    text(mail, node.capacity ? `${node.depth}` : "");
    mail.title = node.capacity ? `${node.depth} of ${node.capacity} messages wait` : "";
    attribute(mail, "aria-label", node.capacity ? plural(node.depth, "message") : null);
    attribute(mail, "role", node.capacity ? "img" : null);
    mail.classList.toggle("some", node.depth > 0);
    mail.classList.toggle("full", node.depth > node.capacity * 0.5);
    mail.style.setProperty("--full", node.capacity ? Math.min(1, node.depth / node.capacity) : 0);
  }

  function showMark(mark, element, node) {
    const fresh = node.crashedAt !== null && now() - node.crashedAt < MARKED;
    element.classList.toggle("marked", fresh);
    const below = element.dataset.closed !== undefined ? countBelow(tree, node) : null;
    if (fresh) text(mark, `${node.state === "running" ? "restarted" : "crashed"} ${relative(node.crashedAt)}: ${node.crash}`);
    else if (below) text(mark, `${below.all} below${below.down ? `, ${below.down} down` : ""}`);
    else if (node.total > node.children.length) text(mark, `${count(node.children.length)} of ${count(node.total)} are shown`);
    else text(mark, node.restarts ? plural(node.restarts, "restart") : "");
    mark.title = node.crash ?? "";
  }

  /** Show nodes that changed in themselves. */
  function change(nodes) {
    for (const node of nodes) {
      const element = items.get(node.path);
      if (element) showNode(element, node);
    }
  }

  /** Have a crash seen. */
  function flash(node) {
    const element = items.get(node.path);
    if (!element) return;
    const card = element.firstElementChild;
    card.classList.remove("flash");
    // The animation begins anew only if the browser has seen it gone.
    void card.offsetWidth;
    card.classList.add("flash");
  }

  // One item is reached with Tab, the others from there by the arrows.

  function reach(path) {
    const before = items.get(current);
    if (before) before.tabIndex = -1;
    current = path;
    const element = items.get(path);
    if (element) element.tabIndex = 0;
  }

  function focus(element) {
    element?.focus();
  }

  function shown() {
    return Array.from(top.querySelectorAll("[role=treeitem]")).filter((element) => !element.parentElement.closest("[data-closed]"));
  }

  function toggle(element, open) {
    if (!element.hasAttribute("aria-expanded")) return false;
    if ((element.dataset.closed === undefined) === open) return false;
    if (open) delete element.dataset.closed;
    else element.dataset.closed = "";
    update(element, tree.nodes.get(element.dataset.path));
    return true;
  }

  const KEYS = {
    ArrowDown: (element) => focus(shown()[shown().indexOf(element) + 1]),
    ArrowUp: (element) => focus(shown()[shown().indexOf(element) - 1]),
    ArrowRight: (element) => toggle(element, true) || focus(element.children[1].firstElementChild),
    ArrowLeft: (element) => toggle(element, false) || focus(items.get(parentOf(element.dataset.path))),
    Home: () => focus(shown()[0]),
    End: () => focus(shown().at(-1)),
    Enter: (element) => toggle(element, element.dataset.closed !== undefined),
  };

  top.addEventListener("keydown", (event) => {
    const element = event.target.closest("[role=treeitem]");
    if (!element || !Object.hasOwn(KEYS, event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    KEYS[event.key](element);
  });
  top.addEventListener("click", (event) => {
    const element = event.target.closest("[role=treeitem]");
    if (!element || !event.target.closest(".tree-card")) return;
    focus(element);
    if (event.target.closest(".tree-toggle")) toggle(element, element.dataset.closed !== undefined);
  });
  top.addEventListener("focusin", (event) => {
    const element = event.target.closest("[role=treeitem]");
    if (!element) return;
    reach(element.dataset.path);
    selected(tree.nodes.get(element.dataset.path));
  });

  return { node: top, show, change, flash };
}
