"""Annotations as people write them, turned into annotations as msgspec reads them.

msgspec takes descriptions and limits from `msgspec.Meta` alone. People also write `Annotated[str, "what it
is"]`, `Doc("…")`, the constraints of annotated-types and pydantic's `Field(…)`, and put limits on an
Optional as a whole. This module must not import any of those libraries, and must not make schemas.
"""

from __future__ import annotations

import datetime
import types
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

import msgspec

__all__ = ["readable"]

_LIMITS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length")
# msgspec leaves these two without a format, since it also reads times without a zone.
_FORMATS: dict[Any, str] = {datetime.datetime: "date-time", datetime.time: "time"}


def readable(annotation: Any) -> Any:
    """Give an annotation that means the same to msgspec.

    Args:
        annotation: Any type, resolved: no forward references.

    Returns:
        The annotation with each description and limit as a `msgspec.Meta`, in nested types too.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *extras = get_args(annotation)
        return _annotated(inner, [meta for extra in extras for meta in _metas(extra)])
    if origin is None:
        if isinstance(annotation, type) and annotation in _FORMATS:
            return _annotated(annotation, [])
        return annotation
    if origin is Literal:
        return annotation
    if origin in (Required, NotRequired):
        return readable(get_args(annotation)[0])
    arguments = get_args(annotation)
    changed = tuple(argument if argument is ... else readable(argument) for argument in arguments)
    if all(new is old for new, old in zip(changed, arguments, strict=True)):
        return annotation
    if origin in (Union, types.UnionType):
        return Union[changed]  # noqa: UP007 - made at run time
    if isinstance(annotation, types.GenericAlias):
        return types.GenericAlias(origin, changed)
    return annotation.copy_with(changed)


def _annotated(inner: Any, metas: list[msgspec.Meta]) -> Any:
    if inner in _FORMATS and all(meta.tz is None for meta in metas):
        metas = [msgspec.Meta(extra_json_schema={"format": _FORMATS[inner]}), *metas]
    target = readable(inner) if inner not in _FORMATS else inner
    if get_origin(target) in (Union, types.UnionType):
        # A limit on a union is one on those of its members that can have it; msgspec wants it said there.
        members = get_args(target)
        for meta in metas:
            changed = tuple(_limited(member, meta) for member in members)
            if changed != members:
                members = changed
                metas = [_unlimited(meta) if other is meta else other for other in metas]
        target = Union[members]  # noqa: UP007
    for meta in metas:
        target = Annotated[target, meta]
    return target


def _metas(extra: Any) -> list[msgspec.Meta]:
    if isinstance(extra, msgspec.Meta):
        return [extra]
    if isinstance(extra, str):
        return [msgspec.Meta(description=extra)]
    found = []
    text = getattr(extra, "documentation", None) or getattr(extra, "description", None)
    if isinstance(text, str):
        found.append(msgspec.Meta(description=text))
    limits = {name: value for name in _LIMITS if (value := getattr(extra, name, None)) is not None}
    if limits:
        found.append(msgspec.Meta(**limits))
    for constraint in getattr(extra, "metadata", None) or ():
        found += _metas(constraint)
    return found


def _limits(meta: msgspec.Meta) -> dict[str, Any]:
    return {name: value for name in _LIMITS if (value := getattr(meta, name)) is not None}


def _limited(member: Any, meta: msgspec.Meta) -> Any:
    limits = _limits(meta)
    if not limits:
        return member
    candidate = Annotated[member, msgspec.Meta(**limits)]
    try:
        msgspec.json.schema(candidate)
    except TypeError:
        return member
    return candidate


def _unlimited(meta: msgspec.Meta) -> msgspec.Meta:
    return msgspec.Meta(
        title=meta.title,
        description=meta.description,
        examples=meta.examples,
        extra_json_schema=meta.extra_json_schema,
        extra=meta.extra,
    )
