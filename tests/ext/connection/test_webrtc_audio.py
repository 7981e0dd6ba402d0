"""Opus packets of a call: how long they are, and their sound; silent ones are not decoded again and again."""

from __future__ import annotations

import av
import pytest

from realtime_ext._core.pcm import to_samples
from realtime_ext.connection._webrtc_audio import (
    FRAME_BYTES,
    SILENT_PACKET,
    OutgoingAudio,
    PacketDecoder,
    packet_ms,
)
from tests.support.answerer import tone
from tests.support.rows import each

pytestmark = pytest.mark.real_time


def packets(pcm: bytes) -> list[bytes]:
    outgoing = OutgoingAudio(None, lambda error: None)
    outgoing._buffer += pcm
    return [outgoing.next_payload() for _ in range(len(pcm) // FRAME_BYTES)]


@each(
    "payload, ms",
    [
        (SILENT_PACKET, 20),
        (b"", 0),
        (bytes([0 << 3]), 10),  # SILK
        (bytes([3 << 3]), 60),
        (bytes([13 << 3]), 20),  # hybrid
        (bytes([16 << 3]), 2),  # CELT
        (bytes([31 << 3 | 1]), 40),
        (bytes([31 << 3 | 2]), 40),
        (bytes([31 << 3 | 3, 6]), 120),
        (bytes([31 << 3 | 3]), 0),
    ],
)
def test_the_length_of_a_packet_is_read_from_its_head(payload: bytes, ms: int) -> None:
    assert packet_ms(payload) == ms


def test_audio_survives_encoding_and_decoding() -> None:
    decoder = PacketDecoder()
    pcm = b"".join(decoder.decode(packet) for packet in packets(tone(1_000)))
    assert abs(len(pcm) - 48_000) < 2_000
    assert 10_000 < max(to_samples(pcm)) < 14_000


def test_half_a_sample_waits_for_its_other_half_while_there_is_nothing_else() -> None:
    outgoing = OutgoingAudio(None, lambda error: None)
    pcm = tone(200)
    outgoing._buffer += pcm[:1001]
    decoder = PacketDecoder()
    for number in range(10):
        heard = to_samples(decoder.decode(outgoing.next_payload()))
        if number == 4:
            outgoing._buffer += pcm[1001:]
        if number > 6:  # halves of different samples would be noise, louder than the tone
            assert max(heard) < 14_000
    assert outgoing.sent_bytes % 2 == 0


def test_silence_is_decoded_until_nothing_is_left_to_come() -> None:
    decoder = PacketDecoder()
    for packet in packets(tone(200)):
        decoder.decode(packet)
    ringing = [decoder.decode(SILENT_PACKET) for _ in range(10)]
    assert any(ringing[0]) and not any(ringing[-1])
    assert decoder._silence == SILENT_PACKET
    assert len(decoder.decode(SILENT_PACKET)) == FRAME_BYTES
    loud = b"".join(decoder.decode(packet) for packet in packets(tone(200)))
    assert max(to_samples(loud)) > 10_000, "sound after silence is decoded again"


def test_an_invalid_packet_raises_and_the_next_is_decoded() -> None:
    decoder = PacketDecoder()
    with pytest.raises(av.FFmpegError):
        decoder.decode(b"\xff")
    assert decoder.decode(b"") == b""
    assert any(b"".join(decoder.decode(packet) for packet in packets(tone(100))))
