"""A call as its owner has it: open it, save data for the next owner, run effects once.

Everything that writes or acts asks first whether this worker still owns the call, by the worker's own clock
and by the epoch.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..._core import json as _json
from ..._core.callbacks import contained
from ..._core.threads import run_in_thread
from ...errors import (
    APIConnectionError,
    APIStatusError,
    ConflictError,
    EffectUnknown,
    FleetError,
    NotFoundError,
    OwnershipLost,
    RealtimeError,
)
from ...sip import SipHeaders
from ._missed_calls import answer_missed
from ._store import CallRecord, CallState, Store

if TYPE_CHECKING:
    from ...client import AsyncRealtimeClient
    from ...connection import AsyncConnection
    from ...session import ConversationLike
    from ...tools import Toolbox

logger: logging.Logger = logging.getLogger("realtime_ext.fleet")

ResultT = TypeVar("ResultT")
RETRY = 0.2  # seconds between attempts to reach the database
# The clock that goes on while the machine is suspended, where there is one.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


def boot_time() -> float:
    """Return seconds of a clock that never stops nor jumps."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


class Lease:
    """Until when a worker may act on its calls, by its own clock.

    Attributes:
        until: In seconds of `boot_time`.
    """

    def __init__(self) -> None:
        self.until: float = 0.0

    @property
    def is_valid(self) -> bool:
        """Whether the worker may act."""
        return boot_time() < self.until


class OwnedCall:
    """A call that this worker owns, until it is over or belongs to another.

        async with call.open(session, tools=[book]) as connection:
            if call.is_new:
                await connection.create_response()
            async for event in connection:
                await call.save({"step": 2})

    Attributes:
        id: The call's id.
        epoch: The fence: each owner has a higher one.
        is_new: Whether no owner before this one was connected to the call.
        data: What `save` stored last, here or at an owner before; None if nothing was.
        headers: Who calls: the SIP headers of the webhook.
    """

    def __init__(
        self, record: CallRecord, store: Store, client: AsyncRealtimeClient, lease: Lease, effects: set[Any]
    ) -> None:
        self.id: str = record.id
        self.epoch: int = record.epoch
        self.is_new: bool = record.state != "attached"
        self.data: Any = record.data
        self.headers: SipHeaders = SipHeaders(record.headers)
        self._is_gone: bool = False  # the API knows no such call any more
        self._is_hung_up: bool = False
        self._state: CallState = record.state
        self._store = store
        self._client = client
        self._lease = lease
        self._is_lost = False
        self._effects = effects  # of all calls of the worker, to be waited for when it drains
        self._running: dict[str, asyncio.Task[Any]] = {}

    def __repr__(self) -> str:
        return f"<OwnedCall {self.id} epoch {self.epoch}>"

    @property
    def is_own(self) -> bool:
        """Whether this worker may still act on the call."""
        return not self._is_lost and self._lease.is_valid

    def _lose(self) -> None:
        """Record that the call belongs to another."""
        self._is_lost = True

    @contextlib.asynccontextmanager
    async def open(
        self,
        session: ConversationLike,
        *,
        tools: Toolbox | Iterable[Callable[..., Any]] | None = None,
        hangup_on_exit: bool = True,
        **options: Any,
    ) -> AsyncIterator[AsyncConnection]:
        """Accept the call unless it was accepted, attach to it, and enter when that is confirmed.

        A function call that the model made while no worker was attached is answered by these tools. When the
        block ends by itself the call is hung up; when it raises or is cancelled, it is not: another owner
        goes on.

        Args:
            session: The conversation's configuration, for accepting the call.
            tools: A toolbox, or functions to make one of, whose `ToolContext.state` is then this call.
            hangup_on_exit: Whether the call ends with the block.
            **options: Further arguments of `client.connect`.

        Yields:
            The connection.

        Raises:
            OwnershipLost: The call belongs to another worker by now.
            SessionConfigError, APIStatusError, APIConnectionError, ConnectionClosedError: As with `answer`.
        """
        from ...session import with_tools
        from ...tools import Toolbox

        toolbox = tools if tools is None or isinstance(tools, Toolbox) else Toolbox(tools, state=self)
        await self._accept(session if toolbox is None else with_tools(session, toolbox))
        async with contextlib.AsyncExitStack() as stack:
            update = {"type": "realtime"} if toolbox is None else None  # what confirms it
            connecting = self._client.connect(call_id=self.id, session=update, tools=toolbox, **options)  # type: ignore[arg-type]
            try:
                connection = await stack.enter_async_context(connecting)
            except NotFoundError:
                self._is_gone = True
                raise
            if toolbox is not None and not self.is_new:
                missed = asyncio.create_task(answer_missed(connection, toolbox))
                stack.callback(missed.cancel)
            if self.is_new:
                await self._write(state="attached")
            yield connection
            if hangup_on_exit:
                await self.hangup()

    async def hangup(self) -> None:
        """Hang up; a call that is over already counts as done.

        Raises:
            OwnershipLost: The call belongs to another worker by now.
            APIStatusError, APIConnectionError: As with `client.calls.hangup`.
        """
        self._check()
        with contextlib.suppress(NotFoundError):
            await self._client.calls.hangup(self.id)
        self._is_hung_up = True

    async def save(self, data: Any) -> None:
        """Store data for the next owner.

        Args:
            data: Small JSON, such as a dict; it replaces the stored data.

        Raises:
            OwnershipLost: The call belongs to another worker by now, or the database was unavailable so long
                that it may.
            TypeError: `data` is None.
            ValueError: It has no JSON form.
        """
        if data is None:
            raise TypeError("save: expected JSON such as a dict, got None")
        stored = _json.decode(_json.encode(data))
        await self._write(data=stored)
        self.data = stored

    async def once(self, key: str, function: Callable[[], Awaitable[ResultT] | ResultT]) -> ResultT:
        """Run a function with an effect once over all owners of the call, and return its result every time.

        Args:
            key: What the effect is, within the call: the function call's id, for instance. Pass it on as
                an idempotency key, together with the call's id, to whatever is asked for the effect.
            function: What to run, without arguments; async, or blocking in a thread. An exception that it
                raises says that nothing happened: then it may run again. It is not cancelled with the
                caller, so that its result is recorded.

        Returns:
            Its return value as JSON; at a repetition the first one.

        Raises:
            EffectUnknown: An earlier owner began it, and its outcome was not recorded in time.
            OwnershipLost: The call belongs to another worker by now; the function did not run.
            TypeError, ValueError: The result has no JSON form; None is recorded in its place.
        """
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._once(key, function), name=f"once {key}")
            self._effects.add(task)
            task.add_done_callback(partial(self._ran, key))
        result: ResultT = await asyncio.shield(task)
        return result

    def _ran(self, key: str, task: asyncio.Task[Any]) -> None:
        self._effects.discard(task)
        del self._running[key]
        if not task.cancelled():
            task.exception()  # retrieved, for the caller may have been cancelled

    async def _once(self, key: str, function: Callable[[], Any]) -> Any:
        patience = boot_time() + self._store.limits.time_to_live
        while True:
            effect = await self._fenced(lambda: self._store.begin_effect(self.id, self.epoch, key))
            if effect.state != "unknown" or boot_time() > patience:
                break
            await asyncio.sleep(RETRY)  # a former owner that was asked to go may be about to record it
        if effect.state == "done":
            return effect.result
        if effect.state == "lost":
            self._lose()
            raise self._lost()
        if effect.state == "unknown":
            raise EffectUnknown(
                f"{key}: an earlier owner began it, and it may have happened; ask its service, by the key"
            )
        try:
            self._check()
            if inspect.iscoroutinefunction(function):
                result = await contained(function(), key)
            else:
                result = await run_in_thread(function, name=f"once {key}")
                result = await contained(result, key) if inspect.isawaitable(result) else result
        except Exception:
            await self._recorded(lambda: self._store.forget_effect(self.id, self.epoch, key))
            raise
        stored = None
        try:
            stored = _json.decode(_json.encode(result))
        finally:
            await self._recorded(lambda: self._store.finish_effect(self.id, self.epoch, key, stored))
        return stored

    async def _recorded(self, write: Callable[[], Awaitable[None]]) -> None:
        """Record the outcome of an effect, even if the call has another owner by now."""
        patience = boot_time() + 10 * self._store.limits.time_to_live
        while True:
            try:
                return await write()
            except FleetError as error:
                if boot_time() > patience:
                    logger.error("the outcome of an effect of %s was not recorded: %s", self.id, error)
                    return
            await asyncio.sleep(RETRY)

    async def _accept(self, session: Any) -> None:
        if self._state in ("accepted", "attached"):
            return
        was_tried = self._state == "accepting"
        await self._write(state="accepting")
        try:
            await self._client.calls.accept(self.id, session)
        except NotFoundError:
            self._is_gone = True
            raise
        except ConflictError:
            if not was_tried:  # accepted outside of this fleet
                self._is_gone = True
                raise
        except (APIStatusError, APIConnectionError) as error:
            if not error.may_have_applied:
                raise  # attaching tells otherwise whether it was accepted
        await self._write(state="accepted")

    async def _write(self, *, state: CallState | None = None, data: Any = None) -> None:
        if not await self._fenced(lambda: self._store.write(self.id, self.epoch, state=state, data=data)):
            self._lose()
            raise self._lost()
        self._state = state or self._state

    async def _fenced(self, write: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Write, and retry while the database is unavailable and the call is this worker's."""
        while True:
            self._check()
            try:
                return await write()
            except FleetError as error:
                logger.info("%s: %s", self.id, error)
            await asyncio.sleep(RETRY)

    def _check(self) -> None:
        if not self.is_own:
            raise self._lost()

    def _lost(self) -> OwnershipLost:
        return OwnershipLost(
            f"call {self.id} is not this worker's any more (epoch {self.epoch}); end its work"
        )


async def close_call(client: AsyncRealtimeClient, record: CallRecord, busy_status: int) -> None:
    """Reject a call that was never accepted, or hang up one that was; one that is over counts as done."""
    with contextlib.suppress(NotFoundError):
        if record.accepted is None:
            try:
                return await client.calls.reject(record.id, busy_status)
            except ConflictError:
                pass  # accepted just before its owner died
            except RealtimeError as error:
                if not getattr(error, "may_have_applied", False):
                    raise
        await client.calls.hangup(record.id)
