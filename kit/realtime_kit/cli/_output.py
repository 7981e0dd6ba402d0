"""Output of commands: tables and colour on a terminal, plain lines in pipes, JSON where it is asked for.

Results go to standard output, everything else to standard error. NO_COLOR is respected. Rich is loaded for
tables only. All output of the commands is written here, and no terminal interprets what a server or a caller
wrote: `write` escapes all text but that of `paint`.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO

# Control characters but for the tab and the line's end; what reorders a line (Unicode's marks, embeddings,
# overrides and isolates); its separators of lines; and half characters, which can't be written at all.
_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "magenta": "35",
    "cyan": "36",
}


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can show more than plain lines."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class Painted(str):
    """Text with the escape sequences of a colour, which `write` leaves as they are."""

    __slots__ = ()


def encode_all() -> None:
    """Write out characters that the standard streams can't encode: others decide what commands print."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def paint(text: str, style: str) -> str:
    """Return text for `write` in a colour, where standard output is a terminal and NO_COLOR isn't set."""
    if not is_terminal(sys.stdout) or os.environ.get("NO_COLOR"):
        return text
    return Painted(f"\x1b[{_STYLES[style]}m{inert(text)}\x1b[0m")


def write(*parts: str, end: str = "\n", stream: TextIO | None = None) -> None:
    """Write a line to standard output or another stream.

    Args:
        parts: Its parts, which follow each other. They are escaped as by `inert`, but for those of `paint`.
        end: What follows them.
        stream: The stream; standard output unless given.
    """
    stream = sys.stdout if stream is None else stream
    stream.write("".join(part if isinstance(part, Painted) else inert(part) for part in parts) + end)
    stream.flush()


def write_bytes(data: bytes) -> None:
    """Write a file's content to standard output: byte for byte, but escaped on a terminal."""
    if sys.stdout.isatty():
        write(data.decode("utf-8", "backslashreplace").replace("\r\n", "\n"), end="")
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


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
    """Print a line that is not part of the result."""
    write(text, stream=sys.stderr)


def note_traceback(error: BaseException) -> None:
    """Print an exception's traceback."""
    import traceback  # not needed otherwise

    note("".join(traceback.format_exception(error)).rstrip())


def print_json(value: Any) -> None:
    """Print a value as JSON: indented on a terminal, else as one line."""
    indent = 2 if is_terminal(sys.stdout) else None
    write(_json(value, indent))


def print_line(value: Any) -> None:
    """Print a value as JSON, in one line."""
    write(_json(value))


def print_fields(fields: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing's fields: a line each, or an object."""
    if as_json:
        print_json(fields)
        return
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        if is_terminal(sys.stdout):
            write(paint(name.ljust(width), "dim"), f"  {_cell(value)}")
        else:
            write(_line(name, value))


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print rows of the same columns: a table, tab-separated lines without a head, or an array."""
    if as_json:
        print_json(list(rows))
    elif not is_terminal(sys.stdout):
        for row in rows:
            write(_line(*row.values()))
    elif rows:
        print_table(rows)


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of the same columns as a table, on a terminal or not."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in rows[0]:
        table.add_column(inert(name), overflow="fold")
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
    from rich.text import Text

    with Console(stderr=True).status(Text(inert(what))):
        yield


@contextlib.contextmanager
def progress(what: str, total: float, *, is_shown: bool = True) -> Iterator[Callable[[float], None]]:
    """Show a progress bar on a terminal until the block ends; yield what sets how much is done.

    Args:
        what: What goes on.
        total: How much there is to do.
        is_shown: Whether there is a bar at all.
    """
    if not is_shown or not is_terminal(sys.stderr):
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    text = TextColumn("{task.description}", markup=False)
    columns = (text, BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(inert(what), total=total)
        yield lambda done: bar.update(task, completed=min(done, total))


def _json(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    return _ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)  # in JSON they stand in strings alone


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return inert(json.dumps(value) if isinstance(value, bool | list | dict) else str(value))


def _line(*values: Any) -> str:
    return "\t".join(" ".join(_cell(value).split()) for value in values)
