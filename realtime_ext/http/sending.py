"""Send operations over HTTP: the only place that does.

The job: hold the httpx client, made on first use, and run exchanges on it, blocking or awaited. It must not
decide anything: `_exchange` does.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from ..arguments import RequestOptions
from ..errors import APIConnectionError
from .exchange import Clock, Done, Exchange
from .operation import Operation
from .quiet import HTTP_LOGGERS, quiet, silence
from .settings import Settings, ask_key, checked_key

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncHttp", "Http", "asend", "send"]

T = TypeVar("T")


class Http:
    """A client's HTTP side: its settings, and an httpx.Client that is made on first use unless handed in.

    Args:
        settings: What the client was told.
        client: The user's own httpx.Client, used as it is and left open.
        clock: Time and chance.

    Raises:
        TypeError: `client` is something else, such as an httpx.AsyncClient.
    """

    def __init__(self, settings: Settings, client: httpx.Client | None, clock: Clock | None = None) -> None:
        _check_client(client, "Client", "RealtimeClient")
        self.settings = settings
        self.clock = clock or Clock()
        self.handed_in = client
        self._client = client
        self._lock = threading.Lock()
        self._closed = False

    def open(self) -> httpx.Client:
        """Return the httpx client, made now if this is the first use.

        Raises:
            APIConnectionError: It was closed.
        """
        with self._lock:
            if self._client is None and not self._closed:
                import httpx

                self._client = httpx.Client()
            return _usable(self._client, self._closed)

    def close(self) -> None:
        """Close what was made here; an httpx client that was handed in stays open."""
        with self._lock:
            self._closed = True
            if self.handed_in is None and self._client is not None:
                self._client.close()


class AsyncHttp:
    """The same with an httpx.AsyncClient; it belongs to one event loop.

    Args:
        settings: What the client was told.
        client: The user's own httpx.AsyncClient, used as it is and left open.
        clock: Time and chance.

    Raises:
        TypeError: `client` is something else, such as an httpx.Client.
    """

    def __init__(
        self, settings: Settings, client: httpx.AsyncClient | None, clock: Clock | None = None
    ) -> None:
        _check_client(client, "AsyncClient", "AsyncRealtimeClient")
        self.settings = settings
        self.clock = clock or Clock()
        self.handed_in = client
        self._client = client
        self._closed = False

    def open(self) -> httpx.AsyncClient:
        """Return the httpx client, made now if this is the first use.

        Raises:
            APIConnectionError: It was closed.
        """
        if self._client is None and not self._closed:
            import httpx

            self._client = httpx.AsyncClient()
        return _usable(self._client, self._closed)

    async def aclose(self) -> None:
        """Close what was made here; an httpx client that was handed in stays open."""
        self._closed = True
        if self.handed_in is None and self._client is not None:
            await self._client.aclose()


AnyClient = TypeVar("AnyClient", "httpx.Client", "httpx.AsyncClient")


def _usable(client: AnyClient | None, closed: bool) -> AnyClient:
    if client is None or closed:
        raise APIConnectionError("this client was closed; make a new one")
    if client.is_closed:
        raise APIConnectionError("the http_client that was handed in is closed")
    return client


def _check_client(client: object, expected: str, owner: str) -> None:
    if client is None:
        return
    import httpx

    if not isinstance(client, getattr(httpx, expected)):
        kind = type(client)
        raise TypeError(
            f"http_client: {owner} expects an httpx.{expected}, got {kind.__module__.partition('.')[0]}."
            f"{kind.__qualname__}"
        )


def send(operation: Operation[T], http: Http, options: RequestOptions) -> T:
    """Carry an operation out, repeating it where that is safe.

    Args:
        operation: What to ask of the API.
        http: Whom to ask, and with what.
        options: What this request is told besides.

    Returns:
        What the operation reads from the answer.

    Raises:
        MissingApiKeyError: It needs a key and there is none.
        APIConnectionError: No answer came; APITimeoutError if none came in time.
        APIStatusError: The API refused or failed.
        APIResponseError: The API answered with success but not as it promises.
    """
    client = http.open()
    import httpx

    silence(HTTP_LOGGERS)
    exchange = Exchange(operation, http.settings, options, http.clock, client)
    while True:
        key = checked_key(http.settings.ask_key()) if exchange.needs_key else None
        try:
            with quiet():
                response = client.request(**exchange.request(key))
        except httpx.HTTPError as error:
            outcome: Done[T] | float = exchange.failed(error)
        else:
            outcome = exchange.answered(response)
        if isinstance(outcome, Done):
            return outcome.value
        http.clock.sleep(outcome)


async def asend(operation: Operation[T], http: AsyncHttp, options: RequestOptions) -> T:
    """Carry an operation out like `send`, on the event loop.

    Args:
        operation: What to ask of the API.
        http: Whom to ask, and with what.
        options: What this request is told besides.

    Returns:
        What the operation reads from the answer.

    Raises:
        MissingApiKeyError: It needs a key and there is none.
        APIConnectionError: No answer came; APITimeoutError if none came in time.
        APIStatusError: The API refused or failed.
        APIResponseError: The API answered with success but not as it promises.
    """
    client = http.open()
    import httpx

    silence(HTTP_LOGGERS)
    exchange = Exchange(operation, http.settings, options, http.clock, client)
    while True:
        key = await ask_key(http.settings) if exchange.needs_key else None
        try:
            with quiet():
                response = await client.request(**exchange.request(key))
        except httpx.HTTPError as error:
            outcome: Done[T] | float = exchange.failed(error)
        else:
            outcome = exchange.answered(response)
        if isinstance(outcome, Done):
            return outcome.value
        await http.clock.asleep(outcome)
