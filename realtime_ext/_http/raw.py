"""`client.raw`: the generated client, set up like the hand-written one.

It has the same base URL, key, headers and transport, and no more: generated functions neither retry requests
nor raise this package's errors.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any

from .receiving import library_of
from .sending import HTTP_LOGGERS, httpx_timeout, make_httpx, quiet, silence
from .settings import AUTHORIZATION, Settings

if TYPE_CHECKING:
    import httpx
    from realtime_api import AuthenticatedClient


# The classes below become httpx's or httpx2's in `_of`.


class _Auth:
    """Ask for the key before every request, and keep httpx from logging its URL."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def _authorize(self, request: httpx.Request, headers: dict[str, str]) -> None:
        for name in AUTHORIZATION:
            if name in headers:
                request.headers[name] = headers[name]

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        settings = self._settings
        key = settings.key() if settings.needs_key({}) else None
        self._authorize(request, settings.request_headers(key))
        with quiet():
            yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        settings = self._settings
        key = await settings.akey() if settings.needs_key({}) else None
        self._authorize(request, settings.request_headers(key))
        with quiet():
            yield request


class _Through:
    """Send through an httpx client that was handed in: its proxies and mocks count, and it stays open."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._client.send(request, stream=True, auth=None, follow_redirects=False)


class _AsyncThrough:
    """The same for an httpx.AsyncClient."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._client.send(request, stream=True, auth=None, follow_redirects=False)


def _of(library: Any, base: str, mixin: type[Any]) -> Any:
    return type(mixin.__name__, (mixin, getattr(library, base)), {})


def raw_client(settings: Settings, client: httpx.Client | httpx.AsyncClient) -> AuthenticatedClient:
    """Make the generated client that asks the same API with the same key.

    Args:
        settings: Those of the hand-written client.
        client: The result of `raw_http` or `async_raw_http`.

    Returns:
        The generated client, to which that client is yet to be passed.
    """
    from realtime_api import AuthenticatedClient

    silence(HTTP_LOGGERS)
    bearer = settings.auth_header == "authorization"
    key = settings.api_key
    return AuthenticatedClient(
        base_url=settings.base_url,
        token="" if key is None or callable(key) else key.reveal(),
        prefix="Bearer" if bearer else "",
        auth_header_name="Authorization" if bearer else "api-key",
        headers=dict(settings.headers),
        timeout=client.timeout,
        httpx_args={"auth": client.auth, "params": dict(settings.query)},
    )


def raw_http(settings: Settings, handed_in: httpx.Client | None) -> httpx.Client:
    """Make the httpx client for the generated one, which sends through the user's own if there is one."""
    client: httpx.Client = _made(settings, "Client", "BaseTransport", _Through, handed_in)
    return client


def async_raw_http(settings: Settings, handed_in: httpx.AsyncClient | None) -> httpx.AsyncClient:
    """Make the httpx.AsyncClient for the generated client, likewise."""
    client: httpx.AsyncClient = _made(settings, "AsyncClient", "AsyncBaseTransport", _AsyncThrough, handed_in)
    return client


def _made(settings: Settings, class_name: str, base: str, through: type[Any], handed_in: Any) -> Any:
    if handed_in is None:
        import httpx

        library: Any = httpx
    else:
        library = library_of(handed_in)
    return make_httpx(
        class_name,
        settings.base_url,
        library,
        base_url=settings.base_url,
        headers=dict(settings.headers),
        params=dict(settings.query),
        timeout=httpx_timeout(settings.timeout, library.Timeout),
        auth=_of(library, "Auth", _Auth)(settings),
        transport=None if handed_in is None else _of(library, base, through)(handed_in),
    )
