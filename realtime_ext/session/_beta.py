"""The names of the beta API, and what has taken their place.

One beta field makes the API refuse a whole session, so each is answered with the place where its value goes
now. This module must not know the present fields' limits.

Source: https://platform.openai.com/docs/guides/realtime#beta-to-ga-migration
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from ..errors import SessionProblem
from ._kinds import Kind, fields, schema_fields
from ._problem import SECRET_FIELDS, refusal

__all__ = ["BETA_FIELDS", "BETA_FORMATS", "beta_field", "beta_response_fields", "with_format_hint"]

# Beta field → the present one's path; None where there is none any more.
BETA_FIELDS: Final = MappingProxyType(
    {
        "modalities": "output_modalities",
        "voice": "audio.output.voice",
        "speed": "audio.output.speed",
        "input_audio_format": "audio.input.format",
        "output_audio_format": "audio.output.format",
        "input_audio_transcription": "audio.input.transcription",
        "input_audio_noise_reduction": "audio.input.noise_reduction",
        "turn_detection": "audio.input.turn_detection",
        "max_response_output_tokens": "max_output_tokens",
        "temperature": None,
        "client_secret": None,
    }
)
_GONE = {
    "temperature": "a name of the beta API, which has no successor",
    "client_secret": "a name of the beta API; its lifetime now stands beside the session, as expires_after",
}

# Beta format → the present object.
BETA_FORMATS: Final = MappingProxyType(
    {
        "pcm16": "{'type': 'audio/pcm', 'rate': 24000}",
        "g711_ulaw": "{'type': 'audio/pcmu'}",
        "g711_alaw": "{'type': 'audio/pcma'}",
    }
)
_SHORT_FORMATS = {"pcm": "pcm16", "pcmu": "g711_ulaw", "pcma": "g711_alaw"}
_FORMAT = re.compile(r"audio\.(?:input|output)\.format(?:\.type)?")


def beta_field(name: str, value: Any, kind: Kind) -> SessionProblem | None:
    """Tell what to write in place of a beta field.

    Args:
        name: A top-level field.
        value: What it holds.
        kind: The session's kind.

    Returns:
        The problem; None if it is no beta name, or is right in this kind of session.
    """
    if kind.is_older:
        return None
    return _successor(name, value, fields(kind.name), f"a {kind.label} session", "")


def beta_response_fields(response: Mapping[str, Any]) -> list[SessionProblem]:
    """Tell what to write in place of the beta fields of a `response.create`.

    Args:
        response: Its `response`.

    Returns:
        The problems, with paths that begin with `response`; empty if there is no beta name.
    """
    known = schema_fields("RealtimeResponseCreateParams")
    found = (_successor(name, response[name], known, "a response", "response.") for name in response)
    return [problem for problem in found if problem is not None]


def _successor(
    name: str, value: Any, known: frozenset[str], owner: str, prefix: str
) -> SessionProblem | None:
    if name not in BETA_FIELDS or name in known:
        return None
    path = BETA_FIELDS[name]
    hint = ""
    if path is None:
        reason = _GONE[name]
    elif path not in known:
        path = f"{prefix}{path}"
        reason = f"the beta name of {path}, which {owner} doesn't have"
    else:
        path = f"{prefix}{path}"
        reason = f"a name of the beta API, which is refused; its place is now {path}"
        if isinstance(value, str) and value in BETA_FORMATS:
            hint = f"write {path} = {BETA_FORMATS[value]}"
    return refusal(f"{prefix}{name}", value, path, reason, secret=name in SECRET_FIELDS, hint=hint)


def with_format_hint(found: SessionProblem) -> SessionProblem:
    """Add what to write to a problem with an audio format that is a beta name, or a bare name."""
    if not _FORMAT.fullmatch(found.field) or not isinstance(found.value, str):
        return found
    short = found.value.removeprefix("audio/")
    beta = _SHORT_FORMATS.get(short, short)
    if beta not in BETA_FORMATS:
        return found
    path = found.field.removesuffix(".type")
    origin = f"{found.value!r} is a beta name" if found.value in BETA_FORMATS else "a format is an object"
    message = f"{found.message}; {origin}: write {path} = {BETA_FORMATS[beta]}"
    return SessionProblem(found.field, found.value, found.allowed, message)
