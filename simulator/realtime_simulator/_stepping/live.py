"""Run on from an event of a session of the Live API.

A Live session is one timeline, so it runs from its start: the client's events come when they came, the user
speaks where they spoke, and the model and its backend do what they did, up to the event. What the session has
sent up to there is left out, and the recorded ids take the place of those of the new run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._engine.turn import REAL, Action, CallTool, Cue, Heard, Say, Turn
from realtime_simulator._recordings.bindings import Bindings
from realtime_simulator._recordings.lines import APPEND, OUTPUT, is_marker
from realtime_simulator._recordings.steps import Message
from realtime_simulator._records.state import Event
from realtime_simulator._scenario import live_audio, live_script
from realtime_simulator._scenario.rules import Behavior
from realtime_simulator._scenario.scenario_file import ScenarioFile
from realtime_simulator._stepping.change import UNSAID, Calls, Change, RerunError, Sent
from realtime_simulator._stepping.simulated import SimulatedSession

_STARTED = "session.started"
_CLOSE, _CLOSED = "session.close", "session.closed"
_OF_VIEW = ("model", "instructions", "audio", "delegation", "input", "store", "client")
_OF_CALLS = ("transport.dtmf.send",)
"""Events of the client that a session without a telephone refuses."""
_PAUSE_MS = 600
"""Words of the model that are further apart belong to two utterances."""
_PATIENCE = 8.0
"""Seconds without news after which what was recorded is not expected any more."""
_STEP = 0.1
_SILENT_MS = 24 * 3_600_000
"""A place on the timeline at which the user says nothing."""
_EARLY = 1.0
"""By how many seconds the new run may be ahead of the recorded session."""
_QUIET = 1.5
"""Seconds without words after which the model has said what it has to say."""
_LONGEST = 120.0
"""Seconds after the recorded end in which the model may have something to say."""


def is_live(events: Sequence[Event]) -> bool:
    """Return whether a session is one of the Live API."""
    return any(one.type in ("session.start", _STARTED, live_script.NESTED) for one in events)


async def run_on(
    events: Sequence[Event], number: int, change: Change, scenario: ScenarioFile | None
) -> list[Sent]:
    """Run on.

    Args:
        events: The events of one or more sessions; the others stay as they are.
        number: The event from which on it runs, from 1.
        change: What is different.
        scenario: What the model answers from there on; None for what it answered.

    Raises:
        RerunError: It can't be run on.
    """
    first, end = _bounds(events, number - 1)
    session = [one for one in events[first:end] if not _is_copy(one)]
    place = sum(not _is_copy(one) for one in events[first : number - 1])
    if not any(one.side == "server" and one.type != "error" for one in session):
        raise RerunError("the service did not start this session, so that it can't be run on")
    run = _Run(session, place, change, scenario)
    with run.session:
        await run.play()
    return run.kept()


def _is_copy(event: Event) -> bool:
    """Return whether an event is a copy of the client's audio, as sidebands receive it."""
    return event.side == "server" and event.type == APPEND


def _bounds(events: Sequence[Event], place: int) -> tuple[int, int]:
    """Return where the session that an event belongs to begins and ends among the events of several."""
    begins, session_id, asked = [0], None, None
    for number, one in enumerate(events):
        if one.side == "client" and one.type == "session.start":
            asked = number
        elif one.side == "server" and one.type == _STARTED:
            found = str((one.data.get("session") or {}).get("id"))
            if session_id not in (None, found):
                begins.append(number if asked is None else asked)
            session_id, asked = found, None
    first = max(begin for begin in begins if begin <= place)
    return first, next((begin for begin in begins if begin > place), len(events))


class _Run:
    """A session that runs again.

    Args:
        events: Its recorded events.
        place: The place of the event from which on the new run counts, from 0; behind the last one for none.
        change: What is different.
        scenario: What the model answers from there on; None for what it answered.
    """

    def __init__(
        self, events: Sequence[Event], place: int, change: Change, scenario: ScenarioFile | None
    ) -> None:
        self._begun, self._place = events[0].at, place
        self._from = events[min(place, len(events) - 1)].at - self._begun
        messages = [
            Message(
                pointer="",
                direction="sent" if one.side == "client" else "received",
                data=change.event if number == place and change.event is not None else one.data,
                at=one.at - self._begun,
            )
            for number, one in enumerate(events)
        ]
        self._messages = messages
        self._start = _start(messages)
        said = live_script.read(messages).said
        self._is_own = messages[0].type == "session.start"
        audio = live_audio.of_client if self._is_own else live_audio.stand_in
        self._audio = deque(audio(messages))
        self._voices = said.voices
        self._format = live_audio.format_of(messages)
        received = [one.data for one in events if one.side == "server"]
        self._before = _Before([one.data for one in events[:place] if one.side == "server"], self._format)
        self._calls = Calls(received)
        self._delegations = [
            _delegation(one) for one in received if one.get("type") == live_script.DELEGATION
        ]
        self._delegated: list[str] = []
        self._shows_input = any(map(live_audio.is_append, messages))
        self._shows_output = any(one.get("type") == OUTPUT for one in received)
        self._later = {live_script.key_of(one.data) for one in events[place:] if one.side == "server"}
        self._is_other = change.answer is not None or scenario is not None
        self._has_answer = change.answer is not None
        script = _Script.of(messages)
        if scenario is not None:
            script = script.until(place)
        if change.answer is not None:
            script = _with_answer(script, place, self._position(), change.answer)
        behavior = Behavior()
        if scenario is not None:
            scenario.apply(behavior)
        self._follows = scenario is not None
        self._cues_of_scenario = behavior.cues
        self._answers = deque(actions for _, actions in script.answers)
        self._words = deque(said.words)
        behavior.hearing = self._hear
        behavior.script.add(self._answer)
        cues = (Cue(at, [action]) for _, at, action in script.cues)
        behavior.cues = sorted(cues, key=lambda cue: cue.at_ms)
        self.session = SimulatedSession(behavior, REAL, self._receive)
        self._kept: list[Sent] = []
        self._is_past = self._is_started = self._is_closing = self._is_closed = False
        self._refusal = ""
        self._responding = 0
        self._news = 0.0
        """When something came, other than audio."""
        self._came: _Counts = {}
        self._wanted: _Counts = {}
        """What has to have come before the client goes on."""
        self._reached = 0
        """Where on the timeline the recorded session was, in ms."""
        self._to_say = sum(len(action.text) for _, _, action in script.cues if isinstance(action, Say))

    def kept(self) -> list[Sent]:
        """Return the events of the new run, the changed one first."""
        translated = self._before.bindings.translated
        events: list[Sent] = [(self._begun + at, side, translated(event)) for at, side, event in self._kept]
        return sorted(events, key=lambda one: one[0])

    def _position(self) -> int:
        """Return where on the timeline the event is, in ms: where the events before say, or their audio, of
        which a burst takes its time."""
        told = max((live_audio.position(one.data) for one in self._messages[: self._place]), default=0)
        sent = [piece for piece in self._audio if piece.at <= self._from]
        passed = (self._from - sent[0].at) * 1000 * live_audio.FASTEST if sent else 0.0
        return max(told, min(sum(piece.length for piece in sent), int(passed)))

    # The words of the model and the user

    def _answer(self, turn: Turn) -> Sequence[Action] | None:
        return self._answers.popleft() if self._answers else None

    def _hear(self, heard: Heard) -> str:
        return self._words.popleft() if self._words else ""

    # What happens

    async def play(self) -> None:
        """Run it.

        Raises:
            RerunError: It does not start, or does not come to what the changed event answers.
        """
        self.session.begin_live()
        if not self._is_own:
            self.session.send(self._start)
        for place, message in enumerate(self._messages):
            is_command = message.direction == "sent" and not live_audio.is_append(message)
            if place == self._place and live_audio.is_append(message):
                self._is_past = True
            await self._until(message.at or 0.0)
            if is_command or place == self._place:
                await self._wait_for_recorded()
            if place == self._place:
                self._is_past = True
                if self._follows:
                    self._answers.clear()
                    self.session.follow(self._cues_of_scenario)
            if is_command:
                await self._send(place, message.data)
            elif message.direction == "received":
                if message.type == _CLOSED and not self._is_closing:
                    await self._end(place, message.data)
                self._reached = max(self._reached, live_audio.position(message.data))
                if place < self._place or not self._is_other:
                    live_script.count(message.data, self._wanted)
        await self._wait_for_recorded()
        if self._is_other:
            await self._until_quiet()
        else:
            await self._until(self.session.now + _EARLY)
        if not self._is_started:
            why = self._refusal or "it has not started"
            field = "event" if self._place == 0 else "at"
            raise RerunError(f"the simulator refused the session: {why}", field)
        if self._has_answer and self._came.get((live_script.OUTPUT_WORDS,), 0) < self._to_say:
            raise RerunError(UNSAID, "answer")

    async def _send(self, place: int, event: Mapping[str, Any]) -> None:
        """Send an event of the client, once what it answers has come."""
        kind = event.get("type")
        if kind in _OF_CALLS:
            if place == self._place:
                raise RerunError(
                    f"{kind} is for telephone calls, which a new run has not; choose another event"
                )
            return
        if self._is_other and place >= self._place:
            if kind == _CLOSE:
                await self._until_quiet()
            await self._wait(lambda: self.session.position_ms >= self._reached, _PATIENCE)
            await self._wait(lambda: self._is_due(event), _EARLY)
        if (sent := self._translated(event)) is None:
            if place == self._place:
                raise RerunError(f"the new run does not come to what this {kind} answers")
            return  # it answers what did not happen this time
        self._is_closing = self._is_closing or kind == _CLOSE
        sent = live_script.completed(sent)
        self.session.send(self._start if place == 0 and kind == "session.start" else sent)
        if place == self._place:
            self._kept.insert(0, (self._from, "client", sent))
        elif place > self._place:
            self._kept.append((max(self.session.now, self._from), "client", sent))

    async def _end(self, place: int, event: Mapping[str, Any]) -> None:
        """End the session from outside, as it ended."""
        if self._is_other and place >= self._place:
            await self._until_quiet()
        await self._wait_for_recorded()
        if not self._is_closed:
            self.session.close(str(event.get("reason")))

    def _is_due(self, event: Mapping[str, Any]) -> bool:
        """Return whether the call or the delegation that an event of the client answers has begun."""
        number = self._delegation_of(event)
        return self._calls.has(event) and (number is None or number < len(self._delegated))

    def _delegation_of(self, event: Mapping[str, Any]) -> int | None:
        """Return which delegation an event of the client belongs to; None for those that belong to none."""
        recorded = event.get("delegation_id")
        return self._delegations.index(recorded) if recorded in self._delegations else None

    def _translated(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return an event of the client for the new run; None if it has no place there."""
        sent = self._calls.translated(event)
        if sent is None or (number := self._delegation_of(event)) is None:
            is_unknown = sent is not None and is_marker(sent.get("delegation_id"))
            return {**sent, "delegation_id": None} if sent is not None and is_unknown else sent
        return {**sent, "delegation_id": self._delegated[number]} if number < len(self._delegated) else None

    def _receive(self, event: Mapping[str, Any]) -> None:
        now, kind = self.session.now, event["type"]
        self._calls.made(event)
        if kind == _STARTED:
            self._is_started = True
        elif kind == "error" and not self._is_started:
            self._refusal = self._refusal or str(event["error"].get("message"))
        elif kind == _CLOSED:
            self._is_closed = True
        elif kind == live_script.DELEGATION:
            self._delegated.append(_delegation(event))
        elif kind == live_script.NESTED:
            inner = event["event"]["type"]
            self._responding += (inner == "response.created") - (inner in live_script.ENDS)
        live_script.count(event, self._came)
        if kind not in (OUTPUT, "session.usage.updated"):
            self._news = now
        fresh = self._before.rest(event)
        is_near = now >= self._from - _EARLY or live_script.key_of(event) in self._later
        is_shown = kind != OUTPUT or self._shows_output
        if fresh is not None and is_near and is_shown:
            self._kept.append((max(now, self._from), "server", fresh))

    # Time, which passes with the user's audio

    async def _until(self, at: float) -> None:
        """Let time pass, and send the audio that is due."""
        while self._is_started and self._audio and self._audio[0].at <= at:
            piece = self._audio.popleft()
            await self.session.until(piece.at)
            self._append(piece)
        await self.session.until(at)

    def _append(self, piece: live_audio.Piece) -> None:
        data = live_audio.encoded(piece, self._voices, self._format)
        self.session.send({"type": APPEND, "audio": data})
        if self._is_past and self._shows_input:
            shown = {"type": APPEND, "audio": f"<{len(data)} characters>"}
            self._kept.append((max(self.session.now, self._from), "client", shown))

    async def _wait(self, condition: Callable[[], bool], seconds: float) -> None:
        """Let time pass until a condition holds, at most some seconds without news."""
        begun = self.session.now
        while not condition() and self.session.now - max(begun, self._news) < seconds and not self._is_closed:
            await self._until(self.session.now + _STEP)

    async def _wait_for_recorded(self) -> None:
        """Let time pass until what was recorded so far has come; what does not come is not expected again."""
        wanted, came = self._wanted, self._came
        await self._wait(lambda: all(came.get(key, 0) >= count for key, count in wanted.items()), _PATIENCE)
        for key in wanted:
            wanted[key] = min(wanted[key], came.get(key, 0))

    async def _until_quiet(self) -> None:
        """Let time pass, in which the user says nothing new, until the model has said what it has to say."""
        until = self.session.now + _LONGEST
        self._news = self.session.now
        while self.session.now < until and not self._is_closed:
            is_said = self._came.get((live_script.OUTPUT_WORDS,), 0) >= self._to_say
            is_over = is_said and not (self._responding or self._audio or self._words)
            if self.session.now - self._news > (_QUIET if is_over else _PATIENCE):
                break
            await self._until(self.session.now + live_audio.PIECE_MS / 1000)
            if not self._audio and not self._is_closed:
                self._append(live_audio.Piece(self.session.now, _SILENT_MS, live_audio.PIECE_MS))


def _start(messages: Sequence[Message]) -> Mapping[str, Any]:
    """Return the event that starts a session: its own, or one that is made of how the service showed it, for
    forks and for sessions whose start was not recorded."""
    given = messages[0].data if messages[0].type == "session.start" else {"type": "session.start"}
    own = given.get("session")
    if isinstance(own, Mapping) and "model" in own:
        return dict(live_script.completed(given))
    views = (one.data.get("session") for one in messages if one.direction == "received")
    view = next((one for one in views if isinstance(one, Mapping)), {})
    fields = {key: view[key] for key in _OF_VIEW if view.get(key)}
    session = {"model": "gpt-live-1", **fields, **(own if isinstance(own, Mapping) else {})}
    return dict(live_script.completed({**given, "session": session}))


def _delegation(event: Mapping[str, Any]) -> str:
    """Return the id of the delegation that an event has begun."""
    return str((event.get("delegation") or {}).get("id"))


_Counts = dict[tuple[str, ...], int]
_Cue = tuple[int, int, Action]


@attrs.frozen
class _Script:
    """What the model and the backend do in a session.

    Args:
        messages: The messages of the session.
        cues: What the model does: the place of its message, its position in ms, and the action.
        answers: The backend's answers, with the places of their messages.
    """

    messages: Sequence[Message]
    cues: Sequence[_Cue]
    answers: Sequence[tuple[int, Sequence[Action]]]

    @classmethod
    def of(cls, messages: Sequence[Message]) -> _Script:
        """Return the script of a recorded session."""
        return cls(messages, list(live_script.cues(messages)), list(live_script.answers(messages)))

    def until(self, place: int) -> _Script:
        """Return what was begun before an event."""
        return attrs.evolve(
            self,
            cues=[one for one in self.cues if one[0] < place],
            answers=[one for one in self.answers if one[0] < place],
        )


def _with_answer(script: _Script, place: int, position: int, text: str) -> _Script:
    """Return a script with a text in place of what is answered next.

    That is the backend's answer and what the model says after it, or an utterance alone if one comes first.
    An utterance is changed from the event on if that is one of its words; otherwise it is said to its end.
    Where the backend had called a function, what it made of the output is gone, too.

    Args:
        script: What the model and the backend do.
        place: The place of the event.
        position: Where on the timeline that is, in ms.
        text: The text.
    """
    cues, answers = script.cues, script.answers
    runs = list(_utterances(cues))

    def said_after(place: int) -> range | None:
        return next((run for run in runs if cues[run.start][0] >= place), None)

    said = next((range(at, run.stop) for run in runs for at in run if cues[at][0] == place), None)
    said = said or said_after(place)
    backend = next((number for number, one in enumerate(answers) if one[0] >= place), None)
    gone: list[range] = []
    if backend is not None and (said is None or answers[backend][0] < cues[said.start][0]):
        end = backend + 1
        while end < len(answers) and _continues(script, end):
            gone += filter(None, [said_after(answers[end][0])])
            end += 1
        place = answers[backend][0]
        answers = [*answers[:backend], (place, [Say(text)]), *answers[end:]]
        said = said_after(place)
    changed: dict[int, _Cue] = {}
    if said is None:
        cues = [*cues, (place, max([position, *(at for _, at, _ in cues)]), Say(text))]
    else:
        changed[said.start] = (cues[said.start][0], cues[said.start][1], Say(text))
        gone.append(said)
    left_out = {at for run in gone for at in run}
    kept = [changed.get(at, cue) for at, cue in enumerate(cues) if at in changed or at not in left_out]
    return attrs.evolve(script, cues=kept, answers=answers)


def _utterances(cues: Sequence[_Cue]) -> Iterator[range]:
    """Yield where in the cues each utterance of the model is."""
    first = 0
    while first < len(cues):
        end = first + 1
        if isinstance(cues[first][2], Say):
            while (
                end < len(cues)
                and isinstance(cues[end][2], Say)
                and cues[end][1] <= cues[end - 1][1] + live_script.FRAME_MS + _PAUSE_MS
            ):
                end += 1
            yield range(first, end)
        first = end


def _continues(script: _Script, number: int) -> bool:
    """Return whether an answer of the backend goes on from calls of the one before."""
    (before, actions), (place, _) = script.answers[number - 1], script.answers[number]
    has_called = any(isinstance(action, CallTool) for action in actions)
    delegations = (script.messages[one].data.get("delegation_id") for one in (before, place))
    return has_called and len(set(map(str, delegations))) == 1


class _Before:
    """What a session had sent before an event; its new run sends the same again.

    Args:
        events: The events of the service.
        format: The format of the session's audio.
    """

    def __init__(self, events: Sequence[Mapping[str, Any]], format: Mapping[str, Any]) -> None:
        self.bindings = Bindings()
        """The recorded ids by the new ones."""
        self._format = format
        self._sound = 0
        self._characters: dict[tuple[str, ...], int] = {}
        self._events: dict[tuple[str, ...], deque[Mapping[str, Any]]] = {}
        for event in events:
            key, delta = live_script.key_of(event), _delta(event)
            if key == (OUTPUT,):
                self._sound += live_audio.audio_ms(event, format) or live_audio.PIECE_MS
            elif delta is not None:
                self._characters[key] = self._characters.get(key, 0) + len("".join(delta.split()))
            else:
                self._events.setdefault(key, deque()).append(event)

    def rest(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return what of an event of the new run was not sent before; None for nothing."""
        key, delta = live_script.key_of(event), _delta(event)
        if key == (OUTPUT,):
            length = live_audio.audio_ms(event, self._format) or 0
            if self._sound >= max(1, length // 2):
                self._sound -= length
                return None
            return {**event, "delta": f"<{len(str(event['delta']))} characters>"}
        if delta is not None:
            left = self._characters.get(key, 0)
            rest = _without(delta, left)
            self._characters[key] = left - len("".join(delta.split())) + len("".join(rest.split()))
            return _with_delta(event, rest) if rest.strip() or not left else None
        if recorded := self._events.get(key):
            self.bindings.learn(event, recorded.popleft())
            return None
        return event


def _delta(event: Mapping[str, Any]) -> str | None:
    """Return the words of an event, or of the one that it holds; None if it has none."""
    inner = event.get("event") if event.get("type") == live_script.NESTED else event
    found = inner.get("delta") if isinstance(inner, Mapping) else None
    return found if isinstance(found, str) else None


def _with_delta(event: Mapping[str, Any], delta: str) -> Mapping[str, Any]:
    if event["type"] == live_script.NESTED:
        return {**event, "event": {**event["event"], "delta": delta}}
    return {**event, "delta": delta}


def _without(text: str, count: int) -> str:
    """Return a text without its first characters, of which spaces do not count."""
    for place, character in enumerate(text):
        if count <= 0:
            return text[place:]
        count -= not character.isspace()
    return ""
