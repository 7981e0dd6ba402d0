"""What rehearsed calls use and cost, by prices in the form that realtime-ext reads as well."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from realtime_kit.budget import PriceTable
from realtime_simulator import Simulator, cli
from realtime_simulator._rehearsal.usage import Meter, Prices
from realtime_simulator.rehearsal import Rehearsal, Scorecard, Script, Usage

from realtime_ext.usage import Amount, UsageMeter
from tests.simulator.test_rehearsal_suite import App, outcome, run
from tests.support.rows import each

MODEL = "gpt-realtime-2.1"
TABLE: Mapping[str, Any] = {
    "models": {
        MODEL: [
            {"since": "2026-01-01", "text": {"input": 400}},
            {
                "since": "2026-02-01",
                "text": {"input": 4, "cached": "0.4", "output": 16},
                "audio": {"input": 32, "cached": 0.4, "output": 64},
            },
            {"since": "2999-01-01", "text": {"input": 1}},
        ],
        "gpt-live-1": {"since": "2026-01-01", "per_minute": "0.06"},
        "hearing": {"since": "2026-01-01", "per_minute": 0.006, "text": {"output": 5}, "audio": {"input": 3}},
    }
}
CONFIG = {"model": MODEL, "audio": {"input": {"transcription": {"model": "hearing"}}}}
RESPONSE = {
    "type": "response.done",
    "response": {
        "usage": {
            "total_tokens": 1150,
            "input_tokens": 1000,
            "output_tokens": 150,
            "input_token_details": {
                "text_tokens": 300,
                "audio_tokens": 700,
                "cached_tokens": 192,
                "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 128},
            },
            "output_token_details": {"text_tokens": 50, "audio_tokens": 100},
        }
    },
}
HEARD = "conversation.item.input_audio_transcription.completed"


def test_a_call_costs_what_the_client_library_computes() -> None:
    transcribed = {
        "type": HEARD,
        "usage": {
            "type": "tokens",
            "input_tokens": 20,
            "output_tokens": 8,
            "total_tokens": 28,
            "input_token_details": {"audio_tokens": 20, "text_tokens": 0},
        },
    }
    timed = {"type": HEARD, "usage": {"type": "duration", "seconds": 12.5}}
    meter, theirs = Meter(), UsageMeter(model=MODEL, transcription_model="hearing")
    for event in (RESPONSE, RESPONSE, transcribed, timed):
        meter.read(event, CONFIG)
        theirs.observe(event)
    usage = meter.usage(Prices(TABLE))
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == (2020, 384, 308)
    assert usage.total_tokens == 2328 and usage.seconds == 12.5
    assert usage.cost == PriceTable.from_dict(TABLE).cost(theirs.usage) is not None
    assert Amount() not in [one.amount for one in theirs.usage.entries]


def test_a_live_session_is_paid_by_time_and_its_backend_by_tokens() -> None:
    meter = Meter()
    for seconds in (10, 30.0):
        meter.read({"type": "session.usage.updated", "usage": {"seconds": seconds}}, {"model": "gpt-live-1"})
    assert meter.usage(Prices(TABLE)).cost == Decimal("0.03")
    backend = {"model": "gpt-5", "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}}
    meter.read({"type": "response.completed", "response": backend}, {"model": "gpt-live-1"})
    usage = meter.usage(Prices(TABLE))
    assert usage.total_tokens == 10 and usage.cost is None and list(usage.missing) == ["gpt-5"]
    assert meter.usage(None).cost is None and not meter.usage(None).missing


def test_standby_costs_what_the_client_library_computes() -> None:
    prices = {"since": "2026-01-01", "per_minute": "0.05", "per_minute_paused": "0.02"}
    table = {"models": {"gpt-live-1.1": prices}}
    meter, theirs = Meter(), UsageMeter(model="gpt-live-1.1")
    for paused in (0, 60):
        used = {"seconds": 30 + paused, "active_seconds": 30, "paused_seconds": paused}
        event = {"type": "session.usage.updated", "usage": used}
        meter.read(event, {"model": "gpt-live-1.1"})
        theirs.observe(event)
    assert (
        meter.usage(Prices(table)).cost == PriceTable.from_dict(table).cost(theirs.usage) == Decimal("0.045")
    )


def test_a_missing_price_is_named() -> None:
    meter = Meter()
    meter.read(RESPONSE, CONFIG)
    prices = Prices(
        {"models": {MODEL: {"since": datetime.date(2026, 1, 1), "text": {"input": 1, "output": 2}}}}
    )
    usage = meter.usage(prices)
    assert usage.cost is None
    assert list(usage.missing) == [
        f"{MODEL}: text.cached",
        f"{MODEL}: audio.input",
        f"{MODEL}: audio.cached",
        f"{MODEL}: audio.output",
    ]
    assert "no price for gpt-realtime-2.1: text.cached" in Scorecard([outcome(usage=usage)]).table()


@each(
    "table, message",
    [
        ([], "prices: expected fields by their names, got \\[\\]"),
        ({"model": {}}, "prices: unknown field 'model'; known are models, currency"),
        (
            {"models": {"a": {"since": "soon"}}},
            "models.a.since: expected a day such as 2026-01-31, got 'soon'",
        ),
        (
            {"models": {"a": {"audio": {"in": 1}}}},
            "models.a.audio: unknown field 'in'; known are input, cached",
        ),
        ({"models": {"a": {"audio": {"input": -1}}}}, "models.a.audio.input: expected a price of 0 or more"),
        (
            {"models": {"a": {"per_minute": "x"}}},
            "models.a.per_minute: expected a price of 0 or more, got 'x'",
        ),
        ({"models": {}, "currency": 1}, "currency: expected a name such as USD, got 1"),
    ],
)
def test_invalid_prices_are_refused(table: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Prices(table)


def test_a_rehearsal_refuses_such_prices() -> None:
    with Simulator() as simulator, pytest.raises(ValueError, match="prices: unknown field 'model'"):
        Rehearsal(simulator, prices={"model": {}})


@pytest.mark.slow
def test_a_script_judges_what_its_call_costs(tmp_path: Path) -> None:
    with Simulator(espeak=False) as simulator:
        simulator.on_response("It is open until ten.")
        costs = {}
        for cost, prices in ((1, None), (0.0001, TABLE), (1, TABLE)):
            (tmp_path / "one.yaml").write_text(
                f"steps: [{{says: Hello}}, {{hears: ten}}]\nexpect: {{cost: {cost}}}"
            )
            with Rehearsal(simulator, speed=50, prices=prices) as rehearsal:
                card = run(rehearsal, [Script.load(tmp_path / "one.yaml")], App(simulator))
            costs[card.outcomes[0].failure.partition("\n")[0]] = card.outcomes[0].usage.cost
    [unknown, dear, fine] = costs
    assert unknown == "its cost is not known: there are no prices" and costs[unknown] is None
    assert dear.startswith("it cost 0.00") and dear.endswith("allowed is 0.0001")
    assert fine == "" and 0 < float(costs[fine] or 0) < 0.1


def test_a_scorecard_sums_what_calls_cost() -> None:
    card = Scorecard([outcome(usage=Usage(input_tokens=5, seconds=30, cost=Decimal("0.02")))] * 2)
    assert (
        "used: 10 tokens, 1.0 minutes that are billed by time, cost 0.0400, at most 0.0200 a call"
        in card.table()
    )
    assert "cost 0.0400" in card.as_html() and card.as_dict()["calls"][0]["cost"] == 0.02


def test_the_command_needs_prices_for_a_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.yaml").write_text("steps: [{says: Hi}]\nexpect: {cost: 0.01}")
    words = ["rehearse", str(tmp_path), "--to", "http://127.0.0.1:9/"]
    assert cli.main(words) == 2
    assert "one: it expects a cost, which needs prices" in capsys.readouterr().err
    (tmp_path / "prices.json").write_text(json.dumps({"models": 3}))
    assert cli.main([*words, "--prices", str(tmp_path / "prices.json")]) == 2
    assert "models: expected fields by their names, got 3" in capsys.readouterr().err
