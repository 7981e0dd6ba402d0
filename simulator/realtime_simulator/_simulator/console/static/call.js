// A call of this page's own: WebRTC with the microphone or a test tone, its sound levels, mute and hang up.

import {post} from "./api.js";
import {$, on, say} from "./dom.js";

const TONE_SECONDS = 1.5;
const SESSION = {
  type: "realtime",
  model: "gpt-realtime-2.1",
  audio: {input: {transcription: {model: "gpt-realtime-whisper"}}},
  tools: [{
    type: "function", name: "get_weather", description: "Tells the weather in a city.",
    parameters: {type: "object", properties: {city: {type: "string"}}, required: ["city"]},
  }],
};

const WITHOUT_MICROPHONE = {
  NotAllowedError: "The browser refuses the microphone. Allow it for this page, or use the test tone.",
  NotFoundError: "No microphone was found. Connect one, or use the test tone.",
};

let call = null;

/** Bind the controls; `begun` is called with the id of each call that this page makes. */
export function bind(begun) {
  $("call-session").value = JSON.stringify(SESSION, null, 2);
  on("call-form", "submit", async () => {
    $("call-start").disabled = true;
    try {
      begun(await start($("call-form").elements.source.value, $("call-session").value));
    } catch (error) {
      end(error.name in WITHOUT_MICROPHONE ? "Without a microphone." : "The call failed.");
      throw new Error(WITHOUT_MICROPHONE[error.name] ?? error.message, {cause: error});
    } finally {
      $("call-start").disabled = false;
    }
  });
  on("call-mute", "click", () => mute($("call-mute").getAttribute("aria-pressed") !== "true"));
  on("call-tone", "click", () => call?.tone?.());
  on("call-end", "click", async () => {
    const mine = call;
    if (!mine) return;
    mine.isLeaving = true;
    try {
      if (mine.id) await post(`/v1/realtime/calls/${mine.id}/hangup`, "", null);
    } finally {
      if (mine === call) end("You hung up.");
    }
  });
}

/** Show that a call has ended elsewhere. */
export function ended(callId, why) {
  if (call?.id === callId && !call.isLeaving) end(`The call has ended: ${why}.`);
}

async function start(source, session) {
  const form = new FormData();
  form.set("session", JSON.stringify(JSON.parse(session)));
  say($("call-state"), source === "tone" ? "Connecting…" : "Waiting for the microphone…");
  call = {peer: new RTCPeerConnection(), ...(source === "tone" ? tone() : await microphone())};
  const mine = call;
  mine.peer.ontrack = ({streams, track}) => { $("call-audio").srcObject = streams[0] ?? new MediaStream([track]); };
  mine.peer.onconnectionstatechange = () => {
    if (mine !== call || mine.peer.connectionState !== "failed") return;
    end("No audio: the browser cannot reach any address of the simulator.");
  };
  mine.peer.addTrack(mine.track);
  mine.channel = mine.peer.createDataChannel("oai-events");
  mine.channel.onopen = () => say($("call-state"), "In a call.");
  mine.channel.onclose = () => { if (mine === call && !mine.isLeaving) end("The call has ended."); };
  await mine.peer.setLocalDescription(await mine.peer.createOffer());
  say($("call-state"), "Connecting…");
  form.set("sdp", mine.peer.localDescription.sdp);
  const answer = await post("/v1/realtime/calls", form, null);
  const kind = answer.headers.get("content-type") ?? "";
  if (kind.includes("json")) throw new Error(`Expected an SDP answer, got ${kind}.`);
  mine.id = answer.headers.get("location")?.split("/").pop();
  await mine.peer.setRemoteDescription({type: "answer", sdp: await answer.text()});
  mine.timer = setInterval(() => measure(mine), 100);
  show(true);
  return mine.id;
}

async function microphone() {
  const stream = await navigator.mediaDevices.getUserMedia({audio: {echoCancellation: true, noiseSuppression: true}});
  return {track: stream.getAudioTracks()[0]};
}

/** Return a track that is silent but for a voice-like tone each time that `tone` is called. */
function tone() {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  const silence = new ConstantSourceNode(context, {offset: 0});  // without it nothing is sent between the tones
  silence.connect(out);
  silence.start();
  const play = () => {
    const wave = new OscillatorNode(context, {type: "sawtooth", frequency: 130});
    const wobble = new OscillatorNode(context, {frequency: 3});  // the pitch of a voice is never steady
    wobble.connect(new GainNode(context, {gain: 10})).connect(wave.frequency);
    wave.connect(new GainNode(context, {gain: 0.3})).connect(out);
    for (const node of [wave, wobble]) {
      node.start();
      node.stop(context.currentTime + TONE_SECONDS);
    }
  };
  return {track: out.stream.getAudioTracks()[0], tone: play, context};
}

function mute(isMuted) {
  if (!call) return;
  call.track.enabled = !isMuted;
  $("call-mute").setAttribute("aria-pressed", String(isMuted));
  say($("call-state"), isMuted ? "In a call, muted." : "In a call.");
}

async function measure(mine) {
  for (const report of (await mine.peer.getStats()).values()) {
    if (report.kind !== "audio") continue;
    if (report.type === "media-source") level("meter-in", mine.track.enabled ? report.audioLevel : 0);
    if (report.type === "inbound-rtp") level("meter-out", report.audioLevel);
  }
}

function level(id, value = 0) {
  const percent = Math.min(100, Math.round(Math.sqrt(value) * 100));  // loudness as it is heard, roughly
  $(id).setAttribute("aria-valuenow", percent);
  $(id).firstElementChild.style.transform = `scaleX(${percent / 100})`;
}

function show(isLive) {
  $("call-form").hidden = isLive;
  $("call-live").hidden = !isLive;
  $("call-tone").hidden = !call?.tone;
  $("call-mute").setAttribute("aria-pressed", "false");
  for (const id of ["meter-in", "meter-out"]) level(id);
}

function end(why) {
  const was = call;
  call = null;
  clearInterval(was?.timer);
  was?.peer.close();
  was?.track?.stop();
  was?.context?.close();
  $("call-audio").srcObject = null;
  show(false);
  say($("call-state"), why);
}
