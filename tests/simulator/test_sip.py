from __future__ import annotations

import asyncio
import gc
import json
import wave
import weakref
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from realtime_simulator import Simulator
from realtime_simulator._media import voice

from realtime_ext import webhooks
from realtime_ext.errors import WebhookVerificationError
from tests.simulator.caller import Caller
from tests.simulator.checking import body_fits, rms
from tests.simulator.receiver import Delivered, Receiver, receiving
from tests.simulator.test_http import problem
from tests.simulator.wire import Socket
from tests.support.rows import each
from tests.support.waiting import PATIENCE

CALLS = "/realtime/calls"
SESSION = {"type": "realtime", "model": "gpt-realtime-2.1"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as it:
        yield it


def act(api: httpx.Client, call_id: str, what: str, **fields: object) -> httpx.Response:
    return (
        api.post(f"{CALLS}/{call_id}/{what}", json=fields)
        if fields
        else api.post(f"{CALLS}/{call_id}/{what}")
    )


def test_an_incoming_call_is_announced_by_a_signed_webhook(sim: Simulator, receiver: Receiver) -> None:
    call = sim.incoming_call(
        receiver.url, headers=[("X-Account", "7"), ("X-Account", "8"), ("From", "<tel:+1>")]
    )
    assert call.kind == "sip" and call.state == "ringing" and call.ended is None
    [delivered] = receiver.deliveries
    body_fits("WebhookRealtimeCallIncoming", json.loads(delivered.body))
    event = delivered.event(sim.webhook_secret)
    assert event.type == "realtime.call.incoming" and event.object == "event"
    assert event.data.call_id == call.id
    headers = [(header.name, header.value) for header in event.data.sip_headers]
    assert headers == list(call.sip_headers)
    assert [value for name, value in headers if name == "X-Account"] == ["7", "8"]
    assert [value for name, value in headers if name == "From"] == ["<tel:+1>"]
    assert {"To", "Call-ID", "Contact"} <= {name for name, _ in headers}
    [attempt] = call.deliveries
    assert attempt.acknowledged and attempt.webhook_id == delivered.headers["webhook-id"]
    agent = "OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)"
    assert {name.lower(): value for name, value in delivered.headers.items()}["user-agent"] == agent
    with pytest.raises(WebhookVerificationError):
        webhooks.verify(delivered.body + b" ", delivered.headers, sim.webhook_secret)


def test_a_call_may_be_announced_for_both_apis_and_more_than_once(sim: Simulator, receiver: Receiver) -> None:
    kinds = ["realtime.call.incoming", "live.transport.incoming", "live.call.incoming"]
    call = sim.incoming_call(receiver.url, events=kinds, duplicates=2)
    sim.wait_for(lambda: len(call.deliveries) == 9)
    by_id: dict[str, list[Delivered]] = {}
    for delivered in receiver.deliveries:
        by_id.setdefault(delivered.headers["webhook-id"], []).append(delivered)
    assert [len(same) for same in by_id.values()] == [3, 3, 3]
    assert all(len({delivered.body for delivered in same}) == 1 for same in by_id.values())
    events = {event.type: event for event in (one.event(sim.webhook_secret) for one in receiver.deliveries)}
    assert set(events) == set(kinds)
    for delivered in receiver.deliveries:
        event = json.loads(delivered.body)
        body_fits(type(events[event["type"]]).__name__, event)
    assert events["realtime.call.incoming"].data.call_id == call.id
    sessions = {event.data.session_id for kind, event in events.items() if kind.startswith("live")}
    assert len(sessions) == 1 and sessions.pop().startswith("live_")
    assert len({webhooks.call_key(event) for event in events.values()}) == 1


def test_a_webhook_without_200_is_delivered_again_with_the_same_id(sim: Simulator) -> None:
    statuses = iter([500, 204, 200])
    with receiving(lambda _: next(statuses)) as receiver:
        call = sim.incoming_call(receiver.url)
        sim.advance(60)
        sim.wait_for(lambda: len(call.deliveries) == 2)
        sim.advance(60)
        sim.wait_for(lambda: len(call.deliveries) == 3)
    assert [delivery.status for delivery in call.deliveries] == [500, 204, 200]
    assert len({delivered.headers["webhook-id"] for delivered in receiver.deliveries}) == 1
    # However far the simulator's time was put forward, receivers take it.
    for delivered in receiver.deliveries:
        assert delivered.event(sim.webhook_secret).data.call_id == call.id


def test_an_unreachable_receiver_is_tried_as_often_as_configured(sim: Simulator, receiver: Receiver) -> None:
    call = sim.incoming_call("http://127.0.0.1:1/", attempts=2)
    sim.advance(10)
    sim.wait_for(lambda: len(call.deliveries) == 2)
    assert {delivery.error for delivery in call.deliveries} == {"ConnectError"}
    assert not any(delivery.acknowledged for delivery in call.deliveries)


def test_a_webhook_may_be_late_and_look_old(sim: Simulator, receiver: Receiver) -> None:
    call = sim.incoming_call(receiver.url, delay=30, age=400, wait=False, ring_seconds=1000)
    assert not call.deliveries
    sim.advance(31)
    sim.wait_for(lambda: bool(call.deliveries))
    with pytest.raises(WebhookVerificationError, match="past"):
        receiver.deliveries[0].event(sim.webhook_secret)


def test_accepting_begins_the_session_and_the_first_accept_wins(
    sim: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    call = sim.incoming_call(receiver.url)
    assert problem(act(api, call.id, "accept", model="gpt-realtime-2.1"), 400)["param"] == "session.type"
    vad = {"input": {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}}
    refused = problem(act(api, call.id, "accept", **SESSION, audio=vad), 400)
    assert refused["message"] == "Unknown parameter: 'session.audio.input.turn_detection.threshold'."
    assert call.state == "ringing"
    response = act(
        api, call.id, "accept", type="realtime", model="gpt-realtime-2.1-mini", instructions="Hello."
    )
    assert (response.status_code, response.content) == (200, b"")
    assert call.state == "connected" and call.session.transport == "sip"
    assert call.session.config["instructions"] == "Hello." and call.session in sim.sessions
    for again in ("accept", "reject"):
        refused = problem(act(api, call.id, again, **(SESSION if again == "accept" else {})), 409)
        assert refused["code"] == "call_already_accepted"
    assert act(api, call.id, "hangup").status_code == 200
    assert (call.state, call.ended, call.session.ended) == ("ended", "hangup", "hangup")
    problem(act(api, call.id, "accept", **SESSION), 404)
    problem(act(api, call.id, "hangup"), 404)


def test_rejecting_records_the_code(sim: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    busy, declined = sim.incoming_call(receiver.url), sim.incoming_call(receiver.url)
    assert problem(act(api, busy.id, "reject", status_code=200), 400)["param"] == "status_code"
    assert problem(act(api, busy.id, "reject", code=486), 400)["param"] == "code"
    response = act(api, busy.id, "reject", status_code=486)
    assert (response.status_code, response.content) == (200, b"")
    assert act(api, declined.id, "reject").status_code == 200
    assert (busy.state, busy.ended, busy.reject_code) == ("ended", "rejected", 486)
    assert declined.reject_code == 603
    problem(act(api, busy.id, "accept", **SESSION), 404)
    assert busy.session not in sim.sessions


def test_referring_is_for_answered_calls_and_leaves_them(
    sim: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    call = sim.incoming_call(receiver.url)
    assert (
        problem(act(api, call.id, "refer", target_uri="tel:+14155550123"), 409)["code"] == "call_not_accepted"
    )
    act(api, call.id, "accept", **SESSION)
    for target in ("", "tel:", "mailto:a@b", "sip:a b@c", "sip:a@b\r\nX: y"):
        assert problem(act(api, call.id, "refer", target_uri=target), 400)["param"] == "target_uri"
    assert problem(api.post(f"{CALLS}/{call.id}/refer", json={}), 400)["param"] == "target_uri"
    for target in ("tel:+14155550123", "sip:desk@example.com"):
        response = act(api, call.id, "refer", target_uri=target)
        assert (response.status_code, response.content) == (200, b"")
    assert call.refers == ["tel:+14155550123", "sip:desk@example.com"]
    assert call.state == "connected"


def test_the_caller_hangs_up(sim: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    ringing, answered, patient = (sim.incoming_call(receiver.url) for _ in range(3))
    act(api, answered.id, "accept", **SESSION)
    for call in (ringing, answered):
        sim.hang_up(call)
        assert call.ended == "peer"
        with pytest.raises(LookupError, match="No session found"):
            sim.hang_up(call.id)
    problem(act(api, ringing.id, "accept", **SESSION), 404)
    sim.advance(61)
    sim.wait_for(lambda: patient.ended == "peer")


def test_when_the_call_ends_its_sideband_is_cut_without_a_close(
    sim: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    call = sim.incoming_call(receiver.url)
    act(api, call.id, "accept", **SESSION)
    with Socket(sim, f"call_id={call.id}") as socket:
        socket.update(instructions="Be brief.")
        sim.hang_up(call)
        assert socket.closed() == (1006, "")


def test_hanging_up_on_a_ringing_call(sim: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    call = sim.incoming_call(receiver.url)
    assert act(api, call.id, "hangup").status_code == 200
    assert (call.state, call.ended) == ("ended", "hangup")


def test_a_webrtc_call_can_be_neither_accepted_nor_referred(sim: Simulator, api: httpx.Client) -> None:
    async def main() -> None:
        async with Caller(sim) as caller:
            await caller.connect()
            call_id = caller.location.rpartition("/")[2]
            for what, fields in (
                ("accept", SESSION),
                ("reject", {}),
                ("refer", {"target_uri": "tel:+14155550123"}),
            ):
                answer = await asyncio.to_thread(act, api, call_id, what, **fields)
                assert problem(answer, 400)["code"] == "invalid_call_type"
            await caller.hangup()

    asyncio.run(main())


@pytest.mark.slow
def test_the_callers_words_reach_the_session_and_the_models_answer_the_caller(
    sim: Simulator, api: httpx.Client, receiver: Receiver, tmp_path: Path
) -> None:
    spoken = voice.synthesize("Good morning, is anybody there?")
    path = tmp_path / "caller.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 24000, 0, "NONE", ""))
        file.writeframes(spoken)
    call = sim.incoming_call(receiver.url, audio=path, line_speed=20)
    act(api, call.id, "accept", **SESSION)
    sim.wait_for(lambda: call.session.received_audio_seconds > len(spoken) / 48000 + 0.5)
    heard = call.received_audio[: len(spoken)]
    # A telephone's sound is not the same, but as loud.
    assert 0.5 < rms(heard) / rms(spoken) < 1.5
    sim.wait_for(lambda: "response.done" in call.session.types_sent())
    sim.wait_for(lambda: "output_audio_buffer.stopped" in call.session.types_sent())
    assert rms(call.sent_audio) > 100
    before = call.session.received_audio_seconds
    sim.caller_says(call, spoken)
    sim.wait_for(lambda: call.session.received_audio_seconds > before + 1)
    sim.hang_up(call)
    sim.wait_for(lambda: call.ended == "peer")
    with pytest.raises(LookupError):
        sim.caller_says(call, spoken)


def test_from_an_event_loop_it_returns_before_the_webhook_is_answered(sim: Simulator) -> None:
    async def main() -> None:
        came: asyncio.Queue[bytes] = asyncio.Queue()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            came.put_nowait(head)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            call = sim.incoming_call(f"http://127.0.0.1:{port}/")
            assert b"webhook-signature" in await asyncio.wait_for(came.get(), PATIENCE)
            await asyncio.to_thread(sim.wait_for, lambda: bool(call.deliveries))
            assert call.deliveries[0].acknowledged

    asyncio.run(main())


@each(
    "arguments, error, message",
    [
        ({"to": "ftp://x/"}, ValueError, "to: allowed is an http"),
        ({"to": "http://"}, ValueError, "to: "),
        ({"to": 3}, TypeError, "to: "),
        ({"headers": {"X y": "1"}}, ValueError, "headers: 'X y'"),
        ({"headers": {"X": "1\r\nEvil: 2"}}, ValueError, "control characters"),
        ({"headers": {"X": 1}}, TypeError, "headers"),
        ({"headers": [("X", "1")] * 65}, ValueError, "at most 64"),
        ({"headers": {"X": "y" * 9000}}, ValueError, "9000 characters"),
        ({"events": []}, ValueError, "events"),
        ({"events": "call.incoming"}, ValueError, "events"),
        ({"duplicates": -1}, ValueError, "duplicates"),
        ({"delay": "1"}, TypeError, "delay"),
        ({"attempts": 0}, ValueError, "attempts"),
        ({"line_speed": 0}, ValueError, "line_speed"),
        ({"audio": b""}, ValueError, "it is empty"),
        ({"audio": __file__}, ValueError, "not a readable audio file"),
        ({"audio": "/nowhere.wav"}, FileNotFoundError, "nowhere"),
    ],
)
def test_bad_arguments_are_named_before_anything_rings(
    sim: Simulator, arguments: dict, error: type[Exception], message: str
) -> None:
    calls = len(sim.calls)
    with pytest.raises(error, match=message):
        sim.incoming_call(**{"to": "http://127.0.0.1:1/", **arguments})
    assert len(sim.calls) == calls


@pytest.mark.slow
def test_a_call_that_has_ended_is_held_by_nothing(
    sim: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    call = sim.incoming_call(receiver.url, ring_seconds=3600)
    act(api, call.id, "accept", **SESSION)
    assert sim._parts is not None
    held = weakref.ref(sim._parts.with_call(call.id).calls.find(call.id))
    sim.hang_up(call)

    def is_gone() -> bool:
        gc.collect()
        return held() is None

    sim.wait_for(is_gone)


def test_methods_of_a_stopped_simulator_raise() -> None:
    sim = Simulator(pacing="none")
    for act in (
        lambda: sim.incoming_call("http://127.0.0.1:1/"),
        lambda: sim.hang_up("rtc_x"),
        lambda: sim.advance(1),
    ):
        with pytest.raises(RuntimeError, match="not running"):
            act()


def test_the_receivers_address_and_the_secret_are_in_no_log_or_repr(
    sim: Simulator, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        call = sim.incoming_call(receiver.url, headers={"X-Pin": "4711"})
    told = caplog.text + repr(call) + repr(sim) + repr(call.deliveries)
    for secret in ("hush", sim.webhook_secret, sim.api_key, "4711"):
        assert secret not in told
