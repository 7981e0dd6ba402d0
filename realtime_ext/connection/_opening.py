"""Opens async connections: from the arguments of `connect` and `answer` to a confirmed connection."""

from __future__ import annotations

import asyncio
import logging
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import attrs

from .._core.arguments import QueryValue, check_header
from .._core.callbacks import is_cancelled, raise_if_interrupt
from .._core.event_loop import require_asyncio
from .._core.time_limit import TimeLimit
from .._http.sending import AsyncHttp, asend
from .._http.settings import RequestOptions
from ..errors import APITimeoutError, ConflictError, ConnectionClosedError, MissingApiKeyError, RealtimeError
from ._async_connection import AsyncConnection
from ._async_events import AsyncEvents
from ._dialects import translated
from ._io import ConnectionIO, Observer, Observers, observers_of, run_to_completion
from ._link import Link, LinkOptions, seconds_of
from ._state.connect_plan import Plan, Role, confirming_plan, make_plan
from ._state.core import MAX_QUEUE_BYTES, ConnectionState
from ._state.event_queue import Budget
from ._state.reconnect import Reconnect, policy_for

if TYPE_CHECKING:
    import ssl

    from .._core.arguments import Timeout
    from .._http.operation import Operation
    from ..session import SessionInput
    from ..tools import Toolbox

    Hangup = Callable[[str], Operation[None]]  # builds the request that hangs up a call

ConnectionT = TypeVar("ConnectionT", bound=AsyncEvents[Any, Any])
StateT = TypeVar("StateT", bound=ConnectionState)

logger: logging.Logger = logging.getLogger("realtime_ext")

HANGUP_TIMEOUT = 5.0  # seconds
GREETING = 2.0  # seconds to wait for session.created


@attrs.frozen(kw_only=True)
class ConnectRequest:
    """A connection to be opened.

    Args:
        plan: Where it goes.
        reconnect: The reconnect policy; None for none.
        observers: Called with every event.
        max_queue_bytes: The limit of the event queue.
        link: The link's options.
        options: Time limit, headers and query.
        safety_identifier: A stable, hashed id of the end user.
    """

    plan: Plan
    reconnect: Reconnect | None
    observers: tuple[Observer, ...]
    max_queue_bytes: int
    link: LinkOptions
    options: RequestOptions
    safety_identifier: str | None = attrs.field(repr=False)

    @classmethod
    def check(
        cls,
        *,
        model: str | None = None,
        session: SessionInput | None = None,
        call_id: str | None = None,
        intent: Literal["transcription"] | None = None,
        confirming: str | None = None,
        plan: Plan | None = None,
        validate: bool,
        safety_identifier: str | None,
        reconnect: Reconnect | Literal[False] | None,
        observer: Observers,
        max_queue_bytes: int | None,
        proxy: str | Literal[True] | None,
        ssl_context: ssl.SSLContext | None,
        websocket_options: Mapping[str, Any] | None,
        timeout: Timeout | None,
        extra_headers: Mapping[str, str] | None,
        extra_query: Mapping[str, QueryValue] | None,
    ) -> ConnectRequest:
        """Check `connect`'s arguments.

        Args:
            plan: Where it goes, if that is decided already.
            confirming: For a call that is being accepted: the type of its session.
            model, session, call_id, intent, validate, safety_identifier, reconnect, observer,
            max_queue_bytes, proxy, ssl_context, websocket_options, timeout, extra_headers, extra_query: As
                `connect` has them.

        Raises:
            TypeError: One has the wrong type.
            ValueError: One has a value that can't work, or they contradict each other.
            SessionConfigError: The API would refuse the session.
        """
        observers = observers_of(observer)
        if safety_identifier is not None:
            check_header("safety_identifier", safety_identifier)
        size = MAX_QUEUE_BYTES if max_queue_bytes is None else max_queue_bytes
        Budget(size)
        if plan is not None:
            pass
        elif confirming is not None and call_id is not None:
            plan = confirming_plan(call_id, confirming)
        else:
            plan = make_plan(model=model, session=session, call_id=call_id, intent=intent, validate=validate)
        return cls(
            plan=plan,
            reconnect=policy_for(reconnect, is_sideband=plan.role.is_sideband),
            observers=observers,
            max_queue_bytes=size,
            link=LinkOptions(proxy=proxy, ssl_context=ssl_context, options=websocket_options or {}),
            options=RequestOptions.check(timeout, extra_headers, extra_query),
            safety_identifier=safety_identifier,
        )


class OpenedByWith:
    """A context manager that opens a connection; using it as one without `with` is explained."""

    _example = "with client.connect(…) as connection"
    _tools: Toolbox | None = None  # run from the start

    if not TYPE_CHECKING:  # in sight of it, type checkers would accept every name

        def __getattr__(self, name: str) -> Any:
            help_ = "" if name.startswith("_") else f"; use it as `{self._example}`"
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}{help_}", name=name, obj=self
            )


class OpensByWith(OpenedByWith, ABC, Generic[ConnectionT]):
    """What opens a connection of either API by `async with`, and closes it when the block ends.

    Args:
        http: The client's side.
        tools: Run from the start.
        request: The connection to be opened.
    """

    def __init__(self, http: AsyncHttp, tools: Toolbox | None, request: Any) -> None:
        self._http = http
        self._tools = tools
        self._runs_tools = tools is not None  # here, or by the sync connection once it is opened
        self._request = request
        self._connection: ConnectionT | None = None

    async def __aenter__(self) -> ConnectionT:
        require_asyncio()
        if self._connection is not None:
            raise RealtimeError(f"{self._example}: it was already entered; make another one")
        try:
            return await self._open()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _open(self) -> ConnectionT:
        """Open the connection, and run the tools."""
        connection: Any = await self._connect()
        if self._tools is not None:
            connection.run_tools(self._tools)
        opened: ConnectionT = connection
        return opened

    @abstractmethod
    async def _connect(self) -> ConnectionT:
        """Open the connection."""

    def _state(self, kind: Callable[..., StateT], role: Role, reconnect: Reconnect | None = None) -> StateT:
        """Make the connection's state."""
        size = self._request.max_queue_bytes
        return kind(
            role,
            id_prefix=uuid.uuid4().hex[:12],
            max_queue_bytes=MAX_QUEUE_BYTES if size is None else size,
            validate=self._http.settings.validate,
            reconnect=reconnect,
        )

    def _over_websocket(
        self, state: ConnectionState, link: Link, reopen: Callable[[], Awaitable[Link]]
    ) -> ConnectionIO:
        """Begin to receive events; `reopen` must not refer to this object, which holds the connection."""
        request, http = self._request, self._http
        return ConnectionIO(
            state,
            link,
            clock=http.clock,
            reopen=None if request.reconnect is None else reopen,
            observers=request.observers,
            confirm_timeout=seconds_of(request.options.timeout or http.settings.timeout),
        )


class AsyncConnecting(OpensByWith[AsyncConnection]):
    """A connection to be opened by `async with`, and closed when the block ends."""

    _example = "async with client.connect(…) as connection"

    def __init__(self, http: AsyncHttp, tools: Toolbox | None, *, hangup: Hangup, **arguments: Any) -> None:
        super().__init__(http, tools, ConnectRequest.check(validate=http.settings.validate, **arguments))
        self._hangup = hangup
        if http.settings.dialect is not None and self._request.plan.role.kind == "translation":
            raise ValueError(f"connect: servers with dialect={http.settings.dialect!r} have no translations")

    async def _connect(self) -> AsyncConnection:
        request, http = self._request, self._http
        plan = request.plan
        opened = partial(open_link, http, request)
        link = await opened(is_first=True)
        state = self._state(ConnectionState, plan.role, request.reconnect)
        if self._runs_tools:
            state.turns.collect_calls()  # those that a call's session makes before the update is acknowledged
        if not plan.role.is_sideband:
            state.session.began(http.clock.now())
        io = self._over_websocket(state, link, partial(opened, is_first=False))
        call_id = plan.query.get("call_id")
        hangs_up = None if call_id is None else partial(hang_up, http, self._hangup, call_id)
        connection = self._connection = AsyncConnection(io, call_id=call_id, hang_up=hangs_up)
        try:
            if plan.update is None and not plan.role.is_sideband:
                await self._greeted(io)
            if plan.update is not None:
                await confirmed(io, plan.update, "connect")
        except ConnectionClosedError as error:
            if (rejection := state.rejection()) is not None:
                raise rejection from error
            raise
        return connection

    @staticmethod
    async def _greeted(io: ConnectionIO) -> None:
        """Wait for `session.created`: a refused key or model is reported in its place."""
        limit = io.confirm_timeout
        created = io.state.expect("session.created")
        try:
            await io.wait(created, GREETING if limit is None else min(limit, GREETING), "session.created")
        except APITimeoutError:
            logger.info("no session.created within %g s; continuing without it", GREETING)
        except ConnectionClosedError:
            if io.state.rejection() is not None:
                raise  # any other end is raised to readers, after the events before it
        finally:
            io.state.queue.remove_waiter(created)


class Answers(OpensByWith[ConnectionT]):
    """What makes a context manager that attaches to a call answer that first, and hang up in the end."""

    _hangup: Hangup

    def __init__(
        self,
        http: AsyncHttp,
        tools: Toolbox | None,
        *,
        accept: Operation[None],
        hangup_on_exit: bool,
        **arguments: Any,
    ) -> None:
        super().__init__(http, tools, **arguments)
        self._accept = accept
        self._hangup_on_exit = hangup_on_exit
        self._ends_call = False

    @property
    @abstractmethod
    def _call_id(self) -> str: ...

    async def _open(self) -> ConnectionT:
        try:
            await asend(self._accept, self._http, self._request.options)
        except ConflictError:
            raise  # another program has answered the call, which is not this one's to end
        except BaseException as error:
            self._ends_call = getattr(error, "may_have_applied", isinstance(error, asyncio.CancelledError))
            raise
        self._ends_call = True  # if this fails: the caller must not be left in a silent call
        connection = await super()._open()
        self._ends_call = self._hangup_on_exit
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None and self._connection._is_forked:
            return
        endings = [super().__aexit__(kind, error, trace)]
        if self._ends_call:
            if self._connection is not None:
                self._connection._state.is_hung_up = True
            endings.insert(0, hang_up(self._http, self._hangup, self._call_id))
        await run_to_completion(*endings)


class AsyncAnswering(Answers[AsyncConnection], AsyncConnecting):
    """A call to be accepted, attached to and confirmed by `async with`, and hung up when the block ends."""

    _example = "async with client.answer(…) as connection"

    def __init__(self, http: AsyncHttp, tools: Toolbox | None, **arguments: Any) -> None:
        super().__init__(http, tools, confirming="realtime", **arguments)

    @property
    def _call_id(self) -> str:
        call_id: str = self._request.plan.query["call_id"]
        return call_id


async def open_link(http: AsyncHttp, request: ConnectRequest, *, is_first: bool) -> Link:
    """Open a WebSocket; `is_first` as in `_websocket`."""
    from . import _websocket

    link = await _websocket.open_link(
        request.plan,
        http,
        request.options,
        request.link,
        safety_identifier=request.safety_identifier,
        is_first=is_first,
    )
    return translated(link, http.settings.dialect)


async def confirmed(io: ConnectionIO, update: Mapping[str, Any], what: str) -> None:
    """Send an update of the session, and wait for its acknowledgement."""
    acknowledged = await io.send(io.state.client_events.write(update))
    assert acknowledged is not None
    await io.acknowledged(acknowledged, io.confirm_timeout, f"{what}: session.updated")


async def hang_up(http: AsyncHttp, hangup: Hangup, call_id: str) -> None:
    """Hang up a call within 5 s; a failure is logged.

    Args:
        http: Settings and clock.
        hangup: Builds the request that does so.
        call_id: The call.
    """
    limit = TimeLimit(HANGUP_TIMEOUT)
    task = asyncio.current_task()
    try:
        async with limit:
            await asend(hangup(call_id), http, RequestOptions.check(None, None, None))
    except MissingApiKeyError:  # the call was made with a client secret
        logger.debug(
            "%s is not hung up, because that needs a key: it ends with the peer's connection", call_id
        )
    except BaseException as error:
        raise_if_interrupt(error)
        if is_cancelled(error, task):
            raise
        if limit.expired():
            logger.warning("hanging up %s took longer than %g s", call_id, HANGUP_TIMEOUT)
        else:
            logger.warning("hanging up %s failed: %s", call_id, error)
