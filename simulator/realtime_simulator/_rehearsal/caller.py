"""The scripted caller of one call: its actions, and its expectations of the app."""

from __future__ import annotations

import asyncio
import difflib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import attrs

from realtime_simulator._calls.line import AudioLike, read_audio
from realtime_simulator._engine.turn import CallTool, Say
from realtime_simulator._records.session import SessionRecord
from realtime_simulator._records.store import Call
from realtime_simulator._rehearsal import conversation
from realtime_simulator._rehearsal.conversation import How, Latency, Moment, words
from realtime_simulator._rehearsal.expected import Expected, audio_metrics, consumption
from realtime_simulator._rehearsal.manner import Manner, louder, spoken
from realtime_simulator._rehearsal.persona import next_acts, playing, pressed
from realtime_simulator._rehearsal.phone import QUIET_SECONDS, ScriptedPhone, Utterance
from realtime_simulator._rehearsal.recorded import script_of_moments, write_tape
from realtime_simulator._rehearsal.transport import NotAnsweredError, Transport
from realtime_simulator._rehearsal.usage import Prices, Usage
from realtime_simulator._scenario.callers import check_keys
from realtime_simulator._scenario.remote import RemoteError
from realtime_simulator._scenario.rules import Scenario

_POLITE_SECONDS = 0.5
_MOST_SECONDS = 60.0
"""The longest that a caller waits to get a word in."""
_BREATH_SECONDS = 1.0
"""A reply that is heard to its end may pause so long."""
_TURN_SECONDS, _PATIENCE_SECONDS = 1.0, 6.0
_ASIDE_LOUDNESS = 0.5
_ANSWER_SECONDS = 30.0
_END_SECONDS = 10.0


class RehearsalFailure(AssertionError):
    """The app did not meet a caller's expectation; the message shows the conversation so far, with times."""


class InvalidCall(RehearsalFailure):
    """The caller did not do what it should, so that the call says nothing about the app."""


@attrs.frozen
class ToolUse:
    """The calls of a tool by the model, with certain arguments.

    Args:
        name: The tool.
        wanted: Arguments of the calls, which may have others.
    """

    name: str
    wanted: Mapping[str, Any]
    _phone: ScriptedPhone = attrs.field(repr=False)

    @property
    def count(self) -> int:
        """How often it has been called; a call that the app answers several times counts several times."""
        return sum(max(1, len(use.answers)) for use in self._uses())

    @property
    def arguments(self) -> Mapping[str, Any]:
        """All arguments of the last call; empty if there was none."""
        uses = self._uses()
        return dict(uses[-1].arguments) if uses else {}

    @property
    def output(self) -> str | None:
        """The app's answer to the last call; None if there is none."""
        uses = self._uses()
        return uses[-1].answers[-1] if uses and uses[-1].answers else None

    def _uses(self) -> Sequence[Any]:
        with self._phone.lock:
            return self._phone.conversation.uses(self.name, self.wanted)


class Caller:
    """A caller, who is scripted by a test.

    Created by `Rehearsal.call`. Times are in seconds on the line since the call was answered.
    """

    def __init__(
        self,
        phone: ScriptedPhone,
        transport: Transport,
        *,
        name: str,
        manner: Manner,
        never: Sequence[str],
        brain: Scenario | None = None,
        prices: Prices | None = None,
    ) -> None:
        self._phone = phone
        self._transport = transport
        self._brain = brain
        self._prices = prices
        self._name = name
        self._manner = manner
        self._never = [re.compile(pattern, re.IGNORECASE) for pattern in never]
        self._has_called = False
        self._heard_words = 0
        self._heard_replies = 0

    def __repr__(self) -> str:
        state = "calling" if self._phone.log is None else "connected"
        return (
            f"<Caller {self._name!r}, {self._phone.reason or (state if self._has_called else 'not called')}>"
        )

    async def __aenter__(self) -> Self:
        self._has_called = True
        try:
            await self._transport.dial()
        except NotAnsweredError as error:
            self._phone.ended("failed")
            await self._transport.close()
            self.fail(f"the app did not answer the call: {error}")
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await asyncio.wrap_future(self._phone.answer)
        except TimeoutError:
            await self._transport.hang_up()
            await self._transport.close()
            self.fail(f"the app did not answer the call within {_ANSWER_SECONDS:g} s (of real time)")
        if self._phone.log is None:
            self.fail("the app did not answer the call")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._finish()
        await self._transport.close()
        if error is None:
            self.never_heard(*self._never)

    # What the caller does

    async def says(
        self,
        words: str,
        *,
        sound: AudioLike | None = None,
        loudness: float | None = None,
        pace: float | None = None,
    ) -> Moment:
        """Say something once the app is silent, and wait until it has been said.

        Args:
            words: The words; the session's transcript has exactly these, if the app's turn detection detects
                speech at all.
            sound: Audio to play: a file's path, or PCM16 mono at 24 kHz; a voice if None.
            loudness: 0 to 2; the caller's if None.
            pace: How fast, 0.25 to 1.5; the caller's if None.

        Returns:
            What was said.

        Raises:
            RehearsalFailure: The app talks for a minute without a pause, or the call has ended.
            OSError, ValueError: The audio can't be read, or a number is out of range.
        """
        utterance = await self._utterance(words, sound, loudness, pace)
        begun = self._phone.time
        await self._need(
            lambda: not self._phone.is_over and self._phone.app_is_silent_for >= _POLITE_SECONDS,
            begun + _MOST_SECONDS,
            lambda: (
                f"the caller could not say {words!r}"
                + ("" if self._phone.is_over else f": the app talks for {_MOST_SECONDS:g} s without a pause")
            ),
            then=lambda: self._phone.say(utterance),
        )
        return await self._said(utterance)

    async def interrupts(
        self, words: str, *, after: float = 0.4, within: float = 10.0, loudness: float | None = None
    ) -> Moment:
        """Interrupt the app's current or next reply, and wait until the words have been said.

        Args:
            words: The words.
            after: Seconds from the start of the reply to the interruption.
            within: Seconds in which a reply must begin.
            loudness: As for `says`.

        Raises:
            RehearsalFailure: The app says nothing, or stops too early, or the call has ended.
        """
        utterance = attrs.evolve(await self._utterance(words, None, loudness, None), interrupts=True)
        await self._during_reply(utterance, after, within, "interrupt")
        return await self._said(utterance)

    async def backchannel(
        self,
        words: str = "mhm",
        *,
        after: float = 0.4,
        within: float = 10.0,
        loudness: float | None = None,
    ) -> Moment:
        """Say something quietly while the app speaks, like a listener, and wait until it has been said.

        Args:
            words: The words.
            after: Seconds from the start of the reply.
            within: Seconds in which a reply must begin.
            loudness: 0 to 2; half of the caller's if None.

        Raises:
            RehearsalFailure: The app says nothing, or stops too early, or the call has ended.
        """
        if loudness is None:
            loudness = self._manner.loudness * _ASIDE_LOUDNESS
        utterance = attrs.evolve(await self._utterance(words, None, loudness, None), aside=True)
        await self._during_reply(utterance, after, within, "listen to")
        return await self._said(utterance)

    async def stays_silent(self, seconds: float) -> None:
        """Say nothing for some seconds, whatever the app does; the call may end meanwhile.

        Args:
            seconds: How long.
        """
        begun = self._phone.time
        with self._phone.lock:
            self._phone.conversation.silences.append(conversation.Stretch(begun, begun + seconds))
        await self._true(lambda: self._phone.time >= begun + seconds, begun + seconds + _MOST_SECONDS)

    async def listens(self, seconds: float = 10.0) -> None:
        """Wait until the app has replied and is silent, or the call has ended.

        Args:
            seconds: How long at most; a reply that has begun by then is heard to its end.
        """
        await self._true(
            lambda: self._phone.is_over or (self._is_my_turn() and not self._is_working()),
            self._phone.time + seconds,
        )

    def _is_working(self) -> bool:
        """Return whether a tool works."""
        return any(not one.answers for one in self._phone.conversation.tools)

    def closes(self) -> None:
        """Note that what the caller said last asks for nothing, such as a good bye."""
        with self._phone.lock:
            self._phone.conversation.is_closed_by_caller = True

    async def presses(self, keys: str) -> None:
        """Press keys of the telephone.

        Args:
            keys: One or more of 0 to 9, *, #, A to D.

        Raises:
            RehearsalFailure: The call has ended.
            ValueError: The keys are invalid, or the call is over WebRTC, which has none.
        """
        check_keys(keys)
        self._note("keys", keys)
        try:
            await self._transport.press(keys)
        except LookupError:
            self.fail(f"the caller could not press {keys!r}: the call has ended")

    async def loses_network(self, seconds: float) -> None:
        """Drop all packets of both sides for some seconds, as in a tunnel; the call may end meanwhile.

        Args:
            seconds: How long.

        Raises:
            ValueError: The call is not over WebRTC.
        """
        self._transport.lose(seconds)
        await self.stays_silent(seconds)

    async def hangs_up(self, saying: str | None = None, *, after: float = 0.0) -> None:
        """Hang up, optionally in the middle of a sentence.

        Args:
            saying: The sentence to break off; None for none.
            after: Seconds from its start to the hang-up.
        """
        utterance = None if saying is None else await self._utterance(saying, None, None, None)
        with self._phone.lock:  # from the first sound on
            begun = self._phone.time
            if utterance is not None:
                self._phone.say(utterance)
            broken_off = self._wait(
                lambda: self._phone.time >= begun + after,
                begun + after + _MOST_SECONDS,
                self._phone.break_off,
            )
        await asyncio.wrap_future(broken_off)
        await self._finish()

    async def plays(self, goal: str, *, turns: int = 12) -> bool:
        """Let a chat model play the caller until it hangs up, the call ends, or a limit is reached.

        `transcript()` has what was said; `as_script()` repeats it without the model.

        Args:
            goal: What the caller wants, in words.
            turns: How often the caller speaks at most.

        Returns:
            Whether the call is over without reaching the limit.

        Raises:
            RehearsalFailure: The app talks for a minute without a pause, or the chat model can't be reached.
            ValueError: The rehearsal has no brain, there is no goal, or `turns` is less than 1.
        """
        if self._brain is None:
            raise ValueError("plays: the rehearsal has no brain; pass brain=brain_at(…), or --caller-brain")
        if not goal.strip() or turns < 1:
            raise ValueError(f"plays: expected a goal and at least one turn, got {goal!r} and {turns!r}")
        async with playing():
            for _ in range(turns):
                deadline = self._phone.time + _PATIENCE_SECONDS
                is_thinking = await self._true(self._is_my_turn, deadline, self._phone.begin_silence)
                if self._phone.is_over:
                    return True
                if not is_thinking:
                    self._phone.begin_silence()
                if await self._act(self._brain, goal):
                    return True
        return False

    def _is_my_turn(self) -> bool:
        """Return whether the app has said something, and is silent now."""
        spoken = [one for one in self._phone.conversation.moments if one.who in ("app", "caller")]
        is_answered = bool(spoken) and spoken[-1].who == "app"
        return is_answered and self._phone.app_is_silent_for >= _TURN_SECONDS

    async def _act(self, brain: Scenario, goal: str) -> bool:
        """Do what a brain decides next, after a silence until then; return whether the call is over."""
        try:
            acts = await next_acts(brain, goal, self.moments)
            for act in acts:
                if isinstance(act, Say):
                    await self.says(act.text)
                elif isinstance(act, CallTool) and act.name == "press_keys":
                    await self.presses(pressed(act))
                else:
                    await self.hangs_up()
                if self._phone.is_over:
                    return True
        except RemoteError as error:
            self.is_invalid(f"the brain of the caller failed: {error}")
        finally:
            self._phone.end_silence()
        return False

    # What the test expects

    async def hears(
        self, words: str | re.Pattern[str], *, within: float = 10.0, match: How = "contains"
    ) -> Moment:
        """Wait until the app has said something, after the words matched by earlier calls of `hears`.

        Args:
            words: The words, ignoring case and punctuation; or a pattern for the unchanged text.
            within: Seconds in which the reply with these words must begin; it is awaited to its end.
            match: `contains` for these words in a row, `exact` for a reply of only these words, `fuzzy` for
                similar words.

        Returns:
            The reply that has the words.

        Raises:
            RehearsalFailure: The app has not said them in time.
            ValueError: There are no words, or `match` is none of these.
        """
        find = self._finder(words, match)
        begun = self._phone.time
        found: list[Moment] = []

        def check() -> bool:
            if (moment := find()) is not None:
                found.append(moment)
            return bool(found)

        shown = f"/{words.pattern}/" if isinstance(words, re.Pattern) else repr(words)
        how = "" if match == "contains" or isinstance(words, re.Pattern) else f" ({match})"
        await self._need(check, begun + within, f"the caller did not hear {shown}{how} within {within:g} s")
        return found[0]

    async def expects_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        /,
        *,
        within: float = 10.0,
        **more: Any,
    ) -> ToolUse:
        """Wait until the model has called a tool and the app has answered it.

        Args:
            name: The tool.
            arguments: Arguments of the call, by name; it may have others.
            within: Seconds.
            more: Arguments, too: `expects_tool("book_table", time="21:00")`.

        Returns:
            The calls of the tool with these arguments, including later ones.

        Raises:
            RehearsalFailure: There was no such call in time, or the app has not answered it.
        """
        wanted = {**(arguments or {}), **more}
        use, begun = self.tool(name, wanted), self._phone.time
        shown = ", ".join(f"{key}={value!r}" for key, value in wanted.items())
        await self._need(
            lambda: use.output is not None,
            begun + within,
            lambda: (
                f"the app did not answer the call of {name}({shown}) within {within:g} s"
                if use.count
                else f"{name}({shown}) was not called within {within:g} s{self._near_tool(name)}"
            ),
        )
        return use

    async def expects_hangup(self, *, within: float = 10.0) -> None:
        """Wait until the app has ended the call.

        Args:
            within: Seconds.

        Raises:
            RehearsalFailure: It did not, or the call ended in another way.
        """
        begun = self._phone.time
        ended = await self._true(lambda: self._phone.is_over, begun + within)
        if not ended:
            self.fail(f"the app did not hang up within {within:g} s{self._pending_referral()}")
        if self._phone.reason not in ("hangup", "referred"):
            self.fail("the app did not hang up: the call ended otherwise")

    def _pending_referral(self) -> str:
        """Return a hint if the app has referred the caller and the referral has no outcome yet."""
        call = self._transport.call
        if call is None or not call.refers or call.refer_status is not None:
            return ""
        return (
            f"; it referred the caller to {call.refers[-1]!r}, which has no outcome yet: set one with "
            "simulator.on_refer(200), or with 'refer: {status: 200}' in the scenario"
        )

    def never_heard(self, *patterns: str | re.Pattern[str]) -> None:
        """Check that the app has said nothing that matches a pattern so far.

        Args:
            patterns: Regular expressions, searched for in all that was heard, without regard to case.

        Raises:
            RehearsalFailure: One was found.
        """
        said = " ".join(one.text for one in self.moments if one.who == "app")
        for pattern in patterns:
            compiled = re.compile(pattern, re.IGNORECASE) if isinstance(pattern, str) else pattern
            if (found := compiled.search(said)) is not None:
                self.fail(f"the caller heard {found[0]!r}, which must never be said (/{compiled.pattern}/)")

    def fail(self, text: str) -> NoReturn:
        """Fail with the conversation so far, for your own checks.

        Args:
            text: What is wrong.

        Raises:
            RehearsalFailure: Always.
        """
        call = self._transport.call
        if call is not None and call.deliveries and call.begun is None:
            last = call.deliveries[-1]
            text += f" (its webhook was answered with {last.status or last.error})"
        raise RehearsalFailure(f"{self._name}: {text}\n{self.transcript()}")

    def is_invalid(self, text: str) -> NoReturn:
        """End the call as one that says nothing about the app.

        Args:
            text: What the caller did not do.

        Raises:
            InvalidCall: Always.
        """
        raise InvalidCall(f"{self._name}: {text}\n{self.transcript()}")

    def problems(self, expected: Expected, state: Mapping[str, Any] | None) -> list[str]:
        """Return what the app did not do as a scenario expects; `state` is the app's, if it is known."""
        with self._phone.lock:
            return expected.problems(self._phone.conversation.tools, self._delegations, state)

    def metrics(self, expected: Expected | None = None) -> dict[str, Any]:
        """Return how the call went, in the words of the Cookbook: `task`, `audio` and `consumption`.

        Args:
            expected: What a scenario expects of the app.
        """
        with self._phone.lock:
            course = self._phone.conversation
            turns = sum(not one.aside for one in course.caller_spoke) + len(course.replies)
            return {
                "task": (expected or Expected()).metrics(course.tools, self._delegations, turns),
                "audio": audio_metrics(course, self._phone.time),
                "consumption": {"frontend": consumption(self._phone.meter.usage(self._prices))},
            }

    @property
    def _delegations(self) -> int | None:
        """How often the session has delegated; None if it can't."""
        if self._phone.log is None or not self.session.id.startswith("live_"):
            return None
        kinds = [one.event.get("type") for one in self.session.events if one.direction == "sent"]
        return kinds.count("session.delegation.created")

    def tool(self, name: str, arguments: Mapping[str, Any] | None = None, /, **more: Any) -> ToolUse:
        """Return the calls of a tool so far, if any; arguments as for `expects_tool`."""
        return ToolUse(name, {**(arguments or {}), **more}, self._phone)

    # What is known

    @property
    def name(self) -> str:
        """The name of the call, for reports."""
        return self._name

    @property
    def call(self) -> Call:
        """The simulator's record of the call; its `session` has the events.

        Raises:
            RuntimeError: There is none: the caller has not called yet, or the call is a media stream.
        """
        if self._transport.call is None:
            raise RuntimeError("there is no record of the call: not called yet, or a media stream")
        return self._transport.call

    @property
    def session(self) -> SessionRecord:
        """The simulator's record of the session, with its events.

        Raises:
            RuntimeError: The app has not answered.
        """
        if self._phone.log is None:
            raise RuntimeError("the app has not answered the call")
        return self._phone.log.record

    @property
    def has_brain(self) -> bool:
        """Whether a chat model can play the caller."""
        return self._brain is not None

    @property
    def is_answered(self) -> bool:
        """Whether the app has answered the call."""
        return self._phone.log is not None

    @property
    def ended(self) -> str | None:
        """Why the call ended, such as `hangup` (by the app) or `peer` (by the caller); None before."""
        return self._phone.reason

    @property
    def moments(self) -> Sequence[Moment]:
        """What was said and done so far, oldest first."""
        with self._phone.lock:
            return [attrs.evolve(one) for one in self._phone.conversation.moments]

    @property
    def heard(self) -> str:
        """All words that the caller has heard."""
        return " ".join(one.text for one in self.moments if one.who == "app")

    @property
    def heard_goodbye(self) -> bool:
        """Whether the call is over, and the app's last words were heard completely before."""
        with self._phone.lock:
            return self._phone.is_over and self._phone.conversation.heard_to_the_end

    @property
    def latency(self) -> Latency:
        """The latencies so far."""
        with self._phone.lock:
            return self._phone.conversation.latency(self._phone.time)

    @property
    def seconds(self) -> float:
        """How long the call has lasted."""
        return self._phone.time

    @property
    def usage(self) -> Usage:
        """What the call has used so far, in tokens and seconds; and its cost, if the rehearsal has prices."""
        with self._phone.lock:
            return self._phone.meter.usage(self._prices)

    @property
    def sound(self) -> bytes:
        """The audio of both sides, PCM16 stereo at 8 kHz (the caller left, the app right), up to ten minutes.

        Empty unless it is kept.
        """
        with self._phone.lock:
            return b"" if self._phone.sound is None else bytes(self._phone.sound.pcm)

    def transcript(self) -> str:
        """Return the conversation so far as lines with times, for people."""
        with self._phone.lock:
            return self._phone.conversation.text()

    def as_script(self) -> str:
        """Return the call as a script (YAML) that says the same, and expects the same words and tools.

        Secrets, long numbers and e-mail addresses are masked.
        """
        return script_of_moments(self._name, self.moments)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the session's events as a tape for `realtime step`, without audio and secrets.

        Args:
            path: The file, such as `call.jsonl`.

        Raises:
            RuntimeError: The app has not answered.
            OSError: It can't be written.
        """
        write_tape(path, self.session)

    # Inside

    def _note(self, who: conversation.Who, text: str) -> None:
        with self._phone.lock:
            time = self._phone.time
            self._phone.conversation.add(Moment(who, text, time, time))

    async def _finish(self) -> None:
        """Hang up if the call goes on, and wait until it has ended."""
        if self._has_called and not self._phone.is_over:
            await self._transport.hang_up()
            async with asyncio.timeout(_END_SECONDS):
                await self._true(lambda: self._phone.is_over, float("inf"))

    async def _utterance(
        self, text: str, sound: AudioLike | None, loudness: float | None, pace: float | None
    ) -> Utterance:
        manner = attrs.evolve(
            self._manner,
            loudness=self._manner.loudness if loudness is None else loudness,
            pace=self._manner.pace if pace is None else pace,
        )
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"words: expected what the caller says, got {text!r}")
        if sound is None:
            pcm = await asyncio.to_thread(spoken, text, manner.voice, manner.pace, manner.loudness)
        else:
            source = sound if isinstance(sound, bytes) else Path(sound)
            pcm = louder(await asyncio.to_thread(read_audio, source), manner.loudness)
        return Utterance(text.strip(), pcm)

    async def _during_reply(self, utterance: Utterance, after: float, within: float, what: str) -> None:
        phone, begun = self._phone, self._phone.time

        def current() -> float | None:
            """Return for how long the app has been speaking; None if it is silent."""
            spoke = phone.conversation.app_spoke
            if not spoke or phone.app_is_silent_for >= QUIET_SECONDS:
                return None
            return phone.time - spoke[-1].start

        def check() -> bool:
            speaking = current()
            return speaking is not None and speaking >= after

        await self._need(
            check,
            begun + within,
            f"the caller could not {what} the app: it did not speak for {after:g} s within {within:g} s",
            then=lambda: phone.say(utterance),
        )

    async def _said(self, utterance: Utterance) -> Moment:
        await self._need(
            lambda: utterance.is_over,
            float("inf"),
            f"the caller could not finish {utterance.text!r}",
        )
        assert utterance.moment is not None
        return attrs.evolve(utterance.moment)

    async def _need(
        self,
        check: Callable[[], bool],
        deadline: float,
        failure: str | Callable[[], str],
        then: Callable[[], None] | None = None,
    ) -> None:
        if not await self._true(check, deadline, then):
            text = failure if isinstance(failure, str) else failure()
            self.fail(f"{text}: the call has ended" if self._phone.is_over else text)

    async def _true(
        self, check: Callable[[], bool], deadline: float, then: Callable[[], None] | None = None
    ) -> bool:
        """Wait until a condition holds; a reply that began before the deadline is heard to its end."""
        return await asyncio.wrap_future(self._wait(check, deadline, then))

    def _wait(
        self, check: Callable[[], bool], deadline: float, then: Callable[[], None] | None = None
    ) -> Future[bool]:
        phone = self._phone

        def expired() -> bool:
            if phone.time < deadline:
                return False
            spoke = phone.conversation.app_spoke
            is_speaking = bool(spoke) and phone.app_is_silent_for < _BREATH_SECONDS
            return not is_speaking or spoke[-1].start > deadline or phone.time > deadline + _MOST_SECONDS

        return phone.wait(check, expired=expired, then=then)

    def _finder(self, wanted: str | re.Pattern[str], match: How) -> Callable[[], Moment | None]:
        """Return what finds words after those that were found before, and remembers their place."""
        if isinstance(wanted, re.Pattern):
            return lambda: self._find_reply(lambda reply: wanted.search(reply.text) is not None)
        if match not in ("contains", "exact", "fuzzy"):
            raise ValueError(f"match: allowed is 'contains', 'exact' or 'fuzzy', got {match!r}")
        wanted_words = words(wanted)
        if not wanted_words:
            raise ValueError(f"words: expected what the caller hears, got {wanted!r}")
        if match == "exact":
            return lambda: self._find_reply(lambda reply: reply.whole and words(reply.text) == wanted_words)
        return lambda: self._find_words(wanted_words, is_fuzzy=match == "fuzzy")

    def _find_words(self, wanted: Sequence[str], *, is_fuzzy: bool) -> Moment | None:
        replies = self._phone.conversation.replies
        said = [(word, number) for number, reply in enumerate(replies) for word in words(reply.text)]
        later = said[self._heard_words :]
        place = conversation.find(wanted, [word for word, _ in later], is_fuzzy=is_fuzzy)
        if place is None:
            return None
        number = later[place - 1][1]
        self._heard_words += place
        self._heard_replies = number
        return attrs.evolve(replies[number])

    def _find_reply(self, is_wanted: Callable[[Moment], bool]) -> Moment | None:
        replies = self._phone.conversation.replies
        for number, reply in enumerate(replies[self._heard_replies :], self._heard_replies):
            if is_wanted(reply):
                self._heard_replies = number + 1
                self._heard_words = sum(len(words(one.text)) for one in replies[: number + 1])
                return attrs.evolve(reply)
        return None

    def _near_tool(self, name: str) -> str:
        """Return what was called instead."""
        with self._phone.lock:
            called = self._phone.conversation.tools
            same = [json.dumps(one.arguments, ensure_ascii=False) for one in called if one.name == name]
            names = difflib.get_close_matches(name, {one.name for one in called}, 1)
        if same:
            return f"; it was called with {', '.join(same[-3:])}"
        return f"; {names[0]} was called" if names else ""
