// Colours and weights of a terminal (SGR), so that they can be read on our ground. Pure.

/** What the log stands on, in both themes: these colours were made for a dark ground. */
export const GROUND = [16, 20, 28];
const INK = [222, 227, 236];

const CONTRAST = 4.5;

const BASE = [
  [72, 79, 94], [240, 113, 120], [126, 199, 121], [229, 192, 100], [110, 160, 250], [204, 130, 232], [86, 190, 204], [200, 206, 218],
  [120, 129, 148], [255, 139, 146], [152, 222, 148], [255, 217, 128], [148, 187, 255], [226, 160, 250], [120, 216, 230], [255, 255, 255],
];

const STEPS = [0, 95, 135, 175, 215, 255];

/** A style of text; never changed, but exchanged for another. */
export class Style {
  constructor(values = {}) {
    Object.assign(this, NOTHING, values);
    this.key = JSON.stringify(Object.keys(NOTHING).map((name) => this[name]));
  }

  equals(other) {
    return this === other || this.key === other.key;
  }

  /** This style after `ESC [ <parameters> m`. */
  changed(parameters) {
    // Private sequences end in `m` too, and have nothing to do with colours.
    if (/[^0-9;:]/.test(parameters)) return this;
    const values = {};
    for (const name of Object.keys(NOTHING)) values[name] = this[name];
    const codes = split(parameters);
    while (codes.length) apply(values, codes);
    return new Style(values);
  }

  /** Names of classes for what is no colour. What is to be hidden is shown: this is a log. */
  get classes() {
    return ["bold", "italic", "underline", "strike"].filter((name) => this[name]);
  }

  /** `{color, background}` as CSS has them, null where it is the log's own; the text can always be read. */
  get colors() {
    const [front, back] = this.inverse ? [this.back ?? GROUND, this.front ?? INK] : [this.front, this.back];
    if (front === null && back === null && !this.dim) return { color: null, background: null };
    const ground = back ?? GROUND;
    const ink = front ?? INK;
    const color = readable(this.dim ? ink.map((part, index) => Math.round((2 * part + ground[index]) / 3)) : ink, ground);
    return { color: css(color), background: back === null ? null : css(back) };
  }
}

const NOTHING = {
  front: null, back: null, bold: false, dim: false, italic: false, underline: false, inverse: false, strike: false,
};

Style.PLAIN = new Style();

/** Codes in order; an array of numbers where they belong together by colons. */
function split(parameters) {
  return parameters.split(";").map((part) => (part.includes(":") ? part.split(":").map(Number) : Number(part)));
}

const SWITCHES = {
  1: ["bold", true], 2: ["dim", true], 3: ["italic", true], 4: ["underline", true], 7: ["inverse", true], 9: ["strike", true],
  21: ["underline", true], 23: ["italic", false], 24: ["underline", false], 27: ["inverse", false], 29: ["strike", false],
  39: ["front", null], 49: ["back", null],
};

function apply(values, codes) {
  const code = codes.shift();
  if (Array.isArray(code)) {
    applyTogether(values, code);
  } else if (code === 0) {
    Object.assign(values, NOTHING);
  } else if (code === 22) {
    Object.assign(values, { bold: false, dim: false });
  } else if (Object.hasOwn(SWITCHES, code)) {
    const [name, value] = SWITCHES[code];
    values[name] = value;
  } else if (code === 38 || code === 48) {
    const color = extended(codes);
    if (color !== null) values[code === 38 ? "front" : "back"] = color;
  } else {
    applyBase(values, code);
  }
}

function applyBase(values, code) {
  for (const [start, name, from] of [[30, "front", 0], [40, "back", 0], [90, "front", 8], [100, "back", 8]]) {
    if (code >= start && code < start + 8) values[name] = BASE[from + code - start];
  }
}

/** `38:2::r:g:b`, `38:5:n`, `4:3` (a wavy line). */
function applyTogether(values, [code, ...rest]) {
  if (code === 4) values.underline = rest[0] !== 0;
  if (code !== 38 && code !== 48) return;
  const codes = rest[0] === 2 && rest.length > 4 ? [2, ...rest.slice(2)] : rest;
  const color = extended(codes);
  if (color !== null) values[code === 38 ? "front" : "back"] = color;
}

/** The colour that `5;n` or `2;r;g;b` means, which is taken off the codes; null where it is none. */
function extended(codes) {
  const kind = codes.shift();
  if (kind === 5) return indexed(codes.shift());
  if (kind !== 2) return null;
  const color = codes.splice(0, 3);
  return color.length === 3 && color.every(isByte) ? color : null;
}

function indexed(number) {
  if (!isByte(number)) return null;
  if (number < 16) return BASE[number];
  if (number >= 232) return Array(3).fill(8 + 10 * (number - 232));
  const place = number - 16;
  return [STEPS[Math.floor(place / 36)], STEPS[Math.floor(place / 6) % 6], STEPS[place % 6]];
}

function isByte(value) {
  return Number.isInteger(value) && value >= 0 && value <= 255;
}

/**
 * A colour as near to the one asked for as can be read on a ground: lighter on a dark one, darker on a light one.
 *
 * @param {number[]} color red, green, blue; 0 to 255.
 * @param {number[]} ground
 */
export function readable(color, ground = GROUND) {
  const light = contrast([255, 255, 255], ground) >= contrast([0, 0, 0], ground);
  const goal = light ? 255 : 0;
  for (let step = 0; step < 20; step += 1) {
    const mixed = color.map((part) => Math.round(part + ((goal - part) * step) / 20));
    if (contrast(mixed, ground) >= CONTRAST) return mixed;
  }
  return [goal, goal, goal];
}

/** The contrast of two colours as WCAG has it, 1 to 21. */
export function contrast(one, other) {
  const [lighter, darker] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (lighter + 0.05) / (darker + 0.05);
}

function luminance(color) {
  const [red, green, blue] = color.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function css(color) {
  return `rgb(${color.join(" ")})`;
}
