"""The work for a running session: answers, words and sounds, which users' functions and the voice make.

Each is passed to the session when it comes. A user's function may fail in any way, which the session reports.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from realtime_simulator._engine.base import BaseSession
from realtime_simulator._engine.plan import Utterance, speech_of
from realtime_simulator._engine.turn import Action, Fail, Heard, Say, Transcript, Turn
from realtime_simulator._media.files import check_sound
from realtime_simulator._media.speech import PCM, Speech
from realtime_simulator._scenario.remote import RemoteError
from realtime_simulator._scenario.rules import actions
from realtime_simulator._scenario.streaming import streamed
from realtime_simulator._sessions.services import Services

logger: logging.Logger = logging.getLogger("realtime_simulator")
T = TypeVar("T")
MOST_AHEAD = 16
"""Sentences, or other parts, by which an answer that comes bit by bit may be ahead of its playback."""
_NO_TURN = Turn(text="", items=(), session={}, response={}, tools=())


class Work:
    """The work for one session.

    Args:
        session: The session.
        session_id: Its id, for the log.
        services: The services that all sessions share.
        step: The context of each step of the session, in which its effects are acted on.
        packets: Whether speech is needed in packets, for a track.
    """

    def __init__(
        self,
        session: BaseSession,
        session_id: str,
        services: Services,
        step: Callable[[], contextlib.AbstractContextManager[None]],
        *,
        packets: bool,
    ) -> None:
        self._session = session
        self._session_id = session_id
        self._services = services
        self._step = step
        self._packets = packets
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: dict[str, asyncio.Task[None]] = {}
        self._moved = asyncio.Event()

    def answer(self, response_id: str, turn: Turn) -> None:
        """Request the model's answer, and its speech."""
        self._answers[response_id] = self._start(self._answer(response_id, turn))

    def drop(self, response_id: str) -> None:
        """Stop getting an answer."""
        if (answering := self._answers.pop(response_id, None)) is not None:
            answering.cancel()

    def speak(self, response_id: str, said: Say, turn: Turn) -> None:
        """Request the sound of a message."""
        self._start(self._speak(response_id, said, turn))

    def translate(self, spoken_id: str, text: str, language: str) -> None:
        """Request a translation, and its sound."""
        self._start(self._translate(spoken_id, text, language))

    def go_on(self) -> None:
        """Continue with answers that waited because they were far ahead of their playback."""
        self._moved.set()

    def cancel(self) -> None:
        """Stop all of it, because the session has ended."""
        for task in self._tasks:
            task.cancel()

    async def settled(self) -> None:
        """Wait until the words, answers and sounds that were requested so far have come."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

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

    def hear(self, item_id: str, heard: Heard) -> None:
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
        (self._session.paused if heard.paused else self._session.heard)(
            item_id, transcript, self._services.clock.monotonic()
        )

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
                        self._pass(response_id, [voiced], whole=False)
                        while self._session.ahead(response_id) >= MOST_AHEAD:
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
        self._pass(response_id, last)

    async def _speak(self, response_id: str, said: Say, turn: Turn) -> None:
        voiced = await self._or_failure(self._voiced(said, turn), "the voice failed", "scenario_error")
        self._pass(response_id, [voiced])

    async def _translate(self, spoken_id: str, text: str, language: str) -> None:
        async def translated() -> Action:
            words = self._services.behavior.translation(text, language)
            return await self._voiced(Say(await words if inspect.isawaitable(words) else words), _NO_TURN)

        said = await self._or_failure(translated(), "the translation failed", "translation_failed")
        self._pass(spoken_id, [said])

    def _pass(self, request_id: str, actions: Sequence[Action], *, whole: bool = True) -> None:
        with self._step():
            self._session.answer(request_id, actions, self._services.clock.monotonic(), whole=whole)

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
        speaker, packets = self._services.speaker, self._packets
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
                self._session_id,
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
