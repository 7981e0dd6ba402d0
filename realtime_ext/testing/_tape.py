"""Recording sessions with the real API, and playing them in tests: for WebSockets what vcrpy is for HTTP."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realtime_simulator import Simulator

__all__ = ["record_session", "replay_session"]

_API = "https://api.openai.com/v1"


@contextlib.contextmanager
def record_session(
    path: str | os.PathLike[str],
    *,
    upstream: str | None = None,
    api_key: str | None = None,
    **options: Any,
) -> Iterator[Simulator]:
    """Pass everything on to an API, and write down what goes over WebSockets, both ways and with its timing.

        with record_session("tests/tapes/greeting.jsonl") as sim:
            client = RealtimeClient(sim.api_key, base_url=sim.base_url)

    Keys, client secrets and what else looks like a secret are not in the file.

    Args:
        path: The file, JSON lines; it is written anew.
        upstream: The API's base URL; OPENAI_BASE_URL or the API itself if None.
        api_key: Its key; OPENAI_API_KEY if None.
        options: Further arguments of `Simulator`.

    Returns:
        A context manager; its value is what clients connect to.

    Raises:
        OSError: The file can't be written.
        ValueError: The address is no http or https URL.
    """
    from realtime_simulator import Simulator

    address = upstream or os.environ.get("OPENAI_BASE_URL") or _API
    key = api_key or os.environ.get("OPENAI_API_KEY")
    with Simulator(record=path, upstream=address, upstream_key=key, **options) as simulator:
        yield simulator


@contextlib.contextmanager
def replay_session(path: str | os.PathLike[str], **options: Any) -> Iterator[Simulator]:
    """Play what `record_session` wrote to a client that sends what was recorded.

    Messages are compared by type and content; event and item ids that the client makes up may differ.

    Args:
        path: The file.
        options: Further arguments of `Simulator`.

    Returns:
        A context manager; its value is what clients connect to.

    Raises:
        AssertionError: The client sent something else; the message names the first difference.
        OSError: The file can't be read.
        ValueError: It is no recording; the message names the line.
    """
    from realtime_simulator import Simulator

    with Simulator(replay=path, **options) as simulator:
        yield simulator
    if simulator.differences:
        raise AssertionError(simulator.differences[0])
