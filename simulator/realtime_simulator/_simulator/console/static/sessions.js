// The list of sessions, newest first: searched, filtered, cleared; and the name of the one that is shown.

import {post} from "./api.js";
import {$, h, on, say} from "./dom.js";

const OVER = {webrtc: "WebRTC", websocket: "WebSocket", sip: "phone"};
const nodes = new Map();
let drawn = [], shown = null, refusedRequests = 0;

export function bind() {
  for (const id of ["session-search", "session-state"]) $(id).addEventListener("input", filter);
  on("session-clear", "click", () => post("/simulator/sessions/clear"));
  on("session-name", "change", () => {
    const name = $("session-name").value.trim() || null;
    return post(`/simulator/sessions/${encodeURIComponent(shown.id)}/name`, {name});
  });
}

/** Show the sessions; `choose` is called with the id of the one that is clicked; `refused` counts requests. */
export function draw(sessions, selected, choose, refused) {
  const known = new Set(sessions.map((session) => session.id));
  for (const [id, {node}] of nodes) if (!known.has(id)) { node.remove(); nodes.delete(id); }
  for (const session of sessions) {
    const parts = nodes.get(session.id) ?? make(session, choose);
    const isLive = session.ended === null;
    parts.button.classList.toggle("live", isLive);
    parts.button.setAttribute("aria-current", String(session.id === selected));
    say(parts.title, session.name ?? session.model ?? session.type);
    say(parts.model, session.name ? session.model ?? session.type : "");
    say(parts.state, isLive ? "live" : session.ended || "ended");
    say(parts.count, session.events === 1 ? "1 event" : `${session.events} events`);
  }
  drawn = sessions;
  refusedRequests = refused;
  $("session-clear").disabled = sessions.every((session) => session.ended === null);
  drawName(sessions.find((session) => session.id === selected) ?? null);
  filter();
}

function drawName(session) {
  const name = $("session-name");
  const isOther = session?.id !== shown?.id;
  shown = session;
  name.disabled = !session;
  if (isOther || document.activeElement !== name) name.value = session?.name ?? "";
}

function filter() {
  const words = $("session-search").value.trim().toLowerCase().split(/\s+/);
  const state = $("session-state").value;
  let count = 0;
  for (const session of drawn) {
    const now = session.ended === null ? "live" : "ended";
    const text = [session.id, session.name, session.type, session.model, OVER[session.transport], now, session.ended];
    const isWanted = (!state || state === now) && words.every((word) => text.join(" ").toLowerCase().includes(word));
    nodes.get(session.id).node.hidden = !isWanted;
    count += isWanted;
  }
  $("sessions-none").hidden = count > 0;
  let none = "No session yet. Start a call here, or connect a program to the address above.";
  if (refusedRequests === 1) none = "No session yet; 1 request was refused: see Requests.";
  else if (refusedRequests) none = `No session yet; ${refusedRequests} requests were refused: see Requests.`;
  say($("sessions-none"), drawn.length ? "No session matches." : none);
}

function make(session, choose) {
  const parts = {title: h("strong"), model: h("span"), state: h("span", {class: "state"}), count: h("span")};
  const begun = new Date(session.begun * 1000).toLocaleTimeString("en-GB");
  const over = h("span", {class: "over"}, OVER[session.transport] ?? session.transport);
  parts.button = h("button", {type: "button", onclick: () => choose(session.id)},
    h("span", {class: "first"}, h("i", {class: "dot", "aria-hidden": "true"}), parts.title, over),
    h("span", {class: "second"}, h("span", {}, begun), parts.model, parts.count, parts.state));
  parts.node = h("li", {}, parts.button);
  $("sessions").prepend(parts.node);
  nodes.set(session.id, parts);
  return parts;
}
