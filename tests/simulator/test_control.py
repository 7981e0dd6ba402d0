from __future__ import annotations

import asyncio
import json
import re
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from realtime_simulator import Simulator
from realtime_simulator._core.clock import AdvancingClock
from realtime_simulator._core.ids import Ids
from realtime_simulator._media import voice
from realtime_simulator._records.session import event_view
from realtime_simulator._records.store import Records
from realtime_simulator._server.credentials import Credentials
from realtime_simulator._simulator import endpoint
from realtime_simulator._simulator.endpoint import Endpoint

from tests.simulator.receiver import receiving
from tests.simulator.wire import Socket
from tests.support.rows import each
from tests.support.waiting import PATIENCE

SECRETS = "/v1/realtime/client_secrets"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        yield simulator


@pytest.fixture
def sim(running: Simulator) -> Iterator[Simulator]:
    yield running
    running.clear_faults()


@pytest.fixture
def control(sim: Simulator) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {sim.api_key}"}
    with httpx.Client(base_url=sim.base_url.removesuffix("/v1"), headers=headers, timeout=PATIENCE) as client:
        yield client


def done(response: httpx.Response) -> dict:
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.slow
def test_a_callers_audio_is_streamed_until_the_call_ends(sim: Simulator, control: httpx.Client) -> None:
    with receiving() as receiver:
        call = sim.incoming_call(receiver.url, line_speed=20)
        with control.stream("GET", f"/simulator/calls/{call.id}/hear") as response:
            session = {"type": "realtime", "model": "gpt-realtime"}
            assert control.post(f"/v1/realtime/calls/{call.id}/accept", json=session).status_code == 200
            inject = f"/simulator/sessions/{call.session.id}/inject"
            done(control.post(inject, json={"type": "response.create"}))
            sim.wait_for(lambda: "output_audio_buffer.stopped" in call.session.types_sent())
            done(control.post(f"/simulator/calls/{call.id}/hang_up"))
            heard = b"".join(response.iter_bytes())
    assert len(heard) / 48000 == pytest.approx(call.session.sent_audio_seconds, abs=0.1)
    assert len(heard) > 24000
    assert control.get(f"/simulator/calls/{call.id}/hear").status_code == 404


def test_a_call_comes_in_and_is_shown_until_the_caller_hangs_up(
    sim: Simulator, control: httpx.Client, tmp_path: Path
) -> None:
    path = tmp_path / "caller.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 24000, 0, "NONE", ""))
        file.writeframes(voice.synthesize("hello"))
    before = len(sim.requests)
    with receiving() as receiver:
        asked = {
            "to": receiver.url,
            "headers": [["X-Pin", "1"], ["X-Pin", "2"]],
            "audio": str(path),
            "events": ["live.call.incoming"],
            "duplicates": 1,
        }
        shown = done(control.post("/simulator/incoming", json=asked))
        assert shown["kind"] == "sip" and shown["state"] == "ringing"
        sim.wait_for(lambda: len(sim.calls[-1].deliveries) == 2)
    announced = json.loads(receiver.deliveries[0].body)["data"]["session_id"]
    assert announced == shown["id"].replace("rtc_", "live_", 1)
    assert [value for name, value in sim.calls[-1].sip_headers if name == "X-Pin"] == ["1", "2"]
    done(control.post(f"/simulator/calls/{shown['id']}/say", json={"audio": str(path)}))
    done(control.post(f"/simulator/calls/{shown['id']}/hang_up"))
    sim.wait_for(lambda: sim.calls[-1].ended == "peer")
    last = done(control.get("/simulator/calls"))["calls"][-1]
    assert (last["id"], last["state"], last["ended"]) == (shown["id"], "ended", "peer")
    assert [one["status"] for one in last["deliveries"]] == [200, 200]
    assert len(sim.requests) == before


def test_faults_scenarios_and_time(sim: Simulator, control: httpx.Client) -> None:
    asked = {"name": "rate_limit", "on": "client_secrets.create", "times": 1, "retry_after": 3}
    assert done(control.post("/simulator/faults", json=asked))["retry_after"] == 3
    assert control.post(SECRETS, json={}).headers["retry-after"] == "3"
    assert control.post(SECRETS, json={}).status_code == 200
    done(control.post("/simulator/faults", json={"name": "gateway_520"}))
    assert control.post(SECRETS, json={}).status_code == 520
    done(control.post("/simulator/faults/clear"))
    asked = {"expires_after": {"anchor": "created_at", "seconds": 600}}
    secret = control.post(SECRETS, json=asked).json()["value"]
    done(control.post("/simulator/advance", json={"seconds": 601}))
    expired = control.post(SECRETS, json={}, headers={"authorization": f"Bearer {secret}"})
    assert "expired" in expired.json()["error"]["message"]
    yaml = "responses:\n  - {match: ping, say: pong}\n"
    done(control.post("/simulator/scenario", content=yaml))
    refused = control.post("/simulator/scenario", content="respnses: []", params={"name": "mine.yaml"})
    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith("mine.yaml, line 1: respnses: unknown field")


def events_of(answer: dict) -> list[tuple[str, str]]:
    return [(one["direction"], one["event"]["type"]) for one in answer["events"]]


def test_sessions_and_their_events_are_shown_with_times_and_directions(
    sim: Simulator, control: httpx.Client
) -> None:
    with Socket(sim) as socket:
        socket.update(output_modalities=["text"])
        socket.send("nonsense")
        socket.until("error")
        session = done(control.get("/simulator/sessions"))["sessions"][-1]
        assert session["id"] == sim.sessions[-1].id == socket.events[0]["session"]["id"]
        assert (session["type"], session["model"], session["transport"], session["ended"]) == (
            "realtime",
            "gpt-realtime",
            "websocket",
            None,
        )
        path = f"/simulator/sessions/{session['id']}/events"
        shown = done(control.get(path))
        assert events_of(shown) == [
            ("sent", "session.created"),
            ("received", "session.update"),
            ("sent", "session.updated"),
            ("received", "nonsense"),
            ("sent", "error"),
        ]
        assert shown["session"]["events"] == 5
        assert [one["event"] for one in shown["events"] if one["direction"] == "sent"] == socket.events
        times = [session["begun"], *(one["time"] for one in shown["events"])]
        assert times == sorted(times) and abs(times[0] - time.time()) < 86_400
        assert [one["number"] for one in shown["events"]] == [1, 2, 3, 4, 5]
        later = done(control.get(path, params={"after": 3}))
        assert events_of(later) == [("received", "nonsense"), ("sent", "error")]
        # The same in Python.
        record = sim.session(session["id"])
        assert [event_view(one) for one in record.events] == shown["events"]
    sim.wait_for(lambda: record.ended is not None)
    assert done(control.get(path))["session"]["ended"] == "client closed"
    with pytest.raises(LookupError, match="there is no session 'sess_x'"):
        sim.session("sess_x")


def test_events_are_streamed_as_they_happen_until_the_session_ends(
    sim: Simulator, control: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_KEEP_ALIVE_SECONDS", 0.01)
    headers = {"accept": "text/event-stream"}
    with Socket(sim) as socket:
        socket.recv()
        path = f"/simulator/sessions/{sim.sessions[-1].id}/events"
        with control.stream("GET", path, headers=headers) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = response.iter_lines()
            assert next(lines) == "id: 1"
            assert json.loads(next(lines).removeprefix("data: "))["event"]["type"] == "session.created"
            while not next(lines).startswith(":"):  # nothing happens: the stream shows that it is alive
                pass
            socket.send("nonsense")
            types = []
            while len(types) < 2:
                line = next(lines)
                if line.startswith("data: "):
                    shown = json.loads(line.removeprefix("data: "))
                    types.append((shown["direction"], shown["event"]["type"]))
            assert types == [("received", "nonsense"), ("sent", "error")]
            socket.close()
            rest = [line for line in lines if not line.startswith(":") and line]
    assert rest == ["event: ended", 'data: {"ended": "client closed"}']
    # Whoever comes back says what it has seen.
    again = control.get(path, headers={**headers, "last-event-id": "2"}).text
    assert again.startswith("id: 3\ndata: ") and again.count("id: ") == 1


@each(
    "path, status, message",
    [
        ("sessions/sess_x/events", 404, "there is no session 'sess_x'"),
        ("sessions/{id}/events?after=x", 400, "after: the number"),
        ("sessions/{id}/events?after=-1", 400, "after: the number"),
    ],
)
def test_errors_about_a_session_are_explained(
    sim: Simulator, control: httpx.Client, path: str, status: int, message: str
) -> None:
    with Socket(sim) as socket:
        socket.recv()
        response = control.get("/simulator/" + path.replace("{id}", sim.sessions[-1].id))
    assert response.status_code == status and message in response.json()["error"]["message"]


def test_faults_list_the_allowed_settings(control: httpx.Client) -> None:
    known = done(control.get("/simulator/faults/known"))["faults"]
    assert known["slow"] == {
        "what": "the response is late",
        "settings": {"seconds": {"allowed": "a number from 0 to 86400", "default": 1.0, "choices": []}},
    }
    assert known["server_error"]["settings"]["body"]["choices"] == ["html", "json", "empty"]
    assert known["socket_drop"]["settings"]["after"]["allowed"] == "the type of a server event"


@each(
    "path, asked, status, message",
    [
        ("incoming", {}, 400, "'to' is needed"),
        ("incoming", {"to": "http://127.0.0.1:1/", "port": 1}, 400, "allowed are age"),
        ("incoming", {"to": "ftp://x"}, 400, "to: allowed is"),
        ("faults", {"name": "rate_limit", "on": {}}, 400, "on: allowed is a call's id"),
        ("refer", {"delay": 10**400}, 400, "too large"),
        ("incoming", {"to": "http://127.0.0.1:1/", "audio": "/none.wav"}, 400, "none.wav"),
        ("incoming", {"to": "http://127.0.0.1:1/", "headers": [["X"]]}, 400, "unpack|pairs"),
        ("calls/rtc_x/hang_up", {}, 404, "No session found"),
        ("calls/rtc_x/say", {}, 400, "audio"),
        ("faults", {}, 400, "name"),
        ("faults", {"name": "flood"}, 400, "unknown fault 'flood'"),
        ("faults", {"name": "slow", "seconds": "x"}, 400, "seconds: allowed"),
        ("advance", {}, 400, "seconds"),
        ("advance", {"seconds": -1}, 400, "seconds: allowed"),
        ("nothing", {}, 404, "There is no POST"),
    ],
)
def test_errors_are_explained(
    control: httpx.Client, path: str, asked: dict, status: int, message: str
) -> None:
    response = control.post(f"/simulator/{path}", json=asked)
    assert response.status_code == status
    assert re.search(message, response.json()["error"]["message"])


def test_only_the_projects_key_controls(sim: Simulator, control: httpx.Client) -> None:
    secret = control.post(SECRETS, json={}).json()["value"]
    for headers in (
        {"authorization": ""},
        {"authorization": f"Bearer {secret}"},
        {"authorization": "Bearer x"},
    ):
        for path in ("incoming", "faults", "scenario", "advance"):
            assert control.post(f"/simulator/{path}", json={}, headers=headers).status_code == 401
        for path in ("calls", "sessions", "sessions/sess_x/events"):
            assert control.get(f"/simulator/{path}", headers=headers).status_code == 401


@each("host, status", [("192.0.2.7", 403), ("127.0.0.1", 200), ("::1", 200)])
def test_only_this_machine_controls(host: str, status: int) -> None:
    async def main() -> httpx.Response:
        clock = AdvancingClock()
        credentials = Credentials("sk-x", clock, Ids())
        application = Endpoint(Simulator(pacing="none"), Records(), credentials, clock).application()
        transport = httpx.ASGITransport(application, client=(host, 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/simulator/calls", headers={"authorization": "Bearer sk-x"})

    assert asyncio.run(main()).status_code == status


def test_a_hostile_body_is_refused_with_the_envelope(control: httpx.Client) -> None:
    huge = control.post("/simulator/scenario", content=b"x" * 2_000_000)
    assert huge.status_code == 413 and huge.json()["error"]["code"] == "request_too_large"


@each(
    "header, value, is_allowed",
    [
        ("host", "evil.example", False),
        ("host", "127.0.0.1.evil.example:80", False),
        ("host", "localhost:80", True),
        ("host", "[::1]:80", True),
        ("origin", "https://evil.example", False),
        ("origin", "null", False),
        ("origin", "http://localhost:3000", True),
    ],
)
def test_a_page_whose_name_resolves_to_this_machine_controls_nothing(
    control: httpx.Client, header: str, value: str, is_allowed: bool
) -> None:
    for path in ("calls", "sessions"):
        response = control.get(f"/simulator/{path}", headers={header: value})
        assert response.status_code == (200 if is_allowed else 403)
