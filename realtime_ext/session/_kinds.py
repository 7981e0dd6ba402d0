"""Kinds of sessions and their fields, the beta API's names, and which models reason.

This module must not judge a session.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import cache
from types import MappingProxyType
from typing import Final

import attrs

from .._core.schema import Place, member, place


@attrs.frozen
class Kind:
    """One kind of session.

    Args:
        name: As callers of `resolve` name it.
        label: As messages name it.
        type: The value of its `type` field; None where it has none.
        schema: The schema of a new session.
        answer: The schema under which the server describes such a session.
        update: The schema of an update.
    """

    name: str
    label: str
    type: str | None
    schema: str
    answer: str
    update: str = attrs.field(default=attrs.Factory(lambda self: self.schema, takes_self=True))

    @property
    def is_older(self) -> bool:
        """Whether it is of the form before general availability, in which beta names are right."""
        return self.name.endswith("_older")

    @property
    def is_live(self) -> bool:
        """Whether it is of the Live API."""
        return self.name.startswith("live")


_ALL = (
    Kind(
        "realtime",
        "conversation",
        "realtime",
        "RealtimeSessionCreateRequestGA",
        "RealtimeSessionCreateResponseGA",
    ),
    Kind(
        "transcription",
        "transcription",
        "transcription",
        "RealtimeTranscriptionSessionCreateRequestGA",
        "RealtimeTranscriptionSessionCreateResponseGA",
    ),
    Kind(
        "translation",
        "translation",
        None,
        "RealtimeTranslationSessionCreateRequest",
        "RealtimeTranslationSession",
        update="RealtimeTranslationSessionUpdateRequest",
    ),
    Kind(
        "realtime_older",
        "conversation (older form)",
        None,
        "RealtimeSessionCreateRequest",
        "RealtimeSessionCreateResponse",
    ),
    Kind(
        "transcription_older",
        "transcription (older form)",
        None,
        "RealtimeTranscriptionSessionCreateRequest",
        "RealtimeTranscriptionSessionCreateResponse",
    ),
    Kind(
        "live",
        "Live",
        None,
        "LiveSessionCreateParams",
        "LiveSessionResource",
        update="LiveSessionUpdateParams",
    ),
    # Over WebRTC and telephone, which carry the audio themselves.
    Kind("live_call", "Live", None, "LiveMediaSessionCreateParams", "LiveSessionResource"),
)
KINDS: Final = MappingProxyType({kind.name: kind for kind in _ALL})
_INDEX = re.compile(r"\[\d+\]")


@cache
def fields(name: str) -> frozenset[str]:
    """Return the dotted paths of all fields of a kind, with `[]` for any item of a list.

    Args:
        name: The kind's name.
    """
    return schema_fields(KINDS[name].schema)


@cache
def schema_fields(schema: str) -> frozenset[str]:
    """Return the dotted paths of all fields of a schema; as `fields`."""
    return frozenset(_paths(place(schema), ""))


def _paths(at: Place, path: str) -> Iterator[str]:
    for form in at.forms:
        for name, inner in form.properties.items():
            field = member(path, name)
            yield field
            yield from _paths(inner, field)
        if form.items is not None:
            yield from _paths(form.items, f"{path}[]")


def owner(path: str, kind: Kind) -> Kind | None:
    """Return the kind that a field belongs to, if it is another one than this."""
    plain = _INDEX.sub("[]", path)
    others = (other for other in KINDS.values() if other is not kind)
    return next((other for other in others if plain in fields(other.name)), None)


def nearest(name: str, siblings: tuple[str, ...], kind: Kind) -> str | None:
    """Return the known field that an unknown one was most likely meant to be.

    Args:
        name: The unknown field's own name.
        siblings: The known fields beside it.
        kind: The session's kind; a field of the same name elsewhere in it is nearer than a sibling of
            another.

    Returns:
        A sibling's name, or a dotted path; None if nothing is near.
    """
    named = {path.rpartition(".")[2]: path for path in sorted(fields(kind.name), reverse=True)}
    if name in named:
        return named[name]
    found = difflib.get_close_matches(name, siblings, 1) or difflib.get_close_matches(name, named, 1)
    return named.get(found[0], found[0]) if found and found[0] not in siblings else next(iter(found), None)


@cache
def known_names(schema: str, path: str) -> tuple[str, ...]:
    """Return the names that a schema knows at a path such as `audio.output.voice`; the API may add some."""
    at: Place | None = place(schema)
    for step in path.split("."):
        at = None if at is None else at.fields.get(step)
    return () if at is None else at.examples


# Beta field → the present one's path; None where there is none any more. One beta field makes the API refuse
# a whole session. Source: https://platform.openai.com/docs/guides/realtime#beta-to-ga-migration
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

# Beta format → the present object.
BETA_FORMATS: Final = MappingProxyType(
    {
        "pcm16": "{'type': 'audio/pcm', 'rate': 24000}",
        "g711_ulaw": "{'type': 'audio/pcmu'}",
        "g711_alaw": "{'type': 'audio/pcma'}",
    }
)
SHORT_FORMATS: Final = MappingProxyType({"pcm": "pcm16", "pcmu": "g711_ulaw", "pcma": "g711_alaw"})


# Models' names are an open set; only whole families are listed here, so that a dated release needs no change.
# Source: https://platform.openai.com/docs/models
_DATE = r"(-\d{4}-\d\d-\d\d)?"
_WITH = re.compile(rf"gpt-realtime-2(\.\d+)?(-mini)?{_DATE}")
_WITHOUT = re.compile(
    rf"(gpt-realtime(-1\.5)?(-mini)?|gpt-4o(-mini)?-realtime-preview|gpt-audio(-1\.5)?(-mini)?){_DATE}"
)


def reasons(model: str) -> bool | None:
    """Whether a model reasons, and so has `reasoning` and `parallel_tool_calls`.

    Args:
        model: Its name.

    Returns:
        None if nothing is known of it.
    """
    if _WITH.fullmatch(model):
        return True
    return False if _WITHOUT.fullmatch(model) else None
