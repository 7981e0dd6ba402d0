"""Bad networks and bad peers: what is lost, what is not, and that nothing hangs or stays behind."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_ext import AsyncRealtimeClient, ConnectionClosedError, RealtimeClient, SessionExpired
from realtime_ext.connection import SessionExpiring
from realtime_ext.events import UnknownEvent
from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer, session
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE


@pytest.fixture(autouse=True)
def _nothing_stays_behind(runner: Runner) -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("realtime_ext")] == []
    if runner._loop is not None:

        async def names() -> list[str]:
            return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]

        assert runner.run(names()) == []


def test_a_lost_link_is_raised_after_what_came(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.send("session.created", session=session())
        peer.expect("input_audio_buffer.commit")
        peer.abort()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        connection.commit_audio()
        assert connection.recv().type == "session.created"
        with pytest.raises(ConnectionClosedError, match="lost") as caught:
            connection.recv()
    assert caught.value.code == 1006


@async_only
def test_a_link_lost_within_a_frame_loses_only_that_frame(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.send("session.created", session=session())
        peer.bytes_on_the_wire(b"\x81\x7e" + struct.pack("!H", 500) + b'{"type": "response.do')
        peer.abort()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        seen = []
        with pytest.raises(ConnectionClosedError):
            seen += connection
        del seen
        assert connection.is_closed


@async_only
def test_invalid_frames_end_the_connection_with_a_reason(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.bytes_on_the_wire(b"\xff\xff\xff\xff")
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        with pytest.raises(ConnectionClosedError) as caught:
            list(connection)
    assert caught.value.code == 1002


@pytest.mark.slow
@async_only
def test_frames_of_20_mb_come_through(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.send("large.event", text="x" * 20 * 2**20)
        peer.close()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        [event] = list(connection)
    assert len(event.data["text"]) == 20 * 2**20


@async_only
def test_frames_beyond_the_limit_end_the_connection_with_a_reason(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.send("large.event", text="x" * 5000)
        peer.until_closed()

    options = {"websocket_options": {"max_size": 4096}}
    with ScriptedServer(script) as server, connect(runner, server, **options) as connection:
        with pytest.raises(ConnectionClosedError) as caught:
            list(connection)
    assert caught.value.code == 1009


@async_only
def test_a_binary_frame_with_json_is_an_event(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.raw(json.dumps({"type": "later.event"}).encode())
        peer.close()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        assert [event.type for event in connection] == ["later.event"]


def test_a_consumer_that_is_too_slow_ends_the_connection_after_a_warning(
    runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    def script(peer: Peer) -> None:
        for number in range(40):
            peer.send("later.event", number=number, padding="x" * 1000)
        peer.until_closed()

    with ScriptedServer(script) as server:
        with connect(runner, server, max_queue_bytes=20_000) as connection:
            with pytest.raises(
                ConnectionClosedError, match=r"consumer too slow: .* none was consumed \(iterate"
            ):
                connection.wait_for("nothing.comes")
            kept = []
            with pytest.raises(ConnectionClosedError, match="consumer too slow"):
                for event in connection:
                    kept.append(event.data["number"])
            assert kept == list(range(len(kept)))
            assert len(kept) > 15
        server.wait(lambda: server.peers[0].close_code is not None)
        assert server.peers[0].close_code == 1008
    [warning] = [text for text in caplog.messages if "the limit is 20000" in text]
    assert "events are not being consumed" in warning
    assert "call run()" in warning


def test_a_slow_consumer_gets_another_message_than_an_absent_one(
    runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    def script(peer: Peer) -> None:
        peer.send("session.created", session=session())
        peer.expect("input_audio_buffer.commit")
        for number in range(40):
            peer.send("later.event", number=number, padding="x" * 1000)
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server, max_queue_bytes=20_000) as connection:
        assert connection.recv().type == "session.created"
        connection.commit_audio()
        with pytest.raises(ConnectionClosedError, match=r"bytes of events were queued$"):
            connection.wait_for("nothing.comes")
    [warning] = [text for text in caplog.messages if "the limit is 20000" in text]
    assert warning.startswith("events arrive faster than they are consumed")


@async_only
def test_unknown_repeated_and_disordered_events_do_no_harm(runner: Runner) -> None:
    class Untidy(Model):
        def handle(self, peer: Peer, event: dict[str, Any]) -> None:
            sent = []
            peer.send = lambda kind, **fields: sent.append((kind, fields))  # type: ignore[method-assign]
            super().handle(peer, event)
            del peer.send  # type: ignore[method-assign]
            items = [entry for entry in sent if entry[0].startswith("conversation.")]
            others = [entry for entry in sent if not entry[0].startswith("conversation.")]
            for number, (kind, fields) in enumerate([*reversed(items), *others]):
                peer.send(kind, **fields)
                peer.send(kind, **fields)
                if number % 10 == 0:
                    peer.send("response.of_tomorrow", response_id="resp_1")

    with ScriptedServer(Untidy()) as server, connect(runner, server) as connection:
        assert connection.ask("first").status == "completed"
        assert connection.ask("second").status == "completed"
        items = connection.items
        connection.close()
        events = list(connection)
    words = [item.content[0].text or item.content[0].transcript for item in items]
    assert words == ["first", "answer 1", "second", "answer 2"]
    assert events == [] or any(isinstance(event, UnknownEvent) or event.type for event in events)


def test_a_peer_that_stalls_does_not_keep_the_block_from_ending(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.server.closing.wait()

    with ScriptedServer(script) as server:
        with connect(runner, server, websocket_options={"close_timeout": 0.1}) as connection:
            connection.commit_audio()
        assert connection.is_closed
        server.closing.set()


def test_closing_again_and_from_elsewhere_is_harmless(runner: Runner) -> None:
    with ScriptedServer(Model()) as server:
        with connect(runner, server) as connection:
            connection.on("session.created", lambda event: closed.append(event))
            closed: list[Any] = []
            connection.recv()
            connection.close()
            connection.close()
            assert list(connection) == []
            with pytest.raises(ConnectionClosedError) as caught:
                connection.commit_audio()
        connection.close()
    assert caught.value.code == 1000
    assert [event["type"] for event in caught.value.unsent] == ["input_audio_buffer.commit"]
    assert len(closed) == 1


def test_unsent_events_are_returned(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.close(1011, "broken")

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        with pytest.raises(ConnectionClosedError):
            list(connection)
        with pytest.raises(ConnectionClosedError, match="broken") as caught:
            connection.send({"type": "input_audio_buffer.clear", "event_id": "mine"})
        assert caught.value.unsent == ({"type": "input_audio_buffer.clear", "event_id": "mine"},)
        with pytest.raises(ConnectionClosedError) as caught:
            connection.append_audio(b"12")
        assert len(caught.value.unsent) == 1


@async_only
def test_the_end_of_the_hour_has_an_error_of_its_own_and_a_warning_before(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.send("session.created", session=session(expires_at=int(runner.now) + 240))
        peer.expect("input_audio_buffer.commit")
        error = {"type": "invalid_request_error", "code": "session_expired", "message": "60 minutes are over"}
        peer.send("error", error=error)
        peer.close(1001, "session expired")

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        assert connection.recv().type == "session.created"
        warning = connection.recv()
        assert isinstance(warning, SessionExpiring)
        assert warning.seconds_left == 240
        connection.commit_audio()
        assert connection.recv().type == "error"
        with pytest.raises(SessionExpired, match=r"session expired: 60 minutes are over$") as caught:
            connection.recv()
    assert caught.value.code == 1001


@async_only
def test_the_servers_message_on_the_end_is_bounded_and_shows_no_secret(runner: Runner) -> None:
    secret = "ek" + "_0123456789abcdef0123456789abcdef"

    def script(peer: Peer) -> None:
        message = f"The session of {secret} is over. " + "x" * 5000
        peer.send("error", error={"type": "t", "code": "session_expired", "message": message})
        peer.close(1001)

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        with pytest.raises(SessionExpired, match="The session of") as caught:
            list(connection)
    assert secret not in str(caught.value) + caught.value.reason
    assert len(caught.value.reason) < 400


def test_a_body_that_raises_is_closed_behind(runner: Runner) -> None:
    with ScriptedServer(Model()) as server:
        with pytest.raises(ZeroDivisionError), connect(runner, server) as connection:
            connection.recv()
            raise ZeroDivisionError
        server.wait(lambda: server.peers[0].close_code is not None)


def test_threads_share_a_connection() -> None:
    """Eight threads ask at once: each gets its own answer, one after the other."""
    with ScriptedServer(Model()) as server, RealtimeClient("key", base_url=server.base_url) as client:
        turns: list[Any] = []
        with client.connect("gpt-realtime") as connection:
            threads = [
                threading.Thread(target=lambda: turns.append(connection.ask("Hi", timeout=PATIENCE)))
                for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert sorted(turn.transcript for turn in turns) == [f"answer {number}" for number in range(1, 9)]
    assert all(len(turn.response_ids) == 1 for turn in turns)


def test_tasks_share_a_connection_and_cancelling_one_is_felt_by_no_other() -> None:
    async def main() -> None:
        async with AsyncRealtimeClient("key", base_url=server.base_url) as client:
            async with client.connect("gpt-realtime") as connection:
                consumers = [asyncio.ensure_future(connection.recv()) for _ in range(2)]
                cancelled = asyncio.ensure_future(connection.wait_for("nothing.comes"))
                await asyncio.wait(consumers, return_when=asyncio.FIRST_COMPLETED)
                cancelled.cancel()
                turns = await asyncio.gather(*(connection.ask("Hi") for _ in range(5)))
                await asyncio.gather(*consumers)
        assert sorted(turn.transcript for turn in turns) == [f"answer {number}" for number in range(1, 6)]
        assert cancelled.cancelled()

    with ScriptedServer(Model()) as server:
        asyncio.run(main())


def test_a_cancelled_ask_cancels_its_response() -> None:
    def script(peer: Peer) -> None:
        peer.expect("response.create")
        peer.send("response.created", response={"id": "resp_1", "conversation_id": "conv_1"})
        peer.until_closed()

    async def main() -> None:
        async with AsyncRealtimeClient("key", base_url=server.base_url) as client:
            async with client.connect("gpt-realtime") as connection:
                asking = asyncio.ensure_future(connection.ask("Hi"))
                await connection.wait_for("response.created")
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking

    with ScriptedServer(script) as server:
        asyncio.run(main())
        assert server.wait_for("response.cancel")[0]["response_id"] == "resp_1"
