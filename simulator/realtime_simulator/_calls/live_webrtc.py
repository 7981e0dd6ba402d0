"""A WebRTC call of the Live API: a data channel with permissions, and no audio in its events."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from realtime_simulator._calls.webrtc import WebRtcCall
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._live.permissions import ChannelPermissions


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
