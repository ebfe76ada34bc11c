// Who there is, and from where they may come; on the administration page.

import * as api from "./api.js";
import { ask } from "./confirm.js";
import { fill, h, text } from "./dom.js";
import { every } from "./follow.js";
import { plural, time } from "./format.js";
import { icon } from "./icons.js";
import { attempt } from "./notices.js";
import { button, empty, section, table, textColumn } from "./parts.js";
import { session } from "./session.js";

const PAGE = 100;
const REFRESH = 30;

const COMMANDS = [
  ["Somebody who submits jobs", "dffmpeg-admin user add NAME --write-config client.toml"],
  ["Somebody who only looks", "dffmpeg-admin user add NAME --role viewer"],
  ["Another key", "dffmpeg-admin user rotate-key NAME"],
  ["A link that signs in once", "dffmpeg-admin login-link --as NAME"],
];

/**
 * The users.
 *
 * @param {AbortSignal} signal
 * @param {function()} changed called when something was changed here.
 */
export function users(signal, changed) {
  const said = h("p", { class: "quiet", hidden: true });
  const more = button("More users", () => load(shown + PAGE), { hidden: true, class: "after-facts" });
  const list = table({
    label: "Users",
    class: "people",
    key: (user) => user.id,
    columns: [
      textColumn("User", (user) => (user.id === session().client_id ? `${user.id} (you)` : user.id), { class: "wide" }),
      textColumn("Role", roleOf),
      textColumn("May come from", (user) => user.networks.join(", ") || "anywhere", { class: "networks" }),
      { name: "Added", class: "narrow", make: () => h("span"), show: (node, user) => showTime(node, user.created_at) },
      { name: "Seen", class: "narrow", make: () => h("span"), show: showSeen },
      { name: "Change", class: "right", make: () => h("div", { class: "operations" }), show: (node, user) => showOperations(node, user) },
    ],
    none: empty("There are no users."),
  });
  list.node.hidden = true;
  let shown = PAGE;

  async function load(wanted) {
    try {
      const items = [];
      let cursor = null;
      do {
        const page = await api.get("users", { parameters: { limit: Math.min(500, wanted - items.length), cursor }, signal });
        items.push(...page.items);
        cursor = page.next;
      } while (cursor !== null && items.length < wanted);
      shown = wanted;
      list.node.hidden = said.hidden = false;
      list.show(items);
      more.hidden = cursor === null;
      text(said, `${cursor === null ? "" : "The first "}${plural(items.length, "user")}.`);
    } catch (error) {
      if (api.aborted(error)) return;
      if (error.name !== "ApiError") throw error;
      said.hidden = false;
      text(said, error.message);
    }
  }

  function showOperations(node, user) {
    const own = user.id === session().client_id;
    const key = JSON.stringify([own, user]);
    if (node.dataset.shown === key) return;
    node.dataset.shown = key;
    // What one may not do with oneself has no button.
    fill(
      node,
      own ? null : button("Networks", () => change(user), { class: "small", "aria-label": `Networks of ${user.id}` }),
      own ? null : button("Delete", () => remove(user), { class: "small", "aria-label": `Delete ${user.id}` }),
    );
  }

  async function change(user) {
    const found = await ask({
      title: `From where may ${user.id} come?`,
      text: "What it has open from elsewhere ends within seconds.",
      action: "Change",
      fields: [{ name: "networks", label: "Networks", value: user.networks.join(", "), hint: "Such as 192.168.0.0/24, with commas between; nothing is from anywhere." }],
    });
    if (found === null) return;
    const networks = found.networks.split(/[\s,]+/).filter(Boolean);
    const done = `${user.id} may come from ${networks.join(", ") || "anywhere"}.`;
    await carryOut(() => api.post(`users/${encodeURIComponent(user.id)}/networks`, { networks }), done);
  }

  async function remove(user) {
    const found = await ask({
      title: `Delete ${user.id}?`,
      text: `Whoever has the key of this ${user.role} is let in no more, and what it has open ends within seconds. Its jobs stay. A new user of that name has another key.`,
      action: "Delete",
      danger: true,
    });
    if (found === null) return;
    await carryOut(() => api.remove(`users/${encodeURIComponent(user.id)}`), `${user.id} is deleted.`);
  }

  async function carryOut(action, words) {
    await attempt(action, words);
    changed();
    await load(shown);
  }

  load(shown);
  every(REFRESH, () => load(shown), signal);
  return section(
    "Users",
    {},
    said,
    list.node,
    h("div", { class: "operations" }, more),
    h(
      "details",
      { class: "after-facts" },
      h("summary", { text: "Adding users, and keys" }),
      h("p", { class: "quiet" }, icon("user"), " Users are added, and get their keys, on the coordinator's machine, where its configuration can be read:"),
      h("dl", { class: "commands" }, COMMANDS.map(([what, line]) => h("div", {}, h("dt", { text: what }), h("dd", {}, h("code", { text: line }))))),
    ),
  );
}

function roleOf(user) {
  if (!user.expires_at) return user.role;
  const over = Date.parse(user.expires_at) <= Date.now();
  return `${user.role}, ${over ? "expired" : "until"} ${user.expires_at.slice(0, 10)}`;
}

function showTime(node, iso) {
  if ((node.firstChild?.dateTime ?? "") === (iso ?? "") && node.firstChild) return;
  fill(node, iso ? time(iso) : h("span", { class: "quiet", text: "not known" }));
}

function showSeen(node, user) {
  const iso = user.last_seen ?? user.signed_in_at;
  const key = `${user.last_seen} ${user.signed_in_at}`;
  if (node.dataset.shown === key) return;
  node.dataset.shown = key;
  fill(node, iso ? [user.last_seen ? "" : "signed in ", time(iso)] : h("span", { class: "quiet", text: "not known" }));
}
