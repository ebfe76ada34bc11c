// What a terminal would show of a program's output: lines, `\r`, tabs, and colours. Pure; bounded in all directions.

import { Style } from "./terminal-style.js";

/** Lines that are kept; a twentieth more for a while. */
export const MOST_LINES = 5000;

/** Signs in a line; what goes on behind them goes into the next one. */
export const MOST_COLUMNS = 4000;

const TAB = 8;
/** Signs of an escape sequence that matter; the rest of a longer one is passed over. */
const MOST_PARAMETERS = 64;
/** Marks on one sign, for scripts that have them; more are an attack on whoever draws it. */
const MOST_MARKS = 8;

const MARK = /^[\p{Mn}\p{Me}\u200d\ufe0f]$/u;

/**
 * The last lines of an output that comes in pieces of bytes.
 *
 * Attributes: `lines` are those that are kept, the last one being written; `first` is the number of the first of
 * them, as all are counted from 0.
 */
export class Terminal {
  constructor({ lines = MOST_LINES } = {}) {
    this.most = lines;
    this.reset();
  }

  /** Forget everything. */
  reset() {
    this.lines = [new Line()];
    this.first = 0;
    this.decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    this.style = Style.PLAIN;
    this.column = 0;
    this.state = this.ground;
    this.parameters = "";
    this.changedFrom = 0;
  }

  /** Take the next bytes (Uint8Array); a sign may be cut anywhere, and what is no UTF-8 becomes U+FFFD. */
  write(bytes) {
    this.take(this.decoder.decode(bytes, { stream: true }));
  }

  /** The next bytes have nothing to do with those before: what was begun of a sign or a sequence ends here. */
  interrupt() {
    this.take(this.decoder.decode());
    this.state = this.ground;
  }

  /** A line of our own, between what the program wrote. */
  note(words) {
    this.interrupt();
    if (this.current().cells.length) this.newLine();
    this.style = Style.PLAIN;
    const line = this.current();
    line.note = true;
    for (const sign of words) line.put(line.cells.length, sign, Style.PLAIN);
    this.newLine();
  }

  /** The number of the first line that changed since this was last asked; none did where it is beyond the last. */
  takeChanges() {
    const from = Math.max(this.changedFrom, this.first);
    this.changedFrom = this.first + this.lines.length;
    return from;
  }

  current() {
    return this.lines.at(-1);
  }

  take(text) {
    if (!text) return;
    this.changedFrom = Math.min(this.changedFrom, this.first + this.lines.length - 1);
    for (const sign of text) this.state = this.state(sign) ?? this.ground;
  }

  // Each state takes a sign and returns the next state; none is `ground`.

  ground(sign) {
    if (sign >= " " && sign !== "\x7f" && !(sign >= "\x80" && sign < "\xa0")) {
      this.print(sign);
      return this.ground;
    }
    switch (sign) {
      case "\x1b":
        return this.escape;
      case "\x9b":
        this.parameters = "";
        return this.sequence;
      case "\n":
        this.newLine();
        break;
      case "\r":
        this.column = 0;
        break;
      case "\b":
        this.column = Math.max(0, this.column - 1);
        break;
      case "\t":
        this.column = Math.min(MOST_COLUMNS - 1, this.column + TAB - (this.column % TAB));
        break;
    }
    return this.ground;
  }

  escape(sign) {
    if (sign === "[") {
      this.parameters = "";
      return this.sequence;
    }
    // Titles, pictures and the like, up to their end.
    if ("]PX^_".includes(sign)) return this.string;
    // A character set's name follows.
    if (sign >= " " && sign <= "/") return this.escape;
    return this.ground;
  }

  sequence(sign) {
    if (sign >= "@" && sign <= "~") {
      this.control(sign);
      return this.ground;
    }
    if (sign === "\x1b") return this.escape;
    // As a terminal does it: what moves the cursor does so in the middle of a sequence too.
    if (sign < " ") {
      this.ground(sign);
      return this.sequence;
    }
    if (this.parameters.length < MOST_PARAMETERS) this.parameters += sign;
    return this.sequence;
  }

  string(sign) {
    if (sign === "\x07" || sign === "\x9c") return this.ground;
    // `ESC \` ends it; any other escape begins something new.
    return sign === "\x1b" ? this.escape : this.string;
  }

  control(final) {
    if (final === "m") this.style = this.style.changed(this.parameters);
    else if (final === "K") this.erase(this.parameters);
  }

  erase(what) {
    const cells = this.current().cells;
    if (what === "" || what === "0") cells.length = Math.min(cells.length, this.column);
    else if (what === "2") cells.length = 0;
    else if (what === "1") {
      for (let column = 0; column <= Math.min(this.column, cells.length - 1); column += 1) cells[column] = null;
    }
  }

  print(sign) {
    if (MARK.test(sign)) {
      this.current().mark(this.column - 1, sign);
      return;
    }
    if (this.column >= MOST_COLUMNS) this.newLine();
    this.current().put(this.column, sign, this.style);
    this.column += 1;
  }

  newLine() {
    this.current().finish();
    this.lines.push(new Line());
    this.column = 0;
    const over = this.lines.length - this.most;
    // Not one by one: that would move all of them each time.
    if (over > this.most / 20) {
      this.lines.splice(0, over);
      this.first += over;
    }
  }
}

/** One line: while it is written a cell for each column, null where nothing was; then its pieces of one style each. */
export class Line {
  constructor() {
    this.cells = [];
    this.done = null;
    this.note = false;
  }

  put(column, sign, style) {
    while (this.cells.length < column) this.cells.push(null);
    this.cells[column] = { sign, style };
  }

  mark(column, sign) {
    const cell = this.cells[column];
    if (cell && cell.sign.length < MOST_MARKS) this.cells[column] = { sign: cell.sign + sign, style: cell.style };
  }

  /** Nothing is written into it any more. */
  finish() {
    this.done = this.runs();
    this.cells = [];
  }

  get empty() {
    return this.runs().length === 0;
  }

  /** The text without colours. */
  get text() {
    return this.runs().map((run) => run.text).join("");
  }

  /** Pieces of one style each, `{text, style}`; blanks at the end are left out. */
  runs() {
    if (this.done !== null) return this.done;
    const found = [];
    let end = this.cells.length;
    while (end > 0 && blank(this.cells[end - 1])) end -= 1;
    for (const cell of this.cells.slice(0, end)) {
      const { sign, style } = cell ?? NOTHING;
      const last = found.at(-1);
      if (last && last.style.equals(style)) last.text += sign;
      else found.push({ text: sign, style });
    }
    return found;
  }
}

const NOTHING = { sign: " ", style: Style.PLAIN };

function blank(cell) {
  return cell === null || (cell.sign === " " && cell.style.equals(Style.PLAIN));
}
