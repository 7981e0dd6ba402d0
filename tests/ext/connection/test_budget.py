"""Budgets of connections and clients: what they count, when they warn, and how turns and calls end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from realtime_simulator import Simulator, pause

from realtime_ext import Budget, BudgetExceeded, RealtimeClient, SessionBuilder
from realtime_ext.connection import _spending
from realtime_ext.usage import Spent, Usage
from tests.ext.connection.clocks import ToldClock
from tests.ext.connection.driver import Driven, async_only
from tests.support.rows import each
from tests.support.runner import Runner

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
    with Driven(client_of(runner, simulator).connect(SESSION, budget=budget), runner) as connection:
        assert connection.ask("Hello").status == "completed"  # its tokens are known when it is done
        list(connection)  # ends normally
        with pytest.raises(BudgetExceeded, match=r"the budget is spent: \d+ of 1 tokens"):
            connection.ask("More")
        tokens = connection.usage.total_tokens
    assert budget.spent.tokens == tokens
    with pytest.raises(BudgetExceeded):
        Driven(client_of(runner, simulator).connect(SESSION, budget=budget), runner).__enter__()
    assert "100% of the budget" in caplog.text or "% of the budget is spent" in caplog.text


@async_only
def test_a_turn_is_cancelled_and_the_connection_stays_open(runner: Runner, simulator: Simulator) -> None:
    budget = Budget(tokens=10**6, then="end_turn")
    simulator.on_response([pause(60), "Much later."])
    with Driven(client_of(runner, simulator).connect(SESSION, budget=budget), runner) as connection:
        connection.create_response()
        connection.wait_for("response.created")
        budget.charge("another connection", used(10**6), 0)
        connection.send_text("Hello?")  # with the next event the connection notices
        assert connection.wait_for("response.done").response.status == "cancelled"
        with pytest.raises(BudgetExceeded, match="the budget is spent: 1000000 of 1000000 tokens"):
            connection.ask("Hello?")
        assert not connection.is_closed


@async_only
def test_time_passes_without_events(
    runner: Runner, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_spending, "_LOOK", 0.01)
    clock = ToldClock()
    client, budget = clock.on(client_of(runner, simulator)), Budget(seconds=600)
    with Driven(client.connect(SESSION, budget=budget), runner) as connection:
        assert connection.recv().type == "session.created"
        assert budget.spent.seconds == 0
        clock.time += 600
        list(connection)
    assert budget.spent.reason == "600 of 600 seconds"


@async_only
def test_a_call_gets_its_goodbye_and_is_hung_up(runner: Runner, simulator: Simulator) -> None:
    simulator.on_response(lambda turn: str(turn.response.get("instructions")).rpartition(": ")[2] or "Hi.")
    call = simulator.incoming_call("http://127.0.0.1:9/", attempts=1)
    budget = Budget(tokens=1, goodbye="Bye.")
    opening = client_of(runner, simulator).answer(call.id, SESSION, budget=budget, hangup_on_exit=False)
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
    with Driven(client_of(runner, simulator).connect(SESSION, budget=budget), runner) as connection:
        connection.create_response(instructions="Say: Hi.")
        said = [
            event.transcript for event in connection if event.type == "response.output_audio_transcript.done"
        ]
    assert said == ["Hi.", "Bye."]


def test_a_goodbye_is_read_by_a_program_that_reads_late(simulator: Simulator) -> None:
    simulator.on_response(lambda turn: str(turn.response.get("instructions")).rpartition(": ")[2])
    budget = Budget(tokens=1, goodbye="Bye.")
    client = RealtimeClient(simulator.api_key, base_url=simulator.base_url)
    with client, client.connect(SESSION, budget=budget) as connection:
        connection.ask("Hello")
        simulator.wait_for(lambda: simulator.sessions[-1].ended)
        kind = "response.output_audio_transcript.done"
        assert [event.transcript for event in connection if event.type == kind] == ["Bye."]


def test_the_connections_of_a_client_share_its_budget(runner: Runner, simulator: Simulator) -> None:
    budget = Budget(tokens=10**6)
    client = client_of(runner, simulator, budget=budget)
    tokens = 0
    for _ in range(2):
        with Driven(client.connect(SESSION), runner) as connection:
            connection.ask("Hello")
            tokens += connection.usage.total_tokens
    assert budget.spent.tokens == tokens > 0
    assert budget.spent.seconds > 0
    with pytest.raises(TypeError, match="budget: expected a Budget or None, got int"):
        client_of(runner, simulator, budget=5)
    with pytest.raises(TypeError, match="budget: expected a Budget or None, got dict"):
        client.connect(SESSION, budget={})
