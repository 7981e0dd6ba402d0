"""The check of a session: beta names, rules that no schema says, unknown fields, and what is never shown."""

from __future__ import annotations

import json
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytest
from realtime_api import models, schemas

import realtime_ext
from realtime_ext import SessionBuilder, SessionConfigError, SessionConfigWarning, SessionProblem
from realtime_ext.session import resolve
from realtime_ext.session._kinds import BETA_FIELDS, BETA_FORMATS, reasons
from tests.support.rows import each

REALTIME = {"type": "realtime"}
SERVER = {"type": "mcp", "server_label": "shop", "server_url": "https://shop.example"}


def problems(session: Any, *kinds: str, **options: Any) -> list[SessionProblem]:
    with pytest.raises(SessionConfigError) as caught:
        resolve(session, validate=True, kinds=kinds or ("realtime",), **options)
    first = caught.value.problems[0]
    assert (caught.value.field, caught.value.value, caught.value.allowed) == (
        first.field,
        first.value,
        first.allowed,
    )
    assert all(problem.message in str(caught.value) for problem in caught.value.problems)
    return list(caught.value.problems)


def problem(session: Any, *kinds: str, **options: Any) -> SessionProblem:
    (found,) = problems(session, *kinds, **options)
    return found


def warned(session: Any, *kinds: str, **options: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        resolve(session, validate=True, kinds=kinds or ("realtime",), **options)
    assert all(warning.category is SessionConfigWarning for warning in caught)
    assert all(warning.filename == __file__ for warning in caught)
    return [str(warning.message) for warning in caught]


# ---- kinds


@each(
    "session, kinds, value, allowed",
    [
        ({}, ("realtime",), None, ("realtime",)),
        ({}, ("realtime", "transcription"), None, ("realtime", "transcription")),
        ({"type": "transcription"}, ("realtime",), "transcription", ("realtime",)),
        ({"type": "Realtime"}, ("realtime",), "Realtime", ("realtime",)),
        ({"type": None}, ("realtime",), None, ("realtime",)),
        ({"type": ["realtime"]}, ("realtime",), ["realtime"], ("realtime",)),
        ({"type": "realtime", "model": "m"}, ("translation",), "realtime", None),
        ({"type": "x", "model": "m"}, ("translation",), "x", None),
        ({"type": "x"}, ("realtime", "realtime_older"), "x", ("realtime",)),
        ({"type": "x", "audio": {}}, ("realtime", "realtime_older"), "x", ("realtime",)),
    ],
)
def test_a_session_of_another_kind_is_refused(
    session: dict[str, Any], kinds: tuple[str, ...], value: Any, allowed: Any
) -> None:
    found = problem(session, *kinds)
    assert (found.field, found.value, found.allowed) == ("type", value, allowed)
    assert f"expected {' or '.join(map(repr, allowed)) if allowed else 'no such field'}" in found.message
    assert ("it is required" in found.message) == (not session)
    is_known = value in ("realtime", "transcription")
    assert ("session is not accepted here" in found.message) == is_known


def test_the_older_forms_take_their_own_names_alone() -> None:
    older = {
        "model": "gpt-4o-realtime-preview",
        "modalities": ["text", "audio"],
        "voice": "alloy",
        "input_audio_format": "pcm16",
        "turn_detection": {"type": "server_vad", "threshold": 0.4},
        "temperature": 0.8,
    }
    assert warned(older, "realtime", "realtime_older") == []
    found = problems({**older, "audio": {}, "temperature": 3}, "realtime", "realtime_older")
    assert [(one.field, one.value) for one in found] == [("temperature", 3), ("audio", {})]
    assert "with type 'realtime'" in found[1].message
    assert warned({"input_audio_format": "g711_alaw"}, "transcription", "transcription_older") == []
    assert problem({"input_audio_format": "mp3"}, "transcription", "transcription_older").allowed == tuple(
        BETA_FORMATS
    )
    assert warned({"type": "realtime", "audio": {}}, "realtime", "realtime_older") == []


@each(
    "session, kind, field, message",
    [
        (
            {"type": "transcription", "tools": []},
            "transcription",
            "tools",
            "a field of conversation sessions",
        ),
        (
            {"type": "transcription", "model": "m"},
            "transcription",
            "model",
            "there is audio.input.transcription.model",
        ),
        (
            {"type": "transcription", "audio": {"output": {"voice": "ash"}}},
            "transcription",
            "audio.output",
            "which transcription sessions don't have",
        ),
        (
            {"type": "realtime", "audio": {"output": {"language": "es"}}},
            "realtime",
            "audio.output.language",
            "a field of translation sessions, which conversation sessions don't have",
        ),
        (
            {"model": "m", "audio": {"input": {"turn_detection": None}}},
            "translation",
            "audio.input.turn_detection",
            "which translation sessions don't have",
        ),
        (
            {"model": "m", "instructions": "x"},
            "translation",
            "instructions",
            "which translation sessions don't",
        ),
    ],
)
def test_fields_of_another_kind_are_refused(
    session: dict[str, Any], kind: str, field: str, message: str
) -> None:
    found = problem(session, kind)
    assert found.field == field
    assert message in found.message


def test_a_translation_session_needs_its_model() -> None:
    assert problem({"audio": {}}, "translation").field == "model"
    assert warned({"type": "translation", "model": "m"}, "translation") == [
        "type: not a field of translation sessions, sent unchanged; leave it out"
    ]


# ---- beta names


BETA_VALUES = {
    "modalities": ["text"],
    "voice": "alloy",
    "speed": 1.0,
    "input_audio_format": "pcm16",
    "output_audio_format": "g711_ulaw",
    "input_audio_transcription": {"model": "whisper-1"},
    "input_audio_noise_reduction": None,
    "turn_detection": {"type": "server_vad"},
    "max_response_output_tokens": "inf",
    "temperature": 0.8,
    "client_secret": "***",
}


def test_the_table_has_every_name_of_the_older_form() -> None:
    """What the older request has and the present one hasn't is a beta name, and each has its test."""
    names = ("RealtimeSessionCreateRequest", "RealtimeTranscriptionSessionCreateRequest")
    older = {field for name in names for field in schemas.get(name)["properties"]}
    present = schemas.get("RealtimeSessionCreateRequestGA")["properties"].keys()
    assert older - present == set(BETA_FIELDS) == set(BETA_VALUES)


@each("name", BETA_FIELDS)
def test_a_beta_name_is_answered_with_its_successor(name: str) -> None:
    found = problem({**REALTIME, name: BETA_VALUES[name]})
    assert (found.field, found.value) == (name, BETA_VALUES[name])
    assert found.allowed == BETA_FIELDS[name]
    assert "a beta name" in found.message
    if BETA_FIELDS[name] is not None:
        assert f"use {BETA_FIELDS[name]}" in found.message


@each("path", [path for path in BETA_FIELDS.values() if path is not None])
def test_the_successors_are_fields_that_there_are(path: str) -> None:
    *parents, name = path.split(".")
    session: dict[str, Any] = {"type": "realtime"}
    inner = session
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[name] = ["no value that fits"]
    assert all(found.field.startswith(path) for found in problems(session))


@each("name", BETA_FIELDS)
def test_a_beta_name_without_a_successor_in_this_kind_is_refused_too(name: str) -> None:
    found = problem({"model": "m", name: BETA_VALUES[name]}, "translation")
    assert found.field == name
    assert "beta name" in found.message


def test_beta_names_come_first_even_without_a_type() -> None:
    found = problems({"modalities": ["text"], "instructions": 5})
    assert [one.field for one in found] == ["modalities", "type", "instructions"]


@each(
    "given, written",
    [
        ("pcm16", "{'type': 'audio/pcm', 'rate': 24000}"),
        ("g711_ulaw", "{'type': 'audio/pcmu'}"),
        ("g711_alaw", "{'type': 'audio/pcma'}"),
        ("pcm", "{'type': 'audio/pcm', 'rate': 24000}"),
        ("audio/pcmu", "{'type': 'audio/pcmu'}"),
    ],
)
def test_a_format_given_as_text_is_answered_with_the_object(given: str, written: str) -> None:
    for side in ("input", "output"):
        path = f"audio.{side}.format"
        found = problem({**REALTIME, "audio": {side: {"format": given}}})
        assert (found.field, found.value) == (path, given)
        assert found.message.endswith(f"write {path} = {written}")
        assert ("is a beta name" in found.message) == (given in BETA_FORMATS)
        if not given.startswith("audio/"):
            found = problem({**REALTIME, "audio": {side: {"format": {"type": given}}}})
            assert (found.field, found.value) == (f"{path}.type", given)
            assert found.message.endswith(f"write {path} = {written}")
    beta = problem({**REALTIME, "output_audio_format": given})
    assert (written in beta.message) == (given in BETA_FORMATS)


# ---- rules


@each(
    "fields, field, value, allowed, message",
    [
        (
            {"output_modalities": ["text", "audio"]},
            "output_modalities",
            ["text", "audio"],
            (["audio"], ["text"]),
            "exclude each other",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "idle_timeout_ms": 6000}}}},
            "audio.input.turn_detection.idle_timeout_ms",
            6000,
            None,
            "only applies to type 'server_vad', and its type is 'semantic_vad'",
        ),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "audio.input.format.rate",
            16000,
            (24000,),
            "expected 24000, got 16000",
        ),
        (
            {"audio": {"output": {"format": {"type": "audio/pcmu", "rate": 8000}}}},
            "audio.output.format.rate",
            8000,
            None,
            "only applies to type 'audio/pcm'",
        ),
        (
            {"model": "gpt-realtime", "parallel_tool_calls": True},
            "parallel_tool_calls",
            True,
            None,
            "'gpt-realtime' has no parallel tool calls",
        ),
        (
            {"model": "gpt-realtime-mini-2025-12-15", "reasoning": {"effort": "low"}},
            "reasoning",
            {"effort": "low"},
            None,
            "'gpt-realtime-mini-2025-12-15' has no reasoning settings",
        ),
        ({"tools": [{"type": "function"}]}, "tools[0].name", None, "a name", "expected a name, got nothing"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name", "a b", ..., "1 to 64 characters"),
        (
            {"tools": [{"type": "function", "name": "x"}, SERVER, {"type": "function", "name": "x"}]},
            "tools[2].name",
            "x",
            "one that is not taken",
            "one that tools[0] doesn't have",
        ),
        (
            {"tools": [SERVER, SERVER]},
            "tools[1].server_label",
            "shop",
            "one that is not taken",
            "one that tools[0] doesn't have",
        ),
        (
            {"tools": [{"type": "mcp", "server_label": "shop"}]},
            "tools[0].server_url",
            None,
            "server_url, connector_id or tunnel_id",
            "an MCP server needs a location",
        ),
        (
            {"tools": [{"server_url": "https://shop.example", "name": "x"}]},
            "tools[0].server_url",
            "https://shop.example",
            None,
            "only applies to type 'mcp', and it has no type",
        ),
        (
            {"tools": [{"name": "x"}], "tool_choice": {"type": "function", "name": "y"}},
            "tool_choice.name",
            "y",
            ("x",),
            "expected one of tools ('x'), got 'y'",
        ),
        (
            {"tool_choice": {"type": "function", "name": "y"}},
            "tool_choice.name",
            "y",
            (),
            "expected one of tools (none)",
        ),
        (
            {"tools": [SERVER], "tool_choice": {"type": "function", "name": "shop"}},
            "tool_choice.name",
            "shop",
            (),
            "(none)",
        ),
        (
            {"tools": [SERVER], "tool_choice": {"type": "mcp", "server_label": "other"}},
            "tool_choice.server_label",
            "other",
            ("shop",),
            "expected one of tools ('shop')",
        ),
        (
            {
                "tools": [{**SERVER, "allowed_tools": {"tool_names": ["buy"]}}],
                "tool_choice": {"type": "mcp", "server_label": "shop", "name": "sell"},
            },
            "tool_choice.name",
            "sell",
            ("buy",),
            "expected one of the allowed tools of 'shop' ('buy')",
        ),
        ({"tool_choice": "sometimes"}, "tool_choice", "sometimes", ..., "'none' or 'auto' or 'required'"),
        ({"max_output_tokens": 4097}, "max_output_tokens", 4097, ..., "an integer from 1 to 4096 or 'inf'"),
        ({"max_output_tokens": True}, "max_output_tokens", True, ..., "got true"),
        ({"instructions": None}, "instructions", None, "a string", "expected a string, got null"),
    ],
)
def test_settings_that_would_fail_later_are_refused(
    fields: dict[str, Any], field: str, value: Any, allowed: Any, message: str
) -> None:
    found = problem({**REALTIME, **fields})
    assert (found.field, found.value) == (field, value)
    assert allowed is ... or found.allowed == allowed
    assert message in found.message


@each(
    "fields",
    [
        {"model": "gpt-realtime-2", "parallel_tool_calls": True, "reasoning": {"effort": "xhigh"}},
        {"model": "gpt-realtime", "parallel_tool_calls": False},
        {"model": "any-model", "audio": {"output": {"voice": "any-voice"}, "input": {}}},
        {"parallel_tool_calls": True},
        {"tools": [{"type": "function", "name": "shop"}, SERVER]},
        {"tools": [{"name": "x"}], "tool_choice": {"type": "function", "name": "x"}},
        {"tools": [SERVER], "tool_choice": {"type": "mcp", "server_label": "shop", "name": "sell"}},
        {"prompt": {"id": "pmpt_1"}, "tool_choice": {"type": "function", "name": "x"}},
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": None}}}},
        {"audio": {"input": {"format": {"type": "audio/pcm"}}}},
        {"tracing": {"metadata": {"any": [1, {"thing": None}]}}},
        {"tools": [{"type": "function", "name": "x", "parameters": {"$ref": "#/x", "any": [1.5]}}]},
        {"prompt": {"id": "pmpt_1", "variables": {"any": "x", "part": {"type": "input_text", "text": "y"}}}},
    ],
)
def test_valid_sessions_pass_without_a_warning(fields: dict[str, Any]) -> None:
    assert warned({**REALTIME, **fields}) == []


def test_whether_an_unknown_model_reasons_is_left_open() -> None:
    asked = {
        **REALTIME,
        "model": "my-deployment",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "low"},
    }
    assert warned(asked) == [
        "parallel_tool_calls: only reasoning models have it, and 'my-deployment' is not known",
        "reasoning: only reasoning models have it, and 'my-deployment' is not known",
    ]


def test_the_model_of_the_connection_stands_in() -> None:
    asked = {**REALTIME, "reasoning": {"effort": "low"}}
    assert problem(asked, model="gpt-realtime").field == "reasoning"
    assert len(warned(asked, model="my-deployment")) == 1
    assert warned({**asked, "model": "gpt-realtime-2"}, model="gpt-realtime") == []
    assert warned(REALTIME, model="gpt-realtme") == [
        "model: 'gpt-realtme' is not known; did you mean 'gpt-realtime'?"
    ]


def test_every_model_that_the_description_lists_is_known() -> None:
    options = schemas.get("RealtimeSessionCreateRequestGA")["properties"]["model"]["anyOf"][1]["enum"]
    assert {name for name in options if reasons(name)} >= {
        "gpt-realtime-2",
        "gpt-realtime-2.1",
        "gpt-realtime-2.1-mini",
    }
    # A model that came since is let through with a warning.
    for name in (name for name in options if reasons(name) is None):
        assert len(warned({**REALTIME, "model": name, "reasoning": {"effort": "low"}})) == 1
    assert reasons("gpt-realtime-2-2026-05-01")
    assert reasons("gpt-realtime-3") is reasons("gpt-realtime-20") is None


# ---- unknown fields


@each(
    "fields, message",
    [
        ({"instructons": "x"}, "instructons: not a known field, sent unchanged; did you mean instructions?"),
        (
            {"noise_reduction": {}},
            "noise_reduction: not a known field, sent unchanged; did you mean audio.input.noise_reduction?",
        ),
        (
            {"audio": {"output": {"voyce": "ash"}}},
            "audio.output.voyce: not a known field, sent unchanged; did you mean voice?",
        ),
        (
            {"audio": {"output": {"zzz": 1}}},
            "audio.output.zzz: not a known field, sent unchanged; known are format, voice, speed",
        ),
        (
            {"tools": [{"type": "function", "name": "x", "strict": True}]},
            "tools[0].strict: not a known field, sent unchanged; "
            "known are type, name, description, parameters",
        ),
        (
            {"eagernes": "low"},
            "eagernes: not a known field, sent unchanged; did you mean audio.input.turn_detection.eagerness?",
        ),
    ],
)
def test_unknown_fields_pass_with_the_nearest_known_one(fields: dict[str, Any], message: str) -> None:
    session = {**REALTIME, **fields}
    assert warned(session) == [message]
    model = models.RealtimeSessionCreateRequestGA.from_dict(session)
    assert warned(model) == warned(SessionBuilder.from_dict(session)) == [message]
    with pytest.warns(SessionConfigWarning):
        assert resolve(session, validate=True) == session


# ---- all at once, in one order


def test_all_problems_come_at_once_in_the_same_order() -> None:
    fields: dict[str, Any] = {
        "type": "realtime",
        "reasoning": {"effort": "huge"},
        "voice": "ash",
        "max_output_tokens": 0,
        "audio": {"output": {"speed": 2, "language": "es"}, "input": {"turn_detection": {"type": "x"}}},
        "tool_choice": {"type": "function", "name": "y"},
        "modalities": [],
    }
    expected = [
        "modalities",
        "voice",
        "audio.input.turn_detection.type",
        "audio.output.speed",
        "reasoning.effort",
        "max_output_tokens",
        "audio.output.language",
        "tool_choice.name",
    ]
    assert [one.field for one in problems(fields)] == expected
    assert [one.field for one in problems(dict(reversed(fields.items())))] == expected
    model = models.RealtimeSessionCreateRequestGA.from_dict(fields)
    assert problems(model) == problems(SessionBuilder.from_dict(fields)) == problems(fields)


def test_without_checking_everything_goes_out_as_given() -> None:
    session = {"modalities": ["x"], "new": 1, "audio": 5, "tools": [{"type": "function", "name": "a b"}]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sent = resolve(session, validate=False)
    assert sent == session
    assert sent is not session
    odd = object()
    assert resolve({"x": odd}, validate=False) == {"x": odd}


# ---- bad input


class Endless:
    """Something with no end to its dict."""

    def to_dict(self) -> dict[str, Any]:
        return {"inner": self}


@each(
    "fields, field, message",
    [
        ({"instructions": b"x"}, "instructions", "expected a value that JSON has, got '<bytes>'"),
        ({"tracing": {"metadata": {"x": {1}}}}, "tracing.metadata.x", "got '<set>'"),
        ({"audio": {"output": {"speed": float("nan")}}}, "audio.output.speed", "got nan"),
        ({"audio": {"output": {"speed": float("inf")}}}, "audio.output.speed", "got inf"),
        ({"tracing": {"metadata": {"x": float("nan")}}}, "tracing.metadata.x", "got nan"),
        ({"tracing": {"metadata": {1: 2}}}, "tracing.metadata", "fields with names that are text"),
        ({5: 2}, "session", "fields with names that are text"),
        ({"max_output_tokens": 10**400}, "max_output_tokens", "expected an integer from 1 to 4096"),
        ({"model": SessionBuilder}, "model", "got '<type>'"),
    ],
)
def test_values_that_json_lacks_are_refused(fields: dict[Any, Any], field: str, message: str) -> None:
    found = problem({**REALTIME, **fields})
    assert found.field == field
    assert message in found.message


def test_a_session_within_itself_is_refused() -> None:
    session: dict[str, Any] = {"type": "realtime"}
    session["audio"] = session
    for endless in (session, Endless(), {"type": "realtime", "audio": Endless()}):
        for validate in (True, False):
            with pytest.raises(SessionConfigError, match="session: expected values that end somewhere"):
                resolve(endless, validate=validate)


@each("session", [None, 5, "realtime", b"{}", [], {1}, SessionBuilder, object()])
def test_other_types_than_sessions_are_type_errors(session: Any) -> None:
    for validate in (True, False):
        with pytest.raises(TypeError, match="session: expected a builder, a generated model or a dict, got"):
            resolve(session, validate=validate)


# ---- secrets


SECRET = "t0k3n-of-the-shop"


@each(
    "session",
    [
        {**REALTIME, "tools": [{**SERVER, "authorization": [SECRET]}]},
        {**REALTIME, "tools": [{**SERVER, "headers": SECRET}]},
        {**REALTIME, "tools": [{**SERVER, "headers": {"Authorization": [SECRET]}}]},
        {**REALTIME, "tools": [{**SERVER, "headers": {"Authorization": {SECRET}}}]},
        {**REALTIME, "tools": [{"type": "function", "name": "x", "authorization": SECRET}]},
        {**REALTIME, "tools": [{"type": "function", "name": "x", "headers": {"X": SECRET}}]},
        {**REALTIME, "tools": [{"type": "x", "authorization": SECRET, "headers": {"X": SECRET}}]},
        {**REALTIME, "tools": {"authorization": SECRET}},
        {**REALTIME, "instructions": {"type": "mcp", "headers": {"X": SECRET}}},
        {**REALTIME, "client_secret": {"value": SECRET}},
        {"type": "transcription", "tools": [{**SERVER, "authorization": SECRET}]},
        {**REALTIME, "tools": [{"type": "mcp", "server_label": "x", "server_url": f"/?token={SECRET}"}]},
        {**REALTIME, "audio": {"output": {"voice": {"name": f"ek_{SECRET}"}}}},
    ],
)
def test_secrets_are_in_no_problem(session: dict[str, Any]) -> None:
    kind = str(session["type"])
    with pytest.raises(SessionConfigError) as caught:
        resolve(session, validate=True, kinds=(kind,))
    told = [str(caught.value), repr(caught.value), repr(caught.value.problems)]
    told += [json.dumps(one.value, default=repr) for one in caught.value.problems]
    assert not [text for text in told if SECRET in text]
    assert SECRET not in "".join(traceback.format_exception_only(caught.value))


def test_secrets_are_in_no_warning() -> None:
    session = {**REALTIME, "authorisation": SECRET, "tools": [{**SERVER, "autorization": SECRET}]}
    assert len(warned(session)) == 2
    assert not [message for message in warned(session) if SECRET in message]


def test_long_values_are_cut() -> None:
    message = problem({**REALTIME, "tool_choice": "x" * 10_000}).message
    assert len(message) < 300


# ---- where warnings point


def test_the_package_skips_its_own_frames_and_no_others() -> None:
    beside = str(Path(realtime_ext.__file__).parent) + "_app.py"
    names: dict[str, Any] = {}
    exec(compile("def go(builder):\n    return builder.build()\n", beside, "exec"), names)
    with pytest.warns(SessionConfigWarning) as caught:
        names["go"](SessionBuilder.from_dict({"new": 1}))
    assert caught[0].filename == beside


@each(
    "fields, told",
    [
        ({"model": "gpt-realtme"}, "model: 'gpt-realtme' is not known; did you mean 'gpt-realtime'?"),
        (
            {"audio": {"output": {"voice": "marni"}}},
            "audio.output.voice: 'marni' is not known; did you mean 'marin'?",
        ),
        (
            {"audio": {"input": {"transcription": {"model": "whisper-9"}}}},
            "audio.input.transcription.model: 'whisper-9' is not known; did you mean 'whisper-1'?",
        ),
    ],
)
def test_a_name_near_to_a_known_one_is_warned_of(fields: dict[str, Any], told: str) -> None:
    with pytest.warns(SessionConfigWarning) as caught:
        resolve({"type": "realtime", **fields}, validate=True)
    assert [str(warning.message) for warning in caught] == [told]


@each("model", ["gpt-realtime", "gpt-realtime-3", "gpt-realtime-2031-01-01", "nova-sonic"])
def test_newer_and_other_names_are_not_warned_of(model: str) -> None:
    assert resolve({"type": "realtime", "model": model}, validate=True)["model"] == model


def test_a_model_of_another_api_is_refused_with_that_reason() -> None:
    with pytest.raises(SessionConfigError, match="Live API") as caught:
        resolve({"type": "realtime", "model": "gpt-live-1"}, validate=True)
    assert caught.value.field == "model"


@each(
    "given, near",
    [("spanish", "es"), ("Portugese", "pt"), ("deutsch", "de"), ("Javanese", "jv"), ("xx", None), ("", None)],
)
def test_an_invalid_language_code_is_refused(given: str, near: str | None) -> None:
    spoken = {"audio": {"input": {"transcription": {"model": "m", "language": given}}}}
    several = {"audio": {"input": {"transcription": {"model": "m", "languages": ["en", given]}}}}
    target = {"model": "m", "audio": {"output": {"language": given}}}
    for session, kind, field in (
        ({**REALTIME, **spoken}, "realtime", "audio.input.transcription.language"),
        ({**REALTIME, **several}, "realtime", "audio.input.transcription.languages[1]"),
        ({"type": "transcription", **spoken}, "transcription", "audio.input.transcription.language"),
        (target, "translation", "audio.output.language"),
        (
            {"input_audio_transcription": {"language": given}},
            "transcription_older",
            "input_audio_transcription.language",
        ),
    ):
        found = problem(session, kind)
        assert (found.field, found.value) == (field, given)
        assert ("did you mean" in found.message) == (near is not None)
        if near is not None:
            assert found.message.endswith(f"did you mean {near!r}?")


@each("language", ["es", "EN", "pt-BR", "zh-Hans-CN", "yue", "en-US,zh-CN", "jw"])
def test_codes_with_regions_and_scripts_are_languages(language: str) -> None:
    resolve(
        {**REALTIME, "audio": {"input": {"transcription": {"model": "m", "language": language}}}},
        validate=True,
    )


def test_a_session_that_is_nested_too_deep_is_refused() -> None:
    value: Any = "en"
    for depth in range(1, 2001):
        value = {"a": value}
        if depth in (95, 200, 400, 1000, 2000):
            session = {"type": "realtime", "audio": {"input": {"transcription": {"language": value}}}}
            with pytest.raises(SessionConfigError, match="language" if depth < 100 else "nested too deep"):
                resolve(session, validate=True)


@pytest.mark.parametrize("model", ["gpt-realtime-whisper", "gpt-live-transcribe"])
def test_some_transcription_models_have_no_turn_detection(model: str) -> None:
    def heard(kind: str, detection: object) -> dict[str, Any]:
        settings = {"transcription": {"model": model}, "turn_detection": detection}
        return {"type": kind, "audio": {"input": settings}}

    detection = {"type": "server_vad"}
    with pytest.raises(SessionConfigError) as caught:
        resolve(heard("transcription", detection), validate=True)
    assert [found.field for found in caught.value.problems] == ["audio.input.turn_detection"]
    assert f"{model!r} has no turn detection" in str(caught.value)
    for accepted in (heard("transcription", None), heard("realtime", detection)):
        assert resolve(accepted, validate=True) == accepted
