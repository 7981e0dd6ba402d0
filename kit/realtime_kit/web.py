"""Serve calls from a web app on Starlette or FastAPI: its routes, and the owner of its calls (extra `web`).

    calls = RunningCalls()
    app = FastAPI(lifespan=calls.lifespan)
    app.mount("/realtime", router(calls, session, tools=[book_room], authorize=is_signed_in))

A page posts its offer to `/realtime/offer` and gets the answer; a sideband runs the tools for as long as the
call lasts. `router` puts three endpoints together; an app that wants its own routes uses those, or
`RunningCalls` alone. This module must not add CORS headers nor decide who may call: the app does.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, TypeVar

from realtime_ext.client import AsyncRealtimeClient
from realtime_ext.errors import (
    APITimeoutError,
    BadRequestError,
    RateLimitError,
    RealtimeError,
    SdpError,
    SessionConfigError,
)
from realtime_ext.tasks import TimeLimit, contained
from realtime_ext.webhooks import Api, Deduplicator

from ._call_apis import CallApi, api_of, call_api
from ._core.starlette import MAX_BODY_BYTES, JSONResponse, Request, Response, error_response, read_body
from .incoming import Endpoint, IncomingCall, webhook_endpoint

from starlette.routing import Route, Router  # isort: skip  (after what says which extra is missing)

if TYPE_CHECKING:
    from realtime_ext.client import CallLike, LiveCallLike
    from realtime_ext.connection import AsyncConnection, AsyncLiveConnection
    from realtime_ext.session import ConversationLike, LiveSessionLike
    from realtime_ext.tools import Toolbox

__all__ = [
    "MAX_BODY_BYTES",
    "Endpoint",
    "IncomingCall",
    "OnConnection",
    "PerRequest",
    "RunningCalls",
    "Seen",
    "ToolsLike",
    "offer_endpoint",
    "router",
    "secret_endpoint",
    "webhook_endpoint",
]


def __dir__() -> list[str]:
    return __all__


_logger: logging.Logger = logging.getLogger("realtime_kit.web")

_HANGUP_TIMEOUT = 5.0  # seconds
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")

_T = TypeVar("_T")
OnConnection = (
    Callable[["AsyncConnection"], Awaitable[object] | None]
    | Callable[["AsyncLiveConnection"], Awaitable[object] | None]
)
"""A function of a call's connection, async or not."""
PerRequest: TypeAlias = _T | Callable[[Request], _T | Awaitable[_T]]
"""A value, or a function of the request that returns it, async or not; a plain one must not block."""
ToolsLike: TypeAlias = "Toolbox | Iterable[Callable[..., Any]] | None"
"""A toolbox, or functions to create one from."""


class RunningCalls:
    """Owns the calls of this process: one task each, all of which end when the app shuts down.

    Args:
        client: The client of the calls; it is left open. None for a new client, set up by the
            environment and closed at the end.
        hangup_on_exit: Whether attached calls are hung up at the end. False keeps them for the process that
            attaches next, for instance after a deployment; until then their tools are not run.

    Example:
        ```python
        calls = RunningCalls()
        app = Starlette(routes=[Mount("/realtime", router(calls, session))], lifespan=calls.lifespan)
        ```
    """

    def __init__(self, client: AsyncRealtimeClient | None = None, *, hangup_on_exit: bool = True) -> None:
        self._client = client
        self._is_own = client is None
        self._hangs_up = hangup_on_exit
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._given_up: set[asyncio.Task[None]] = set()  # calls to be hung up once they are made
        self._is_closing = False

    @property
    def client(self) -> AsyncRealtimeClient:
        """The client of the calls."""
        if self._client is None:
            self._client = AsyncRealtimeClient()
        return self._client

    @property
    def call_ids(self) -> list[str]:
        """The ids of the active calls, oldest first."""
        return list(self._tasks)

    @property
    def is_closing(self) -> bool:
        """Whether no further call may begin."""
        return self._is_closing

    def attach(
        self,
        call: CallLike | LiveCallLike,
        on_connection: OnConnection | None = None,
        *,
        tools: ToolsLike = None,
        api: Api | None = None,
    ) -> asyncio.Task[None]:
        """Attach to a call in the background: run its tools, and a handler, until the call ends.

        A handler that raises ends the call: it is hung up, and the error is logged.

        Args:
            call: The call, or its id.
            on_connection: Called with the connection once it is open, async or not. When it returns, events
                are still read, for the tools and for handlers that it registered with `on`.
            tools: A toolbox, or functions to create one from. The call's session declares them already.
            api: The API that the call is of, `realtime` or `live`; None for the one that the call tells:
                ids of the Live API begin with `live_`.

        Returns:
            The task, which only raises its cancellation.

        Raises:
            RealtimeError: The calls are being ended, or this one is running already.
            TypeError, ValueError: The id can't be one.
        """
        way = api_of(call) if api is None else call_api(api)
        call_id = way.check_id(call)
        return self.run(call_id, self._attend(way, call_id, on_connection, tools))

    def run(self, call: CallLike | LiveCallLike, work: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
        """Run a coroutine for a call in the background, such as a phone call's `answer` block.

        Args:
            call: The call, or its id.
            work: A coroutine. Its exceptions are logged; it is cancelled when the app shuts down.

        Returns:
            The task, which only raises its cancellation.

        Raises:
            RealtimeError: The calls are being ended, or this one is running already.
            TypeError, ValueError: The id can't be one.
        """
        try:
            call_id = api_of(call).check_id(call)
            if self._is_closing:
                raise RealtimeError(f"{call_id} can't begin: the app is shutting down")
            if call_id in self._tasks:
                raise RealtimeError(f"{call_id} is running already")
        except BaseException:
            work.close()
            raise
        task = asyncio.create_task(_logged(call_id, work), name=f"realtime_ext call {call_id}")
        self._tasks[call_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(call_id, None))
        return task

    def _give_up(self, making: asyncio.Future[Any], way: Any) -> None:
        """Hang a call up once it is made."""

        async def hang_up() -> None:
            with contextlib.suppress(RealtimeError, ValueError, TypeError):
                await way.hang_up(self.client, (await making).id)

        task = asyncio.create_task(hang_up(), name="realtime_ext given up")
        self._given_up.add(task)
        task.add_done_callback(self._given_up.discard)

    async def aclose(self) -> None:
        """End all calls, within a few seconds, and close a client created here; new calls may begin later."""
        self._is_closing = True
        try:
            await asyncio.sleep(0)  # a task that has not begun would end without hanging up
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, *self._given_up, return_exceptions=True)
            if self._is_own and self._client is not None:
                client, self._client = self._client, None
                await client.aclose()
        finally:
            self._is_closing = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @contextlib.asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Serve as the app's `lifespan`; a custom one has `async with calls:` around its `yield`."""
        async with self:
            yield

    async def _attend(
        self, way: CallApi, call_id: str, on_connection: OnConnection | None, tools: ToolsLike
    ) -> None:
        try:
            toolbox = None if tools is None else _toolbox(tools)
            async with way.attach(self.client, call_id, toolbox) as connection:
                if on_connection is not None:
                    await contained(_of(on_connection, connection), "on_connection")
                await contained(connection.run(), "a handler")
        except asyncio.CancelledError:
            if self._hangs_up:
                await self._hang_up(way, call_id)
            raise
        except BaseException:
            await self._hang_up(way, call_id)  # its tools would not be run
            raise

    async def _hang_up(self, way: CallApi, call_id: str) -> None:
        with contextlib.suppress(RealtimeError, TimeoutError):
            async with TimeLimit(_HANGUP_TIMEOUT):
                await way.hang_up(self.client, call_id)


class Seen(Protocol):
    """The interface of `Deduplicator`, for stores that several processes share."""

    def seen(self, webhook_id: str, call_id: str | None = None) -> bool:
        """Return whether a delivery or a call was seen before, and remember both."""


def router(
    calls: RunningCalls,
    session: PerRequest[ConversationLike] | PerRequest[LiveSessionLike] | None = None,
    *,
    api: Api = "realtime",
    tools: PerRequest[ToolsLike] = None,
    on_connection: OnConnection | None = None,
    on_incoming: Callable[[IncomingCall], Awaitable[object] | None] | None = None,
    deduplicator: Seen | None = None,
    authorize: Callable[[Request], object] | None = None,
    safety_identifier: PerRequest[str | None] = None,
    expires_after: int | timedelta | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> Router:
    """Create `POST /offer` and `/secret` for pages and `/webhook` for phone calls, to be mounted in an app.

    The Live API has no client secrets, and so no `/secret`.

    Args:
        calls: The owner of the calls; its `lifespan` is to be the app's, or a part of it.
        session: The conversation's configuration: a builder, a generated model or a dict; or a function of
            the request. None for phone calls only: then there are no `/offer` and no `/secret`.
        api: The API of the calls, `realtime` or `live`.
        tools: A toolbox, or functions to create one from: declared in the session of `/offer`, and run here.
            A function of the request makes one for each call, with that user's state.
        on_connection: As for `RunningCalls.attach`.
        on_incoming: A function, async or not, that is run in the background for every phone call, once; it
            answers, rejects or refers. Without it there is no `/webhook`.
        deduplicator: The memory of deliveries; one for this process unless given.
        authorize: Called with each request of `/offer` and `/secret`, async or not, and what it returns
            decides: true admits it, a `Response` is sent instead of an answer, anything else is a 403. An
                `HTTPException` is handled by the app, as in any endpoint. None admits all requests, at your
                expense.
        safety_identifier: A stable, hashed id of the end user, or a function of the request.
        expires_after: How long a secret may be used to make a call: seconds, or a timedelta, 10 to 7200 s.
        max_body_bytes: A longer body is answered with 413.

    Raises:
        SessionConfigError: The API would refuse the session or the lifetime.
        TypeError: A tool can't be described to the model, or an argument has the wrong type.
        ValueError: There is neither a session nor `on_incoming`, or an argument has no effect without one of
            them.

    Example:
        ```python
        app.mount("/realtime", router(calls, session, tools=[book_room], authorize=is_signed_in))
        ```
    """
    pages = {
        "tools": tools,
        "on_connection": on_connection,
        "authorize": authorize,
        "safety_identifier": safety_identifier,
        "expires_after": expires_after,
    }
    call_api(api)
    if api == "live" and expires_after is not None:
        raise ValueError("expires_after: no effect here: the Live API has no client secrets")
    if session is None and on_incoming is None:
        raise ValueError("router: expected a session, on_incoming or both, got neither")
    for name, value in pages.items():
        if session is None and value is not None:
            raise ValueError(f"{name}: no effect without a session, which enables /offer")
    if on_incoming is None and deduplicator is not None:
        raise ValueError("deduplicator: no effect without on_incoming")
    _check_callable("on_incoming", on_incoming)
    routes = []
    if session is not None:
        admitted: Any = {"authorize": authorize, "safety_identifier": safety_identifier}
        offer = offer_endpoint(
            calls,
            session,
            api=api,
            tools=tools,
            on_connection=on_connection,
            max_body_bytes=max_body_bytes,
            **admitted,
        )
        routes.append(Route("/offer", offer, methods=["POST"]))
        if api == "realtime":
            conversation: Any = session
            secret = secret_endpoint(calls, conversation, expires_after=expires_after, **admitted)
            routes.append(Route("/secret", secret, methods=["POST"]))
    if on_incoming is not None:
        handler, known = on_incoming, deduplicator or Deduplicator()

        async def begin(call: IncomingCall) -> None:
            if calls.is_closing:  # before it counts as seen: the API delivers it to the next process
                raise RealtimeError("the app is shutting down")
            if not known.seen(call.webhook_id, call.id):
                calls.run(call.id, _of(handler, call))

        webhook = webhook_endpoint(lambda: calls.client, begin, api=api, max_body_bytes=max_body_bytes)
        routes.append(Route("/webhook", webhook, methods=["POST"]))
    return Router(routes=routes)


def offer_endpoint(
    calls: RunningCalls,
    session: PerRequest[ConversationLike] | PerRequest[LiveSessionLike],
    *,
    api: Api = "realtime",
    tools: PerRequest[ToolsLike] = None,
    on_connection: OnConnection | None = None,
    authorize: Callable[[Request], object] | None = None,
    safety_identifier: PerRequest[str | None] = None,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> Endpoint:
    """Create the endpoint to which a page posts its offer; the arguments are those of `router`.

    It answers like the API, with 201, the SDP answer and a `Location` that ends with the call's id; 400 for
    an invalid offer, 413 for a long one, 415 for media types other than application/sdp, 403 if `authorize`
    denies it, 502 if the API refused or is unavailable, 503 if it is busy, 504 if it is slow. The media type
    keeps other sites' pages from making calls unless the app's CORS rules allow that. It raises as `router`.
    """
    if tools is not None and not callable(tools):
        tools = _toolbox(tools)
    way = call_api(api)
    _check_callable("on_connection", on_connection)
    _check_at_start(calls, session, authorize, safety_identifier, tools=tools, api=api)

    async def offer(request: Request) -> Response:
        if (refusal := await _refusal(authorize, request)) is not None:
            return refusal
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/sdp":
            return error_response(415, "the offer must be the body, with Content-Type: application/sdp")
        body = await read_body(request, max_body_bytes)
        if isinstance(body, Response):
            return body
        toolbox = await _of(tools, request)
        if toolbox is not None:
            toolbox = _toolbox(toolbox)
        user = await _of(safety_identifier, request)
        configured: Any = await _of(session, request)
        if toolbox is not None:
            configured = way.with_tools(configured, toolbox)
        making = asyncio.ensure_future(way.create(calls.client, body, configured, user))
        try:
            call = await asyncio.shield(making)
        except asyncio.CancelledError:  # the API may be about to make the call
            calls._give_up(making, way)
            raise
        except SdpError as error:
            return error_response(400, str(error), code="invalid_offer")
        except SessionConfigError:
            raise  # the app's own mistake
        except RealtimeError as error:
            return _upstream(error)
        try:
            calls.attach(call.id, on_connection, tools=toolbox, api=api)
        except RealtimeError as error:  # the app shuts down
            with contextlib.suppress(RealtimeError):
                await way.hang_up(calls.client, call.id)
            return error_response(503, str(error))
        headers = {"Location": call.location, "Cache-Control": "no-store"}
        return Response(call.sdp_answer, 201, headers, media_type="application/sdp")

    return offer


def secret_endpoint(
    calls: RunningCalls,
    session: PerRequest[ConversationLike],
    *,
    authorize: Callable[[Request], object] | None = None,
    safety_identifier: PerRequest[str | None] = None,
    expires_after: int | timedelta | None = None,
) -> Endpoint:
    """Create the endpoint at which a page gets a client secret; the arguments are those of `router`.

    It answers in JSON with `value`, `expires_at` and `calls_url`, to which the page posts its offer. Such a
    call is between the page and the API: this app does not attach to it, and the page runs its tools. It
    raises the same errors as `router`.
    """
    _check_at_start(calls, session, authorize, safety_identifier, expires_after=expires_after)

    async def secret(request: Request) -> Response:
        if (refusal := await _refusal(authorize, request)) is not None:
            return refusal
        client = calls.client
        try:
            made = await client.client_secrets.create(
                await _of(session, request),
                expires_after=expires_after,
                safety_identifier=await _of(safety_identifier, request),
            )
        except SessionConfigError:
            raise
        except RealtimeError as error:
            return _upstream(error)
        body = {**made.to_browser(), "calls_url": f"{client.base_url}/realtime/calls"}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    return secret


def _check_at_start(
    calls: RunningCalls,
    session: Any,
    authorize: object,
    safety_identifier: Any,
    *,
    tools: Any = None,
    expires_after: int | timedelta | None = None,
    api: Api = "realtime",
) -> None:
    """Check what needs no request, so that the app fails when it starts, and not at the first customer.

    Raises:
        SessionConfigError: The API would refuse the session or the lifetime.
        TypeError, ValueError: An argument has the wrong type or value.
    """
    way = call_api(api)
    _check_callable("authorize", authorize)
    if safety_identifier is not None and not callable(safety_identifier):
        if not isinstance(safety_identifier, str):
            kind = type(safety_identifier).__name__
            raise TypeError(f"safety_identifier: expected a str or a function, got {kind}")
        if not _HEADER_VALUE.fullmatch(safety_identifier):
            raise ValueError("safety_identifier: expected printable ASCII, without blanks around it")
    known = None if callable(session) else session
    if known is not None and tools is not None and not callable(tools):
        known = way.with_tools(known, tools)
    client = calls._client
    way.check(known, expires_after, validate=client is None or client.validate)


def _check_callable(field: str, given: object) -> None:
    if given is not None and not callable(given):
        raise TypeError(f"{field}: expected a function, got {type(given).__name__}")


async def _logged(call_id: str, work: Coroutine[Any, Any, object]) -> None:
    try:
        await contained(work, "the handler")
    except RealtimeError as error:
        _logger.warning("%s failed: %s", call_id, error)
    except Exception:
        _logger.exception("%s failed", call_id)


def _toolbox(tools: Toolbox | Iterable[Callable[..., Any]]) -> Toolbox:
    from realtime_ext.tools import Toolbox

    return tools if isinstance(tools, Toolbox) else Toolbox(tools)


async def _of(given: Any, argument: object) -> Any:
    value = given(argument) if callable(given) else given
    return await value if inspect.isawaitable(value) else value


async def _refusal(authorize: Callable[[Request], object] | None, request: Request) -> Response | None:
    if authorize is None:
        return None
    verdict = await _of(authorize, request)
    if isinstance(verdict, Response):
        return verdict
    return None if verdict else error_response(403, "you are not allowed to make calls here")


def _upstream(error: BaseException) -> Response:
    """Hide the API's message, which may concern the app's own set-up: it is logged instead."""
    if isinstance(error, BadRequestError) and error.code == "invalid_offer":
        return error_response(400, error.message, code="invalid_offer")
    _logger.warning("a call was not made: %s", error)
    if isinstance(error, RateLimitError):
        response = error_response(503, "the service is busy; try again later")
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(max(1, round(error.retry_after)))
        return response
    if isinstance(error, APITimeoutError):
        return error_response(504, "the service did not answer in time")
    return error_response(502, "the service did not make the call")
