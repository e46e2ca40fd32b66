// The runs that the browser remembers, in a list; a click on one shows it again, and fills in its inputs.

import { button, el } from "./dom.mjs";

export class Runs {
  /** `show`: is given the run that was chosen. */
  constructor(history, form, show) {
    this.history = history;
    this.usual = new Map((form?.inputs ?? []).map((input) => [input.name, JSON.stringify(input.default)]));
    this.show = show;
    this.rows = el("ol", { class: "runs" });
    const forget = button("Forget all", async () => {
      await history.forget(await history.all());
      await this.update();
    }, { class: "quiet" });
    this.element = el("section", { class: "history", "aria-labelledby": "history", hidden: true },
      el("div", { class: "row" }, el("h2", { id: "history" }, "History"), forget), this.rows,
      el("p", { class: "description" }, "Kept in this browser alone; secrets are not."));
  }

  async update() {
    const runs = await this.history.all();
    this.element.hidden = runs.length === 0;
    this.rows.replaceChildren(...runs.map((run) => el("li", {}, this.row(run))));
  }

  row(run) {
    const made = button("", () => this.show(run), { class: "run" });
    made.append(el("span", { class: "dot", "data-status": run.status }), el("span", { class: "unseen" }, run.status),
      el("time", {}, new Date(run.began).toLocaleString()), el("span", { class: "summary" }, this.summary(run.values)));
    return made;
  }

  /** Say what a run was asked, but for what is asked by default. */
  summary(values) {
    const shown = Object.entries(values).filter(([name, value]) => JSON.stringify(value) !== this.usual.get(name));
    const words = shown.map(([name, value]) => {
      const text = typeof value === "string" ? value : JSON.stringify(value, (_, one) => one?.upload?.name ?? one);
      return `${name}: ${text.length > 60 ? `${text.slice(0, 59)}…` : text}`;
    });
    return words.join(", ").slice(0, 300) || "as by default";
  }
}
