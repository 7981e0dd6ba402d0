// Runs in build/node: the agents SDK for JavaScript against a simulator; prints what it understood as JSON.
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { z } from "zod";

const called = [];
const errors = [];
const weather = tool({
  name: "get_weather",
  description: "Return the weather.",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => (called.push(city), "sunny"),
});
const url = `${process.env.OPENAI_BASE_URL.replace("http", "ws")}/realtime?model=gpt-realtime`;
const transport = new OpenAIRealtimeWebSocket({ url, useInsecureApiKey: true });
const agent = new RealtimeAgent({ name: "Desk", instructions: "Be brief.", tools: [weather] });
const session = new RealtimeSession(agent, { transport, model: "gpt-realtime" });
session.on("error", (error) => errors.push(error));
const answered = new Promise((resolve) => {
  session.on("history_updated", (history) => {
    const said = history.at(-1)?.content?.[0]?.transcript;
    if (said && called.length && history.at(-1).status === "completed") resolve(said);
  });
});
await session.connect({ apiKey: process.env.OPENAI_API_KEY });
session.sendMessage("What is the weather like?");
console.log(JSON.stringify({ said: await answered, called, errors, kinds: session.history.map((item) => item.type) }));
process.exit(0);
