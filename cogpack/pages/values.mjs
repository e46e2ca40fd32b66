// Values of inputs: what they may be, by their shapes (form.py), and how they are sent.

/** A file that is read when it is sent. */
export class Upload {
  constructor(file) {
    this.file = file;
  }

  get type() {
    return this.file.type || "application/octet-stream";
  }
}

/** Text that goes to the model and nowhere else: not into snippets, not into the history. */
export class Hidden {
  constructor(text) {
    this.text = text;
  }
}

/** What was typed is no value of its shape. */
export class Wrong extends Error {}

/** Bytes of all files: as base64 they are a third more, and the server takes 100 MiB. */
export const FILE_LIMIT = 72 * 1024 * 1024;

/** Say in a few words what a shape is. */
export function said(shape) {
  switch (shape.kind) {
    case "number": return (shape.integer ? "integer" : "number") + limits(shape.minimum, shape.maximum, "");
    case "text": return "text" + limits(shape.least, shape.most, " characters");
    case "list": return `list of ${plural(shape.item)}`;
    case "either": return [...new Set(shape.members.map(said))].join(" or ");
    case "choice": return "choice";
    case "boolean": return "true or false";
    case "object": return Object.keys(shape.properties ?? {}).length ? "object" : "JSON object";
    case "anything": return "JSON";
    default: return shape.kind;
  }
}

function plural(shape) {
  if (shape.kind === "number") return shape.integer ? "integers" : "numbers";
  return { file: "files", text: "texts", object: "objects" }[shape.kind] ?? said(shape);
}

function limits(least, most, unit) {
  if (least === undefined && most === undefined) return "";
  if (most === undefined) return `, ${least} or more${unit}`;
  return least === undefined ? `, ${most} or less${unit}` : `, ${least} to ${most}${unit}`;
}

/** Say what is wrong with a value of the right kind, by the limits of its shape; "" if nothing is. */
export function fault(shape, value) {
  switch (shape.kind) {
    case "number":
      return outside(value, shape.minimum, shape.maximum, "", String(value));
    case "text": {
      const count = [...value].length;
      return outside(count, shape.least, shape.most, " characters", String(count)) || unlike(shape.pattern, value);
    }
    case "list":
      for (const [index, item] of value.entries()) {
        const found = fault(shape.item, item);
        if (found) return `item ${index + 1}: ${found}`;
      }
      return "";
    default:
      return "";
  }
}

function outside(value, least, most, unit, found) {
  if (least !== undefined && value < least) return `expected ${least} or more${unit}, found ${found}`;
  if (most !== undefined && value > most) return `expected ${most} or less${unit}, found ${found}`;
  return "";
}

/** Patterns of others may take a matcher for ever, and may be of another flavour: the server tells, too. */
function unlike(pattern, value) {
  if (pattern === undefined || pattern.length > 100 || value.length > 100 || /[+*}][)][+*{]/.test(pattern)) return "";
  try {
    return new RegExp(pattern, "u").test(value) ? "" : `expected text that matches ${pattern}`;
  } catch {
    return "";
  }
}

/** Read a number as it is typed. */
export function readNumber(text, integer) {
  const value = Number(text);
  if (!Number.isFinite(value) || (integer && !Number.isInteger(value))) {
    throw new Wrong(`expected ${integer ? "an integer" : "a number"}`);
  }
  if (integer && !Number.isSafeInteger(value)) throw new Wrong("a browser can't count that far without loss");
  return value;
}

/** Read JSON as it is typed; `object`: nothing but an object will do. */
export function readJson(text, object) {
  try {
    const value = JSON.parse(text);
    if (!object || (typeof value === "object" && value !== null && !Array.isArray(value))) return value;
  } catch (error) {
    throw new Wrong(`expected ${object ? "a JSON object" : "JSON"}: ${error.message}`);
  }
  throw new Wrong("expected a JSON object");
}

/** Replace each special value within `value` by what `replace` makes of it. */
export function replaced(value, replace) {
  if (value instanceof Upload || value instanceof Hidden) return replace(value);
  if (Array.isArray(value)) return value.map((item) => replaced(item, replace));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, replaced(item, replace)]));
  }
  return value;
}

/** All files within a value. */
export function uploads(value) {
  const found = [];
  replaced(value, (one) => one instanceof Upload && found.push(one));
  return found;
}

/** Give the values as they are sent: files as data URLs. */
export async function sent(values) {
  const urls = new Map();
  for (const upload of uploads(values)) urls.set(upload, await dataUrl(upload));
  return replaced(values, (one) => (one instanceof Upload ? urls.get(one) : one.text));
}

function dataUrl(upload) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(`data:${upload.type};base64,${reader.result.slice(reader.result.indexOf(",") + 1)}`);
    reader.onerror = () => reject(new Wrong(`${upload.file.name}: ${reader.error.message}`));
    reader.readAsDataURL(upload.file);
  });
}
