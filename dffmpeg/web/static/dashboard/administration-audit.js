// What administrators did, on the administration page.

import * as api from "./api.js";
import { fill, h, text } from "./dom.js";
import { every } from "./follow.js";
import { time } from "./format.js";
import { button, empty, pill, section, table, textColumn } from "./parts.js";
import { link } from "./router.js";

const PAGE = 25;
const REFRESH = 30;
/** Beyond it the command is of more use. */
const MOST = 1000;

const AREAS = [
  ["", "Everything"],
  ["job", "Others' jobs"],
  ["worker", "Workers"],
  ["queue", "The queue"],
  ["janitor", "The janitor"],
  ["user", "Users"],
  ["session", "Signing in"],
  ["security", "Encryption"],
  ["database", "The database"],
];

/** What became of it: how it is coloured, and the word. */
const OUTCOMES = { done: ["completed", "done"], refused: ["failed", "refused"], unclear: ["warning", "unclear"] };

/** The audit trail; `again()` reads its newest entries. */
export function audit(signal) {
  const area = h("select", { id: "audit-area", on: { change: () => begin() } }, AREAS.map(([value, label]) => h("option", { value, text: label })));
  const said = h("p", { class: "complaint bad", role: "alert", hidden: true });
  const more = button("More", () => read(entries.at(-1)?.id), { hidden: true, icon: "down", class: "after-facts" });
  const list = table({
    label: "Audit trail",
    class: "trail",
    key: (entry) => entry.id,
    columns: [
      { name: "When", class: "narrow", make: () => h("span"), show: (node, entry) => node.firstChild || fill(node, time(entry.at)) },
      textColumn("Who", (entry) => entry.actor),
      textColumn("From", (entry) => (entry.via === "machine" ? "the coordinator's machine" : (entry.address ?? ""))),
      textColumn("What", (entry) => entry.action.replace(".", " ").replaceAll("_", " ")),
      { name: "Of what", class: "subject", make: () => h("span"), show: showSubject },
      { name: "Outcome", class: "narrow", make: () => h("span"), show: showOutcome },
      textColumn("Details", details, { class: "wide details" }),
    ],
    none: empty("Nothing of the kind is recorded.", "Entries are kept for a year, if the coordinator's configuration says nothing else."),
  });
  list.node.hidden = true;
  let entries = [];
  let next = null;

  async function read(cursor) {
    const wanted = area.value;
    try {
      const page = await api.get("audit", { parameters: { limit: PAGE, cursor, action: wanted || null }, signal });
      if (area.value !== wanted) return;
      said.hidden = true;
      if (cursor) {
        entries.push(...page.items);
        next = page.next;
      } else {
        // What was shown stays below what is new, if they meet.
        const last = page.items.at(-1)?.id;
        const older = entries.filter((entry) => last !== undefined && entry.id < last);
        const meets = older.length > 0 && entries.some((entry) => entry.id >= last);
        if (!meets) next = page.next;
        entries = meets ? [...page.items, ...older] : page.items;
      }
      list.node.hidden = false;
      list.show(entries);
      more.hidden = next === null || entries.length >= MOST;
    } catch (error) {
      if (api.aborted(error)) return;
      if (error.name !== "ApiError") throw error;
      said.hidden = false;
      text(said, error.message);
    }
  }

  function begin() {
    [entries, next] = [[], null];
    return read();
  }

  begin();
  every(REFRESH, () => read(), signal);
  const chooser = h("div", { class: "audit-area" }, h("label", { for: "audit-area", text: "Show" }), area);
  return { node: section("Audit trail", { beside: chooser }, said, list.node, h("div", { class: "operations" }, more)), again: () => read() };
}

function address(entry) {
  if (entry.action.startsWith("job.") && entry.action !== "job.purge") return link("jobs", entry.subject);
  if (entry.action.startsWith("worker.") && entry.action !== "worker.remove") return link("workers", entry.subject);
  return null;
}

function showSubject(node, entry) {
  if (node.firstChild || !entry.subject) return;
  const place = address(entry);
  fill(node, place ? h("a", { href: place, text: entry.subject }) : entry.subject);
}

function showOutcome(node, entry) {
  if (!node.firstChild) fill(node, pill(...(OUTCOMES[entry.outcome] ?? ["pending", entry.outcome])));
}

function details(entry) {
  return Object.entries(entry.details).map(([name, value]) => `${name.replaceAll("_", " ")}: ${value}`).join(", ");
}
