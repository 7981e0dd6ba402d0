"""Callbacks that raise anything: an error there concerns its own connection, and no other."""

from __future__ import annotations

import asyncio
import queue
import subprocess
import sys
import threading
from typing import Any

import pytest

from realtime_ext import ConnectionClosedError, RealtimeClient
from tests.ext.connection.driver import connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer
from tests.support.paths import ROOT
from tests.support.runner import Runner


class Unusual(BaseException):
    """Neither an Exception nor one that Python itself raises."""


@pytest.fixture(params=[SystemExit, KeyboardInterrupt, Unusual])
def error(request: pytest.FixtureRequest) -> type[BaseException]:
    return request.param


def test_an_observer_that_raises_ends_neither_its_connection_nor_others(error: type[BaseException]) -> None:
    def observer(direction: str, event: Any, time: int) -> None:
        raise error

    with (
        ScriptedServer(Model()) as server,
        RealtimeClient("key", base_url=server.base_url) as client,
        client.connect("gpt-realtime") as other,
        client.connect("gpt-realtime", observer=observer) as own,
    ):
        assert own.ask("Hi", timeout=10).status == "completed"
        assert other.ask("Hi", timeout=10).status == "completed"


def test_what_a_condition_raises_is_raised_where_it_is_waited_for(error: type[BaseException]) -> None:
    def where(event: Any) -> bool:
        raise error

    with (
        ScriptedServer(Model()) as server,
        RealtimeClient("key", base_url=server.base_url) as client,
        client.connect("gpt-realtime") as connection,
        client.connect("gpt-realtime") as other,
    ):
        connection.send_text("Hi")
        with pytest.raises(error):
            connection.wait_for("conversation.item.added", where, timeout=10)
        assert other.ask("Hi", timeout=10).status == "completed"


LOOP_DIES = """
import sys, threading
from realtime_ext import RealtimeClient, RealtimeError
from realtime_ext.connection import _portal

def tried(function):
    def run():
        try:
            function()
        except RealtimeError as error:
            print(type(error).__name__, error, flush=True)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread

client = RealtimeClient("key", base_url=sys.argv[1])
one, other = (client.connect(call_id="rtc_1").__enter__() for _ in range(2))
threads = [tried(one.recv), tried(lambda: other.wait_for("response.done"))]
_portal.shared_portal().post(lambda: sys.exit("a callback of the event loop"))
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
            timeout=60,
        )
    *failures, last = done.stdout.splitlines()
    assert len(failures) == 3, done.stderr
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
            assert "another task or thread" in str(errors.get(timeout=10))
            connection.close()
            assert isinstance(errors.get(timeout=10), ConnectionClosedError)
            for thread in threads:
                thread.join(10)


@pytest.mark.parametrize("raised", [asyncio.CancelledError, Unusual, SystemExit])
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
            turn = connection.ask("Hi", timeout=10)
            assert turn.transcript == "sorry"
            assert "failed" in turn.tool_calls[0].output
