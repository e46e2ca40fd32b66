// What a model gives, shown by what it is: nothing of it is ever taken for markup, or loaded from anywhere else.

import { button, copyButton, el, sizeText } from "./dom.mjs";

const SHOWN = { image: "img", audio: "audio", video: "video" };

/** Addresses of the files that are shown; the browser holds them until they are revoked. */
const shownFiles = [];

function addressOf(blob) {
  shownFiles.push(URL.createObjectURL(blob));
  return shownFiles.at(-1);
}

/** Make what is shown of a value; `shape`: of the schema. */
export function shown(value, shape) {
  if (value === null || value === undefined) return el("p", { class: "nothing" }, "nothing (null)");
  if (typeof value === "string") return string(value, shape);
  if (Array.isArray(value)) return many(value, shape.kind === "list" ? shape.item : { kind: "anything" });
  if (typeof value === "object") return object(value, shape.kind === "object" ? shape.properties ?? {} : {});
  return el("pre", { class: "value" }, String(value));
}

function string(value, shape) {
  const isFile = shape.kind === "file" || shape.kind === "anything";
  if (isFile && value.startsWith("data:") && value.includes(",")) return file(value);
  if (shape.kind === "file" && /^https?:\/\//.test(value)) {
    return el("p", {}, el("a", { href: value, rel: "noreferrer noopener", target: "_blank" }, value));
  }
  return el("pre", { class: "value text" }, value);
}

function many(values, shape) {
  if (values.every(isPlain)) return el("pre", { class: "value code" }, JSON.stringify(values));
  const made = new Collection(shape);
  for (const value of values) made.add(value);
  return made.element;
}

/** Numbers, and lists of them: an embedding has thousands. */
function isPlain(value) {
  return typeof value === "number" || (Array.isArray(value) && value.length > 0 && value.every(isPlain));
}

/** The server sorts names; the schema has them in the order of the code. */
function object(value, properties) {
  const first = Object.keys(properties).filter((name) => Object.hasOwn(value, name));
  const names = new Set([...first, ...Object.keys(value)]);
  const shape = (name) => (Object.hasOwn(properties, name) ? properties[name] : { kind: "anything" });
  return el("dl", { class: "object" }, [...names].map((name) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, shown(value[name], shape(name))))));
}

function file(url) {
  const blob = blobOf(url);
  if (blob === null) return el("pre", { class: "value text" }, url);
  const tag = SHOWN[blob.type.split("/")[0]];
  // What is saved is of no kind, so that no browser opens it as a page of this one.
  const link = el("a", { class: "button quiet" }, "Save");
  const name = `output.${extension(blob.type)}`;
  link.href = addressOf(new Blob([blob], { type: "application/octet-stream" }));
  link.download = name;
  const caption = el("figcaption", {}, `${blob.type || "file"}, ${sizeText(blob.size)}`, link);
  if (tag === undefined) return el("figure", { class: "saved" }, caption);
  const media = el(tag, tag === "img" ? { alt: `${blob.type} that the model gave` } : { controls: true });
  media.src = addressOf(blob);
  return el("figure", {}, media, caption);
}

/** Read a data URL (RFC 2397), null where it is none. */
export function blobOf(url) {
  const comma = url.indexOf(",");
  const [type, ...words] = url.slice("data:".length, comma).split(";");
  const body = url.slice(comma + 1);
  try {
    const text = words.includes("base64") ? atob(body) : decodeURIComponent(body);
    return words.includes("base64")
      ? new Blob([Uint8Array.from(text, (sign) => sign.charCodeAt(0))], { type })
      : new Blob([text], { type });
  } catch {
    return null;
  }
}

function extension(type) {
  const found = { "image/jpeg": "jpg", "audio/mpeg": "mp3", "audio/x-wav": "wav", "text/plain": "txt",
    "image/svg+xml": "svg", "application/octet-stream": "bin", "application/x-tar": "tar" };
  return found[type] ?? (/^\w+\/[a-z0-9]{1,8}$/.test(type) ? type.split("/")[1] : "bin");
}

/** Items that come one after another: a list, or a gallery of files. */
class Collection {
  constructor(shape) {
    this.shape = shape;
    this.element = el("ol", { class: shape.kind === "file" ? "gallery" : "values" });
  }

  add(value) {
    this.element.append(el("li", {}, shown(value, this.shape)));
  }
}

/** Text that comes in pieces. */
class Joined {
  constructor() {
    this.text = document.createTextNode("");
    this.element = el("pre", { class: "value text" }, this.text);
  }

  add(value) {
    this.text.appendData(typeof value === "string" ? value : JSON.stringify(value));
  }
}

/** What comes of one run, in place of what came of the one before: pieces as they come, then all of it. */
export class Output {
  constructor(form) {
    shownFiles.splice(0).forEach((address) => URL.revokeObjectURL(address));
    this.form = form;
    this.pieces = null;
    this.count = 0;
    this.element = el("div", { class: "output", "aria-live": "polite", "aria-busy": "true" });
  }

  /** Show what the server gives meanwhile, which of a model that does not iterate is all of it. */
  piece(value) {
    if (!this.form.iterates) return;
    if (this.pieces === null) {
      const shape = this.form.output.item ?? { kind: "anything" };
      this.pieces = this.form.concatenated ? new Joined() : new Collection(shape);
      this.element.replaceChildren(this.pieces.element);
    }
    this.pieces.add(value);
    this.count += 1;
  }

  /** Show it as it is at the end. */
  whole(value) {
    const text = this.form.concatenated && Array.isArray(value) ? value.join("") : null;
    if (this.pieces === null || !Array.isArray(value) || this.count !== value.length) {
      const shape = text === null ? this.form.output : { kind: "text" };
      this.element.replaceChildren(shown(text ?? value, shape));
    }
    this.element.append(this.tools(text ?? value));
    this.element.setAttribute("aria-busy", "false");
  }

  tools(value) {
    if (value === null || value === undefined || (typeof value === "string" && value.startsWith("data:"))) return "";
    const plain = typeof value === "string" ? value : JSON.stringify(value, null, 2);
    const raw = el("pre", { class: "value code", hidden: true });
    const toggle = button("JSON", () => {
      raw.hidden = !raw.hidden;
      if (!raw.textContent) raw.textContent = JSON.stringify(value, (_, one) => brief(one), 2);
      toggle.setAttribute("aria-expanded", String(!raw.hidden));
    }, { class: "quiet", "aria-expanded": "false" });
    const row = el("div", { class: "row" }, copyButton(() => plain), typeof value !== "string" && toggle);
    return el("div", { class: "tools" }, row, raw);
  }
}

function brief(value) {
  const isFile = typeof value === "string" && value.startsWith("data:");
  return isFile && value.length > 100 ? `${value.slice(0, 60)}…` : value;
}
