"""Patches that would take over what only the official package has: new fields and new values."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from tests.support.paths import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

from specpipe import names, patches
from specpipe.document import escape
from specpipe.document_io import load
from specpipe.prose import PROVISIONAL

OPENAPI = ROOT / "openapi"
_SCHEMAS = "/components/schemas"
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


@attrs.frozen
class Field:
    """A field that only the official package has.

    Args:
        owners: The names of our schemas that lack it.
        name: Its name.
        schema: The official schema, without references.
    """

    owners: tuple[str, ...]
    name: str
    schema: Mapping[str, Any] = attrs.field(eq=False)


@attrs.frozen
class Value:
    """A value of a closed set that only the official package has.

    Args:
        known: The values that we have.
        value: The value.
    """

    known: frozenset[str]
    value: str


def proposal(found: Iterable[Field | Value], folder: Path = OPENAPI) -> str:
    """Return the patches, ready for `patches.toml` but for their texts; each field and value once.

    Args:
        found: What only the official package has.
        folder: The folder with the API description.
    """
    description = _Description(folder)
    lines: dict[str, None] = {}
    values: dict[frozenset[str], list[str]] = {}
    for one in dict.fromkeys(found):
        if isinstance(one, Value):
            values.setdefault(one.known, []).append(one.value)
        else:
            for place in description.fields_of(one.owners):
                lines[_patch(place, {one.name: _described(one.name, one.schema)})] = None
    for known, new in values.items():
        for place in description.sets_of(known):
            lines[_patch(place, {"enum": sorted({*known, *new})})] = None
    return "\n".join(lines)


class _Description:
    """The API description, and what patches add to it."""

    def __init__(self, folder: Path) -> None:
        self._schemas: dict[str, Any] = dict(load(folder / "realtime.yaml")["components"]["schemas"])
        self._patches = patches.read(folder / "patches.toml")
        self._named = names.read(folder / "names.toml")
        for patch in self._patches:
            if patch.pointer == _SCHEMAS and isinstance(patch.value, Mapping):
                self._schemas |= patch.value

    def fields_of(self, owners: Iterable[str]) -> Iterator[str]:
        """Yield the places of the fields of our schemas, by the schemas' names."""
        for owner in owners:
            named = [f"{pointer}/properties" for pointer, name in self._named.items() if name == owner]
            plain = [name for name in (owner, f"{owner}Param") if name in self._schemas]
            yield from named or [f"{_SCHEMAS}/{escape(name)}/properties" for name in plain[:1]]

    def sets_of(self, known: frozenset[str]) -> Iterator[str]:
        """Yield the places that have exactly these values; a patch's own place if a patch gives them."""
        given = [(f"{_SCHEMAS}/{escape(name)}", schema) for name, schema in self._schemas.items()]
        given += [(patch.pointer, patch.value) for patch in self._patches if patch.pointer != _SCHEMAS]
        for pointer, schema in given:
            yield from _with_values(schema, pointer, known)


def _with_values(node: Any, pointer: str, known: frozenset[str]) -> Iterator[str]:
    if isinstance(node, Mapping):
        enum = node.get("enum")
        if isinstance(enum, list) and {str(one) for one in enum} == known:
            yield pointer
        for key, inner in node.items():
            yield from _with_values(inner, f"{pointer}/{escape(str(key))}", known)
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            yield from _with_values(inner, f"{pointer}/{index}", known)


def _described(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {**schema, "description": f"{PROVISIONAL} {name}."}


def _patch(pointer: str, value: Mapping[str, Any]) -> str:
    return (
        f'[[patch]]\npointer = "{pointer}"\nop = "merge"\nvalue = {_toml(value)}\n'
        f'reason = "{PROVISIONAL} since which version the official package has it."\n'
        'link = "https://github.com/openai/openai-python/tree/main/src/openai/types"\n'
    )


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = (
            f"{key if _PLAIN.fullmatch(key) else json.dumps(key)} = {_toml(one)}"
            for key, one in value.items()
        )
        return f"{{ {', '.join(inner)} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
