"""The console page's files, and what the control endpoint has for it."""

from __future__ import annotations

import contextlib
import io
import json
import re
import runpy
import shlex
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from jsonschema_rs import Registry, validator_for
from realtime_simulator import Fail, Pacing, Simulator, Transcript, call_mcp, call_tool, say, sequence
from realtime_simulator._conformance.conform import conform
from realtime_simulator._media import voice
from realtime_simulator._records import sound as sounds
from realtime_simulator._records.session import SessionLog, SessionRecord, telling
from realtime_simulator._records.sound import Budget, Track
from realtime_simulator._simulator import endpoint
from realtime_simulator._simulator.console import exports, pages, replay
from realtime_simulator._simulator.console.replay import compare
from websockets.exceptions import InvalidStatus

from tests.samples.sdp import sample
from tests.support.paths import ROOT
from tests.support.rows import each
from tests.support.waiting import PATIENCE

from .receiver import receiving
from .sounds import vowel
from .test_control import control, done, running, sim
from .wire import Socket

__all__ = ["control", "running", "sim"]
ACCEPT = {"accept": "text/event-stream"}


@pytest.fixture
def fresh() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        yield simulator


@pytest.mark.slow
def test_the_page_and_its_files_are_served_without_the_key_and_hold_no_key(sim: Simulator) -> None:
    origin = sim.base_url.removesuffix("/v1")
    before = len(sim.requests)
    page = httpx.get(f"{origin}/")
    assert page.status_code == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    names = re.findall(r'"(/console/[^"]+)"', page.text)
    assert "/console/console.js" in names and "/console/console.css" in names
    modules = {f"/console/{file.name}" for file in pages.STATIC.iterdir() if file.name != "index.html"}
    for path in modules | set(names):
        answer = httpx.get(origin + path)
        assert answer.status_code == 200 and sim.api_key not in answer.text
    assert httpx.get(f"{origin}/console/console.js").headers["content-type"].startswith("text/javascript")
    assert sim.api_key not in page.text
    assert len(sim.requests) == before


@each(
    "path",
    [
        "/console/",
        "/console/nothing.js",
        "/console/index.html",
        "/console/../pages.py",
        "/console/%2e%2e/pages.py",
    ],
)
def test_only_the_pages_own_files_are_served(sim: Simulator, path: str) -> None:
    answer = httpx.get(sim.base_url.removesuffix("/v1") + path)
    assert answer.status_code == 404 and "import" not in answer.text


def test_the_page_runs_nothing_but_its_own_files_and_stands_in_no_frame(sim: Simulator) -> None:
    headers = httpx.get(sim.base_url.removesuffix("v1")).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'" and policy["trusted-types"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"


def test_no_file_of_the_page_names_another_host_or_makes_markup_of_text() -> None:
    for file in pages.STATIC.iterdir():
        text = file.read_text(encoding="utf-8")
        hosts = set(re.findall(r"https?://([^/\"'`\s$]+)", text)) - {"www.w3.org", "127.0.0.1:8000"}
        assert not hosts, file.name
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|\son\w+=\"", text
        )


def test_other_methods_and_paths_are_still_the_apis(sim: Simulator) -> None:
    origin = sim.base_url.removesuffix("/v1")
    assert httpx.post(f"{origin}/").json()["error"]["message"] == "Invalid URL (POST /)"
    assert httpx.get(f"{origin}/v1").json()["error"]["message"] == "Invalid URL (GET /v1)"
    assert httpx.head(f"{origin}/").status_code == 200


def test_the_address_has_the_key_in_the_fragment() -> None:
    with Simulator(pacing="none", api_key="sk-a b#c") as simulator:
        assert simulator.console_url == simulator.base_url.removesuffix("v1") + "#key=sk-a%20b%23c"


def test_an_overview_is_streamed_when_it_changes(
    sim: Simulator, control: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_LOOK_SECONDS", 0.01)
    assert control.get("/simulator/overview").json()["faults"] == []
    with control.stream("GET", "/simulator/overview", headers=ACCEPT) as response:
        views = (json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: "))
        before = len(next(views)["sessions"])
        sim.fault("slow", on="connect", times=2, seconds=0)
        assert next(views)["faults"] == [
            {"name": "slow", "on": "connect", "rate": 1.0, "times": 2, "hits": 0, "settings": {"seconds": 0}}
        ]
        with Socket(sim) as socket:
            socket.recv()
            view = next(view for view in views if len(view["sessions"]) > before)
            assert view["sessions"][-1]["id"] == sim.sessions[-1].id
            assert view["faults"][0]["hits"] == 1


def test_an_overview_without_news_shows_that_it_is_alive(
    control: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(endpoint, "_KEEP_ALIVE_SECONDS", 0.002)
    with control.stream("GET", "/simulator/overview", headers=ACCEPT) as response:
        assert ": " in [line for line, _ in zip(response.iter_lines(), range(8), strict=False)]


def test_the_view_of_a_session_does_not_read_its_conversation() -> None:
    def items() -> list[dict[str, Any]]:
        raise AssertionError("the conversation was read")

    log = SessionLog("sess_1", "websocket")
    log.follow(lambda: {"type": "realtime", "model": "gpt-realtime-2.1"}, items, print)
    assert log.view()["model"] == "gpt-realtime-2.1"


def test_an_event_is_injected_as_if_a_client_had_sent_it(sim: Simulator, control: httpx.Client) -> None:
    with Socket(sim) as socket:
        session = socket.recv()["session"]["id"]
        event = {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}
        done(control.post(f"/simulator/sessions/{session}/inject", json=event))
        assert socket.until("session.updated")["session"]["instructions"] == "Be brief."
        done(control.post(f"/simulator/sessions/{session}/inject", json={"type": "nonsense"}))
        assert "nonsense" in socket.until("error")["error"]["message"]
        assert [one["type"] for one in sim.session(session).received] == ["session.update", "nonsense"]
    sim.wait_for(lambda: sim.session(session).ended is not None)
    late = control.post(f"/simulator/sessions/{session}/inject", json=event)
    assert late.status_code == 404 and "has ended" in late.json()["error"]["message"]
    assert control.post("/simulator/sessions/sess_x/inject", json=event).status_code == 404


def test_a_scenario_replaces_the_current_one_and_the_first_can_be_restored(
    fresh: Simulator,
) -> None:
    def answer() -> str:
        with Socket(fresh) as socket:
            socket.update(output_modalities=["text"])
            socket.user_says("Hello")
            socket.send("response.create")
            return str(socket.until("response.output_text.done")["text"])

    headers = {"authorization": f"Bearer {fresh.api_key}"}
    with httpx.Client(
        base_url=fresh.base_url.removesuffix("/v1"), headers=headers, timeout=PATIENCE
    ) as client:

        def play(text: str, **query: str) -> httpx.Response:
            return client.post("/simulator/scenario", content=text, params=query)

        assert answer() == "You said: Hello"
        done(play("responses: [{match: hello, say: one}]", name="first"))
        assert (answer(), fresh.scenario) == ("one", "first")
        # Without `replace`, what came before applies where the new one has no rule.
        done(play("responses: [{match: other, say: two}]", name="second"))
        assert (answer(), fresh.scenario) == ("one", "second")
        done(play("responses: [{match: other, say: two}]", name="third", replace="true"))
        assert answer() == "You said: Hello"
        # A faulty one changes nothing.
        done(play("responses: [{match: hello, say: four}]", replace="true"))
        assert play("respnses: []", replace="true").status_code == 400
        assert answer() == "four"
        done(play("{}", replace="true"))
        assert (answer(), fresh.scenario) == ("You said: Hello", None)


def test_rules_from_before_the_start_survive_a_replacement() -> None:
    simulator = Simulator(pacing="none", espeak=False)
    simulator.on_response("from the start")
    with simulator, Socket(simulator) as socket:
        simulator.play_scenario("responses: [{say: played}]")
        simulator.play_scenario("{}", replace=True)
        socket.update(output_modalities=["text"])
        socket.user_says("Hello")
        socket.send("response.create")
        assert socket.until("response.output_text.done")["text"] == "from the start"


def test_a_phone_speaks_with_audio_that_is_sent_and_is_transferred(
    sim: Simulator, control: httpx.Client
) -> None:
    with receiving() as receiver:
        call = done(control.post("/simulator/incoming", json={"to": receiver.url, "line_speed": 100}))["id"]
        sim.wait_for(lambda: bool(sim.calls[-1].deliveries))
    done(control.post("/simulator/refer", json={"status": 486}))
    accept = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    done_ = control.post(f"/v1/realtime/calls/{call}/accept", json=accept)
    assert done_.status_code == 200
    shown = control.get("/simulator/calls").json()["calls"][-1]
    assert shown["session"] == sim.calls[-1].session.id == sim.sessions[-1].id
    said = voice.synthesize("hello")
    pcm = {"content-type": "application/octet-stream"}
    done(control.post(f"/simulator/calls/{call}/say", content=said, headers=pcm))
    record = sim.calls[-1].session
    sim.wait_for(lambda: record.received_audio_seconds >= len(said) / 48_000)
    control.post(f"/v1/realtime/calls/{call}/refer", json={"target_uri": "tel:+1"})
    sim.wait_for(lambda: sim.calls[-1].refer_status == 486)
    done(control.post("/simulator/refer", json={"status": None}))
    refused = control.post("/simulator/refer", json={"status": 100})
    assert refused.status_code == 400 and "final SIP status" in refused.json()["error"]["message"]
    done(control.post(f"/simulator/calls/{call}/hang_up"))


def test_the_targets_of_faults_are_listed(control: httpx.Client) -> None:
    assert "calls.create" in control.get("/simulator/faults/known").json()["operations"]


# Requests


def test_requests_are_recorded_with_the_errors_that_refused_them(fresh: Simulator) -> None:
    key, wrong = {"authorization": f"Bearer {fresh.api_key}"}, {"authorization": "Bearer sk-wrong-key"}
    with httpx.Client(base_url=fresh.base_url, timeout=PATIENCE) as client:
        secret = client.post("/realtime/client_secrets", json={}, headers=key).json()["value"]
        client.post("/realtime/client_secrets", json={}, headers=wrong)
        client.get(f"/nothing/{secret}", headers=key)
        with fresh.fault("gateway_520", times=1):
            client.post("/realtime/client_secrets", json={}, headers=key)
    with Socket(fresh, key="sk-wrong-key") as socket:
        assert socket.closed()[0] == 3000
    with pytest.raises(InvalidStatus):
        Socket(fresh, "call_id=rtc_none")
    with Socket(fresh) as socket:
        session = socket.recv()["session"]["id"]
        fresh.wait_for(lambda: all(one.ended is not None for one in fresh.requests[:-1]))
        assert fresh.requests[-1].ended is None
    fresh.wait_for(lambda: fresh.requests[-1].ended is not None)
    records = fresh.requests
    assert [one.status for one in records] == [200, 401, 404, 520, 101, 404, 101]
    assert [one.refused for one in records] == [False, True, True, True, True, True, False]
    codes = [one.error and one.error["code"] for one in records]
    assert codes == [None, "invalid_api_key", None, None, "invalid_api_key", "call_id_not_found", None]
    assert records[2].error is not None and "Invalid URL" in records[2].error["message"]
    assert records[3].error is None  # a gateway's page
    assert json.loads(records[0].response_body)["value"] == secret
    assert records[0].response_headers["x-request-id"] == records[0].request_id
    assert (records[-1].query, records[-1].session) == ("model=gpt-realtime", session)
    assert fresh.sessions[-1].begun <= records[-1].time + 60 and records[-1].time <= (records[-1].ended or 0)

    origin = fresh.base_url.removesuffix("/v1")
    shown = httpx.get(f"{origin}/simulator/requests", headers=key)
    for hidden in (secret, fresh.api_key, "sk-wrong-key"):
        assert hidden not in shown.text
    assert fresh.api_key not in repr(records) and "sk-wrong-key" not in repr(records)
    listed = shown.json()["requests"]
    assert listed[1]["error"]["code"] == "invalid_api_key" and "Incorrect" in listed[1]["error"]["message"]
    assert (listed[2]["method"], listed[2]["path"], listed[2]["status"]) == ("GET", "/v1/nothing/ek_***", 404)
    overview = httpx.get(f"{origin}/simulator/overview", headers=key).json()
    assert overview["requests"] == {"all": 7, "kept": 7, "open": 0, "refused": 5}
    assert httpx.post(f"{origin}/simulator/requests/clear", headers=key).status_code == 200
    assert list(fresh.requests) == []


def test_requests_on_a_call_belong_to_its_session(fresh: Simulator) -> None:
    with receiving() as receiver:
        call = fresh.incoming_call(receiver.url)
        accept = f"{fresh.base_url}/realtime/calls/{call.id}/accept"
        httpx.post(accept, json={"type": "realtime"}, headers={"authorization": f"Bearer {fresh.api_key}"})
    assert fresh.requests[-1].session == call.session.id


def test_sessions_are_named_and_cleared(fresh: Simulator) -> None:
    headers = {"authorization": f"Bearer {fresh.api_key}"}
    with httpx.Client(
        base_url=fresh.base_url.removesuffix("/v1"), headers=headers, timeout=PATIENCE
    ) as client:
        with Socket(fresh) as socket:
            first = socket.recv()["session"]["id"]
        with Socket(fresh) as socket:
            second = socket.recv()["session"]["id"]
            done(client.post(f"/simulator/sessions/{first}/name", json={"name": "before"}))
            fresh.session(second).name = "after"
            assert [one["name"] for one in client.get("/simulator/sessions").json()["sessions"]] == [
                "before",
                "after",
            ]
            done(client.post(f"/simulator/sessions/{second}/name", json={"name": None}))
            assert (fresh.session(first).name, fresh.session(second).name) == ("before", None)
            long = client.post(f"/simulator/sessions/{first}/name", json={"name": "x" * 81})
            assert long.status_code == 400 and "up to 80 characters, got 81" in long.text
            assert client.post(f"/simulator/sessions/{first}/name", json={"name": 7}).status_code == 400
            fresh.wait_for(lambda: fresh.session(first).ended is not None)
            done(client.post("/simulator/sessions/clear"))
            assert [one.id for one in fresh.sessions] == [second]  # it still runs
            assert client.get(f"/simulator/sessions/{first}/events").status_code == 404
        fresh.wait_for(lambda: fresh.sessions[-1].ended is not None)
    fresh.close()
    fresh.clear_sessions()
    assert list(fresh.sessions) == []


@each(
    "event, words",
    [
        ({"item": {"type": "message", "role": "user", "content": [{"text": "Hi"}]}}, "user: Hi"),
        ({"item": {"type": "message", "role": "assistant", "content": []}}, "assistant"),
        (
            {"item": {"type": "message", "content": [{"transcript": "Yes"}, {"type": "input_image"}]}},
            "Yes input_image",
        ),
        ({"item": {"type": "function_call", "name": "book", "arguments": "{}"}}, "book {}"),
        ({"item": {"type": "function_call_output", "output": "done"}}, "done"),
        ({"part": {"type": "audio", "transcript": "Hello."}}, "Hello."),
        (
            {
                "response": {
                    "status": "completed",
                    "output": [{"role": "assistant", "content": [{"text": "A"}]}],
                }
            },
            "completed: assistant: A",
        ),
        ({"response": {"status": "failed", "output": []}}, "failed"),
        ({"error": {"message": "No."}, "item_id": "item_1"}, "No."),
        ({"delta": "A" * 1000}, "<1000 characters>"),
        ({"item": 7, "response": [], "part": {"content": 1, "output": {}}, "text": "still"}, "still"),
        ({"item": {"content": [7, {"text": 8}], "role": None}}, ""),
    ],
)
def test_an_event_is_summed_up_by_its_words(event: dict[str, Any], words: str) -> None:
    assert telling({"type": "x", **event}) == words


# Sound


def test_the_audio_of_a_session_is_served_with_its_times() -> None:
    with Simulator(pacing="none", espeak=False, keep_audio=True) as simulator:
        headers = {"authorization": f"Bearer {simulator.api_key}"}
        spoken = voice.synthesize("hello") + bytes(48_000)
        with Socket(simulator) as socket:
            session = socket.recv()["session"]["id"]
            socket.append(spoken)
            socket.until("response.done")
        record = simulator.session(session)
        where = f"{simulator.base_url.removesuffix('/v1')}/simulator/sessions/{session}/audio"
        shown = httpx.get(where, headers=headers).json()
        for direction, kept in (("received", record.received_audio), ("sent", record.sent_audio)):
            [piece] = shown[direction]["pieces"]
            assert piece["seconds"] == pytest.approx(len(kept) / 48_000, abs=0.001)
            assert piece["at"] >= 0 and piece["offset"] == 0
            assert len(shown[direction]["peaks"]) == len(kept) // 4_800
            assert 0 < max(shown[direction]["peaks"]) <= 255
            answer = httpx.get(f"{where}/{direction}", headers=headers)
            assert answer.headers["content-type"] == "audio/wav"
            with wave.open(io.BytesIO(answer.content)) as file:
                assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
                assert file.readframes(file.getnframes()) == kept
        assert shown["received"]["peaks"][-1] == 0  # the silence at the end
        assert httpx.get(f"{where}/both", headers=headers).status_code == 404
    with Simulator(pacing="none", espeak=False) as simulator, Socket(simulator) as socket:
        where = (
            f"{simulator.base_url.removesuffix('/v1')}/simulator/sessions/{socket.recv()['session']['id']}"
        )
        headers = {"authorization": f"Bearer {simulator.api_key}"}
        assert httpx.get(f"{where}/audio", headers=headers).json() == {"received": None, "sent": None}
        refused = httpx.get(f"{where}/audio/sent", headers=headers)
        assert refused.status_code == 409 and "keep_audio=True" in refused.text


def test_audio_is_placed_when_it_was_heard() -> None:
    second, track = bytes(48_000), Track()
    track.keep(10, Budget())
    track.add(second, 100.0)
    track.add(second, 100.2)  # sooner than it is played
    track.add(second, 102.1)  # a short gap
    track.add(second, 110.0)
    track.stop(110.5)
    track.add(second, 110.6)
    track.stop(120.0)  # nothing is being played
    view = track.view(begun=99.0)
    assert view is not None
    assert view["pieces"] == [
        {"at": 1.0, "offset": 0.0, "seconds": 3.0},
        {"at": 11.0, "offset": 3.0, "seconds": 0.5},
        {"at": 11.6, "offset": 4.0, "seconds": 1.0},
    ]
    assert len(view["peaks"]) == 50
    track.add(bytes(48_000 * 9), 121.0)
    assert track.pieces[-1].end == len(track.pcm) == 480_000  # no more than is kept
    track.forget()
    assert track.view(begun=99.0) is None


def test_the_pieces_of_audio_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "MAX_PIECES", 3)
    track = Track()
    track.keep(10, Budget())
    for number in range(10):
        track.add(bytes(4_800), number * 10.0)
    assert len(track.pieces) == 3 and track.pieces[-1].end == 48_000


@pytest.mark.slow
def test_truncated_audio_is_not_played() -> None:
    with Simulator(espeak=False, keep_audio=True, pacing=Pacing(first_audio=0, speed=100)) as simulator:
        simulator.on_response("A long answer that is interrupted early on. " * 4)
        with Socket(simulator) as socket:
            socket.send("response.create")
            item = socket.until("response.output_item.added")["item"]["id"]
            socket.until("response.done")
            socket.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=100)
            socket.until("conversation.item.truncated")
            track = SessionLog.of(simulator.sessions[-1]).audio_out
            assert len(track.pieces) == 1 and track.pieces[0].end < len(track.pcm)


# Exports


@pytest.fixture
def booking(fresh: Simulator) -> tuple[Simulator, str]:
    """A session with a tool call that was answered, and one that failed."""
    fresh.on_response(sequence(call_tool("book", {"nights": 2}), "It is 'booked'."), match="book")
    tool = {"type": "function", "name": "book", "parameters": {"type": "object", "properties": {}}}
    with Socket(fresh) as socket:
        socket.update(output_modalities=["text"], tools=[tool], instructions="The key is sk-abcdefghijkl.")
        socket.user_says("Please book a room, don't wait.")
        socket.send("response.create")
        call_id = socket.until("response.function_call_arguments.done")["call_id"]
        socket.until("response.done")
        output = {"type": "function_call_output", "call_id": call_id, "output": '{"ok": true}'}
        socket.send("conversation.item.create", item=output)
        socket.send("response.create")
        socket.until("response.done")
    record = fresh.sessions[-1]
    fresh.wait_for(lambda: record.ended is not None)
    return fresh, record.id


def exported(booking: tuple[Simulator, str], form: str) -> str:
    simulator, session = booking
    answer = httpx.get(
        f"{simulator.base_url.removesuffix('/v1')}/simulator/sessions/{session}/export/{form}",
        headers={"authorization": f"Bearer {simulator.api_key}"},
    )
    assert answer.status_code == 200, answer.text
    assert simulator.api_key not in answer.text and "sk-abcdefghijkl" not in answer.text
    return answer.text


def test_a_session_is_shown_as_it_was_after_an_event(booking: tuple[Simulator, str]) -> None:
    simulator, session = booking
    called, answered = (
        next(one.number for one in simulator.session(session).events if one.event["type"] == kind)
        for kind in ("response.function_call_arguments.done", "response.output_text.done")
    )
    with httpx.Client(
        base_url=f"{simulator.base_url.removesuffix('/v1')}/simulator/sessions/",
        headers={"authorization": f"Bearer {simulator.api_key}"},
        timeout=PATIENCE,
    ) as http:
        before, after = (http.get(f"{session}/state?at={at}").json() for at in (called - 1, answered))
        wrong = http.get(f"{session}/state?at=-1")
        assert http.get("sess_x/state?at=1").status_code == 404
    assert [item["type"] for item in before["items"]][:1] == ["message"]
    assert [one["output"] for one in after["tools"]] == ['{"ok": true}']
    assert before["tools"] == [] or before["tools"][0]["output"] is None
    assert after["items"][-1]["content"][0]["text"] == "It is 'booked'."
    assert after["session"]["output_modalities"] == ["text"]
    assert wrong.status_code == 400 and "at: the number of an event is needed" in wrong.text


def test_an_exported_recording_conforms(booking: tuple[Simulator, str], tmp_path: Path) -> None:
    path = tmp_path / "session.yaml"
    path.write_text(exported(booking, "recording"), encoding="utf-8")
    [report] = conform(path)
    assert report.conforms, report.differences
    assert report.compared > 20


def test_audio_is_a_little_silence_in_an_exported_recording(fresh: Simulator) -> None:
    with Socket(fresh) as socket:
        socket.recv()
        socket.append(voice.synthesize("hello") + bytes(48_000))
        socket.until("response.done")
    text = exports.recording(fresh.sessions[-1], fresh.base_url)
    assert "characters>" not in text and "audio: " + "A" * 44 in text


def test_an_exported_test_passes_and_fails_where_the_conversation_differs(
    booking: tuple[Simulator, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "test_session.py"
    text = exported(booking, "pytest")
    path.write_text(text, encoding="utf-8")
    test = runpy.run_path(str(path))["test_the_conversation_goes_as_before"]
    with Simulator(pacing="none", espeak=False) as simulator:
        monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", simulator.api_key)
        test(simulator)
        said = [
            item["content"][0]["text"] for item in simulator.sessions[-1].items if item.get("role") == "user"
        ]
        assert said == ["Please book a room, don't wait."]
        path.write_text(text.replace("== \"It is 'booked'.\"", "== 'It is full.'"), encoding="utf-8")
        changed = runpy.run_path(str(path))["test_the_conversation_goes_as_before"]
        with pytest.raises(AssertionError):
            changed(simulator)


def test_speech_is_text_in_an_exported_test(fresh: Simulator) -> None:
    fresh.on_speech(lambda heard: "What time is it?")
    with Socket(fresh) as socket:
        socket.update(audio={"input": {"transcription": {"model": "gpt-realtime-whisper"}}})
        socket.append(voice.synthesize("hello") + bytes(48_000))
        socket.until("response.done")
        spoken = "conversation.item.input_audio_transcription.completed"
        fresh.wait_for(lambda: spoken in fresh.sessions[-1].types_sent())
    assert "connection.send_text('What time is it?')" in exports.pytest_file(
        fresh.sessions[-1], fresh.base_url
    )


def test_disabled_settings_are_exported_and_unset_ones_are_not(fresh: Simulator, tmp_path: Path) -> None:
    with Socket(fresh) as socket:
        socket.update(audio={"input": {"turn_detection": None}})
        path = tmp_path / "test_session.py"
        path.write_text(exports.pytest_file(fresh.sessions[-1], fresh.base_url), encoding="utf-8")
    session = runpy.run_path(str(path))["SESSION"]
    assert session["audio"]["input"] == {
        "format": {"type": "audio/pcm", "rate": 24000},
        "turn_detection": None,
    }
    assert "prompt" not in session and "id" not in session and "expires_at" not in session


def test_a_session_without_conversation_cannot_be_exported_as_a_test(fresh: Simulator) -> None:
    with Socket(fresh, "intent=transcription") as socket:
        socket.recv()
        with pytest.raises(ValueError, match="only a conversation"):
            exports.pytest_file(fresh.sessions[-1], fresh.base_url)
    assert exports.curl(fresh.sessions[-1], fresh.base_url).count("curl ") == 2


def test_an_exported_command_opens_such_a_session(booking: tuple[Simulator, str]) -> None:
    simulator, session = booking
    lines = exported(booking, "curl").splitlines()
    opens = shlex.split(next(line for line in lines if line.startswith("curl") and "client_secrets" in line))
    body = json.loads(opens[opens.index("-d") + 1])
    address = opens[1].replace("$OPENAI_BASE_URL", simulator.base_url)
    key = {"authorization": f"Bearer {simulator.api_key}"}
    assert httpx.post(address, json=body, headers=key).json()["session"]["tools"][0]["name"] == "book"
    assert any(f"/simulator/sessions/{session}/events" in line for line in lines)


def test_an_exported_call_has_its_settings_with_all_their_characters(fresh: Simulator) -> None:
    settings = {"type": "realtime", "instructions": "@ Be kind; answer briefly;type=text/plain"}
    form = {
        "sdp": (None, sample("offer-chromium-audio-datachannel"), "application/sdp"),
        "session": (None, json.dumps(settings)),
    }
    key = {"authorization": f"Bearer {fresh.api_key}"}
    assert httpx.post(f"{fresh.base_url}/realtime/calls", files=form, headers=key).status_code == 201
    lines = exports.curl(fresh.sessions[-1], fresh.base_url).splitlines()
    words = shlex.split(next(line for line in lines if line.startswith("curl -i")))
    # In the value of -F, curl reads a semicolon as the beginning of an option.
    name, _, value = words[words.index("--form-string") + 1].partition("=")
    assert name == "session" and json.loads(value)["instructions"] == settings["instructions"]


# Replay and comparison


def converse(simulator: Simulator, greeting: str = "Hello", *more: str) -> list[str]:
    """Speak, call a tool, fail and answer in a session; return the types of the events that came."""
    tool = {"type": "function", "name": "book", "parameters": {"type": "object", "properties": {}}}
    transcription = {"model": "gpt-realtime-whisper"}
    with Socket(simulator) as socket:
        socket.update(tools=[tool], audio={"input": {"transcription": transcription}})
        socket.append(voice.synthesize("hello") + bytes(48_000))
        call_id = socket.until("response.function_call_arguments.done")["call_id"]
        socket.until("response.done")
        output = {"type": "function_call_output", "call_id": call_id, "output": "done"}
        socket.send("conversation.item.create", item=output, event_id=f"event_{id(socket)}")
        for text in (greeting, *more):
            socket.user_says(text)
        for _ in range(2):
            socket.send("response.create")
            socket.until("response.done")
        socket.until("rate_limits.updated")
    record = simulator.sessions[-1]
    simulator.wait_for(lambda: record.ended is not None)
    return record.types_sent()


def words_of(record: SessionRecord) -> list[Any]:
    return [
        (event.get("transcript"), event.get("arguments"), (event.get("response") or {}).get("status_details"))
        for event in record.sent
        if event["type"].endswith(("transcript.done", "completed", "arguments.done", "response.done"))
    ]


@pytest.mark.slow
def test_a_program_meets_the_same_service_again_when_a_session_is_replayed(fresh: Simulator) -> None:
    fresh.on_speech(lambda heard: "Book a room.")
    answers = [
        [say("One moment."), call_tool("book", '{"nights":  2}')],
        Fail("rate_limit_exceeded", "Too many."),
    ]
    fresh.on_response(sequence(*answers, "It is booked: {1} # no comment"))
    types = converse(fresh)
    first = fresh.sessions[-1]
    first.name = "the first"
    fresh.replay(first)
    assert fresh.scenario == "replay of the first" and fresh.replaying == first.id
    fresh.clear_sessions()
    assert converse(fresh) == types
    again = fresh.sessions[-1]
    assert words_of(again) == words_of(first) and len(words_of(first)) > 5
    assert [one.replay_of for one in fresh.sessions] == [None, first.id]
    assert all(
        not row["differences"] and row["before"] and row["after"] for row in compare(first, again)["rows"]
    )
    # As a file it is the same, for other simulators.
    with Simulator(pacing="none", espeak=False) as other:
        other.play_scenario(exports.FORMS["scenario"](first, fresh.base_url))
        assert converse(other) == types
        assert words_of(other.sessions[-1]) == words_of(first)
    fresh.play_scenario("{}", replace=True)
    converse_plainly(fresh)
    assert (fresh.sessions[-1].replay_of, fresh.replaying) == (None, None)


def converse_plainly(simulator: Simulator) -> None:
    with Socket(simulator) as socket:
        socket.update(output_modalities=["text"])
        socket.user_says("Hello")
        socket.send("response.create")
        assert socket.until("response.output_text.done")["text"] == "You said: Hello"


def test_completed_items_of_an_unfinished_response_are_replayed(fresh: Simulator) -> None:
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}},
        {
            "type": "response.output_item.done",
            "response_id": "resp_1",
            "item": {"type": "message", "content": [{"text": "Half"}]},
        },
        {"type": "response.created", "response": {"id": "resp_2", "status": "in_progress", "output": []}},
        {"type": "response.done", "response": {"id": "resp_2", "status": "cancelled", "output": []}},
    ]
    log = SessionLog("sess_1", "websocket")
    log.config = lambda: {"type": "realtime"}
    for event in events:
        log.add("sent", event, 0)
    assert yaml.safe_load(replay.scenario(log.record, "")) == {
        "responses": [{"steps": [{"say": "Half"}, {"all": [{"say": ""}]}]}]
    }
    fresh.replay(log.record)
    with Socket(fresh) as socket:
        socket.update(output_modalities=["text"])
        for expected in ("Half", ""):
            socket.send("response.create")
            done = socket.until("response.done")["response"]
            assert done["status"] == "completed" and done["output"][0]["content"][0]["text"] == expected


def test_failed_transcripts_and_calls_of_mcp_servers_are_replayed(fresh: Simulator) -> None:
    fresh.on_speech(lambda heard: Transcript(error="Too noisy.", code="audio_unintelligible"))
    fresh.on_response(
        sequence(call_mcp("docs", "search", {"q": 1}, output="found"), call_mcp("docs", "search", error="no"))
    )

    def run() -> list[Any]:
        server = {
            "type": "mcp",
            "server_label": "docs",
            "server_url": "https://mcp.example",
            "require_approval": "never",
        }
        with Socket(fresh) as socket:
            transcription = {"model": "gpt-realtime-whisper"}
            detection = {"type": "server_vad", "create_response": False}
            sound = {"input": {"transcription": transcription, "turn_detection": detection}}
            socket.update(tools=[{**server, "allowed_tools": ["search"]}], audio=sound)
            socket.append(voice.synthesize("hello") + bytes(48_000))
            error = socket.until("conversation.item.input_audio_transcription.failed")["error"]
            outputs = []
            for _ in range(2):
                socket.send("response.create")
                done = socket.until("response.done")["response"]
                outputs += [
                    (one["name"], one["arguments"], one.get("output"), one.get("error"))
                    for one in done["output"]
                ]
            return [error["message"], error["code"], *outputs]

    first = run()
    assert first[:3] == ["Too noisy.", "audio_unintelligible", ("search", '{"q": 1}', "found", None)]
    assert first[3][3]["message"] == "no"
    fresh.wait_for(lambda: fresh.sessions[-1].ended is not None)
    fresh.replay(fresh.sessions[-1].id)
    assert run() == first


def loudest(record: SessionRecord) -> int:
    """The loudest peak of what the user said."""
    return max(SessionLog.of(record).audio_in.peaks, default=0)


@pytest.mark.slow
def test_a_phone_call_is_replayed_with_its_caller() -> None:
    def call(simulator: Simulator, acts: bool) -> SessionRecord:
        with receiving() as receiver:
            call = simulator.incoming_call(receiver.url, line_speed=20)
            key = {"authorization": f"Bearer {simulator.api_key}"}
            body = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
            accept = f"{simulator.base_url}/realtime/calls/{call.id}/accept"
            assert httpx.post(accept, json=body, headers=key).status_code == 200
            if acts:
                simulator.caller_says(call, vowel())
                simulator.wait_for(lambda: loudest(call.session) > 20)
                simulator.press(call, "1#")
                simulator.hang_up(call)
            simulator.wait_for(lambda: call.ended is not None)
            assert call.ended == "peer"
            return call.session

    def keys(record: SessionRecord) -> list[str]:
        return [event["event"] for event in record.sent if event["type"].endswith("dtmf_event_received")]

    with Simulator(pacing="none", espeak=False, keep_audio=True) as simulator:
        first = call(simulator, acts=True)
        simulator.replay(first)
        again = call(simulator, acts=False)
        assert keys(again) == keys(first) == ["1", "#"]
        assert loudest(again) > 20


def test_unreplayable_sessions_are_refused(fresh: Simulator) -> None:
    with Socket(fresh, "model=gpt-realtime-translate", path="/translations") as socket:
        session = socket.recv()["session"]["id"]
        with pytest.raises(ValueError, match="a translation session has no answers"):
            fresh.replay(session)
        origin, key = fresh.base_url.removesuffix("/v1"), {"authorization": f"Bearer {fresh.api_key}"}
        assert httpx.post(f"{origin}/simulator/sessions/{session}/replay", headers=key).status_code == 400
    with Socket(fresh) as socket:
        session = socket.recv()["session"]["id"]
    fresh.wait_for(lambda: fresh.session(session).ended is not None)
    SessionLog.of(fresh.session(session)).forget()
    with pytest.raises(ValueError, match="no longer kept"):
        fresh.replay(session)
    with pytest.raises(LookupError, match="sess_none"):
        fresh.replay("sess_none")
    assert fresh.replaying is None


def client_events(*events: dict[str, Any]) -> SessionRecord:
    log = SessionLog("sess_1", "websocket")
    for event in events:
        log.add("received", event, 0)
    return log.record


def marks(before: SessionRecord, after: SessionRecord) -> list[Any]:
    """Each row as the types of both sides, and the differences."""
    return [
        (
            *((row[side] or {}).get("event", {}).get("type") for side in ("before", "after")),
            *row["differences"],
        )
        for row in compare(before, after)["rows"]
    ]


def test_client_events_are_compared_without_ids_and_audio() -> None:
    append = {"type": "input_audio_buffer.append", "audio": "A" * 4000}
    output = {"type": "function_call_output", "output": "done"}

    def run(number: int, text: str, appends: int, *more: dict[str, Any]) -> SessionRecord:
        user = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        return client_events(
            {"type": "session.update", "event_id": f"event_{number}", "session": {"type": "realtime"}},
            *[append] * appends,
            *more,
            {"type": "conversation.item.create", "item": {**output, "call_id": f"call_{number}"}},
            {"type": "conversation.item.create", "item": {**user, "id": f"item_{number}"}},
            {
                "type": "response.create",
                "response": {"metadata": {"of": f"turn_{number:032x}", "kind": "main"}},
            },
        )

    create = "conversation.item.create"
    same = [(one, one) for one in ("session.update", append["type"], create, create, "response.create")]
    assert marks(run(1, "Hello", 3), run(2, "Hello", 9)) == same
    counts = [
        (row["before"]["count"], row["after"]["count"])
        for row in compare(run(1, "", 3), run(2, "", 9))["rows"]
    ]
    assert counts == [(1, 1), (3, 9), (1, 1), (1, 1), (1, 1)]
    changed = marks(run(1, "Hello", 1), run(2, "Good day", 1))
    assert changed[3] == (create, create, 'item.content[0].text: expected "Hello", got "Good day"')
    assert [one for one in changed if len(one) > 2] == [changed[3]]
    # What comes between moves nothing else.
    extra = {"type": "input_audio_buffer.clear"}
    assert marks(run(1, "Hello", 1), run(2, "Hello", 1, extra)) == [
        *same[:2],
        (None, extra["type"]),
        *same[2:],
    ]
    assert marks(run(1, "Hello", 1, extra), run(2, "Hello", 1)) == [
        *same[:2],
        (extra["type"], None),
        *same[2:],
    ]


def test_as_many_events_are_compared_as_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MAX_COMPARED", 3)
    few, many = (client_events(*[{"type": "response.create"}] * number) for number in (3, 4))
    assert not compare(few, few)["cut"]
    assert compare(few, many)["cut"] and len(compare(few, many)["rows"]) == 3
    assert compare(client_events({"type": 7, "item": [], "id": {}}), few)["rows"][0]["after"] is None


# HAR


@pytest.fixture
def busy(fresh: Simulator) -> tuple[Simulator, list[str]]:
    """A simulator with requests and sessions of each kind, and the secrets that passed."""
    key = {"authorization": f"Bearer {fresh.api_key}"}
    wrong = "a-wrong-key-without-a-prefix"
    with httpx.Client(base_url=fresh.base_url, timeout=PATIENCE) as client:
        secret = client.post("/realtime/client_secrets", json={}, headers=key).json()["value"]
        client.post("/realtime/client_secrets", json={}, headers={"authorization": f"Bearer {wrong}"})
        offer = sample("offer-chromium-audio-datachannel")
        form = {"sdp": (None, offer, "application/sdp"), "session": (None, '{"type": "realtime"}')}
        call = client.post("/realtime/calls", files=form, headers=key)
        assert call.status_code == 201
        client.post(f"/realtime/calls/{fresh.calls[-1].id}/hangup", headers=key)
        with fresh.fault("connection_reset", times=1), contextlib.suppress(httpx.HTTPError):
            client.get("/realtime/sessions?token=in-the-query", headers=key)
    with Socket(fresh, key=wrong) as socket:
        socket.closed()
    with Socket(fresh, key="", subprotocols=("realtime", f"openai-insecure-api-key.{secret}")) as socket:
        socket.update(output_modalities=["text"], instructions=f"Never tell {wrong} or {fresh.api_key}.")
        socket.user_says("Hello")
        socket.send("response.create")
        socket.until("response.done")
    fresh.wait_for(lambda: all(one.ended is not None for one in fresh.requests))
    passwords = re.findall(r"a=ice-pwd:(\S+)", offer + call.text)
    return fresh, [fresh.api_key, secret, wrong, "in-the-query", *passwords]


def archived(simulator: Simulator, path: str) -> str:
    headers = {"authorization": f"Bearer {simulator.api_key}"}
    answer = httpx.get(f"{simulator.base_url.removesuffix('/v1')}/simulator/{path}", headers=headers)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    return answer.text


def test_an_archive_has_requests_and_messages_without_secrets(busy: tuple[Simulator, list[str]]) -> None:
    simulator, secrets = busy
    text = archived(simulator, "requests/har")
    assert not [secret for secret in secrets if secret in text]
    entries = json.loads(text)["log"]["entries"]
    assert [entry["response"]["status"] for entry in entries] == [200, 401, 201, 200, 0, 101, 101]
    created, refused, call, _, _, rejected, connected = entries
    assert json.loads(created["response"]["content"]["text"])["value"] == "ek_***"
    assert {"name": "authorization", "value": "Bearer ***"} in created["request"]["headers"]
    assert json.loads(refused["response"]["content"]["text"])["error"]["code"] == "invalid_api_key"
    assert (
        "a=ice-ufrag" in call["request"]["postData"]["text"] and "v=0" in call["response"]["content"]["text"]
    )
    [error] = rejected["_webSocketMessages"]
    assert json.loads(error["data"])["error"]["code"] == "invalid_api_key"
    assert (
        connected["request"]["url"]
        == f"{simulator.base_url.replace('http', 'ws', 1)}/realtime?model=gpt-realtime"
    )
    assert connected["request"]["queryString"] == [{"name": "model", "value": "gpt-realtime"}]
    messages = connected["_webSocketMessages"]
    record = simulator.sessions[-1]
    assert [json.loads(one["data"])["type"] for one in messages] == [
        one.event["type"] for one in record.events
    ]
    ways = {"received": "send", "sent": "receive"}
    assert [one["type"] for one in messages] == [ways[one.direction] for one in record.events]
    assert all(one["opcode"] == 1 and one["time"] >= record.begun for one in messages)
    # Of one session, there are its own requests.
    entries = json.loads(archived(simulator, f"sessions/{record.id}/export/har"))["log"]["entries"]
    assert [entry["_resourceType"] for entry in entries] == ["websocket"]
    assert entries[0]["_webSocketMessages"] == messages
    calls = json.loads(archived(simulator, f"sessions/{simulator.sessions[0].id}/export/har"))["log"][
        "entries"
    ]
    assert [entry["request"]["url"].rpartition("/")[2] for entry in calls] == ["calls", "hangup"]
    assert "data channel" in calls[0]["comment"] and "_webSocketMessages" in calls[0]


@pytest.mark.slow
@pytest.mark.node
def test_an_archive_has_the_form_of_har_1_2(busy: tuple[Simulator, list[str]]) -> None:
    folder = ROOT / "build" / "node" / "node_modules" / "har-schema" / "lib"
    assert folder.exists(), "make build/node/.installed first"
    schemas = {file.name: json.loads(file.read_text()) for file in folder.glob("*.json")}
    for schema in schemas.values():
        del schema["$id"]  # relative to no address
    registry = Registry([(f"file:///{name}", schema) for name, schema in schemas.items()])
    validator = validator_for({"$ref": "file:///har.json"}, registry=registry)
    content = json.loads(archived(busy[0], "requests/har"))
    validator.validate(content)
    for faulty in ("cache", "startedDateTime", "timings"):
        spoilt = json.loads(json.dumps(content))
        del spoilt["log"]["entries"][0][faulty]
        assert not validator.is_valid(spoilt)
    spoilt = json.loads(json.dumps(content))
    spoilt["log"]["entries"][0]["startedDateTime"] = "yesterday"
    assert not validator.is_valid(spoilt)


def test_an_unknown_export_is_refused(control: httpx.Client, sim: Simulator) -> None:
    with Socket(sim) as socket:
        session = socket.recv()["session"]["id"]
        answer = control.get(f"/simulator/sessions/{session}/export/pdf")
    assert answer.status_code == 404 and "recording, pytest, curl" in answer.json()["error"]["message"]


def test_the_console_needs_the_key_and_this_machines_name(control: httpx.Client) -> None:
    for path in ("overview", "sessions/sess_x/export/curl"):
        assert control.get(f"/simulator/{path}", headers={"authorization": ""}).status_code == 401
        assert (
            control.get(f"/simulator/{path}", headers={"origin": "https://evil.example"}).status_code == 403
        )
    for path in ("sessions/sess_x/inject", "refer"):
        assert control.post(f"/simulator/{path}", json={}, headers={"authorization": ""}).status_code == 401
