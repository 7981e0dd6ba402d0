"""How a Live session goes on: step by step along its timeline, with pauses, stalls, and reports of usage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine import messages
from realtime_simulator._engine.effects import AudioIn
from realtime_simulator._live.appends import Appends
from realtime_simulator._live.hearing import Hearing
from realtime_simulator._live.model import Model
from realtime_simulator._live.output import Output
from realtime_simulator._live.shared import Shared
from realtime_simulator._live.standby import Standby
from realtime_simulator._live.timeline import FRAME, STEP
from realtime_simulator._media.formats import Decoder
from realtime_simulator._media.speech import RATE

_USAGE_SECONDS = 15.0


@attrs.define(eq=False)
class Progress:
    """The progress of one session.

    Args:
        shared: The session's shared state.
        hearing: What the user says.
        model: What the model does.
        appends: What clients append.
        output: Where the sound goes.
    """

    _shared: Shared
    _hearing: Hearing
    _model: Model
    _appends: Appends
    _output: Output
    _standby: Standby = attrs.field(init=False, factory=lambda: Standby(None))
    _stall: Mapping[str, Any] | None = attrs.field(init=False, default=None)
    _decoder: Decoder | None = attrs.field(init=False, default=None)

    def begin(self) -> None:
        """Begin, for a session that has started."""
        self._standby = Standby(self._shared.config.standby)
        self._decoder = Decoder(*self._shared.config.format)
        self._stall = self._shared.draw("live_stall")
        self._shared.agenda.after(_USAGE_SECONDS, self._report_usage)
        if (replacement := self._shared.draw("live_replacement")) is not None:
            self._shared.agenda.after(replacement["at"], self._shared.context.fill)

    @property
    def waits(self) -> bool:
        """Whether the timeline waits for words or an answer; in real time it never does."""
        return not self._shared.in_real_time and (self._model.waits or self._hearing.waits)

    @property
    def due(self) -> float:
        """When it goes on; infinity if it waits for input."""
        due = min(self._output.due, self._standby.due)
        if self.waits or self._standby.paused:
            return due
        return min(due, self._shared.timeline.deadline(ahead=self._may_run_ahead))

    def append(self, event: Mapping[str, Any]) -> None:
        """`session.input_audio.append`."""
        assert self._decoder is not None
        data = messages.decode_audio(event["audio"])
        if self._shared.config.format[0] == "audio/pcm" and len(data) % 2:
            raise ApiProblem(
                "PCM16 audio must contain an even number of bytes.", code="invalid_audio", param="audio"
            )
        pcm = self._decoder.push(data)
        self._shared.effect(AudioIn(pcm))
        self.hear(pcm)

    def hear(self, pcm: bytes) -> None:
        """Add the user's audio to the timeline; while the session is paused, nothing but speech counts."""
        timeline, now = self._shared.timeline, self._shared.now()
        if self._standby.paused:
            woken = self._standby.wakes(self._hearing.audible(pcm), now)
            if woken is None:
                return
            pcm = woken
            timeline.resume(now)
            self._shared.emit({"type": "session.resumed"})
        elif not timeline.begun:
            self._standby.active(now)
        timeline.append(pcm, now)

    def advance(self) -> None:
        """Make all steps that are due, pause if nobody has spoken, and send the sound that is due."""
        timeline = self._shared.timeline
        while not (self.waits or self._standby.paused):
            if self._stall is not None and timeline.position >= self._stall["at"] * RATE:
                self._stand_still(self._stall["seconds"])
            pcm = timeline.step(self._shared.now(), ahead=self._may_run_ahead)
            if pcm is None:
                break
            self._step(pcm)
        self._rest()
        self._output.send()

    def usage(self) -> dict[str, float]:
        """Return the session's usage so far."""
        return self._standby.usage(float(self._shared.timeline.position // RATE), self._shared.now())

    def _step(self, pcm: bytes) -> None:
        """Process 100 ms of the user's audio."""
        start = self._shared.timeline.position - STEP
        heard = bytes(len(pcm)) if self._model.plays_fixture else self._hearing.audible(pcm)
        self._hearing.listen(heard, start)
        if self._is_at_work:
            self._standby.active(self._shared.now())
        if start % FRAME == 0:
            self._appends.complete(start)
            self._hearing.send_words()
            self._model.frame(start)
        self._output.step(pcm, self._model.take())

    def _rest(self) -> None:
        """Pause the session if it has been idle for long enough."""
        now = self._shared.now()
        if now < self._standby.due:
            return
        if self._is_at_work or self._shared.timeline.finished:
            self._standby.active(now)
            return
        self._standby.pause(now)
        self._shared.emit({"type": "session.paused"})

    def _stand_still(self, seconds: float | None) -> None:
        """Stop the timeline, for some time or for good."""
        self._stall = None
        self._shared.timeline.stop()
        if seconds is not None:
            self._shared.agenda.after(seconds, self._go_on)

    def _go_on(self) -> None:
        if not self._shared.timeline.finished:
            self._shared.timeline.go_on(self._shared.now())
            self.advance()

    @property
    def _is_at_work(self) -> bool:
        """Whether somebody speaks, or something is on its way to be said."""
        return self._hearing.at_work or self._model.at_work or bool(self._appends)

    @property
    def _may_run_ahead(self) -> bool:
        """Whether the timeline may run ahead of the user's audio: always in real time, otherwise while there
        is something to say."""
        has_more = self._model.has_more or self._appends or self._hearing.has_words
        return bool(self._shared.in_real_time or has_more)

    def _report_usage(self) -> None:
        context = self._shared.context
        window = {"usage_ratio": context.ratio}
        self._shared.emit({"type": "session.usage.updated", "usage": self.usage(), "context_window": window})
        if context.is_full:
            context.shorten()
        self._shared.agenda.after(_USAGE_SECONDS, self._report_usage)
