"""A client whose time passes faster in a test."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, TypeVar

from .._http.sending import Clock

if TYPE_CHECKING:
    from ..client import AsyncRealtimeClient, RealtimeClient

ClientT = TypeVar("ClientT", bound="RealtimeClient | AsyncRealtimeClient")


def hurry(client: ClientT, times: float = 10) -> ClientT:
    """Speed up the clock of a client, for the connections that it opens from now on; return the client.

    Audio is sent faster, pauses before a new attempt are shorter, and so is the silence after which a task
    of a Live session is finished. The simulator's time is its own: a call's passes by its `line_speed`.

    Args:
        client: The client, of either kind.
        times: How many times faster. A limit of 60 s is not over before 60 / `times` s.

    Raises:
        TypeError, ValueError: The client is none, or `times` is not a positive number.

    Example:
        ```python
        def test_a_question_is_answered(realtime_simulator, realtime_client):
            with hurry(realtime_client).live.connect(session) as connection:
                connection.send_audio("question.wav")
        ```
    """
    from .._resources.connections import use_clock
    from ..client import AsyncRealtimeClient, RealtimeClient

    if not isinstance(client, RealtimeClient | AsyncRealtimeClient):
        raise TypeError(
            f"client: expected a RealtimeClient or AsyncRealtimeClient, got {type(client).__name__}"
        )
    if isinstance(times, bool) or not isinstance(times, int | float):
        raise TypeError(f"times: expected a number, got {type(times).__name__}")
    if not 0 < times < math.inf:
        raise ValueError(f"times: expected a positive number, got {times!r}")

    async def asleep(seconds: float) -> None:
        await asyncio.sleep(seconds / times)

    use_clock(client, Clock(monotonic=lambda: time.monotonic() * times, random=lambda: 0.0, asleep=asleep))
    return client
