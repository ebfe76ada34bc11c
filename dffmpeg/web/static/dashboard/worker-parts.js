// What is said of a worker: its troubles, its abilities, and what may be done with it.

import * as api from "./api.js";
import { ask } from "./confirm.js";
import { fill, h } from "./dom.js";
import { count, moment } from "./format.js";
import { attempt } from "./notices.js";
import { button, pill } from "./parts.js";
import { go } from "./router.js";

/** What somebody should know of a worker besides its state, short clauses. */
export function troubles(worker) {
  const found = [];
  if (worker.hold_reason) found.push(worker.hold_reason);
  for (const [name, state] of Object.entries(worker.mounts)) if (!healthy(state)) found.push(`mount ${name}: ${state}`);
  if (worker.strikes) found.push(`${worker.strikes} strikes`);
  if (worker.hours) found.push(`takes jobs ${worker.hours}`);
  return found;
}

export function healthy(state) {
  return /^(healthy|ok)\b/.test(state);
}

const FOR = [
  ["", "until somebody resumes it"],
  ["900", "for 15 minutes"],
  ["3600", "for an hour"],
  ["28800", "for 8 hours"],
  ["86400", "for a day"],
];

const HOLDS = {
  pause: {
    label: "Pause",
    icon: "pause",
    title: (id) => `Pause ${id}?`,
    text: "It gets no new jobs. What it runs goes on to its end.",
    done: (id) => `${id} is paused.`,
  },
  drain: {
    label: "Drain",
    icon: "down",
    title: (id) => `Drain ${id}?`,
    text: "It finishes what it has, gets nothing new, and can then be shut down.",
    done: (id) => `${id} is draining.`,
  },
  quarantine: {
    label: "Quarantine",
    icon: "warning",
    title: (id) => `Quarantine ${id}?`,
    text: "It is marked as faulty and gets no new jobs until somebody has looked at it and resumes it.",
    done: (id) => `${id} is quarantined.`,
  },
};

/**
 * The buttons that suit a worker, for who may press them.
 *
 * @param {object} worker its record.
 * @param {function()} done called when something was done.
 */
export function operations(worker, done) {
  const id = worker.worker_id;
  const route = (what) => `workers/${encodeURIComponent(id)}/${what}`;
  const act = async (action, said) => {
    if (await attempt(action, said)) done();
  };

  const hold = (what) =>
    button(
      HOLDS[what].label,
      async () => {
        const question = HOLDS[what];
        const found = await ask({
          title: question.title(id),
          text: question.text,
          action: question.label,
          fields: [
            { name: "reason", label: "Why", hint: "Others will read it here.", required: true },
            { name: "seconds", label: "How long", options: FOR },
          ],
        });
        if (found === null) return;
        const seconds = found.seconds ? Number(found.seconds) : null;
        await act(() => api.post(route(what), { reason: found.reason, seconds }), question.done(id));
      },
      { icon: HOLDS[what].icon, class: "small" },
    );

  const resume = () => button("Resume", () => act(() => api.post(route("resume"), {}), `${id} gets jobs again.`), { icon: "play", class: "small primary" });

  const probe = () =>
    button(
      "Probe",
      async () => {
        const found = await ask({
          title: `Probe ${id}?`,
          text: "It finds out anew what its programs can do: encoders, filters, hardware. Jobs go on meanwhile.",
          action: "Probe",
          fields: [{ name: "benchmark", label: "Benchmark", options: [["", "leave it as it is"], ["yes", "measure anew how fast it is"]] }],
        });
        if (found !== null) await act(() => api.post(route("probe"), { benchmark: found.benchmark === "yes" }), `${id} was asked to look.`);
      },
      { icon: "retry", class: "small" },
    );

  const forget = () =>
    button(
      "Remove",
      async () => {
        const found = await ask({ title: `Remove ${id}?`, text: "It is taken out of the list. Its key stays: it comes back if it registers again.", action: "Remove", danger: true });
        if (found === null) return;
        if (await attempt(() => api.remove(`workers/${encodeURIComponent(id)}`), `${id} was removed.`)) go("workers");
      },
      { class: "small danger" },
    );

  const held = worker.hold !== null;
  const gone = worker.status === "offline";
  return [
    held ? resume() : null,
    ...["pause", "drain", "quarantine"].filter((what) => !{ pause: "paused", drain: "draining", quarantine: "quarantined" }[what].startsWith(worker.hold ?? "-")).map(hold),
    gone ? null : probe(),
    gone ? forget() : null,
  ];
}

/** Mounts or mapped directories with their states. */
export function mountList(worker) {
  const names = [...new Set([...Object.keys(worker.mounts), ...worker.paths])].sort();
  if (!names.length) return h("p", { class: "quiet", text: "It maps no directory." });
  return h(
    "ul",
    { class: "mounts" },
    names.map((name) => {
      const state = worker.mounts[name];
      const fine = state === undefined || healthy(state);
      return h(
        "li",
        {},
        h("span", { class: "mount-name", text: worker.read_only?.includes(name) ? `${name}, read-only` : name }),
        pill(fine ? "completed" : "error", state === undefined ? "there" : state),
      );
    }),
  );
}

const KINDS = ["encoders", "decoders", "filters", "hwaccels", "muxers", "demuxers", "protocols", "broken"];
const WORDS = { hwaccels: "hardware accelerators", broken: "listed, but not working on this machine" };

/** What each program of a worker can do; the long lists are closed at first. */
export function abilityList(worker) {
  const programs = Object.entries(worker.abilities);
  if (!programs.length) return h("p", { class: "quiet", text: worker.binaries.length ? `It has ${worker.binaries.join(", ")}, and has not told yet what they can do.` : "It has no program." });
  return programs.map(([program, found]) => h(
    "div",
    { class: "program" },
    h("h3", { text: program }),
    h("p", { class: "quiet", text: found.version || "version unknown" }),
    found.complete ? null : h("p", { class: "quiet", text: "Not everything has been tried yet." }),
    KINDS.filter((kind) => found[kind].length).map((kind) => h("details", { data: { kind: `${program} ${kind}` } }, h("summary", {}, WORDS[kind] ?? kind, h("span", { class: "quiet", text: ` ${count(found[kind].length)}` })), scrolled(found[kind], `${program}: ${WORDS[kind] ?? kind}`))),
  ));
}

/** Names in small boxes. */
export function tags(names) {
  return h("div", { class: "tags" }, names.map((name) => h("span", { class: "tag", text: name })));
}

/** The same where there may be too many to be seen at once: the keyboard scrolls them too. */
function scrolled(names, label) {
  const node = tags(names);
  for (const [name, value] of Object.entries({ tabindex: 0, role: "group", "aria-label": label })) node.setAttribute(name, value);
  return node;
}

/** Put a new list in an old one's place, with the same details opened. */
export function refill(place, ...children) {
  const opened = new Set(Array.from(place.querySelectorAll("details[open]"), (one) => one.dataset.kind));
  fill(place, ...children);
  for (const one of place.querySelectorAll("details")) one.open = opened.has(one.dataset.kind);
}

/** Until when a worker is held back, in words. */
export function holdText(worker) {
  if (!worker.hold) return null;
  const until = worker.hold_until ? `, until ${moment(worker.hold_until)}` : "";
  return `${worker.hold_reason ?? worker.hold}${until}`;
}
