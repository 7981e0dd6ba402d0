"""Events that this package puts into the stream itself, beside those of the API.

They are `UnknownEvent`s of a class of their own, so that a program which exhausts `ServerEvent` needs no
change to meet them.
"""

from __future__ import annotations

import attrs

from ...events import UnknownEvent

__all__ = ["LOCAL_SIZE", "Reconnected", "SessionExpiring"]

LOCAL_SIZE = 64  # bytes that one of them counts for


@attrs.frozen
class Reconnected(UnknownEvent):
    """The connection was lost and is there again; what was sent in between is not known.

    Type `realtime_ext.reconnected`.

    Attributes:
        attempts: How many it took.
        replayed: How many items the new session was given; 0 for a sideband, whose session went on.
    """

    @classmethod
    def make(cls, *, attempts: int, replayed: int) -> Reconnected:
        """Make one."""
        return cls("realtime_ext.reconnected", {"attempts": attempts, "replayed": replayed})

    @property
    def attempts(self) -> int:
        """How many attempts it took."""
        return int(self.data["attempts"])

    @property
    def replayed(self) -> int:
        """How many items were replayed."""
        return int(self.data["replayed"])


@attrs.frozen
class SessionExpiring(UnknownEvent):
    """The session will reach its time limit soon, and cannot be resumed after that.

    Type `realtime_ext.session_expiring`.

    Attributes:
        seconds_left: How long it has left, about.
    """

    @classmethod
    def make(cls, *, seconds_left: float) -> SessionExpiring:
        """Make one."""
        return cls("realtime_ext.session_expiring", {"seconds_left": seconds_left})

    @property
    def seconds_left(self) -> float:
        """Seconds that are left."""
        return float(self.data["seconds_left"])
