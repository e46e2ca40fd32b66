// One prediction is asked of the server that this page came from.

import { events } from "./events.mjs";

/** Times that a full server is asked again: it frees a slot a little after it has answered. */
const AGAIN = 20;

/** The server did not take it; `faults`: what is wrong, by the names of inputs. */
export class Refused extends Error {
  constructor(message, faults = new Map()) {
    super(message);
    this.faults = faults;
  }
}

export class Call {
  constructor() {
    this.id = crypto.randomUUID();
    this.aborted = new AbortController();
  }

  /** Give its events as the server has them: start, output, log, metric, completed. */
  async *run(input) {
    const body = JSON.stringify({ input });
    for (let tries = 0; ; tries += 1) {
      const response = await fetch(`predictions/${this.id}`, {
        method: "PUT",
        headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
        body,
        signal: this.aborted.signal,
      });
      if (response.ok) {
        yield* events(response);
        return;
      }
      if (response.status !== 409 || tries === AGAIN) throw await refusal(response);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Ask it to end; a second time, don't wait until it has. */
  async cancel() {
    if (this.cancelled) {
      this.aborted.abort();
      return;
    }
    this.cancelled = true;
    await fetch(`predictions/${this.id}/cancel`, { method: "POST" });
  }
}

async function refusal(response) {
  const text = await response.text();
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    return new Refused(`the server answers ${response.status}: ${text.slice(0, 1000)}`);
  }
  const faults = new Map();
  for (const { loc, msg } of Array.isArray(said.detail) ? said.detail : []) {
    if (loc?.[1] === "input" && loc.length > 2) faults.set(String(loc[2]), String(msg));
  }
  const message = typeof said.detail === "string" ? said.detail : said.error;
  return new Refused(message ?? `the server answers ${response.status}: ${text.slice(0, 1000)}`, faults);
}
