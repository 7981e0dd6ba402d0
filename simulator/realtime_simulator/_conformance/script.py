"""The script of a recorded session: what the simulator's model says, what users are heard to
say, and sound with which speech begins and ends where it was recorded.

Audio in recordings is shortened, so it is generated: a hum where the user spoke, silence elsewhere.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._engine.turn import Action, CallMcp, CallTool, Fail, Say, Think, Transcript
from realtime_simulator._engine.vad import HANG_MS
from realtime_simulator._media.formats import encode
from realtime_simulator._media.sounds import FRAME_MS, sound
from realtime_simulator._media.speech import PCM, RATE
from realtime_simulator._recordings.lines import is_marker
from realtime_simulator._recordings.recording import AUDIO_CHARACTERS
from realtime_simulator._recordings.steps import Message, Recording, RecordingError

APPEND_MS = 100
"""The length of an appended piece of sound where nothing determines it."""
_PREFIX = "conversation.item.input_audio_transcription."
WORDS = tuple(
    f"response.{name}.delta"
    for name in ("output_text", "text", "output_audio_transcript", "audio_transcript")
)
"""The events that have a part of what the model says."""
_APPENDS = ("input_audio_buffer.append", "session.input_audio_buffer.append")
EDGES = {
    "input_audio_buffer.speech_started": "audio_start_ms",
    "input_audio_buffer.speech_stopped": "audio_end_ms",
}
"""The events that tell the edges of speech, with the field that has the time."""
_STARTED, _STOPPED = EDGES
_CERTAIN_MS = 160
"""Speech has to continue this long before it is certain."""
_PAUSE_MS = 800
_MORE = " and so on and on" * 8


@attrs.frozen
class Answer:
    """The model's output in one response.

    Args:
        actions: Its messages and calls.
        cancelled: Whether it was stopped before its end.
    """

    actions: Sequence[Action]
    cancelled: bool = False


@attrs.define
class Script:
    """The events of a recorded session that its replay depends on.

    Args:
        answers: The model's answers, in the order of the responses.
        words: The users' words, in the order of their items.
        spoken: All words that a translation session hears.
        translated: Their translation.
        tools: The tools of MCP servers.
        slow: Whether responses have to be under way when something happens.
    """

    answers: Sequence[Answer]
    words: Sequence[Transcript]
    spoken: str
    translated: str
    tools: Mapping[str, Sequence[Mapping[str, Any]] | None]
    slow: bool


def read(recording: Recording) -> Script:
    """Return the script of a recording."""
    received = list(recording.messages("received"))
    answers = list(_answers(received))
    active = "conversation_already_has_active_response"
    return Script(
        answers=answers,
        words=list(_words(received)),
        spoken=_joined(received, "session.input_transcript.delta"),
        translated=_joined(received, "session.output_transcript.delta"),
        tools=dict(_tools(received)),
        slow=any(answer.cancelled for answer in answers)
        or any(
            message.type == "error" and message.data["error"].get("code") == active for message in received
        ),
    )


def _answers(received: Sequence[Message]) -> Iterator[Answer]:
    done: dict[str, Mapping[str, Any]] = {}
    begun: list[str] = []
    said: dict[str, str] = {}
    for message in received:
        event = message.data
        if message.type == "response.created":
            begun.append(event["response"]["id"])
        elif message.type == "response.done":
            done[event["response"]["id"]] = event["response"]
        elif message.type in WORDS:
            said[event["item_id"]] = said.get(event["item_id"], "") + event["delta"]
    made = _made(received)
    for response_id in begun:
        response = done.get(response_id)
        output = response["output"] if response is not None else made.get(response_id, [])
        status = response["status"] if response is not None else "completed"
        actions = list(_actions(output, said, cut=status != "completed"))
        if status == "failed":
            error = ((response or {}).get("status_details") or {}).get("error") or {}
            kind = str(error.get("type") or "server_error")
            actions.append(Fail(error.get("code"), str(error.get("message") or ""), type=kind))
        if response is not None:
            details = (response.get("usage") or {}).get("output_token_details") or {}
            if details.get("reasoning_tokens"):
                actions.insert(0, Think(details["reasoning_tokens"]))
        yield Answer(actions, status == "cancelled")


def _made(received: Sequence[Message]) -> dict[str, list[Mapping[str, Any]]]:
    """The output of responses whose end was not recorded."""
    made: dict[str, dict[str, Mapping[str, Any]]] = {}
    for message in received:
        if message.type in ("response.output_item.added", "response.output_item.done"):
            item = message.data["item"]
            made.setdefault(message.data["response_id"], {})[item["id"]] = item
    return {response_id: list(items.values()) for response_id, items in made.items()}


def _actions(output: Sequence[Mapping[str, Any]], said: Mapping[str, str], *, cut: bool) -> Iterator[Action]:
    for item in output:
        match item.get("type"):
            case "message":
                parts = item.get("content") or [{}]
                text = parts[0].get("text") or parts[0].get("transcript") or said.get(item["id"], "")
                yield Say(text + (_MORE if cut else ""), phase=item.get("phase"))
            case "function_call":
                yield CallTool(str(item["name"]), str(item["arguments"]))
            case "mcp_call" | "mcp_approval_request":
                error = item.get("error")
                yield CallMcp(
                    server_label=str(item["server_label"]),
                    name=str(item["name"]),
                    arguments=str(item["arguments"]),
                    output=str(item.get("output") or ""),
                    error=None if error is None else str(error.get("message")),
                )


def _words(received: Sequence[Message]) -> Iterator[Transcript]:
    heard: dict[str, Transcript] = {}
    for message in received:
        event = message.data
        if message.type == _PREFIX + "completed":
            heard[event["item_id"]] = Transcript(str(event.get("transcript") or ""))
        elif message.type == _PREFIX + "failed":
            heard[event["item_id"]] = Transcript(
                error=str(event["error"].get("message")),
                code=event["error"].get("code"),
                type=str(event["error"].get("type")),
            )
    for message in received:
        if message.type == "input_audio_buffer.committed":
            yield heard.get(message.data["item_id"], Transcript())


def _joined(received: Sequence[Message], type: str) -> str:
    return "".join(message.data["delta"] for message in received if message.type == type)


def _tools(received: Sequence[Message]) -> Iterator[tuple[str, Sequence[Mapping[str, Any]] | None]]:
    for message in received:
        item = message.data.get("item") or {}
        if message.type == "conversation.item.done" and item.get("type") == "mcp_list_tools":
            yield str(item["server_label"]), item.get("tools")


# Sound


def appended(recording: Recording) -> dict[str, str]:
    """Return the audio to append, in base64, by the pointer of the event that appends it."""
    places, formats = _places(recording)
    begun = 0
    known: list[tuple[int, int]] = [(0, 0)]
    voices: list[list[int]] = []
    padding, pause, detects = 300, 200, True
    manual: set[int] = set()
    speaks = any(step.type in EDGES for step in recording.messages("received"))
    for step in recording.steps:
        if not isinstance(step, Message):
            continue
        event = step.data if isinstance(step.data, Mapping) else {}
        if step.direction == "sent" and step.type in _APPENDS:
            if not detects:
                manual.add(begun)
            begun += 1
        elif step.type in ("session.created", "session.updated") and step.direction == "received":
            session = event["session"]
            settings = (session.get("audio") or {}).get("input") or {}
            # Beta sessions are flat, and so is xAI's turn detection.
            shown = session if "turn_detection" in session else settings
            detection = {} if session.get("type") == "translation" else shown.get("turn_detection", {})
            detects = detection is not None
            padding = int((detection or {}).get("prefix_padding_ms") or 300)
            pause = int((detection or {}).get("silence_duration_ms") or 500)
        elif step.type == _STARTED:
            begin = event["audio_start_ms"] + padding
            voices.append([begin, 10**9])
            known.append((begun, begin + _CERTAIN_MS))
        elif step.type == _STOPPED:
            end = event["audio_end_ms"]
            if voices:
                # Where a service counts otherwise, the speech is as long as it has to be.
                voices[-1][1] = max(end - pause - HANG_MS, voices[-1][0] + _CERTAIN_MS * 2)
                end = voices[-1][1] + HANG_MS + pause
            known.append((begun, end + FRAME_MS))
    ends = list(_ends(len(places), known))
    audio = {}
    for number, (place, (start, end)) in enumerate(zip(places, itertools.pairwise([0, *ends]), strict=True)):
        hum = voices
        if number in manual:
            hum = [[0, ends[-1]]]
        elif _translates(place) and not speaks:
            # One stretch of speech, and the pause after which it is translated.
            hum = [[0, max(ends[-1] - _PAUSE_MS - HANG_MS, FRAME_MS)]]
        audio[place.pointer] = base64.b64encode(encode(sound(start, end, hum), formats[number])).decode()
    return audio


def real_sound(recording: Recording, said: bytes | None) -> dict[str, str]:
    """Return the audio to append as it was or could have been, in base64, by the pointer of its event.

    Args:
        recording: The recording.
        said: What was said, PCM16 mono at 24 kHz: in pieces of 100 ms, or longer ones if the recording has
            too few, and silence after it. None for the audio that the recording itself has.

    Raises:
        RecordingError: No audio was appended, or it was shortened.
    """
    places, formats = _places(recording)
    if not places:
        raise RecordingError(f"{recording.name}: no event appends audio")
    if said is None:
        for place in places:
            if is_marker(place.data["audio"]) or len(place.data["audio"]) <= AUDIO_CHARACTERS:
                raise RecordingError(f"{place.pointer}: the audio was shortened; name a file with the sound")
        return {place.pointer: place.data["audio"] for place in places}
    frame = FRAME_MS * RATE // 1000 * 2
    size = max(APPEND_MS // FRAME_MS, -(-len(said) // frame // len(places))) * frame
    pieces = (said[at : at + size] for at in range(0, len(places) * size, size))
    return {
        place.pointer: base64.b64encode(encode(piece + bytes(size - len(piece)), kind)).decode()
        for place, piece, kind in zip(places, pieces, formats, strict=True)
    }


def _places(recording: Recording) -> tuple[list[Message], list[str]]:
    """Return the messages that append audio, and the format of each."""
    places: list[Message] = []
    formats: list[str] = []
    format = PCM
    for step in recording.steps:
        if not isinstance(step, Message):
            continue
        if step.direction == "sent" and step.type in _APPENDS:
            places.append(step)
            formats.append(format)
        elif step.type in ("session.created", "session.updated") and step.direction == "received":
            settings = (step.data["session"].get("audio") or {}).get("input") or {}
            format = str((settings.get("format") or {}).get("type", PCM))
    return places, formats


def _translates(place: Message) -> bool:
    return place.type.startswith("session.")


def _ends(count: int, known: Sequence[tuple[int, int]]) -> Iterator[int]:
    """Yield the end of each appended piece, in ms, so that the pieces add up to the known lengths."""
    latest: dict[int, int] = {}
    for number, end in known:
        latest[number] = max(latest.get(number, 0), -(-end // FRAME_MS) * FRAME_MS)
    stops = sorted(latest.items())
    at = 0
    for number in range(1, count + 1):
        later = next(((place, end) for place, end in stops if place >= number), None)
        if later is None:
            at += APPEND_MS
        else:
            place, end = later
            left = place - number + 1
            at += (
                max(FRAME_MS, (end - at) // left // FRAME_MS * FRAME_MS)
                if left > 1
                else max(FRAME_MS, end - at)
            )
        yield at
