"""Names: those that a person chose in `openapi/names.toml`, and what Python needs of the others.

`names.toml` maps a class name to the pointer, or pointers, of the inline schemas that are to have it.
Schemas of one shape may share a name and become one class; two shapes may not.
"""

from __future__ import annotations

import builtins
import json
import keyword
import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

import attrs

from .document import SCHEMAS, Document, escape, ref_name, ref_to, words
from .errors import SpecError
from .slice import Slice
from .transforms.spelling import POINTER, POINTERS
from .transforms.walk import each_schema

#: Names that the generated package's own modules use.
_OWN = {
    *("Model", "Unset", "UNSET", "Tag", "Shapes", "Request", "Response", "Client", "AuthenticatedClient"),
    *("Any", "Literal", "Mapping", "Self", "TypeAlias", "ClassVar", "TYPE_CHECKING"),
}


def read(path: Path) -> dict[str, str]:
    """Read a names file as pointer → class name.

    Raises:
        SpecError: it is no TOML, a name is no class name, or a pointer stands in it twice.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpecError(f"cannot read {path.name}: {error}") from error
    names: dict[str, str] = {}
    for name, value in table.items():
        if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name):
            raise SpecError(
                f"{path.name}: {name!r} is no class name", hint="use letters and digits, a capital first"
            )
        if class_name(name) != name:
            raise SpecError(f"{path.name}: Python or the package itself uses the name {name}")
        pointers = value if isinstance(value, list) else [value]
        if not pointers or not all(
            isinstance(pointer, str) and pointer.startswith("/") for pointer in pointers
        ):
            raise SpecError(f"{path.name}: {name} names no pointer", hint='write Name = "/components/…"')
        for pointer in pointers:
            if pointer in names:
                raise SpecError(f"{path.name} names one schema twice", pointer=pointer)
            names[pointer] = name
    return names


def apply(
    document: Document, names: dict[str, str], *, skip_missing: bool = False
) -> tuple[Document, dict[str, str], list[str]]:
    """Rename the schemas of a normalised document.

    Args:
        document: As the transforms left it, pointers still in the schemas.
        names: Pointer → class name.
        skip_missing: Skip a name that this document has no use for, instead of failing: its pointer leads to
            no hoisted schema, or the schemas that were to share it have different shapes here.

    Returns:
        The renamed document without pointers, old name → new name for all that changed, and the skipped
        pointers.

    Raises:
        SpecError: a pointer leads to no hoisted schema, or two shapes want one name.
    """
    at = _hoisted_at(document)
    skipped = [pointer for pointer in names if pointer not in at]
    if skipped and not skip_missing:
        raise SpecError(
            f"a name ({names[skipped[0]]}) is for a schema that is not there, or that needs none",
            pointer=skipped[0],
            hint="remove it from openapi/names.toml, or point it at the schema's new place",
        )
    wanted = {at[pointer]: name for pointer, name in names.items() if pointer in at}
    while True:
        renamed, out, clash = _rename(document, wanted)
        if clash is None:
            return out, renamed, skipped
        pointer = next(pointer for pointer in names if at.get(pointer) == clash)
        if not skip_missing:
            raise SpecError(
                f"two schemas of different shape want the name {wanted[clash]}",
                pointer=pointer,
                hint="choose another name in openapi/names.toml",
            )
        skipped.append(pointer)
        del wanted[clash]


def _hoisted_at(document: Document) -> dict[str, str]:
    """Pointer as written → the component that stands for the schema there."""
    at: dict[str, str] = {}
    for name, schema in document["components"]["schemas"].items():
        for pointer in (schema.get(POINTER), *schema.get(POINTERS, ())):
            if pointer is not None:
                at[pointer] = name
    return at


def _rename(document: Document, wanted: dict[str, str]) -> tuple[dict[str, str], Document, str | None]:
    """Rename and merge; the third value is the first component whose shape does not fit the name it wants."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    kept_names = [name for name in schemas if name not in wanted]
    renamed = wanted | _python_names(kept_names, set(wanted.values()), set(schemas) - set(wanted))
    renamed = {old: new for old, new in renamed.items() if old != new}

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in schema.items() if key not in (POINTER, POINTERS)}
        target = ref_name(schema)
        told = kept.get("discriminator")
        if told and "implied" in told:
            mapping = {value: renamed.get(name, name) for value, name in told["mapping"].items()}
            implied = {renamed.get(name, name): value for name, value in told["implied"].items()}
            kept["discriminator"] = {**told, "mapping": mapping, "implied": implied}
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
    """A slice's lists of schemas under their new names."""
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
    """Name of each component of a renamed document → where its schemas stood in the description as written.

    Args:
        document: As it was before, pointers still in the schemas.
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
    """Class names for schemas that no person named; one that upstream and names.toml share stays shared."""
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
    """What has to be one class's alone on file systems that ignore case: its module, its page."""
    return {f"{module_name(name)}.py", f"{name}.md".lower()}


def class_name(name: str) -> str:
    """A schema's name as a class name: itself wherever Python allows it."""
    plain = unicodedata.normalize("NFKC", name)
    if not (plain.isidentifier() and plain[0].isupper() and "_" not in plain):
        plain = "".join(word[0].upper() + word[1:] for word in words(plain)) or "Model"
        plain = plain if plain.isidentifier() else f"Model{plain}"
    if plain in _OWN or keyword.iskeyword(plain) or hasattr(builtins, plain):
        plain += "Model"
    return plain


def module_name(name: str) -> str:
    """A class's module: its words in snake case, safe to import and on file systems that ignore case."""
    module = "_".join(words(name)).lower() or "model"
    return module + "_" if keyword.iskeyword(module) else module


def _shape(schema: Any) -> str:
    """What two schemas must share to become one class; a discriminator only says how to tell members."""

    def bare(node: Any, inside_properties: bool = False) -> Any:
        if isinstance(node, dict):
            dropped = () if inside_properties else ("description", "discriminator")
            return {
                k: bare(v, k == "properties" and not inside_properties)
                for k, v in node.items()
                if k not in dropped
            }
        return [bare(v) for v in node] if isinstance(node, list) else node

    return json.dumps(bare(schema), sort_keys=True)


__all__ = ["apply", "class_name", "follow", "module_name", "places", "read"]
