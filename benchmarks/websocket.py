"""Connections on loopback: this project's, bare websockets with orjson, and the official package's.

A scripted server sends and skips events faster than any of them takes and makes them, so that they are timed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .harness import PEERS, WORKERS, Target, Worker, medians, ratio_target, take_turns, time_text

__all__ = ["opening", "run", "server"]

CONTENDERS = {
    "ours": ("websocket_ours.py", None),
    "bare": ("websocket_bare.py", None),
    "official": ("websocket_official.py", PEERS),
}
MODES = ("sync", "asyncio")
# Audio events a response: some 50 ms, so that threads that take turns every 5 ms come to a steady rate.
DELTAS = 4000
CHARACTERS = 4096  # of base64 in each
CHUNKS = 1000
CHUNK_BYTES = 960  # 20 ms of PCM16 at 24 kHz
ROUND_TRIPS = 300
ROUNDS = 15
CONNECTIONS = 200
OPENINGS = 3
IDLE = 1000
IDLE_ROUNDS = 2
IDLE_SECONDS = 25  # every connection pings once
WARM_UP = 5  # connections that are opened first, so that what is loaded once is loaded

KIB = 2**10
# What is measured, beside whom, in which task, and what is to be reached.
LIMITS = {
    "sync": (
        ("audio deltas received per second", "official", "receive", 4.0),
        ("20 ms chunks sent per second", "official", "send", 4.0),
        ("round trip", "official", "round_trip", 0.7),
    ),
    "asyncio": (
        ("audio deltas received per second", "bare", "receive", 0.95),
        ("20 ms chunks sent per second", "bare", "send", 0.92),
        ("round trip", "bare", "round_trip", 1.25),
    ),
}


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
        for mode in MODES:
            targets += rates(console, port, mode)
        for mode in MODES:
            targets += openings(console, port, mode)
        targets += idle(console, port)
    return targets


def rates(console: Console, port: int, mode: str) -> list[Target]:
    """Measure events a second in and out, and round trips."""
    times: dict[str, dict[str, float]] = {}
    rounds: dict[str, dict[str, list[float]]] = {}
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
            order = {"task": task, "mode": mode, "port": port, **fields}
            rounds[task] = take_turns(
                {name: lambda worker=worker, order=order: worker(order) for name, worker in workers.items()},
                ROUNDS,
            )
            found = medians(rounds[task])
            times[task] = {name: seconds / count for name, seconds in found.items()}
    table = Table(title=f"one connection, {mode} (median)", title_justify="left", title_style="bold")
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
    targets = []
    for what, peer, task, limit in LIMITS[mode]:
        over, under = rounds[task][peer], rounds[task]["ours"]
        if task == "round_trip":
            targets.append(ratio_target(f"{what}, ours / {peer} ({mode})", under, over, limit))
        else:
            targets.append(ratio_target(f"{what}, ours / {peer} ({mode})", over, under, limit, at_least=True))
    return targets


def openings(console: Console, port: int, mode: str) -> list[Target]:
    """Measure what many connections in one process take, each time in a new one."""

    found = take_turns(
        {
            name: lambda contender=contender: opening(*contender, port, mode, CONNECTIONS)
            for name, contender in CONTENDERS.items()
        },
        OPENINGS,
    )
    seconds = {name: statistics.median(value for value, _ in values) for name, values in found.items()}
    memory = {name: statistics.median(value for _, value in values) for name, values in found.items()}
    table = Table(
        title=f"{CONNECTIONS} connections in one process, {mode} (median, for each connection)",
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
    ours, bare = found["ours"], found["bare"]
    return [
        ratio_target(
            f"memory per connection of {CONNECTIONS}, ours / bare ({mode})",
            [value for _, value in ours],
            [value for _, value in bare],
            1.25,
        ),
        ratio_target(
            f"set-up per connection of {CONNECTIONS}, ours / bare ({mode})",
            [value for value, _ in ours],
            [value for value, _ in bare],
            1.4,
        ),
    ]


def opening(script: str, python: Path | None, port: int, mode: str, connections: int) -> tuple[float, float]:
    """Open connections in a new process.

    Returns:
        Seconds and bytes of memory for each.
    """

    def order(count: int) -> Mapping[str, Any]:
        return {"task": "open", "mode": mode, "port": port, "connections": count, "repeat": 1}

    with Worker(script, python) as worker:
        memory = {"task": "memory", "repeat": 1}
        worker(order(WARM_UP))
        before = worker(memory)
        seconds = worker(order(connections))
        return seconds / connections, (worker(memory) - before) / connections


def idle(console: Console, port: int) -> list[Target]:
    """Measure what many connections take, in one process, and what they use while nothing comes."""
    contenders = {name: CONTENDERS[name] for name in ("ours", "bare")}
    results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contenders}
    for _ in range(IDLE_ROUNDS):
        for name, (script, python) in contenders.items():
            with Worker(script, python) as worker:
                order = {"task": "open", "mode": "asyncio", "port": port, "repeat": 1}
                memory = {"task": "memory", "repeat": 1}
                worker({**order, "connections": WARM_UP})
                before = worker(memory)
                seconds = worker({**order, "connections": IDLE})
                held = worker(memory) - before
                used = worker({"task": "idle", "seconds": IDLE_SECONDS, "repeat": 1}) / 1e9
                results[name].append((seconds / IDLE, held / IDLE, used / IDLE_SECONDS))
    table = Table(
        title=f"{IDLE} idle connections, asyncio (median)", title_justify="left", title_style="bold"
    )
    for column in ("by", "set-up of each", "memory of each", "processor, of a core"):
        table.add_column(column, justify="left" if column == "by" else "right")
    for name, values in results.items():
        seconds, held, used = (statistics.median(column) for column in zip(*values, strict=True))
        table.add_row(name, time_text(seconds), f"{held / KIB:.1f} KiB", f"{used:.2%}")
    console.print()
    console.print(table)
    ours, bare = (list(zip(*results[name], strict=True)) for name in ("ours", "bare"))
    limits = (("set-up", 1.4), ("memory", 1.25), ("processor", 1.2))
    return [
        ratio_target(f"{what} of {IDLE} idle connections, ours / bare", list(over), list(under), limit)
        for (what, limit), over, under in zip(limits, ours, bare, strict=True)
    ]
