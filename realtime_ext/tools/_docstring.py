"""Google-style docstrings, read for what the model should know.

This module must not look at signatures.

Source: https://google.github.io/styleguide/pyguide.html#383-functions-and-methods.
"""

from __future__ import annotations

import inspect
import re

import attrs

__all__ = ["Docstring", "parse_docstring"]

_ARGUMENTS = {"args", "arguments", "parameters", "params", "keyword args", "keyword arguments", "attributes"}
_OTHERS = {
    *("returns", "return", "yields", "yield", "raises", "warns", "warning", "warnings", "note", "notes"),
    *("example", "examples", "see also", "todo", "references", "source", "methods", "other parameters"),
}
_ENTRY = re.compile(r"\*{0,2}(?P<name>\w+)\s*(?:\([^)]*\))?\s*:(?:\s+(?P<text>.*)|$)")


@attrs.frozen
class Docstring:
    """A docstring taken apart.

    Args:
        description: All before the first section; empty if there is nothing.
        arguments: The text of each argument or attribute, on one line.
    """

    description: str
    arguments: dict[str, str]


def parse_docstring(text: str | None) -> Docstring:
    """Take a docstring apart.

    Args:
        text: A `__doc__`, indented or not; None for none.

    Returns:
        Its parts. Sections other than those for arguments are left out, for they don't concern the model.
    """
    description: list[str] = []
    arguments: dict[str, list[str]] = {}
    section = entry = None
    indent = 0
    for line in inspect.cleandoc(text or "").splitlines():
        heading = line.rstrip().rstrip(":").lower() if line.rstrip().endswith(":") else ""
        if heading in _ARGUMENTS or heading in _OTHERS:
            section, entry = heading, None
            continue
        if section is None:
            description.append(line)
            continue
        if line and not line[0].isspace():
            section, entry = "", None  # prose after the sections
        if section not in _ARGUMENTS or not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        match = _ENTRY.match(line.strip())
        if match and (entry is None or depth <= indent):
            entry, indent = match["name"], depth
            arguments[entry] = [match["text"] or ""]
        elif entry is not None:
            arguments[entry].append(line.strip())
    return Docstring(
        "\n".join(description).strip(),
        {name: " ".join(parts).strip() for name, parts in arguments.items()},
    )
