"""The standby of a Live session: when it pauses, what wakes it, and what is counted."""

from __future__ import annotations

from typing import Any

import pytest
from realtime_simulator import Simulator, speech
from realtime_simulator._core.ids import Ids
from realtime_simulator._engine.effects import AnswerNeeded, Emit, HearingNeeded
from realtime_simulator._engine.settings import SessionSettings
from realtime_simulator._engine.turn import AT_ONCE, REAL, Pacing, Transcript
from realtime_simulator._live.config import LiveConfig
from realtime_simulator._live.session import LiveSession

from tests.simulator.wire import LiveSocket

QUIET = bytes(4_800)
WORDS = speech("What will the weather be in Amsterdam?") + bytes(48_000)
STANDBY = {"idle_timeout_s": 30, "wake_policy": {"type": "speech"}}


class Call:
    """A session over WebRTC without its peer, on a clock that the test reads forward."""

    def __init__(self, pacing: Pacing, **session: Any) -> None:
        self.now = 0.0
        config = LiveConfig("live_1", 7200, {"model": "gpt-live-1.1", **session}, media=True)
        self.session = LiveSession(
            "live_1",
            Ids(0),
            0.0,
            1_800_000_000.0,
            SessionSettings(pacing=pacing),
            transport="webrtc",
            config=config,
        )
        self.events: list[dict[str, Any]] = []

    def hear(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), len(QUIET)):
            self.session.hear(pcm[start : start + len(QUIET)], self.now)
            self._process()
            self.wait(0.1)

    def wait(self, seconds: float) -> None:
        """Let time pass, each timer at its own time."""
        until = self.now + seconds
        while (due := self.session.deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.session.tick(self.now)
            self._process()
        self.now = until

    def end(self) -> dict[str, Any]:
        self.session.tick(self.now)
        self.session.close("close_requested")
        self._process()
        return self.events[-1]

    def types(self) -> list[str]:
        return [one["type"] for one in self.events if one["type"] in ("session.paused", "session.resumed")]

    def _process(self) -> None:
        while effects := self.session.take():
            for effect in effects:
                if isinstance(effect, Emit) and effect.to == "all":
                    self.events.append(effect.event)
                elif isinstance(effect, HearingNeeded):
                    self.session.heard(effect.item_id, Transcript("What?"), self.now)
                elif isinstance(effect, AnswerNeeded):
                    self.session.answer(effect.response_id, [], self.now)


@pytest.fixture(params=[AT_ONCE, REAL], ids=["at once", "real"])
def pacing(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_session_pauses_when_nobody_has_spoken_and_speech_wakes_it(pacing: Pacing) -> None:
    call = Call(pacing, **STANDBY)
    call.hear(QUIET * 100)
    call.wait(19)
    assert call.types() == []
    call.wait(2)
    assert call.types() == ["session.paused"]
    place = call.session.position_ms
    call.hear(QUIET * 50)
    assert call.session.position_ms == place
    call.hear(WORDS)
    call.hear(QUIET * 20)
    assert call.types() == ["session.paused", "session.resumed"]
    heard = [one for one in call.events if one["type"] == "session.input_transcript.delta"]
    assert heard and heard[0]["start_ms"] >= place
    call.wait(40)
    assert call.types()[2:] == ["session.paused"]


def test_a_timeline_goes_on_in_real_time_after_a_pause() -> None:
    call = Call(REAL, **STANDBY)
    call.hear(QUIET * 800)
    assert call.types() == ["session.paused"]
    place = call.session.position_ms
    call.hear(WORDS[:48_000])
    assert call.types() == ["session.paused", "session.resumed"]
    assert call.session.position_ms - place <= 1_200


def test_usage_tells_active_seconds_from_paused_ones(pacing: Pacing) -> None:
    call = Call(pacing, **STANDBY)
    call.hear(QUIET * 100)
    call.wait(100)
    usage = call.end()["usage"]
    assert usage["seconds"] == usage["active_seconds"] + usage["paused_seconds"]
    assert usage["active_seconds"] == call.session.position_ms // 1000
    assert usage["paused_seconds"] in (79, 80)
    updates = [one["usage"] for one in call.events if one["type"] == "session.usage.updated"]
    assert updates[0]["paused_seconds"] == 0 < updates[-1]["paused_seconds"]


def test_who_speaks_keeps_the_session_active(pacing: Pacing) -> None:
    call = Call(pacing, **STANDBY)
    for _ in range(4):
        call.hear(WORDS)
        call.wait(20)
    assert call.types() == []


def test_a_muted_user_does_not_wake_the_session(pacing: Pacing) -> None:
    call = Call(pacing, **STANDBY)
    call.hear(QUIET)
    call.wait(31)
    call.session.receive({"type": "session.input_audio.mute"}, call.now)
    call.hear(WORDS)
    assert call.types() == ["session.paused"]
    call.session.receive({"type": "session.input_audio.unmute"}, call.now)
    call.hear(WORDS)
    assert call.types() == ["session.paused", "session.resumed"]


def test_the_threshold_decides_what_wakes_it() -> None:
    woken = []
    for threshold in (0.0, 1.0):
        call = Call(AT_ONCE, idle_timeout_s=1, wake_policy={"type": "speech", "vad_threshold": threshold})
        call.hear(QUIET)
        call.wait(2)
        soft = memoryview(WORDS).cast("h").tolist()
        call.hear(b"".join(int(one / 60).to_bytes(2, "little", signed=True) for one in soft))
        woken.append("session.resumed" in call.types())
    assert woken == [True, False]


@pytest.mark.parametrize("left_out", ["idle_timeout_s", "wake_policy"])
def test_a_session_without_timeout_or_policy_never_pauses(left_out: str) -> None:
    call = Call(AT_ONCE, **{key: value for key, value in STANDBY.items() if key != left_out})
    call.hear(QUIET)
    call.wait(1000)
    assert call.types() == []
    assert call.end()["usage"].keys() == {"seconds"}


def test_a_session_over_a_websocket_has_no_standby() -> None:
    with Simulator(pacing="none") as sim, LiveSocket(sim, start=False) as socket:
        for name in STANDBY:
            socket.send("session.start", session={"model": "gpt-live-1.1", name: STANDBY[name]})
            error = socket.until("error")["error"]
            assert (error["code"], error["param"]) == ("unknown_parameter", f"session.{name}")
