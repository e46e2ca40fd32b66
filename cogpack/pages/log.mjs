// What a model says while it works, as a terminal would show it: a carriage return goes over the line again.

import { el } from "./dom.mjs";

export class Log {
  constructor() {
    this.element = el("pre", { class: "log", tabindex: 0, role: "log", "aria-label": "logs" });
    this.reset();
  }

  reset() {
    this.whole = document.createTextNode("");
    this.line = document.createTextNode("");
    this.element.replaceChildren(this.whole, this.line);
  }

  add(text) {
    const atEnd = this.element.scrollTop + this.element.clientHeight >= this.element.scrollHeight - 4;
    const lines = (this.line.data + plain(text)).split("\n");
    this.line.data = overwritten(lines.pop());
    this.whole.appendData(lines.map((line) => `${overwritten(line)}\n`).join(""));
    if (atEnd) this.element.scrollTop = this.element.scrollHeight;
  }

  /** The last line that says something. */
  get last() {
    return `${this.whole.data.slice(-1000)}${this.line.data}`.trimEnd().split("\n").pop();
  }

  /** Tell how far it is, by the last percentage in the last line (tqdm writes such), null where it does not say. */
  get progress() {
    const found = [...this.line.data.matchAll(/\b(\d{1,3})%/g)].pop();
    return found && Number(found[1]) <= 100 ? Number(found[1]) : null;
  }
}

/** What is left of a line that was written over. */
export function overwritten(line) {
  return line.replace(/\r+$/, "").split("\r").pop();
}

/** Without the signs that would colour a terminal. */
export function plain(text) {
  return text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "");
}
