// The sound of a session: both sides as a waveform, played from any place in it.

import {get, wav} from "./api.js";
import {$, on, say} from "./dom.js";

const SIDES = {received: 12, sent: 36};  // the middle of each side's lane in the waveform
const WIDTH = 800, LANE = 11, RATE = 24_000, WAV_HEADER = 44;
const AGAIN_MS = 1000;

let session = null, sound = null, span = 0, position = 0, playing = null, loading = null, reached = () => {};

/** Bind the controls; `passed` is called with the time that is played or chosen, in seconds; null at the end. */
export function bind(passed) {
  reached = passed;
  on("sound-play", "click", () => (playing ? pause() : play()));
  const wave = $("sound-wave");
  wave.addEventListener("click", (event) => {
    const {left, width} = wave.getBoundingClientRect();
    jump(((event.clientX - left) / width) * span);
  });
  wave.addEventListener("keydown", (event) => {
    const steps = {ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10};
    const ends = {Home: 0, End: span};
    if (!(event.key in steps) && !(event.key in ends)) return;
    event.preventDefault();
    jump(ends[event.key] ?? position + steps[event.key]);
  });
  for (const side of Object.keys(SIDES)) {
    $(`hear-${side}`).addEventListener("input", () => { if (playing) playing.gains[side].gain.value = volume(side); });
  }
}

/** Show the sound of a session; it is read again while it grows. */
export function draw(shown) {
  const seconds = shown && shown.received_audio_seconds + shown.sent_audio_seconds;
  if (shown?.id !== session?.id) {
    pause();
    position = 0;
    sound = null;
    $("sound").hidden = $("sound-none").hidden = true;
  } else if (seconds === session?.seconds) return;
  session = shown && {id: shown.id, seconds};
  if (session && seconds && !loading) load();
}

const path = () => `/simulator/sessions/${encodeURIComponent(session.id)}/audio`;

async function load() {
  const mine = loading = session;
  try {
    const read = await get(path());
    if (mine.id === session?.id) show(read);
  } catch {
    // The session is gone, or the simulator is, which the page says.
  }
  setTimeout(() => {
    loading = null;
    if (session && session !== mine) load();
  }, AGAIN_MS);
}

function show(read) {
  sound = read;
  const ends = Object.keys(SIDES).flatMap((side) => (read[side]?.pieces ?? []).map((piece) => piece.at + piece.seconds));
  span = Math.max(0, ...ends);
  $("sound").hidden = !ends.length;
  $("sound-none").hidden = ends.length > 0;
  for (const side of Object.keys(SIDES)) $(`wave-${side}`).setAttribute("d", read[side] ? outline(read[side], SIDES[side]) : "");
  $("sound-wave").setAttribute("aria-valuemax", span.toFixed(1));
  move(position);
}

/** Return the path of a side's waveform: a stroke for each column, as high as its loudest peak. */
function outline({pieces, peaks, peak_seconds: step}, middle) {
  const columns = new Float32Array(WIDTH);
  const stride = Math.min(step / 2, span / WIDTH);
  for (const {at, offset, seconds} of pieces) {
    for (let time = 0; time < seconds; time += stride) {
      const column = Math.min(WIDTH - 1, Math.max(0, Math.floor(((at + time) / span) * WIDTH)));
      const peak = peaks[Math.floor((offset + time) / step)] ?? 0;
      columns[column] = Math.max(columns[column], 0.03, Math.sqrt(peak / 255));
    }
  }
  const strokes = [];
  columns.forEach((height, x) => {
    if (height) strokes.push(`M${x} ${(middle - height * LANE).toFixed(1)}V${(middle + height * LANE).toFixed(1)}`);
  });
  return strokes.join("");
}

/** Move the mark to a time, in seconds from the session's begin, without playing. */
export function move(time) {
  position = Math.min(span, Math.max(0, time));
  const x = span ? (position / span) * WIDTH : 0;
  for (const end of ["x1", "x2"]) $("sound-at").setAttribute(end, x);
  $("sound-wave").setAttribute("aria-valuenow", position.toFixed(1));
  $("sound-wave").setAttribute("aria-valuetext", `${position.toFixed(1)} s of ${span.toFixed(1)} s`);
}

function jump(time) {
  const was = playing;
  pause();
  move(time);
  reached(position);
  if (was) start(was.buffers);
}

async function play() {
  const id = session.id;
  say($("sound-play"), "Loading…");
  $("sound-play").disabled = true;
  try {
    const buffers = {};
    for (const side of Object.keys(SIDES)) if (sound[side]) buffers[side] = await read(side);
    if (id === session?.id) start(buffers);
  } finally {
    $("sound-play").disabled = false;
    if (!playing) say($("sound-play"), "Play");
  }
}

async function read(side) {
  const samples = new Int16Array(await wav(`${path()}/${side}`), WAV_HEADER);
  const buffer = new AudioBuffer({length: Math.max(1, samples.length), sampleRate: RATE});
  buffer.copyToChannel(Float32Array.from(samples, (sample) => sample / 32768), 0);
  return buffer;
}

const volume = (side) => ($(`hear-${side}`).checked ? 1 : 0);

/** Play from the mark: each piece at its time, both sides at once. */
function start(buffers) {
  const context = new AudioContext();
  const from = position >= span - 0.05 ? 0 : position;
  const begin = context.currentTime + 0.05;
  const gains = {};
  for (const [side, buffer] of Object.entries(buffers)) {
    const gain = gains[side] = new GainNode(context, {gain: volume(side)});
    gain.connect(context.destination);
    for (const {at, offset, seconds} of sound[side].pieces) {
      const skipped = Math.max(0, from - at);
      if (skipped >= seconds) continue;
      const source = new AudioBufferSourceNode(context, {buffer});
      source.connect(gain);
      source.start(begin + Math.max(0, at - from), offset + skipped, seconds - skipped);
    }
  }
  const mine = playing = {context, gains, buffers};
  say($("sound-play"), "Pause");
  const step = () => {
    if (mine !== playing) return;
    move(from + Math.max(0, context.currentTime - begin));
    reached(position);
    if (position < span) requestAnimationFrame(step);
    else pause();
  };
  step();
}

function pause() {
  playing?.context.close();
  playing = null;
  say($("sound-play"), "Play");
  reached(null);
}
