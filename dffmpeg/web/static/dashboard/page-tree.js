// The supervision tree, live.

import * as api from "./api.js";
import { fill, h, text } from "./dom.js";
import { every, follow } from "./follow.js";
import { count, moment, plural, time } from "./format.js";
import { icon } from "./icons.js";
import { empty, facts, heading, pill, section } from "./parts.js";
import { link } from "./router.js";
import { drawing } from "./tree-drawing.js";
import { Tree } from "./tree-model.js";

export const title = () => "Supervision tree";

const CRASHES = 8;
const HINT = "Choose an actor to see more of it.";

export function mount(place, { signal }) {
  const tree = new Tree();
  const crashes = [];
  const complaint = h("div", { class: "complaint bad", role: "alert", hidden: true });
  const said = h("p", { class: "quiet number" });
  const details = h("div", {}, h("p", { class: "quiet", text: HINT }));
  const log = h("ol", { class: "crashes" });
  const none = empty("No crash since this page was opened.", "What crashes is started again by its supervisor, and flashes here.");
  let chosen = null;
  const picture = drawing(tree, choose);
  place.append(
    heading("Supervision tree", said),
    complaint,
    h(
      "div",
      { class: "tree-columns" },
      section("Actors", { class: "unheaded tree-panel" }, picture.node),
      h("div", { class: "stack" }, section("Chosen actor", {}, details), section("Crashes", {}, none, h("div", { role: "log", "aria-label": "Crashes" }, log))),
    ),
  );

  function choose(node) {
    chosen = node?.path ?? null;
    if (node) fill(details, aboutIt(node));
  }

  function showAll() {
    picture.show();
    showSums();
  }

  function showSums() {
    const nodes = [...tree.nodes.values()];
    const down = nodes.filter((node) => node.state !== "running").length;
    const restarts = nodes.reduce((sum, node) => sum + node.restarts, 0);
    const waiting = nodes.reduce((sum, node) => sum + node.depth, 0);
    text(said, `${plural(nodes.length, "actor and supervisor", "actors and supervisors")}, ${down ? `${count(down)} not running` : "all running"}; ${plural(waiting, "message")} waiting, ${plural(restarts, "restart")}`);
  }

  function showCrashes(found) {
    for (const node of found) {
      picture.flash(node);
      crashes.unshift(node);
      none.hidden = true;
      log.prepend(h("li", {}, h("strong", { text: node.path }), " ", time(new Date(node.crashedAt).toISOString()), h("p", { text: node.crash })));
      while (log.childElementCount > CRASHES) log.lastElementChild.remove();
    }
  }

  const { again } = follow({
    kinds: ["tree"],
    interval: 0.1,
    signal,
    async read() {
      const found = tree.replace(await api.get("tree", { signal }));
      showAll();
      showCrashes(found);
    },
    onEvent(kind, data) {
      const { changed, crashes: found, reshaped, lost } = tree.apply(data);
      if (lost) again();
      if (reshaped) picture.show();
      picture.change(changed);
      showCrashes(found);
      showSums();
      if (changed.some((node) => node.path === chosen)) fill(details, aboutIt(tree.nodes.get(chosen)));
    },
    onError(error) {
      complaint.hidden = error === null;
      if (error) fill(complaint, icon("warning"), h("p", { text: error.message }));
    },
  });
  // What a card says of its last crash grows old.
  every(1, () => picture.change([...tree.nodes.values()].filter((node) => node.crashedAt !== null)), signal);
}

const KINDS = { actor: "Actor", supervisor: "Supervisor", dynamic_supervisor: "Dynamic supervisor" };

function aboutIt(node) {
  const [, above, id] = node.path.split("/");
  const page = { jobs: "jobs", workers: "workers" }[above];
  return [
    h("h3", { class: "tree-path", text: node.path }),
    facts([
      ["Kind", KINDS[node.kind] ?? node.kind],
      ["State", pill(node.state === "running" ? "online" : node.state, node.state)],
      ["Mailbox", node.capacity ? `${count(node.depth)} of ${count(node.capacity)}` : null],
      ["Restarts", count(node.restarts)],
      ["Children", node.kind === "actor" ? null : count(node.total)],
      ["Last crash", node.crash ? h("span", {}, h("code", { text: node.crash }), h("br"), h("span", { class: "quiet", text: moment(new Date(node.crashedAt).toISOString()) })) : "never"],
    ]),
    page && id ? h("p", {}, h("a", { href: link(page, id), text: page === "jobs" ? "The job" : "The worker" })) : null,
  ];
}
