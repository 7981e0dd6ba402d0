// Runs in a page that serves the agents SDK for browsers: calls by WebRTC with the page's microphone, asks with a tool,
// interrupts what is said then, and returns what it understood.
async ([address, secret]) => {
  const { OpenAIRealtimeWebRTC, RealtimeAgent, RealtimeSession, tool } = await import("/openai-realtime-agents.mjs");
  const called = [];
  const errors = [];
  const seen = new Set();
  const weather = tool({
    name: "get_weather",
    description: "Return the weather.",
    strict: false,
    parameters: { type: "object", properties: { city: { type: "string" } }, required: [], additionalProperties: true },
    execute: async ({ city }) => (called.push(city), "sunny"),
  });
  const transport = new OpenAIRealtimeWebRTC({ baseUrl: `${address}/realtime/calls` });
  const agent = new RealtimeAgent({ name: "Desk", instructions: "Be brief.", tools: [weather] });
  // The fake microphone beeps, which is not to be taken for speech.
  const config = { audio: { input: { turnDetection: null } } };
  const session = new RealtimeSession(agent, { transport, model: "gpt-realtime", config });
  session.on("error", ({ error }) => errors.push(JSON.stringify(error)));
  const happened = (type) =>
    new Promise((resolve) => {
      transport.on("*", (event) => {
        seen.add(event.type);
        if (event.type === type) resolve();
      });
    });
  const [started, cleared] = [happened("output_audio_buffer.started"), happened("output_audio_buffer.cleared")];
  const said = new Promise((resolve) => {
    session.on("history_updated", (history) => {
      const last = history.at(-1);
      if (called.length && last?.role === "assistant" && last.status === "completed") resolve(last.content[0].transcript);
    });
  });
  const converse = async () => {
    await session.connect({ apiKey: secret });
    session.sendMessage("What is the weather like?");
    await started;
    const words = await said;
    session.interrupt();
    await cleared;
    return words;
  };
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`stuck after ${[...errors, ...seen]}`)), 60_000);
  });
  const words = await Promise.race([converse(), late]);
  const call = transport.callId;
  session.close();
  return { said: words, called, errors, seen: [...seen], call };
};
