"""Usage added up from events, and what it costs."""

from __future__ import annotations

import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st
from realtime_api import models

from realtime_ext import usage
from realtime_ext.usage import Amount, Tokens, Usage, UsageMeter
from tests.support.rows import each

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


def response_done(identity: str = "resp_1", status: str = "completed", **changed: Any) -> dict[str, Any]:
    details = {
        "text_tokens": 120,
        "audio_tokens": 300,
        "image_tokens": 80,
        "cached_tokens": 250,
        "cached_tokens_details": {"text_tokens": 100, "audio_tokens": 150, "image_tokens": 0},
    }
    counted = {
        "total_tokens": 600,
        "input_tokens": 500,
        "output_tokens": 100,
        "input_token_details": details,
        "output_token_details": {"text_tokens": 30, "audio_tokens": 70},
    }
    response = {
        "object": "realtime.response",
        "id": identity,
        "status": status,
        "output": [],
        "usage": {**counted, **changed},
    }
    return {"type": "response.done", "event_id": "event_1", "response": response}


def transcribed(item: str = "item_1", **counted: Any) -> dict[str, Any]:
    tokens = {
        "type": "tokens",
        "input_tokens": 60,
        "input_token_details": {"text_tokens": 10, "audio_tokens": 50},
        "output_tokens": 20,
        "total_tokens": 80,
    }
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "event_id": "event_2",
        "item_id": item,
        "content_index": 0,
        "transcript": "Hello",
        "usage": counted or tokens,
    }


def session_event(
    kind: str = "session.created", model: str | None = MODEL, writer: Any = None
) -> dict[str, Any]:
    session: dict[str, Any] = {"type": "realtime", "object": "realtime.session", "id": "sess_1"}
    session |= {"model": model} if model else {}
    session |= {"audio": {"input": {"transcription": writer}}}
    return {"type": kind, "event_id": "event_0", "session": session}


def generated(event: dict[str, Any]) -> Any:
    classes = {
        "response.done": models.RealtimeServerEventResponseDone,
        "session.created": models.RealtimeServerEventSessionCreated,
        "session.updated": models.RealtimeServerEventSessionUpdated,
        "conversation.item.input_audio_transcription.completed": (
            models.RealtimeServerEventConversationItemInputAudioTranscriptionCompleted
        ),
    }
    return classes[event["type"]].from_dict(event)


def unknown(event: dict[str, Any]) -> Any:
    return SimpleNamespace(type=event["type"], data=event)


FORMS = each("form", [dict, generated, unknown])


@FORMS
def test_each_modality_is_counted_and_cached_tokens_only_once(form: Any) -> None:
    meter = UsageMeter()
    meter.observe(form(session_event()))
    meter.observe(form(response_done("resp_1")))
    meter.observe(form(response_done("resp_2")))
    found = meter.usage
    assert found.input == Tokens(text=240, audio=600, image=160)
    assert found.cached == Tokens(text=200, audio=300)
    assert found.output == Tokens(text=60, audio=140)
    assert (found.input_tokens, found.output_tokens, found.total_tokens) == (1000, 200, 1200)
    assert found.responses.count == 2
    assert [(entry.kind, entry.model) for entry in found.entries] == [("response", MODEL)]


@FORMS
@each("status", ["completed", "cancelled", "failed", "incomplete"])
def test_responses_count_whatever_became_of_them(form: Any, status: str) -> None:
    meter = UsageMeter(MODEL)
    meter.observe(form(response_done(status=status)))
    assert meter.usage.total_tokens == 600


@FORMS
def test_transcriptions_are_counted_apart_in_tokens_or_seconds(form: Any) -> None:
    meter = UsageMeter()
    meter.observe(form(session_event(writer={"model": TRANSCRIBER})))
    meter.observe(form(transcribed("item_1")))
    meter.observe(form(session_event("session.updated", None, {"model": TIMED})))
    meter.observe(form(transcribed("item_2", type="duration", seconds=2.5)))
    found = meter.usage
    assert found.total_tokens == 0
    assert found.transcriptions == Amount(
        count=2, input=Tokens(text=10, audio=50), output=Tokens(text=20), seconds=2.5
    )
    assert [(entry.kind, entry.model) for entry in found.entries] == [
        ("transcription", TRANSCRIBER),
        ("transcription", TIMED),
    ]


@FORMS
def test_a_duplicate_event_counts_once(form: Any) -> None:
    meter = UsageMeter()
    for _ in range(2):
        meter.observe(form(response_done()))
        meter.observe(form(transcribed()))
    assert (meter.usage.responses.count, meter.usage.transcriptions.count) == (1, 1)


def test_a_model_is_known_from_the_start_if_one_says_so_and_stays_known() -> None:
    meter = UsageMeter(MODEL, TRANSCRIBER)
    meter.observe(session_event("session.updated", None, None))  # transcription was turned off
    meter.observe(response_done())
    meter.observe(transcribed())
    assert [entry.model for entry in meter.usage.entries] == [MODEL, TRANSCRIBER]


def test_usage_is_a_value_that_later_events_leave_alone() -> None:
    meter = UsageMeter()
    before = meter.usage
    meter.observe(response_done())
    assert before == Usage()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        before.entries = ()  # type: ignore[misc]


@each(
    "event",
    [
        {},
        {"type": 5},
        {"type": "error"},
        {"type": "session.created"},
        {"type": "session.created", "session": {"model": 5, "audio": {"input": []}}},
        {"type": "response.done"},
        {"type": "response.done", "response": {"id": ["x"], "usage": None}},
        {"type": "response.done", "response": {"id": "resp_1", "usage": {"input_tokens": "many"}}},
        {"type": "response.done", "response": {"usage": {"input_tokens": -5, "output_tokens": True}}},
        {"type": "response.done", "response": {"usage": {"input_token_details": 7}}},
        {"type": "conversation.item.input_audio_transcription.completed", "usage": {"seconds": float("nan")}},
        None,
    ],
)
def test_no_event_breaks_the_count(event: Any) -> None:
    meter = UsageMeter()
    meter.observe(event)
    assert meter.usage.total_tokens == 0
    assert meter.usage.transcriptions.seconds == 0
    assert meter.usage.cost(PRICES, on=DAY) == 0


def test_tokens_without_a_modality_are_kept_as_other() -> None:
    found = Usage.of_response(
        response_done(input_token_details=None, output_token_details={"text_tokens": 90})
    )
    assert found.input == Tokens(other=500)
    assert found.output == Tokens(text=90, other=10)
    assert found.total_tokens == 600


def test_cached_tokens_without_a_modality_are_those_of_the_only_one() -> None:
    details = {"text_tokens": 500, "cached_tokens": 200}
    assert Usage.of_response(response_done(input_token_details=details)).cached == Tokens(text=200)
    details = {"text_tokens": 400, "audio_tokens": 100, "cached_tokens": 200}
    assert Usage.of_response(response_done(input_token_details=details)).cached == Tokens(other=200)


def test_a_response_alone_is_read_like_its_event() -> None:
    event = response_done()
    assert (
        Usage.of_response(event["response"])
        == Usage.of_response(event)
        == Usage.of_response(generated(event))
    )
    assert Usage.of_response(generated(event).response) == Usage.of_response(event)


usages = st.lists(
    st.builds(
        lambda kind, model, text, audio: Usage(
            (
                usage.UsageEntry(
                    kind=kind, model=model, amount=Amount(count=1, input=Tokens(text=text, audio=audio))
                ),
            )
        ),
        st.sampled_from(["response", "transcription"]),
        st.sampled_from([MODEL, TRANSCRIBER, None]),
        st.integers(0, 10**9),
        st.integers(0, 10**9),
    ),
    max_size=6,
)


@given(usages, usages)
def test_adding_loses_nothing_and_keeps_one_entry_a_model(first: list[Usage], second: list[Usage]) -> None:
    one, other = sum(first, Usage()), sum(second, Usage())
    both = one + other
    assert both.input_tokens == sum(item.input_tokens for item in first + second)
    assert both.transcriptions.count == one.transcriptions.count + other.transcriptions.count
    keys = [(entry.kind, entry.model) for entry in both.entries]
    assert len(keys) == len(set(keys))
    assert set((other + one).entries) == set(both.entries)


@each("value", [Usage(), Amount(), Tokens()])
def test_only_like_is_added_to_like(value: Any) -> None:
    with pytest.raises(TypeError):
        value + 1


def test_the_cost_prices_each_modality_and_cached_tokens_once() -> None:
    found = Usage.of_response(response_done(), MODEL)
    expected = (
        Decimal(20) * 4 + 100 * Decimal("0.40") + 30 * 16  # text: fresh, cached, made
        + 150 * 32 + 150 * Decimal("0.4") + 70 * 64  # audio
        + 80 * 5  # image
    ) / 1_000_000  # fmt: skip
    assert found.cost(PRICES, on=DAY) == expected == Decimal("0.01034")
    assert (found + found).cost(PRICES, on=DAY) == 2 * expected


def test_the_cost_of_transcriptions_is_by_token_or_by_minute() -> None:
    by_token = Usage.of_transcription(transcribed(), TRANSCRIBER)
    assert by_token.cost(PRICES, on=DAY) == Decimal(10 * 2 + 50 * 6 + 20 * 10) / 1_000_000
    by_time = Usage.of_transcription(transcribed(type="duration", seconds=90), TIMED)
    assert by_time.cost(PRICES, on=DAY) == Decimal("0.009")
    assert (by_token + by_time).cost(PRICES, on=DAY) == Decimal("0.00952")


def test_the_day_may_be_text() -> None:
    found = Usage.of_response(response_done(), MODEL)
    assert found.cost(PRICES, on=DAY.isoformat()) == found.cost(PRICES, on=DAY)
    assert found.cost(PRICES, on="1999-12-31") is None
    for day in ("yesterday", "", 5):
        with pytest.raises(ValueError, match="on: expected a day such as"):
            found.cost(PRICES, on=day)  # type: ignore[arg-type]


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
    assert found.cost(PRICES, on=DAY) is None


def test_an_image_that_the_table_has_no_output_price_of_matters_only_if_there_is_one() -> None:
    assert Usage.of_response(response_done(), MODEL).cost(PRICES, on=DAY) is not None
    made = {"text_tokens": 30, "audio_tokens": 69, "image_tokens": 1}
    assert Usage.of_response(response_done(output_token_details=made), MODEL).cost(PRICES, on=DAY) is None


def test_zero_usage_costs_nothing_for_any_model() -> None:
    assert Usage().cost(PRICES) == 0
    empty = {"type": "response.done", "response": {"id": "resp_1"}}
    assert Usage.of_response(empty, "voice-2").cost(PRICES) == 0


def test_the_price_of_the_day_counts() -> None:
    entry = PRICES["models"][MODEL]
    dearer = {"since": "2026-03-01", "text": {"input": 8}, "audio": {"input": 64}, "image": {"input": 10}}
    cheaper = {"since": "2025-03-01", "text": {"input": 1}, "audio": {"input": 1}, "image": {"input": 1}}
    table = usage.PriceTable.from_dict({"models": {MODEL: [dearer, entry, cheaper]}})
    details = {"text_tokens": 500}
    found = Usage.of_response(
        response_done(input_token_details=details, output_tokens=0, output_token_details=None), MODEL
    )
    for day, price in (("2026-03-01", 8), ("2027-01-01", 8), ("2026-02-28", 4), ("2026-01-30", 1)):
        assert found.cost(table, on=datetime.date.fromisoformat(day)) == Decimal(500 * price) / 1_000_000
    assert found.cost(table, on=datetime.date(2025, 2, 28)) is None


def test_todays_price_counts_where_no_day_is_given() -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    for since, known in ((today - datetime.timedelta(1), True), (today + datetime.timedelta(2), False)):
        table = {"models": {TIMED: {"since": since, "per_minute": 1}}}
        found = Usage.of_transcription(transcribed(type="duration", seconds=60), TIMED)
        assert (found.cost(table) == 1) is known


def test_a_table_is_read_exactly() -> None:
    table = usage.PriceTable.from_dict(PRICES)
    assert table.currency == "EUR"
    assert table.price(MODEL, DAY) == usage.Price(
        model=MODEL,
        since=datetime.date(2026, 1, 31),
        text=usage.Rate(input=Decimal(4), cached=Decimal("0.40"), output=Decimal(16)),
        audio=usage.Rate(input=Decimal(32), cached=Decimal("0.4"), output=Decimal(64)),
        image=usage.Rate(input=Decimal(5), cached=Decimal("0.5")),
    )
    assert usage.PriceTable([]).currency == "USD"  # type: ignore[arg-type]


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
        Usage().cost(table)


@each("prices", [None, 5, []])
def test_malformed_price_tables_are_refused(prices: Any) -> None:
    with pytest.raises(TypeError, match="prices: expected a PriceTable or a dict, got"):
        Usage().cost(prices)


def test_a_missing_price_is_named_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    responses = Usage.of_response(response_done(), MODEL)
    timed = Usage.of_transcription({"usage": {"seconds": 30}}, "write-3")
    silent = {"models": {MODEL: {"since": "2026-01-31", "text": {"input": 1, "cached": 1, "output": 1}}}}
    spent = responses + timed
    assert spent.missing_prices(PRICES, on=DAY) == ("write-3",)
    assert responses.missing_prices(PRICES, on=DAY) == ()
    missing = (f"{MODEL}: audio.input", f"{MODEL}: audio.output")
    assert set(missing) <= set(responses.missing_prices(silent, on=DAY))
    assert spent.missing_prices(PRICES, on="2026-01-01") == (MODEL, "write-3")
    for _ in range(2):
        assert spent.cost(PRICES, on=DAY) is None
    assert [record.getMessage() for record in caplog.records] == [
        "the cost is not known; the price table lacks write-3"
    ]
