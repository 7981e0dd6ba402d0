"""Validate values against JSON Schema; report each violation with its path and what is allowed.

Sessions, events, tools' definitions and the arguments that a model sends for them are all checked here. A
schema is compiled when a value is first checked against it: references and unions become the forms that a
value may have at each place, so that checking is one call for each object, list and number. The API's limits
come from `realtime_api.schemas` alone, which is loaded on first use.

This module must not know about sessions, tools or events, and must not change the value.

Source: JSON Schema 2020-12, https://json-schema.org/draft/2020-12/json-schema-validation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import attrs

from .secrets import MASK, mask

if TYPE_CHECKING:
    from fractions import Fraction

# Their values may give access to the user's accounts: they appear in no violation, message or repr.
SECRET_FIELDS = frozenset({"auth", "authorization", "client_secret", "headers"})
ABSENT: Final = object()

_LONGEST = 80
_URI = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://|(?i:data):)\S+")
_NAMES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
_PYTHON = {"array": (list,), "boolean": (bool,), "null": (type(None),), "object": (dict,), "string": (str,)}
_EXAMPLES: dict[type, Any] = {str: "", bool: True, int: 0, type(None): None, dict: {}, list: []}
_UNLIMITED = (-math.inf, math.inf)
_NUMBERS = (*("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), "multipleOf")
_SIZES = {"array": "Items", "object": "Properties", "string": "Length"}
_UNITS = {"array": "item", "object": "field", "string": "character"}
_OF_OBJECTS = ("properties", "patternProperties", "additionalProperties", "propertyNames", "required")
# What limits a value; any other keyword is a note to people.
_ASSERTIONS = frozenset(
    (*_NUMBERS, *_OF_OBJECTS, "type", "const", "enum", "pattern", "uniqueItems", "items", "prefixItems")
).union(f"{end}{what}" for end in ("min", "max") for what in _SIZES.values())
_COMBINATIONS = frozenset({"$ref", "anyOf", "oneOf", "allOf", "not"})
_WORDS = {None: "null", True: "true", False: "false"}


@attrs.frozen
class Violation:
    """One way in which a value violates its schema.

    Args:
        kind: "missing", "unknown" (a field that a closed object doesn't have) or "wrong". Two more kinds
            break no limit of the schema and are notes: "misplaced" (a field of another form of this object)
            and "undescribed" (a field that an open object's schema doesn't name).
        path: Where, such as `guest.names[0]`; empty for the value itself.
        value: What stands there, without secrets.
        allowed: What would do: the values of a closed set as a tuple, otherwise a phrase, or None.
        message: A phrase with the path, the violation and the allowed values.
        name: The own name of a field that isn't known.
        known: The names of the fields that are known beside it.
    """

    kind: str
    path: str
    value: Any
    allowed: Any
    message: str
    name: str = ""
    known: tuple[str, ...] = ()

    @property
    def is_note(self) -> bool:
        """Whether the schema allows it all the same."""
        return self.kind in ("misplaced", "undescribed")


_Known = dict[tuple["Place", int, str, bool], list[Violation]]
"""The results so far, by place, the value's id, its path, and whether it must be hidden."""


class Place:
    """A place where a value may stand, and the forms that it may have there.

    Args:
        schema: JSON Schema, which must not change.
        document: The document that the schema is a part of, to which its references point; the schema itself
            unless given.
    """

    __slots__ = ("_by_type", "_document", "_forms", "_is_secret", "_quick", "schema")

    def __init__(self, schema: Any, document: _Document | None = None) -> None:
        self.schema: Any = schema
        self._document = document or _Document(schema, has_formats=False)
        self._forms: tuple[Form, ...] | None = None

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms that a value may have here, references and unions resolved; none if nothing may."""
        return self._forms if self._forms is not None else self._compile()

    def _compile(self) -> tuple[Form, ...]:
        # Each once: unions of unions that share members would double with each level.
        forms = tuple(dict.fromkeys(_forms(self.schema, self._document, secret=False)))
        # Beside an open string, the values that are listed are examples.
        if any(form.type == "string" and form.is_open for form in forms):
            forms = tuple(form for form in forms if form.type != "string" or form.is_open)
        self._is_secret = any(form.is_secret for form in forms)
        # By type: its forms; and the values that fit without a further look, None for all of them.
        self._by_type = {
            kind: [form for form in forms if form.accepts(one)] for kind, one in _EXAMPLES.items()
        }
        self._quick: dict[type, Container[Any] | None] = {}
        for kind in (str, bool, int, type(None)):
            own = self._by_type[kind]
            if any(form.is_open for form in own):
                self._quick[kind] = None
            elif own and all(form.is_listed for form in own):
                self._quick[kind] = frozenset(value for form in own for value in form.values or ())
            elif kind is int and len(own) == 1 and own[0].is_range:
                low, high = own[0].limits
                self._quick[kind] = range(int(low), int(high) + 1)
        self._forms = forms
        return forms

    @property
    def words(self) -> str:
        """The allowed values, as a phrase."""
        return self._words(self.forms)

    @property
    def allowed(self) -> Any:
        """The allowed values: those of a closed set as a tuple, otherwise a phrase."""
        sets = [form.values for form in self.forms]
        if not sets or any(values is None for values in sets):
            return self.words
        return tuple(value for values in sets for value in values or ())

    @property
    def examples(self) -> tuple[str, ...]:
        """The strings that are listed here, whether or not others are allowed as well."""
        if not isinstance(self.schema, dict):
            return ()
        named = self._document.find(self.schema["$ref"]) if "$ref" in self.schema else None
        parts = [part for union in ("anyOf", "oneOf") for part in self.schema.get(union, ())]
        inner = [*([named] if named is not None else []), *map(self._document.at, parts)]
        own = [value for value in _listed(self.schema) or () if isinstance(value, str)]
        return (*own, *(value for place in inner for value in place.examples))

    @property
    def fields(self) -> dict[str, Place]:
        """The places of an object's fields, by name; those of all its forms."""
        return {name: inner for form in self.forms for name, inner in form.properties.items()}

    def misfit(self, value: Any, path: str, secret: bool) -> Violation:
        """Return the violation for a value that matches no form."""
        forms = self.forms
        if len(forms) == len(_PYTHON) + 1:  # every type is allowed: only the limits of the value's own matter
            forms = tuple(form for form in forms if form.accepts(value)) or forms
        words = self._words(forms)
        allowed = self.allowed if forms is self.forms else words
        return build_violation("wrong", path, value, allowed, f"expected {words}", secret=secret)

    @staticmethod
    def _words(forms: tuple[Form, ...]) -> str:
        return " or ".join(dict.fromkeys(form.words for form in forms)) or "nothing here"


@attrs.frozen(eq=False)
class _Document:
    """A whole schema, and the places of it that references name.

    Args:
        root: The schema.
        has_formats: Whether `format` is a limit too, as the API means it.
    """

    root: Any
    has_formats: bool
    _named: dict[str, Place] = attrs.field(factory=dict, init=False)
    _places: dict[int, Place] = attrs.field(factory=dict, init=False)

    def at(self, schema: Any) -> Place:
        """Return the one place of a part of it: forms that share a part are compiled and checked once."""
        place = self._places.get(id(schema))
        if place is None:
            place = self._places[id(schema)] = Place(schema, self)  # which keeps the schema, and so its id
        return place

    def find(self, reference: str) -> Place | None:
        """Return the place that a JSON pointer names; None if it leads out of the document or nowhere."""
        if reference not in self._named:
            node = self.root
            start, *steps = reference.removeprefix("#").split("/")
            for step in steps:
                name = step.replace("~1", "/").replace("~0", "~")
                if not isinstance(node, dict) or name not in node:
                    return None
                node = node[name]
            if start:
                return None
            self._named[reference] = self.at(node)
        return self._named[reference]


class Form:
    """One form that a value may have: a JSON type and its limits.

    Args:
        name: The JSON type's name.
        schema: The schema that allows it.
        document: The document that the schema is a part of.
        is_secret: Whether a value must never be shown.

    Attributes:
        type: The JSON type's name.
        values: The closed set, or the one constant; None for an open set.
        limits: Smallest and largest number, length or size; infinite where there is none.
        open_ends: Whether the limit itself is outside, for each of the two.
        properties: The places in an object, by name.
        constants: The values of the fields that can have only one, in which objects differ.
        additional: Where other fields go: a place, False for nowhere, None where the schema has no such word.
        others: Places where the value must fit as well.
        choices: Places of which the value must fit exactly one; empty for no such limit.
        is_bare: Whether nothing limits its values but its type, and its own list and range if it has them.
        is_open: Whether every value of its type fits, as far as it goes by itself.
        is_listed: Whether its values are listed and nothing else limits them.
        is_range: Whether it is limited by whole numbers at both ends and by nothing else.
    """

    def __init__(self, name: str, schema: dict[str, Any], document: _Document, *, is_secret: bool) -> None:
        at = document.at
        self.type = name
        self.is_secret = is_secret
        values = _listed(schema)
        self.values: tuple[Any, ...] | None = (
            None if values is None else tuple(value for value in values if self.accepts(value))
        )
        numbers = schema if name in ("integer", "number") else {}
        texts = schema if name == "string" else {}
        objects = schema if name == "object" else {}
        lists = schema if name == "array" else {}

        low, high = (schema.get(f"{end}{_SIZES[name]}") if name in _SIZES else None for end in ("min", "max"))
        low, high = numbers.get("minimum", low), numbers.get("maximum", high)
        above, below = numbers.get("exclusiveMinimum"), numbers.get("exclusiveMaximum")
        self.open_ends: tuple[bool, bool] = (
            above is not None and (low is None or above >= low),
            below is not None and (high is None or below <= high),
        )
        low, high = above if self.open_ends[0] else low, below if self.open_ends[1] else high
        self.limits: tuple[float, float] = (
            -math.inf if low is None else low,
            math.inf if high is None else high,
        )
        self.step: float | None = numbers.get("multipleOf")
        self.pattern: re.Pattern[str] | None = _compiled(texts["pattern"]) if "pattern" in texts else None
        self.is_uri = document.has_formats and texts.get("format") == "uri"

        self.prefix: tuple[Place, ...] = tuple(map(at, lists.get("prefixItems", ())))
        self.items: Place | None = at(lists["items"]) if "items" in lists else None
        self.is_unique: bool = bool(lists.get("uniqueItems"))

        self.properties: dict[str, Place] = {
            key: at(part) for key, part in objects.get("properties", {}).items()
        }
        self.constants: dict[str, Any] = {
            key: only[0]
            for key, inner in self.properties.items()
            if isinstance(inner.schema, dict) and (only := _listed(inner.schema)) and len(only) == 1
        }
        self.required: tuple[Any, ...] = tuple(objects.get("required", ()))
        additional = objects.get("additionalProperties")
        self.additional: Place | Any | None = at(additional) if isinstance(additional, dict) else additional
        self.patterns: list[tuple[re.Pattern[str] | None, Place]] = [
            (_compiled(key), at(part)) for key, part in objects.get("patternProperties", {}).items()
        ]
        self.names: Place | None = at(objects["propertyNames"]) if "propertyNames" in objects else None

        target = document.find(schema["$ref"]) if "$ref" in schema else None
        unions = [at({"anyOf": schema[word]}) for word in ("anyOf", "oneOf") if word in schema]
        self.others: list[Place] = [
            *map(at, schema.get("allOf", ())),
            *([] if target is None else [target]),
            *unions,
        ]
        self.choices: tuple[Place, ...] = tuple(map(at, schema.get("oneOf", ())))
        self.excluded: Place | None = at(schema["not"]) if "not" in schema else None

        combined = self.others or self.choices or self.excluded is not None
        self.is_bare: bool = not (
            combined or self.is_unique or self.is_uri or self.pattern or self.step is not None
        )
        self.is_open: bool = self.is_bare and self.values is None and self.limits == _UNLIMITED
        self.is_listed: bool = self.is_bare and self.values is not None and self.limits == _UNLIMITED
        whole = all(isinstance(end, int) for end in self.limits) and not any(self.open_ends)
        self.is_range: bool = self.is_bare and self.values is None and whole

    @property
    def tag(self) -> str | None:
        """The constant `type` by which this object differs from its siblings, if it has one."""
        tag = self.constants.get("type")
        return tag if isinstance(tag, str) else None

    @property
    def words(self) -> str:
        """The allowed values, as a phrase."""
        if self.values is not None:
            return " or ".join(repr(value) for value in self.values)
        noun = "an absolute URI such as 'https://…'" if self.is_uri else _NAMES[self.type]
        if self.type == "object" and self.tag is not None:
            noun += f" of type {self.tag!r}"
        if self.limits != _UNLIMITED:
            noun += f" {_range(*self.limits, self.open_ends, _UNITS.get(self.type, ''))}"
        if self.step is not None:
            noun += f", a multiple of {self.step}"
        if self.is_unique:
            noun += " without repetition"
        return noun if self.pattern is None else f"{noun} that matches {_written(self.pattern)}"

    def accepts(self, value: Any) -> bool:
        """Whether a value has this form's JSON type; booleans are not numbers, and 2.0 is an integer."""
        kinds = _PYTHON.get(self.type)
        if kinds is not None:
            return isinstance(value, kinds)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.type == "number" or isinstance(value, int) or value.is_integer()

    def fits(self, value: Any) -> bool:
        """Whether a value of this form's type keeps to its limits; its members are not checked."""
        if self.values is not None and not any(_same(value, one) for one in self.values):
            return False
        size = value
        if self.type in _SIZES:
            size = len(value)
        elif self.type not in ("integer", "number"):
            return True
        elif isinstance(value, float) and not math.isfinite(value):
            return False
        low, high = self.limits
        above, below = self.open_ends
        if not low <= size <= high or (above and size == low) or (below and size == high):
            return False
        if self.step is not None and _fraction(value) % _fraction(self.step):
            return False
        if self.pattern is not None and not self.pattern.search(value):
            return False
        if self.is_unique and len({_identity(one) for one in value}) < len(value):
            return False
        return not self.is_uri or _URI.fullmatch(value) is not None


@cache
def place(name: str) -> Place:
    """Return the place of a value of one of the API's schemas.

    Args:
        name: The schema's name in the API's description.

    Raises:
        KeyError: There is no such schema.
    """
    from realtime_api import schemas

    return Place(schemas.get(name), _api_document())


@cache
def _api_document() -> _Document:
    from realtime_api import schemas

    return _Document(schemas.document(), has_formats=True)


def bounds(schema_name: str, *path: str) -> tuple[int, int]:
    """Return the range of a number in the API's schemas.

    Args:
        schema_name: The schema's name in the API's description.
        path: Property names from there on.

    Returns:
        The smallest and the largest value allowed.

    Raises:
        KeyError: There is no such schema or property.
    """
    at = place(schema_name)
    for name in path:
        at = at.fields[name]
    low, high = at.forms[0].limits
    return int(low), int(high)


def check(at: Place, value: Any, path: str = "", *, with_notes: bool = False) -> list[Violation]:
    """Find everything that is wrong with a value.

    Args:
        at: The place where it stands.
        value: JSON values: dict, list, str, int, float, bool, None.
        path: The place's dotted path, empty for the whole.
        with_notes: Whether to return notes too.

    Returns:
        The violations, in the schema's order; empty if it fits.

    Raises:
        RecursionError: The value is nested too deeply, or a reference leads back to itself.
    """
    found: list[Violation] = []
    _check(at, value, path, False, found, {})
    return found if with_notes else _without_notes(found)


def build_violation(
    kind: str,
    path: str,
    value: Any,
    allowed: Any,
    reason: str,
    *,
    secret: bool = False,
    hint: str = "",
    name: str = "",
    known: tuple[str, ...] = (),
) -> Violation:
    """Build a violation with its message.

    Args:
        kind: As `Violation.kind`.
        path: The dotted path.
        value: What stands there; `ABSENT` for nothing.
        allowed: What would do, for programs.
        reason: The violation, such as "expected" and an allowed value.
        secret: Whether the value must not be shown.
        hint: What to do about it.
        name: As `Violation.name`.
        known: As `Violation.known`.
    """
    is_hidden = secret and value is not ABSENT
    where = f"{path}: " if path else ""
    message = f"{where}{reason}, got {MASK if is_hidden else shown(value)}{f'; {hint}' if hint else ''}"
    return Violation(kind, path, MASK if is_hidden else redacted(value), allowed, message, name, known)


def member(path: str, name: str) -> str:
    """Return the dotted path of a field in an object."""
    return f"{path}.{name}" if path else name


def redacted(value: Any) -> Any:
    """Copy a value without the secrets that it may hold."""
    if value is ABSENT:
        return None
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {
            key: MASK if key in SECRET_FIELDS and item is not None else redacted(item)
            for key, item in value.items()
        }
    return [redacted(item) for item in value] if isinstance(value, list) else value


def shown(value: Any) -> str:
    """Return a value for a message: short, and without secrets."""
    if value is ABSENT:
        return "nothing"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return f"a list of {len(value)}"
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    text = repr(redacted(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _check(at: Place, value: Any, path: str, secret: bool, found: list[Violation], known: _Known) -> None:
    every = at._forms if at._forms is not None else at.forms
    # A float may be an integer too, and what JSON doesn't have is of no type.
    forms = at._by_type.get(type(value)) or [form for form in every if form.accepts(value)]
    secret = secret or at._is_secret
    if not forms:
        found.append(at.misfit(value, path, secret))
        return
    siblings = forms
    if len(forms) > 1 and isinstance(value, dict):
        # A form for whatever its siblings do not describe says so by `not`.
        meant = [
            form for form in forms if form.excluded is None or _violations(form.excluded, value, path, known)
        ]
        forms = _meant(meant or forms, value, path, secret, found)
    if len(forms) == 1 and forms[0].is_bare:
        _check_form(at, forms[0], siblings, value, path, secret, found, known)
    elif forms:
        # The members are checked once for each form: without remembering, unions inside of unions would
        # multiply the work with each level of what a model wrote.
        key = (at, id(value), path, secret)
        violations = known.get(key)
        if violations is None:
            tries: list[list[Violation]] = []
            for form in forms:
                tries.append([])
                _check_form(at, form, siblings, value, path, secret, tries[-1], known)
            # Each once: schemas that all apply may find the same.
            distinct = {
                (violation.kind, violation.path, violation.message): violation
                for violation in min(tries, key=_weight)
            }
            violations = known[key] = list(distinct.values())
        found += violations


def _without_notes(violations: list[Violation]) -> list[Violation]:
    return [violation for violation in violations if not violation.is_note]


def _violations(at: Place, value: Any, path: str, known: _Known) -> list[Violation]:
    """Return the violations of a value at a further place that it must, may or must not fit."""
    found: list[Violation] = []
    _check(at, value, path, False, found, known)
    return _without_notes(found)


def _weight(violations: Iterable[Violation]) -> tuple[int, int]:
    notes = [violation.is_note for violation in violations]
    return notes.count(False), len(notes)


def _meant(
    forms: list[Form], value: dict[str, Any], path: str, secret: bool, found: list[Violation]
) -> list[Form]:
    """Return the forms that an object may be meant to have, by the constants in which they differ."""
    for name in forms[0].constants:
        if any(name not in form.constants for form in forms):
            continue
        if name in value:
            meant = [form for form in forms if _same(form.constants[name], value[name])]
        else:
            meant = [form for form in forms if name not in form.required]
        if not meant:
            constants = tuple(dict.fromkeys(form.constants[name] for form in forms))
            words = f"expected {' or '.join(map(repr, constants))}"
            at = member(path, name)
            found.append(
                build_violation(
                    "wrong", at, value.get(name, ABSENT), constants, words, secret=secret, name=name
                )
            )
            return []
        forms = meant
    return forms


def _check_form(
    at: Place,
    form: Form,
    siblings: list[Form],
    value: Any,
    path: str,
    secret: bool,
    found: list[Violation],
    known: _Known,
) -> None:
    if not form.is_open and not form.fits(value):
        found.append(at.misfit(value, path, secret))
        return
    if isinstance(value, dict):
        properties = form.properties
        for name in form.required:
            if name not in value and name not in properties:
                found.append(_missing(None, member(path, name)))
        for name, inner in properties.items():
            if name in value:
                # Most values are text, switches or null; a function call for each would be most of the time.
                item, kind = value[name], type(value[name])
                if inner._forms is not None and kind in inner._quick:
                    fitting = inner._quick[kind]
                    if fitting is None or item in fitting:
                        continue
                inside = f"{path}.{name}" if path else name
                _check(inner, item, inside, secret or name in SECRET_FIELDS, found, known)
            elif name in form.required:
                found.append(_missing(inner, member(path, name)))
        if form.patterns or form.names is not None or not value.keys() <= properties.keys():
            _check_others(form, siblings, value, path, secret, found, known)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            place = form.prefix[index] if index < len(form.prefix) else form.items
            if place is not None:
                _check(place, item, f"{path}[{index}]", secret, found, known)
    if form.is_bare:
        return
    for other in form.others:
        found += _violations(other, value, path, known)
    count = sum(not _violations(choice, value, path, known) for choice in form.choices)
    if count > 1:
        reason = f"expected exactly one of {len(form.choices)} forms"
        hint = f"it fits {count}"
        found.append(build_violation("wrong", path, value, reason, reason, secret=secret, hint=hint))
    if form.excluded is not None and not _violations(form.excluded, value, path, known):
        found.append(build_violation("wrong", path, value, None, "expected something else", secret=secret))


def _check_others(
    form: Form,
    siblings: list[Form],
    value: dict[Any, Any],
    path: str,
    secret: bool,
    found: list[Violation],
    known: _Known,
) -> None:
    """Check the fields that an object's schema doesn't name, and the names of all."""
    for name, item in value.items():
        if not isinstance(name, str):  # it has no JSON form; the caller has found that
            continue
        at, hidden = member(path, name), secret or name in SECRET_FIELDS
        if form.names is not None:
            found += [
                attrs.evolve(violation, message=f"the name of {violation.message}")
                for violation in _violations(form.names, name, at, known)
            ]
        matching = [inner for pattern, inner in form.patterns if pattern is None or pattern.search(name)]
        for inner in matching:
            _check(inner, item, at, hidden, found, known)
        if name in form.properties or matching:
            continue
        if isinstance(form.additional, Place):
            _check(form.additional, item, at, hidden, found, known)
        elif form.additional is False or (form.additional is None and form.properties):
            found.append(_unknown(form, siblings, value, name, at, hidden))


def _missing(inner: Place | None, path: str) -> Violation:
    words = "a value" if inner is None else inner.words
    allowed = None if inner is None else inner.allowed
    return build_violation("missing", path, ABSENT, allowed, f"expected {words}", hint="it is required")


def _unknown(
    form: Form, siblings: list[Form], value: dict[str, Any], name: str, path: str, secret: bool
) -> Violation:
    owners = [one.tag for one in siblings if one is not form and name in one.properties]
    known, item = tuple(form.properties), value[name]
    if owners and form.tag is not None:
        own = f"its type is {form.tag!r}" if "type" in value else "it has no type"
        reason = f"only applies to type {' or '.join(map(repr, owners))}, and {own}"
        kind = "unknown" if form.additional is False else "misplaced"
        return build_violation(kind, path, item, None, reason, secret=secret, name=name, known=known)
    if form.additional is None:
        return Violation("undescribed", path, item, None, "", name, known)
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}" if known else ""
    return build_violation("unknown", path, item, None, "not known here", secret=secret, hint=hint, name=name)


def _forms(schema: Any, document: _Document, *, secret: bool) -> Iterator[Form]:
    if not isinstance(schema, dict):
        schema = {} if schema is not False else {"type": []}
    secret = secret or (document.has_formats and schema.get("format") == "password")
    combined = _COMBINATIONS & schema.keys()
    if len(combined) == 1 and combined <= {"$ref", "anyOf"} and not _ASSERTIONS & schema.keys():
        # What stands beside a reference or a union is a note to people.
        if "anyOf" in combined:
            for one in schema["anyOf"]:
                yield from _forms(one, document, secret=secret) if secret else document.at(one).forms
            return
        target = document.find(schema["$ref"])
        if target is not None and not secret:
            yield from target.forms
        else:
            yield from _forms({} if target is None else target.schema, document, secret=secret)
        return
    types, values = schema.get("type"), _listed(schema)
    if types is None:
        types = (*_PYTHON, "number") if values is None else dict.fromkeys(map(_type_of, values))
    for name in (types,) if isinstance(types, str) else types:
        form = Form(name, schema, document, is_secret=secret)
        if form.values != ():
            yield form


def _listed(schema: dict[str, Any]) -> list[Any] | None:
    listed: list[Any] | None = schema.get("enum")
    if "const" not in schema:
        return listed
    const = schema["const"]
    return [const] if listed is None or any(_same(const, one) for one in listed) else []


def _compiled(pattern: str) -> re.Pattern[str] | None:
    # In JSON Schema `$` is the end; in Python it also stands before a last newline.
    try:
        return re.compile(pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern)
    except re.error:
        return None  # JavaScript's patterns are not all Python's; such a one is a note


def _written(pattern: re.Pattern[str]) -> str:
    return pattern.pattern.removesuffix(r"\Z") + "$" if pattern.pattern.endswith(r"\Z") else pattern.pattern


def _type_of(value: Any) -> str:
    for name, kinds in _PYTHON.items():
        if isinstance(value, kinds):
            return name
    return "number"


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


def _identity(value: Any) -> Any:
    """Return what can be hashed, and is equal for the values that are `_same`."""
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, list):
        return (list, *map(_identity, value))
    if isinstance(value, dict):
        return (dict, frozenset((key, _identity(item)) for key, item in value.items()))
    return (
        value if value.__hash__ else (type(value), id(value))
    )  # a value that JSON doesn't have equals nothing


def _fraction(number: float) -> Fraction:
    from fractions import Fraction  # late, as difflib: they are rarely needed, and each takes milliseconds

    return Fraction(repr(number))  # as it is written: 0.3 is a multiple of 0.1


def _range(low: float, high: float, open_ends: tuple[bool, bool], unit: str) -> str:
    last = high if high != math.inf else low
    ending = f" {unit}{'s' if last != 1 else ''}" if unit else ""
    if any(open_ends):
        ends = [
            f"{'above' if open_ends[0] else 'at least'} {low}" if low != -math.inf else "",
            f"{'below' if open_ends[1] else 'at most'} {high}" if high != math.inf else "",
        ]
        return " and ".join(filter(None, ends))
    if low == high:
        return f"of {low}{ending}"
    if high == math.inf:
        return f"of at least {low}{ending}"
    if low == -math.inf:
        return f"of at most {high}{ending}"
    return f"{'of' if unit else 'from'} {low} to {high}{ending}"
