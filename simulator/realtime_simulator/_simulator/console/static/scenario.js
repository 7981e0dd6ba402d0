// The scenario: what the model answers, as YAML that takes the place of the one before.

import {post} from "./api.js";
import {$, h, on, say} from "./dom.js";

const EXAMPLES = {
  "a booking by tool": `heard:
  - Book a room for two nights, please.
responses:
  - match: book .* for (?P<nights>\\w+) nights
    call_tool: book_room
    arguments: {nights: "{nights}"}
  - after_tool: book_room
    say: Your room is booked.
  - say: Shall I book a room for you?
`,
  "a slow model": `pacing: {first_audio: 2, speed: 1}
responses:
  - match: weather
    say: It is sunny, with a light wind from the west.
    delay: 1
`,
  "a model that fails": `responses:
  - steps:
      - say: Good morning.
      - fail: server_error
        message: The model is out of order.
      - say: Here I am again.
`,
  "a caller who presses keys": `caller:
  - {press: "12#", delay: 2}
  - {hang_up: true, delay: 20}
refer: {status: 200, delay: 1}
`,
};

export function bind() {
  const choice = $("scenario-example");
  choice.append(...Object.keys(EXAMPLES).map((name) => h("option", {}, name)));
  const start = () => { $("scenario-text").value = EXAMPLES[choice.value]; };
  on("scenario-example", "change", start);
  start();
  const play = (text, name) => {
    const query = new URLSearchParams({name, replace: "true"});
    return post(`/simulator/scenario?${query}`, text, "application/yaml");
  };
  on("scenario-form", "submit", () => {
    const text = $("scenario-text").value;
    return play(text, text === EXAMPLES[choice.value] ? choice.value : "from the console");
  });
  on("scenario-reset", "click", () => play("{}", "none"));
}

export function draw(name) {
  const none = "No scenario: the model repeats the user's words, and calls tools that they name.";
  say($("scenario-state"), name ? `Playing: ${name}. It applies to all sessions, from their next turn on.` : none);
}
