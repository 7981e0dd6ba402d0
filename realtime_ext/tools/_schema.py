"""The JSON Schema of a tool's parameters: msgspec's, made readable for a model.

msgspec puts every class into `$defs` and names it in a title. A model needs neither: classes are written
where they are used, unless they contain themselves, and a title that only repeats a name is left out.
Fields get the descriptions that their class's docstring has. This module must not check arguments.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args, get_origin

import attrs
import msgspec

from . import _pydantic
from ._annotations import readable
from ._check import type_name
from ._docstring import parse_docstring

__all__ = ["parameters_schema"]

_REF = "#/$defs/"
_Hook = Callable[[type], dict[str, Any]]
_SCHEMAS = ("items", "additionalProperties", "not", "propertyNames", "contains", "if", "then", "else")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs")


def parameters_schema(parameters: type[msgspec.Struct]) -> dict[str, Any]:
    """Make the schema of a struct that has a tool's parameters as its fields.

    Args:
        parameters: The struct.

    Returns:
        JSON Schema 2020-12 of an object. `$defs` is there only for types that contain themselves.

    Raises:
        TypeError: A field's type has no JSON form.
    """
    components: dict[str, Any] = {}

    def hook(cls: type) -> dict[str, Any]:
        if not _pydantic.is_pydantic(cls):
            raise TypeError(f"there is no JSON form of {cls.__name__}")
        return _adopted(cls, components)

    root, found = _made(parameters, hook)
    components |= found
    hints = list(_hints_within(parameters))
    _describe(components, _classes(hints), hook)
    schema = _Inliner(components, _orders(hints)).schema(root)
    return {key: value for key, value in schema.items() if key not in ("title", "description")}


def _made(annotation: Any, hook: _Hook) -> tuple[dict[str, Any], dict[str, Any]]:
    (root,), components = msgspec.json.schema_components(
        [annotation], schema_hook=hook, ref_template=_REF + "{name}"
    )
    return root, components


def _adopted(cls: type, components: dict[str, Any]) -> dict[str, Any]:
    """Take pydantic's schema over, with its definitions under names that can't be another type's."""
    schema = _pydantic.json_schema(cls)
    names = {name: f"{cls.__name__}.{name}" for name in schema.get("$defs", ())}

    def renamed(node: dict[str, Any]) -> dict[str, Any]:
        out = {key: value for key, value in _mapped(node, renamed).items() if key != "$defs"}
        if "$ref" in out:
            out["$ref"] = _REF + names[out["$ref"].removeprefix(_REF)]
        return out

    for name, definition in schema.get("$defs", {}).items():
        components[names[name]] = renamed(definition)
    return _untitled(cls.__name__, renamed(schema))


@attrs.define
class _Inliner:
    """Writes each component where it is referred to, and those that contain themselves into `$defs`."""

    components: dict[str, Any]
    orders: dict[frozenset[Any], list[Any]]
    _defs: dict[str, Any] = attrs.field(factory=dict)

    def schema(self, root: dict[str, Any]) -> dict[str, Any]:
        out = self._inlined(root)
        return {**out, "$defs": self._defs} if self._defs else out

    def _inlined(self, node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            out = _mapped(node, self._inlined)
            # Its references lead nowhere now; each member's constant field says the same.
            out.pop("discriminator", None)
            if "anyOf" in out:
                out["anyOf"] = [form for part in out["anyOf"] for form in _forms(part)]
            return self._ordered(out) if "enum" in out else out
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        name = node["$ref"].removeprefix(_REF)
        if not self._contains_itself(name):
            return {**self._component(name), **siblings}
        if name not in self._defs:
            self._defs[name] = {}  # it is asked for again while it is being made
            self._defs[name] = self._component(name)
        return {"$ref": node["$ref"], **siblings}

    def _component(self, name: str) -> dict[str, Any]:
        out = self._inlined(self.components[name])
        if out.get("title") == name.rpartition(".")[2]:
            del out["title"]
        return out

    def _ordered(self, node: dict[str, Any]) -> dict[str, Any]:
        """msgspec sorts the members and leaves out their type; people order them by meaning."""
        members = self.orders.get(frozenset(node["enum"]), node["enum"])
        kinds = {type_name(member) for member in members}
        typed = {"type": kinds.pop()} if len(kinds) == 1 else {}
        return {**typed, **node, "enum": members}

    def _contains_itself(self, name: str) -> bool:
        seen: set[str] = set()
        rest = list(_references(self.components[name]))
        while rest:
            reference = rest.pop()
            if reference == name:
                return True
            if reference not in seen:
                seen.add(reference)
                rest += _references(self.components[reference])
        return False


def _forms(schema: dict[str, Any]) -> list[dict[str, Any]]:
    forms: list[dict[str, Any]] = schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]
    return forms


def _references(node: dict[str, Any]) -> Iterator[str]:
    found: list[str] = []

    def visit(child: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in child:
            found.append(child["$ref"].removeprefix(_REF))
        return _mapped(child, visit)

    visit(node)
    yield from found


def _mapped(node: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Change each schema within a schema; values such as defaults are none."""
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key in _SCHEMAS and isinstance(value, dict):
            out[key] = change(value)
        elif key in _LISTS:
            out[key] = [change(item) for item in value]
        elif key in _MAPS:
            out[key] = {name: _untitled(name, change(item)) for name, item in value.items()}
        else:
            out[key] = value
    return out


def _untitled(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    title = schema.get("title")
    if isinstance(title, str) and title.replace(" ", "_").lower() == name.lower():
        return {key: value for key, value in schema.items() if key != "title"}
    return schema


def _describe(components: dict[str, Any], classes: set[type], hook: _Hook) -> None:
    for cls in classes:
        component = components.get(cls.__name__)
        if component is None or sum(other.__name__ == cls.__name__ for other in classes) > 1:
            continue
        documented = parse_docstring(cls.__doc__)
        if component.pop("description", None) and documented.description:
            component["description"] = documented.description
        hints = _hints(cls)
        for name, field in component.get("properties", {}).items():
            if name in hints:
                _enrich(field, _made(readable(hints[name]), hook)[0])
            if name in documented.arguments:
                field.setdefault("description", documented.arguments[name])


def _enrich(schema: Any, richer: Any) -> None:
    """Add what `readable` brings out and doesn't need to be enforced, at each place in a field's schema."""
    if isinstance(schema, list):
        for one, other in zip(schema, richer, strict=True):
            _enrich(one, other)
    elif isinstance(schema, dict) and isinstance(richer, dict):
        for key in ("description", "format"):
            if key in richer:
                schema.setdefault(key, richer[key])
        for key in ("items", "additionalProperties", "anyOf", "prefixItems"):
            if key in schema and key in richer:
                _enrich(schema[key], richer[key])


def _orders(hints: list[Any]) -> dict[frozenset[Any], list[Any]]:
    orders = {}
    for hint in hints:
        if get_origin(hint) is Literal:
            orders[frozenset(get_args(hint))] = list(get_args(hint))
        elif isinstance(hint, type) and issubclass(hint, enum.Enum):
            members = [member.value for member in hint]
            orders[frozenset(members)] = members
    return orders


def _classes(hints: list[Any]) -> set[type]:
    origins = [get_origin(hint) or hint for hint in hints]
    return {origin for origin in origins if isinstance(origin, type)}


def _hints_within(cls: type) -> Iterator[Any]:
    """All annotations that a class's fields are made of, those of nested classes too."""
    seen: list[Any] = []
    rest = list(_hints(cls).values())
    while rest:
        hint = rest.pop()
        if hint in seen:
            continue
        seen.append(hint)
        yield hint
        rest += get_args(hint) if get_origin(hint) is not Literal else ()
        origin = get_origin(hint) or hint
        if isinstance(origin, type) and origin.__module__ not in ("builtins", "typing"):
            rest += _hints(origin).values()


def _hints(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError):
        return {}  # msgspec, which needs them too, says what is wrong
