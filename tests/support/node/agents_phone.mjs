// Runs in build/node: the agents SDK for JavaScript answers the phone; prints JSON objects, one a line.
// The official package unwraps the webhook and accepts with the payload that the SDK builds; then the SDK attaches to
// the call. The agent has one tool that answers, one that refers the caller and one that hangs up.
import http from "node:http";
import { OpenAIRealtimeSIP, RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import OpenAI from "openai";
import { z } from "zod";

const CALLS = 2;
const client = new OpenAI();
const print = (line) => console.log(JSON.stringify(line));
const options = {
  model: "gpt-realtime",
  config: {
    audio: {
      input: {
        turnDetection: { type: "semantic_vad", interruptResponse: true },
        transcription: { model: "gpt-4o-mini-transcribe", language: "en" },
      },
    },
  },
};

function agentFor(call, called) {
  const weather = tool({
    name: "get_weather",
    description: "Return the weather.",
    parameters: z.object({ city: z.string() }),
    execute: async ({ city }) => (called.push(["get_weather", city]), "sunny"),
  });
  const transfer = tool({
    name: "transfer",
    description: "Transfer the caller.",
    parameters: z.object({ number: z.string() }),
    execute: async ({ number }) => {
      called.push(["transfer", number]);
      await client.realtime.calls.refer(call, { target_uri: `tel:${number}` });
      return "transferred";
    },
  });
  const hangUp = tool({
    name: "hang_up",
    description: "Hang up.",
    parameters: z.object({}),
    execute: async () => {
      called.push(["hang_up"]);
      await client.realtime.calls.hangup(call);
      return "done";
    },
  });
  return new RealtimeAgent({ name: "Desk", instructions: "Be brief.", tools: [weather, transfer, hangUp] });
}

async function attend(call) {
  const [called, errors, seen] = [[], [], new Set()];
  const agent = agentFor(call, called);
  await client.realtime.calls.accept(call, await OpenAIRealtimeSIP.buildInitialConfig(agent, options));
  const session = new RealtimeSession(agent, { transport: new OpenAIRealtimeSIP(), ...options });
  session.on("error", ({ error }) => errors.push(error?.error?.message ?? error?.message ?? String(error)));
  session.transport.on("*", (event) => seen.add(event.type));
  const ended = new Promise((resolve) => {
    session.transport.on("connection_change", (status) => status === "disconnected" && resolve());
  });
  const url = `${process.env.OPENAI_BASE_URL.replace("http", "ws")}/realtime?call_id=${call}`;
  await session.connect({ apiKey: process.env.OPENAI_API_KEY, callId: call, url });
  session.transport.sendEvent({ type: "response.create" });
  await ended;
  session.close();
  const again = await client.realtime.calls.hangup(call).catch((error) => error);
  const said = session.history
    .filter((item) => item.type === "message")
    .map((item) => [item.role, item.content.map((part) => part.transcript ?? "").join(" ")]);
  print({ called, errors, said, seen: [...seen].sort(), again: again.code });
}

let attended = 0;
const server = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const event = await client.webhooks.unwrap(Buffer.concat(chunks).toString(), request.headers);
  response.end();
  print({ webhook: event.type, caller: event.data.sip_headers.find(({ name }) => name === "From").value });
  await attend(event.data.call_id);
  attended += 1;
  if (attended === CALLS) process.exit(0);
});
server.listen(0, "127.0.0.1", () => print({ listens: server.address().port }));
