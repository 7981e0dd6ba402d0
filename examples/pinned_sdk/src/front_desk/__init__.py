"""Your own SDK on `realtime_api`: one client, one method, one error.

`realtime_api` is generated, so none of its names is re-exported: a new version of it may rename a model, and
only this file has to be updated.
"""

from __future__ import annotations

from typing import Any, Self

import httpx
from realtime_api import AuthenticatedClient, errors, models
from realtime_api.api.realtime import create_realtime_client_secret

__all__ = ["FrontDesk", "FrontDeskError"]


class FrontDeskError(Exception):
    """The API rejected the request, or its response was unexpected."""

    def __init__(self, message: str, status_code: int | None, request_id: str | None) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.request_id = request_id


class FrontDesk:
    """Creates client secrets for the front desk's browsers.

    Args:
        api_key: The API key.
        base_url: The API's URL; by default the one in its description.
        http_client: Your own httpx client; key and headers are added to each request.
    """

    def __init__(
        self, api_key: str, *, base_url: str | None = None, http_client: httpx.Client | None = None
    ) -> None:
        where: dict[str, Any] = {} if base_url is None else {"base_url": base_url}
        self._client = AuthenticatedClient(token=api_key, raise_for_status=True, timeout=30.0, **where)
        if http_client is not None:
            self._client.set_httpx_client(http_client)

    def client_secret(self, instructions: str, *, timeout: float | None = None) -> str:
        """Return a client secret for a session with these instructions.

        Raises:
            FrontDeskError: The request failed.
        """
        session = models.RealtimeSessionCreateRequestGA(model="gpt-realtime-2.1", instructions=instructions)
        body = models.RealtimeCreateClientSecretRequest(session=session)
        try:
            answer = create_realtime_client_secret.sync(client=self._client, body=body, timeout=timeout)
        except errors.ApiError as error:
            envelope = error.parsed if isinstance(error.parsed, models.ErrorResponse) else None
            message = envelope.error.message if envelope is not None else str(error)
            raise FrontDeskError(message, error.status_code, error.headers.get("x-request-id")) from error
        except httpx.HTTPError as error:
            raise FrontDeskError(str(error), None, None) from error
        assert isinstance(answer, models.RealtimeCreateClientSecretResponse)
        return answer.value

    def close(self) -> None:
        """Close the connections that were opened here."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
