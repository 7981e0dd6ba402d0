"""Events of Live sessions: every type has its class, whether or not `live` is passed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from realtime_api import events as tables, models

from realtime_ext.events import UnknownEvent, encode_event, parse_event
from tests.support.examples import check_each
from tests.support.newcomers import is_new
from tests.support.paths import SAMPLES
from tests.support.rows import each

FOLDER = SAMPLES / "events" / "live"
TABLES = {
    "server": (tables.LIVE_SIDEBAND_SERVER_EVENTS,),
    "client": (tables.LIVE_CLIENT_EVENTS, tables.LIVE_SIDEBAND_CLIENT_EVENTS),
    "fork": (tables.LIVE_FORK_CLIENT_EVENTS,),
}


def is_alike(content: dict[str, Any]) -> bool:
    """Whether no field of an event tells its API."""
    is_empty = content["type"] == "session.update" and not content["session"]
    return is_empty or content["type"] in ("response.create", "session.close")


def lines(name: str) -> list[str]:
    return (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()


ALL = [(name, line) for name in TABLES for line in lines(name)]


def content_of(line: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(line)
    return content


def without_nulls(value: Any) -> Any:
    """What is left of a received event: a null field counts as an absent one."""
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


def nested(kind: str) -> Any:
    """The class of a nested event."""
    for content in map(content_of, lines("server")):
        if content["type"] == "response.event" and content["event"]["type"] == kind:
            event = parse_event(content, live=True)
            assert isinstance(event, models.LiveResponseEvent)
            return event.event
    raise AssertionError(kind)


def test_the_samples_hold_every_type() -> None:
    for name, some in TABLES.items():
        sampled = {content_of(line)["type"] for line in lines(name)}
        every = {kind for table in some for kind, model in table.items() if not is_new(model.__doc__)}
        assert sampled == every if name != "fork" else sampled == {"session.start"}


def test_a_sideband_sends_no_audio_and_alone_has_standby() -> None:
    assert dict(tables.LIVE_FORK_SERVER_EVENTS) == dict(tables.LIVE_SERVER_EVENTS)
    received = {*tables.LIVE_SIDEBAND_SERVER_EVENTS} - {*tables.LIVE_SERVER_EVENTS}
    assert received == {"session.paused", "session.resumed"}
    sideband, primary = {*tables.LIVE_SIDEBAND_CLIENT_EVENTS}, {*tables.LIVE_CLIENT_EVENTS}
    assert primary - sideband == {"session.start", "session.input_audio.append"}
    assert sideband - primary == {"transport.dtmf.send"}
    assert {*tables.LIVE_FORK_CLIENT_EVENTS} == primary


@pytest.mark.parametrize("live", [True, False])
def test_an_event_becomes_its_class_and_is_written_unchanged(subtests: pytest.Subtests, live: bool) -> None:
    def check(row: tuple[str, str]) -> None:
        name, line = row
        content = content_of(line)
        if is_alike(content) and not live:
            return
        event = parse_event(line, live=True) if live else parse_event(line)
        assert type(event) in [table[content["type"]] for table in TABLES[name] if content["type"] in table]
        written = json.loads(encode_event(event))
        assert written == content if name != "server" else written == without_nulls(content)
        again = parse_event(content, live=True) if live else parse_event(content)
        assert again == event

    check_each(subtests, ALL, check, lambda row: f"{row[0]} {content_of(row[1])['type']}")


CONVERSATION = (tables.SERVER_EVENTS, tables.CLIENT_EVENTS)
TRANSLATION = (tables.TRANSLATION_SERVER_EVENTS, tables.TRANSLATION_CLIENT_EVENTS)
LIVE = (tables.LIVE_SIDEBAND_SERVER_EVENTS, tables.LIVE_CLIENT_EVENTS)
FAILURE = {"type": "x", "code": "y", "message": "z"}
SPANISH = {"audio": {"output": {"language": "es"}}}
STATUS = {"id": "live_1", "model": "m", "status": "active"}
SHARED: list[tuple[str, dict[str, Any], Any]] = [
    ("error", {"event_id": "e", "error": FAILURE}, CONVERSATION),
    ("error", {"event_id": "e", "error": {**FAILURE, "client_event_id": "c"}}, LIVE),
    ("error", {"event_id": "e", "client_event_id": "c", "error": FAILURE}, LIVE),
    ("session.created", {"event_id": "e", "session": {}}, CONVERSATION),
    ("session.created", {"event_id": "e", "session": {"type": "realtime"}}, CONVERSATION),
    ("session.created", {"event_id": "e", "session": {"type": "translation", **SPANISH}}, TRANSLATION),
    ("session.updated", {"event_id": "e", "session": {}}, CONVERSATION),
    ("session.updated", {"event_id": "e", "session": {"type": "transcription"}}, CONVERSATION),
    ("session.updated", {"event_id": "e", "session": {"type": "translation", **SPANISH}}, TRANSLATION),
    ("session.updated", {"event_id": "e", "session": STATUS}, LIVE),
    ("session.updated", {"event_id": "e", "client_event_id": "c", "session": {}}, LIVE),
    ("session.update", {"session": {}}, CONVERSATION),
    ("session.update", {"session": {"type": "realtime"}}, CONVERSATION),
    ("session.update", {"session": {"type": None}}, CONVERSATION),
    ("session.update", {"session": SPANISH}, TRANSLATION),
    ("session.update", {"session": {"delegation": {"type": "responses"}}}, LIVE),
    ("session.update", {"session": {"triggers": []}}, LIVE),
    ("response.create", {}, CONVERSATION),
    ("response.create", {"response": {}}, CONVERSATION),
    ("session.closed", {"event_id": "e"}, TRANSLATION),
    (
        "session.closed",
        {"event_id": "e", "reason": "expired", "session": STATUS, "usage": {"seconds": 1}},
        LIVE,
    ),
    ("session.close", {}, TRANSLATION),
    ("session.close", {"event_id": "e"}, TRANSLATION),
    ("session.output_audio.delta", {"event_id": "e", "delta": ""}, TRANSLATION),
    ("session.output_audio.delta", {"event_id": "e", "delta": "", "elapsed_ms": 0}, TRANSLATION),
    ("session.output_audio.delta", {"delta": ""}, LIVE),
    ("session.output_audio.delta", {"delta": "", "start_ms": 0, "end_ms": 200}, LIVE),
    ("session.input_transcript.delta", {"event_id": "e", "delta": "", "elapsed_ms": 0}, TRANSLATION),
    ("session.input_transcript.delta", {"event_id": "e", "delta": "", "start_ms": 0, "end_ms": 200}, LIVE),
    ("session.output_transcript.delta", {"event_id": "e", "delta": "", "elapsed_ms": 0}, TRANSLATION),
    ("session.output_transcript.delta", {"event_id": "e", "delta": "", "start_ms": 0, "end_ms": 200}, LIVE),
]


@each("kind, fields, api", SHARED)
def test_an_event_that_fits_several_apis_is_a_conversations_then_a_translations(
    kind: str, fields: dict[str, Any], api: tuple[tables.EventTable, ...]
) -> None:
    expected = next(table[kind] for table in api if kind in table)
    content = {"type": kind, **fields}
    assert type(parse_event(content)) is type(parse_event(json.dumps(content))) is expected
    own = [table[kind] for table in LIVE if kind in table]
    assert type(parse_event(content, live=True)) in [*own, UnknownEvent]


def test_every_shared_type_has_its_rows() -> None:
    apis = [frozenset().union(*api) for api in (CONVERSATION, TRANSLATION, LIVE)]
    shared = {kind for kind in apis[0] | apis[1] | apis[2] if sum(kind in api for api in apis) > 1}
    assert {kind for kind, _, _ in SHARED} == shared


def test_a_live_session_has_no_event_of_the_realtime_api() -> None:
    event = parse_event({"type": "response.done", "event_id": "e", "response": {}}, live=True)
    assert event == UnknownEvent("response.done", {"type": "response.done", "event_id": "e", "response": {}})


def test_a_nested_event_has_a_class_or_is_kept_unchanged() -> None:
    done = nested("response.completed")
    assert isinstance(done, models.LiveBackendResponseEvent)
    assert done.response.usage is not None and done.response.usage.total_tokens == 865
    assert done.response.additional_properties["prompt_cache_retention"] == "24h"
    delta = nested("response.function_call_arguments.delta")
    assert isinstance(delta, models.LiveBackendDeltaEvent)
    assert nested("response.code_interpreter_call.in_progress")["item_id"] == "ci_1"


def test_an_item_has_a_class_or_is_kept_unchanged() -> None:
    kinds = [
        type(parse_event(line, live=True).item)  # type: ignore[union-attr]
        for line in lines("client")
        if content_of(line)["type"] == "response.item.create"
    ]
    assert kinds == [
        models.FunctionCallOutputItem,
        models.FunctionCallOutputItem,
        models.EasyInputMessage,
        dict,  # a message that does not say so
        models.CustomToolCallOutput,
        models.MCPApprovalResponse,
        dict,
    ]


@pytest.mark.programs
def test_realtime_events_load_nothing_of_live() -> None:
    """Neither the imports, nor a session from its first event to its end."""
    program = """
import sys
from pathlib import Path
from realtime_api import api, events, models
import realtime_ext
from realtime_ext.events import parse_event
for path in Path("tests/samples/events").glob("*.jsonl"):
    for line in path.read_text(encoding="utf-8").splitlines():
        parse_event(line)
loaded = [name for name in sys.modules if ".models.live_" in name or name.startswith("realtime_api.api.live")]
print(loaded)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
