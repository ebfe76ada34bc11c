// What the page says of itself: that the connection is gone, that something was done or refused.

import { fill, h, text } from "./dom.js";
import { icon } from "./icons.js";
import { retryNow, watchLive } from "./live.js";

/** Milliseconds. */
const STAYS = 5000;
const MOST = 3;

/** Say in passing that something was done (`good`) or was not (`bad`, which stays until it is put away). */
export function toast(message, tone = "good") {
  const place = document.getElementById("toasts");
  const put = () => note.remove();
  const note = h(
    "div",
    { class: tone === "bad" ? "toast bad" : "toast" },
    icon(tone === "bad" ? "warning" : "check"),
    h("p", { text: message }),
    h("button", { type: "button", class: "icon-button", "aria-label": "Put away", on: { click: put } }, icon("close")),
  );
  place.append(note);
  while (place.childElementCount > MOST) place.firstElementChild.remove();
  if (tone !== "bad") setTimeout(put, STAYS);
}

/** Do something that may be refused, and say how it went. Returns whether it worked. */
export async function attempt(action, done) {
  try {
    await action();
  } catch (error) {
    if (error.name !== "ApiError") throw error;
    toast(error.message, "bad");
    return false;
  }
  if (done) toast(done);
  return true;
}

/** Tell in the page's head how the connection is, and in a banner when it is gone. */
export function showConnection() {
  const place = document.getElementById("connection");
  const banner = document.getElementById("banner");
  const word = h("span", { class: "connection-word" });
  fill(place, h("span", { class: "connection-dot", "aria-hidden": "true" }), word);
  const when = h("span", { class: "number" });
  const again = h("button", { type: "button", class: "button small", text: "Try now", on: { click: retryNow } });
  fill(banner, icon("warning"), h("p", {}, "No live connection to the coordinator; what is shown may be old. ", when), again);
  let until = null;
  let late = null;

  function tick() {
    if (until === null) return;
    const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
    text(when, seconds ? `Next try in ${seconds} s.` : "Trying.");
  }
  setInterval(tick, 500);

  watchLive(({ state, retryAt }) => {
    const words = { idle: "idle", connecting: "connecting", live: "live", waiting: "no connection" };
    place.dataset.state = state;
    text(word, words[state]);
    if (retryAt !== null) until = retryAt;
    tick();
    if (state === "live" || state === "idle") {
      clearTimeout(late);
      [late, until] = [null, null];
      banner.hidden = true;
    } else if (state === "waiting" && late === null) {
      // A short break is none of anybody's business.
      late = setTimeout(() => (banner.hidden = false), 1500);
    }
  });
}
