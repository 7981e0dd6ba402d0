"""The backend of a Live session with Responses delegation: a model that works while the voice talks.

It answers in the nested events of the Responses API. Their order and the fields of its snapshots are those of
recorded sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from realtime_simulator._core.problem import ApiProblem, invalid_value
from realtime_simulator._engine.mcp import APPROVAL, Approvals
from realtime_simulator._engine.turn import Action, CallMcp, CallTool, Fail, Output, Say, Think
from realtime_simulator._live.backend_response import Account, BackendResponse
from realtime_simulator._live.shared import Shared

_COMPLETES_SECONDS = 0.3
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_GOES_ON = (*_OUTPUTS, APPROVAL)


class Backend:
    """The backend of one session.

    Args:
        shared: The session's shared state.
        ask: Requests the model's answer to a response, of which the client may have approved a part already.
        on_idle: Called when a response has ended, and nothing follows by itself or waits for outputs.
    """

    def __init__(
        self,
        shared: Shared,
        ask: Callable[[BackendResponse, Sequence[Action]], None],
        on_idle: Callable[[], None],
    ) -> None:
        self._shared = shared
        self._ask = ask
        self._on_idle = on_idle
        self._items: list[dict[str, Any]] = []
        self._last = self._new_id()
        self._account = Account.new(shared.ids)
        self._current: BackendResponse | None = None
        self._pending: dict[str, str] = {}
        self._requested = False
        self._approvals = Approvals()
        self._approved: list[Action] = []

    @property
    def working(self) -> bool:
        """Whether a response is running or has been requested."""
        return self._requested or (self._current is not None and self._current.running)

    @property
    def waiting(self) -> bool:
        """Whether the client has not answered a call."""
        return bool(self._pending)

    def begin(self, delegation: str) -> BackendResponse:
        """Return a delegation's next response, which has to be started."""
        self._current = BackendResponse(
            id=self._new_id(),
            delegation=delegation,
            previous=self._last,
            shared=self._shared,
            account=self._account,
            remember=self._remember,
        )
        self._last = self._current.id
        return self._current

    def add(self, item: Mapping[str, Any]) -> None:
        """Add an item to its input.

        Raises:
            ApiProblem: It is the output of an unknown call, or approves what was not asked for.
        """
        self._approvals.check(item)
        self._approved += self._approvals.answered(item)
        if item.get("type") in _OUTPUTS:
            if item.get("call_id") not in self._called():
                raise invalid_value(
                    f"No tool call found for the output with call_id {item.get('call_id')}.", "item.call_id"
                )
            self._pending.pop(str(item["call_id"]), None)
        self._remember(dict(item))

    def create(self, delegate: Callable[[], None]) -> None:
        """Answer `response.create`: continue the delegation, or begin one.

        Args:
            delegate: Begins a delegation.

        Raises:
            ApiProblem: The output of a call is missing.
        """
        if self._pending:
            raise self.outputs_required()
        if self._current is not None and self._current.running:
            self._requested = True
        elif self._current is not None and self._items and self._items[-1].get("type") in _GOES_ON:
            self._continue(self._current.delegation)
        else:
            delegate()

    def outputs_required(self) -> ApiProblem:
        """Return the refusal while outputs of calls are missing, with the calls' ids."""
        missing = ", ".join(self._pending)
        return ApiProblem(
            f"No tool output found for function call {missing}.", code="function_call_outputs_required"
        )

    def answer(self, response: BackendResponse, actions: Sequence[Action]) -> Say | None:
        """Send the model's answer to a response; return the message to speak, or None if there is none."""
        if not response.running:
            return None
        said: Say | None = None
        for place, action in enumerate(actions):
            if isinstance(action, Fail):
                self._fail(response, action)
                return None
            if isinstance(action, Think):
                response.reasoning += action.tokens
            elif isinstance(action, CallTool):
                self._pending[response.call(action)] = response.id
            elif isinstance(action, CallMcp):
                if Approvals.needed(action, self._shared.config.backend.get("tools") or ()):
                    self._approvals.hold(response.ask_approval(action), actions[place:])
                    break
                response.call_mcp(action)
                if place == len(actions) - 1:  # the model goes on with its result
                    self._ask(response, ())
                    return said
            elif isinstance(action, Output):
                response.put_out(action)
                if action.text:
                    said = Say(action.text if said is None else f"{said.text} {action.text}")
            elif isinstance(action, Say):
                response.say(action.text)
                said = action if said is None else Say(f"{said.text} {action.text}")
        seconds = _COMPLETES_SECONDS if self._shared.in_real_time else 0.0
        self._shared.agenda.after(seconds, lambda: self._complete(response))
        return None if self._pending else said

    def _continue(self, delegation: str) -> None:
        response = self.begin(delegation)
        response.start()
        approved, self._approved = self._approved, []
        self._ask(response, approved)

    def _complete(self, response: BackendResponse) -> None:
        if not response.running:
            return
        response.complete(self._items)
        if self._requested:
            self._requested = False
            self._continue(response.delegation)
        elif not self._pending:
            self._on_idle()

    def _fail(self, response: BackendResponse, failure: Fail) -> None:
        self._requested = False
        discarded = {call_id for call_id, asking in self._pending.items() if asking == response.id}
        self._items = [item for item in self._items if item.get("call_id") not in discarded]
        self._pending = {key: asking for key, asking in self._pending.items() if key not in discarded}
        response.fail(failure)
        if not self._pending:
            self._on_idle()

    def _remember(self, item: dict[str, Any]) -> None:
        self._items.append(item)
        self._shared.context.remember(item)

    def _called(self) -> set[str]:
        return {str(item["call_id"]) for item in self._items if item.get("type") == "function_call"}

    def _new_id(self) -> str:
        return self._shared.ids.new("resp", 50)
