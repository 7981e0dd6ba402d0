"""Checks against the API description: compiled validators, and where a value breaks its schema.

All limits come from `realtime_api.schemas`; this module adds none.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jsonschema_rs
from realtime_api import schemas

from realtime_simulator._core.problem import ApiProblem, invalid_value

_REFERENCE = "#/$defs/"
_TYPES = {
    "null": "null",
    "boolean": "a boolean",
    "string": "a string",
    "integer": "an integer",
    "number": "a decimal",
    "array": "an array",
    "object": "an object",
}
_DISCRIMINATORS = (["type"], ["role"], ["object"])


def value_at(value: Any, *path: str) -> Any:
    """Return what a JSON value has at a path of keys; None if there is nothing."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


@functools.cache
def validator(name: str) -> jsonschema_rs.Validator:
    """Return the compiled validator of one named schema.

    Args:
        name: A schema's name in the API description, such as `RealtimeSessionCreateRequestGA`.
    """
    return jsonschema_rs.validator_for(schemas.standalone(name))


@functools.cache
def event_schemas(union: str) -> Mapping[str, str]:
    """Return event type -> schema name for the members of an event union.

    Args:
        union: `RealtimeClientEvent`, `RealtimeServerEvent` or their translation twins.
    """
    members = {}
    for member in _branches(schemas.get(union)):
        name = str(member["$ref"]).removeprefix(_REFERENCE)
        kind = schemas.get(name)["properties"]["type"]
        members[kind["const"] if "const" in kind else kind["enum"][0]] = name
    return members


def check(name: str, value: Any, *, at: str = "", strict: bool = True) -> None:
    """Refuse a value that its schema, or the API, does not accept.

    Args:
        name: The schema's name.
        value: A JSON value.
        at: The dotted path of the value in the client's message; `""` for the whole message.
        strict: Refuse fields that the schema does not name, as the API does.

    Raises:
        ApiProblem: 400 with the code and the path of the first fault; unknown fields come first, because a
            field with a beta name mostly explains the rest.
    """
    path: list[str | int] = [at] if at else []
    if strict:
        unknown = next(_unknown(schemas.get(name), value, path), None)
        if unknown is not None:
            raise ApiProblem(f"Unknown parameter: '{unknown}'.", code="unknown_parameter", param=unknown)
    error = next(iter(validator(name).iter_errors(value)), None)
    if error is not None:
        raise _problem(_root_cause(error), path)


def _root_cause(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    """Descend into failed unions, through the member that the value was evidently meant to match."""
    kinds = jsonschema_rs.ValidationErrorKind
    while isinstance(error.kind, kinds.AnyOf | kinds.OneOfNotValid):
        depth = len(error.instance_path)
        branches = [branch for branch in error.kind.context if branch]
        meant = [branch for branch in branches if not any(_excludes(e, depth) for e in branch)]
        if not meant:
            return error
        error = min(meant, key=len)[0]
    return error


def _excludes(error: jsonschema_rs.ValidationError, depth: int) -> bool:
    """Whether an error shows that a union's member was not meant: another JSON type, `type` or `role`."""
    kinds = jsonschema_rs.ValidationErrorKind
    here = list(error.instance_path)[depth:]
    if isinstance(error.kind, kinds.AnyOf | kinds.OneOfNotValid):
        return not here and all(any(_excludes(e, depth) for e in branch) for branch in error.kind.context)
    if isinstance(error.kind, kinds.Constant | kinds.Enum):
        return not here or here in _DISCRIMINATORS
    if isinstance(error.kind, kinds.Not):
        return not here
    return isinstance(error.kind, kinds.Type) and not here


def _problem(error: jsonschema_rs.ValidationError, at: Sequence[str | int]) -> ApiProblem:
    kinds = jsonschema_rs.ValidationErrorKind
    kind = error.kind
    path = [*at, *error.instance_path, *_wrong_discriminator(error)]
    if isinstance(kind, kinds.Required):
        param = dotted([*path, str(kind.property).strip('"')])
        return ApiProblem(
            f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param
        )
    param = dotted(path)
    if isinstance(kind, kinds.AdditionalProperties):
        param = dotted([*path, kind.unexpected[0]])
        return ApiProblem(f"Unknown parameter: '{param}'.", code="unknown_parameter", param=param)
    got_value = error.instance
    if field := _wrong_discriminator(error):
        got_value = got_value[field[0]] if isinstance(got_value, dict) else got_value
    options = _options(kind)
    if options and isinstance(got_value, str):
        return invalid_value(not_supported(got_value, options), param or None)
    if (bound := _bound(kind, options, got_value)) is not None:
        return _out_of_bounds(param, got_value, *bound)
    if expected := _types(error):
        return ApiProblem(
            f"Invalid type for '{param or 'body'}': expected {_one_of(expected)}, "
            f"but got {type_of(got_value)} instead.",
            code="invalid_type",
            param=param or None,
        )
    if (too_large := _too_large(param, kind, error.instance)) is not None:
        return too_large
    return invalid_value(
        f"Invalid value for '{param or 'body'}': got {shown(got_value)}, allowed is {_allowed(kind)}.",
        param or None,
    )


def _too_large(param: str, kind: jsonschema_rs.ValidationErrorKind, value: Any) -> ApiProblem | None:
    """Return the refusal of a value that is too long, or has too many properties."""
    kinds = jsonschema_rs.ValidationErrorKind
    if isinstance(kind, kinds.MaxProperties):
        return ApiProblem(
            f"Invalid '{param}': too many properties. Expected an object with at most {kind.limit} "
            f"properties, but got an object with {len(value)} properties instead.",
            code="object_above_max_properties",
            param=param or None,
        )
    code = "string_above_max_length"
    if isinstance(kind, kinds.PropertyNames):
        longest = max(value, key=len)
        param = f"{param}.{longest[:80]}"
        # The inner error has the limit of the name.
        kind, value, code = kind.error.kind, longest, "property_name_above_max_length"
    if not isinstance(kind, kinds.MaxLength):
        return None
    return ApiProblem(
        f"Invalid '{param}': string too long. Expected a string with maximum length {kind.limit}, "
        f"but got a string with length {len(value)} instead.",
        code=code,
        param=param or None,
    )


def not_supported(got: object, options: Iterable[object]) -> str:
    """Return the API's message for a text that is not one of the allowed ones."""
    *most, last = (f"'{option}'" for option in options)
    if not most:
        return f"Invalid value: '{str(got)[:80]}'. Value must be {last}."
    listed = f"{', '.join(most)}{',' if len(most) > 1 else ''} and {last}"
    return f"Invalid value: '{str(got)[:80]}'. Supported values are: {listed}."


def _types(error: jsonschema_rs.ValidationError) -> list[str]:
    """The JSON types that a value should have, if its type is wrong."""
    kinds = jsonschema_rs.ValidationErrorKind
    if isinstance(error.kind, kinds.Type):
        return [str(name) for name in error.kind.types]
    if not isinstance(error.kind, kinds.AnyOf | kinds.OneOfNotValid):
        return []
    # Their order within a branch is another one in older versions of the library.
    causes = [
        next((cause for cause in branch if isinstance(cause.kind, kinds.Type)), branch[0])
        for branch in error.kind.context
        if branch
    ]
    here = all(list(cause.instance_path) == list(error.instance_path) for cause in causes)
    found = [_types(cause) for cause in causes] if here else []
    return list(dict.fromkeys(name for names in found for name in names)) if all(found) else []


def _one_of(types: Sequence[str]) -> str:
    """Return the API's words for JSON types: `an object`, `one of a string or object`."""
    first, *more = [name for name in types if name != "null"] or types
    words = _TYPES[first]
    return f"one of {' or '.join((words, *(_TYPES[name].split()[-1] for name in more)))}" if more else words


def type_of(value: object) -> str:
    """Return the API's words for the JSON type of a value."""
    if value is None or isinstance(value, bool):
        return _TYPES["null" if value is None else "boolean"]
    if isinstance(value, float):
        return "a decimal number"
    python = {str: "string", int: "integer", list: "array", dict: "object"}
    return _TYPES[python[type(value)]]


def _options(kind: jsonschema_rs.ValidationErrorKind) -> Sequence[object]:
    kinds = jsonschema_rs.ValidationErrorKind
    if isinstance(kind, kinds.AnyOf | kinds.OneOfNotValid):
        found = [_options(branch[0].kind) for branch in kind.context if branch]
        return [option for options in found for option in options] if all(found) else []
    if isinstance(kind, kinds.Enum):
        return list(kind.options)
    return [kind.expected_value] if isinstance(kind, kinds.Constant) else []


def _bound(
    kind: jsonschema_rs.ValidationErrorKind, options: Sequence[object], got: object
) -> tuple[str, str, object] | None:
    """The limit that a number is beyond: `below minimum` or `above maximum`, the sign, and the limit."""
    kinds = jsonschema_rs.ValidationErrorKind
    if isinstance(got, bool) or not isinstance(got, int | float):
        return None
    numbers = [option for option in options if isinstance(option, int | float)]
    if isinstance(kind, kinds.Minimum) or (numbers and got < min(numbers)):
        return "below_min", ">=", kind.limit if isinstance(kind, kinds.Minimum) else min(numbers)
    if isinstance(kind, kinds.Maximum) or (numbers and got > max(numbers)):
        return "above_max", "<=", kind.limit if isinstance(kind, kinds.Maximum) else max(numbers)
    return None


def _out_of_bounds(param: str, got: object, side: str, sign: str, limit: object) -> ApiProblem:
    sort = "decimal" if any(isinstance(value, float) and value % 1 for value in (got, limit)) else "integer"
    where = "below minimum" if side == "below_min" else "above maximum"
    return ApiProblem(
        f"Invalid '{param}': {sort} {where} value. Expected a value {sign} {limit}, but got {got} instead.",
        code=f"{sort}_{side}_value",
        param=param or None,
    )


def _wrong_discriminator(error: jsonschema_rs.ValidationError) -> list[str]:
    """The field that excluded the value from every object member of a failed union, if there is one."""
    kinds = jsonschema_rs.ValidationErrorKind
    if not isinstance(error.kind, kinds.AnyOf | kinds.OneOfNotValid) or not isinstance(error.instance, dict):
        return []
    depth = len(error.instance_path)
    for branch in error.kind.context:
        for cause in map(_root_cause, branch):
            here = list(cause.instance_path)[depth:]
            if isinstance(cause.kind, kinds.Constant | kinds.Enum) and here in _DISCRIMINATORS:
                return [str(part) for part in here]
            if deeper := _wrong_discriminator(cause):
                return deeper
    return []


def _allowed(kind: jsonschema_rs.ValidationErrorKind) -> str:
    kinds = jsonschema_rs.ValidationErrorKind
    match kind:
        case kinds.Enum():
            return "one of " + ", ".join(repr(option) for option in kind.options)
        case kinds.Constant():
            return repr(kind.expected_value)
        case kinds.Minimum():
            return f"a number of at least {kind.limit}"
        case kinds.Maximum():
            return f"a number of at most {kind.limit}"
        case kinds.MaxLength():
            return f"at most {kind.limit} characters"
        case kinds.MinLength():
            return f"at least {kind.limit} characters"
        case kinds.MinItems():
            return f"at least {kind.limit} elements"
        case kinds.MaxItems():
            return f"at most {kind.limit} elements"
        case kinds.Pattern():
            return f"text that matches {kind.pattern}"
        case kinds.AnyOf() | kinds.OneOfNotValid():
            return " or ".join(dict.fromkeys(_allowed(branch[0].kind) for branch in kind.context if branch))
        case kinds.Type():
            return _one_of([str(name) for name in kind.types])
        case _:
            return "what the API description says"


def shown(value: Any) -> str:
    """Return a value for a message, cut to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def dotted(path: Sequence[str | int]) -> str:
    """Return a JSON path as the API writes it: `session.tools[0].name`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _branches(schema: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = schemas.get(str(schema["$ref"]).removeprefix(_REFERENCE))
    return schema


def _shapes(schema: Mapping[str, Any], value: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The object schemas that describe a value: the schema itself, or the union members that it may be."""
    schema = _resolved(schema)
    if "properties" in schema or schema.get("additionalProperties") or schema.get("type") == "object":
        yield schema
    for branch in _branches(schema):
        for shape in _shapes(branch, value):
            kind = shape.get("properties", {}).get("type", {})
            names = [kind["const"]] if "const" in kind else kind.get("enum")
            if names is None or value.get("type", names[0]) in names:
                yield shape


def _unknown(schema: Mapping[str, Any], value: Any, path: list[str | int]) -> Iterator[str]:
    """The dotted paths of fields that no schema in question names."""
    schema = _resolved(schema)
    if isinstance(value, list):
        for items in _item_schemas(schema):
            for index, element in enumerate(value):
                yield from _unknown(items, element, [*path, index])
            return
    if not isinstance(value, Mapping):
        return
    shapes = list(_shapes(schema, value))
    described = [shape for shape in shapes if "properties" in shape]
    if not described or any(shape.get("additionalProperties", False) is not False for shape in shapes):
        return
    for key, inner in value.items():
        inside = [shape["properties"][key] for shape in described if key in shape["properties"]]
        if not inside:
            yield dotted([*path, key])
        elif len(inside) == 1:
            yield from _unknown(inside[0], inner, [*path, key])
        else:
            faults = [list(_unknown(option, inner, [*path, key])) for option in inside]
            yield from min(faults, key=len)


def _item_schemas(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "items" in schema:
        yield schema["items"]
    for branch in _branches(schema):
        yield from _item_schemas(_resolved(branch))
