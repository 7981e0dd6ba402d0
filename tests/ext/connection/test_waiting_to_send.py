"""Waiting for a link or for one's turn: bounded by the time limit, and nothing is left behind."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from realtime_ext import APITimeoutError, ConnectionClosedError
from realtime_ext.connection import Reconnect
from tests.ext.connection.driver import Driven, async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer
from tests.support.rows import each
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE

ONGOING = {"id": "resp_0", "conversation_id": "conv_1", "metadata": None}


class Parrot(Model):
    """Says what the user said last."""

    def __init__(self) -> None:
        super().__init__(lambda number: self.heard)
        self.heard = ""

    def add(self, peer: Peer, item: dict[str, Any]) -> dict[str, Any]:
        self.heard = item["content"][0]["text"]
        return super().add(peer, item)


def together(runner: Runner, connection: Driven, *calls: Callable[[Any], Any]) -> list[Any]:
    """Call all at the same time; give their results or exceptions."""
    target = object.__getattribute__(connection, "_target")
    if runner.is_async:

        async def gathered() -> list[Any]:
            return await asyncio.gather(*(call(target) for call in calls), return_exceptions=True)

        return list(runner.run(gathered()))
    with ThreadPoolExecutor(len(calls)) as pool:
        tasks = [pool.submit(call, target) for call in calls]
        return [task.exception() or task.result() for task in tasks]


def until(connection: Any, condition: Callable[[], bool]) -> None:
    """Keep the connection's loop running until something holds."""
    while not condition():
        with pytest.raises(APITimeoutError):
            connection.wait_for("rate_limits.updated", timeout=0.01)


@each(
    "told",
    [
        lambda connection: connection.ask("Hi", timeout=0.05),
        lambda connection: connection.update_session({"instructions": "x"}, timeout=0.05),
        lambda connection: connection.create_response(timeout=0.05),
        lambda connection: connection.create_response(conversation="none", timeout=0.05),
    ],
    ids=["ask", "update_session", "create_response", "beside the conversation"],
)
def test_a_time_limit_holds_while_the_link_is_down(runner: Runner, told: Callable[[Any], Any]) -> None:
    def script(peer: Peer) -> None:
        peer.expect("input_audio_buffer.commit")
        peer.server._refusals += [(503, "", {})] * 100_000
        peer.abort()

    attempts: list[Any] = []
    policy = Reconnect(first_delay=0.01, max_delay=0.01, attempts=100_000, on_attempt=attempts.append)
    with ScriptedServer(script, Model()) as server:
        with connect(runner, server, call_id="rtc_1", reconnect=policy) as connection:
            connection.commit_audio()
            until(connection, lambda: bool(attempts))
            with pytest.raises(APITimeoutError, match=r"nothing was sent.* 0\.05 s"):
                told(connection)
            server._refusals.clear()
            connection.wait_for("realtime_ext.reconnected")
            connection.clear_audio()
            server.wait_for("input_audio_buffer.clear")
            assert connection.ask("Again").transcript == "answer 1"
    kinds = [event["type"] for event in server.peers[1].received]
    assert kinds == ["input_audio_buffer.clear", "conversation.item.create", "response.create"]


def busy(then: Callable[[Peer], None]) -> Callable[[Peer], None]:
    """Make a script with a response that is going on until audio is committed."""

    def script(peer: Peer) -> None:
        peer.send("response.created", response=ONGOING)
        peer.expect("input_audio_buffer.commit")
        then(peer)

    return script


def finish(peer: Peer) -> None:
    peer.send("response.done", response={**ONGOING, "status": "completed", "output": []})
    model = Parrot()
    while True:
        model.handle(peer, peer.recv())


@async_only
@each(
    "told",
    [
        lambda connection: connection.ask("Late", timeout=0.05),
        lambda connection: connection.create_response(timeout=0.05),
    ],
    ids=["ask", "create_response"],
)
def test_a_response_without_an_end_is_not_waited_for_forever(
    runner: Runner, told: Callable[[Any], Any]
) -> None:
    with ScriptedServer(busy(finish)) as server, connect(runner, server) as connection:
        assert connection.recv().type == "response.created"
        with pytest.raises(APITimeoutError, match=r"nothing was sent.*previous response"):
            told(connection)
        connection.commit_audio()
        assert connection.ask("In time").transcript == "In time"
    kinds = [event["type"] for event in server.received]
    assert kinds == ["input_audio_buffer.commit", "conversation.item.create", "response.create"]


def test_each_question_gets_its_own_answer(runner: Runner) -> None:
    questions = [f"question {number}" for number in range(5)]
    with ScriptedServer(Parrot()) as server, connect(runner, server) as connection:
        calls = [lambda target, text=text: target.ask(text) for text in questions]
        turns = together(runner, connection, *calls)
    assert [turn.transcript for turn in turns] == questions
    kinds = [event["type"] for event in server.received]
    assert kinds == ["conversation.item.create", "response.create"] * len(questions)


@async_only
def test_a_question_in_line_goes_out_on_the_new_link(runner: Runner) -> None:
    policy = Reconnect(first_delay=0.0, max_delay=0.0)
    with ScriptedServer(busy(Peer.abort), Parrot()) as server:
        with connect(runner, server, call_id="rtc_1", reconnect=policy) as connection:
            assert connection.recv().type == "response.created"
            turn, _ = together(
                runner, connection, lambda target: target.ask("Hi"), lambda target: target.commit_audio()
            )
            assert turn.transcript == "Hi"
    assert [len(peer.received) for peer in server.peers] == [1, 2]


@each(
    "told, kinds",
    [
        (lambda target: target.ask("Hi"), ["conversation.item.create", "response.create"]),
        (lambda target: target.create_response(), ["response.create"]),
    ],
    ids=["ask", "create_response"],
)
def test_queued_events_are_returned_when_the_connection_ends(
    runner: Runner, told: Callable[[Any], Any], kinds: list[str]
) -> None:
    script = busy(lambda peer: peer.close(1008, "no more"))
    with ScriptedServer(script) as server, connect(runner, server) as connection:
        assert connection.recv().type == "response.created"
        error, _ = together(runner, connection, told, lambda target: target.commit_audio())
        assert isinstance(error, ConnectionClosedError)
        assert [event["type"] for event in error.unsent] == kinds
    assert [event["type"] for event in server.received] == ["input_audio_buffer.commit"]


@async_only
def test_the_time_limit_is_not_sent_with_the_response(runner: Runner) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        connection.create_response(timeout=PATIENCE)
        assert "response" not in server.wait_for("response.create")[0]
        signature = inspect.signature(type(object.__getattribute__(connection, "_target")).create_response)
        assert signature.parameters["timeout"].default == 60.0
