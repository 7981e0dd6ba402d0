"""Requests and WebSocket messages as an HTTP archive (HAR 1.2), which browsers' developer tools read.

Keys and secrets are masked. Messages are in `_webSocketMessages`, as browsers write them; sound is replaced
by its length.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http.client import responses
from typing import Any
from urllib.parse import parse_qsl

from realtime_simulator._core.version import __version__
from realtime_simulator._records.session import SessionEvent, SessionRecord, is_copy
from realtime_simulator._records.store import RequestRecord
from realtime_simulator.scrub import Scrubber

_SWITCHED = 101


def archive(
    requests: Sequence[RequestRecord], sessions: Sequence[SessionRecord], base_url: str, scrub: Scrubber
) -> str:
    """Return an archive as JSON.

    Args:
        requests: The requests, oldest first.
        sessions: The sessions whose messages it has, each at the requests that opened or attached to it.
        base_url: The simulator's address.
        scrub: Masks keys and secrets.
    """
    by_id = {session.id: session for session in sessions}
    entries = []
    for one in requests:
        entry = _entry(one, base_url.removesuffix("/v1"), scrub)
        session = by_id.get(one.session or "")
        if one.status == _SWITCHED:
            entry["request"]["url"] = "ws" + entry["request"]["url"].removeprefix("http")
            entry["_resourceType"] = "websocket"
            entry["_webSocketMessages"] = _messages(one, session, scrub)
        elif session is not None and session.transport == "webrtc" and one.response_headers.get("location"):
            entry["comment"] = "The messages are those of the call's data channel."
            entry["_webSocketMessages"] = _messages(one, session, scrub)
        entries.append(entry)
    creator = {"name": "realtime-simulator", "version": __version__}
    log = {"version": "1.2", "creator": creator, "pages": [], "entries": entries}
    return json.dumps({"log": log}, indent=1)


def _of_connection(session: SessionRecord, path: str) -> Sequence[SessionEvent]:
    """Return the events of a session on one of its connections: of the audio, sidebands of Live sessions have
    copies alone, and other connections have none of these."""
    sideband = path.endswith("/attach")
    audio = ("session.output_audio.delta", "session.input_audio.append")
    return [one for one in session.events if is_copy(one) == (sideband and one.event.get("type") in audio)]


def _entry(record: RequestRecord, origin: str, scrub: Scrubber) -> dict[str, Any]:
    query = f"?{record.query}" if record.query else ""
    url = scrub.url(origin + record.path + query)
    asked = _content(record.body, record.headers, scrub)
    answered = _content(record.response_body, record.response_headers, scrub)
    request: dict[str, Any] = {
        "method": record.method,
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _pairs(record.headers, scrub),
        "queryString": [
            {"name": name, "value": value}
            for name, value in parse_qsl(url.partition("?")[2], keep_blank_values=True)
        ],
        "headersSize": -1,
        "bodySize": len(record.body),
    }
    if record.body:
        request["postData"] = asked
    response = {
        "status": record.status,
        "statusText": responses.get(record.status, ""),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _pairs(record.response_headers, scrub),
        "content": {"size": len(record.response_body), **answered},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": len(record.response_body),
    }
    milliseconds = round(max(0.0, (record.ended or record.time) - record.time) * 1000, 3)
    return {
        "startedDateTime": datetime.fromtimestamp(record.time, UTC).isoformat(timespec="milliseconds"),
        "time": milliseconds,
        "request": request,
        "response": response,
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "_resourceType": "fetch",
    }


def _pairs(headers: Mapping[str, str], scrub: Scrubber) -> list[dict[str, str]]:
    return [{"name": name, "value": scrub.header(name, value)} for name, value in headers.items()]


def _content(body: bytes, headers: Mapping[str, str], scrub: Scrubber) -> dict[str, str]:
    clean, kind = scrub.body(body, headers.get("content-type", ""))
    return {"mimeType": kind, "text": clean.decode("utf-8", "replace")}


def _messages(record: RequestRecord, session: SessionRecord | None, scrub: Scrubber) -> list[dict[str, Any]]:
    """Return the messages while a connection was open; of a refused one, its error."""
    if session is None:
        refusal = [] if record.error is None else [{"type": "error", "error": dict(record.error)}]
        return [_message("sent", record.ended or record.time, event, scrub) for event in refusal]

    def is_open(event: SessionEvent) -> bool:
        return event.time >= record.time and (
            record.ended is None or record.status != _SWITCHED or event.time <= record.ended
        )

    return [
        _message(one.direction, one.time, one.event, scrub)
        for one in _of_connection(session, record.path)
        if is_open(one)
    ]


def _message(direction: str, time: float, event: Mapping[str, Any], scrub: Scrubber) -> dict[str, Any]:
    data = json.dumps(scrub.value(event), ensure_ascii=False)
    return {"type": "send" if direction == "received" else "receive", "time": time, "opcode": 1, "data": data}
