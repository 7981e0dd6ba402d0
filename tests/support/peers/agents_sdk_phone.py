"""Runs in build/peers: the agents SDK for Python answers the phone; prints JSON objects, one a line.

It waits for webhooks, unwraps them by the official package, accepts calls with the payload that the SDK
builds, and attaches to them. The agent has one tool that answers, one that refers the caller and one that
hangs up.
"""

import asyncio
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from agents import function_tool, set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimeModelSendRawMessage, RealtimeRunner
from agents.realtime.openai_realtime import OpenAIRealtimeSIPModel
from openai import AsyncOpenAI, NotFoundError
from websockets.exceptions import ConnectionClosedError

CALLS = 2
SETTINGS = {
    "turn_detection": {"type": "semantic_vad", "interrupt_response": True},
    "input_audio_transcription": {"model": "gpt-4o-mini-transcribe", "language": "en"},
}


def show(**facts):
    print(json.dumps(facts), flush=True)


def agent_for(client, call_id, called):
    @function_tool
    def get_weather(city: str) -> str:
        """Return the weather."""
        called.append(["get_weather", city])
        return "sunny"

    @function_tool
    async def transfer(number: str) -> str:
        """Transfer the caller."""
        called.append(["transfer", number])
        await client.realtime.calls.refer(call_id, target_uri=f"tel:{number}")
        return "transferred"

    @function_tool
    async def hang_up() -> str:
        """Hang up."""
        called.append(["hang_up"])
        await client.realtime.calls.hangup(call_id)
        return "done"

    return RealtimeAgent(name="Desk", instructions="Be brief.", tools=[get_weather, transfer, hang_up])


def text_of(item):
    return " ".join(filter(None, (getattr(part, "transcript", None) for part in item.content)))


async def attend(client, call_id):
    called, errors, seen, history = [], [], set(), []
    agent = agent_for(client, call_id, called)
    config = {"initial_model_settings": SETTINGS}
    payload = await OpenAIRealtimeSIPModel.build_initial_session_payload(agent, model_config=config)
    await client.realtime.calls.accept(call_id, **payload.model_dump(exclude_none=True))
    url = f"{os.environ['OPENAI_BASE_URL'].replace('http', 'ws', 1)}/realtime?call_id={call_id}"
    config |= {"call_id": call_id, "url": url, "api_key": os.environ["OPENAI_API_KEY"]}
    session = await RealtimeRunner(agent, model=OpenAIRealtimeSIPModel()).run(model_config=config)
    try:
        async with session:
            await session.model.send_event(RealtimeModelSendRawMessage(message={"type": "response.create"}))
            async for event in session:
                if event.type == "error":
                    errors.append(str(event.error))
                elif event.type == "history_updated":
                    history = event.history
                elif event.type == "raw_model_event" and isinstance(getattr(event.data, "data", None), dict):
                    seen.add(event.data.data.get("type"))
    except ConnectionClosedError as closed:
        errors.append("cut" if closed.rcvd is None else str(closed.rcvd.code))
    again = None
    try:
        await client.realtime.calls.hangup(call_id)
    except NotFoundError as error:
        again = error.code
    said = [[item.role, text_of(item)] for item in history if item.type == "message"]
    show(called=called, errors=errors, said=said, seen=sorted(seen), again=again)


async def main():
    set_tracing_disabled(True)
    loop, incoming = asyncio.get_running_loop(), asyncio.Queue()
    client = AsyncOpenAI()  # address, key and webhook secret are the environment's

    class Webhooks(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            event = client.webhooks.unwrap(body, self.headers)
            loop.call_soon_threadsafe(incoming.put_nowait, event)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Webhooks) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        show(listens=server.server_port)
        for _ in range(CALLS):
            event = await incoming.get()
            headers = {header.name: header.value for header in event.data.sip_headers}
            show(webhook=event.type, caller=headers["From"])
            await attend(client, event.data.call_id)
        server.shutdown()


asyncio.run(main())
