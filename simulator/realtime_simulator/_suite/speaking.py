"""Checks of speech: turn detection, transcription, translation."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Sequence
from typing import Any

from realtime_simulator._media.speech import RATE
from realtime_simulator._media.voice import speech
from realtime_simulator._suite.check import check
from realtime_simulator._suite.exchanges import in_order, of, one
from realtime_simulator._suite.sessions import answered
from realtime_simulator._suite.target import Event, Socket, Target, expect, field

_RECORDED = "recordings of the service, 2026"
_DESCRIBED = "API description"
_PROBE = "a probe of the service, September 2026"
_WORDS = "Hello, my name is Ada. Can you hear me?"
_PIECE = RATE // 10 * 2
_AFTER_MS = 2000
_SILENCE = bytes(_AFTER_MS * RATE // 1000 * 2)
_EDGES = ("input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped")
_COMPLETED = "conversation.item.input_audio_transcription.completed"
_DELTA = "conversation.item.input_audio_transcription.delta"
_TRANSLATION = {"model": "gpt-realtime-translate"}


async def said(target: Target) -> bytes:
    """Return what the user says, PCM16 mono at 24 kHz."""
    if target.speech is None:
        target.speech = await asyncio.to_thread(speech, _WORDS)
    return target.speech


def pieces(pcm: bytes) -> Iterator[str]:
    """Yield sound in base64, 100 ms at a time."""
    for at in range(0, len(pcm), _PIECE):
        yield base64.b64encode(pcm[at : at + _PIECE]).decode()


async def _speak(
    socket: Socket, target: Target, *, kind: str = "input_audio_buffer.append", pause: bool = True
) -> None:
    for piece in pieces(await said(target) + (_SILENCE if pause else b"")):
        await socket.send(kind, audio=piece)


async def _turn(target: Target) -> Sequence[Event]:
    """Return the events of a spoken question with turn detection, up to the end of the answer."""
    async with target.session() as socket:
        detection = {"type": "server_vad", "silence_duration_ms": 900}
        settings = {"turn_detection": detection, "transcription": {"model": "whisper-1"}}
        brief = "Answer with one short sentence."
        await socket.update(output_modalities=["text"], instructions=brief, audio={"input": settings})
        start = len(socket.events)
        await _speak(socket, target)
        wanted = {"response.done", _COMPLETED}
        while wanted:
            wanted.discard((await socket.next())["type"])
        return socket.events[start:]


@check("V01", "turn detection", "speech creates an item, and the item a response", _RECORDED, uses=("turn",))
async def turn_in_order(target: Target) -> None:
    types = (*_EDGES, "input_audio_buffer.committed", "conversation.item.added", "response.created")
    in_order(await target.shared("turn", _turn), *types)


@check(
    "V02", "turn detection", "the same item is named from the start of speech on", _RECORDED, uses=("turn",)
)
async def turn_item(target: Target) -> None:
    events = await target.shared("turn", _turn)
    ids = {type: one(events, type).get("item_id") for type in (*_EDGES, "input_audio_buffer.committed")}
    ids["conversation.item.added"] = field(one(events, "conversation.item.added"), "item").get("id")
    expect(len(set(ids.values())) == 1, f"expected one id, got {ids}")


@check("V03", "turn detection", "the boundaries of speech are within the audio", _DESCRIBED, uses=("turn",))
async def turn_edges(target: Target) -> None:
    events = await target.shared("turn", _turn)
    start, end = one(events, _EDGES[0]).get("audio_start_ms"), one(events, _EDGES[1]).get("audio_end_ms")
    sent = len(await said(target)) // 2 * 1000 // RATE + _AFTER_MS
    fits = isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= sent
    expect(fits, f"expected two times within {sent} ms, got {start!r} and {end!r}")


@check("V04", "turn detection", "the answer follows the user's item", _RECORDED, uses=("turn",))
async def turn_answer(target: Target) -> None:
    events = await target.shared("turn", _turn)
    wanted = one(events, "input_audio_buffer.committed").get("item_id")
    made = field(one(events, "response.output_item.added"), "item").get("id")
    added = [e for e in of(events, "conversation.item.added") if field(e, "item").get("id") == made]
    expect(added, f"no conversation.item.added names the answer {made!r}")
    got = added[0].get("previous_item_id")
    expect(got == wanted, f"expected previous_item_id {wanted!r}, got {got!r}")


@check("V05", "turn detection", "with create_response false, speech only creates an item", _DESCRIBED)
async def turn_without_response(target: Target) -> None:
    async with target.session() as socket:
        detection = {"type": "server_vad", "create_response": False}
        await socket.update(audio={"input": {"turn_detection": detection}})
        await _speak(socket, target)
        await socket.until("input_audio_buffer.committed")
        await socket.update(instructions="Be brief.")
        begun = [event["type"] for event in socket.events if event["type"].startswith("response.")]
        expect(not begun, f"got {', '.join(begun[:3])}")


async def _nothing_heard(socket: Socket) -> None:
    await socket.update(instructions="Be brief.")
    got = [event["type"] for event in socket.events if event["type"].startswith("input_audio_buffer.")]
    expect(not got, f"got {', '.join(got[:3])}")


@check("V06", "turn detection", "without turn detection, audio waits for a commit", _DESCRIBED)
async def no_turn_detection(target: Target) -> None:
    async with target.session() as socket:
        await socket.update(audio={"input": {"turn_detection": None}})
        await _speak(socket, target)
        await _nothing_heard(socket)


@check("V07", "turn detection", "silence is not speech", _DESCRIBED)
async def silence(target: Target) -> None:
    async with target.session() as socket:
        for piece in pieces(_SILENCE):
            await socket.send("input_audio_buffer.append", audio=piece)
        await _nothing_heard(socket)


def _transcript_of(events: Sequence[Event], item_id: object) -> None:
    done = one(events, _COMPLETED)
    got = done.get("item_id"), done.get("content_index")
    expect(got == (item_id, 0), f"expected the item {item_id!r} and its part 0, got {got}")
    words = done.get("transcript")
    expect(isinstance(words, str) and words, f"expected words, got {words!r}")


@check("R01", "transcription", "the user's words are transcribed", _RECORDED, uses=("turn",))
async def transcribed(target: Target) -> None:
    events = await target.shared("turn", _turn)
    _transcript_of(events, one(events, "input_audio_buffer.committed").get("item_id"))


@check("R02", "transcription", "a transcript has its usage", _RECORDED, uses=("turn",))
async def transcription_usage(target: Target) -> None:
    usage = field(one(await target.shared("turn", _turn), _COMPLETED), "usage")
    number = usage.get({"duration": "seconds", "tokens": "total_tokens"}.get(str(usage.get("type")), ""))
    expect(isinstance(number, int | float) and number > 0, f"expected seconds or tokens, got {usage}")


async def _transcription(target: Target) -> Sequence[Event]:
    async with target.session({"intent": "transcription"}) as socket:
        settings = {"transcription": {"model": "gpt-4o-mini-transcribe"}, "turn_detection": None}
        await socket.update(type="transcription", audio={"input": settings})
        await _speak(socket, target, pause=False)
        await socket.send("input_audio_buffer.commit")
        await socket.until(_COMPLETED)
        return socket.events


@check("R03", "transcription", "a transcription session transcribes what is committed", _RECORDED,
       ("current", "names"), uses=("transcription",))  # fmt: skip
async def transcription_session(target: Target) -> None:
    events = await target.shared("transcription", _transcription)
    item_id = one(events, "input_audio_buffer.committed").get("item_id")
    _transcript_of(events, item_id)
    got = field(one(events, "conversation.item.added"), "item").get("id")
    expect(got == item_id, f"committed {item_id!r}, added {got!r}")


@check("R04", "transcription", "the deltas add up to the transcript", _RECORDED,
       ("current", "names"), uses=("transcription",))  # fmt: skip
async def transcription_deltas(target: Target) -> None:
    events = await target.shared("transcription", _transcription)
    made = "".join(str(event.get("delta")) for event in of(events, _DELTA))
    wanted = one(events, _COMPLETED).get("transcript")
    expect(made == wanted, f"the deltas make {made[:200]!r}, transcript is {wanted!r}")


@check("R05", "transcription", "a transcription session shows its update", _RECORDED)
async def transcription_update(target: Target) -> None:
    async with target.session({"intent": "transcription"}) as socket:
        settings = {"transcription": {"model": "gpt-4o-mini-transcribe", "language": "de"}}
        shown = await socket.update(type="transcription", audio={"input": settings})
        got = field(field(field(shown, "audio"), "input"), "transcription").get("language")
        expect(got == "de", f"expected the language 'de', got {got!r}")


# Translation


@check("X01", "translation", "a translation session describes itself", _DESCRIBED, ("translation",))
async def translation_created(target: Target) -> None:
    async with target.socket("/realtime/translations", _TRANSLATION) as socket:
        session = field(await socket.until("session.created"), "session")
        got = session.get("type"), session.get("model")
        expect(got == ("translation", _TRANSLATION["model"]), f"expected type and model, got {got}")


async def _translation(target: Target) -> Sequence[Event]:
    async with target.socket("/realtime/translations", _TRANSLATION) as socket:
        await socket.until("session.created")
        transcription = {"model": "gpt-realtime-whisper"}
        audio: dict[str, Any] = {"output": {"language": "de"}, "input": {"transcription": transcription}}
        await socket.send("session.update", session={"audio": audio})
        await socket.until("session.updated")
        await _speak(socket, target, kind="session.input_audio_buffer.append")
        await socket.until("session.output_audio.delta")
        await socket.send("session.close")
        await socket.until("session.closed")
        return socket.events


@check("X02", "translation", "session.updated shows the language", _DESCRIBED,
       ("translation",), uses=("translation",))  # fmt: skip
async def translation_language(target: Target) -> None:
    session = field(one(await target.shared("translation", _translation), "session.updated"), "session")
    got = field(field(session, "audio"), "output").get("language")
    expect(got == "de", f"expected the language 'de', got {got!r}")


@check("X03", "translation", "both transcripts arrive as deltas", _DESCRIBED,
       ("translation",), uses=("translation",))  # fmt: skip
async def translation_transcripts(target: Target) -> None:
    events = await target.shared("translation", _translation)
    for side in ("input", "output"):
        words = "".join(str(e.get("delta")) for e in of(events, f"session.{side}_transcript.delta"))
        expect(words.strip(), f"session.{side}_transcript.delta did not come, or had no words")


@check("X04", "translation", "a translation is spoken in base64 of whole samples", _DESCRIBED,
       ("translation",), uses=("translation",))  # fmt: skip
async def translation_audio(target: Target) -> None:
    event = one(await target.shared("translation", _translation), "session.output_audio.delta")
    data = base64.b64decode(str(event.get("delta")), validate=True)
    expect(data and len(data) % 2 == 0, f"expected base64 of PCM16, got {len(data)} bytes")


@check("X05", "translation", "a conversation's event is refused", _DESCRIBED, ("translation",))
async def translation_refusal(target: Target) -> None:
    async with target.socket("/realtime/translations", _TRANSLATION) as socket:
        await socket.until("session.created")
        await socket.send("response.create")
        error = field(await socket.until("error", may_fail=True), "error")
        expect(error.get("type") == "invalid_request_error", f"expected invalid_request_error, got {error}")


@check("X06", "translation", "a client secret for a translation", _DESCRIBED, ("translation",))
async def translation_secret(target: Target) -> None:
    path = "/realtime/translations/client_secrets"
    session = {"model": _TRANSLATION["model"], "audio": {"output": {"language": "fr"}}}
    body = answered(await target.request("POST", path, json={"session": session}), 200)
    expect(str(body.get("value")).startswith("ek_"), "expected a value that begins with ek_")
    expect(field(body, "session").get("type") == "translation", "expected the type translation")
