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

let turns = [], end = null;

export function clear() {
  turns = [];
  end = null;
  draw();
}

export function add(events) {
  for (const {time, event} of events) {
    const response = event.response?.id ?? event.response_id;
    const turn = response && turns.find((one) => one.id === response);
    if (event.type in ENDS) end = {time, by: ENDS[event.type]};
    else if (event.type === "response.created") {
      turns.push({id: response, by: end?.by ?? "response", start: end?.time ?? time, created: time});
      end = null;
    } else if (turn && event.type === "response.done") Object.assign(turn, {done: time, status: event.response.status});
    // What is heard counts, where a call plays it; that can come after the response is done.
    else if (turn && event.type in FIRST) turn.first ??= {time, what: FIRST[event.type]};
  }
  turns.splice(0, turns.length - MOST);
  draw();
}

function draw() {
  $("turns-none").hidden = turns.length > 0;
  $("turns").hidden = turns.length === 0;
  const longest = Math.max(0.001, ...turns.map((turn) => Math.max(turn.done ?? 0, turn.first?.time ?? 0, turn.created) - turn.start));
  $("turns").replaceChildren(...turns.map((turn, number) => row(turn, number, longest)).reverse());
}

function row(turn, number, longest) {
  const until = (time) => seconds(Math.max(0, time - turn.start));
  const parts = [
    `first event ${until(turn.created)}`,
    turn.first && `first ${turn.first.what} ${until(turn.first.time)}`,
    turn.done ? `${turn.status === "completed" ? "done" : turn.status} ${until(turn.done)}` : "going on",
  ];
  const last = Math.max(turn.created, turn.first?.time ?? turn.done ?? turn.created);
  const bar = h("div", {class: "bar", "aria-hidden": "true"},
    part("wait", turn.start, turn.created), part("think", turn.created, last), part("speak", last, turn.done ?? last));
  return h("li", {class: turn.status === "failed" ? "bad" : null},
    h("span", {class: "turn"}, `Turn ${number + 1}`, h("small", {}, `after ${turn.by}`)), bar,
    h("span", {class: "times"}, parts.filter(Boolean).join(" · ")));

  function part(name, from, to) {
    const node = h("i", {class: name});
    node.style.width = `${(100 * Math.max(0, to - from)) / longest}%`;
    return node;
  }
}
