"""The API's schemas, made ready for checking: each place and the forms that a value may have there.

Every limit comes from `realtime_api.schemas`. Unions and references are flattened once, when a place is first
looked at, so that checking a session is a walk over plain attributes. This module must not know about
sessions.

Source: JSON Schema 2020-12, https://json-schema.org/draft/2020-12/json-schema-validation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import attrs

__all__ = ["Form", "Place", "is_a", "place"]

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_NAMES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}


class Place:
    """Where a value may stand.

    Args:
        schema: Its schema, a part of the API's document; it must not change.
    """

    __slots__ = ("_forms", "_schema")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._forms: tuple[Form, ...] | None = None

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms that a value may have here, references and unions resolved."""
        if self._forms is None:
            forms = tuple(_forms(self._schema, secret=False))
            # Beside an open string, the values that are listed are examples.
            is_open = any(form.type == "string" and form.is_open for form in forms)
            self._forms = tuple(
                form for form in forms if form.type != "string" or form.is_open or not is_open
            )
        return self._forms

    @property
    def words(self) -> str:
        """What is allowed here, as a phrase."""
        return " or ".join(dict.fromkeys(form.words for form in self.forms))

    @property
    def allowed(self) -> Any:
        """What is allowed here: the values of a closed set as a tuple, otherwise a phrase."""
        sets = [form.values for form in self.forms]
        if any(values is None for values in sets):
            return self.words
        return tuple(value for values in sets for value in values or ())


@attrs.frozen(eq=False)
class Form:
    """One form that a value may have: a JSON type and its limits.

    Args:
        type: The JSON type's name.
        values: The closed set, or the one constant; None for an open set.
        limits: Smallest and largest number, length or size; infinite where there is none.
        pattern: What a string must match.
        is_uri: Whether a string must be an absolute URI.
        is_secret: Whether it must never be shown.
        properties: The places in an object, by name.
        required: Which of them must be there.
        additional: Where other fields go: a place, False for nowhere, None where the schema says nothing.
        items: The place of a list's items.
    """

    type: str
    values: tuple[Any, ...] | None
    limits: tuple[float, float]
    pattern: re.Pattern[str] | None
    is_uri: bool
    is_secret: bool
    properties: dict[str, Place]
    required: tuple[str, ...]
    additional: Place | bool | None
    items: Place | None

    @property
    def is_open(self) -> bool:
        """Whether every value of its type fits."""
        free = self.values is None and self.pattern is None and not self.is_uri
        return free and self.limits == (-math.inf, math.inf)

    @property
    def tag(self) -> str | None:
        """The constant by which this object is told from its siblings, if it has one: its `type`."""
        own = self.properties.get("type")
        values = own.forms[0].values if own is not None and own.forms else None
        return str(values[0]) if values is not None and len(values) == 1 else None

    @property
    def words(self) -> str:
        """What is allowed, as a phrase."""
        if self.values is not None:
            return " or ".join(repr(value) for value in self.values)
        noun = "an absolute URI such as 'https://…'" if self.is_uri else _NAMES[self.type]
        if self.type == "object" and self.tag is not None:
            noun += f" of type {self.tag!r}"
        if self.limits != (-math.inf, math.inf):
            unit = {"string": "character", "array": "item"}.get(self.type, "")
            noun += f" {_range(*self.limits, unit)}"
        return noun if self.pattern is None else f"{noun} that matches {_written(self.pattern)}"

    def fits(self, value: Any) -> bool:
        """Whether a value of this form's type keeps to its limits; what is inside it is not looked at."""
        if self.values is not None and not any(_same(value, one) for one in self.values):
            return False
        low, high = self.limits
        if self.type in ("integer", "number"):
            return low <= value <= high and not (isinstance(value, float) and not math.isfinite(value))
        if self.type in ("string", "array") and not low <= len(value) <= high:
            return False
        if self.pattern is not None and not self.pattern.search(value):
            return False
        return not self.is_uri or _URI.fullmatch(value) is not None


@cache
def place(name: str) -> Place:
    """Return the place that takes a value of one named schema.

    Args:
        name: A schema's name in the API's description.

    Raises:
        KeyError: There is no such schema.
    """
    from realtime_api import schemas

    return Place(schemas.get(name))


def is_a(value: Any, name: str) -> bool:
    """Whether a value has a JSON type; true and false are no numbers, and 2.0 is an integer."""
    match name:
        case "string":
            return isinstance(value, str)
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return name == "number" or isinstance(value, int) or value.is_integer()


def _forms(schema: Mapping[str, Any], *, secret: bool) -> Iterator[Form]:
    secret = secret or schema.get("format") == "password"
    if "$ref" in schema:
        from realtime_api import schemas

        yield from _forms(schemas.get(schema["$ref"].rpartition("/")[2]), secret=secret)
        return
    members = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    for member in members:
        yield from _forms(member, secret=secret)
    types = schema.get("type", () if members else tuple(_NAMES))
    for name in (types,) if isinstance(types, str) else types:
        yield _form(name, schema, secret)


def _form(name: str, schema: Mapping[str, Any], secret: bool) -> Form:
    additional = schema.get("additionalProperties")
    low, high = {
        "array": ("minItems", "maxItems"),
        "string": ("minLength", "maxLength"),
    }.get(name, ("minimum", "maximum"))
    return Form(
        type=name,
        values=(schema["const"],) if "const" in schema else _tuple(schema.get("enum")),
        limits=(schema.get(low, -math.inf), schema.get(high, math.inf)),
        pattern=_compiled(schema["pattern"]) if name == "string" and "pattern" in schema else None,
        is_uri=name == "string" and schema.get("format") == "uri",
        is_secret=secret,
        properties={key: Place(part) for key, part in schema.get("properties", {}).items()},
        required=tuple(schema.get("required", ())),
        additional=Place(additional) if isinstance(additional, dict) else additional,
        items=Place(schema["items"]) if "items" in schema else None,
    )


def _compiled(pattern: str) -> re.Pattern[str]:
    # In JSON Schema `$` is the end; in Python it also stands before a last newline.
    return re.compile(pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern)


def _written(pattern: re.Pattern[str]) -> str:
    return pattern.pattern.removesuffix(r"\Z") + "$" if pattern.pattern.endswith(r"\Z") else pattern.pattern


def _tuple(values: Iterable[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _range(low: float, high: float, unit: str) -> str:
    ending = f" {unit}{'s' if (low, high) != (1, 1) else ''}" if unit else ""
    if low == high:
        return f"of {low}{ending}"
    if high == math.inf:
        return f"of at least {low}{ending}"
    if low == -math.inf:
        return f"of at most {high}{ending}"
    return f"{'of' if unit else 'from'} {low} to {high}{ending}"
