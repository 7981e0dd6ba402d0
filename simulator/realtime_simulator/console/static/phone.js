// A telephone: places a call to a webhook, presses keys, speaks, hangs up, and shows what is done with the call.

import {post} from "./api.js";
import {$, guarded, h, on, say} from "./dom.js";

const KEYS = [..."123456789*0#"];
const RATE = 24_000, SPEECH_SECONDS = 1.5;
const ENDED = {
  hangup: "hung up by your app", peer: "hung up", rejected: "rejected", referred: "transferred",
  failed: "failed", expired: "out of time", shutdown: "the simulator stopped",
};

let current = null, wanted = null;

export function bind() {
  const where = () => `/simulator/calls/${encodeURIComponent(current.id)}`;
  $("keypad").append(...KEYS.map((key) => {
    const press = guarded(() => post(`${where()}/press`, {keys: key}));
    return h("button", {type: "button", "aria-label": `Key ${key}`, onclick: press}, key);
  }));
  on("phone-form", "submit", async () => {
    const caller = `<${uri($("phone-from").value.trim())}>`;
    const headers = [["From", `${caller};tag=console`], ["Contact", caller]];
    const answer = await post("/simulator/incoming", {to: $("phone-to").value, headers});
    wanted = (await answer.json()).id;
  });
  on("phone-speak", "click", () => post(`${where()}/say`, speech(), "application/octet-stream"));
  on("phone-end", "click", () => post(`${where()}/hang_up`));
  on("phone-refer", "change", () => post("/simulator/refer", {status: Number($("phone-refer").value) || null}));
}

/** Return a caller's SIP URI, from a number as people write it, or as it is. */
function uri(caller) {
  if (/^[a-z]+:/i.test(caller)) return caller;
  return `sip:${caller.replace(/[^+\w.@-]/g, "")}${caller.includes("@") ? "" : "@sip.example.com"}`;
}

/** Show the call that was placed last, whoever placed it. */
export function draw(calls) {
  const phoned = calls.filter((call) => call.kind === "sip");
  current = phoned.findLast((call) => call.id === wanted && call.state !== "ended") ?? phoned.at(-1) ?? null;
  $("phone").hidden = !current;
  if (!current) return;
  const isOver = current.state === "ended";
  const why = current.reject_code ? `rejected with ${current.reject_code}` : (ENDED[current.ended] ?? current.ended);
  const state = {ringing: "Ringing…", connected: "Connected"}[current.state] ?? current.state;
  say($("phone-state"), isOver ? `Ended: ${why}` : state);
  say($("phone-id"), current.id);
  for (const button of [...$("keypad").children, $("phone-speak")]) button.disabled = current.state !== "connected";
  $("phone-end").disabled = isOver;
  const lines = [
    ...current.deliveries.map((one) => `${one.type}: ${one.status ?? one.error ?? "no answer"}`),
    ...current.refers.map((target) => `transfer to ${target}`),
    ...(current.refer_status ? [`the transfer ended with ${current.refer_status}`] : []),
  ];
  const log = $("phone-log");
  lines.forEach((line, place) => say(log.children[place] ?? log.appendChild(h("li")), line));
  while (log.children.length > lines.length) log.lastChild.remove();
}

/** Return a hum that counts as speech, PCM16 mono, and the silence after which a turn ends. */
function speech() {
  const samples = new Int16Array(RATE * (SPEECH_SECONDS + 1));
  for (let n = 0; n < RATE * SPEECH_SECONDS; n += 1) {
    const angle = (2 * Math.PI * 200 * n) / RATE;
    samples[n] = 6000 * (Math.sin(angle) + 0.5 * Math.sin(2 * angle) + 0.25 * Math.sin(3 * angle));
  }
  return samples.buffer;
}
