// Small drawings, on a grid of 16 by 16. They only accompany words, so that nothing reads them aloud.

import { s } from "./dom.js";

const LINE = {
  overview: "M2.5 9.5h4v4h-4zM9.5 6.5h4v7h-4zM2.5 2.5h4v4h-4zM9.5 2.5h4v1.5h-4z",
  jobs: "M2.5 4h11M2.5 8h11M2.5 12h7",
  workers: "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01",
  tree: "M8 2.5v3M8 5.5h-4.5v3M8 5.5h4.5v3M8 5.5v3M2 8.5h3v3H2zM6.5 8.5h3v3h-3zM11 8.5h3v3h-3z",
  administration: "M2.5 4.5h6M11.5 4.5h2M2.5 11.5h2M7.5 11.5h6M10 3v3M6 10v3",
  sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6zM8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9",
  moon: "M13 9.6A5.5 5.5 0 0 1 6.4 3a5.5 5.5 0 1 0 6.6 6.6z",
  half: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM8 2.2v11.6M8 5h5M8 8h5.8M8 11h5",
  user: "M8 2.5a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.4zM2.8 13.5c.5-2.6 2.5-3.8 5.2-3.8s4.7 1.2 5.2 3.8",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.3l3.2 3.2",
  close: "M4 4l8 8M12 4l-8 8",
  copy: "M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2v9.6L12.6 8z",
  down: "M8 2.5v9M4.5 8.5L8 12l3.5-3.5",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3",
  download: "M8 2.5v7.5M5 7.5L8 10.5l3-3M3 13.5h10",
  next: "M6 3.5L10.5 8 6 12.5",
  previous: "M10 3.5L5.5 8 10 12.5",
  pending: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM8 4.8V8l2.2 1.6",
  check: "M3 8.4l3.4 3.4L13 4.8",
  cross: "M4 4l8 8M12 4l-8 8",
  slash: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM4.2 11.8l7.6-7.6",
  warning: "M8 2.3L14.2 13.3H1.8zM8 6.3v3.4M8 11.6v.01",
  ring: "M8 3.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6z",
  dots: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  question: "M5.6 6a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.2.9-1.2 1.7M8 12.3v.01",
};

const FULL = {
  running: "M4.5 2.8v10.4L13 8z",
  dot: "M8 3.4a4.6 4.6 0 1 0 0 9.2 4.6 4.6 0 0 0 0-9.2z",
};

/** An icon; an unknown name is a ring. */
export function icon(name) {
  const full = FULL[name];
  return s(
    "svg",
    { viewBox: "0 0 16 16", class: full ? "icon full" : "icon", "aria-hidden": "true", focusable: "false" },
    s("path", { d: full ?? LINE[name] ?? LINE.ring }),
  );
}
