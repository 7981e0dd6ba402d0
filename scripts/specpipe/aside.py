"""Set patches and names aside that a newer description has no use for.

They stay in their files as comments, so that whoever takes a description over sees what went and can put it
back at another place.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_NOTE = "# Set aside on {date}, for it no longer applies:"


def patches(path: Path, pointers: list[str], date: str) -> bool:
    """Comment out the patches with these pointers; whether there were any.

    Args:
        path: `patches.toml`.
        pointers: As the patches have them.
        date: Date of the description that has no use for them.
    """
    blocks = re.split(r"(?m)^(?=\[\[patch\]\])", path.read_text(encoding="utf-8"))
    out = [
        _commented(block, date)
        if (entry := tomllib.loads(block).get("patch")) and entry[0]["pointer"] in pointers
        else block
        for block in blocks
    ]
    return _write(path, blocks, out)


def names(path: Path, pointers: list[str], date: str) -> bool:
    """Take pointers out of a names file, and comment out the names that are left without; see `patches`."""
    blocks = re.split(r"(?m)^(?=[A-Za-z]\w* = )", path.read_text(encoding="utf-8"))
    out = []
    for block in blocks:
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
    return _write(path, blocks, out)


def _commented(block: str, date: str) -> str:
    """A block of TOML as a comment; blank lines and comments that follow it stay as they are."""
    lines = block.splitlines()
    last = max(number for number, line in enumerate(lines) if line.strip() and not line.startswith("#"))
    body = [_NOTE.format(date=date), *(f"# {line}".rstrip() for line in lines[: last + 1])]
    return "\n".join([*body, *lines[last + 1 :], ""])


def _write(path: Path, before: list[str], after: list[str]) -> bool:
    if before != after:
        path.write_text("".join(after), encoding="utf-8")
    return before != after
