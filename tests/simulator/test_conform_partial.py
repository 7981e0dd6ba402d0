"""Recordings that begin late, that have a part which cannot be played, or that were refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from realtime_simulator._conformance import conform, play
from realtime_simulator._recordings.recording import text_of
from realtime_simulator._recordings.steps import RecordingError
from realtime_simulator.cli import main

from tests.simulator.test_conform import RECORDINGS, Interactions, events, found, load, place, profile
from tests.support.rows import each

pytestmark = pytest.mark.slow


def without_sent(interactions: Interactions, *types: str) -> Interactions:
    return [one for one in interactions if one.get("direction") != "sent" or one["data"]["type"] not in types]


@pytest.mark.parametrize("name", ["written_turn", "spoken_turn", "sideband"])
def test_a_recording_may_begin_after_its_session(tmp_path: Path, name: str) -> None:
    interactions = load(name)
    assert found(tmp_path, interactions[place(interactions, "session.updated") :]) == []


@pytest.mark.parametrize("name", ["written_turn", "sideband"])
def test_a_recording_may_begin_with_a_response(tmp_path: Path, name: str) -> None:
    interactions = load(name)
    assert found(tmp_path, interactions[place(interactions, "response.created") :]) == []


def test_the_response_amid_which_a_recording_begins_is_left_out(tmp_path: Path) -> None:
    interactions = load("sideband")
    path = tmp_path / "x.yaml"
    rest = interactions[place(interactions, "response.output_item.added") :]
    path.write_text(text_of([*rest, *interactions[:2]]), encoding="utf-8")
    (report,) = conform.conform(path)
    assert (report.compared, list(report.differences)) == (1, [])
    assert re.search("/interactions/0/data: the recording begins amid a response", *report.unread)


def test_a_sideband_may_only_listen(tmp_path: Path) -> None:
    interactions = without_sent(load("sideband"), "conversation.item.create", "response.create")
    assert found(tmp_path, interactions) == []


def test_an_event_of_an_unknown_type_is_the_only_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "PATIENCE", 0.3)
    interactions = load("written_turn")
    unknown = {"type": "response.telepathy", "event_id": "event_aaaaaaaaaaaaaaaaaaaaa"}
    where = place(interactions, "response.output_item.added")
    interactions.insert(where, {"kind": "message", "direction": "received", "data": unknown})
    (difference,) = found(tmp_path, interactions)
    assert "response.telepathy was recorded here" in difference


@each(
    "type, field",
    [
        ("session.created", "session"),
        ("response.created", "response"),
        ("response.output_item.added", "item"),
        ("response.output_text.delta", "type"),
    ],
)
@pytest.mark.parametrize("value", [None, 7, "text", ["list"]])
def test_an_event_whose_subject_is_no_object_is_refused_by_its_place(
    tmp_path: Path, type: str, field: str, value: Any
) -> None:
    interactions = load("written_turn")
    event = events(interactions, type)[0]
    event.pop(field)
    if field != "type":
        event[field] = value
    with pytest.raises(RecordingError, match=r"x\.yaml: /interactions/\d+/data: "):
        found(tmp_path, interactions)


@each(
    "name, type, path",
    [
        ("written_turn", "response.done", "response.status"),
        ("written_turn", "response.done", "response.output"),
        ("written_turn", "response.created", "response.id"),
        ("written_turn", "response.output_text.delta", "item_id"),
        ("written_turn", "response.output_text.delta", "delta"),
        ("voice_live_tool_round", "response.done", "response.output[0].arguments"),
        ("voice_live_tool_round", "response.output_item.done", "item.name"),
        ("spoken_turn", "input_audio_buffer.committed", "item_id"),
        ("spoken_turn", "input_audio_buffer.speech_started", "audio_start_ms"),
    ],
)
def test_a_field_without_which_an_event_cannot_be_played_is_named(
    tmp_path: Path, name: str, type: str, path: str
) -> None:
    interactions = load(name)
    event = events(interactions, type)[0]
    number = next(number for number, one in enumerate(interactions) if one.get("data") is event)
    *outer, field = re.findall(r"\w+", path)
    for key in outer:
        event = event[int(key) if key.isdigit() else key]
    what = re.escape(f"x.yaml: /interactions/{number}/data: '{path}' of {type} is missing or not a")
    event[field] = None
    with pytest.raises(RecordingError, match=what):
        found(tmp_path, interactions)
    del event[field]
    with pytest.raises(RecordingError, match=what):
        found(tmp_path, interactions)


@each(
    "details, difference",
    [
        (None, "/data/response/status_details: recorded null"),
        ({"type": "failed", "error": None}, "/data/response/status_details/error: recorded null"),
        ({"type": "failed", "error": {"type": None, "code": "x"}}, "/error/type: recorded null"),
    ],
)
def test_a_null_in_the_details_of_a_failed_response_is_a_difference(
    tmp_path: Path, details: Any, difference: str
) -> None:
    interactions = load("written_turn")
    response = events(interactions, "response.done")[0]["response"]
    response.update(status="failed", status_details=details)
    assert any(difference in one for one in found(tmp_path, interactions))


@pytest.mark.parametrize("name", ["xai_tool_round", "voice_live_tool_round", "written_turn"])
def test_a_setting_that_a_service_refuses_is_left_out_where_it_refuses_others(
    tmp_path: Path, name: str
) -> None:
    interactions = load(name)
    error = {"type": "invalid_request_error", "code": "invalid_value", "message": "No thinking."}
    update = {"type": "session.update", "session": {"type": "realtime", "thinking": {"type": "enabled"}}}
    refused = {"type": "error", "event_id": "event_aaaaaaaaaaaaaaaaaaaaa", "error": error}
    where = place(interactions, "session.updated") + 1
    interactions[where:where] = [
        {"kind": "message", "direction": "sent", "data": update},
        {"kind": "message", "direction": "received", "data": refused},
    ]
    path = tmp_path / "x.yaml"
    path.write_text(text_of(interactions), encoding="utf-8")
    (report,) = conform.conform(path, profile(name))
    refuses_by_schema = profile(name) == "openai"
    assert bool(report.differences) == refuses_by_schema
    assert any("which settings" in one for one in report.unread) != refuses_by_schema


@pytest.mark.parametrize("field", ["session", "response", "item", "error"])
def test_what_an_event_of_any_type_is_about_is_an_object_or_null(tmp_path: Path, field: str) -> None:
    interactions = load("written_turn")
    event = events(interactions, "response.output_text.delta")[0]
    event[field] = "text"
    with pytest.raises(RecordingError, match=f"'{field}' of response.output_text.delta"):
        found(tmp_path, interactions)
    event[field] = None
    assert all(field in one for one in found(tmp_path, interactions))


@pytest.mark.parametrize("data", [["a", "list"], None, 7, {"no": "type"}])
def test_a_client_may_send_what_is_no_event(tmp_path: Path, data: Any) -> None:
    interactions = load("written_turn")
    interactions.insert(1, {"kind": "message", "direction": "sent", "data": data})
    (difference,) = found(tmp_path, interactions)
    assert difference.endswith("the simulator sends error")


def refused_handshake(status: int) -> Interactions:
    error = {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}
    request = {"method": "GET", "uri": "https://api.example/v1/realtime?model=gpt-realtime"}
    answer = {"status": {"code": status}, "body": {"string": json.dumps({"error": error})}}
    return [{"request": request, "response": answer}]


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_a_refused_handshake_is_not_compared(tmp_path: Path, status: int) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text_of([*load("written_turn"), *refused_handshake(status)]), encoding="utf-8")
    (report,) = conform.conform(path)
    (alone,) = conform.conform(RECORDINGS / "written_turn.yaml")
    assert report.conforms and report.compared == alone.compared
    (reason,) = report.unread
    assert "not comparable" in reason and str(status) in reason


def test_a_wrong_key_is_compared_where_the_service_refuses_it_at_the_handshake(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text_of(refused_handshake(401)), encoding="utf-8")
    (report,) = conform.conform(path, "azure")
    assert report.compared == 1 and not report.unread
    assert any("/status" not in str(one) for one in report.differences)  # 401 is right, "No." is not


@pytest.mark.parametrize("text", ["{version: 1, interactions: []}", '{"dir": "c2s", "data": {"type": "x"}}'])
def test_the_command_reports_that_there_is_nothing_to_compare(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    assert main(["conform", str(path)]) == 2
    assert "no event and no answer was recorded to compare" in capsys.readouterr().err


def test_the_description_of_a_tool_may_be_null_in_a_client_secret(tmp_path: Path) -> None:
    tool = {"type": "function", "name": "ring", "description": None, "parameters": {"type": "object"}}
    path = tmp_path / "x.yaml"
    body = {"session": {"type": "realtime", "model": "gpt-realtime", "tools": [tool]}}
    request = {"method": "POST", "uri": "https://api.example/v1/realtime/client_secrets", "parsed_body": body}
    shown = {"tools": [tool]}
    answer = {"status": 200, "parsed_body": {"value": "ek_scrubbed", "expires_at": 1, "session": shown}}
    path.write_text(text_of([{"request": request, "response": answer}]), encoding="utf-8")
    (report,) = conform.conform(path)
    wrong = [one for one in map(str, report.differences) if "/tools" in one or "status" in one]
    assert wrong == []


@pytest.mark.parametrize("name", ["written_turn", "reasoning_tool_round"])
def test_the_description_of_a_tool_may_be_null_in_a_session(tmp_path: Path, name: str) -> None:
    interactions = load(name)
    tool = {"type": "function", "name": "ring", "description": None, "parameters": {"type": "object"}}
    update = next(one["data"] for one in interactions if one.get("direction") == "sent")
    for session in (update["session"], events(interactions, "session.updated")[0]["session"]):
        session["tools"] = [*(session.get("tools") or ()), tool]
    assert found(tmp_path, interactions) == []
