"""Runs in build/peers: the official package's `live` resource talks to a simulator, and judges every event.

Reads `base_url`, `api_key` and `sound` (a question, PCM16 at 24 kHz in hex) on stdin; or `offer`, for a
session over WebRTC. Writes for each connection how many events of each type arrived, and those that the
package's own types do not accept in pydantic's strict mode.
"""

import asyncio
import base64
import json
import sys
from collections import Counter

import openai
import pydantic
from openai.types.live import ConnectServerEvent, ForkServerEvent, ServerEvent

PRIMARY, SIDEBAND, FORK = map(pydantic.TypeAdapter, (ServerEvent, ConnectServerEvent, ForkServerEvent))
FORECAST = {
    "type": "function",
    "name": "forecast",
    "description": "Weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
SESSION = {"model": "gpt-live-1", "instructions": "Be brief.", "store": True}
CRM = {
    "type": "mcp",
    "server_label": "crm",
    "server_url": "https://crm.example/mcp",
    "authorization": "token",
    "allowed_tools": {"tool_names": ["find"], "read_only": True},
    "require_approval": {"never": {"tool_names": ["find"]}},
    "allowed_callers": ["direct"],
    "defer_loading": False,
}
WEB = {"type": "web_search", "search_context_size": "low", "filters": {"allowed_domains": ["a.example"]}}
TOOLS = [FORECAST, CRM, WEB]
RESPONSES = {"type": "responses", "responses": {"model": "gpt-5.6-sol", "tools": TOOLS}}
STANDBY = {"idle_timeout_s": 30, "wake_policy": {"type": "speech", "vad_threshold": 0.4}}


class Judge:
    """What one connection has seen.

    Args:
        union: The package's events of that connection.
    """

    def __init__(self, union):
        self.union, self.types, self.faults = union, Counter(), []

    def see(self, data):
        event = json.loads(data)
        self.types[event["type"]] += 1
        try:
            self.union.validate_json(data, strict=True)
        except pydantic.ValidationError as error:
            self.faults.append([event["type"], data.decode()[:600], str(error)[:600]])
        if event["type"] == "error":
            raise AssertionError(event["error"])
        return event

    def report(self):
        return {"types": self.types, "faults": self.faults[:20]}


def until(connection, judge, type, nested=None):
    """Read events up to one of a type, or a `response.event` with one of a type."""
    while True:
        event = judge.see(connection.recv_bytes())
        if event["type"] == type and nested in (None, event.get("event", {}).get("type")):
            return event


def append(connection, sound):
    for start in range(0, len(sound), 19200):
        audio = base64.b64encode(sound[start : start + 19200]).decode()
        connection.session.input_audio.append(audio=audio)


def talk(client, sound):
    """Delegate to the client, with a sideband; then continue in a fork. Returns the reports."""
    primary, sideband, fork = Judge(PRIMARY), Judge(SIDEBAND), Judge(FORK)
    with client.live.connect() as connection:
        connection.session.start(session=SESSION)
        session_id = until(connection, primary, "session.started")["session"]["id"]
        with client.live.sideband.connect(session_id=session_id) as beside:
            append(connection, sound + bytes(96_000))
            delegation = until(connection, primary, "session.delegation.created")["delegation"]
            until(beside, sideband, "session.delegation.created")
            beside.session.thinking.append(content="14 degrees.", delegation_id=delegation["id"])
            connection.session.commentary.append(content="It is mild.", delegation_id=delegation["id"])
            connection.session.input_audio.mute()
            until(connection, primary, "session.input_audio.muted")
            append(connection, bytes(240_000))
            until(connection, primary, "session.commentary.appended")
            until(beside, sideband, "session.thinking.appended")
            connection.session.close()
            closed = until(connection, primary, "session.closed")
            until(beside, sideband, "session.closed")
            assert closed["reason"] == "close_requested"
    with client.live.forks.connect(session_id=session_id) as connection:
        connection.session.start(session={"store": False})
        assert until(connection, fork, "session.started")["session"]["instructions"] == "Be brief."
        connection.session.close()
        until(connection, fork, "session.closed")
    recording = client.live.sessions.download_recording(session_id).read()
    reports = {"primary": primary.report(), "sideband": sideband.report(), "fork": fork.report()}
    return {**reports, "recording": [recording[:4].decode(), len(recording) > 100_000]}


async def ask(client, sound):
    """Run a tool for the backend; returns the report."""
    judge = Judge(PRIMARY)

    async def until(type, nested=None):
        while True:
            event = judge.see(await asyncio.wait_for(connection.recv_bytes(), 30))
            if event["type"] == type and nested in (None, event.get("event", {}).get("type")):
                return event

    async with client.live.connect() as connection:
        await connection.session.start(session={**SESSION, "delegation": RESPONSES})
        await until("session.started")
        for start in range(0, len(sound), 19200):
            audio = base64.b64encode(sound[start : start + 19200]).decode()
            await connection.session.input_audio.append(audio=audio)
        done = await until("response.event", "response.output_item.done")
        item = {"type": "function_call_output", "call_id": done["event"]["item"]["call_id"], "output": "mild"}
        await connection.response.item.create(item=item)
        await connection.response.create()
        await until("response.event", "response.output_text.done")
        await connection.session.close()
        await until("session.closed")
    return judge.report()


def call(client, offer):
    """Create a session over WebRTC, attach to it, and hang up; returns the sideband's report."""
    session = {"model": "gpt-live-1.1", "instructions": "Be brief.", "delegation": RESPONSES, **STANDBY}
    made = client.live.create(session=session, transport={"type": "webrtc", "sdp": offer})
    assert made.transport.sdp.startswith("v=0")
    judge = Judge(SIDEBAND)
    with client.live.sideband.connect(session_id=made.session.id) as beside:
        client.live.sessions.hangup(made.session.id)
        until(beside, judge, "session.closed")
    return {"call": judge.report()}


def main(given):
    options = {"api_key": given["api_key"], "base_url": given["base_url"], "max_retries": 0}
    with openai.OpenAI(**options) as client:
        if "offer" in given:
            return call(client, given["offer"])
        sound = bytes.fromhex(given["sound"])
        reports = talk(client, sound)

    async def main():
        async with openai.AsyncOpenAI(**options) as client:
            reports["tools"] = await ask(client, sound + bytes(480_000))

    asyncio.run(main())
    return reports


json.dump(main(json.load(sys.stdin)), sys.stdout)
