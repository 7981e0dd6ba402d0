"""The kinds of session: which schema each has, and which fields belong to which.

The job: tell kinds apart and answer whether a field is known, there or elsewhere. This module must not judge
a session.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import cache
from types import MappingProxyType
from typing import Final

import attrs

from ._forms import Place, place
from ._problem import member

__all__ = ["KINDS", "Kind", "fields", "nearest", "owner", "schema_fields"]


@attrs.frozen
class Kind:
    """One kind of session.

    Args:
        name: As callers of `resolve` name it.
        label: As messages name it.
        type: The value of its `type` field; None where it has none.
        schema: The schema of a new session.
        update: The schema of an update.
        answer: The schema under which the server tells such a session.
    """

    name: str
    label: str
    type: str | None
    schema: str
    update: str
    answer: str

    @property
    def is_older(self) -> bool:
        """Whether it is of the form before general availability, in which beta names are right."""
        return self.name.endswith("_older")


_ALL = (
    Kind(
        "realtime",
        "conversation",
        "realtime",
        "RealtimeSessionCreateRequestGA",
        "RealtimeSessionCreateRequestGA",
        "RealtimeSessionCreateResponseGA",
    ),
    Kind(
        "transcription",
        "transcription",
        "transcription",
        "RealtimeTranscriptionSessionCreateRequestGA",
        "RealtimeTranscriptionSessionCreateRequestGA",
        "RealtimeTranscriptionSessionCreateResponseGA",
    ),
    Kind(
        "translation",
        "translation",
        None,
        "RealtimeTranslationSessionCreateRequest",
        "RealtimeTranslationSessionUpdateRequest",
        "RealtimeTranslationSession",
    ),
    Kind(
        "realtime_older",
        "conversation (older form)",
        None,
        "RealtimeSessionCreateRequest",
        "RealtimeSessionCreateRequest",
        "RealtimeSessionCreateResponse",
    ),
    Kind(
        "transcription_older",
        "transcription (older form)",
        None,
        "RealtimeTranscriptionSessionCreateRequest",
        "RealtimeTranscriptionSessionCreateRequest",
        "RealtimeTranscriptionSessionCreateResponse",
    ),
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


def _paths(at: Place, path: str) -> Iterator[str]:
    for form in at.forms:
        for name, inner in form.properties.items():
            field = member(path, name)
            yield field
            yield from _paths(inner, field)
        if form.items is not None:
            yield from _paths(form.items, f"{path}[]")
