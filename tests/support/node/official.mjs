// Runs in build/node: the official package for Node against a simulator, with the environment alone to go by.
// It asks by WebSocket with a tool, then waits for a phone call's webhook and answers it. Each line that it
// prints is a JSON object.
import http from "node:http";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

const client = new OpenAI();
const print = (line) => console.log(JSON.stringify(line));
const weather = {
  type: "function",
  name: "get_weather",
  parameters: { type: "object", properties: { city: { type: "string" } } },
};

/** Answers each tool call, and resolves with the text of the first response that has one. */
function converse(realtime, seen) {
  return new Promise((resolve, reject) => {
    realtime.on("event", (event) => seen.add(event.type));
    realtime.on("error", reject);
    realtime.on("response.done", ({ response }) => {
      const [item] = response.output;
      if (item?.type === "function_call") {
        const output = { type: "function_call_output", call_id: item.call_id, output: "sunny" };
        realtime.send({ type: "conversation.item.create", item: output });
        realtime.send({ type: "response.create" });
      } else resolve(item.content[0].transcript ?? item.content[0].text);
    });
  });
}

const secret = await client.realtime.clientSecrets.create({ session: { type: "realtime", model: "gpt-realtime" } });
print({ secret: secret.value.slice(0, 3), session: secret.session.type });

const realtime = new OpenAIRealtimeWS({ model: "gpt-realtime" }, client);
const seen = new Set();
const said = converse(realtime, seen);
realtime.on("session.created", () => {
  const session = { type: "realtime", model: "gpt-realtime", output_modalities: ["text"], tools: [weather] };
  realtime.send({ type: "session.update", session });
  const content = [{ type: "input_text", text: "What is the weather like?" }];
  realtime.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
  realtime.send({ type: "response.create" });
});
print({ said: await said, seen: [...seen].sort() });
realtime.close();

const refused = new OpenAIRealtimeWS({ model: "gpt-realtime" }, new OpenAI({ apiKey: "sk-wrong" }));
refused.on("error", () => {});
refused.on("event", (event) => print({ refused: event.error.code }));
await new Promise((resolve) => refused.socket.on("close", (code) => resolve(print({ close: code }))));

const server = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const event = await client.webhooks.unwrap(Buffer.concat(chunks).toString(), request.headers);
  response.end();
  const call = event.data.call_id;
  await client.realtime.calls.accept(call, { type: "realtime", model: "gpt-realtime", tools: [weather] });
  const sideband = new OpenAIRealtimeWS({ callID: call }, client);
  const heard = converse(sideband, new Set());
  sideband.socket.on("open", () => sideband.send({ type: "response.create" }));
  print({ webhook: event.type, phone: await heard });
  await client.realtime.calls.hangup(call);
  const again = await client.realtime.calls.hangup(call).catch((error) => error);
  print({ again: again.code });
  process.exit(0);
});
server.listen(0, "127.0.0.1", () => print({ listens: server.address().port }));
