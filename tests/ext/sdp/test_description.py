"""SessionDescription: reading without loss, and what the typed views say of real offers."""

from __future__ import annotations

import copy
import pickle

import pytest
from aiortc.sdp import SessionDescription as AiortcDescription

from realtime_ext.errors import SdpError
from realtime_ext.sdp import Candidate, Codec, Media, SessionDescription
from tests.samples.sdp import NAMES, sample
from tests.support.examples import check_each
from tests.support.rows import each

CHROMIUM = "offer-chromium-audio-datachannel"
HEAD = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


def audio(*lines: str, head: str = "", formats: str = "111") -> Media:
    text = HEAD + head + "".join(f"{line}\r\n" for line in (f"m=audio 9 UDP/TLS/RTP/SAVPF {formats}", *lines))
    found = SessionDescription.parse(text).audio
    assert found is not None
    return found


STATIC = audio(formats="0 3 8 9 13 18")


# ---- nothing is lost


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\n\r"])
@pytest.mark.parametrize("trimmed", [False, True])
def test_a_description_is_written_as_it_was_read(end: str, trimmed: bool, subtests: pytest.Subtests) -> None:
    def check(name: str) -> None:
        text = sample(name).replace("\r\n", end)
        text = text.rstrip("\r\n") if trimmed else text
        description = SessionDescription.parse(text)
        assert str(description) == text
        assert bytes(description) == text.encode()
        assert SessionDescription.parse(text.encode()) == description

    check_each(subtests, NAMES, check)


@each("end", ["\n", "\r", "\r\n\r\n"])
def test_line_ends_do_not_change_the_description(end: str) -> None:
    expected = SessionDescription.parse(sample(CHROMIUM))
    found = SessionDescription.parse(sample(CHROMIUM).replace("\r\n", end))
    assert [media.candidates for media in found.media] == [media.candidates for media in expected.media]
    assert found.codecs == expected.codecs
    assert (found.ice_ufrag, found.ice_pwd, found.fingerprint) == (
        expected.ice_ufrag,
        expected.ice_pwd,
        expected.fingerprint,
    )


@each("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_no_other_character_ends_a_line(character: str) -> None:
    text = HEAD + f"a=x:before{character}a=y:after\r\n"
    description = SessionDescription.parse(text)
    assert [(a.name, a.value, a.line) for a in description.attributes] == [
        ("x", f"before{character}a=y:after", 5)
    ]
    assert str(description) == text


def test_blank_lines_are_counted_and_kept() -> None:
    text = "\r\n" + HEAD + "\r\nm=audio 9 RTP/AVP 0\r\n\r\n"
    description = SessionDescription.parse(text)
    assert str(description) == text
    assert [media.line for media in description.media] == [7]


@each("make", [copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_descriptions_copy_and_pickle(make: object) -> None:
    description = SessionDescription.parse(sample(CHROMIUM))
    twin = make(description)  # type: ignore[operator]
    assert twin == description
    assert hash(twin) == hash(description)
    assert twin.candidates == description.candidates
    assert twin.codecs == description.codecs
    assert twin.ice_pwd == description.ice_pwd


# ---- what an independent reader reads too


@each("name", NAMES)
def test_real_descriptions_mean_what_aiortc_reads_in_them(name: str) -> None:
    ours = SessionDescription.parse(sample(name))
    theirs = AiortcDescription.parse(sample(name))
    assert len(ours.media) == len(theirs.media) > 0
    assert list(ours.bundle) == theirs.group[0].items
    for mine, other in zip(ours.media, theirs.media, strict=True):
        assert (mine.kind, mine.port, mine.protocol) == (other.kind, other.port, other.profile)
        assert list(mine.formats) == [str(text) for text in other.fmt]
        assert mine.mid == other.rtp.muxId
        assert mine.direction == (other.direction or "sendrecv")
        assert (mine.ice_ufrag, mine.ice_pwd) == (other.ice.usernameFragment, other.ice.password)
        assert other.dtls is not None
        assert {"actpass": "auto", "active": "client", "passive": "server"}[mine.get("setup") or ""] == (
            other.dtls.role
        )
        assert [(f.algorithm, f.digest) for f in mine.fingerprints] == [
            (f.algorithm, f.value) for f in other.dtls.fingerprints
        ]
        assert [
            (
                c.foundation,
                c.component,
                c.transport,
                c.priority,
                c.address,
                c.port,
                c.type,
                c.extensions.get("tcptype"),
            )
            for c in mine.candidates
        ] == [
            (c.foundation, c.component, c.protocol, c.priority, c.ip, c.port, c.type, c.tcpType)
            for c in other.ice_candidates
        ]
        assert [(c.payload_type, c.name, c.clock_rate) for c in mine.codecs] == [
            (c.payloadType, c.name, c.clockRate) for c in other.rtp.codecs
        ]
        if mine.kind == "audio":
            assert [c.channels for c in mine.codecs] == [c.channels for c in other.rtp.codecs]


# ---- a real offer, value by value


def test_a_browsers_offer_is_laid_open() -> None:
    offer = SessionDescription.parse(sample(CHROMIUM))
    assert [media.kind for media in offer.media] == ["audio", "application"]
    assert offer.audio is offer.media[0]
    assert offer.application is offer.media[1]
    assert offer.bundle == ("0", "1")
    assert offer.ice_ufrag == offer.audio.ice_ufrag
    assert offer.fingerprint == offer.audio.fingerprint
    assert offer.fingerprint is not None
    assert offer.fingerprint.algorithm == "sha-256"
    assert offer.fingerprint.digest.count(":") == 31
    assert str(offer.fingerprint) in sample(CHROMIUM)
    assert offer.audio.codecs[0] == Codec(111, "opus", 48000, 2, {"minptime": "10", "useinbandfec": "1"})
    assert offer.codecs == offer.audio.codecs
    assert offer.application.get("sctp-port") == "5000"
    assert offer.application.get("max-message-size") == "262144"
    assert offer.application.formats == ("webrtc-datachannel",)
    assert len(offer.candidates) == 16
    assert {candidate.address for candidate in offer.candidates} == {"192.0.2.17", "2001:db8::17"}
    assert sample(CHROMIUM).split("\r\n")[offer.candidates[3].line - 1].startswith("a=candidate:")


def test_names_in_local_are_addresses() -> None:
    offer = SessionDescription.parse(sample("offer-chromium-mdns"))
    assert len(offer.candidates) == 16
    assert all(candidate.is_mdns and not candidate.is_unspecified for candidate in offer.candidates)


# ---- inheritance and defaults


def test_session_attributes_apply_to_its_sections() -> None:
    head = "a=recvonly\r\na=ice-ufrag:frag\r\na=ice-pwd:word\r\na=fingerprint:sha-256 AA:BB\r\n"
    media = audio(head=head)
    assert media.direction == "recvonly"
    assert (media.ice_ufrag, media.ice_pwd) == ("frag", "word")
    assert media.fingerprint == "sha-256 AA:BB"


def test_attributes_of_a_section_have_precedence() -> None:
    head = "a=inactive\r\na=ice-ufrag:session\r\na=fingerprint:sha-256 AA\r\na=setup:passive\r\n"
    media = audio("a=sendonly", "a=ice-ufrag:media", "a=fingerprint:sha-256 BB", "a=setup:active", head=head)
    assert media.direction == "sendonly"
    assert media.ice_ufrag == "media"
    assert media.fingerprints == ("sha-256 BB",)


def test_direction_is_sendrecv_unless_stated() -> None:
    assert audio().direction == "sendrecv"
    assert audio("a=recvonly", "a=sendonly").direction == "recvonly"


def test_the_bundles_first_section_speaks_for_the_connection() -> None:
    text = HEAD + (
        "a=group:LS 0 1\r\na=group:BUNDLE 1 0\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=ice-ufrag:zero\r\na=ice-pwd:pwd0\r\n"
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\na=ice-ufrag:one\r\na=ice-pwd:pwd1\r\n"
    )
    offer = SessionDescription.parse(text)
    assert offer.bundle_groups == (("1", "0"),)
    assert (offer.ice_ufrag, offer.ice_pwd) == ("one", "pwd1")
    lone = SessionDescription.parse(text.replace("BUNDLE", "FID"))
    assert lone.bundle == ()
    assert (lone.ice_ufrag, lone.ice_pwd) == ("zero", "pwd0")


def test_a_description_without_media_has_nothing() -> None:
    empty = SessionDescription.parse(HEAD)
    assert empty.media == empty.candidates == empty.codecs == empty.bundle == ()
    assert empty.audio is empty.application is None
    assert empty.ice_ufrag is empty.ice_pwd is empty.fingerprint is None


def test_a_section_is_out_of_use_at_port_0_unless_it_is_only_bundled() -> None:
    rejected = HEAD + "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n"
    assert SessionDescription.parse(rejected).media[0].is_rejected
    assert not SessionDescription.parse(rejected + "a=bundle-only\r\n").media[0].is_rejected
    assert not SessionDescription.parse(rejected.replace(" 0 UDP", " 9 UDP")).media[0].is_rejected


# ---- codecs


def test_codecs_are_those_of_the_media_line_in_its_order() -> None:
    media = audio(
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:97 telephone-event/8000",
        "a=rtpmap:98 unused/8000",
        "a=fmtp:96 stereo=1; maxplaybackrate=16000",
        "a=fmtp:96 stereo=0;useinbandfec=1",
        "a=fmtp:97 0-16",
        formats="96 0 8 97 99 x",
    )
    assert media.codecs == (
        Codec(96, "opus", 48000, 2, {"stereo": "1", "maxplaybackrate": "16000", "useinbandfec": "1"}),
        Codec(0, "PCMU", 8000),
        Codec(8, "PCMA", 8000),
        Codec(97, "telephone-event", 8000, 1, {"0-16": None}),
    )


def test_a_rtpmap_comes_before_a_payload_types_fixed_meaning() -> None:
    assert audio("a=rtpmap:0 opus/48000/2", formats="0").codecs == (Codec(0, "opus", 48000, 2),)


@each(
    "rtpmap",
    ["", "96", "96 opus", "96 opus/", "96 opus/x", "96 /48000", "128 opus/48000/2", "x opus/48000", "-1 a/1"],
)
def test_rtpmaps_that_cannot_be_read_are_left_out_of_codecs(rtpmap: str) -> None:
    media = audio(f"a=rtpmap:{rtpmap}", formats="96 0")
    assert [codec.name for codec in media.codecs] == ["PCMU"]
    assert media.get_all("rtpmap") == (rtpmap,)


def test_payload_types_with_a_fixed_meaning_need_no_rtpmap() -> None:
    assert [
        (codec.payload_type, codec.name, codec.clock_rate, codec.channels) for codec in STATIC.codecs
    ] == [
        (0, "PCMU", 8000, 1),
        (3, "GSM", 8000, 1),
        (8, "PCMA", 8000, 1),
        (9, "G722", 8000, 1),
        (13, "CN", 8000, 1),
        (18, "G729", 8000, 1),
    ]


# ---- candidates


def test_a_candidates_parts_are_named() -> None:
    media = audio(
        "a=candidate:842163049 1 udp 1677729535 198.51.100.4 46154 typ srflx raddr 10.0.0.2 rport 46154"
        " generation 0 ufrag EEtu network-id 3",
        "a=candidate:1 2 TCP 5 2001:db8::1 9 typ host tcptype active",
    )
    first, second = media.candidates
    assert first == Candidate(
        "842163049",
        1,
        "udp",
        1677729535,
        "198.51.100.4",
        46154,
        "srflx",
        "10.0.0.2",
        46154,
        {"generation": "0", "ufrag": "EEtu", "network-id": "3"},
    )
    assert (first.line, second.line) == (6, 7)
    assert (second.component, second.transport, second.extensions["tcptype"]) == (2, "TCP", "active")
    assert (second.related_address, second.related_port) == (None, None)


def test_unspecified_addresses_are_known() -> None:
    media = audio("a=candidate:1 1 udp 1 0.0.0.0 9 typ host", "a=candidate:1 1 udp 1 :: 9 typ host")
    assert [candidate.is_unspecified for candidate in media.candidates] == [True, True]


@each(
    "value", ["", "1 1 udp 1 192.0.2.1 9", "1 1 udp 1 192.0.2.1 typ host", "1 1 udp 1 example.com 9 typ host"]
)
def test_candidates_that_cannot_be_read_stay_in_the_attributes(value: str) -> None:
    media = audio(f"a=candidate:{value}", "a=candidate:1 1 udp 1 192.0.2.1 9 typ host")
    assert len(media.candidates) == 1
    assert media.attributes[0].value == value


# ---- attributes as such


def test_every_attribute_can_be_asked_for() -> None:
    media = audio("a=x", "a=y:", "a=y:1:2", "b=AS:30", "a=z:a b", "a=x:last")
    assert [(a.name, a.value, a.line) for a in media.attributes] == [
        ("x", None, 6),
        ("y", "", 7),
        ("y", "1:2", 8),
        ("z", "a b", 10),
        ("x", "last", 11),
    ]
    assert media.has("x")
    assert not media.has("w")
    assert media.get("x") is media.get("w") is None
    assert media.get("y") == ""
    assert media.get_all("y") == ("", "1:2")
    assert (media.line_of("z"), media.line_of("w")) == (10, None)


# ---- what is no session description

REFUSED = [
    ("", 1, "empty"),
    (" \r\n\t", 1, "blank"),
    ("garbage", 1, "it begins with 'ga'"),
    ("v=0", 1, "no `o=` line"),
    ("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\n", 3, "no `t=` line"),
    ("v=0\r\ns=-\r\nt=0 0\r\n", 3, "no `o=` line"),
    ("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\nt=0 0\r\n", 3, "no `s=` line"),
    ("o=- 1 2 IN IP4 127.0.0.1\r\nv=0\r\ns=-\r\nt=0 0\r\n", 1, "instead of `v=0`"),
    (HEAD.replace("v=0", "v=1"), 1, "version is '1'"),
    (HEAD.replace("v=0", "V=0"), 1, "instead of `v=0`"),
    (HEAD.replace("\r\n", " "), 1, "version"),
    (HEAD.replace("\r\n", "\\r\\n"), 1, "backslash"),
    ("\ufeff" + HEAD, 1, "byte order mark"),
    ('{"type": "offer", "sdp": "v=0"}', 1, "JSON"),
    ('  {"type": "offer"}', 1, "JSON"),
    ('"v=0\\r\\n"', 1, "JSON"),
    ("<!doctype html><title>502</title>", 1, "HTML"),
    (HEAD + "a x\r\n", 5, "begins with 'a '"),
    (HEAD + " a=x\r\n", 5, "begins with ' a'"),
    (HEAD + "=x\r\n", 5, "begins with '=x'"),
    (HEAD + "ä=x\r\n", 5, "begins with 'ä='"),
    (HEAD + "0=x\r\n", 5, "begins with '0='"),
    (HEAD + "a\r\n", 5, "begins with 'a'"),
    (HEAD + "a=\0\r\n", 5, "NUL"),
    (HEAD + "m=\r\n", 5, "media line is 'm='"),
    (HEAD + "m=audio\r\n", 5, "media line is 'm=audio'"),
    (HEAD + "m=audio 9 RTP/AVP\r\n", 5, "media line"),
    (HEAD + "m=audio x RTP/AVP 0\r\n", 5, "media line"),
    (HEAD + "m=audio 65536 RTP/AVP 0\r\n", 5, "at most 65535"),
    (HEAD + "m=audio -1 RTP/AVP 0\r\n", 5, "media line"),
    (HEAD + "m=audio 9/x RTP/AVP 0\r\n", 5, "media line"),
    (HEAD + "a=\ud800\r\n", 5, "surrogate"),
    (b"\xff\xfe" + HEAD.encode(), 1, "byte 1 is 0xff"),
    (HEAD.encode() + b"a=\xe4\r\n", 5, "0xe4"),
    (HEAD.encode("utf-16-le"), 1, "instead of `v=0`"),
    (None, None, "not as NoneType"),
    (0, None, "not as int"),
    ([HEAD], None, "not as list"),
]


@each("text, line, message", REFUSED, ids=range(len(REFUSED)))
def test_other_text_than_sdp_is_refused(text: object, line: int | None, message: str) -> None:
    with pytest.raises(SdpError) as caught:
        SessionDescription.parse(text)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert caught.value.line == line
    assert isinstance(caught.value, ValueError)


@each("line", [1, 7, 40])
def test_the_refusal_names_the_line(line: int) -> None:
    lines = sample(CHROMIUM).split("\r\n")
    lines[line - 1] = "?"
    with pytest.raises(SdpError) as caught:
        SessionDescription.parse("\r\n".join(lines))
    assert caught.value.line == line
    assert str(caught.value).startswith(f"line {line}: ")


def test_a_repr_counts_the_sections_beyond_the_eighth() -> None:
    sections = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * 10
    shown = repr(SessionDescription.parse(HEAD + sections))
    assert shown.endswith(f"{', '.join(['audio sendrecv'] * 8)}, 2 more>")
    unknown = SessionDescription.parse(HEAD + "m=hologram 9 RTP/AVP 0\r\n")
    assert "'hologram' sendrecv" in repr(unknown)
