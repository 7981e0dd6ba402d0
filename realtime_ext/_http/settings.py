"""Settings of a client and options of a request: checked once, then immutable.

Invalid values are refused here, before anything is sent; the URLs, headers and query follow from it. This
module must not do I/O, and doesn't load httpx.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs

from .._core.arguments import (
    QueryValue,
    check_header,
    check_headers,
    check_key,
    check_query,
    check_timeout,
    check_url,
)
from .._core.call import SAFETY_HEADER
from .._core.secrets import MaskedDict, Secret, hidden
from .._core.version import __version__
from ..errors import MissingApiKeyError

if TYPE_CHECKING:
    from .._core.arguments import Timeout

DEFAULT_BASE_URL = "https://api.openai.com/v1"
DEFAULT_TIMEOUT = 30.0  # seconds
AUTHORIZATION = frozenset({"authorization", "api-key"})

ApiKey = str | Callable[[], str]
"""The key of `RealtimeClient`, or a callable that returns it."""
AsyncApiKey = str | Callable[[], str | Awaitable[str]]
"""The key of `AsyncRealtimeClient`, or a callable, async or not, that returns it."""
AuthHeader = Literal["authorization", "api-key"]
"""The header that carries the key."""
Dialect = Literal["beta", "xai", "azure-voice-live"]
"""A dialect of a compatible server, as `RealtimeClient` explains."""


@attrs.frozen(kw_only=True)
class Settings:
    """A client's settings: its arguments and the environment's, checked.

    Args:
        base_url: Where the API is, with `/v1`, without a slash at the end.
        websocket_base_url: The same for WebSockets.
        api_key: The key, a callable that returns it, or None.
        webhook_secrets: The secrets that webhooks may be signed with; None for the environment's.
        auth_header: The header that carries the key.
        dialect: The server's dialect; None for the current names.
        headers: Headers of every request, lower-case names, without the key.
        query: Query parameters of every request.
        timeout: Seconds, or an httpx.Timeout; None for no limit.
        max_retries: Retries after the first attempt.
        validate: Whether sessions are checked before they are sent.
    """

    base_url: str
    websocket_base_url: str
    api_key: Secret | Callable[[], Any] | None
    webhook_secrets: tuple[Secret, ...] | None
    auth_header: AuthHeader
    dialect: Dialect | None
    headers: Mapping[str, str] = attrs.field(repr=False)
    query: Mapping[str, QueryValue] = attrs.field(repr=False)
    timeout: Timeout | None
    max_retries: int
    validate: bool

    def key(self) -> Secret:
        """Return the key, asked of its source now.

        Raises:
            MissingApiKeyError: There is none.
            TypeError: The source returned something else, or is an async one.
            ValueError: It can't go out as a header.
        """
        source = self.api_key
        return source if isinstance(source, Secret) else checked_key(None if source is None else source())

    async def akey(self) -> Secret:
        """Return the key, also from an async source; raises as `key`."""
        source = self.api_key
        if source is None or isinstance(source, Secret):
            return self.key()
        value = hidden(source())
        return checked_key(hidden(await value) if inspect.isawaitable(value) else value)

    def request_headers(
        self,
        key: Secret | None,
        *,
        bearer: Secret | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> MaskedDict[str]:
        """Return the headers of one request, lower-case names, later ones winning.

        Args:
            key: The API key; None if the request needs none; see `needs_key`.
            bearer: A client secret to send in its place.
            headers: The operation's own headers.
            extra: The caller's.

        Returns:
            The headers, with the key in clear except in their repr.
        """
        merged = MaskedDict(self.headers)
        if bearer is not None:
            if self.auth_header == "api-key":
                merged.pop("api-key", None)
            merged["authorization"] = f"Bearer {bearer.reveal()}"
        elif key is not None:
            bare = self.auth_header == "api-key"
            merged[self.auth_header] = key.reveal() if bare else f"Bearer {key.reveal()}"
        if headers:
            merged.update({name.lower(): value for name, value in headers.items()})
        if extra:
            merged.update(extra)
        return merged

    def needs_key(self, extra: Mapping[str, str]) -> bool:
        """Whether neither default_headers nor these headers have an authorization."""
        return AUTHORIZATION.isdisjoint(self.headers) and AUTHORIZATION.isdisjoint(extra)


@attrs.frozen(kw_only=True)
class RequestOptions:
    """The options that every operation accepts, checked.

    Args:
        timeout: Seconds, or an httpx.Timeout; None for the client's.
        headers: Further headers, lower-case names; they win over all others.
        query: Additional query parameters; they override the client's.
    """

    timeout: Timeout | None
    headers: Mapping[str, str] = attrs.field(repr=False)
    query: Mapping[str, QueryValue] = attrs.field(repr=False)

    @classmethod
    def check(
        cls,
        timeout: Timeout | None,
        extra_headers: Mapping[str, str] | None,
        extra_query: Mapping[str, QueryValue] | None,
        safety_identifier: str | None = None,
    ) -> RequestOptions:
        """Check the options as a method's arguments have them; a safety identifier becomes a header.

        Raises:
            TypeError: One has the wrong type.
            ValueError: One has a value that cannot go out.
        """
        if timeout is None and not extra_headers and not extra_query and safety_identifier is None:
            return _NO_OPTIONS
        own: dict[str, str] = {}
        if safety_identifier is not None:
            own[SAFETY_HEADER.lower()] = check_header("safety_identifier", safety_identifier)
        return cls(
            timeout=check_timeout("timeout", timeout),
            headers=own | check_headers("extra_headers", extra_headers),
            query=check_query("extra_query", extra_query),
        )


_NO_OPTIONS = RequestOptions(timeout=None, headers={}, query={})


def settings_from(
    *,
    api_key: str | Secret | Callable[[], Any] | None,
    base_url: str | None,
    websocket_base_url: str | None,
    organization: str | None,
    project: str | None,
    webhook_secret: str | Secret | Iterable[str] | None,
    auth_header: AuthHeader,
    dialect: Dialect | None,
    default_headers: Mapping[str, str] | None,
    default_query: Mapping[str, QueryValue] | None,
    timeout: Timeout | None,
    max_retries: int,
    validate: bool,
) -> Settings:
    """Check a client's arguments, filling those left out from the environment.

    Empty environment variables count as not set. An empty `api_key` means that there is none.

    Returns:
        The settings.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument has a value that cannot work; no secret is shown.
    """
    base = check_url(
        "base_url",
        (os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL) if base_url in (None, "") else base_url,
        ("https", "http"),
    )
    if websocket_base_url is None:
        websocket_base = re.sub("^http", "ws", base, flags=re.IGNORECASE)
    else:
        websocket_base = check_url("websocket_base_url", websocket_base_url, ("wss", "ws"))
    if auth_header not in ("authorization", "api-key"):
        raise ValueError(f"auth_header: expected 'authorization' or 'api-key', got {auth_header!r}")
    if dialect is not None and dialect not in get_args(Dialect):
        allowed = ", ".join(map(repr, get_args(Dialect)))
        raise ValueError(f"dialect: expected {allowed} or None, got {dialect!r}")
    if isinstance(max_retries, bool) or not isinstance(max_retries, int):
        raise TypeError(f"max_retries: expected an int, got {type(max_retries).__name__}")
    if max_retries < 0:
        raise ValueError(f"max_retries: expected 0 or more, got {max_retries}")
    if not isinstance(validate, bool):
        raise TypeError(f"validate: expected a bool, got {type(validate).__name__}")

    headers = {"user-agent": f"realtime-ext/{__version__}"}
    named = {
        "openai-organization": ("organization", organization, "OPENAI_ORG_ID"),
        "openai-project": ("project", project, "OPENAI_PROJECT_ID"),
    }
    for header, (field, given, variable) in named.items():
        value = given if given is not None else os.environ.get(variable)
        if value not in (None, ""):
            headers[header] = check_header(field, value)

    return Settings(
        base_url=base,
        websocket_base_url=websocket_base,
        api_key=_api_key(api_key),
        webhook_secrets=_webhook_secrets(webhook_secret),
        auth_header=auth_header,
        dialect=dialect,
        headers=headers | check_headers("default_headers", default_headers),
        query=check_query("default_query", default_query),
        timeout=check_timeout("timeout", timeout),
        max_retries=max_retries,
        validate=validate,
    )


def _api_key(api_key: str | Secret | Callable[[], Any] | None) -> Secret | Callable[[], Any] | None:
    if callable(api_key):
        return api_key
    api_key = hidden(os.environ.get("OPENAI_API_KEY") if api_key is None else api_key)
    is_absent = api_key is None or (isinstance(api_key, Secret) and not api_key.reveal())
    return None if is_absent else check_key("api_key", api_key)


def _webhook_secrets(secret: str | Secret | Iterable[str | Secret] | None) -> tuple[Secret, ...] | None:
    if secret is None:
        secret = os.environ.get("OPENAI_WEBHOOK_SECRET") or None
    if secret is None:
        return None
    if isinstance(secret, bytes | bytearray | memoryview | Mapping):
        raise TypeError(f"webhook_secret: expected a str or several, got {type(secret).__name__}")
    secrets = tuple(secret) if isinstance(secret, Iterable) and not isinstance(secret, str) else (secret,)
    for value in secrets:
        if not isinstance(value, str | Secret):
            raise TypeError(f"webhook_secret: expected a str or several, got {type(value).__name__}")
    return tuple(map(hidden, secrets))


def checked_key(value: object) -> Secret:
    """Check a key as its source returned it.

    Args:
        value: A str, a Secret, or None or "" for no key.

    Returns:
        The key.

    Raises:
        MissingApiKeyError: There is none.
        TypeError: It is something else; an awaitable, where only plain callables work.
        ValueError: It cannot go out as a header.
    """
    value = hidden(value)
    if value is None or (isinstance(value, Secret) and not value.reveal()):
        raise MissingApiKeyError
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        raise TypeError("api_key: an async callable only works in AsyncRealtimeClient; pass a plain one")
    return check_key("api_key", value)
