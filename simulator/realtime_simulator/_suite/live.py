"""Checks of the Live API: its start, timeline, appends, refusals, sidebands, calls, and end."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._links import LivePhone
from realtime_simulator._media.speech import RATE
from realtime_simulator._suite.check import Check, Run, add, check
from realtime_simulator._suite.exchanges import of, one
from realtime_simulator._suite.refusals import error_of
from realtime_simulator._suite.sessions import answered
from realtime_simulator._suite.speaking import pieces, said
from realtime_simulator._suite.target import Event, Socket, Target, expect, field

_DESCRIBED = "API description"
_RECORDED = "recordings of the service, autumn 2026"
_MEASURED = "measurements of October 2026"
_PATH = "/live/sessions"
_MODEL = "gpt-live-1"
_NEEDS = ("live",)
_USES = ("live",)
_FRAME_MS = 200
_FRAME_BYTES = RATE // 10 * 2
_SILENT_SECONDS = 3


@attrs.frozen
class _Told:
    """The events of a Live session, and of its sideband."""

    events: Sequence[Event]
    sideband: Sequence[Event]


async def _start(socket: Socket, **session: Any) -> Event:
    await socket.send("session.start", event_id="event_start", session={"model": _MODEL, **session})
    return await socket.until("session.started")


async def _hear(socket: Socket, pcm: bytes) -> None:
    for piece in pieces(pcm):
        await socket.send("session.input_audio.append", audio=piece)


async def _session(target: Target) -> _Told:
    """Speak, append commentary, mute, and close right after an append."""
    async with target.socket(_PATH, {}) as socket:
        started = await _start(socket, instructions="Answer with one short sentence.")
        session_id = field(started, "session").get("id")
        async with target.socket(f"{_PATH}/{session_id}/attach", {}) as sideband:
            await _hear(socket, await said(target))
            await socket.send(
                "session.commentary.append",
                event_id="event_commentary",
                content="Say that it works.",
                delegation_id=None,
            )
            await _hear(socket, bytes(_SILENT_SECONDS * RATE * 2))
            await socket.until_all(
                (
                    "session.commentary.appended",
                    "session.input_transcript.delta",
                    "session.output_transcript.delta",
                    "session.output_audio.delta",
                )
            )
            await sideband.until_all(("session.input_audio.append", "session.output_audio.delta"))
            await socket.send("session.input_audio.mute", event_id="event_mute")
            await socket.until("session.input_audio.muted")
            await socket.send(
                "session.thinking.append", event_id="event_late", content="Late.", delegation_id=None
            )
            await socket.send("session.close", event_id="event_close")
            await socket.until("session.closed", may_fail=True)
            return _Told(socket.events, sideband.events)


@check("L01", "live", "session.start is answered with session.started", _RECORDED, _NEEDS, _USES)
async def started(target: Target) -> None:
    event = one((await target.shared("live", _session)).events, "session.started")
    got = event.get("client_event_id")
    expect(got == "event_start", f"expected the client_event_id 'event_start', got {got!r}")


@check("L02", "live", "a session describes itself", _RECORDED, _NEEDS, _USES)
async def what_it_is(target: Target) -> None:
    session = field(one((await target.shared("live", _session)).events, "session.started"), "session")
    got = session.get("id")
    expect(str(got).startswith("live_"), f"expected an id that begins with live_, got {got!r}")
    shown = session.get("model"), session.get("status"), session.get("input")
    expect(shown == (_MODEL, "active", []), f"expected model, status active and no input, got {shown}")
    left = session.get("expires_at")
    fits = isinstance(left, int) and 0 < left - time.time() < 86400
    expect(fits, f"expected expires_at in two hours, got {left!r}")


@check("L03", "live", "the default format is PCM at 24 kHz, with a voice", _RECORDED, _NEEDS, _USES)
async def default_format(target: Target) -> None:
    session = field(one((await target.shared("live", _session)).events, "session.started"), "session")
    audio = field(session, "audio")
    got = field(audio, "format")
    expect((got.get("type"), got.get("rate")) == ("audio/pcm", 24000), f"expected PCM at 24 kHz, got {got}")
    expect(field(audio, "output").get("voice"), "the session has no voice")


@check("L04", "live", "output arrives in 100 ms, silence included", _RECORDED, _NEEDS, _USES)
async def frames(target: Target) -> None:
    events = of((await target.shared("live", _session)).events, "session.output_audio.delta")
    sizes = [len(base64.b64decode(str(event.get("delta")), validate=True)) for event in events]
    expect(sizes, "session.output_audio.delta did not come")
    other = [size for size in sizes[:-1] if size != _FRAME_BYTES]
    expect(not other, f"expected {_FRAME_BYTES} bytes, got {other[:3]}")


@check("L05", "live", "transcripts lie on frames of 200 ms", _RECORDED, _NEEDS, _USES)
async def timeline(target: Target) -> None:
    events = (await target.shared("live", _session)).events
    kinds = ("session.input_transcript.delta", "session.output_transcript.delta")
    for event in [event for kind in kinds for event in of(events, kind)]:
        start, end = event.get("start_ms"), event.get("end_ms")
        fits = isinstance(start, int) and start % _FRAME_MS == 0 and end == start + _FRAME_MS
        expect(fits, f"{event['type']}: expected a frame of {_FRAME_MS} ms, got {start!r} to {end!r}")


@check("L06", "live", "the user's words are transcribed", _RECORDED, _NEEDS, _USES)
async def heard(target: Target) -> None:
    events = of((await target.shared("live", _session)).events, "session.input_transcript.delta")
    words = "".join(str(event.get("delta")) for event in events)
    expect(words.strip(), "session.input_transcript.delta did not come, or had no words")


@check("L07", "live", "an append is acknowledged with its position and the client's event", _RECORDED,
       _NEEDS, _USES)  # fmt: skip
async def appended(target: Target) -> None:
    event = one((await target.shared("live", _session)).events, "session.commentary.appended")
    got = event.get("client_event_id")
    expect(got == "event_commentary", f"expected the client_event_id 'event_commentary', got {got!r}")
    start, end = event.get("start_ms"), event.get("end_ms")
    expect(isinstance(start, int) and end == start + _FRAME_MS, f"expected a frame, got {start!r} to {end!r}")


@check("L08", "live", "mute is acknowledged", _DESCRIBED, _NEEDS, _USES)
async def muted(target: Target) -> None:
    event = one((await target.shared("live", _session)).events, "session.input_audio.muted")
    got = event.get("client_event_id")
    expect(got == "event_mute", f"expected the client_event_id 'event_mute', got {got!r}")


@check("L09", "live", "an append before the close is acknowledged, or reported as incomplete", _RECORDED,
       _NEEDS, _USES)  # fmt: skip
async def incomplete(target: Target) -> None:
    events = (await target.shared("live", _session)).events
    done = [event.get("client_event_id") for event in of(events, "session.thinking.appended")]
    errors = [field(event, "error") for event in of(events, "error")]
    told = [(error.get("type"), error.get("code"), error.get("client_event_id")) for error in errors]
    wanted = ("server_error", "context_injection_incomplete", "event_late")
    expect(done == ["event_late"] or told == [wanted], f"expected the error {wanted}, got {told}")


@check("L10", "live", "session.closed has the reason, the session and its seconds", _RECORDED, _NEEDS, _USES)
async def closed(target: Target) -> None:
    event = one((await target.shared("live", _session)).events, "session.closed")
    got = event.get("reason")
    expect(got == "close_requested", f"expected the reason close_requested, got {got!r}")
    seconds = field(event, "usage").get("seconds")
    expect(isinstance(seconds, int | float) and seconds > 0, f"expected seconds of usage, got {seconds!r}")
    expect(str(field(event, "session").get("id")).startswith("live_"), "the session has no id")


@check("L11", "live", "a sideband has copies of both directions, 200 ms each", _RECORDED, _NEEDS, _USES)
async def sideband(target: Target) -> None:
    events = (await target.shared("live", _session)).sideband
    for kind, name in (("session.input_audio.append", "audio"), ("session.output_audio.delta", "delta")):
        size = len(base64.b64decode(str(one(events, kind).get(name)), validate=True))
        expect(size == 2 * _FRAME_BYTES, f"{kind}: expected {2 * _FRAME_BYTES} bytes, got {size}")


# Refusals: in one session without sound, which costs its seconds alone


async def _errors(target: Target) -> Mapping[str, Event]:
    """Return the error that answers each refused event, by the event's id."""
    async with target.socket(_PATH, {}) as socket:
        await socket.send("session.start", session={"model": _MODEL, "voice": "marin"})
        found = {"voice": await socket.until("error", may_fail=True)}
        await _start(socket)
        for name, event, *_ in _REFUSALS:
            await socket.send(**{"event_id": name, **event})
            found[name] = await socket.until("error", may_fail=True)
        await socket.send("session.close")
        await socket.until("session.closed", may_fail=True)
        return found


_ANY_OUTPUT = {"type": "function_call_output", "call_id": "call_none", "output": "1"}
_KIND = {"delegation": {"type": "responses", "responses": {"model": "gpt-5"}}}
_ODD = base64.b64encode(b"\0\0\0").decode()
_REFUSALS: Sequence[tuple[str, dict[str, Any], str, str, str, str]] = [
    ("long", {"type": "session.thinking.append", "content": "word " * 501, "delegation_id": None},
     "an append of more than 500 tokens", _RECORDED, "invalid_value",
     "Context append text must not exceed 500 tokens."),
    ("kind", {"type": "session.update", "session": _KIND}, "another kind of delegation",
     "guides of the service", "immutable_field_update", "The delegation type cannot change after"),
    ("odd", {"type": "session.input_audio.append", "audio": _ODD}, "half a sample",
     "references of Azure", "invalid_audio", "PCM16 audio must contain an even number of bytes."),
    ("item", {"type": "response.item.create", "item": _ANY_OUTPUT}, "an item without a backend model",
     _MEASURED, "", "response.item.create requires Responses delegation."),
    ("nope", {"type": "session.nope"}, "an unknown event", _MEASURED, "", ""),
]  # fmt: skip


def _refused(name: str, code: str, message: str) -> Run:
    async def run(target: Target) -> None:
        event = (await target.shared("live refusals", _errors))[name]
        error = field(event, "error")
        expect(error.get("type") == "invalid_request_error", f"expected invalid_request_error, got {error}")
        error_of(event, code or error.get("code"), error.get("param"), message)
        if name != "voice":
            got = error.get("client_event_id")
            expect(got == name, f"expected the refused event's id in client_event_id, got {got!r}")

    return run


add(Check("L12", "live", "an unknown field of session.start is refused", _DESCRIBED,
          _refused("voice", "unknown_parameter", "Unknown parameter: 'session.voice'."), _NEEDS))  # fmt: skip
for _number, (_name, _, _what, _source, _code, _message) in enumerate(_REFUSALS, 13):
    add(
        Check(f"L{_number}", "live", f"{_what} is refused", _source, _refused(_name, _code, _message), _NEEDS)
    )


@check("L18", "live", "a sideband of an unknown session is refused", _DESCRIBED, _NEEDS)
async def unknown_session(target: Target) -> None:
    response = await target.request("POST", f"{_PATH}/live_none/hangup")
    body = answered(response, 404)
    error_of(body, "session_id_not_found", "session_id", "No session found for the provided session_id")


# WebRTC


async def _call(target: Target) -> Mapping[str, Any]:
    facts: dict[str, Any] = {}
    async with target.http() as http:
        phone = LivePhone(http)
        try:
            body = {"session": {"model": _MODEL}, "transport": {"type": "webrtc"}}
            facts["answer"] = answer = await phone.create(_PATH, body)
            shown = answered(answer, 201)
            session_id = field(shown, "session").get("id")
            while not phone.events:
                phone.news.clear()
                await phone.news.wait()
            facts["first"] = phone.events[0]
            hang_up = f"{_PATH}/{session_id}/hangup"
            facts["hang up"] = (await target.request("POST", hang_up)).status_code
            facts["again"] = await target.request("POST", hang_up)
        finally:
            await phone.close()
    return facts


_CALLS = ("live call",)


@check("L19", "live", "an offer is answered 201 with the session's id and SDP, without Location", _RECORDED,
       _NEEDS, _CALLS)  # fmt: skip
async def call_answer(target: Target) -> None:
    response = (await target.shared("live call", _call))["answer"]
    body = answered(response, 201)
    expect(str(field(body, "session").get("id")).startswith("live_"), f"got {body.get('session')}")
    expect(str(field(body, "transport").get("sdp")).startswith("v=0"), "transport.sdp is not SDP")
    expect("location" not in response.headers, f"got {response.headers.get('location')!r}")


@check("L20", "live", "the data channel begins with session.started, without audio.format", _RECORDED,
       _NEEDS, _CALLS)  # fmt: skip
async def call_first(target: Target) -> None:
    event = (await target.shared("live call", _call))["first"]
    expect(event.get("type") == "session.started", f"expected session.started, got {event.get('type')}")
    audio = field(field(event, "session"), "audio")
    expect("format" not in audio, f"expected no format, got {audio.get('format')}")


@check("L21", "live", "a call is hung up once", _RECORDED, _NEEDS, _CALLS)
async def call_hang_up(target: Target) -> None:
    facts = await target.shared("live call", _call)
    expect(facts["hang up"] == 200, f"expected 200, got {facts['hang up']}")
    error_of(answered(facts["again"], 404), "session_id_not_found", "session_id", "No session found")
