"""Recordings of the service: the messages of a connection, its close, and HTTP exchanges.

A recording is YAML with a list of `interactions`, in the shape in which several projects record the service:

    version: 1
    interactions:
    - kind: open                    # optional: the address; otherwise derived from the messages received
      path: /v1/realtime
      query: {model: gpt-realtime-2.1}
    - kind: message
      direction: received           # or sent
      data: {type: session.created, …}
    - kind: close
      code: 1001
      reason: …
    - request: {method: POST, uri: …, headers: …, body: …}
      response: {status: {code: 201}, headers: …, body: {string: …}}

An exchange's status may be a number, and its body `{type: none | text | json | base64, content: …}`.

Audio may be shortened. The tapes of the simulator (`tape`) are read as recordings, one for each session.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import attrs
import yaml

from realtime_simulator._recordings import tape
from realtime_simulator._recordings.files import private_opener

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
VERSION = 1
AUDIO_CHARACTERS = 44
"""The characters that are kept of base64 audio: 32 bytes, enough to recognize it."""


class RecordingError(ValueError):
    """A file that is not a recording; the message has the file and the place."""


@attrs.frozen(kw_only=True)
class Open:
    """A connection was opened.

    Args:
        pointer: The JSON pointer of the interaction.
        path: The address without its query.
        query: Its query.
    """

    pointer: str
    path: str
    query: Mapping[str, str]


@attrs.frozen(kw_only=True)
class Message:
    """One side sent a message.

    Args:
        pointer: The JSON pointer of its data.
        direction: `sent` by the client, or `received` by it.
        data: The event; text or bytes if it was none.
    """

    pointer: str
    direction: Literal["sent", "received"]
    data: Any = attrs.field(repr=False)

    @property
    def type(self) -> str:
        return str(self.data.get("type")) if isinstance(self.data, Mapping) else ""


@attrs.frozen(kw_only=True)
class Close:
    """The connection was closed.

    Args:
        pointer: The JSON pointer of the interaction.
        code: The close code; 1006 where it was cut.
        reason: The reason.
        by: The side that closed, if the recording has it.
    """

    pointer: str
    code: int
    reason: str
    by: str | None = None


@attrs.frozen(kw_only=True)
class Exchange:
    """An HTTP request and its answer.

    Args:
        pointer: The JSON pointer of the interaction.
        method: The request's method.
        path: Its path from `/v1` on.
        query: Its query.
        headers: Its headers, in small letters.
        body: Its body.
        status: The answer's status.
        answer_headers: The answer's headers, in small letters.
        answer: The answer's body: JSON as such, other bodies as text; None if it has none.
    """

    pointer: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    status: int
    answer_headers: Mapping[str, str]
    answer: Any = attrs.field(repr=False)


Step = Open | Message | Close | Exchange


@attrs.frozen(kw_only=True)
class Recording:
    """One recording.

    Args:
        name: Where it comes from, for reports.
        steps: What happened, in order.
    """

    name: str
    steps: Sequence[Step] = attrs.field(repr=False)

    def messages(self, direction: Literal["sent", "received"]) -> Iterator[Message]:
        """Yield the messages in one direction that are events."""
        for step in self.steps:
            if isinstance(step, Message) and step.direction == direction and step.type:
                yield step

    @property
    def closes(self) -> Sequence[Close]:
        return [step for step in self.steps if isinstance(step, Close)]


def read(path: str | os.PathLike[str]) -> Sequence[Recording]:
    """Read a recording, or the recordings of a tape.

    Args:
        path: The file.

    Raises:
        OSError: It can't be read.
        RecordingError: It is not a recording.
    """
    name = Path(path).name
    try:
        text = Path(path).read_text(encoding="utf-8")
        if text.startswith('{"tape"'):
            return [_of_tape(name, session) for session in tape.read(path)]
        content = yaml.load(text, _Loader)
    except (ValueError, yaml.YAMLError) as error:
        raise RecordingError(f"{name}: {error}") from error
    interactions = content.get("interactions") if isinstance(content, Mapping) else None
    if not isinstance(interactions, list):
        raise RecordingError(f"{name}: a recording is an object with a list of 'interactions'")
    if content.get("version", VERSION) != VERSION:
        raise RecordingError(f"{name}: version {content['version']!r} is not known, only {VERSION}")
    steps = []
    for number, fields in enumerate(interactions):
        try:
            steps.append(_step(fields, f"/interactions/{number}"))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else error
            raise RecordingError(f"{name}: /interactions/{number} is not an interaction: {what}") from error
    return [Recording(name=name, steps=steps)]


class Writer:
    """Writes a recording: HTTP exchanges and sessions in the order in which they began, without most of the
    audio. The file is written whenever one of them has ended.

    Args:
        path: The file; an existing one is replaced.

    Raises:
        OSError: It can't be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._parts: list[list[dict[str, Any]]] = []
        self._write()

    def begin(self, path: str, query: Mapping[str, str]) -> int:
        """Begin a session and return its number."""
        self._parts.append([{"kind": "open", "path": path, "query": dict(query)}])
        return len(self._parts)

    def refused(self, session: int, status: int, body: Any) -> None:
        """The handshake was refused."""
        opened = self._parts[session - 1].pop()
        address = f"{opened['path']}?{urlencode(opened['query'])}"
        content = {"parsed_body": body} if isinstance(body, Mapping) else {"body": {"string": body}}
        self._parts[session - 1].append(
            {
                "request": {"method": "GET", "uri": address},
                "response": {"status": {"code": status}, **content},
            }
        )
        self._write()

    def message(self, session: int, at: float, side: tape.Side, value: Any) -> None:
        """One side sent something."""
        direction = "sent" if side == "client" else "received"
        part = {"kind": "message", "direction": direction, "at": round(at, 3), "data": shortened(value)}
        self._parts[session - 1].append(part)

    def close(self, session: int, at: float, code: int, reason: str, by: tape.Side) -> None:
        """A session has ended."""
        part = {"kind": "close", "at": round(at, 3), "code": code, "reason": reason, "by": by}
        self._parts[session - 1].append(part)
        self._write()

    def exchange(self, request: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        """An HTTP request was answered.

        Args:
            request: `method`, `uri`, `headers` and `body`, without secrets.
            response: `status`, `headers` and `body`, without secrets.
        """
        self._parts.append([{"request": dict(request), "response": dict(response)}])
        self._write()

    def end(self) -> None:
        """Write the rest."""
        self._write()

    def _write(self) -> None:
        interactions = [interaction for part in self._parts for interaction in part]
        with open(self._path, "w", encoding="utf-8", newline="\n", opener=private_opener) as file:
            file.write(text_of(interactions))


def text_of(interactions: Sequence[Mapping[str, Any]]) -> str:
    """Return a recording's file.

    Args:
        interactions: Its interactions, as the file has them.
    """
    content = {"version": VERSION, "interactions": list(interactions)}
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def shortened(data: Any) -> Any:
    """Return an event without most of its audio."""
    if isinstance(data, list):
        return [shortened(value) for value in data]
    if not isinstance(data, Mapping):
        return data
    cut = {"audio", "delta"} if str(data.get("type")).endswith("audio.delta") else {"audio"}
    return {
        key: value[:AUDIO_CHARACTERS] if key in cut and isinstance(value, str) else shortened(value)
        for key, value in data.items()
    }


def _step(fields: Mapping[str, Any], pointer: str) -> Step:
    if "request" in fields:
        return _exchange(fields["request"], fields["response"], pointer)
    kind = fields.get("kind", "message")
    if kind == "open":
        return Open(pointer=pointer, path=str(fields["path"]), query=dict(fields.get("query", {})))
    if kind == "close":
        code, reason = int(fields["code"]), str(fields.get("reason") or "")
        return Close(pointer=pointer, code=code, reason=reason, by=fields.get("by"))
    if kind != "message" or fields["direction"] not in ("sent", "received"):
        raise ValueError(f"kind {kind!r}, direction {fields.get('direction')!r}")
    return Message(pointer=f"{pointer}/data", direction=fields["direction"], data=fields["data"])


def _exchange(request: Mapping[str, Any], response: Mapping[str, Any], pointer: str) -> Exchange:
    parts = urlsplit(str(request["uri"]))
    _, version, rest = parts.path.partition("/v1/")
    if not version:
        raise ValueError(f"the address {parts.path!r} is none of the API's")
    status = response["status"]
    return Exchange(
        pointer=pointer,
        method=str(request["method"]),
        path=f"/v1/{rest}",
        query=dict(parse_qsl(parts.query)),
        headers=_headers(request.get("headers")),
        body=_bytes(_content(request)),
        status=int(status["code"] if isinstance(status, Mapping) else status),
        answer_headers=_headers(response.get("headers")),
        answer=_value(_content(response)),
    )


def _headers(headers: Mapping[str, Any] | None) -> dict[str, str]:
    return {
        str(name).lower(): ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in (headers or {}).items()
    }


def _content(message: Mapping[str, Any]) -> Any:
    """Return the body of a message: text, bytes, or the value of a JSON body; None if there is none."""
    if "parsed_body" in message:
        return message["parsed_body"]
    body = message.get("body")
    if not isinstance(body, Mapping):
        if body is None or isinstance(body, str | bytes):
            return body
        raise ValueError(f"body {str(body)[:40]!r} is neither text nor an object")
    if "string" in body:
        return body["string"]
    match body.get("type"):
        case "none":
            return None
        case "text" if isinstance(body["content"], str):
            return body["content"]
        case "base64":
            return base64.b64decode(body["content"], validate=True)
        case "json":
            return body["content"]
    raise ValueError(f"body of type {body.get('type')!r}; the types are none, text, json and base64")


def _bytes(content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    return (
        content.encode()
        if isinstance(content, str)
        else b""
        if content is None
        else json.dumps(content).encode()
    )


def _value(content: Any) -> Any:
    """Return the JSON value of a body, or its text if it is not JSON."""
    if isinstance(content, bytes):
        content = content.decode("utf-8", "replace")
    try:
        return (json.loads(content) if content else None) if isinstance(content, str) else content
    except ValueError:
        return content


def _of_tape(name: str, session: tape.RecordedSession) -> Recording:
    pointer = f"/{session.number}"
    if session.refused is not None:
        status, answer = session.refused
        refused = Exchange(
            pointer=pointer,
            method="GET",
            path=session.path,
            query=session.query,
            headers={},
            body=b"",
            status=status,
            answer_headers={},
            answer=answer,
        )
        return Recording(name=f"{name}, session {session.number}", steps=[refused])
    steps: list[Step] = [Open(pointer=pointer, path=session.path, query=session.query)]
    for number, message in enumerate(session.messages):
        steps.append(
            Message(
                pointer=f"{pointer}/{number}",
                direction="sent" if message.side == "client" else "received",
                data=message.value,
            )
        )
    if session.close is not None:
        close = session.close
        steps.append(Close(pointer=f"{pointer}/close", code=close.code, reason=close.reason, by=close.by))
    return Recording(name=f"{name}, session {session.number}", steps=steps)
