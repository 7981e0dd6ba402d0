// The simulator over HTTP: its key, requests, and streams of events.

const KEPT = "realtime-simulator-key";

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Read the key from the address, where no server sees it, and remove it from there. */
export function readKey() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given) {
    sessionStorage.setItem(KEPT, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEPT);
}

export const keepKey = (key) => sessionStorage.setItem(KEPT, key);

async function request(path, options = {}) {
  const headers = {authorization: `Bearer ${sessionStorage.getItem(KEPT) ?? ""}`, ...options.headers};
  const response = await fetch(path, {...options, headers, cache: "no-store"}).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Error("The simulator does not answer.", {cause: error});
  });
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  throw new Refused(response.status, body?.error?.message ?? `The simulator answered ${response.status}.`);
}

export const get = async (path) => (await request(path)).json();
export const wav = async (path) => (await request(path)).arrayBuffer();
export const text = async (path) => (await request(path)).text();

/** Post an object as JSON, or anything else as it is. */
export function post(path, body = {}, type = "application/json") {
  const content = type === "application/json" ? JSON.stringify(body) : body;
  return request(path, {method: "POST", body: content, headers: type ? {"content-type": type} : {}});
}

/** Send a client event into a session. */
export const inject = (sessionId, event) => post(`/simulator/sessions/${encodeURIComponent(sessionId)}/inject`, event);

/** Yield the bytes of an address as they come. */
export async function* bytes(path, signal) {
  const reader = (await request(path, {signal})).body.getReader();
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    yield value;
  }
}

/** Yield the server-sent events of an address; `fetch` in place of EventSource, which has no headers. */
export async function* stream(path, signal) {
  const response = await request(path, {signal, headers: {accept: "text/event-stream"}});
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2)));
      if (fields.data) yield {type: fields.event ?? "message", data: JSON.parse(fields.data)};
    }
  }
}
