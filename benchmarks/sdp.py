"""Session descriptions: a megabyte of any shape within half a second, and time grows with the size alone.

For texts that were made to be slow, the time of a quarter and of a whole megabyte; for real offers also the
time that aiortc's own reader takes.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from aiortc.sdp import SessionDescription as AiortcDescription
from rich.console import Console
from rich.table import Table

from realtime_ext.errors import SdpError
from realtime_ext.sdp import SessionDescription, check_offer, repair
from tests.samples.sdp import sample

from .harness import Target, time_text

__all__ = ["run"]

MEGABYTE = 1_000_000
LIMIT = 0.5
"""Seconds for a megabyte."""

HEAD = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
AUDIO = HEAD + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n"

# What comes before, what is repeated, what comes after.
SHAPES: dict[str, tuple[str, str, str]] = {
    "short media lines": (HEAD, "m=a 1 b 1\r\n", ""),
    "audio sections": (HEAD, "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n", ""),
    "candidates": (AUDIO, "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n", ""),
    "IPv6 candidates": (AUDIO, "a=candidate:1 1 udp 1 2001:db8::1 9 typ host\r\n", ""),
    "broken candidates": (AUDIO, "a=candidate:\r\n", ""),
    "one long candidate": (AUDIO + "a=candidate:", "a ", "\r\n"),
    "attributes": (HEAD, "a=x\r\n", ""),
    "attributes of one section": (AUDIO, "a=x\r\n", ""),
    "one long attribute": (AUDIO + "a=fmtp:111 ", "a;", "\r\n"),
    "one long fingerprint": (AUDIO + "a=fingerprint:sha-256 ", "AA:", "\r\n"),
    "formats": (HEAD + "m=audio 9 RTP/AVP", " 1", "\r\n"),
    "rtpmaps": (AUDIO, "a=rtpmap:1 a/1\r\n", ""),
    "fmtps": (AUDIO, "a=fmtp:111 a=1\r\n", ""),
    "BUNDLE groups": (HEAD, "a=group:BUNDLE a b\r\n", ""),
    "one long BUNDLE group": (HEAD + "a=group:BUNDLE", " a", "\r\n"),
    "directions": (AUDIO, "a=inactive\r\n", ""),
    "blank lines, LF": (HEAD, "\n", ""),
    "blank lines, CR": (HEAD, "\r", ""),
    "invalid lines": (HEAD, "x\n", ""),
    "one long invalid line": ("", "x", ""),
    "one long version": ("v=", "0", ""),
    "one long media line of spaces": (HEAD + "m=", " ", "\r\n"),
    "spaces": ("", " ", ""),
}

OFFERS = ("offer-chromium-audio-datachannel", "offer-chromium-video", "offer-aiortc-audio-datachannel")


def grown(shape: str, size: int) -> str:
    """Make a text of this shape and, but for a few characters, this size."""
    before, unit, after = SHAPES[shape]
    return before + unit * ((size - len(before)) // len(unit)) + after


def read_all(text: str) -> None:
    """Read a text and ask for everything that it may hold."""
    try:
        description = SessionDescription.parse(text)
    except SdpError:
        return
    _ = description.candidates, description.codecs, description.bundle_groups
    _ = description.ice_ufrag, description.ice_pwd, description.fingerprint, description.attributes
    for media in description.media:
        _ = media.direction, media.ice_ufrag, media.fingerprints, media.attributes


def seconds(work: Callable[[str], object], text: str, rounds: int, *, times: int = 1) -> float:
    """Return the best time of some rounds, each of that many times."""
    best = float("inf")
    for _ in range(rounds):
        gc.collect()
        start = time.process_time()
        for _ in range(times):
            work(text)
        best = min(best, (time.process_time() - start) / times)
    return best


def run(console: Console) -> list[Target]:
    """Measure and print; return the targets."""
    return [_made_to_be_slow(console), _from_real_peers(console)]


def _made_to_be_slow(console: Console) -> Target:
    works = {"read": read_all, "check": check_offer, "repair": repair}
    table = Table("text", *works, title="a quarter → the whole of a megabyte (best)", title_justify="left")
    slowest = 0.0
    for shape in SHAPES:
        row = [shape]
        for work in works.values():
            quarter, whole = (seconds(work, grown(shape, size), 3) for size in (MEGABYTE // 4, MEGABYTE))
            slowest = max(slowest, whole)
            row.append(f"{time_text(quarter)} → {time_text(whole)}")
        table.add_row(*row)
    console.print(table)
    return Target("slowest megabyte of SDP / limit of 0.5 s", slowest / LIMIT, 1.0, False)


def _from_real_peers(console: Console) -> Target:
    works = {"read": read_all, "check": check_offer, "aiortc reads": AiortcDescription.parse}
    table = Table("offer", *works, title="a real offer (best)", title_justify="left")
    ratios: list[float] = []
    for name in OFFERS:
        read, check, peer = (seconds(work, sample(name), 100, times=20) for work in works.values())
        ratios.append(check / peer)
        table.add_row(name, *map(time_text, (read, check, peer)))
    console.print(table)
    return Target("checking an offer / aiortc parsing it", max(ratios), 1.0, False)
