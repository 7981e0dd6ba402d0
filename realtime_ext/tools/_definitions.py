"""Definitions of tools, as the model sees them: made from annotations and docstrings, and checked.

msgspec makes the JSON Schema of a function's parameters. It puts every class into `$defs` and names it in a
title. A model needs neither: classes are written where they are used, unless they contain themselves, and a
title that only repeats a name is left out. Fields get the descriptions that their class's docstring has.

This module must not look at functions, nor at what a model sends.
"""

from __future__ import annotations

import datetime
import enum
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

import attrs
import msgspec

from .._core.schema import Place, check, place, shown


def checked_definition(definition: dict[str, Any]) -> dict[str, Any]:
    """Check a definition.

    Args:
        definition: What a session's `tools` would hold.

    Returns:
        The definition.

    Raises:
        ValueError: The API would refuse it, it has no name, or its parameters are not a schema of an object,
            or one of more than 100,000 values.
    """
    name = definition.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"tool: expected a definition with a name, got the name {shown(name)}")
    if not _ends_within(_MOST_VALUES, definition.get("parameters")):
        raise ValueError(f"tool {name}: parameters: expected {_MOST_VALUES:,} values at most, written out")
    try:
        violations = check(place("RealtimeFunctionTool"), definition) or check(_PARAMETERS, definition)
    except RecursionError as error:
        raise ValueError(f"tool {name}: parameters: the schema is nested too deep") from error
    if violations:
        raise ValueError(f"tool {name}: {'; '.join(one.message for one in violations)}")
    try:
        check(Place(definition.get("parameters")), {})
    except RecursionError as error:
        raise ValueError(f"tool {name}: parameters: a reference leads back to itself") from error
    return definition


_MOST_VALUES = 100_000


def _ends_within(most: int, value: Any) -> bool:
    """Return whether a value has so many values at most; parts that it shares count each time."""
    left = [value]
    while left and most:
        most -= 1
        inner = left.pop()
        if isinstance(inner, Mapping):
            left.extend(inner.values())
        elif isinstance(inner, list | tuple):
            left.extend(inner)
    return not left


_TYPE_NAMES = {str: "string", float: "number", int: "integer", bool: "boolean", type(None): "null"}
_TYPES = ["string", "number", "integer", "boolean", "array", "object", "null"]
_SCHEMA = {"$ref": "#/$defs/schema"}
_SCHEMA_LIST = {"type": "array", "items": _SCHEMA, "minItems": 1}
_SCHEMA_MAP = {"type": "object", "additionalProperties": _SCHEMA}
_COUNT = {"type": "integer", "minimum": 0}
_NUMBER = {"type": "number"}
_TEXTS = {"type": "array", "items": {"type": "string"}}
# JSON Schema's own schema, as far as arguments are checked.
_PARAMETERS = Place(
    {
        "properties": {"parameters": {"allOf": [_SCHEMA, {"properties": {"type": {"const": "object"}}}]}},
        "$defs": {
            "schema": {
                "type": ["object", "boolean"],
                "properties": {
                    "type": {"anyOf": [{"enum": _TYPES}, {"type": "array", "items": {"enum": _TYPES}}]},
                    "enum": {"type": "array", "minItems": 1},
                    "required": _TEXTS,
                    "pattern": {"type": "string"},
                    "multipleOf": {"type": "number", "exclusiveMinimum": 0},
                    "$ref": {"type": "string"},
                    **dict.fromkeys(("properties", "patternProperties", "$defs"), _SCHEMA_MAP),
                    **dict.fromkeys(("additionalProperties", "items", "propertyNames", "not"), _SCHEMA),
                    **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), _SCHEMA_LIST),
                    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _NUMBER),
                    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _COUNT),
                    **dict.fromkeys(("minProperties", "maxProperties"), _COUNT),
                },
            }
        },
    }
)


_REF = "#/$defs/"
_Hook = Callable[[type], dict[str, Any]]
_SCHEMAS = ("items", "additionalProperties", "not", "propertyNames", "contains", "if", "then", "else")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs")


def parameters_schema(parameters: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the schema of a struct that has a tool's parameters as its fields.

    Args:
        parameters: The struct.

    Returns:
        JSON Schema 2020-12 of an object. `$defs` is there only for types that contain themselves.

    Raises:
        TypeError: A field's type has no JSON form.
    """
    components: dict[str, Any] = {}

    def hook(cls: type) -> dict[str, Any]:
        if not is_pydantic(cls):
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
    """Return pydantic's schema, with its definitions under names that can't be another type's."""
    schema = _pydantic_schema(cls)
    prefix = cls.__name__

    def renamed(node: dict[str, Any]) -> dict[str, Any]:
        out = {key: value for key, value in _mapped(node, renamed).items() if key != "$defs"}
        if "$ref" in out:
            out["$ref"] = f"{_REF}{prefix}.{out['$ref'].removeprefix(_REF)}"
        return out

    def definitions() -> dict[str, Any]:
        return {f"{prefix}.{name}": renamed(one) for name, one in schema.get("$defs", {}).items()}

    if any(components.get(name, one) != one for name, one in definitions().items()):
        prefix = f"{cls.__module__}.{cls.__qualname__}"  # another class has the short name
    components |= definitions()
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
            # Its references lead nowhere now; each member's constant field has the same meaning.
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
        kinds = {type(member) for member in members}
        typed = {"type": _TYPE_NAMES[kinds.pop()]} if len(kinds) == 1 else {}
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
        return {}  # msgspec, which needs them too, raises the error


_LIMITS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length")
# msgspec leaves these two without a format, since it also reads times without a zone.
_FORMATS: dict[Any, str] = {datetime.datetime: "date-time", datetime.time: "time"}


def readable(annotation: Any) -> Any:
    """Return an annotation that means the same to msgspec.

    msgspec reads descriptions and limits from `msgspec.Meta` alone. People also write `Annotated[str, "what
    it is"]`, `Doc("…")`, the constraints of annotated-types and pydantic's `Field(…)`, and put limits on an
    Optional as a whole.


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
        # A limit on a union is one on those of its members that can have it; msgspec wants it there.
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
        return _without_fraction(extra)
    if isinstance(extra, str):
        return [msgspec.Meta(description=extra)]
    found = []
    text = getattr(extra, "documentation", None) or getattr(extra, "description", None)
    if isinstance(text, str):
        found.append(msgspec.Meta(description=text))
    limits = {name: value for name in _LIMITS if (value := getattr(extra, name, None)) is not None}
    if limits:
        found += _without_fraction(msgspec.Meta(**limits))
    for constraint in getattr(extra, "metadata", None) or ():
        found += _metas(constraint)
    return found


def _without_fraction(meta: msgspec.Meta) -> list[msgspec.Meta]:
    """Return a limit to multiples of a fraction as part of the schema: to msgspec, 0.3 is none of 0.1."""
    if meta.multiple_of is None or not meta.multiple_of % 1:
        return [meta]
    names = (*_LIMITS, "title", "description", "examples", "extra_json_schema", "extra")
    rest = {name: getattr(meta, name) for name in names if name != "multiple_of"}
    described = {**(meta.extra_json_schema or {}), "multipleOf": meta.multiple_of}
    return [msgspec.Meta(**{**rest, "extra_json_schema": described})]


def has_fractions(schema: Any) -> bool:
    """Return whether a schema limits a number to multiples of a fraction, which msgspec does not check."""
    if isinstance(schema, list):
        return any(map(has_fractions, schema))
    if not isinstance(schema, dict):
        return False
    step = schema.get("multipleOf")
    return (isinstance(step, float) and step % 1 != 0) or any(map(has_fractions, schema.values()))


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


_ARGUMENTS = {"args", "arguments", "parameters", "params", "keyword args", "keyword arguments", "attributes"}
_OTHERS = {
    *("returns", "return", "yields", "yield", "raises", "warns", "warning", "warnings", "note", "notes"),
    *("example", "examples", "see also", "todo", "references", "source", "methods", "other parameters"),
}
_ENTRY = re.compile(r"\*{0,2}(?P<name>\w+)\s*(?:\([^)]*\))?\s*:(?:\s+(?P<text>.*)|$)")


@attrs.frozen
class Docstring:
    """The parts of a docstring.

    Args:
        description: All before the first section; empty if there is nothing.
        arguments: The text of each argument or attribute, on one line.
    """

    description: str
    arguments: dict[str, str]


def parse_docstring(text: str | None) -> Docstring:
    """Parse a Google-style docstring.

    Args:
        text: A `__doc__`, indented or not; None for none.

    Returns:
        Its parts. Sections other than those for arguments are left out, for they don't concern the model.

    Source: https://google.github.io/styleguide/pyguide.html#383-functions-and-methods.
    """
    description: list[str] = []
    arguments: dict[str, list[str]] = {}
    section = entry = None
    indent = 0
    for line in inspect.cleandoc(text or "").splitlines():
        heading = line.rstrip().rstrip(":").lower() if line.rstrip().endswith(":") else ""
        if heading in _ARGUMENTS or heading in _OTHERS:
            section, entry = heading, None
            continue
        if section is None:
            description.append(line)
            continue
        if line and not line[0].isspace():
            section, entry = "", None  # prose after the sections
        if section not in _ARGUMENTS or not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        match = _ENTRY.match(line.strip())
        if match and (entry is None or depth <= indent):
            entry, indent = match["name"], depth
            arguments[entry] = [match["text"] or ""]
        elif entry is not None:
            arguments[entry].append(line.strip())
    return Docstring(
        "\n".join(description).strip(),
        {name: " ".join(parts).strip() for name, parts in arguments.items()},
    )


def is_pydantic(cls: Any) -> bool:
    """Whether pydantic can check a type: a model, or one of its own types."""
    return isinstance(cls, type) and hasattr(cls, "__get_pydantic_core_schema__")


def _pydantic_schema(cls: Any) -> dict[str, Any]:
    # With `$defs` of its own if types are nested; references are `#/$defs/Name`.
    schema: dict[str, Any] = _adapter(cls).json_schema()
    return schema


def validate_pydantic(cls: Any, value: Any) -> Any:
    """Return a value of a pydantic type.

    Args:
        cls: The type.
        value: Decoded JSON.

    Raises:
        ValueError: It doesn't fit; the message has every error with its place.
    """
    import pydantic

    try:
        return _adapter(cls).validate_json(msgspec.json.encode(value))
    except pydantic.ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        texts = [": ".join(filter(None, [_place(one["loc"]), one["msg"]])) for one in errors]
        raise ValueError("; ".join(texts)) from error


def dump_pydantic(value: Any) -> Any:
    """Return a pydantic value as plain values for JSON."""
    kind: Any = type(value)
    return _adapter(kind).dump_python(value, mode="json")


@cache
def _adapter(cls: Any) -> Any:
    import pydantic

    return pydantic.TypeAdapter(cls)


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)
