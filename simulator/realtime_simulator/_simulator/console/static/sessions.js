// The list of sessions, newest first.

import {$, h, say} from "./dom.js";

const OVER = {webrtc: "WebRTC", websocket: "WebSocket", sip: "phone"};
const nodes = new Map();

/** Show the sessions; `choose` is called with the id of the one that is clicked. */
export function draw(sessions, selected, choose) {
  const known = new Set(sessions.map((session) => session.id));
  for (const [id, {node}] of nodes) if (!known.has(id)) { node.remove(); nodes.delete(id); }
  for (const session of sessions) {
    const parts = nodes.get(session.id) ?? make(session, choose);
    const isLive = session.ended === null;
    parts.button.classList.toggle("live", isLive);
    parts.button.setAttribute("aria-current", String(session.id === selected));
    say(parts.model, session.model ?? session.type);
    say(parts.state, isLive ? "live" : session.ended || "ended");
    say(parts.count, session.events === 1 ? "1 event" : `${session.events} events`);
  }
  $("sessions-none").hidden = sessions.length > 0;
}

function make(session, choose) {
  const parts = {model: h("strong"), state: h("span", {class: "state"}), count: h("span")};
  const begun = new Date(session.begun * 1000).toLocaleTimeString("en-GB");
  const over = h("span", {class: "over"}, OVER[session.transport] ?? session.transport);
  parts.button = h("button", {type: "button", onclick: () => choose(session.id)},
    h("span", {class: "first"}, h("i", {class: "dot", "aria-hidden": "true"}), parts.model, over),
    h("span", {class: "second"}, h("span", {}, begun), parts.count, parts.state));
  parts.node = h("li", {}, parts.button);
  $("sessions").prepend(parts.node);
  nodes.set(session.id, parts);
  return parts;
}
