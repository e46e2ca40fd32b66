// Controls made of others, which `control` makes: many of one shape, and one of several.

import { button, changed, el } from "./dom.mjs";
import { dropped } from "./files.mjs";
import { Upload, Wrong, said } from "./values.mjs";

export function list(shape, id, control) {
  let made = 0;
  const items = [];
  const rows = el("ol", { class: "items" });
  const number = () => items.forEach((entry, index) => {
    entry.control.target.setAttribute("aria-label", `item ${index + 1}`);
    entry.remove.setAttribute("aria-label", `Remove item ${index + 1}`);
  });
  const drop = (entry) => {
    items.splice(items.indexOf(entry), 1);
    entry.row.remove();
    number();
    add.focus();
    changed(element);
  };
  const append = (value) => {
    made += 1;
    const entry = { control: control(shape.item, `${id}-${made}`, true) };
    entry.remove = button("×", () => drop(entry), { class: "quiet remove" });
    entry.row = el("li", {}, entry.control.element, entry.remove);
    if (value !== undefined) entry.control.write(value);
    items.push(entry);
    number();
    rows.append(entry.row);
    return entry.control;
  };
  const add = button("Add", () => {
    append().target.focus();
    changed(element);
  }, { class: "quiet", id });
  const buttons = el("div", { class: "row" }, add);
  const element = el("div", { class: "list" }, rows, buttons);
  if (shape.item.kind === "file") {
    buttons.append(several());
    dropped(element, (files) => [...files].forEach((one) => append(new Upload(one))));
  }

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
export function either({ members }, id, given, control) {
  const controls = members.map((member, index) => control(member, index ? `${id}-${index}` : id, true));
  for (const { target } of controls) target.setAttribute("aria-labelledby", `${id}-label`);
  const kind = el("select", { "aria-label": "kind", class: "kind" },
    given ? null : el("option", { value: "" }, "not set"),
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
