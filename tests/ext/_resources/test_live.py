"""The Live API over HTTP, at the simulator: WebRTC, telephone calls in both directions, recordings."""

from __future__ import annotations

import io
import json
import os
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from realtime_api.models import LiveMediaSessionCreateParams, LiveSIPTrunk
from realtime_simulator import Call, Simulator

from realtime_ext import (
    APIConnectionError,
    APIResponseError,
    ConflictError,
    InternalServerError,
    LiveCall,
    LiveSessionBuilder,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RealtimeClient,
    SessionConfigError,
    webhooks,
)
from tests.ext.clients import IN_BOTH
from tests.samples.sdp import sample
from tests.simulator.receiver import Receiver, receiving
from tests.support.bad_input import TRUNK
from tests.support.loopback import Loopback, answer, hang_up
from tests.support.rows import each
from tests.support.runner import Runner

OFFER = sample("offer-chromium-audio-datachannel")
SESSION = {"model": "gpt-live-1", "instructions": "Grüß Gott ☕"}
NUMBER = "+14155550123"


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as it:
        yield it


@pytest.fixture
def client(sim: Simulator, runner: Runner) -> Any:
    return runner.client(base_url=sim.base_url, api_key=sim.api_key)


def ring(sim: Simulator, receiver: Receiver) -> tuple[Call, Any]:
    """Start a call; return it with the data of its webhook."""
    del receiver.deliveries[:]
    call = sim.incoming_call(receiver.url, events=["live.transport.incoming"])
    [delivered] = receiver.deliveries
    return call, webhooks.unwrap(delivered.body, delivered.headers, sim.webhook_secret).data


@IN_BOTH
def test_a_session_over_webrtc_is_created_and_ended(sim: Simulator, client: Any, runner: Runner) -> None:
    made = runner.run(client.live.calls.create(OFFER, SESSION))
    assert made.session_id.startswith("live_") and made.sdp_answer.startswith("v=0\r\n")
    assert made.location is None and made.request_id
    assert made.sdp_answer not in repr(made)
    assert sim.session(made.session_id).config["instructions"] == SESSION["instructions"]
    assert runner.run(client.live.calls.hangup(made)) is None
    with pytest.raises(NotFoundError) as caught:
        runner.run(client.live.calls.hangup(made.session_id))
    assert caught.value.code == "session_id_not_found"
    runner.run(client.live.calls.hangup(made.session_id, not_found_ok=True))


def test_an_offer_goes_out_unchanged(runner: Runner) -> None:
    body = json.dumps({"session": {"id": "live_1"}, "transport": {"type": "webrtc", "sdp": "v=0\r\n"}})
    with Loopback(answer(201, body.encode(), x_request_id="req_1")) as server:
        client = runner.client(base_url=server.base_url)
        made = runner.run(client.live.calls.create(OFFER.encode(), SESSION, extra_headers={"X-Mine": "1"}))
    assert made == LiveCall(session_id="live_1", sdp_answer="v=0\r\n", request_id="req_1")
    [request] = server.requests
    assert (request.method, request.target) == ("POST", "/v1/live/sessions")
    assert request.header("x-mine") == "1"
    assert json.loads(request.body) == {"session": SESSION, "transport": {"type": "webrtc", "sdp": OFFER}}


@each(
    "session",
    [
        {"type": "live", **SESSION},
        LiveMediaSessionCreateParams.from_dict(SESSION),
        LiveSessionBuilder("gpt-live-1").instructions(SESSION["instructions"]),
    ],
    ids=["for accept", "model", "builder"],
)
def test_one_session_is_for_new_and_accepted_calls(
    sim: Simulator, receiver: Receiver, client: Any, runner: Runner, session: Any
) -> None:
    made = runner.run(client.live.calls.create(OFFER, session))
    call, data = ring(sim, receiver)
    runner.run(client.live.calls.accept(data, session))
    assert call.state == "connected"
    for session_id in (made.session_id, data.session_id):
        assert sim.session(session_id).config["instructions"] == SESSION["instructions"]
        runner.run(client.live.calls.hangup(session_id))


@each(
    "body",
    [
        b"[]",
        b"<html>",
        b'{"session":{"id":"live_1"},"transport":{"type":"webrtc"}}',
        b'{"session":{"id":""},"transport":{"type":"webrtc","sdp":"v=0"}}',
        b'{"session":"live_1","transport":{"type":"webrtc","sdp":"v=0"}}',
    ],
)
def test_an_answer_without_an_id_or_sdp_is_an_error(runner: Runner, body: bytes) -> None:
    with Loopback(answer(201, body)) as server, pytest.raises(APIResponseError):
        runner.run(runner.client(base_url=server.base_url).live.calls.create(OFFER, SESSION))


@IN_BOTH
def test_a_telephone_call_is_accepted_referred_and_ended(
    sim: Simulator, receiver: Receiver, client: Any, runner: Runner
) -> None:
    call, data = ring(sim, receiver)
    assert runner.run(client.live.calls.accept(data.session_id, SESSION)) is None
    with pytest.raises(ConflictError) as caught:
        runner.run(client.live.calls.reject(data.session_id, 486))
    assert caught.value.code == "decision_already_made"
    runner.run(client.live.calls.refer(data, "tel:+14155550199"))
    assert call.refers == ["tel:+14155550199"]
    runner.run(client.live.calls.hangup(data))
    sim.wait_for(lambda: call.ended == "hangup", timeout=60)


@IN_BOTH
@each("arguments, status", [((), 603), ((486,), 486)])
def test_a_telephone_call_is_rejected(
    sim: Simulator, receiver: Receiver, client: Any, runner: Runner, arguments: Any, status: int
) -> None:
    call, data = ring(sim, receiver)
    runner.run(client.live.calls.reject(data, *arguments))
    assert (call.ended, call.reject_code) == ("rejected", status)


@IN_BOTH
@each("trunk", [TRUNK, LiveSIPTrunk.from_dict(TRUNK)], ids=["dict", "model"])
def test_a_session_calls_a_number(sim: Simulator, client: Any, runner: Runner, trunk: Any) -> None:
    made = runner.run(client.live.calls.call(SESSION, to=NUMBER, trunk=trunk))
    assert (made.sdp_answer, sim.session(made.session_id).transport) == ("", "sip")
    runner.run(client.live.calls.hangup(made))


@each(
    "step, error, may_have_applied",
    [
        (hang_up, APIConnectionError, True),
        (answer(504, b'{"error":{"code":"sip_setup_timeout"}}'), InternalServerError, True),
        (answer(503), InternalServerError, False),
        (answer(429, retry_after="0"), RateLimitError, False),
    ],
    ids=["lost", "504", "503", "429"],
)
def test_an_outgoing_call_is_never_retried(
    runner: Runner, step: Any, error: type[Exception], may_have_applied: bool
) -> None:
    with Loopback(step) as server, pytest.raises(error) as caught:
        client = runner.client(base_url=server.base_url, max_retries=5)
        runner.run(client.live.calls.call(SESSION, to=NUMBER, trunk=TRUNK))
    assert len(server.requests) == 1
    assert caught.value.may_have_applied is may_have_applied  # type: ignore[attr-defined]
    assert TRUNK["auth"]["password"] not in repr(caught.value)  # type: ignore[index]


def test_outgoing_calls_must_be_enabled(sim: Simulator, client: Any, runner: Runner) -> None:
    with sim.fault("live_not_enabled"), pytest.raises(PermissionDeniedError) as caught:
        runner.run(client.live.calls.call(SESSION, to=NUMBER, trunk=TRUNK))
    assert caught.value.code == "outbound_sip_not_enabled"


def test_the_password_of_a_line_is_in_no_error(runner: Runner) -> None:
    client = runner.client(base_url="http://127.0.0.1:1/v1")
    auth = {"type": "digest", "username": "me"}
    wrong = [{**auth, "password": one} for one in ("not\ntelling", ["not telling"], object())]
    for odd in (*wrong, "me:not telling", ["me", "not telling"], {**auth, "passwort": "not telling"}):
        trunk = {**TRUNK, "auth": odd}
        with pytest.raises(ValueError, match="trunk") as caught:
            runner.run(client.live.calls.call(SESSION, to=NUMBER, trunk=trunk))
        assert "telling" not in repr(caught.value)


@IN_BOTH
def test_a_lost_answer_is_retried_only_where_that_is_safe(runner: Runner) -> None:
    acts = {
        "create": (lambda live: live.calls.create(OFFER, SESSION), 1),
        "accept": (lambda live: live.calls.accept("live_1", SESSION), 1),
        "reject": (lambda live: live.calls.reject("live_1"), 1),
        "refer": (lambda live: live.calls.refer("live_1", "tel:+14155550123"), 1),
        "hangup": (lambda live: live.calls.hangup("live_1"), 3),
        "recording": (lambda live: live.recording("live_1"), 3),
    }
    for act, attempts in acts.values():
        with Loopback(hang_up, hang_up, hang_up) as server, pytest.raises(APIConnectionError) as caught:
            runner.run(act(runner.client(base_url=server.base_url).live))
        assert len(server.requests) == attempts
        assert caught.value.may_have_applied is True


def test_a_client_that_does_not_validate_leaves_sessions_to_the_api(sim: Simulator, runner: Runner) -> None:
    client = runner.client(base_url=sim.base_url, api_key=sim.api_key)
    with pytest.raises(SessionConfigError) as refused:
        runner.run(client.live.calls.create(OFFER, {**SESSION, "tools": []}))
    assert refused.value.field == "tools"
    trusting = runner.client(base_url=sim.base_url, api_key=sim.api_key, validate=False)
    with pytest.raises(Exception, match="tools") as caught:
        runner.run(trusting.live.calls.create(OFFER, {**SESSION, "tools": []}))
    assert caught.value.status_code == 400  # type: ignore[attr-defined]


@each("operation", ["accept", "call"])
def test_standby_is_refused_for_telephone_calls(operation: str) -> None:
    pausing = LiveSessionBuilder("gpt-live-1.1").standby(30)
    with RealtimeClient(api_key="k", base_url="http://127.0.0.1:9") as client:
        calls = client.live.calls
        with pytest.raises(SessionConfigError) as caught:
            if operation == "accept":
                calls.accept("live_1", pausing)
            else:
                calls.call(pausing, to="+14155550123", trunk=TRUNK)
    assert [problem.field for problem in caught.value.problems] == ["idle_timeout_s", "wake_policy"]
    assert "standby is for WebRTC alone" in str(caught.value)


@IN_BOTH
def test_the_recording_of_a_stored_session_is_a_wav_file(
    sim: Simulator, receiver: Receiver, client: Any, runner: Runner, tmp_path: Path
) -> None:
    _, data = ring(sim, receiver)
    runner.run(client.live.calls.accept(data, {**SESSION, "store": True}))
    runner.run(client.live.calls.hangup(data))
    sim.wait_for(lambda: sim.session(data.session_id).ended is not None, timeout=60)
    recording = runner.run(client.live.recording(data))
    recording.save(tmp_path / "call.wav")
    assert (tmp_path / "call.wav").read_bytes() == recording
    if hasattr(os, "fchmod"):
        assert (tmp_path / "call.wav").stat().st_mode & 0o777 == 0o600
    with wave.open(io.BytesIO(recording)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 24_000, 2)
    with pytest.raises(NotFoundError):
        runner.run(client.live.recording("live_none"))


def test_a_recording_may_be_longer_than_other_answers(runner: Runner) -> None:
    long = bytes(17 * 2**20)
    with Loopback(answer(200, long)) as server:
        assert runner.run(runner.client(base_url=server.base_url).live.recording("live_1")) == long
