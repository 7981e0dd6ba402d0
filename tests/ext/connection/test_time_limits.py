"""What must not happen before its time, by a clock that is told what time it is."""

from __future__ import annotations

import asyncio

import pytest

from realtime_ext import APITimeoutError, AsyncRealtimeClient
from realtime_ext._core.time_limit import AFTER_STOP, SLICE, Countdown
from realtime_ext.errors import ConnectionClosedError
from tests.ext.connection.clocks import ToldTimers
from tests.ext.connection.scripted import Peer, ScriptedServer


def test_a_stop_counts_as_one_slice_and_what_has_arrived_comes_first() -> None:
    async def main() -> None:
        over, timers = asyncio.Event(), ToldTimers()
        Countdown(20.0, over.set, call_later=timers.call_later)
        for _ in range(39):
            timers.stop(60.0)
        await asyncio.sleep(0.01)
        assert not over.is_set()
        timers.advance(SLICE)
        assert not over.is_set()
        await over.wait()

    asyncio.run(main())


def test_after_a_stop_time_is_left_for_what_was_sent_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        over, timers, loop = asyncio.Event(), ToldTimers(), asyncio.get_running_loop()
        Countdown(20.0, over.set, call_later=timers.call_later, is_real=True)
        now = loop.time
        monkeypatch.setattr(loop, "time", lambda: now() + 80.0)
        timers.advance(20.0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not over.is_set()
        monkeypatch.undo()
        timers.advance(AFTER_STOP - 0.01)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not over.is_set()
        timers.advance(0.01)
        await over.wait()

    asyncio.run(main())


def silent(peer: Peer) -> None:
    """Greet, and take nothing: not even pings."""
    peer.send("session.created", session={})
    with peer.socket.protocol_mutex:  # without which the library can't take a ping
        peer.server.closing.wait()


def test_a_wait_ends_at_its_limit_and_not_before() -> None:
    async def main() -> None:
        timers = ToldTimers()
        with ScriptedServer(silent) as server:
            async with (
                timers.on(AsyncRealtimeClient("sk-x", base_url=server.base_url)) as client,
                client.connect("gpt-realtime", websocket_options={"close_timeout": 0.05}) as connection,
            ):
                waiting = asyncio.create_task(connection.wait_for("later.event", timeout=60))
                await asyncio.sleep(0)
                timers.advance(59.9)
                await asyncio.sleep(0.05)
                assert not waiting.done()
                timers.advance(0.2)
                with pytest.raises(APITimeoutError, match=r"later\.event did not arrive within 60 s"):
                    await waiting
            server.closing.set()

    asyncio.run(main())


def test_a_peer_has_all_its_time_to_answer_a_ping() -> None:
    async def main() -> None:
        timers = ToldTimers()
        with ScriptedServer(silent) as server:
            options = {"ping_interval": 0.01, "ping_timeout": 40, "close_timeout": 0.05}
            async with (
                timers.on(AsyncRealtimeClient("sk-x", base_url=server.base_url)) as client,
                client.connect("gpt-realtime", websocket_options=options) as connection,
            ):
                while not any(timer.function for _, timer in timers._waiting):
                    await asyncio.sleep(0.01)
                timers.advance(39.9)
                await asyncio.sleep(0.05)
                assert not connection.is_closed
                timers.advance(0.2)
                with pytest.raises(ConnectionClosedError, match="ping timeout"):
                    await connection.wait_for("later.event", timeout=None)
            server.closing.set()

    asyncio.run(main())
