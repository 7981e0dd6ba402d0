"""Events and items in the form of the Live API."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any


def answering(kind: str, client_event_id: str | None, **fields: Any) -> dict[str, Any]:
    """Return an event that answers a client's."""
    answered = {} if client_event_id is None else {"client_event_id": client_event_id}
    return {"type": kind, **fields, **answered}


def live_error(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an `error` event in the form of the Live API."""
    error = dict(event["error"])
    client_event_id = error.pop("event_id", None)
    if client_event_id is not None:
        error["client_event_id"] = client_event_id
    return {**event, "error": error}


def base64_text(data: bytes | bytearray) -> str:
    """Return bytes in base64."""
    return base64.b64encode(data).decode()


def message(role: str, kind: str, text: str) -> dict[str, Any]:
    """Return a message with a transcript."""
    return {"type": "message", "role": role, "content": [{"type": kind, "transcript": text}]}


def text_of(item: Mapping[str, Any]) -> str:
    """Return the words of a message."""
    parts = item.get("content") or ()
    if isinstance(parts, str):
        return parts
    return " ".join(str(part.get("transcript") or part.get("text") or "") for part in parts).strip()
