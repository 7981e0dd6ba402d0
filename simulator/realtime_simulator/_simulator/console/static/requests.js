// The HTTP requests and handshakes, newest first, also those that were refused.

import {get, post} from "./api.js";
import {$, h, on, say} from "./dom.js";

const MOST = 500;

let requests = [], counted = "";

export function bind() {
  for (const id of ["request-search", "request-refused"]) $(id).addEventListener("input", draw);
  on("request-clear", "click", () => post("/simulator/requests/clear"));
}

/** Read the requests again if there are others, or other answers, than before. */
export async function update(counts) {
  say($("tab-requests"), counts.refused ? `Requests (${counts.refused} refused)` : "Requests");
  if (JSON.stringify(counts) === counted) return;
  counted = JSON.stringify(counts);
  try {
    requests = (await get("/simulator/requests")).requests.slice(-MOST).reverse();
    draw();
  } catch {
    counted = "";  // the next overview reads them
  }
}

function draw() {
  const words = $("request-search").value.trim().toLowerCase().split(/\s+/);
  const wanted = requests.filter((one) => {
    const text = Object.values({...one, ...one.error}).join(" ").toLowerCase();
    return (one.refused || !$("request-refused").checked) && words.every((word) => text.includes(word));
  });
  $("requests").replaceChildren(...wanted.map(row));
  $("requests").hidden = wanted.length === 0;
  $("requests-none").hidden = wanted.length > 0;
  say($("requests-none"), requests.length ? "No request matches." : "No request yet.");
  const isAll = wanted.length === requests.length;
  say($("request-count"), isAll ? `${requests.length} requests` : `${wanted.length} of ${requests.length}`);
}

function row(one) {
  const answer = one.status || (one.ended === null ? "open" : "no answer");
  const why = one.error && [one.error.code ?? one.error.type, one.error.message].filter(Boolean).join(": ");
  return h(
    "li",
    {class: one.refused ? "bad" : null},
    h("span", {class: "at"}, new Date(one.time * 1000).toLocaleTimeString("en-GB")),
    h("strong", {}, one.method),
    h("code", {}, one.path),
    h("span", {class: "answer"}, answer),
    why && h("p", {}, why),
  );
}
