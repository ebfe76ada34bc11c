// All workers.

import * as api from "./api.js";
import { attribute, fill, h, text } from "./dom.js";
import { every, follow } from "./follow.js";
import { plural, retime, time } from "./format.js";
import { icon } from "./icons.js";
import { empty, heading, linkColumn, reslots, section, slots, stateColumn, table, textColumn } from "./parts.js";
import { link } from "./router.js";
import { troubles } from "./worker-parts.js";

export const title = () => "Workers";

/** Seconds between two looks at the list, for what events do not tell: slots, and when one was seen. */
const REFRESH = 10;
const PAGE = 500;

export function mount(place, { signal }) {
  const complaint = h("div", { class: "complaint bad", role: "alert", hidden: true });
  const said = h("p", { class: "quiet" });
  const list = table({
    label: "Workers",
    class: "workers",
    key: (worker) => worker.worker_id,
    columns: [
      linkColumn("Worker", (worker) => worker.worker_id, (worker) => link("workers", worker.worker_id), { class: "wide" }),
      stateColumn("State", (worker) => worker.status),
      { name: "Slots", make: slots, show: (node, worker) => reslots(node, worker.used_slots, worker.slots) },
      { name: "Labels", make: () => h("span", { class: "tags" }), show: showTags },
      textColumn("Paths", (worker) => worker.paths.join(", ")),
      { name: "Notes", class: "notes", make: () => h("span"), show: (node, worker) => text(node, troubles(worker).join("; ")) },
      textColumn("Version", (worker) => worker.version ?? "", { class: "number" }),
      { name: "Seen", class: "right seen", make: () => time(new Date(0).toISOString()), show: (node, worker) => retime(node, worker.last_seen) },
    ],
    none: empty(
      "No worker has registered yet.",
      "On the coordinator's machine: ",
      h("code", { text: "dffmpeg-admin user add worker1 --role worker --write-config worker.toml" }),
      ", and on the worker's: ",
      h("code", { text: "dffmpeg-worker --config worker.toml" }),
    ),
  });
  list.node.hidden = true;
  place.append(heading("Workers", said), complaint, section("All workers", { class: "unheaded" }, list.node));

  const { again } = follow({
    kinds: ["worker"],
    signal,
    async read() {
      const found = await api.get("workers", { parameters: { limit: PAGE }, signal });
      list.node.hidden = false;
      list.show(found.items);
      text(said, found.items.length ? `${found.next ? "the first " : ""}${plural(found.items.length, "worker")}` : "");
    },
    onEvent: soon(() => again()),
    onError(error) {
      complaint.hidden = error === null;
      if (error) fill(complaint, icon("warning"), h("p", { text: error.message }));
    },
  });
  every(REFRESH, again, signal);
}

/** Many events at once are one reason to look. */
function soon(call) {
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      call();
    }, 100);
  };
}

function showTags(node, worker) {
  if (node.dataset.labels === worker.labels.join()) return;
  node.dataset.labels = worker.labels.join();
  fill(node, worker.labels.map((label) => h("span", { class: "tag", text: label })));
  attribute(node, "role", worker.labels.length ? null : "none");
}
