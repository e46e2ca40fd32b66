// A field is one input of the form: label, what is said of it, its control, and what is wrong with what is there.

import { either, list } from "./composed.mjs";
import { choice, json, number, secret, text, toggle } from "./controls.mjs";
import { el } from "./dom.mjs";
import { file } from "./files.mjs";
import { Wrong, fault, said } from "./values.mjs";

/** Make the control of a shape. `given`: something is always sent, so a switch is on or off and never neither. */
function control(shape, id, given) {
  switch (shape.kind) {
    case "text": return text(id);
    case "secret": return secret(id);
    case "number": return number(shape, id);
    case "boolean": return given ? toggle(id) : choice(id, [true, false], false);
    case "choice": return choice(id, shape.choices, given);
    case "file": return file(shape, id);
    case "list": return list(shape, id, control);
    case "either": return either(shape, id, given, control);
    default: return json(shape, id);
  }
}

export class Field {
  constructor(input) {
    this.input = input;
    this.name = input.name;
    const id = `input-${input.name}`;
    this.control = control(input.shape, id, input.required || input.default !== undefined);
    this.error = el("p", { class: "error", id: `${id}-error`, hidden: true });
    const notes = el("p", { class: "description", id: `${id}-about` }, input.description);
    this.element = el(
      "div", { class: "field", "data-name": input.name },
      el("div", { class: "head" },
        el("label", { for: id, id: `${id}-label` }, input.name),
        input.required && el("span", { class: "badge required" }, "required"),
        input.deprecated && el("span", { class: "badge" }, "deprecated"),
        el("span", { class: "shape" }, said(input.shape) + usual(input))),
      input.description ? notes : null,
      this.control.element,
      this.error,
    );
    this.element.querySelector(".ranged [type=range]")?.setAttribute("aria-label", `${input.name}, slider`);
    this.element.addEventListener("change", () => this.describe());
    this.describe();
    this.reset();
  }

  describe() {
    const { target } = this.control;
    const about = [this.input.description && `input-${this.name}-about`, !this.error.hidden && this.error.id];
    target.setAttribute("aria-describedby", about.filter(Boolean).join(" "));
    target.setAttribute("aria-invalid", String(!this.error.hidden));
  }

  reset() {
    this.control.write(this.input.default);
  }

  say(message) {
    this.error.textContent = message;
    this.error.hidden = !message;
    this.describe();
  }

  /** Give what the control has. Text or items that are taken away, where there are some by default, are none. */
  value() {
    const none = this.input.default === undefined ? undefined : { text: "", list: [] }[this.input.shape.kind];
    return this.control.read() ?? none;
  }

  /** Give its value, undefined where none is to be sent. What is wrong is said, and thrown. */
  read() {
    try {
      const value = this.value();
      if (value === undefined && this.input.required) throw new Wrong("this input is required");
      const found = value === undefined ? "" : fault(this.input.shape, value);
      if (found) throw new Wrong(found);
      this.say("");
      return value;
    } catch (error) {
      if (error instanceof Wrong) this.say(error.message);
      throw error;
    }
  }

  /** Give what is there so far, and a gap where something has to be: for snippets. */
  draft() {
    const gap = this.input.required ? "…" : undefined;
    try {
      return this.value() ?? gap;
    } catch {
      return gap;
    }
  }
}

/** Say what is taken where nothing is given. */
function usual({ default: value }) {
  if (value === undefined) return "";
  const shown = JSON.stringify(value);
  return ` · default ${shown.length > 40 ? `${shown.slice(0, 39)}…` : shown}`;
}
