"""A session that lives: an engine session driven by the event loop, with its connections, voice and records.

This is the only place where the engine's effects become something; it knows connections as functions.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

import attrs

from realtime_simulator import scenario
from realtime_simulator.clock import Clock, Timer
from realtime_simulator.engine.core import Core
from realtime_simulator.engine.effects import (
    AnswerNeeded,
    AudioIn,
    AudioOut,
    Effect,
    Emit,
    End,
    HearingNeeded,
    Play,
    StopPlaying,
    ToolsNeeded,
    TranslationNeeded,
)
from realtime_simulator.engine.turn import Action, Fail, Heard, Say, Turn
from realtime_simulator.faults.faults import Faults
from realtime_simulator.hearing import Hearing, Translation, default_hearing, default_translation
from realtime_simulator.media.codec import PCM
from realtime_simulator.media.speaker import Speaker
from realtime_simulator.records import Records
from realtime_simulator.session_record import SessionRecord

logger = logging.getLogger("realtime_simulator")
Send = Callable[[Mapping[str, Any]], None]
Ended = Callable[[int, str], None]
_NO_TURN = Turn(text="", items=(), session={}, response={}, tools=())


class Player(Protocol):
    """What plays the model's audio to a peer."""

    def queue(self, play: Play) -> None: ...
    def clear(self) -> Mapping[str, int]:
        """Drop everything; return how many samples of each queued item were played."""
        ...


@attrs.frozen(kw_only=True)
class Studio:
    """What all sessions of a simulator share.

    Args:
        clock: The time.
        speaker: The voice.
        workers: Where slow work is done.
        records: What tests look at.
        scenario: What the model answers.
        hearing: What the user is taken to have said; asked anew for each item.
        translation: What something means in another language; asked anew each time.
        mcp_servers: The tools of MCP servers by label; None for one that can't be asked.
        faults: What goes wrong.
    """

    clock: Clock
    speaker: Speaker
    workers: Executor
    records: Records
    scenario: scenario.Script
    hearing: Callable[[], Hearing] = lambda: default_hearing
    translation: Callable[[], Translation] = lambda: default_translation
    mcp_servers: Mapping[str, Sequence[Mapping[str, Any]] | None] = attrs.field(factory=dict)
    faults: Faults = attrs.field(factory=Faults)


class LiveSession:
    """A running session.

    Args:
        session: The engine's session.
        record: Where it is recorded.
        studio: What it shares with others.
        on_end: Called once, with the close code and the reason.
        player: What plays the model's audio; None if audio goes out in events.
    """

    def __init__(
        self,
        session: Core,
        record: SessionRecord,
        studio: Studio,
        on_end: Ended,
        player: Player | None = None,
    ) -> None:
        self.session = session
        self.record = record
        self.player = player
        self._studio = studio
        self._on_end = on_end
        self._listeners: dict[Send, Ended | None] = {}
        self._timer: Timer | None = None
        self._due_at: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pumping = False
        record.look_through(self._look)
        self._pump()

    @property
    def now(self) -> float:
        return self._studio.clock.monotonic()

    def attach(self, send: Send, *, greet: bool, on_end: Ended | None = None) -> None:
        """Let a connection hear the session's events.

        Args:
            send: Called with each event.
            greet: Whether it is the session's own connection and hears `session.created` first.
            on_end: Called when the session ends while the connection listens, with close code and reason.
        """
        if self.session.ended:
            if on_end is not None:
                on_end(1000, self.record.ended or "")
            return
        if greet:
            created = self.session.greeting()
            self.record.add_sent(created)
            send(created)
        self._listeners[send] = on_end
        self._pump()

    def detach(self, send: Send) -> None:
        """Let a connection hear no more."""
        self._listeners.pop(send, None)

    def receive(self, message: str | bytes) -> None:
        """Take a message from any of the session's connections."""
        event = self.session.receive_text(message, self.now)
        if event is not None:
            self.record.add_received(event)
        self._pump()

    def hear(self, pcm: bytes) -> None:
        """Take sound from the peer's track."""
        self.record.audio_in.add(pcm)
        self.session.hear(pcm, self.now)
        self._pump()

    def played(self, pcm: bytes) -> None:
        """The player has sent this sound."""
        self.record.audio_out.add(pcm)

    def drained(self, response_id: str) -> None:
        """The player has sent all that it had of a response."""
        self.session.playback_drained(response_id, self.now)
        self._pump()

    def end(self, code: int, reason: str) -> None:
        """End the session from outside."""
        self.session.end(code, reason)
        self._pump()

    def _pump(self) -> None:
        """Act on all effects, then put the clock to the next deadline."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while effects := self.session.take():
                for effect in effects:
                    self._act(effect)
        finally:
            self._pumping = False
        self._studio.records.changed()
        self._wind()

    def _look(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return self.session.view(), self.session.items()

    def _wind(self) -> None:
        deadline = self.session.deadline()
        if deadline == self._due_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due_at = deadline
        self._timer = None if deadline is None else self._studio.clock.call_at(deadline, self._due)

    def _due(self) -> None:
        self._timer = self._due_at = None
        self.session.tick(self.now)
        self._pump()

    def _act(self, effect: Effect) -> None:
        match effect:
            case Emit(event):
                self.record.add_sent(event)
                for send in list(self._listeners):
                    send(event)
            case AnswerNeeded(response_id, turn):
                self._start(self._answer(response_id, turn))
            case HearingNeeded(item_id, pcm):
                self._hear(item_id, Heard(pcm=pcm, session=self.session.view()))
            case ToolsNeeded(item_id, label, allowed):
                named = [{"name": name, "input_schema": {"type": "object"}} for name in allowed]
                tools = self._studio.mcp_servers.get(label, named)
                self.session.listed(item_id, tools, self.now)
            case TranslationNeeded(spoken_id, text, language):
                self._start(self._translate(spoken_id, text, language))
            case AudioIn(pcm):
                self.record.audio_in.add(pcm)
            case AudioOut(pcm):
                self.record.audio_out.add(pcm)
            case Play():
                if self.player is not None:
                    self.player.queue(effect)
            case StopPlaying(truncate):
                played = self.player.clear() if self.player is not None else {}
                self.session.playback_cleared(played, truncate=truncate, now=self.now)
            case End(code, reason):
                self.record.close(reason)
                for task in self._tasks:
                    task.cancel()
                listeners, self._listeners = self._listeners, {}
                for on_end in listeners.values():
                    if on_end is not None:
                        on_end(code, reason)
                self._on_end(code, reason)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _hear(self, item_id: str, heard: Heard) -> None:
        """Find out what the user said; at once, unless that takes its time."""
        try:
            words = self._studio.hearing()(heard)
            if inspect.isawaitable(words):
                self._start(self._hear_later(item_id, words))
                return
            self.session.heard(item_id, words, self.now)
        except Exception as error:  # a user's function may fail in any way; an event says so
            logger.exception("what the user said could not be found out")
            self.session.heard(item_id, "", self.now, f"{type(error).__name__}: {error}")

    async def _hear_later(self, item_id: str, words: Awaitable[str]) -> None:
        try:
            self.session.heard(item_id, await words, self.now)
        except Exception as error:
            logger.exception("what the user said could not be found out")
            self.session.heard(item_id, "", self.now, f"{type(error).__name__}: {error}")
        self._pump()

    async def _answer(self, response_id: str, turn: Turn) -> None:
        """Find out what the model answers, give it a voice, hand it to the session."""
        try:
            answer = await self._studio.scenario(turn)
            voiced = [await self._voiced(action, turn) for action in scenario.actions(answer)]
        except Exception as error:  # a user's function may fail in any way; the response says so
            logger.exception("the scenario failed")
            voiced = [Fail("scenario_error", f"{type(error).__name__}: {error}")]
        self.session.answer(response_id, voiced, self.now)
        self._pump()

    async def _translate(self, spoken_id: str, text: str, language: str) -> None:
        said: Action
        try:
            words = self._studio.translation()(text, language)
            if inspect.isawaitable(words):
                words = await words
            said = await self._voiced(Say(words), _NO_TURN)
        except Exception as error:  # a user's function may fail in any way; an event says so
            logger.exception("the translation failed")
            said = Fail("translation_failed", f"{type(error).__name__}: {error}")
        self.session.answer(spoken_id, [said], self.now)
        self._pump()

    async def _voiced(self, action: Action, turn: Turn) -> Action:
        if not isinstance(action, Say) or action.speech is not None or "audio" not in turn.modalities:
            return action
        speaker, packets = self._studio.speaker, self.player is not None
        format = PCM if packets else turn.format
        speech = speaker.remembered(action.text, turn.voice, turn.speed, packets=packets, format=format)
        if speech is None:
            speech = await asyncio.get_running_loop().run_in_executor(
                self._studio.workers,
                lambda: speaker.speak(action.text, turn.voice, turn.speed, packets=packets, format=format),
            )
        return attrs.evolve(action, speech=speech)
