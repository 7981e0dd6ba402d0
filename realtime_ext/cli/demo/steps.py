"""What the demo tells while it runs: each step with its time, and every event of the call."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import attrs
from rich.console import Console
from rich.markup import escape
from rich.table import Table

__all__ = ["DemoError", "Moment", "Steps"]

Direction = Literal["sent", "received"]


class DemoError(Exception):
    """A step of the demo did not do what it should."""


@attrs.frozen
class Moment:
    """One event of the call.

    Args:
        at: Seconds since the demo began.
        direction: Whether this side sent or received it.
        type: The event's type.
    """

    at: float
    direction: Direction
    type: str


class Steps:
    """The running account: prints steps and keeps events.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.events: list[Moment] = []
        self.current = "start"
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._began

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Name what is being done, for the message should it fail."""
        before, self.current = self.current, name
        yield
        self.current = before

    def done(self, name: str, what: str) -> None:
        """Print a step that is done."""
        self.console.print(
            f"[dim]{self.now:7.3f} s[/]  [green]✓[/] [bold]{escape(name):<16}[/] {escape(what)}",
            soft_wrap=True,
            highlight=False,
        )

    def failed(self, reason: str) -> None:
        """Print why the step that is being done failed."""
        self.console.print(
            f"[dim]{self.now:7.3f} s[/]  [red]✗ [bold]{escape(self.current)}[/][/]: {escape(reason)}",
            soft_wrap=True,
            highlight=False,
        )

    def event(self, direction: Direction, kind: str) -> None:
        """Take an event down, and print the first of its type."""
        first = not any(moment.type == kind for moment in self.events)
        self.events.append(Moment(self.now, direction, kind))
        if first:
            arrow = "[magenta]→[/]" if direction == "sent" else "[cyan]←[/]"
            self.console.print(f"[dim]{self.now:7.3f} s  [/]{arrow} [dim]{escape(kind)}[/]", highlight=False)

    def counts(self) -> Table:
        """Return the events by type, in the order of their first appearance."""
        table = Table(box=None, padding=(0, 2), header_style="dim")
        table.add_column("first", justify="right")
        table.add_column("times", justify="right")
        table.add_column("event")
        many = Counter((moment.direction, moment.type) for moment in self.events)
        for (direction, kind), count in many.items():
            first = next(m.at for m in self.events if (m.direction, m.type) == (direction, kind))
            arrow = "[magenta]→[/]" if direction == "sent" else "[cyan]←[/]"
            table.add_row(f"{first:.3f} s", str(count), f"{arrow} {kind}")
        return table
