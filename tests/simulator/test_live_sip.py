"""Telephone calls of the Live API, in both directions: announced, decided once, referred, ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from realtime_simulator import Call, Simulator, say, speech

from tests.simulator.checking import body_fits
from tests.simulator.receiver import Receiver, receiving
from tests.simulator.wire import LiveSocket

BOTH = ["realtime.call.incoming", "live.transport.incoming"]
SESSION = {"type": "live", "model": "gpt-live-1"}
TRUNK = {
    "provider_url": "sips:sip.example.com",
    "auth": {"type": "digest", "username": "me", "password": "not telling"},
    "caller_number": "+14155550100",
}
PHONE = {"type": "sip", "destination": "+14155550123", "trunk": TRUNK}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as it:
        yield it


def ring(sim: Simulator, receiver: Receiver, **options: Any) -> tuple[Call, str]:
    """Start a call that both APIs announce; return it with its Live session's id."""
    del receiver.deliveries[:]
    call = sim.incoming_call(receiver.url, events=BOTH, **options)
    events = {event["type"]: event for event in (json.loads(one.body) for one in receiver.deliveries)}
    assert sorted(events) == sorted(BOTH)
    body_fits("WebhookLiveTransportIncoming", events["live.transport.incoming"])
    return call, events["live.transport.incoming"]["data"]["session_id"]


def act(api: httpx.Client, session_id: str, what: str, **fields: Any) -> httpx.Response:
    place = f"/live/sessions/{session_id}/{what}"
    return api.post(place, json=fields) if fields else api.post(place)


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def reason(sim: Simulator, session_id: str) -> str:
    sim.wait_for(lambda: sim.session(session_id).ended is not None)
    [closed] = [event for event in sim.session(session_id).sent if event["type"] == "session.closed"]
    found: str = closed["reason"]
    return found


def test_a_caller_talks_with_a_live_session(sim: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    sim.on_speech(lambda heard: "Hello there." if heard.finished else None)
    sim.on_response(lambda turn: say("good morning"))
    sound = speech("hello there") + bytes(48_000)
    call, session_id = ring(sim, receiver, audio=sound, line_speed=20)
    answer = act(api, session_id, "accept", session=SESSION)
    assert (answer.status_code, answer.content) == (200, b"")
    assert sim.session(session_id).transport == "sip"
    sim.wait_for(lambda: "session.output_transcript.delta" in sim.session(session_id).types_sent())
    sim.wait_for(lambda: any(call.sent_audio))
    assert act(api, session_id, "hangup").status_code == 200
    assert reason(sim, session_id) == "close_requested" and call.ended == "hangup"


def test_the_first_decision_counts_for_both_apis(
    sim: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    call, session_id = ring(sim, receiver)
    assert act(api, session_id, "accept", session=SESSION).status_code == 200
    assert refusal(act(api, session_id, "accept", session=SESSION)) == (409, "decision_already_made")
    taken = api.post(
        f"/realtime/calls/{call.id}/accept", json={"type": "realtime", "model": "gpt-realtime-2.1"}
    )
    assert taken.status_code == 409
    assert act(api, session_id, "hangup").status_code == 200

    call, session_id = ring(sim, receiver)
    assert act(api, session_id, "reject", status_code=486).status_code == 200
    assert (call.ended, call.reject_code) == ("rejected", 486)
    assert refusal(act(api, session_id, "accept", session=SESSION)) == (409, "decision_already_made")
    assert refusal(act(api, "live_none", "accept", session=SESSION)) == (404, "session_id_not_found")


def test_a_faulty_decision_is_refused(sim: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    call, session_id = ring(sim, receiver)
    assert refusal(act(api, session_id, "accept", session={"type": "live"}))[0] == 400
    assert refusal(act(api, session_id, "reject", status_code=200))[0] == 400
    assert refusal(act(api, session_id, "refer", target_uri="tel:+1"))[0] == 404
    assert call.state == "ringing"
    assert act(api, session_id, "reject", status_code=603).status_code == 200


def test_keys_and_the_end_of_a_call_are_reported(
    sim: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    call, session_id = ring(sim, receiver)
    act(api, session_id, "accept", session=SESSION)
    with LiveSocket(sim, attach=session_id) as sideband:
        sim.press(call, "5")
        assert sideband.until("transport.dtmf.received")["event"] == "5"
        sideband.send("transport.dtmf.send", event="#", event_id="mine")
        sent = sideband.until("transport.dtmf.sent")
        assert (sent["event"], sent["client_event_id"]) == ("#", "mine")
        assert act(api, session_id, "refer", target_uri="tel:+14155550199").status_code == 200
        assert call.refers == ["tel:+14155550199"]
        sim.hang_up(call)
        assert sideband.until("session.closed")["reason"] == "remote_hangup"


def test_a_session_calls_a_number(sim: Simulator, api: httpx.Client) -> None:
    body = {"session": {"model": "gpt-live-1"}, "transport": PHONE}
    made = api.post("/live/sessions", json=body)
    assert (made.status_code, made.json()["transport"]) == (201, {"type": "sip"})
    session_id = made.json()["session"]["id"]
    with LiveSocket(sim, attach=session_id) as sideband:
        assert sideband.until("transport.ringing")["session_id"] == session_id
        sideband.until("transport.answered")
        assert sim.calls[-1].state == "connected"
        act(api, session_id, "hangup")
        assert sideband.until("session.closed")["reason"] == "close_requested"


def test_a_call_to_a_number_fails(sim: Simulator, api: httpx.Client) -> None:
    body = {"session": {"model": "gpt-live-1"}, "transport": PHONE}
    with sim.fault("live_unanswered", on="live.create"):
        session_id = api.post("/live/sessions", json=body).json()["session"]["id"]
    with LiveSocket(sim, attach=session_id) as sideband:
        error = sideband.until("transport.failed")["error"]
        assert (error["type"], error["code"]) == ("call_error", "provider_invite_failed")
        assert sideband.until("session.closed")["reason"] == "connection_lost"


def test_a_faulty_number_is_refused(api: httpx.Client) -> None:
    body = {"session": {"model": "gpt-live-1"}, "transport": {**PHONE, "destination": "0123"}}
    response = api.post("/live/sessions", json=body)
    assert response.json()["error"]["param"] == "transport.destination"
    assert "not telling" not in response.text


def test_a_sideband_is_greeted_with_the_session(
    sim: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    _, session_id = ring(sim, receiver)
    act(api, session_id, "accept", session=SESSION)
    with LiveSocket(sim, attach=session_id) as sideband:
        started = sideband.until("session.started")
        assert started["session"] == sim.session(session_id).config


def test_faults_refuse_outgoing_calls_and_fail_accepted_ones(
    sim: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    with sim.fault("live_not_enabled"):
        refused = api.post("/live/sessions", json={"session": {"model": "gpt-live-1"}, "transport": PHONE})
    assert refusal(refused) == (403, "outbound_sip_not_enabled")
    call, session_id = ring(sim, receiver)
    with sim.fault("accept_then_fail", on="live.accept", seconds=0):
        assert act(api, session_id, "accept", session=SESSION).status_code == 200
    sim.wait_for(lambda: call.ended == "failed")
