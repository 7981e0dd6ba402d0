"""An exception from a signal handler at any line: nothing waits for ever or stays behind."""

from __future__ import annotations

import collections
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest

from realtime_ext import RealtimeClient, RealtimeError, connection as package
from realtime_ext.connection import Connection
from tests.ext.connection.scripted import Model, ScriptedServer
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.slow

NAMES = ("_portal.py", "_mailbox.py", "_facade.py", "_sync.py", "_sync_opening.py")
FILES = {str(path): path.read_text().splitlines() for path in map(Path(package.__path__[0]).joinpath, NAMES)}


class Interrupted(Exception):
    """Raised by the signal handler of a program, such as one for a time limit."""


@contextlib.contextmanager
def interrupted_at(number: int) -> Iterator[Callable[[], int]]:
    """Raise at the line of that number, counted from here; give the count of lines so far.

    Each line counts the first two times that it runs for a line of its caller.
    """
    count = 0
    latest: dict[FrameType, int] = {}
    runs: collections.Counter[tuple[str, int, int]] = collections.Counter()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        lines = FILES.get(frame.f_code.co_filename)
        if lines is None:
            return None
        if event == "line":
            line = frame.f_lineno
            leaves = line < latest.get(frame, 0) and lines[line - 1].lstrip().startswith("with ")
            latest[frame] = line
            caller = frame.f_back
            place = (frame.f_code.co_filename, line, caller.f_lineno if caller else 0)
            # Python runs no signal handler between a block's end and `__exit__`.
            if not leaves and runs[place] < 2:
                runs[place] += 1
                count += 1
                if count == number:
                    raise Interrupted(frame.f_code.co_name)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lambda: count
    finally:
        sys.settrace(before)
        latest.clear()  # which would keep the frames, and what they hold


def streamed(connection: Connection) -> None:
    with connection.stream("Hi") as stream:
        list(stream)


def appended(connection: Connection) -> None:
    connection.append_audio(bytes(4800))
    connection.clear_audio()


def received(connection: Connection) -> None:
    connection.send_text("Hi")
    for _ in range(3):
        connection.recv(timeout=PATIENCE)


OPERATIONS: dict[str, Callable[[Connection], object]] = {
    "send": lambda connection: connection.send_text("Hi"),
    "append": appended,
    "receive": received,
    "wait": lambda connection: connection.wait_for("session.created", timeout=PATIENCE),
    "stream": streamed,
}


def loops() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "realtime_ext loop"]


@pytest.fixture(autouse=True)
def _no_loop_stays_behind() -> Iterator[None]:
    yield
    for thread in loops():
        thread.join(PATIENCE)
    assert loops() == []


@pytest.mark.parametrize(
    "name",
    [
        "send",
        "append",
        "wait",
        *(pytest.param(name, marks=pytest.mark.weekly) for name in ("receive", "stream")),
    ],
)
def test_a_connection_is_usable_after_an_interrupt_at_any_line(name: str) -> None:
    operation = OPERATIONS[name]
    with ScriptedServer(Model()) as server, RealtimeClient("key", base_url=server.base_url) as client:
        with client.connect("gpt-realtime-2.1") as connection:
            with interrupted_at(0) as lines:
                operation(connection)
            assert lines() > 5
        for number in range(1, lines() + 1):
            with client.connect("gpt-realtime-2.1") as connection:
                with contextlib.suppress(Interrupted, RealtimeError), interrupted_at(number):
                    operation(connection)
                with contextlib.suppress(RealtimeError):
                    connection.cancel_response()
                assert connection.ask("Hi", timeout=PATIENCE).status == "completed"


@pytest.mark.filterwarnings(
    "ignore:a connection was never closed", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_a_connection_that_is_interrupted_at_any_line_of_its_opening_leaves_nothing_behind() -> None:
    with ScriptedServer(Model()) as server, RealtimeClient("key", base_url=server.base_url) as client:
        with interrupted_at(0) as lines, client.connect("gpt-realtime-2.1"):
            pass
        assert lines() > 10
        for number in range(1, lines() + 1):
            opening = client.connect("gpt-realtime-2.1")
            with contextlib.suppress(Interrupted), interrupted_at(number), opening:
                pass
        with client.connect("gpt-realtime-2.1") as connection:
            assert connection.ask("Hi", timeout=PATIENCE).status == "completed"


@pytest.mark.filterwarnings(
    "ignore:a connection was never closed", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_a_call_that_is_interrupted_at_any_line_is_hung_up() -> None:
    requested: list[str] = []

    def rest(request: httpx.Request) -> httpx.Response:
        requested.append(request.url.path.rpartition("/")[2])
        return httpx.Response(200)

    with ScriptedServer(Model()) as server, httpx.Client(transport=httpx.MockTransport(rest)) as http:
        client = RealtimeClient("key", base_url=server.base_url, http_client=http)

        def answer() -> AbstractContextManager[object]:
            return client.answer("rtc_1", {"type": "realtime", "model": "gpt-realtime-2.1"})

        with interrupted_at(0) as lines, answer():
            pass
        for number in range(1, lines() + 1):
            requested.clear()
            where = ""
            try:
                with interrupted_at(number), answer():
                    pass
            except Interrupted as interrupt:
                (where,) = interrupt.args
            if where != "__exit__":  # before its first statement, nothing can be done
                assert requested in ([], ["accept", "hangup"]), (number, where)
        with answer():  # a thread that an interrupt left ends with the next call
            pass
