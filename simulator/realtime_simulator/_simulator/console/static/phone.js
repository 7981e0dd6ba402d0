// A telephone: places a call to a webhook, presses keys, speaks, hangs up, and shows what is done with the call.

import {bytes, post} from "./api.js";
import {$, guarded, h, on, say} from "./dom.js";

const KEYS = [..."123456789*0#"];
const RATE = 24_000, SPEECH_SECONDS = 1.5, AHEAD_SECONDS = 0.1;
const ENDED = {
  hangup: "hung up by your app", peer: "hung up", rejected: "rejected", referred: "transferred",
  failed: "failed", lost: "connection lost", expired: "out of time", shutdown: "the simulator stopped",
};

let current = null, wanted = null, listening = null;

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
  on("phone-listen", "click", () => (listening ? deaf() : listen(current.id, `${where()}/hear`)));
  on("phone-end", "click", () => post(`${where()}/hang_up`));
  on("phone-refer", "change", () => post("/simulator/refer", {status: Number($("phone-refer").value) || null}));
}

/** Return a caller's SIP URI, from a number as people write it, or as it is. */
function uri(caller) {
  if (/^[a-z]+:/i.test(caller)) return caller;
  return `sip:${caller.replace(/[^+\w.@-]/g, "")}${caller.includes("@") ? "" : "@sip.example.com"}`;
}

/** Show the call that was placed last, also by another program. */
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
  $("phone-end").disabled = $("phone-listen").disabled = isOver;
  if (listening && (isOver || listening.id !== current.id)) deaf();
  const lines = [
    ...current.deliveries.map((one) => `${one.type}: ${one.status ?? one.error ?? "no answer"}`),
    ...current.refers.map((target) => `transfer to ${target}`),
    ...(current.refer_status ? [`the transfer ended with ${current.refer_status}`] : []),
  ];
  const log = $("phone-log");
  lines.forEach((line, place) => say(log.children[place] ?? log.appendChild(h("li")), line));
  while (log.children.length > lines.length) log.lastChild.remove();
}

/** Play what the caller hears, until the call ends or `deaf` is called. */
async function listen(id, path) {
  const mine = listening = {id, stop: new AbortController(), context: new AudioContext({sampleRate: RATE})};
  $("phone-listen").setAttribute("aria-pressed", "true");
  let due = 0, heard = 0, rest = new Uint8Array(0);
  try {
    for await (const piece of bytes(path, mine.stop.signal)) {
      const all = new Uint8Array(rest.length + piece.length);
      all.set(rest);
      all.set(piece, rest.length);
      const whole = all.length - (all.length % 2);
      rest = all.slice(whole);
      if (!whole) continue;
      const samples = Float32Array.from(new Int16Array(all.buffer, 0, whole / 2), (sample) => sample / 32768);
      const sound = mine.context.createBuffer(1, samples.length, RATE);
      sound.copyToChannel(samples, 0);
      const source = mine.context.createBufferSource();
      source.buffer = sound;
      source.connect(mine.context.destination);
      due = Math.max(due, mine.context.currentTime + AHEAD_SECONDS);
      source.start(due);
      due += sound.duration;
      heard += sound.duration;
      say($("phone-heard"), `heard ${heard.toFixed(1)} s`);
    }
  } catch (error) {
    if (error.status) throw error;  // else it was stopped, or the simulator is gone, which the page says
  } finally {
    if (mine === listening) deaf();
  }
}

function deaf() {
  const {stop, context} = listening;
  listening = null;
  stop.abort();
  context.close();
  $("phone-listen").setAttribute("aria-pressed", "false");
}

/** Return a hum that counts as speech, PCM16 mono, and the silence after which a turn ends. */
function speech() {
  const samples = new Int16Array(RATE * (SPEECH_SECONDS + 1));
  let cycles = 0;
  for (let n = 0; n < RATE * SPEECH_SECONDS; n += 1) {
    cycles += (130 + 10 * Math.sin((6 * Math.PI * n) / RATE)) / RATE;  // the pitch of a voice is never steady
    samples[n] = 8000 * (2 * (cycles % 1) - 1);
  }
  return samples.buffer;
}
