// Runs the model of the page: a button, and what comes of it.

import { Call, Refused } from "./calls.mjs";
import { button, el } from "./dom.mjs";
import { Wrong, sent } from "./values.mjs";

export class Runner {
  /** `ended`: is given each run that the server took. */
  constructor(inputs, result, ended) {
    Object.assign(this, { inputs, result, ended, call: null });
    this.start = el("button", { type: "submit", class: "primary" }, "Run");
    this.stop = button("Cancel", () => this.cancel(), { hidden: true });
    this.notice = el("p", { class: "error", role: "alert" });
  }

  cancel() {
    this.call?.cancel();
    this.stop.textContent = "Don't wait";
  }

  /** Run it with the inputs that are there, unless one of them is wrong or it runs already. */
  async run() {
    if (this.call !== null) return;
    this.notice.textContent = "";
    let values;
    try {
      values = this.inputs.read();
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      this.notice.textContent = error.message;
      return;
    }
    this.call = new Call();
    const run = { id: this.call.id, values, began: Date.now(), status: "failed", logs: "" };
    this.runs(true);
    this.result.start();
    const clock = setInterval(() => this.result.took(Date.now() - run.began), 100);
    try {
      await this.follow(await sent(values), run);
    } catch (error) {
      this.explain(error, run);
    }
    clearInterval(clock);
    run.ended = Date.now();
    this.result.end(run);
    this.runs(false);
    this.call = null;
    if (!run.refused) await this.ended(run);
  }

  runs(it) {
    this.start.disabled = it;
    this.stop.hidden = !it;
    this.stop.textContent = "Cancel";
  }

  /** Show what the server tells of it, and keep it in `run`. */
  async follow(input, run) {
    run.error = "the server ended before the prediction did";
    for await (const { name, data } of this.call.run(input)) {
      if (name === "start") this.result.say("processing");
      else if (name === "output") this.result.output.piece(data.chunk);
      else if (name === "log") {
        run.logs += data.data;
        this.result.logged(data.data);
      } else if (name === "error") run.error = data.error ?? "the server tells of an error";
      else if (name === "completed") {
        const logs = data.logs ?? run.logs;
        const isMore = logs.startsWith(run.logs);
        if (!isMore) this.result.log.reset();
        this.result.logged(isMore ? logs.slice(run.logs.length) : logs);
        const { status, error, output, metrics } = data;
        Object.assign(run, { status, error, output, metrics, logs });
      }
    }
  }

  /** Say why there is no result. */
  explain(error, run) {
    run.error = undefined;
    if (error instanceof Refused) {
      run.refused = true;
      this.inputs.say(error.faults);
      if (error.faults.size) this.notice.textContent = "The model's server refuses these inputs.";
      else run.error = error.message;
    } else if (this.call.cancelled) {
      run.status = "canceled";
    } else if (error instanceof Wrong) {
      run.error = error.message;
    } else {
      run.error = `the server can't be asked any more (${error.message}); is cogpack serve still running?`;
    }
  }
}
