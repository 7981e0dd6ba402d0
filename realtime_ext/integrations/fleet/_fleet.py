"""`Fleet`, the application's front: it puts the store, the webhook and the worker together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from ..._core.arguments import check_seconds
from ..._core.call import check_call_id
from ...errors import FleetError
from ._memory_store import MemoryStore
from ._owner import Handler, Observer, Owner, Policy
from ._postgres_store import PostgresStore
from ._store import CallRecord, Limits, Store, WorkerRecord

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ...client import AsyncRealtimeClient

HandlerT = TypeVar("HandlerT", bound=Handler)


class Fleet:
    """Calls that several processes share, each with one owner at a time.

        fleet = Fleet("postgresql://…")

        @fleet.on_call
        async def phone(call):
            async with call.open(session) as connection:
                if call.is_new:
                    await connection.create_response()
                async for event in connection: ...

        app.post("/webhook")(fleet.webhook(client))     # in web nodes
        await fleet.run(client, slots=100)              # in workers

    Args:
        dsn: The database, as libpq has it: `postgresql://…`.
        time_to_live: Seconds without a sign of life after which a worker's calls are handed on; it stops
            acting after three quarters of that. The same for all that share the database.
        max_wait: Seconds that a call may wait for a free slot before it is rejected.
        busy_status: The SIP status that it is rejected with.
        max_failures: How many owners of one call may raise or die, before it is closed.
        after_failures: The action then: `hangup` (or reject, if it was not accepted), or `leave`.
        keep: Seconds for which the records of ended calls are kept; no shorter than webhooks are retried
            for, which is three days.
        observer: Called with the name of what happened and its attributes, which are text, numbers and
            bools as OpenTelemetry wants them; on the event loop, so it must not block.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        dsn: str,
        *,
        time_to_live: float = 4.0,
        max_wait: float = 20.0,
        busy_status: Literal[480, 486] = 486,
        max_failures: int = 5,
        after_failures: Literal["hangup", "leave"] = "hangup",
        keep: float = 4 * 86_400.0,
        observer: Observer | None = None,
    ) -> None:
        for name, value in (("time_to_live", time_to_live), ("max_wait", max_wait), ("keep", keep)):
            check_seconds(name, value)
        if busy_status not in (480, 486):
            raise ValueError(f"busy_status: expected 480 or 486, got {busy_status!r}")
        if after_failures not in ("hangup", "leave"):
            raise ValueError(f"after_failures: expected 'hangup' or 'leave', got {after_failures!r}")
        if max_failures < 1:
            raise ValueError(f"max_failures: expected 1 or more, got {max_failures}")
        limits = Limits(time_to_live=time_to_live, max_wait=max_wait, max_failures=max_failures, keep=keep)
        self._busy_status = busy_status
        self._after_failures: Literal["hangup", "leave"] = after_failures
        self._observer = observer
        self._handler: Handler | None = None
        self._store: Store = MemoryStore(limits) if dsn == _MEMORY else PostgresStore(dsn, limits)

    @classmethod
    def in_memory(cls, **options: Any) -> Self:
        """Make a fleet of this process alone, with the same behaviour and no database.

        Args:
            **options: As for `Fleet`.
        """
        return cls(_MEMORY, **options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections to the database; may be called again."""
        await self._store.aclose()

    async def migrate(self) -> None:
        """Make the tables in the schema `realtime_fleet`, or bring them up to date; safe to run again.

        Raises:
            FleetError: The database is unavailable, or refused.
        """
        await self._store.migrate()

    def on_call(self, handler: HandlerT) -> HandlerT:
        """Set the handler of calls, which their owners run; a decorator.

        When it returns, the call is over. When it raises, another owner goes on.

        Args:
            handler: An async function; its argument is an `OwnedCall`.
        """
        self._handler = handler
        return handler

    async def offer(self, call_id: str, headers: Iterable[Mapping[str, str]] = ()) -> bool:
        """Offer a call to the workers, as the webhook does.

        Args:
            call_id: The call's id.
            headers: Its SIP headers, each with `name` and `value`.

        Returns:
            Whether it was new.

        Raises:
            FleetError: The database is unavailable.
            TypeError, ValueError: The id can't be one.
        """
        return await self._store.offer(check_call_id(call_id), list(headers))

    def webhook(self, client: AsyncRealtimeClient) -> Callable[[Any], Coroutine[Any, Any, Response]]:
        """Make the endpoint of the webhook, for Starlette and FastAPI.

        It verifies a delivery, records its call and enqueues it in one transaction, and answers 200; also
        for one that came before, and for events that are no calls. It answers 400 to a delivery that is not
        genuine, and
        503 when the database is unavailable: the API then delivers again.

        Args:
            client: A client with the webhook's secret.
        """
        from ..incoming import webhook_endpoint

        return webhook_endpoint(client, lambda call: self.offer(call.id, call.sip_headers))

    def health(self) -> Callable[[Any], Coroutine[Any, Any, Response]]:
        """Make an endpoint for load balancers: 200 with counts, or 503 without the database.

        `calls` are those that are not over, `waiting` those without an owner, `slots` and `workers` what
        there is for them.
        """
        from starlette.requests import Request
        from starlette.responses import JSONResponse, Response

        async def health(request: Request) -> Response:
            try:
                (calls, waiting), workers = await self._store.count(), await self.workers()
            except FleetError:
                return JSONResponse({"database": "unavailable"}, status_code=503)
            return JSONResponse(
                {
                    "calls": calls,
                    "waiting": waiting,
                    "slots": sum(worker.slots for worker in workers if not worker.is_draining),
                    "workers": len(workers),
                }
            )

        health.__annotations__ = {"request": Request, "return": Response}
        return health

    async def run(
        self, client: AsyncRealtimeClient, *, slots: int = 100, drain: float = 5.0, name: str | None = None
    ) -> None:
        """Own calls until SIGTERM or SIGINT, or until cancelled; then hand them on and return.

        Args:
            client: The client that answers calls.
            slots: How many calls it has at most; 0 for a process that only sweeps.
            drain: Seconds for handing calls on at the end.
            name: The worker's name in logs and lists; the host's and the process id unless given.

        Raises:
            RuntimeError: There is no handler; set one with `on_call`.
            TypeError, ValueError: An argument is out of range.
        """
        if self._handler is None:
            raise RuntimeError("run: there is no handler; set one with @fleet.on_call")
        check_seconds("drain", drain)
        if isinstance(slots, bool) or not isinstance(slots, int):
            raise TypeError(f"slots: expected an int, got {type(slots).__name__}")
        if slots < 0:
            raise ValueError(f"slots: expected 0 or more, got {slots}")
        policy = Policy(
            name=name or f"{socket.gethostname()}:{os.getpid()}",
            slots=slots,
            drain=drain,
            busy_status=self._busy_status,
            after_failures=self._after_failures,
            observer=self._observer,
        )
        _load()
        owner = Owner(self._store, client, self._handler, policy)
        with _signals(owner.stop):
            await owner.run()

    async def calls(self, *, ended: bool = False) -> list[CallRecord]:
        """Return the calls that are not over, or all that are kept, oldest first."""
        return await self._store.calls(ended=ended)

    async def workers(self) -> list[WorkerRecord]:
        """Return the workers, oldest first."""
        return await self._store.workers()

    async def find(self, call_id: str) -> CallRecord | None:
        """Return a call's record; None if it is unknown."""
        return await self._store.find(call_id)

    async def ask_to_drain(self, worker: int) -> bool:
        """Ask a worker to hand its calls on and end; return whether there is such a worker."""
        return await self._store.ask_to_drain(worker)


_MEMORY = ":memory:"


def _load() -> None:
    """Load the modules of a call: loading them with the first call would delay the renewal of ownership."""
    import websockets.asyncio.client  # noqa: F401

    from ... import connection, tools  # noqa: F401
    from ..._resources.calls import build_accept
    from ...events import parse_event

    build_accept("rtc_", {"type": "realtime"})
    parse_event('{"type": "session.updated", "event_id": "event_", "session": {"type": "realtime"}}')


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Stop at SIGTERM and SIGINT, where they can be handled: in the main thread, and not on Windows."""
    loop = asyncio.get_running_loop()
    handled = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, stop)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
