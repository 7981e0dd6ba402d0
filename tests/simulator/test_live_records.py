"""Live sessions in the console's exports, the request log, replays, and recordings of a proxy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from realtime_simulator import Simulator, call_tool, record_session, replay_session, speech
from realtime_simulator._conformance import conform
from realtime_simulator._engine.turn import REAL

from tests.simulator.wire import LiveSocket

WORDS = "When do you open?"
TOOL = {"type": "function", "name": "hours", "description": "", "parameters": {"type": "object"}}
RESPONSES = {"type": "responses", "responses": {"model": "gpt-5.6-sol", "tools": [TOOL]}}


def converse(socket: LiveSocket) -> None:
    """Ask, give the tool's output, and hear the answer."""
    socket.append(speech(WORDS) + bytes(48_000))
    while (event := socket.until("response.event")["event"])["type"] != "response.output_item.done":
        pass
    output = {"type": "function_call_output", "call_id": event["item"]["call_id"], "output": "at 8"}
    socket.send("response.item.create", item=output)
    socket.send("response.create")
    while not socket.spoken().endswith("at eight."):
        socket.silence(0.1)
        socket.recv()
    socket.finish()


def scripted(sim: Simulator) -> None:
    sim.on_speech(lambda heard: WORDS if heard.finished else None)
    sim.on_response("We open at eight.")
    sim.on_response(["Let me look.", call_tool("hours")], times=1)


@pytest.fixture(scope="module")
def recorded() -> Iterator[tuple[Simulator, LiveSocket]]:
    with Simulator(pacing="none") as sim:
        scripted(sim)
        with LiveSocket(sim, delegation=RESPONSES) as socket:
            with LiveSocket(sim, attach=socket.session["id"]):
                converse(socket)
            yield sim, socket


def get(sim: Simulator, path: str) -> httpx.Response:
    base = sim.base_url.removesuffix("/v1")
    headers = {"authorization": f"Bearer {sim.api_key}"}
    return httpx.get(f"{base}/simulator/{path}", headers=headers, trust_env=False)


@pytest.mark.slow
def test_the_console_shows_a_live_session(recorded: tuple[Simulator, LiveSocket]) -> None:
    sim, socket = recorded
    (shown,) = get(sim, "sessions").json()["sessions"]
    assert (shown["id"], shown["type"], shown["model"]) == (socket.session["id"], "live", "gpt-live-1")
    assert shown["received_audio_seconds"] > 1
    paths = [request["path"].rpartition("/")[2] for request in get(sim, "requests").json()["requests"]]
    assert paths == ["sessions", "attach"]
    events = get(sim, f"sessions/{shown['id']}/events").json()["events"]
    summaries = [event["summary"] for event in events if event["event"]["type"] == "response.event"]
    assert "response.output_text.done We open at eight." in summaries


@pytest.mark.slow
def test_a_live_session_is_exported(recorded: tuple[Simulator, LiveSocket]) -> None:
    sim, socket = recorded
    export = f"sessions/{socket.session['id']}/export"
    lines = [json.loads(line) for line in get(sim, f"{export}/recording").text.splitlines()]
    audio = [line["data"]["delta"] for line in lines if line["data"]["type"] == "session.output_audio.delta"]
    assert audio == [{"$audio_bytes": 4800}] * len(socket.all("session.output_audio.delta"))
    assert "/live/sessions" in get(sim, f"{export}/curl").text
    assert "it is a Live session" in get(sim, f"{export}/pytest").json()["error"]["message"]
    scenario = yaml.safe_load(get(sim, f"{export}/scenario").text)
    assert scenario["heard"] == [WORDS]
    assert [list(cue)[1] for cue in scenario["timeline"]] == ["say", "delegate", "say"]
    assert scenario["responses"][0]["steps"][0]["call_tool"] == "hours"
    own, sideband = json.loads(get(sim, f"{export}/har").text)["log"]["entries"]
    kinds = [
        {json.loads(message["data"])["type"] for message in entry["_webSocketMessages"]}
        for entry in (own, sideband)
    ]
    assert all("session.input_audio.append" in kind for kind in kinds)
    assert len(own["_webSocketMessages"]) > len(sideband["_webSocketMessages"])


def test_a_live_session_is_replayed(recorded: tuple[Simulator, LiveSocket]) -> None:
    sim, socket = recorded
    sim.replay(socket.session["id"])
    with LiveSocket(sim, delegation=RESPONSES) as again:
        converse(again)
    assert again.spoken() == socket.spoken()
    assert sim.sessions[-1].replay_of == socket.session["id"]


@pytest.mark.slow
def test_an_export_of_a_session_in_real_time_conforms(tmp_path: Path) -> None:
    with Simulator(pacing=REAL, clock=1_800_000_000) as sim, LiveSocket(sim) as socket:
        session = sim.session(socket.session["id"])
        sim.on_speech(lambda heard: WORDS)
        sim.on_response("At eight.")
        sound = speech(WORDS) + bytes(96_000)
        for start in range(0, len(sound), 4_800):
            socket.append(sound[start : start + 4_800])
            sim.wait_for(lambda: session.received_audio_seconds * 48_000 >= start)  # noqa: B023
            sim.advance(0.1)
        socket.send("session.close")
        sim.wait_for(lambda: session.events[-1].event["type"] == "session.close")
        sim.advance(2)
        socket.until("session.closed")
        path = tmp_path / "export.jsonl"
        path.write_text(get(sim, f"sessions/{session.id}/export/recording").text)
    (report,) = conform.conform(path)
    assert list(map(str, report.differences)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tape.jsonl", "recording.yaml"])
def test_a_proxied_session_is_recorded_and_judged(tmp_path: Path, name: str) -> None:
    with Simulator(pacing=REAL) as upstream:
        to = {"upstream": upstream.base_url, "api_key": upstream.api_key}
        with (
            record_session(tmp_path / name, **to) as proxy,
            LiveSocket(proxy, instructions="Short.") as socket,
        ):
            socket.silence(0.3)
            socket.until("session.output_audio.delta")
            socket.finish()
            socket.closed()
        assert upstream.sessions[0].config["instructions"] == "Short."
    (report,) = conform.conform(tmp_path / name)
    assert list(map(str, report.differences)) == []


def test_a_recorded_session_is_played_again(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"

    def talk(sim: Simulator) -> list[dict[str, Any]]:
        with LiveSocket(sim, store=True) as socket:
            socket.send("session.input_audio.mute")
            socket.until("session.input_audio.muted")
            socket.finish()
            socket.closed()
        with LiveSocket(sim, fork=socket.session["id"]) as fork:
            fork.finish()
            fork.closed()
            return [*socket.events, *fork.events]

    with (
        Simulator(pacing="none") as upstream,
        record_session(tape, upstream=upstream.base_url, api_key=upstream.api_key) as proxy,
    ):
        before = talk(proxy)
    with replay_session(tape) as player:
        assert talk(player) == before


def test_a_scenario_has_a_timeline() -> None:
    with Simulator(pacing="none") as sim:
        sim.play_scenario("timeline: [{at: 0.2, say: Good morning.}, {at: 2, delegate: true}]")
        with LiveSocket(sim) as socket:
            socket.silence(4)
            assert socket.until("session.delegation.created")["offset_ms"] >= 2000
            assert socket.spoken() == "Good morning."
