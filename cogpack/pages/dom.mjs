// Elements are made here and nowhere else: text becomes text, so nothing that a model says becomes markup.

/** Make an element: `on` has its listeners, all else are attributes. What is false or undefined is left out. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (value !== false && value !== undefined) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** A button that does something here, rather than send the form. */
export function button(text, act, properties = {}) {
  return el("button", { type: "button", ...properties, on: { click: act } }, text);
}

/** Tell the form of a change that is no input element's own event. */
export function changed(element) {
  element.dispatchEvent(new Event("input", { bubbles: true }));
}

/** A button that copies what `text` gives, and says so. */
export function copyButton(text) {
  const made = button("Copy", async () => {
    made.textContent = await copied(text()) ? "Copied" : "Not allowed here";
    setTimeout(() => (made.textContent = "Copy"), 1500);
  }, { class: "quiet" });
  return made;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Write bytes as people read them: 14 kB, 91.0 MB. */
export function sizeText(size) {
  for (const unit of ["B", "kB", "MB"]) {
    if (size < 999.5) return `${size.toFixed(unit === "MB" ? 1 : 0)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} GB`;
}
