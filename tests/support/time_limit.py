"""A pytest plugin that ends a test which exceeds its time limit, and names it.

A signal interrupts the main thread wherever it waits; starting a thread would take longer than most tests do.
The process exits, because an exception would not end a test that catches it.
Under xdist the controller reports the test as failed and starts another worker. pytest-timeout exits too, but
xdist discards the stacks that it prints: here they go to the standard error of the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import os
import signal
import traceback
from collections.abc import Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

LIMIT = 300.0
SLOW_LIMIT = 1200.0
_GRACE = 5.0  # after which the process ends even if a C function, such as a regular expression, goes on

_stderr = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--time-limit", type=float, metavar="SECONDS", help="limit each test to so many seconds, 0: no limit"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_stderr] = os.dup(2)  # pytest captures the original during tests


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(config.stash[_stderr])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Limit the test together with its fixtures."""
    limit = item.config.getoption("--time-limit")
    if limit is None:
        # A random run draws many examples, and more workers than cores measure its coverage.
        random = item.config.getoption("--hypothesis-profile", None) == "random"
        limit = SLOW_LIMIT if random or item.get_closest_marker("slow") else LIMIT
    if limit:
        stderr = item.config.stash[_stderr]
        signal.signal(signal.SIGALRM, lambda *_: _end(item.nodeid, limit, stderr))
        signal.setitimer(signal.ITIMER_REAL, limit)
        faulthandler.dump_traceback_later(limit + _GRACE, exit=True, file=stderr)
    try:
        return (yield)
    finally:
        if limit:
            _cancel()


def pytest_enter_pdb() -> None:
    """Lift the limit for a test that is being debugged."""
    _cancel()


def _cancel() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    faulthandler.cancel_dump_traceback_later()


def _end(test: str, limit: float, stderr: int) -> None:
    lines = [f"\n{test} exceeded its time limit of {limit:g} s\n"]
    for task in _tasks():
        lines += [f"\n{task!r}\n", *traceback.format_list(traceback.StackSummary.extract(_frames(task)))]
    os.write(stderr, ("".join(lines) + "\n").encode(errors="replace"))
    faulthandler.dump_traceback(stderr, all_threads=True)
    _kill_children()
    os._exit(1)


def _kill_children() -> None:
    """End child processes: while one of them holds a worker's pipe, the controller waits for that worker."""
    for children in Path("/proc/self/task").glob("*/children"):  # Linux alone
        for child in children.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)


def _tasks() -> list[asyncio.Task[Any]]:
    """Find the unfinished tasks of all event loops; asyncio's function is limited to the running one."""
    return [task for task in gc.get_objects() if issubclass(type(task), asyncio.Task) and not task.done()]


def _frames(task: asyncio.Task[Any]) -> Iterator[tuple[FrameType, int]]:
    """Walk from the task's coroutine to what it awaits; `Task.get_stack` stops at the first frame."""
    waiting: Any = task.get_coro()
    while waiting is not None:
        kind = next((kind for kind in ("cr", "gi", "ag") if hasattr(waiting, f"{kind}_frame")), None)
        if kind is None or (frame := getattr(waiting, f"{kind}_frame")) is None:
            return
        yield frame, frame.f_lineno
        waiting = getattr(waiting, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
