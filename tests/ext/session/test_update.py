"""Updates of a running session: merged as the API merges them, and checked as far as they go."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
from realtime_api import models

from realtime_ext import (
    SessionBuilder,
    SessionConfigError,
    SessionConfigWarning,
    TranscriptionSessionBuilder,
    TranslationSessionBuilder,
)
from realtime_ext.session import merge, resolve_update
from tests.support.rows import each

TOOL = {"type": "function", "name": "book_room"}
FORCED = {"type": "function", "name": "book_room"}
CURRENT: dict[str, Any] = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "sess_1",
    "model": "gpt-realtime",
    "instructions": "Be brief.",
    "tools": [TOOL],
    "tool_choice": FORCED,
    "tracing": {"workflow_name": "desk"},
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "turn_detection": {"type": "server_vad", "threshold": 0.4, "idle_timeout_ms": 6000},
            "transcription": {"model": "whisper-1", "language": "en"},
        },
        "output": {"voice": "ash", "speed": 1.0},
    },
}


def updated(update: Any, current: Any = CURRENT, **options: Any) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return resolve_update(update, current, validate=True, **options)


def refused(update: Any, current: Any = CURRENT, **options: Any) -> list[str]:
    with pytest.raises(SessionConfigError) as caught:
        resolve_update(update, current, validate=True, **options)
    return [problem.field for problem in caught.value.problems]


# ---- merge


@each(
    "update, path, value",
    [
        ({}, "instructions", "Be brief."),
        ({"instructions": ""}, "instructions", ""),
        ({"instructions": "New."}, "instructions", "New."),
        ({"tools": []}, "tools", []),
        ({"tracing": None}, "tracing", None),
        ({"tracing": {"group_id": "g"}}, "tracing", {"group_id": "g"}),
        ({"audio": {"output": {"speed": 1.2}}}, "audio.output", {"voice": "ash", "speed": 1.2}),
        ({"audio": {"input": {"turn_detection": None}}}, "audio.input.turn_detection", None),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}},
            "audio.input.turn_detection",
            {"type": "server_vad"},
        ),
        (
            {"audio": {"input": {"turn_detection": None}}},
            "audio.input.transcription",
            {"model": "whisper-1", "language": "en"},
        ),
        ({"audio": {"input": {"transcription": None}}}, "audio.output.voice", "ash"),
        ({"new": {"a": 1}}, "new", {"a": 1}),
    ],
)
def test_an_update_changes_what_it_names(update: dict[str, Any], path: str, value: Any) -> None:
    current, given = copy.deepcopy(CURRENT), copy.deepcopy(update)
    found: Any = merge(current, given)
    for name in path.split("."):
        found = found[name]
    assert found == value
    assert (current, given) == (CURRENT, update)


def test_merging_accepts_builders_and_models_and_copies() -> None:
    told = models.RealtimeSessionCreateResponseGA.from_dict(CURRENT)
    merged = merge(told, SessionBuilder().voice(speed=1.2))
    assert merged["audio"]["output"] == {"voice": "ash", "speed": 1.2}
    merged["tools"].clear()
    assert told.tools


# ---- checks


def test_an_update_is_sent_as_it_was_asked_for() -> None:
    update = SessionBuilder().push_to_talk().instructions("")
    expected = {"type": "realtime", "audio": {"input": {"turn_detection": None}}, "instructions": ""}
    for form in (update, update.build(), update.to_dict()):
        assert updated(form) == expected
        assert updated(form, None) == expected


@each(
    "update, fields",
    [
        ({"instructions": "x"}, ["type"]),
        ({"type": "transcription"}, ["type"]),
        ({"type": "realtime", "voice": "ash"}, ["voice"]),
        ({"type": "realtime", "model": "gpt-realtime-2"}, ["model"]),
        ({"type": "realtime", "tools": []}, ["tool_choice.name"]),
        ({"type": "realtime", "tool_choice": {"type": "function", "name": "other"}}, ["tool_choice.name"]),
        ({"type": "realtime", "reasoning": {"effort": "low"}}, ["reasoning"]),
        (
            {"type": "realtime", "tools": [], "max_output_tokens": 0, "reasoning": {"effort": "low"}},
            ["max_output_tokens", "reasoning", "tool_choice.name"],
        ),
        (
            {"type": "realtime", "audio": {"input": {"turn_detection": {"idle_timeout_ms": 6000}}}},
            ["audio.input.turn_detection.type"],
        ),
    ],
)
def test_problems_of_the_merged_session_are_reported(update: dict[str, Any], fields: list[str]) -> None:
    assert refused(update) == fields


@each(
    "update",
    [
        {"type": "realtime", "model": "gpt-realtime"},
        {"type": "realtime", "tool_choice": FORCED},
        {"type": "realtime", "tools": [], "tool_choice": "auto"},
        {"type": "realtime", "tools": [TOOL, {"type": "function", "name": "other"}]},
    ],
)
def test_updates_that_match_the_current_session_pass(update: dict[str, Any]) -> None:
    assert updated(update) == update


def test_without_the_current_session_an_update_is_checked_field_by_field() -> None:
    forced = SessionBuilder().tool_choice("book_room").reasoning("low")
    assert updated(forced, None) == forced.to_dict()
    assert refused(forced.max_output_tokens(0), None) == ["max_output_tokens"]
    assert refused(forced.tools([]), None) == ["tool_choice.name"]


def test_an_update_is_not_blamed_for_problems_of_the_current_session() -> None:
    odd = {**CURRENT, "tools": [], "reasoning": {"effort": "low"}}
    assert updated({"type": "realtime", "instructions": "x"}, odd)["instructions"] == "x"
    assert refused({"type": "realtime", "tool_choice": {"type": "function", "name": "y"}}, odd) == [
        "tool_choice.name"
    ]


def test_the_current_model_decides_what_can_be_asked() -> None:
    update = {"type": "realtime", "reasoning": {"effort": "low"}}
    assert updated(update, {**CURRENT, "model": "gpt-realtime-2"}) == update
    with pytest.warns(SessionConfigWarning, match="'mine' is not known"):
        resolve_update(update, {**CURRENT, "model": "mine"}, validate=True)


def test_an_alias_and_a_dated_release_may_be_one_model() -> None:
    dated = {**CURRENT, "model": "gpt-realtime-2025-08-28"}
    for name, current in (("gpt-realtime", dated), ("gpt-realtime-2025-08-28", CURRENT)):
        assert updated({"type": "realtime", "model": name}, current)["model"] == name
    for name in ("gpt-realtime-2025-12-15", "gpt-realtime-2.1", "gpt-realtime-mini"):
        assert refused({"type": "realtime", "model": name}, dated) == ["model"]


def test_the_current_kind_is_the_only_one() -> None:
    current = {"type": "transcription", "audio": {}}
    update = TranscriptionSessionBuilder().transcribe("whisper-1")
    assert updated(update, current) == update.to_dict()
    assert refused(SessionBuilder().instructions("x"), current) == ["type"]


def test_a_translation_update_leaves_the_model_out() -> None:
    builder = TranslationSessionBuilder("gpt-realtime-translate").to_language("es")
    current = {"type": "translation", "id": "s", "model": "gpt-realtime-translate", "audio": {}}
    for known in (current, None):
        sent = updated(builder, known, kinds=("translation",))
        assert sent == {"audio": {"output": {"language": "es"}}}
    assert refused(builder, {**current, "model": "other"}, kinds=("translation",)) == ["model"]
    assert updated(TranslationSessionBuilder(), current, kinds=("translation",)) == {}


def test_unchecked_an_update_goes_out_as_given() -> None:
    update = {"voice": "ash", "tools": 5}
    assert resolve_update(update, CURRENT, validate=False) == update


@each("session", [None, 5, [], SessionBuilder])
def test_other_types_than_sessions_are_type_errors(session: Any) -> None:
    with pytest.raises(TypeError, match="session: expected a builder"):
        resolve_update(session, CURRENT, validate=True)
    with pytest.raises(TypeError, match="session: expected a builder"):
        merge({}, session)
    if session is not None:
        with pytest.raises(TypeError, match="session: expected a builder"):
            resolve_update({}, session, validate=True)
