"""The events of a session: of a tape, a recording, or the files of a recorder or an auditor."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from realtime_simulator._recordings import recording
from realtime_simulator._recordings.steps import Message, Open, Recording, Step
from realtime_simulator._records.state import Event, Side
from realtime_simulator._scenario import live_audio

_TRANSCRIPT = "transcript.jsonl"


@attrs.frozen
class History:
    """The events of one session, in order.

    Args:
        name: What it is, for people.
        events: The events.
        is_transcript: Whether they were made of a transcript, which has the words and tools alone.
    """

    name: str
    events: Sequence[Event]
    is_transcript: bool = False

    @classmethod
    def of(cls, name: str, messages: Sequence[tuple[float, Side, Mapping[str, Any]]]) -> History:
        """Return a history of events with times and sides."""
        begun = messages[0][0] if messages else 0.0
        events = [
            Event(number=number, at=round(at - begun, 3), side=side, data=data)
            for number, (at, side, data) in enumerate(messages, 1)
        ]
        return cls(name, events)


def load(path: str | os.PathLike[str], session: int = 1) -> History:
    """Read a session.

    Args:
        path: A tape; a recording as YAML or JSON lines; the transcript of a recorder; or the folder of an
            auditor.
        session: The number of the session on a tape or in a recording, from 1.

    Raises:
        OSError: It can't be read.
        ValueError: It is none of these, or has no such session or no events.
    """
    place = Path(path)
    file = place / _TRANSCRIPT if place.is_dir() else place
    if (lines := _transcript(file)) is not None:
        return attrs.evolve(History.of(file.name, lines), is_transcript=True)
    recordings = [one for whole in recording.read(file) for one in _sessions(whole)]
    if not recordings:
        raise ValueError(f"{file.name}: it has no events")
    if not 1 <= session <= len(recordings):
        raise ValueError(f"session: allowed is 1 to {len(recordings)}, got {session}")
    chosen = live_audio.timed(recordings[session - 1])
    messages: list[tuple[float, Side, Mapping[str, Any]]] = []
    now = 0.0
    for step in chosen.steps:
        if isinstance(step, Message) and isinstance(step.data, Mapping):
            now = now if step.at is None else step.at
            messages.append((now, "client" if step.direction == "sent" else "server", step.data))
    if not messages:
        raise ValueError(f"{chosen.name}: it has no events")
    return History.of(chosen.name, messages)


def _sessions(whole: Recording) -> list[Recording]:
    """Return the sessions of a recording, each on its own; without those that have no messages."""
    parts: list[list[Step]] = [[]]
    for step in whole.steps:
        if isinstance(step, Open):
            parts.append([])
        parts[-1].append(step)
    found = [part for part in parts if any(isinstance(step, Message) for step in part)]
    if len(found) == 1:
        return [attrs.evolve(whole, steps=found[0])]
    return [
        attrs.evolve(whole, name=f"{whole.name}, session {number}", steps=part)
        for number, part in enumerate(found, 1)
    ]


def _transcript(file: Path) -> list[tuple[float, Side, Mapping[str, Any]]] | None:
    """Return a transcript's lines as events; None if the file is not a transcript."""
    text = file.read_text(encoding="utf-8", errors="replace")
    rows = [line for line in text.split("\n") if line.strip()]
    try:
        first = json.loads(rows[0]) if rows else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(first, Mapping) or not {"at", "role"} <= first.keys():
        return None
    found: list[tuple[float, Side, Mapping[str, Any]]] = []
    for number, row in enumerate(rows, 1):
        try:
            line = json.loads(row)
            at = float(line["at"])
            found += [(at, "server", event) for event in _events(line, number)]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{file.name}, line {number}: this is not a line of a transcript") from error
    return found


def _events(line: Mapping[str, Any], number: int) -> Iterator[dict[str, Any]]:
    """Yield what an event of the service would have told of a transcript's line."""
    role, item_id = str(line["role"]), str(line.get("item_id") or f"line_{number}")
    if "heard_ms" in line:
        yield {"type": "conversation.item.truncated", "item_id": item_id, "audio_end_ms": line["heard_ms"]}
        return
    item: dict[str, Any] = {"id": item_id, "status": "completed"}
    if "name" in line:
        call = {"name": str(line["name"]), "arguments": str(line.get("text") or "")}
        item |= {"type": "function_call", "call_id": str(line.get("call_id") or item_id), **call}
    elif role == "tool":
        item |= {"type": "function_call_output", "call_id": str(line.get("call_id"))}
        item["output"] = str(line.get("text") or "")
    else:
        kind = {"user": "input_text", "system": "input_text"}.get(role, "output_text")
        content = [{"type": kind, "text": str(line.get("text") or "")}]
        item |= {"type": "message", "role": role, "content": content}
    yield {"type": "conversation.item.done", "item": item}
