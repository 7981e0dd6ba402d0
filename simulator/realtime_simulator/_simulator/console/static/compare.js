// Replay a session against a program's new code, and compare the client events of two sessions.

import {get, post} from "./api.js";
import {$, h, on, say} from "./dom.js";
import {show} from "./tabs.js";

const AGAIN_MS = 500;
const SIDES = ["before", "after"];
const MARKS = {same: "=", differs: "≠", removed: "−", added: "+"};

let sessions = [], shown = null, newest = null, compared = null, loading = false;

export function bind() {
  for (const side of SIDES) $(`compare-${side}`).addEventListener("input", load);
  $("panel-compare").addEventListener("shown", () => { choose(); load(); });
  on("session-replay", "click", async () => {
    await post(`/simulator/sessions/${encodeURIComponent(shown.id)}/replay`);
    show("compare");
  });
  on("replay-stop", "click", () => post("/simulator/scenario?replace=true", "{}", "application/yaml"));
}

/** Offer these sessions; the one that is shown can be replayed. */
export function draw(all, selected, replaying) {
  const ids = (list) => list.map(({id, name, model}) => [id, name, model].join()).join();
  const isOther = ids(all) !== ids(sessions);
  sessions = all;
  shown = all.find((session) => session.id === selected) ?? null;
  $("session-replay").disabled = !shown || shown.type === "translation";
  if (isOther) offer();
  const last = all.at(-1);
  if (last && last.id !== newest) {
    newest = last.id;
    if (last.replay_of) set(last.replay_of, last.id);
  }
  const replayed = replaying && (all.find((session) => session.id === replaying) ?? {id: replaying});
  const armed = replayed && `The next sessions are answered as “${title(replayed)}” was. Run your program again.`;
  say($("replay-state"), armed || "Replay a session, and run your program again: what it sends then is compared here.");
  $("replay-stop").hidden = !replaying;
  load();
}

const title = ({id, name, model, type}) => name ?? `${model ?? type ?? "session"} · ${id.slice(-6)}`;

function offer() {
  const chosen = SIDES.map((side) => $(`compare-${side}`).value);
  for (const side of SIDES) {
    $(`compare-${side}`).replaceChildren(...sessions.toReversed().map((session) => {
      const begun = new Date(session.begun * 1000).toLocaleTimeString("en-GB");
      return h("option", {value: session.id}, `${title(session)} · ${begun}`);
    }));
  }
  set(...chosen);
}

/** Choose the session before and the one after. */
export function set(...ids) {
  SIDES.forEach((side, place) => {
    if (sessions.some((session) => session.id === ids[place])) $(`compare-${side}`).value = ids[place];
  });
}

/** Compare the session that is shown with the one that it replays, or with the one before it. */
function choose() {
  if (!shown) return;
  const previous = sessions[sessions.indexOf(shown) - 1]?.id;
  if (shown.replay_of ?? previous) set(shown.replay_of ?? previous, shown.id);
}

async function load() {
  const [before, after] = SIDES.map((side) => sessions.find(({id}) => id === $(`compare-${side}`).value));
  const wanted = before && after && before !== after ? [before.id, before.events, after.id, after.events].join() : "";
  if (loading || wanted === compared || $("panel-compare").hidden) return;
  loading = true;
  try {
    const path = (one) => encodeURIComponent(one.id);
    const read = wanted ? await get(`/simulator/sessions/${path(before)}/compare/${path(after)}`) : {rows: []};
    compared = wanted;
    fill(read);
  } catch {
    // A session is gone, or the simulator is, which the page says.
  }
  setTimeout(() => { loading = false; load(); }, AGAIN_MS);
}

function fill({rows, cut}) {
  const kinds = rows.map(kind);
  const count = kinds.filter((one) => one !== "same").length;
  const result = count ? `${count} of ${rows.length} client events differ` : "The client events are the same";
  say($("compare-count"), rows.length ? `${result}${cut ? "; the first thousand are compared" : ""}.` : "Choose two sessions with client events.");
  $("compare").hidden = rows.length === 0;
  $("compare").tBodies[0].replaceChildren(...rows.map((row, place) => line(row, kinds[place])));
}

function kind({before, after, differences}) {
  if (!before) return "added";
  if (!after) return "removed";
  return differences.length ? "differs" : "same";
}

function line({before, after, differences}, how) {
  return h(
    "tr",
    {class: how},
    h("td", {}, side(before)),
    h("td", {class: "how"}, h("span", {role: "img", "aria-label": how}, MARKS[how])),
    h("td", {}, side(after), differences.map((one) => h("p", {}, one))),
  );
}

function side(event) {
  if (!event) return [];
  const times = event.count > 1 ? ` × ${event.count}` : "";
  return [h("code", {}, `${event.event.type}${times}`), h("span", {}, event.count > 1 ? "" : event.summary)];
}
