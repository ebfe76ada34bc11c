// Requests to the coordinator. URLs are relative to the document, so that a reverse proxy may add any prefix.

import { clock } from "./format.js";

/** What the coordinator answered instead of what was asked for. */
export class ApiError extends Error {
  /**
   * @param {string} message one line that says what was wrong.
   * @param {number} status of HTTP; 0 where nothing answered.
   */
  constructor(message, status) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

const credentials = { csrf: null };

/** Have requests that change something carry this value, which the session's answer has; null for none. */
export function useCsrf(value) {
  credentials.csrf = value;
}

/** The URL of a route, such as `jobs`. Parameters that are null, undefined or empty are left out. */
export function url(route, parameters = {}) {
  const found = new URL(`api/v1/${route}`, document.baseURI);
  found.hash = "";
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null || value === undefined || value === "") continue;
    found.searchParams.set(name, Array.isArray(value) ? value.join(",") : value);
  }
  return found;
}

/** The same as a WebSocket's. */
export function socketUrl(route, parameters = {}) {
  const found = url(route, parameters);
  found.protocol = found.protocol === "https:" ? "wss:" : "ws:";
  return found;
}

/** Close a WebSocket, or null. One that is still being made is closed as soon as it is: browsers complain otherwise. */
export function hangUp(socket) {
  if (socket?.readyState === WebSocket.CONNECTING) socket.addEventListener("open", () => socket.close());
  else socket?.close();
}

/**
 * Read something.
 *
 * @param {string} route
 * @param {{parameters?: object, signal?: AbortSignal}} options
 * @throws {ApiError} it was refused, or nobody answered.
 * @throws {DOMException} `AbortError`: the signal was raised.
 */
export function get(route, { parameters, signal } = {}) {
  return ask("GET", url(route, parameters), undefined, signal);
}

/** Change something; `body` goes as JSON. Throws as `get`. */
export function post(route, body, { signal } = {}) {
  return ask("POST", url(route), body, signal);
}

/** Remove something. Throws as `get`. */
export function remove(route, { signal } = {}) {
  return ask("DELETE", url(route), undefined, signal);
}

async function ask(method, address, body, signal) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && credentials.csrf !== null) headers["X-Dffmpeg-CSRF"] = credentials.csrf;
  let answer;
  try {
    answer = await fetch(address, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The coordinator does not answer.", 0);
  }
  setClock(answer);
  if (!answer.ok) throw new ApiError(await complaint(answer), answer.status);
  return answer.status === 204 ? null : answer.json();
}

/** The header has whole seconds, so that only a larger difference means anything. */
function setClock(answer) {
  const date = Date.parse(answer.headers.get("Date") ?? "");
  if (Number.isNaN(date)) return;
  const offset = date + 500 - Date.now();
  clock.offset = Math.abs(offset) > 2000 ? offset : 0;
}

async function complaint(answer) {
  const said = await answer.text().catch(() => "");
  try {
    const problem = JSON.parse(said);
    if (typeof problem.detail === "string" && problem.detail) return problem.detail;
  } catch {
    // A proxy's page, which says nothing that is of use here.
  }
  return `The answer was ${answer.status} ${answer.statusText}`.trimEnd();
}

/** Whether an error only says that nobody waits for the answer any more. */
export function aborted(error) {
  return error instanceof DOMException && error.name === "AbortError";
}
