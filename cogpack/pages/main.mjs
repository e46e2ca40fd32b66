// The page of a model: its form, the same call elsewhere, and, where a server is behind it, runs and their history.

import { button, changed, el } from "./dom.mjs";
import { History, unpacked } from "./history.mjs";
import { Inputs } from "./inputs.mjs";
import { Result } from "./result.mjs";
import { Runner } from "./runner.mjs";
import { Runs } from "./runs.mjs";
import { calls } from "./tabs.mjs";
import { said } from "./values.mjs";

const UNKNOWN = { inputs: [], output: { kind: "anything" }, iterates: false, concatenated: false };

const page = JSON.parse(document.getElementById("data").textContent);
const model = page.form ?? UNKNOWN;
const inputs = new Inputs(page.form);
const form = el("form", { novalidate: true }, inputs.fields.map((field) => field.element),
  inputs.fields.length ? null : el("p", { class: "nothing" }, "This model takes no inputs."));
const elsewhere = calls(page, inputs);
form.addEventListener("input", elsewhere.update);
form.addEventListener("change", (event) => {
  elsewhere.update();
  inputs.changed(event.target);
});

const right = el("div", { class: "column" });
document.getElementById("model").append(card("inputs", "Inputs", form), right);
if (page.runs) right.append(card("output", "Output", live()));
else right.append(card("output", "Output", gives()));
right.append(card("call", "Call it", elsewhere.element));

function card(id, title, inside) {
  return el("section", { class: "card", "aria-labelledby": id }, el("h2", { id }, title), inside);
}

/** Say what the model gives. */
function gives() {
  if (!page.form) return el("p", { class: "nothing" }, "The image has no schema, which would say what it gives.");
  const whole = model.concatenated ? "text" : said(model.output);
  const properties = Object.entries(model.output.properties ?? {});
  return el("div", { class: "nothing" }, `Gives: ${whole}${model.iterates ? ", piece by piece" : ""}`,
    properties.map(([name, shape]) => el("p", {}, el("code", {}, name), ` ${said(shape)}`)));
}

/** Add what needs a server: buttons to the form, and the history; give the result's element. */
function live() {
  const result = new Result(model, gives());
  const history = new History(page.name);
  const runs = new Runs(history, page.form, (run) => {
    inputs.write(unpacked(run.values));
    elsewhere.update();
    result.again(run);
  });
  const runner = new Runner(inputs, result, async (run) => {
    await history.add(run);
    await runs.update();
  });
  const reset = button("Reset", () => {
    inputs.reset();
    changed(form);
  }, { class: "quiet" });
  const key = el("kbd", {}, "Ctrl+Enter");
  form.append(el("div", { class: "row actions" }, runner.start, runner.stop, reset, key, runner.notice));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    runner.run();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  document.getElementById("more").append(runs.element);
  runs.update();
  return result.element;
}
