// The same call elsewhere, in tabs.

import { button, copyButton, el } from "./dom.mjs";
import { cogpack, curl, python } from "./snippets.mjs";

/** Make the tabs (ARIA Authoring Practices: arrows move between them); `update` follows the inputs. */
export function calls(page, inputs) {
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
  const row = el("div", { class: "row" }, bar, copyButton(() => code.textContent));
  return { element: el("div", { class: "snippets" }, row, code), update };
}
