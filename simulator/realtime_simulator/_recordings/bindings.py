"""The ids in a recording of the service, and their counterparts where the session is run again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

_PREFIXES = "(?:event|item|resp|conv|sess|call|rtc|live|seg|mcp|mcpl|mcpr|msg|fc|rs|ws|req)(?:_u\\d+)?_"
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ID: re.Pattern[str] = re.compile(
    f"(?P<prefix>{_PREFIXES})[A-Za-z0-9]{{12,}}|(?P<uuid>{_UUID})|(?P<hex>[0-9a-f]{{32}})|call-{_UUID}-\\d+"
)
ID_IN_TEXT: re.Pattern[str] = re.compile(rf"\b{_PREFIXES}[A-Za-z0-9]{{12,}}")


@attrs.define
class Bindings:
    """The ids of a new run of a session by those of its recording.

    Args:
        ids: From the recording's to the new ones.
        given: Values that the client sent itself, which come back unchanged.
    """

    ids: dict[str, str] = attrs.field(factory=dict)
    given: set[str] = attrs.field(factory=set)

    def learn(self, expected: Any, actual: Any) -> None:
        """Bind the ids that stand at the same places of two values."""
        if isinstance(expected, Mapping) and isinstance(actual, Mapping):
            for key in expected.keys() & actual.keys():
                self.learn(expected[key], actual[key])
        elif isinstance(expected, list) and isinstance(actual, list):
            for one, other in zip(expected, actual, strict=False):
                self.learn(one, other)
        elif is_id(expected) and is_id(actual) and expected not in self.given:
            self.ids.setdefault(expected, actual)

    def translated(self, value: Any) -> Any:
        """Return a value of the recording with the new ids."""
        if isinstance(value, Mapping):
            return {key: self.translated(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.translated(inner) for inner in value]
        return self.ids.get(value, value) if isinstance(value, str) else value

    def twice(self) -> Iterator[str]:
        """Yield which different ids of the recording are one and the same of the simulator."""
        known: dict[str, str] = {}
        for expected, actual in self.ids.items():
            if known.setdefault(actual, expected) != expected:
                yield f"recorded {known[actual]} and {expected} for the same thing, here {actual}"

    def inside(self, text: str) -> str:
        """Return a text of the recording with the new ids in it."""
        return ID_IN_TEXT.sub(lambda found: self.ids.get(found[0], found[0]), text)

    def learn_inside(self, expected: str, actual: str) -> None:
        """Bind the ids in two texts."""
        for one, other in zip(ID_IN_TEXT.findall(expected), ID_IN_TEXT.findall(actual), strict=False):
            self.learn(one, other)


def is_id(value: Any) -> bool:
    """Return whether a value looks like an id of the service."""
    return isinstance(value, str) and ID.fullmatch(value) is not None
