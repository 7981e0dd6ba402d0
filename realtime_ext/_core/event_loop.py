"""The event loop that async clients and connections need: asyncio's."""

from __future__ import annotations


def require_asyncio() -> None:
    """Check that asyncio runs the calling coroutine.

    Raises:
        RuntimeError: It does not; the message says what to do under trio.
    """
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "AsyncRealtimeClient runs on asyncio only; under trio, use RealtimeClient in a thread: "
            "await trio.to_thread.run_sync(function)"
        ) from None
