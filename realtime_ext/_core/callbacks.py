"""Exceptions of the program's functions, such as observers, handlers and tools.

Such an exception must end neither an event loop that others share, nor silently a task of this package.
Failures of this package itself are logged as such, with their traceback.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

# Their meaning is another outside of the function that raised them.
_CONTROL = (asyncio.CancelledError, GeneratorExit, StopIteration, StopAsyncIteration)


def ordinary(error: BaseException, what: str) -> BaseException:
    """Return what a function raised; in a RuntimeError if it would mean a cancellation or an iterator's end.

    Args:
        error: The exception.
        what: The function, for the message.
    """
    return wrapped(error, what) if isinstance(error, _CONTROL) else error


def wrapped(error: BaseException, what: str) -> RuntimeError:
    """Return a RuntimeError with this cause."""
    text = f": {error}" if str(error) else ""
    outer = RuntimeError(f"{what} raised {type(error).__name__}{text}")
    outer.__cause__ = error
    return outer


def raise_if_interrupt(error: BaseException) -> None:
    """Raise an exception that has to end the program: Ctrl-C or SystemExit in the main thread.

    In another thread it would end an event loop that other connections share.
    """
    is_end = isinstance(error, KeyboardInterrupt | SystemExit)
    if is_end and threading.current_thread() is threading.main_thread():
        raise error


def is_ctrl_c(error: BaseException) -> bool:
    """Return whether an exception may be Ctrl-C, which Python raises in the main thread."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def is_cancelled(error: BaseException, task: asyncio.Task[Any] | None) -> bool:
    """Return whether an exception ends a task: as its cancellation, or because its coroutine is closed.

    A function of the program may also raise CancelledError by itself, such as of a task that it awaited.

    Args:
        error: The exception.
        task: The task in which the function runs.
    """
    if isinstance(error, GeneratorExit):
        return current_task() is not task
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def current_task() -> asyncio.Task[Any] | None:
    """Return the current task; None if there is none."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


async def contained(work: Awaitable[T], what: str) -> T:
    """Await code of the program in a task of this package.

    Args:
        work: What to await.
        what: Its name, for messages.

    Raises:
        RuntimeError: It raised a BaseException that is not an Exception; that is the cause. A cancellation of
            this task, Ctrl-C in the main thread, and other exceptions are raised as they are.
    """
    task = current_task()
    try:
        return await work
    except Exception:
        raise
    except BaseException as error:
        if is_cancelled(error, task) or is_ctrl_c(error):
            raise
        raise wrapped(error, what) from error


async def contained_call(what: str, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Call code of the program, and await it as `contained` does.

    For tasks: one that is cancelled before it begins leaves no coroutine that was never awaited.

    Args:
        what: Its name, for messages.
        function: The code.
        arguments: Its arguments.
    """
    return await contained(function(*arguments), what)


def log_own_failure(logger: logging.Logger, what: str, error: BaseException) -> None:
    """Log a failure of this package.

    Args:
        logger: Where.
        what: What failed, as in "failed to …".
        error: The exception.
    """
    logger.error("realtime_ext failed to %s; please report this", what, exc_info=error)
