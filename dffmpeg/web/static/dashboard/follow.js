// What a page shows, read once and then kept as it is by events.

import { aborted } from "./api.js";
import { subscribe } from "./live.js";

/**
 * Read something now, again whenever events may be missing, and hear of events in between.
 *
 * @param {object} options
 *   `kinds`, `interval`: of events, see live.js.
 *   `read()`: a promise that has been kept when it is shown. Events that come meanwhile wait for it.
 *   `onEvent(kind, data)`: called for each.
 *   `onError(error)`: called with what `read` threw, and with null once it worked again.
 *   `signal`: ends all of it.
 * @returns {{again: function()}} `again` reads anew, as soon as what is being read now is there.
 */
export function follow({ kinds, interval, read, onEvent, onError, signal }) {
  let reading = false;
  let wanted = false;
  let shown = false;
  const waiting = [];

  async function again() {
    wanted = true;
    if (reading) return;
    reading = true;
    while (wanted && !signal.aborted) {
      wanted = false;
      try {
        await read();
        shown = true;
        if (!signal.aborted) onError?.(null);
      } catch (error) {
        if (aborted(error) || signal.aborted) break;
        if (error.name !== "ApiError") throw error;
        // That nobody answers the page's head says, while what was read stays.
        if (error.status !== 0 || !shown) onError?.(error);
      }
    }
    reading = false;
    for (const [kind, data] of waiting.splice(0)) if (!signal.aborted) onEvent?.(kind, data);
  }

  const end = subscribe({
    kinds,
    interval,
    onRead: again,
    onEvent(kind, data) {
      if (reading) waiting.push([kind, data]);
      else onEvent?.(kind, data);
    },
  });
  signal.addEventListener("abort", end);
  return { again };
}

/** Call something every so many seconds while the page is looked at, until the signal. */
export function every(seconds, call, signal) {
  const timer = setInterval(() => document.hidden || call(), seconds * 1000);
  signal.addEventListener("abort", () => clearInterval(timer));
}
