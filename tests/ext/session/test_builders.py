"""The three builders: what each method writes, and that nothing else is written or changed."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
from enum import StrEnum
from typing import Any

import pytest
from realtime_api import models, schemas

from realtime_ext import (
    SessionBuilder,
    SessionConfigError,
    SessionConfigWarning,
    TranscriptionSessionBuilder,
    TranslationSessionBuilder,
    tools,
)
from realtime_ext.session import resolve, with_tools
from tests.support.newcomers import is_new
from tests.support.rows import each

PCM = {"type": "audio/pcm", "rate": 24000}


def book_room(room: str, nights: int = 1) -> str:
    """Book a room.

    Args:
        room: The room's name.
    """
    return f"{room} {nights}"


BOOK_ROOM = {
    "type": "function",
    "name": "book_room",
    "description": "Book a room.",
    "parameters": tools.function_tool(book_room).to_dict()["parameters"],
}


def turns(value: Any) -> dict[str, Any]:
    return {"audio": {"input": {"turn_detection": value}}}


def heard(value: Any) -> dict[str, Any]:
    return {"audio": {"input": value}}


SPOKEN: list[tuple[Any, dict[str, Any]]] = [
    (lambda b: b.instructions("Be brief."), {"instructions": "Be brief."}),
    (lambda b: b.instructions(""), {"instructions": ""}),
    (lambda b: b.output("text"), {"output_modalities": ["text"]}),
    (lambda b: b.voice("marin"), {"audio": {"output": {"voice": "marin"}}}),
    (lambda b: b.voice("marin", speed=1.1), {"audio": {"output": {"voice": "marin", "speed": 1.1}}}),
    (lambda b: b.voice("ash").voice(speed=0.5), {"audio": {"output": {"voice": "ash", "speed": 0.5}}}),
    (lambda b: b.voice(models.CustomVoice(id="v_1")), {"audio": {"output": {"voice": {"id": "v_1"}}}}),
    (lambda b: b.output_format("pcm"), {"audio": {"output": {"format": PCM}}}),
    (lambda b: b.output_format("pcma"), {"audio": {"output": {"format": {"type": "audio/pcma"}}}}),
    (
        lambda b: b.telephony("pcmu"),
        {"audio": {side: {"format": {"type": "audio/pcmu"}} for side in ("input", "output")}},
    ),
    (lambda b: b.tool(book_room), {"tools": [BOOK_ROOM]}),
    (lambda b: b.tool(models.RealtimeFunctionTool(name="x")), {"tools": [{"type": "function", "name": "x"}]}),
    (
        lambda b: b.tool({"type": "function", "name": "a"}).mcp("shop", server_url="https://shop.example"),
        {
            "tools": [
                {"type": "function", "name": "a"},
                {"type": "mcp", "server_label": "shop", "server_url": "https://shop.example"},
            ]
        },
    ),
    (lambda b: b.tool(book_room).tools([]), {"tools": []}),
    (lambda b: b.tools(tools.Toolbox([book_room])), {"tools": [BOOK_ROOM]}),
    (lambda b: b.tools([book_room]), {"tools": [BOOK_ROOM]}),
    (lambda b: b.tool_choice("required"), {"tool_choice": "required"}),
    (
        lambda b: b.tool_choice("book_room"),
        {"tool_choice": {"type": "function", "name": "book_room"}},
    ),
    (lambda b: b.tool_choice(book_room), {"tool_choice": {"type": "function", "name": "book_room"}}),
    (
        lambda b: b.tool_choice(functools.partial(book_room)),
        {"tool_choice": {"type": "function", "name": "book_room"}},
    ),
    (
        lambda b: b.tool_choice(mcp="shop", name="buy"),
        {"tool_choice": {"type": "mcp", "server_label": "shop", "name": "buy"}},
    ),
    (lambda b: b.tool_choice(mcp="shop"), {"tool_choice": {"type": "mcp", "server_label": "shop"}}),
    (lambda b: b.parallel_tool_calls(), {"parallel_tool_calls": True}),
    (lambda b: b.parallel_tool_calls(False), {"parallel_tool_calls": False}),
    (lambda b: b.reasoning("high"), {"reasoning": {"effort": "high"}}),
    (lambda b: b.max_output_tokens(4096), {"max_output_tokens": 4096}),
    (lambda b: b.max_output_tokens("inf"), {"max_output_tokens": "inf"}),
    (lambda b: b.truncation("disabled"), {"truncation": "disabled"}),
    (
        lambda b: b.truncation(0.8),
        {"truncation": {"type": "retention_ratio", "retention_ratio": 0.8}},
    ),
    (
        lambda b: b.truncation(0.5, post_instructions=0),
        {
            "truncation": {
                "type": "retention_ratio",
                "retention_ratio": 0.5,
                "token_limits": {"post_instructions": 0},
            }
        },
    ),
    (lambda b: b.tracing(), {"tracing": "auto"}),
    (lambda b: b.tracing(None), {"tracing": None}),
    (
        lambda b: b.tracing(workflow_name="desk", group_id="g", metadata={"a": 1}),
        {"tracing": {"workflow_name": "desk", "group_id": "g", "metadata": {"a": 1}}},
    ),
    (lambda b: b.prompt("pmpt_1"), {"prompt": {"id": "pmpt_1"}}),
    (
        lambda b: b.prompt("pmpt_1", version="2", variables={"name": "Ann"}),
        {"prompt": {"id": "pmpt_1", "version": "2", "variables": {"name": "Ann"}}},
    ),
    (lambda b: b.prompt(None), {"prompt": None}),
]
HEARD: list[tuple[Any, dict[str, Any]]] = [
    (lambda b: b.input_format("pcm"), heard({"format": PCM})),
    (lambda b: b.input_format("audio/pcm"), heard({"format": PCM})),
    (lambda b: b.input_format("pcmu"), heard({"format": {"type": "audio/pcmu"}})),
    (lambda b: b.input_format(PCM), heard({"format": PCM})),
    (lambda b: b.transcribe("whisper-1"), heard({"transcription": {"model": "whisper-1"}})),
    (
        lambda b: b.transcribe("gpt-transcribe", languages=["en", "de"], keywords=("Elm",)),
        heard({"transcription": {"model": "gpt-transcribe", "languages": ["en", "de"], "keywords": ["Elm"]}}),
    ),
    (
        lambda b: b.transcribe("whisper-1", language="en").transcribe(prompt="Elm", delay="low"),
        heard({"transcription": {"model": "whisper-1", "language": "en", "prompt": "Elm", "delay": "low"}}),
    ),
    (lambda b: b.transcribe(None), heard({"transcription": None})),
    (lambda b: b.noise_reduction("far_field"), heard({"noise_reduction": {"type": "far_field"}})),
    (lambda b: b.noise_reduction(None), heard({"noise_reduction": None})),
    (
        lambda b: b.noise_reduction("near_field", strength=1.5),
        heard({"noise_reduction": {"type": "near_field", "strength": 1.5}}),
    ),
    (lambda b: b.server_vad(), turns({"type": "server_vad"})),
    (
        lambda b: b.server_vad(
            threshold=0.0,
            prefix_padding_ms=0,
            silence_duration_ms=200,
            idle_timeout_ms=5000,
            create_response=False,
            interrupt_response=False,
        ),
        turns(
            {
                "type": "server_vad",
                "threshold": 0.0,
                "prefix_padding_ms": 0,
                "silence_duration_ms": 200,
                "idle_timeout_ms": 5000,
                "create_response": False,
                "interrupt_response": False,
            }
        ),
    ),
    (
        lambda b: b.semantic_vad(eagerness="low", create_response=True),
        turns({"type": "semantic_vad", "eagerness": "low", "create_response": True}),
    ),
    (lambda b: b.push_to_talk(), turns(None)),
    (lambda b: b.server_vad(threshold=0.3).semantic_vad(), turns({"type": "semantic_vad"})),
    (lambda b: b.push_to_talk().server_vad(), turns({"type": "server_vad"})),
    (lambda b: b.semantic_vad().push_to_talk(), turns(None)),
    (lambda b: b.include_logprobs(), {"include": ["item.input_audio_transcription.logprobs"]}),
    (lambda b: b.include_logprobs(False), {"include": []}),
]
TRANSLATED: list[tuple[Any, dict[str, Any]]] = [
    (lambda b: b.to_language("es"), {"audio": {"output": {"language": "es"}}}),
    (lambda b: b.transcribe("whisper-1"), heard({"transcription": {"model": "whisper-1"}})),
    (lambda b: b.transcribe(None), heard({"transcription": None})),
    (lambda b: b.noise_reduction("near_field"), heard({"noise_reduction": {"type": "near_field"}})),
    (lambda b: b.noise_reduction(None), heard({"noise_reduction": None})),
    (
        lambda b: b.noise_reduction("near_field", strength=1.5),
        heard({"noise_reduction": {"type": "near_field", "strength": 1.5}}),
    ),
]
CASES = [
    *((SessionBuilder(), change, fields) for change, fields in SPOKEN + HEARD),
    *((TranscriptionSessionBuilder(), change, fields) for change, fields in HEARD),
    *((TranslationSessionBuilder("m"), change, fields) for change, fields in TRANSLATED),
]


@each("builder, change, fields", CASES)
def test_a_method_writes_its_fields_and_no_others(builder: Any, change: Any, fields: dict[str, Any]) -> None:
    before = copy.deepcopy(builder.to_dict())
    changed = change(builder)
    assert changed.to_dict() == {**before, **fields}
    assert changed.build().to_dict() == changed.to_dict()
    assert builder.to_dict() == before
    assert type(changed) is type(builder)


def test_every_field_of_the_requests_can_be_reached() -> None:
    """The cases above, taken together, write every field that the schemas name."""
    mcp = SessionBuilder().mcp(
        "shop",
        server_url="https://shop.example",
        connector_id="connector_gmail",
        tunnel_id="tunnel_" + "a1" * 16,
        authorization="token",
        headers={"X-Key": "k"},
        server_description="A shop.",
        allowed_tools=["buy"],
        allowed_callers=["direct"],
        require_approval={"never": {"read_only": True}},
        defer_loading=True,
    )
    assert mcp.build().to_dict() == mcp.to_dict()
    written = {path for _, _, fields in CASES for path in paths(fields)} | set(paths(mcp.to_dict()))
    named = {
        "model",
        *(
            path
            for name in ("SessionCreateRequestGA", "TranslationSessionCreateRequest")
            for path in known(name)
        ),
    }
    free = ("prompt.variables", "tracing.metadata", "tools.parameters", "tools.allowed_tools.")
    missed = {path for path in named - written if not path.startswith(free)}
    assert missed <= {
        # Written by every builder, or by the argument of its constructor.
        *("type", "model"),
        # Filters are written as the API has them.
        "tools.require_approval.always",
        "tools.require_approval.always.tool_names",
        "tools.require_approval.always.read_only",
        "tools.require_approval.never.tool_names",
    }


def paths(value: Any, path: str = "") -> list[str]:
    if isinstance(value, list):
        return [inner for item in value for inner in paths(item, path)]
    if not isinstance(value, dict):
        return []
    dotted = {f"{path}.{name}" if path else name: inner for name, inner in value.items()}
    return [*dotted, *(found for at, inner in dotted.items() for found in paths(inner, at))]


def known(name: str) -> set[str]:
    def walk(schema: dict[str, Any], path: str) -> set[str]:
        if "$ref" in schema:
            return walk(schemas.get(schema["$ref"].rpartition("/")[2]), path)
        found = {one for part in schema.get("anyOf", ()) for one in walk(part, path)}
        found |= walk(schema["items"], path) if "items" in schema else set()
        for key, inner in schema.get("properties", {}).items():
            at = f"{path}.{key}" if path else key
            if not is_new(inner.get("description")):
                found |= {at} | walk(inner, at)
        return found

    return walk(schemas.get(f"Realtime{name}"), "")


# ---- the whole


def test_build_gives_the_generated_model_with_its_type() -> None:
    session = SessionBuilder("gpt-realtime").build()
    assert type(session) is models.RealtimeSessionCreateRequestGA
    assert session.to_dict() == {"type": "realtime", "model": "gpt-realtime"}
    transcription = TranscriptionSessionBuilder("gpt-4o-transcribe").build()
    assert type(transcription) is models.RealtimeTranscriptionSessionCreateRequestGA
    assert transcription.to_dict() == {
        "type": "transcription",
        "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}},
    }
    assert TranscriptionSessionBuilder().build().to_dict() == {"type": "transcription"}
    translation = TranslationSessionBuilder("gpt-realtime-translate").to_language("es").build()
    assert type(translation) is models.RealtimeTranslationSessionCreateRequest
    assert translation.to_dict() == {
        "model": "gpt-realtime-translate",
        "audio": {"output": {"language": "es"}},
    }
    update = TranslationSessionBuilder().to_language("fr").build()
    assert type(update) is models.RealtimeTranslationSessionUpdateRequest


def test_a_transcription_session_has_nothing_to_answer_with() -> None:
    for name in ("voice", "output", "output_format", "telephony", "tool", "mcp", "instructions", "reasoning"):
        assert not hasattr(TranscriptionSessionBuilder(), name)
        assert not hasattr(TranslationSessionBuilder(), name)


def test_every_public_method_returns_a_new_builder() -> None:
    for cls in (SessionBuilder, TranscriptionSessionBuilder, TranslationSessionBuilder):
        for name, method in inspect.getmembers(cls, inspect.isfunction):
            if not name.startswith("_") and name not in ("build", "to_dict"):
                assert inspect.signature(method).return_annotation == "Self", name


def test_arguments_and_results_are_copied() -> None:
    parameters = {"type": "object", "properties": {}}
    tool = {"type": "function", "name": "x", "parameters": parameters}
    builder = SessionBuilder().tool(tool)
    tool["name"] = "changed"
    parameters["properties"] = {"y": {}}
    out = builder.to_dict()
    out["tools"][0]["name"] = "changed"
    model = builder.build()
    assert model.tools is not None
    model.tools.clear()
    expected = {"type": "function", "name": "x", "parameters": {"type": "object", "properties": {}}}
    assert builder.to_dict()["tools"] == [expected]


def test_builders_are_values() -> None:
    builder = SessionBuilder("m").voice("ash")
    assert builder == SessionBuilder("m").voice("ash") != SessionBuilder("m")
    other: Any = TranscriptionSessionBuilder()
    assert SessionBuilder() != other
    assert pickle.loads(pickle.dumps(builder)) == copy.deepcopy(builder) == builder
    with pytest.raises(AttributeError):
        builder._body = {}  # type: ignore[misc]
    with pytest.raises(AttributeError):
        builder.surplus = 1  # type: ignore[attr-defined]


def test_enums_and_models_inside_dicts_become_plain() -> None:
    class Voice(StrEnum):
        MARIN = "marin"

    audio = {"output": {"voice": Voice.MARIN, "format": models.RealtimeAudioFormatPcmu()}}
    session = SessionBuilder.from_dict({"audio": audio}).build()
    expected = {"voice": "marin", "format": {"type": "audio/pcmu"}}
    assert session.to_dict()["audio"]["output"] == expected
    assert type(session.to_dict()["audio"]["output"]["voice"]) is str


def test_reprs_are_short_and_secret_free() -> None:
    builder = (
        SessionBuilder("m").instructions("long " * 99).mcp("shop", authorization="t0ken", headers={"k": "v"})
    )
    assert repr(builder) == "<SessionBuilder 'm', instructions, tools>"
    assert repr(TranslationSessionBuilder()) == "<TranslationSessionBuilder>"


# ---- from_dict


def test_from_dict_continues_from_dict_model_and_builder() -> None:
    builder = SessionBuilder("m").voice("ash").tool(book_room).mcp("shop", server_url="https://shop.example")
    for form in (builder, builder.to_dict(), builder.build()):
        again = SessionBuilder.from_dict(form)
        assert again == builder
        assert again.voice("marin").to_dict()["audio"] == {"output": {"voice": "marin"}}
    assert SessionBuilder.from_dict({"model": "m"}).to_dict() == {"type": "realtime", "model": "m"}


def test_from_dict_leaves_out_what_only_the_server_says() -> None:
    told = {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_1",
        "expires_at": 1_800_000_000,
        "model": "gpt-realtime",
        "include": None,
        "tools": [{"type": "mcp", "server_label": "x", "server_url": "https://x.example", "headers": None}],
        "audio": {"input": {"turn_detection": None, "format": PCM}, "output": {"voice": "ash"}},
    }
    expected = {name: told[name] for name in ("type", "model", "tools", "audio")}
    assert SessionBuilder.from_dict(told).build().to_dict() == expected
    model = models.RealtimeSessionCreateResponseGA.from_dict(told)
    # The model has lost the null of the MCP headers, which means the same as none.
    expected["tools"] = model.to_dict()["tools"]
    assert SessionBuilder.from_dict(model).to_dict() == expected
    asked = {"type": "realtime", "include": None}
    assert SessionBuilder.from_dict(asked).to_dict() == asked
    translation = {"id": "sess_1", "type": "translation", "expires_at": 1, "model": "m", "audio": {}}
    assert TranslationSessionBuilder.from_dict(translation).to_dict() == {"model": "m", "audio": {}}


@pytest.mark.parametrize("detection", [None, {"type": "semantic_vad"}])
def test_from_dict_keeps_turn_detection_off_in_a_server_session(detection: Any) -> None:
    told = {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_1",
        "audio": {"input": {"turn_detection": detection, "noise_reduction": None}},
    }
    model = models.RealtimeSessionCreateResponseGA.from_dict(told)
    for session in (told, model):
        built = SessionBuilder.from_dict(session).build().to_dict()
        assert built["audio"]["input"]["turn_detection"] == detection


@each(
    "cls, session",
    [
        (SessionBuilder, {"type": "transcription"}),
        (SessionBuilder, TranscriptionSessionBuilder()),
        (TranscriptionSessionBuilder, SessionBuilder().build()),
        (SessionBuilder, {"type": None}),
    ],
)
def test_from_dict_refuses_another_kind(cls: Any, session: Any) -> None:
    with pytest.raises(SessionConfigError, match="type: expected '") as caught:
        cls.from_dict(session)
    assert caught.value.field == "type"


@each("session", [None, 5, "realtime", [], SessionBuilder, object()])
def test_from_dict_refuses_other_types_than_sessions(session: Any) -> None:
    with pytest.raises(TypeError, match="session: expected a builder, a generated model or a dict, got"):
        SessionBuilder.from_dict(session)


# ---- extra


def test_extra_sends_unknown_fields_without_a_warning() -> None:
    builder = SessionBuilder("m").voice("ash").extra(new=1, audio={"output": {"pitch": 2}})
    expected = {
        "type": "realtime",
        "model": "m",
        "audio": {"output": {"voice": "ash", "pitch": 2}},
        "new": 1,
    }
    built = builder.build()
    again = SessionBuilder.from_dict(built)
    for form in (builder, built, again, pickle.loads(pickle.dumps(built))):
        assert resolve(form, validate=True) == expected
    assert again == builder
    with pytest.warns(SessionConfigWarning, match="new: not a known field"):
        assert resolve(built.to_dict() | {"audio": {}}, validate=True) == expected | {"audio": {}}


def test_extra_does_not_open_the_way_for_other_fields() -> None:
    with pytest.raises(SessionConfigError, match=r"use audio\.output\.voice"):
        SessionBuilder().extra(voice="ash").build()
    with pytest.raises(SessionConfigError, match=r"audio.output.speed: expected a number from 0.25 to 1.5"):
        SessionBuilder().extra(audio={"output": {"speed": 3}}).build()
    with pytest.warns(SessionConfigWarning, match="other: not a known field"):
        SessionBuilder.from_dict(SessionBuilder().extra(new=1).to_dict() | {"other": 1}).extra(new=1).build()


# ---- what methods refuse


@each("codec", ["pcm", "audio/pcmu", "opus", "", None, 8, ["pcmu"]])
def test_a_telephone_has_two_codecs(codec: Any) -> None:
    with pytest.raises(SessionConfigError, match="expected 'pcmu' or 'pcma' for a telephone, got") as caught:
        SessionBuilder().telephony(codec)
    assert (caught.value.field, caught.value.value) == ("audio.input.format", codec)
    assert caught.value.allowed == ("pcmu", "pcma")


def test_build_reports_all_problems_unless_validate_is_false() -> None:
    beta: Any = "pcm16"
    builder = SessionBuilder("gpt-realtime").voice("ash", speed=9).max_output_tokens(0).output_format(beta)
    with pytest.raises(SessionConfigError) as caught:
        builder.build()
    assert [problem.field for problem in caught.value.problems] == [
        "audio.output.format.type",
        "audio.output.speed",
        "max_output_tokens",
    ]
    assert builder.build(validate=False).to_dict() == builder.to_dict()


def test_unchecked_what_lacks_something_is_built_as_it_is() -> None:
    builder = SessionBuilder().tool({"type": "mcp"})
    assert builder.build(validate=False).to_dict() == {"type": "realtime", "tools": [{"type": "mcp"}]}
    with pytest.raises(SessionConfigError, match=r"tools\[0\]\.server_label: expected a string, got nothing"):
        builder.build()


def test_without_a_model_rules_wait_for_the_whole_session() -> None:
    builder = SessionBuilder().tool_choice("book_room").reasoning("low")
    assert builder.build().to_dict()["tool_choice"]["name"] == "book_room"
    with pytest.raises(SessionConfigError, match=r"tool_choice\.name: expected one of tools"):
        resolve(builder, validate=True)


@each(
    "change, match",
    [
        (lambda b: b.tool(5), r"tools\[0\]: expected a function, a generated tool or a dict, got int"),
        (
            lambda b: b.tools("book_room"),
            r"tools\[0\]: expected a function, a generated tool or a dict, got str",
        ),
        (lambda b: b.tool_choice(), "tool_choice: expected either a choice, or mcp="),
        (lambda b: b.tool_choice("auto", mcp="shop"), "tool_choice: expected either a choice, or mcp="),
        (lambda b: b.tool_choice("x", name="y"), "tool_choice: expected either a choice, or mcp="),
        (
            lambda b: b.truncation("auto", post_instructions=5),
            "post_instructions: expected a ratio as the strategy, got 'auto'",
        ),
    ],
)
def test_wrong_arguments_are_refused_at_once(change: Any, match: str) -> None:
    with pytest.raises(TypeError, match=match):
        change(SessionBuilder())


def test_a_function_that_cannot_be_a_tool_is_a_session_problem() -> None:
    def tool(x: int) -> None: ...

    tool.__name__ = "no good name"
    with pytest.raises(SessionConfigError) as caught:
        SessionBuilder().tool(book_room).tool(tool)
    assert caught.value.field == "tools[1].name"
    assert caught.value.value == "no good name"


def test_transcribe_alone_uses_the_default_model() -> None:
    default = {"model": "gpt-realtime-whisper"}
    for builder in (SessionBuilder("gpt-realtime"), SessionBuilder(), TranscriptionSessionBuilder()):
        assert builder.transcribe().to_dict()["audio"] == {"input": {"transcription": default}}
    spanish = {"input": {"transcription": {**default, "language": "es"}}}
    assert SessionBuilder("gpt-realtime").transcribe(language="es").to_dict()["audio"] == spanish
    kept = TranscriptionSessionBuilder("gpt-4o-transcribe").transcribe()
    assert kept.to_dict() == TranscriptionSessionBuilder("gpt-4o-transcribe").to_dict()


def test_an_update_of_other_transcription_settings_names_no_model() -> None:
    audio = SessionBuilder().transcribe(language="es").to_dict()["audio"]
    assert audio == {"input": {"transcription": {"language": "es"}}}


def check_out(room: str) -> None:
    """End a stay."""


@each(
    "session, rest, before",
    [
        (None, {"type": "realtime"}, []),
        ({"type": "realtime", "output_modalities": ["text"]}, {"output_modalities": ["text"]}, []),
        ({"type": "realtime", "tools": [{"name": "book_room"}]}, {}, ["book_room"]),
        ({"type": "realtime", "tools": ["odd"]}, {}, ["odd"]),
        (SessionBuilder().max_output_tokens(7), {"max_output_tokens": 7}, []),
        (SessionBuilder().tool(book_room), {}, ["book_room"]),
    ],
)
def test_the_tools_of_a_toolbox_come_after_those_that_a_session_has(
    session: Any, rest: dict[str, Any], before: list[str]
) -> None:
    toolbox = tools.Toolbox([book_room, check_out])
    added = with_tools(session, toolbox)
    assert isinstance(added, SessionBuilder) == isinstance(session, SessionBuilder)
    body = copy.deepcopy(added.to_dict() if isinstance(added, SessionBuilder) else added)
    names = [tool["name"] if isinstance(tool, dict) else tool for tool in body.pop("tools")]
    missing = [name for name in ("book_room", "check_out") if name not in before]
    assert (body, names) == ({"type": "realtime", **rest}, [*before, *missing])
