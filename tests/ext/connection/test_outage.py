"""What waits for a link, or for its turn, when neither comes: it is given back at once and in the end."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pytest

from realtime_ext import ConnectionClosedError
from realtime_ext.connection import Reconnect
from realtime_ext.connection._state.client_events import contents_of
from realtime_ext.connection._state.connect_plan import Role
from realtime_ext.connection._state.core import ConnectionState
from realtime_ext.connection._state.reconnect import CloseInfo, Pending
from tests.ext.connection.driver import connect
from tests.ext.connection.scripted import Peer, ScriptedServer
from tests.support.rows import each
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE

SENDS = {
    "text": (lambda connection: connection.send_text("said in the outage"), ["conversation.item.create"]),
    "response": (lambda connection: connection.create_response(instructions="now"), ["response.create"]),
    "audio": (
        lambda connection: connection.append_audio(bytes(20 * 2**20)),
        ["input_audio_buffer.append"] * 2,
    ),
    "event": (lambda connection: connection.send({"type": "response.cancel"}), ["response.cancel"]),
}


class Outage(ScriptedServer):
    """A server that accepts no second connection once a sender waits."""

    held = threading.Event()

    def _admit(self, connection: Any, request: Any) -> Any:
        if self.requests:
            assert self.held.wait(PATIENCE)
            self._refusals.append((503, "", {}))
        return super()._admit(connection, request)


def until(runner: Runner, event: threading.Event) -> None:
    """Wait for what the reader does."""

    async def turning() -> None:
        while not event.is_set():
            await asyncio.sleep(0)

    if runner.is_async:
        runner.run(turning())
    assert event.wait(PATIENCE)


@pytest.mark.parametrize("name", SENDS)
def test_events_that_wait_during_an_outage_are_unsent_if_it_does_not_end(
    runner: Runner, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, kinds = SENDS[name]
    lost, hold = threading.Event(), Pending.hold
    monkeypatch.setattr(Outage, "held", threading.Event())

    def holding(self: Pending, *args: Any, **options: Any) -> None:
        hold(self, *args, **options)
        Outage.held.set() if options.get("for_link") else None

    monkeypatch.setattr(Pending, "hold", holding)
    policy = Reconnect(first_delay=0.0, attempts=1, on_attempt=lambda attempt: lost.set())
    with Outage(lambda peer: peer.abort()) as server:
        with connect(runner, server, call_id="rtc_1", reconnect=policy) as connection:
            until(runner, lost)
            with pytest.raises(ConnectionClosedError, match="503") as caught:
                send(connection)
            with pytest.raises(ConnectionClosedError, match="503") as ended:
                list(connection)
    assert [event["type"] for event in caught.value.unsent] == kinds
    assert ended.value.unsent == caught.value.unsent


@each("name", SENDS)
def test_events_sent_after_the_end_are_unsent(runner: Runner, name: str) -> None:
    send, kinds = SENDS[name]

    def script(peer: Peer) -> None:
        peer.close(1011, "broken")

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        with pytest.raises(ConnectionClosedError):
            list(connection)
        with pytest.raises(ConnectionClosedError, match="broken") as caught:
            send(connection)
    assert [event["type"] for event in caught.value.unsent] == kinds
    assert all(event["event_id"] for event in caught.value.unsent)


def test_queued_events_are_returned_to_each_sender() -> None:
    core = ConnectionState(Role(), id_prefix="x")
    core.sending(core.client_events.write({"type": "response.create"}))
    outs = [
        core.client_events.write({"type": "response.create", "response": {"instructions": text}})
        for text in "abc"
    ]
    waiters = [core.wait_turn(partial(contents_of, [out])) for out in outs]
    core.release(waiters.pop(1))  # who gave up waiting has nothing to be given back
    core.finish(CloseInfo.by_peer(1011, "broken", expiry=None))
    given = []
    for waiter in waiters:
        with pytest.raises(ConnectionClosedError) as caught:
            waiter.result()
        given.append([event["response"]["instructions"] for event in caught.value.unsent])
    assert given == [["a"], ["c"]]
    assert core.close_info is not None
    assert [event["response"]["instructions"] for event in core.close_info.error().unsent] == ["a", "c"]


def test_events_unsent_on_a_lost_link_are_in_the_final_error() -> None:
    core = ConnectionState(Role(), id_prefix="x")
    assert core.unsent(1006, "lost", [{"type": "one"}]).unsent == ({"type": "one"},)
    core.finish(CloseInfo.by_peer(1006, "lost", expiry=None))
    assert core.unsent(1006, "lost", [{"type": "two"}]).unsent == ({"type": "two"},)
    assert core.close_info is not None
    assert core.close_info.error().unsent == ({"type": "one"}, {"type": "two"})
