"""How much a simulator in one process carries: WebSocket sessions at once and in turn, and WebRTC calls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from rich.console import Console
from rich.table import Table

from .harness import WORKERS, Target, environment

__all__ = ["run"]

SESSIONS = 200
STREAMED_SECONDS = 3
CALLS = {"realtime": (15, 20, 25, 30, 35, 40, 45), "live": (5, 10, 15)}
SEQUENCE = (600, 600)  # sessions before the first look at the memory, and from it to the second
FLAT = 1.03  # which the memory may grow to from one look to the next: the noise of the allocator
FEWEST_CALLS = {"realtime": 40, "live": 10}
TIMEOUT = 120.0

MIB = 2**20


class Process:
    """A worker that is asked with lines and answers with JSON.

    Args:
        arguments: Its script in `workers/`, and what that is told.
        core: The processor that it runs on, where the system allows to choose; None for any.
    """

    def __init__(self, script: str, *arguments: object, core: int | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, WORKERS / script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        if core is not None and hasattr(os, "sched_setaffinity"):
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(self._process.pid, {cores[core % len(cores)]})

    def answer(self) -> dict[str, Any]:
        """Read an answer.

        Raises:
            RuntimeError: The process ended; what it had to say is on stderr.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker {self._process.args[1]} ended: {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, line: object = "") -> dict[str, Any]:
        """Write a line and read the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self.answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


@contextmanager
def simulator(speed: float, core: int | None = None) -> Iterator[tuple[Process, str, str]]:
    """Run a simulator; yields its process, base URL and key."""
    with Process("load_simulator.py", speed, core=core) as process:
        where = process.answer()
        yield process, where["base_url"], where["api_key"]


def run(console: Console) -> list[Target]:
    """Measure and print; return the targets."""
    table = Table(title="a simulator in one process", title_justify="left", title_style="bold")
    table.add_column("load")
    table.add_column("found")
    targets = [
        sessions(table),
        sequence(table),
        calls(table, "realtime", "silent"),
        calls(table, "realtime", "speaking"),
        calls(table, "live", "speaking"),
    ]
    console.print()
    console.print(table)
    return targets


def sessions(table: Table) -> Target:
    """Stream audio in and out of many sessions at once."""
    with simulator(speed=1) as (process, base_url, api_key):
        start, before = time.perf_counter(), process.ask()["seconds"]
        with Process("load_sessions.py", base_url, api_key, SESSIONS, STREAMED_SECONDS) as client:
            found = client.answer()
        seconds = time.perf_counter() - start
        used = process.ask()["seconds"] - before
    table.add_row(
        f"{SESSIONS} WebSocket sessions, 20 ms of audio a message",
        f"{found['whole']} whole; {found['out']:,} events in, {found['in']:,} out in {seconds:.1f} s, "
        f"{used / seconds:.0%} of a core; chunks up to {found['late'] * 1000:.0f} ms behind their time",
    )
    return Target(f"sessions without loss / {SESSIONS}", found["whole"] / SESSIONS, 1, True)


def sequence(table: Table) -> Target:
    """Run sessions one after the other, and compare the memory."""
    first, more = SEQUENCE
    with simulator(speed=0) as (process, base_url, api_key):
        memory = []
        for count in (first, more):
            command = [sys.executable, str(WORKERS / "load_sequence.py"), base_url, api_key, str(count)]
            subprocess.run(command, env=environment(), timeout=TIMEOUT, check=True)
            memory.append(process.ask()["memory"])
    grown = (memory[1] - memory[0]) / more
    table.add_row(
        f"{first + more} WebSocket sessions one after the other",
        f"{memory[0] / MIB:.1f} MiB after {first}, {memory[1] / MIB:.1f} MiB after {first + more}: "
        f"{grown / 1024:+.2f} KiB a session",
    )
    return Target(f"memory after {first + more} sessions / after {first}", memory[1] / memory[0], FLAT, False)


def calls(table: Table, api: str, callers: str) -> Target:
    """Make more and more WebRTC calls, until packets come late or not at all.

    The simulator has one core, the clients another.

    Args:
        table: Gets a line for each number of calls.
        api: `realtime`, or `live`, whose model speaks in real time.
        callers: `silent`, or `speaking` for callers who speak all the time.
    """
    carried = reached = 0
    tries = [count for count in CALLS[api] for _ in range(2)]
    made = f"{api.title()} calls of {callers} callers"
    with (
        simulator(speed=int(api == "live"), core=0) as (process, base_url, api_key),
        Process("load_calls.py", base_url, api_key, api, callers, core=1) as client,
    ):
        for count in tries:
            if count <= carried:
                continue
            start, before = time.perf_counter(), process.ask()["seconds"]
            found = client.ask(count)
            used = (process.ask()["seconds"] - before) / (time.perf_counter() - start)
            table.add_row(
                f"{count} WebRTC {made}, 20 ms of audio a packet both ways",
                f"{found['came']:,} packets, {found['late']:,} late, {found['missing']:,} missing; "
                f"simulator {used:.0%} of a core, clients {found['seconds']:.0%}",
            )
            if found["late"] == found["missing"] == 0:
                carried = count
            elif count != reached:
                reached = count  # once more, for something else may have had the processor
            else:
                break
    table.add_row(f"WebRTC {made} with all packets on time", f"{carried}")
    kind = ("Live " if api == "live" else "") + "calls with "
    kind += "" if callers == "silent" else "continuous speech and "
    fewest = FEWEST_CALLS[api]
    return Target(f"{kind}all packets on time / {fewest}", carried / fewest, 1, True)
