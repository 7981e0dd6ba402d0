"""The driver of a running session: it connects an engine session with the event loop, voice and records.

This is the only place that acts on the engine's effects; connections are functions here.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from realtime_simulator._core.clock import Timer
from realtime_simulator._core.problem import INTERNAL_ERROR, server_error
from realtime_simulator._engine.base import BaseSession
from realtime_simulator._engine.effects import (
    AnswerDropped,
    AnswerNeeded,
    AudioIn,
    AudioOut,
    Effect,
    Emit,
    End,
    HearingNeeded,
    Play,
    SpeechNeeded,
    StopPlaying,
    ToolsNeeded,
    TranslationNeeded,
)
from realtime_simulator._engine.turn import Heard
from realtime_simulator._media.speech import PACKET_SAMPLES, Speech
from realtime_simulator._records.session import Direction, SessionLog, summary
from realtime_simulator._sessions.play_queue import PlayQueue
from realtime_simulator._sessions.services import Services
from realtime_simulator._sessions.work import Work

logger: logging.Logger = logging.getLogger("realtime_simulator")
event_log: logging.Logger = logging.getLogger("realtime_simulator.events")
"""A line for each event of each session."""
_MOST, _MOST_URGENT = 5, 2
"""How many packets a session hears at once where they change nothing, and where they may: each time has its
price."""
_QUIET = [bytes(number * PACKET_SAMPLES * 2) for number in range(_MOST + 1)]
"""Silence, by its packets; there are no other objects of it, so that sessions can keep much."""
Send = Callable[[Mapping[str, Any]], None]
Ended = Callable[[int, str], None]


class SessionDriver:
    """A running session.

    Args:
        session: The engine's session.
        log: The log of its record.
        services: The services that all sessions share.
        on_end: Called once, with the close code and the reason; None to log the end.
        plays: The queue of the model's audio for a track; None if it goes out in events.
    """

    def __init__(
        self,
        session: BaseSession,
        log: SessionLog,
        services: Services,
        on_end: Ended | None = None,
        plays: PlayQueue | None = None,
    ) -> None:
        self.session = session
        self.log = log
        self._plays = plays
        self._services = services
        self._on_end = on_end
        self._listeners: dict[Send, Ended | None] = {}
        self._sidebands: set[Send] = set()
        self._timer: Timer | None = None
        self._due_at: float | None = None
        self._work = Work(session, log.id, services, self._step, packets=plays is not None)
        self._greeting: dict[str, Any] = {}
        self._pumping = False
        self._unheard: list[bytes] = []
        self._end: tuple[int, str] | None = None
        log.begun = services.clock.unix()
        log.follow(session.view, session.items, self.receive)
        if services.settings.keep_audio:
            log.keep_audio(services.settings.keep_audio, services.records.audio)
        with self._step():
            pass

    @property
    def now(self) -> float:
        return self._services.clock.monotonic()

    @property
    def unix(self) -> float:
        """The time of day in unix seconds, on the simulator's clock."""
        return self._services.clock.unix()

    def attach(self, send: Send, *, greet: bool, sideband: bool = False, on_end: Ended | None = None) -> None:
        """Send the session's events to a connection from now on.

        Args:
            send: Called with each event.
            greet: Whether the session greets it first.
            sideband: Whether it is not the session's own connection.
            on_end: Called when the session ends before the connection is detached, with close code and
                reason.
        """
        if self._end is not None:
            if on_end is not None:
                on_end(*self._end)
            return
        self._listeners[send] = on_end
        if sideband:
            self._sidebands.add(send)
        with self._step():
            if greet:
                self.greet()
                send(self._greeting)

    def greet(self) -> None:
        """Record the session's first event, once: for the connection that it is sent to later, and for those
        that get what was sent before."""
        if not self._greeting:
            self._greeting = self.session.greeting()
            self._note("sent", self._greeting)

    def detach(self, send: Send) -> None:
        """Send a connection no more events."""
        self._listeners.pop(send, None)
        self._sidebands.discard(send)

    def receive(self, message: str | bytes) -> None:
        """Process a message from any of the session's connections."""
        with self._step():
            event = self.session.receive_text(message, self.now)
            if event is not None:
                self._note("received", event)

    def hear(self, pcm: bytes) -> None:
        """Process sound from the peer's track, PCM16 mono at 24 kHz."""
        self.log.audio_in.add(pcm, self._services.clock.unix())
        self._unheard.append(pcm)
        # Most packets of callers are silence, or go on with a turn.
        changes_nothing = self.session.changes_nothing(quiet=pcm == _QUIET[1])
        if len(self._unheard) >= (_MOST if changes_nothing else _MOST_URGENT):
            self._hear_rest()

    def _hear_rest(self) -> None:
        """Pass the sound that has been collected to the session."""
        if self._unheard:
            quiet, pcm = _QUIET[min(len(self._unheard), _MOST)], b"".join(self._unheard)
            self._unheard.clear()
            if pcm == quiet:
                pcm = quiet
            with self._step():
                self.session.hear(pcm, self.now)

    def press(self, keys: str) -> None:
        """Process keys of the telephone, one after the other."""
        with self._step():
            for key in keys:
                self.session.press(key, self._services.clock.unix())

    def played(self, pcm: bytes) -> None:
        """Record sound that the player has sent."""
        self.log.audio_out.add(pcm, self._services.clock.unix())

    def drained(self, response_id: str) -> None:
        """Process that the player has sent all that was queued of a response."""
        with self._step():
            self.session.playback_drained(response_id, self.now)

    def act(self, function: Callable[[BaseSession], object]) -> None:
        """Call a function with the session, and act on its effects."""
        with self._step():
            self.session.tick(self.now)
            function(self.session)

    def end(self, code: int, reason: str) -> None:
        """End the session from outside."""
        with self._step():
            self.session.end(code, reason)

    async def settled(self) -> None:
        """Wait until the words, answers and sounds that were requested so far have come."""
        await self._work.settled()

    @contextlib.contextmanager
    def _step(self) -> Iterator[None]:
        """Act on the effects of a step of the session. An error in it is the simulator's, and ends the
        session as failed, never as one that ended normally."""
        self._hear_rest()
        try:
            yield
            self._pump()
        except BaseException:  # the thread serves other sessions, too
            self._fail()

    def _fail(self) -> None:
        """End the session with the API's error, because of an error in the simulator itself."""
        logger.exception(
            "session %s: the simulator failed and the session ends. "
            "This is an error in realtime_simulator: please report it",
            self.log.id,
        )
        if self._end is not None:
            return
        with contextlib.suppress(Exception):  # what failed may fail again
            problem = self.session.stamped(server_error().event())
            self._note("sent", problem)
            for send in list(self._listeners):
                send(problem)
        with contextlib.suppress(Exception):
            self.session.end(INTERNAL_ERROR, "internal error")
            self.session.take()
        self._ended(INTERNAL_ERROR, "internal error")

    def _pump(self) -> None:
        """Act on all effects, then set the timer to the next deadline."""
        if self._pumping:
            return
        self._pumping = True
        changed = False
        try:
            while effects := self.session.take():
                changed = True
                for effect in effects:
                    self._act(effect)
        finally:
            self._pumping = False
        if changed:  # sound that is heard changes little, 50 times a second in each call
            self._services.records.changed()
        self._work.go_on()
        self._set_timer()

    def _note(self, direction: Direction, event: Mapping[str, Any]) -> None:
        """Record an event, and log it where that is enabled."""
        self.log.add(direction, event, self._services.clock.unix())
        if event_log.isEnabledFor(logging.DEBUG):
            event_log.debug("session %s: %s %s", self.log.id, direction, summary(event))

    def _set_timer(self) -> None:
        deadline = self.session.deadline()
        if deadline == self._due_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due_at = deadline
        self._timer = None if deadline is None else self._services.clock.call_at(deadline, self._due)

    def _due(self) -> None:
        self._timer = self._due_at = None
        with self._step():
            self.session.tick(self.now)

    def _act(self, effect: Effect) -> None:
        match effect:
            case Emit(event, to):
                if to == "sidebands" and not self._sidebands:
                    return
                self._note("sent", event)
                if event["type"] == "conversation.item.truncated" and self._plays is None:
                    self.log.audio_out.stop(self._services.clock.unix())
                for send in list(self._listeners):
                    if to == "all" or (to == "sidebands") == (send in self._sidebands):
                        send(event)
            case AnswerNeeded(response_id, turn):
                self._work.answer(response_id, turn)
            case AnswerDropped(response_id):
                self._work.drop(response_id)
            case SpeechNeeded(response_id, said, turn):
                self._work.speak(response_id, said, turn)
            case HearingNeeded(item_id, pcm, finished, paused):
                heard = Heard(pcm=pcm, session=self.session.view(), finished=finished, paused=paused)
                self._work.hear(item_id, heard)
            case ToolsNeeded(item_id, label, allowed):
                named = [{"name": name, "input_schema": {"type": "object"}} for name in allowed] or None
                tools = self._services.behavior.mcp_servers.get(label, named)
                self.session.listed(item_id, tools, self.now)
            case TranslationNeeded(spoken_id, text, language):
                self._work.translate(spoken_id, text, language)
            case AudioIn(pcm):
                self.log.audio_in.add(pcm, self._services.clock.unix())
            case AudioOut(pcm, packets):
                if self._plays is None:
                    self.log.audio_out.add(pcm, self._services.clock.unix())
                elif packets:  # otherwise it is silence, which a track sends by itself
                    self._plays.stream(Speech("", pcm, packets))
            case Play(_, _, speech, start, end):
                if self.log.speech is not None:
                    self.log.speech.append(effect)
                if self._plays is not None:
                    self._plays.add(effect)
                else:
                    self.log.audio_out.add(speech.pcm[start * 2 : end * 2], self._services.clock.unix())
            case StopPlaying(truncate):
                played = self._plays.clear() if self._plays is not None else {}
                self.session.playback_cleared(played, truncate=truncate, now=self.now)
            case End(code, reason):
                self._ended(code, reason)

    def _ended(self, code: int, reason: str) -> None:
        if self._end is not None:
            return
        self._end = code, reason
        self.log.close(reason)
        self._work.cancel()
        listeners, self._listeners = self._listeners, {}
        for on_end in listeners.values():
            if on_end is not None:
                on_end(code, reason)
        if self._on_end is not None:
            self._on_end(code, reason)
        else:
            logger.info("session %s: ended (%s)", self.log.id, reason)
