"""Output of commands: tables and colour on a terminal, plain lines in pipes, JSON where it is asked for.

Results go to standard output, everything else to standard error. NO_COLOR is respected. Rich is loaded on a
terminal only. What a server or a caller wrote goes through `inert`: a terminal must not obey it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

# Control characters but for the tab and the line's end, what reorders a line (Unicode's embeddings, overrides
# and isolates), and half characters, which can't be written at all.
_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can show more than plain lines."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Return text in a colour, where the stream is a terminal and NO_COLOR isn't set."""
    stream = sys.stdout if stream is None else stream
    if not is_terminal(stream) or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def inert(text: str) -> str:
    """Return text with its control characters written out, such as ``\\x1b``; ends of lines stay."""
    return _ACTIVE.sub(lambda found: repr(found[0])[1:-1], text)


@contextlib.contextmanager
def inert_log() -> Iterator[None]:
    """Make what Python logs of its own accord inert as well, until the block ends: it may quote a server."""

    class Inert(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return inert(super().format(record))

    handler = logging.lastResort  # which is used where no program set up logging
    if handler is None:
        yield
        return
    before = handler.formatter
    handler.setFormatter(Inert())
    try:
        yield
    finally:
        handler.setFormatter(before)


def note(text: str) -> None:
    """Print a line that is no result."""
    print(inert(text), file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Print a value as JSON: indented on a terminal, else as one line."""
    indent = 2 if is_terminal(sys.stdout) else None
    print(_json(value, indent), flush=True)


def print_line(value: Any) -> None:
    """Print a value as JSON, in one line."""
    print(_json(value), flush=True)


def print_fields(fields: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing's fields: a line each, or an object."""
    if as_json:
        print_json(fields)
        return
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        print(
            f"{paint(name.ljust(width), 'dim')}  {_cell(value)}"
            if is_terminal(sys.stdout)
            else _line(name, value)
        )


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print rows of the same columns: a table, tab-separated lines without a head, or an array."""
    if as_json:
        print_json(list(rows))
    elif not is_terminal(sys.stdout):
        for row in rows:
            print(_line(*row.values()))
    elif rows:
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in rows[0]:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*map(_cell, row.values()))
        Console(markup=False, highlight=False).print(table)


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal that something is going on, until the block ends."""
    if not is_terminal(sys.stderr):
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def _json(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    return _ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)  # in JSON they stand in strings alone


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, bool | list | dict) else inert(str(value))


def _line(*values: Any) -> str:
    return "\t".join(" ".join(_cell(value).split()) for value in values)
