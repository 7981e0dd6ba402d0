"""The close of a Live session: what is on its way still comes if a client asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine import messages
from realtime_simulator._live.appends import Appends
from realtime_simulator._live.model import Model
from realtime_simulator._live.output import Output
from realtime_simulator._live.shared import Shared

_DRAIN_SECONDS = 2.0
"""How long it waits for the words and answers that are being made, where everything comes at once."""
_LAST_AUDIO_SECONDS = 0.33
_PAUSE_SECONDS = 0.2


@attrs.define(eq=False)
class Closing:
    """The close of one session.

    Args:
        shared: The session's shared state.
        appends: The appends, which fail if they are not complete by then.
        model: The model, whose voice is cut off.
        output: Where its sound goes.
        close: Closes the session, given the client's event.
    """

    _shared: Shared
    _appends: Appends
    _model: Model
    _output: Output
    _close: Callable[[Mapping[str, Any]], None]
    _asked: Mapping[str, Any] | None = attrs.field(init=False, default=None)

    def begin(self, event: Mapping[str, Any]) -> None:
        """`session.close`."""
        self._asked = event
        self._shared.timeline.finish()
        if self._shared.in_real_time:
            # The timeline stops; one more message of audio is on its way.
            self._shared.timeline.stop()
            self._output.clear()
            self._shared.agenda.after(_LAST_AUDIO_SECONDS, self._send_last)
        self._shared.agenda.after(_DRAIN_SECONDS, self.drained)

    def _send_last(self) -> None:
        self._output.add(self._model.take())

    def drained(self) -> None:
        """Continue: nothing is on its way any more that the close waits for."""
        if (event := self._asked) is None:
            return
        self._asked = None
        pause = _PAUSE_SECONDS if self._shared.in_real_time else 0.0
        self._shared.agenda.after(pause, self._appends.fail)
        self._shared.agenda.after(3.5 * pause, lambda: self._close(event))

    def report(self, reason: str, usage: Mapping[str, float], event: Mapping[str, Any] | None) -> None:
        """Send `session.closed`.

        Args:
            reason: Why.
            usage: The session's usage.
            event: The client's event that asked for it; None for none.
        """
        config = self._shared.config
        if config.stored and self._shared.draw("live_storage") is not None:
            problem = ApiProblem(
                "The session could not be stored.", type="server_error", code="session_storage_failed"
            )
            self._shared.emit(problem.event(messages.event_id(event or {})))
            config.stored, self._output.recording = False, None
        self._shared.reply(event, "session.closed", reason=reason, session=config.view(), usage=usage)
