"""The responses of a session: at most one in the conversation at a time, any number outside of it.

`Response.perform` is a generator: code between two yields runs at once, and each yielded number is
a pause in seconds. `Responses` drives these plans and may interrupt them at any pause.
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import attrs

from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine.conversation import Item, item_from_client
from realtime_simulator._engine.effects import AnswerDropped, AnswerNeeded, Play
from realtime_simulator._engine.mcp import Mcp
from realtime_simulator._engine.output import Output
from realtime_simulator._engine.plan import WAIT, Answer, Plan
from realtime_simulator._engine.shared import Shared
from realtime_simulator._engine.turn import Action, CallMcp, CallTool, Delegate, Fail, Pause, Say, Think, Turn
from realtime_simulator._engine.usage import Tokens, item_tokens, text_tokens, usage
from realtime_simulator._media.speech import RATE

REQUEST_LIMIT = 10_000
TOKEN_LIMIT = 1_000_000
MAX_RUNNING = 32
"""Responses that may be active at once, almost all of them outside the conversation."""


class Interrupted(Exception):
    """Thrown into a running plan: the response ends here.

    Args:
        reason: `client_cancelled` or `turn_detected`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Response:
    """One response.

    Args:
        shared: The session's shared state.
        mcp: Its MCP servers.
        play: Sends a stretch of speech to the peer.
        params: The `response` object of `response.create`; already checked.
        given: The tokens of its input.
        cached: The tokens of the previous response's input.
        heard_voice: The voice that has spoken in the session, which stays; None if none has.
    """

    def __init__(
        self,
        shared: Shared,
        mcp: Mcp,
        play: Callable[[Play], None],
        params: Mapping[str, Any],
        given: Tokens,
        cached: Tokens,
        heard_voice: str | None,
    ) -> None:
        self._shared = shared
        self._mcp = mcp
        self.params = params
        self.id: str = shared.ids.new("resp")
        self.out_of_band: Any = params.get("conversation") == "none"
        self._given, self._cached = given, cached
        self._status, self._details = "in_progress", dict[str, Any]()
        self.modalities: list[Any] = list(
            params.get("output_modalities") or shared.config["output_modalities"]
        )
        limit = params.get("max_output_tokens") or shared.config["max_output_tokens"]
        self._limit: int | str = limit
        audio = params.get("audio", {}).get("output", {})
        voice = heard_voice or audio.get("voice") or shared.config.output["voice"]
        self.voice: str = str(voice["id"] if isinstance(voice, Mapping) else voice)
        self.format: Mapping[str, Any] = audio.get("format") or shared.config.output["format"]
        self._output = Output(
            shared,
            play,
            self.id,
            out_of_band=self.out_of_band,
            modalities=self.modalities,
            format=str(self.format["type"]),
            limit=limit,
            reasons=shared.config.reasons,
        )

    @property
    def finished(self) -> bool:
        return self._status != "in_progress"

    @property
    def audio_seconds(self) -> float:
        """The duration of the output's audio."""
        return sum(len(item.audio) for item in self._output.items) / 2 / RATE

    @property
    def output_tokens(self) -> int:
        return self._output.made.total

    def view(self) -> dict[str, Any]:
        """Return the response as `response.created` and `response.done` show it."""
        shown: dict[str, Any] = {
            "id": self.id,
            "object": "realtime.response",
            "status": self._status,
            "output": [item.view() for item in self._output.items],
            "output_modalities": self.modalities,
            "max_output_tokens": self._limit,
            "audio": {"output": {"format": self.format, "voice": self.voice}},
        }
        own = "conv_" + self._shared.config.session_id.removeprefix("sess_")
        shown["conversation_id"] = None if self.out_of_band else own
        shown["metadata"] = self.params.get("metadata")
        shown["status_details"] = self._details or None
        shown["usage"] = usage(self._given, self._cached, self._output.made) if self.finished else None
        return shown

    def begin(self) -> None:
        self._shared.emit({"type": "response.created", "response": self.view()})

    def end(self, status: str, **details: Any) -> None:
        """Finish the response.

        Args:
            status: `completed`, `cancelled`, `failed` or `incomplete`.
            details: Further fields of `status_details`.
        """
        self._status = status
        self._details = {"type": status, **details} if status != "completed" else {}
        self._shared.emit({"type": "response.done", "response": self.view()})

    def perform(self, answer: Answer) -> Plan:
        """Make the output, event by event.

        Args:
            answer: The model's answer; speech already synthesized.
        """
        try:
            while (action := (yield from answer.next())) is not None:
                if isinstance(action, Delegate):
                    action = Fail("scenario_error", "delegate() is for sessions of the Live API.")
                if isinstance(action, Fail):
                    self._output.finish()
                    error = {"type": action.type, "code": action.code}
                    if action.message:
                        error["message"] = action.message
                    self.end("failed", error=error)
                    return
                if self._output.used_up():
                    break
                if isinstance(action, Think):
                    self._output.think(action.tokens)
                elif isinstance(action, Pause):
                    yield action.seconds
                elif isinstance(action, CallTool):
                    yield from self._output.call(action)
                elif isinstance(action, CallMcp):
                    if self._mcp.needs_approval(action):
                        self._mcp.approvals.hold(self._output.ask_approval(action), [action, *answer.rest])
                        break
                    yield from self._output.call_mcp(action)
                elif isinstance(action, Say):
                    yield from self._output.message(action, answer)
        except Interrupted as stop:
            self._output.finish()
            self.end("cancelled", reason=stop.reason)
            return
        self._output.finish()
        if self._output.used_up():
            self.end("incomplete", reason="max_output_tokens")
        else:
            self.end("completed")


@attrs.define
class _Running:
    response: Response
    begun: float
    question: Callable[[], AnswerNeeded] | None = None
    answer: Answer = attrs.field(factory=Answer)
    plan: Plan | None = None
    due: float = WAIT


class Host(Protocol):
    """The session, as far as its responses need it."""

    @property
    def listening(self) -> bool:
        """Whether words of the user are still pending."""
        ...

    def play(self, play: Play) -> None:
        """Send a stretch of speech to the peer."""
        ...

    def response_begun(self) -> None:
        """Process the beginning of a response."""
        ...

    def response_done(self, response: Response) -> None:
        """Process the end of a response."""
        ...


class Responses:
    """The session's running responses.

    Args:
        shared: The session's shared state.
        mcp: Its MCP servers.
        host: The session itself, as far as responses need it.
    """

    def __init__(self, shared: Shared, mcp: Mcp, host: Host) -> None:
        self._shared = shared
        self._mcp = mcp
        self._host = host
        self._running: dict[str, _Running] = {}
        self._last_input = Tokens()
        self._heard_voice: str | None = None
        self._tokens = 0

    @property
    def active(self) -> Response | None:
        """The active response of the conversation, or None."""
        for running in self._running.values():
            if not running.response.out_of_band:
                return running.response
        return None

    def create(self, params: Mapping[str, Any], now: float, actions: Sequence[Action] = ()) -> None:
        """Begin a response and request the model's answer.

        Args:
            params: The `response` object of the client's event, already checked.
            now: The time.
            actions: The model's answer, if it is known already.

        Raises:
            ApiProblem: One is already active in the conversation, or the parameters contradict each other.
        """
        active = self.active
        if active is not None and params.get("conversation") != "none":
            raise ApiProblem(
                f"Conversation already has an active response in progress: {active.id}. "
                "Wait until the response is finished before creating a new one.",
                code="conversation_already_has_active_response",
            )
        if len(self._running) >= MAX_RUNNING:
            raise ApiProblem(
                f"At most {MAX_RUNNING} responses can be under way at once.", code="rate_limit_exceeded"
            )
        items = self._input(params)
        given = sum(map(item_tokens, items), self._setup(params))
        response = Response(
            self._shared, self._mcp, self._host.play, params, given, self._last_input, self._heard_voice
        )
        self._last_input = given
        self._tokens += given.total
        self._running[response.id] = running = _Running(response, now)
        response.begin()
        self._host.response_begun()
        if actions:
            self.perform(response.id, actions, now)
            return
        running.question = lambda: AnswerNeeded(response.id, self._turn(params, items, response))
        self.ask()

    def ask(self) -> None:
        """Request the model's answers, unless words of the user are still pending."""
        if self._host.listening:
            return
        for running in list(self._running.values()):
            if running.question is not None:
                self._shared.effect(running.question())
                running.question = None

    def perform(self, response_id: str, actions: Sequence[Action], now: float, *, whole: bool = True) -> None:
        """Make a response's output, or continue it; `whole` if the answer is complete."""
        running = self._running.get(response_id)
        if running is None or running.answer.whole:
            return
        running.answer.add(actions, whole=whole)
        if running.plan is None:
            running.plan = running.response.perform(running.answer)
            running.due = max(now, running.begun + self._shared.vary(self._shared.pacing.first_audio))
        elif running.due == WAIT:
            running.due = now
        self.tick(now)

    def speaks(self, response_id: str) -> None:
        """Process that a response is heard: the session keeps its voice."""
        if self._heard_voice is None and response_id in self._running:
            self._heard_voice = self._running[response_id].response.voice

    def ahead(self, response_id: str) -> int:
        """Return how many actions of a response are known that it has not come to yet."""
        running = self._running.get(response_id)
        return 0 if running is None else len(running.answer.rest)

    def cancel(self, response_id: str | None, reason: str = "client_cancelled") -> None:
        """End a response early.

        Args:
            response_id: Which; None for the one in the conversation.
            reason: For its `status_details`.

        Raises:
            ApiProblem: No such response is active.
        """
        if response_id is None and self.active is not None:
            response_id = self.active.id
        running = self._running.get(response_id or "")
        if running is None:
            raise ApiProblem(
                "Cancellation failed: no active response found",
                code="response_cancel_not_active",
                param=None if response_id is None else "response_id",
            )
        # A plan that has not begun could not catch the exception.
        if running.plan is None or inspect.getgeneratorstate(running.plan) == inspect.GEN_CREATED:
            running.response.end("cancelled", reason=reason)
        else:
            with contextlib.suppress(StopIteration):
                running.plan.throw(Interrupted(reason))
        self._finish(running)

    def tick(self, now: float) -> None:
        """Continue every plan whose pause is over."""
        for running in list(self._running.values()):
            while running.due <= now and running.plan is not None:
                try:
                    running.due += next(running.plan)
                except StopIteration:
                    self._finish(running)
                    break

    def deadline(self) -> float:
        """Return when `tick` is due next; infinity if never."""
        return min((running.due for running in self._running.values()), default=math.inf)

    def drop(self) -> None:
        """Drop all responses, because the session has ended."""
        plans = [running.plan for running in self._running.values() if running.plan is not None]
        self._running.clear()
        for plan in plans:
            plan.close()

    def limits(self) -> list[dict[str, Any]]:
        """Return the `rate_limits` of `rate_limits.updated`."""
        left = max(0, TOKEN_LIMIT - self._tokens)
        return [{"name": "tokens", "limit": TOKEN_LIMIT, "remaining": left, "reset_seconds": 60.0}]

    def _finish(self, running: _Running) -> None:
        del self._running[running.response.id]
        if not running.answer.whole:
            self._shared.effect(AnswerDropped(running.response.id))
        self._tokens += running.response.output_tokens
        self._host.response_done(running.response)

    def _input(self, params: Mapping[str, Any]) -> list[Item]:
        """The items that the response is made from: the conversation's, unless the client gave its own."""
        if params.get("input") is None:
            return list(self._shared.conversation)
        items = []
        for index, fields in enumerate(params["input"]):
            if fields.get("type") == "item_reference":
                found = self._shared.conversation.get(
                    str(fields.get("id")),
                    doing="reading input",
                    code="invalid_value",
                    param=f"response.input[{index}].id",
                )
                items.append(found)
            else:
                items.append(Item(item_from_client(fields, self._shared.ids.new("item"))))
        return items

    def _setup(self, params: Mapping[str, Any]) -> Tokens:
        config = self._shared.config
        instructions = params.get("instructions") or config["instructions"]
        tools = params.get("tools") or config["tools"]
        return Tokens(text=text_tokens(instructions) + sum(text_tokens(str(tool)) for tool in tools))

    def _turn(self, params: Mapping[str, Any], items: Sequence[Item], response: Response) -> Turn:
        config = self._shared.config
        said = [item.text() for item in items if item.data.get("role") == "user"]
        return Turn(
            text=said[-1] if said else "",
            items=[item.understood() for item in items],
            session=config.view(),
            response=params,
            tools=params["tools"] if params.get("tools") is not None else config["tools"],
            modalities=response.modalities,
            format=str(response.format["type"]),
            voice=response.voice,
            speed=float(config.output.get("speed", 1.0)),
        )
