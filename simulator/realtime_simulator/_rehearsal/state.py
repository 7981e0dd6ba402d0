"""The state of an app under test, as it shows and takes it at a URL of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs


class StateError(Exception):
    """The app's state can't be set or read."""


@attrs.frozen
class AppState:
    """The state of an app, a JSON object.

    Args:
        url: Where it is read (GET) and set (PUT).
    """

    url: str

    async def put(self, state: Mapping[str, Any]) -> None:
        """Set it.

        Raises:
            StateError: The app does not accept it.
        """
        await self._send("PUT", dict(state))

    async def get(self) -> Mapping[str, Any]:
        """Read it.

        Raises:
            StateError: The app does not return a JSON object.
        """
        return dict(await self._send("GET", None))

    async def _send(self, method: str, body: Any) -> Any:
        import httpx

        try:
            async with httpx.AsyncClient(timeout=10.0) as client:
                answer = await client.request(method, self.url, json=body)
                answer.raise_for_status()
                found = answer.json() if method == "GET" else {}
        except (httpx.HTTPError, ValueError) as error:
            raise StateError(f"{method} {self.url}: {error or type(error).__name__}") from error
        if not isinstance(found, dict):
            raise StateError(f"{method} {self.url}: expected a JSON object, got {type(found).__name__}")
        return found
