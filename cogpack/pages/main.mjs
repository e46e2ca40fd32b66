// The page of a model: its form, snippets of the same call, and, where a server is behind it, runs and their history.

import { Call, Refused } from "./calls.mjs";
import { button, copyButton, el } from "./dom.mjs";
import { Field } from "./fields.mjs";
import { History, unpacked } from "./history.mjs";
import { Log } from "./log.mjs";
import { Output } from "./outputs.mjs";
import { cogpack, curl, python } from "./snippets.mjs";
import { FILE_LIMIT, Wrong, said, sent, uploads } from "./values.mjs";

const page = JSON.parse(document.getElementById("data").textContent);
const ANY = { inputs: [], output: { kind: "anything" }, concatenated: false, streams: false };
const model = page.form ?? ANY;

class Inputs {
  constructor() {
    this.fields = model.inputs.map((input) => new Field(input));
    // Of a model that says nothing of its inputs, they are all written as one object.
    this.whole = page.form ? null : new Field({ name: "input", shape: { kind: "object" }, required: true,
      description: "The image has no schema: all inputs as one JSON object." });
    this.shown = this.whole ? [this.whole] : this.fields;
  }

  gathered(read) {
    const found = this.shown.map((field) => [field.name, read(field)]).filter(([, value]) => value !== undefined);
    if (!this.whole) return Object.fromEntries(found);
    return typeof found[0]?.[1] === "object" ? found[0][1] : {};
  }

  /** Give all values; throws where one is wrong, after all are looked at. */
  read() {
    const wrong = [];
    const values = this.gathered((field) => {
      try {
        return field.read();
      } catch {
        wrong.push(field);
        return undefined;
      }
    });
    if (wrong.length) {
      wrong[0].control.target.focus();
      throw new Wrong(`${wrong.length === 1 ? "One input is" : `${wrong.length} inputs are`} not right yet.`);
    }
    const bytes = uploads(values).reduce((sum, upload) => sum + upload.file.size, 0);
    if (bytes > FILE_LIMIT) throw new Wrong("The files are more than the 72 MiB that a request can have; give addresses.");
    return values;
  }

  draft() {
    return this.gathered((field) => field.draft());
  }

  write(values) {
    for (const field of this.shown) {
      field.control.write(this.whole ? values : Object.hasOwn(values, field.name) ? values[field.name] : undefined);
      field.say("");
    }
  }

  reset() {
    for (const field of this.shown) {
      field.reset();
      field.say("");
    }
  }

  say(faults) {
    for (const field of this.shown) field.say(faults.get(field.name) ?? "");
  }
}

/** Snippets in tabs (ARIA Authoring Practices: arrows move between them). */
function snippets(inputs) {
  const kinds = [
    ["curl", (values) => curl(page.server, values)],
    ["Python", (values) => python(page.server, values)],
    ["cogpack", (values) => cogpack(page.reference, values)],
  ];
  const code = el("pre", { class: "code", tabindex: 0, id: "snippet", role: "tabpanel" });
  let write = kinds[0][1];
  const update = () => (code.textContent = write(inputs.draft()));
  const tabs = kinds.map(([name, kind], index) => {
    const select = () => {
      write = kind;
      for (const [other, tab] of tabs.entries()) {
        tab.setAttribute("aria-selected", String(other === index));
        tab.tabIndex = other === index ? 0 : -1;
      }
      code.setAttribute("aria-label", name);
      update();
    };
    return button(name, select, { role: "tab", "aria-controls": "snippet", class: "tab" });
  });
  const bar = el("div", { role: "tablist", "aria-label": "the same call elsewhere", on: { keydown: (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    next.click();
    next.focus();
  } } }, tabs);
  tabs[0].click();
  return { element: el("div", { class: "snippets" }, el("div", { class: "row" }, bar, copyButton(() => code.textContent)), code), update };
}

/** What is seen of a run: how it is, what it gives, what it says. */
class Result {
  constructor() {
    this.status = el("span", { class: "status", role: "status" }, "Not run yet");
    this.time = el("span", { class: "time" });
    this.bar = el("progress", { hidden: true, "aria-label": "progress" });
    this.error = el("pre", { class: "failure", role: "alert", hidden: true });
    this.place = el("div", {}, el("p", { class: "nothing" }, `Gives: ${gives()}`));
    this.log = new Log();
    this.last = el("span", { class: "last mono" });
    this.logs = el("details", { class: "logs", hidden: true }, el("summary", {}, "Logs ", this.last), this.log.element);
    this.metrics = el("p", { class: "metrics" });
    this.element = el("div", { class: "result" },
      el("div", { class: "row state" }, this.status, this.time), this.bar, this.error, this.place, this.logs, this.metrics);
  }

  start() {
    this.output = new Output(model);
    this.place.replaceChildren(this.output.element);
    this.log.reset();
    this.logs.hidden = true;
    this.fail("");
    this.metrics.textContent = "";
    this.say("starting");
  }

  say(status) {
    this.status.textContent = status[0].toUpperCase() + status.slice(1);
    this.status.dataset.status = status;
    this.bar.hidden = !["starting", "processing"].includes(status);
    this.bar.removeAttribute("value");
  }

  fail(message) {
    this.error.textContent = message;
    this.error.hidden = !message;
  }

  logged(text) {
    if (!text) return;
    this.logs.hidden = false;
    this.log.add(text);
    this.last.textContent = this.log.last;
    const progress = this.log.progress;
    if (progress !== null) {
      this.bar.max = 100;
      this.bar.value = progress;
    }
  }

  end(run) {
    this.say(run.status);
    this.fail(run.error ?? "");
    if (run.status === "succeeded" || run.output !== undefined) this.output.whole(run.output ?? null);
    if (run.status !== "succeeded" && this.log.element.textContent) this.logs.open = true;
    this.metrics.replaceChildren(...Object.entries(run.metrics ?? {}).map(([name, value]) =>
      el("span", {}, `${name} ${typeof value === "number" ? Number(value.toPrecision(4)) : JSON.stringify(value)}`)));
  }

  /** Show a run of the history. */
  again(run) {
    this.start();
    this.logged(run.logs);
    this.end(run);
    this.time.textContent = `${((run.ended - run.began) / 1000).toFixed(1)} s`;
  }
}

function gives() {
  if (!page.form) return "the image has no schema, which would tell";
  const comes = model.streams ? ", piece by piece" : "";
  return (model.concatenated ? "text" : said(model.output)) + comes;
}

function historyList(history, inputs, result) {
  const rows = el("ol", { class: "runs" });
  const clear = button("Forget all", async () => {
    await history.forget(await history.all());
    await update();
  }, { class: "quiet" });
  const element = el("section", { class: "history", "aria-labelledby": "history", hidden: true },
    el("div", { class: "row" }, el("h2", { id: "history" }, "History"), clear), rows,
    el("p", { class: "description" }, "Kept in this browser alone; secrets are not."));
  async function update() {
    const runs = await history.all();
    element.hidden = runs.length === 0;
    rows.replaceChildren(...runs.map((run) => el("li", {}, button("", () => {
      inputs.write(unpacked(run.values));
      result.again(run);
      document.querySelector("form").dispatchEvent(new Event("input"));
      result.status.scrollIntoView({ block: "nearest" });
    }, { class: "run" }))));
    for (const [index, run] of runs.entries()) {
      rows.children[index].firstChild.append(
        el("span", { class: "dot", "data-status": run.status }), el("time", {}, new Date(run.began).toLocaleString()),
        el("span", { class: "summary" }, summary(run.values)), el("span", { class: "unseen" }, run.status));
    }
  }
  return { element, update };
}

/** Say what a run was asked, but for what is asked by default. */
function summary(values) {
  const usual = new Map(model.inputs.map((input) => [input.name, JSON.stringify(input.default)]));
  const shown = Object.entries(values).filter(([name, value]) => JSON.stringify(value) !== usual.get(name));
  const words = shown.map(([name, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value, (_, one) => one?.upload?.name ?? one);
    return `${name}: ${text.length > 60 ? `${text.slice(0, 59)}…` : text}`;
  });
  return words.join(", ").slice(0, 300) || "as by default";
}

/** Add what needs a server: a button to run, the result, the history. */
function live(form, inputs, place) {
  const result = new Result();
  const history = new History(page.name);
  const runs = historyList(history, inputs, result);
  const start = el("button", { type: "submit", class: "primary" }, "Run");
  const stop = button("Cancel", () => call?.cancel().then(() => (stop.textContent = "Don't wait")), { hidden: true });
  const notice = el("p", { class: "error", role: "alert" });
  let call = null;
  form.append(el("div", { class: "row actions" }, start, stop,
    button("Reset", () => (inputs.reset(), form.dispatchEvent(new Event("input"))), { class: "quiet" }),
    el("kbd", {}, "Ctrl+Enter"), notice));
  place.append(el("section", { class: "card", "aria-labelledby": "output" }, el("h2", { id: "output" }, "Output"), result.element));
  document.getElementById("more").append(runs.element);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (call !== null) return;
    notice.textContent = "";
    let values;
    try {
      values = inputs.read();
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      notice.textContent = error.message;
      return;
    }
    call = new Call(page);
    start.disabled = true;
    stop.hidden = false;
    stop.textContent = "Cancel";
    const run = { id: call.id, values, began: Date.now(), status: "failed", logs: "" };
    result.start();
    result.element.scrollIntoView({ block: "nearest" });
    const clock = setInterval(() => (result.time.textContent = `${((Date.now() - run.began) / 1000).toFixed(1)} s`), 100);
    try {
      await follow(call, await sent(values), run, result);
    } catch (error) {
      explain(error, call, run, inputs, notice);
    }
    clearInterval(clock);
    run.ended = Date.now();
    result.end(run);
    start.disabled = false;
    stop.hidden = true;
    call = null;
    if (!run.refused) {
      await history.add(run);
      await runs.update();
    }
  });
  runs.update();
}

async function follow(call, input, run, result) {
  run.error = "the server ended before the prediction did";
  for await (const { name, data } of call.run(input)) {
    if (name === "start") result.say("processing");
    else if (name === "output") result.output.piece(data.chunk);
    else if (name === "log") {
      run.logs += data.data;
      result.logged(data.data);
    } else if (name === "error") run.error = data.error ?? data.message ?? "the server tells of an error";
    else if (name === "completed") {
      const logs = data.logs ?? run.logs;
      if (!logs.startsWith(run.logs)) result.log.reset();
      result.logged(logs.startsWith(run.logs) ? logs.slice(run.logs.length) : logs);
      Object.assign(run, { error: undefined }, { status: data.status, error: data.error, output: data.output,
        metrics: data.metrics, logs });
    }
  }
}

function explain(error, call, run, inputs, notice) {
  run.error = undefined;
  if (error instanceof Refused) {
    run.refused = true;
    inputs.say(error.faults);
    if (error.faults.size) notice.textContent = "The model's server refuses these inputs.";
    else run.error = error.message;
  } else if (call.cancelled) {
    run.status = "canceled";
  } else if (error instanceof Wrong) {
    run.error = error.message;
  } else {
    run.error = `the server can't be asked any more (${error.message}); is cogpack serve still running?`;
  }
}

const inputs = new Inputs();
const form = el("form", { novalidate: true }, inputs.shown.map((field) => field.element),
  inputs.shown.length ? null : el("p", { class: "nothing" }, "This model takes no inputs."));
const calls = snippets(inputs);
form.addEventListener("input", calls.update);
form.addEventListener("change", (event) => {
  calls.update();
  const field = inputs.shown.find((one) => one.element.contains(event.target));
  if (field && !field.error.hidden) try { field.read(); } catch { /* it is said at the field */ }
});
const columns = document.getElementById("model");
columns.append(el("section", { class: "card", "aria-labelledby": "inputs" }, el("h2", { id: "inputs" }, "Inputs"), form));
const right = el("div", { class: "column" });
columns.append(right);
if (page.live) live(form, inputs, right);
else right.append(el("section", { class: "card", "aria-labelledby": "output" }, el("h2", { id: "output" }, "Output"),
  el("p", { class: "nothing" }, `Gives: ${gives()}`)));
right.append(el("section", { class: "card", "aria-labelledby": "call" }, el("h2", { id: "call" }, "Call it"), calls.element));
