"""Set patches and names aside that a newer description has no use for, and offer names for what has none.

They stay in their files as comments, so that whoever takes a description over sees what went and can put it
back at another place.  Nothing here reads or writes files: a file's text comes in, its new text goes out.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Sequence

from .prose import PROVISIONAL
from .source import Source

_NOTE = "# Set aside on {date}, for it no longer applies:"
_OFFER = "# New with {date}, by the names that regen derives: choose others and uncomment, or remove."


def patches(text: str, numbers: Collection[int], date: str) -> str:
    """Comment patches out.

    Args:
        text: `patches.toml`.
        numbers: Which of its patches, counted from 0.
        date: Date of the description that has no use for them.
    """
    head, *blocks = re.split(r"(?m)^(?=\[\[patch\]\])", text)
    out = [_commented(block, date) if number in numbers else block for number, block in enumerate(blocks)]
    return head + "".join(out)


def names(text: str, pointers: list[str], date: str) -> str:
    """Take pointers out of a names file, and comment out the names that are left without; see `patches`."""
    out = []
    for block in re.split(r"(?m)^(?=[A-Za-z]\w* = )", text):
        table = tomllib.loads(block)
        there = [
            pointer for value in table.values() for pointer in (value if isinstance(value, list) else [value])
        ]
        if not set(there) & set(pointers):
            out.append(block)
        elif set(there) <= set(pointers):
            out.append(_commented(block, date))
        else:
            lines = block.splitlines(keepends=True)
            out.append("".join(line for line in lines if line.strip().rstrip(",").strip('"') not in pointers))
    return "".join(out)


def to_choose(text: str, nameless: list[tuple[str, str]], date: str) -> str:
    """Add a line, commented out, for each schema without a chosen name that has none yet.

    Args:
        text: `names.toml`.
        nameless: Derived name and pointer of each.
        date: Date of the description that brought them.
    """
    lines = [f'# {name} = "{pointer}"' for name, pointer in nameless if f'"{pointer}"' not in text]
    return "\n".join([text.rstrip("\n"), "", _OFFER.format(date=date), *lines, ""]) if lines else text


def to_review(text: str, pointers: Sequence[str], origin: Source) -> str:
    """Add a provisional patch for each union whose members only their shape tells.

    Args:
        text: `patches.toml`.
        pointers: Where the unions are.
        origin: The description that has them.
    """
    added = [
        f'\n[[patch]]\npointer = "{pointer}"\nop = "by_shape"\n'
        f'reason = "{PROVISIONAL} which properties tell the members apart, whatever else they have."\n'
        f'link = "{origin.url}"\n'
        for pointer in pointers
    ]
    return "".join([text, *added])


def _commented(block: str, date: str) -> str:
    """A block of TOML as a comment; blank lines and comments that follow it stay as they are."""
    lines = block.splitlines()
    last = max(number for number, line in enumerate(lines) if line.strip() and not line.startswith("#"))
    body = [_NOTE.format(date=date), *(f"# {line}".rstrip() for line in lines[: last + 1])]
    return "\n".join([*body, *lines[last + 1 :], ""])
