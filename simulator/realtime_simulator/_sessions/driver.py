"""The driver of a running session: it connects an engine session with the event loop, voice and records.

This is the only place that acts on the engine's effects; connections are functions here.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar

import attrs

from realtime_simulator._core.clock import Clock, Timer
from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import INTERNAL_ERROR, server_error
from realtime_simulator._core.profile import PROFILES, Profile
from realtime_simulator._engine.base import BaseSession
from realtime_simulator._engine.config import SessionConfig, TranslationConfig
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
from realtime_simulator._engine.plan import Utterance, speech_of
from realtime_simulator._engine.session import Session
from realtime_simulator._engine.settings import SessionSettings
from realtime_simulator._engine.translation import TranslationSession
from realtime_simulator._engine.turn import Action, Fail, Heard, Say, Transcript, Turn
from realtime_simulator._faults.catalog import Faults
from realtime_simulator._media.files import check_sound
from realtime_simulator._media.speech import PCM, Speech
from realtime_simulator._media.voice import Speaker
from realtime_simulator._records.session import Direction, SessionLog, summary
from realtime_simulator._records.store import Records
from realtime_simulator._scenario.remote import RemoteError
from realtime_simulator._scenario.rules import Behavior, actions
from realtime_simulator._scenario.streaming import streamed
from realtime_simulator._sessions.play_queue import PlayQueue
from realtime_simulator._sessions.settings import Settings

logger: logging.Logger = logging.getLogger("realtime_simulator")
event_log: logging.Logger = logging.getLogger("realtime_simulator.events")
"""A line for each event of each session."""
T = TypeVar("T")
Send = Callable[[Mapping[str, Any]], None]
Ended = Callable[[int, str], None]
MOST_AHEAD = 16
"""Sentences, or other parts, by which an answer that comes bit by bit may be ahead of its playback."""
_NO_TURN = Turn(text="", items=(), session={}, response={}, tools=())


@attrs.frozen(kw_only=True)
class Services:
    """The services that all sessions of a simulator share.

    Args:
        settings: The simulator's settings.
        ids: Where ids come from.
        clock: The clock.
        speaker: The voice.
        workers: The threads for slow work.
        records: The records of sessions and calls.
        behavior: The behavior of the model and the users; read at each use.
        faults: The requested faults.
    """

    settings: Settings
    ids: Ids
    clock: Clock
    speaker: Speaker
    workers: Executor
    records: Records
    behavior: Behavior
    faults: Faults

    @property
    def expires_at(self) -> int:
        """When a session that begins now ends, in unix seconds."""
        return int(self.clock.unix() + self.settings.session_seconds)

    @property
    def profile(self) -> Profile:
        """The service that is simulated."""
        return PROFILES[self.settings.profile]

    def session_settings(self) -> SessionSettings:
        """Return the settings of a session that begins now."""
        return SessionSettings(
            lifetime=self.settings.session_seconds,
            pacing=self.settings.pacing,
            profile=self.profile,
            speech=self.behavior.speech,
            cues=self.behavior.cues,
        )

    def new_session(
        self,
        session_id: str,
        initial: Mapping[str, Any] | None,
        *,
        model: str | None = None,
        plays_audio: bool = False,
        translates: bool = False,
    ) -> Session | TranslationSession:
        """Return a new session of the Realtime API.

        Args:
            session_id: Its id.
            initial: The checked session object that it begins with, or None.
            model: The model, if the request named one outside the session.
            plays_audio: As for `Session`.
            translates: Whether it is a translation session.
        """
        common = self.ids, self.clock.monotonic(), self.session_settings()
        if translates:
            translation = TranslationConfig(session_id, self.expires_at, initial, model=model)
            return TranslationSession(translation, *common, plays_audio=plays_audio)
        config = SessionConfig(session_id, self.expires_at, initial, model=model)
        return Session(config, *common, plays_audio=plays_audio)


class SessionDriver:
    """A running session.

    Args:
        session: The engine's session.
        log: The log of its record.
        services: The services that all sessions share.
        on_end: Called once, with the close code and the reason.
        plays: The queue of the model's audio for a track; None if it goes out in events.
    """

    def __init__(
        self,
        session: BaseSession,
        log: SessionLog,
        services: Services,
        on_end: Ended,
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
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: dict[str, asyncio.Task[None]] = {}
        self._moved = asyncio.Event()
        self._greeting: dict[str, Any] = {}
        self._pumping = False
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
        with self._step():
            self.log.audio_in.add(pcm, self._services.clock.unix())
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

    def act(self, function: Callable[[BaseSession], None]) -> None:
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
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    @contextlib.contextmanager
    def _step(self) -> Iterator[None]:
        """Act on the effects of a step of the session. An error in it is the simulator's, and ends the
        session as failed, never as one that ended normally."""
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
        try:
            while effects := self.session.take():
                for effect in effects:
                    self._act(effect)
        finally:
            self._pumping = False
        self._services.records.changed()
        self._moved.set()
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
                self._answers[response_id] = self._start(self._answer(response_id, turn))
            case AnswerDropped(response_id):
                if (answering := self._answers.pop(response_id, None)) is not None:
                    answering.cancel()
            case SpeechNeeded(response_id, said, turn):
                self._start(self._speak(response_id, said, turn))
            case HearingNeeded(item_id, pcm, finished, paused):
                heard = Heard(pcm=pcm, session=self.session.view(), finished=finished, paused=paused)
                self._hear(item_id, heard)
            case ToolsNeeded(item_id, label, allowed):
                named = [{"name": name, "input_schema": {"type": "object"}} for name in allowed] or None
                tools = self._services.behavior.mcp_servers.get(label, named)
                self.session.listed(item_id, tools, self.now)
            case TranslationNeeded(spoken_id, text, language):
                self._start(self._translate(spoken_id, text, language))
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
        for task in self._tasks:
            task.cancel()
        listeners, self._listeners = self._listeners, {}
        for on_end in listeners.values():
            if on_end is not None:
                on_end(code, reason)
        self._on_end(code, reason)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _interrupted(self, error: BaseException) -> bool:
        """Return whether a task of the session is cancelled or closed; otherwise a user's function failed."""
        try:
            task = asyncio.current_task()
        except RuntimeError:
            return True
        if isinstance(error, GeneratorExit) and task not in self._tasks:
            return True
        return task is not None and task.cancelling() > 0

    def _hear(self, item_id: str, heard: Heard) -> None:
        """Request the words of the user's audio; they may come at once or later."""
        try:
            words = self._services.behavior.hearing(heard)
            if inspect.isawaitable(words):
                self._start(self._hear_later(item_id, heard, words))
                return
        except BaseException as error:  # a user's function may fail in any way; an event reports it
            self._heard(item_id, heard, _failure(error))
        else:
            self._heard(item_id, heard, _transcript(words))

    async def _hear_later(
        self, item_id: str, heard: Heard, words: Awaitable[str | Transcript | None]
    ) -> None:
        try:
            text = await words
        except BaseException as error:
            if self._interrupted(error):
                raise
            with self._step():
                self._heard(item_id, heard, _failure(error))
        else:
            with self._step():
                self._heard(item_id, heard, _transcript(text))

    def _heard(self, item_id: str, heard: Heard, transcript: Transcript | None) -> None:
        (self.session.paused if heard.paused else self.session.heard)(item_id, transcript, self.now)

    async def _answer(self, response_id: str, turn: Turn) -> None:
        """Request the model's answer, synthesize its speech, and pass it to the session as it comes."""
        last: list[Action] = []
        try:
            answer = await self._services.behavior.script(turn)
            if isinstance(answer, AsyncIterator):
                by_sentence = "audio" in turn.modalities
                async with contextlib.aclosing(streamed(answer, by_sentence=by_sentence)) as coming:
                    async for action in coming:
                        voiced = await self._voiced(action, turn)
                        with self._step():
                            self.session.answer(response_id, [voiced], self.now, whole=False)
                        while self.session.ahead(response_id) >= MOST_AHEAD:
                            self._moved.clear()
                            await self._moved.wait()
            else:
                last = [await self._voiced(action, turn) for action in actions(answer)]
        except BaseException as error:  # a user's function may fail in any way; the response reports it
            if self._interrupted(error):
                raise
            _log_failure("the scenario failed", error)
            last = [Fail("scenario_error", _named(error))]
        self._answers.pop(response_id, None)
        with self._step():
            self.session.answer(response_id, last, self.now)

    async def _speak(self, response_id: str, said: Say, turn: Turn) -> None:
        voiced = await self._or_failure(self._voiced(said, turn), "the voice failed", "scenario_error")
        with self._step():
            self.session.answer(response_id, [voiced], self.now)

    async def _translate(self, spoken_id: str, text: str, language: str) -> None:
        async def translated() -> Action:
            words = self._services.behavior.translation(text, language)
            return await self._voiced(Say(await words if inspect.isawaitable(words) else words), _NO_TURN)

        said = await self._or_failure(translated(), "the translation failed", "translation_failed")
        with self._step():
            self.session.answer(spoken_id, [said], self.now)

    async def _or_failure(self, made: Awaitable[Action], what: str, code: str) -> Action:
        """Return what a user's function has made, or the failure that reports that it could not."""
        try:
            return await made
        except BaseException as error:  # a user's function may fail in any way
            if self._interrupted(error):
                raise
            _log_failure(what, error)
            return Fail(code, _named(error))

    async def _voiced(self, action: Action, turn: Turn) -> Action:
        if not isinstance(action, Say) or speech_of(action) is not None or "audio" not in turn.modalities:
            return action
        speaker, packets = self._services.speaker, self._plays is not None
        format = PCM if packets else turn.format
        sound = action.sound
        if sound is None and self._services.behavior.voice is not None and action.text.strip():
            made = await self._work(self._services.behavior.voice, action.text.strip(), turn.voice)
            sound = check_sound(await made if inspect.isawaitable(made) else made)
        if sound is not None:
            how = functools.partial(speaker.dress, action.text, sound, packets=packets, format=format)
            return await self._made(action, how)
        how = functools.partial(
            speaker.speak, action.text, turn.voice, turn.speed, packets=packets, format=format
        )
        known = speaker.remembered(*how.args, **how.keywords)
        return Utterance.voiced(action, known) if known is not None else await self._made(action, how)

    async def _made(self, action: Say, make: Callable[[], Speech]) -> Action:
        """Return a message with its speech; an error in making it is the simulator's."""
        try:
            return Utterance.voiced(action, await self._work(make))
        except Exception:
            logger.exception(
                "session %s: the simulator could not synthesize a message. "
                "This is an error in realtime_simulator: please report it",
                self.log.id,
            )
            return Fail()

    async def _work(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function that may be slow, in another thread."""

        def call() -> T:
            try:
                return function(*arguments)
            except StopIteration as error:  # no future can hold it, and its caller would wait forever
                raise RuntimeError("the function raised StopIteration") from error

        return await asyncio.get_running_loop().run_in_executor(self._services.workers, call)


def _named(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:  # a user's exception may fail even at this
        return type(error).__name__


def _log_failure(what: str, error: BaseException) -> None:
    """Log that a user's function failed; without the traceback where an endpoint failed."""
    logger.error("%s: %s", what, _named(error), exc_info=None if isinstance(error, RemoteError) else error)


def _failure(error: BaseException) -> Transcript:
    _log_failure("the function for what users say failed", error)
    return Transcript(error=_named(error))


def _transcript(words: str | Transcript | None) -> Transcript | None:
    return Transcript(words) if isinstance(words, str) else words
