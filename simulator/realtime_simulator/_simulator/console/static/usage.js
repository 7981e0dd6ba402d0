// Tokens of a session, as its responses and transcripts count them.

import {$, h} from "./dom.js";

const KINDS = ["text", "audio", "image", "all"];

let sums = {}, responses = 0, heard = 0, voice = 0;

export function clear() {
  sums = {};
  responses = heard = voice = 0;
  draw();
}

export function add(events) {
  const counted = events
    .map(({direction, event}) => ({direction, event: event.type === "response.event" ? event.event : event}))
    .filter(({direction, event}) => direction === "sent" && (event.response?.usage ?? event.usage));
  for (const {event} of counted) {
    const usage = event.response?.usage ?? event.usage;
    if (event.type === "response.done") {
      responses += 1;
      count("in", usage.input_token_details, usage.input_tokens);
      count("cached", usage.input_token_details?.cached_tokens_details, usage.input_token_details?.cached_tokens);
      count("out", usage.output_token_details, usage.output_tokens);
    } else if (event.type === "response.completed") {
      responses += 1;
      count("in", {text_tokens: usage.input_tokens}, usage.input_tokens);
      count("cached", {}, usage.input_tokens_details?.cached_tokens);
      count("out", {text_tokens: usage.output_tokens}, usage.output_tokens);
    } else if (event.type.startsWith("session.")) voice = usage.seconds ?? voice;
    else if (event.type.endsWith("transcription.completed")) heard += usage.seconds ?? 0;
  }
  if (counted.length) draw();
}

/** Add to a column: its tokens by kind, and all of them. */
function count(column, details, total) {
  for (const kind of KINDS) {
    const tokens = kind === "all" ? total : details?.[`${kind}_tokens`];
    sums[kind] ??= {in: 0, cached: 0, out: 0};
    sums[kind][column] += tokens ?? 0;
  }
}

function draw() {
  const kinds = KINDS.filter((kind) => sums[kind]?.in || sums[kind]?.out);
  $("usage").hidden = kinds.length === 0 && !voice;
  $("usage-none").hidden = kinds.length > 0 || voice > 0;
  const all = `all, ${responses} ${responses === 1 ? "response" : "responses"}`;
  const rows = kinds.map((kind) => h(
    "tr",
    {class: kind},
    h("th", {scope: "row"}, kind === "all" ? all : kind),
    ["in", "cached", "out"].map((column) => h("td", {}, sums[kind][column].toLocaleString("en"))),
  ));
  for (const [name, length] of [["transcribed", heard], ["voice session", voice]]) {
    const spoken = h("td", {colspan: 3}, `${length.toFixed(1)} s`);
    if (length) rows.push(h("tr", {}, h("th", {scope: "row"}, name), spoken));
  }
  $("usage").tBodies[0].replaceChildren(...rows);
}
