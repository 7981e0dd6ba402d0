"""The two clients, sync and async, and the types of their arguments."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from ._core.arguments import QueryValue
from ._core.call import check_call_id as call_id_of, check_session_id as session_id_of
from ._core.event_loop import require_asyncio
from ._core.secrets import hidden
from ._http.sending import AsyncHttp, Http
from ._http.settings import DEFAULT_TIMEOUT, ApiKey, AsyncApiKey, AuthHeader, Dialect, settings_from
from ._resources import (
    AsyncCalls,
    AsyncClientSecrets,
    AsyncConnections,
    AsyncLive,
    AsyncLiveCalls,
    AsyncSessions,
    AsyncTranscriptionSessions,
    AsyncTranslationClientSecrets,
    Calls,
    ClientSecrets,
    Connections,
    Live,
    LiveCalls,
    Sessions,
    TranscriptionSessions,
    TranslationClientSecrets,
    Webhooks,
)

if TYPE_CHECKING:
    from realtime_api import AuthenticatedClient
    from realtime_api.types import AsyncHttpClient, HttpClient

    from ._core.argument_types import (
        AudioOutputLike,
        CallLike,
        ClientEventLike,
        InputItemLike,
        ItemLike,
        LiveCallLike,
        LiveClientEventLike,
        LiveTrunkLike,
        PromptLike,
        ReasoningLike,
        ResponseLike,
        Timeout,
        ToolChoiceLike,
        ToolLike,
    )

__all__ = [
    "ApiKey",
    "AsyncApiKey",
    "AsyncCalls",
    "AsyncClientSecrets",
    "AsyncLive",
    "AsyncLiveCalls",
    "AsyncRealtimeClient",
    "AsyncSessions",
    "AsyncTranscriptionSessions",
    "AsyncTranslationClientSecrets",
    "AudioOutputLike",
    "AuthHeader",
    "CallLike",
    "Calls",
    "ClientEventLike",
    "ClientSecrets",
    "Dialect",
    "InputItemLike",
    "ItemLike",
    "Live",
    "LiveCallLike",
    "LiveCalls",
    "LiveClientEventLike",
    "LiveTrunkLike",
    "PromptLike",
    "QueryValue",
    "RealtimeClient",
    "ReasoningLike",
    "ResponseLike",
    "Sessions",
    "Timeout",
    "ToolChoiceLike",
    "ToolLike",
    "TranscriptionSessions",
    "TranslationClientSecrets",
    "Webhooks",
    "call_id_of",
    "session_id_of",
]


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # The types of arguments name generated models and httpx's classes, which load on first use.
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from ._core import argument_types

        return getattr(argument_types, name)


_KeyT = TypeVar("_KeyT", bound=AsyncApiKey)
_HttpClientT = TypeVar("_HttpClientT")


class _Client(ABC, Generic[_KeyT, _HttpClientT]):
    """The arguments of both clients, which document them below."""

    def __init__(
        self,
        api_key: _KeyT | None = None,
        *,
        base_url: str | None = None,
        websocket_base_url: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        webhook_secret: str | Iterable[str] | None = None,
        auth_header: AuthHeader = "authorization",
        dialect: Dialect | None = None,
        default_headers: Mapping[str, str] | None = None,
        default_query: Mapping[str, QueryValue] | None = None,
        timeout: Timeout | None = DEFAULT_TIMEOUT,
        max_retries: int = 2,
        http_client: _HttpClientT | None = None,
        validate: bool = True,
    ) -> None:
        hidden_key, hidden_secret = hidden(api_key), hidden(webhook_secret)
        del api_key, webhook_secret  # a traceback may show locals
        self._settings = settings_from(
            api_key=hidden_key,
            base_url=base_url,
            websocket_base_url=websocket_base_url,
            organization=organization,
            project=project,
            webhook_secret=hidden_secret,
            auth_header=auth_header,
            dialect=dialect,
            default_headers=default_headers,
            default_query=default_query,
            timeout=timeout,
            max_retries=max_retries,
            validate=validate,
        )
        self._start(http_client)

    @abstractmethod
    def _start(self, http_client: _HttpClientT | None) -> None:
        """Make the HTTP side and the resources, sync or async."""

    @property
    def base_url(self) -> str:
        """Where the API is, with `/v1`, without a slash at the end."""
        return self._settings.base_url

    @property
    def validate(self) -> bool:
        """Whether sessions and lifetimes are checked before they are sent."""
        return self._settings.validate

    def __repr__(self) -> str:
        settings = getattr(self, "_settings", None)  # None where an argument was refused
        return f"{type(self).__name__}({'' if settings is None else f'base_url={settings.base_url!r}'})"


class RealtimeClient(_Client[ApiKey, "HttpClient"], Connections):
    """Makes and controls realtime calls; `AsyncRealtimeClient` is its async form.

    Threads may share it. As a context manager it closes itself.

    Args:
        api_key: The key, or a callable that returns it and is asked before every attempt. None for
            OPENAI_API_KEY; without either, only operations that need no key work.
        base_url: Where the API is, with `/v1`. None for OPENAI_BASE_URL, or else OpenAI's.
        websocket_base_url: The same for WebSockets; None derives it from `base_url`.
        organization: Sent as OpenAI-Organization. None for OPENAI_ORG_ID.
        project: Sent as OpenAI-Project. None for OPENAI_PROJECT_ID.
        webhook_secret: The `whsec_…` secret, or several while one replaces the other. None for
            OPENAI_WEBHOOK_SECRET.
        auth_header: `"authorization"` sends the key as a bearer token, `"api-key"` bare under that name.
        dialect: `"beta"` for servers with the beta's names (Qwen, speaches), `"azure-voice-live"` for Azure
            Voice Live, `"xai"` for xAI: connections translate both ways, and programs use the current names.
        default_headers: Headers of every request; an Authorization header replaces the key.
        default_query: Query parameters of every request.
        timeout: Seconds to wait for each step of a request (connecting takes 5 at most), or an httpx.Timeout;
            None for no limit. If it is not given, the limits of the `http_client` apply, if it has any.
        max_retries: Retries after the first attempt, where retrying is safe.
        http_client: A Client of httpx or httpx2 to use unchanged; it is not closed.
        validate: Whether sessions and lifetimes are checked before they are sent.

    Attributes:
        calls: Create, accept, reject, refer and hang up calls.
        client_secrets: Create short-lived keys.
        live: Create and control sessions of the Live API.
        translation_client_secrets: Create short-lived keys for translation sessions.
        sessions: Create sessions in the older format.
        transcription_sessions: Create transcription sessions in the older format.
        webhooks: Verify and read webhooks.

    Raises:
        TypeError: An argument has the wrong type, such as an httpx.AsyncClient or an async callable.
        ValueError: An argument has a value that cannot work.

    Example:
        ```python
        with RealtimeClient() as client:
            secret = client.client_secrets.create({"type": "realtime", "model": "gpt-realtime-2.1"})
            return secret.to_browser()
        ```
    """

    def _start(self, http_client: HttpClient | None) -> None:
        if inspect.iscoroutinefunction(self._settings.api_key):
            raise TypeError("api_key: an async callable only works in AsyncRealtimeClient; pass a plain one")
        self._http = Http(self._settings, http_client)
        self._raw: AuthenticatedClient | None = None
        self.calls: Calls = Calls(self._http)
        self.client_secrets: ClientSecrets = ClientSecrets(self._http)
        self.live: Live = Live(self._http)
        self.translation_client_secrets: TranslationClientSecrets = TranslationClientSecrets(self._http)
        self.sessions: Sessions = Sessions(self._http)
        self.transcription_sessions: TranscriptionSessions = TranscriptionSessions(self._http)
        self.webhooks: Webhooks = Webhooks(self._settings)

    @property
    def raw(self) -> AuthenticatedClient:
        """The generated client, set up alike, for the functions in `realtime_api.api.realtime`."""
        if self._raw is None or self._http.raw is None:
            from ._http.raw import raw_client, raw_http

            self._http.raw = raw_http(self._settings, self._http.handed_in)
            self._raw = raw_client(self._settings, self._http.raw).set_httpx_client(self._http.raw)
        return self._raw

    def close(self) -> None:
        """Close the connections that this client made; closing again has no effect."""
        self._http.close()
        if self._http.raw is not None:
            self._http.raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncRealtimeClient(_Client[AsyncApiKey, "AsyncHttpClient"], AsyncConnections):
    """Makes and controls realtime calls; `RealtimeClient` is its sync form.

    It belongs to one event loop of asyncio. As an async context manager it closes itself. Under trio, use
    `RealtimeClient` in a thread: `await trio.to_thread.run_sync(function)`.

    Args:
        api_key: The key, or a callable, async or not, that returns it and is asked before every attempt; a
            plain one must not block. None for OPENAI_API_KEY; without either, only operations that need no
            key work.
        base_url, websocket_base_url, organization, project, webhook_secret: As for `RealtimeClient`.
        auth_header, dialect, default_headers, default_query: As for `RealtimeClient`.
        timeout, max_retries, validate: As for `RealtimeClient`.
        http_client: An AsyncClient of httpx or httpx2 to use unchanged; it is not closed.

    Attributes:
        calls, client_secrets, live, translation_client_secrets, sessions, transcription_sessions: As for
            `RealtimeClient`; their methods are async.
        webhooks: As for `RealtimeClient`; its methods are sync.

    Raises:
        TypeError: An argument has the wrong type, such as an httpx.Client.
        ValueError: An argument has a value that cannot work.

    Example:
        ```python
        async with AsyncRealtimeClient() as client:
            call = await client.calls.create(offer, SessionBuilder("gpt-realtime-2.1"))
        ```
    """

    def _start(self, http_client: AsyncHttpClient | None) -> None:
        self._http = AsyncHttp(self._settings, http_client)
        self._raw: AuthenticatedClient | None = None
        self.calls: AsyncCalls = AsyncCalls(self._http)
        self.client_secrets: AsyncClientSecrets = AsyncClientSecrets(self._http)
        self.live: AsyncLive = AsyncLive(self._http)
        self.translation_client_secrets: AsyncTranslationClientSecrets = AsyncTranslationClientSecrets(
            self._http
        )
        self.sessions: AsyncSessions = AsyncSessions(self._http)
        self.transcription_sessions: AsyncTranscriptionSessions = AsyncTranscriptionSessions(self._http)
        self.webhooks: Webhooks = Webhooks(self._settings)

    @property
    def raw(self) -> AuthenticatedClient:
        """The generated client, set up alike, for the functions in `realtime_api.api.realtime`."""
        if self._raw is None or self._http.raw is None:
            from ._http.raw import async_raw_http, raw_client

            self._http.raw = async_raw_http(self._settings, self._http.handed_in)
            raw = raw_client(self._settings, self._http.raw)
            self._raw = raw.set_async_httpx_client(self._http.raw)
        return self._raw

    async def aclose(self) -> None:
        """Close the connections that this client made; closing again has no effect."""
        await self._http.aclose()
        if self._http.raw is not None:
            await self._http.raw.aclose()

    async def __aenter__(self) -> Self:
        require_asyncio()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
