"""The base of all sessions: receive messages, queue effects, expire, end."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import EXPIRED, ApiProblem, session_expired
from realtime_simulator._engine import messages
from realtime_simulator._engine.agenda import Agenda
from realtime_simulator._engine.effects import Effect, Emit, End
from realtime_simulator._engine.settings import SessionSettings
from realtime_simulator._engine.turn import Action, Transcript

Handlers = Mapping[str, Callable[[Mapping[str, Any]], None]]


class BaseSession(ABC):
    """The base of all sessions.

    Args:
        ids: The source of identifiers.
        now: The time at which it begins.
        settings: Its settings.
        union: The schema that its client events are members of.
    """

    def __init__(self, ids: Ids, now: float, settings: SessionSettings, union: str) -> None:
        self.ids = ids
        self.ended: bool = False
        self._union = union
        self._handlers: Handlers = {}
        self._listed: Sequence[str] = ()
        self._now = now
        self._settings = settings
        self._expires = now + settings.lifetime
        self._agenda = Agenda(lambda: self._now)
        self._effects: list[Effect] = []

    def receive_text(self, text: str | bytes, now: float) -> Mapping[str, Any] | None:
        """Process one message from a client.

        Args:
            text: The message as it came.
            now: The time.

        Returns:
            The event, or None if the message wasn't one.
        """
        try:
            if isinstance(text, bytes):
                raise ApiProblem(
                    "Expected a text WebSocket message; binary frames are not supported.",
                    code="invalid_event",
                )
            event = messages.parse(text)
        except ApiProblem as problem:
            self.emit(problem.event())
            return None
        self.receive(event, now)
        return event

    def receive(self, event: Mapping[str, Any], now: float) -> None:
        """Process one client event; a faulty one is answered with an `error` event."""
        self.tick(now)
        if not self.ended:
            self._process(event)

    def _process(self, event: Mapping[str, Any]) -> None:
        try:
            kind = messages.check(event, self._handlers, self._union, self._listed)
            self._handlers[kind](event)
        except ApiProblem as problem:
            self.emit(problem.event(messages.event_id(event)))

    def tick(self, now: float) -> None:
        """Process everything that is due at a time."""
        self._now = max(self._now, now)
        if not self.ended and self._now >= self._expires:
            self.expire()
        if not self.ended:
            self._advance()

    def expire(self) -> None:
        """End the session, whose time is over."""
        problem = session_expired(self._settings.lifetime)
        self.emit(problem.event())
        self.end(EXPIRED, problem.message)

    def deadline(self) -> float | None:
        """Return when `tick` is due next, or None."""
        return None if self.ended else min(self._expires, self._agenda.due, self._due())

    def end(self, code: int, reason: str) -> None:
        """End the session; nothing is emitted after this.

        Args:
            code: The WebSocket close code.
            reason: Why, for the close frame and the records.
        """
        if not self.ended:
            self._effects.append(End(code, reason))
            self.ended = True
            self._agenda.clear()
            self._drop()

    def take(self) -> list[Effect]:
        """Return the effects since the last call."""
        effects, self._effects = self._effects, []
        return effects

    def emit(self, event: dict[str, Any]) -> dict[str, Any]:
        """Queue a server event, given its fields without the id; return it with its id."""
        stamped = self.stamped(event)
        self.effect(Emit(stamped))
        return stamped

    def effect(self, effect: Effect) -> None:
        """Queue an effect; dropped once the session has ended."""
        if not self.ended:
            self._effects.append(effect)

    def stamped(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return an event with its id."""
        return {"type": event["type"], "event_id": self.ids.new("event"), **event}

    # For each kind of session to override; without that, the input is ignored

    def changes_nothing(self, *, quiet: bool) -> bool:
        """Whether 100 ms of the user change nothing, so that they may be heard a little later.

        Args:
            quiet: Whether they are silence.
        """
        return False

    @abstractmethod
    def view(self) -> dict[str, Any]:
        """Return the configuration as events show it."""

    def items(self) -> list[dict[str, Any]]:
        """Return the conversation's items, oldest first, as events show them."""
        return []

    def greeting(self) -> dict[str, Any]:
        """Return the `session.created` event, for the connection that made the session and no other."""
        return self.stamped({"type": "session.created", "session": self.view()})

    def hear(self, pcm: bytes, now: float) -> None:
        """Process audio from the peer's track, PCM16 mono at 24 kHz."""

    def press(self, key: str, unix: float) -> None:
        """Process that a key of the telephone was pressed."""

    def heard(self, item_id: str, transcript: Transcript | None, now: float) -> None:
        """Process the words of the user's audio; None if they aren't known before the user has finished."""

    def paused(self, item_id: str, transcript: Transcript | None, now: float) -> None:
        """Process the words of a user who pauses; None if they aren't known."""

    def answer(self, response_id: str, actions: Sequence[Action], now: float, *, whole: bool = True) -> None:
        """Process the model's answer, or the next part of it; `whole` if no more comes."""

    def ahead(self, response_id: str) -> int:
        """Return how many parts of the model's answer are known that the response has not come to yet."""
        return 0

    def listed(self, item_id: str, tools: Sequence[Mapping[str, Any]] | None, now: float) -> None:
        """Process the tools of an MCP server; None if it couldn't be reached."""

    def playback_drained(self, response_id: str, now: float) -> None:
        """Process that the player has played all that was queued for a response."""

    def playback_cleared(self, played: Mapping[str, int], *, truncate: bool, now: float) -> None:
        """Process that the player has dropped its queue.

        Args:
            played: Item id -> samples (24 kHz) that were heard of it, for the items that were in the queue.
            truncate: Whether to cut those items to the part that was heard.
            now: The time.
        """

    def _advance(self) -> None:
        """Process everything that is due at `_now`."""

    def _due(self) -> float:
        """Return when `_advance` is due next."""
        return math.inf

    def _drop(self) -> None:
        """Drop work in progress, because the session has ended."""
