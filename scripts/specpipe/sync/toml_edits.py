"""Edit `patches.toml` and `names.toml` for a newer API description, keeping their comments.

What no longer applies is commented out rather than deleted, so that it can be moved to another pointer.
Functions map a file's text to its new text; no file is read or written here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Sequence

from ..prose import PROVISIONAL
from ..source import Source

_NOTE = "# No longer applies as of {date}:"
_OFFER = "# New as of {date}, with derived names: choose better ones and uncomment, or remove."


def comment_out_patches(text: str, numbers: Collection[int], date: str) -> str:
    """Comment patches out.

    Args:
        text: `patches.toml`.
        numbers: Which of its patches, counted from 0.
        date: Date of the API description.
    """
    head, *blocks = re.split(r"(?m)^(?=\[\[patch\]\])", text)
    out = [_commented(block, date) if number in numbers else block for number, block in enumerate(blocks)]
    return head + "".join(out)


def add_renamed(text: str, renamed: dict[str, str], date: str) -> str:
    """Add deprecated class names, and follow names that were replaced again.

    Args:
        text: `renamed.toml`.
        renamed: Old name → new name.
        date: Date of the API description.
    """
    lines = []
    for line in text.splitlines():
        old, _, new = line.partition(" = ")
        newer = renamed.get(new.strip('"'))
        lines.append(line if newer is None or old.startswith("#") else f'{old} = "{newer}"')
    return "\n".join([*lines, f"# {date}", *(f'{old} = "{new}"' for old, new in renamed.items()), ""])


def comment_out_names(text: str, pointers: list[str], date: str) -> str:
    """Remove pointers from a names file, and comment out names that have none left."""
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


def add_name_candidates(text: str, nameless: list[tuple[str, str]], date: str) -> str:
    """Add a commented-out line for each schema without a chosen name, unless there is one.

    Args:
        text: `names.toml`.
        nameless: Derived name and pointer of each.
        date: Date of the API description.
    """
    lines = [f'# {name} = "{pointer}"' for name, pointer in nameless if f'"{pointer}"' not in text]
    return "\n".join([text.rstrip("\n"), "", _OFFER.format(date=date), *lines, ""]) if lines else text


def add_provisional_patches(text: str, pointers: Sequence[str], origin: Source) -> str:
    """Add a provisional `by_shape` patch for each union without a discriminator.

    Args:
        text: `patches.toml`.
        pointers: Pointers of the unions.
        origin: Origin of the API description.
    """
    added = [
        f'\n[[patch]]\npointer = "{pointer}"\nop = "by_shape"\n'
        f'reason = "{PROVISIONAL} which properties distinguish the members."\n'
        f'link = "{origin.url}"\n'
        for pointer in pointers
    ]
    return "".join([text, *added])


def _commented(block: str, date: str) -> str:
    """Comment out a block of TOML; blank lines and comments after it are unchanged."""
    lines = block.splitlines()
    last = max(number for number, line in enumerate(lines) if line.strip() and not line.startswith("#"))
    body = [_NOTE.format(date=date), *(f"# {line}".rstrip() for line in lines[: last + 1])]
    return "\n".join([*body, *lines[last + 1 :], ""])
