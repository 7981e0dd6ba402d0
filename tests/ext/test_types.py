"""The official package's names: complete, with the official meaning, and loaded on first use."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
import types as python_types
import typing
from pathlib import Path
from typing import Any

import attrs
import pytest
from realtime_api import events, models, official as official_names, params

from realtime_ext import types
from tests.support.examples import check_each
from tests.support.paths import PEER_PYTHON, PEERS, ROOT
from tests.support.type_check import check_types

PACKAGES = f"{ROOT}{os.pathsep}{ROOT / 'generated'}"
ENVIRONMENT = os.environ | {"PYTHONPATH": PACKAGES}

# As the official package's reference listed them in early 2026. It has dropped some of them since.
NAMES = [
    "AudioTranscription",
    "ConversationCreatedEvent",
    "ConversationItem",
    "ConversationItemAdded",
    "ConversationItemCreateEvent",
    "ConversationItemCreatedEvent",
    "ConversationItemDeleteEvent",
    "ConversationItemDeletedEvent",
    "ConversationItemDone",
    "ConversationItemInputAudioTranscriptionCompletedEvent",
    "ConversationItemInputAudioTranscriptionDeltaEvent",
    "ConversationItemInputAudioTranscriptionFailedEvent",
    "ConversationItemInputAudioTranscriptionSegment",
    "ConversationItemRetrieveEvent",
    "ConversationItemTruncateEvent",
    "ConversationItemTruncatedEvent",
    "ConversationItemWithReference",
    "InputAudioBufferAppendEvent",
    "InputAudioBufferClearEvent",
    "InputAudioBufferClearedEvent",
    "InputAudioBufferCommitEvent",
    "InputAudioBufferCommittedEvent",
    "InputAudioBufferDtmfEventReceivedEvent",
    "InputAudioBufferSpeechStartedEvent",
    "InputAudioBufferSpeechStoppedEvent",
    "InputAudioBufferTimeoutTriggered",
    "LogProbProperties",
    "McpListToolsCompleted",
    "McpListToolsFailed",
    "McpListToolsInProgress",
    "NoiseReductionType",
    "OutputAudioBufferClearEvent",
    "RateLimitsUpdatedEvent",
    "RealtimeAudioConfig",
    "RealtimeAudioConfigInput",
    "RealtimeAudioConfigOutput",
    "RealtimeAudioFormats",
    "RealtimeAudioInputTurnDetection",
    "RealtimeClientEvent",
    "RealtimeConversationItemAssistantMessage",
    "RealtimeConversationItemFunctionCall",
    "RealtimeConversationItemFunctionCallOutput",
    "RealtimeConversationItemSystemMessage",
    "RealtimeConversationItemUserMessage",
    "RealtimeError",
    "RealtimeErrorEvent",
    "RealtimeFunctionTool",
    "RealtimeMcpApprovalRequest",
    "RealtimeMcpApprovalResponse",
    "RealtimeMcpListTools",
    "RealtimeMcpProtocolError",
    "RealtimeMcpToolCall",
    "RealtimeMcpToolExecutionError",
    "RealtimeMcphttpError",
    "RealtimeResponse",
    "RealtimeResponseCreateAudioOutput",
    "RealtimeResponseCreateMcpTool",
    "RealtimeResponseCreateParams",
    "RealtimeResponseStatus",
    "RealtimeResponseUsage",
    "RealtimeResponseUsageInputTokenDetails",
    "RealtimeResponseUsageOutputTokenDetails",
    "RealtimeServerEvent",
    "RealtimeSession",
    "RealtimeSessionCreateRequest",
    "RealtimeToolChoiceConfig",
    "RealtimeToolsConfig",
    "RealtimeToolsConfigUnion",
    "RealtimeTracingConfig",
    "RealtimeTranscriptionSessionAudio",
    "RealtimeTranscriptionSessionAudioInput",
    "RealtimeTranscriptionSessionAudioInputTurnDetection",
    "RealtimeTranscriptionSessionCreateRequest",
    "RealtimeTruncation",
    "RealtimeTruncationRetentionRatio",
    "ResponseAudioDeltaEvent",
    "ResponseAudioDoneEvent",
    "ResponseAudioTranscriptDeltaEvent",
    "ResponseAudioTranscriptDoneEvent",
    "ResponseCancelEvent",
    "ResponseContentPartAddedEvent",
    "ResponseContentPartDoneEvent",
    "ResponseCreateEvent",
    "ResponseCreatedEvent",
    "ResponseDoneEvent",
    "ResponseFunctionCallArgumentsDeltaEvent",
    "ResponseFunctionCallArgumentsDoneEvent",
    "ResponseMcpCallArgumentsDelta",
    "ResponseMcpCallArgumentsDone",
    "ResponseMcpCallCompleted",
    "ResponseMcpCallFailed",
    "ResponseMcpCallInProgress",
    "ResponseOutputItemAddedEvent",
    "ResponseOutputItemDoneEvent",
    "ResponseTextDeltaEvent",
    "ResponseTextDoneEvent",
    "SessionCreatedEvent",
    "SessionUpdateEvent",
    "SessionUpdatedEvent",
    "TranscriptionSessionUpdate",
    "TranscriptionSessionUpdatedEvent",
]

# Of its client secrets.
SECRETS = [
    "RealtimeSessionClientSecret",
    "RealtimeSessionCreateResponse",
    "RealtimeTranscriptionSessionCreateResponse",
    "RealtimeTranscriptionSessionTurnDetection",
    "ClientSecretCreateResponse",
]


# Members of the server event union that are not generated.
LOCAL = ["Reconnected", "SessionExpiring", "UnknownEvent"]


def parts_of(kind: Any) -> list[Any]:
    """Return the classes, literals and builtins that a class or a union consists of."""
    if typing.get_origin(kind) in (typing.Union, python_types.UnionType, typing.Annotated, list, dict):
        return [part for argument in typing.get_args(kind) for part in parts_of(argument)]
    return [kind]


def test_the_list_has_101_names_and_5_for_client_secrets() -> None:
    assert (len(set(NAMES)), len(set(SECRETS))) == (101, 5)


def test_every_name_is_a_generated_class_or_a_union_of_them(subtests: pytest.Subtests) -> None:
    def check(name: str) -> None:
        kind = getattr(types, name)
        if inspect.isclass(kind) and typing.get_origin(kind) is None:
            assert kind.__module__.startswith("realtime_api.")
            assert attrs.has(kind)
            return
        for part in parts_of(kind):
            assert (
                typing.get_origin(part) is typing.Literal
                or part in (str, int, None, type(None), Any)
                or (attrs.has(part) and part.__module__.startswith("realtime_api."))
            ), part

    check_each(subtests, NAMES + SECRETS, check)


def test_names_with_a_changed_meaning_have_the_current_one() -> None:
    assert types.RealtimeSessionCreateRequest is models.RealtimeSessionCreateRequestGA
    assert types.RealtimeSessionCreateResponse is models.RealtimeSessionCreateResponseGA
    transcription = (
        types.RealtimeTranscriptionSessionCreateRequest,
        types.RealtimeTranscriptionSessionCreateResponse,
    )
    assert transcription[0] is models.RealtimeTranscriptionSessionCreateRequestGA
    assert transcription[1] is models.RealtimeTranscriptionSessionCreateResponseGA
    assert types.RealtimeSession is models.RealtimeSession


def test_events_and_items_are_the_classes_that_parse_event_returns() -> None:
    assert types.ResponseAudioDeltaEvent is models.RealtimeServerEventResponseAudioDelta
    assert types.ResponseTextDoneEvent is models.RealtimeServerEventResponseTextDone
    assert types.InputAudioBufferAppendEvent is models.RealtimeClientEventInputAudioBufferAppend
    assert types.RealtimeErrorEvent is models.RealtimeServerEventError
    assert types.RealtimeConversationItemUserMessage is models.RealtimeConversationItemMessageUser
    assert types.RealtimeToolsConfig == list[models.RealtimeToolsConfigUnion]


def test_type_checkers_see_the_names_of_the_run_time() -> None:
    tree = ast.parse(inspect.getsource(official_names))
    ifs = [
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    imported = {
        alias.name: str(node.module)
        for node in ifs[0].body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname is None
    }
    official = {
        ast.unparse(node.targets[0]): ast.unparse(node.value)
        for node in ifs[0].body
        if isinstance(node, ast.Assign)
    }
    assert sorted([*imported, *official]) == sorted(official_names.__all__) == dir(official_names)
    assert {*official_names.__all__} < {*types.__all__} and sorted(types.__all__) == dir(types)
    for name, value in official.items():
        expected = eval(value, {"_models": models, "_params": params})
        assert getattr(types, name) == expected, name
    for name, module in imported.items():
        assert getattr(types, name) is getattr(importlib.import_module(module), name), name


def test_star_import_gives_every_name() -> None:
    names: dict[str, Any] = {}
    exec("from realtime_ext.types import *", names)
    assert {*names} - {"__builtins__"} == {*types.__all__}


#: Classes of the Live API alone are not exported.
WITHOUT = re.compile(tomllib.loads((ROOT / "openapi" / "types.toml").read_text(encoding="utf-8"))["without"])


def test_every_generated_class_of_the_realtime_api_is_exported() -> None:
    """A legacy schema is left out where the official package gives its name to another one."""
    realtime = [name for name in models.__all__ if not WITHOUT.fullmatch(name)]
    assert {name for name in models.__all__ if "Live" in name and name in types.__all__} == {
        *("LiveCallIncomingData", "LiveTransportConnectedData", "LiveTransportIncomingData"),
        *("WebhookLiveCallIncoming", "WebhookLiveTransportConnected", "WebhookLiveTransportIncoming"),
    }
    shadowed = {name for name in realtime if getattr(types, name, None) is not getattr(models, name)}
    assert shadowed == {
        "RealtimeSessionCreateRequest",
        "RealtimeSessionCreateResponse",
        "RealtimeTranscriptionSessionCreateRequest",
        "RealtimeTranscriptionSessionCreateResponse",
    }


def test_every_event_class_has_its_own_name_and_every_sent_one_a_typed_dict() -> None:
    tables = (getattr(events, name) for name in events.__all__ if name.isupper() and "LIVE" not in name)
    for kind in {kind for table in tables for kind in table.values()}:
        assert getattr(types, kind.__name__) is kind
    assert types.SessionUpdateEventParam is params.RealtimeClientEventSessionUpdateParam
    assert types.RealtimeSessionCreateRequestParam is params.RealtimeSessionCreateRequestGAParam
    assert types.RealtimeToolsConfigParam == list[params.RealtimeToolsConfigUnionParam]
    assert params.RealtimeFunctionToolParam.__required_keys__ == frozenset()
    assert params.RealtimeSessionCreateRequestGAParam.__required_keys__ == {"type"}


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="ResponseAudioDeltaEvnt"):
        types.ResponseAudioDeltaEvnt  # type: ignore[attr-defined]  # noqa: B018


def test_accessing_one_name_imports_one_model() -> None:
    code = (
        "import sys; from realtime_ext import types; types.ResponseAudioDeltaEvent; "
        "print(sum(m.startswith('realtime_api.models.') for m in sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT
    )
    assert run.stdout.strip() == "1"


@pytest.mark.slow
def test_a_type_checker_exhausts_the_unions_and_rejects_a_misspelt_name(tmp_path: Path) -> None:
    programs = {
        "spelt": ("from realtime_ext import types", "x: types.ResponseDoneEvent"),
        "misspelt": ("from realtime_ext import types", "x: types.ResponseDoneEvnt"),
    }
    expected = {"spelt": [], "misspelt": ["name-defined"]}
    for union, tables in (
        ("ServerEvent", (events.SERVER_EVENTS, events.TRANSLATION_SERVER_EVENTS)),
        ("LiveEvent", (events.LIVE_SIDEBAND_SERVER_EVENTS,)),
        ("ClientEvent", (events.CLIENT_EVENTS, events.TRANSLATION_CLIENT_EVENTS)),
    ):
        names = sorted({cls.__name__ for table in tables for cls in table.values()})
        classes = [f"models.{name}" for name in names] + LOCAL * (union != "ClientEvent")
        classes += ["TalkedOver"] * (union == "LiveEvent")
        for which, left_out in (("all", []), ("but_one", [classes[-1]])):
            checked = ", ".join(cls for cls in classes if cls not in left_out)
            expected[f"{union}_{which}"] = ["arg-type"] if left_out else []
            programs[f"{union}_{which}"] = (
                "from typing import assert_never",
                "from realtime_api import models",
                f"from realtime_ext.events import {', '.join([union, *LOCAL, 'TalkedOver'])}",
                f"def exhaust(event: {union}) -> None:",
                f"    if not isinstance(event, ({checked})):",
                "        assert_never(event)",
            )
    for name, code in programs.items():
        (tmp_path / f"{name}.py").write_text("\n".join(code) + "\n")
    printed = check_types(tmp_path, *(f"{name}.py" for name in programs))
    errors = re.findall(r"^(\w+)\.py:\d+: error: .*\[([\w-]+)\]$", printed, re.M)
    assert {name: [code for file, code in errors if file == name] for name in programs} == expected, printed


@pytest.mark.slow
def test_each_class_has_the_event_type_and_fields_of_the_official_one() -> None:
    if not PEER_PYTHON.exists():
        pytest.fail("build/peers is missing: run `make peers` first")
    run = subprocess.run(
        [PEER_PYTHON, PEERS / "realtime_types.py"],
        input=json.dumps(NAMES + SECRETS),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    described = json.loads(run.stdout)
    assert len(described) > 90
    for name, theirs in described.items():
        ours = getattr(types, name)
        assert attrs.has(ours) == (theirs is not None), name
        if theirs is None:
            continue
        fields = attrs.fields_dict(ours)
        assert set(theirs["fields"]) <= set(fields), name
        if len(theirs["type"]) == 1:
            assert fields["type"].default == theirs["type"][0], name
