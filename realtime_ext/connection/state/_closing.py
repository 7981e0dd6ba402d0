"""How a connection ended, and what that means.

It must not close anything.
"""

from __future__ import annotations

from typing import Any

import attrs

from ...errors import ConnectionClosedError, SessionExpired

__all__ = ["TAKING", "TOO_SLOW", "Ending", "is_worth_reconnecting"]

TOO_SLOW = "consumer too slow"
TAKING = "iterate, call run(), or connect with a larger max_queue_bytes"

_NORMAL = 1000
_NO_STATUS = 1005
_POLICY = 1008
# RFC 6455 §7.4.1 and the IANA registry: abnormal, internal error, restart, try again later, bad gateway.
_TRANSIENT = frozenset({None, 1006, 1011, 1012, 1013, 1014})


def is_worth_reconnecting(code: int | None) -> bool:
    """Whether a link that closed with this code (None: no code at all) may work when it is made anew."""
    return code in _TRANSIENT


@attrs.frozen(kw_only=True)
class Ending:
    """The end of a connection.

    Args:
        code: The close code; None if there was none.
        reason: In words.
        is_normal: Whether iteration just ends.
        is_expired: Whether the session's time was up.
        unsent: What was handed over and could not be sent.
        cause: The exception behind it.
    """

    code: int | None
    reason: str
    is_normal: bool = False
    is_expired: bool = False
    unsent: tuple[Any, ...] = ()
    cause: BaseException | None = None

    @classmethod
    def by_peer(
        cls, code: int | None, reason: str, *, expiry: str | None, cause: BaseException | None = None
    ) -> Ending:
        """Make the ending of a link that the other side, or the network, closed.

        Args:
            code: The close code; None if there was none.
            reason: In words.
            expiry: What the server said of the session's time being up; None if it is not.
            cause: The exception behind it.
        """
        is_expired = expiry is not None
        reason = ": ".join(words for words in (reason, expiry) if words)
        is_normal = code in (_NORMAL, _NO_STATUS) and not is_expired
        return cls(code=code, reason=reason, is_normal=is_normal, is_expired=is_expired, cause=cause)

    @classmethod
    def by_user(cls) -> Ending:
        """Make the ending that `close()` brings about."""
        return cls(code=_NORMAL, reason="closed by this side", is_normal=True)

    @classmethod
    def by_slow_consumer(cls, limit: int, *, is_taken: bool = True) -> Ending:
        """Make the ending of a connection whose events nobody took in time.

        Args:
            limit: The bytes that might wait.
            is_taken: Whether anybody took any.
        """
        nobody = "" if is_taken else f", and nobody took any ({TAKING})"
        return cls(code=_POLICY, reason=f"{TOO_SLOW}: more than {limit} bytes of events were waiting{nobody}")

    @property
    def own_code(self) -> int:
        """The code that this side closes the link with; the peer's own is not sent back."""
        return _POLICY if self.reason.startswith(TOO_SLOW) else _NORMAL

    def error(self, unsent: tuple[Any, ...] = ()) -> ConnectionClosedError:
        """Make the exception that stands for it; a new one each time.

        Args:
            unsent: What the caller in question could not send; all of it, if empty.
        """
        kind = SessionExpired if self.is_expired else ConnectionClosedError
        error = kind(self.code, self.reason, unsent or self.unsent)
        error.__cause__ = self.cause
        return error
