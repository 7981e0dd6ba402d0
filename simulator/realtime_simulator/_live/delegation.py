"""The delegations of a Live session: work for the client, for the backend, or for a model that decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from realtime_simulator._core.problem import invalid_value
from realtime_simulator._engine.turn import Action
from realtime_simulator._live.answers import Answers
from realtime_simulator._live.backend import Backend
from realtime_simulator._live.backend_response import BackendResponse
from realtime_simulator._live.decisions import Decisions
from realtime_simulator._live.shared import Shared
from realtime_simulator._live.timeline import FRAME, milliseconds

_HOLDING = "One moment, please."


class Delegation:
    """The delegations of one session.

    Args:
        shared: The session's shared state.
        answers: What the model says, and where the backend's answers come from.
        decisions: The decisions.
    """

    def __init__(self, shared: Shared, answers: Answers, decisions: Decisions) -> None:
        self._shared = shared
        self._answers = answers
        self._decisions = decisions
        self._backend = Backend(shared, self._ask, self._begin_held)
        self._held: deque[Sequence[Action]] = deque()
        self._of_client: set[str] = set()
        self._acknowledging: object = None

    @property
    def working(self) -> bool:
        """Whether the backend works."""
        return self._backend.working

    @property
    def waiting(self) -> bool:
        """Whether the backend waits for outputs of function calls."""
        return self._backend.waiting

    def check(self, delegation_id: str | None) -> None:
        """Refuse what names a delegation of the client that does not exist.

        Raises:
            ApiProblem: There is none with this id.
        """
        if delegation_id is not None and delegation_id not in self._of_client:
            raise invalid_value(f"Unknown client delegation: '{delegation_id}'.", "delegation_id")

    def add_item(self, event: Mapping[str, Any]) -> None:
        """`response.item.create`."""
        self._require("responses", event)
        self._backend.add(event["item"])

    def respond(self, event: Mapping[str, Any]) -> None:
        """`response.create`."""
        self._require("responses", event)
        self._backend.create(self._begin_for_client)

    def decide(self, event: Mapping[str, Any]) -> None:
        """`decision.create`."""
        self._require("decisions", event)
        self._decisions.use(event["event_id"])
        self._begin_decisions({}, event)

    def _require(self, kind: str, event: Mapping[str, Any]) -> None:
        if self._shared.config.delegation != kind:
            raise invalid_value(f"{event['type']} requires {kind.capitalize()} delegation.", "type")

    def acknowledge(self) -> None:
        """Say that the user has to wait, unless the client is quicker."""
        delay = self._shared.config.acknowledgement_seconds
        if not delay:
            self._answers.speak(_HOLDING)
            return
        self._acknowledging = waiting = object()

        def speak() -> None:
            if self._acknowledging is waiting:
                self._acknowledging = None
                self._answers.speak(_HOLDING)

        self._shared.agenda.after(delay, speak)

    def need_not_acknowledge(self) -> None:
        """Note that the client has said something before the model has said that the user has to wait."""
        self._acknowledging = None

    def begin(self, actions: Sequence[Action] = (), answers: Mapping[str, Any] | None = None) -> None:
        """Hand work over to the backend, to decisions, or to the client.

        Args:
            actions: What the backend does; empty for what it is asked for.
            answers: The answers to the questions of decisions, by name.

        Raises:
            ApiProblem: A question does not allow its answer.
        """
        match self._shared.config.delegation:
            case "decisions":
                self._begin_decisions(answers or {})
            case "client":
                delegation_id = self._new_id()
                self._of_client.add(delegation_id)
                self._send(delegation_id, target="client")
            case _ if self._backend.waiting:
                # An app that has missed the calls learns their ids from the refusal.
                self._shared.emit(self._backend.outputs_required().event())
                self._held.append(actions)
            case _:
                response = self._backend.begin(self._new_id())
                self._send(response.delegation, response_id=response.id, target="responses")
                response.start()
                if actions:
                    self._backend.answer(response, actions)
                else:
                    self._ask(response)

    def _begin_decisions(self, answers: Mapping[str, Any], event: Mapping[str, Any] | None = None) -> None:
        delegation_id = self._new_id()
        self._send(delegation_id, event, target="decisions")
        self._decisions.decide(answers, delegation_id)

    def _begin_held(self) -> None:
        """Hand over what was asked while outputs of function calls were missing."""
        if self._held:
            self.begin(self._held.popleft())

    def _begin_for_client(self) -> None:
        self._answers.speak(_HOLDING)
        self.begin()

    def _ask(self, response: BackendResponse, approved: Sequence[Action] = ()) -> None:
        self._answers.ask_backend(
            response.id, lambda actions: self._backend.answer(response, actions), approved
        )

    def _new_id(self) -> str:
        return self._shared.ids.new("item")

    def _send(self, delegation_id: str, event: Mapping[str, Any] | None = None, **fields: str) -> None:
        offset = milliseconds(self._shared.timeline.position // FRAME * FRAME)
        delegation = {"id": delegation_id, "type": "delegation", **fields}
        self._shared.reply(event, "session.delegation.created", offset_ms=offset, delegation=delegation)
