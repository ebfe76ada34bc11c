// An address that leads nowhere.

import { h } from "./dom.js";
import { empty, heading } from "./parts.js";

export const title = () => "Not found";

export function mount(place) {
  place.append(heading("Not found"), empty("There is no such page.", h("a", { href: "#/", text: "To the overview" })));
}
