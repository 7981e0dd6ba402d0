"""The configuration of a Live session: its defaults, its limits, and the little that may change."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from realtime_simulator._core import schema
from realtime_simulator._core.problem import ApiProblem, invalid_value
from realtime_simulator._live.standby import StandbySettings

_MAX_INSTRUCTION_TOKENS = 16_384
_MAX_INPUT_TOKENS = 8_192
_TOKENS_PER_MESSAGE = 8
_MAX_MESSAGES = 128
_RATES = {"audio/pcm": (24_000, 16_000), "audio/pcmu": (8_000,), "audio/pcma": (8_000,)}
_WORDS = re.compile(r"\w+|[^\w\s]")
_LETTERS = 8
_DECISIONS_DELAY_MS = 400
_WAKE_THRESHOLD = 0.5
_FORBIDDEN_VOICES = ("fable", "nova", "onyx")
"""Voices of other APIs, which other projects have seen refused; any other name is taken."""
_FORKED = ("model", "instructions", "audio", "delegation", "store")


def tokens(text: str) -> int:
    """Return about how many tokens of o200k_base a text has: one for eight letters or for a sign."""
    return sum(-(-len(word) // _LETTERS) for word in _WORDS.findall(text))


class LiveConfig:
    """The configuration of one session.

    Args:
        session_id: Its id.
        expires_at: When it expires, in unix seconds.
        session: The `session` of `session.start`, checked against its schema.
        media: Whether the transport carries the audio (WebRTC, SIP), so that there is no format.

    Attributes:
        stored: Whether the session is kept when it has ended.
        standby: When it pauses; None if it never does.

    Raises:
        ApiProblem: The service refuses it.
    """

    def __init__(self, session_id: str, expires_at: int, session: Mapping[str, Any], *, media: bool) -> None:
        given = copy.deepcopy(dict(session))
        _check(given)
        audio = given.get("audio") or {}
        shown = {"output": {"voice": "marin", **(audio.get("output") or {})}}
        if not media:
            format = audio.get("format") or {"type": "audio/pcm"}
            rate = format.get("rate", _RATES[format["type"]][0])
            shown["format"] = {"type": format["type"], "rate": rate}
        self._fields: dict[str, Any] = {
            "id": session_id,
            "expires_at": expires_at,
            "model": given["model"],
            "instructions": given.get("instructions"),
            "audio": shown,
            "delegation": _completed(given.get("delegation")),
            "status": "active",
            "input": given.get("input") or [],
        }
        self.stored: bool = bool(given.get("store"))
        self.standby: StandbySettings | None = None
        if given.get("idle_timeout_s") is not None and given.get("wake_policy") is not None:
            threshold = given["wake_policy"].get("vad_threshold", _WAKE_THRESHOLD)
            self.standby = StandbySettings(given["idle_timeout_s"], threshold)
        if self._fields["instructions"] is None:
            del self._fields["instructions"]
        self._fields.update({key: given[key] for key in ("store", "client", "triggers") if given.get(key)})

    @property
    def session_id(self) -> str:
        return str(self._fields["id"])

    @property
    def voice(self) -> str:
        voice = self._fields["audio"]["output"]["voice"]
        return str(voice["id"] if isinstance(voice, Mapping) else voice)

    @property
    def format(self) -> tuple[str, int]:
        """The format of audio in events, and its rate."""
        format = self._fields["audio"].get("format") or {"type": "audio/pcm", "rate": 24_000}
        return format["type"], format["rate"]

    @property
    def delegation(self) -> str:
        """The kind of delegation: `client`, `responses` or `decisions`."""
        return str(self._fields["delegation"]["type"])

    @property
    def backend(self) -> Mapping[str, Any]:
        """The settings of the backend model; empty if the client is the backend."""
        settings: Mapping[str, Any] = self._fields["delegation"].get("responses") or {}
        return settings

    @property
    def decisions(self) -> Mapping[str, Any]:
        """The model and the questions of delegated decisions; empty for another kind of delegation."""
        settings: Mapping[str, Any] = self._fields["delegation"].get("decisions") or {}
        return settings

    @property
    def triggers(self) -> list[dict[str, Any]]:
        """Questions that deltas of transcripts trigger."""
        triggers: list[dict[str, Any]] = self._fields.get("triggers") or []
        return triggers

    @property
    def acknowledgement_seconds(self) -> float:
        """Seconds until the model says that work was delegated."""
        delay = self._fields["delegation"].get("acknowledgement_delay_ms")
        return (_DECISIONS_DELAY_MS if delay is None and self.decisions else delay or 0) / 1000

    @property
    def input(self) -> list[dict[str, Any]]:
        """The messages that the session began with."""
        messages: list[dict[str, Any]] = self._fields["input"]
        return messages

    def view(self) -> dict[str, Any]:
        """Return the configuration as events show it, without the access tokens of MCP servers."""
        shown = copy.deepcopy(self._fields)
        for tool in (shown["delegation"].get("responses") or {}).get("tools", ()):
            if tool.get("type") == "mcp":
                tool.pop("authorization", None)
        return shown

    def fork(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Return the `session` of a session that continues this one.

        Args:
            overrides: The `session` of its start, which may change the backend and the audio format.
        """
        view = self.view()
        session = {key: view[key] for key in _FORKED if key in view}
        session.update({key: overrides[key] for key in ("store", "client") if key in overrides})
        session["audio"] = {**session["audio"], **(overrides.get("audio") or {})}
        changed = (overrides.get("delegation") or {}).get("responses")
        if changed and "responses" in session["delegation"]:
            session["delegation"]["responses"].update(changed)
        return session

    def update(self, session: Mapping[str, Any]) -> None:
        """Change the backend's settings, the only ones that can change.

        Args:
            session: The `session` of `session.update`, checked against its schema.
        """
        delegation = session.get("delegation") or {}
        for kind in ("responses", "decisions"):
            settings = self._fields["delegation"].get(kind)
            for key, value in (delegation.get(kind) or {}).items():
                if settings is not None:
                    settings[key] = value

    def check_update(self, session: Any) -> None:
        """Refuse another kind of delegation.

        Raises:
            ApiProblem: `immutable_field_update`.
        """
        if not isinstance(session, Mapping) or "delegation" not in session:
            return
        delegation = session["delegation"]
        if delegation is None or (
            isinstance(delegation, Mapping) and delegation.get("type", self.delegation) != self.delegation
        ):
            raise ApiProblem(
                "The delegation type cannot change after session startup.",
                code="immutable_field_update",
                param="session.delegation.type",
            )


def _completed(delegation: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a delegation with its defaults, in the service's order."""
    if delegation is None:
        return {"type": "client"}
    done = dict(delegation)
    if (given := done.get("responses")) is not None:
        given = {key: value for key, value in given.items() if value is not None}
        order = ("model", "instructions", "reasoning", "tools", "tool_choice", "parallel_tool_calls")
        given = {"tools": [], "tool_choice": "auto", **given}
        done["responses"] = {
            **{key: given[key] for key in order if key in given},
            **{key: value for key, value in given.items() if key not in order},
        }
    return done


def _check(session: Mapping[str, Any]) -> None:
    """Refuse what exceeds a limit that no schema states."""
    _limit(
        "session.instructions", tokens(session.get("instructions") or ""), _MAX_INSTRUCTION_TOKENS, "tokens"
    )
    voice = ((session.get("audio") or {}).get("output") or {}).get("voice")
    if voice in _FORBIDDEN_VOICES:
        raise ApiProblem(
            f"The voice '{voice}' is not available.", code="forbidden", param="session.audio.output.voice"
        )
    messages = session.get("input") or []
    _limit("session.input", len(messages), _MAX_MESSAGES, "messages")
    written = sum(
        _TOKENS_PER_MESSAGE + sum(tokens(part.get("text", "")) for part in message["content"])
        for message in messages
    )
    _limit("session.input", written, _MAX_INPUT_TOKENS, "tokens")
    format = (session.get("audio") or {}).get("format")
    if format is not None and format.get("rate", _RATES[format["type"]][0]) not in _RATES[format["type"]]:
        message = schema.not_supported(format["rate"], _RATES[format["type"]])
        raise invalid_value(message, "session.audio.format.rate")


def _limit(param: str, got: int, most: int, unit: str) -> None:
    if got > most:
        raise invalid_value(
            f"Invalid '{param}': at most {most} {unit} are allowed; this one has about {got}.", param
        )
