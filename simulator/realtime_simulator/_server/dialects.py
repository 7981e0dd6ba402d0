"""The dialects of the profiles `beta`, `azure-voice-live` and `xai`; the engine has the current names.

`beta` stands for servers with the names of the API's beta (Qwen, speaches): flat sessions, parts `text` and
`audio`, one `conversation.item.created`, no `rate_limits.updated`. The other two have modules of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import ApiProblem, invalid_value
from realtime_simulator._faults.alterations import BETA_NAMES

JSON = dict[str, Any]

PART_NAMES = {"output_text": "text", "output_audio": "audio"}
_FORMAT_NAMES = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
FLAT = {
    "input_audio_format": ("input", "format"),
    "input_audio_transcription": ("input", "transcription"),
    "input_audio_noise_reduction": ("input", "noise_reduction"),
    "turn_detection": ("input", "turn_detection"),
    "output_audio_format": ("output", "format"),
    "voice": ("output", "voice"),
    "speed": ("output", "speed"),
}
TODAYS = ("type", "audio", "output_modalities", "max_output_tokens")
_NEVER = ("conversation.item.done", "rate_limits.updated")


class Dialect(Protocol):
    """The events of a service in place of the current ones."""

    def outgoing(self, event: Mapping[str, Any]) -> Iterator[JSON]:
        """Return the events to send for an event."""

    def incoming(self, event: JSON) -> JSON:
        """Return the equivalent current event; raises ApiProblem for fields that the service doesn't know."""


class Beta:
    """The names of the API's beta."""

    def outgoing(self, event: Mapping[str, Any]) -> Iterator[JSON]:
        """Return the events to send for an event: none for those that the beta didn't have."""
        if event["type"] in _NEVER:
            return
        old = {name: value for name, value in event.items() if name != "obfuscation"}
        old["type"] = BETA_NAMES.get(event["type"], event["type"])
        for name in ("session", "response"):
            if name in old:
                old[name] = _flattened(old[name])
        if "item" in old:
            old["item"] = with_parts(old["item"], PART_NAMES)
        if "part" in old:
            old["part"] = _renamed(old["part"], PART_NAMES)
        yield old

    def incoming(self, event: JSON) -> JSON:
        """Return the equivalent current event."""
        kind = event.get("type")
        if kind == "session.update" and isinstance(event.get("session"), dict):
            return {**event, "session": {"type": "realtime", **_deepened(event["session"], "session")}}
        if kind == "response.create" and isinstance(event.get("response"), dict):
            return {**event, "response": _deepened(event["response"], "response")}
        if kind == "conversation.item.create" and isinstance(event.get("item"), dict):
            for number, part in enumerate(event["item"].get("content") or []):
                if part.get("type") in PART_NAMES:
                    raise invalid_value(
                        f"Invalid value: '{part['type']}'. Supported values are: "
                        "'input_text', 'input_audio', 'text', and 'audio'.",
                        f"item.content[{number}].type",
                    )
            parts = {old: new for new, old in PART_NAMES.items()}
            return {**event, "item": with_parts(event["item"], parts)}
        return event


def receiver(
    dialect: Dialect, receive: Callable[[str | bytes], None], refuse: Callable[[JSON], None], ids: Ids
) -> Callable[[str | bytes], None]:
    """Return the receiver of a connection's messages in a dialect.

    Args:
        dialect: The dialect.
        receive: Receives messages with the current names.
        refuse: Sends an error.
        ids: The source of event ids.
    """

    def translate(message: str | bytes) -> None:
        try:
            event = json.loads(message)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            receive(message)
            return
        try:
            meant = json.dumps(dialect.incoming(event))
        except ApiProblem as problem:
            refuse({"event_id": ids.new("event"), **problem.event(event.get("event_id"))})
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            receive(message)  # it matches no dialect, and is refused as such
        else:
            receive(meant)

    return translate


def _flattened(given: Mapping[str, Any]) -> JSON:
    flat = {name: value for name, value in given.items() if name not in TODAYS}
    audio = given.get("audio") or {}
    for name, (side, field) in FLAT.items():
        if field in (audio.get(side) or {}):
            value = audio[side][field]
            flat[name] = _FORMAT_NAMES.get(value["type"], "pcm16") if field == "format" else value
    if "output_modalities" in given:
        flat["modalities"] = ["text", "audio"] if "audio" in given["output_modalities"] else ["text"]
    if "output" in given:
        flat["output"] = [with_parts(item, PART_NAMES) for item in given["output"]]
    if "max_output_tokens" in given:
        name = "max_output_tokens" if "output" in given else "max_response_output_tokens"
        flat[name] = given["max_output_tokens"]
    return flat


def _deepened(given: JSON, path: str) -> JSON:
    """Return the current form of a session or of a response's parameters."""
    for name in TODAYS:
        if name in given:
            raise ApiProblem(
                f"Unknown parameter: '{path}.{name}'.", code="unknown_parameter", param=f"{path}.{name}"
            )
    deep = {name: value for name, value in given.items() if name not in (*FLAT, "temperature")}
    audio: JSON = {}
    for name, (side, field) in FLAT.items():
        if name in given:
            value = given[name]
            if field == "format":
                kind = next((new for new, old in _FORMAT_NAMES.items() if old == value), None)
                if kind is None:
                    raise invalid_value(f"Invalid value: '{value}'.", f"{path}.{name}")
                value = {"type": kind, "rate": 24000} if value == "pcm16" else {"type": kind}
            audio.setdefault(side, {})[field] = value
    if audio:
        deep["audio"] = audio
    if "modalities" in deep:
        deep["output_modalities"] = ["audio"] if "audio" in deep.pop("modalities") else ["text"]
    if "max_response_output_tokens" in deep:
        deep["max_output_tokens"] = deep.pop("max_response_output_tokens")
    return deep


def with_parts(item: JSON, names: Mapping[str, str]) -> JSON:
    if item.get("role") != "assistant" or not item.get("content"):
        return item
    return {**item, "content": [_renamed(part, names) for part in item["content"]]}


def _renamed(part: JSON, names: Mapping[str, str]) -> JSON:
    return {**part, "type": names.get(part["type"], part["type"])}
