"""Client secrets: short-lived keys for browsers, with the session that they start.

The functions build requests and read responses, without I/O; the classes send them. A
`ClientSecret` holds what came back without showing it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, cast

import attrs

from .._core.secrets import MASK
from .._http.operation import Operation, encode_body, read_object, response_error

if TYPE_CHECKING:
    import httpx
    from realtime_api.models import RealtimeSessionUnion, RealtimeTranslationSession

    from ..session import ConversationLike, TranscriptionLike, TranslationLike

    ConversationSession: TypeAlias = RealtimeSessionUnion | dict[str, Any]
    TranslationSession: TypeAlias = RealtimeTranslationSession | dict[str, Any]

# With a default, for type checkers alone (PEP 696): strict ones would refuse the bare class else.
if TYPE_CHECKING:
    from typing_extensions import TypeVar

    SessionT = TypeVar("SessionT", default=Any)
else:
    from typing import TypeVar

    SessionT = TypeVar("SessionT")


@attrs.frozen(kw_only=True)
class ClientSecret(Generic[SessionT]):
    """A short-lived key that starts one session, configured beforehand.

    Args:
        value: The `ek_…` value; masked in the repr.
        expires_at: Until when it can start sessions, in UTC. A running session continues.
        session: The session as the API understood it, a dict if it fits no class; not in the repr, since it
            may hold prompts.
        request_id: The `x-request-id` header, for support.
    """

    value: str = attrs.field(repr=lambda _: f"'{MASK}'")
    expires_at: datetime
    session: SessionT = attrs.field(repr=False)
    request_id: str | None = None

    @property
    def expires_in(self) -> float:
        """Seconds until it expires, by this machine's clock; 0.0 once it has."""
        return max(0.0, self.expires_at.timestamp() - time.time())

    def is_expired(self, clock: Callable[[], float | datetime] = time.time) -> bool:
        """Whether it has expired.

        Args:
            clock: Returns the time, in unix seconds or as an aware datetime.

        Returns:
            True from the second of its expiry on.
        """
        now = clock()
        return (now.timestamp() if isinstance(now, datetime) else now) >= self.expires_at.timestamp()

    def to_browser(self) -> dict[str, Any]:
        """Return the fields for a browser: `value` and `expires_at` (unix seconds), and never the session."""
        return {"value": self.value, "expires_at": int(self.expires_at.timestamp())}


def build_create(
    session: ConversationLike | TranscriptionLike | None = None,
    expires_after: int | timedelta | None = None,
    *,
    validate: bool = True,
) -> Operation[ClientSecret[ConversationSession]]:
    """Build the request for a client secret.

    Returns:
        The operation; it is idempotent: an unused secret does no harm.

    Raises:
        SessionConfigError: The API would refuse the session or the lifetime.
        TypeError: An argument has the wrong type.

    Source: https://platform.openai.com/docs/api-reference/realtime-sessions/create-realtime-client-secret
    """
    from realtime_api.api.realtime import create_realtime_client_secret
    from realtime_api.models import RealtimeCreateClientSecretResponse

    from ..session import resolve, resolve_lifetime

    body = resolve_lifetime(expires_after, validate=validate)
    if session is not None:
        body["session"] = resolve(session, validate=validate, kinds=("realtime", "transcription"))
    return Operation(
        name="client_secrets.create",
        request=create_realtime_client_secret.build_request(body=encode_body(body)),
        read=lambda response: _read(response, RealtimeCreateClientSecretResponse.from_dict),
        idempotent=True,
    )


def build_create_for_translation(
    session: TranslationLike,
    expires_after: int | timedelta | None = None,
    *,
    validate: bool = True,
) -> Operation[ClientSecret[TranslationSession]]:
    """Build the request for a client secret that starts a translation session.

    Returns:
        The operation; it is idempotent.

    Raises:
        SessionConfigError: The API would refuse the session or the lifetime.
        TypeError: The session is none.
    """
    from realtime_api.api.realtime import create_realtime_translation_client_secret
    from realtime_api.models import RealtimeTranslationClientSecretCreateResponse

    from ..session import resolve, resolve_lifetime

    body = resolve_lifetime(expires_after, validate=validate, of="translation")
    body["session"] = resolve(session, validate=validate, kinds=("translation",))
    return Operation(
        name="translation_client_secrets.create",
        request=create_realtime_translation_client_secret.build_request(body=encode_body(body)),
        read=lambda response: _read(response, RealtimeTranslationClientSecretCreateResponse.from_dict),
        idempotent=True,
    )


def _read(response: httpx.Response, from_dict: Callable[[dict[str, Any]], Any]) -> ClientSecret[Any]:
    data = read_object(response)
    value, stamp = data.get("value"), data.get("expires_at")
    if not isinstance(value, str) or not value:
        raise response_error("the answer has no secret in `value`", response, show=False)
    try:
        expires_at = datetime.fromtimestamp(cast(float, stamp), UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise response_error("the answer has no unix time in `expires_at`", response, show=False) from error
    if not isinstance(data.get("session"), dict):
        raise response_error("the answer has no object in `session`", response, show=False)
    # What the session lacks is None in its class: the secret is good, and another one would be no better.
    return ClientSecret(
        value=value,
        expires_at=expires_at,
        session=from_dict(data).session,
        request_id=response.headers.get("x-request-id"),
    )
