"""Callbacks that raise anything: an error there concerns its own connection, and no other."""

from __future__ import annotations

import asyncio
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from realtime_ext import ConnectionClosedError
from realtime_ext.connection import Reconnect
from realtime_ext.connection._state.turns import Turns
from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer
from tests.support.paths import ROOT
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.slow


class Unusual(BaseException):
    """Neither an Exception nor one that Python itself raises."""


CONTROL = [asyncio.CancelledError, GeneratorExit, StopIteration, StopAsyncIteration]
ENDS_THE_PROGRAM = (SystemExit, KeyboardInterrupt)  # in the main thread


@pytest.fixture(params=[ValueError, SystemExit, KeyboardInterrupt, Unusual, *CONTROL])
def error(request: pytest.FixtureRequest) -> type[BaseException]:
    return request.param


def raising(error: type[BaseException]) -> Callable[..., Any]:
    def fails(*arguments: object) -> Any:
        raise error

    return fails


def works(connection: Any) -> None:
    assert connection.ask("Hi", timeout=PATIENCE).status == "completed"


def test_an_observer_that_raises_ends_neither_its_connection_nor_others(
    runner: Runner, error: type[BaseException]
) -> None:
    if runner.is_async and error in ENDS_THE_PROGRAM:
        return
    with (
        ScriptedServer(Model()) as server,
        connect(runner, server) as other,
        connect(runner, server, observer=raising(error)) as own,
    ):
        works(own)
        works(other)


def test_exceptions_of_a_condition_propagate_to_the_waiter(
    runner: Runner, error: type[BaseException]
) -> None:
    with (
        ScriptedServer(Model()) as server,
        connect(runner, server) as connection,
        connect(runner, server) as other,
    ):
        if runner.is_async and error in ENDS_THE_PROGRAM:
            return
        connection.send_text("Hi")
        with pytest.raises(RuntimeError if error in CONTROL else error) as caught:
            connection.wait_for("conversation.item.added", raising(error), timeout=PATIENCE)
        if error in CONTROL:
            assert str(caught.value) == f"where raised {error.__name__}"
            assert type(caught.value.__cause__) is error
        works(other)


@pytest.mark.parametrize("stop", [StopIteration, StopAsyncIteration])
def test_a_handler_that_raises_the_end_of_an_iteration_is_an_error(
    runner: Runner, stop: type[Exception]
) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        connection._target.once("response.done", raising(stop))
        with pytest.raises(RuntimeError, match=rf"^(handler|coroutine) raised {stop.__name__}$"):
            connection.ask("Hi", timeout=PATIENCE)
        works(connection)


class Dropping:
    """A script that drops the first link."""

    def __init__(self) -> None:
        self._has_dropped = False

    def __call__(self, peer: Peer) -> None:
        if not self._has_dropped:
            self._has_dropped = True
            peer.expect("input_audio_buffer.commit")
            peer.abort()
        else:
            peer.until_closed()


def reconnects(error: type[BaseException]) -> Reconnect:
    return Reconnect(first_delay=0.0, max_delay=0.0, on_attempt=raising(error))


@async_only
def test_an_attempt_to_reconnect_continues_if_its_callback_raises(
    runner: Runner, error: type[BaseException]
) -> None:
    if runner.is_async and error in ENDS_THE_PROGRAM:
        return
    with (
        ScriptedServer(Dropping()) as server,
        connect(runner, server, call_id="rtc_1", reconnect=reconnects(error)) as connection,
    ):
        with connection.expect("realtime_ext.reconnected") as expected:
            connection.commit_audio()
        assert expected.result(PATIENCE).type == "realtime_ext.reconnected"


@async_only
def test_a_key_that_can_not_be_had_again_ends_the_connection_alone(
    runner: Runner, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    if runner.is_async and error in ENDS_THE_PROGRAM:
        return
    asked = 0

    def key() -> str:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise error
        return "key"

    async def later() -> str:
        return key()

    options = {"reconnect": Reconnect(first_delay=0.0, max_delay=0.0)}
    # A coroutine can't raise StopIteration.
    source = later if runner.is_async and error is not StopIteration else key
    with (
        ScriptedServer(Dropping()) as server,
        connect(runner, server, call_id="rtc_1", client={"api_key": source}, **options) as connection,
    ):
        connection.commit_audio()
        with pytest.raises(ConnectionClosedError, match=r"api_key: its function raised \w+$") as caught:
            connection.recv()
        assert caught.value.__cause__ is not None
    assert "please report" not in caplog.text


@async_only
def test_a_failure_of_this_package_is_logged_as_such(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*arguments: object) -> None:
        raise LookupError("a mistake of this package")

    monkeypatch.setattr("realtime_ext.connection._state.core.ConnectionState.not_restored", fails)
    monkeypatch.setattr("realtime_ext.connection._state.core.ConnectionState.link_ready", fails)
    with (
        ScriptedServer(Dropping()) as server,
        connect(runner, server, call_id="rtc_1") as connection,
    ):
        connection.commit_audio()
        with pytest.raises(ConnectionClosedError, match="failed to reconnect: LookupError"):
            connection.recv()
    assert "realtime_ext failed to reconnect; please report this\nTraceback" in caplog.text


@pytest.mark.parametrize("is_async", [False, True])
def test_an_approval_that_raises_is_a_refusal_and_ends_no_tools(
    runner: Runner, error: type[BaseException], is_async: bool
) -> None:
    if is_async and not runner.is_async:
        return

    async def later(item: object) -> bool:
        raise error

    answers: list[Any] = []

    def script(peer: Peer) -> None:
        peer.expect("input_audio_buffer.commit")
        for number in range(2):
            item = {"id": f"item_{number}", "type": "mcp_approval_request", "server_label": "x", "name": "y"}
            peer.send("conversation.item.done", previous_item_id=None, item={**item, "arguments": "{}"})
            answers.append(peer.expect("conversation.item.create")["item"]["approve"])
        peer.close()

    if runner.is_async and error is KeyboardInterrupt:  # which may be Ctrl-C
        return
    with ScriptedServer(script) as server, connect(runner, server) as connection:
        connection._target.run_tools([], approve=later if is_async else raising(error))
        connection.commit_audio()
        connection.run()
    assert answers == [False, False]


LOOP_DIES = """
import asyncio, sys, threading, time
from realtime_ext import RealtimeClient, RealtimeError
from realtime_ext.connection import _portal

def tried(function):
    def run():
        try:
            function()
        except RealtimeError as error:
            sys.stdout.write(f"{type(error).__name__} {error}\\n")  # in one piece
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread

client = RealtimeClient("key", base_url=sys.argv[1])
one, other = (client.connect(call_id="rtc_1").__enter__() for _ in range(2))
threads = [tried(one.recv), tried(lambda: other.wait_for("response.done"))]
portal, blocked, go_on = _portal.shared_portal(), threading.Event(), threading.Event()

def end():
    blocked.set()
    go_on.wait(10)
    sys.exit("a callback of the event loop")

portal.post(end)
blocked.wait(10)
before = len(portal._calls)
threads.append(tried(lambda: portal.run(asyncio.Event().wait)))  # the loop ends before it begins
while len(portal._calls) == before:
    time.sleep(0.01)
go_on.set()
for thread in threads:
    thread.join(10)
tried(one.commit_audio).join(10)
with client.connect(call_id="rtc_2") as connection:
    connection.commit_audio()
print("a new connection works", flush=True)
"""


def test_a_loop_that_dies_fails_its_callers_and_the_next_connection_starts_another() -> None:
    with ScriptedServer(lambda peer: peer.until_closed()) as server:
        done = subprocess.run(
            [sys.executable, "-c", LOOP_DIES, server.base_url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    *failures, last = done.stdout.splitlines()
    assert len(failures) == 4, done.stderr
    assert all(line.startswith("RealtimeError") and "a callback of the event" in line for line in failures)
    assert last == "a new connection works"


def test_two_readers_of_a_stream_are_refused(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("response.create")
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        stream = connection.stream("Hi")._target
        if runner.is_async:

            async def read() -> None:
                async with stream:
                    first = asyncio.ensure_future(anext(stream))
                    await asyncio.sleep(0)
                    with pytest.raises(RuntimeError, match="another task or thread"):
                        await anext(stream)
                    first.cancel()

            runner.run(read())
            return
        errors: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

        def reads() -> None:
            try:
                for _ in stream:
                    pass
            except (RuntimeError, ConnectionClosedError) as error:
                errors.put(error)

        with stream:
            threads = [threading.Thread(target=reads) for _ in range(2)]
            for thread in threads:
                thread.start()
            assert "another task or thread" in str(errors.get(timeout=PATIENCE))
            connection.close()
            assert isinstance(errors.get(timeout=PATIENCE), ConnectionClosedError)
            for thread in threads:
                thread.join(PATIENCE)


@pytest.mark.parametrize("raised", [asyncio.CancelledError, GeneratorExit, Unusual, SystemExit])
def test_a_tool_that_raises_anything_is_answered_and_ends_no_other(
    runner: Runner, raised: type[BaseException]
) -> None:
    def fails(count: int) -> str:
        raise raised

    async def fails_async(count: int) -> str:
        raise raised

    calls = [{"name": "fails", "call_id": "call", "arguments": '{"count": 1}'}]
    fails_async.__name__ = "fails"

    def answer(number: int) -> Any:
        return [{**calls[0], "call_id": f"call_{number}"}] if number % 2 else "sorry"

    with ScriptedServer(Model(answer)) as server, connect(runner, server) as connection:
        connection.run_tools([fails_async if runner.is_async else fails])
        for _ in range(2):
            turn = connection.ask("Hi", timeout=PATIENCE)
            assert turn.transcript == "sorry"
            assert "failed" in turn.tool_calls[0].output


@async_only
def test_a_failure_of_this_package_to_answer_a_tool_is_logged_as_such_and_ends_no_tools(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, failed = Turns.output, threading.Event()

    def fails(self: Turns, *arguments: Any) -> Any:
        if not failed.is_set():
            failed.set()
            raise LookupError("a mistake of this package")
        return real(self, *arguments)

    def fine(count: int) -> str:
        return "fine"

    def answer(number: int) -> Any:
        call = {"name": "fine", "call_id": f"call_{number}", "arguments": '{"count": 1}'}
        return [call] if number % 2 else "sorry"

    monkeypatch.setattr(Turns, "output", fails)
    with ScriptedServer(Model(answer)) as server, connect(runner, server) as connection:
        connection.run_tools([fine])
        connection.ask("Hi", timeout=PATIENCE)
        assert failed.is_set()
    assert "realtime_ext failed to answer a function call; please report this\nTraceback" in caplog.text
