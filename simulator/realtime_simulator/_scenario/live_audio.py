"""The client's audio in a recorded session of the Live API, which makes its timeline advance.

Recordings have little of the audio, so it is generated: a hum where the user spoke, silence elsewhere.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._core.schema import value_at
from realtime_simulator._media.formats import encode
from realtime_simulator._media.sounds import sound
from realtime_simulator._recordings.lines import APPEND, LEFT_OUT, is_number
from realtime_simulator._recordings.steps import Close, Exchange, Message, Open, Recording, Step

PIECE_MS = 100
"""The length of audio that a recording does not tell."""
Voices = Sequence[tuple[int, int]]
"""From where to where the user speaks on the timeline, in ms."""
_CUT_MS = 5
"""Audio in base64 that is shorter was cut."""
_BYTES_PER_MS = {"audio/pcmu": 8, "audio/pcma": 8}
FASTEST = 2.5
"""How fast a burst of audio is processed, against real time."""
_LEAD_MS = 2700
_LATENCY_MS = 600
_LONGEST_SECONDS = 8000.0
"""A session lasts two hours."""
_LONGEST_MS = 2000
_LONGEST_MESSAGE_MS = 600_000
_MOST_MISSING_MS = 120_000


@attrs.frozen
class Piece:
    """A piece of the client's audio.

    Args:
        at: When it is sent, in seconds.
        start: Its place on the timeline, in ms.
        length: Its length in ms.
    """

    at: float
    start: int
    length: int


def is_append(message: Message) -> bool:
    """Return whether a client sent audio; sidebands receive copies of it."""
    return message.type == APPEND and message.direction == "sent"


def audio_ms(event: Mapping[str, Any], format: Mapping[str, Any] | None = None) -> int | None:
    """Return the length of a message's audio in ms; None if it is not known.

    Args:
        event: The message: an append, or output.
        format: The format of the session's audio; 24 kHz PCM if None.
    """
    audio = event.get("audio" if event.get("type") == APPEND else "delta")
    kind, rate = str((format or {}).get("type")), (format or {}).get("rate")
    per_ms = _BYTES_PER_MS.get(kind, 48)
    if kind == "audio/pcm" and is_number(rate):
        per_ms = 2 * int(rate) // 1000
    size: Any = None
    if isinstance(audio, Mapping):
        if is_number(audio.get("$audio_ms")):
            return int(min(max(0, audio["$audio_ms"]), _LONGEST_MESSAGE_MS))
        size = next((value for key, value in audio.items() if "bytes" in str(key)), None)
    elif isinstance(audio, str):
        if left_out := LEFT_OUT.fullmatch(audio):
            return min(int(left_out[1][:12]) // 4 * 3 // max(1, per_ms), _LONGEST_MESSAGE_MS)
        try:
            size = len(base64.b64decode(audio))
        except ValueError:
            size = None
    if not is_number(size):
        return None
    length = int(min(max(0, size) // max(1, per_ms), _LONGEST_MESSAGE_MS))
    return None if isinstance(audio, str) and length < _CUT_MS else length


def format_of(messages: Sequence[Message]) -> Mapping[str, Any]:
    """Return the format of a session's audio; empty if its messages do not tell."""
    for message in messages:
        format = value_at(message.data, "session", "audio", "format")
        if message.direction == "received" and isinstance(format, Mapping):
            return dict(format)
    return {}


def encoded(piece: Piece, voices: Voices, format: Mapping[str, Any]) -> str:
    """Return a piece of the client's audio in base64.

    Args:
        piece: The piece.
        voices: Where the user speaks.
        format: The format of the session's audio.
    """
    pcm = sound(piece.start, piece.start + piece.length, voices)[: piece.length * 48]
    kind = format.get("type")
    kind = kind if kind in ("audio/pcmu", "audio/pcma") else "audio/pcm"
    if kind == "audio/pcm" and format.get("rate") == 16_000:
        from realtime_simulator._media.codecs import Resampler

        pcm = Resampler(24_000, 16_000).push(pcm)
    return base64.b64encode(encode(pcm, kind)).decode()


def of_client(messages: Sequence[Message]) -> Iterator[Piece]:
    """Yield the audio that a client sends.

    Where the events show that the timeline went further than the recorded audio lets it, audio is missing
    from the recording; silence is sent in its place.

    Args:
        messages: All messages of its connection, with their times.
    """
    format = format_of(messages)
    end, shift, begun, last = 0, 0, None, 0.0
    for number, message in enumerate(messages):
        at = message.at or 0.0
        if is_append(message):
            length = audio_ms(message.data, format) or _until_next(messages, number)
            begun = at if begun is None else begun
            ran = min(int((at - begun) * 1000) - _LATENCY_MS, end + shift + _LEAD_MS)
            shift = max(shift, ran - end)
            yield Piece(at, end + shift, length)
            end, last = end + length, at + length / 1000
        elif message.direction == "received" and begun is not None:
            missing = min(position(message.data) - end - shift - _LEAD_MS, int((at - last) * 1000))
            if PIECE_MS < missing <= _MOST_MISSING_MS:
                for _ in range(missing // PIECE_MS):
                    yield Piece(last, end + shift, PIECE_MS)
                    end, last = end + PIECE_MS, last + PIECE_MS / 1000


def stand_in(messages: Sequence[Message]) -> Iterator[Piece]:
    """Yield the audio of a session whose own connection was not recorded: a piece each 100 ms.

    It begins before the sideband was attached, if that was not at the start, and ends early where the usage
    shows that the timeline stood still.

    Args:
        messages: All messages of its sideband, with their times.
    """
    times = [message.at or 0.0 for message in messages]
    begun, place = times[0], 0
    for message in messages:
        if (reached := position(message.data)) > 0:
            place = max(0, reached - int(((message.at or 0.0) - begun) * 1000)) // PIECE_MS * PIECE_MS
            break
    if any(message.type == "session.started" for message in messages):
        place = 0
    reached = max(position(message.data) for message in messages)
    count = (max(place + int((times[-1] - begun) * 1000), reached) + _LEAD_MS) // PIECE_MS
    used = [position(message.data) for message in messages if message.type == "session.usage.updated"]
    if used and used[-1] in used[:-1]:
        count = min(count, max(0, reached - _LEAD_MS) // PIECE_MS + 1)
    for number in range(count):
        yield Piece(begun + (number * PIECE_MS - place) / 1000, number * PIECE_MS, PIECE_MS)


def position(event: Mapping[str, Any]) -> int:
    """Return where on the timeline an event is, in ms; 0 if it does not say."""
    seconds = value_at(event, "usage", "seconds")
    used = seconds * 1000 if is_number(seconds) else 0
    places = (event.get("end_ms"), event.get("offset_ms"), used)
    return max((int(min(place, _LONGEST_SECONDS * 1000)) for place in places if is_number(place)), default=0)


def timed(recording: Recording) -> Recording:
    """Return a recording whose messages have times; without any, they follow the client's audio."""
    times = [step.at for step in recording.steps if isinstance(step, Message) and step.at is not None]
    if times:
        last = times[0] + _LONGEST_SECONDS
        return attrs.evolve(
            recording,
            steps=[
                attrs.evolve(step, at=min(step.at, last))
                if isinstance(step, Message | Close) and step.at is not None
                else step
                for step in recording.steps
            ],
        )
    now = 0.0
    steps: list[Step] = []
    for step in recording.steps:
        if isinstance(step, Exchange | Open):
            steps.append(step)
            continue
        steps.append(attrs.evolve(step, at=now))
        if isinstance(step, Message) and is_append(step):
            now += (audio_ms(step.data) or PIECE_MS) / 1000
    return attrs.evolve(recording, steps=steps)


def _until_next(messages: Sequence[Message], number: int) -> int:
    """Return the length of an append whose audio was shortened: the time until the next one."""
    at = messages[number].at
    later = (message.at for message in messages[number + 1 :] if is_append(message))
    then = next(later, None)
    if at is None or then is None:
        return PIECE_MS
    return min(_LONGEST_MS, max(20, round((then - at) * 50) * 20))
