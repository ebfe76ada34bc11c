// Who looks at this page, and what they may do.

import * as api from "./api.js";

const NOBODY = { client_id: null, role: null, signed_in: false, csrf: null, expires_at: null };

let current = NOBODY;
const watchers = new Set();

/** The session as `GET /api/v1/session` has it; `role` is null for who may not even look. */
export function session() {
  return current;
}

/** Whether workers, the queue and everybody's jobs may be operated. */
export function mayAdminister() {
  return current.signed_in && current.role === "admin";
}

/** Whether jobs may be operated: a client's own, an administrator's all. */
export function mayOperate(requester) {
  if (!current.signed_in) return false;
  return current.role === "admin" || (current.role === "client" && current.client_id === requester);
}

/** Be told of each change; returns what ends that. */
export function watchSession(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

function become(found) {
  const before = current;
  current = { ...NOBODY, ...found };
  api.useCsrf(current.csrf);
  const same = ["client_id", "role", "signed_in"].every((name) => before[name] === current[name]);
  if (!same) for (const watcher of watchers) watcher(current);
}

/** Ask who we are. Throws ApiError only if that cannot be found out. */
export async function refreshSession() {
  try {
    become(await api.get("session"));
  } catch (error) {
    if (error.status !== 401 && error.status !== 403) throw error;
    become(NOBODY);
  }
}

/** Sign in, by `{client_id, key}` or `{link}`. Throws ApiError where that is refused. */
export async function signIn(proof) {
  become(await api.post("session", proof));
}

/** Sign out; what may be looked at without signing in stays. */
export async function signOut() {
  await api.remove("session");
  await refreshSession();
}
