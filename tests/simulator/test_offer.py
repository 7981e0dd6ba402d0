from __future__ import annotations

import pytest
from realtime_simulator._calls import sdp_offer as offer
from realtime_simulator._core.problem import ApiProblem

from tests.support.rows import each

OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=candidate:1 1 udp 2122260223 127.0.0.1 50000 typ host",
        "a=candidate:2 1 udp 2122260223 10.0.0.9 50000 typ host",
        "a=candidate:3 1 udp 2122260223 6a1b2c3d.local 50000 typ host",
        "a=candidate:4 1 tcp 2122260223 127.0.0.1 9 typ host tcptype active",
        "a=end-of-candidates",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789012345678901",
        "a=fingerprint:sha-256 AA:BB",
        "a=setup:actpass",
        "a=mid:0",
        "a=rtpmap:111 opus/48000/2",
        "a=rtcp-mux",
        "",
    ]
)


def refusal(text: str | bytes) -> str:
    with pytest.raises(ApiProblem) as caught:
        offer.check(text if isinstance(text, bytes) else text.encode())
    assert (caught.value.status, caught.value.code) == (400, "invalid_offer")
    return caught.value.message


def test_a_sound_offer_passes_unaltered() -> None:
    assert offer.check(OFFER.encode()) == OFFER


@each("end", [OFFER[:-2], OFFER[:-1], ""])
def test_without_its_last_line_end_an_offer_ends_too_soon(end: str) -> None:
    assert "failed to unmarshal SDP: EOF" in refusal(end)


def test_lines_may_end_with_lf_only() -> None:
    assert offer.check(OFFER.replace("\r\n", "\n").encode()) == OFFER.replace("\r\n", "\n")


@each(
    "text, said",
    [
        ("garbage\r\n", "line 1"),
        ("v=0\r\n", "'o='"),
        (OFFER.replace("a=mid:0", "a=mid:0\0"), "NUL"),
        (OFFER.replace("a=mid:0", "nonsense"), "line 16"),
        (OFFER.replace("m=audio", "m=image"), "line 5"),
        (OFFER.replace("m=audio 9", "m=application 9"), "audio section"),
        (OFFER.replace("opus", "speex"), "PCMU"),
        (OFFER.replace("a=ice-ufrag:abcd\r\n", ""), "ice-ufrag"),
        (OFFER.replace("a=fingerprint:sha-256 AA:BB\r\n", ""), "fingerprint"),
        (OFFER.replace("actpass", "passive"), "setup"),
        (OFFER.replace("a=rtcp-mux\r\n", ""), "rtcp-mux"),
        (OFFER + "a=x:" + "y" * 300_000 + "\r\n", "bytes"),
        (OFFER + "a=x\r\n" * 5000, "lines"),
        (OFFER + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 20, "media sections"),
        (b"\xff\xfe\r\n", "UTF-8"),
        ('{"sdp": "v=0"}\r\n', "line 1"),
    ],
)
def test_invalid_offers_are_refused(text: str | bytes, said: str) -> None:
    assert said in refusal(text)


def test_only_loopback_udp_candidates_are_followed() -> None:
    followed = offer.for_peer(OFFER)
    assert [line for line in followed.split("\r\n") if "candidate" in line] == [
        "a=candidate:1 1 udp 2122260223 127.0.0.1 50000 typ host"
    ]
    assert "10.0.0.9" in offer.for_peer(OFFER, loopback_only=False)
    assert ".local" not in offer.for_peer(OFFER, loopback_only=False)


def test_an_implied_direction_is_made_explicit() -> None:
    assert offer.for_peer(OFFER).count("a=sendrecv\r\n") == 1
    assert "sendrecv" not in offer.for_peer(OFFER.replace("a=mid:0", "a=recvonly\r\na=mid:0"))
    everywhere = OFFER.replace("t=0 0", "t=0 0\r\na=recvonly")
    assert offer.for_peer(everywhere).endswith("a=recvonly\r\n")


def test_thousands_of_candidates_are_truncated() -> None:
    line = "a=candidate:1 1 udp 2122260223 127.0.0.1 50000 typ host\r\n"
    assert offer.for_peer(OFFER + line * 3000).count("a=candidate") <= offer.MAX_CANDIDATES
