// Tool calls with arguments and outputs; one that nobody has answered can be answered by hand.

import {inject} from "./api.js";
import {$, guarded, h} from "./dom.js";

let calls = new Map(), session = null;

export function clear(sessionId) {
  calls = new Map();
  session = sessionId;
  $("tools").replaceChildren();
  $("tools-none").hidden = false;
}

export function add(events) {
  for (const {direction, event} of events) {
    const item = event.item;
    if (direction !== "sent" || !item || typeof item !== "object") continue;
    if (event.type === "response.output_item.done" && item.type === "function_call") open(item);
    if (event.type === "response.output_item.done" && item.type === "mcp_call") {
      open({...item, call_id: item.id, name: `${item.server_label}: ${item.name}`});
      finish(item.id, item.output ?? JSON.stringify(item.error));
    }
    if (event.type === "conversation.item.done" && item.type === "function_call_output") finish(item.call_id, item.output);
  }
}

function open(item) {
  if (calls.has(item.call_id)) return;
  const output = h("textarea", {class: "code", rows: 2, spellcheck: "false", "aria-label": `Output of ${item.name}`});
  output.value = "{}";
  const answer = h("form", {
    onsubmit: guarded(async () => {
      const created = {type: "function_call_output", call_id: item.call_id, output: output.value};
      await inject(session, {type: "conversation.item.create", item: created});
      await inject(session, {type: "response.create"});
    }),
  }, output, h("button", {class: "primary"}, "Answer"));
  const node = h("li", {}, h("strong", {}, item.name), h("pre", {class: "json", tabindex: "0", "aria-label": `Arguments of ${item.name}`}, pretty(item.arguments)), answer);
  calls.set(item.call_id, {node, answer, name: item.name});
  $("tools").prepend(node);
  $("tools-none").hidden = true;
}

function finish(callId, output) {
  const call = calls.get(callId);
  if (!call?.answer) return;
  call.answer.replaceWith(h("pre", {class: "json output", tabindex: "0", "aria-label": `Output of ${call.name}`}, pretty(output)));
  call.answer = null;
}

/** Nobody can answer what is still open, for the session has ended. */
export function end() {
  for (const call of calls.values()) call.answer?.replaceWith(h("p", {class: "quiet"}, "Not answered."));
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 1).replace(/\n\s*/g, " ");
  } catch {
    return String(text ?? "");
  }
}
