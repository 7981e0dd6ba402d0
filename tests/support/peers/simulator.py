"""Runs in build/peers: the official package talks to a simulator, and judges every event that comes.

Reads `base_url`, `api_key` and perhaps `call_id` (then it only goes beside that call) on stdin. Each script
below is run by the sync and by the async client. Writes for each run how many events of each type came,
and those that the package's own union does not take in pydantic's strict mode.
"""

import asyncio
import base64
import itertools
import json
import math
import struct
import sys
from collections import Counter

import openai
import pydantic
import websockets
from openai.types.realtime import RealtimeServerEvent, RealtimeTranslationServerEvent

CONVERSATION = pydantic.TypeAdapter(RealtimeServerEvent)
TRANSLATION = pydantic.TypeAdapter(RealtimeTranslationServerEvent)
TIMEOUT = 30
# The pitch of a voice is never steady.
CYCLES = itertools.accumulate((130 + 10 * math.sin(math.pi * n / 4000)) / 24000 for n in range(24000))
VOWEL = b"".join(struct.pack("<h", int(18000 * (cycles % 1) - 9000)) for cycles in CYCLES)


def append(sound, type="input_audio_buffer.append"):
    for start in range(0, len(sound), 19200):
        yield {"type": type, "audio": base64.b64encode(sound[start : start + 19200]).decode()}


def user(text):
    content = [{"type": "input_text", "text": text}]
    return {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": content},
    }


def update(**fields):
    return {"type": "session.update", "session": {"type": "realtime", **fields}}


CREATE = {"type": "response.create"}


# A script yields events to send, and types of events to wait for; it gets the event that it waited for.


def text():
    yield "session.created"
    yield update(output_modalities=["text"], instructions="Be brief.", tracing="auto", max_output_tokens=200)
    updated = yield "session.updated"
    assert updated.session.instructions == "Be brief."
    yield user("good morning")
    yield {"type": "response.create", "response": {"metadata": {"topic": "weather"}}}
    done = yield "response.done"
    assert done.response.metadata == {"topic": "weather"}
    assert "good morning" in done.response.output[0].content[0].text
    assert (
        done.response.usage.total_tokens
        == done.response.usage.input_tokens + done.response.usage.output_tokens
    )
    yield "rate_limits.updated"
    yield {
        "type": "response.create",
        "response": {"conversation": "none", "input": [], "metadata": {"a": "b"}},
    }
    yield "response.done"
    yield {"type": "response.cancel", "event_id": "nothing-to-cancel"}
    error = yield "error"
    assert error.error.event_id == "nothing-to-cancel"


def voice():
    yield "session.created"
    transcription = {"model": "gpt-4o-transcribe", "language": "en"}
    detection = {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 400, "idle_timeout_ms": 6000}
    yield update(
        audio={
            "input": {"transcription": transcription, "turn_detection": detection},
            "output": {"voice": "marin", "speed": 1.2},
        },
        include=["item.input_audio_transcription.logprobs"],
    )
    yield "session.updated"
    yield from append(bytes(24000) + VOWEL + bytes(48000))
    yield "input_audio_buffer.speech_started"
    committed = yield "input_audio_buffer.committed"
    yield "conversation.item.input_audio_transcription.completed"
    done = yield "response.done"
    said = done.response.output[0]
    assert said.content[0].transcript
    yield {"type": "conversation.item.retrieve", "item_id": committed.item_id}
    retrieved = yield "conversation.item.retrieved"
    assert len(base64.b64decode(retrieved.item.content[0].audio)) > len(VOWEL)
    cut = {"type": "conversation.item.truncate", "item_id": said.id, "content_index": 0, "audio_end_ms": 300}
    yield cut
    yield "conversation.item.truncated"
    yield {"type": "conversation.item.delete", "item_id": said.id}
    yield "conversation.item.deleted"
    yield {**cut, "event_id": "gone"}
    yield "error"
    yield from append(VOWEL)
    yield {"type": "input_audio_buffer.clear"}
    yield "input_audio_buffer.cleared"


def telephone():
    yield "session.created"
    form = {"format": {"type": "audio/pcmu"}}
    yield update(audio={"input": {**form, "turn_detection": None}, "output": form})
    yield "session.updated"
    yield from append(b"\xff" * 8000)
    yield {"type": "input_audio_buffer.commit"}
    yield "conversation.item.done"
    yield CREATE
    yield "response.done"
    detection = {"type": "semantic_vad", "eagerness": "high"}
    yield update(audio={"input": {"turn_detection": detection, "transcription": {"model": "whisper-1"}}})
    yield "session.updated"
    yield update(audio={"input": {"transcription": {"model": "gpt-4o-transcribe-diarize"}}})
    yield "session.updated"
    yield from append(b"\xff" * 8000)
    yield {"type": "input_audio_buffer.commit"}
    yield "conversation.item.input_audio_transcription.completed"


def tools():
    yield "session.created"
    function = {"type": "function", "name": "book_room", "parameters": {"type": "object", "properties": {}}}
    server = {"type": "mcp", "server_label": "shop", "server_url": "https://shop.example"}
    yield update(tools=[function, server], output_modalities=["text"])
    yield "mcp_list_tools.completed"
    yield user("tool")
    yield CREATE
    call = yield "response.function_call_arguments.done"
    yield "response.done"
    output = {"type": "function_call_output", "call_id": call.call_id, "output": '{"ok": true}'}
    yield {"type": "conversation.item.create", "item": output}
    yield user("mcp")
    yield CREATE
    done = yield "response.done"
    request = done.response.output[0]
    assert request.type == "mcp_approval_request"
    answer = {
        "type": "mcp_approval_response",
        "id": "mcpr_1",
        "approval_request_id": request.id,
        "approve": True,
    }
    yield {"type": "conversation.item.create", "item": answer}
    yield "response.mcp_call.completed"
    yield "response.done"
    yield user("fail")
    yield CREATE
    done = yield "response.done"
    assert done.response.status == "failed"
    yield user("more")
    yield {"type": "response.create", "response": {"max_output_tokens": 1}}
    done = yield "response.done"
    assert done.response.status == "incomplete"
    yield update(modalities=["text"])
    error = yield "error"
    assert error.error.param == "session.modalities"


def transcription():
    created = yield "session.created"
    assert created.session.type == "transcription"
    heard = {"transcription": {"model": "gpt-4o-transcribe"}}
    yield {"type": "session.update", "session": {"type": "transcription", "audio": {"input": heard}}}
    yield "session.updated"
    yield from append(bytes(24000) + VOWEL + bytes(48000))
    completed = yield "conversation.item.input_audio_transcription.completed"
    assert completed.transcript


def translation():
    yield "session.created"
    audio = {"output": {"language": "es"}, "input": {"transcription": {"model": "gpt-4o-transcribe"}}}
    yield {"type": "session.update", "session": {"audio": audio}}
    yield "session.updated"
    yield from append(bytes(24000) + VOWEL + bytes(48000), "session.input_audio_buffer.append")
    yield "session.output_audio.delta"
    yield {"type": "session.close"}
    yield "session.closed"


def beside():
    yield update(instructions="From the side.")
    yield "session.updated"
    yield CREATE
    yield "response.done"
    yield "output_audio_buffer.stopped"


class Run:
    """What one run has seen."""

    def __init__(self, script, union):
        self.script = script()
        self.union = union
        self.types = []
        self.faults = []

    def step(self, came=None):
        try:
            return self.script.send(came)
        except StopIteration:
            return None

    def judge(self, data):
        self.types.append(json.loads(data)["type"])
        try:
            self.union.validate_json(data, strict=True)
        except pydantic.ValidationError as error:
            if len(self.faults) < 20:
                kind = json.loads(data)["type"]
                own = [fault for fault in error.errors() if fault["type"] != "literal_error"]
                self.faults.append([kind, data.decode()[:600], str(own)[:600]])

    def report(self):
        return {"types": Counter(self.types), "faults": self.faults}


def run(connection, run):
    step = run.step()
    while step is not None:
        came = None
        if isinstance(step, dict):
            connection.send(step)
        else:
            while came is None or came.type != step:
                data = connection.recv_bytes()
                run.judge(data)
                came = connection.parse_event(data)
        step = run.step(came)
    return run.report()


async def arun(connection, run):
    step = run.step()
    while step is not None:
        came = None
        if isinstance(step, dict):
            await connection.send(step)
        else:
            while came is None or came.type != step:
                data = await asyncio.wait_for(connection.recv_bytes(), TIMEOUT)
                run.judge(data)
                came = connection.parse_event(data)
        step = run.step(came)
    return run.report()


def connects(client, given):
    if "call_id" in given:
        yield beside, CONVERSATION, lambda: client.realtime.connect(call_id=given["call_id"])
        return
    for script in (text, voice, telephone, tools):
        yield script, CONVERSATION, lambda: client.realtime.connect(model="gpt-realtime")
    query = {"intent": "transcription"}
    yield transcription, CONVERSATION, lambda: client.realtime.connect(extra_query=query)
    model = "gpt-realtime-translate"
    yield translation, TRANSLATION, lambda: client.realtime.translations.connect(model=model)


def main(given):
    options = {"api_key": given["api_key"], "base_url": given["base_url"], "max_retries": 0}
    reports = {}
    with openai.OpenAI(**options) as client:
        for script, union, connect in connects(client, given):
            with connect() as connection:
                reports[f"sync {script.__name__}"] = run(connection, Run(script, union))
        if "call_id" not in given:
            secret = client.realtime.client_secrets.create(
                session={"type": "realtime", "model": "gpt-realtime"}
            )
            with (
                openai.OpenAI(**options | {"api_key": secret.value}) as browser,
                browser.realtime.connect(model="gpt-realtime") as connection,
            ):
                reports["sync secret"] = run(connection, Run(text, CONVERSATION))
            with (
                openai.OpenAI(**options | {"api_key": "sk-wrong"}) as refused,
                refused.realtime.connect(model="gpt-realtime") as connection,
            ):
                code = json.loads(connection.recv_bytes())["error"]["code"]
                try:
                    connection.recv_bytes()
                except websockets.exceptions.ConnectionClosed as closed:
                    reports["refused"] = [code, closed.rcvd.code]

    async def main():
        async with openai.AsyncOpenAI(**options) as client:
            for script, union, connect in connects(client, given):
                async with connect() as connection:
                    reports[f"async {script.__name__}"] = await arun(connection, Run(script, union))

    asyncio.run(main())
    return reports


json.dump(main(json.load(sys.stdin)), sys.stdout)
