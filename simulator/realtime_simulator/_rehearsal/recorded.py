"""A script from a conversation that took place: from a tape, or from a transcript of realtime-ext's recorder.

Keys and secrets are removed, numbers of five and more digits become zeros, and addresses of mail are
replaced. What else is personal, such as names, only a reader can tell.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import yaml

from realtime_simulator._engine.conversation import words_of
from realtime_simulator._recordings import tape
from realtime_simulator._records.session import SessionRecord
from realtime_simulator._records.state import LIVE_WORDS, Event
from realtime_simulator._rehearsal.conversation import Moment
from realtime_simulator._stepping import history
from realtime_simulator.scrub import MASK, Scrubber

_NUMBER = re.compile(r"\d(?:[ .-]?\d){4,}")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PRIVATE = re.compile(rf"\S*(?:{re.escape(MASK)}|{_MAIL.pattern}|{_NUMBER.pattern})\S*")
_WORD = re.compile(r"\w")
_MAIL_MASK = "someone@example.com"
_MOST_WORDS = 12
_PAUSE_SECONDS = 1.0
_USER = "conversation.item.input_audio_transcription.completed"
_CUTS = ("conversation.item.truncated", "output_audio_buffer.cleared")


@attrs.define
class _Line:
    """What one side said or did: `user`, `assistant`, `tool` or `key`; or `cut`, the end of a reply."""

    at: float
    role: str
    text: str
    name: str = ""


def script_of(path: str | os.PathLike[str], session: int = 1) -> tuple[str, str]:
    """Return a recorded conversation as a script, and the model's part of it as a scenario.

    Args:
        path, session: As for `history.load`.

    Returns:
        Both as YAML.

    Raises:
        OSError: It can't be read.
        ValueError: It is no such file, or has no such session or no words.
    """
    recorded = history.load(path, session)
    found = _of_transcript if recorded.is_transcript else _of_events
    lines = sorted(found(recorded.events), key=lambda line: line.at)
    if not any(line.role in ("user", "assistant") for line in lines):
        raise ValueError(f"{recorded.name}: the user says nothing in it; is the user's audio transcribed?")
    name = f"from {Path(path).stem.replace('_', ' ')}"
    return _yaml({"name": name, "steps": list(_steps(lines))}), _yaml(
        {"responses": [{"steps": _answers(lines)}]}
    )


def write_tape(path: str | os.PathLike[str], session: SessionRecord) -> None:
    """Write a session's events as a tape, without sound and secrets; `realtime step` reads it.

    Raises:
        OSError: It can't be written.
    """
    scrub, writer = Scrubber(), tape.Writer(path, "realtime-simulator")
    try:
        number = writer.begin("/v1/live/sessions" if session.id.startswith("live_") else "/v1/realtime", {})
        for one in session.events:
            side: tape.Side = "client" if one.direction == "received" else "server"
            writer.message(number, max(0.0, one.time - session.begun), side, scrub.value(one.event))
    finally:
        writer.end()


def script_of_moments(name: str, moments: Sequence[Moment]) -> str:
    """Return what was said and done in a rehearsed call as a script."""
    scrub, lines = Scrubber(), list[_Line]()
    roles = {"app": "assistant", "caller": "user", "keys": "key", "tool": "tool"}
    for one in moments:
        if one.who == "end":
            continue
        tool, _, arguments = one.text.partition(" ")
        text = arguments if one.who == "tool" else scrub.text(one.text)
        lines.append(_Line(one.start, roles[one.who], text, tool))
        if one.who == "app" and not one.whole:
            lines.append(_Line(one.end, "cut", ""))
    return _yaml({"name": name, "steps": list(_steps(lines))})


def _yaml(value: Any) -> str:
    return str(yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=100))


def _of_transcript(events: Sequence[Event]) -> Iterator[_Line]:
    """Yield the lines of a transcript, whose events have whole items."""
    scrub = Scrubber()
    for event in events:
        item = scrub.value(event.data).get("item")
        if item is None:
            yield _Line(event.at, "cut", "")
        elif item["type"] == "function_call":
            yield _Line(event.at, "tool", item["arguments"], item["name"])
        elif item.get("role") in ("user", "assistant") and (said := words_of(item)):
            yield _Line(event.at, item["role"], "".join(said))


def _of_events(events: Sequence[Event]) -> Iterator[_Line]:
    scrub = Scrubber()
    spoken: dict[str, _Line] = {}  # what is being said in a Live session, by its side
    ends: dict[str, float] = {}
    for one in events:
        event = scrub.value(one.data)
        if one.side == "client":
            if typed := _typed(event):
                yield _Line(one.at, "user", typed)
            continue
        if event.get("type") == "response.event" and isinstance(event.get("event"), Mapping):
            event = event["event"]
        kind = str(event.get("type"))
        if kind in LIVE_WORDS:
            side, delta = LIVE_WORDS[kind], str(event.get("delta", ""))
            if side in spoken and one.at - ends[side] < _PAUSE_SECONDS and delta.startswith(" "):
                spoken[side].text += delta
            else:
                spoken[side] = _Line(one.at, side, delta)
                yield spoken[side]
            ends[side] = one.at
        elif kind == _USER and event.get("transcript"):
            yield _Line(one.at, "user", str(event["transcript"]))
        elif kind == "response.output_audio_transcript.done" and event.get("transcript"):
            yield _Line(one.at, "assistant", str(event["transcript"]))
        elif kind == "response.output_item.done" and event.get("item", {}).get("type") == "function_call":
            item = event["item"]
            yield _Line(one.at, "tool", str(item.get("arguments", "")), str(item.get("name")))
        elif kind in ("input_audio_buffer.dtmf_event_received", "transport.dtmf.received"):
            yield _Line(one.at, "key", str(event.get("event")))
        elif kind in _CUTS:
            yield _Line(one.at, "cut", "")


def _typed(event: Mapping[str, Any]) -> str:
    """Return the words that a client's event has of the user; empty for others."""
    item = event.get("item")
    if event.get("type") != "conversation.item.create" or not isinstance(item, Mapping):
        return ""
    parts = item.get("content") if item.get("role") == "user" else None
    texts = [part.get("text") for part in parts or () if isinstance(part, Mapping)]
    return " ".join(str(text) for text in texts if text)


def _steps(lines: Sequence[_Line]) -> Iterator[dict[str, Any]]:
    """Yield what the caller does and expects."""
    is_cut, keys = False, ""
    for line in lines:
        if keys and line.role != "key":
            yield {"presses": keys}
            keys = ""
        match line.role:
            case "cut":
                is_cut = True
            case "key":
                keys += line.text
            case "user":
                yield {"interrupts" if is_cut else "says": _masked(line.text)}
                is_cut = False
            case "assistant" if heard := _part(line.text):
                yield {"hears": heard, "match": "fuzzy"}
            case "tool":
                arguments = {
                    key: value
                    for key, value in _arguments(line.text).items()
                    if _masked(str(value)) == str(value)
                }
                yield {"expects_tool": line.name, **({"arguments": arguments} if arguments else {})}
    if keys:
        yield {"presses": keys}


def _answers(lines: Sequence[_Line]) -> list[dict[str, Any]]:
    """Return what the model said and called, an answer each."""
    found: list[dict[str, Any]] = []
    for line in lines:
        if line.role == "assistant":
            found.append({"say": _masked(line.text)})
        elif line.role == "tool":
            arguments = {
                key: _masked(value) if isinstance(value, str) else value
                for key, value in _arguments(line.text).items()
            }
            found.append({"call_tool": line.name, **({"arguments": arguments} if arguments else {})})
    return found or [{"say": ""}]


def _arguments(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _masked(text: str) -> str:
    """Return a text without long numbers and addresses of mail."""
    text = _MAIL.sub(_MAIL_MASK, text.strip())
    return _NUMBER.sub(lambda found: re.sub(r"\d", "0", found[0]), text)


def _part(text: str) -> str:
    """Return the first words of what was heard, of the longest part without what is masked."""
    parts = [[one for one in part.split() if _WORD.search(one)] for part in _PRIVATE.split(text)]
    return " ".join(max(parts, key=len)[:_MOST_WORDS])
