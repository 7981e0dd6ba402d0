"""Sessions of the Live API over WebRTC: creation, both ways of audio, the data channel, ends, recordings."""

from __future__ import annotations

import asyncio
import io
import wave
from array import array
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from aiortc import RTCSessionDescription
from realtime_simulator import Simulator, say

from tests.simulator.caller import Caller
from tests.simulator.checking import fits, rms
from tests.simulator.wire import LiveSocket
from tests.support.rows import each

pytestmark = pytest.mark.real_time


class LiveCaller(Caller):
    """A WebRTC caller of the Live API."""

    id = ""

    async def create(self, path: str = "/live/sessions", **session: Any) -> httpx.Response:
        transport = {"type": "webrtc", "sdp": await self.offer()}
        fork = {} if path.endswith("/fork") else {"model": "gpt-live-1"}
        return await self.http.post(path, json={"session": {**fork, **session}, "transport": transport})

    async def begin(self, path: str = "/live/sessions", **session: Any) -> dict[str, Any]:
        """Make the call, and wait for `session.started`."""
        response = await self.create(path, **session)
        assert response.status_code == 201, response.text
        self.made = response
        self.id = response.json()["session"]["id"]
        answer = response.json()["transport"]["sdp"]
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        return (await self.until("session.started"))["session"]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False, keep_audio=True) as simulator:
        simulator.on_speech(lambda heard: "Hello there." if heard.finished else None)
        yield simulator


@pytest.mark.slow
def test_a_turn_over_webrtc_is_spoken_on_the_track_and_recorded(sim: Simulator) -> None:
    async def main() -> None:
        sim.on_response(lambda turn: say("good morning to you"))
        async with LiveCaller(sim, microphone=8000) as caller:
            session = await caller.begin(store=True)
            assert "location" not in caller.made.headers
            assert caller.made.headers["access-control-allow-origin"] == "*"
            assert (session["id"], session["store"]) == (caller.id, True)
            assert "format" not in session["audio"]
            await asyncio.to_thread(sim.wait_for, lambda: len(sim.calls[0].received_audio) > 24_000)
            caller.microphone.hum(0)
            await caller.until("session.output_transcript.delta")
            await caller.wait(lambda: any(abs(value) > 300 for value in caller.heard_mono()[-9600:]))
            call = sim.calls[0]
            assert rms(call.sent_audio) > 100
            response = await caller.http.post(f"/live/sessions/{caller.id}/hangup")
            assert (response.status_code, response.content) == (200, b"")
            closed = await caller.until("session.closed")
            assert closed["reason"] == "close_requested"
            assert not [one for one in caller.events if one["type"].startswith("session.output_audio")]
            for event in caller.events:
                fits(event, "LiveSidebandServerEvent")
            again = await caller.http.post(f"/live/sessions/{caller.id}/hangup")
            assert again.json()["error"]["code"] == "session_id_not_found"
            found = await caller.http.get(f"/live/sessions/{caller.id}/content")
            with wave.open(io.BytesIO(found.content)) as file:
                assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 24_000, 2)
                both = array("h", file.readframes(file.getnframes()))
            assert rms(both[::2].tobytes()) > 100 and rms(both[1::2].tobytes()) > 100
            assert any(both[::2][:12_000]) and not any(both[1::2][:12_000])

    asyncio.run(main())


def test_a_session_that_its_client_closes_ends_its_call(sim: Simulator) -> None:
    async def main() -> None:
        async with LiveCaller(sim) as caller:
            await caller.begin()
            caller.send("session.close", event_id="mine")
            closed = await caller.until("session.closed")
            assert (closed["reason"], closed["client_event_id"]) == ("close_requested", "mine")
            await asyncio.to_thread(sim.wait_for, lambda: sim.calls[0].state == "ended")

    asyncio.run(main())


def test_a_peer_that_leaves_is_a_lost_connection(sim: Simulator) -> None:
    async def main() -> None:
        async with LiveCaller(sim) as caller:
            await caller.begin()
            await caller.peer.close()
            await asyncio.to_thread(sim.wait_for, lambda: sim.session(caller.id).ended is not None)
            closed = [event for event in sim.session(caller.id).sent if event["type"] == "session.closed"]
            assert [one["reason"] for one in closed] == ["connection_lost"]

    asyncio.run(main())


def test_a_data_channel_has_the_permissions_of_the_session(sim: Simulator) -> None:
    async def main() -> None:
        async with LiveCaller(sim) as caller:
            allowed = {
                "allowed_client_events": ["session.input_audio.mute", "session.close"],
                "allowed_server_events": [
                    {"type": kind} for kind in ("session.started", "session.closed", "error", "info")
                ],
            }
            await caller.begin(client={"data_channel": allowed})
            assert (await caller.until("info"))["code"] == "data_channel_permissions"
            caller.send("session.input_audio.unmute", event_id="mine")
            error = (await caller.until("error"))["error"]
            assert (error["param"], error["client_event_id"]) == ("type", "mine")
            caller.send("session.input_audio.mute")
            record = sim.session(caller.id)
            await asyncio.to_thread(sim.wait_for, lambda: "session.input_audio.muted" in record.types_sent())
            caller.send("session.close")
            await caller.until("session.closed")
            assert [one["type"] for one in caller.events] == [
                "session.started",
                "info",
                "error",
                "session.closed",
            ]

    asyncio.run(main())


def test_a_data_channel_carries_no_audio(sim: Simulator) -> None:
    async def main() -> None:
        async with LiveCaller(sim) as caller:
            await caller.begin()
            caller.send("session.input_audio.append", audio="AAAA")
            assert "session.input_audio.append" in (await caller.until("error"))["error"]["message"]

    asyncio.run(main())


def test_a_stored_session_is_continued_over_webrtc(sim: Simulator) -> None:
    async def main() -> None:
        with LiveSocket(sim, store=True, instructions="Be brief.") as socket:
            socket.silence(1)
            socket.finish()
        async with LiveCaller(sim) as caller:
            session = await caller.begin(f"/live/sessions/{socket.session['id']}/fork")
            assert session["instructions"] == "Be brief." and session["id"] != socket.session["id"]

    asyncio.run(main())


OFFER = "v=0\r\n"


@each(
    "fields, code, param",
    [
        ({"session": {"model": "gpt-live-1", "voice": "marin"}}, "unknown_parameter", "session.voice"),
        (
            {"session": {"model": "gpt-live-1", "audio": {"format": {"type": "audio/pcm"}}}},
            "unknown_parameter",
            "session.audio.format",
        ),
        ({}, "missing_required_parameter", "session"),
        ({"session": {"model": "gpt-live-1"}}, "invalid_offer", None),
        ({"session": {"model": 7}}, "invalid_type", "session.model"),
    ],
)
def test_a_faulty_creation_is_refused(api: httpx.Client, fields: Any, code: str, param: str | None) -> None:
    response = api.post("/live/sessions", json={"transport": {"type": "webrtc", "sdp": OFFER}, **fields})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, code, param)


def test_only_json_creates_a_session(api: httpx.Client) -> None:
    response = api.post("/live/sessions", content=OFFER, headers={"content-type": "application/sdp"})
    assert response.status_code in (400, 415) and "application/json" in response.text
    assert api.post("/live/sessions", headers={"authorization": "Bearer no"}).status_code == 401


def test_only_a_stored_session_that_has_ended_is_downloaded_or_forked(
    sim: Simulator, api: httpx.Client
) -> None:
    with LiveSocket(sim, store=True) as socket, LiveSocket(sim) as other:
        stored, unstored = socket.session["id"], other.session["id"]
        assert api.get(f"/live/sessions/{stored}/content").status_code == 404
        socket.silence(1)
        socket.finish()
        other.finish()
    assert api.get(f"/live/sessions/{stored}/content").content[:4] == b"RIFF"
    for session_id in (unstored, "live_none"):
        error = api.get(f"/live/sessions/{session_id}/content").json()["error"]
        assert error["code"] == "session_id_not_found"
        response = api.post(
            f"/live/sessions/{session_id}/fork", json={"transport": {"type": "webrtc", "sdp": OFFER}}
        )
        assert response.status_code == 404 and response.headers["content-type"].startswith("text/plain")


def test_a_hangup_ends_a_session_over_a_websocket(sim: Simulator, api: httpx.Client) -> None:
    with LiveSocket(sim) as socket:
        assert api.post(f"/live/sessions/{socket.session['id']}/hangup").status_code == 200
        assert socket.until("session.closed")["reason"] == "close_requested"
        assert socket.closed() == (1000, "close_requested")


def test_a_sideband_that_is_quicker_than_the_caller_gets_the_same_first_event(sim: Simulator) -> None:
    async def main() -> None:
        async with LiveCaller(sim) as caller:
            response = await caller.create()
            session_id = response.json()["session"]["id"]
            sideband = await asyncio.to_thread(LiveSocket, sim, attach=session_id)
            first = await asyncio.to_thread(sideband.until, "session.started")
            answer = response.json()["transport"]["sdp"]
            await caller.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            assert await caller.until("session.started") == first
            realtime = await caller.http.post(f"/realtime/calls/{session_id}/hangup")
            assert realtime.status_code == 404
            await asyncio.to_thread(sideband.close)

    asyncio.run(main())


def test_an_idle_session_pauses_until_the_user_speaks(sim: Simulator) -> None:
    async def main() -> None:
        async with LiveCaller(sim) as caller:
            await caller.begin(idle_timeout_s=600, wake_policy={"type": "speech"})
            await asyncio.to_thread(sim.wait_for, lambda: sim.calls[0].received_audio)
            await asyncio.to_thread(sim.advance, 600)
            await caller.until("session.paused")
            with LiveSocket(sim, attach=caller.id) as sideband:
                await asyncio.to_thread(sideband.until, "session.paused")
                caller.microphone.hum(8000)
                await asyncio.to_thread(sideband.until, "session.resumed")
            await caller.until("session.resumed")
            caller.microphone.hum(0)
            await caller.until("session.input_transcript.delta")
            caller.send("session.close")
            usage = (await caller.until("session.closed"))["usage"]
            assert usage["seconds"] == usage["active_seconds"] + usage["paused_seconds"]

    asyncio.run(main())


@pytest.mark.parametrize("runs_on", [False, True])
def test_a_timeline_stands_still_without_audio_unless_it_is_told_to_run(
    sim: Simulator, runs_on: bool
) -> None:
    async def main() -> None:
        async with LiveCaller(sim) as caller:
            await caller.begin()
            await asyncio.to_thread(sim.wait_for, lambda: sim.calls[0].received_audio)
            caller.peer.getSenders()[0].replaceTrack(None)
            await asyncio.to_thread(sim.advance, 60)
            caller.send("session.close")
            seconds = (await caller.until("session.closed"))["usage"]["seconds"]
            assert (seconds > 50) == runs_on

    if runs_on:
        sim.fault("live_silence")
    asyncio.run(main())
