"""What two descriptions say differently, and for whom that breaks something.

For someone who sends, what was taken before must still be taken: a property or a value less, a tighter limit
or a new required property breaks.  For someone who receives, what came before must still come as it was: a
property less, one that may now be absent, or a value of another type breaks.  New events, values and
properties break nobody: unknown ones are kept as they are.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import attrs

Action = Literal["added", "removed", "changed"]

#: Limits that tighten when they grow, that tighten when they shrink, and that tighten when they come.
AT_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
AT_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
OTHER_LIMITS = ("pattern", "multipleOf", "uniqueItems", "propertyNames")
LIMITS = (*AT_LEAST, *AT_MOST, *OTHER_LIMITS)


@attrs.frozen
class Change:
    """One row.

    Attributes:
        action: What happened.
        kind: To what: operation, parameter, content type, status, header, schema, property, required, type,
            union member, enum value, limit, default, format, keyword, discriminator, security, server,
            deprecated or version; a text, or an operation or schema outside, that a person should look at.
        pointer: Where it stands in the newer description, or stood in the older one.
        before: As it was, as text; "" if it was not there.
        after: As it is; "" if it is gone.
        sender: Whether that breaks someone who sends.
        receiver: Whether that breaks someone who receives.
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
        """Whether it breaks anyone."""
        return self.sender or self.receiver


@attrs.frozen
class Direction:
    """Who has to do with a part of a description."""

    sent: bool
    received: bool


def row(
    kind: str,
    pointer: str,
    before: Any,
    after: Any,
    direction: Direction,
    *,
    sender: bool = False,
    receiver: bool = False,
) -> Change:
    """A row for a part that has this direction.

    Args:
        kind: See `Change`.
        pointer: See `Change`.
        before: The part as it was; None if it was not there.
        after: The part as it is; None if it is gone.
        direction: Whom it can concern at all.
        sender: Whether it breaks those who send it.
        receiver: Whether it breaks those who receive it.
    """
    return Change(
        action="added" if before is None else "removed" if after is None else "changed",
        kind=kind,
        pointer=pointer,
        before=shown(before),
        after=shown(after),
        sender=sender and direction.sent,
        receiver=receiver and direction.received,
    )


def shown(value: Any) -> str:
    """A value in a table's cell."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def tightened(keyword: str, before: Any, after: Any) -> bool:
    """Whether a limit takes less than before."""
    if after is None:
        return False
    if before is None or keyword in OTHER_LIMITS:
        return True
    return bool(after > before) if keyword in AT_LEAST else bool(after < before)


def exit_code(changes: list[Change]) -> int:
    """0 without changes, 2 if any breaks someone, 1 otherwise."""
    if not changes:
        return 0
    return 2 if any(change.breaking for change in changes) else 1


#: Kinds of rows for a person to look at, that nothing is generated from.
TO_LOOK_AT = ("text", "operation outside", "schema outside")


def bump(changes: list[Change]) -> str:
    """The part of a semantic version that has to grow in what is built on the description."""
    generated = [change for change in changes if change.kind not in TO_LOOK_AT]
    return ("none", "minor", "major")[exit_code(generated)]
