"""Dropping deliveries that came before; in this process's memory alone."""

from __future__ import annotations

import threading
from collections import OrderedDict

__all__ = ["Deduplicator"]


class Deduplicator:
    """Remembers which deliveries and which calls it was asked about.

    The API delivers at least once, and one call can arrive under two webhook ids; answering it twice fails at
    best. Several processes need a shared store instead: any object with the same `seen` can stand in this
    one's place, for instance over Redis, `not redis.set(key, 1, nx=True, ex=259_200)` for each id.

    Safe to use from several threads.

    Args:
        max_entries: How many webhook ids, and as many call ids, are kept; the longest unasked go first. 1 or
            more.

    Raises:
        TypeError: `max_entries` is not an int.
        ValueError: `max_entries` is below 1.

    Example:
        ```python
        if deduplicator.seen(request.headers["webhook-id"], event.data.call_id):
            return Response(status_code=200)
        ```
    """

    def __init__(self, max_entries: int = 10_000) -> None:
        if isinstance(max_entries, bool) or not isinstance(max_entries, int):
            raise TypeError(f"max_entries: expected an int of 1 or more, got {type(max_entries).__name__}")
        if max_entries < 1:
            raise ValueError(f"max_entries: expected 1 or more, got {max_entries}")
        self._max_entries = max_entries
        self._webhooks: OrderedDict[str, None] = OrderedDict()
        self._calls: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def seen(self, webhook_id: str, call_id: str | None = None) -> bool:
        """Say whether this delivery or this call has come before, and remember both.

        Args:
            webhook_id: The `webhook-id` header.
            call_id: The call's id where the event has one: `data.call_id`, or `data.session_id` in live
                events.

        Returns:
            False the first time; True when either id was asked about before.

        Raises:
            TypeError: An id is not a str.
            ValueError: An id is empty.
        """
        for field, value in (("webhook_id", webhook_id), ("call_id", call_id)):
            if not isinstance(value, str) and (field == "webhook_id" or value is not None):
                raise TypeError(f"{field}: expected a str, got {type(value).__name__}")
        if not webhook_id or call_id == "":
            raise ValueError(
                "webhook_id and call_id must not be empty; leave out the call_id that is not there"
            )
        with self._lock:
            known_webhook = self._remember(self._webhooks, webhook_id)
            known_call = call_id is not None and self._remember(self._calls, call_id)
        return known_webhook or known_call

    def _remember(self, entries: OrderedDict[str, None], key: str) -> bool:
        known = key in entries
        entries[key] = None
        entries.move_to_end(key)
        if len(entries) > self._max_entries:
            entries.popitem(last=False)
        return known
