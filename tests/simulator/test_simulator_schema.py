from __future__ import annotations

import pytest
from realtime_api.events import SERVER_EVENTS
from realtime_simulator._core import schema
from realtime_simulator._core.problem import ApiProblem

from tests.support.rows import each

SESSION = "RealtimeSessionCreateRequestGA"


def at_input(**fields: object) -> dict:
    return {"type": "realtime", "audio": {"input": fields}}


@each(
    "session",
    [
        {"type": "realtime"},
        at_input(turn_detection=None),
        at_input(turn_detection={"type": "semantic_vad", "eagerness": "low"}),
        {"type": "realtime", "prompt": {"id": "p", "variables": {"any": "name"}}},
        {"type": "realtime", "tools": [{"type": "function", "name": "f", "parameters": {"any": 1}}]},
        {"type": "realtime", "tools": [{"type": "mcp", "server_label": "s", "server_url": "https://x"}]},
        {"type": "realtime", "max_output_tokens": "inf"},
    ],
)
def test_values_that_the_api_accepts_pass(session: dict) -> None:
    schema.check(SESSION, session, at="session")


@each(
    "session, code, param, said",
    [
        ({}, "missing_required_parameter", "session.type", ""),
        ("x", "invalid_type", "session", "object"),
        ({"type": "realtime", "modalities": []}, "unknown_parameter", "session.modalities", ""),
        (
            {"type": "realtime", "audio": {"output": {"speed": 3}}},
            "decimal_above_max_value",
            "session.audio.output.speed",
            "1.5",
        ),
        (at_input(format={"type": "pcm16"}), "invalid_value", "session.audio.input.format.type", "audio/pcm"),
        (
            at_input(turn_detection={"type": "semantic_vad", "eagerness": "x"}),
            "invalid_value",
            "session.audio.input.turn_detection.eagerness",
            "'low'",
        ),
        (
            at_input(turn_detection={"type": "server_vad", "idle_timeout_ms": 1}),
            "integer_below_min_value",
            "session.audio.input.turn_detection.idle_timeout_ms",
            "5000",
        ),
        (
            {"type": "realtime", "tools": [{"type": "function", "name": 1}]},
            "invalid_type",
            "session.tools[0].name",
            "string",
        ),
        (
            {"type": "realtime", "tools": [{"type": "function", "nam": "f"}]},
            "unknown_parameter",
            "session.tools[0].nam",
            "",
        ),
        (
            {"type": "realtime", "tools": [{"type": "mcp"}]},
            "missing_required_parameter",
            "session.tools[0].server_label",
            "",
        ),
        ({"type": "realtime", "tool_choice": "some"}, "invalid_value", "session.tool_choice", "'required'"),
        (
            {"type": "realtime", "output_modalities": ["video"]},
            "invalid_value",
            "session.output_modalities[0]",
            "'text'",
        ),
    ],
)
def test_values_that_the_api_refuses_are_named(session: object, code: str, param: str, said: str) -> None:
    with pytest.raises(ApiProblem) as caught:
        schema.check(SESSION, session, at="session")
    assert (caught.value.code, caught.value.param) == (code, param)
    assert said in caught.value.message


@each(
    "fields, said",
    [
        (
            {"audio": {"input": {"format": "pcm16"}}},
            "audio.input.format': expected an object, but got a string",
        ),
        (
            {"audio": {"output": {"speed": "fast"}}},
            "audio.output.speed': expected a decimal, but got a string",
        ),
        (
            {"audio": {"output": {"voice": None}}},
            "audio.output.voice': expected one of a string or object, but got null",
        ),
        (
            {"max_output_tokens": 1.5},
            "max_output_tokens': expected one of an integer or string, but got a decimal number",
        ),
        ({"instructions": ["x"]}, "instructions': expected a string, but got an array"),
        ({"tools": {"x": 1}}, "tools': expected an array, but got an object"),
        ({"output_modalities": True}, "output_modalities': expected an array, but got a boolean"),
    ],
)
def test_values_of_another_type_are_refused_with_the_services_message(fields: dict, said: str) -> None:
    with pytest.raises(ApiProblem) as caught:
        schema.check(SESSION, {"type": "realtime", **fields}, at="session")
    assert (caught.value.code, caught.value.message) == (
        "invalid_type",
        f"Invalid type for 'session.{said} instead.",
    )


def test_a_long_value_is_not_repeated_whole() -> None:
    with pytest.raises(ApiProblem) as caught:
        schema.check(SESSION, {"type": "realtime", "output_modalities": ["x" * 100_000]})
    assert len(caught.value.message) < 500


def test_event_types_are_found_in_the_description() -> None:
    assert schema.event_schemas("RealtimeClientEvent")["session.update"] == "RealtimeClientEventSessionUpdate"
    assert set(schema.event_schemas("RealtimeServerEvent")) == set(SERVER_EVENTS)
