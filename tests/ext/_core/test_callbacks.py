"""Code of the program that is called in tasks."""

from __future__ import annotations

import asyncio
import gc

import pytest

from realtime_ext._core.callbacks import contained_call


def test_a_task_that_is_cancelled_before_it_begins_leaves_no_coroutine() -> None:
    """Where it had been made already, Python would warn that it was never awaited."""
    called: list[str] = []

    async def handler(name: str) -> None:
        called.append(name)

    async def main() -> None:
        cancelled = asyncio.create_task(contained_call("the handler", handler, "a"))
        cancelled.cancel()
        await contained_call("the handler", handler, "b")
        with pytest.raises(asyncio.CancelledError):
            await cancelled

    asyncio.run(main())
    gc.collect()
    assert called == ["b"]


def test_what_means_a_cancellation_is_an_error_of_the_function() -> None:
    async def handler() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="the handler raised CancelledError"):
        asyncio.run(contained_call("the handler", handler))
