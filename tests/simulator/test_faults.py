from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aioice.stun
import httpx
import pytest
from aiortc import RTCSessionDescription
from realtime_simulator import FAULTS, Simulator
from realtime_simulator._faults.alterations import with_nulls
from realtime_simulator._faults.catalog import Faults, check_settings, parse
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidMessage, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.simulator.caller import Caller
from tests.simulator.checking import fits
from tests.simulator.receiver import receiving
from tests.simulator.test_http import form, problem
from tests.simulator.test_offer import OFFER
from tests.support.rows import each
from tests.support.waiting import PATIENCE

CALLS = "/realtime/calls"
SECRETS = "/realtime/client_secrets"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False, seed=5) as simulator:
        yield simulator


@pytest.fixture
def sim(running: Simulator) -> Iterator[Simulator]:
    yield running
    running.clear_faults()


def call(api: httpx.Client) -> httpx.Response:
    return api.post(CALLS, files=form(OFFER))


def dial(sim: Simulator, query: str = "model=gpt-realtime", **headers: str) -> ClientConnection:
    return connect(
        f"ws{sim.base_url.removeprefix('http')}/realtime?{query}",
        additional_headers={"authorization": f"Bearer {sim.api_key}", **headers},
        proxy=None,
    )


def test_too_many_requests(sim: Simulator, api: httpx.Client) -> None:
    with sim.fault("rate_limit", retry_after=7) as fault:
        response = api.post(SECRETS, json={})
        assert problem(response, 429)["code"] == "rate_limit_exceeded"
        assert response.headers["retry-after"] == "7"
        assert response.headers["x-ratelimit-remaining-requests"] == "0"
        assert fault.hits == 1
    assert api.post(SECRETS, json={}).status_code == 200
    with sim.fault("rate_limit", retry_after=60, retry_after_form="date"):
        date = parsedate_to_datetime(api.post(SECRETS, json={}).headers["retry-after"])
        assert 30 < (date - datetime.now(UTC)).total_seconds() < 61
    with sim.fault("rate_limit", retry_after_form="none"):
        assert "retry-after" not in api.post(SECRETS, json={}).headers


def test_gateways_that_answer_pages_or_nothing(sim: Simulator, api: httpx.Client) -> None:
    with sim.fault("server_error", status=502):
        response = api.post(SECRETS, json={})
        assert (response.status_code, response.headers["content-type"]) == (502, "text/html; charset=utf-8")
        assert "<h1>502 Bad Gateway</h1>" in response.text
    with sim.fault("server_error", status=500, body="json"):
        assert problem(api.post(SECRETS, json={}), 500)["type"] == "server_error"
    with sim.fault("server_error", body="empty"):
        assert (api.post(SECRETS, json={}).status_code, api.post(SECRETS, json={}).content) == (503, b"")
    with sim.fault("gateway_520"):
        response = api.post(SECRETS, json={})
        assert (response.status_code, response.content) == (520, b"")


def test_slow_and_stalled_answers_go_by_the_simulators_time(sim: Simulator, api: httpx.Client) -> None:
    async def main() -> None:
        headers = {"authorization": f"Bearer {sim.api_key}"}
        async with httpx.AsyncClient(base_url=sim.base_url, headers=headers, timeout=PATIENCE) as client:
            before = len(sim.requests)
            with sim.fault("slow", seconds=1000):
                slow = asyncio.create_task(client.post(SECRETS, json={}))
                await asyncio.to_thread(sim.wait_for, lambda: len(sim.requests) > before)
                assert not slow.done()
                await asyncio.to_thread(sim.advance, 1001)
                assert (await slow).status_code == 200
            with sim.fault("stall", seconds=1000) as fault:
                stalled = asyncio.create_task(client.post(SECRETS, json={}))
                await asyncio.to_thread(sim.wait_for, lambda: fault.hits == 1)
                await asyncio.to_thread(sim.advance, 1001)
                with pytest.raises(httpx.TransportError):
                    await stalled

    asyncio.run(main())
    with sim.fault("stall"), pytest.raises(httpx.ReadTimeout):
        api.post(SECRETS, json={}, timeout=httpx.Timeout(PATIENCE, read=0.2))


def test_resets(sim: Simulator, api: httpx.Client) -> None:
    with sim.fault("connection_reset"), pytest.raises(httpx.TransportError):
        api.post(SECRETS, json={})
    with sim.fault("reset_mid_body", times=1):
        got = b""
        with api.stream("POST", SECRETS, json={}) as response:
            assert response.status_code == 200
            size = int(response.headers["content-length"])
            with pytest.raises(httpx.TransportError):
                for piece in response.iter_raw():
                    got += piece
        assert 0 < len(got) < size
    assert api.post(SECRETS, json={}).status_code == 200


def test_a_reset_is_not_an_orderly_close(sim: Simulator) -> None:
    host, port = sim.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    with (
        sim.fault("connection_reset"),
        socket.create_connection((host, int(port)), timeout=PATIENCE) as connection,
    ):
        connection.sendall(b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_call_without_location_and_one_answered_with_json(sim: Simulator, api: httpx.Client) -> None:
    with sim.fault("no_location"):
        response = call(api)
        assert response.status_code == 201 and "location" not in response.headers
    with sim.fault("json_not_sdp"):
        response = call(api)
        assert response.status_code == 201 and response.headers["content-type"] == "application/json"
        assert response.json()["id"] == sim.calls[-1].id
    with sim.fault("json_not_sdp", content_type="application/sdp"):
        response = call(api)
        assert response.headers["content-type"] == "application/sdp" and response.text.startswith("{")


@pytest.mark.slow
def test_a_call_by_which_nothing_connects(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    # Checks are given up after a second instead of half a minute.
    monkeypatch.setattr(aioice.stun, "RETRY_RTO", 0.01)

    async def main() -> None:
        async with Caller(sim) as caller:
            with sim.fault("ice_failure", on="calls.create"):
                response = await caller.post()
            await caller.peer.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
            record = sim.calls[-1]
            await caller.wait(lambda: caller.peer.connectionState == "failed")
            assert record.state != "connected" and not caller.events
            await caller.hangup()

    asyncio.run(main())


def test_accept_answers_200_to_anything_and_the_call_fails_later(sim: Simulator, api: httpx.Client) -> None:
    with receiving() as receiver:
        incoming = sim.incoming_call(receiver.url)
        with sim.fault("accept_then_fail", on=incoming.id, seconds=500):
            assert api.post(f"{CALLS}/{incoming.id}/accept", json={"model": "x"}).status_code == 200
        assert incoming.state == "ringing"
        with pytest.raises(InvalidStatus), dial(sim, f"call_id={incoming.id}"):
            pass
        sim.advance(501)
        sim.wait_for(lambda: incoming.ended == "failed" or incoming.ended == "peer")


@pytest.mark.slow
def test_the_other_side_hangs_up(sim: Simulator, api: httpx.Client) -> None:
    with sim.fault("peer_hangup", times=1, seconds=300):
        assert call(api).status_code == 201
    record = sim.calls[-1]
    assert record.ended is None
    with receiving() as receiver:
        incoming = sim.incoming_call(receiver.url)
        with sim.fault("peer_hangup", on="calls.accept", seconds=300):
            api.post(f"{CALLS}/{incoming.id}/accept", json={"type": "realtime"})
        sim.advance(301)
        sim.wait_for(lambda: incoming.ended == "peer" and record.ended in ("peer", "failed"))


def test_a_sideband_that_comes_too_early_is_answered_404(sim: Simulator, api: httpx.Client) -> None:
    with receiving() as receiver:
        incoming = sim.incoming_call(receiver.url)
        api.post(f"{CALLS}/{incoming.id}/accept", json={"type": "realtime"})
        with sim.fault("sideband_404", milliseconds=60_000) as fault:
            with pytest.raises(InvalidStatus) as refused, dial(sim, f"call_id={incoming.id}"):
                pass
            assert refused.value.response.status_code == 404
            assert json.loads(refused.value.response.body)["error"]["code"] == "call_id_not_found"
            sim.advance(61)
            with dial(sim, f"call_id={incoming.id}") as sideband:
                sideband.send('{"type": "session.update", "session": {"type": "realtime"}}')
                assert json.loads(sideband.recv(10))["type"] == "session.updated"
            assert fault.hits == 1


@each("name", ["rate_limit", "gateway_520", "server_error"])
def test_handshakes_have_faults_too(sim: Simulator, name: str) -> None:
    with sim.fault(name, on="connect"), pytest.raises(InvalidStatus) as refused, dial(sim):
        pass
    assert refused.value.response.status_code in (429, 520, 503)
    with sim.fault("connection_reset", on="connect"), pytest.raises(InvalidMessage), dial(sim):
        pass
    with dial(sim) as connection:
        assert json.loads(connection.recv(10))["type"] == "session.created"


def test_a_socket_is_cut_without_a_close_frame(sim: Simulator) -> None:
    with sim.fault("socket_drop", on="connect", after="session.updated"), dial(sim) as connection:
        assert json.loads(connection.recv(10))["type"] == "session.created"
        connection.send('{"type": "session.update", "session": {"type": "realtime"}}')
        with pytest.raises(ConnectionClosedError) as closed:
            while True:
                connection.recv(10)
        assert closed.value.rcvd is None


def test_a_session_that_expires(sim: Simulator) -> None:
    with sim.fault("session_expired", times=1), dial(sim) as connection:
        assert json.loads(connection.recv(10))["type"] == "session.created"
        error = json.loads(connection.recv(10))
        fits(error)
        assert error["error"]["code"] == "session_expired"
        with pytest.raises(ConnectionClosedOK) as closed:
            connection.recv(10)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1001


def turn(connection: ClientConnection) -> list[dict[str, Any]]:
    connection.send('{"type": "response.create", "response": {"output_modalities": ["text"]}}')
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] != "response.done":
        events.append(json.loads(connection.recv(10)))
    return events


def test_strange_events(sim: Simulator) -> None:
    with dial(sim) as connection:
        assert json.loads(connection.recv(10))["type"] == "session.created"
        with sim.fault("unknown_event", type="response.dream.delta"):
            events = turn(connection)
        assert all(event["type"] == "response.dream.delta" for event in events[1::2])
        assert all(event["event_id"].startswith("event_") for event in events)
        with sim.fault("beta_events"):
            names = {event["type"] for event in turn(connection)}
        assert {"response.text.delta", "response.text.done", "conversation.item.created"} <= names
        assert not any("output_text" in name for name in names)
        with sim.fault("nulls"):
            events = [event for event in turn(connection) if event["type"] == "response.created"]
        assert events[0]["response"]["usage"] is None and events[0]["response"]["metadata"] is None
        # Everything is well again, and what the simulator remembers was so all the time.
        names = {event["type"] for event in turn(connection)}
        assert "response.output_text.delta" in names
        for event in sim.sessions[-1].sent:
            fits(event)


def test_a_request_may_request_its_own_fault(sim: Simulator, api: httpx.Client) -> None:
    headers = {"x-simulator-fault": "rate_limit; retry_after=3; retry_after_form=seconds"}
    assert api.post(SECRETS, json={}, headers=headers).headers["retry-after"] == "3"
    headers = {"x-simulator-fault": "no_location, reset_mid_body"}
    with pytest.raises(httpx.TransportError):
        api.post(CALLS, files=form(OFFER), headers=headers)
    refused = problem(api.post(SECRETS, json={}, headers={"x-simulator-fault": "earthquake"}), 400)
    assert "earthquake" in refused["message"] and "rate_limit" in refused["message"]
    headers = {"x-simulator-fault": "socket_drop"}
    with dial(sim, **headers) as connection, pytest.raises(ConnectionClosedError):
        while True:
            connection.recv(10)


@pytest.mark.slow
def test_faults_may_be_limited_to_an_operation_a_number_and_a_rate(sim: Simulator, api: httpx.Client) -> None:
    fault = sim.fault("gateway_520", on="calls.create", times=2)
    assert api.post(SECRETS, json={}).status_code == 200
    assert [call(api).status_code for _ in range(3)] == [520, 520, 201]
    assert fault.hits == 2
    fault.remove()
    with sim.fault("gateway_520", rate=0.5) as fault:
        statuses = [api.post(SECRETS, json={}).status_code for _ in range(60)]
    assert 10 < statuses.count(520) < 50 and fault.hits == statuses.count(520)


def test_webhooks_come_twice_and_late(sim: Simulator) -> None:
    with receiving() as receiver:
        with sim.fault("duplicate_webhook", times=1):  # times of the fault
            incoming = sim.incoming_call(receiver.url)
            sim.wait_for(lambda: len(incoming.deliveries) == 2)
        assert len({one.webhook_id for one in incoming.deliveries}) == 1
        with sim.fault("duplicate_webhook", copies=3, times=1):
            incoming = sim.incoming_call(receiver.url)
            sim.wait_for(lambda: len(incoming.deliveries) == 4)
        with sim.fault("late_webhook", seconds=30):
            late = sim.incoming_call(receiver.url, wait=False)
        assert not late.deliveries
        sim.advance(31)
        sim.wait_for(lambda: bool(late.deliveries))


def test_the_data_channel_has_faults_too(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim) as caller:
            with sim.fault("unknown_event", on="webrtc"):
                await caller.connect()
                await caller.until("response.telepathy.delta")
            with sim.fault("session_expired", on="webrtc", after="session.updated"):
                caller.send("session.update", session={"type": "realtime"})
                error = await caller.until("error")
            assert error["error"]["code"] == "session_expired"
            await asyncio.to_thread(sim.wait_for, lambda: sim.calls[-1].ended == "expired")

    asyncio.run(main())


@each(
    "arguments, message",
    [
        ({"name": "flood"}, "name: unknown fault 'flood'; known are rate_limit"),
        ({"name": "rate_limt"}, "; did you mean 'rate_limit'"),
        (
            {"name": "slow", "minutes": 1},
            "minutes: .* its settings are seconds: a number from 0 to 86400; 1.0 if left out",
        ),
        (
            {"name": "server_error", "x": 1},
            "are status: .*; body: one of 'html', 'json', 'empty'; 'html' if",
        ),
        ({"name": "gateway_520", "status": 1}, "its settings are none"),
        ({"name": "slow", "secnds": 1}, "did you mean 'seconds'"),
        (
            {"name": "socket_drop", "after": "response.dome"},
            "after: allowed is the type of a server event, got 'response.dome'; did you mean 'response.done'",
        ),
        ({"name": "session_expired", "after": "telepathy"}, "after: allowed .*, got 'telepathy'$"),
        ({"name": "session_expired", "after": 7}, "after: allowed"),
        ({"name": "slow", "seconds": -1}, "seconds: allowed is a number from 0"),
        ({"name": "slow", "seconds": "1"}, "seconds: allowed is a number"),
        ({"name": "server_error", "body": "pdf"}, "body: allowed is one of 'html'"),
        ({"name": "slow", "on": "calls.dance"}, "on: allowed is a call's id or one of calls.create"),
        ({"name": "slow", "rate": 2}, "rate: allowed"),
        ({"name": "slow", "times": 0}, "times: allowed"),
        ({"name": "slow", "times": True}, "times: allowed"),
    ],
)
def test_invalid_fault_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Simulator(pacing="none").fault(**arguments)


@each("after", ["response.done", "session.output_transcript.delta", "error"])
def test_a_fault_may_wait_for_any_server_event(after: str) -> None:
    assert Simulator().fault("socket_drop", after=after).settings == {"after": after}


def test_every_fault_is_documented_and_accepts_its_defaults() -> None:
    for name, kind in FAULTS.items():
        assert kind.doc
        told = {key: value for key, value in check_settings(name, {}).items() if value is not None}
        assert parse("; ".join([name, *(f"{key}={value}" for key, value in told.items())]))[0] == name


def test_rates_repeat_with_a_seed() -> None:
    def drawn() -> list[bool]:
        faults = Faults(seed=3)
        faults.add("slow", rate=0.5, settings={})
        return [faults.draw("slow", ()) is not None for _ in range(50)]

    assert drawn() == drawn() and len(set(drawn())) == 2


def test_nulls_replace_only_optional_fields() -> None:
    event = {"type": "response.created", "event_id": "event_1", "response": {"id": "resp_1"}}
    changed = with_nulls(event)
    assert changed["event_id"] == "event_1" and changed["response"]["id"] == "resp_1"
    assert changed["response"]["output"] is None
    assert with_nulls({"type": "unheard.of"}) == {"type": "unheard.of"}


def test_a_client_that_leaves_while_stalled_holds_nothing_up() -> None:
    request = f"POST /v1{SECRETS} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}"
    with Simulator(pacing="none") as own, own.fault("stall") as fault:
        host, port = own.base_url.removeprefix("http://").removesuffix("/v1").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(request.encode())
            own.wait_for(lambda: fault.hits == 1)
