"""Delegated work of Live calls in a fleet: each piece is done once, over all owners.

It is recorded as it comes, with its outcome before that is sent, in the same records as the function calls of
a Realtime call; a task that is delegated to the program is one without a name, whose arguments are the user's
words. The next owner attaches, learns from the events of the last seconds what the backend has gone on from,
and takes over what is left.

What came while no worker was attached, longer ago than these seconds, is in no record. The model is told to
delegate again what it has no result of; and where the backend says that an output is missing, it is told to
repeat that function call.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import attrs

from realtime_ext.connection import Handover
from realtime_ext.errors import RealtimeError
from realtime_ext.tasks import contained
from realtime_ext.tools import Toolbox, error_output

from ._errors import OwnershipLost
from ._functions import Functions
from ._store import FunctionRecord, Store

if TYPE_CHECKING:
    from realtime_ext.connection import AsyncDelegation, AsyncLiveConnection

    from ._owned_call import OwnedCall

logger: logging.Logger = logging.getLogger("realtime_kit.fleet")

AGAIN = (
    "The application was out of reach for a moment. If something that you delegated has no result, and you "
    "have not delegated it again since, delegate it again."
)
REPEAT = "the application was out of reach: call the function again with the same arguments"
_MISSING = re.compile(r"No tool output found for function call (.+?)\.?$")
_ENDS = ("response.failed", "response.incomplete", "response.cancelled")


class LiveWork(Functions):
    """A toolbox of a Live call, and a handler of tasks, whose work is recorded."""

    def __init__(
        self, toolbox: Toolbox, call: OwnedCall, store: Store, former: Iterable[FunctionRecord]
    ) -> None:
        super().__init__(toolbox, call, store, former)
        self._looked.set()  # the events of the last seconds tell
        self._connection: AsyncLiveConnection | None = None
        self._passed: set[str] = set()  # before that: the function calls that the backend has gone on from

    # What other owners left

    def take_over(self, connection: AsyncLiveConnection) -> Handover:
        """Begin to record for a connection that has got the events of the last seconds.

        Args:
            connection: A new sideband of the call.

        Returns:
            What is to be taken over.
        """
        self._connection = connection
        self._end([one for one in self._functions.values() if one.record.id in self._passed])
        left = [one.record for one in self._functions.values() if not one.record.is_over and one.is_former]
        over = [one.record.id for one in self._functions.values() if one.record.is_over]
        self._leave()
        return Handover(
            functions={record.id: (record.name, record.arguments) for record in left if record.name},
            tasks={record.id: record.arguments for record in left if not record.name},
            done=over,
        )

    async def tell(self, connection: AsyncLiveConnection) -> None:
        """Have the model delegate again what it delegated while no worker was attached."""
        event: Any = {"type": "session.thinking.append", "content": AGAIN, "delegation_id": None}
        with contextlib.suppress(RealtimeError):  # not waiting: a session whose time stands still
            await connection.send(event)

    # Records

    def observe(self, direction: str, event: Any, _: int) -> None:
        """Record what the connection's events say of function calls."""
        kind = getattr(event, "type", None)
        if direction == "out" and kind == "response.item.create":
            item = getattr(event, "item", None)
            if getattr(item, "type", None) == "function_call_output":
                self._answered(getattr(item, "call_id", None))
        elif direction == "in" and kind == "error" and self._connection is not None:
            self._refused(getattr(event.error, "message", None) or "", self._connection)
        elif direction == "in" and kind == "response.event":
            self._nested(event.event)

    def _nested(self, event: Any) -> None:
        kind = _get(event, "type")
        item, response_id = _get(event, "item"), _get(_get(event, "response"), "id")
        if kind == "response.created" and response_id not in self._unsent:
            if self._connection is None:  # it came before what follows, and after all else
                self._opened(response_id)
                self._passed.update(self._backend_calls())
            else:
                self._begun(response_id)
        elif kind in _ENDS and self._connection is None:
            self._passed.update(self._backend_calls())
        elif kind in _ENDS:  # outputs would be refused
            self._end([self._functions[call_id] for call_id in self._backend_calls()])
        elif kind == "response.output_item.done" and _get(item, "type") == "function_call":
            call_id, name = _get(item, "call_id"), _get(item, "name")
            if isinstance(call_id, str) and isinstance(name, str):
                response = next(reversed(self._unsent), "")
                function = self._arrive(call_id, name, _get(item, "arguments") or "", response)
                self._passed.discard(call_id)
                self._write(self._record(function))

    def _backend_calls(self) -> list[str]:
        return [call_id for call_id, one in self._functions.items() if one.record.name]

    def _refused(self, message: str, connection: AsyncLiveConnection) -> None:
        """Have the backend repeat function calls that no owner saw: it can't go on without their outputs."""
        found = _MISSING.search(message)
        missed = [] if found is None else [name.strip() for name in found[1].split(",")]
        missed = [call_id for call_id in missed if call_id not in self._functions]
        if missed and self._call.epoch > 1:
            logger.info("%s: the backend waits for %s", self._call.id, ", ".join(missed))
            self._write(self._answer(missed, connection))

    async def _answer(self, missed: list[str], connection: AsyncLiveConnection) -> None:
        output = error_output("out_of_reach", REPEAT)
        with contextlib.suppress(RealtimeError):
            for call_id in missed:
                item: Any = {"type": "function_call_output", "call_id": call_id, "output": output}
                await connection.send({"type": "response.item.create", "item": item})
            await connection.send({"type": "response.create"})

    # Tasks

    def working(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Return a handler of tasks that does each once, over all owners.

        Args:
            handler: The program's handler.
        """

        @functools.wraps(handler)
        async def work(task: AsyncDelegation) -> Any:
            try:
                return await self._work(handler, task)
            except OwnershipLost:
                self._call._lose()  # closes the connection, and so ends the task that waits here
                await asyncio.get_running_loop().create_future()

        return work

    async def _work(self, handler: Callable[..., Any], task: AsyncDelegation) -> Any:
        known = self._functions.get(task.id)
        if known is None:
            known = self._arrive(task.id, "", task.words, "")
        await self._record(known)
        result: Any = None
        output = known.record.output
        if output is None:
            hearing = asyncio.create_task(self._hear(task), name=f"fleet words {task.id}")
            try:
                result = await contained(_called(handler, task), "the handler")
            except Exception:
                if self._call.is_own and self._connection is not None and not self._connection.is_closed:
                    self._end([known])  # the model is told that it failed
                raise
            finally:
                hearing.cancel()
            output = result if isinstance(result, str) else ""
            await self._call._confirm()
            await self._finish(known, output)
        if output.strip():
            await task.say(output)
        self._end([known])
        await self._record_answers()
        return None if isinstance(result, str) else result

    async def _hear(self, task: AsyncDelegation) -> None:
        """Record all words of a task: the model may delegate in mid-sentence."""
        words = await task.finished()
        known = self._functions[task.id]
        if words != known.record.arguments and known.record.output is None:
            known.record = attrs.evolve(known.record, arguments=words)
            known.is_recorded = False
            with contextlib.suppress(OwnershipLost):
                await self._record(known)


async def _called(handler: Callable[..., Any], task: AsyncDelegation) -> Any:
    result = handler(task)
    return await result if inspect.isawaitable(result) else result


def _get(value: Any, name: str) -> Any:
    """Return a field of an event, which is a model, or JSON if its type is not known."""
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)
