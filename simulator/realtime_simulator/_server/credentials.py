"""Authorization: the project's key, and the client secrets that are minted with it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import attrs

from realtime_simulator._core.clock import Clock
from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import ApiProblem

SECRET_PREFIX = "ek_"
DEFAULT_SECONDS = 600


@attrs.frozen(kw_only=True)
class ClientSecret:
    """A key for one browser.

    Args:
        value: `ek_…`.
        expires_at: Unix seconds; calls that were made before continue.
        session: The checked session object that it carries into calls.
    """

    value: str = attrs.field(repr=False)
    expires_at: int
    session: Mapping[str, Any] = attrs.field(repr=False)


_SHOWN_FROM = 20
"""Refusals show the ends of keys longer than this, so that they can be identified."""


class Credentials:
    """The keys that a simulator accepts.

    Args:
        api_key: The project's key.
        clock: The clock by which secrets expire.
        ids: The source of secrets.
    """

    def __init__(self, api_key: str, clock: Clock, ids: Ids) -> None:
        self._api_key = api_key
        self._clock = clock
        self._ids = ids
        self._secrets: dict[str, ClientSecret] = {}

    def mint(self, session: Mapping[str, Any], seconds: int = DEFAULT_SECONDS) -> ClientSecret:
        """Return a new client secret.

        Args:
            session: The session that calls made with it begin with.
            seconds: How long it can be used, 10 to 7200.
        """
        now = self._clock.unix()
        # A secret is forgotten an hour after it has expired; until then it is refused as expired.
        self._secrets = {
            value: secret for value, secret in self._secrets.items() if secret.expires_at > now - 3600
        }
        secret = ClientSecret(value=self._ids.new("ek", 32), expires_at=int(now) + seconds, session=session)
        self._secrets[secret.value] = secret
        return secret

    def identify(self, headers: Mapping[str, str]) -> ClientSecret | None:
        """Return the client secret that a request was made with; None for the project's key.

        Args:
            headers: The request's headers, names in lower case.

        Raises:
            ApiProblem: 401: no key, a wrong one, an expired one.
        """
        return self.check_key(key_of(headers))

    def check_key(self, key: str | None) -> ClientSecret | None:
        """Check a key that was not sent in a header; see `identify`."""
        if not key:
            raise ApiProblem("Missing bearer or basic authentication in header", status=401)
        if self._is_project_key(key):
            return None
        secret = self._secrets.get(key)
        if secret is None:
            shown = f"{key[:3]}***{key[-4:]}" if len(key) > _SHOWN_FROM else "***"
            raise ApiProblem(
                f"Incorrect API key provided: {shown}. "
                "You can find your API key at https://platform.openai.com/account/api-keys.",
                status=401,
                code="invalid_api_key",
            )
        if self._clock.unix() >= secret.expires_at:
            raise ApiProblem("The client secret has expired.", status=401, code="invalid_api_key")
        return secret

    def knows(self, key: str | None) -> bool:
        """Whether a key is the project's, or a client secret of it, expired or not."""
        return key is not None and (self._is_project_key(key) or key in self._secrets)

    def _is_project_key(self, key: str) -> bool:
        return hmac.compare_digest(key.encode(), self._api_key.encode())

    def require_project_key(self, headers: Mapping[str, str]) -> None:
        """Refuse all keys but the project's.

        Raises:
            ApiProblem: 401.
        """
        if self.identify(headers) is not None:
            raise ApiProblem(
                "A client secret cannot be used here; this needs an API key.",
                status=401,
                code="invalid_api_key",
            )


def key_of(headers: Mapping[str, str]) -> str | None:
    """Return the key in a request's headers, names in lower case; None if there is none."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return headers.get("api-key")
