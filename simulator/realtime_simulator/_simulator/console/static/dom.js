// Elements by id, new elements, and messages. Text from elsewhere is only ever inserted as text.

export const $ = (id) => document.getElementById(id);

// Control characters, and marks that reorder lines: shown as JSON writes them, so that text is only text.
const ACTIVE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const visible = (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
export const inert = (text) => String(text).replace(ACTIVE, visible);

/** Make an element: attributes, listeners (`onclick`), and children, of which strings become text. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  const shown = children.flat().filter((child) => child !== null && child !== undefined && child !== false);
  node.append(...shown.map((child) => (child instanceof Node ? child : inert(child))));
  return node;
}

/** Show what went wrong, until something else is shown or it is closed. */
export function notify(text) {
  const notice = $("notice");
  const close = () => { notice.hidden = true; };
  notice.replaceChildren(inert(text), h("button", {type: "button", "aria-label": "Close the message", onclick: close}, "✕"));
  notice.hidden = false;
}

/** Return a listener that shows what its function fails with, and keeps the page where it is. */
export function guarded(work) {
  return async (event) => {
    event?.preventDefault();
    $("notice").hidden = true;
    try {
      await work(event);
    } catch (error) {
      notify(error.message);
    }
  };
}

/** Listen at an element, by its id; what fails is shown. */
export const on = (id, type, work) => $(id).addEventListener(type, guarded(work));

/** Change an element's text only where it differs, so that nothing is read out twice. */
export function say(node, text) {
  const shown = inert(text);
  if (node.textContent !== shown) node.textContent = shown;
}

export const seconds = (value) => (value < 0.9995 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(2)} s`);

export async function copy(text, button) {
  await navigator.clipboard.writeText(text);
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
}
