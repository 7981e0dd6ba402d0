// Tabs: each tab list shows one of its panels; the arrow keys move along the list.

import {$} from "./dom.js";

/** Show a panel, by the last part of its id. */
export const show = (name) => $(`tab-${name}`).click();

/** Bind all tab lists; a panel gets the event `shown`. */
export function bind() {
  for (const list of document.querySelectorAll("[role=tablist]")) bindList([...list.querySelectorAll("[role=tab]")]);
}

function bindList(tabs) {
  const show = (tab) => {
    for (const one of tabs) {
      one.setAttribute("aria-selected", String(one === tab));
      one.tabIndex = one === tab ? 0 : -1;
      $(one.getAttribute("aria-controls")).hidden = one !== tab;
    }
    $(tab.getAttribute("aria-controls")).dispatchEvent(new Event("shown"));
  };
  tabs.forEach((tab, place) => {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", ({key}) => {
      const step = {ArrowRight: 1, ArrowLeft: -1}[key];
      if (!step) return;
      const next = tabs[(place + step + tabs.length) % tabs.length];
      show(next);
      next.focus();
    });
  });
}
