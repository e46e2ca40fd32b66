// A control for each shape of values. `read` gives undefined for "not given" and throws Wrong; `write` takes what `read`
// gave; `element` is what is shown, `target` what a label names and what takes the focus.

import { button, el, sizeText } from "./dom.mjs";
import { Hidden, Upload, Wrong, fault, readJson, readNumber, said } from "./values.mjs";

/** A slider has so many places at most: more than a hand can tell apart. */
const PLACES = 10000;

/** Tell the form that something changed which is no input element's own event. */
function changed(element) {
  element.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Make the control of a shape. `given`: something is always sent, so a switch is on or off and never neither. */
export function control(shape, id, given) {
  switch (shape.kind) {
    case "text": return text(id);
    case "secret": return secret(id);
    case "number": return number(shape, id);
    case "boolean": return given ? toggle(id) : choice(id, [true, false], false);
    case "choice": return choice(id, shape.choices, given);
    case "file": return file(shape, id);
    case "list": return list(shape, id);
    case "either": return either(shape, id, given);
    default: return json(shape, id);
  }
}

function text(id) {
  const target = el("textarea", { id, rows: 2, spellcheck: "false" });
  return {
    element: target,
    target,
    read: () => target.value || undefined,
    write: (value) => (target.value = value ?? ""),
  };
}

function secret(id) {
  const target = el("input", { id, type: "password", autocomplete: "off" });
  return {
    element: target,
    target,
    read: () => (target.value ? new Hidden(target.value) : undefined),
    write: (value) => (target.value = value instanceof Hidden ? value.text : ""),
  };
}

function number({ integer, minimum, maximum }, id) {
  const target = el("input", { id, type: "text", inputmode: integer ? "numeric" : "decimal", autocomplete: "off" });
  const typed = {
    element: target,
    target,
    read: () => (target.value.trim() ? readNumber(target.value, integer) : undefined),
    write: (value) => (target.value = value ?? ""),
  };
  const width = maximum - minimum; // NaN where there is no range
  if (!(width > 0) || (integer && width > PLACES)) return typed;
  const step = integer ? 1 : 10 ** Math.floor(Math.log10(width / 50));
  const slider = el("input", { type: "range", min: minimum, max: maximum, step, "aria-label": "slider", "data-for": id });
  const follow = () => (slider.value = Number(target.value) || 0);
  slider.addEventListener("input", () => (target.value = Number(Number(slider.value).toPrecision(12))));
  target.addEventListener("input", follow);
  return {
    ...typed,
    element: el("div", { class: "ranged" }, slider, target),
    write: (value) => {
      typed.write(value);
      follow();
    },
  };
}

function toggle(id) {
  const target = el("input", { id, type: "checkbox", class: "switch" });
  return { element: target, target, read: () => target.checked, write: (value) => (target.checked = value === true) };
}

/** A choice where nothing is preferred begins with an empty line, so that nobody takes the first by accident. */
function choice(id, choices, given) {
  const target = el(
    "select", { id },
    el("option", { value: "" }, given ? "choose…" : "not set"),
    choices.map((one, index) => el("option", { value: index }, String(one))),
  );
  return {
    element: target,
    target,
    read: () => (target.value === "" ? undefined : choices[Number(target.value)]),
    write: (value) => (target.value = choices.includes(value) ? String(choices.indexOf(value)) : ""),
  };
}

function file({ accept }, id) {
  let value;
  const shown = el("span", { class: "file-name" });
  const picker = el("input", { type: "file", id: `${id}-file`, class: "unseen", accept: accept || undefined });
  const target = el("input", { id, type: "url", placeholder: "https://… or drop a file", autocomplete: "off" });
  const take = (taken) => {
    value = taken;
    shown.replaceChildren(...(taken ? [preview(taken), `${taken.file.name} (${sizeText(taken.file.size)})`,
      button("Remove", () => (take(undefined), changed(element)), { class: "quiet" })] : []));
    target.hidden = taken !== undefined;
    picker.value = "";
  };
  picker.addEventListener("change", () => {
    if (picker.files.length) take(new Upload(picker.files[0]));
    changed(element);
  });
  const element = el(
    "div", { class: "file" }, target, shown,
    el("label", { class: "button quiet", for: picker.id }, picker, "Choose…"),
  );
  dropped(element, (files) => take(new Upload(files[0])));
  return {
    element,
    target,
    read: () => value ?? (target.value.trim() || undefined),
    write: (next) => {
      take(next instanceof Upload ? next : undefined);
      target.value = typeof next === "string" ? next : "";
    },
  };
}

/** Show a picture that was chosen; what else there is has no preview. */
function preview({ type, file: chosen }) {
  if (!type.startsWith("image/")) return "";
  const image = el("img", { alt: "", src: URL.createObjectURL(chosen) });
  image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
  return image;
}

/** Let files be dropped, or pasted, on an element. */
function dropped(element, take) {
  const over = (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    element.classList.toggle("over", event.type === "dragover");
  };
  element.addEventListener("dragover", over);
  element.addEventListener("dragleave", over);
  const taken = (event, files) => {
    element.classList.remove("over");
    if (!files.length || event.defaultPrevented) return;
    event.preventDefault();
    take(files);
    changed(element);
  };
  element.addEventListener("drop", (event) => taken(event, event.dataTransfer.files));
  element.addEventListener("paste", (event) => taken(event, event.clipboardData.files));
}

function list(shape, id) {
  let made = 0;
  const items = [];
  const rows = el("ol", { class: "items" });
  const drop = (entry) => {
    items.splice(items.indexOf(entry), 1);
    entry.row.remove();
    add.focus();
    changed(element);
  };
  const append = (value) => {
    made += 1;
    const entry = { control: control(shape.item, `${id}-${made}`, true) };
    entry.control.target.setAttribute("aria-label", `item ${items.length + 1}`);
    entry.row = el("li", {}, entry.control.element,
      button("×", () => drop(entry), { class: "quiet remove", "aria-label": "Remove this item" }));
    if (value !== undefined) entry.control.write(value);
    items.push(entry);
    rows.append(entry.row);
    return entry.control;
  };
  const add = button("Add", () => {
    append().target.focus();
    changed(element);
  }, { class: "quiet", id });
  const element = el("div", { class: "list" }, rows, el("div", { class: "row" }, add, shape.item.kind === "file" && several()));

  if (shape.item.kind === "file") dropped(element, (files) => [...files].forEach((one) => append(new Upload(one))));

  /** Files are chosen many at a time. */
  function several() {
    const picker = el("input", { type: "file", multiple: true, id: `${id}-files`, class: "unseen",
      accept: shape.item.accept || undefined });
    picker.addEventListener("change", () => {
      for (const chosen of picker.files) append(new Upload(chosen));
      picker.value = "";
      changed(element);
    });
    return el("label", { class: "button quiet", for: picker.id }, picker, "Choose files…");
  }

  return {
    element,
    target: add,
    read: () => (items.length ? items.map(({ control: one }, index) => item(one, index)) : undefined),
    write: (values) => {
      items.length = 0;
      rows.replaceChildren();
      for (const value of values ?? []) append(value);
    },
  };
}

function item(one, index) {
  try {
    const value = one.read();
    return value === undefined && one.target.type === "textarea" ? "" : value ?? missing();
  } catch (error) {
    throw error instanceof Wrong ? new Wrong(`item ${index + 1}: ${error.message}`) : error;
  }
}

function missing() {
  throw new Wrong("a value is missing");
}

/** Of several shapes, the one that is sent is chosen: "5" may be a number or text. */
function either({ members }, id, given) {
  const controls = members.map((member, index) => control(member, index ? `${id}-${index}` : id, true));
  for (const { target } of controls) target.setAttribute("aria-labelledby", `${id}-label`);
  const kind = el("select", { "aria-label": "kind", class: "kind" }, given ? null : el("option", { value: "" }, "not set"),
    members.map((member, index) => el("option", { value: index }, said(member))));
  const place = el("div", { class: "chosen" });
  const chosen = () => controls[kind.value];
  const show = () => place.replaceChildren(chosen()?.element ?? "");
  kind.addEventListener("change", show);
  show();
  return {
    element: el("div", { class: "either" }, kind, place),
    get target() {
      return chosen()?.target ?? kind;
    },
    read: () => chosen()?.read(),
    write: (value) => {
      const index = members.findIndex((member) => fits(member, value));
      kind.selectedIndex = index < 0 ? 0 : index + (given ? 0 : 1);
      show();
      chosen()?.write(value);
    },
  };
}

function fits(shape, value) {
  switch (shape.kind) {
    case "number": return typeof value === "number" && (!shape.integer || Number.isInteger(value));
    case "boolean": return typeof value === "boolean";
    case "list": return Array.isArray(value) && value.every((one) => fits(shape.item, one));
    case "object": return typeof value === "object" && value !== null && !Array.isArray(value);
    case "choice": return shape.choices.includes(value);
    case "anything": return true;
    default: return typeof value === "string";
  }
}

function json(shape, id) {
  const target = el("textarea", { id, rows: 2, class: "code", spellcheck: "false" });
  return {
    element: target,
    target,
    read: () => (target.value.trim() ? readJson(target.value, shape.kind === "object") : undefined),
    write: (value) => (target.value = value === undefined ? "" : JSON.stringify(value, null, 2)),
  };
}

/** A whole field: label, what is said of the input, the control, and what is wrong with it. */
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
        el("span", { class: "shape" }, said(input.shape), input.default === undefined ? "" : ` · default ${short(input)}`)),
      input.description ? notes : null,
      this.control.element,
      this.error,
    );
    for (const shown of this.element.querySelectorAll("[data-for]")) shown.setAttribute("aria-label", `${input.name}, slider`);
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

  /** Give what the control has. Text that is taken away, where there is some by default, is empty text. */
  value() {
    return this.control.read() ?? (this.input.shape.kind === "text" ? this.input.default && "" : undefined);
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

function short({ default: value }) {
  const shown = JSON.stringify(value);
  return shown.length > 40 ? `${shown.slice(0, 39)}…` : shown;
}
