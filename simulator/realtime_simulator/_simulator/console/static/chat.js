// The conversation as a chat: messages, tool calls and their outputs, and errors, in the conversation's order.

import {$, h, say} from "./dom.js";

const MOST = 500;
const PARTS = {input_audio: "(speech)", output_audio: "(speech)", input_image: "(image)"};
const ITEM = /^(conversation\.|response\.output_)item\.(added|done)$/;
const WORDS = /^(response\.output_(text|audio_transcript)|conversation\.item\.input_audio_transcription)\.delta$/;
const TRANSLATED = {"session.input_transcript.delta": "user", "session.output_transcript.delta": "assistant"};
const list = $("chat");

let entries = new Map(), begun = 0, last = null;

export function clear(sessionId, sessionBegun) {
  entries = new Map();
  begun = sessionBegun;
  last = null;
  list.replaceChildren();
  draw();
}

export function add(events) {
  const isAtEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 40;
  for (const {direction, time, number, event} of events) {
    // The backend of a Live session sends its events inside of others.
    if (direction === "sent") note(event.type === "response.event" ? event.event : event, time, number);
    else if (event.type === "response.item.create" && event.item) {
      make(`created-${number}`, who(event.item), time).words = words(event.item);
    }
  }
  draw();
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}

function note(event, time, number) {
  const {type, item, item_id: id} = event;
  if (item && typeof item === "object" && ITEM.test(type)) {
    const entry = entries.get(item.id) ?? make(item.id, who(item), time, event.previous_item_id);
    entry.words = words(item) || entry.words;
  } else if (type in TRANSLATED) {
    // Translations have no items: what one side says without a break is one message.
    if (last?.side !== TRANSLATED[type]) last = make(`translation-${number}`, TRANSLATED[type], time);
    last.words += event.delta;
  } else if (type === "session.delegation.created") {
    last = make(event.delegation.id, "tool", time);
    last.words = `delegated to ${event.delegation.target}`;
  } else if (type === "error") {
    make(`error-${number}`, "error", time).words = event.error?.message ?? "";
  } else if (entries.has(id)) {
    const entry = entries.get(id);
    if (WORDS.test(type)) entry.streamed = entry.words = (entry.streamed ?? "") + event.delta;
    else if (type.endsWith("transcription.completed")) entry.words = event.transcript;
    else if (type === "conversation.item.truncated") entry.mark = `cut after ${(event.audio_end_ms / 1000).toFixed(1)} s`;
    else if (type === "conversation.item.deleted") entry.mark = "deleted";
    else if (type.endsWith("transcription.failed")) entry.mark = `no transcript: ${event.error?.message}`;
  }
}

function who(item) {
  if (item.type === "message") return item.role;
  return item.type === "function_call_output" ? "output" : "tool";
}

function words(item) {
  if (item.type === "message") {
    const parts = Array.isArray(item.content) ? item.content : [];
    return parts.map((part) => part.text || part.transcript || PARTS[part.type] || "").join(" ").trim();
  }
  if (item.type === "function_call_output") return String(item.output);
  const call = [item.server_label, item.name, item.arguments].filter(Boolean).join(" ") || item.type;
  return item.output ? `${call} → ${item.output}` : call;
}

/** Add a message, after another one where that is given. */
function make(id, side, time, previous) {
  const at = h("small", {}, `${side} · +${(time - begun).toFixed(1)} s`);
  const entry = {side, words: "", mark: "", text: h("p"), small: h("small", {class: "mark"})};
  entry.node = h("li", {class: side}, at, entry.text, entry.small);
  const before = entries.get(previous)?.node;
  if (before) before.after(entry.node);
  else list.append(entry.node);
  entries.set(id, entry);
  if (entries.size > MOST) {
    const [oldest, {node}] = entries.entries().next().value;
    node.remove();
    entries.delete(oldest);
  }
  return entry;
}

function draw() {
  for (const entry of entries.values()) {
    say(entry.text, entry.words || "…");
    say(entry.small, entry.mark);
  }
  list.hidden = entries.size === 0;
  $("chat-none").hidden = entries.size > 0;
}
