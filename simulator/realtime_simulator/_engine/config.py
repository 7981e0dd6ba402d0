"""Sessions' configurations: the API's defaults, the update rules, and the shape in which they are shown.

Checking that an update is well formed is `schema.check`'s work; here an update is applied whole.
Absent means unchanged, an empty list clears, null turns off or restores the default, and so do empty
instructions. A model is ignored.
"""

from __future__ import annotations

import copy
import datetime
import functools
from collections.abc import Mapping
from typing import Any

from realtime_api import schemas
from realtime_api.shutdowns import MODEL_SHUTDOWNS

from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine import refusals

REALTIME = "realtime"
TRANSCRIPTION = "transcription"
DEFAULT_MODEL = "gpt-realtime-2.1"
REQUEST_SCHEMAS = {
    REALTIME: "RealtimeSessionCreateRequestGA",
    TRANSCRIPTION: "RealtimeTranscriptionSessionCreateRequestGA",
}

_PCM = {"type": "audio/pcm", "rate": 24000}
_SERVER_VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_TRANSCRIPTION_VAD = {
    key: _SERVER_VAD[key] for key in ("type", "threshold", "prefix_padding_ms", "silence_duration_ms")
}
_SEMANTIC_VAD = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
_DEFAULTS: dict[str, dict[str, Any]] = {
    REALTIME: {
        "type": REALTIME,
        "object": "realtime.session",
        "model": DEFAULT_MODEL,
        "output_modalities": ["audio"],
        "instructions": "You are a friendly voice assistant. Answer briefly.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "audio": {
            "input": {
                "format": _PCM,
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": _SERVER_VAD,
            },
            "output": {"format": _PCM, "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    },
    TRANSCRIPTION: {
        "type": TRANSCRIPTION,
        "object": "realtime.transcription_session",
        "audio": {
            "input": {
                "format": _PCM,
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": _TRANSCRIPTION_VAD,
            }
        },
        "include": None,
    },
}
_REASONING = ("gpt-realtime-2",)
"""Models that reason; names that begin with one of these and a dot or hyphen belong to it too."""
# The defaults that differ by model: the voice, and the silence that ends a turn.
_OF_MODELS = {"gpt-realtime-2.1": ("marin", 500), "gpt-realtime-2.1-mini": ("marin", 500)}
# Objects that an update changes field by field; every other value is replaced as a whole.
_MERGED = {("audio",), ("audio", "input"), ("audio", "output")}
_NULL_KEPT = {("audio", "input", "turn_detection")}
_EMPTY_RESETS = {("instructions",)}
# Fields of a tool that only the model's side needs are never shown again.
_TOOL_SECRETS = ("authorization", "headers")
TRANSLATION = "translation"
TRANSLATION_MODEL = "gpt-realtime-translate"
DEFAULT_LANGUAGE = "en"


@functools.cache
def known_models() -> frozenset[str]:
    """Return the names of the models that the API description lists."""
    listed = schemas.get(REQUEST_SCHEMAS[REALTIME])["properties"]["model"]["anyOf"]
    names = (name for option in listed for name in option.get("enum", ()))
    return frozenset((*names, TRANSLATION_MODEL))


def day(unix: float) -> datetime.date:
    """Return the day of a unix time, in UTC."""
    return datetime.datetime.fromtimestamp(unix, datetime.UTC).date()


def check_served(model: object, unix: float) -> None:
    """Refuse a model that has ended at the simulator's time.

    Raises:
        ApiProblem: As for a model that is not known, which is how the service refuses it.
    """
    shutdown = MODEL_SHUTDOWNS.get(model) if isinstance(model, str) else None
    if shutdown is not None and shutdown.date <= day(unix):
        raise unsupported_model(str(model), f"It ended on {shutdown.date.isoformat()}.")


def unsupported_model(model: str, reason: str) -> ApiProblem:
    """Return the refusal of a model."""
    return ApiProblem(
        f'Model "{model[:80]}" is not supported in realtime mode. {reason}', code="invalid_model"
    )


def _defaults(kind: str, model: str | None) -> dict[str, Any]:
    """Return the defaults of a session with a model."""
    values = copy.deepcopy(_DEFAULTS[kind])
    if kind == REALTIME and model:
        values["model"] = model
        if model in _OF_MODELS:
            audio = values["audio"]
            audio["output"]["voice"], audio["input"]["turn_detection"]["silence_duration_ms"] = _OF_MODELS[
                model
            ]
    return values


class SessionConfig:
    """The configuration of one conversation or transcription session.

    Args:
        session_id: The session's id.
        expires_at: When it ends, in unix seconds.
        initial: The `session` object that it begins with; already checked against its schema.
        model: The model of the connection's address; the session's own wins.
    """

    def __init__(
        self,
        session_id: str,
        expires_at: int,
        initial: Mapping[str, Any] | None = None,
        *,
        model: str | None = None,
    ) -> None:
        self.session_id = session_id
        self.expires_at = expires_at
        self.kind: str = str((initial or {}).get("type", REALTIME))
        named = (initial or {}).get("model") or model
        self._defaults = _defaults(self.kind, named)
        self._values = copy.deepcopy(self._defaults)
        self._apply(initial or {})

    def update(self, fields: Mapping[str, Any], *, voice_locked: bool = False) -> None:
        """Apply an update, all of it or nothing.

        Args:
            fields: The `session` object of `session.update`; already checked against its schema.
            voice_locked: Whether the model has spoken, so that its voice can't change any more.

        Raises:
            ApiProblem: The update changes a fixed setting.
        """
        refusals.check_type(str(fields.get("type", self.kind)), self.kind)
        voice = fields.get("audio", {}).get("output", {}).get("voice")
        if voice_locked and voice is not None and voice != self._values["audio"]["output"]["voice"]:
            raise refusals.TABLE["voice_after_audio"].problem()
        # A running session keeps its model, and its tracing once that is on; the service ignores the fields.
        fixed = ("model", "tracing") if self._values.get("tracing") is not None else ("model",)
        self._apply({key: value for key, value in fields.items() if key not in fixed})

    def _apply(self, fields: Mapping[str, Any]) -> None:
        self._values = self._merged(self._values, fields, self._defaults, ())
        if self.kind == TRANSCRIPTION and not refusals.has_turn_detection(self.transcription_model):
            self.input["turn_detection"] = None

    def _merged(
        self,
        current: Mapping[str, Any],
        changes: Mapping[str, Any],
        defaults: Mapping[str, Any],
        path: tuple[str, ...],
    ) -> dict[str, Any]:
        result = dict(current)
        for key, value in changes.items():
            here = (*path, key)
            default = defaults.get(key)
            if (value is None and here not in _NULL_KEPT) or (here in _EMPTY_RESETS and not value):
                result.pop(key, None)
                if key in defaults:
                    result[key] = copy.deepcopy(default)
            elif isinstance(value, Mapping) and here in _MERGED:
                result[key] = self._merged(current.get(key, {}), value, default or {}, here)
            elif here == ("audio", "input", "turn_detection") and value is not None:
                result[key] = {**self._detection(value["type"]), **value}
            elif here == ("audio", "input", "transcription"):
                result[key] = {"language": None, "prompt": None, **value}
            elif here == ("tracing",) and isinstance(value, Mapping):
                result[key] = {part: given for part, given in value.items() if given is not None}
            elif here[-1] == "format" and value.get("type") == "audio/pcm":
                result[key] = {**_PCM, **value}
            else:
                result[key] = copy.deepcopy(value)
        return result

    def _detection(self, type: str) -> Mapping[str, Any]:
        """The defaults of a way to find turns."""
        if type != "server_vad":
            return _SEMANTIC_VAD
        detection: Mapping[str, Any] = self._defaults["audio"]["input"]["turn_detection"]
        return detection

    def view(self) -> dict[str, Any]:
        """Return the session as `session.created` and `session.updated` show it."""
        shown = copy.deepcopy(self._values)
        shown["id"] = self.session_id
        shown["expires_at"] = self.expires_at
        if self.kind == REALTIME:
            voice = shown["audio"]["output"]["voice"]
            if isinstance(voice, Mapping):
                shown["audio"]["output"]["voice"] = voice["id"]
            shown["tools"] = [
                {key: value for key, value in tool.items() if key not in _TOOL_SECRETS}
                for tool in shown["tools"]
            ]
        return shown

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def get(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    @property
    def input(self) -> dict[str, Any]:
        """The `audio.input` settings."""
        settings: dict[str, Any] = self._values["audio"]["input"]
        return settings

    @property
    def output(self) -> dict[str, Any]:
        """The `audio.output` settings; empty for a transcription session."""
        settings: dict[str, Any] = self._values["audio"].get("output", {})
        return settings

    @property
    def reasons(self) -> bool:
        """Whether the model reasons."""
        name = str(self._values.get("model"))
        return any(name == model or name.startswith((f"{model}.", f"{model}-")) for model in _REASONING)

    @property
    def transcription_model(self) -> str | None:
        """The model that transcribes the user; None if nothing does."""
        return (self.input.get("transcription") or {}).get("model")

    @property
    def turn_detection(self) -> dict[str, Any] | None:
        """The settings of turn detection; None when the client commits audio itself."""
        return self.input.get("turn_detection")


class TranslationConfig:
    """The configuration of one translation session.

    Args:
        session_id: The session's id.
        expires_at: When it ends, in unix seconds.
        initial: The `session` object that it begins with; already checked against its schema.
        model: The model of the connection's address; the session's own wins.
    """

    kind = TRANSLATION

    def __init__(
        self,
        session_id: str,
        expires_at: int,
        initial: Mapping[str, Any] | None = None,
        *,
        model: str | None = None,
    ) -> None:
        self.session_id = session_id
        self.expires_at = expires_at
        self.model: str = str((initial or {}).get("model") or model or TRANSLATION_MODEL)
        self._input: dict[str, Any] = {"transcription": None, "noise_reduction": None}
        self._language = DEFAULT_LANGUAGE
        self.update(initial or {})

    @property
    def language(self) -> str:
        """The language that is translated to."""
        return self._language

    @property
    def transcribes(self) -> bool:
        """Whether the client requested transcripts in the source language."""
        return self._input["transcription"] is not None

    def update(self, fields: Mapping[str, Any]) -> None:
        """Apply an update.

        Args:
            fields: The `session` object of `session.update`; already checked against its schema.
        """
        audio = fields.get("audio") or {}
        self._input |= copy.deepcopy(dict(audio.get("input") or {}))
        output = audio.get("output") or {}
        if "language" in output:
            self._language = output["language"] or DEFAULT_LANGUAGE

    def view(self) -> dict[str, Any]:
        """Return the session as events show it."""
        return {
            "id": self.session_id,
            "type": TRANSLATION,
            "expires_at": self.expires_at,
            "model": self.model,
            "audio": {"input": copy.deepcopy(self._input), "output": {"language": self._language}},
        }
