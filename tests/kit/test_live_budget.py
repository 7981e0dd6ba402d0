"""Budgets of Live sessions: seconds, backend tokens and cost, and how a session ends that has spent one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from realtime_kit.budget import Budget, BudgetExceeded, PriceTable
from realtime_simulator import Simulator, call_tool, speech

from realtime_ext import LiveSessionBuilder
from tests.ext.connection.clocks import hurry
from tests.ext.connection.driver import Driven, async_only
from tests.support.runner import Runner

SESSION = LiveSessionBuilder("gpt-live-1").delegate_to("gpt-5.6-sol")
ASKED = speech("What will the weather be?") + bytes(48_000)
TEXT = {"since": "2026-01-31", "text": {"input": 1, "cached": 1, "output": 1}}
TIME = {"since": "2026-01-31", "per_minute": "0.05"}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_speech(lambda heard: "What now?" if heard.finished else None)
        yield simulator


def connect(runner: Runner, sim: Simulator, budget: Budget, **options: Any) -> Any:
    client = hurry(runner.client(base_url=sim.base_url, api_key=sim.api_key, **options))
    return Driven(budget.limit(client.live.connect(SESSION)), runner)


def forecast(city: str) -> str:
    """Return the weather of a city."""
    return city


@pytest.mark.slow
def test_a_session_ends_when_its_seconds_are_spent_after_a_goodbye(runner: Runner, sim: Simulator) -> None:
    budget = Budget(seconds=1, goodbye="Time is up, goodbye.")
    with connect(runner, sim, budget) as connection:
        assert [event.type for event in connection][-1] == "session.closed"
        assert "goodbye" in connection.transcript[-1].text
    assert sim.session(connection.session_id).ended == "close_requested"
    with pytest.raises(BudgetExceeded):
        connect(runner, sim, budget).__enter__()


@async_only
def test_tokens_of_the_backend_count(runner: Runner, sim: Simulator) -> None:
    sim.on_response(["Let me see.", call_tool("forecast", {"city": "Ghent"})], times=1)
    budget = Budget(tokens=1)
    with connect(runner, sim, budget) as connection:
        connection.send_audio(ASKED)
        assert [event.type for event in connection][-1] == "session.closed"
    assert budget.spent.tokens == connection.usage.input_tokens + connection.usage.output_tokens > 1


@async_only
@pytest.mark.parametrize("models", [{}, {"gpt-live-1": TIME}, {"gpt-live-1": TIME, "gpt-5.6-sol": TEXT}])
def test_an_unknown_price_counts_as_spent(runner: Runner, sim: Simulator, models: dict[str, Any]) -> None:
    sim.on_response(["Let me see.", call_tool("forecast", {"city": "Ghent"})], times=1)
    budget = Budget(usd=1000, prices={"models": models})
    with connect(runner, sim, budget) as connection:
        connection.send_audio(ASKED)
        if len(models) < 2:
            assert [event.type for event in connection][-1] == "session.closed"
        else:
            connection.wait_for("response.event", lambda event: event.event.type == "response.completed")
            assert 0 < PriceTable.from_dict({"models": models}).cost(connection._target.usage) < 1000
            assert not connection.is_closed
            connection.close()
    spent = budget.spent
    lacking = {0: "gpt-live-1", 1: "gpt-5.6-sol"}.get(len(models))
    assert (spent.usd is None) == (lacking is not None)
    assert (lacking or "") in spent.reason


@async_only
def test_a_budget_that_ends_turns_is_refused(runner: Runner, sim: Simulator) -> None:
    with pytest.raises(ValueError, match="then: expected 'hang_up', got 'end_turn'"):
        connect(runner, sim, Budget(seconds=1, then="end_turn")).__enter__()
