"""Run on from an event of a session, with what the client sends or the model answers changed.

The session runs in simulated time, without a server. One of the Realtime API gets the configuration and the
items of that moment. Then the client's later events are sent, each once the response before is over; what the
user said is sent as words, since it was heard already. One of the Live API runs from its start, see `live`.
The model gives the recorded answers, unless a scenario or another answer takes their place.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import attrs

from realtime_simulator._engine.config import TRANSLATION
from realtime_simulator._engine.conversation import words_of
from realtime_simulator._engine.turn import AT_ONCE, Action, CallTool, Say, Turn
from realtime_simulator._recordings.lines import APPEND
from realtime_simulator._records.session import kind_of
from realtime_simulator._records.state import Event, State, state_after
from realtime_simulator._scenario.rules import Behavior
from realtime_simulator._scenario.scenario_file import ScenarioFile, parse, text_of
from realtime_simulator._stepping import live
from realtime_simulator._stepping.change import UNSAID, Calls, Change, RerunError, Sent
from realtime_simulator._stepping.history import History
from realtime_simulator._stepping.simulated import SimulatedSession

_SECONDS = 60.0
_SETTLED_SECONDS = 0.2
_READ_ONLY = ("id", "object", "expires_at", "client_secret", "tracing", "model")
_SOUND = ("input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear")
_OF_SOUND = (*_SOUND, "output_audio_buffer.clear", "conversation.item.truncate")
_HEARD = "conversation.item.input_audio_transcription.completed"
_REPLIES = {
    "session.update": ("session.updated",),
    "conversation.item.create": ("conversation.item.added", "conversation.item.created"),
    "conversation.item.delete": ("conversation.item.deleted",),
    "response.create": ("response.created",),
}
"""How the service says that it has done what the client sent."""
_IS_RESPONDING = "conversation_already_has_active_response"


def run_on(history: History, number: int, change: Change) -> History:
    """Run on from an event.

    Args:
        history: The session.
        number: The event from which on it runs; those before stay.
        change: What is different.

    Returns:
        The session: the events before, and those of the new run.

    Raises:
        RerunError: The session can't be run on, or the change is for another kind of event.
        OSError, ValueError: The scenario can't be read.
    """
    if not 1 <= number <= len(history.events):
        raise RerunError(f"allowed is an event from 1 to {len(history.events)}, got {number}")
    if history.is_transcript:
        raise RerunError("a transcript has no events to run on from; a tape has")
    event = history.events[number - 1]
    if change.event is not None:
        if event.side != "client":
            raise RerunError(
                f"the service sends {event.type}; events of the client can be changed, and answers",
                "event",
            )
        for kind in (event.type, str(change.event.get("type"))):
            if kind in (*_OF_SOUND, APPEND):
                raise RerunError(f"{kind}: the user's sound can't be changed; answers can", "event")
    scenario = None
    if change.scenario is not None:
        path = Path(change.scenario)
        scenario = parse(text_of(path), path.name, path.parent)
    run = live.run_on if live.is_live(history.events) else _run_on
    try:
        ran = asyncio.run(run(history.events, number, change, scenario))
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise RerunError(f"an event of the session has an unexpected shape: {error!r}") from error
    kept = [(one.at, one.side, one.data) for one in history.events[: number - 1]]
    return History.of(f"{history.name}, run on from {number}", [*kept, *ran])


async def _run_on(
    events: Sequence[Event], number: int, change: Change, scenario: ScenarioFile | None
) -> list[Sent]:
    """Run on in a session of the Realtime API."""
    if change.event is not None:
        changed = attrs.evolve(events[number - 1], data=change.event)
        events = [*events[: number - 1], changed, *events[number:]]
    before, rest = events[: number - 1], events[number - 1 :]
    state = state_after(before)
    if not state.session:
        raise RerunError("the session has not begun yet at this event; go to a later one")
    if kind_of(state.session) == TRANSLATION:
        raise RerunError("a translation session can be stepped through, but not run on")
    done, refused = _replies(events)
    if change.event is not None:
        refused.discard(number)
    run = _Run(rest, change, scenario)
    with run.session:
        await run.restore(state)
        for event in before:
            if done.get(event.number, 0) >= number:
                await run.take_up(event)
        for event in _sent(rest, set(done.values())):
            if event.number not in refused:
                await run.send(event)
        await run.settle()
    if change.answer is not None and not run.has_answered:
        raise RerunError(UNSAID, "answer")
    return run.events


def _replies(events: Sequence[Event]) -> tuple[dict[int, int], set[int]]:
    """Return the numbers of the client's events that were done, each with that of its reply; and of those
    that were refused.
    """
    done: dict[int, int] = {}
    refused: set[int] = set()
    waiting: list[Event] = []
    for event in events:
        if event.side == "client":
            waiting += [event] if event.type in _REPLIES else []
        elif (asked := next((one for one in waiting if _is_reply(event, one)), None)) is not None:
            waiting.remove(asked)
            if event.type == "error":
                refused.add(asked.number)
            else:
                done[asked.number] = event.number
    return done, refused


def _is_reply(event: Event, asked: Event) -> bool:
    """Return whether an event of the service may be the reply to one of the client."""
    if event.type == "error":
        error = event.data.get("error") or {}
        if error.get("event_id") is not None:
            return bool(error["event_id"] == asked.data.get("event_id"))
        return asked.type == "response.create" and error.get("code") == _IS_RESPONDING
    return event.type in _REPLIES[asked.type] and _subject(event) == _subject(asked)


def _subject(event: Event) -> list[Any]:
    """Return what of an event is the same in its reply."""
    item = event.data.get("item") or {}
    return [event.data.get("item_id"), *(item.get(name) for name in ("type", "role", "call_id"))]


def _response_id(event: Event) -> Any:
    return (event.data.get("response") or {}).get("id")


def _answers(events: Sequence[Event]) -> Iterator[list[Action]]:
    """Yield what the model said and called in each response that begins and ends in these events."""
    begun = {_response_id(event) for event in events if event.type == "response.created"}
    for event in events:
        if event.side != "server" or event.type != "response.done" or _response_id(event) not in begun:
            continue
        answer: list[Action] = []
        for item in (event.data.get("response") or {}).get("output") or ():
            if item.get("type") == "message":
                answer.append(Say("".join(words_of(item))))
            elif item.get("type") == "function_call":
                answer.append(CallTool(str(item.get("name")), str(item.get("arguments") or "{}")))
        yield answer or [Say("")]


def _sent(events: Sequence[Event], replies: Set[int]) -> Iterator[Event]:
    """Yield what the client sends; what the user said as words, and responses that began by themselves.

    Args:
        events: The recorded events.
        replies: The numbers of those that reply to the client.
    """
    words = {one.data.get("item_id"): str(one.data.get("transcript")) for one in events if one.type == _HEARD}
    for event in events:
        if event.side == "server":
            if event.type == "input_audio_buffer.committed":
                text = words.get(event.data.get("item_id")) or "(speech)"
                item = {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": text}],
                }
                yield attrs.evolve(event, data={"type": "conversation.item.create", "item": item})
            elif event.type == "response.created" and event.number not in replies:  # turn detection began it
                yield attrs.evolve(event, data={"type": "response.create"})
        elif event.type not in _OF_SOUND:
            yield event


def _without_id(event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "event_id"}


class _Run:
    """A session that is run on.

    Args:
        rest: The recorded events from the changed one on.
        change: What is different.
        scenario: What the model answers; None for the recorded answers.
    """

    def __init__(self, rest: Sequence[Event], change: Change, scenario: ScenarioFile | None) -> None:
        self.events: list[Sent] = []
        """What was sent and received once the session was restored."""
        self._answers = deque([] if scenario is not None else _answers(rest))
        self.has_answered = False
        """Whether the model was asked for an answer."""
        self._changed: list[Action] | None = None if change.answer is None else [Say(change.answer)]
        behavior = Behavior()
        pacing = AT_ONCE
        if scenario is not None:
            scenario.apply(behavior)
            pacing = scenario.pacing or AT_ONCE
        behavior.script.add(self._answer)
        self.session = SimulatedSession(behavior, pacing, self._receive)
        self._calls = Calls(one.data for one in rest if one.side == "server")
        self._at = rest[0].at
        self._responding = 0
        self._is_restored = False
        self._news: list[Mapping[str, Any]] = []

    def _answer(self, turn: Turn) -> list[Action] | None:
        self.has_answered = True
        recorded = self._answers.popleft() if self._answers else None
        changed, self._changed = self._changed, None
        return changed or recorded

    async def restore(self, state: State) -> None:
        """Give the session the configuration and items of a state."""
        kind = str(state.session.get("type") or "realtime")
        model = str(state.session.get("model") or "gpt-realtime-2.1")
        self.session.begin_realtime(model, None if kind == "realtime" else {"type": kind})
        await self._until_over()
        config = {
            key: value for key, value in state.session.items() if key not in _READ_ONLY and value is not None
        }
        await self._ask({"type": "session.update", "session": config}, "session.updated")
        for item in state.items:
            for restored in _restorable(item):
                await self._ask(
                    {"type": "conversation.item.create", "item": restored}, "conversation.item.done"
                )
        self._is_restored = True

    async def take_up(self, event: Event) -> None:
        """Send an event again that the client had sent before, and that the service did only afterwards."""
        await self._until_over()
        self.session.send(_without_id(event.data))

    async def send(self, event: Event) -> None:
        """Send an event of the client, once the response before is over."""
        await self._until_over()
        sent = self._calls.translated(_without_id(event.data))
        if (
            sent is None
        ):  # the output of a call that the model did not make this time, or the request after it
            if event.type == "response.create" and self._answers:
                self._answers.popleft()
            return
        self._at = max(self._at, event.at)
        self.events.append((self._at, "client", sent))
        if sent.get("type") == "response.create":
            await self._ask(sent, "response.created")
        else:
            self.session.send(sent)

    async def settle(self) -> None:
        """Let what is due happen."""
        await self._until_over()
        await self.session.until(self.session.now + _SETTLED_SECONDS)
        await self._until_over()

    async def _until_over(self) -> None:
        """Let time pass until no response is in progress."""
        until = self.session.now + _SECONDS
        await self.session.until(self.session.now)
        while self._responding:
            if not await self.session.step(until):
                raise RerunError(f"a response did not end within {_SECONDS:g} s")

    async def _ask(self, event: Mapping[str, Any], answer: str) -> None:
        """Send an event that is answered with one of a type."""
        self._news = []
        self.session.send(event)
        await self.session.until(self.session.now)
        for one in self._news:
            if one["type"] == "error":
                raise RerunError(f"the simulator refused an event: {one['error'].get('message')}")
        if not any(one["type"] == answer for one in self._news):
            raise RerunError(f"the simulator did not answer {event['type']} with {answer}")

    def _receive(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "response.created":
            self._responding += 1
        elif event["type"] == "response.done":
            self._responding -= 1
        self._news.append(event)
        self._calls.made(event)
        if self._is_restored:
            self.events.append((self._at, "server", event))


def _restorable(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an item as a client can create it; its sound as words."""
    kind = item.get("type")
    if kind == "message":
        role = str(item.get("role"))
        words = " ".join(words_of(item)).strip()
        part = {"type": "output_text" if role == "assistant" else "input_text", "text": words or "(speech)"}
        yield {"id": item.get("id"), "type": "message", "role": role, "content": [part]}
    elif kind in ("function_call", "function_call_output"):
        names = ("id", "type", "call_id", "name", "arguments", "output")
        yield {name: item[name] for name in names if item.get(name) is not None}
