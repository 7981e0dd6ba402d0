"""Class and module names: chosen in `openapi/names.toml`, or derived.

`names.toml` maps a class name to the pointer or pointers of inline schemas.  Schemas of the same shape may
share a name and become one class.
"""

from __future__ import annotations

import builtins
import json
import keyword
import re
import tomllib
import unicodedata
from collections.abc import Collection
from pathlib import Path
from typing import Any

import attrs

from .document import SCHEMAS, Document, escape, ref_name, ref_to, without, words
from .errors import SpecError, reading
from .slice import Slice
from .transforms.notation import POINTER, POINTERS
from .transforms.walk import each_schema

#: Deprecated class names.
RENAMED = "renamed.toml"
#: Ends the names of TypedDicts.
PARAM = "Param"
#: Names that the generated package's own modules use.
_OWN = {
    *("Model", "Unset", "UNSET", "Tag", "Shapes", "Request", "Response", "Client", "AuthenticatedClient"),
    *("Any", "Literal", "Mapping", "Self", "TypeAlias", "ClassVar", "TYPE_CHECKING"),
}


def read(path: Path) -> dict[str, str]:
    """Read a names file as pointer → class name.

    Raises:
        SpecError: invalid TOML, a name is not a class name, or a pointer is duplicated.
    """
    with reading(path):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    names: dict[str, str] = {}
    for name, value in table.items():
        if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name):
            raise SpecError(
                f"{path.name}: {name!r} is not a class name",
                hint="use letters and digits, starting with a capital",
            )
        if class_name(name) != name:
            raise SpecError(f"{path.name}: {name} is reserved by Python or the package")
        pointers = value if isinstance(value, list) else [value]
        if not pointers or not all(
            isinstance(pointer, str) and pointer.startswith("/") for pointer in pointers
        ):
            raise SpecError(f"{path.name}: {name} has no pointer", hint='write Name = "/components/…"')
        for pointer in pointers:
            if pointer in names:
                raise SpecError(f"{path.name} names the same schema twice", pointer=pointer)
            names[pointer] = name
    return names


def read_renamed(path: Path) -> dict[str, str]:
    """Read deprecated class names, each with the name that replaces it; none without the file.

    Raises:
        SpecError: invalid TOML, or an entry is not a class name.
    """
    if not path.is_file():
        return {}
    with reading(path):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    for old, new in table.items():
        if not all(isinstance(one, str) and re.fullmatch(r"[A-Z][A-Za-z0-9]*", one) for one in (old, new)):
            raise SpecError(f"{path.name}: {old} = {new!r} is not a pair of class names")
    return table


def check_renamed(renamed: dict[str, str], known: Collection[str]) -> None:
    """Check deprecated names against those of the package.

    Raises:
        SpecError: a deprecated name is in use, or its replacement does not exist.
    """
    for old, new in renamed.items():
        if old in known or new not in known:
            what = f"{old} is in use" if old in known else f"{new} does not exist"
            raise SpecError(f"a deprecated name: {what}", hint=f"remove it from openapi/{RENAMED}")


def apply(
    document: Document, names: dict[str, str], *, skip_missing: bool = False
) -> tuple[Document, dict[str, str], list[str]]:
    """Rename the schemas of a normalised document.

    Args:
        document: The output of the transforms, with pointers in the schemas.
        names: Pointer → class name.
        skip_missing: Skip a name that does not apply to this document instead of failing: its pointer leads
            to no hoisted schema, or the schemas that share it differ in shape.

    Returns:
        The renamed document without pointers, old name → new name for the renamed schemas, and the
        skipped pointers.

    Raises:
        SpecError: a pointer leads to no hoisted schema, or two shapes share a name.
    """
    at = _hoisted_at(document)
    skipped = [pointer for pointer in names if pointer not in at]
    if skipped and not skip_missing:
        raise SpecError(
            f"a name ({names[skipped[0]]}) is for a schema that does not exist or needs no name",
            pointer=skipped[0],
            hint="remove it from openapi/names.toml, or update the pointer",
        )
    wanted = {at[pointer]: name for pointer, name in names.items() if pointer in at}
    while True:
        renamed, out, clash = _rename(document, wanted)
        if clash is None:
            return out, renamed, skipped
        pointer = next(pointer for pointer in names if at.get(pointer) == clash)
        if not skip_missing:
            raise SpecError(
                f"two schemas of different shape share the name {wanted[clash]}",
                pointer=pointer,
                hint="choose another name in openapi/names.toml",
            )
        skipped.append(pointer)
        del wanted[clash]


def _hoisted_at(document: Document) -> dict[str, str]:
    """Return original pointer → the component hoisted from there."""
    at: dict[str, str] = {}
    for name, schema in document["components"]["schemas"].items():
        for pointer in (schema.get(POINTER), *schema.get(POINTERS, ())):
            if pointer is not None:
                at[pointer] = name
    return at


def _rename(document: Document, wanted: dict[str, str]) -> tuple[dict[str, str], Document, str | None]:
    """Rename and merge; the third value is the first component whose shape conflicts with its new name."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    kept_names = [name for name in schemas if name not in wanted]
    renamed = wanted | _python_names(kept_names, set(wanted.values()), set(schemas) - set(wanted))
    renamed = {old: new for old, new in renamed.items() if old != new}

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in schema.items() if key not in (POINTER, POINTERS)}
        target = ref_name(schema)
        discriminator = kept.get("discriminator")
        if discriminator and "implied" in discriminator:
            mapping = {value: renamed.get(name, name) for value, name in discriminator["mapping"].items()}
            implied = {renamed.get(name, name): value for name, value in discriminator["implied"].items()}
            kept["discriminator"] = {**discriminator, "mapping": mapping, "implied": implied}
        return {**kept, **ref_to(renamed[target])} if target in renamed else kept

    out, _ = each_schema(document, rule)
    merged: dict[str, Any] = {}
    for old, schema in out["components"]["schemas"].items():
        new = renamed.get(old, old)
        if new in merged and _shape(merged[new]) != _shape(schema):
            return renamed, out, old if old in wanted else next(o for o, n in wanted.items() if n == new)
        merged[new] = {**schema, **merged.get(new, {})}
    out["components"]["schemas"] = merged
    return renamed, out, None


def follow(part: Slice, renamed: dict[str, str], document: Document) -> Slice:
    """Return a slice with its lists of schemas renamed."""
    return attrs.evolve(
        part,
        document=document,
        events={
            table: tuple(renamed.get(name, name) for name in members)
            for table, members in part.events.items()
        },
        webhooks=tuple(renamed.get(name, name) for name in part.webhooks),
    )


def places(document: Document, renamed: dict[str, str]) -> dict[str, frozenset[str]]:
    """Return component name → the original pointers of its schemas.

    Args:
        document: The document before renaming, with pointers in the schemas.
        renamed: Old name → new name.
    """
    out: dict[str, frozenset[str]] = {}
    for name, schema in document["components"]["schemas"].items():
        there = [schema.get(POINTER), *schema.get(POINTERS, ())]
        at = frozenset(pointer for pointer in there if pointer is not None) or {SCHEMAS + escape(name)}
        new = renamed.get(name, name)
        out[new] = out.get(new, frozenset()) | at
    return out


def _python_names(names: list[str], chosen_names: set[str], upstream: set[str]) -> dict[str, str]:
    """Return class names for schemas without a chosen name; a name shared with names.toml stays shared."""
    used = {key for name in chosen_names if name not in upstream for key in _places(name)}
    out: dict[str, str] = {}
    for name in sorted(names, key=lambda name: class_name(name) != name):
        base = class_name(name)
        chosen, number = base, 1
        while used & _places(chosen):
            number += 1
            chosen = f"{base}V{number}"
        used |= _places(chosen)
        out[name] = chosen
    return {name: out[name] for name in names}


def _places(name: str) -> set[str]:
    """Return the file names that must be unique on case-insensitive file systems."""
    return {f"{module_name(name)}.py", f"{name}.md".lower()}


def class_name(name: str) -> str:
    """Return a schema's name as a valid class name, unchanged if possible."""
    plain = unicodedata.normalize("NFKC", name)
    if not (plain.isidentifier() and plain[0].isupper() and "_" not in plain):
        plain = "".join(word[0].upper() + word[1:] for word in words(plain)) or "Model"
        plain = plain if plain.isidentifier() else f"Model{plain}"
    if plain.endswith(PARAM) and plain != PARAM:
        plain = plain.removesuffix(PARAM)  # the TypedDict beside the class has it
    if plain in _OWN or keyword.iskeyword(plain) or hasattr(builtins, plain):
        plain += "Model"
    return plain


def module_name(name: str) -> str:
    """Return a class's module name: its words in snake case."""
    module = "_".join(words(name)).lower() or "model"
    return module + "_" if keyword.iskeyword(module) else module


def _shape(schema: Any) -> str:
    """Return what two schemas must share to become one class: everything but prose and discriminator."""
    return json.dumps(without(schema, ("description", "discriminator")), sort_keys=True)


__all__ = ["apply", "class_name", "follow", "module_name", "places", "read"]
