// The page: its key and connection, which session is shown, and who is told of what comes.

import * as api from "./api.js";
import * as call from "./call.js";
import * as chat from "./chat.js";
import * as compare from "./compare.js";
import {$, notify, on, say} from "./dom.js";
import * as exporting from "./exports.js";
import * as faults from "./faults.js";
import * as phone from "./phone.js";
import * as requests from "./requests.js";
import * as scenario from "./scenario.js";
import * as sessions from "./sessions.js";
import * as sound from "./sound.js";
import * as tabs from "./tabs.js";
import * as timeline from "./timeline.js";
import * as tools from "./tools.js";
import * as turns from "./turns.js";
import * as usage from "./usage.js";

const AGAIN_MS = 1000;
const PANELS = [timeline, chat, turns, tools, usage];

let overview = {sessions: [], calls: [], faults: [], scenario: null, requests: {refused: 0}};
let selected = null, watching = null, watchingAll = null;
// The call of this page, and the session that was the newest when it ended: the next one is shown again.
let ownCall = null, newestAtEnd = null;
// The session that runs on from another one, and that one: it is shown as soon as it is in the overview.
let awaited = null;

// The connection

function status(kind, text) {
  $("status").dataset.kind = kind;
  say($("status"), text);
}

async function connect() {
  watchingAll?.abort();
  const mine = (watchingAll = new AbortController());
  $("key-form").hidden = true;
  $("main").hidden = false;
  status("busy", "Connecting…");
  while (!mine.signal.aborted) {
    try {
      await faults.load();
      for await (const {data} of api.stream("/simulator/overview", mine.signal)) {
        status("good", "Connected");
        overview = data;
        draw();
      }
    } catch (error) {
      if (mine.signal.aborted) return;
      if (error.status === 401) return askForKey();
      if (error.status) notify(error.message);
    }
    status("bad", "The simulator is unreachable. Reconnecting…");
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

function askForKey() {
  status("bad", "The key is needed");
  $("key-form").hidden = false;
  $("main").hidden = true;
  $("key").focus();
}

function draw() {
  const {sessions: all, calls} = overview;
  const own = ownCall && calls.find((one) => one.id === ownCall);
  const newest = all.at(-1)?.id;
  if (own && own.state === "ended") {
    call.ended(own.id, own.ended);
    newestAtEnd ??= newest;
  }
  const isOwn = all.some((one) => one.id === own?.session) && newest === (newestAtEnd ?? newest);
  const wanted = isOwn ? own.session : newest;
  if ($("follow").checked && wanted && wanted !== selected) select(wanted);
  if (selected && !all.some((one) => one.id === selected)) select(null);
  sessions.draw(all, selected, choose, overview.requests.refused);
  phone.draw(calls);
  faults.draw(overview.faults);
  scenario.draw(overview.scenario);
  requests.update(overview.requests);
  compare.draw(all, selected, overview.replaying);
  drawFacts();
  if (awaited && all.some((one) => one.id === awaited.id)) {
    const {source, id} = awaited;
    awaited = null;
    choose(id);
    compare.set(source, id);
  }
}

// The session that is shown

function choose(id) {
  $("follow").checked = id === overview.sessions.at(-1)?.id;
  select(id);
  draw();
}

function select(id) {
  watching?.abort();
  selected = id;
  const session = overview.sessions.find((one) => one.id === id);
  for (const panel of PANELS) panel.clear(id, session?.begun ?? 0);
  if (session) watch(id, (watching = new AbortController()).signal);
}

async function watch(id, signal) {
  let after = 0, waiting = [];
  const flush = () => {
    const events = waiting;
    waiting = [];
    if (!signal.aborted) for (const panel of PANELS) panel.add(events);
  };
  while (!signal.aborted) {
    try {
      const path = `/simulator/sessions/${encodeURIComponent(id)}/events?after=${after}`;
      for await (const {type, data} of api.stream(path, signal)) {
        if (type === "ended") {
          flush();
          return signal.aborted || tools.end();
        }
        after = data.number;
        if (!waiting.length) setTimeout(flush, 30);
        waiting.push(data);
      }
    } catch (error) {
      if (signal.aborted || error.status === 404 || error.status === 401) return;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

function drawFacts() {
  const session = overview.sessions.find((one) => one.id === selected);
  const open = overview.calls.find((one) => one.session === selected && one.state !== "ended");
  say($("session-facts"), session ? facts(session).join(" · ") : "");
  $("session-end").hidden = !open;
  exporting.draw(session);
  sound.draw(session);
  let closed = "";
  if (!session) closed = "No session is shown";
  else if (session.ended !== null) closed = "The session has ended";
  else if (session.type !== "realtime") closed = "This kind of session accepts no text";
  $("compose").disabled = $("compose-send").disabled = Boolean(closed);
  $("compose").placeholder = closed || "Type as the user, or an event as JSON";
}

function facts(session) {
  const [heard, said] = [session.received_audio_seconds, session.sent_audio_seconds].map((one) => one.toFixed(1));
  const state = session.ended === null ? "live" : `ended: ${session.ended}`;
  return [session.id, session.type, state, `heard ${heard} s, said ${said} s`];
}

async function send() {
  const text = $("compose").value.trim();
  if (!text) return;
  if (text.startsWith("{")) await api.inject(selected, JSON.parse(text));
  else {
    const item = {type: "message", role: "user", content: [{type: "input_text", text}]};
    await api.inject(selected, {type: "conversation.item.create", item});
    await api.inject(selected, {type: "response.create"});
  }
  $("compose").value = "";
}

// The controls

tabs.bind();
call.bind((id) => {
  ownCall = id;
  newestAtEnd = null;
  $("follow").checked = true;
});
phone.bind();
faults.bind();
scenario.bind();
sessions.bind();
requests.bind();
exporting.bind();
compare.bind();
timeline.bind(sound.move, (source, id) => {
  awaited = {source, id};
  draw();
});
sound.bind(timeline.reach);
$("address").textContent = `${location.origin}/v1`;
on("composer", "submit", send);
on("session-end", "click", () => {
  const open = overview.calls.find((one) => one.session === selected && one.state !== "ended");
  return open && api.post(`/simulator/calls/${encodeURIComponent(open.id)}/hang_up`);
});
on("key-form", "submit", () => {
  api.keepKey($("key").value.trim());
  $("key").value = "";
  connect();
});
addEventListener("hashchange", () => { if (api.readKey()) connect(); });

if (api.readKey()) connect();
else askForKey();
