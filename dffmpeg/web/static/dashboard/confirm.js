// Questions before something is done.

import { h } from "./dom.js";

/**
 * Ask, in a dialog.
 *
 * @param {object} question
 *   `title`: what is to be done.
 *   `text`: what will happen, in words; a string or nodes.
 *   `action`: what the button says.
 *   `danger`: it cannot be undone.
 *   `fields`: what has to be said besides: `{name, label, value?, hint?, required?, type?, options?}` each; `options`
 *   are `[value, label]`.
 * @returns {Promise<object|null>} the fields' values; null if it was left.
 */
export function ask({ title, text, action, danger = false, fields = [] }) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const go = h("button", { type: "submit", class: danger ? "button danger" : "button primary", value: "go", text: action });
    const leave = h("button", { type: "button", class: "button", text: "Leave it", on: { click: () => dialog.close() } });
    const form = h(
      "form",
      { method: "dialog" },
      h("h2", { id: "question-title", text: title }),
      h("div", { class: "dialog-text", id: "question-text" }, [text].flat().map((part) => (typeof part === "string" ? h("p", { text: part }) : part))),
      fields.map(field),
      h("div", { class: "dialog-actions" }, leave, go),
    );
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "question-title", "aria-describedby": "question-text" }, form);
    let answer = null;
    form.addEventListener("submit", () => (answer = Object.fromEntries(new FormData(form))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    (form.querySelector("input, select, textarea") ?? leave).focus();
  });
}

function field({ name, label, value = "", hint, required = false, type = "text", options }) {
  const id = `field-${name}`;
  const hintId = hint ? `${id}-hint` : null;
  const shared = { id, name, required, "aria-describedby": hintId };
  const input = options
    ? h("select", shared, options.map(([key, said]) => h("option", { value: key, text: said, selected: key === value })))
    : h("input", { ...shared, type, value, autocomplete: "off" });
  return h("div", { class: "field" }, h("label", { for: id, text: label }), input, hint ? h("p", { class: "hint", id: hintId, text: hint }) : null);
}
