"""A peer that stops sending packets: when time counts as silence."""

from __future__ import annotations

from realtime_simulator._calls.missing_audio import MissingAudio
from realtime_simulator._core.clock import ManualClock

PACKET = b"\1\0" * 480


class Peer:
    def __init__(self, *, counts: bool = True) -> None:
        self.clock = ManualClock(0)
        self.heard: list[bytes] = []
        self.counts = counts
        self.audio = MissingAudio(self.clock, self.heard.append, counts=lambda: self.counts)

    def wait(self, seconds: float) -> None:
        until = self.clock.monotonic() + seconds
        while self.clock.step(until):
            pass

    @property
    def silent_ms(self) -> int:
        silence = b"".join(self.heard).replace(PACKET, b"")
        assert not any(silence)
        return len(silence) // 48


def test_a_peer_without_packets_is_silent_after_200_ms() -> None:
    peer = Peer()
    peer.wait(5)
    assert peer.silent_ms == 0
    peer.audio.heard(PACKET)
    peer.wait(0.25)
    assert peer.silent_ms == 0
    peer.wait(2)
    assert 1_900 <= peer.silent_ms <= 2_100


def test_packets_that_come_in_time_are_all_that_is_heard() -> None:
    peer = Peer()
    for _ in range(30):
        peer.audio.heard(PACKET)
        peer.wait(0.15)
    assert peer.heard == [PACKET] * 30


def test_a_peer_that_comes_back_is_heard_again() -> None:
    peer = Peer()
    for _ in range(2):
        before = peer.silent_ms
        peer.audio.heard(PACKET)
        peer.wait(1)
        assert peer.silent_ms > before
        assert peer.heard.count(PACKET) == 1 + (before > 0)


def test_time_need_not_count() -> None:
    peer = Peer(counts=False)
    peer.audio.heard(PACKET)
    peer.wait(5)
    assert peer.silent_ms == 0
    peer.counts = True
    peer.audio.heard(PACKET)
    peer.wait(1)
    assert peer.silent_ms > 0


def test_nothing_is_heard_of_a_call_that_has_ended() -> None:
    peer = Peer()
    peer.audio.heard(PACKET)
    peer.audio.stop()
    peer.wait(5)
    assert peer.heard == [PACKET]
