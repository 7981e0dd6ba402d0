"""Budgets of connections and clients: what they count, when they warn, and how turns and calls end."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from realtime_kit.budget import Budget, BudgetExceeded, Spent
from realtime_simulator import Simulator, call_tool, pause

from realtime_ext import RealtimeClient, SessionBuilder
from realtime_ext.errors import ConnectionClosedError
from realtime_ext.usage import Usage
from tests.ext.connection.driver import Driven, async_only
from tests.ext.connection.scripted import Peer, ScriptedServer
from tests.support.rows import each
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE, until

SESSION = SessionBuilder("gpt-realtime-2.1").instructions("front desk")
RATES = {"input": 1, "cached": 1, "output": 1}
PRICES = {"models": {"gpt-realtime-2.1": {"since": "2026-01-31", "text": RATES, "audio": RATES}}}


def used(tokens: int, model: str = "gpt-realtime-2.1") -> Usage:
    counted = {"input_tokens": tokens, "input_token_details": {"text_tokens": tokens}, "output_tokens": 0}
    return Usage.of_response({"response": {"usage": counted}}, model)


def test_connections_that_share_a_budget_are_added_up_and_stay_counted() -> None:
    budget = Budget(tokens=100, seconds=50, usd="0.01", prices=PRICES)
    budget.charge("a", used(30), 10)
    assert budget.charge("a", used(40), 20).tokens == 40  # so far, not more
    spent = budget.charge("b", used(20), 5)
    expected = Spent(usd=Decimal("0.00006"), seconds=25, tokens=60, share=0.6)
    assert spent == expected
    budget.charge("a", used(40), 20, is_over=True)
    assert budget.spent == expected
    assert budget.charge("b", used(61), 5).reason == "101 of 100 tokens"


def test_an_unknown_price_counts_as_spent_and_is_named() -> None:
    budget = Budget(usd=1000, prices=PRICES)
    assert budget.charge("a", used(1, "gpt-realtime-9"), 1) == Spent(
        usd=None,
        seconds=1,
        tokens=1,
        share=1.0,
        reason="the cost is not known: the price table lacks gpt-realtime-9",
    )


def test_it_warns_once_at_its_share(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Spent] = []

    def warned(spent: Spent) -> None:
        seen.append(spent)
        raise RuntimeError("mine")

    budget = Budget(tokens=100, warn_at=0.5, on_warning=warned)
    for tokens in (49, 50, 99):
        budget.charge("a", used(tokens), 0)
    assert [spent.tokens for spent in seen] == [50]
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["50% of the budget is spent", "on_warning raised RuntimeError"]


@each(
    "options, error, message",
    [
        ({}, ValueError, "expected usd, seconds or tokens"),
        ({"usd": 1}, ValueError, "usd and prices belong together"),
        ({"tokens": 1, "prices": PRICES}, ValueError, "usd and prices belong together"),
        ({"tokens": 0}, ValueError, "tokens: expected a number above 0, got 0"),
        ({"seconds": float("inf")}, ValueError, "seconds: expected a number above 0"),
        ({"usd": "a lot", "prices": PRICES}, ValueError, "usd: expected a number above 0"),
        ({"tokens": True}, TypeError, "tokens: expected a number, got bool"),
        ({"tokens": 1, "warn_at": 2}, ValueError, "warn_at: expected a share"),
        ({"tokens": 1, "then": "stop"}, ValueError, "then: expected 'hang_up' or 'end_turn', got 'stop'"),
        ({"tokens": 1, "goodbye": " "}, ValueError, "goodbye: expected what to say"),
        ({"tokens": 1, "goodbye": "Bye.", "then": "end_turn"}, ValueError, "goodbye: it has no effect"),
        ({"tokens": 1, "on_warning": 5}, TypeError, "on_warning: expected a function"),
        (
            {"tokens": 1, "on_warning": asyncio.sleep},
            TypeError,
            "on_warning: expected a function that is not async",
        ),
        ({"usd": 1, "prices": {"models": 5}}, ValueError, "models: expected a dict"),
    ],
)
def test_wrong_budgets_are_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Budget(**options)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        yield simulator


def client_of(runner: Runner, simulator: Simulator, **options: Any) -> Any:
    return runner.client(api_key=simulator.api_key, base_url=simulator.base_url, **options)


def test_a_connection_ends_when_its_tokens_are_spent(
    runner: Runner, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    budget = Budget(tokens=1)
    with Driven(budget.limit(client_of(runner, simulator).connect(SESSION)), runner) as connection:
        assert connection.ask("Hello").status == "completed"  # its tokens are known when it is done
        list(connection)  # ends normally
        tokens = connection.usage.total_tokens
    assert budget.spent.tokens == tokens
    with pytest.raises(BudgetExceeded):
        Driven(budget.limit(client_of(runner, simulator).connect(SESSION)), runner).__enter__()
    assert "100% of the budget" in caplog.text or "% of the budget is spent" in caplog.text


@async_only
def test_a_turn_is_cancelled_and_the_connection_stays_open(runner: Runner, simulator: Simulator) -> None:
    budget = Budget(tokens=10**6, then="end_turn")
    simulator.on_response([pause(60), "Much later."])
    with Driven(budget.limit(client_of(runner, simulator).connect(SESSION)), runner) as connection:
        connection.create_response()
        connection.wait_for("response.created")
        budget.charge("another connection", used(10**6), 0)
        assert connection.wait_for("response.done").response.status == "cancelled"
        with pytest.raises(BudgetExceeded, match="the budget is spent: 1000000 of 1000000 tokens"):
            connection.ask("Hello?")
        assert not connection.is_closed


@async_only
def test_time_passes_without_events(runner: Runner, simulator: Simulator) -> None:
    budget = Budget(seconds=0.2)
    with Driven(budget.limit(client_of(runner, simulator).connect(SESSION)), runner) as connection:
        list(connection)
    assert re.fullmatch(r"0\.\d of 0\.2 seconds|[1-9].* seconds", budget.spent.reason)


def test_the_end_is_raised_in_place_of_the_closed_connection(runner: Runner, simulator: Simulator) -> None:
    budget = Budget(tokens=1)
    with (
        pytest.raises(BudgetExceeded, match=r"the budget is spent: \d+ of 1 tokens") as raised,
        Driven(budget.limit(client_of(runner, simulator).connect(SESSION)), runner) as connection,
    ):
        while True:
            connection.ask("Hello?")
    assert isinstance(raised.value, ConnectionClosedError)


def test_a_connection_that_ends_otherwise_raises_its_own_error(runner: Runner, simulator: Simulator) -> None:
    budget = Budget(seconds=600)
    opening = budget.limit(client_of(runner, simulator).connect(SESSION))
    with pytest.raises(ConnectionClosedError) as raised, Driven(opening, runner) as connection:
        connection.close()
        connection.ask("Hello?")
    assert type(raised.value) is ConnectionClosedError
    assert 0 < budget.spent.seconds < 600


def test_only_what_opens_a_connection_can_be_limited() -> None:
    with pytest.raises(TypeError, match=r"opening: expected what connect\(…\) returns, got str"):
        Budget(seconds=1).limit("gpt-realtime-2.1")  # type: ignore[call-overload]


@async_only
def test_a_call_gets_its_goodbye_and_is_hung_up(runner: Runner, simulator: Simulator) -> None:
    simulator.on_response(lambda turn: str(turn.response.get("instructions")).rpartition(": ")[2] or "Hi.")
    call = simulator.incoming_call("http://127.0.0.1:9/", attempts=1)
    budget = Budget(tokens=1, goodbye="Bye.")
    opening = budget.limit(client_of(runner, simulator).answer(call.id, SESSION, hangup_on_exit=False))
    with Driven(opening, runner) as connection:
        connection.create_response()
        said = [
            event.transcript for event in connection if event.type == "response.output_audio_transcript.done"
        ]
    assert said[-1] == "Bye."
    assert call.ended == "hangup"


@async_only
def test_a_websocket_gets_its_goodbye_too(runner: Runner, simulator: Simulator) -> None:
    simulator.on_response(lambda turn: str(turn.response.get("instructions")).rpartition(": ")[2])
    budget = Budget(tokens=1, goodbye="Bye.")
    with Driven(budget.limit(client_of(runner, simulator).connect(SESSION)), runner) as connection:
        connection.create_response(instructions="Say: Hi.")
        said = [
            event.transcript for event in connection if event.type == "response.output_audio_transcript.done"
        ]
    assert said == ["Hi.", "Bye."]


def test_a_goodbye_is_read_by_a_program_that_reads_late(simulator: Simulator) -> None:
    simulator.on_response(lambda turn: str(turn.response.get("instructions")).rpartition(": ")[2])
    budget = Budget(tokens=1, goodbye="Bye.")
    client = RealtimeClient(simulator.api_key, base_url=simulator.base_url)
    with client, budget.limit(client.connect(SESSION)) as connection:
        connection.ask("Hello")
        simulator.wait_for(lambda: simulator.sessions[-1].ended)
        kind = "response.output_audio_transcript.done"
        assert [event.transcript for event in connection if event.type == kind] == ["Bye."]


def test_connections_share_a_budget(runner: Runner, simulator: Simulator) -> None:
    budget = Budget(tokens=10**6)
    tokens = 0
    for _ in range(2):
        with Driven(budget.limit(client_of(runner, simulator).connect(SESSION)), runner) as connection:
            connection.ask("Hello")
            tokens += connection.usage.total_tokens
    assert budget.spent.tokens == tokens > 0
    assert budget.spent.seconds > 0


@async_only
def test_one_connection_ends_when_another_has_spent_the_budget(runner: Runner, simulator: Simulator) -> None:
    budget = Budget(tokens=10)
    with Driven(budget.limit(client_of(runner, simulator).connect(SESSION)), runner) as connection:
        budget.charge("another connection", used(10), 0)
        list(connection)
    assert budget.spent.tokens == 10


@async_only
def test_a_turn_whose_tool_outlasts_the_budget_says_so(
    runner: Runner, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    budget = Budget(tokens=10**6, then="end_turn")

    def spend() -> str:
        """Spend."""
        budget.charge("another connection", used(10**6), 0)
        until(lambda: "the budget is spent" in caplog.text)
        return "spent"

    simulator.on_response(call_tool("spend", {}), times=1)
    opening = client_of(runner, simulator).connect(SESSION, tools=[spend])
    with (
        Driven(budget.limit(opening), runner) as connection,
        pytest.raises(BudgetExceeded, match=r"the budget is spent: \d+ of 1000000 tokens"),
    ):
        connection.ask("Please spend.", timeout=PATIENCE)


@async_only
def test_a_call_hears_all_of_its_goodbye(runner: Runner) -> None:
    heard: list[str] = []

    def response(number: int, **fields: Any) -> dict[str, Any]:
        own = {"id": f"resp_{number}", "object": "realtime.response", "conversation_id": "conv_1"}
        return {**own, "output": [], **fields}

    def script(peer: Peer) -> None:
        usage = {"total_tokens": 30, "input_tokens": 10, "output_tokens": 20}
        peer.send("response.created", response=response(1))
        peer.send("output_audio_buffer.started", response_id="resp_1")
        peer.send("response.done", response=response(1, status="completed", usage=usage))
        metadata = peer.expect("response.create")["response"]["metadata"]
        peer.send("response.created", response=response(2, metadata=metadata))
        peer.send("output_audio_buffer.stopped", response_id="resp_1")  # the rest of what was said before
        peer.send("output_audio_buffer.started", response_id="resp_2")
        peer.send("response.done", response=response(2, metadata=metadata, status="completed"))
        time.sleep(0.3)  # in which the connection would be closed
        peer.send("output_audio_buffer.stopped", response_id="resp_2")
        heard.append("all")
        peer.until_closed()

    with ScriptedServer(script) as server:
        budget = Budget(tokens=20, goodbye="Our time is over.")
        client = runner.client(base_url=server.base_url)
        with Driven(budget.limit(client.connect(call_id="rtc_1")), runner) as connection:
            kinds = [event.type for event in connection]
    assert kinds[-1] == "output_audio_buffer.stopped"
    assert heard == ["all"]
