"""check_offer: it finds each fault, says where, and finds nothing in offers that the API takes."""

from __future__ import annotations

import re

import attrs
import pytest

from realtime_ext.sdp import Problem, SessionDescription, check_offer
from realtime_ext.sdp._offers import _unusual_candidates as unusual_candidates
from realtime_ext.sdp._values import CandidateError, parse_candidate
from tests.samples.sdp import NAMES, sample
from tests.support.examples import check_each
from tests.support.rows import each

OFFERS = [name for name in NAMES if name.startswith("offer-")]
REAL = sample("offer-chromium-audio-datachannel")

SMALL = (
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n"
    "c=IN IP4 0.0.0.0\r\n"
    "a=mid:0\r\n"
    "a=sendrecv\r\n"
    "a=ice-ufrag:frag\r\n"
    "a=ice-pwd:apasswordoftwentytwoch\r\n"
    "a=fingerprint:sha-256 AA:BB:CC\r\n"
    "a=setup:actpass\r\n"
    "a=rtpmap:111 opus/48000/2\r\n"
    "a=candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host\r\n"
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
    "a=mid:1\r\n"
    "a=ice-ufrag:frag\r\n"
    "a=ice-pwd:apasswordoftwentytwoch\r\n"
    "a=fingerprint:sha-256 AA:BB:CC\r\n"
    "a=setup:actpass\r\n"
)
AUDIO, MID, PWD, FINGERPRINT, RTPMAP, CANDIDATE, APPLICATION = 6, 8, 11, 12, 14, 15, 16
"""Lines of SMALL."""


def codes(text: str) -> list[str]:
    return [problem.code for problem in check_offer(text)]


def without(pattern: str, text: str = SMALL) -> str:
    left = re.sub(rf"(?m)^{pattern}.*\r\n", "", text)
    assert left != text
    return left


def swap(old: str, new: str, text: str = SMALL) -> str:
    assert old in text
    return text.replace(old, new)


# ---- nothing to say


@each("name", OFFERS)
def test_real_offers_have_no_problems(name: str) -> None:
    assert check_offer(sample(name)) == []
    assert check_offer(sample(name).encode()) == []


FINE = {
    "as it is": SMALL,
    "no candidate": without("a=candidate"),
    "candidates in .local alone": swap("192.0.2.1", "2f0c8f4e-5a5b-4c57-8a2b-1d6b6a1c9a51.local"),
    "IPv6": swap("192.0.2.1", "2001:db8::1"),
    "a link-local address with its zone": swap("192.0.2.1", "fe80::1%eth0"),
    "a type of candidate that came later": swap("typ host", "typ quic tcptype x"),
    "no data channel": SMALL[: SMALL.index("m=application")].replace("BUNDLE 0 1", "BUNDLE 0"),
    "not bundled": without("a=group"),
    "recvonly": swap("sendrecv", "recvonly"),
    "sendonly": swap("sendrecv", "sendonly"),
    "no direction": without("a=sendrecv"),
    "direction of the session": without("a=sendrecv").replace("a=group", "a=recvonly\r\na=group"),
    "PCMU by its number alone": swap("SAVPF 111 0", "SAVPF 0"),
    "PCMA by its number alone": swap("SAVPF 111 0", "SAVPF 8"),
    "codec in capitals": swap("opus/48000/2", "OPUS/48000/2"),
    "static payload types without rtpmap": swap("SAVPF 111 0", "SAVPF 111 9 13"),
    "the highest payload type": SMALL.replace("111", "127"),
    "the lowest priority of a candidate": swap("2122260223", "0"),
    "the highest priority of a candidate": swap("2122260223", "4294967295"),
    "the highest component of a candidate": swap(":1 1 udp", ":1 256 udp"),
    "no rtcp-mux, no setup": without("a=setup"),
    "a second audio section that is inactive": swap(
        "m=application",
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:2\r\na=inactive\r\n"
        "a=ice-ufrag:f\r\na=ice-pwd:p\r\na=fingerprint:sha-256 AA\r\nm=application",
    ),
    "a rejected video section without anything": SMALL + "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n",
    "transport of the bundle's first section": SMALL[: SMALL.index("a=mid:1")] + "a=mid:1\r\n",
    "audio that is only bundled": (
        SMALL[: SMALL.index("m=application")].replace("BUNDLE 0 1", "BUNDLE 0 2")
        + "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\na=bundle-only\r\na=rtpmap:96 VP8/90000\r\n"
    ),
    "credentials of the session": re.sub(
        r"a=group",
        "a=ice-ufrag:f\r\na=ice-pwd:p\r\na=fingerprint:sha-256 AA\r\na=group",
        without("a=(ice-|fingerprint)"),
    ),
    "several fingerprints": swap("a=setup", "a=fingerprint:sha-512 AA:BB\r\na=setup"),
    "unknown attributes": swap("a=mid:0", "a=mid:0\r\na=x-later:1\r\na=y"),
    "lines of RFC 8866": swap(
        "t=0 0", "i=x\r\nu=http://x/\r\ne=x\r\np=1\r\nc=IN IP4 0.0.0.0\r\nb=AS:1\r\nt=0 0"
    ),
    "media lines in any order": swap("a=mid:0", "a=mid:0\r\nb=AS:50\r\ni=voice"),
    "blank lines": swap("m=application", "\r\nm=application") + "\r\n",
    "U+2028 inside a line": swap("s=-", "s=a\u2028b\x85c\x0bd"),
    "candidates, some of TCP without a port": swap(
        "a=candidate", "a=candidate:1 1 tcp 1 0.0.0.0 9 typ host tcptype active\r\na=candidate"
    ),
}


@each("name", FINE)
def test_accepted_offers_have_no_problems(name: str) -> None:
    assert check_offer(FINE[name]) == []


# ---- each fault


FAULTY = [
    # code, line, what the message names, the offer
    (
        "no_audio",
        6,
        "m=audio",
        swap("m=audio 9 UDP/TLS/RTP/SAVPF 111 0", "m=video 9 UDP/TLS/RTP/SAVPF 111 0"),
    ),
    ("audio_rejected", AUDIO, "port 0", swap("m=audio 9", "m=audio 0").replace("BUNDLE 0 1", "BUNDLE 1")),
    ("audio_inactive", 9, "inactive", swap("a=sendrecv", "a=inactive")),
    ("audio_inactive", 5, "inactive", without("a=sendrecv").replace("a=group", "a=inactive\r\na=group")),
    ("no_supported_codec", AUDIO, "'speex'", swap("opus/48000/2", "speex/16000").replace("111 0", "111")),
    ("no_supported_codec", AUDIO, "'opus'", swap("opus/48000/2", "opus/8000").replace("111 0", "111")),
    ("no_supported_codec", AUDIO, "'G722'", swap("SAVPF 111 0", "SAVPF 9")),
    ("no_ice_ufrag", AUDIO, "a=ice-ufrag", without("a=ice-ufrag")),
    ("no_ice_ufrag", AUDIO, "a=ice-ufrag", swap("a=ice-ufrag:frag", "a=ice-ufrag:")),
    ("no_ice_pwd", AUDIO, "a=ice-pwd", without("a=ice-pwd")),
    ("no_ice_ufrag", AUDIO, "audio section", swap("a=ice-ufrag:frag", "a=ice-ufrag:\r\na=ice-ufrag:frag")),
    ("no_fingerprint", AUDIO, "a=fingerprint", without("a=fingerprint")),
    (
        "no_fingerprint",
        AUDIO,
        "a=fingerprint",
        swap("a=fingerprint:sha", "a=fingerprint:\r\na=fingerprint:sha"),
    ),
    ("no_fingerprint", AUDIO, "a=fingerprint", swap("sha-256 AA:BB:CC", "\r\na=fingerprint:sha-256")),
    ("bad_fingerprint", FINGERPRINT, "'first'", swap("sha-256 AA:BB:CC", "first\r\na=fingerprint:second")),
    ("bad_fingerprint", FINGERPRINT, "'sha-256'", swap("sha-256 AA:BB:CC", "sha-256")),
    ("bad_fingerprint", FINGERPRINT, "'AA:BB:CC'", swap("sha-256 AA:BB:CC", "AA:BB:CC")),
    ("bad_fingerprint", FINGERPRINT, "A:B", swap("sha-256 AA:BB:CC", "sha-256 A:B")),
    ("no_mid", AUDIO, "a=mid", without("a=mid:0").replace("BUNDLE 0 1", "BUNDLE 1")),
    ("no_mid", AUDIO, "a=mid", swap("a=mid:0", "a=mid:").replace("BUNDLE 0 1", "BUNDLE 1")),
    ("duplicate_mid", 17, "'0'", swap("a=mid:1", "a=mid:0").replace("BUNDLE 0 1", "BUNDLE 0")),
    ("unknown_bundle_mid", 5, "'2'", swap("BUNDLE 0 1", "BUNDLE 0 1 2")),
    ("codec_without_rtpmap", AUDIO, "96", swap("SAVPF 111 0", "SAVPF 111 96 0")),
    ("bad_payload_type", AUDIO, "'opus'", swap("SAVPF 111 0", "SAVPF 111 opus")),
    ("bad_payload_type", AUDIO, "'128'", swap("SAVPF 111 0", "SAVPF 111 128")),
    (
        "bad_payload_type",
        AUDIO,
        "'128'",
        swap("SAVPF 111 0", "SAVPF 128 0").replace("rtpmap:111", "rtpmap:128"),
    ),
    ("is_answer", 13, "a=setup:active", swap("a=setup:actpass", "a=setup:active")),
    ("is_answer", 13, "a=setup:passive", swap("a=setup:actpass", "a=setup:passive")),
    ("is_answer", 5, "a=setup:active", without("a=setup").replace("a=group", "a=setup:active\r\na=group")),
    ("candidate_without_address", CANDIDATE, "address", swap("192.0.2.1 ", "")),
    ("candidate_without_address", CANDIDATE, "address", swap("192.0.2.1 ", " ")),
    ("candidate_without_address", CANDIDATE, "empty", re.sub("a=candidate:.*\r", "a=candidate:\r", SMALL)),
    ("candidate_without_address", CANDIDATE, "0.0.0.0", swap("192.0.2.1", "0.0.0.0")),
    ("candidate_without_address", CANDIDATE, "::", swap("192.0.2.1", "::")),
    ("bad_candidate", CANDIDATE, ".local", swap("192.0.2.1", "host.example")),
    ("bad_candidate", CANDIDATE, ".local", swap("192.0.2.1", ".local")),
    ("bad_candidate", CANDIDATE, ".local", swap("192.0.2.1", "192.0.2.256")),
    ("bad_candidate", CANDIDATE, "component", swap(":1 1 udp", ":1 x udp")),
    ("bad_candidate", CANDIDATE, "component", swap(":1 1 udp", ":1 0 udp")),
    ("bad_candidate", CANDIDATE, "component", swap(":1 1 udp", ":1 257 udp")),
    ("bad_candidate", CANDIDATE, "priority", swap("2122260223", "4294967296")),
    ("bad_candidate", CANDIDATE, "priority", swap("2122260223", "-1")),
    ("bad_candidate", CANDIDATE, "port", swap(" 5000 typ", " 70000 typ")),
    ("bad_candidate", CANDIDATE, "<foundation>", swap("typ host", "typ")),
    ("bad_candidate", CANDIDATE, "<foundation>", swap("typ host", "host")),
    ("no_final_crlf", 21, "CRLF", SMALL[:-2]),
    ("lf_line_ends", 1, "21 of 21", SMALL.replace("\r\n", "\n")),
    ("lf_line_ends", 3, "1 of 21", swap("s=-\r\n", "s=-\n")),
    ("cr_line_ends", 1, "21 of 21", SMALL.replace("\r\n", "\r")),
    ("cr_line_ends", 21, "1 of 21", SMALL[:-1]),
    ("unknown_line", 7, "`x=`", swap("c=IN", "x=1\r\nc=IN")),
    ("unknown_line", 4, "`x=`", swap("t=0 0", "x=1\r\nt=0 0")),
    ("misplaced_line", 3, "`o=`", swap("v=0\r\n", "v=0\r\ns=-\r\n").replace("127.0.0.1\r\ns=-", "127.0.0.1")),
    ("misplaced_line", 4, "`s=`", swap("s=-\r\n", "s=-\r\ns=-\r\n")),
    ("misplaced_line", 5, "`t=`", swap("t=0 0\r\na=group:BUNDLE 0 1", "a=group:BUNDLE 0 1\r\nt=0 0")),
    ("misplaced_line", 7, "`v=`", swap("c=IN", "v=0\r\nc=IN")),
    ("bad_origin", 2, "127.0.0.1", swap("o=- 1 2 IN", "o=- 1 IN")),
    ("bad_origin", 2, "127.0.0.1", swap("o=- 1 2 IN", "o=- 1 x IN")),
    ("missing_line", 4, "`t=`", without("t=")),
    ("bad_line", 7, "'c '", swap("c=IN", "c IN")),
    ("bad_media_line", AUDIO, "m=audio 9", swap("SAVPF 111 0", "SAVPF")),
    ("nul_character", 3, "character 3", swap("s=-", "s=\0")),
    ("too_many_sections", 1020, "more than 1,000", SMALL + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * 1200),
    ("empty", 1, "empty", ""),
    ("empty", 1, "blank", "\r\n \r\n"),
    ("json", 1, "JSON", '{"type": "offer", "sdp": "v=0\\r\\n"}'),
    ("json", 2, "JSON", '\n[{"sdp": "v=0"}]'),
    ("json", 1, "JSON", '"v=0\\r\\no=- 1 2 IN IP4 127.0.0.1\\r\\n"'),
    ("html", 1, "HTML", "<html><body>502 Bad Gateway</body></html>"),
    ("html", 3, "HTML", "\n\n<!doctype html>"),
    ("byte_order_mark", 1, "U+FEFF", "\ufeff" + SMALL),
    ("not_sdp", 1, "'ga'", "garbage"),
    ("bad_version", 1, "'1'", swap("v=0", "v=1")),
    ("bad_version", 1, "'0 o=-", SMALL.replace("\r\n", " ")),
    ("escaped_line_ends", 1, "backslash", SMALL.replace("\r\n", "\\r\\n")),
    ("escaped_line_ends", 1, "backslash", SMALL.replace("\r\n", "\\n")),
]


@each("code, line, named, text", FAULTY, ids=range(len(FAULTY)))
def test_each_fault_is_found_alone_with_its_line(code: str, line: int, named: str, text: str) -> None:
    problems = check_offer(text)
    assert {problem.code for problem in problems} == {code}
    assert problems[0].line == line
    assert named in problems[0].message
    assert problems[0].hint


@each("code, line, named, text", FAULTY, ids=range(len(FAULTY)))
def test_bytes_are_judged_as_text_is(code: str, line: int, named: str, text: str) -> None:
    assert check_offer(text.encode()) == check_offer(text)


@each("text", [None, 5, ["v=0"], b"\xff", "v=0\ud800"])
def test_undecodable_input_is_a_problem(text: object) -> None:
    (problem,) = check_offer(text)  # type: ignore[arg-type]
    assert (problem.code, problem.line) == ("not_text", 1)


def test_missing_lines_are_named_one_by_one() -> None:
    problems = check_offer("v=0\r\n")
    assert [problem.code for problem in problems] == ["missing_line"] * 3
    assert [re.findall(r"`(.)=`", problem.message)[0] for problem in problems] == ["o", "s", "t"]


def test_all_faults_are_found_at_once_by_their_lines() -> None:
    text = swap("a=sendrecv", "a=inactive").replace("s=-\r\n", "s=-\n").replace("192.0.2.1 ", "")
    problems = check_offer(without("a=ice-pwd", text)[:-2])
    assert [(problem.line, problem.code) for problem in problems] == [
        (3, "lf_line_ends"),
        (6, "no_ice_pwd"),
        (9, "audio_inactive"),
        (14, "candidate_without_address"),
        (19, "no_final_crlf"),
    ]


# ---- real descriptions that are no offers, and real offers that were damaged


@each("name", [name for name in NAMES if name.startswith("answer-")])
def test_a_real_answer_is_refused_as_an_offer(name: str) -> None:
    (problem,) = check_offer(sample(name))
    assert problem.code == "is_answer"
    assert "createOffer" in problem.hint
    assert sample(name).split("\r\n")[problem.line - 1] == "a=setup:active"


@each(
    "name, expected",
    [
        ("inactive", ["audio_inactive"]),
        ("datachannel-only", ["no_audio"]),
        ("stopped", ["audio_rejected", "audio_inactive"]),
    ],
)
def test_real_offers_without_a_voice_are_found(name: str, expected: list[str]) -> None:
    assert codes(sample(f"refused-chromium-{name}")) == expected


DAMAGED = {
    "no_final_crlf": str.strip,
    "lf_line_ends": lambda text: text.replace("\r\n", "\n"),
    "cr_line_ends": lambda text: text.replace("\r\n", "\r"),
    "no_ice_ufrag": lambda text: without("a=ice-ufrag", text),
    "no_ice_pwd": lambda text: without("a=ice-pwd", text),
    "no_fingerprint": lambda text: without("a=fingerprint", text),
    "no_mid": lambda text: without("a=group", without("a=mid", text)),
    "json": lambda text: '{"sdp": "' + text.replace("\r\n", "\\r\\n") + '"}',
    "escaped_line_ends": lambda text: text.replace("\r\n", "\\r\\n"),
    "bad_line": lambda text: re.sub("\r\n(?=.)", "\r\n ", text),
}


@pytest.mark.parametrize("code", DAMAGED)
def test_a_real_offer_that_was_damaged_is_found_out(code: str, subtests: pytest.Subtests) -> None:
    def check(name: str) -> None:
        problems = check_offer(DAMAGED[code](sample(name)))
        assert {problem.code for problem in problems} == {code}

    check_each(subtests, OFFERS, check)


# ---- fatal or not


def test_an_unreadable_candidate_among_readable_ones_is_not_fatal() -> None:
    text = swap("a=candidate:1", "a=candidate:1 1 udp 1 host.example 9 typ host\r\na=candidate:1")
    assert [(problem.code, problem.fatal) for problem in check_offer(text)] == [("bad_candidate", False)]


def test_candidates_that_are_all_unreadable_are_fatal() -> None:
    (problem,) = check_offer(swap("192.0.2.1 ", ""))
    assert problem.fatal


def test_candidates_that_lead_nowhere_are_not_fatal() -> None:
    second = "a=candidate:2 1 udp 1 0.0.0.0 9 typ host\r\nm=application"
    (problem,) = check_offer(swap("192.0.2.1", "0.0.0.0").replace("m=application", second))
    assert not problem.fatal
    assert problem.line == CANDIDATE


def test_all_else_is_fatal() -> None:
    ours = {"candidate_without_address", "bad_candidate"}
    for code, _, _, text in FAULTY:
        assert code in ours or all(problem.fatal for problem in check_offer(text)), code


# ---- which transports count


def test_of_a_bundle_only_the_first_section_in_use_needs_a_transport() -> None:
    bare = SMALL[: SMALL.index("a=mid:1")] + "a=mid:1\r\n"
    assert codes(bare) == []
    assert codes(bare.replace("BUNDLE 0 1", "BUNDLE 1 0")) == ["no_ice_ufrag", "no_ice_pwd", "no_fingerprint"]
    assert codes(without("a=group", bare)) == ["no_ice_ufrag", "no_ice_pwd", "no_fingerprint"]
    rejected = bare.replace("m=application 9", "m=application 0").replace("BUNDLE 0 1", "BUNDLE 1 0")
    assert codes(rejected) == []
    assert codes(without("a=ice-pwd", rejected)) == ["no_ice_pwd"]


# ---- the problems themselves


def test_at_most_100_problems_are_reported() -> None:
    text = swap("a=candidate:1", "a=candidate:x\r\n" * 300 + "a=candidate:1")
    assert len(check_offer(text)) == 100
    assert len(check_offer(text[:-2])) == 100
    assert len(check_offer(SMALL + "?\r\n" * 300)) == 100


def test_quotes_are_short() -> None:
    for text in (
        swap("111 0", "111 " + "9" * 100_000),
        swap("m=audio", "m=" + "x" * 100_000),
        "v=" + "1" * 100_000,
    ):
        for problem in check_offer(text):
            assert len(problem.message) < 400


def test_problems_are_frozen_values() -> None:
    (problem,) = check_offer(SMALL[:-2])
    assert problem == Problem(problem.line, problem.code, problem.message, problem.hint)
    assert problem.fatal
    assert str(problem) == f"line 21: {problem.message} [no_final_crlf]"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        problem.line = 1  # type: ignore[misc]


def test_parsing_an_offer_keeps_its_text() -> None:
    assert str(SessionDescription.parse(SMALL)) == SMALL


USUAL = "1 1 udp 2130706431 192.0.2.1 9 typ host"


@each(
    "text",
    [
        USUAL,
        f"{USUAL} generation 0 ufrag abcd",
        "f 1 tcp 1518280447 2001:db8::1 65535 typ host tcptype active",
        "1 256 udp 1 192.0.2.1 9 typ host",
        "1 257 udp 1 192.0.2.1 9 typ host",
        "1 1 udp 4294967295 192.0.2.1 64999 typ host",
        "1 1 udp 4294967296 192.0.2.1 9 typ host",
        "1 1 udp 1 192.0.2.1 65536 typ host",
        "1 1 udp 1 192.0.2.1 99999 typ host",
        "1 1 udp 1 192.0.2.999 9 typ host",
        "1 1 udp 1 0.0.0.0 9 typ host",
        "1 1 udp 1 :: 9 typ host",
        "1 1 udp 1 0:0:0:0:0:0:0:0 9 typ host",
        "1 1 udp 1 4f9d.local 9 typ host",
        "1 1 udp 1 fe80::1%eth0 9 typ host",
        "1 1 udp 1 192.0.2.1 9 typ ",
        "1 1 udp 1 192.0.2.1 9 typ",
        "1 1 udp 1 192.0.2.1 9 host",
        "1 1 udp 1 192.0.2.1 9  typ host",
        "",
    ],
)
def test_usual_candidates_are_readable_and_reachable(text: str) -> None:
    """The quick look says yes to nothing that reading would refuse, and to what most peers write."""
    is_usual = not unusual_candidates([(1, text)])
    try:
        read = parse_candidate(text)
    except CandidateError:
        assert not is_usual
    else:
        assert not (is_usual and read.is_unspecified)
        assert is_usual or text != USUAL
