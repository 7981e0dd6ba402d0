"""Recordings as JSON lines: one message of either side on a line, with most of the audio left out.

    {"dir": "c2s", "t": 0.0, "data": {"type": "session.start", "session": {…}}}
    {"dir": "s2c", "t": 0.4, "data": {"type": "session.started", …}}
    {"dir": "c2s", "t": 0.5, "t_end": 5.4, "data": {"$repeat": 50, "of": {"type": …, "audio": …}}}
    {"dir": "both", "t": null, "data": {"$interleaved_audio": "…", "c2s": 12, "s2c": 10}}
    {"dir": "s2c", "t": 9.0, "close": {"code": 1011, "reason": ""}}
    {"dir": "http-req", "data": {"method": "POST", "uri": …, "body": …}}
    {"dir": "http-res", "data": {"status": 200, "body": …}}
    {"note": "…"}

`t` is in seconds, null where the source has none; `connection` names the connection where there are several.
An object whose key begins with `$` stands for a value that is not in the file (`is_marker`). What is not
understood is left out and reported: recordings are written by many programs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeGuard

import attrs

from realtime_simulator._recordings.steps import (
    Close,
    Gap,
    Message,
    Recording,
    RecordingError,
    Step,
    exchange,
)

APPEND = "session.input_audio.append"
OUTPUT = "session.output_audio.delta"
INTERLEAVED_MS = 100
"""The length of each message of audio of both sides that alternate."""
LEFT_OUT = re.compile(r"<(\d+) characters>")
"""What a record has in place of base64."""
_MOST = 100_000
_LARGEST = 1e300
"""Whole numbers of JSON can be larger than a float."""
_SIDES: Mapping[str, Literal["sent", "received"]] = {"c2s": "sent", "s2c": "received"}
_NUMBER = re.compile(r"\d+")
_UNREAD = re.compile(r"\bnot (?:read|shown|recorded)\b|\bmissing\b|\bleft out\b")


def matches(text: str) -> bool:
    """Return whether a file's text is a recording of this form."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    try:
        fields = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, Mapping) and ("dir" in fields or "note" in fields)


def read(name: str, text: str) -> Recording:
    """Return the recording in a file's text, its steps in the order of their times.

    Args:
        name: The file's name.
        text: Its text.

    Raises:
        RecordingError: A line other than the last one is not a JSON object.
    """
    reader = _Reader(name)
    rows = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, line in rows:
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number != rows[-1][0]:
                raise RecordingError(f"{name}, line {number}: this is not JSON: {error}") from error
            reader.unread.append(f"line {number}: it is cut off")
            continue
        if not isinstance(fields, Mapping):
            raise RecordingError(f"{name}, line {number}: this is not a JSON object")
        try:
            reader.add(number, fields)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else error
            reader.unread.append(f"line {number}: {what}")
    return Recording(name=name, steps=reader.in_order(), unread=reader.unread)


def is_marker(value: Any) -> bool:
    """Return whether a value stands for another that is not in the file."""
    return isinstance(value, Mapping) and any(str(key).startswith("$") for key in value)


def is_number(value: Any) -> TypeGuard[float]:
    is_of_kind = isinstance(value, int | float) and not isinstance(value, bool)
    return is_of_kind and -_LARGEST < value < _LARGEST


class _Reader:
    """Reads lines, one after the other.

    Args:
        name: The file's name.
    """

    def __init__(self, name: str) -> None:
        self.unread: list[str] = []
        self._name = name
        self._steps: list[Step] = []
        self._request: Mapping[str, Any] | None = None
        self._connection = ""

    def in_order(self) -> list[Step]:
        """Return the steps in the order of their times; a step without one keeps its place."""
        now = next((at for step in self._steps if (at := _time(step)) is not None), None)
        if now is None:
            return self._steps
        timed = []
        for step in self._steps:
            at = _time(step)
            now = now if at is None else at
            timed.append((now, step))
        timed.sort(key=lambda pair: pair[0])
        return [
            attrs.evolve(step, at=at) if isinstance(step, Message | Close | Gap) else step
            for at, step in timed
        ]

    def add(self, number: int, fields: Mapping[str, Any]) -> None:
        """Add a line.

        Args:
            number: Its number, from 1.
            fields: Its content.
        """
        pointer, at = f"/{number}", fields.get("t")
        at = float(at) if is_number(at) else None
        self._connection = str(fields.get("connection") or "")
        side, data = str(fields.get("dir")), fields.get("data")
        if isinstance(fields.get("close"), Mapping):
            close = fields["close"]
            code, reason = int(close.get("code") or 1006), str(close.get("reason") or "")
            by = "client" if side == "c2s" else None
            end = Close(pointer=pointer, code=code, reason=reason, by=by, at=at, connection=self._connection)
            self._steps.append(end)
        elif side == "http-req":
            self._request = data
        elif side == "http-res":
            asked, self._request = self._request, None
            if asked is None or data is None:
                raise ValueError("an answer without its request")
            self._steps.append(exchange(_parsed(asked), _parsed(data), f"{pointer}/data"))
        elif side in _SIDES or side == "both":
            self._steps += self._messages(pointer, side, data, at, fields)
        elif "note" not in fields:
            raise ValueError(f"unknown dir {side!r}")
        note = fields.get("note") or (data.get("note") if isinstance(data, Mapping) else None)
        if isinstance(note, str) and _UNREAD.search(note):
            self._steps.append(Gap(pointer=pointer, at=at))

    def _messages(
        self, pointer: str, side: str, data: Any, at: float | None, fields: Mapping[str, Any]
    ) -> Iterator[Message]:
        if not isinstance(data, Mapping):
            raise ValueError("its data is not an object")
        if side == "both":
            yield from self._interleaved(pointer, data, at)
        elif "$repeat" in data:
            one, count = data["of"], _count(data["$repeat"])
            end = fields.get("t_end")
            for number in range(count):
                then = at
                if at is not None and is_number(end) and count > 1:
                    then = at + (end - at) * number / (count - 1)
                yield self._message(pointer + "/data/of", side, one, then)
        elif "type" in data:
            yield self._message(pointer + "/data", side, data, at)
        else:
            raise ValueError(f"nothing is known of {', '.join(map(str, data))}")

    def _interleaved(self, pointer: str, data: Mapping[str, Any], at: float | None) -> Iterator[Message]:
        if "$interleaved_audio" not in data:
            raise ValueError(f"nothing is known of {', '.join(map(str, data))}")
        left = {side: _count(data.get(side, 0)) for side in _SIDES}
        about = {side: isinstance(data.get(side), str) for side in _SIDES}
        while any(left.values()):
            for side, kind, key in (("c2s", APPEND, "audio"), ("s2c", OUTPUT, "delta")):
                if left[side]:
                    left[side] -= 1
                    audio: dict[str, Any] = {"$audio_ms": INTERLEAVED_MS}
                    if about[side]:
                        audio["$about"] = True
                    yield self._message(pointer + "/data", side, {"type": kind, key: audio}, at)

    def _message(self, pointer: str, side: str, data: Any, at: float | None) -> Message:
        if not isinstance(data, Mapping) or not isinstance(data.get("type"), str):
            raise ValueError("a message without a type")
        return Message(pointer=pointer, direction=_SIDES[side], data=data, at=at, connection=self._connection)


def _time(step: Step) -> float | None:
    return step.at if isinstance(step, Message | Close | Gap) else None


def _count(value: Any) -> int:
    """Return a number of messages, which may be written as `about 70`."""
    if isinstance(value, str) and (found := _NUMBER.search(value)):
        value = int(found[0])
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        raise ValueError(f"{value!r} messages; allowed is a number up to {_MOST}")
    return value


def _parsed(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a request or an answer whose JSON body is marked as such."""
    rest = {key: value for key, value in message.items() if key != "body"}
    body = message.get("body")
    return rest if body is None else {**rest, "parsed_body": body}
