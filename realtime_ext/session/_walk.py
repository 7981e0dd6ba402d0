"""A value checked against the forms that its place allows.

The job: find what breaks a limit and which fields nobody knows, in the order of the schema. This module must
not know about sessions.
"""

from __future__ import annotations

from typing import Any

import attrs

from ..errors import SessionProblem
from ._forms import Form, Place, is_a
from ._problem import ABSENT, SECRET_FIELDS, member, problem, refusal

__all__ = ["Unknown", "Walk"]


@attrs.frozen
class Unknown:
    """A field that the schema doesn't name.

    Args:
        path: Where it stands.
        name: The field's own name.
        value: What it holds.
        known: The names of the fields that are known there.
    """

    path: str
    name: str
    value: Any = attrs.field(repr=False)
    known: tuple[str, ...]


@attrs.frozen
class Walk:
    """What a walk over a value finds.

    Args:
        problems: What breaks a limit.
        unknown: What the schemas don't name.
    """

    problems: list[SessionProblem] = attrs.field(factory=list)
    unknown: list[Unknown] = attrs.field(factory=list)

    def check(self, place: Place, value: Any, path: str, *, secret: bool = False) -> None:
        """Check one value and everything inside it.

        Args:
            place: Where it stands.
            value: JSON values: dict, list, str, int, float, bool, None.
            path: Its dotted path, empty for the whole.
            secret: Whether it must not be shown.
        """
        forms = [form for form in place.forms if is_a(value, form.type)]
        secret = secret or any(form.is_secret for form in place.forms)
        if not forms:
            self.problems.append(_misfit(place, value, path, secret))
        elif isinstance(value, dict):
            self._object(forms, value, path, secret)
        elif not any(form.fits(value) for form in forms):
            self.problems.append(_misfit(place, value, path, secret))
        elif isinstance(value, list):
            self._list(forms[0], value, path, secret)

    def _list(self, form: Form, value: list[Any], path: str, secret: bool) -> None:
        if form.items is not None:
            for index, item in enumerate(value):
                self.check(form.items, item, f"{path}[{index}]", secret=secret)

    def _object(self, forms: list[Form], value: dict[str, Any], path: str, secret: bool) -> None:
        form = _meant(forms, value)
        if form is None:
            tags = tuple(one.tag for one in forms if one.tag is not None)
            words = " or ".join(map(repr, tags))
            found = value.get("type", ABSENT)
            self.problems.append(problem(member(path, "type"), found, tags, words, secret=secret))
            return
        for name in form.required:
            if name not in value and name not in form.properties:
                self._missing(None, path, name)
        for name, inner in form.properties.items():
            if name in value:
                hidden = secret or name in SECRET_FIELDS
                self.check(inner, value[name], member(path, name), secret=hidden)
            elif name in form.required:
                self._missing(inner, path, name)
        for name in value:
            # A name that is no text was told of when the session was read.
            if name not in form.properties and isinstance(name, str):
                self._stranger(form, forms, value, path, name, secret)

    def _missing(self, inner: Place | None, path: str, name: str) -> None:
        words = "a value" if inner is None else inner.words
        allowed = None if inner is None else inner.allowed
        self.problems.append(problem(member(path, name), ABSENT, allowed, words, hint="it is required"))

    def _stranger(
        self, form: Form, forms: list[Form], value: dict[str, Any], path: str, name: str, secret: bool
    ) -> None:
        at = member(path, name)
        if isinstance(form.additional, Place):
            self.check(form.additional, value[name], at, secret=secret or name in SECRET_FIELDS)
            return
        owners = [one.tag for one in forms if one is not form and name in one.properties]
        hidden = secret or name in SECRET_FIELDS
        if owners and form.tag is not None:
            own = f"the type is {form.tag!r}" if "type" in value else "there is no type"
            reason = f"goes with type {' or '.join(map(repr, owners))} only, and {own}"
            self.problems.append(refusal(at, value[name], None, reason, secret=hidden))
        elif form.additional is False:
            reason = f"not a field here, only {', '.join(form.properties)}"
            self.problems.append(refusal(at, value[name], None, reason, secret=hidden))
        elif form.properties and form.additional is None:
            self.unknown.append(Unknown(at, name, value[name], tuple(form.properties)))


def _meant(forms: list[Form], value: dict[str, Any]) -> Form | None:
    """Tell which form of object a value is: by its `type`, else the one that it has the most fields of."""
    if len(forms) == 1:
        return forms[0]
    tagged = [form for form in forms if form.tag is not None]
    if not tagged:
        return max(forms, key=lambda form: sum(name in form.properties for name in value))
    if "type" in value:
        return next((form for form in tagged if form.tag == value["type"]), None)
    return next((form for form in forms if "type" not in form.required), None)


def _misfit(place: Place, value: Any, path: str, secret: bool) -> SessionProblem:
    return problem(path, value, place.allowed, place.words, secret=secret)
