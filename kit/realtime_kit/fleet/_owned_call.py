"""A call from its owner's perspective: open it, save data for the next owner, run effects once.

Everything that writes or acts asks first whether this worker still owns the call, by the worker's own clock
and by the epoch.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from realtime_ext.connection import send_gate
from realtime_ext.errors import (
    ConflictError,
    NotFoundError,
    RealtimeError,
)
from realtime_ext.sip import SipHeaders
from realtime_ext.tasks import contained, run_in_thread
from realtime_ext.webhooks import Api

from .._call_apis import call_api
from .._core.json import as_stored
from ._errors import EffectUnknown, FleetError, OwnershipLost
from ._store import CallRecord, CallState, Effect, FunctionRecord, Store
from ._sweeper import token

if TYPE_CHECKING:
    from realtime_ext.client import AsyncRealtimeClient
    from realtime_ext.connection import AsyncConnection, AsyncDelegation, AsyncLiveConnection, Observer
    from realtime_ext.session import ConversationLike, LiveSessionLike
    from realtime_ext.tools import Toolbox

logger: logging.Logger = logging.getLogger("realtime_kit.fleet")

ResultT = TypeVar("ResultT")
ConnectionT = TypeVar("ConnectionT", "AsyncConnection", "AsyncLiveConnection")
RETRY = 0.2  # seconds between attempts to reach the database
LONGEST_KEY = 255  # characters
PATIENCE = 3.0  # times to live that a former owner has to record how an effect went
_closing: set[asyncio.Task[object]] = set()  # the connections of calls that belong to others
# The clock that goes on while the machine is suspended, where there is one.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


def boot_time() -> float:
    """Return seconds of a clock that never stops nor jumps."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


class Lease:
    """Until when a worker may act on its calls, by its own clock.

    Attributes:
        until: In seconds of `boot_time`; 0 if it may not act until it is told otherwise.
    """

    def __init__(self) -> None:
        self.until: float = 0.0
        self._settled = asyncio.Event()

    @property
    def is_valid(self) -> bool:
        """Whether the worker may act."""
        return boot_time() < self.until

    def renew(self, until: float) -> None:
        """Let the worker act."""
        self.until = until
        self._settled.set()

    def end(self) -> None:
        """Stop the worker from acting."""
        self.renew(0.0)

    async def settled(self) -> None:
        """Wait while it has run out, and the database was not asked yet: the process was stopped."""
        while 0 < self.until <= boot_time():
            self._settled.clear()
            await self._settled.wait()


class OwnedCall:
    """A call that this worker owns, until it is over or belongs to another.

        async with call.open(session, tools=[book]) as connection:
            if call.is_new:
                await connection.create_response()
            async for event in connection:
                await call.save({"step": 2})

    Attributes:
        id: The call's id; with the Live API the session's.
        api: The API that answers it: `realtime`, with `open`, or `live`, with `open_live`.
        epoch: The fencing token: each owner has a higher one.
        is_new: Whether no owner before this one was connected to the call.
        data: The latest data stored with `save`, here or by a previous owner; None if there is none.
        tenant: Its tenant, by the fleet's `tenant`; None for no tenant.
        headers: The SIP headers of the webhook, such as the caller.
    """

    def __init__(
        self, record: CallRecord, store: Store, client: AsyncRealtimeClient, lease: Lease, effects: set[Any]
    ) -> None:
        self.id: str = record.id
        self.api: Api = record.api
        self.epoch: int = record.epoch
        self.is_new: bool = record.state != "attached"
        self.data: Any = record.data
        self.tenant: str | None = record.tenant
        self.headers: SipHeaders = SipHeaders(record.headers)
        self._is_gone: bool = False  # the API knows no such call any more
        self._is_hung_up: bool = False
        self._state: CallState = record.state
        self._store = store
        self._client = client
        self._lease = lease
        self._effects = effects  # of all calls of the worker, to be waited for when it drains
        self._running: dict[str, asyncio.Task[Any]] = {}
        self._connections: set[AsyncConnection | AsyncLiveConnection] = set()
        self._saving = asyncio.Lock()
        self._lost = asyncio.Event()

    def __repr__(self) -> str:
        return f"<OwnedCall {self.id} epoch {self.epoch}>"

    @property
    def is_own(self) -> bool:
        """Whether this worker may still act on the call."""
        return not self._lost.is_set() and self._lease.is_valid

    def _lose(self) -> None:
        """Record that the call belongs to another, and end what acts, before the handler unwinds."""
        self._lost.set()
        for connection in self._connections:
            ending: Coroutine[Any, Any, object] = connection.close()
            closing = asyncio.create_task(ending, name=f"fleet closing {self.id}")
            _closing.add(closing)
            closing.add_done_callback(_closed)
        self._connections.clear()

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

        Function calls that former owners did not answer, or that the model made while no worker was attached,
        are answered by these tools; `ToolContext.call_id` stays the same. When the block ends normally the
        call is hung up; when it raises or is cancelled, it is not: another owner continues.

        Args:
            session: The conversation's configuration, for accepting the call.
            tools: A toolbox, or functions to create one from, whose `ToolContext.state` is then this call.
            hangup_on_exit: Whether the call ends with the block.
            **options: Additional arguments of `client.connect`.

        Yields:
            The connection.

        Raises:
            OwnershipLost: The call now belongs to another worker.
            RealtimeError: The call was announced for the Live API.
            SessionConfigError, APIStatusError, APIConnectionError, ConnectionClosedError: As with `answer`.
        """
        from realtime_ext.session import with_tools

        from ._functions import Functions

        self._check_api("realtime", "open")
        functions: Functions | None = None
        if tools is not None:
            functions = Functions(self._toolbox(tools), self, self._store, await self._former())
            options["observer"] = _with_observer(options.get("observer"), functions.observe)
        await self._accept(session if functions is None else with_tools(session, functions))
        async with contextlib.AsyncExitStack() as stack:
            if functions is not None:
                stack.push_async_callback(functions.flush)
            update = {"type": "realtime"} if functions is None else None  # what confirms it
            connecting = self._client.connect(call_id=self.id, session=update, tools=functions, **options)  # type: ignore[arg-type]
            connection = await self._attach(stack, connecting)
            if functions is not None:
                resuming = asyncio.create_task(
                    functions.resume(connection, is_behind=functions.attached()),
                    name=f"fleet resume {self.id}",
                )
                stack.callback(resuming.cancel)
            if self.is_new:
                await self._write(state="attached")
            yield connection
            if hangup_on_exit:
                await self.hangup()

    @contextlib.asynccontextmanager
    async def open_live(
        self,
        session: LiveSessionLike,
        *,
        tools: Toolbox | Iterable[Callable[..., Any]] | None = None,
        delegate: Callable[[AsyncDelegation], Any] | None = None,
        hangup_on_exit: bool = True,
        **options: Any,
    ) -> AsyncIterator[AsyncLiveConnection]:
        """Accept a call of the Live API unless it was accepted, and attach to it; as `open`.

        Delegated tasks that former owners did not finish are done by this one. It only receives the events of
        the last seconds: the model is asked to delegate again whatever it delegated before that, while no
        worker was attached.

        Args:
            session: The session's configuration, for accepting the call.
            tools: A toolbox, or functions to create one from, whose `ToolContext.state` is then this call:
                for a session that delegates to a model.
            delegate: The handler of tasks, as for `connection.delegate`: for a session that delegates to the
                program. Its task's `id`, the key for `once`, stays the same over all owners.
            hangup_on_exit: Whether the call ends with the block.
            **options: Additional arguments of `client.live.attach`.

        Yields:
            The connection.

        Raises:
            OwnershipLost: The call now belongs to another worker.
            RealtimeError: The call was announced for the Realtime API.
            SessionConfigError, APIStatusError, APIConnectionError, ConnectionClosedError: As with
                `client.live.answer`.
        """
        from realtime_ext.session import with_backend_tools

        from ._live_work import LiveWork

        self._check_api("live", "open_live")
        work: LiveWork | None = None
        update: Any = {}
        if tools is not None or delegate is not None:
            work = LiveWork(self._toolbox(tools or ()), self, self._store, await self._former())
            options["observer"] = _with_observer(options.get("observer"), work.observe)
        if work is not None and tools is not None:
            session, update = with_backend_tools(session, work), with_backend_tools({}, work, is_update=True)
        await self._accept(session)
        async with contextlib.AsyncExitStack() as stack:
            connection = await self._attach(stack, self._client.live.attach(self.id, **options))
            if work is not None:
                stack.push_async_callback(work.flush)
                # Its answer comes behind the events of the last seconds.
                await connection.update_session(update)
                handover = work.take_over(connection)
                connection.take_over(handover)
                if tools is not None:
                    connection.run_tools(work)
                if delegate is not None:
                    connection.delegate(work.working(delegate))
                if not (self.is_new or handover.functions or handover.tasks):
                    await work.tell(connection)
            if self.is_new:
                await self._write(state="attached")
            yield connection
            if hangup_on_exit:
                await self.hangup()

    async def hangup(self) -> None:
        """Hang up; a call that has already ended counts as done.

        Raises:
            OwnershipLost: The call now belongs to another worker.
            APIStatusError, APIConnectionError: As with `client.calls.hangup`.
        """
        await self._confirm()
        with contextlib.suppress(NotFoundError):
            await call_api(self.api).hang_up(self._client, self.id)
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
        stored = as_stored(data)
        async with self._saving:  # so that the last one is what stays
            await self._write(data=stored)
            self.data = stored

    async def once(self, key: str, function: Callable[[], Awaitable[ResultT] | ResultT]) -> ResultT:
        """Run a function with an effect once across all owners of the call, and always return its result.

        Args:
            key: Identifies the effect within the call; 1–255 characters. In a tool, use
                `context.call_id`, which stays the same if the model repeats a function call after a change
                of owners. Together with the call's id, pass it as an idempotency key to the service that
                performs the effect.
            function: A function without arguments; async, or sync, which runs in a thread. An exception
                means that nothing happened, so it may run again. It is not cancelled with the
                caller, so that its result is recorded.

        Returns:
            Its return value as JSON; if it is called again, the first one.

        Raises:
            EffectUnknown: An earlier owner began it, and recorded no outcome within three times the time to
                live.
            OwnershipLost: The call belongs to another worker by now; the function did not run.
            TypeError, ValueError: The result has no JSON form; None is recorded in its place. Or `key` is not
                usable.
        """
        if not isinstance(key, str):
            raise TypeError(f"key: expected a str, got {type(key).__name__}")
        if not 0 < len(key) <= LONGEST_KEY:
            raise ValueError(f"key: expected 1–{LONGEST_KEY} characters, got {len(key)}")
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
        attempt = token()
        was_tried = False

        def begin() -> Awaitable[Effect]:
            nonlocal was_tried
            was_tried = True
            return self._store.begin_effect(self.id, self.epoch, key, attempt)

        patience = boot_time() + PATIENCE * self._store.limits.time_to_live
        while True:
            try:
                effect = await self._fenced(begin)
            except OwnershipLost:
                if was_tried:  # the reply may have been lost, and the next owner waits for the outcome
                    await self._forgotten(key, attempt)
                raise
            if effect.state != "unknown" or boot_time() > patience:
                break
            await asyncio.sleep(RETRY)  # a former owner that was stopped, or is to go, may yet record it
        if effect.state == "done":
            return effect.result
        if effect.state == "lost":
            raise self._not_own()
        if effect.state == "unknown":
            raise EffectUnknown(
                f"{key}: an earlier owner began it, and it may have happened; ask the service, by this key"
            )
        try:
            await self._confirm()
            if inspect.iscoroutinefunction(function):
                result = await contained(function(), key)
            else:
                result = await run_in_thread(function, name=f"once {key}")
                result = await contained(result, key) if inspect.isawaitable(result) else result
        except OwnershipLost:
            await self._forgotten(key, attempt)
            raise
        except Exception:
            await self._recorded(lambda: self._store.forget_effect(self.id, self.epoch, key, attempt))
            raise
        stored = None
        try:
            stored = as_stored(result)
        finally:
            await self._recorded(lambda: self._store.finish_effect(self.id, key, attempt, stored))
        return stored

    async def _forgotten(self, key: str, attempt: str) -> None:
        """Remove the record of an effect that was not run, also if it is only being written."""
        while not await self._recorded(lambda: self._store.forget_effect(self.id, self.epoch, key, attempt)):
            await asyncio.sleep(RETRY)  # until the epoch is over, and it can't be recorded any more

    async def _recorded(self, write: Callable[[], Awaitable[object]]) -> object:
        """Record the outcome of an effect, even if the call has another owner by now."""
        patience = boot_time() + 10 * self._store.limits.time_to_live
        while True:
            try:
                return await write()
            except FleetError as error:
                if boot_time() > patience:
                    logger.error("the outcome of an effect of %s was not recorded: %s", self.id, error)
                    return True
            await asyncio.sleep(RETRY)

    def _check_api(self, api: Api, method: str) -> None:
        if self.api != api:
            other = "open" if api == "live" else "open_live"
            raise RealtimeError(
                f"{method}: the call was announced by the {self.api.capitalize()} API; use {other}"
            )

    def _toolbox(self, tools: Toolbox | Iterable[Callable[..., Any]]) -> Toolbox:
        from realtime_ext.tools import Toolbox

        return tools if isinstance(tools, Toolbox) else Toolbox(tools, state=self)

    async def _former(self) -> Sequence[FunctionRecord]:
        """Return what former owners recorded."""
        return await self._fenced(lambda: self._store.functions(self.id)) if self.epoch > 1 else []

    async def _attach(
        self,
        stack: contextlib.AsyncExitStack,
        connecting: contextlib.AbstractAsyncContextManager[ConnectionT],
    ) -> ConnectionT:
        try:
            with send_gate(self._confirm):
                connection = await stack.enter_async_context(connecting)
        except NotFoundError:
            self._is_gone = True
            raise
        await self._confirm()
        self._connections.add(connection)
        stack.callback(self._connections.discard, connection)
        return connection

    async def _accept(self, session: Any) -> None:
        if self._state in ("accepted", "attached"):
            return
        was_tried = self._state == "accepting"
        await self._write(state="accepting")
        try:
            await call_api(self.api).accept(self._client, self.id, session)
        except (NotFoundError, ConflictError):
            if not was_tried:  # it is over, or was accepted outside of this fleet
                self._is_gone = True
                raise
            # An attempt whose answer was lost may have accepted it; attaching tells whether it is over.
        await self._write(state="accepted")

    async def _write(self, *, state: CallState | None = None, data: Any = None) -> None:
        await self._own_write(lambda: self._store.write(self.id, self.epoch, state=state, data=data))
        self._state = state or self._state

    async def _own_write(self, write: Callable[[], Awaitable[bool]]) -> None:
        """Write what returns whether the call was still this worker's."""
        if not await self._fenced(write):
            raise self._not_own()

    async def _fenced(self, write: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Write, and retry while the database is unavailable and the call is this worker's."""
        while True:
            await self._confirm()
            try:
                return await write()
            except FleetError as error:
                logger.info("%s: %s", self.id, error)
            await asyncio.sleep(RETRY)

    async def _confirm(self, types: Sequence[str] = ()) -> None:
        """Check that this worker may act on the call, once that is known.

        Raises:
            OwnershipLost: It may not.
        """
        await self._lease.settled()
        if not self.is_own:
            raise self._not_own()

    def _not_own(self) -> OwnershipLost:
        self._lose()
        return OwnershipLost(
            f"call {self.id} no longer belongs to this worker (epoch {self.epoch}); end its work"
        )


def _closed(task: asyncio.Task[object]) -> None:
    _closing.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.info("%s: %s", task.get_name(), error)


async def close_call(client: AsyncRealtimeClient, record: CallRecord, busy_status: int) -> None:
    """Reject a call that was never accepted, or hang up one that was; one that is over counts as done."""
    api = call_api(record.api)
    with contextlib.suppress(NotFoundError):
        if record.accepted is None:
            try:
                return await api.reject(client, record.id, busy_status)
            except ConflictError:
                pass  # accepted just before its owner died
            except RealtimeError as error:
                if not getattr(error, "may_have_applied", False):
                    raise
        await api.hang_up(client, record.id)


def _with_observer(given: Any, further: Observer) -> list[Observer]:
    several = given if isinstance(given, list | tuple) else [] if given is None else [given]
    return [*several, further]
