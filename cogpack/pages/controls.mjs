// A control for each simple shape of values. Of every control, `read` gives undefined for "not given" and throws Wrong,
// `write` takes what `read` gave, `element` is what is shown, and `target` what a label names and what takes the focus.

import { el } from "./dom.mjs";
import { Hidden, readJson, readNumber } from "./values.mjs";

/** A slider has so many places at most: more than a hand can tell apart. */
const PLACES = 10000;

export function text(id) {
  const target = el("textarea", { id, rows: 2, spellcheck: "false" });
  return {
    element: target,
    target,
    read: () => target.value || undefined,
    write: (value) => (target.value = value ?? ""),
  };
}

export function secret(id) {
  const target = el("input", { id, type: "password", autocomplete: "off" });
  return {
    element: target,
    target,
    read: () => (target.value ? new Hidden(target.value) : undefined),
    write: (value) => (target.value = value instanceof Hidden ? value.text : ""),
  };
}

export function number({ integer, minimum, maximum }, id) {
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
  const slider = el("input", { type: "range", min: minimum, max: maximum, step, "aria-label": "slider" });
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

export function toggle(id) {
  const target = el("input", { id, type: "checkbox", class: "switch" });
  return { element: target, target, read: () => target.checked, write: (value) => (target.checked = value === true) };
}

/** A choice where nothing is preferred begins with an empty line, so that nobody takes the first by accident. */
export function choice(id, choices, given) {
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

export function json(shape, id) {
  const target = el("textarea", { id, rows: 2, class: "code", spellcheck: "false" });
  return {
    element: target,
    target,
    read: () => (target.value.trim() ? readJson(target.value, shape.kind === "object") : undefined),
    write: (value) => (target.value = value === undefined ? "" : JSON.stringify(value, null, 2)),
  };
}
