"""A Live session, sans I/O: full duplex along a timeline, with a backend that works while the voice talks.

Neither speech recognition nor a model are here: words and answers come from the session's driver, as for
Realtime's sessions. The model of the scenario decides when to speak; what the user says meanwhile stops it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import INTERNAL_ERROR, ApiProblem, invalid_value
from realtime_simulator._engine import messages
from realtime_simulator._engine.base import BaseSession
from realtime_simulator._engine.settings import SessionSettings
from realtime_simulator._engine.turn import Action, Cue, Transcript
from realtime_simulator._live.answers import Answers
from realtime_simulator._live.appends import KINDS, Appends
from realtime_simulator._live.closing import Closing
from realtime_simulator._live.config import LiveConfig
from realtime_simulator._live.decisions import Decisions
from realtime_simulator._live.delegation import Delegation
from realtime_simulator._live.hearing import Hearing
from realtime_simulator._live.model import Model
from realtime_simulator._live.output import Output
from realtime_simulator._live.progress import Progress
from realtime_simulator._live.shared import Shared
from realtime_simulator._live.timeline import Timeline, milliseconds
from realtime_simulator._records.session import Transport
from realtime_simulator._records.store import CONNECTION_LOST, ENDS, REMOTE_HANGUP

_START = "session.start"
_LATENCY_SECONDS = 0.6
_NO_AUDIO_SECONDS = 31.0


class LiveSession(BaseSession):
    """One Live session; it begins with `session.start`.

    Args:
        session_id: Its id.
        ids: The source of identifiers.
        now: The time at which it begins.
        unix: The same time in unix seconds.
        settings: Its settings.
        transport: What carries it; over WebRTC and SIP, audio is not in events.
        config: The configuration of a session that was started by a request; None to wait for
            `session.start`.
        source: The stored session that it continues; None for none.
        draw: Decides whether a fault happens now, given its name; returns its settings, or None.
    """

    def __init__(
        self,
        session_id: str,
        ids: Ids,
        now: float,
        unix: float,
        settings: SessionSettings,
        *,
        transport: Transport = "websocket",
        config: LiveConfig | None = None,
        source: LiveSession | None = None,
        draw: Callable[[str], Mapping[str, Any] | None] = lambda name: None,
    ) -> None:
        union = "LiveClientEvent" if source is None else "LiveForkClientEvent"
        if transport == "sip":
            union = "LiveSidebandClientEvent"
        super().__init__(ids, now, settings, union)
        self.id = session_id
        self._source = source
        self._transport = transport
        self._has_track = transport != "websocket"
        self._shared = Shared(
            ids=ids,
            settings=settings,
            agenda=self._agenda,
            timeline=Timeline(_LATENCY_SECONDS if settings.pacing.speed else None),
            now=lambda: self._now,
            unix=lambda: unix + self._now - now,
            draw=draw,
            emit=self.emit,
            effect=self.effect,
        )
        self._decisions = Decisions(self._shared)
        self._answers = Answers(self._shared)
        self._delegation = Delegation(self._shared, self._answers, self._decisions)
        self._model = Model(self._shared, self._answers, self._delegation, self._decisions)
        self._hearing = Hearing(
            self._shared,
            self._decisions,
            interrupt=self._model.interrupt,
            understood=self._model.ask,
        )
        self._appends = Appends(self._shared, self._answers, self._delegation)
        self.output: Output = Output(self._shared)
        self._closing = Closing(
            self._shared,
            self._appends,
            self._model,
            self.output,
            functools.partial(self.close, "close_requested"),
        )
        self._progress = Progress(self._shared, self._hearing, self._model, self._appends, self.output)
        self._handlers = {_START: self._start}
        if config is not None:
            self._begin(config)

    @property
    def config(self) -> LiveConfig | None:
        """Its configuration; None until it has started."""
        return self._shared.started

    @property
    def position_ms(self) -> int:
        """Where its timeline is."""
        return milliseconds(self._shared.timeline.position)

    def view(self) -> dict[str, Any]:
        return self.config.view() if self.config is not None else {"id": self.id, "type": "live"}

    def items(self) -> list[dict[str, Any]]:
        return list(self._shared.context.items)

    def greeting(self) -> dict[str, Any]:
        return self.stamped({"type": "session.started", "session": self.view()})

    def stamped(self, event: dict[str, Any]) -> dict[str, Any]:
        if event["type"] == "error":
            error = dict(event["error"])
            client_event_id = error.pop("event_id", None)
            answered = {} if client_event_id is None else {"client_event_id": client_event_id}
            event = {**event, "error": {**error, **answered}}
        return super().stamped(event)

    # In

    def _process(self, event: Mapping[str, Any]) -> None:
        try:
            if event.get("type") == "session.update" and self.config is not None:
                self.config.check_update(event.get("session"))
        except ApiProblem as problem:
            self.emit(problem.event(messages.event_id(event)))
        else:
            super()._process(event)

    def press(self, key: str, unix: float) -> None:
        self.emit({"type": "transport.dtmf.received", "event": key})

    def hear(self, pcm: bytes, now: float) -> None:
        self.tick(now)
        if not self.ended and self.config is not None:
            self._progress.hear(pcm)
            self._advance()

    def heard(self, item_id: str, transcript: Transcript | None, now: float) -> None:
        self.tick(now)
        text = transcript.text if transcript is not None and transcript.error is None else ""
        if self._hearing.heard(item_id, text):
            self._advance()

    def answer(self, response_id: str, actions: Sequence[Action], now: float, *, whole: bool = True) -> None:
        self.tick(now)
        self._answers.take(response_id, actions, whole=whole)
        self._advance()

    def ahead(self, response_id: str) -> int:
        return self._answers.ahead(response_id)

    def follow(self, cues: Sequence[Cue] | None) -> None:
        """Do these cues from now on, in place of those before.

        Args:
            cues: The cues, of which those of the past are left out; None for a model that answers by itself,
                also what the user has said last.
        """
        self._answers.follow(cues)
        is_at_work = self._model.has_more or self._delegation.working or self._delegation.waiting
        items = self._shared.context.items
        if not is_at_work and items and items[-1].get("role") == "user":
            self._model.ask()

    # Client events

    def _start(self, event: Mapping[str, Any]) -> None:
        if (refusal := self._shared.draw("live_refusal")) is not None:
            error = {key: refusal[key] for key in ("type", "code", "message")}
            self.emit({"type": "error", "error": {**error, "event_id": messages.event_id(event)}})
            return
        session = event["session"]
        if self._source is not None and self._source.config is not None:
            session = self._source.config.fork(session)
        expires = int(self._shared.unix() + self._settings.lifetime)
        self._begin(LiveConfig(self.id, expires, session, media=self._has_track))
        self._shared.reply(event, "session.started", session=self.view())

    def _begin(self, config: LiveConfig) -> None:
        self._shared.started = config
        given = [{"type": "message", **message} for message in config.input]
        self._shared.context.items = given if self._source is None else self._source.items()
        self._source = None
        self._progress.begin()
        self.output.begin(in_events=not self._has_track)
        self._handlers = {
            "session.update": self._update,
            "session.input_audio.mute": self._hearing.mute,
            "session.input_audio.unmute": self._hearing.mute,
            **{f"session.{kind}.append": self._appends.add for kind in KINDS},
            "response.item.create": self._delegation.add_item,
            "response.create": self._delegation.respond,
            "decision.item.create": self._decisions.create_item,
            "decision.item.delete": self._decisions.delete_item,
            "decision.create": self._delegation.decide,
            "session.output_audio.fixture.play": self._model.play,
            "session.close": self._close,
        }
        if not self._has_track:
            self._handlers[_START] = self._start_again
            self._handlers["session.input_audio.append"] = self._append
            self._agenda.after(_NO_AUDIO_SECONDS, self._expire_unheard)
        if self._transport == "sip":
            self._handlers["transport.dtmf.send"] = self._send_key

    def _start_again(self, event: Mapping[str, Any]) -> None:
        raise invalid_value("The session has been started.", "type")

    def _update(self, event: Mapping[str, Any]) -> None:
        self._shared.config.update(event["session"])
        self._shared.reply(event, "session.updated", session=self.view())

    def _append(self, event: Mapping[str, Any]) -> None:
        self._progress.append(event)
        self._advance()

    def _send_key(self, event: Mapping[str, Any]) -> None:
        self._shared.reply(event, "transport.dtmf.sent", event=event["event"])

    def _close(self, event: Mapping[str, Any]) -> None:
        self._handlers = {"session.input_audio.append": lambda event: None}
        self._closing.begin(event)
        self._advance()

    # Time

    def _advance(self) -> None:
        if self.config is not None:
            self._progress.advance()
        if not self._progress.waits:
            self._closing.drained()
        self._agenda.run()

    def _due(self) -> float:
        return self._progress.due

    # The end

    def expire(self) -> None:
        self.close("expired")

    def _expire_unheard(self) -> None:
        if not self._shared.timeline.begun:
            self.expire()

    def close(self, reason: str, event: Mapping[str, Any] | None = None) -> None:
        """End the session with `session.closed`.

        Args:
            reason: `close_requested`, `expired`, `content`, `remote_hangup` or `connection_lost`.
            event: The client's event that asked for it; None for none.
        """
        if self.config is not None and not self.ended:
            self._closing.report(reason, self._progress.usage(), event)
        super().end(1000, reason)

    def end(self, code: int, reason: str) -> None:
        if code == INTERNAL_ERROR:
            super().end(code, reason)
        else:
            closed = ENDS.get(reason, CONNECTION_LOST)
            on_phone = self._transport == "sip"
            self.close(closed if closed != REMOTE_HANGUP or on_phone else CONNECTION_LOST)
