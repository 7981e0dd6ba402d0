"""A WebRTC call of the Live API: a data channel with permissions, and no audio in its events."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from realtime_simulator._calls.webrtc import WebRtcCall
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


class LiveWebRtcCall(WebRtcCall):
    """One call of the Live API."""

    def _begin(self) -> None:
        super()._begin()
        if self._permissions.restricted:
            message = "The events of this data channel are restricted by client.data_channel."
            info = {"type": "info", "code": "data_channel_permissions", "message": message}
            self._send(self.driver.session.stamped(info))

    def _received(self, message: str | bytes) -> None:
        try:
            event = json.loads(message)
            self._permissions.check(event.get("type") if isinstance(event, Mapping) else None)
        except (ValueError, RecursionError):
            pass  # the session refuses it
        except ApiProblem as problem:
            self._send(self.driver.session.stamped(problem.event(event.get("event_id"))))
            return
        super()._received(message)

    def _send(self, event: Mapping[str, Any]) -> None:
        if self._permissions.delivers(event):
            super()._send(event)

    def _counts_silence(self) -> bool:
        # The timeline of a Live session stands still without audio.
        return self._drawing.draw("live_silence") is not None

    @functools.cached_property
    def _permissions(self) -> ChannelPermissions:
        return ChannelPermissions(self.driver.session.view())
