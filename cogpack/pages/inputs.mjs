// All inputs of a model: what is there, read, written, and told of.

import { Field } from "./fields.mjs";
import { FILE_LIMIT, Wrong, uploads } from "./values.mjs";

/** Of a model that says nothing of its inputs, they are all written as one object. */
const WHOLE = { name: "input", shape: { kind: "object" }, required: true,
  description: "The image has no schema: all inputs as one JSON object." };

export class Inputs {
  /** `form`: of the model, null where it has no schema. */
  constructor(form) {
    this.isWhole = form === null;
    this.fields = this.isWhole ? [new Field(WHOLE)] : form.inputs.map((input) => new Field(input));
  }

  gathered(read) {
    const found = this.fields.map((field) => [field.name, read(field)]).filter(([, value]) => value !== undefined);
    if (!this.isWhole) return Object.fromEntries(found);
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
    if (bytes > FILE_LIMIT) throw new Wrong("The files are more than the 72 MiB that a request takes; give addresses.");
    return values;
  }

  /** Give what is there so far, of whatever worth: for snippets. */
  draft() {
    return this.gathered((field) => field.draft());
  }

  write(values) {
    for (const field of this.fields) {
      field.control.write(this.isWhole ? values : Object.hasOwn(values, field.name) ? values[field.name] : undefined);
      field.say("");
    }
  }

  reset() {
    for (const field of this.fields) {
      field.reset();
      field.say("");
    }
  }

  /** Say what is wrong, by the names of inputs. */
  say(faults) {
    for (const field of this.fields) field.say(faults.get(field.name) ?? "");
    this.fields.find((field) => faults.has(field.name))?.control.target.focus();
  }

  /** Look again at a field that something was wrong with: `element` of it has changed. */
  changed(element) {
    const field = this.fields.find((one) => one.element.contains(element));
    if (!field || field.error.hidden) return;
    try {
      field.read();
    } catch {
      // It is said at the field.
    }
  }
}
