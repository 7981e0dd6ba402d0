"""An SDP answer by which nothing connects. Only reads and writes text."""

from __future__ import annotations

import re
import secrets

_PASSWORD = re.compile(r"(?m)^a=ice-pwd:[^\r\n]*")
_CANDIDATE = re.compile(r"(?m)^(a=candidate:\S+ \d+ \S+ \d+ \S+) \d+ ")
_DISCARD = 9


def without_way(answer: str) -> str:
    """Return an answer whose ICE checks come to nothing.

    Nobody listens on its candidates' port, and its password is another than the server's, so that not even
    checks which come in some other way are answered (RFC 8445 §7.3).

    Args:
        answer: An SDP answer.
    """
    answer = _PASSWORD.sub(f"a=ice-pwd:{secrets.token_hex(12)}", answer)
    return _CANDIDATE.sub(rf"\g<1> {_DISCARD} ", answer)
