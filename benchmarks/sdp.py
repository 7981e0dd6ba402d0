"""Session descriptions: 1 MB of any shape is read and checked within a second, and time grows with the size
alone.

    .venv/bin/python -m benchmarks.sdp

Prints, for texts that were made to be slow, the time of a quarter and of a whole megabyte, and for real
offers the time that aiortc's own reader takes. Exits with 1 if a megabyte takes a second or longer.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable

from aiortc.sdp import SessionDescription as AiortcDescription

from realtime_ext.errors import SdpError
from realtime_ext.sdp import SessionDescription, check_offer, repair
from tests.samples.sdp import sample

MEGABYTE = 1_000_000
LIMIT = 1.0
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
    "lines that are none": (HEAD, "x\n", ""),
    "one long line that is none": ("", "x", ""),
    "one long version": ("v=", "0", ""),
    "one long media line of spaces": (HEAD + "m=", " ", "\r\n"),
    "spaces": ("", " ", ""),
}


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
    _ = description.candidates, description.codecs, description.mids, description.bundle_groups
    _ = description.ice_ufrag, description.ice_pwd, description.fingerprint, description.attributes
    for media in description.media:
        _ = media.direction, media.setup, media.attributes


def seconds(work: Callable[[str], object], text: str, rounds: int) -> float:
    """Give the best time of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        gc.collect()
        start = time.perf_counter()
        work(text)
        best = min(best, time.perf_counter() - start)
    return best


def main() -> int:
    """Measure and print; give the exit code."""
    slowest = 0.0
    works: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("read", read_all),
        ("check", check_offer),
        ("repair", repair),
    )
    print(f"{'seconds for 0.25 MB → 1 MB':32}" + "".join(f"{name:>18}" for name, _ in works))
    for shape in SHAPES:
        row = f"{shape:32}"
        for _, work in works:
            quarter = seconds(work, grown(shape, MEGABYTE // 4), rounds=3)
            whole = seconds(work, grown(shape, MEGABYTE), rounds=3)
            slowest = max(slowest, whole)
            row += f"{quarter:8.3f} →{whole:8.3f}"
        print(row)
    print(f"\nslowest: {slowest:.3f} s for 1 MB; the limit is {LIMIT:.0f} s\n")

    print(f"{'microseconds for a real offer':32}{'read':>8}{'check':>8}{'aiortc reads':>14}")
    for name in (
        "offer-chromium-audio-datachannel",
        "offer-chromium-video",
        "offer-aiortc-audio-datachannel",
    ):
        text = sample(name)
        times = (seconds(work, text, rounds=200) for work in (read_all, check_offer, AiortcDescription.parse))
        read, check, peer = (1e6 * took for took in times)
        print(f"{name:32}{read:8.0f}{check:8.0f}{peer:14.0f}")
    return 0 if slowest < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
