// Signing in: by a link that works once, or by id and key.

import { attribute, fill, h, text } from "./dom.js";
import { moment } from "./format.js";
import { icon } from "./icons.js";
import { attempt, toast } from "./notices.js";
import { button, facts, heading, pill, section } from "./parts.js";
import { go, replaceAddress } from "./router.js";
import { session, signIn, signOut } from "./session.js";

export const title = () => "Sign in";

export function mount(place, { query }) {
  const link = query.get("link");
  // It works once, and must stay neither in the address nor in the history.
  if (link !== null) replaceAddress("sign-in");
  place.append(heading("Sign in"));
  if (session().signed_in && link === null) place.append(signedIn());
  else place.append(h("div", { class: "sign-in" }, form(link), other()));
}

function signedIn() {
  const { client_id: id, role, expires_at: end } = session();
  return h(
    "div",
    { class: "sign-in" },
    section(
      "You are signed in",
      {},
      facts([
        ["As", id],
        ["Role", pill("active", role)],
        ["Until", end ? moment(end) : "you sign out"],
      ]),
      h("p", { class: "after-facts" }, button("Sign out", () => attempt(signOut, "You are signed out."))),
    ),
  );
}

function form(link) {
  const complaint = h("p", { class: "complaint bad", role: "alert", hidden: true });
  const name = h("input", { id: "client-id", name: "client_id", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true, maxlength: 128 });
  // "off", as it is a key of a program and nothing that a browser should keep.
  const key = h("input", { id: "key", name: "key", type: "password", autocomplete: "off", required: true, maxlength: 128 });
  const submit = h("button", { type: "submit", class: "button primary", text: "Sign in" });
  const busy = h("p", { class: "quiet", role: "status", hidden: link === null, text: "Signing in by your link." });

  async function enter(proof) {
    attribute(submit, "disabled", true);
    complaint.hidden = true;
    try {
      await signIn(proof);
    } catch (error) {
      if (error.name !== "ApiError") throw error;
      fill(complaint, icon("warning"), h("span", { text: said(error) }));
      complaint.hidden = false;
      return false;
    } finally {
      key.value = "";
      busy.hidden = true;
      attribute(submit, "disabled", null);
    }
    toast(`You are signed in as ${session().client_id}.`);
    go("");
    return true;
  }

  const node = h(
    "form",
    {
      class: "sign-in-form",
      method: "post",
      on: {
        submit: async (event) => {
          event.preventDefault();
          if (!(await enter({ client_id: name.value.trim(), key: key.value }))) key.focus();
        },
      },
    },
    warning(),
    complaint,
    busy,
    h("div", { class: "field" }, h("label", { for: "client-id", text: "Client id" }), name),
    h("div", { class: "field" }, h("label", { for: "key", text: "Key" }), key, h("p", { class: "hint", text: "As it stands in a configuration file. It is sent once and kept nowhere." })),
    h("div", {}, submit),
  );
  if (link !== null) enter({ link });
  return section("With id and key", {}, node);
}

/** What the coordinator says, as a sentence. */
function said({ message }) {
  const begun = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

function other() {
  return section(
    "With a link",
    {},
    h("p", { text: "Whoever may use the coordinator's configuration can make a link that works once:" }),
    h("pre", { class: "command", tabindex: 0 }, h("code", { text: "dffmpeg-admin --config coordinator.toml login-link" })),
    h("p", { class: "quiet", text: "It signs you in as an administrator; --as names somebody else." }),
  );
}

/** Without TLS whoever is on the way reads the key; on the machine itself nobody is. */
function warning() {
  const near = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname) || location.hostname.endsWith(".localhost");
  if (location.protocol === "https:" || near) return null;
  const node = h("p", { class: "complaint wait" }, icon("warning"), h("span"));
  text(node.lastChild, "This connection is not encrypted: whoever is between you and the coordinator can read your key. Use HTTPS, or a link.");
  return node;
}
