// Latency of each turn: from the end of what the user said to the first event, the first output and the end.

import {$, h, seconds} from "./dom.js";

const MOST = 50;
// What ends what the user says, as a client sends it or the simulator hears it.
const ENDS = {
  "input_audio_buffer.speech_stopped": "speech", "input_audio_buffer.commit": "speech", "response.create": "request",
};
const FIRST = {
  "response.output_audio.delta": "audio", "output_audio_buffer.started": "audio",
  "response.output_text.delta": "text", "response.function_call_arguments.delta": "call",
};

let turns = [], end = null, count = 0;

export function clear() {
  turns = [];
  end = null;
  count = 0;
  draw();
}

export function add(events) {
  // Most events are pieces of an output that has begun, and change nothing here.
  if (events.map(note).some(Boolean)) draw();
}

/** Note what an event says of its turn; return whether there is something new. */
function note({time, event}) {
  if (event.type in ENDS) {
    end = {time, by: ENDS[event.type]};
    return false;
  }
  const response = event.response?.id ?? event.response_id;
  if (event.type === "response.created") {
    count += 1;
    turns.push({id: response, number: count, by: end?.by ?? "response", start: end?.time ?? time, created: time});
    turns.splice(0, turns.length - MOST);
    end = null;
    return true;
  }
  const turn = response && turns.findLast((one) => one.id === response);
  if (turn && event.type === "response.done") Object.assign(turn, {done: time, status: event.response.status});
  else if (turn && event.type in FIRST && !turn.first) turn.first = {time, what: FIRST[event.type]};
  else return false;
  return true;
}

function draw() {
  $("turns-none").hidden = turns.length > 0;
  $("turns").hidden = turns.length === 0;
  const last = (turn) => Math.max(turn.done ?? 0, turn.first?.time ?? 0, turn.created);
  const longest = Math.max(0.001, ...turns.map((turn) => last(turn) - turn.start));
  $("turns").replaceChildren(...turns.map((turn) => row(turn, longest)).reverse());
}

function row(turn, longest) {
  // On a call, what is still playing of an earlier turn can put the first sound behind the end of the response.
  const marks = [["first event", turn.created]];
  if (turn.first) marks.push([`first ${turn.first.what}`, turn.first.time]);
  if (turn.done) marks.push([turn.status === "completed" ? "done" : turn.status, turn.done]);
  marks.sort((one, other) => one[1] - other[1]);
  const parts = marks.map(([what, time]) => `${what} ${seconds(Math.max(0, time - turn.start))}`);
  if (!turn.done) parts.push("going on");
  const last = Math.max(turn.created, turn.first?.time ?? turn.done ?? turn.created);
  return h(
    "li",
    {class: turn.status === "failed" ? "bad" : null},
    h("span", {class: "turn"}, `Turn ${turn.number}`, h("small", {}, `after ${turn.by}`)),
    h(
      "div",
      {class: "bar", "aria-hidden": "true"},
      part("wait", turn.start, turn.created),
      part("think", turn.created, last),
      part("speak", last, turn.done ?? last),
    ),
    h("span", {class: "times"}, parts.join(" · ")),
  );

  function part(name, from, to) {
    const node = h("i", {class: name});
    node.style.width = `${(100 * Math.max(0, to - from)) / longest}%`;
    return node;
  }
}
