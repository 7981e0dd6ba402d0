// Tool calls with arguments and outputs; an unanswered one can be answered by hand.

import {inject} from "./api.js";
import {$, guarded, h} from "./dom.js";

const MOST = 100;

let calls = new Map(), session = null;

export function clear(sessionId) {
  calls = new Map();
  session = sessionId;
  $("tools").replaceChildren();
  $("tools-none").hidden = false;
}

export function add(events) {
  for (const {direction, event: one} of events) {
    // The backend of a Live session sends its events inside of others.
    const nested = direction === "sent" && one.type === "response.event";
    const event = nested ? one.event : one, item = event.item;
    if (event.type === "response.item.create" && item?.type === "function_call_output") finish(item.call_id, item.output);
    if (direction !== "sent" || !item || typeof item !== "object") continue;
    if (event.type === "response.output_item.done" && item.type === "function_call") open(item, nested);
    if (event.type === "response.output_item.done" && item.type === "mcp_call") {
      open({...item, call_id: item.id, name: `${item.server_label}: ${item.name}`});
      finish(item.id, item.output ?? JSON.stringify(item.error));
    }
    const isAnswer = event.type === "conversation.item.done" && item.type === "function_call_output";
    if (isAnswer) finish(item.call_id, item.output);
  }
}

function open(item, nested = false) {
  if (calls.has(item.call_id)) return;
  const output = h("textarea", {class: "code", rows: 2, spellcheck: "false", "aria-label": `Output of ${item.name}`});
  output.value = "{}";
  const answer = h("form", {
    onsubmit: guarded(async () => {
      const created = {type: "function_call_output", call_id: item.call_id, output: output.value};
      await inject(session, {type: nested ? "response.item.create" : "conversation.item.create", item: created});
      await inject(session, {type: "response.create"});
    }),
  }, output, h("button", {class: "primary"}, "Answer"));
  const node = h("li", {}, h("strong", {}, item.name), json(`Arguments of ${item.name}`, item.arguments), answer);
  calls.set(item.call_id, {node, answer, name: item.name});
  $("tools").prepend(node);
  if (calls.size > MOST) {
    const [oldest, {node: last}] = calls.entries().next().value;
    last.remove();
    calls.delete(oldest);
  }
  $("tools-none").hidden = true;
}

function finish(callId, output) {
  const call = calls.get(callId);
  if (!call?.answer) return;
  const shown = json(`Output of ${call.name}`, output);
  shown.classList.add("output");
  call.answer.replaceWith(shown);
  call.answer = null;
}

/** Open calls can no longer be answered, because the session has ended. */
export function end() {
  for (const call of calls.values()) call.answer?.replaceWith(h("p", {class: "quiet"}, "Not answered."));
}

/** Show JSON in lines as long as there is room for, or other text as it is. */
function json(name, text) {
  let shown = String(text ?? "");
  try {
    shown = JSON.stringify(JSON.parse(shown), null, 1).replace(/\n\s*/g, " ");
  } catch {
    // What a model sends need not be JSON.
  }
  return h("pre", {tabindex: "0", role: "group", "aria-label": name}, shown);
}
