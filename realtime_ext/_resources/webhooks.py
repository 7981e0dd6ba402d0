"""`client.webhooks`: verification with the client's secret. It does no I/O, so both clients share it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from .._http.settings import Settings

if TYPE_CHECKING:
    from ..webhooks import HeadersLike, SecretsLike, WebhookEvent


class Webhooks:
    """Verify and read webhooks with the client's secret."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def unwrap(
        self,
        body: str | bytes,
        headers: HeadersLike,
        secret: SecretsLike | None = None,
        tolerance: float | timedelta = 300,
    ) -> WebhookEvent:
        """Verify a webhook and read its event.

        Args:
            body: The request's body, exactly as it came.
            headers: The request's headers, from any framework.
            secret: The secret, or several; None for the client's, or else the environment's.
            tolerance: How far its time may lie from now, either way, in seconds.

        Returns:
            The event: a generated model, or `UnknownEvent` for other types.

        Raises:
            WebhookVerificationError: It was not signed with the secret, or too long ago, or is not a webhook.
            ValueError: There is no secret, or it is malformed.
        """
        from .. import webhooks

        known = self._settings.webhook_secrets if secret is None else secret
        return webhooks.unwrap(body, headers, known, tolerance)
