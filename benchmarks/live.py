"""Connections of the Live API on loopback: this project's, and the official package's `live`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from rich.console import Console
from rich.table import Table

from . import websocket
from .harness import Target, Worker, medians, ratio_target, take_turns, time_text

__all__ = ["run"]

CONTENDERS = {name: websocket.CONTENDERS[name] for name in ("ours", "official")}
TASKS: dict[str, tuple[dict[str, Any], int]] = {
    "receive": ({"repeat": 1}, websocket.DELTAS),
    "send": ({"chunks": websocket.CHUNKS, "size": websocket.CHUNK_BYTES, "repeat": 1}, websocket.CHUNKS),
    "round_trip": ({"repeat": websocket.ROUND_TRIPS}, 1),
}
# As far ahead as with the Realtime API, but for audio in: the package reads events of two fields faster than
# others, and bare websockets with orjson are 3.7 times as fast as that.
LIMITS = (
    ("Live: audio deltas received per second", "receive", 3.5),
    ("Live: 20 ms chunks sent per second", "send", 4.0),
    ("Live: round trip", "round_trip", 0.7),
)


def run(console: Console) -> list[Target]:
    """Measure and print; return the targets."""
    with websocket.server() as port:
        return [target for mode in websocket.MODES for target in _rates(console, port, mode)]


def _rates(console: Console, port: int, mode: str) -> list[Target]:
    rounds: dict[str, dict[str, list[float]]] = {}
    table = Table(title=f"a Live session, {mode} (median)", title_justify="left", title_style="bold")
    for column in ("", *CONTENDERS):
        table.add_column(column, justify="right" if column else "left")
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(script, python)) for name, (script, python) in CONTENDERS.items()
        }
        for task, (fields, count) in TASKS.items():
            order = {"task": task, "api": "live", "mode": mode, "port": port, **fields}
            rounds[task] = take_turns(
                {name: lambda worker=worker, order=order: worker(order) for name, worker in workers.items()},
                websocket.ROUNDS,
            )
            found = medians(rounds[task])
            seconds = [found[name] for name in CONTENDERS]
            figures = (time_text(one) if count == 1 else f"{count / one:,.0f}/s" for one in seconds)
            table.add_row(task, *figures)
    console.print()
    console.print(table)
    targets = []
    for what, task, limit in LIMITS:
        ours, official = rounds[task]["ours"], rounds[task]["official"]
        name = f"{what}, ours / official ({mode})"
        if task == "round_trip":
            targets.append(ratio_target(name, ours, official, limit))
        else:
            targets.append(ratio_target(name, official, ours, limit, at_least=True))
    return targets
