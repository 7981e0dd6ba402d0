"""Changes between two API descriptions, and whether they break senders or receivers.

A sender breaks if something it may send is no longer accepted: a removed property or value, a tighter limit
or a new required property.  A receiver breaks if something it relies on changes: a removed property, one that
may now be absent, or a value of another type.  New events, values and properties do not break receivers:
unknown ones are kept.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import attrs

from ..transforms.kinds import AT_LEAST, AT_MOST

Action = Literal["added", "removed", "changed"]

#: Limits that tighten when they are added.
OTHER_LIMITS = ("pattern", "multipleOf", "uniqueItems", "propertyNames")
LIMITS = (*AT_LEAST, *AT_MOST, *OTHER_LIMITS)


@attrs.frozen
class Change:
    """One change.

    Attributes:
        action: `added`, `removed` or `changed`.
        kind: What changed: operation, parameter, content type, status, header, schema, property, required,
            type, union member, enum value, limit, default, format, keyword, discriminator, security, server,
            deprecated or version; or, for review only, a text or an operation or schema outside the slice.
        pointer: JSON pointer in the newer description, or in the older one if it was removed.
        before: The old value as text; "" if added.
        after: The new value as text; "" if removed.
        sender: Whether it breaks senders.
        receiver: Whether it breaks receivers.
    """

    action: Action
    kind: str
    pointer: str
    before: str = ""
    after: str = ""
    sender: bool = False
    receiver: bool = False

    @property
    def breaking(self) -> bool:
        """Whether it breaks senders or receivers."""
        return self.sender or self.receiver


@attrs.frozen
class Direction:
    """Whether a part of an API description is sent, received or both."""

    sent: bool
    received: bool


def shown(value: Any) -> str:
    """Return a value as text for a table cell."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def tightened(keyword: str, before: Any, after: Any) -> bool:
    """Whether a limit accepts less than before."""
    if after is None:
        return False
    if before is None or keyword in OTHER_LIMITS:
        return True
    return bool(after > before) if keyword in AT_LEAST else bool(after < before)


def exit_code(changes: list[Change]) -> int:
    """Return 0 without changes, 2 if any is breaking, 1 otherwise."""
    if not changes:
        return 0
    return 2 if any(change.breaking for change in changes) else 1


#: Kinds of changes that are only for review: nothing is generated from them.
TO_LOOK_AT = ("text", "operation outside", "schema outside")


def bump(changes: list[Change]) -> str:
    """Return which part of the package's semantic version the changes raise."""
    generated = [change for change in changes if change.kind not in TO_LOOK_AT]
    return ("none", "minor", "major")[exit_code(generated)]
