// Exports of the session that is shown, in a dialog from which they are saved or copied.

import {text} from "./api.js";
import {$, copy, guarded, on, say} from "./dom.js";

const FILES = {recording: "recording.yaml", pytest: "test_session.py", curl: "session.sh", scenario: "scenario.yaml", har: "session.har"};
const buttons = document.querySelectorAll("[data-export]");

let shown = null;

export function bind() {
  for (const button of buttons) {
    const {export: form} = button.dataset;
    const path = () => `/simulator/sessions/${encodeURIComponent(shown.id)}/export/${form}`;
    button.addEventListener("click", guarded(() => show(path(), FILES[form])));
  }
  on("request-har", "click", () => show("/simulator/requests/har", "requests.har"));
  on("export-save", "click", save);
  on("export-copy", "click", () => copy($("export-text").value, $("export-copy")));
  on("export-close", "click", () => $("export").close());
}

/** Export this session from now on. */
export function draw(session) {
  shown = session;
  for (const button of buttons) button.disabled = !session;
}

async function show(path, file) {
  $("export-text").value = await text(path);
  say($("export-title"), file);
  $("export").showModal();
  $("export-text").setSelectionRange(0, 0);
  $("export-text").scrollTop = 0;
}

function save() {
  const link = document.createElement("a");
  link.download = $("export-title").textContent;
  link.href = URL.createObjectURL(new Blob([$("export-text").value], {type: "text/plain"}));
  link.click();
  URL.revokeObjectURL(link.href);
}
