"""The close of a Live session that a client has asked for: what is on its way still comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from realtime_simulator._engine import messages
from realtime_simulator._live.appends import Appends
from realtime_simulator._live.model import Model
from realtime_simulator._live.output import Output
from realtime_simulator._live.shared import Shared

_DRAIN_SECONDS = 2.0
"""How long it waits for the words and answers that are being made, where everything comes at once."""
_LAST_AUDIO_SECONDS = 0.33
_PAUSE_SECONDS = 0.2


class Closing:
    """The close of one session.

    Args:
        shared: The session's shared state.
        appends: The appends, which fail if they are not complete by then.
        close: Ends the session, given the id of the client's event.

    Attributes:
        begun: Whether a client has asked for it.
    """

    def __init__(self, shared: Shared, appends: Appends, close: Callable[[str | None], None]) -> None:
        self.begun: bool = False
        self._shared = shared
        self._appends = appends
        self._close = close
        self._client_event_id: str | None = None
        self._drains = False

    def begin(self, event: Mapping[str, Any], model: Model, output: Output) -> None:
        """`session.close`."""
        self.begun = self._drains = True
        self._client_event_id = messages.event_id(event)
        self._shared.timeline.finish()
        if self._shared.in_real_time:
            # The timeline stops; one more message of audio is on its way.
            self._shared.timeline.stop()
            output.clear()
            self._shared.agenda.after(_LAST_AUDIO_SECONDS, lambda: output.add(model.take()))
        self._shared.agenda.after(_DRAIN_SECONDS, self.drained)

    def drained(self) -> None:
        """Continue: nothing is on its way any more that the close waits for."""
        if not self._drains:
            return
        self._drains = False
        pause = _PAUSE_SECONDS if self._shared.in_real_time else 0.0
        self._shared.agenda.after(pause, self._appends.fail)
        self._shared.agenda.after(3.5 * pause, lambda: self._close(self._client_event_id))
