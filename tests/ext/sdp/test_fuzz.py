"""Whatever is read: only SdpError is raised, nothing is lost, no password shows, the work stays linear."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from realtime_ext.errors import SdpError
from realtime_ext.sdp import SessionDescription, check_offer, repair
from tests.samples.sdp import NAMES, sample
from tests.support.effort import count_calls
from tests.support.examples import examples

pytestmark = pytest.mark.slow

HEAD = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
# fmt: off
NAMED = [
    "mid", "group", "setup", "ice-ufrag", "ice-pwd", "ice-options", "ice-lite", "fingerprint", "candidate",
    "end-of-candidates", "rtpmap", "fmtp", "msid", "sctp-port", "max-message-size", "rtcp-mux", "bundle-only",
    "sendrecv", "sendonly", "recvonly", "inactive", "crypto",
]
WORDS = [
    "0", "1", "9", "111", "128", "65536", "BUNDLE", "audio", "opus/48000/2", "PCMU/8000", "udp", "tcp", "typ",
    "host", "raddr", "rport", "192.0.2.1", "0.0.0.0", "::", "fe80::1%lo", "x.local", "sha-256", "AA:BB",
    "actpass", "active", "minptime=10;stereo=1", ";", "=", ":", "/", "²", "\u2028", "\x85", "\x00",
]
# fmt: on


def use(text: str | bytes) -> SessionDescription | None:
    """Read a text and ask for everything; None if it is refused."""
    try:
        description = SessionDescription.parse(text)
    except SdpError:
        return None
    for part in (description, description.session, *description.media):
        for name in dir(type(part)):
            if not name.startswith("_") and not callable(getattr(part, name)):
                repr(getattr(part, name))
        repr(part)
    for candidate in description.candidates:
        assert candidate.is_mdns or candidate.is_unspecified in (True, False)
    for fingerprint in (f for media in description.media for f in media.fingerprints):
        assert fingerprint.digest in fingerprint
        assert fingerprint.algorithm == fingerprint.algorithm.lower()
        assert fingerprint.digest in fingerprint
    return description


def judge(text: str | bytes) -> None:
    """Hold what must be true of every input."""
    description = use(text)
    problems = check_offer(text)
    repair(text)
    assert problems == sorted(problems, key=lambda problem: problem.line)
    for problem in problems:
        assert problem.line >= 1
        assert problem.code and problem.message and problem.hint
    if description is None:
        assert problems
        assert problems[0].fatal
    else:
        assert str(description) == (text if isinstance(text, str) else text.decode())
        assert bytes(description) == (text if isinstance(text, bytes) else text.encode())


# ---- arbitrary input


@given(st.text(alphabet=st.characters()))
def test_any_text(text: str) -> None:
    judge(text)


@given(st.text(alphabet="vostmca=0 :\r\n\u2028\ud800", max_size=60))
def test_texts_that_resemble_sdp(text: str) -> None:
    judge(text)


@given(st.binary() | st.binary().map(lambda data: HEAD.encode() + data))
def test_any_bytes(data: bytes) -> None:
    judge(data)


# ---- input with the shape of SDP

ENDS = st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r", ""])
VALUES = st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=9).map(" ".join)
ATTRIBUTES = st.builds(
    "a={}{}{}".format, st.sampled_from(NAMED), st.sampled_from([":", "", " ", "::"]), VALUES
)
MEDIA = st.builds("m={}".format, VALUES) | st.sampled_from(
    ["m=audio 9 UDP/TLS/RTP/SAVPF 111 0", "m=video 0 UDP/TLS/RTP/SAVPF 96", "m=application 9 UDP/DTLS/SCTP x"]
)
OTHERS = st.builds("{}={}".format, st.sampled_from("vosiuepcbtrzkamxV0"), VALUES)
LINES = st.lists(st.tuples(ATTRIBUTES | ATTRIBUTES | MEDIA | OTHERS, ENDS), max_size=25)


@settings(max_examples=examples(300))
@given(LINES)
def test_lines_of_sdp_in_any_order(lines: list[tuple[str, str]]) -> None:
    judge(HEAD + "".join(line + end for line, end in lines))


@settings(max_examples=examples(200))
@given(st.sampled_from(NAMES), st.data())
def test_real_descriptions_with_one_change(name: str, data: st.DataObject) -> None:
    text = sample(name)
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 40)))
    put = data.draw(
        st.text(max_size=6) | st.sampled_from(WORDS) | st.sampled_from(["\n", "\r", "\r\n", "\\r\\n"])
    )
    judge(text[:start] + put + text[stop:])


# ---- passwords


PASSWORD = "S3cr3tS3cr3tS3cr3tS3cr3t"


def shown_by(text: str) -> list[str]:
    """Everything that a log or a traceback might show of what was made of a text."""
    found = []
    try:
        description = SessionDescription.parse(text)
    except SdpError as error:
        assert error.__cause__ is None
        return [str(error), repr(error), repr(error.__dict__)]
    for part in (description, *description.media):
        found += [repr(part), repr(part.attributes), repr(part.candidates), repr(part.codecs)]
        found += [repr(part.fingerprint), repr(part.ice_pwd)]
    return [*found, repr(description.session)]


def with_password(name: str) -> str:
    text = re.sub(r"(a=ice-pwd:)\S+", rf"\g<1>{PASSWORD}", sample(name))
    assert PASSWORD in text
    return text


@pytest.mark.parametrize("name", NAMES)
def test_the_password_is_read_and_never_shown(name: str) -> None:
    description = SessionDescription.parse(with_password(name))
    assert description.ice_pwd == PASSWORD
    assert all(media.ice_pwd == PASSWORD for media in description.media)
    assert [a.value for a in description.media[0].attributes if a.name == "ice-pwd"] == [PASSWORD]
    assert not any(PASSWORD in text for text in shown_by(with_password(name)))


LINE_ENDS = st.sampled_from([" ", "", "\\r\\n", "\n ", "\0", "\t", "%0D%0A", ";"])


@given(
    st.sampled_from(NAMES),
    LINE_ENDS,
    st.sampled_from(
        [
            "",
            "v=0\r\n",
            HEAD,
            HEAD + "m=audio 9 x 0 ",
            HEAD + "a=fmtp:0 ",
            HEAD + "m=audio 9 x 0\r\na=candidate:",
        ]
    ),
    st.integers(0, 40),
)
def test_the_password_shows_in_no_error_of_a_mangled_offer(
    name: str, end: str, before: str, skip: int
) -> None:
    text = before + end.join(with_password(name).split("\r\n")[skip:])
    assert not any(PASSWORD in shown for shown in shown_by(text))
    for problem in check_offer(text):
        assert PASSWORD not in repr(problem)


@pytest.mark.parametrize(
    "line",
    [
        "a=ice-pwd:{}",
        "a=ICE-PWD: {}",
        "a=ice-pwd {}",
        "a=ice-pwd={}",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{}",
        "a=mid:ice-pwd:{}",
        "a=candidate:1 1 udp 1 192.0.2.1 9 typ host a=ice-pwd:{}",
        "a=fingerprint:sha-256 AA a=ice-pwd:{}",
        "a=fmtp:0 a=1;a=ice-pwd:{}",
        "a=rtpmap:0 ice-pwd:{}/8000",
        "m=ice-pwd:{} 9 x 0",
        "m=audio 9 RTP/AVP ice-pwd:{}",
        "m=audio ice-pwd:{}",
        "a=group:BUNDLE ice-pwd:{}",
        "a=setup:ice-pwd:{}",
        "a=ice-pwd:\n{}",
        "k=clear:{}",
        "{}",
    ],
)
def test_passwords_in_odd_places_are_not_shown(line: str) -> None:
    text = HEAD + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" + line.format(PASSWORD) + "\r\n"
    assert not any(PASSWORD in shown for shown in shown_by(text))
    assert not any(PASSWORD in repr(problem) for problem in check_offer(text))


@pytest.mark.parametrize("key", ["sk-proj-0123456789abcdef", "ek_0123456789abcdef"])
def test_keys_are_not_shown_either(key: str) -> None:
    for text in (f"v={key}\r\n", HEAD + f"m={key}\r\n", HEAD + f"a=group:BUNDLE {key}\r\n"):
        assert not any(key in shown for shown in shown_by(text))
        assert check_offer(text)
        assert not any(key in repr(problem) for problem in check_offer(text))


# ---- work

GROWING: dict[str, Callable[[int], str]] = {
    "media lines": lambda n: HEAD + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n" * n,
    "media lines with mids in one group": lambda n: (
        HEAD
        + "a=group:BUNDLE "
        + " ".join(map(str, range(n)))
        + "\r\n"
        + "".join(f"m=audio 0 RTP/AVP 0\r\na=mid:{i}\r\n" for i in range(n))
    ),
    "sections below a long session": lambda n: (
        HEAD
        + "a=ice-ufrag:f\r\na=ice-pwd:p\r\na=setup:actpass\r\na=fingerprint:x\r\n" * n
        + "a=fingerprint:sha-256 AA\r\n"
        + "".join(f"m=audio 9 RTP/AVP 0\r\na=mid:{i}\r\n" for i in range(n))
    ),
    "groups": lambda n: HEAD + "a=group:BUNDLE a b\r\n" * n,
    "candidates": lambda n: HEAD + "m=a 9 x 0\r\n" + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * n,
    "broken candidates": lambda n: HEAD + "m=a 9 x 0\r\n" + "a=candidate:1\r\n" * n,
    "attributes": lambda n: HEAD + "a=x\r\n" * n,
    "codecs": lambda n: (
        HEAD + "m=audio 9 RTP/AVP" + " 96" * n + "\r\n" + "a=rtpmap:96 x/1\r\na=fmtp:96 a=1\r\n" * n
    ),
    "broken lines": lambda n: HEAD + "?\r\n" * n,
    "blank lines": lambda n: HEAD + "\n" * n,
}


def read_all(text: str) -> None:
    description = SessionDescription.parse(text)
    _ = description.candidates, description.codecs, description.bundle, description.ice_pwd
    _ = [(media.direction, media.fingerprint, media.attributes) for media in description.media]


@pytest.mark.parametrize("shape", GROWING)
@pytest.mark.parametrize("work", [check_offer, read_all], ids=["check", "read"])
def test_the_work_grows_linearly_with_the_text(shape: str, work: Callable[[str], Any]) -> None:
    if shape == "broken lines" and work is read_all:
        work = use
    few, many = (count_calls(partial(work, GROWING[shape](n))) for n in (450, 900))
    assert many < 2.1 * few
