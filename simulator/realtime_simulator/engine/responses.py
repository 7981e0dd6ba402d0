"""The responses that are under way in a session: at most one in the conversation, any number beside it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import attrs

from realtime_simulator.engine.conversation import Item, item_from_client
from realtime_simulator.engine.effects import AnswerNeeded, Effect
from realtime_simulator.engine.output import Host, Plan
from realtime_simulator.engine.response import Interrupted, Response
from realtime_simulator.engine.turn import Action, Turn
from realtime_simulator.engine.usage import Tokens, item_tokens, text_tokens
from realtime_simulator.problem import ApiProblem

REQUEST_LIMIT = 10_000
TOKEN_LIMIT = 1_000_000
MAX_RUNNING = 32
"""Responses that may be under way at once, almost all of them outside the conversation."""


class Owner(Host, Protocol):
    """What the responses need of their session."""

    @property
    def listening(self) -> bool: ...
    def effect(self, effect: Effect) -> None: ...
    def response_begun(self) -> None: ...
    def response_done(self, response: Response) -> None: ...


@attrs.define
class _Running:
    response: Response
    begun: float
    question: Callable[[], AnswerNeeded] | None = None
    plan: Plan | None = None
    due: float = math.inf


class Responses:
    """The session's running responses.

    Args:
        owner: The session.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._running: dict[str, _Running] = {}
        self._last_input = Tokens()
        self._requests, self._tokens = 0, 0

    @property
    def active(self) -> Response | None:
        """The response that is under way in the conversation, or None."""
        for running in self._running.values():
            if not running.response.out_of_band:
                return running.response
        return None

    def create(self, params: Mapping[str, Any], now: float, actions: Sequence[Action] = ()) -> None:
        """Begin a response and ask what the model answers.

        Args:
            params: The `response` object of the client's event, already checked.
            now: The time.
            actions: What the model answers, if that is known already.

        Raises:
            ApiProblem: One is already under way in the conversation, or the parameters contradict each other.
        """
        active = self.active
        if active is not None and params.get("conversation") != "none":
            raise ApiProblem(
                f"The conversation already has an active response: {active.id}. "
                "Wait for its response.done, or cancel it.",
                code="conversation_already_has_active_response",
            )
        if len(self._running) >= MAX_RUNNING:
            raise ApiProblem(
                f"At most {MAX_RUNNING} responses can be under way at once.", code="rate_limit_exceeded"
            )
        items = self._input(params)
        given = sum(map(item_tokens, items), self._setup(params))
        response = Response(self._owner, params, given, self._last_input)
        self._last_input = given
        self._requests += 1
        self._tokens += given.total
        self._running[response.id] = running = _Running(response, now)
        response.begin()
        self._owner.response_begun()
        if actions:
            self.perform(response.id, actions, now)
            return
        running.question = lambda: AnswerNeeded(response.id, self._turn(params, items, response))
        self.ask()

    def ask(self) -> None:
        """Ask what the model answers, unless it is still to be found out what the user said."""
        if self._owner.listening:
            return
        for running in list(self._running.values()):
            if running.question is not None:
                self._owner.effect(running.question())
                running.question = None

    def perform(self, response_id: str, actions: Sequence[Action], now: float) -> None:
        """Begin to make a response's output."""
        running = self._running.get(response_id)
        if running is not None and running.plan is None:
            running.plan = running.response.perform(actions)
            running.due = max(now, running.begun + self._owner.pacing.first_audio)
            self.tick(now)

    def cancel(self, response_id: str | None, reason: str = "client_cancelled") -> None:
        """End a response early.

        Args:
            response_id: Which; None for the one in the conversation.
            reason: For its `status_details`.

        Raises:
            ApiProblem: There is no such response under way.
        """
        if response_id is None and self.active is not None:
            response_id = self.active.id
        running = self._running.get(response_id or "")
        if running is None:
            raise ApiProblem(
                "There is no active response to cancel."
                if response_id is None
                else f"There is no active response with id '{response_id}'.",
                code="response_cancel_not_active",
                param=None if response_id is None else "response_id",
            )
        if running.plan is None:
            running.response.end("cancelled", reason=reason)
        else:
            with contextlib.suppress(StopIteration):
                running.plan.throw(Interrupted(reason))
        self._finish(running)

    def tick(self, now: float) -> None:
        """Go on with every plan whose pause is over."""
        for running in list(self._running.values()):
            while running.due <= now and running.plan is not None:
                try:
                    running.due += next(running.plan)
                except StopIteration:
                    self._finish(running)
                    break

    def deadline(self) -> float:
        """Return when `tick` has something to do; infinity if never."""
        return min((running.due for running in self._running.values()), default=math.inf)

    def drop(self) -> None:
        """Forget all responses, because the session has ended."""
        plans = [running.plan for running in self._running.values() if running.plan is not None]
        self._running.clear()
        for plan in plans:
            plan.close()

    def limits(self) -> list[dict[str, Any]]:
        """Return the `rate_limits` of `rate_limits.updated`."""
        left = (("requests", REQUEST_LIMIT, self._requests), ("tokens", TOKEN_LIMIT, self._tokens))
        return [
            {"name": name, "limit": limit, "remaining": max(0, limit - used), "reset_seconds": 60.0}
            for name, limit, used in left
        ]

    def _finish(self, running: _Running) -> None:
        del self._running[running.response.id]
        self._tokens += running.response.output_tokens
        self._owner.response_done(running.response)

    def _input(self, params: Mapping[str, Any]) -> list[Item]:
        """The items that the response is made from: the conversation's, unless the client gave its own."""
        if params.get("input") is None:
            return list(self._owner.conversation)
        items = []
        for index, fields in enumerate(params["input"]):
            if fields.get("type") == "item_reference":
                found = self._owner.conversation.get(
                    str(fields.get("id")), param=f"response.input[{index}].id"
                )
                items.append(found)
            else:
                items.append(Item(item_from_client(fields, self._owner.ids.new("item"))))
        return items

    def _setup(self, params: Mapping[str, Any]) -> Tokens:
        config = self._owner.config
        instructions = params.get("instructions") or config["instructions"]
        tools = params.get("tools") or config["tools"]
        return Tokens(text=text_tokens(instructions) + sum(text_tokens(str(tool)) for tool in tools))

    def _turn(self, params: Mapping[str, Any], items: Sequence[Item], response: Response) -> Turn:
        config = self._owner.config
        said = [item.text() for item in items if item.data.get("role") == "user"]
        return Turn(
            text=said[-1] if said else "",
            items=[item.view() for item in items],
            session=config.view(),
            response=params,
            tools=params["tools"] if params.get("tools") is not None else config["tools"],
            modalities=response.modalities,
            format=str(response.format["type"]),
            voice=response.voice,
            speed=float(config.output.get("speed", 1.0)),
        )
