"""Run a blocking function for an event loop, in a daemon thread that does not keep the program from ending.

The threads of `asyncio.to_thread` are joined when a program ends, so that a tool which hangs would keep it
from ending. It must not be used for work that has to be finished.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from .callbacks import wrapped

T = TypeVar("T")


async def run_in_thread(function: Callable[[], T], *, name: str) -> T:
    """Run a function in a daemon thread of its own, with this task's context variables.

    Args:
        function: What to run. Cancelling stops the waiting, not the function.
        name: The thread's name.

    Returns:
        What it returned. It raises what the function raised; SystemExit and others that are not an
        Exception, and StopIteration, come as the cause of a RuntimeError.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(deliver: Callable[[Any], None], result: Any) -> None:
        if not outcome.done():
            deliver(result)

    def run() -> None:
        deliver: Callable[[Any], None] = outcome.set_exception
        result: Any
        try:
            result = context.run(function)
            deliver = outcome.set_result
        except Exception as error:
            result = error
            if isinstance(error, StopIteration):  # which no future can carry
                result = wrapped(error, "the function")
        except BaseException as error:  # it would end the event loop, and all connections with it
            result = wrapped(error, "the function")
        with contextlib.suppress(RuntimeError):  # the loop was closed
            loop.call_soon_threadsafe(settle, deliver, result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await outcome


def in_thread(function: Callable[[Any], Any], name: str) -> Callable[[Any], Awaitable[Any]]:
    """Return a coroutine function that runs a blocking one as `run_in_thread` does."""

    async def call(argument: Any) -> Any:
        return await run_in_thread(partial(function, argument), name=name)

    return call
