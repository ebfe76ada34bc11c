// The dashboard begins here.

import { attribute, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { help, listenToKeys } from "./keys.js";
import { reconnect, watchLive } from "./live.js";
import { attempt, showConnection } from "./notices.js";
import * as administration from "./page-administration.js";
import * as job from "./page-job.js";
import * as jobs from "./page-jobs.js";
import * as missing from "./page-missing.js";
import * as overview from "./page-overview.js";
import * as signInPage from "./page-sign-in.js";
import * as tree from "./page-tree.js";
import * as worker from "./page-worker.js";
import * as workers from "./page-workers.js";
import { link, replaceAddress, route, start } from "./router.js";
import { mayAdminister, refreshSession, session, signOut, watchSession } from "./session.js";

const ROUTES = [
  { pattern: [], page: overview },
  { pattern: ["jobs"], page: jobs },
  { pattern: ["jobs", ":id"], page: job },
  { pattern: ["workers"], page: workers },
  { pattern: ["workers", ":id"], page: worker },
  { pattern: ["tree"], page: tree },
  { pattern: ["sign-in"], page: signInPage },
  { pattern: ["administration"], page: administration },
];

const PLACES = [
  { name: "", icon: "overview", label: "Overview" },
  { name: "jobs", icon: "jobs", label: "Jobs" },
  { name: "workers", icon: "workers", label: "Workers" },
  { name: "tree", icon: "tree", label: "Tree" },
  { name: "administration", icon: "administration", label: "Administration", short: "Admin", admin: true },
];

const THEMES = { system: ["half", "as the system"], light: ["sun", "light"], dark: ["moon", "dark"] };

function showNavigation() {
  const list = document.getElementById("places");
  fill(
    list,
    PLACES.map((place) =>
      h(
        "li",
        { data: { place: place.name }, hidden: place.admin && !mayAdminister() },
        h("a", { href: place.name ? link(place.name) : "#/", "aria-label": place.short ? place.label : null }, icon(place.icon), h("span", { data: { short: place.short ?? place.label } }, h("span", { text: place.label }))),
      ),
    ),
  );
  markPlace(route().path[0] ?? "");
}

function markPlace(name) {
  for (const item of document.getElementById("places").children) {
    attribute(item.firstElementChild, "aria-current", item.dataset.place === name ? "page" : null);
  }
}

function showTheme() {
  const control = document.getElementById("theme");
  const names = Object.keys(THEMES);
  const current = () => document.documentElement.dataset.theme ?? "system";
  const draw = () => {
    const [drawing, said] = THEMES[current()];
    fill(control, icon(drawing));
    attribute(control, "aria-label", `Colours: ${said}`);
    control.title = `Colours: ${said}`;
  };
  control.addEventListener("click", () => {
    const chosen = names[(names.indexOf(current()) + 1) % names.length];
    if (chosen === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    try {
      localStorage.setItem("dffmpeg-theme", chosen);
    } catch {
      // It is not remembered, then.
    }
    draw();
  });
  draw();
}

function showPerson(pages) {
  const place = document.getElementById("person");
  const { client_id: name, role, signed_in: known } = session();
  if (!known) {
    fill(place, h("a", { class: "button small", href: link("sign-in") }, icon("user"), h("span", { text: "Sign in" })));
    return;
  }
  const leave = async () => {
    // What is still being read would be refused.
    pages.leave();
    // Not every page is for everybody; whichever it is, it is made anew.
    replaceAddress("");
    if (!(await attempt(signOut, "You are signed out."))) pages.remount();
  };
  fill(
    place,
    h("span", { class: "person", title: `Signed in as ${name} (${role})` }, icon("user"), h("span", { class: "person-name", text: name })),
    h("button", { type: "button", class: "button small", text: "Sign out", on: { click: leave } }),
  );
}

async function main() {
  showTheme();
  listenToKeys();
  showConnection();
  document.getElementById("help").addEventListener("click", help);
  // No link: what stands behind # in the address is the page's.
  document.getElementById("skip").addEventListener("click", () => document.querySelector("#page h1")?.focus());
  try {
    await refreshSession();
  } catch {
    // Nobody answers just now; the pages say so, and whoever looks stays a viewer until it is known better.
  }
  showNavigation();
  const place = document.getElementById("page");
  const pages = start(place, ROUTES, missing, ({ name, first }) => {
    markPlace(name);
    if (first) return;
    scrollTo(0, 0);
    place.querySelector("h1")?.focus({ preventScroll: true });
  });
  showPerson(pages);
  watchSession(() => {
    showNavigation();
    showPerson(pages);
    reconnect();
    pages.remount();
  });
  let lost = false;
  watchLive(({ state }) => {
    // A session may have ended meanwhile, and another key made.
    if (state === "live" && lost) refreshSession().catch(() => {});
    lost = state === "waiting" || (lost && state !== "live");
  });
  document.documentElement.dataset.ready = "";
}

main();
