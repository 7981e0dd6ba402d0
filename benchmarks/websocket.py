"""Connections on loopback: this project's, bare websockets with orjson, and the official package's.

A scripted server sends and skips events faster than any of them takes and makes them, so that they are timed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

from .harness import PEERS, WORKERS, Target, Worker, medians, take_turns, time_text

__all__ = ["run", "server"]

CONTENDERS = {
    "ours": ("websocket_ours.py", None),
    "bare": ("websocket_bare.py", None),
    "official": ("websocket_official.py", PEERS),
}
FLAVOURS = ("sync", "asyncio")
# Audio events a response: some 50 ms, so that threads that take turns every 5 ms come to a steady rate.
DELTAS = 4000
CHARACTERS = 4096  # of base64 in each
CHUNKS = 1000
CHUNK_BYTES = 960  # 20 ms of PCM16 at 24 kHz
ROUND_TRIPS = 300
ROUNDS = 7
CONNECTIONS = 200
OPENINGS = 3
WARM_UP = 5  # connections that are opened first, so that what is loaded once is loaded

KIB = 2**10


@contextmanager
def server() -> Iterator[int]:
    """Run the scripted server; yields its port."""
    command = [sys.executable, WORKERS / "websocket_server.py", str(DELTAS), str(CHARACTERS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.communicate()


def run(console: Console) -> list[Target]:
    """Measure and print; return the targets."""
    targets: list[Target] = []
    with server() as port:
        for flavour in FLAVOURS:
            targets += rates(console, port, flavour)
        for flavour in FLAVOURS:
            targets += openings(console, port, flavour)
    return targets


def rates(console: Console, port: int, flavour: str) -> list[Target]:
    """Measure events a second in and out, and round trips."""
    times: dict[str, dict[str, float]] = {}
    tasks: dict[str, tuple[dict[str, Any], int]] = {
        "receive": ({"repeat": 1}, DELTAS),
        "send": ({"chunks": CHUNKS, "size": CHUNK_BYTES, "repeat": 1}, CHUNKS),
        "round_trip": ({"repeat": ROUND_TRIPS}, 1),
    }
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(script, python)) for name, (script, python) in CONTENDERS.items()
        }
        for task, (fields, count) in tasks.items():
            order = {"task": task, "flavour": flavour, "port": port, **fields}
            found = medians(
                take_turns(
                    {
                        name: lambda worker=worker, order=order: worker(order)
                        for name, worker in workers.items()
                    },
                    ROUNDS,
                )
            )
            times[task] = {name: seconds / count for name, seconds in found.items()}
    table = Table(title=f"one connection, {flavour} (median)", title_justify="left", title_style="bold")
    for column in ("", "ours", "bare", "official", "ours / bare", "ours / official"):
        table.add_column(column, justify="right" if column else "left")
    for task, title in (("receive", f"in: audio deltas of {CHARACTERS} B"), ("send", "out: 20 ms of PCM16")):
        found = times[task]
        table.add_row(
            title,
            *(f"{1 / found[name]:,.0f}/s" for name in CONTENDERS),
            f"{found['bare'] / found['ours']:.2f} ×",
            f"{found['official'] / found['ours']:.2f} ×",
        )
    found = times["round_trip"]
    table.add_row(
        "round trip",
        *(time_text(found[name]) for name in CONTENDERS),
        *(f"{found['ours'] / found[peer]:.2f} ×" for peer in ("bare", "official")),
    )
    console.print()
    console.print(table)
    receive, send = times["receive"], times["send"]
    least = 4 if flavour == "sync" else 3
    return [
        Target(f"deltas in a second, ours / bare ({flavour})", receive["bare"] / receive["ours"], 0.7, True),
        Target(
            f"deltas in a second, ours / official ({flavour})",
            receive["official"] / receive["ours"],
            least,
            True,
        ),
        Target(
            f"chunks out a second, ours / official ({flavour})", send["official"] / send["ours"], least, True
        ),
    ]


def openings(console: Console, port: int, flavour: str) -> list[Target]:
    """Measure what many connections in one process take, each time in a new one."""

    def opening(script: str, python: Any) -> tuple[float, float]:
        def order(connections: int) -> Mapping[str, Any]:
            return {"task": "open", "flavour": flavour, "port": port, "connections": connections, "repeat": 1}

        with Worker(script, python) as worker:
            memory = {"task": "memory", "repeat": 1}
            worker(order(WARM_UP))
            before = worker(memory)
            seconds = worker(order(CONNECTIONS))
            return seconds / CONNECTIONS, (worker(memory) - before) / CONNECTIONS

    found = take_turns(
        {name: lambda contender=contender: opening(*contender) for name, contender in CONTENDERS.items()},
        OPENINGS,
    )
    seconds = {name: statistics.median(value for value, _ in values) for name, values in found.items()}
    memory = {name: statistics.median(value for _, value in values) for name, values in found.items()}
    table = Table(
        title=f"{CONNECTIONS} connections in one process, {flavour} (median, for each connection)",
        title_justify="left",
        title_style="bold",
    )
    for column in ("by", "set-up", "of bare", "memory", "of bare"):
        table.add_column(column, justify="left" if column == "by" else "right")
    for name in CONTENDERS:
        table.add_row(
            name,
            time_text(seconds[name]),
            f"{seconds[name] / seconds['bare']:.2f} ×",
            f"{memory[name] / KIB:.1f} KiB",
            f"{memory[name] / memory['bare']:.2f} ×",
        )
    console.print()
    console.print(table)
    ratio = memory["ours"] / memory["bare"]
    return [Target(f"memory of a connection, ours / bare ({flavour})", ratio, 1.3, False)]
