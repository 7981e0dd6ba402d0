"""The steps of a recording, whatever its file's form: messages, closes, HTTP exchanges."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import attrs


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
        at: When, in seconds; None if the recording has no time.
        connection: The name of its connection, where a recording has several at once.
    """

    pointer: str
    direction: Literal["sent", "received"]
    data: Any = attrs.field(repr=False)
    at: float | None = None
    connection: str = ""

    @property
    def type(self) -> str:
        return str(self.data["type"]) if isinstance(self.data, Mapping) and "type" in self.data else ""


@attrs.frozen(kw_only=True)
class Close:
    """The connection was closed.

    Args:
        pointer: The JSON pointer of the interaction.
        code: The close code; 1006 where it was cut.
        reason: The reason.
        by: The side that closed, if the recording has it.
        at: When, in seconds; None if the recording has no time.
        connection: As for `Message`.
    """

    pointer: str
    code: int
    reason: str
    by: str | None = None
    at: float | None = None
    connection: str = ""


@attrs.frozen(kw_only=True)
class Gap:
    """Something was not recorded here.

    Args:
        pointer: Where in the recording.
        at: When, in seconds; None if the recording has no time.
    """

    pointer: str
    at: float | None = None


@attrs.frozen(kw_only=True)
class Exchange:
    """An HTTP request and its answer.

    Args:
        pointer: The JSON pointer of the answer.
        method: The request's method.
        path: Its path from `/v1` on.
        query: Its query.
        headers: Its headers, in small letters.
        body: Its body.
        status: The answer's status.
        answer_headers: The answer's headers, in small letters.
        answer: The answer's body: JSON as such, other bodies as text; None if it has none.
        status_pointer: The JSON pointer of the status within the answer.
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
    status_pointer: str = "/status"


Step = Open | Message | Close | Exchange | Gap


@attrs.frozen(kw_only=True)
class Recording:
    """One recording.

    Args:
        name: Where it comes from, for reports.
        steps: What happened, in order.
        unread: What of the file was not understood, and left out.
    """

    name: str
    steps: Sequence[Step] = attrs.field(repr=False)
    unread: Sequence[str] = ()

    def messages(self, direction: Literal["sent", "received"]) -> Iterator[Message]:
        """Yield the messages in one direction that are events."""
        for step in self.steps:
            if isinstance(step, Message) and step.direction == direction and step.type:
                yield step

    @property
    def closes(self) -> Sequence[Close]:
        return [step for step in self.steps if isinstance(step, Close)]


def exchange(request: Mapping[str, Any], response: Mapping[str, Any], pointer: str) -> Exchange:
    """Return an exchange.

    Args:
        request: `method`, `uri`, and perhaps `headers` and `body`.
        response: `status`, and perhaps `headers` and `body`.
        pointer: Where the response is in the recording.
    """
    parts = urlsplit(str(request["uri"]))
    _, version, rest = f"{parts.path}/".partition("/v1/")
    if not version:
        raise ValueError(f"the address {parts.path!r} is not one of the API's")
    status = response["status"]
    return Exchange(
        pointer=pointer,
        method=str(request["method"]),
        path=f"/v1/{rest[:-1]}",
        query=dict(parse_qsl(parts.query)),
        headers=_headers(request.get("headers")),
        body=_bytes(_content(request)),
        status=int(status["code"] if isinstance(status, Mapping) else status),
        answer_headers=_headers(response.get("headers")),
        answer=_value(_content(response)),
        status_pointer="/status/code" if isinstance(status, Mapping) else "/status",
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
