"""Interruptions while sending: a stalled link, a response with a missed start, an observer, other limits."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from realtime_ext import APITimeoutError, AsyncRealtimeClient, RealtimeClient
from realtime_ext.connection import Connecting
from realtime_ext.connection._state.connect_plan import Role
from realtime_ext.connection._state.core import ConnectionState
from realtime_ext.connection._state.reconnect import CloseInfo, Reconnect
from realtime_ext.events import parse_event
from tests.ext.connection.clocks import NO_PINGS, time_passes_after
from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer, nothing_leaves, session
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE, auntil, joined, until

CHUNK = bytes(300_000)
BUSY = {
    "type": "invalid_request_error",
    "code": "conversation_already_has_active_response",
    "message": "busy",
}
EARLIER = {"id": "resp_before", "object": "realtime.response", "conversation_id": "conv_1", "output": []}


def sync_connect(server: ScriptedServer, **options: Any) -> Connecting:
    """Connect the sync client, which has threads."""
    return RealtimeClient("key", base_url=server.base_url).connect("gpt-realtime", **options)


class Stalling:
    """A server that takes nothing for a while.

    Attributes:
        stalled: Set when it begins.
        goes_on: What it waits for.
    """

    def __init__(self) -> None:
        self.stalled, self.goes_on = threading.Event(), threading.Event()

    def __call__(self, peer: Peer) -> None:
        model = Model(speaks=False)
        peer.send("session.created", session=session())
        peer.expect("conversation.item.retrieve")
        with peer.socket.protocol_mutex:  # without which the library reads no further
            self.stalled.set()
            self.goes_on.wait(PATIENCE)
        while True:
            model.handle(peer, peer.recv())


def test_a_question_cancelled_while_sending_does_not_block_the_next() -> None:
    script = Stalling()

    async def main() -> None:
        client = AsyncRealtimeClient("key", base_url=server.base_url)
        async with client, client.connect("gpt-realtime") as connection:
            await connection.retrieve_item("item_1")
            await asyncio.to_thread(script.stalled.wait, PATIENCE)

            async def fill() -> None:
                while True:
                    await connection.append_audio(CHUNK)

            filling = asyncio.create_task(fill())
            await auntil(nothing_leaves(connection))
            with pytest.raises(APITimeoutError):
                await connection.ask("first", timeout=0.3)
            filling.cancel()
            await asyncio.wait([filling])
            script.goes_on.set()
            assert (await connection.ask("second", timeout=PATIENCE)).text == "answer 1"

    with ScriptedServer(script, max_queue=1) as server:
        asyncio.run(main())


def test_ask_keeps_its_time_limit_while_the_link_accepts_nothing() -> None:
    script = Stalling()
    with ScriptedServer(script, max_queue=1) as server, sync_connect(server) as connection:
        connection.retrieve_item("item_1")
        assert script.stalled.wait(PATIENCE)
        stopped = threading.Event()

        def fill() -> None:
            while not stopped.is_set():
                connection.append_audio(CHUNK)

        filling = threading.Thread(target=fill)
        filling.start()
        until(nothing_leaves(connection._inner))
        with pytest.raises(APITimeoutError, match=r"nothing was sent within 0.2 s"):
            connection.ask("first", timeout=0.2)
        with pytest.raises(APITimeoutError, match=r"nothing was sent within 0.2 s: the audio before it"):
            connection.update_session({"type": "realtime", "instructions": "x"}, timeout=0.2)
        stopped.set()
        script.goes_on.set()
        joined(filling)
        assert connection.ask("second", timeout=PATIENCE).text == "answer 1"
    said = [event for event in server.received if event["type"] == "conversation.item.create"]
    assert len(said) == 1
    assert not any(event["type"] == "session.update" for event in server.received)


@async_only
def test_a_response_that_began_before_is_waited_for(runner: Runner) -> None:
    model = Model(speaks=False)

    def script(peer: Peer) -> None:
        peer.send("session.created", session=session())
        model.handle(peer, peer.expect("conversation.item.create"))
        peer.send("error", error={**BUSY, "event_id": peer.expect("response.create")["event_id"]})
        peer.send("response.done", response=EARLIER)
        while True:
            model.handle(peer, peer.recv())

    with ScriptedServer(script) as server, connect(runner, server, call_id="rtc_1") as connection:
        assert connection.ask("Hello?", timeout=PATIENCE).text == "answer 1"
        assert len(server.of("response.create")) == 2


def test_no_response_is_requested_until_an_earlier_one_is_done() -> None:
    core = ConnectionState(Role(is_sideband=True), id_prefix="x")

    def tell(kind: str, **fields: Any) -> None:
        content = {"type": kind, "event_id": kind, **fields}
        core.apply(content, parse_event(content), 100)

    for over in ("response.done", "response.created"):
        turn = core.wait_turn()
        create = core.client_events.write({"type": "response.create"})
        core.sending(create)
        core.release(turn)
        tell("error", error={**BUSY, "event_id": create.event_id})
        again = core.wait_turn()
        assert turn.done and not again.done
        tell(over, response=EARLIER if over == "response.done" else {**EARLIER, "id": "resp_next"})
        if over == "response.created":
            assert not again.done
            tell("response.done", response={**EARLIER, "id": "resp_next"})
        assert again.done
        core.release(again)


@async_only
def test_waiting_in_vain_for_a_response_that_began_before_lets_the_next_one_try(runner: Runner) -> None:
    model = Model(speaks=False)

    def script(peer: Peer) -> None:
        peer.send("session.created", session=session())
        model.handle(peer, peer.expect("conversation.item.create"))
        peer.send("error", error={**BUSY, "event_id": peer.expect("response.create")["event_id"]})
        peer.send("later.event")
        while True:
            model.handle(peer, peer.recv())

    options = {"call_id": "rtc_1", "observer": time_passes_after("later.event"), **NO_PINGS}
    with ScriptedServer(script) as server, connect(runner, server, **options) as connection:
        with pytest.raises(APITimeoutError):
            connection.ask("Hello?", timeout=PATIENCE)
        assert connection.ask("Still there?", timeout=PATIENCE).text == "answer 1"


def test_a_handlers_own_time_limit_is_not_the_questions(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        model = Model(speaks=False)
        peer.send("session.created", session=session())
        while True:
            model.handle(peer, peer.recv())

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        target = connection._target

        async def handler(event: Any) -> None:
            await target.wait_for("never.comes", timeout=0.05)

        def sync_handler(event: Any) -> None:
            target.wait_for("never.comes", timeout=0.05)

        target.on("response.created", handler if runner.is_async else sync_handler)
        with pytest.raises(APITimeoutError, match=r"^never.comes did not arrive within 0.05 s"):
            connection.ask("Hello?", timeout=PATIENCE)


def test_an_observer_that_sends_gets_an_error_and_blocks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def script(peer: Peer) -> None:
        peer.send("session.created", session=session())
        peer.expect("input_audio_buffer.commit")
        peer.send("rate_limits.updated", rate_limits=[])
        peer.until_closed()

    held: list[Any] = []

    def observer(direction: str, event: Any, at: int) -> None:
        if event.type == "rate_limits.updated":
            held[0].clear_audio()

    with ScriptedServer(script) as server, sync_connect(server, observer=observer) as connection:
        held.append(connection)
        with connection.expect("rate_limits.updated") as expected:
            connection.commit_audio()
            expected.wait(PATIENCE)
        connection.commit_audio()
    assert not any(event["type"] == "input_audio_buffer.clear" for event in server.received)
    assert sum("observer: it can't send" in record.getMessage() for record in caplog.records) == 1


def test_unsent_events_are_reported_once() -> None:
    core = ConnectionState(Role(is_sideband=True), id_prefix="x", reconnect=Reconnect())
    core.lost(CloseInfo.by_peer(1006, "lost", expiry=None), 0.0, lambda: 0.0)
    given_back = core.unsent(1006, "lost", [{"type": "input_audio_buffer.commit"}]).unsent
    assert given_back == ({"type": "input_audio_buffer.commit"},)
    core.restored()
    core.link_ready(1, 10.0)
    core.finish(CloseInfo.by_user())
    assert core.close_info is not None and core.close_info.unsent == ()
