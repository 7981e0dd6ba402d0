"""The model of a Live session, frame by frame: it speaks, pauses, delegates, and lets the user interrupt."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._core.problem import ApiProblem, invalid_value
from realtime_simulator._engine import messages
from realtime_simulator._engine.effects import AudioOut
from realtime_simulator._engine.plan import Utterance, pieces
from realtime_simulator._engine.turn import Action, CallMcp, CallTool, Delegate, Fail, Pause, Say
from realtime_simulator._live.answers import Answers
from realtime_simulator._live.decisions import Decisions
from realtime_simulator._live.delegation import Delegation
from realtime_simulator._live.shared import Shared
from realtime_simulator._live.timeline import FRAME, STEP
from realtime_simulator._media.speech import PACKET_SAMPLES, RATE

_MAX_FIXTURE_SECONDS = 30
_WORD = RATE // 3
"""Samples that a word takes where there is no sound."""


@attrs.define
class _Spoken:
    """An utterance on its way.

    Args:
        pcm: Its sound.
        packets: The same as Opus, 20 ms each; empty where the sound goes out in events.
        words: Its words with the sample at which each begins.
        said: Samples that were said.
        text: The words that were said.
    """

    pcm: bytes
    packets: Sequence[bytes]
    words: deque[tuple[int, str]]
    said: int = 0
    text: str = ""


class _Voice:
    """What the model is saying; one utterance at a time."""

    def __init__(self) -> None:
        self._now: _Spoken | None = None

    @property
    def speaking(self) -> bool:
        return self._now is not None

    def say(self, utterance: Utterance) -> None:
        """Begin an utterance; the one before it has ended."""
        cut = pieces(utterance.text)
        pcm = utterance.speech.pcm if utterance.speech is not None else bytes(2 * _WORD * len(cut))
        each = len(pcm) // 2 // max(1, len(cut))
        packets = utterance.speech.packets if utterance.speech is not None else ()
        words = deque((number * each, word) for number, word in enumerate(cut))
        self._now = _Spoken(pcm, packets, words)

    def words(self) -> str:
        """Return the words that begin in the next 200 ms."""
        spoken, found = self._now, ""
        while spoken is not None and spoken.words and spoken.words[0][0] < spoken.said + FRAME:
            found += spoken.words.popleft()[1]
        if spoken is not None:
            spoken.text += found
        return found

    def take(self) -> tuple[AudioOut, str | None]:
        """Return the sound of a step, and the words of an utterance that ends with it."""
        spoken = self._now
        if spoken is None:
            return AudioOut(bytes(2 * STEP)), None
        pcm = spoken.pcm[spoken.said * 2 : (spoken.said + STEP) * 2]
        first = spoken.said // PACKET_SAMPLES
        packets = spoken.packets[first : first + STEP // PACKET_SAMPLES]
        spoken.said += STEP
        ended = spoken.said * 2 >= len(spoken.pcm) and not spoken.words
        return AudioOut(pcm + bytes(2 * STEP - len(pcm)), packets), self.stop() if ended else None

    def stop(self) -> str | None:
        """Fall silent; return the words that were said of the utterance."""
        spoken, self._now = self._now, None
        return spoken.text if spoken is not None else None


@attrs.define(eq=False)
class Model:
    """The model of one session.

    Args:
        shared: The session's shared state.
        answers: What it is to do.
        delegation: Where it hands work over.
        decisions: Where its words go.
    """

    _shared: Shared
    _answers: Answers
    _delegation: Delegation
    _decisions: Decisions
    _voice: _Voice = attrs.field(init=False, factory=_Voice)
    _silent_until: int = attrs.field(init=False, default=0)
    _has_spoken: bool = attrs.field(init=False, default=False)
    _fixture: Mapping[str, Any] | None = attrs.field(init=False, default=None)

    @property
    def has_more(self) -> bool:
        """Whether it speaks, or knows what it does next."""
        return bool(self._voice.speaking or self._answers.todo)

    @property
    def plays_fixture(self) -> bool:
        """Whether a fixture plays in place of its voice, so that the user is not heard."""
        return self._fixture is not None

    @property
    def waits(self) -> bool:
        """Whether something was requested for it that has not come."""
        return self._answers.requested

    @property
    def at_work(self) -> bool:
        """Whether it speaks, or something is on its way to be said."""
        return self.has_more or self.waits or self.plays_fixture or self._delegation.working

    def ask(self) -> None:
        """Answer what the user has said, unless it has a script."""
        if not self._answers.scripted:
            self._has_spoken = False
            self._answers.ask()

    def interrupt(self) -> None:
        """Stop because the user speaks, unless it has a script."""
        if not self._answers.scripted:
            self._stop()

    def play(self, event: Mapping[str, Any]) -> None:
        """`session.output_audio.fixture.play`."""
        if self._fixture is not None:
            raise invalid_value("An audio fixture is playing.", "type")
        pcm = messages.decode_audio(event["audio"])
        if not pcm or len(pcm) % 2 or len(pcm) > _MAX_FIXTURE_SECONDS * RATE * 2:
            raise ApiProblem(
                f"A fixture is PCM16 mono at 24 kHz, at most {_MAX_FIXTURE_SECONDS} seconds.",
                code="invalid_audio",
                param="audio",
            )
        self._stop()
        self._fixture = event
        self._answers.voice(Say("", sound=pcm))
        self._shared.reply(event, "session.output_audio.fixture.playing")

    def frame(self, start: int) -> None:
        """Do what is due when a frame starts."""
        todo = self._answers.todo
        self._answers.cue(start)
        while todo and not self._voice.speaking and start >= self._silent_until:
            self._act(todo.popleft(), start)
        if words := self._voice.words():
            self._decisions.transcribe("output", start, words)

    def take(self) -> AudioOut:
        """Return the sound of a step."""
        sound, said = self._voice.take()
        if said is not None:
            self._shared.context.model_said(said)
            if self._fixture is not None and not said:
                fixture, self._fixture = self._fixture, None
                self._shared.reply(fixture, "session.output_audio.fixture.played")
        return sound

    def _stop(self) -> None:
        self._answers.drop()
        self._silent_until = 0
        self._shared.context.model_said(self._voice.stop() or "")

    def _act(self, action: Action, start: int) -> None:
        match action:
            case Say():
                self._has_spoken = True
                self._voice.say(action if isinstance(action, Utterance) else Utterance(action.text))
            case Pause(seconds):
                self._silent_until = start + int(seconds * RATE)
            case CallTool() | CallMcp():
                calls: list[Action] = [action]
                while self._answers.todo and isinstance(self._answers.todo[0], CallTool | CallMcp):
                    calls.append(self._answers.todo.popleft())
                self._acknowledge()
                self._delegation.begin(calls)
            case Delegate(answers):
                if self._shared.config.decisions:
                    self._acknowledge()
                try:
                    self._delegation.begin(answers=answers)
                except ApiProblem as problem:
                    self._shared.emit(problem.event())
            case Fail():
                self._shared.emit(ApiProblem(action.message, type=action.type, code=action.code).event())

    def _acknowledge(self) -> None:
        """Say that work was handed over, unless it has said something."""
        if not self._has_spoken:
            self._delegation.acknowledge()
