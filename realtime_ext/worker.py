"""Run a blocking function for an event loop, in a daemon thread that nobody has to wait for.

The threads of `asyncio.to_thread` are joined when a program ends, so that a tool which hangs would keep it
from ending. It must not be used for what has to be finished.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["run_in_thread"]

T = TypeVar("T")


async def run_in_thread(function: Callable[[], T], *, name: str) -> T:
    """Run a function in a daemon thread of its own, with this task's context variables.

    Args:
        function: What to run. Cancelling doesn't stop it: nobody waits for it then.
        name: The thread's name.

    Returns:
        What it returned; raises what it raised, which must not be StopIteration: a future can't carry it.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: T | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(value)  # type: ignore[arg-type]
        else:
            outcome.set_exception(error)

    def run() -> None:
        value: T | None = None
        error: BaseException | None = None
        try:
            value = context.run(function)
        except BaseException as fault:
            error = fault
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await outcome
