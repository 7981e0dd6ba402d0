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

FOLDER = SAMPLES / "events" / "live"
TABLES = {
    "server": (tables.LIVE_SERVER_EVENTS,),
    "client": (tables.LIVE_CLIENT_EVENTS, tables.LIVE_SIDEBAND_CLIENT_EVENTS),
    "fork": (tables.LIVE_FORK_CLIENT_EVENTS,),
}
#: Types that both APIs have, and that no field tells apart.
ALIKE = {"response.create", "session.close"}


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


def test_the_tables_of_a_sideband_and_a_fork_differ_in_what_is_sent() -> None:
    assert dict(tables.LIVE_SIDEBAND_SERVER_EVENTS) == dict(tables.LIVE_FORK_SERVER_EVENTS)
    assert dict(tables.LIVE_SIDEBAND_SERVER_EVENTS) == dict(tables.LIVE_SERVER_EVENTS)
    sideband, primary = {*tables.LIVE_SIDEBAND_CLIENT_EVENTS}, {*tables.LIVE_CLIENT_EVENTS}
    assert primary - sideband == {"session.start", "session.input_audio.append"}
    assert sideband - primary == {"transport.dtmf.send"}
    assert {*tables.LIVE_FORK_CLIENT_EVENTS} == primary


@pytest.mark.parametrize("live", [True, False])
def test_an_event_becomes_its_class_and_is_written_unchanged(subtests: pytest.Subtests, live: bool) -> None:
    def check(row: tuple[str, str]) -> None:
        name, line = row
        content = content_of(line)
        if content["type"] in ALIKE and not live:
            return
        event = parse_event(line, live=True) if live else parse_event(line)
        assert type(event) in [table[content["type"]] for table in TABLES[name] if content["type"] in table]
        written = json.loads(encode_event(event))
        assert written == content if name != "server" else written == without_nulls(content)
        again = parse_event(content, live=True) if live else parse_event(content)
        assert again == event

    check_each(subtests, ALL, check, lambda row: f"{row[0]} {content_of(row[1])['type']}")


def test_ambiguous_events_belong_to_the_realtime_api_by_default() -> None:
    for kind, model in (
        ("response.create", models.RealtimeClientEventResponseCreate),
        ("session.close", models.RealtimeTranslationClientEventSessionClose),
    ):
        assert type(parse_event({"type": kind})) is model
        assert type(parse_event({"type": kind}, live=True)) is tables.LIVE_CLIENT_EVENTS[kind]
    plain = {"type": "error", "event_id": "e", "error": {"type": "x", "code": "y", "message": "z"}}
    assert type(parse_event(plain)) is models.RealtimeServerEventError
    assert type(parse_event(plain, live=True)) is models.LiveErrorEvent


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
