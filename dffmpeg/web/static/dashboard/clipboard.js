// Taking text away from the page.

import { h } from "./dom.js";
import { toast } from "./notices.js";

/** Put text into the clipboard, and say so. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("It is in the clipboard.");
  } catch {
    // Without TLS there is no such thing but on this very machine.
    if (copyByHand(text)) toast("It is in the clipboard.");
    else toast("The browser does not let this page write into the clipboard.", "bad");
  }
}

function copyByHand(text) {
  const before = document.activeElement;
  const field = h("textarea", { class: "offscreen", readonly: true, "aria-hidden": "true" });
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  before?.focus?.();
  return done;
}
