// Files are chosen, dropped, pasted, or named by an address.

import { button, changed, el, sizeText } from "./dom.mjs";
import { Upload } from "./values.mjs";

export function file({ accept }, id) {
  let value;
  const shown = el("span", { class: "file-name" });
  const picker = el("input", { type: "file", id: `${id}-file`, class: "unseen", accept: accept || undefined });
  const target = el("input", { id, type: "url", placeholder: "https://… or drop a file", autocomplete: "off" });
  const take = (taken) => {
    value = taken;
    shown.replaceChildren(...(taken ? [preview(taken), `${taken.file.name} (${sizeText(taken.file.size)})`,
      button("Remove", () => (take(undefined), changed(element)), { class: "quiet" })] : []));
    target.hidden = taken !== undefined;
    picker.value = "";
  };
  picker.addEventListener("change", () => {
    if (picker.files.length) take(new Upload(picker.files[0]));
    changed(element);
  });
  const element = el(
    "div", { class: "file" }, target, shown,
    el("label", { class: "button quiet", for: picker.id }, picker, "Choose…"),
  );
  dropped(element, (files) => take(new Upload(files[0])));
  return {
    element,
    target,
    read: () => value ?? (target.value.trim() || undefined),
    write: (next) => {
      take(next instanceof Upload ? next : undefined);
      target.value = typeof next === "string" ? next : "";
    },
  };
}

/** Show a picture that was chosen; what else there is has no preview. */
function preview({ type, file: chosen }) {
  if (!type.startsWith("image/")) return "";
  const image = el("img", { alt: "", src: URL.createObjectURL(chosen) });
  image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
  return image;
}

/** Let files be dropped, or pasted, on an element. */
export function dropped(element, take) {
  const over = (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    element.classList.toggle("over", event.type === "dragover");
  };
  element.addEventListener("dragover", over);
  element.addEventListener("dragleave", over);
  const taken = (event, files) => {
    element.classList.remove("over");
    if (!files.length || event.defaultPrevented) return;
    event.preventDefault();
    take(files);
    changed(element);
  };
  element.addEventListener("drop", (event) => taken(event, event.dataTransfer.files));
  element.addEventListener("paste", (event) => taken(event, event.clipboardData.files));
}
