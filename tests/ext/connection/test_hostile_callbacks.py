"""Callbacks that raise anything: an error there concerns its own connection, and no other."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from typing import Any

import pytest

from realtime_ext import ConnectionClosedError, RealtimeClient, RealtimeError
from realtime_ext.connection import _portal
from tests.ext.connection.driver import connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer
from tests.support.runner import Flavour


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


def test_a_loop_that_dies_fails_its_callers_and_the_next_connection_starts_another() -> None:
    failures: list[BaseException] = []
    with ScriptedServer(lambda peer: peer.until_closed()) as server:
        client = RealtimeClient("key", base_url=server.base_url)
        connections = [client.connect(call_id="rtc_1").__enter__() for _ in range(2)]

        def reads() -> None:
            try:
                connections[0].recv()
            except BaseException as error:
                failures.append(error)

        def waits() -> None:
            try:
                connections[1].wait_for("response.done")
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=target) for target in (reads, waits)]
        for thread in threads:
            thread.start()
        portal = _portal.shared_portal()
        assert portal.post(lambda: sys.exit("a callback of the event loop"))
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads)
        assert len(failures) == 2 and all(isinstance(failure, RealtimeError) for failure in failures)
        with pytest.raises(RealtimeError, match="a callback of the event loop"):
            connections[0].commit_audio()
        with client.connect(call_id="rtc_2") as connection:
            connection.commit_audio()
        client.close()
        connections.clear()


def test_two_readers_of_a_stream_are_refused(flavour: Flavour) -> None:
    def script(peer: Peer) -> None:
        peer.expect("response.create")
        peer.until_closed()

    with ScriptedServer(script) as server, connect(flavour, server) as connection:
        stream = connection.stream("Hi")._target
        if flavour.is_async:

            async def read() -> None:
                async with stream:
                    first = asyncio.ensure_future(anext(stream))
                    await asyncio.sleep(0)
                    with pytest.raises(RuntimeError, match="another task or thread"):
                        await anext(stream)
                    first.cancel()

            flavour.run(read())
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
    flavour: Flavour, raised: type[BaseException]
) -> None:
    def fails(count: int) -> str:
        raise raised

    async def fails_async(count: int) -> str:
        raise raised

    calls = [{"name": "fails", "call_id": "call", "arguments": '{"count": 1}'}]
    fails_async.__name__ = "fails"

    def answer(number: int) -> Any:
        return [{**calls[0], "call_id": f"call_{number}"}] if number % 2 else "sorry"

    with ScriptedServer(Model(answer)) as server, connect(flavour, server) as connection:
        connection.run_tools([fails_async if flavour.is_async else fails])
        for _ in range(2):
            turn = connection.ask("Hi", timeout=10)
            assert turn.transcript == "sorry"
            assert "failed" in turn.tool_calls[0].output
