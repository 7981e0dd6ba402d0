"""Checks without responses: sessions, items, the input buffer, client secrets, calls that do not exist."""

from __future__ import annotations

import base64
import json
import math
import struct
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import httpx

from realtime_simulator._consistency import faults
from realtime_simulator._core import schema
from realtime_simulator._suite.check import Check, Run, add, check
from realtime_simulator._suite.refusals import error_of
from realtime_simulator._suite.target import Event, Failed, Socket, Target, expect, field

_DESCRIBED = "API description"
_RECORDED = "recordings of the service, 2026"
_CONVERSATION = ("conversation",)
_SHOP = {"type": "function", "name": "look_up", "description": "Look up.", "parameters": {"type": "object"}}


def text(role: str, words: str, **more: Any) -> Event:
    """Return a message."""
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": words}], **more}


def sound(milliseconds: int) -> str:
    """Return a vowel-like sound, PCM16 at 24 kHz in base64."""
    count = milliseconds * 24
    waves = (
        sum(math.sin(2 * math.pi * 140 * n * at / 24000) / n for n in range(1, 12)) for at in range(count)
    )
    return base64.b64encode(struct.pack(f"<{count}h", *(int(5000 * wave) for wave in waves))).decode()


@check("S01", "sessions", "the first event is session.created with an id", _DESCRIBED, needs=())
async def first_event(target: Target) -> None:
    async with target.socket() as socket:
        event = await socket.next()
        kind = event["type"]
        shown = f"the error {json.dumps(event.get('error'))[:500]}" if kind == "error" else kind
        expect(kind == "session.created", f"expected session.created, got {shown}")
        got = field(event, "session").get("id")
        expect(isinstance(got, str) and got, f"expected an id of the session, got {got!r}")


@check("S02", "sessions", "a conversation's session describes itself", _RECORDED)
async def kind_of_session(target: Target) -> None:
    async with target.socket() as socket:
        session = field(await socket.until("session.created"), "session")
        got = session.get("object"), session.get("type")
        expect(got == ("realtime.session", "realtime"), f"expected object and type, got {got}")


@check("S03", "sessions", "the model of the address is the session's", _RECORDED, needs=("current", "names"))
async def model(target: Target) -> None:
    async with target.socket() as socket:
        got = field(await socket.until("session.created"), "session").get("model")
        expect(str(got).startswith(target.model), f"expected the model {target.model!r}, got {got!r}")


@check("S04", "sessions", "two sessions have different ids", _DESCRIBED, needs=())
async def different_ids(target: Target) -> None:
    ids = []
    for _ in range(2):
        async with target.socket() as socket:
            ids.append(field(await socket.until("session.created"), "session").get("id"))
    expect(ids[0] != ids[1], f"both sessions are {ids[0]!r}")


@check("S05", "sessions", "a session expires in the future", _RECORDED, needs=("current", "names"))
async def expiry(target: Target) -> None:
    async with target.socket() as socket:
        got = field(await socket.until("session.created"), "session").get("expires_at")
        expect(
            isinstance(got, int) and 0 < got - time.time() < 86400, f"expected an hour from now, got {got!r}"
        )


@check("S06", "sessions", "unset fields of a session are null, not absent", _RECORDED)
async def nulls(target: Target) -> None:
    async with target.socket() as socket:
        session = field(await socket.until("session.created"), "session")
        absent = [name for name in ("tracing", "prompt") if name not in session]
        expect(not absent, f"absent: {', '.join(absent)}")


@check("S07", "sessions", "another model in session.update is ignored",
       "CopilotKit/aimock; pipecat-ai/pipecat",
       needs=("current", "names"))  # fmt: skip
async def other_model(target: Target) -> None:
    async with target.socket() as socket:
        before = field(await socket.until("session.created"), "session").get("model")
        got = (await socket.update(model="gpt-realtime-mini", instructions="Be brief.")).get("model")
        expect(got == before, f"expected the model {before!r}, got {got!r}")


@check("S08", "sessions", "empty instructions restore the default", _RECORDED)
async def default_instructions(target: Target) -> None:
    async with target.session() as socket:
        got = (await socket.update(instructions="")).get("instructions")
        expect(got, f"expected the default instructions, got {got!r}")


@check("S09", "sessions", "an update does not change other fields", _DESCRIBED, _CONVERSATION)
async def partial_update(target: Target) -> None:
    async with target.session() as socket:
        await socket.update(instructions="Be brief.")
        got = (await socket.update(output_modalities=["text"])).get("instructions")
        expect(got == "Be brief.", f"expected the instructions of the update before, got {got!r}")


@check(
    "S10", "sessions", "a transcription session describes itself", "a probe of the service, September 2026"
)
async def transcription_session(target: Target) -> None:
    async with target.socket(query={"intent": "transcription"}) as socket:
        session = field(await socket.until("session.created"), "session")
        got = session.get("object"), session.get("type")
        wanted = ("realtime.transcription_session", "transcription")
        expect(got == wanted, f"expected object and type {wanted}, got {got}")


def _shows(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> Run:
    async def run(target: Target) -> None:
        async with target.session() as socket:
            _compare(await socket.update(**given), wanted, "session")

    return run


def _compare(got: Any, wanted: Any, at: str) -> None:
    if isinstance(wanted, Mapping) and isinstance(got, Mapping):
        for name, value in wanted.items():
            expect(name in got, f"{at}.{name} is absent")
            _compare(got[name], value, f"{at}.{name}")
    else:
        expect(got == wanted, f"expected {wanted!r} at {at}, got {got!r}")


def _of_input(**fields: Any) -> dict[str, Any]:
    return {"audio": {"input": fields}}


_SHOWN: list[tuple[str, dict[str, Any]]] = [
    ("instructions", {"instructions": "Answer in one word."}),
    ("text as the output", {"output_modalities": ["text"]}),
    ("tools", {"tools": [_SHOP]}),
    ("the choice of tools", {"tools": [_SHOP], "tool_choice": "required"}),
    ("no turn detection", _of_input(turn_detection=None)),
    (
        "turn detection by volume",
        _of_input(turn_detection={"type": "server_vad", "silence_duration_ms": 700}),
    ),
    ("semantic turn detection", _of_input(turn_detection={"type": "semantic_vad", "eagerness": "low"})),
    ("µ-law audio", _of_input(format={"type": "audio/pcmu"})),
    ("A-law audio", _of_input(format={"type": "audio/pcma"})),
    ("transcription", _of_input(transcription={"model": "whisper-1"})),
    ("noise reduction", _of_input(noise_reduction={"type": "near_field"})),
    ("a limit of tokens", {"max_output_tokens": 200}),
]
for _number, (_what, _given) in enumerate(_SHOWN, 11):
    add(
        Check(f"S{_number}", "sessions", f"session.updated shows {_what}", _DESCRIBED, _shows(_given, _given))
    )


# Items


@check("I01", "items", "a created item is added, then done", _RECORDED)
async def added_and_done(target: Target) -> None:
    async with target.session() as socket:
        added = field(await socket.create_item(text("user", "Hello.")), "item")
        done = field(await socket.until("conversation.item.done"), "item")
        expect(added.get("id") == done.get("id"), f"added was {added.get('id')!r}, done {done.get('id')!r}")
        expect(
            done.get("status") == "completed", f"expected the status completed, got {done.get('status')!r}"
        )


@check("I02", "items", "an item names its predecessor", _RECORDED, _CONVERSATION)
async def predecessor(target: Target) -> None:
    async with target.session() as socket:
        first = await socket.create_item(text("user", "One."))
        second = await socket.create_item(text("user", "Two."))
        expect(first.get("previous_item_id") is None, f"the first follows {first.get('previous_item_id')!r}")
        wanted, got = field(first, "item").get("id"), second.get("previous_item_id")
        expect(got == wanted, f"expected previous_item_id {wanted!r}, got {got!r}")


@check("I03", "items", "an item keeps the id that the client chose", _DESCRIBED, _CONVERSATION)
async def own_id(target: Target) -> None:
    async with target.session() as socket:
        got = field(await socket.create_item(text("user", "Hello.", id="item_own")), "item").get("id")
        expect(got == "item_own", f"expected the id 'item_own', got {got!r}")


@check("I04", "items", "an item can be retrieved", _DESCRIBED, _CONVERSATION)
async def retrieved(target: Target) -> None:
    async with target.session() as socket:
        await socket.create_item(text("user", "Hello.", id="item_own"))
        await socket.send("conversation.item.retrieve", item_id="item_own")
        item = field(await socket.until("conversation.item.retrieved"), "item")
        _compare(item.get("content"), [{"type": "input_text", "text": "Hello."}], "item.content")


@check("I05", "items", "a deleted item is gone", _DESCRIBED, _CONVERSATION)
async def deleted(target: Target) -> None:
    async with target.session() as socket:
        await socket.create_item(text("user", "Hello.", id="item_own"))
        await socket.send("conversation.item.delete", item_id="item_own")
        got = (await socket.until("conversation.item.deleted")).get("item_id")
        expect(got == "item_own", f"expected the item_id 'item_own', got {got!r}")
        await socket.send("conversation.item.retrieve", item_id="item_own")
        event = await socket.until("error", may_fail=True)
        expect(field(event, "error").get("code") == "item_retrieve_invalid_item_id", "it is still there")


@check("I06", "items", "an item can be inserted at the beginning", _DESCRIBED)
async def at_the_beginning(target: Target) -> None:
    async with target.session() as socket:
        await socket.create_item(text("user", "Two.", id="item_two"))
        event = await socket.create_item(text("user", "One."), previous_item_id="root")
        got = event.get("previous_item_id")
        expect(got in (None, "root"), f"expected no predecessor, got {got!r}")


@check("I07", "items", "an item can be inserted after another", _DESCRIBED)
async def in_between(target: Target) -> None:
    async with target.session() as socket:
        for name in ("one", "three"):
            await socket.create_item(text("user", f"{name}.", id=f"item_{name}"))
        event = await socket.create_item(text("user", "Two."), previous_item_id="item_one")
        got = event.get("previous_item_id")
        expect(got == "item_one", f"expected previous_item_id 'item_one', got {got!r}")


def _accepted(*items: Event) -> Run:
    async def run(target: Target) -> None:
        async with target.session() as socket:
            for item in items:
                got = field(await socket.create_item(item), "item")
                _compare(got, {name: value for name, value in item.items() if name != "content"}, "item")

    return run


_CALL = {"type": "function_call", "name": "look_up", "call_id": "call_of_check", "arguments": "{}"}
_OUTPUT = {"type": "function_call_output", "call_id": "call_of_check", "output": "42"}
for _id, _title, _items in (
    ("I08", "history can have the assistant's words", (text("user", "Hi."), text("assistant", "Hello."))),
    ("I09", "history can have a system message", (text("system", "Be brief."),)),
    ("I10", "history can have a function call with its output", (_CALL, _OUTPUT)),
):
    add(Check(_id, "items", _title, _DESCRIBED, _accepted(*_items), _CONVERSATION))


# The input buffer, without responses


async def _manual(socket: Socket) -> None:
    await socket.update(audio={"input": {"turn_detection": None}})
    await socket.send("input_audio_buffer.append", audio=sound(400))


@check("B01", "input audio", "a commit turns the buffer into an item", _RECORDED, _CONVERSATION)
async def committed(target: Target) -> None:
    async with target.session() as socket:
        await _manual(socket)
        await socket.send("input_audio_buffer.commit")
        item_id = (await socket.until("input_audio_buffer.committed")).get("item_id")
        item = field(await socket.until("conversation.item.added"), "item")
        expect(item.get("id") == item_id, f"committed {item_id!r}, added {item.get('id')!r}")
        kinds = [part.get("type") for part in item.get("content") or []]
        expect(kinds == ["input_audio"], f"expected a part of input_audio, got {kinds}")


@check("B02", "input audio", "a cleared buffer is empty", _DESCRIBED, _CONVERSATION)
async def cleared(target: Target) -> None:
    async with target.session() as socket:
        await _manual(socket)
        await socket.send("input_audio_buffer.clear")
        await socket.until("input_audio_buffer.cleared")
        await socket.send("input_audio_buffer.commit")
        event = await socket.until("error", may_fail=True)
        code = field(event, "error").get("code")
        expect(code == "input_audio_buffer_commit_empty", f"expected an empty buffer, got the code {code!r}")


@check("B03", "input audio", "less than 100 ms cannot be committed", "reports of users", _CONVERSATION)
async def too_short(target: Target) -> None:
    async with target.session() as socket:
        await socket.update(audio={"input": {"turn_detection": None}})
        await socket.send("input_audio_buffer.append", audio=sound(40))
        await socket.send("input_audio_buffer.commit")
        event = await socket.until("error", may_fail=True)
        message = str(field(event, "error").get("message"))
        expect("40.00ms" in message, f"expected the buffer's 40.00ms in the message, got {message!r}")


# HTTP


def answered(response: httpx.Response, status: int) -> Event:
    """Return the JSON of an answer.

    Raises:
        Failed: It has another status, or no JSON object.
    """
    expect(
        response.status_code == status, f"expected {status}, got {response.status_code} {response.text[:300]}"
    )
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Failed(f"expected a JSON object, got {response.text[:300]!r}")
    return body


async def _secret(target: Target, **body: Any) -> Event:
    return answered(await target.request("POST", "/realtime/client_secrets", json=body), 200)


_SECRETS = ("current", "secrets")


@check(
    "C01", "client secrets", "a client secret has a value, an expiry and its session", _DESCRIBED, _SECRETS
)
async def secret(target: Target) -> None:
    body = await _secret(target, session={"type": "realtime", "model": target.model})
    expect(str(body.get("value")).startswith("ek_"), "expected a value that begins with ek_")
    expect(isinstance(body.get("expires_at"), int), f"expected expires_at, got {body.get('expires_at')!r}")
    _compare(field(body, "session"), {"type": "realtime", "model": target.model}, "session")


@check("C02", "client secrets", "a client secret opens the session that it carries", _DESCRIBED, _SECRETS)
async def secret_opens(target: Target) -> None:
    session = {"type": "realtime", "model": target.model, "instructions": "Of the secret."}
    body = await _secret(target, session=session)
    async with target.socket(query={}, key=str(body.get("value"))) as socket:
        shown = field(await socket.until("session.created"), "session")
        _compare(shown, {"instructions": "Of the secret."}, "session")


@check("C03", "client secrets", "a client secret lives as long as requested", _DESCRIBED, _SECRETS)
async def secret_expiry(target: Target) -> None:
    body = await _secret(
        target,
        expires_after={"anchor": "created_at", "seconds": 120},
        session={"type": "realtime", "model": target.model},
    )
    left = float(body.get("expires_at") or 0) - time.time()
    expect(0 < left < 180, f"expected 120 s, got {left:.0f} s")


@check("C04", "client secrets", "a wrong key is answered 401", _DESCRIBED, _SECRETS)
async def secret_wrong_key(target: Target) -> None:
    key = "sk-wrong-key-of-a-check-AAAA"
    body = answered(await target.request("POST", "/realtime/client_secrets", key=key, json={}), 401)
    error_of(body, "invalid_api_key", body["error"].get("param"), "Incorrect API key provided: ")


@check("C05", "client secrets", "an unknown voice is answered 400", "measurement of July 2026",
       (*_SECRETS, "names"))  # fmt: skip
async def secret_voice(target: Target) -> None:
    session = {"type": "realtime", "audio": {"output": {"voice": "nova"}}}
    response = await target.request("POST", "/realtime/client_secrets", json={"session": session})
    body = answered(response, 400)
    error_of(body, "invalid_value", "session.audio.output.voice", "Invalid value: 'nova'. Supported values")


@check("C06", "client secrets", "an unknown field is answered 400", _DESCRIBED, _SECRETS)
async def secret_unknown_field(target: Target) -> None:
    session = {"type": "realtime", "bogus_field": 1}
    response = await target.request("POST", "/realtime/client_secrets", json={"session": session})
    error_of(answered(response, 400), "unknown_parameter", "session.bogus_field", "Unknown parameter:")


@check("W01", "calls", "the hang-up of an unknown call is answered 404", _RECORDED, ("current", "webrtc"))
async def hangup_unknown(target: Target) -> None:
    body = answered(await target.request("POST", "/realtime/calls/rtc_none/hangup"), 404)
    error_of(body, "call_id_not_found", "", "No session found for the provided call_id")


# What the other checks received

_WITHOUT_ID = ("ping", "session.output_audio.delta", "session.input_audio.append")


@check("Z01", "all events", "every event matches the API description", _DESCRIBED, last=True)
async def described(target: Target) -> None:
    expect(any(socket.events for socket in target.sockets), "no event came")
    wrong: Counter[str] = Counter()
    for socket in target.sockets:
        known = schema.event_schemas(socket.union)
        for event in socket.events:
            name = known.get(event["type"])
            error = None if name is None else next(schema.validator(name).iter_errors(event), None)
            if name is None:
                wrong[f"{event['type']} is not described"] += 1
            elif error is not None:
                wrong[f"{event['type']}: {str(error.message)[:200]}"] += 1
    expect(not wrong, "; ".join(f"{what} ({count} times)" for what, count in wrong.most_common(5)))


@check("Z02", "all events", "every event_id of a connection is new", _DESCRIBED, needs=(), last=True)
async def unique(target: Target) -> None:
    expect(any(socket.events for socket in target.sockets), "no event came")
    for socket in target.sockets:
        described = [event for event in socket.events if event["type"] not in _WITHOUT_ID]
        ids = Counter(event.get("event_id") for event in described)
        again = [str(name) for name, count in ids.items() if count > 1]
        expect(not again, f"more than once: {', '.join(again[:3])}")


@check(
    "Z03", "all events", "events agree: deltas, totals, references, positions", _RECORDED, needs=(), last=True
)
async def consistent(target: Target) -> None:
    expect(any(socket.events for socket in target.sockets), "no event came")
    for socket in target.sockets:
        if socket.union == "RealtimeServerEvent":
            for number, what in faults(socket.events):
                raise Failed(f"{socket.events[number]['type']} ({number + 1}.) has {what}")
