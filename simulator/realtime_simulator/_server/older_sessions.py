"""The older form of sessions: flat fields and beta names, translated into the present form and back.

Only translates; the operations check the fields and mint the secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime_simulator._engine.config import REALTIME, TRANSCRIPTION

_FORMATS: dict[str, dict[str, Any]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
FORMATS = tuple(_FORMATS)
_OLDER_NAMES = {value["type"]: name for name, value in _FORMATS.items()}
_CHOICES = ("auto", "none", "required")
_SAME = ("instructions", "tools", "tracing", "truncation", "prompt", "model")
_SHOWN = ("id", "object", "expires_at", "include", "model", "output_modalities", "instructions")
_SHOWN_LAST = ("tracing", "tools", "max_output_tokens")
_VAD_FIELDS = ("type", "threshold", "prefix_padding_ms", "silence_duration_ms")


def conversation_from_older(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the present form of an older conversation session.

    Args:
        asked: The body of `POST /realtime/sessions`, checked. Its `temperature` has no successor.
    """
    session: dict[str, Any] = {"type": REALTIME}
    session |= {name: asked[name] for name in _SAME if asked.get(name) is not None}
    if asked.get("modalities"):
        session["output_modalities"] = ["audio"] if "audio" in asked["modalities"] else ["text"]
    if asked.get("max_response_output_tokens") is not None:
        session["max_output_tokens"] = asked["max_response_output_tokens"]
    choice = asked.get("tool_choice")
    if choice is not None:
        session["tool_choice"] = choice if choice in _CHOICES else {"type": "function", "name": choice}
    output = {name: asked[name] for name in ("voice", "speed") if asked.get(name) is not None}
    if asked.get("output_audio_format") is not None:
        output["format"] = dict(_FORMATS[asked["output_audio_format"]])
    audio = {"input": _input(asked), "output": output}
    session["audio"] = {name: value for name, value in audio.items() if value}
    return session


def transcription_from_older(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the present form of an older transcription session.

    Args:
        asked: The body of `POST /realtime/transcription_sessions`, checked.
    """
    session: dict[str, Any] = {"type": TRANSCRIPTION, "audio": {"input": _input(asked)}}
    if asked.get("include"):
        session["include"] = asked["include"]
    return session


def _input(asked: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if asked.get("input_audio_format") is not None:
        settings["format"] = dict(_FORMATS[asked["input_audio_format"]])
    if asked.get("input_audio_transcription") is not None:
        settings["transcription"] = asked["input_audio_transcription"]
    if asked.get("input_audio_noise_reduction") is not None:
        settings["noise_reduction"] = asked["input_audio_noise_reduction"]
    if "turn_detection" in asked:
        given = asked["turn_detection"]
        settings["turn_detection"] = None if given is None else {"type": "server_vad", **given}
    return settings


def conversation_view(session: Mapping[str, Any], secret: Mapping[str, Any]) -> dict[str, Any]:
    """Return a conversation session as `POST /realtime/sessions` answers it.

    Args:
        session: The session as the API shows it today.
        secret: The `client_secret` with `value` and `expires_at`.
    """
    heard, spoken = session["audio"]["input"], session["audio"]["output"]
    detection = _detection(heard.get("turn_detection"))
    fields = ("format", "transcription", "noise_reduction")
    incoming = {name: heard[name] for name in fields if heard.get(name) is not None}
    shown = {name: session[name] for name in _SHOWN if name in session}
    shown["audio"] = {
        "input": {**incoming, "turn_detection": detection},
        "output": {name: spoken[name] for name in ("format", "voice", "speed")},
    }
    choice = session["tool_choice"]
    shown["tool_choice"] = choice if isinstance(choice, str) else str(choice.get("name", "auto"))
    shown["turn_detection"] = detection
    shown |= {name: session[name] for name in _SHOWN_LAST if name in session}
    return {**shown, "client_secret": dict(secret)}


def transcription_view(session: Mapping[str, Any], secret: Mapping[str, Any]) -> dict[str, Any]:
    """Return a transcription session as `POST /realtime/transcription_sessions` answers it.

    Args:
        session: The session as the API shows it today.
        secret: The `client_secret` with `value` and `expires_at`.
    """
    heard = session["audio"]["input"]
    return {
        "id": session["id"],
        "object": "realtime.transcription_session",
        "expires_at": session["expires_at"],
        "modalities": ["text"],
        "input_audio_format": _OLDER_NAMES[heard["format"]["type"]],
        "input_audio_transcription": heard.get("transcription"),
        "turn_detection": _detection(heard.get("turn_detection")),
        "client_secret": dict(secret),
    }


def _detection(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if given is None else {name: given[name] for name in _VAD_FIELDS if name in given}
