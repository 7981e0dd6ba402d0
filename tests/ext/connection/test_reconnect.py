"""Reconnecting: sidebands go on, model sessions only where it was asked for, and nothing is sent twice."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import threading
from typing import Any

import pytest

from realtime_ext import (
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConnectionClosedError,
    InternalServerError,
    TurnLost,
)
from realtime_ext.connection import Attempt, Reconnect, Reconnected
from tests.ext.connection.clocks import NO_PINGS, time_passes_after
from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer, session
from tests.support.rows import each
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE

AT_ONCE = {"first_delay": 0.0, "max_delay": 0.0}


def dropping(code: int, after: str) -> Any:
    """Make a script that ends with a code when an event has come."""

    def script(peer: Peer) -> None:
        peer.expect(after)
        peer.close(code, "restarting") if code != 1006 else peer.abort()

    return script


@each("code", [1006, 1011, 1012, 1013])
def test_a_sideband_reattaches_and_resends_nothing(runner: Runner, code: int) -> None:
    seen: list[Attempt] = []
    policy = Reconnect(**AT_ONCE, on_attempt=seen.append)
    with ScriptedServer(dropping(code, "response.cancel"), Model()) as server:
        with connect(runner, server, call_id="rtc_1", reconnect=policy) as connection:
            connection.send_text("said once")
            connection.cancel_response()
            event = connection.recv()
            assert isinstance(event, Reconnected)
            assert (event.attempts, event.replayed) == (1, 0)
            connection.commit_audio()
            server.wait_for("input_audio_buffer.commit")
    assert [attempt.number for attempt in seen] == [1]
    assert [event["type"] for event in server.peers[1].received] == ["input_audio_buffer.commit"]


@async_only
def test_a_sideband_reconnects_by_default(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(dropping(1011, "input_audio_buffer.commit"), Model()) as server:
        with connect(runner, server, call_id="rtc_1") as connection:
            connection.commit_audio()
            assert isinstance(connection.recv(), Reconnected)


@async_only
def test_a_link_that_is_dropped_at_once_counts_as_an_attempt(runner: Runner) -> None:
    with ScriptedServer(lambda peer: peer.close(1011, "try again")) as server:
        policy = Reconnect(attempts=4)
        with connect(runner, server, call_id="rtc_1", reconnect=policy) as connection:
            with pytest.raises(ConnectionClosedError, match="failed after 4 attempts: try again"):
                list(connection)
    assert runner.sleeps == [0.5, 1.0, 2.0, 4.0]
    assert len(server.requests) == 5


@async_only
def test_a_link_that_lasted_some_seconds_makes_the_pauses_short_again(runner: Runner) -> None:
    def lasting(peer: Peer) -> None:
        peer.expect("input_audio_buffer.commit")
        runner.now += 6
        peer.close(1011, "try again")

    with ScriptedServer(lasting, lasting, lasting, Model()) as server:
        with connect(runner, server, call_id="rtc_1", reconnect=Reconnect(attempts=1)) as connection:
            for _ in range(3):
                connection.commit_audio()
                assert connection.recv().attempts == 1
    assert runner.sleeps == [0.5, 0.5, 0.5]


@async_only
def test_a_sideband_ends_normally_with_its_call(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("input_audio_buffer.commit")
        peer.server._refusals += [(404, "", {})] * 5
        peer.abort()

    with ScriptedServer(script) as server:
        with connect(runner, server, call_id="rtc_1", reconnect=Reconnect(**AT_ONCE)) as connection:
            connection.commit_audio()
            assert list(connection) == []
    assert len(server.requests) == 2


@async_only
def test_a_key_that_is_refused_is_not_tried_again(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("input_audio_buffer.commit")
        peer.server._refusals += [(401, "", {})] * 5
        peer.abort()

    with ScriptedServer(script) as server:
        with connect(runner, server, call_id="rtc_1", reconnect=Reconnect(**AT_ONCE)) as connection:
            connection.commit_audio()
            with pytest.raises(ConnectionClosedError, match="401") as caught:
                list(connection)
    assert isinstance(caught.value.__cause__, AuthenticationError)
    assert len(server.requests) == 2


@async_only
def test_attempts_are_bounded(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("input_audio_buffer.commit")
        peer.server._refusals += [(503, "", {})] * 9
        peer.abort()

    with ScriptedServer(script) as server:
        policy = Reconnect(**AT_ONCE, attempts=3)
        with connect(runner, server, call_id="rtc_1", reconnect=policy) as connection:
            connection.commit_audio()
            with pytest.raises(ConnectionClosedError, match="3 attempts"):
                list(connection)
    assert len(server.requests) == 4


@each("options", [{"call_id": "rtc_1", "reconnect": False}, {"model": "gpt-realtime"}])
def test_without_a_reconnect_policy_a_lost_link_raises(runner: Runner, options: dict[str, Any]) -> None:
    with ScriptedServer(dropping(1011, "input_audio_buffer.commit"), Model()) as server:
        with connect(runner, server, **options) as connection:
            connection.commit_audio()
            with pytest.raises(ConnectionClosedError, match="restarting"):
                list(connection)
    assert len(server.requests) == 1


@async_only
@each("reconnect", [Reconnect(), True, "yes"])
def test_a_model_session_cannot_continue_without_a_replay(runner: Runner, reconnect: Any) -> None:
    with ScriptedServer() as server, pytest.raises((ValueError, TypeError), match="reconnect"):
        connect(runner, server, reconnect=reconnect)


class Faltering(Model):
    """Loses the link on the first commit, once."""

    def handle(self, peer: Peer, event: dict[str, Any]) -> None:
        super().handle(peer, event)
        if event["type"] == "input_audio_buffer.commit":
            peer.abort()


@async_only
def test_a_model_session_continues_with_configuration_and_items(runner: Runner) -> None:
    configured = {"type": "realtime", "model": "gpt-realtime", "instructions": "one"}
    policy = Reconnect(replay=True, **AT_ONCE)
    with ScriptedServer(Faltering(), Model()) as server:
        with connect(runner, server, session=configured, reconnect=policy) as connection:
            connection.update_session({"instructions": "two"})
            connection.ask("question")
            connection.commit_audio()
            for event in connection:
                if isinstance(event, Reconnected):
                    break
            assert event.replayed == 2
            assert connection.ask("again").transcript == "answer 1"
    update, *items = server.peers[1].received[:3]
    assert update["session"] == {**configured, "instructions": "two"}
    assert [item["item"] for item in items] == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "question"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "answer 1"}]},
    ]


CONFIGURED = {"type": "realtime", "model": "gpt-realtime", "instructions": "one"}
REPLAY = Reconnect(replay=True, **AT_ONCE)


def begins(peer: Peer) -> dict[str, Any]:
    """Begin a session as the API does, and give the update that comes."""
    peer.send("session.created", session=session(instructions="the server's own"))
    return peer.expect("session.update")


def refuses(kind: str) -> Any:
    """Make a script that refuses a session's configuration."""

    def script(peer: Peer) -> None:
        update = begins(peer)
        error = {"type": kind, "message": "not like that", "param": "session.instructions"}
        peer.send("error", error={**error, "event_id": update["event_id"]})
        peer.until_closed()

    return script


@async_only
def test_a_new_session_is_confirmed_before_the_connection_continues(runner: Runner) -> None:
    seen = threading.Event()

    def confirms_late(peer: Peer) -> None:
        update = begins(peer)
        peer.send("later.event")
        assert seen.wait(PATIENCE)
        peer.send("session.updated", session=session(**update["session"]))
        peer.until_closed()

    with ScriptedServer(Faltering(), confirms_late) as server:
        with connect(runner, server, session=CONFIGURED, reconnect=REPLAY) as connection:
            connection.ask("question")
            connection.commit_audio()
            kinds = []
            while "later.event" not in kinds:
                kinds.append(connection.recv().type)
            assert connection.session.instructions == "the server's own"
            assert [event["type"] for event in server.peers[1].received] == ["session.update"]
            seen.set()
            while kinds.count("session.updated") < 2 or "realtime_ext.reconnected" not in kinds:
                kinds.append(connection.recv().type)
            assert kinds[-2:] == ["session.updated", "realtime_ext.reconnected"]
            assert connection.session.instructions == "one"
            connection.clear_audio()
            server.wait_for("input_audio_buffer.clear")
    kinds = [event["type"] for event in server.peers[1].received]
    items = ["conversation.item.create"] * 2
    assert kinds == ["session.update", *items, "input_audio_buffer.clear"]


@async_only
def test_a_new_session_that_refuses_the_configuration_ends_the_connection(runner: Runner) -> None:
    with ScriptedServer(Faltering(), refuses("invalid_request_error")) as server:
        with connect(runner, server, session=CONFIGURED, reconnect=REPLAY) as connection:
            connection.commit_audio()
            events = []
            with pytest.raises(
                ConnectionClosedError, match=r"configuration was refused: not like that"
            ) as caught:
                for event in connection:
                    assert not isinstance(event, Reconnected)
                    events.append(event)
            assert events[-1].type == "error"
            with pytest.raises(ConnectionClosedError, match="not like that"):
                connection.clear_audio()
        server.wait(lambda: server.peers[1].close_code is not None)
    assert isinstance(caught.value.__cause__, BadRequestError)
    assert len(server.requests) == 2


def loses_the_link(peer: Peer) -> None:
    """Lose the link in place of a confirmation."""
    begins(peer)
    peer.abort()


# The time limit of a confirmation, which passes when `keeps_silent` has sent its event.
GIVES_UP = {"timeout": PATIENCE, "observer": time_passes_after("later.event"), **NO_PINGS}


def keeps_silent(peer: Peer) -> None:
    """Confirm nothing."""
    begins(peer)
    peer.send("later.event")
    peer.until_closed()


@async_only
@pytest.mark.parametrize("failing", [loses_the_link, keeps_silent, refuses("server_error")])
def test_a_new_session_that_is_not_confirmed_is_a_failed_attempt(runner: Runner, failing: Any) -> None:
    with ScriptedServer(Faltering(), failing, Model()) as server:
        options = {"session": CONFIGURED, "reconnect": REPLAY, **GIVES_UP}
        with connect(runner, server, **options) as connection:
            connection.ask("question")
            connection.commit_audio()
            event = connection.wait_for(Reconnected, timeout=None)
            assert (event.attempts, event.replayed) == (2, 2)
            assert connection.ask("again").status == "completed"
        server.wait(lambda: server.peers[1].close_code is not None or failing is loses_the_link)
    assert [event["type"] for event in server.peers[1].received] == ["session.update"]
    assert [item["item"]["role"] for item in server.of("conversation.item.create")[1:3]] == [
        "user",
        "assistant",
    ]


@async_only
@pytest.mark.parametrize(
    ("failing", "cause"), [(keeps_silent, APITimeoutError), (refuses("server_error"), InternalServerError)]
)
def test_new_sessions_that_are_never_confirmed_end_the_connection(
    runner: Runner, failing: Any, cause: type[Exception]
) -> None:
    policy = Reconnect(replay=True, **AT_ONCE, attempts=2)
    with ScriptedServer(Faltering(), failing) as server:
        options = {"session": CONFIGURED, "reconnect": policy, **GIVES_UP}
        with connect(runner, server, **options) as connection:
            connection.commit_audio()
            with pytest.raises(ConnectionClosedError, match="failed after 2 attempts") as caught:
                for event in connection:
                    assert not isinstance(event, Reconnected)
    assert isinstance(caught.value.__cause__, cause)


def test_closing_before_a_new_session_is_confirmed_ends_at_once(runner: Runner) -> None:
    attempts: list[Attempt] = []
    policy = Reconnect(replay=True, **AT_ONCE, on_attempt=attempts.append)
    with ScriptedServer(Faltering(), keeps_silent) as server:
        with connect(runner, server, session=CONFIGURED, reconnect=policy, timeout=None) as connection:
            connection.commit_audio()
            while connection.recv().type != "later.event":
                pass
        assert connection.is_closed
        server.wait(lambda: server.peers[1].close_code == 1000)
    assert len(attempts) == 1


@async_only
def test_an_event_queue_that_overflows_before_the_confirmation_ends_the_connection(runner: Runner) -> None:
    def floods(peer: Peer) -> None:
        begins(peer)
        for _ in range(30):
            peer.send("later.event", padding="x" * 1000)
        peer.until_closed()

    with ScriptedServer(Faltering(), floods) as server:
        options = {"session": CONFIGURED, "reconnect": REPLAY, "max_queue_bytes": 20_000}
        with connect(runner, server, **options) as connection:
            connection.commit_audio()
            with pytest.raises(ConnectionClosedError, match="consumer too slow"):
                connection.wait_for("nothing.comes")
        server.wait(lambda: server.peers[1].close_code == 1008)


@async_only
def test_the_end_of_the_hour_is_carried_over_too(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.send("session.created", session=session())
        peer.expect("input_audio_buffer.commit")
        peer.send("error", error={"type": "t", "code": "session_expired", "message": "over"})
        peer.close(1001, "session expired")

    policy = Reconnect(replay=True, **AT_ONCE)
    with ScriptedServer(script, Model()) as server, connect(runner, server, reconnect=policy) as connection:
        connection.commit_audio()
        kinds = [type(connection.recv()).__name__ for _ in range(4)]
        assert kinds[2] == "Reconnected"
        assert connection.ask("on").status == "completed"


@each("has_begun", [True, False])
def test_a_turn_that_was_under_way_is_lost_and_the_next_one_works(runner: Runner, has_begun: bool) -> None:
    def script(peer: Peer) -> None:
        peer.expect("response.create")
        if has_begun:
            peer.send("response.created", response={"id": "resp_1", "conversation_id": "conv_1"})
        peer.abort()

    policy = Reconnect(replay=True, **AT_ONCE)
    with ScriptedServer(script, Model()) as server, connect(runner, server, reconnect=policy) as connection:
        with pytest.raises(TurnLost, match="the connection reconnects: ask again") as caught:
            connection.ask("Hi")
        assert caught.value.has_begun is has_begun
        assert connection.ask("Hi").status == "completed"


@async_only
def test_what_a_tool_of_a_lost_session_returns_is_not_sent_to_the_next_one(runner: Runner) -> None:
    begun, lost = threading.Event(), threading.Event()

    def slow() -> str:
        """Run until the link is lost."""
        begun.set()
        assert lost.wait(PATIENCE)
        return "ok"

    first = Model(
        lambda number: [{"type": "function_call", "name": "slow", "call_id": "c", "arguments": "{}"}]
    )

    def script(peer: Peer) -> None:
        peer.send("session.created", session=session())
        while (event := peer.recv())["type"] != "response.create":
            first.handle(peer, event)
        first.handle(peer, event)
        assert begun.wait(PATIENCE)
        peer.abort()

    policy = Reconnect(replay=True, **AT_ONCE)
    with (
        ScriptedServer(script, Model()) as server,
        connect(runner, server, reconnect=policy, tools=[slow]) as connection,
    ):
        with pytest.raises(TurnLost):
            connection.ask("Hi")
        lost.set()
        assert connection.ask("Hi again").status == "completed"
        assert connection.ask("And again").status == "completed"
    outputs = [e for e in server.of("conversation.item.create") if e["item"]["type"] != "message"]
    assert outputs == [] and len(server.of("response.create")) == 3


@async_only
def test_a_turn_of_a_connection_that_ends_is_not_reported_as_lost(runner: Runner) -> None:
    with ScriptedServer(dropping(1006, "response.create")) as server, connect(runner, server) as connection:
        with pytest.raises(ConnectionClosedError) as caught:
            connection.ask("Hi")
        assert not isinstance(caught.value, TurnLost)


@async_only
def test_a_link_that_is_lost_again_while_replaying_loses_nothing(runner: Runner) -> None:
    def falters_at_once(peer: Peer) -> None:
        peer.abort()

    policy = Reconnect(replay=True, **AT_ONCE)
    with ScriptedServer(Faltering(), falters_at_once, falters_at_once, Model()) as server:
        with connect(runner, server, reconnect=policy) as connection:
            connection.ask("question")
            connection.commit_audio()
            for event in connection:
                if isinstance(event, Reconnected) and len(server.requests) == 4:
                    break
            assert connection.ask("again").status == "completed"
            words = [item.content[0].text or item.content[0].transcript for item in connection.items]
    assert words == ["question", "answer 1", "again", "answer 1"]


def test_closing_during_an_outage_ends_at_once(runner: Runner) -> None:
    with ScriptedServer(dropping(1006, "input_audio_buffer.commit"), refusals=()) as server:
        policy = Reconnect(first_delay=30.0)
        with connect(runner, server, call_id="rtc_1", reconnect=policy) as connection:
            connection.commit_audio()
            server.wait_for("input_audio_buffer.commit")
        assert connection.is_closed


@each("wrong", [{"attempts": 0}, {"attempts": 1.5}, {"first_delay": -1}, {"max_delay": float("inf")}])
def test_wrong_policies_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError), match=next(iter(wrong))):
        Reconnect(**wrong)
