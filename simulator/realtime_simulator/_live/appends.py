"""What clients append to the context of a Live session, and when its injection is complete."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import attrs

from realtime_simulator._core.problem import ApiProblem, invalid_value
from realtime_simulator._engine import messages
from realtime_simulator._live.answers import Answers
from realtime_simulator._live.config import tokens
from realtime_simulator._live.delegation import Delegation
from realtime_simulator._live.shared import Shared
from realtime_simulator._live.timeline import FRAME

KINDS = ("instructions", "thinking", "commentary")
_MAX_TOKENS = 500
_INJECTION = 3 * FRAME


@attrs.frozen
class _Append:
    """An append whose injection is not complete.

    Args:
        kind: One of `KINDS`.
        client_event_id: The id of the client's event.
        start: The sample of the timeline at which its injection starts.
    """

    kind: str
    client_event_id: str | None
    start: int


@attrs.define(eq=False)
class Appends:
    """The appends of one session that are not complete.

    Args:
        shared: The session's shared state.
        answers: What the model says, as `commentary` has it.
        delegation: The delegations that appends belong to.
    """

    _shared: Shared
    _answers: Answers
    _delegation: Delegation
    _pending: deque[_Append] = attrs.field(init=False, factory=deque)
    _lost: list[_Append] = attrs.field(init=False, factory=list)

    def __bool__(self) -> bool:
        """Return whether any will be complete."""
        return bool(self._pending)

    def add(self, event: Mapping[str, Any]) -> None:
        """`session.instructions.append`, `session.thinking.append` and `session.commentary.append`."""
        kind, content = event["type"].split(".")[1], event["content"]
        if tokens(content) > _MAX_TOKENS:
            raise invalid_value(f"Context append text must not exceed {_MAX_TOKENS} tokens.", "content")
        self._delegation.check(event["delegation_id"])
        start = -(-self._shared.timeline.position // FRAME) * FRAME + _INJECTION
        append = _Append(kind, messages.event_id(event), start)
        if self._shared.draw("live_injection") is not None:
            self._lost.append(append)
            return
        self._pending.append(append)
        if kind != "instructions":
            self._delegation.need_not_acknowledge()
        if kind == "commentary":
            self._answers.speak(content)
        self._shared.context.appended(kind, content)

    def complete(self, start: int) -> None:
        """Acknowledge those that are complete when a frame starts."""
        while self._pending and self._pending[0].start + FRAME <= start:
            done = self._pending.popleft()
            self._shared.emit_at(
                f"session.{done.kind}.appended", done.start, client_event_id=done.client_event_id
            )

    def fail(self) -> None:
        """Report those whose injection will not be completed."""
        for append in sorted([*self._lost, *self._pending], key=lambda append: append.start):
            problem = ApiProblem(
                "The session closed before the estimated context injection completed.",
                type="server_error",
                code="context_injection_incomplete",
            )
            self._shared.emit(problem.event(append.client_event_id))
        self._lost.clear()
        self._pending.clear()
