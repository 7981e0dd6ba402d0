from __future__ import annotations

import asyncio
import json
import re
import wave
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from realtime_simulator import Simulator
from realtime_simulator.clock import AdvancingClock
from realtime_simulator.control.endpoint import Endpoint
from realtime_simulator.credentials import Credentials
from realtime_simulator.engine.ids import Ids
from realtime_simulator.media import voice

from .receiver import receiving

SECRETS = "/v1/realtime/client_secrets"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(espeak=False) as simulator:
        yield simulator


@pytest.fixture
def sim(running: Simulator) -> Iterator[Simulator]:
    yield running
    running.clear_faults()


@pytest.fixture
def control(sim: Simulator) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {sim.api_key}"}
    with httpx.Client(base_url=sim.base_url.removesuffix("/v1"), headers=headers) as client:
        yield client


def done(response: httpx.Response) -> dict:
    assert response.status_code == 200, response.text
    return response.json()


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
    assert json.loads(receiver.deliveries[0].body)["data"]["session_id"] == shown["id"]
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
    assert refused.json()["error"]["message"].startswith("mine.yaml, line 1: respnses: there is no such")


@pytest.mark.parametrize(
    ("path", "asked", "status", "message"),
    [
        ("incoming", {}, 400, "'to' is needed"),
        ("incoming", {"to": "http://127.0.0.1:1/", "port": 1}, 400, "allowed are age"),
        ("incoming", {"to": "ftp://x"}, 400, "to: allowed is"),
        ("incoming", {"to": "http://127.0.0.1:1/", "audio": "/none.wav"}, 400, "none.wav"),
        ("incoming", {"to": "http://127.0.0.1:1/", "headers": [["X"]]}, 400, "unpack|pairs"),
        ("calls/rtc_x/hang_up", {}, 404, "No session found"),
        ("calls/rtc_x/say", {}, 400, "audio"),
        ("faults", {}, 400, "name"),
        ("faults", {"name": "flood"}, 400, "there is no fault 'flood'"),
        ("faults", {"name": "slow", "seconds": "x"}, 400, "seconds: allowed"),
        ("advance", {}, 400, "seconds"),
        ("advance", {"seconds": -1}, 400, "seconds: allowed"),
        ("nothing", {}, 404, "There is no POST"),
    ],
)
def test_what_is_wrong_is_said(
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
        assert control.get("/simulator/calls", headers=headers).status_code == 401


@pytest.mark.parametrize(("host", "status"), [("192.0.2.7", 403), ("127.0.0.1", 200), ("::1", 200)])
def test_only_this_machine_controls(host: str, status: int) -> None:
    async def main() -> httpx.Response:
        application = Endpoint(Simulator(), Credentials("sk-x", AdvancingClock(), Ids())).application()
        transport = httpx.ASGITransport(application, client=(host, 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/simulator/calls", headers={"authorization": "Bearer sk-x"})

    assert asyncio.run(main()).status_code == status


def test_a_hostile_body_is_refused_with_the_envelope(control: httpx.Client) -> None:
    huge = control.post("/simulator/scenario", content=b"x" * 2_000_000)
    assert huge.status_code == 413 and huge.json()["error"]["code"] == "request_too_large"


@pytest.mark.parametrize(
    ("header", "value", "is_allowed"),
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
    response = control.get("/simulator/calls", headers={header: value})
    assert response.status_code == (200 if is_allowed else 403)
