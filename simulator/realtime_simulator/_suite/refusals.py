"""Refusals: events and handshakes that the service answers with an error, and the error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from realtime_simulator._suite.check import Check, Run, add
from realtime_simulator._suite.target import Failed, Socket, Target, expect, field

_REPORTS = "reports of users"
_PROBE = "a probe of the service, September 2026"
_ANY: Any = object()
_TRANSCRIPTION = {"intent": "transcription"}
_NESTED = {"type": "function", "function": {"name": "look", "parameters": {}}}


def updated(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **session}}


def created(**item: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": item}


def error_of(event: Mapping[str, Any], code: object, param: object, message: str) -> None:
    """Raise `Failed` unless an error is the expected one; a message is compared by its beginning."""
    error = field(event, "error")
    got = json.dumps(error)[:500]
    expect(code is _ANY or error.get("code") == code, f"expected the code {code!r}, got {got}")
    expect(param is _ANY or error.get("param") == param, f"expected the param {param!r}, got {got}")
    expect(str(error.get("message")).startswith(message), f"expected the message {message!r}, got {got}")


async def refused(socket: Socket, sent: Mapping[str, Any] | str | bytes) -> Mapping[str, Any]:
    """Send an event; return the error that names it."""
    if isinstance(sent, str | bytes):
        await socket.send_raw(sent)
        return await socket.until("error")
    await socket.send(**{"event_id": "event_of_check", **sent})
    event = await socket.until("error", may_fail=True)
    named = field(event, "error").get("event_id")
    expect(named == "event_of_check", f"expected the refused event's id in error.event_id, got {named!r}")
    return event


def _row(sent: Any, code: object, param: object, message: str, before: Any, query: Any) -> Run:
    async def run(target: Target) -> None:
        async with target.session(query) as socket:
            if before is not None:
                await socket.send(**before)
                await socket.until("conversation.item.added")
            error_of(await refused(socket, sent), code, param, message)
            if query is None:  # the session goes on
                await socket.update(instructions="Be brief.")

    return run


_MESSAGE = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello."}]}
_RATE = {"format": {"type": "audio/pcm", "rate": 16000}}
_WHISPER = {"transcription": {"model": "gpt-realtime-whisper"}, "turn_detection": {"type": "server_vad"}}


def _missing(id: str, type: str, name: str) -> tuple[Any, ...]:
    message = f"Missing required parameter: '{name}'."
    code = "missing_required_parameter"
    return (id, f"{type} without {name} is refused", "API description", {"type": type}, code, name, message)


def _unknown(id: str, name: str, value: object, source: str) -> tuple[Any, ...]:
    sent = updated(**{name: value})
    message = f"Unknown parameter: 'session.{name}'."
    return (id, f"session.{name} is refused", source, sent, "unknown_parameter", f"session.{name}", message)


_ROWS: Sequence[tuple[Any, ...]] = [
    ("E01", "an unknown event is refused", _PROBE, {"type": "nope"}, "invalid_value", "type",
     "Invalid value: 'nope'. Supported values are: 'session.update'"),
    ("E02", "an event without a type is refused", "API description", "{}", "missing_required_parameter",
     "type", "Missing required parameter: 'type'."),
    ("E03", "a message that is not JSON is refused", _PROBE, "{", "invalid_json", _ANY,
     "Invalid event: failed to parse JSON value."),
    ("E04", "a binary message is refused", _PROBE, b"{}", "invalid_event", _ANY,
     "Expected a text WebSocket message; binary frames are not supported."),
    _unknown("E05", "bogus_field", 1, _PROBE),
    _unknown("E06", "modalities", ["text"], "API description"),
    _unknown("E07", "voice", "marin", "API description"),
    _unknown("E08", "turn_detection", {"type": "server_vad"}, "API description"),
    _unknown("E09", "input_audio_format", "pcm16", "API description"),
    _unknown("E10", "temperature", 0.8, "API description"),
    ("E11", "16 kHz is refused", _PROBE, updated(audio={"input": _RATE}), "integer_below_min_value",
     "session.audio.input.format.rate", "Invalid 'session.audio.input.format.rate': integer below minimum"),
    ("E12", "a function without a name is refused", _REPORTS, updated(tools=[{"type": "function"}]),
     "missing_required_parameter", "session.tools[0].name",
     "Missing required parameter: 'session.tools[0].name'."),
    ("E13", "a function in the form of Chat Completions is refused", _REPORTS, updated(tools=[_NESTED]),
     "missing_required_parameter", "session.tools[0].name",
     "Missing required parameter: 'session.tools[0].name'."),
    ("E14", "both modalities together are refused", _REPORTS, updated(output_modalities=["audio", "text"]),
     "invalid_value", "session.output_modalities",
     "Invalid modalities: ['audio', 'text']. Supported combinations are: ['text'] and ['audio']."),
    ("E15", "both modalities of a response are refused", _REPORTS,
     {"type": "response.create", "response": {"output_modalities": ["audio", "text"]}}, "invalid_value",
     "response.output_modalities", "Invalid modalities: ['audio', 'text']."),
    ("E16", "an update of the other kind of session is refused", _REPORTS, updated(type="transcription"),
     "invalid_parameter", _ANY,
     "Passing a transcription session update event to a realtime session is not allowed."),
    ("E17", "an output for an unknown call is refused", "livekit/agents, September 2025; API description",
     created(type="function_call_output", call_id="call_none", output="1"), "invalid_tool_call_id", None,
     "Tool call ID 'call_none' not found in conversation."),
    ("E18", "a call_id of 33 characters is refused", "logs of clients",
     created(type="function_call", name="f", call_id="c" * 33, arguments="{}"), "string_above_max_length",
     "item.call_id", "Invalid 'item.call_id': string too long."),
    ("E19", "an assistant's item with audio is refused", "openai-agents-js, February 2026; API description",
     created(type="message", role="assistant", content=[{"type": "output_audio", "transcript": "Hi."}]),
     "missing_required_parameter", "item.content[0].text",
     "Missing required parameter: 'item.content[0].text'."),
    ("E20", "an append without audio is refused", _REPORTS,
     {"type": "input_audio_buffer.append", "audio": ""},
     "invalid_value", "audio", "Invalid 'audio'. Expected base64-encoded audio bytes"),
    ("E21", "audio that is not base64 is refused", _REPORTS,
     {"type": "input_audio_buffer.append", "audio": "no!"}, "invalid_value", "audio",
     "Invalid 'audio'. Expected base64-encoded audio bytes"),
    ("E22", "a fractional number of milliseconds is refused", "openai-agents-js",
     {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": 1.5},
     "invalid_type", "audio_end_ms",
     "Invalid type for 'audio_end_ms': expected an integer, but got a decimal number instead."),
    ("E23", "a format in the old notation is refused", _REPORTS, updated(audio={"input": {"format":
    "pcm16"}}),
     "invalid_type", "session.audio.input.format", "Invalid type for 'session.audio.input.format':"),
    ("E24", "an unknown format is refused", _REPORTS, updated(audio={"input": {"format": {"type": "pcm16"}}}),
     "invalid_value", _ANY, "Invalid value: 'pcm16'. Supported values are: 'audio/pcm'"),
    ("E25", "a cancellation without a response is refused", "livekit/agents", {"type": "response.cancel"},
     _ANY, _ANY, "Cancellation failed: no active response found"),
    ("E26", "a commit without audio is refused", _REPORTS, {"type": "input_audio_buffer.commit"},
     "input_audio_buffer_commit_empty", _ANY, "Error committing input audio buffer: buffer too small."),
    ("E27", "the truncation of an unknown item is refused", _REPORTS,
     {"type": "conversation.item.truncate", "item_id": "item_none", "content_index": 0, "audio_end_ms": 0},
     "item_truncate_invalid_item_id", _ANY, "Item with item_id not found: item_none"),
    ("E28", "the deletion of an unknown item is refused", _REPORTS,
     {"type": "conversation.item.delete", "item_id": "item_none"}, "item_delete_invalid_item_id", _ANY,
     "Error deleting item: the item with id 'item_none' does not exist."),
    ("E29", "the retrieval of an unknown item is refused", "pipecat-ai/pipecat",
     {"type": "conversation.item.retrieve", "item_id": "item_none"},
     "item_retrieve_invalid_item_id", _ANY, ""),
    ("E30", "more than 16 entries of metadata are refused", _REPORTS,
     {"type": "response.create", "response": {"metadata": {f"k{n}": "v" for n in range(17)}}},
     "object_above_max_properties", "response.metadata", "Invalid 'response.metadata': too many properties."),
    ("E31", "metadata of more than 512 characters is refused", _REPORTS,
     {"type": "response.create", "response": {"metadata": {"k": "v" * 513}}}, "string_above_max_length",
     "response.metadata.k", "Invalid 'response.metadata.k': string too long."),
    _missing("E32", "conversation.item.create", "item"),
    _missing("E33", "input_audio_buffer.append", "audio"),
    _missing("E34", "conversation.item.delete", "item_id"),
    _missing("E35", "conversation.item.retrieve", "item_id"),
    _missing("E36", "session.update", "session"),
    ("E37", "instructions of another type than text are refused", "API description", updated(instructions=1),
     "invalid_type", "session.instructions", "Invalid type for 'session.instructions': expected a string"),
    ("E38", "an item id that exists is refused", _REPORTS, created(id="item_twice", **_MESSAGE),
     "item_create_duplicate_item_id", None, "Error adding item: an item with id 'item_twice' already exists.",
     created(id="item_twice", **_MESSAGE)),
    ("E39", "the truncation of a user's message is refused", _REPORTS,
     {"type": "conversation.item.truncate", "item_id": "item_user", "content_index": 0, "audio_end_ms": 0},
     _ANY, _ANY, "Only model output audio messages can be truncated",
     created(id="item_user", **_MESSAGE)),
    ("E40", "a realtime update of a transcription session is refused", _REPORTS, updated(),
     "invalid_parameter", _ANY, "Passing a realtime session update event to a transcription session",
     None, _TRANSCRIPTION),
    ("E41", "turn detection is refused for a model without it", "API description; reports of users",
     updated(type="transcription", audio={"input": _WHISPER}), _ANY, "session.audio.input.turn_detection",
     "Turn detection is not supported for this transcription model.", None, _TRANSCRIPTION),
    ("E42", "an unknown voice is refused", "measurement of July 2026",
     updated(audio={"output": {"voice": "nova"}}), "invalid_value", "session.audio.output.voice",
     "Invalid value: 'nova'. Supported values are: "),
    ("E43", "an unknown transcription model is refused", _REPORTS,
     updated(audio={"input": {"transcription": {"model": "gpt-4o-transcribe-latest"}}}), "invalid_value",
     "session.audio.input.transcription.model",
     "Invalid value: 'gpt-4o-transcribe-latest'. Supported values"),
]  # fmt: skip
_OPENAI_ONLY = ("E42", "E43")
for _id, _title, _source, _sent, _code, _param, _message, *_more in _ROWS:
    _before, _query = (*_more, None, None)[:2]
    _needs = ("current", "names") if _id in _OPENAI_ONLY else ("current",)
    add(Check(_id, "errors", _title, _source, _row(_sent, _code, _param, _message, _before, _query), _needs))


def _handshake(asked: Any, code: str | None, message: str, close: int, options: Any) -> Run:
    async def run(target: Target) -> None:
        query = {"model": target.model} if asked is None else asked
        async with target.socket(query=query, **options) as socket:
            event = await socket.next()
            expect(event["type"] == "error", f"expected an error, got {event['type']}")
            error_of(event, code, _ANY, message)
            reason = "invalid_request_error" if code is None else f"invalid_request_error.{code}"
            got = await socket.closed()
            if got != (close, reason):
                raise Failed(f"expected the close {close} {reason!r}, got {got[0]} {got[1]!r}")

    return run


_HANDSHAKES: Sequence[tuple[Any, ...]] = [
    ("H01", "a wrong key", None, "invalid_api_key", "Incorrect API key provided: ", 3000,
     {"key": "sk-wrong-key-of-a-check-AAAA"}),
    ("H02", "no key", None, None, "Missing bearer or basic authentication in header", 3000, {"key": ""}),
    ("H03", "no model", {}, "missing_model", "You must provide a model parameter", 4000, {}),
    ("H04", "an unknown model", {"model": "gpt-nope"}, "invalid_model",
     'Model "gpt-nope" is not supported in realtime mode', 4000, {}),
    ("H05", "the header of the beta", None, "beta_api_shape_disabled",
     "The Realtime Beta API is no longer supported.", 4000, {"headers": {"OpenAI-Beta": "realtime=v1"}}),
    ("H06", "a model beside intent=transcription", {**_TRANSCRIPTION, "model": "gpt-realtime-whisper"},
     "invalid_model", "You must not provide a model parameter for transcription sessions.", 4000, {}),
    ("H07", "a transcription model for a conversation", {"model": "gpt-realtime-whisper"}, "invalid_model",
     'Model "gpt-realtime-whisper" is a transcription model', 4000, {}),
]  # fmt: skip
for _id, _what, _asked, _code, _message, _close, _options in _HANDSHAKES:
    _title = f"{_what}: an error and the close code {_close} after the handshake"
    _made = _handshake(_asked, _code, _message, _close, _options)
    add(Check(_id, "handshakes", _title, _PROBE, _made, ("current", "late")))
