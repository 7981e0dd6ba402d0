"""Faults in sessions of the Live API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from realtime_simulator import Simulator
from realtime_simulator._engine.turn import REAL
from websockets.exceptions import InvalidStatus

from tests.simulator.wire import LiveSocket


@pytest.fixture
def sim() -> Any:
    with Simulator(pacing="none", clock=1_800_000_000) as simulator:
        yield simulator


def error(socket: LiveSocket) -> dict[str, Any]:
    found: dict[str, Any] = socket.until("error")["error"]
    return found


def test_a_start_can_be_refused(sim: Simulator) -> None:
    sim.fault("live_refusal", times=1, message="Pay first.")
    with LiveSocket(sim, start=False) as socket:
        socket.send("session.start", session={"model": "gpt-live-1"})
        refused = {
            "type": "invalid_request_error",
            "code": "credit_balance_exhausted",
            "message": "Pay first.",
        }
        assert error(socket) == refused
        socket.send("session.start", session={"model": "gpt-live-1"})
        socket.until("session.started")


def test_a_timeline_stops_and_continues() -> None:
    with Simulator(pacing=REAL, clock=1_800_000_000) as sim:
        sim.fault("live_stall", at=0.5, seconds=5)
        with LiveSocket(sim) as socket:
            session = sim.session(socket.session["id"])
            socket.silence(4)
            socket.send("session.thinking.append", delegation_id=None, content="Hm.")
            sim.wait_for(lambda: session.events[-1].event["type"] == "session.thinking.append")
            sim.advance(4)
            socket.send("session.input_audio.mute")
            socket.until("session.input_audio.muted")
            before = len(socket.audio())
            assert before <= 5 * 4_800
            assert "session.thinking.appended" not in socket.types()
            sim.advance(6)
            socket.until("session.thinking.appended")
            assert len(socket.audio()) > before


def test_a_timeline_can_stop_permanently(sim: Simulator) -> None:
    sim.fault("live_stall", at=0)
    with LiveSocket(sim) as socket:
        socket.silence(2)
        socket.send("session.thinking.append", delegation_id=None, content="Hm.", event_id="mine")
        assert socket.finish()["usage"] == {"seconds": 0.0}
        assert error_codes(socket) == ["context_injection_incomplete"]
        assert socket.audio() == b""


def error_codes(socket: LiveSocket) -> list[str]:
    return [event["error"]["code"] for event in socket.all("error")]


def test_an_append_is_never_injected(sim: Simulator) -> None:
    sim.fault("live_injection", times=1)
    with LiveSocket(sim) as socket:
        for name in ("lost", "kept"):
            socket.send("session.commentary.append", delegation_id=None, content=f"{name}.", event_id=name)
        socket.silence(4)
        assert socket.until("session.commentary.appended")["client_event_id"] == "kept"
        socket.send("session.close")
        failed = error(socket)
        assert (failed["code"], failed["client_event_id"]) == ("context_injection_incomplete", "lost")
        assert socket.spoken() == "kept."


def test_a_connection_is_lost_without_a_closing_event(sim: Simulator) -> None:
    sim.fault("live_lost", after="session.input_audio.muted", on="connect")
    with LiveSocket(sim, store=True) as socket:
        socket.send("session.input_audio.mute")
        assert socket.closed() == (1011, "")
        assert "session.closed" not in socket.types()
        session_id = socket.session["id"]
    sim.wait_for(lambda: sim.session(session_id).ended is not None)
    sim.clear_faults()
    with LiveSocket(sim, fork=session_id) as fork:
        assert fork.session["store"]


def test_another_engine_takes_over_when_the_context_is_full(sim: Simulator) -> None:
    sim.fault("live_replacement")
    with LiveSocket(sim) as socket:
        for content in ("old " * 400, "new " * 400):
            for _ in range(12):
                socket.send("session.instructions.append", delegation_id=None, content=content)
        socket.silence(3)
        for _ in range(24):
            socket.until("session.instructions.appended")
        sim.advance(31)
        ratios = [socket.until("session.usage.updated")["context_window"]["usage_ratio"] for _ in range(2)]
        assert ratios[0] == 1.0
        assert ratios[1] < 0.1
        items = sim.session(socket.session["id"]).items
        assert [item["content"][0]["text"][:3] for item in items][-13:] == ["old"] + ["new"] * 12
        assert len(items) < 24


def test_a_connection_is_cut_and_refused(sim: Simulator) -> None:
    with LiveSocket(sim) as socket, sim.fault("rate_limit", on="sideband"):
        with pytest.raises(InvalidStatus) as refused:
            LiveSocket(sim, attach=socket.session["id"])
        assert refused.value.response.status_code == 429
    with sim.fault("socket_drop", after="session.started"), LiveSocket(sim) as socket:
        assert socket.closed() == (1006, "")


def test_a_fault_is_for_one_session(sim: Simulator) -> None:
    with LiveSocket(sim) as socket, LiveSocket(sim) as other:
        sim.fault("gateway_520", on=socket.session["id"])
        with pytest.raises(InvalidStatus) as refused:
            LiveSocket(sim, attach=socket.session["id"])
        assert refused.value.response.status_code == 520
        with LiveSocket(sim, attach=other.session["id"]) as sideband:
            sideband.until("session.started")
        sim.fault("live_lost", after="session.input_audio.muted", on=socket.session["id"])
        for one in (other, socket):
            one.send("session.input_audio.mute")
        assert socket.closed() == (1011, "")
        other.until("session.input_audio.muted")
        other.finish()


def test_a_session_expires_early_and_has_odd_events(sim: Simulator) -> None:
    sim.fault("unknown_event", times=1)
    with LiveSocket(sim, start=False) as socket:
        socket.send("session.start", session={"model": "gpt-live-1"})
        started = socket.until("session.started")
        assert json.loads(socket.ws.recv())["thought"]
        sim.fault("session_expired")
        socket.send("session.input_audio.mute")
        closed = socket.until("session.closed")
        assert (closed["reason"], closed["session"]) == ("expired", started["session"])
        assert socket.closed() == (1000, "expired")


def test_a_session_is_not_stored(sim: Simulator) -> None:
    sim.fault("live_storage")
    with LiveSocket(sim, store=True) as socket:
        socket.silence(1)
        socket.finish()
        assert error_codes(socket) == ["session_storage_failed"]
        ends = [kind for kind in socket.types() if kind in ("error", "session.closed")]
        assert ends == ["error", "session.closed"]
    with pytest.raises(InvalidStatus):
        LiveSocket(sim, fork=socket.session["id"])


def test_a_session_that_is_not_to_be_stored_has_no_fault_of_storage(sim: Simulator) -> None:
    sim.fault("live_storage")
    with LiveSocket(sim) as socket:
        socket.finish()
        assert error_codes(socket) == []


def test_a_sideband_gets_no_earlier_events(sim: Simulator) -> None:
    with LiveSocket(sim) as socket:
        with LiveSocket(sim, attach=socket.session["id"]) as sideband:
            sideband.until("session.started")
        sim.fault("live_no_replay")
        with LiveSocket(sim, attach=socket.session["id"]) as sideband:
            sideband.send("session.input_audio.mute")
            sideband.until("session.input_audio.muted")
            assert sideband.types() == ["session.input_audio.muted"]
