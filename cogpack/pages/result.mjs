// What is seen of a run: how it is, what it gives, what it says.

import { el } from "./dom.mjs";
import { Log } from "./log.mjs";
import { Output } from "./outputs.mjs";

export class Result {
  /** `gives`: an element that says what the model gives. */
  constructor(form, gives) {
    this.form = form;
    this.status = el("span", { class: "status", role: "status" }, "Not run yet");
    this.time = el("span", { class: "time" });
    this.bar = el("progress", { hidden: true, "aria-label": "progress" });
    this.error = el("pre", { class: "failure", role: "alert", hidden: true });
    this.place = el("div", {}, gives);
    this.log = new Log();
    this.last = el("span", { class: "last mono" });
    this.logs = el("details", { class: "logs", hidden: true }, el("summary", {}, "Logs ", this.last), this.log.element);
    this.metrics = el("p", { class: "metrics" });
    const state = el("div", { class: "row state" }, this.status, this.time);
    const parts = [state, this.bar, this.error, this.place, this.logs, this.metrics];
    this.element = el("div", { class: "result" }, parts);
  }

  start() {
    this.output = new Output(this.form);
    this.place.replaceChildren(this.output.element);
    this.log.reset();
    this.logs.hidden = true;
    this.fail("");
    this.metrics.textContent = "";
    this.say("starting");
    this.element.scrollIntoView({ block: "nearest" });
  }

  took(milliseconds) {
    this.time.textContent = `${(milliseconds / 1000).toFixed(1)} s`;
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
    this.took(run.ended - run.began);
  }
}
