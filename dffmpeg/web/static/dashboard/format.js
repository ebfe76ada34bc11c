// Values as people read them. Numbers go through here, so that they look alike everywhere.

import { h, text } from "./dom.js";

/** The server's clock minus this machine's, milliseconds: `api.js` keeps it. */
export const clock = { offset: 0 };

/** Milliseconds since the epoch, by the server's clock. */
export function now() {
  return Date.now() + clock.offset;
}

export const UNKNOWN = "–";

const WHOLE = new Intl.NumberFormat("en");

/** A count with separators; "–" for what is not known. */
export function count(value) {
  return known(value) ? WHOLE.format(Math.round(value)) : UNKNOWN;
}

/** A number with as many digits as mean something. */
export function decimal(value, digits = 1) {
  if (!known(value)) return UNKNOWN;
  return Math.abs(value) >= 100 ? WHOLE.format(Math.round(value)) : value.toFixed(digits);
}

/** "1 job", "2 jobs". */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A fraction as "42 %". */
export function percent(fraction) {
  return known(fraction) ? `${Math.floor(Math.min(1, Math.max(0, fraction)) * 100)} %` : UNKNOWN;
}

/** How many times as fast as the film plays: "2.4×". */
export function speed(value) {
  return known(value) ? `${decimal(value, value < 10 ? 2 : 1)}×` : UNKNOWN;
}

/** Seconds as "4 min 05 s"; what is shorter than a second as milliseconds. */
export function duration(seconds) {
  if (!known(seconds)) return UNKNOWN;
  if (seconds > 0 && seconds < 0.995) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return seconds < 10 && seconds % 1 ? `${seconds.toFixed(1)} s` : `${whole} s`;
  const two = (value) => String(value).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole / 60) % 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor(whole / 3600) % 24} h`;
}

/** Seconds as a clock, "1:02:03": of a film, or of something that runs. */
export function timecode(seconds) {
  if (!known(seconds)) return UNKNOWN;
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes as "1.4 MB" (powers of 1000). */
export function bytes(value) {
  if (!known(value)) return UNKNOWN;
  let [rest, unit] = [value, 0];
  while (rest >= 999.5 && unit < UNITS.length - 1) [rest, unit] = [rest / 1000, unit + 1];
  return `${unit ? rest.toFixed(rest < 10 ? 1 : 0) : Math.round(rest)} ${UNITS[unit]}`;
}

function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** A moment as "12 s ago" or "in 3 min". */
export function relative(at, from = now()) {
  const seconds = Math.round((from - at) / 1000);
  const size = Math.abs(seconds);
  if (size < 3) return "now";
  const said = size < 120 ? `${size} s`
    : size < 7200 ? `${Math.floor(size / 60)} min`
    : size < 172800 ? `${Math.floor(size / 3600)} h`
    : `${Math.floor(size / 86400)} days`;
  return seconds > 0 ? `${said} ago` : `in ${said}`;
}

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** A moment of the server's (ISO 8601) in full, in this machine's time zone. */
export function moment(iso) {
  return iso ? MOMENT.format(new Date(iso)) : UNKNOWN;
}

/** A `<time>` that says how long ago it was, and goes on doing so while it is in the page. */
export function time(iso) {
  if (!iso) return h("span", { text: UNKNOWN });
  const node = h("time", { datetime: iso, title: moment(iso), class: "relative" });
  text(node, relative(Date.parse(iso)));
  return node;
}

/** Have a `<time>` (see `time`) tell of another moment. */
export function retime(node, iso) {
  if (node.getAttribute("datetime") === iso) return;
  node.setAttribute("datetime", iso);
  node.title = moment(iso);
  text(node, relative(Date.parse(iso)));
}

setInterval(() => {
  if (document.hidden) return;
  for (const node of document.querySelectorAll("time.relative")) text(node, relative(Date.parse(node.dateTime)));
}, 1000);

/** What a shell would have to be told to pass this argument. Bytes that are not UTF-8 come as `{b64}`. */
export function quote(argument) {
  if (typeof argument !== "string") {
    const escaped = atob(argument.b64).replace(/[^ -~]|['\\]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`);
    return `$'${escaped}'`;
  }
  if (/[\0-\x1f\x7f]/.test(argument)) {
    const escaped = argument.replace(/['\\]/g, "\\$&").replace(/[\0-\x1f\x7f]/g, (sign) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, "0")}`);
    return `$'${escaped}'`;
  }
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

/** A command line as one would type it. */
export function commandLine(program, args) {
  return [program, ...args].map(quote).join(" ");
}
