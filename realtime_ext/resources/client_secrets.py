"""`client.client_secrets` and `client.translation_client_secrets`, blocking and awaited.

Each method builds an operation and sends it; the module that builds it says what is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from ..arguments import QueryValue, RequestOptions
from ..http.sending import AsyncHttp, Http, asend, send
from . import client_secret_operations as client_secrets

if TYPE_CHECKING:
    from ..arguments import Timeout
    from ..session import SessionLike
    from .client_secret_operations import ClientSecret, ConversationSession, TranslationSession

__all__ = ["AsyncClientSecrets", "AsyncTranslationClientSecrets", "ClientSecrets", "TranslationClientSecrets"]


class ClientSecrets:
    """Mint short-lived keys for browsers."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(
        self,
        session: SessionLike | None = None,
        expires_after: int | timedelta | None = None,
        *,
        safety_identifier: str | None = None,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> ClientSecret[ConversationSession]:
        """Mint a client secret; mint a fresh one for each call.

        Args:
            session: The conversation or transcription session that it starts: a builder, a generated model or
                a dict; None for the API's defaults.
            expires_after: Its lifetime, 10–7200 s, as whole seconds or a timedelta; None for the API's 600 s.
            safety_identifier: A stable, hashed id of the end user.
            timeout: Seconds, or an httpx.Timeout; None takes the client's.
            extra_headers: Further headers; they win over all others.
            extra_query: Further query parameters; they win over the client's.

        Returns:
            The secret. `to_browser()` gives what the browser may see.

        Raises:
            SessionConfigError: The API would refuse the session or the lifetime; nothing was sent.
            MissingApiKeyError: The client has no key.
            APIConnectionError, APIStatusError: No answer came, or the API refused or failed.
            APIResponseError: The answer holds no secret.
        """
        operation = client_secrets.build_create(
            session,
            expires_after,
            validate=self._http.settings.validate,
            safety_identifier=safety_identifier,
        )
        return send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncClientSecrets:
    """Mint short-lived keys for browsers."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def create(
        self,
        session: SessionLike | None = None,
        expires_after: int | timedelta | None = None,
        *,
        safety_identifier: str | None = None,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> ClientSecret[ConversationSession]:
        """Mint a client secret.

        Takes, returns and raises the same as `ClientSecrets.create`.
        """
        operation = client_secrets.build_create(
            session,
            expires_after,
            validate=self._http.settings.validate,
            safety_identifier=safety_identifier,
        )
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class TranslationClientSecrets:
    """Mint short-lived keys that start translation sessions."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(
        self,
        session: SessionLike,
        expires_after: int | timedelta | None = None,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> ClientSecret[TranslationSession]:
        """Mint a client secret for a translation session.

        Args:
            session: The translation session that it starts: a builder, a generated model or a dict.
            expires_after: Its lifetime, 10–7200 s, as whole seconds or a timedelta; None for the API's 600 s.
            timeout: Seconds, or an httpx.Timeout; None takes the client's.
            extra_headers: Further headers; they win over all others.
            extra_query: Further query parameters; they win over the client's.

        Returns:
            The secret.

        Raises:
            SessionConfigError: The API would refuse the session or the lifetime; nothing was sent.
            MissingApiKeyError, APIConnectionError, APIStatusError, APIResponseError: As with client secrets.
        """
        operation = client_secrets.build_create_for_translation(
            session, expires_after, validate=self._http.settings.validate
        )
        return send(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))


class AsyncTranslationClientSecrets:
    """Mint short-lived keys that start translation sessions."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def create(
        self,
        session: SessionLike,
        expires_after: int | timedelta | None = None,
        *,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> ClientSecret[TranslationSession]:
        """Mint a client secret for a translation session.

        Takes, returns and raises the same as `TranslationClientSecrets.create`.
        """
        operation = client_secrets.build_create_for_translation(
            session, expires_after, validate=self._http.settings.validate
        )
        return await asend(operation, self._http, RequestOptions.check(timeout, extra_headers, extra_query))
