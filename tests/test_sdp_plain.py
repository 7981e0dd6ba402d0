"""is_plain: it calls no offer good in which check_offer's rules find a problem, and it knows real offers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_ext.sdp import check_offer
from realtime_ext.sdp._check import find_problems
from realtime_ext.sdp._plain import is_plain
from tests.samples.sdp import NAMES, sample
from tests.test_sdp_check import FAULTY, FINE, SMALL
from tests.test_sdp_fuzz import LINES, WORDS

OFFERS = [name for name in NAMES if name.startswith("offer-")]

ODD_LINES = [
    "", " ", "a", "a=", "=", ":", "m=", "m", "x=1", "A=mid:0", "v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-",
    "t=0 0", "b=AS:50", "i=voice", "c=IN IP4 0.0.0.0", "c", "a=mid", "a=mid:", "a=mid:0", "a=mid:1",
    "a=mid:0 1", "a=x\0y", "a=x\ny", "a=x\ry", "a=x\u2028y", "a=group:BUNDLE", "a=group:BUNDLE 1 7",
    "a=group:LS 7", "a=group", "a=inactive", "a=inactive:", "a=sendonly", "a=setup", "a=setup:active",
    "a=setup:passive", "a=setup:holdconn", "a=ice-ufrag", "a=ice-ufrag:", "a=ice-pwd", "a=ice-pwd:",
    "a=fingerprint", "a=fingerprint:", "a=fingerprint:sha-256", "a=fingerprint:sha-256 AA", "a=rtpmap",
    "a=rtpmap:111", "a=rtpmap:111 speex/8000", "a=rtpmap:0111 speex/8000", "a=rtpmap:0 speex/8000",
    "a=rtpmap:00 speex/8000", "a=rtpmap:128 opus/48000", "a=candidate", "a=candidate:",
    "a=candidate:1 1 udp 1 0.0.0.0 9 typ host", "a=bundle-only", "m=audio 9 UDP/TLS/RTP/SAVPF 0",
    "m=audio 0 UDP/TLS/RTP/SAVPF 0", "m=video 9 UDP/TLS/RTP/SAVPF 0", "m=application 9 UDP/DTLS/SCTP",
    "m=application 9 UDP/DTLS/SCTP x", "m=text 9 RTP/AVP 98", "m=audio",
]  # fmt: skip
"""Put anywhere into an offer, most of them are faults somewhere."""

ODD_WORDS = [
    *WORDS, "", "00", "00111", "256", "257", "999", "4294967295", "4294967296", "99999999999", "65535",
    "70000", "192.0.2.256", "192.0.2.01", "192.0.2", "1.2.3.4.5", "0:0::0", "1::2::3", "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7", "1:2:3:4::5:6:7", "1:2:3:4::5:6:7:8", ":::1", "12345::1", "fe80::1%", ".local",
    "X.LOCAL", "ſ.local", "host.example", "speex/48000", "opus/8000", "opus", "opus/", "opus/48000/2/2",
    "OPUS/048000", "sha-256 AA:B", "١", "video", "application", "text", "inactive", "bundle-only", "holdconn",
    "a=", "\r\n", "\n", "\r",
]  # fmt: skip


def judge(text: str) -> bool:
    """Hold that a plain offer has no problem; tell whether this one is plain."""
    if not is_plain(text):
        return False
    assert find_problems(text) == [], text
    assert check_offer(text) == []
    return True


@pytest.mark.parametrize("name", OFFERS)
def test_real_offers_are_plain(name: str) -> None:
    assert judge(sample(name))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OFFERS])
def test_descriptions_that_are_refused_are_not(name: str) -> None:
    assert not judge(sample(name))


@pytest.mark.parametrize("text", [text for *_, text in FAULTY], ids=range(len(FAULTY)))
def test_faulty_offers_are_not(text: str) -> None:
    assert not judge(text)


@pytest.mark.parametrize("name", FINE)
def test_what_check_offer_finds_is_what_its_rules_find(name: str) -> None:
    judge(FINE[name])
    assert find_problems(FINE[name]) == []


PLAIN = [
    "as it is",
    "no candidate",
    "candidates in .local alone",
    "IPv6",
    "a type of candidate that came later",
    "recvonly",
    "not bundled",
    "PCMU by its number alone",
    "credentials of the session",
    "several fingerprints",
    "a second audio section that is inactive",
    "attributes that nobody knows",
]


@pytest.mark.parametrize("name", PLAIN)
def test_offers_of_other_clients_are_plain_too(name: str) -> None:
    assert judge(FINE[name])


# ---- changes of every kind, in every place


@pytest.mark.parametrize(
    "base", [SMALL, FINE["credentials of the session"], FINE["PCMU by its number alone"]]
)
def test_a_line_put_in_left_out_or_moved(base: str) -> None:
    lines = base.removesuffix("\r\n").split("\r\n")
    for at, line in enumerate(lines):
        rest = lines[:at] + lines[at + 1 :]
        changed = [rest]
        changed += [[*rest[:to], line, *rest[to:]] for to in range(len(lines))]
        changed += [[*lines[:at], odd, *lines[at + kept :]] for odd in ODD_LINES for kept in (0, 1)]
        for new in changed:
            judge("\r\n".join(new) + "\r\n")


@pytest.mark.parametrize("base", [SMALL, FINE["IPv6"]])
def test_a_word_put_in_place_of_another(base: str) -> None:
    for word in re.finditer(r"[^ :/=\r\n]+|[ :/=]", base):
        for odd in ODD_WORDS:
            judge(base[: word.start()] + odd + base[word.end() :])
            judge(base[: word.start()] + odd + base[word.start() :])


def test_text_that_closes_otherwise() -> None:
    for end in ("", "\r", "\n", "\n\r", "\r\n\r\n", "\r\n\n", "\r\n ", "\0\r\n"):
        assert not judge(SMALL[:-2] + end)


@st.composite
def changed_offers(draw: st.DrawFn) -> str:
    lines = sample(draw(st.sampled_from(OFFERS))).split("\r\n")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        start = draw(st.integers(0, len(line)))
        stop = draw(st.integers(start, len(line)))
        put = draw(st.sampled_from(ODD_WORDS) | st.text(max_size=3))
        other = draw(st.sampled_from(lines + ODD_LINES))
        lines[at : at + 1] = draw(
            st.sampled_from([[], [line, line], [line, other], [other], [line[:start] + put + line[stop:]]])
        )
        lines = lines or [""]
    return "\r\n".join(lines)


def test_a_fingerprint_that_many_sections_share_is_read_by_each_only_if_it_is_short() -> None:
    long = FINE["credentials of the session"].replace("sha-256 AA", "sha-256 AA" + ":AA" * 200)
    assert not judge(long)
    assert find_problems(long) == []


@settings(max_examples=400)
@given(changed_offers())
def test_real_offers_with_some_changes(text: str) -> None:
    judge(text)


@settings(max_examples=300)
@given(st.sampled_from(OFFERS), st.integers(0, 5), LINES)
def test_real_offers_with_lines_of_any_kind(name: str, at: int, lines: list[tuple[str, str]]) -> None:
    head, *sections = re.split(r"(?=^m=)", sample(name), flags=re.MULTILINE)
    sections.insert(min(at, len(sections)), "".join(line + end for line, end in lines[:3]))
    judge(head + "".join(sections))
