"""The model's function calls within a fleet: each is answered once, also if the call's owner changes.

Each function call is recorded when it arrives, its output before it is sent, and it is over once the model
has gone on from it. So a new owner knows what a former one left: it runs what has no output, with the same id
for `once`, sends what is not in the conversation, and asks the model to go on.

A call that came while no worker was attached is in no record. The last of them is the conversation's last
item, since the model waits behind it (see `_notes`). Others may be hidden before it, which the model is asked
to repeat. This is done before new function calls are recorded, so that nothing hides before one that is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs

from realtime_ext.errors import APITimeoutError, ConnectionClosedError, RealtimeError
from realtime_ext.tasks import wait
from realtime_ext.tools import Toolbox, ToolContext, ToolResult

from ._errors import OwnershipLost
from ._notes import HINT, NOTE, Notes
from ._store import FunctionRecord, Store

if TYPE_CHECKING:
    from realtime_ext.connection import AsyncConnection

    from ._owned_call import OwnedCall

_ResultT = TypeVar("_ResultT")
logger: logging.Logger = logging.getLogger("realtime_kit.fleet")

PAUSE = 0.5  # seconds before what came meanwhile is looked for again, if the link was lost
FLUSH = 1.0  # seconds
RESPONSES = 8  # whose starts are kept


@attrs.define(eq=False)
class _Function:
    """A function call, as this owner has it.

    Attributes:
        record: As it is in the store, or will be.
        is_recorded: Whether it is there.
        origin: `connection` if it came after its tools were registered, so that the connection answers it;
            `earlier`, so that `resume` does; or `missed`: no owner saw it come, and it was found in the
            conversation.
        sender: Who was the last to begin with its answer.
    """

    record: FunctionRecord
    is_recorded: bool
    origin: Literal["connection", "earlier", "missed"]
    sender: Literal["connection", "resume"] | None = None

    @property
    def is_former(self) -> bool:
        """Whether it came before the connection's tools were registered."""
        return self.origin != "connection"


class Functions(Toolbox):
    """A toolbox whose calls are recorded.

    Args:
        toolbox: The tools.
        call: The call.
        store: Where the records are.
        former: What former owners left.
    """

    def __init__(
        self, toolbox: Toolbox, call: OwnedCall, store: Store, former: Iterable[FunctionRecord]
    ) -> None:
        super().__init__(state=toolbox.state)
        self._toolbox = toolbox
        self._call = call
        self._store = store
        self._functions: dict[str, _Function] = {
            record.id: _Function(record, is_recorded=True, origin="earlier") for record in former
        }
        self._unsent: dict[str, list[str]] = {}  # at the start of each response
        self._notes = Notes()
        self._has_note = False  # whether the next response follows a note
        self._repeating: set[str] = set()  # the responses that do
        self._repeated: dict[str, set[str]] = {}  # in each response, what it repeats
        # The responses of function calls that are not complete. Where the link is lost meanwhile, the
        # connection retrieves them afterwards, without a response.
        self._incomplete: dict[str, str] = {}
        self._looked = asyncio.Event()  # set once what came before the connection is found
        self._turn = asyncio.Lock()  # one function runs at a time, in whatever order they came
        self._recording = asyncio.Lock()
        self._writes: set[asyncio.Task[None]] = set()
        self._sent: set[str] = set()  # to be written
        self._over: set[str] = set()

    @property
    def definitions(self) -> list[Any]:
        """What goes into a session's `tools`."""
        return self._toolbox.definitions

    async def arun(
        self, name: str, arguments: str | bytes, *, context: ToolContext[Any] | None = None
    ) -> ToolResult:
        """Run a tool unless its output is recorded; never returns once the call belongs to another worker."""
        text = arguments if isinstance(arguments, str) else arguments.decode(errors="replace")
        context = ToolContext(state=self.state) if context is None else context
        function = self._arrive(context.call_id, name, text, "")
        # The end of its response may tell the connection of a function call that `resume` has found before.
        is_resumed, function.sender = function.sender == "resume", "connection"
        result = await self._run(function, context)
        return attrs.evolve(result, silent=True) if is_resumed else result

    async def _run(self, function: _Function, context: ToolContext[Any]) -> ToolResult:
        return await self._guarded(self._run_once(function, context))

    async def _guarded(self, work: Coroutine[Any, Any, _ResultT]) -> _ResultT:
        """Do what only the owner may; never returns once the call belongs to another worker."""
        try:
            return await work
        except OwnershipLost:
            self._call._lose()  # closes the connection, and so ends the task that waits here
            await asyncio.get_running_loop().create_future()
            raise

    async def _run_once(self, function: _Function, context: ToolContext[Any]) -> ToolResult:
        async with self._turn:
            await self._record(function)
            record = function.record
            if record.output is not None:
                return ToolResult(output=record.output, silent=record.is_silent)
            await self._call._confirm()
            context = attrs.evolve(context, call_id=record.key)
            result = await self._toolbox.arun(record.name, record.arguments, context=context)
            if result.failure is not None and isinstance(result.failure.error, OwnershipLost):
                raise result.failure.error
            await self._call._confirm()
            await self._finish(function, result.output, is_silent=result.silent)
            return result

    # Records

    def observe(self, direction: str, event: Any, _: int) -> None:
        """Record what the connection's events say of function calls."""
        if direction != "in":
            return
        item = getattr(event, "item", None)
        match getattr(event, "type", None):
            case "response.created":
                self._begun(getattr(event.response, "id", None))
            case "response.output_item.added" if getattr(item, "type", None) == "function_call":
                self._incomplete[getattr(item, "call_id", "")] = getattr(event, "response_id", "")
            case "response.output_item.done" if getattr(item, "type", None) == "function_call":
                self._complete(item, getattr(event, "response_id", "") or "")
            case "conversation.item.retrieved" if getattr(item, "call_id", None) in self._incomplete:
                self._complete(item, "")
            case "conversation.item.added" | "conversation.item.created" | "conversation.item.done" if (
                getattr(item, "type", None) == "function_call_output"
            ):
                self._answered(getattr(item, "call_id", None))

    def _complete(self, item: Any, response_id: str) -> None:
        call_id, name = getattr(item, "call_id", None), getattr(item, "name", None)
        if getattr(item, "status", None) in ("incomplete", "in_progress"):
            self._incomplete.pop(str(call_id), None)
        elif isinstance(call_id, str) and isinstance(name, str):
            function = self._arrive(call_id, name, getattr(item, "arguments", None) or "", response_id)
            self._write(self._record(function))

    def _arrive(
        self, call_id: str, name: str, arguments: str, response_id: str, *, is_missed: bool = False
    ) -> _Function:
        known = self._functions.get(call_id)
        response_id = self._incomplete.pop(call_id, response_id)
        if known is None:
            record = FunctionRecord(
                id=call_id,
                key=self._key(call_id, name, arguments, response_id, is_missed=is_missed),
                name=name,
                arguments=arguments,
                response_id=response_id,
                is_repeat=response_id in self._repeating,
            )
            known = self._functions[call_id] = _Function(
                record, is_recorded=False, origin="missed" if is_missed else "connection"
            )
            if is_missed:  # it came before all responses that this connection knows of
                for unsent in self._unsent.values():
                    unsent.append(call_id)
        return known

    def _key(self, call_id: str, name: str, arguments: str, response_id: str, *, is_missed: bool) -> str:
        """Return the id under which a new function call's effects are recorded.

        It repeats another one, of the same function with the same arguments, if the model had the output of
        that one neither when the response began nor since; or if that one was itself repeated because of a
        note, which makes the model repeat it each time. In one response it is repeated once. A missed one
        came before those of this connection, which may repeat it because of the note that looked for it; its
        response may have begun before the model had an output that is in the conversation by now.
        """
        unsent = self._unsent.get(response_id)
        repeated = self._repeated.setdefault(response_id, set())
        for earlier in self._functions.values():
            known = earlier.record
            was_unanswered = not known.is_sent if unsent is None else known.id in unsent
            was_unanswered |= is_missed and not (earlier.is_former and known.is_over)
            if (
                (was_unanswered or (known.is_repeat and response_id in self._repeating))
                and (known.response_id != response_id or not response_id)
                and (known.key not in repeated or not response_id)
                and known.name == name
                and _same(known.arguments, arguments)
            ):
                logger.info("%s: %s repeats %s", self._call.id, call_id, known.key)
                repeated.add(known.key)
                return known.key
        return call_id

    def _left(self) -> list[_Function]:
        """Return what former owners left, oldest first."""
        return [one for one in self._functions.values() if one.is_former and not one.record.is_over]

    def _begun(self, response_id: str | None) -> None:
        """A response has begun: the model goes on from all outputs that are in the conversation."""
        if response_id is not None:
            self._opened(response_id)
        sent = [one for one in self._functions.values() if one.record.is_sent]
        self._end([one for one in sent if response_id is None or one.record.response_id != response_id])

    def _opened(self, response_id: str) -> None:
        unsent = [one.record.id for one in self._functions.values() if not one.record.is_sent]
        unsent += self._incomplete
        self._unsent[response_id] = unsent
        while len(self._unsent) > RESPONSES:
            del self._unsent[next(iter(self._unsent))]
        if self._has_note:
            self._repeating.add(response_id)
            self._has_note = False

    def _answered(self, call_id: Any) -> None:
        """An output is in the conversation."""
        function = self._functions.get(call_id)
        if function is None or function.record.is_sent:
            return
        function.record = attrs.evolve(function.record, is_sent=True)
        if function.record.is_silent:
            self._end([function])
        else:
            self._sent.add(call_id)
            self._write(self._record_answers())

    def _end(self, functions: Iterable[_Function]) -> None:
        """The model goes on from function calls."""
        ending = [one for one in functions if not one.record.is_over]
        if ending:
            for one in ending:
                one.record = attrs.evolve(one.record, is_over=True)
            self._over.update(one.record.id for one in ending)
            self._write(self._record_answers())

    async def _record(self, function: _Function) -> None:
        if function.origin != "missed":  # so that nothing is missed before a function call that is recorded
            await self._looked.wait()
        async with self._recording:
            if not function.is_recorded:
                await self._call._own_write(
                    lambda: self._store.begin_function(self._call.id, self._call.epoch, function.record)
                )
                function.is_recorded = True

    async def _record_answers(self) -> None:
        async with self._recording:
            sent, self._sent = self._sent, set()
            over, self._over = self._over, set()
            if sent or over:
                await self._call._own_write(
                    lambda: self._store.answer_functions(
                        self._call.id, self._call.epoch, sent=[*sent], over=[*over]
                    )
                )

    async def _finish(self, function: _Function, output: str, *, is_silent: bool = False) -> None:
        call = self._call
        await call._own_write(
            lambda: self._store.finish_function(
                call.id, call.epoch, function.record.id, output, is_silent=is_silent
            )
        )
        function.record = attrs.evolve(function.record, output=output, is_silent=is_silent)

    def _write(self, work: Coroutine[Any, Any, None]) -> None:
        """Write in the background; once the call is another worker's, its records are too."""

        async def write() -> None:
            try:
                await work
            except OwnershipLost:
                self._call._lose()

        task = asyncio.create_task(write(), name=f"fleet functions {self._call.id}")
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        task.add_done_callback(lambda _: work.close())  # it may have been cancelled before it began

    async def flush(self) -> None:
        """Wait a moment for what is being recorded, before the call is handed on."""
        if not self._looked.is_set():  # the next owner finds it
            for one in self._writes:
                one.cancel()
        if self._writes:
            await wait(self._writes, FLUSH)

    def _leave(self) -> None:
        """Leave what came until now to `resume`, and what follows to the connection."""
        for function in self._functions.values():
            if function.origin == "connection":
                function.origin = "earlier"

    # What former owners left

    def attached(self) -> bool:
        """Leave function calls from now on to the connection; return whether there may be earlier ones."""
        self._leave()
        if self._left() or self._call.epoch > 1:
            return True
        self._looked.set()
        return False

    async def resume(self, connection: AsyncConnection, *, is_behind: bool) -> None:
        """Answer function calls that former owners left, and those that came while the link was lost.

        Args:
            connection: A new sideband of the call.
            is_behind: Whether there may be such calls already.
        """
        with contextlib.suppress(ConnectionClosedError):
            while not connection.is_closed:
                with connection.expect("realtime_ext.reconnected") as reconnected:
                    if is_behind:
                        await self._catch_up(connection)
                    await reconnected.wait(None)
                self._looked.clear()
                is_behind = True

    async def _catch_up(self, connection: AsyncConnection) -> None:
        while not connection.is_closed:
            try:
                return await self._resume(connection)
            except APITimeoutError as error:
                logger.info("%s: %s", connection.call_id, error)
            except ConnectionClosedError as error:  # a sideband that reconnects goes on
                logger.info("%s: %s", connection.call_id, error)
                await asyncio.sleep(PAUSE)
            except RealtimeError as error:
                logger.warning("%s: could not look for missed function calls: %s", self._call.id, error)
                return
            finally:  # new function calls wait no longer
                self._looked.set()

    async def _resume(self, connection: AsyncConnection) -> None:
        former = self._left()
        wants_response = await self._look(connection, former)
        self._looked.set()
        for one in former:
            if one.record.is_sent or one.sender == "connection":
                continue
            one.sender = "resume"
            context: ToolContext[Any] = ToolContext(connection, one.record.id, self.state)
            result = await self._run(one, context)
            item: Any = {"type": "function_call_output", "call_id": one.record.id, "output": result.output}
            await connection.create_item(item)
            wants_response |= not result.silent
        if wants_response:
            await connection.create_response()

    async def _look(self, connection: AsyncConnection, former: list[_Function]) -> bool:
        """Insert a note if function calls may be missing; return whether to ask the model to go on.

        The note stays in the conversation: if this owner is lost, the next one finds it.
        """
        probe, last = await self._notes.last_item(connection)
        note: str | None = None
        wants_response = isinstance(last, str) and last == NOTE
        if last is not None and not isinstance(last, str):
            note, wants_response = await self._read(last, former)
        self._has_note |= NOTE in (note, last)
        if note is not None:
            await self._notes.insert(connection, note, after=probe)
        await connection.delete_item(probe)
        return wants_response

    async def _read(self, last: Any, former: list[_Function]) -> tuple[str | None, bool]:
        """Return which note the last item calls for, and whether to ask the model to go on.

        Args:
            last: The item; a function call that was missed is added to `former`.
            former: What former owners left; what has its output in the conversation is marked as sent.
        """
        call_id = getattr(last, "call_id", None)
        known = self._functions.get(call_id) if isinstance(call_id, str) else None
        wants_response = False
        if last.type == "function_call" and isinstance(call_id, str):
            if known is not None and known.is_former and known.is_recorded and known.record.response_id:
                return None, False  # its first owner has looked for earlier ones
            if known is None and getattr(last, "status", None) != "in_progress":
                known = self._arrive(call_id, last.name, last.arguments or "", "", is_missed=True)
                former.append(known)
            if known is not None and known.origin == "missed":
                await self._guarded(self._record(known))
            return NOTE, False
        if last.type == "function_call_output" and known is not None:
            if known in former:
                for one in former:  # outputs are sent in the order of the calls
                    if one.record.output is not None or one is known:
                        wants_response |= not one.record.is_silent
                        self._answered(one.record.id)
                    if one is known:
                        break
            return None, wants_response
        return HINT, False


def _same(one: str, other: str) -> bool:
    """Return whether two texts are the same arguments."""
    try:
        return one == other or bool(json.loads(one) == json.loads(other))
    except (ValueError, RecursionError):
        return False
