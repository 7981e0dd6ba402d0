"""Python source for schemas: annotations, and expressions that decode JSON."""

from __future__ import annotations

import builtins
import json
import keyword
import re
import unicodedata
from collections.abc import Collection
from typing import Any

import attrs

from ..document import ref_name, union_of
from ..errors import SpecError
from ..graph import Graph
from ..names import module_name
from ..transforms.notation import NULL

_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
#: Names used by methods and attrs, which an attribute must not have.
_RESERVED = {
    "self",
    "cls",
    "to_dict",
    "from_dict",
    "additional_properties",
    "additional_keys",
    "missing",
    "UNSET",
    "Unset",
}


def attribute_names(keys: list[str], reserved: Collection[str] = _RESERVED) -> dict[str, str]:
    """Return JSON key → attribute name: the key itself if possible, otherwise the nearest free name.

    Keywords and reserved names get an underscore; invalid characters are replaced by underscores.
    """
    out: dict[str, str] = {}
    for key in sorted(keys, key=lambda key: _plain(key, reserved) != key):
        name = _plain(key, reserved)
        while name in out.values():
            name += "_"
        out[key] = name
    return {key: out[key] for key in keys}


def _plain(key: str, reserved: Collection[str]) -> str:
    name = unicodedata.normalize("NFKC", key)
    if not name.isidentifier():
        name = re.sub(r"\W", "_", name) or "_"
    name = name if name.isidentifier() else f"field_{name}"
    if name.startswith("_"):
        name = f"field{name}"
    return name + "_" if keyword.iskeyword(name) or name in reserved else name


@attrs.define
class Scope:
    """The names used by one generated module.

    Attributes:
        graph: The document's schemas.
        owner: The module's schema.
        taken: Names shadowed by the class's attributes; types of these names are imported under another.
        typing: Imports from typing.
        builtins: Builtins imported under another name.
        classes: Models referred to.
        decoders: Aliases whose decoders are called.
        aliases: Aliases used in annotations.
    """

    graph: Graph
    owner: str
    taken: frozenset[str] = frozenset()
    typing: set[str] = attrs.field(factory=set)
    builtins: set[str] = attrs.field(factory=set)
    classes: set[str] = attrs.field(factory=set)
    decoders: set[str] = attrs.field(factory=set)
    aliases: set[str] = attrs.field(factory=set)

    def type_name(self, name: str) -> str:
        """Return the name of a builtin, a typing name or a class in this module."""
        shown = f"_{name}" if name in self.taken else name
        if name in ("Any", "Literal", "Self", "ClassVar"):
            self.typing.add(name)
        elif name == "Mapping":
            pass
        elif hasattr(builtins, name):
            if shown != name:
                self.builtins.add(name)
        elif self.graph.is_model(name):
            self.classes.add(name)
        else:
            self.aliases.add(name)
        return shown


def annotation(scope: Scope, schema: dict[str, Any], *, lenient: bool) -> str:
    """Return the annotation of a schema.

    Args:
        scope: The module; collects its imports.
        schema: The value's schema.
        lenient: Whether the value is received: the API may add enum values and union members, so the
            annotation includes `str` and `dict[str, Any]`, because unknown values are kept.
    """
    parts = list(dict.fromkeys(_parts(scope, schema, lenient)))
    if scope.type_name("Any") in parts:
        return scope.type_name("Any")
    if "None" in parts:
        parts = [part for part in parts if part != "None"] + ["None"]
    return " | ".join(parts)


def _parts(scope: Scope, schema: Any, lenient: bool) -> list[str]:
    name = ref_name(schema)
    if name is not None:
        parts = [scope.type_name(name)]
        if lenient and not scope.graph.is_model(name):
            parts += _open_ends(scope, schema)
        return parts
    members = union_of(schema) if isinstance(schema, dict) else None
    if members is not None:
        parts = [part for member in members for part in _parts(scope, member, lenient)]
        return parts + (_open_ends(scope, schema) if lenient else [])
    if not isinstance(schema, dict):
        return [scope.type_name("Any")]
    if "const" in schema or "enum" in schema:
        closed = _closed(scope, schema.get("enum", [schema.get("const")]))
        return closed + (_open_ends(scope, schema) if lenient else [])
    kind = schema.get("type")
    if kind == "array":
        return [f"{scope.type_name('list')}[{annotation(scope, items_of(schema), lenient=lenient)}]"]
    if kind == "object":
        value = schema.get("additionalProperties")
        if isinstance(value, dict) and value:
            inner = annotation(scope, value, lenient=lenient)
        else:
            inner = scope.type_name("Any")
        return [f"{scope.type_name('dict')}[{scope.type_name('str')}, {inner}]"]
    if kind == "string" and schema.get("format") == "binary":
        # A file may be a (name, content) pair.
        content, text = scope.type_name("bytes"), scope.type_name("str")
        return [content, text, f"{scope.type_name('tuple')}[{text}, {content}]"]
    if kind == "null":
        return ["None"]
    return [scope.type_name(_SCALARS.get(str(kind), "Any"))]


def _closed(scope: Scope, values: list[Any]) -> list[str]:
    """Return the type of an enum; values that `Literal` does not support use their class."""
    exact = [repr(value) for value in values if isinstance(value, (str, int))]
    parts = [f"{scope.type_name('Literal')}[{', '.join(exact)}]"] if exact else []
    for value in values:
        if isinstance(value, float):
            parts.append(scope.type_name("float"))
        elif isinstance(value, (list, dict)):
            parts.append(scope.type_name("Any"))
        elif value is None:
            parts.append("None")
    return parts


def items_of(schema: dict[str, Any]) -> Any:
    """Return the schema of list items; unknown if `prefixItems` is used."""
    return {} if "prefixItems" in schema else schema.get("items", {})


def _open_ends(scope: Scope, schema: dict[str, Any]) -> list[str]:
    ends: list[str] = []
    leaves = scope.graph.leaves(schema)
    for leaf in leaves:
        values = leaf.get("enum", ())
        ends += [scope.type_name(type(v).__name__) for v in values if isinstance(v, (str, int, float))]
    if union_of_models(leaves):
        ends.append(f"{scope.type_name('dict')}[{scope.type_name('str')}, {scope.type_name('Any')}]")
    return list(dict.fromkeys(ends))


def union_of_models(leaves: list[dict[str, Any]]) -> bool:
    """Whether a union has more than one member besides null, some of them models."""
    return sum(leaf != NULL for leaf in leaves) > 1 and any(ref_name(leaf) is not None for leaf in leaves)


def described(part: Any) -> str:
    """Return the docstring of a schema, property or parameter."""
    if not isinstance(part, dict):
        return ""
    return ("Deprecated. " if part.get("deprecated") else "") + str(part.get("description") or "")


def decodes(graph: Graph, schema: Any, seen: tuple[str, ...] = ()) -> bool:
    """Whether a value of this schema contains models, so that it needs decoding."""
    if not isinstance(schema, dict):
        return False
    name = ref_name(schema)
    if name is not None:
        if graph.is_model(name):
            return True
        return name not in seen and decodes(graph, graph.schemas[name], (*seen, name))
    members = union_of(schema)
    if members is not None:
        return any(decodes(graph, member, seen) for member in members)
    if schema.get("type") == "array":
        return decodes(graph, items_of(schema), seen)
    return schema.get("type") == "object" and decodes(graph, schema.get("additionalProperties"), seen)


def decoder_name(name: str) -> str:
    """Return the name of the function that decodes a model or an alias."""
    return f"decode_{module_name(name)}"


def decode(scope: Scope, schema: Any, source: str, depth: int = 0, strict: str = "False") -> str:
    """Return an expression that decodes the JSON value of the expression `source`.

    Values of an unexpected type (null, a string instead of an object) are kept.

    Args:
        scope: The module; collects its imports.
        schema: The value's schema.
        source: The expression.
        depth: Nesting depth in lists and maps.
        strict: Source of a boolean: whether an object must have its model's required properties.
    """
    if not decodes(scope.graph, schema):
        constant = schema.get("const") if isinstance(schema, dict) else None
        # So that thousands of events share one string.
        shared = f"{constant!r} if (v0 := {source}) == {constant!r} else v0"
        return shared if isinstance(constant, str) and not depth else source
    held = f"v{depth}"
    name = ref_name(schema)
    if name is not None:
        scope.decoders.add(name)
        if depth or not source.startswith("data["):
            return f"{decoder_name(name)}({source}, {strict})"
        # The service sends null for many unset values.
        return f"None if ({held} := {source}) is None else {decoder_name(name)}({held}, {strict})"
    members = [member for member in union_of(schema) or [] if member != NULL]
    if len(members) == 1:
        return decode(scope, members[0], source, depth, strict)
    if schema.get("type") == "array":
        item = decode(scope, schema["items"], f"i{depth}", depth + 1)
        return f"[{item} for i{depth} in {held}] if isinstance({held} := {source}, list) else {held}"
    if schema.get("type") == "object":
        item = decode(scope, schema["additionalProperties"], f"i{depth}", depth + 1)
        pairs = f"{{k{depth}: {item} for k{depth}, i{depth} in {held}.items()}}"
        return f"{pairs} if isinstance({held} := {source}, dict) else {held}"
    raise SpecError(
        f"an unnamed union in {scope.owner}: {json.dumps(schema):.200}",
        hint="the transform hoist_inline should have named it",
    )
