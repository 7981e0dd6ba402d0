"""Price tables, and what usage costs."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from realtime_kit.budget import Price, PriceTable, Rate

from realtime_ext.connection import LiveUsage
from realtime_ext.usage import Usage
from tests.support.rows import each
from tests.support.usage_events import response_done, transcribed

DAY = datetime.date(2026, 6, 1)
MODEL, TRANSCRIBER, TIMED = "voice-1", "write-1", "write-timed"
PRICES: dict[str, Any] = {
    "currency": "EUR",
    "models": {
        MODEL: {
            "since": "2026-01-31",
            "text": {"input": 4, "cached": "0.40", "output": 16},
            "audio": {"input": 32, "cached": 0.4, "output": 64},
            "image": {"input": 5, "cached": 0.5},
        },
        TRANSCRIBER: {
            "since": datetime.date(2026, 1, 31),
            "text": {"input": 2, "output": 10},
            "audio": {"input": 6},
        },
        TIMED: {"since": datetime.datetime(2026, 1, 31, 12), "per_minute": 0.006},
    },
}
TABLE = PriceTable.from_dict(PRICES)


def test_the_cost_prices_each_modality_and_cached_tokens_once() -> None:
    found = Usage.of_response(response_done(), MODEL)
    expected = (
        Decimal(20) * 4 + 100 * Decimal("0.40") + 30 * 16  # text: fresh, cached, made
        + 150 * 32 + 150 * Decimal("0.4") + 70 * 64  # audio
        + 80 * 5  # image
    ) / 1_000_000  # fmt: skip
    assert TABLE.cost(found, on=DAY) == expected == Decimal("0.01034")
    assert TABLE.cost((found + found), on=DAY) == 2 * expected


def test_the_cost_of_transcriptions_is_by_token_or_by_minute() -> None:
    by_token = Usage.of_transcription(transcribed(), TRANSCRIBER)
    assert TABLE.cost(by_token, on=DAY) == Decimal(10 * 2 + 50 * 6 + 20 * 10) / 1_000_000
    by_time = Usage.of_transcription(transcribed(type="duration", seconds=90), TIMED)
    assert TABLE.cost(by_time, on=DAY) == Decimal("0.009")
    assert TABLE.cost((by_token + by_time), on=DAY) == Decimal("0.00952")


def test_the_day_may_be_text() -> None:
    found = Usage.of_response(response_done(), MODEL)
    assert TABLE.cost(found, on=DAY.isoformat()) == TABLE.cost(found, on=DAY)
    assert TABLE.cost(found, on="1999-12-31") is None
    for day in ("yesterday", "", 5):
        with pytest.raises(ValueError, match="on: expected a day such as"):
            TABLE.cost(found, on=day)  # type: ignore[arg-type]


@each(
    "found",
    [
        Usage.of_response(response_done(), "voice-2"),
        Usage.of_response(response_done(), f"{MODEL}-2026-01-31"),
        Usage.of_response(response_done(), None),
        Usage.of_response(response_done(), TIMED),
        Usage.of_response(response_done(input_token_details=None), MODEL),
        Usage.of_response(response_done(output_token_details={"text_tokens": 1}), MODEL),
        Usage.of_response(response_done(input_token_details={"text_tokens": 5, "cached_tokens": 9}), MODEL),
        Usage.of_transcription(transcribed(type="duration", seconds=1), TRANSCRIBER),
        Usage.of_response(response_done(), MODEL) + Usage.of_response(response_done(), "voice-2"),
    ],
)
def test_unknown_models_and_modalities_have_no_price(found: Usage) -> None:
    assert TABLE.cost(found, on=DAY) is None


def test_an_image_that_the_table_has_no_output_price_of_matters_only_if_there_is_one() -> None:
    assert TABLE.cost(Usage.of_response(response_done(), MODEL), on=DAY) is not None
    made = {"text_tokens": 30, "audio_tokens": 69, "image_tokens": 1}
    assert TABLE.cost(Usage.of_response(response_done(output_token_details=made), MODEL), on=DAY) is None


def test_zero_usage_costs_nothing_for_any_model() -> None:
    assert TABLE.cost(Usage()) == 0
    empty = {"type": "response.done", "response": {"id": "resp_1"}}
    assert TABLE.cost(Usage.of_response(empty, "voice-2")) == 0


def test_the_price_of_the_day_counts() -> None:
    entry = PRICES["models"][MODEL]
    dearer = {"since": "2026-03-01", "text": {"input": 8}, "audio": {"input": 64}, "image": {"input": 10}}
    cheaper = {"since": "2025-03-01", "text": {"input": 1}, "audio": {"input": 1}, "image": {"input": 1}}
    table = PriceTable.from_dict({"models": {MODEL: [dearer, entry, cheaper]}})
    details = {"text_tokens": 500}
    found = Usage.of_response(
        response_done(input_token_details=details, output_tokens=0, output_token_details=None), MODEL
    )
    for day, price in (("2026-03-01", 8), ("2027-01-01", 8), ("2026-02-28", 4), ("2026-01-30", 1)):
        assert table.cost(found, on=datetime.date.fromisoformat(day)) == Decimal(500 * price) / 1_000_000
    assert table.cost(found, on=datetime.date(2025, 2, 28)) is None


def test_todays_price_counts_where_no_day_is_given() -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    for since, known in ((today - datetime.timedelta(1), True), (today + datetime.timedelta(2), False)):
        table = PriceTable.from_dict({"models": {TIMED: {"since": since, "per_minute": 1}}})
        found = Usage.of_transcription(transcribed(type="duration", seconds=60), TIMED)
        assert (table.cost(found) == 1) is known


def test_a_table_is_read_exactly() -> None:
    table = PriceTable.from_dict(PRICES)
    assert table.currency == "EUR"
    assert table.price(MODEL, DAY) == Price(
        model=MODEL,
        since=datetime.date(2026, 1, 31),
        text=Rate(input=Decimal(4), cached=Decimal("0.40"), output=Decimal(16)),
        audio=Rate(input=Decimal(32), cached=Decimal("0.4"), output=Decimal(64)),
        image=Rate(input=Decimal(5), cached=Decimal("0.5")),
    )
    assert PriceTable([]).currency == "USD"  # type: ignore[arg-type]


def models_of(**changed: Any) -> dict[str, Any]:
    return {"models": {"m": {"since": "2026-01-31", **changed}}}


@each(
    "table, message",
    [
        ({}, "prices: expected a dict with 'models', got {}"),
        ({"models": []}, r"models: expected a dict, got \[\]"),
        (
            {"models": {}, "currencies": "EUR"},
            "prices: 'currencies' is not known; known are models, currency",
        ),
        ({"models": {}, "currency": 5}, "currency: expected a name such as USD, got 5"),
        ({"models": {"m": 5}}, "models.m: expected a dict, got 5"),
        ({"models": {"m": {}}}, 'models.m.since: expected a day such as "2026-01-31", got None'),
        (models_of(since="soon"), "models.m.since: expected a day .*, got 'soon'"),
        (models_of(since=2026), "models.m.since: expected a day .*, got 2026"),
        (
            models_of(video={}),
            r"models.m: 'video' is not known; known are since, text, audio, image, per_minute, .*_paused",
        ),
        (models_of(text=4), "models.m.text: expected a dict, got 4"),
        (
            models_of(text={"cache": 1}),
            "models.m.text: 'cache' is not known; known are input, cached, output",
        ),
        (models_of(text={"input": -1}), "models.m.text.input: expected a price of 0 or more, got -1"),
        (models_of(text={"input": "much"}), "models.m.text.input: expected a price of 0 or more, got 'much'"),
        (models_of(text={"input": True}), "models.m.text.input: expected a price of 0 or more, got True"),
        (
            models_of(audio={"output": float("nan")}),
            "models.m.audio.output: expected a price of 0 or more, got nan",
        ),
        (
            models_of(per_minute="Infinity"),
            "models.m.per_minute: expected a price of 0 or more, got 'Infinity'",
        ),
    ],
)
def test_a_table_with_a_mistake_is_refused_by_name(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PriceTable.from_dict(table)


@each("prices", [None, 5, []])
def test_malformed_price_tables_are_refused(prices: Any) -> None:
    with pytest.raises(TypeError, match="prices: expected a PriceTable or a dict, got"):
        PriceTable.from_dict(prices)


def test_a_missing_price_is_named_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    responses = Usage.of_response(response_done(), MODEL)
    timed = Usage.of_transcription({"usage": {"seconds": 30}}, "write-3")
    text = {"input": 1, "cached": 1, "output": 1}
    silent = PriceTable.from_dict({"models": {MODEL: {"since": "2026-01-31", "text": text}}})
    spent = responses + timed
    assert TABLE.missing(spent, on=DAY) == ("write-3",)
    assert TABLE.missing(responses, on=DAY) == ()
    missing = (f"{MODEL}: audio.input", f"{MODEL}: audio.output")
    assert set(missing) <= set(silent.missing(responses, on=DAY))
    assert TABLE.missing(spent, on="2026-01-01") == (MODEL, "write-3")
    for _ in range(2):
        assert TABLE.cost(spent, on=DAY) is None
    assert [record.getMessage() for record in caplog.records] == [
        "the cost is not known; the price table lacks write-3"
    ]


def test_a_cost_is_of_time_and_tokens_and_never_guessed() -> None:
    text = {"input": 1, "cached": "0.1", "output": 8}
    known = {"gpt-live-1": {"since": "2026-01-01", "per_minute": "0.05"}}
    both = {**known, "gpt-5.6-sol": {"since": "2026-01-01", "text": text}}
    backend = {
        "model": "gpt-5.6-sol",
        "usage": {"input_tokens": 90, "output_tokens": 12, "input_tokens_details": {"cached_tokens": 40}},
    }
    of_known, of_both = PriceTable.from_dict({"models": known}), PriceTable.from_dict({"models": both})
    usage = LiveUsage(seconds=30.0, model="gpt-live-1")
    assert of_known.cost(usage) == Decimal("0.025")
    assert of_known.missing(LiveUsage(seconds=1.0)) == ("a model without a name",)
    usage = LiveUsage(seconds=30.0, model="gpt-live-1", backend=Usage.of_backend(backend))
    assert of_both.cost(usage) == Decimal("0.025") + Decimal(50 + 4 + 96) / 1_000_000
    assert of_known.cost(usage) is None
    assert of_known.missing(usage) == ("gpt-5.6-sol",)


def test_standby_has_a_price_of_its_own() -> None:
    usage = LiveUsage(seconds=90.0, paused_seconds=60, model="gpt-live-1.1")
    prices = {"since": "2026-11-19", "per_minute": "0.05", "per_minute_paused": "0.02"}
    assert PriceTable.from_dict({"models": {"gpt-live-1.1": prices}}).cost(usage) == Decimal("0.045")
    del prices["per_minute_paused"]
    missing = PriceTable.from_dict({"models": {"gpt-live-1.1": prices}}).missing(usage)
    assert missing == ("gpt-live-1.1: per_minute_paused",)
