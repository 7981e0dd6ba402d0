"""Azure Voice Live: the beta's names, voices as objects, and settings of its own.

Source: recorded sessions of July 2026, and
https://learn.microsoft.com/azure/ai-services/speech-service/voice-live-how-to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from realtime_simulator._server.dialects import FLAT, JSON, PART_NAMES, TODAYS, Beta, with_parts

_OWN_SETTINGS = (
    "animation",
    "avatar",
    "input_audio_echo_cancellation",
    "input_audio_sampling_rate",
    "output_audio_timestamp_types",
    "truncation_strategy",
)
_OWN_DETECTION: JSON = {
    "idle_timeout_ms": None,
    "speech_duration_ms": None,
    "end_of_utterance_detection": None,
    "auto_truncate": False,
    "appended_text_after_truncation": None,
}
_OWN_TRANSCRIPTION: JSON = {"language": None, "prompt": None, "custom_speech": None, "phrase_list": None}
_SETTINGS = (
    *_OWN_SETTINGS,
    "instructions",
    "max_response_output_tokens",
    "modalities",
    "temperature",
    "tool_choice",
    "tools",
    *FLAT,
)
"""The settings that are known; others are kept and shown as they come, as each version adds some."""
_FIRST_SILENCE_MS = 200
_DEFAULT_DETECTION = {"prefix_padding_ms": 400, "silence_duration_ms": 500}


class VoiceLive(Beta):
    """The dialect of one connection to Voice Live."""

    def __init__(self) -> None:
        self._settings: JSON = dict.fromkeys(_OWN_SETTINGS) | {"input_audio_sampling_rate": 24000}
        self._detection = dict(_OWN_DETECTION)
        self._transcription = dict(_OWN_TRANSCRIPTION)
        self._modalities = ["audio"]
        self._voice: JSON = {"name": "alloy", "type": "openai"}
        self._format: str | None = None

    def outgoing(self, event: Mapping[str, Any]) -> Iterator[JSON]:
        """Return the events to send for an event."""
        if event["type"] == "conversation.item.done":
            if any(part["type"] == "input_audio" for part in event["item"].get("content") or ()):
                yield {**event, "item": _item(event["item"])}
            return
        for old in super().outgoing(event):
            if "session" in old:
                old["session"] = self._session(old["session"], first=old["type"] == "session.created")
            if "response" in old:
                old["response"] = self._response(old["response"])
            if "item" in old:
                old["item"] = _item(old["item"])
            if old["type"] == "response.content_part.done" and old["part"]["type"] == "text":
                old["part"] = {**old["part"], "text": ""}  # the text is in response.text.done
            if old["type"] == "conversation.item.input_audio_transcription.completed":
                old.pop("usage", None)
            yield old

    def incoming(self, event: JSON) -> JSON:
        """Return the equivalent current event; remember the settings that the engine doesn't have."""
        for name in ("session", "response"):
            given = event.get(name)
            if isinstance(given, dict):
                event = {**event, name: self._own(given, of_session=name == "session")}
        return super().incoming(event)

    def _own(self, given: JSON, *, of_session: bool) -> JSON:
        known = {name: value for name, value in given.items() if name not in _OWN_SETTINGS}
        voice = known.get("voice")
        if isinstance(voice, dict):
            known["voice"] = voice.get("name")
        if of_session:
            unknown = given.keys() - {*_SETTINGS, *TODAYS}
            known = {name: value for name, value in known.items() if name not in unknown}
            self._settings |= {
                name: value for name, value in given.items() if name in _OWN_SETTINGS or name in unknown
            }
            self._modalities = list(known.get("modalities") or self._modalities)
            self._format = known.get("output_audio_format", self._format)
            if voice:
                self._voice = voice if isinstance(voice, dict) else {"name": voice, "type": "openai"}
        if isinstance(known.get("turn_detection"), dict):
            known["turn_detection"] = self._known_detection(known["turn_detection"])
        if isinstance(known.get("input_audio_transcription"), dict):
            asked = known["input_audio_transcription"]
            self._transcription = {name: asked.get(name) for name in _OWN_TRANSCRIPTION}
            own = ("custom_speech", "phrase_list")
            known["input_audio_transcription"] = {
                name: value for name, value in asked.items() if name not in own
            }
        return known

    def _known_detection(self, asked: JSON) -> JSON:
        """Return the engine's form of turn detection; Azure's semantic detection listens for pauses, too."""
        self._detection = {name: asked.get(name, value) for name, value in _OWN_DETECTION.items()}
        kind = str(asked.get("type"))
        if kind != "semantic_vad":
            asked = {**_DEFAULT_DETECTION, **asked}
        if kind.startswith("azure_semantic_vad"):
            asked["type"] = "server_vad"
            self._detection["type"] = kind
        kept = ("type", "idle_timeout_ms")
        return {name: value for name, value in asked.items() if name in kept or name not in _OWN_DETECTION}

    def _session(self, flat: JSON, *, first: bool) -> JSON:
        for name in ("tracing", "truncation", "prompt", "speed"):
            flat.pop(name, None)
        detection = flat.get("turn_detection")
        if detection:
            padding = {"silence_duration_ms": _FIRST_SILENCE_MS} if first else {}
            flat["turn_detection"] = {**detection, **padding, **self._detection}
        transcription = flat.get("input_audio_transcription")
        if transcription:
            flat["input_audio_transcription"] = {**self._transcription, "model": transcription.get("model")}
        return {
            **flat,
            **self._settings,
            "modalities": self._modalities,
            "voice": self._voice,
            "output_audio_format": self._format,
        }

    def _response(self, flat: JSON) -> JSON:
        flat["output"] = [_item(item) for item in flat["output"]]
        if "modalities" in flat and ("audio" in flat["modalities"]) == ("audio" in self._modalities):
            flat["modalities"] = self._modalities
        usage = flat.get("usage")
        if usage and "output_token_details" in usage:
            details = {"reasoning_tokens": 0, **usage["output_token_details"]}
            flat["usage"] = {**usage, "output_token_details": details}
        return {
            **{name: value for name, value in flat.items() if name != "speed"},
            "voice": self._voice,
            "output_audio_format": flat.get("output_audio_format", "pcm16"),
            "temperature": None,
        }


def _item(item: JSON) -> JSON:
    own = {name: value for name, value in with_parts(item, PART_NAMES).items() if name != "phase"}
    if item["type"] == "function_call_output":
        own.pop("status", None)
    return {"object": "realtime.item", **own}
