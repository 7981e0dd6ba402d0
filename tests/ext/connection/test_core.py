"""The state without a socket: any interleaving of server events, requests, losses and closes."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import attrs
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from realtime_ext.connection._state.connect_plan import Role
from realtime_ext.connection._state.core import ConnectionState
from realtime_ext.connection._state.event_queue import LATEST
from realtime_ext.connection._state.messages import read_message
from realtime_ext.connection._state.reconnect import CloseInfo, Reconnect
from realtime_ext.connection._state.waiters import Waiter
from realtime_ext.errors import BadRequestError, ConnectionClosedError
from tests.support.examples import examples
from tests.support.rows import each


@attrs.define
class Server:
    """A server that follows the API's rules, and complains when the client doesn't."""

    active: str | None = None
    count: int = 0
    inbox: list[dict[str, Any]] = attrs.field(factory=list)


class Session(RuleBasedStateMachine):
    """A sideband that reconnects, its server, and a program that asks for responses and updates."""

    def __init__(self) -> None:
        super().__init__()
        self.core = ConnectionState(
            Role(is_sideband=True, plays=False), id_prefix="x", reconnect=Reconnect(attempts=2)
        )
        self.server = Server()
        self.tickets: list[Waiter[None]] = []
        self.granted: dict[Waiter[None], int] = {}  # ticket -> responses that the server had begun by then
        self.updates: list[tuple[str, Waiter[None]]] = []
        self.waiters: list[Waiter[Any]] = []
        self.delivered = 0
        self.taken = 0
        self.reconnect_task: Any = None

    # The server

    def say(self, kind: str, **fields: Any) -> None:
        self.delivered += 1
        tell(self.core, kind, event_id=f"event_{self.delivered}", **fields)

    @property
    def is_up(self) -> bool:
        return self.core.is_linked and self.core.close_info is None

    @precondition(lambda self: self.is_up and self.server.inbox)
    @rule()
    def server_answers(self) -> None:
        event = self.server.inbox.pop(0)
        if event["type"] == "session.update":
            self.say("session.updated", session={"type": "realtime", **event["session"]})
        elif event["type"] == "response.create":
            # The client must not have asked while one was active, unless the server began one by itself after
            # the client was let through.
            if self.server.active is None:
                self.begin()
            else:
                assert event["vad_since"] != self.server.count, "a second response was asked for"
                error = {"type": "t", "message": "m", "code": "conversation_already_has_active_response"}
                self.say("error", error={**error, "event_id": event["event_id"]})

    def begin(self) -> None:
        self.server.count += 1
        self.server.active = f"resp_{self.server.count}"
        self.say("response.created", response={"id": self.server.active, "conversation_id": "c"})

    @precondition(lambda self: self.is_up and self.server.active is None)
    @rule()
    def server_begins_by_itself(self) -> None:
        self.begin()

    @precondition(lambda self: self.is_up and self.server.active is not None)
    @rule(status=st.sampled_from(["completed", "cancelled", "failed", "incomplete"]))
    def server_ends_a_response(self, status: str) -> None:
        response = {"id": self.server.active, "conversation_id": "c", "status": status, "output": []}
        self.server.active = None
        self.say("response.done", response=response)

    @precondition(lambda self: self.is_up)
    @rule(
        kind=st.sampled_from(
            ["response.of_tomorrow", "rate_limits.updated", "conversation.item.done", "error"]
        )
    )
    def server_says_something_odd(self, kind: str) -> None:
        self.say(kind, item=None)

    # The program

    def send(self, content: dict[str, Any], *, since: int = 0) -> Any:
        out = self.core.client_events.write(content)
        waiter = self.core.sending(out)
        self.server.inbox.append({**out.content, "vad_since": since})
        return out, waiter

    @precondition(lambda self: self.core.close_info is None)
    @rule()
    def get_in_line(self) -> None:
        self.tickets.append(self.core.wait_turn())

    @precondition(lambda self: self.is_up and any(ticket.done for ticket in self.tickets))
    @rule(sends=st.booleans())
    def use_a_turn(self, sends: bool) -> None:
        ticket = next(ticket for ticket in self.tickets if ticket.done)
        self.tickets.remove(ticket)
        ticket.result()
        since = self.granted.pop(ticket)
        if sends:
            self.send({"type": "response.create"}, since=since)
        self.core.release(ticket)

    @precondition(lambda self: self.tickets)
    @rule()
    def give_up_waiting(self) -> None:
        self.core.release(self.tickets.pop())

    @precondition(lambda self: self.is_up)
    @rule()
    def update(self) -> None:
        out, waiter = self.send({"type": "session.update", "session": {"type": "realtime"}})
        self.updates.append((out.event_id, waiter))

    @precondition(lambda self: self.core.close_info is None)
    @rule()
    def wait_for_something(self) -> None:
        self.waiters.append(self.core.wait_for("response.done"))
        self.waiters.append(self.core.wait_link())

    @rule()
    def take(self) -> None:
        event = self.core.queue.take()
        if event is not None and not event.type.startswith("realtime_ext."):
            self.taken += 1

    # The network

    @precondition(lambda self: self.is_up)
    @rule(code=st.sampled_from([None, 1006, 1011, 1000, 1001, 4000]))
    def lose_the_link(self, code: int | None) -> None:
        self.reconnect_task = self.core.lost(ended(code), 0.0, lambda: 0.5)
        assert (self.reconnect_task is None) == (self.core.close_info is not None)
        self.server.inbox.clear()
        assert all(waiter.done for _, waiter in self.updates)

    @precondition(lambda self: self.reconnect_task is not None and self.core.close_info is None)
    @rule(succeeds=st.booleans())
    def reconnect(self, succeeds: bool) -> None:
        self.reconnect_task.link_lost("again", None)
        if self.reconnect_task.next() is None:
            self.core.finish(self.reconnect_task.given_up())
        elif succeeds:
            assert self.core.restored() == [], "a sideband resends nothing"
            self.core.link_ready(1, 10.0)
            # The gate is open again, since what goes on there isn't known; the server's state is forgiven.
            self.server.active = None
            self.reconnect_task = None

    @precondition(lambda self: self.core.close_info is None)
    @rule()
    def close(self) -> None:
        self.core.finish(CloseInfo.by_user())

    # What always holds

    @invariant()
    def grants_are_noted(self) -> None:
        for ticket in self.tickets:
            if ticket.done:
                self.granted.setdefault(ticket, self.server.count)

    @invariant()
    def one_turn_at_a_time(self) -> None:
        assert sum(ticket.done and self.core.close_info is None for ticket in self.tickets) <= 1

    @invariant()
    def a_free_queue_lets_the_next_one_through(self) -> None:
        if self.core.close_info is None and self.server.active is None and not self.server.inbox:
            assert not self.tickets or any(ticket.done for ticket in self.tickets)

    @invariant()
    def the_end_fills_all_waiters(self) -> None:
        if self.core.close_info is not None:
            for waiter in (*self.tickets, *self.waiters, *(waiter for _, waiter in self.updates)):
                assert waiter.done

    @invariant()
    def acknowledgements_come_in_order(self) -> None:
        states = [waiter.done for _, waiter in self.updates]
        assert states == sorted(states, reverse=True)

    def teardown(self) -> None:
        while (event := self.core.queue.take()) is not None:
            self.taken += not event.type.startswith("realtime_ext.")
        assert self.taken == self.delivered, "an event was lost"


Session.TestCase.settings = settings(max_examples=examples(300), stateful_step_count=40, deadline=None)
TestSession = Session.TestCase


def ended(code: int | None) -> CloseInfo:
    return CloseInfo.by_peer(code, "lost", expiry=None)


def protocol(**options: Any) -> ConnectionState:
    return ConnectionState(Role(), id_prefix="x", **options)


def tell(core: ConnectionState, kind: str, **fields: Any) -> None:
    core.apply(*read_message(json.dumps({"type": kind, "event_id": "e", **fields})))


def test_refusals_fill_the_update_that_they_name() -> None:
    core = protocol()
    waiters = []
    for number in range(3):
        out = core.client_events.write({"type": "session.update", "event_id": f"u{number}", "session": {}})
        waiters.append(core.sending(out))
    tell(core, "error", error={"type": "invalid_request_error", "message": "no", "event_id": "u1"})
    assert [waiter.done for waiter in waiters if waiter] == [False, True, False]
    with pytest.raises(BadRequestError, match="u1"):
        waiters[1].result()  # type: ignore[union-attr]
    tell(core, "session.updated", session={"type": "realtime"})
    tell(core, "error", error={"type": "t", "message": "no", "event_id": None, "param": "session.voice"})
    assert all(waiter.done for waiter in waiters if waiter)


def test_the_budget_warns_once_and_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    core = protocol(max_queue_bytes=1000)
    for _ in range(30):
        tell(core, "rate_limits.updated", rate_limits=[])
    assert core.close_info is not None
    assert "too slow" in core.close_info.reason
    with pytest.raises(ConnectionClosedError):
        core.wait_for("response.done").result()
    assert core.wait_for("rate_limits.updated").done
    assert sum("the limit is" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.slow
@each("message", [b'{"type":"a"}', b'{"type":"a","a":[' + b"[]," * 340 + b"[]]}"])
def test_small_and_nested_events_count_for_the_memory_that_they_take(message: bytes) -> None:
    core = protocol(max_queue_bytes=2**20)
    tracemalloc.start()
    while core.close_info is None:
        core.apply(*read_message(message, core.budget.size_of))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 2 * 2**20


def test_for_a_program_that_only_asks_the_latest_events_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "realtime_ext")
    core = protocol(max_queue_bytes=200_000)
    core.turns.close(core.open_turn())
    for number in range(3 * LATEST):
        tell(core, "later.event", number=number)
    assert core.close_info is None
    kept = [core.queue.take().data["number"] for _ in range(LATEST)]
    assert kept == list(range(2 * LATEST, 3 * LATEST))
    assert sum("not being consumed" in record.getMessage() for record in caplog.records) == 1
    for number in range(LATEST + 1):  # from now on they are consumed
        tell(core, "later.event", number=number)
    assert core.queue.take().data["number"] == 0


def test_a_session_is_warned_of_its_end_once() -> None:
    core = protocol()
    core.session.began(1000.0)
    assert core.session.warns_at() == 4300.0
    core.tick(4299.0)
    assert core.queue.take() is None
    core.tick(4301.0)
    core.tick(4302.0)
    assert core.queue.take().seconds_left == 299.0
    assert core.queue.take() is None


def test_long_text_is_not_scanned_for_its_memory_cost() -> None:
    """What is in a string is no value; an event without objects in it counts its fields."""
    delta = {"type": "response.output_text.delta", "event_id": "e", "delta": ",[{" * 1000}
    flat, nested = json.dumps(delta).encode(), json.dumps({**delta, "logprobs": []}).encode()
    core = protocol(max_queue_bytes=2**20)
    _, _, size = read_message(flat, core.budget.size_of)
    assert len(flat) < size < len(flat) + 1000
    assert read_message(nested, core.budget.size_of)[2] > 40 * size


def test_an_output_item_that_is_done_replaces_its_beginning_in_the_conversation() -> None:
    core = ConnectionState(Role(), id_prefix="x")
    begun = {"id": "item_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    done = {**begun, "status": "completed", "content": [{"type": "output_text", "text": "Hello."}]}
    tell(core, "conversation.item.added", item=begun, previous_item_id=None)
    tell(core, "response.output_item.done", item=done, response_id="resp_1", output_index=0)
    assert core.conversation.items == [done]
