"""`Fleet`, the application's interface, which combines the store, the webhook and the worker."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import signal
import socket
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from realtime_ext.sip import SipHeaders
from realtime_ext.tasks import contained
from realtime_ext.webhooks import Api

from .._call_apis import call_api
from ._errors import FleetError
from ._memory_store import MemoryStore
from ._owned_call import RETRY
from ._owner import Handler, Observer, Owner, Policy, logger
from ._postgres_store import PostgresStore
from ._store import CallRecord, Limits, SetupError, Store, WorkerRecord

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from realtime_ext.client import AsyncRealtimeClient

    from ..incoming import IncomingCall

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
        dsn: The database, in libpq's format: `postgresql://…`.
        time_to_live: Seconds without a sign of life after which a worker's calls are handed over, 0.5–300; it
            stops acting after three quarters of that. It must be the same for all that share the database.
        max_wait: Seconds that a call may wait for a free slot before it is rejected.
        max_waiting: How many calls may wait while no slot is free, and as many for each tenant that has
            reached its limit; further ones are rejected at once. None for no limit.
        tenant: Returns the tenant of a call from its SIP headers, such as `lambda headers: headers.to.user`;
            None for no tenant. It requires `max_per_tenant`.
        max_per_tenant: How many calls a tenant may have at a time. Further ones wait as for a free slot,
            while calls of others are answered.
        busy_status: The SIP status that calls are rejected with.
        max_failures: How many owners of one call in a row may raise within a minute, or die within ten
            seconds, before it is closed; timeouts of the API do not count.
        after_failures: The action then: `hangup` (or reject, if it was not accepted), or `leave`.
        keep: Seconds for which the ids, times and outcomes of ended calls are kept; three days or more,
            for which the API retries webhooks.
        schema: The schema of the tables, for several fleets in one database.
        connections: How many database connections this process opens at most, 1 or more; a worker has two
            more, for its renewals and for notifications.
        observer: Called with the name of an event and its attributes, which are strings, numbers and
            bools, as OpenTelemetry requires; on the event loop, so it must not block.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        dsn: str,
        *,
        time_to_live: float = 4.0,
        max_wait: float = 20.0,
        max_waiting: int | None = None,
        tenant: Callable[[SipHeaders], str | None] | None = None,
        max_per_tenant: int | None = None,
        busy_status: Literal[480, 486] = 486,
        max_failures: int = 5,
        after_failures: Literal["hangup", "leave"] = "hangup",
        keep: float = 4 * 86_400.0,
        schema: str = "realtime_fleet",
        connections: int = 6,
        observer: Observer | None = None,
    ) -> None:
        for name, value in (("time_to_live", time_to_live), ("max_wait", max_wait), ("keep", keep)):
            _check_seconds(name, value)
        if not SHORTEST_LIFE <= time_to_live <= LONGEST_LIFE:
            allowed = f"{SHORTEST_LIFE:g}–{LONGEST_LIFE:g} seconds"
            raise ValueError(f"time_to_live: expected {allowed}, got {time_to_live!r}")
        if keep < SHORTEST_KEEP:
            allowed = f"{SHORTEST_KEEP:g} seconds or more, for which the API retries webhooks"
            raise ValueError(f"keep: expected {allowed}, got {keep!r}")
        for name, count in (("max_failures", max_failures), ("connections", connections)):
            _check_count(name, count, least=1)
        if not _SCHEMA.fullmatch(schema):
            raise ValueError(f"schema: expected a name of letters, digits and underscores, got {schema!r}")
        if busy_status not in (480, 486):
            raise ValueError(f"busy_status: expected 480 or 486, got {busy_status!r}")
        if after_failures not in ("hangup", "leave"):
            raise ValueError(f"after_failures: expected 'hangup' or 'leave', got {after_failures!r}")
        if max_waiting is not None:
            _check_count("max_waiting", max_waiting)
        if (tenant is None) != (max_per_tenant is None):
            missing = "tenant" if tenant is None else "max_per_tenant"
            raise ValueError(f"{missing}: required with {_OTHER[missing]}, got None")
        if tenant is not None and not callable(tenant):
            raise TypeError(f"tenant: expected a function of SIP headers, got {type(tenant).__name__}")
        if max_per_tenant is not None:
            _check_count("max_per_tenant", max_per_tenant, least=1)
        limits = Limits(
            time_to_live=time_to_live,
            max_wait=max_wait,
            max_waiting=max_waiting,
            max_per_tenant=max_per_tenant,
            max_failures=max_failures,
            keep=keep,
        )
        self._tenant = tenant
        self._busy_status = busy_status
        self._after_failures: Literal["hangup", "leave"] = after_failures
        self._observer = observer
        self._handler: Handler | None = None
        self._store: Store = (
            MemoryStore(limits)
            if dsn == _MEMORY
            else PostgresStore(dsn, limits, schema=schema, connections=connections)
        )

    @classmethod
    def in_memory(cls, **options: Any) -> Self:
        """Create a fleet within this process, with the same behaviour and no database.

        Args:
            **options: As for `Fleet`.
        """
        return cls(_MEMORY, **options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections to the database; may be called again."""
        await self._store.aclose()

    async def migrate(self, phase: Literal["all", "pre", "post"] = "all") -> None:
        """Create or update the tables; safe to run again.

        Args:
            phase: `pre` before new programs start, while old ones still use the tables; `post` once
                those have stopped; `all` for both, while no program runs.

        Raises:
            FleetError: The database is unavailable or refused, or its tables belong to a newer program.
            ValueError: `phase` is none of these.
        """
        if phase not in ("all", "pre", "post"):
            raise ValueError(f"phase: expected 'all', 'pre' or 'post', got {phase!r}")
        await self._store.migrate(phase)

    def on_call(self, handler: HandlerT) -> HandlerT:
        """Set the handler of calls, which their owners run; a decorator.

        When it returns, the call is over. When it raises, another owner continues.

        Args:
            handler: An async function; its argument is an `OwnedCall`.
        """
        self._handler = handler
        return handler

    async def offer(
        self, call_id: str, headers: Iterable[Mapping[str, str]] = (), *, api: Api = "realtime"
    ) -> bool:
        """Offer a call to the workers, as the webhook does.

        Args:
            call_id: The call's id; with the Live API the session's.
            headers: Its SIP headers, each with `name` and `value`.
            api: The API that answers it, `realtime` or `live`.

        Returns:
            Whether it was new.

        Raises:
            FleetError: The database is unavailable.
            TypeError, ValueError: The id can't be one, or is longer than 255 characters; or there is no such
                API.
        """
        checked = call_api(api).check_id(call_id)
        if len(checked) > LONGEST_ID:
            raise ValueError(f"call_id: expected at most {LONGEST_ID} characters, got {len(checked)}")
        given = list(headers)
        return await self._store.offer(checked, given, api=api, tenant=await self._tenant_of(given))

    async def _tenant_of(self, headers: Sequence[Mapping[str, str]]) -> str | None:
        """Return the tenant of a call; None if the function fails, because the caller waits."""
        if (function := self._tenant) is None:
            return None

        async def ask() -> object:
            return function(SipHeaders(headers))

        try:
            tenant = await contained(ask(), "tenant")
        except Exception as error:
            logger.error(
                "tenant raised %s: the call belongs to no tenant", type(error).__name__, exc_info=error
            )
            return None
        if tenant is not None and not isinstance(tenant, str):
            kind = type(tenant).__name__
            logger.error("tenant returned a %s, expected a str or None: the call belongs to no tenant", kind)
            return None
        return tenant[:LONGEST_ID] if tenant else None

    def webhook(
        self, client: AsyncRealtimeClient, *, api: Api | Callable[[SipHeaders], Api] = "realtime"
    ) -> Callable[[Any], Coroutine[Any, Any, Response]]:
        """Create the endpoint of the webhook, for Starlette and FastAPI.

        It verifies a delivery, records its call and enqueues it in one transaction, and answers 200; also
        for repeated deliveries, and for events other than calls. It answers 400 if the signature is
        invalid. While the database is unavailable it retries for 12 s, or for `max_wait` if that is less,
        and then answers 503: the API delivers again, but possibly later than the caller waits.

        Args:
            client: A client with the webhook's secret.
            api: The API that answers calls, `realtime` or `live`; or a function that chooses it by a
                call's SIP headers, such as the called number. Every call is announced for both.
        """
        from ..incoming import webhook_endpoint

        return webhook_endpoint(client, lambda call: _accept(self, call), api=api)

    @staticmethod
    def sharded_webhook(
        client: AsyncRealtimeClient,
        fleets: Mapping[str, Fleet],
        *,
        api: Api | Callable[[SipHeaders], Api] = "realtime",
    ) -> Callable[[Any], Coroutine[Any, Any, Response]]:
        """Create the endpoint of the webhook for several fleets, each with its own database.

        A call goes to one of them by its id, so a repeated delivery goes to the same fleet.

        Args:
            client: A client with the webhook's secret.
            fleets: The fleets by name. Adding or removing one moves no call between the others.
            api: As for `webhook`.

        Raises:
            ValueError: There is no fleet.
        """
        from ..incoming import webhook_endpoint

        if not fleets:
            raise ValueError("fleets: expected one or more, got none")
        return webhook_endpoint(client, lambda call: _accept(fleets[_shard(call.id, fleets)], call), api=api)

    def health(self) -> Callable[[Any], Coroutine[Any, Any, Response]]:
        """Create an endpoint for load balancers: 200 with counts, or 503 without the database.

        `calls` counts current calls, `waiting` those without an owner, `held_back` those of tenants
        that have reached their limit; `slots` and `workers` are the capacity; `alarms` lists problems.
        """
        from starlette.requests import Request
        from starlette.responses import JSONResponse, Response

        async def health(request: Request) -> Response:
            try:
                (calls, waiting, held_back), workers = await self._store.count(), await self.workers()
            except FleetError:
                return JSONResponse({"database": "unavailable"}, status_code=503)
            accepting = [worker for worker in workers if not worker.is_draining]
            slots = sum(worker.slots for worker in accepting)
            alarms = []
            if not accepting:
                alarms.append("no worker accepts calls")
            elif waiting and slots <= sum(worker.held for worker in accepting):
                alarms.append(f"{waiting} calls wait, and no slot is free")
            counts = {
                "calls": calls,
                "waiting": waiting,
                "held_back": held_back,
                "slots": slots,
                "workers": len(workers),
            }
            return JSONResponse({**counts, "alarms": alarms})

        health.__annotations__ = {"request": Request, "return": Response}
        return health

    def live(self) -> Callable[[Any], Coroutine[Any, Any, Response]]:
        """Create an endpoint for the supervisor of a web node: 200 while the event loop runs."""
        from starlette.requests import Request
        from starlette.responses import PlainTextResponse, Response

        async def live(request: Request) -> Response:
            return PlainTextResponse("live\n")

        live.__annotations__ = {"request": Request, "return": Response}
        return live

    def ready(self) -> Callable[[Any], Coroutine[Any, Any, Response]]:
        """Create an endpoint for the load balancer of web nodes: 200, or 503 with the reason.

        A node is ready once it has reached its database, and as long as a delivery would wait for it.
        """
        from starlette.requests import Request
        from starlette.responses import PlainTextResponse, Response

        reached = float("-inf")

        async def ready(request: Request) -> Response:
            nonlocal reached
            now = asyncio.get_running_loop().time()
            try:
                await self.workers()
            except FleetError as error:
                if now - reached > self._patience:
                    return PlainTextResponse(f"{error}\n", 503)
            else:
                reached = now
            return PlainTextResponse("ready\n")

        ready.__annotations__ = {"request": Request, "return": Response}
        return ready

    @property
    def _patience(self) -> float:
        """Seconds for which a delivery waits for the database."""
        return min(OFFERING, self._store.limits.max_wait)

    async def run(
        self,
        client: AsyncRealtimeClient,
        *,
        slots: int = 100,
        drain: float = 5.0,
        name: str | None = None,
        generation: int = 0,
        probes: int | tuple[str, int] | None = None,
    ) -> None:
        """Own calls until SIGTERM or SIGINT, or until cancelled; then hand them over and return.

        Args:
            client: The client that answers calls.
            slots: How many calls it has at most; 0 for a process that only sweeps.
            drain: Seconds for handing over calls at the end.
            name: The worker's name in logs and lists; the host's and the process id unless given.
            generation: The number of the deploy, which must increase, such as a build number or a time: a
                worker gets no calls while one of a newer generation has free slots.
            probes: A port on loopback, or a host and a port, where the worker serves `/live`, `/ready` and
                `/metrics` (for Prometheus); None for no such server.

        Raises:
            RuntimeError: There is no handler; register one with `on_call`.
            FleetError: The database refuses this process, or has no tables for it.
            OSError: The port for probes is in use.
            TypeError, ValueError: An argument is out of range.
        """
        if self._handler is None:
            raise RuntimeError("run: there is no handler; register one with @fleet.on_call")
        _check_seconds("drain", drain)
        _check_count("slots", slots)
        _check_count("generation", generation)
        policy = Policy(
            name=name or f"{socket.gethostname()}:{os.getpid()}",
            slots=slots,
            drain=drain,
            generation=generation,
            busy_status=self._busy_status,
            after_failures=self._after_failures,
            observer=self._observer,
            probes=_address(probes),
        )
        _load()
        owner = Owner(self._store, client, self._handler, policy)
        with _signals(owner.stop):
            await owner.run()

    async def calls(self, *, ended: bool = False) -> list[CallRecord]:
        """Return the current calls, optionally with the newest 10,000 ended ones, oldest first."""
        return await self._store.calls(ended=ended)

    async def workers(self) -> list[WorkerRecord]:
        """Return the workers, oldest first."""
        return await self._store.workers()

    async def find(self, call_id: str) -> CallRecord | None:
        """Return a call's record; None if it is unknown."""
        return await self._store.find(call_id)

    async def failed(self) -> list[CallRecord]:
        """Return the calls that were closed after too many failures, with headers and data, oldest first."""
        return await self._store.failed()

    async def retry(self, call_id: str) -> bool:
        """Give a call that failed too often to a worker again; return whether there is such a call.

        The call must still exist, so this is for fleets with `after_failures="leave"`.
        """
        return await self._store.retry(call_id)

    async def ask_to_drain(self, worker: int) -> bool:
        """Ask a worker to hand over its calls and stop; return whether there is such a worker."""
        return bool(await self._store.ask_to_drain(worker))

    async def ask_older_to_drain(self, worker: int) -> int:
        """Ask all workers that started before this one to hand over their calls and stop; return how many.

        From then on none of them gets a call, so each call changes its owner only once.
        """
        return await self._store.ask_to_drain(worker, older=True)


_MEMORY = ":memory:"
SHORTEST_LIFE, LONGEST_LIFE = 0.5, 300.0  # seconds
SHORTEST_KEEP = 3 * 86_400.0  # seconds
LONGEST_ID = 255  # characters
_OTHER = {"tenant": "max_per_tenant", "max_per_tenant": "tenant"}
OFFERING = 12.0  # seconds for which a delivery waits for the database
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,50}")


async def _accept(fleet: Fleet, call: IncomingCall) -> None:
    """Offer a call, again and again while the database is unavailable.

    Delivering one again that can't be stored would not help.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + fleet._patience
    while True:
        try:
            await fleet.offer(call.id, call.sip_headers, api=call.api)
        except ValueError as error:
            logger.error("a call is not accepted: %s", error)
        except FleetError as error:
            if isinstance(error, SetupError) or clock() + RETRY >= deadline:
                raise
            await asyncio.sleep(RETRY)
            continue
        return


def _shard(call_id: str, names: Iterable[str]) -> str:
    """Return the name that a call belongs to: the one with the highest hash together with its id."""
    return max(names, key=lambda name: hashlib.sha256(f"{name}\0{call_id}".encode()).digest())


def _address(probes: int | tuple[str, int] | None) -> tuple[str, int] | None:
    if probes is None:
        return None
    host, port = probes if isinstance(probes, tuple) else ("127.0.0.1", probes)
    _check_count("probes", port)
    if port > 65_535:
        raise ValueError(f"probes: expected a port up to 65535, got {port}")
    return host, port


def _check_seconds(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}: expected seconds, got {type(value).__name__}")
    if not value > 0:
        raise ValueError(f"{name}: expected more than 0 seconds, got {value!r}")


def _check_count(name: str, value: int, *, least: int = 0) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: expected an int, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name}: expected {least} or more, got {value}")


def _load() -> None:
    """Load the modules of a call: loading them with the first call would delay the renewal of ownership."""
    import websockets.asyncio.client  # noqa: F401

    from realtime_ext import connection, tools  # noqa: F401
    from realtime_ext.events import parse_event
    from realtime_ext.session import resolve

    resolve({"type": "realtime"}, validate=True)
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
