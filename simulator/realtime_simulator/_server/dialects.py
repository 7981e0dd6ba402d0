"""The event names of services of the profiles `beta` and `xai`; the engine has the current names.

`beta` stands for servers that speak the names of the API's beta (Qwen, speaches): flat sessions, parts `text`
and `audio`, one `conversation.item.created`, no `rate_limits.updated`. `xai` has the current names, but reads
`voice` and `turn_detection` in the session itself and sends text as `response.text.delta`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import attrs

from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._faults.alterations import BETA_NAMES

JSON = dict[str, Any]

_TEXT_NAMES = {new: old for new, old in BETA_NAMES.items() if "text" in new and "transcript" not in new}
_PART_NAMES = {"output_text": "text", "output_audio": "audio"}
_FORMAT_NAMES = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
_FLAT = {
    "input_audio_format": ("input", "format"),
    "input_audio_transcription": ("input", "transcription"),
    "input_audio_noise_reduction": ("input", "noise_reduction"),
    "turn_detection": ("input", "turn_detection"),
    "output_audio_format": ("output", "format"),
    "voice": ("output", "voice"),
    "speed": ("output", "speed"),
}
_TODAYS = ("type", "audio", "output_modalities", "max_output_tokens")
_NEVER = ("conversation.item.done", "rate_limits.updated")


class Dialect(Protocol):
    """The events of a service in place of the current ones."""

    def outgoing(self, event: Mapping[str, Any]) -> Iterator[JSON]:
        """Return the events to send for an event."""

    def incoming(self, event: JSON) -> JSON:
        """Return the equivalent current event; raises ApiProblem for fields that the service doesn't know."""


def dialect_of(profile: str, ids: Ids) -> Dialect | None:
    """Return the dialect of a profile; None for the current names."""
    return Beta(ids) if profile == "beta" else Xai(ids) if profile == "xai" else None


@attrs.frozen
class Beta:
    """The names of the API's beta."""

    ids: Ids

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
            old["item"] = _with_parts(old["item"], _PART_NAMES)
        if "part" in old:
            old["part"] = _renamed(old["part"], _PART_NAMES)
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
                if part.get("type") in _PART_NAMES:
                    raise ApiProblem(
                        f"Invalid value: '{part['type']}'. Supported values are: "
                        "'input_text', 'input_audio', 'text', and 'audio'.",
                        code="invalid_value",
                        param=f"item.content[{number}].type",
                    )
            parts = {old: new for new, old in _PART_NAMES.items()}
            return {**event, "item": _with_parts(event["item"], parts)}
        return event


@attrs.frozen
class Xai:
    """xAI's names."""

    ids: Ids

    def outgoing(self, event: Mapping[str, Any]) -> Iterator[JSON]:
        """Return the events to send for an event."""
        if event["type"] == "rate_limits.updated":
            return
        own = {**event, "type": _TEXT_NAMES.get(event["type"], event["type"])}
        if event["type"] == "session.created":
            conversation = {"id": self.ids.new("conv"), "object": "realtime.conversation"}
            made = {"type": "conversation.created", "event_id": self.ids.new("event")}
            yield {**made, "conversation": conversation}
        if "session" in own:
            session, audio = dict(own["session"]), own["session"].get("audio", {})
            for name in ("voice", "turn_detection"):
                side, field = _FLAT[name]
                session[name] = audio.get(side, {}).get(field)
            own["session"] = {**session, "audio": _elsewhere(audio)}
        yield own

    def incoming(self, event: JSON) -> JSON:
        """Return the equivalent current event; fields in other places are ignored, as xAI does."""
        if event.get("type") != "session.update" or not isinstance(event.get("session"), dict):
            return event
        session = dict(event["session"])
        audio = _elsewhere(session.get("audio") or {})
        for name in ("voice", "turn_detection"):
            if name in session:
                side, field = _FLAT[name]
                audio.setdefault(side, {})[field] = session.pop(name)
        return {**event, "session": {**session, "type": "realtime", "audio": audio}}


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


def _elsewhere(audio: JSON) -> JSON:
    """Return `audio` without the fields that xAI has in the session itself."""
    moved = ("voice", "turn_detection")
    return {
        side: {name: value for name, value in given.items() if name not in moved}
        for side, given in audio.items()
        if isinstance(given, dict)
    }


def _flattened(given: Mapping[str, Any]) -> JSON:
    flat = {name: value for name, value in given.items() if name not in _TODAYS}
    audio = given.get("audio") or {}
    for name, (side, field) in _FLAT.items():
        if field in (audio.get(side) or {}):
            value = audio[side][field]
            flat[name] = _FORMAT_NAMES.get(value["type"], "pcm16") if field == "format" else value
    if "output_modalities" in given:
        flat["modalities"] = ["text", "audio"] if "audio" in given["output_modalities"] else ["text"]
    if "output" in given:
        flat["output"] = [_with_parts(item, _PART_NAMES) for item in given["output"]]
    if "max_output_tokens" in given:
        name = "max_output_tokens" if "output" in given else "max_response_output_tokens"
        flat[name] = given["max_output_tokens"]
    return flat


def _deepened(given: JSON, path: str) -> JSON:
    """Return the current form of a session or of a response's parameters."""
    for name in _TODAYS:
        if name in given:
            raise ApiProblem(
                f"Unknown parameter: '{path}.{name}'.", code="unknown_parameter", param=f"{path}.{name}"
            )
    deep = {name: value for name, value in given.items() if name not in (*_FLAT, "temperature")}
    audio: JSON = {}
    for name, (side, field) in _FLAT.items():
        if name in given:
            value = given[name]
            if field == "format":
                kind = next((new for new, old in _FORMAT_NAMES.items() if old == value), None)
                if kind is None:
                    raise ApiProblem(
                        f"Invalid value: '{value}'.", code="invalid_value", param=f"{path}.{name}"
                    )
                value = {"type": kind, "rate": 24000} if value == "pcm16" else {"type": kind}
            audio.setdefault(side, {})[field] = value
    if audio:
        deep["audio"] = audio
    if "modalities" in deep:
        deep["output_modalities"] = ["audio"] if "audio" in deep.pop("modalities") else ["text"]
    if "max_response_output_tokens" in deep:
        deep["max_output_tokens"] = deep.pop("max_response_output_tokens")
    return deep


def _with_parts(item: JSON, names: Mapping[str, str]) -> JSON:
    if item.get("role") != "assistant" or not item.get("content"):
        return item
    return {**item, "content": [_renamed(part, names) for part in item["content"]]}


def _renamed(part: JSON, names: Mapping[str, str]) -> JSON:
    return {**part, "type": names.get(part["type"], part["type"])}
