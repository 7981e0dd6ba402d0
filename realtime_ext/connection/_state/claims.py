"""What is done once over all connections of a session in this process: function calls and delegated tasks.

Several connections of a session see the same events. Other processes are not known here.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any


class Claims:
    """What the connections of one session do, each of which is done by the first that claims it."""

    __slots__ = ("__weakref__", "_claimed", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claimed: dict[str, weakref.ref[Any]] = {}

    def claim(self, what: str, owner: object) -> bool:
        """Return whether this owner is to do something: it is the first that asks.

        Args:
            what: The id of a task, or of a response whose functions are to be called.
            owner: The part of a connection that asks.
        """
        with self._lock:
            return self._claimed.setdefault(what, weakref.ref(owner))() is owner


_lock = threading.Lock()
_known: weakref.WeakValueDictionary[str, Claims] = weakref.WeakValueDictionary()


def claims_of(session: str) -> Claims:
    """Return the claims of a session, which exist as long as one of its connections.

    Args:
        session: Its address: ids of different servers may be the same.
    """
    with _lock:
        claims = _known.get(session)
        if claims is None:
            claims = _known[session] = Claims()
        return claims
