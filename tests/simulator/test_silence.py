"""Callers are silent most of the time: it costs little memory and few steps, and is heard completely."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from realtime_simulator._calls.line import Line, LineHandlers
from realtime_simulator._core.clock import ManualClock
from realtime_simulator._core.ids import Ids
from realtime_simulator._core.profile import PROFILES
from realtime_simulator._engine.config import SessionConfig
from realtime_simulator._engine.input_audio import InputBuffer
from realtime_simulator._engine.session import Session
from realtime_simulator._engine.settings import SessionSettings
from realtime_simulator._engine.turn import AT_ONCE
from realtime_simulator._records.session import SessionLog
from realtime_simulator._sessions import driver
from realtime_simulator._sessions.driver import SessionDriver

from tests.simulator.sounds import silence, vowel
from tests.support.rows import each

QUIET = bytes(960)


class Call:
    """A session that hears a telephone line, on a clock that is moved by hand."""

    def __init__(self, initial: Mapping[str, Any] | None = None) -> None:
        self.clock = ManualClock(1_800_000_000)
        config = SessionConfig("sess_1", 1_900_000_000, initial)
        settings = SessionSettings(lifetime=3600, pacing=AT_ONCE, profile=PROFILES["openai"])
        self.session = Session(config, Ids(1), 0.0, settings, plays_audio=True)
        self.times_heard = self.bytes_heard = 0
        hear = self.session.hear

        def counted(pcm: bytes, now: float) -> None:
            self.times_heard += 1
            self.bytes_heard += len(pcm)
            hear(pcm, now)

        self.session.hear = counted  # type: ignore[method-assign]
        services: Any = SimpleNamespace(
            clock=self.clock,
            settings=SimpleNamespace(keep_audio=0.0),
            records=SimpleNamespace(changed=lambda: None),
            behavior=SimpleNamespace(hearing=lambda heard: "Yes."),
        )
        self.driver = SessionDriver(
            self.session, SessionLog("sess_1", "sip"), services, on_end=lambda code, reason: None
        )
        handlers = LineHandlers(
            on_heard=self.driver.hear, on_played=lambda pcm: None, on_drained=lambda response: None
        )
        self.line = Line(cast(Any, self.clock), 1.0, handlers)
        self.line.begin()

    def wait(self, seconds: float) -> None:
        until = self.clock.monotonic() + seconds
        while self.clock.step(until):
            pass


@pytest.mark.slow
@each(
    "initial, kept",
    [
        ({}, 30_000),
        ({"audio": {"input": {"turn_detection": None}}}, 41_000),
    ],
    ids=["with turn detection", "without"],
)
def test_silence_that_is_kept_takes_the_memory_of_one_packet(initial: Any, kept: int) -> None:
    call = Call(initial)
    call.wait(1.01)
    tracemalloc.start()
    try:
        call.wait(40)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert call.session.input.buffer.milliseconds == kept
    assert held < 50_000  # its samples are more than 1.4 MB


def test_a_session_hears_silence_in_fewer_steps_than_packets() -> None:
    call = Call()
    call.wait(10.01)
    assert call.bytes_heard == 10 * 48_000
    assert call.times_heard == 100


def test_a_session_hears_speech_two_packets_at_a_time_and_the_last_one_with_the_next_message() -> None:
    call = Call()
    loud = b"\x00\x10" * 480
    for _ in range(7):
        call.driver.hear(loud)
    assert (call.times_heard, call.bytes_heard) == (3, 6 * len(loud))
    call.driver.receive(json.dumps({"type": "input_audio_buffer.commit"}))
    *_, last = call.session.conversation
    assert last.audio == loud * 7


def edges_of(call: Call, pcm: bytes) -> list[tuple[str, int]]:
    """Return the edges of the turns in sound, each with the number of the packet at which it is reported."""
    found: list[tuple[str, int]] = []
    for number, start in enumerate(range(0, len(pcm), 960)):
        call.driver.hear(pcm[start : start + 960])
        kinds = [event["type"] for event in call.driver.log.record.sent if ".speech_" in event["type"]]
        found += [(kind, number) for kind in kinds[len(found) :]]
    return found


@pytest.mark.slow
@each("detection", [{"type": "server_vad", "silence_duration_ms": 20}, {"type": "semantic_vad"}])
def test_a_turn_is_heard_in_fewer_steps_and_ends_no_later(
    monkeypatch: pytest.MonkeyPatch, detection: Mapping[str, Any]
) -> None:
    initial = {"audio": {"input": {"turn_detection": {**detection, "create_response": False}}}}
    pcm = silence(0.5) + vowel(4) + silence(1.5) + vowel(1.02) + silence(1.5)
    call = Call(initial)
    found = edges_of(call, pcm)
    other = Call(initial)
    with monkeypatch.context() as patch:
        patch.setattr(driver, "_MOST", 2)
        expected = edges_of(other, pcm)
    assert [kind for kind, _ in found] == [kind for kind, _ in expected] and len(found) == 4
    assert [at for _, at in found] == pytest.approx([due for _, due in expected], abs=1)
    assert call.times_heard < 0.5 * other.times_heard


def test_what_a_client_sends_finds_all_silence_heard() -> None:
    call = Call()
    for packets in (7, 5, 9):
        for _ in range(packets):
            call.driver.hear(QUIET)
        call.driver.receive(json.dumps({"type": "input_audio_buffer.commit"}))
        *_, last = call.session.conversation
        assert len(last.audio) == packets * len(QUIET)


def test_silence_before_speech_is_heard_before_it() -> None:
    call = Call()
    loud = b"\x00\x10" * 480
    for pcm in (QUIET, QUIET, loud):
        call.driver.hear(pcm)
    assert call.session.input.buffer.read(0, 1440) == QUIET + QUIET + loud


def test_a_buffer_of_pieces_reads_like_one_of_bytes() -> None:
    chance = random.Random(4)
    buffer, kept, dropped = InputBuffer(), b"", 0
    for _ in range(2000):
        match chance.randrange(5):
            case 0:
                buffer.keep(0.1)
                over = max(0, len(kept) - 4800)
                kept, dropped = kept[over:], dropped + over
            case 1:
                end = (dropped + len(kept)) // 2
                start = chance.randrange(max(0, end - 3000), end + 1)
                place = chance.randrange(start, end + 1)
                of_start, of_end = (max(0, 2 * one - dropped) for one in (start, place))
                assert buffer.read(start, place) == kept[of_start:of_end]
                assert buffer.take(start, place) == kept[of_start:of_end]
                kept, dropped = kept[of_end:], dropped + of_end
            case _:
                pcm = chance.randbytes(2 * chance.choice((1, 40, 480, 3000)))
                buffer.append(pcm)
                kept += pcm
        assert (buffer.start, buffer.end) == (dropped // 2, (dropped + len(kept)) // 2)
        assert buffer.read(buffer.start, buffer.end) == kept


@pytest.mark.slow
def test_tiny_pieces_are_kept_together() -> None:
    buffer = InputBuffer()
    tracemalloc.start()
    try:
        for _ in range(50_000):
            buffer.append(b"\x01\x00")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 200_000
