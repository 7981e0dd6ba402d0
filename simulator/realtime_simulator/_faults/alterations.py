"""The changes that faults make to a session's events and to SDP answers."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from realtime_api import schemas

from realtime_simulator._core import schema
from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import EXPIRED, INTERNAL_ERROR, session_expired
from realtime_simulator._faults.catalog import Drawing

BETA_NAMES = {
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "conversation.item.added": "conversation.item.created",
}
_NESTED = {"session", "response", "item", "part", "error"}
_PREFIX = "#/$defs/"
_PASSWORD = re.compile(r"(?m)^a=ice-pwd:[^\r\n]*")
_CANDIDATE = re.compile(r"(?m)^(a=candidate:\S+ \d+ \S+ \d+ \S+) \d+ ")
_DISCARD = 9


class Cut(Exception):
    """The connection ends here.

    Args:
        close: The close code and reason; None for no close frame at all.
    """

    def __init__(self, close: tuple[int, str] | None) -> None:
        super().__init__(close)
        self.close = close


class EventFaults:
    """The faults of the events on one connection.

    Args:
        drawing: Its faults.
        ids: The source of the added events' ids.
        union: The event union that it speaks.
    """

    def __init__(self, drawing: Drawing, ids: Ids, union: str = "RealtimeServerEvent") -> None:
        self._drawing = drawing
        self._ids = ids
        self._union = union
        self._session: Any = None
        self._usage: Any = {"seconds": 0.0}

    def apply(self, event: Mapping[str, Any], send: Callable[[Mapping[str, Any]], None]) -> None:
        """Send an event with the faults that are due.

        Args:
            event: The event as it should be.
            send: Called with each event that goes out.

        Raises:
            Cut: The connection ends; events that were sent before are still delivered.
        """
        if self._union.startswith("Live"):
            self._session = event.get("session", self._session)
            self._usage = event.get("usage", self._usage)
        for one in self._changed(event):
            send(one)
        self._cut(str(event["type"]), send)

    def _changed(self, event: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        if self._drawing.draw("nulls") is not None:
            event = with_nulls(event, self._union)
        if event["type"] in BETA_NAMES and self._drawing.draw("beta_events") is not None:
            event = {**event, "type": BETA_NAMES[event["type"]]}
        yield event
        unknown = self._drawing.draw("unknown_event")
        if unknown is not None:
            yield {
                "type": unknown["type"],
                "event_id": self._ids.new("event"),
                "thought": {"type": "hunch", "depth": 3},
            }

    def _cut(self, type: str, send: Callable[[Mapping[str, Any]], None]) -> None:
        # The time is checked first, because drawing uses a fault up.
        live = self._union.startswith("Live")
        for name in ("session_expired", "socket_drop", "live_lost"):
            if name == "live_lost" and not live:
                continue
            settings = self._drawing.draw(name, lambda one: one["after"] in (None, type))
            if settings is None:
                continue
            if name == "socket_drop":
                raise Cut(None)
            if name == "live_lost":
                raise Cut((INTERNAL_ERROR, ""))
            if live:
                closed = {"reason": "expired", "session": self._session, "usage": self._usage}
                send({"type": "session.closed", "event_id": self._ids.new("event"), **closed})
                raise Cut((1000, "expired"))
            problem = session_expired(3600)
            send({"event_id": self._ids.new("event"), **problem.event()})
            raise Cut((EXPIRED, problem.message))


def with_nulls(event: Mapping[str, Any], union: str = "RealtimeServerEvent") -> dict[str, Any]:
    """Return an event in which every omitted field of its description is null.

    Args:
        event: A server event.
        union: The event union that it belongs to.
    """
    name = schema.event_schemas(union).get(str(event.get("type")))
    return dict(event) if name is None else _filled(schemas.get(name), event)


def _filled(described: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    properties = described.get("properties", {})
    required = described.get("required", ())
    filled: dict[str, Any] = {key: None for key in properties if key not in value and key not in required}
    for key, inner in value.items():
        reference = properties.get(key, {}).get("$ref") if key in _NESTED else None
        nested = schemas.get(reference.removeprefix(_PREFIX)) if reference is not None else {}
        filled[key] = _filled(nested, inner) if "properties" in nested and isinstance(inner, dict) else inner
    return filled


def apply_to_text(faults: EventFaults, text: str, send: Callable[[str], None]) -> None:
    """Apply `EventFaults.apply` to an event in JSON."""
    faults.apply(json.loads(text), lambda event: send(json.dumps(event, separators=(",", ":"))))


def without_connectivity(answer: str) -> str:
    """Return an answer whose ICE checks fail.

    The port of its candidates is closed, and its password is not the server's, so that not even
    checks over other candidates are answered (RFC 8445 §7.3). It signals the end of
    candidates, so that clients give up.

    Args:
        answer: An SDP answer.
    """
    answer = _PASSWORD.sub(f"a=ice-pwd:{secrets.token_hex(12)}\r\na=end-of-candidates", answer)
    return _CANDIDATE.sub(rf"\g<1> {_DISCARD} ", answer)
