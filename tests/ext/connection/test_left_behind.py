"""Nothing stays behind a connection: no thread, no task, no call, whatever the other side does."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from realtime_ext import APIResponseError, AsyncRealtimeClient, RealtimeClient
from realtime_ext.connection import Reconnect, _io as io, _opening as opening
from tests.ext.connection.clocks import put_forward
from tests.ext.connection.driver import Driven, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer
from tests.support.loopback import Loopback, answer, say_nothing
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE, auntil

SESSION = {"type": "realtime", "model": "gpt-realtime"}


@pytest.fixture(autouse=True)
def _no_thread_stays_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = {thread for thread in threading.enumerate() if thread.ident} - before
    for thread in left:
        thread.join(PATIENCE)  # the server's may take a moment
    assert [thread.name for thread in left if thread.is_alive()] == []


def own_threads() -> list[str]:
    """The connections' threads that go on; one that is told to end may need a moment."""
    own = [thread for thread in threading.enumerate() if thread.name.startswith("realtime_ext")]
    for thread in own:
        thread.join(PATIENCE)
    return [thread.name for thread in own if thread.is_alive()]


def other_tasks() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]


def dribble(connection: socket.socket, server: Loopback) -> None:
    """Answer with a byte now and then, each in time, and never come to an end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while not server.closing.wait(0.02):
        connection.sendall(b"a")


# Hanging up


@pytest.mark.parametrize("step", [say_nothing, dribble])
@pytest.mark.parametrize("is_own", [True, False], ids=["own client", "client of the user"])
def test_hanging_up_ends_in_time_whatever_the_server_does(
    runner: Runner, step: Any, is_own: bool, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(opening, "HANGUP_TIMEOUT", 0.3)
    # The user's client makes a new connection for the second request, as it does after a pause.
    accepted = answer(200, connection="close")
    with Loopback(accepted, step) as rest, ScriptedServer(Model()) as server:
        options = {} if is_own else {"http_client": runner.http_client()}
        client = runner.client(
            base_url=rest.base_url, websocket_base_url=server.base_url.replace("http", "ws"), **options
        )
        with Driven(client.answer("rtc_1", SESSION), runner):
            pass
        assert own_threads() == []
        assert [request.target for request in rest.requests][1:] == ["/v1/realtime/calls/rtc_1/hangup"]
        if not is_own:
            assert not options["http_client"].is_closed
    assert "hanging up rtc_1 took longer" in caplog.text


def test_hanging_up_is_repeated_where_that_helps(runner: Runner) -> None:
    with Loopback(answer(200), answer(503, retry_after="0"), answer(200)) as rest:
        with ScriptedServer(Model()) as server:
            address = server.base_url.replace("http", "ws")
            client = runner.client(base_url=rest.base_url, websocket_base_url=address)
            with Driven(client.answer("rtc_1", SESSION), runner):
                pass
    assert [request.target.rpartition("/")[2] for request in rest.requests] == ["accept", "hangup", "hangup"]


# Closing amid a reconnect


def test_closing_cuts_the_handshake_of_a_reconnect(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("input_audio_buffer.commit")
        peer.abort()

    with ScriptedServer(script) as server:
        server.lets_in = 1
        policy = Reconnect(first_delay=0.0)
        with connect(runner, server, call_id="rtc_1", reconnect=policy, timeout=600.0) as connection:
            connection.commit_audio()
            if runner.is_async:  # the loop has to go on
                while len(server.requests) < 2:
                    runner.run(asyncio.sleep(0))
            else:
                server.wait(lambda: len(server.requests) == 2)
        assert own_threads() == []
        assert connection.is_closed


# Signals


def interrupt() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def test_an_interrupt_during_the_handshake_leaves_nothing_open() -> None:
    class Interrupting(ScriptedServer):
        def _admit(self, *handshake: Any) -> Any:
            interrupt()
            self.closing.wait()
            return super()._admit(*handshake)

    with Interrupting() as server, RealtimeClient("key", base_url=server.base_url) as client:
        with pytest.raises(KeyboardInterrupt):
            client.connect("gpt-realtime", timeout=600.0).__enter__()
        assert own_threads() == []


def test_an_interrupt_while_waiting_for_a_call_hangs_up() -> None:
    paths: list[str] = []

    def rest(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path.rpartition("/")[2])
        return httpx.Response(200)

    class Refusing(ScriptedServer):
        def _admit(self, *handshake: Any) -> Any:
            if len(self.requests) == 2:
                threading.Timer(0.05, interrupt).start()
            return super()._admit(*handshake)

    refusals = ((404, "", {}),) * 20
    with Refusing(refusals=refusals) as server, httpx.Client(transport=httpx.MockTransport(rest)) as http:
        with RealtimeClient("key", base_url=server.base_url, http_client=http) as client:
            with pytest.raises(KeyboardInterrupt):
                client.answer("rtc_1", SESSION).__enter__()
    assert len(server.requests) < 20
    assert paths == ["accept", "hangup"]


# Cancelling


async def cancelled_twice(task: asyncio.Task[None]) -> None:
    """Cancel a task, and once more while it reacts to that; it has to end as cancelled all the same."""
    task.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("how", ["connect", "answer"])
@pytest.mark.parametrize("stalls", [False, True], ids=["answering server", "stalling server"])
def test_cancelling_twice_leaves_no_task_and_no_call(
    how: str, stalls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(io, "GRACE", PATIENCE)
    hung_up: list[bool] = []
    left: list[str] = []

    async def rest(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("hangup"):
            for _ in range(20):
                await asyncio.sleep(0)
            hung_up.append(True)
        return httpx.Response(200)

    def script(peer: Peer) -> None:
        peer.send("session.updated", session={**SESSION, **peer.expect("session.update")["session"]})
        peer.server.closing.wait() if stalls else peer.until_closed()

    async def main() -> None:
        entered = asyncio.Event()
        http = httpx.AsyncClient(transport=httpx.MockTransport(rest))

        async def attend() -> None:
            opening = client.answer("rtc_1", SESSION) if how == "answer" else client.connect(session=SESSION)
            try:
                async with opening:
                    entered.set()
                    await asyncio.Event().wait()
            finally:
                left.extend(set(other_tasks()) - outer)

        async with http, AsyncRealtimeClient("key", base_url=server.base_url, http_client=http) as client:
            outer = {asyncio.current_task().get_name()}  # type: ignore[union-attr]
            task = asyncio.create_task(attend())
            await entered.wait()
            cancelling = asyncio.create_task(cancelled_twice(task))
            outer.add(cancelling.get_name())
            await auntil(lambda: hung_up or how == "connect")
            while stalls and not cancelling.done():  # for closing takes until the end of the grace period
                put_forward(asyncio.get_running_loop(), io.GRACE)
                await asyncio.sleep(0.01)
            await cancelling

    with ScriptedServer(script) as server:
        asyncio.run(main())
        server.closing.set()
    assert left == []
    assert hung_up == ([True] if how == "answer" else [])


def test_cancelling_a_second_time_while_the_first_is_being_served_still_closes() -> None:
    """The same for `close()` called by hand: it is finished, and then the cancellation is felt."""

    async def main() -> None:
        async with AsyncRealtimeClient("key", base_url=server.base_url) as client:
            connection = await client.connect("gpt-realtime").__aenter__()
            closing = asyncio.create_task(connection.close())
            await asyncio.sleep(0)
            await cancelled_twice(closing)
            assert connection.is_closed
            assert other_tasks() == []

    with ScriptedServer(Model()) as server:
        asyncio.run(main())


def test_a_task_that_suppresses_its_cancellation_does_not_block_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(io, "GRACE", 0.05)
    monkeypatch.setattr(io, "LAST_STEPS", 0.05)
    release = None

    async def stubborn() -> None:
        while not release.is_set():  # type: ignore[union-attr]
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()  # type: ignore[union-attr]

    async def main() -> None:
        nonlocal release
        release = asyncio.Event()
        task = asyncio.create_task(io.run_to_completion(stubborn()))
        await asyncio.sleep(0)
        await cancelled_twice(task)
        release.set()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert "did not end" in caplog.text


# Calls


def test_a_call_whose_answer_is_not_sdp_is_hung_up() -> None:
    paths: list[str] = []

    def rest(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path.removeprefix("/v1/realtime/"))
        if request.url.path.endswith("hangup"):
            return httpx.Response(200)
        headers = {"location": "/v1/realtime/calls/rtc_u1_x", "content-type": "application/sdp"}
        return httpx.Response(201, headers=headers, text="<html>")

    async def main() -> None:
        http = httpx.AsyncClient(transport=httpx.MockTransport(rest))
        async with http, AsyncRealtimeClient("key", http_client=http) as client:
            with pytest.raises(APIResponseError, match="SDP"):
                await client.dial(host_addresses=["127.0.0.1"]).__aenter__()
            assert other_tasks() == []

    asyncio.run(main())
    assert paths == ["calls", "calls/rtc_u1_x/hangup"]
