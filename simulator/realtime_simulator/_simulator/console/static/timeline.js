// The timeline: all events of a session in a list that holds only the rows in sight, with filter and detail.

import {get, post} from "./api.js";
import {$, copy, h, inert, on, say} from "./dom.js";

const ROW = 28;  // as .row in console.css has it
const AROUND = 8;
const MOST = 20_000;
const SOUND = /audio_buffer\.|input_audio\.append$|item\.truncate$/;  // what the user's sound is, and what follows from it

const rows = $("rows"), spacer = $("spacer");
const nodes = new Map();  // the elements of the entries in sight
let session = null, entries = [], shown = [], selected = null, reached = null, begun = 0, isQueued = false, isAtEnd = true;
let goal = null;  // the event of a session that is selected once it comes
let onSelect = () => {}, onRun = () => {};

/**
 * Bind the list; `chosen` is called with the time of each event that is selected, from the session's begin; `ran` with
 * the ids of a session and of the one that runs on from its event.
 */
export function bind(chosen, ran) {
  onSelect = chosen;
  onRun = ran;
}

/** Mark what happened last at this time of the session, and bring it into sight; null marks nothing. */
export function reach(time) {
  const next = time === null ? null : shown.findLast((entry) => entry.time - begun <= time) ?? null;
  if (next === reached) return;
  reached = next;
  if (next) bringIntoSight(shown.indexOf(next));
  draw();
}

/** Empty the list for a session that began at this time. */
export function clear(sessionId, sessionBegun) {
  session = sessionId;
  entries = [];
  shown = [];
  begun = sessionBegun;
  isAtEnd = true;
  close();
  draw();
}

/** Add events, each as the control endpoint shows it. */
export function add(events) {
  for (const event of events) {
    const entry = {...event, type: String(event.event.type)};
    entries.push(entry);
    if (isWanted(entry)) shown.push(entry);
  }
  if (entries.length > MOST * 1.1) {
    entries.splice(0, entries.length - MOST);
    filter();
  }
  draw();
}

/** Select the event that was changed, once it has come and the list can be seen. */
function reachGoal() {
  const place = goal?.session === session ? shown.findIndex((entry) => entry.number === goal.number) : -1;
  if (place < 0) return;
  goal = null;
  rows.focus();
  select(place);
}

function isWanted(entry) {
  const direction = $("direction").value;
  if (direction && entry.direction !== direction) return false;
  if (!$("deltas").checked && /(\.delta|audio_buffer\.append)$/.test(entry.type)) return false;
  const words = $("search").value.trim().toLowerCase();
  if (!words) return true;
  entry.text ??= JSON.stringify(entry.event).toLowerCase();
  return words.split(/\s+/).every((word) => entry.text.includes(word));
}

function filter() {
  shown = entries.filter(isWanted);
  draw();
}

function draw() {
  if (isQueued) return;
  isQueued = true;
  requestAnimationFrame(() => {
    isQueued = false;
    spacer.style.height = `${shown.length * ROW}px`;
    if (isAtEnd && !selected && !reached) rows.scrollTop = rows.scrollHeight;
    const first = Math.max(0, Math.floor(rows.scrollTop / ROW) - AROUND);
    const last = Math.min(shown.length, Math.ceil((rows.scrollTop + rows.clientHeight) / ROW) + AROUND);
    show(shown.slice(first, last), first);
    $("rows-none").hidden = shown.length > 0;
    rows.hidden = shown.length === 0;
    say($("rows-none"), entries.length ? "No event matches the filter." : "Nothing here yet.");
    const isAll = shown.length === entries.length;
    say($("count"), isAll ? `${entries.length} events` : `${shown.length} of ${entries.length}`);
    reachGoal();
  });
}

/** Show these entries, the first of which is at this place; what was shown before stays the same element. */
function show(slice, first) {
  const wanted = new Set(slice);
  for (const [entry, node] of nodes) if (!wanted.has(entry)) { node.remove(); nodes.delete(entry); }
  slice.forEach((entry, number) => {
    const node = nodes.get(entry) ?? row(entry);
    node.setAttribute("aria-selected", String(entry === selected));
    node.classList.toggle("reached", entry === reached);
    node.setAttribute("aria-setsize", shown.length);
    node.setAttribute("aria-posinset", first + number + 1);
    node.style.transform = `translateY(${(first + number) * ROW}px)`;
    if (spacer.children[number] !== node) spacer.insertBefore(node, spacer.children[number] ?? null);
  });
}

function row(entry) {
  const isFromClient = entry.direction === "received";
  const [arrow, way] = isFromClient ? ["→", "from a client"] : ["←", "from the model"];
  const node = h(
    "div",
    {
      class: `row ${entry.direction} ${family(entry.type)}`, role: "option", id: `event-${entry.number}`,
      onclick: () => select(shown.indexOf(entry)),
    },
    h("span", {class: "at"}, `+${(entry.time - begun).toFixed(3)}`),
    h("span", {class: "way", role: "img", "aria-label": way}, arrow),
    h("span", {class: "type"}, entry.type),
    h("span", {class: "more"}, entry.summary),
  );
  nodes.set(entry, node);
  return node;
}

function family(type) {
  if (type === "error" || type.endsWith(".failed")) return "bad";
  if (type.includes("audio_buffer")) return "sound";
  return {session: "session", conversation: "items", response: "model"}[type.split(".")[0]] ?? "other";
}

function select(place) {
  selected = shown[Math.max(0, Math.min(place, shown.length - 1))] ?? null;
  if (!selected) return close();
  say($("detail-title"), `${selected.number}. ${selected.type}`);
  $("detail").hidden = false;
  change(false);
  describe(selected);
  bringIntoSight(shown.indexOf(selected));
  rows.setAttribute("aria-activedescendant", `event-${selected.number}`);
  onSelect(selected.time - begun);
  draw();
}

/** Show an event, or what the session was like after it. */
async function describe(entry) {
  const view = $("detail-view").value;
  let content = entry.event;
  if (view) {
    const state = await get(`/simulator/sessions/${encodeURIComponent(session)}/state?at=${entry.number}`).catch(() => null);
    content = state ? state[view] : "The session is gone.";
  }
  if (entry !== selected || view !== $("detail-view").value) return;  // another one was chosen meanwhile
  $("detail-text").textContent = inert(JSON.stringify(content, null, 2));
  $("detail-text").scrollTop = 0;
}

/** Show what can be changed of the event, or the event again. */
function change(isOpen) {
  const isOfClient = selected?.direction === "received" && !SOUND.test(selected.type);
  $("detail-change").setAttribute("aria-expanded", String(isOpen));
  $("change").hidden = !isOpen;
  $("detail-text").hidden = isOpen;
  $("change-of-client").hidden = !isOfClient;
  if (!isOpen) return;
  $("change-event").value = isOfClient ? JSON.stringify(selected.event, null, 2) : "";
  $("change-answer").value = "";
  $("change-event").setSelectionRange(0, 0);
  $(isOfClient ? "change-event" : "change-answer").focus();
  $("change-event").scrollTop = 0;
}

/** Run on from the event, with what was changed. */
async function run() {
  const source = session, {number, event} = selected;
  const asked = {at: number};
  const [written, answer] = [$("change-event").value, $("change-answer").value.trim()];
  if (written && written !== JSON.stringify(event, null, 2)) asked.event = parsed(written);
  if (answer) asked.answer = answer;
  $("change-run").disabled = true;
  const before = $("change-state").textContent;
  say($("change-state"), "Running…");
  try {
    const response = await post(`/simulator/sessions/${encodeURIComponent(source)}/run_on`, asked);
    goal = {session: (await response.json()).session, number};
    onRun(source, goal.session);
  } finally {
    $("change-run").disabled = false;
    say($("change-state"), before);
  }
}

function parsed(written) {
  try {
    return JSON.parse(written);
  } catch (error) {
    throw new Error(`event: this is not JSON: ${error.message}`, {cause: error});
  }
}

function bringIntoSight(place) {
  const top = place * ROW;
  if (top < rows.scrollTop) rows.scrollTop = top;
  else if (top + ROW > rows.scrollTop + rows.clientHeight) rows.scrollTop = top + ROW - rows.clientHeight;
}

function close() {
  selected = null;
  $("detail").hidden = true;
  rows.removeAttribute("aria-activedescendant");
  draw();
}

function leave() {
  close();
  rows.focus();
}

const KEYS = {
  ArrowDown: (at) => at + 1, ArrowUp: (at) => at - 1, Home: () => 0, End: () => shown.length - 1,
  PageDown: (at) => at + Math.floor(rows.clientHeight / ROW), PageUp: (at) => at - Math.floor(rows.clientHeight / ROW),
};

rows.addEventListener("keydown", (event) => {
  if (event.key in KEYS) {
    event.preventDefault();
    select(KEYS[event.key](selected ? shown.indexOf(selected) : shown.length));
  }
});
rows.addEventListener("scroll", () => {
  isAtEnd = rows.scrollTop + rows.clientHeight >= rows.scrollHeight - ROW;
  draw();
});
new ResizeObserver(draw).observe(rows);
for (const id of ["search", "direction", "deltas"]) $(id).addEventListener("input", filter);
on("detail-close", "click", leave);
on("detail-change", "click", () => change($("change").hidden));
on("change", "submit", run);
on("detail-copy", "click", () => selected && copy($("detail-text").textContent, $("detail-copy")));
$("detail-view").addEventListener("input", () => {
  change(false);
  if (selected) describe(selected);
});
for (const id of ["rows", "detail"]) {
  $(id).addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if ($("change").hidden) return leave();
    change(false);
    $("detail-change").focus();
  });
}
