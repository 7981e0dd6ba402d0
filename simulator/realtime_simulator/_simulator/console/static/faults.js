// Faults: a form for those that the simulator knows, and the list of those that may happen.

import {get, post} from "./api.js";
import {$, h, on, say} from "./dom.js";

let known = {};

export function bind() {
  on("fault-name", "change", describe);
  on("fault-form", "submit", async () => {
    const asked = {name: $("fault-name").value};
    if ($("fault-on").value) asked.on = $("fault-on").value;
    if ($("fault-times").value) asked.times = Number($("fault-times").value);
    for (const input of $("fault-settings").querySelectorAll("input, select")) {
      if (input.value) asked[input.name] = input.type === "number" ? Number(input.value) : input.value;
    }
    await post("/simulator/faults", asked);
  });
  on("fault-clear", "click", () => post("/simulator/faults/clear"));
}

/** Read what faults there are. */
export async function load() {
  const answer = await get("/simulator/faults/known");
  known = answer.faults;
  $("fault-name").replaceChildren(...Object.keys(known).map((name) => h("option", {}, name)));
  const operations = answer.operations.map((name) => h("option", {}, name));
  $("fault-on").replaceChildren(h("option", {value: ""}, "everywhere"), ...operations);
  describe();
}

function describe() {
  const kind = known[$("fault-name").value];
  say($("fault-what"), kind ? `${kind.what}.` : "");
  $("fault-settings").replaceChildren(...Object.entries(kind?.settings ?? {}).flatMap(([name, setting]) => [
    h("label", {for: `fault-${name}`}, name.replaceAll("_", " ")),
    field(name, setting),
    !setting.choices.length && h("p", {class: "quiet", id: `fault-${name}-allowed`}, setting.allowed),
  ].filter(Boolean)));
}

function field(name, {allowed, default: usual, choices}) {
  const id = `fault-${name}`;
  const options = choices.map((choice) => h("option", {selected: choice === usual}, choice));
  if (options.length) return h("select", {id, name}, options);
  const kind = allowed.startsWith("a number")
    ? {type: "number", step: "any", placeholder: usual ?? "for ever"}
    : {type: "text", placeholder: usual ?? "any"};
  return h("input", {id, name, ...kind, "aria-describedby": `${id}-allowed`});
}

/** Show the active faults. */
export function draw(faults) {
  $("fault-clear").disabled = faults.length === 0;
  say($("tab-faults"), faults.length ? `Faults (${faults.length})` : "Faults");
  const lines = faults.map((fault) => {
    const parts = [
      fault.name,
      fault.on && `on ${fault.on}`,
      ...Object.entries(fault.settings).map(([name, value]) => value !== null && `${name} ${value}`),
      fault.rate < 1 && `at a rate of ${fault.rate}`,
      fault.times !== null && `${fault.times} left`,
      `happened ${fault.hits === 1 ? "once" : `${fault.hits} times`}`,
    ];
    return parts.filter(Boolean).join(" · ");
  });
  if (!lines.length) lines.push("No faults are active.");
  const items = $("fault-list");
  if ([...items.children].map((item) => item.textContent).join("\n") !== lines.join("\n")) {
    items.replaceChildren(...lines.map((line) => h("li", {}, line)));
  }
}
