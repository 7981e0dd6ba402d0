"""The events that the client at the other end of a data channel may send and receives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime_simulator._core.problem import ApiProblem

_ALL = "all"


class ChannelPermissions:
    """The permissions of a data channel.

    Args:
        session: The session, whose `client.data_channel` states them; everything is allowed without it.
    """

    def __init__(self, session: Mapping[str, Any]) -> None:
        given = (session.get("client") or {}).get("data_channel") or {}
        self._client = given.get("allowed_client_events", _ALL)
        self._server = given.get("allowed_server_events", _ALL)

    @property
    def restricted(self) -> bool:
        """Whether anything is not allowed."""
        return bool(self._client != _ALL or self._server != _ALL)

    def check(self, kind: object) -> None:
        """Refuse an event from the client that is not allowed.

        Args:
            kind: Its type.

        Raises:
            ApiProblem: It is not allowed.
        """
        if self._client != _ALL and kind not in self._client:
            raise ApiProblem(
                f"The data channel may not send '{str(kind)[:80]}': "
                "it is not in client.data_channel.allowed_client_events.",
                code="data_channel_permissions",
                param="type",
            )

    def delivers(self, event: Mapping[str, Any]) -> bool:
        """Return whether an event of the session is delivered."""
        if self._server == _ALL:
            return True
        nested = (event.get("event") or {}).get("type") if event["type"] == "response.event" else None
        return any(
            one["type"] == event["type"] and one.get("response_event") in (None, nested)
            for one in self._server
        )
