// Tokens of a session, as its responses and transcripts count them.

import {$, h} from "./dom.js";

let sums = {}, responses = 0, heard = 0;

export function clear() {
  sums = {};
  responses = heard = 0;
  draw();
}

export function add(events) {
  for (const {direction, event} of events) {
    const usage = event.response?.usage ?? event.usage;
    if (direction !== "sent" || !usage) continue;
    if (event.type === "response.done") {
      responses += 1;
      count("in", usage.input_token_details, usage.input_tokens);
      count("cached", usage.input_token_details?.cached_tokens_details, usage.input_token_details?.cached_tokens);
      count("out", usage.output_token_details, usage.output_tokens);
    } else if (event.type.endsWith("transcription.completed")) heard += usage.seconds ?? 0;
  }
  draw();
}

function count(column, details = {}, total = 0) {
  for (const [kind, tokens] of [...["text", "audio", "image"].map((kind) => [kind, details?.[`${kind}_tokens`]]), ["all", total]]) {
    if (tokens) ((sums[kind] ??= {})[column] = (sums[kind][column] ?? 0) + tokens);
  }
}

function draw() {
  const kinds = ["text", "audio", "image", "all"].filter((kind) => kind in sums);
  $("usage").hidden = kinds.length === 0;
  $("usage-none").hidden = kinds.length > 0;
  $("usage").tBodies[0].replaceChildren(...kinds.map((kind) => h("tr", {class: kind},
    h("th", {scope: "row"}, kind === "all" ? `all, ${responses} ${responses === 1 ? "response" : "responses"}` : kind),
    ...["in", "cached", "out"].map((column) => h("td", {}, (sums[kind][column] ?? 0).toLocaleString("en"))))),
    ...(heard ? [h("tr", {}, h("th", {scope: "row"}, "transcribed"), h("td", {colspan: 3}, `${heard.toFixed(1)} s`))] : []));
}
