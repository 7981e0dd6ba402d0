"""The simulator against recordings of the service, and the comparison against deviations that are planted."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import re
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from realtime_simulator import Fail, Simulator, Transcript
from realtime_simulator._conformance import conform, play, realtime
from realtime_simulator._conformance.known import KNOWN
from realtime_simulator._conformance.play import Play
from realtime_simulator._media.sounds import sound
from realtime_simulator._recordings.recording import read, text_of
from realtime_simulator._recordings.steps import RecordingError
from realtime_simulator._recordings.tape import Writer
from realtime_simulator.cli import main

from tests.simulator.sounds import silence, vowel
from tests.simulator.wire import Socket
from tests.support.paths import SAMPLES
from tests.support.rows import each
from tests.support.waiting import PATIENCE

RECORDINGS = SAMPLES / "recordings"
Interactions = list[dict[str, Any]]


def profile(name: str) -> Any:
    prefixes = {"azure": "azure", "voice_live": "azure-voice-live", "xai": "xai"}
    return next((profile for prefix, profile in prefixes.items() if name.startswith(prefix)), "openai")


def load(name: str) -> Interactions:
    """Return what a recording holds, to be changed at will."""
    return copy.deepcopy(_load(name))


@cache
def _load(name: str) -> Interactions:
    interactions: Interactions = yaml.safe_load((RECORDINGS / f"{name}.yaml").read_text())["interactions"]
    return interactions


def found(tmp_path: Path, interactions: Interactions, name: str = "x") -> list[str]:
    """Return the differences of a recording."""
    path = tmp_path / f"{name}.yaml"
    path.write_text(text_of(interactions), encoding="utf-8")
    (report,) = conform.conform(path, profile(name))
    return [str(difference) for difference in report.differences]


def events(interactions: Interactions, type: str) -> list[dict[str, Any]]:
    return [one["data"] for one in interactions if is_event(one) and one["data"]["type"] == type]


def is_event(one: dict[str, Any]) -> bool:
    return isinstance(one.get("data"), dict) and one["direction"] == "received"


def place(interactions: Interactions, type: str) -> int:
    return next(n for n, one in enumerate(interactions) if is_event(one) and one["data"]["type"] == type)


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDINGS.glob("*.yaml")))
def test_the_simulator_conforms(name: str) -> None:
    for report in conform.conform(RECORDINGS / f"{name}.yaml", profile(name)):
        assert list(map(str, report.differences)) == []
        assert report.compared


# Planted deviations: what was recorded is changed, so that the simulator differs from it


def swap(interactions: Interactions, one: str, other: str) -> None:
    first, second = place(interactions, one), place(interactions, other)
    interactions[first], interactions[second] = interactions[second], interactions[first]


def drop_event(interactions: Interactions) -> None:
    del interactions[place(interactions, "response.content_part.done")]


def add_event(interactions: Interactions) -> None:
    where = place(interactions, "response.content_part.done")
    data = {"type": "response.output_text.annotation.added", "event_id": "event_aaaaaaaaaaaaaaaaaaaaa"}
    item = {"item_id": interactions[where]["data"]["item_id"]}
    interactions.insert(where, {"kind": "message", "direction": "received", "data": {**data, **item}})


def untype_event(interactions: Interactions) -> None:
    interactions[place(interactions, "response.content_part.done")]["data"]["type"] = 7


def words_first(interactions: Interactions) -> None:
    words = [one for one in interactions if is_event(one) and "transcription" in one["data"]["type"]]
    rest = [one for one in interactions if one not in words]
    where = place(rest, "conversation.item.added")
    interactions[:] = [*rest[:where], *words, *rest[where:]]


def created(interactions: Interactions) -> dict[str, Any]:
    session: dict[str, Any] = events(interactions, "session.created")[0]["session"]
    return session


def detection(interactions: Interactions) -> dict[str, Any]:
    settings: dict[str, Any] = created(interactions)["audio"]["input"]["turn_detection"]
    return settings


def done(interactions: Interactions) -> dict[str, Any]:
    response: dict[str, Any] = events(interactions, "response.done")[-1]["response"]
    return response


PLANTED: list[tuple[str, str, Callable[[Interactions], Any], str]] = [
    (
        "order in a lane",
        "written_turn",
        lambda it: swap(it, "response.output_text.done", "response.output_item.done"),
        r"/data: response\.output_text\.done was recorded here",
    ),
    (
        "order between lanes",
        "written_turn",
        lambda it: swap(it, "response.created", "response.output_item.added"),
        r"was recorded",
    ),
    ("event that the simulator has", "written_turn", drop_event, r"nothing was recorded here.*content_part"),
    ("type that is no text", "written_turn", untype_event, "/data: 7 was recorded here.*sends none"),
    ("event that it lacks", "written_turn", add_event, r"annotation\.added was recorded here.*sends none"),
    (
        "words before their item",
        "spoken_turn",
        words_first,
        r"was recorded after conversation\.item\.input_audio_transcription\.completed",
    ),
    (
        "key that the simulator lacks",
        "written_turn",
        lambda it: created(it).update(warmth=1),
        r"^/interactions/0/data/session/warmth: recorded 1, the simulator has no such key",
    ),
    (
        "key that it has",
        "written_turn",
        lambda it: done(it).pop("metadata"),
        r"/response/metadata: no such key was recorded",
    ),
    (
        "null that it has not",
        "written_turn",
        lambda it: created(it).update(truncation=None),
        r"session/truncation: recorded null, the simulator sends 'auto'",
    ),
    (
        "null that it has",
        "written_turn",
        lambda it: created(it).update(tracing="auto"),
        r"session/tracing: recorded 'auto', the simulator sends null",
    ),
    (
        "default number",
        "written_turn",
        lambda it: detection(it).update(silence_duration_ms=250),
        r"turn_detection/silence_duration_ms: recorded 250, the simulator sends 200",
    ),
    ("default text", "written_turn", lambda it: created(it)["audio"]["output"].update(voice="ash"), "'ash'"),
    (
        "default switch",
        "written_turn",
        lambda it: detection(it).update(create_response=False),
        "create_response: recorded false, the simulator sends true",
    ),
    (
        "default of another kind",
        "written_turn",
        lambda it: created(it).update(tools={}),
        "session/tools: recorded an object",
    ),
    (
        "length of a list",
        "written_turn",
        lambda it: created(it)["output_modalities"].append("text"),
        "recorded a list of 2, the simulator has 1",
    ),
    (
        "what the client set",
        "written_turn",
        lambda it: events(it, "session.updated")[0]["session"].update(output_modalities=["audio"]),
        "output_modalities/0: recorded 'audio', the simulator sends 'text'",
    ),
    (
        "text of the model",
        "written_turn",
        lambda it: events(it, "response.output_text.done")[0].update(text="Something else."),
        r"/text: recorded 'Something else\.'",
    ),
    (
        "kind of number",
        "spoken_turn",
        lambda it: done(it)["usage"].update(total_tokens="many"),
        "usage/total_tokens: recorded 'many'",
    ),
    (
        "index",
        "reasoning_tool_round",
        lambda it: events(it, "response.function_call_arguments.done")[0].update(output_index=0),
        "output_index: recorded 0, the simulator sends 1",
    ),
    (
        "phase",
        "reasoning_tool_round",
        lambda it: done(it)["output"][0].pop("phase"),
        "output/0/phase: no such key was recorded",
    ),
    (
        "shape of an id",
        "written_turn",
        lambda it: events(it, "response.created")[0].update(event_id="evnt_aaaaaaaaaaaaaaaaaaaaa"),
        "event_id: recorded 'evnt_aaaaaaaaaaaaaaaaaaaaa'",
    ),
    (
        "reference to another id",
        "written_turn",
        lambda it: events(it, "conversation.item.added")[2].update(
            previous_item_id=events(it, "conversation.item.added")[0]["item"]["id"]
        ),
        "previous_item_id: .*which stands for something else",
    ),
    (
        "reference to nothing",
        "written_turn",
        lambda it: events(it, "conversation.item.done")[1].update(previous_item_id=None),
        "previous_item_id: recorded null",
    ),
    (
        "code of an error",
        "refusals",
        lambda it: events(it, "error")[1]["error"].update(code="nothing_to_cancel"),
        "error/code: recorded 'nothing_to_cancel', the simulator sends 'response_cancel_not_active'",
    ),
    (
        "message of an error",
        "refusals",
        lambda it: events(it, "error")[1]["error"].update(message="Nothing is under way"),
        "error/message: recorded 'Nothing is under way'",
    ),
    (
        "event that an error is about",
        "refusals",
        lambda it: events(it, "error")[1]["error"].update(event_id=None),
        "error/event_id: recorded null, the simulator sends 'c1'",
    ),
    ("close code", "refused_model", lambda it: it[-1].update(code=4001), "/1/code: recorded 4001"),
    ("close reason", "expired", lambda it: it[-1].update(reason="x"), "/2/reason: recorded 'x'"),
    (
        "profile",
        "azure_tool_round",
        lambda it: events(it, "response.content_part.added")[0].pop("content"),
        "content: no such key was recorded",
    ),
    (
        "status",
        "call",
        lambda it: it[1]["response"]["status"].update(code=200),
        "^/interactions/1/response/status/code: recorded 200, the simulator sends 201",
    ),
    (
        "header",
        "call",
        lambda it: it[1]["response"]["headers"].update({"content-type": ["application/sdp"]}),
        "headers/content-type: recorded 'application/sdp'",
    ),
    (
        "shape of a location",
        "call",
        lambda it: it[1]["response"]["headers"].update(location=["/v1/calls/rtc_u1_aaaaaaaaaaaaaaaaaaaaa"]),
        "headers/location",
    ),
    (
        "JSON of an answer",
        "call",
        lambda it: it[0]["response"]["parsed_body"]["session"].pop("tracing"),
        "/0/response/body/session/tracing: no such key",
    ),
    (
        "error of an answer",
        "call",
        lambda it: it[3]["response"]["parsed_body"]["error"].update(param=None),
        "error/param: recorded null, the simulator sends ''",
    ),
    (
        "codec of an answer",
        "call",
        lambda it: it[1]["response"]["body"].update(
            string=it[1]["response"]["body"]["string"].replace("useinbandfec=1", "stereo=1")
        ),
        "media/0/codecs/0/fmtp: recorded 'minptime=10;stereo=1'",
    ),
]


@each("name, change, said", [case[1:] for case in PLANTED], ids=[case[0] for case in PLANTED])
@pytest.mark.slow
def test_a_planted_deviation_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    change: Callable[[Interactions], Any],
    said: str,
) -> None:
    # It is waited for an event that the simulator lacks; what else is missing then makes no difference.
    monkeypatch.setattr(play, "PATIENCE", 0.3 if change in (add_event, untype_event) else PATIENCE)
    interactions = copy.deepcopy(load(name))
    change(interactions)
    differences = found(tmp_path, interactions, name)
    assert any(re.search(said, difference) for difference in differences), differences


@pytest.mark.slow
def test_a_machine_that_stands_still_is_no_deviation_also_after_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "PATIENCE", 0.06)
    monkeypatch.setattr(realtime, "_LEAST_PATIENCE", 0.06)
    answer = play.Play._answer

    async def late(play: play.Play, turn: Any) -> Any:
        for _ in range(8):  # in all longer than all events are waited for
            time.sleep(0.4)
            await asyncio.sleep(0)
        return await answer(play, turn)

    monkeypatch.setattr(play.Play, "_answer", late)
    interactions = load("written_turn")
    planted = copy.deepcopy(interactions[place(interactions, "response.created")])
    planted["data"] |= {"type": "planted", "event_id": "event_planted"}
    interactions.insert(place(interactions, "conversation.item.added"), planted)
    assert all("planted" in difference for difference in found(tmp_path, interactions))


def test_a_recording_that_contradicts_itself_is_a_difference(tmp_path: Path) -> None:
    interactions = copy.deepcopy(load("written_turn"))
    done = interactions[place(interactions, "response.done")]
    done["data"]["response"]["usage"]["total_tokens"] = 1
    (difference,) = found(tmp_path, interactions)
    pointer = f"/interactions/{place(interactions, 'response.done')}/data"
    assert difference.startswith(f"{pointer}: was recorded with total_tokens 1, though ")


@pytest.mark.slow
def test_events_that_the_service_leaves_unordered_may_come_in_any_order(tmp_path: Path) -> None:
    interactions = load("spoken_turn")
    words = [
        one for one in interactions if is_event(one) and "input_audio_transcription" in one["data"]["type"]
    ]
    rest = [one for one in interactions if one not in words]
    where = place(rest, "response.done")
    assert found(tmp_path, [*rest[:where], *words, *rest[where:]]) == []


def test_runs_of_deltas_are_one(tmp_path: Path) -> None:
    interactions = load("written_turn")
    where = place(interactions, "response.output_text.delta")
    more = copy.deepcopy(interactions[where])
    more["data"]["event_id"] = more["data"]["event_id"][:-1] + "0"
    text = more["data"]["delta"]
    more["data"]["delta"], interactions[where]["data"]["delta"] = text[:1], text[1:]
    interactions.insert(where, more)
    assert found(tmp_path, interactions) == []


def test_a_recording_may_end_before_the_session(tmp_path: Path) -> None:
    interactions = load("written_turn")
    assert found(tmp_path, interactions[: place(interactions, "response.output_item.done") + 1]) == []


def test_intended_differences_are_counted_and_have_a_reason() -> None:
    (report,) = conform.conform(RECORDINGS / "call.yaml")
    assert {known.path for _, known in report.known} >= {r"(body\.transport\.)?sdp\.session\.ice-lite"}
    assert all(known.reason for known in KNOWN)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["xai_tool_round", "voice_live_tool_round", "azure_tool_round"])
@pytest.mark.parametrize("value", [None, "agent", {"enabled": True}])
def test_a_setting_may_be_unknown_where_a_service_shows_more_of_them(
    tmp_path: Path, name: str, value: Any
) -> None:
    interactions = load(name)
    for one in interactions:
        if one.get("direction") == "received" and one["data"]["type"].startswith("session."):
            one["data"]["session"]["handoff"] = value
            (one["data"]["session"].get("turn_detection") or {})["eagerness_of_agent"] = value
    is_openai = name.startswith("azure")
    assert bool(found(tmp_path, interactions, name)) == is_openai


@pytest.mark.slow
@pytest.mark.parametrize("name", ["xai_tool_round", "voice_live_tool_round"])
@pytest.mark.parametrize("setting", ["tools", "tool_choice", "instructions"])
def test_a_setting_of_every_service_is_compared(tmp_path: Path, name: str, setting: str) -> None:
    interactions = load(name)
    del events(interactions, "session.updated")[0]["session"][setting]
    assert any(setting in one for one in found(tmp_path, interactions, name))


@pytest.mark.parametrize("name", ["xai_tool_round", "voice_live_tool_round"])
def test_a_setting_that_is_unknown_is_kept_and_shown(tmp_path: Path, name: str) -> None:
    interactions = load(name)
    update = next(one["data"] for one in interactions if one.get("direction") == "sent")
    shown = events(interactions, "session.updated")[0]
    for session in (update["session"], shown["session"]):
        session |= {"reasoning": {"effort": "low"}, "telepathy": None}
    assert found(tmp_path, interactions, name) == []


def test_a_tape_of_the_simulator_can_be_played(tmp_path: Path) -> None:
    tape = tmp_path / "session.jsonl"
    writer = Writer(tape, "https://api.openai.com/v1")
    session = writer.begin("/v1/realtime", {"model": "gpt-realtime"})
    for one in load("written_turn"):
        writer.message(session, 0.0, "server" if one["direction"] == "received" else "client", one["data"])
    writer.close(session, 1.0, 1000, "", "client")
    refused = writer.begin("/v1/realtime", {"call_id": "rtc_u1_aaaaaaaaaaaaaaaaaaaaa"})
    error = {"message": "No session found for the provided call_id", "type": "invalid_request_error"}
    body = {"error": {**error, "param": "", "code": "call_id_not_found"}}
    writer.refused(refused, 404, body)
    writer.end()
    reports = conform.conform(tape)
    assert [report.name for report in reports] == ["session.jsonl, session 1", "session.jsonl, session 2"]
    assert [list(map(str, report.differences)) for report in reports] == [[], []]


def test_bodies_with_a_type_are_read(tmp_path: Path) -> None:
    def body(kind: str, **content: Any) -> dict[str, Any]:
        return {"type": kind, **content}

    uri, headers = "https://api.openai.com/v1/realtime/calls/rtc_none/hangup", {"accept": ["*/*"]}
    message = "No session found for the provided call_id"
    error = {"message": message, "type": "invalid_request_error", "code": "call_id_not_found", "param": ""}
    refused = {"status": 404, "headers": {}, "body": body("json", content={"error": error})}
    request = {"method": "POST", "uri": uri, "headers": headers, "body": body("none")}
    assert found(tmp_path, [{"request": request, "response": refused}]) == []
    other = {**refused, "body": body("text", content=json.dumps({"error": {**error, "code": "other"}}))}
    (difference,) = found(tmp_path, [{"request": request, "response": other}])
    assert difference.startswith("/interactions/0/response/body/error/code: recorded 'other'")
    path = tmp_path / "bytes.yaml"
    encoded = base64.b64encode(b'{"a": 1}').decode()
    response = {"status": 200, "body": body("base64", content=encoded)}
    path.write_text(text_of([{"request": request, "response": response}]))
    (recording,) = read(path)
    (exchange,) = recording.steps
    assert exchange.answer == {"a": 1}  # type: ignore[union-attr]


@each("body", [{"type": "zip", "content": "x"}, {"text": "x"}, 5, {"type": "text"}])
def test_bodies_of_another_form_are_refused(tmp_path: Path, body: Any) -> None:
    path = tmp_path / "x.yaml"
    request = {"method": "GET", "uri": "https://api.openai.com/v1/realtime"}
    path.write_text(text_of([{"request": request, "response": {"status": 200, "body": body}}]))
    with pytest.raises(RecordingError, match="/interactions/0"):
        read(path)


def test_rate_limits_need_not_follow_every_response(tmp_path: Path) -> None:
    recorded = load("reasoning_tool_round")
    del recorded[place(recorded, "rate_limits.updated")]
    assert found(tmp_path, recorded) == []


@each(
    "text, said",
    [
        ("[", "x.yaml"),
        ("[]", "a list of 'interactions'"),
        ("{version: 2, interactions: []}", "version 2"),
        (
            "{interactions: [{kind: message, direction: up, data: {}}]}",
            "/interactions/0 is not an interaction",
        ),
        ("{interactions: [{kind: message, direction: sent}]}", "'data' is missing"),
        ("{interactions: [{request: {method: GET, uri: 'https://x/y'}, response: {status: 200}}]}", "/y"),
    ],
)
def test_invalid_recordings_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(RecordingError, match=re.escape(said)):
        read(path)


def spoken(start: int, end: int) -> bytes:
    """Return 4.2 s of sound with speech in it, PCM16."""
    return sound(0, 4200, [(start, end)])


@pytest.mark.slow
def test_real_sound_is_judged_by_the_edges_of_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    path = RECORDINGS / "spoken_turn.yaml"  # 600 to 3300, with a padding of 300 and a pause of 200
    [right] = conform.conform(path, sound=spoken(900, 2980))
    assert right.conforms
    [late] = conform.conform(path, sound=spoken(1400, 2980))
    assert [str(one).split(": ")[1][:20] for one in late.differences] == ["recorded 600 ms, the"]
    monkeypatch.setattr(play, "PATIENCE", 0.3)  # some events never come
    [twice] = conform.conform(path, sound=sound(0, 4200, [(900, 1400), (2100, 2980)]))
    assert any("nothing was recorded here" in one.what for one in twice.differences)


@pytest.mark.slow
def test_a_recordings_own_audio_is_played_where_it_is_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interactions = load("spoken_turn")
    sent = [one["data"] for one in interactions if one.get("direction") == "sent"]
    appends = [event for event in sent if event["type"] == "input_audio_buffer.append"]
    pcm = spoken(1400, 2980)
    for number, append in enumerate(appends):
        append["audio"] = base64.b64encode(pcm[number * 4800 : (number + 1) * 4800]).decode()
    path = tmp_path / "whole.yaml"
    path.write_text(text_of(interactions), encoding="utf-8")
    assert main(["conform", str(path), "--real-sound"]) == 1
    assert "/audio_start_ms: recorded 600 ms" in capsys.readouterr().out
    (tmp_path / "said.pcm").write_bytes(spoken(900, 2980))
    assert main(["conform", str(path), "--real-sound", str(tmp_path / "said.pcm")]) == 0


@each(
    "name, said",
    [("spoken_turn", "the audio was shortened; name a file"), ("written_turn", "no event appends")],
)
def test_a_recording_without_audio_says_so(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", str(RECORDINGS / f"{name}.yaml"), "--real-sound"]) == 2
    assert said in capsys.readouterr().err


def test_the_command_prints_differences_with_pointers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interactions = load("refused_model")
    interactions[-1]["code"] = 4001
    path = tmp_path / "x.yaml"
    path.write_text(text_of(interactions), encoding="utf-8")
    assert main(["conform", str(RECORDINGS / "refused_model.yaml"), str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "refused_model.yaml: conforms (2 compared)",
        "x.yaml: 1 difference (2 compared)",
        "  /interactions/1/code: recorded 4001, the simulator sends 4000",
    ]
    assert main(["conform", "--known", str(RECORDINGS / "refused_key.yaml")]) == 0
    assert "a refused key is shown by its ends" in capsys.readouterr().out
    assert main(["conform", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml" in capsys.readouterr().err


def test_a_connection_that_is_refused_is_a_difference(tmp_path: Path) -> None:
    interactions = load("sideband")[:2]
    interactions[1]["data"]["session"]["audio"]["output"]["speed"] = 99
    (difference,) = found(tmp_path, interactions)
    assert difference.startswith("/interactions/0/data: a connection was recorded, the simulator refuses")


def test_a_broken_event_is_refused(tmp_path: Path) -> None:
    interactions = load("spoken_turn")
    del events(interactions, "input_audio_buffer.speech_started")[0]["audio_start_ms"]
    with pytest.raises(RecordingError, match=r"'audio_start_ms' of .* is missing or not a number"):
        found(tmp_path, interactions)


def test_an_error_of_the_player_is_not_reported_as_one_of_the_recording(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(play: Play[Any], number: int) -> Any:
        raise KeyError("a bug")

    monkeypatch.setattr(Play, "_exchange", fails)
    with pytest.raises(KeyError, match="a bug"):
        conform.conform(RECORDINGS / "call.yaml")


def test_a_received_message_that_is_no_event_is_refused(tmp_path: Path) -> None:
    interactions = [*load("written_turn"), {"kind": "message", "direction": "received", "data": "hello"}]
    with pytest.raises(RecordingError, match=r"x\.yaml: .*/data: what was received is not an event"):
        found(tmp_path, interactions)


@pytest.mark.slow
def test_an_exchange_is_made_in_its_place_between_messages(tmp_path: Path) -> None:
    call, sideband = load("call"), load("sideband")
    path = tmp_path / "x.yaml"
    path.write_text(text_of([*call[:2], *sideband[:9], *call[2:], *sideband[9:]]), encoding="utf-8")
    (report,) = conform.conform(path)
    parts = [conform.conform(RECORDINGS / f"{name}.yaml")[0] for name in ("call", "sideband")]
    assert list(map(str, report.differences)) == []
    assert report.compared == sum(part.compared for part in parts)


def test_placeholders_replace_the_ids_that_the_client_created(tmp_path: Path) -> None:
    interactions = load("written_turn")
    own = "5f2d3a1b9c8e7d6f5a4b3c2d"
    (made, *_) = [event["item"]["id"] for event in events(interactions, "conversation.item.added")]
    changed: Interactions = yaml.safe_load(yaml.dump(interactions).replace(made, own))
    sent = next(one for one in changed if one["data"]["type"] == "conversation.item.create")
    sent["data"]["item"]["id"] = "<client-id-1>"
    assert found(tmp_path, changed) == []


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1006, "")])
def test_a_sideband_ends_with_its_call(tmp_path: Path, code: int, reason: str) -> None:
    interactions = load("sideband")[:2]
    close = {"kind": "close", "code": code, "reason": reason, "ok": False}
    assert found(tmp_path, [*interactions, close]) == []


@pytest.mark.slow
def test_failed_transcripts_and_answers_are_replayed(tmp_path: Path) -> None:
    path = tmp_path / "failing.yaml"
    with Simulator(pacing="none", espeak=False, profile="azure") as upstream:
        failed = Transcript(error="No such deployment.", code="DeploymentNotFound", type="invalid_request")
        upstream.on_speech(lambda heard: failed)
        upstream.on_response(Fail("insufficient_quota", "", type="insufficient_quota"))
        with (
            Simulator(record=path, upstream=upstream.base_url, upstream_key=upstream.api_key) as recorder,
            Socket(recorder) as socket,
        ):
            socket.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
            socket.append(silence(0.5) + vowel() + silence())
            socket.until("response.done")
    (report,) = conform.conform(path, "azure")
    assert list(map(str, report.differences)) == [] and report.compared >= 10


@pytest.mark.slow
def test_the_command_prints_names_of_a_recording_without_active_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "PATIENCE", 0.3)  # the event never comes
    hostile = "\x1b[2J\x9b\u061c\u200e\u2028\u202e\x7f\nx.yaml: conforms"
    interactions = load("refused_model")
    message = next(one["data"] for one in interactions if isinstance(one.get("data"), dict))
    message[hostile] = {hostile: hostile}
    message["type"] = hostile
    path = tmp_path / "x.yaml"
    path.write_text(text_of(interactions), encoding="utf-8")
    assert main(["conform", str(path)]) == 1
    shown = capsys.readouterr().out
    assert r"\u001b[2J\u009b" in shown
    assert not set(hostile) - set("[2Jx.yaml: conforms\n") & set(shown)
    assert not any(line.startswith("x.yaml: conforms") for line in shown.splitlines())
