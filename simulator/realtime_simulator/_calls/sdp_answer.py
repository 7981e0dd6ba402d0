"""The SDP answer, as the service writes it.

aiortc's own answer is equivalent but differs in form. The changes here don't affect the connection: names,
attributes that a bundle implies, and capabilities that aiortc has but does not list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

NAME = "realtimeapi"
MAX_MESSAGE_BYTES = 1_073_741_823
OPUS_SETTINGS = "minptime=10;useinbandfec=1"
_OPUS = re.compile(r"a=rtpmap:(\d+) opus/", re.IGNORECASE)
_CNAME = re.compile(r"(a=ssrc:\d+ cname:).*")
_LEFT_OUT = ("a=rtcp:", "a=end-of-candidates", "a=fingerprint:")
_CANDIDATE = "a=candidate:"


def as_service(answer: str) -> str:
    """Return an answer as the service words it.

    Args:
        answer: The answer as aiortc has it.
    """
    lines = answer.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("m=")]
    fingerprint = next((line for line in lines if line.startswith("a=fingerprint:sha-256 ")), None)
    written = lines[: starts[0]] + ([fingerprint] if fingerprint is not None else [])
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True)):
        section = lines[start:end]
        # Everything is bundled: the first section's candidates apply to all.
        left_out = (*_LEFT_OUT, *([_CANDIDATE] if number else []))
        if fingerprint is None:
            left_out = tuple(name for name in left_out if not name.startswith("a=fingerprint"))
        written += _section([line for line in section if not line.startswith(left_out)])
    return "\r\n".join([*written, ""])


def _section(lines: list[str]) -> Iterator[str]:
    audio = lines[0].startswith("m=audio ")
    for line in lines:
        if line.startswith("a=msid:"):
            yield f"a=msid:{NAME} audio"
        elif line.startswith("a=max-message-size:"):
            yield f"a=max-message-size:{MAX_MESSAGE_BYTES}"
        elif not line.startswith("a=fmtp:"):
            yield _CNAME.sub(rf"\g<1>{NAME}", line)
        if line == "a=rtcp-mux":
            yield "a=rtcp-rsize"
        if audio and (found := _OPUS.match(line)):
            yield f"a=fmtp:{found[1]} {OPUS_SETTINGS}"
    if not audio:
        yield "a=sendrecv"
