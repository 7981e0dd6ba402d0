"""Usage added up from events."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st
from realtime_api import models

from realtime_ext import usage
from realtime_ext.usage import Amount, Tokens, Usage, UsageMeter
from tests.support.rows import each
from tests.support.usage_events import response_done, session_event, transcribed

MODEL, TRANSCRIBER, TIMED = "voice-1", "write-1", "write-timed"


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


def test_seconds_of_live_sessions_that_continue_each_other_add_up() -> None:
    meter = UsageMeter()
    for session_id, seconds in (("live_1", 60.0), ("live_1", 75.0), ("live_2", 30.0)):
        session = {"id": session_id, "model": "gpt-live-1"}
        meter.observe({"type": "session.started", "session": session})
        used = {"seconds": seconds, "paused_seconds": seconds / 3}
        meter.observe({"type": "session.usage.updated", "usage": used})
    (entry,) = meter.usage.entries
    assert (entry.amount.count, entry.amount.seconds, entry.amount.paused_seconds) == (2, 105.0, 35.0)


def test_seconds_count_once_if_the_session_tells_its_id_later() -> None:
    meter = UsageMeter("gpt-live-1")
    for seconds in (15.0, 30.0):
        meter.observe({"type": "session.usage.updated", "usage": {"seconds": seconds}})
        meter.observe({"type": "session.updated", "session": {"id": "live_1"}})
        meter.observe({"type": "session.updated", "session": None})
    assert [entry.amount.seconds for entry in meter.usage.entries] == [30.0]


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
        {"type": "conversation.item.input_audio_transcription.completed", "usage": {"seconds": 10**400}},
        None,
    ],
)
def test_no_event_breaks_the_count(event: Any) -> None:
    meter = UsageMeter()
    meter.observe(event)
    assert meter.usage.total_tokens == 0
    assert meter.usage.transcriptions.seconds == 0
    assert meter.usage.total_tokens == 0


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
