"""Client messages: from text to a checked event, or an error as the API words it.

Messages are untrusted: their size, depth and characters are limited here, once, for all code behind
this module.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Collection, Mapping
from typing import Any

from realtime_simulator._core import schema
from realtime_simulator._core.problem import ApiProblem, invalid_value
from realtime_simulator._engine import refusals

MAX_EVENT_BYTES = 15 * 1024 * 1024
MAX_DEPTH = 64
"""Lists and objects within each other."""
MAX_EVENT_ID = 512
# The API's own examples have null here, for an absent id.
_NULL_ACCEPTED = ("event_id", "previous_item_id")


def parse(text: str | bytes) -> dict[str, Any]:
    """Return a message as an event that is not checked yet.

    Args:
        text: The message as it came.

    Raises:
        ApiProblem: It is too large, invalid JSON, not an object, nested too deeply, or has a lone surrogate.
    """
    if len(text) > MAX_EVENT_BYTES:
        raise ApiProblem(
            f"An event has at most {MAX_EVENT_BYTES} bytes; this one has {len(text)}.",
            code="string_above_max_length",
        )
    event = read_json(text, "message")
    if not isinstance(event, dict):
        raise ApiProblem("An event is a JSON object.", code="invalid_json")
    return event


def read_json(text: str | bytes, what: str) -> Any:
    """Return JSON from outside.

    Args:
        text: The JSON.
        what: Its name for the message.

    Raises:
        ApiProblem: It is invalid JSON, has NaN or infinite numbers, is nested too deeply, or has a lone
            in it.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise ApiProblem(
            f"Invalid event: failed to parse JSON value. The {what} is not valid JSON.", code="invalid_json"
        ) from None
    _check_depth(value, what)
    escape = b"\\u" if isinstance(text, bytes) else "\\u"
    if escape in text:  # type: ignore[operator]
        _check_characters(value, what)
    return value


def event_id(event: Mapping[str, Any]) -> str | None:
    """Return the id that a client gave its event, if it is one."""
    given = event.get("event_id")
    return given if isinstance(given, str) and len(given) <= MAX_EVENT_ID else None


def check(
    event: Mapping[str, Any], allowed: Collection[str], union: str, listed: Collection[str] = ()
) -> str:
    """Return the type of an event that the API would accept.

    Args:
        event: The event.
        allowed: The types that this session accepts.
        union: The schema of which it has to be a member.
        listed: The types that a refusal names; those of `allowed` if empty.

    Raises:
        ApiProblem: The event is invalid.
    """
    if "type" not in event:
        raise ApiProblem(
            "Missing required parameter: 'type'.", code="missing_required_parameter", param="type"
        )
    kind = event["type"]
    if not isinstance(kind, str) or kind not in allowed:
        if kind in listed:
            raise invalid_value(f"Invalid value: '{kind}'. This session doesn't have it.", "type")
        raise invalid_value(schema.not_supported(kind, listed or allowed), "type")
    described = _as_described(event)
    try:
        schema.check(schema.event_schemas(union)[kind], described)
    except ApiProblem as problem:
        raise refusals.reworded(problem, described) from None
    return kind


def encode_audio(sound: bytes | bytearray) -> str:
    """Return sound as events have it."""
    return base64.b64encode(sound).decode("ascii")


def decode_audio(text: str, param: str = "audio") -> bytes:
    """Return the bytes of an event's `audio`.

    Args:
        text: Base64.
        param: Its path in the event.

    Raises:
        ApiProblem: It isn't base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise refusals.TABLE["audio_invalid"].problem(at=param) from None


def _as_described(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an event without sound, and without fields that the API accepts but its description lacks."""
    fields = {key: value for key, value in event.items() if value is not None or key not in _NULL_ACCEPTED}
    # Audio is the only large value, and its schema is just "a string".
    if isinstance(fields.get("audio"), str):
        fields["audio"] = fields["audio"][:1]
    item = fields.get("item")
    if isinstance(item, dict) and item.get("type") == "mcp_approval_response":
        # Clients may omit its id, which the description requires.
        fields["item"] = {"id": "", **item}
    response = fields.get("response")
    if isinstance(response, dict):
        fields["response"] = without_nulls(response)
    session = fields.get("session")
    if isinstance(session, dict):
        fields["session"] = without_null_parts(session)
    return fields


def without_null_parts(session: Mapping[str, Any]) -> dict[str, Any]:
    """Return a session without nulls in `tracing` and `transcription` and without those descriptions of tools
    that are null: they count as unset.

    The agents SDK for Python sends all parts of the first, and the service shows nulls in the second.
    Clients send the descriptions that functions have, or don't.
    """
    fields = dict(session)
    if isinstance(tracing := fields.get("tracing"), dict):
        fields["tracing"] = without_nulls(tracing)
    if isinstance(tools := fields.get("tools"), list):
        fields["tools"] = [
            {key: value for key, value in tool.items() if key != "description" or value is not None}
            if isinstance(tool, dict)
            else tool
            for tool in tools
        ]
    if (
        isinstance(audio := fields.get("audio"), dict)
        and isinstance(heard := audio.get("input"), dict)
        and isinstance(transcription := heard.get("transcription"), dict)
    ):
        fields["audio"] = {**audio, "input": {**heard, "transcription": without_nulls(transcription)}}
    return fields


def without_nulls(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without its fields, and those of objects in it, that are null: they count as unset."""
    return {
        key: without_nulls(value) if isinstance(value, dict) else value
        for key, value in fields.items()
        if value is not None
    }


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _check_depth(value: Any, what: str) -> None:
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ApiProblem(f"The {what} is nested more than {MAX_DEPTH} levels deep.", code="invalid_json")


def _check_characters(value: Any, what: str) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ApiProblem(
            f"The {what} has half of a surrogate pair in it, which is not a character.", code="invalid_json"
        ) from None
