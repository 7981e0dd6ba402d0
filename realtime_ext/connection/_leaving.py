"""Ending things although whoever does so is being cancelled: calls are hung up and no task stays behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from ..http.sending import AsyncHttp, asend
from ..resources.calls import build_hangup
from ._request import ConnectRequest

__all__ = ["hang_up", "see_through"]

logger = logging.getLogger("realtime_ext")

HANGUP_TIMEOUT = 5.0  # seconds
PATIENCE = 5.0  # seconds that ending something may take once whoever does it is cancelled
_LAST_STEPS = 1.0  # seconds for a task that was cancelled to end


async def see_through(*endings: Coroutine[Any, Any, None] | asyncio.Task[None]) -> None:
    """Do several things at once, to their end, however often this task is cancelled meanwhile.

    Each must be bounded in time. After a cancellation they have 5 s; then they are cancelled too.

    Raises:
        CancelledError: This task was cancelled. What the first of them raised is raised otherwise.
    """
    loop = asyncio.get_running_loop()
    tasks = [one if isinstance(one, asyncio.Task) else loop.create_task(one) for one in endings]
    waiting = {task for task in tasks if not task.done()}
    cancelled: asyncio.CancelledError | None = None
    deadline: float | None = None
    is_over = False
    while waiting:
        left = None if deadline is None else deadline - loop.time()
        if left is not None and left <= 0:
            if is_over:
                logger.warning("something did not end although it was cancelled")
                break
            is_over, left, deadline = True, _LAST_STEPS, loop.time() + _LAST_STEPS
            for task in waiting:
                task.cancel()
        try:
            waiting = (await asyncio.wait(waiting, timeout=left))[1]
        except asyncio.CancelledError as error:
            cancelled = error
            deadline = loop.time() + PATIENCE if deadline is None else deadline
            waiting = {task for task in waiting if not task.done()}
    if cancelled is not None:
        raise cancelled
    for task in tasks:
        task.result()


async def hang_up(http: AsyncHttp, call_id: str) -> None:
    """End a call within 5 s; what fails is logged."""
    limit = asyncio.timeout(HANGUP_TIMEOUT)
    try:
        async with limit:
            await asend(build_hangup(call_id, missing_ok=True), http, ConnectRequest.plain_options())
    except Exception as fault:
        if limit.expired():
            logger.warning("hanging up %s took longer than %g s", call_id, HANGUP_TIMEOUT)
        else:
            logger.warning("hanging up %s failed: %s", call_id, fault)
