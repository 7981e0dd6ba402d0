"""Send operations over HTTP; only `raw` sends as well.

`Exchange` decides what follows a response or a failure, without I/O; `send` and `asend` run it on the httpx
client of an `Http` or `AsyncHttp`. A client that is handed in may be one of httpx2, whose classes are then
used in place of httpx's; it is never imported here. httpx logs whole URLs and httpcore answers' headers:
`quiet` drops their records for what this package sends, and changes neither levels nor handlers.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
import math
import os
import sys
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

import attrs

from .._core.event_loop import require_asyncio
from .._core.network import certificate_hint, environment_proxy, is_loopback
from .._core.secrets import MASK, Secret, mask
from ..errors import APIConnectionError, APITimeoutError, RealtimeError
from .operation import Operation, status_error
from .receiving import areceive, library_of, receive, rest
from .retry import LONGEST_PAUSE, Failure, Outcome, decide, parse_retry_after
from .settings import AUTHORIZATION, DEFAULT_TIMEOUT, RequestOptions, Settings

if TYPE_CHECKING:
    import asyncio

    import httpx

    from .._core.arguments import Timeout
    from .._core.time_limit import Timer

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("realtime_ext")

_CONNECT_TIMEOUT = 5.0  # seconds
_CONFIDENTIAL = frozenset({*AUTHORIZATION, "cookie", "proxy-authorization"})

HTTP_LOGGERS = tuple(
    logger
    for version in ("", "2")
    for logger in (
        f"httpx{version}",
        *(f"httpcore{version}.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
    )
)


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


async def _asleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


def _call_later(seconds: float, function: Callable[[], object]) -> Timer:
    import asyncio

    return asyncio.get_running_loop().call_later(seconds, function)


def _random() -> float:
    import random

    return random.random()


@attrs.frozen(kw_only=True)
class Clock:
    """Clock and random source; tests inject their own.

    Args:
        now: Returns unix seconds.
        monotonic: Returns seconds of a clock that is never set.
        random: Returns numbers in [0, 1).
        sleep: Waits that many seconds.
        asleep: The async form of `sleep`.
        call_later: Calls a function after so many seconds, on the running event loop.
    """

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = _random
    sleep: Callable[[float], None] = _sleep
    asleep: Callable[[float], Awaitable[None]] = _asleep
    call_later: Callable[[float, Callable[[], object]], Timer] = _call_later


@attrs.frozen
class Done(Generic[T]):
    """The end of an exchange that succeeded.

    Args:
        value: The operation's result.
    """

    value: T


class Exchange(Generic[T]):
    """One operation's attempts, without their I/O.

    Args:
        operation: The operation.
        settings: The client's settings.
        options: The request's own.
        clock: Clock and random source.
        client: The httpx client that will send it, for its time limits.

    Attributes:
        http_error: The class of the library's errors that `failed` accepts.
        needs_key: Whether `request` needs the API key.
    """

    def __init__(
        self,
        operation: Operation[T],
        settings: Settings,
        options: RequestOptions,
        clock: Clock,
        client: httpx.Client | httpx.AsyncClient,
    ) -> None:
        self._operation = operation
        self._settings = settings
        self._options = options
        self._clock = clock
        self._retries = 0
        self._may_have_applied = False
        self._sent: tuple[str, ...] = ()
        self._library = library_of(client)
        self._timeout = _timeout_for(options.timeout, settings.timeout, client)
        self._ends = math.inf
        self.http_error: type[httpx.HTTPError] = self._library.HTTPError
        self.needs_key: bool = operation.bearer is None and settings.needs_key(options.headers)

    def request(self, key: Secret | None) -> dict[str, Any]:
        """Return the keyword arguments for httpx's `build_request`."""
        request, bearer, settings = self._operation.request, self._operation.bearer, self._settings
        headers = settings.request_headers(
            key, bearer=bearer, headers=request.headers, extra=self._options.headers
        )
        secret = key if bearer is None else bearer
        self._sent = () if secret is None else (secret.reveal(),)
        arguments: dict[str, Any] = {
            "method": request.method,
            "url": _parsed(self._library.URL, settings.base_url + request.path),
            "headers": headers,
            "content": request.content,
            "timeout": self._timeout,
        }
        if query := {**dict(parse_qsl(request.query)), **settings.query, **self._options.query}:
            arguments["params"] = query
        return arguments

    def sending(self, request: httpx.Request) -> dict[str, Any]:
        """Return the keyword arguments for httpx's `send`, apart from the request."""
        # httpx would send an api-key, an offer or a secret to any host that a redirect names.
        arguments: dict[str, Any] = {"stream": True, "follow_redirects": False}
        if "authorization" in request.headers:
            arguments["auth"] = None  # a client's own auth would replace the header
        return arguments

    def deadline(self) -> float | None:
        """Return the seconds that the next attempt may last in all; None for no limit.

        The limit of each step alone would let a server that trickles hold a call for as long as it likes.
        """
        if self._timeout.read is None:
            return None
        limit, now = 2 * self._timeout.read, self._clock.monotonic()
        if self._ends == math.inf:  # the first one: all have this long together, with the pauses between them
            self._ends = now + limit + self._settings.max_retries * (limit + LONGEST_PAUSE)
        return min(limit, self._ends - now)

    def answered(self, response: httpx.Response) -> Done[T] | float:
        """Return the result that an answer holds, or the seconds until the next attempt; else raise."""
        status = response.status_code
        operation = self._operation
        request_id = response.headers.get("x-request-id")
        if request_id is not None:  # a server may echo the key there; what reads the answer sees none
            request_id = response.headers["x-request-id"] = mask(request_id, self._sent)
        logger.debug(
            "%s: %s answered %d, %d bytes, request %s",
            operation.name,
            operation.request.path,
            status,
            len(response.content),
            request_id,
        )
        if 200 <= status < 300 or operation.counts_as_done(status, self._retries):
            result = Done(operation.read(response))
            logger.info("%s: done, status %d", operation.name, status)
            return result
        retry_after = parse_retry_after(response.headers.get("retry-after"), self._clock.now)
        pause = self._decide(Failure(Outcome.ANSWERED, status, retry_after), f"status {status}")
        if pause is None:
            raise status_error(
                status,
                response.headers,
                response.content,
                url=self._settings.base_url + self._operation.request.path,
                now=self._clock.now,
                secrets=self._sent,
                may_have_applied=self._may_have_applied,
            )
        return pause

    def failed(self, error: httpx.HTTPError) -> Done[T] | float:
        """Return the seconds until the next attempt after a failure without an answer, or raise.

        There is an answer if a hook of the user's own httpx client has raised for its status.
        """
        if isinstance(error, self._library.HTTPStatusError):
            return self.answered(_with_content(error.response, self._library))
        timed_out = isinstance(error, self._library.TimeoutException)
        outcome = _outcome(error, self._library)
        text = mask(str(error), self._sent) or type(error).__name__
        pause = self._decide(Failure(outcome), text)
        if pause is not None:
            return pause
        host = urlsplit(self._settings.base_url).netloc
        what = {
            Outcome.NOT_CONNECTED: f"no connection to {host}{_through(self._settings.base_url)}",
            Outcome.UNSENDABLE: "the request cannot be sent",
        }.get(outcome, f"no answer from {host}" + (" in time" if timed_out else ""))
        message = f"{self._operation.name}: {what}: {text}{certificate_hint(error)}"
        if self._may_have_applied:
            message += "; the API may have carried it out"
        kind = APITimeoutError if timed_out else APIConnectionError
        if error._request is not None:  # httpx masks one of them in its repr
            headers = error.request.headers
            headers.update({name: MASK for name in _CONFIDENTIAL if name in headers})
        raise kind(message, may_have_applied=self._may_have_applied) from error

    def _decide(self, failure: Failure, text: str) -> float | None:
        settings = self._settings
        self._may_have_applied |= failure.may_have_applied
        pause = decide(
            failure,
            idempotent=self._operation.idempotent,
            retries=self._retries,
            max_retries=settings.max_retries if self._operation.retried else 0,
            random=self._clock.random,
        )
        if pause is not None and self._clock.monotonic() + pause >= self._ends:
            pause = None
        if pause is not None:
            self._retries += 1
            logger.info(
                "%s: %s; retry %d of %d in %.1f s",
                self._operation.name,
                text,
                self._retries,
                settings.max_retries,
                pause,
            )
        return pause


@functools.lru_cache(maxsize=64)
def _parsed(url_class: Callable[[str], httpx.URL], url: str) -> httpx.URL:
    return url_class(url)


def _with_content(response: httpx.Response, library: Any) -> httpx.Response:
    """Return an answer that may have been closed before it was read; then it has no content."""
    try:
        response.content  # noqa: B018  (raises)
    except library.ResponseNotRead:
        names = {"retry-after", "x-request-id"} & response.headers.keys()
        headers = {name: response.headers[name] for name in names}
        empty: httpx.Response = library.Response(response.status_code, headers=headers)
        return empty
    return response


def _through(url: str) -> str:
    proxy = environment_proxy(url)
    return "" if proxy is None else f" through the proxy {proxy}"


def _outcome(error: httpx.HTTPError, lib: Any) -> Outcome:
    if isinstance(error, lib.ConnectError | lib.ConnectTimeout | lib.PoolTimeout | lib.ProxyError):
        return Outcome.NOT_CONNECTED
    if isinstance(error, lib.LocalProtocolError | lib.UnsupportedProtocol | lib.TooManyRedirects):
        return Outcome.UNSENDABLE
    return Outcome.LOST


def _timeout_for(
    asked: Timeout | None, configured: Timeout | None, client: httpx.Client | httpx.AsyncClient
) -> httpx.Timeout:
    # The request's, the client's, or those of an httpx client that has its own.
    kind = type(client.timeout)
    if asked is None and configured == DEFAULT_TIMEOUT and client.timeout != kind(5.0):
        return client.timeout
    return httpx_timeout(configured if asked is None else asked, kind)


def httpx_timeout(timeout: Timeout | None, kind: Any = None) -> httpx.Timeout:
    """Turn a checked time limit into httpx's: 5 s at most to connect; None and infinity have no limit.

    Args:
        timeout: Seconds, a Timeout of httpx or httpx2, or None.
        kind: The class of the result; None for httpx's.
    """
    if kind is None:
        import httpx

        kind = httpx.Timeout
    result: httpx.Timeout
    if isinstance(timeout, kind):
        return cast("httpx.Timeout", timeout)
    if timeout is None or (isinstance(timeout, int | float) and math.isinf(timeout)):
        result = kind(None)
    elif isinstance(timeout, int | float):
        result = kind(timeout, connect=min(timeout, _CONNECT_TIMEOUT))
    else:  # of the other library
        result = kind(**timeout.as_dict())
    return result


def make_httpx(class_name: str, url: str, library: Any = None, **arguments: Any) -> Any:
    """Make an httpx client, which uses the environment's proxies except for loopback.

    Args:
        class_name: The class, `Client` or `AsyncClient`.
        url: The base URL of its requests.
        library: httpx2, or None for httpx.
        arguments: Its arguments.

    Raises:
        RealtimeError: A proxy of the environment can't be used. No URL is shown, for it may have a password.
    """
    if library is None:
        import httpx

        library = httpx
    if is_loopback(url) and arguments.get("transport") is None:
        # A transport of its own keeps httpx from loading the environment's proxies, which may be invalid.
        transport = "HTTPTransport" if class_name == "Client" else "AsyncHTTPTransport"
        arguments["transport"] = getattr(library, transport)()
    try:
        return getattr(library, class_name)(**arguments)
    except ImportError as error:
        raise RealtimeError(f"proxy: it requires an additional package: {error}") from error
    except (ValueError, library.InvalidURL) as error:
        raise RealtimeError(f"proxy: its URL can't be used: {mask(str(error))}") from None


ClientT = TypeVar("ClientT", "httpx.Client", "httpx.AsyncClient")


_holders: weakref.WeakSet[_Holder[Any]] = weakref.WeakSet()
_of_parent: list[Any] = []  # kept, since closing would say goodbye on the parent's connections


def _leave_to_parent() -> None:
    for holder in list(_holders):
        holder.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


class _Holder(Generic[ClientT]):
    """A client's settings and clock, and an httpx client that is made on first use unless handed in.

    Args:
        settings: The client's settings.
        client: The user's own client of httpx or httpx2, used as it is and left open.
        clock: Clock and random source.

    Raises:
        TypeError: `client` is something else, such as an async client for a sync one.
    """

    _class_names: ClassVar[tuple[str, str]]  # the httpx class, and ours, by name

    def __init__(self, settings: Settings, client: object, clock: Clock | None = None) -> None:
        if client is not None:
            expected, owner = self._class_names
            loaded = [module for name in ("httpx", "httpx2") if (module := sys.modules.get(name)) is not None]
            if not any(isinstance(client, getattr(library, expected)) for library in loaded):
                got = f"{type(client).__module__.partition('.')[0]}.{type(client).__qualname__}"
                raise TypeError(
                    f"http_client: {owner} expects httpx.{expected} or httpx2.{expected}, got {got}"
                )
        self.settings = settings
        self.clock: Clock = clock or Clock()
        self.handed_in: ClientT | None = cast("ClientT | None", client)
        self._client: ClientT | None = self.handed_in
        self.raw: ClientT | None = None
        self._lock = threading.Lock()
        self._closed = False
        _holders.add(self)

    def leave_to_parent(self) -> None:
        """Detach after fork: answers over connections that two processes share could go to the wrong one."""
        self._lock = threading.Lock()
        _of_parent.extend((self._client, self.raw))
        self._client, self.raw = self.handed_in, None

    def open(self) -> ClientT:
        """Return the httpx client, made now if this is the first use.

        Raises:
            APIConnectionError: It was closed.
        """
        with self._lock:
            if self._closed:
                raise APIConnectionError("this client is closed; create a new one")
            if self._client is None:
                self._client = make_httpx(self._class_names[0], self.settings.base_url)
            client: ClientT = self._client
            if client.is_closed:
                raise APIConnectionError("the http_client that was passed in is closed")
            return client

    def _made(self) -> ClientT | None:
        """Return the client to be closed, from now on unused; None for one that was handed in."""
        with self._lock:
            self._closed = True
            return None if self.handed_in is not None else self._client


class Http(_Holder["httpx.Client"]):
    """The HTTP side of a sync client; threads may share it."""

    _class_names = ("Client", "RealtimeClient")

    def close(self) -> None:
        """Close the httpx client unless it was handed in."""
        if (client := self._made()) is not None:
            client.close()
        rest()


class AsyncHttp(_Holder["httpx.AsyncClient"]):
    """The HTTP side of an async client; it belongs to one event loop, and to another once that is closed."""

    _class_names = ("AsyncClient", "AsyncRealtimeClient")
    _loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> httpx.AsyncClient:
        """Return the httpx client, as for the sync one."""
        import asyncio

        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._is_left and self.handed_in is None:
                self._client = None
            self._loop = loop
        return super().open()

    @property
    def _is_left(self) -> bool:
        """Whether the loop of its connections is closed, and they with it."""
        return self._loop is not None and self._loop.is_closed()

    async def aclose(self) -> None:
        """Close the httpx client unless it was handed in."""
        if (client := self._made()) is not None and not self._is_left:
            await client.aclose()


def send(operation: Operation[T], http: Http, options: RequestOptions) -> T:
    """Carry an operation out, retrying it where that is safe.

    Args:
        operation: The operation.
        http: The client's side: settings, clock and httpx client.
        options: The request's own time limits, headers and query.

    Returns:
        The operation's result.

    Raises:
        MissingApiKeyError: It needs a key and there is none.
        APIConnectionError: No answer came; APITimeoutError if none came in time.
        APIStatusError: The API refused or failed.
        APIResponseError: An unexpected response with a success status.
    """
    silence(HTTP_LOGGERS)
    exchange = Exchange(operation, http.settings, options, http.clock, http.open())
    while True:
        client = http.open()  # it may have been closed during the pause
        key = http.settings.key() if exchange.needs_key else None
        try:
            with quiet():
                request = client.build_request(**exchange.request(key))
                arguments, limit = exchange.sending(request), exchange.deadline()
                response = receive(client, request, arguments, limit, operation.longest)
        except exchange.http_error as error:
            outcome: Done[T] | float = exchange.failed(error)
        else:
            outcome = exchange.answered(response)
        if isinstance(outcome, Done):
            return outcome.value
        http.clock.sleep(outcome)


async def asend(operation: Operation[T], http: AsyncHttp, options: RequestOptions) -> T:
    """Carry an operation out on the event loop; arguments, result and errors are those of `send`."""
    require_asyncio()
    silence(HTTP_LOGGERS)
    exchange = Exchange(operation, http.settings, options, http.clock, http.open())
    while True:
        client = http.open()
        key = await http.settings.akey() if exchange.needs_key else None
        try:
            with quiet():
                request = client.build_request(**exchange.request(key))
                arguments, limit = exchange.sending(request), exchange.deadline()
                response = await areceive(client, request, arguments, limit, operation.longest)
        except exchange.http_error as error:
            outcome: Done[T] | float = exchange.failed(error)
        else:
            outcome = exchange.answered(response)
        if isinstance(outcome, Done):
            return outcome.value
        await http.clock.asleep(outcome)


_quiet = contextvars.ContextVar("realtime_ext_quiet", default=False)


class _Silencer(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not _quiet.get()


_SILENCER = _Silencer()


def silence(loggers: Iterable[str]) -> None:
    """Add to loggers the filter by which `quiet` drops records; it does not reach their children."""
    for name in loggers:
        _logger(name).addFilter(_SILENCER)


_logger = functools.cache(logging.getLogger)  # each lookup takes the lock of the logging module


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop records inside the block, in this task or thread and in the tasks that it starts."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)
