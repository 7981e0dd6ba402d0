"""The backend of a Live session with Responses delegation: a model that works while the voice talks.

It answers in the nested events of the Responses API. Their order and the fields of its snapshots are those of
recorded sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine.plan import pieces
from realtime_simulator._engine.turn import Action, CallTool, Fail, Output, Pacing, Say, Think
from realtime_simulator._engine.usage import text_tokens

_COMPLETES_SECONDS = 0.3
_OUTPUTS = ("function_call_output", "custom_tool_call_output")


@attrs.define
class _Response:
    """A response of the backend.

    Args:
        id: Its id.
        delegation: The id of the delegation that it belongs to.
        previous: The id of the response before it.
        created: When it was created, in unix seconds.
        number: The sequence number of its next event.
        items: How many output items it has.
        running: Whether it has not ended.
        reasoning: Tokens of reasoning.
    """

    id: str
    delegation: str
    previous: str
    created: int
    number: int = 0
    items: int = 0
    running: bool = True
    reasoning: int = 0


class Backend:
    """The backend of one session.

    Args:
        settings: Returns the session's settings for the backend.
        ids: The source of identifiers.
        pacing: How fast it answers.
        emit: Queues a server event, given its fields without the id.
        after: Calls a function some seconds later.
        ask: Requests the model's answer to a response, given its id.
        unix: Returns the time of day in unix seconds.
        on_item: Receives each new item of its conversation.
        on_idle: Called when a response has ended, and nothing follows by itself or waits for outputs.
    """

    def __init__(
        self,
        settings: Callable[[], Mapping[str, Any]],
        ids: Ids,
        pacing: Pacing,
        *,
        emit: Callable[[dict[str, Any]], None],
        after: Callable[[float, Callable[[], None]], None],
        ask: Callable[[str], None],
        unix: Callable[[], float],
        on_item: Callable[[dict[str, Any]], None],
        on_idle: Callable[[], None],
    ) -> None:
        self.items: list[dict[str, Any]] = []
        self._settings = settings
        self._ids = ids
        self._pacing = pacing
        self._emit = emit
        self._after = after
        self._ask = ask
        self._unix = unix
        self._on_item = on_item
        self._on_idle = on_idle
        self._last = self._new_id()
        self._cache_key = f"live:{ids.new('', 63)[1:].lower()}"
        self._user = f"user-{ids.new('', 24)[1:]}"
        self._current: _Response | None = None
        self._pending: dict[str, str] = {}
        self._requested = False

    @property
    def working(self) -> bool:
        """Whether a response is running or has been requested."""
        return self._requested or (self._current is not None and self._current.running)

    @property
    def waiting(self) -> bool:
        """Whether the client has not answered a call."""
        return bool(self._pending)

    def begin(self, delegation: str) -> str:
        """Begin a delegation's first response; return its id."""
        response = self._create(delegation)
        return response.id

    def started(self) -> None:
        """Send that the current response has begun."""
        if self._current is not None:
            for kind in ("created", "in_progress"):
                self._send(self._current, f"response.{kind}", response=self._snapshot(self._current))

    def add(self, item: Mapping[str, Any]) -> None:
        """Add an item to its input.

        Raises:
            ApiProblem: It is the output of an unknown call.
        """
        if item.get("type") in _OUTPUTS:
            if item.get("call_id") not in self._called():
                raise ApiProblem(
                    f"No tool call found for the output with call_id {item.get('call_id')}.",
                    code="invalid_value",
                    param="item.call_id",
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
        elif self._current is not None and self.items and self.items[-1].get("type") in _OUTPUTS:
            self._continue(self._current.delegation)
        else:
            delegate()

    def outputs_required(self) -> ApiProblem:
        """Return the refusal while outputs of calls are missing, with the calls' ids."""
        missing = ", ".join(self._pending)
        return ApiProblem(
            f"No tool output found for function call {missing}.", code="function_call_outputs_required"
        )

    def answers(self, response_id: str) -> bool:
        """Whether a request is for a response of the backend."""
        return self._current is not None and self._current.id == response_id

    def answer(self, response_id: str, actions: Sequence[Action]) -> Say | None:
        """Send the model's answer to a response.

        Args:
            response_id: The response.
            actions: The answer.

        Returns:
            The message to speak; None if there is none.
        """
        response = self._current
        if response is None or response.id != response_id or not response.running:
            return None
        said: Say | None = None
        for action in actions:
            if isinstance(action, Fail):
                self._fail(response, action)
                return None
            if isinstance(action, Think):
                response.reasoning += action.tokens
            elif isinstance(action, CallTool):
                self._call(response, action)
            elif isinstance(action, Output):
                self._put_out(response, action)
                if action.text:
                    said = Say(action.text if said is None else f"{said.text} {action.text}")
            elif isinstance(action, Say):
                self._say(response, action.text)
                said = action if said is None else Say(f"{said.text} {action.text}")
        self._after(_COMPLETES_SECONDS if self._pacing.speed else 0.0, lambda: self._complete(response))
        return None if self._pending else said

    def _create(self, delegation: str) -> _Response:
        self._current = _Response(self._new_id(), delegation, self._last, int(self._unix()))
        self._last = self._current.id
        return self._current

    def _continue(self, delegation: str) -> None:
        response = self._create(delegation)
        self.started()
        self._ask(response.id)

    def _complete(self, response: _Response) -> None:
        if not response.running:
            return
        response.running = False
        snapshot = self._snapshot(
            response, status="completed", service_tier="default", usage=self._usage(response)
        )
        self._send(response, "response.completed", response={**snapshot, "completed_at": int(self._unix())})
        if self._requested:
            self._requested = False
            self._continue(response.delegation)
        elif not self._pending:
            self._on_idle()

    def _fail(self, response: _Response, failure: Fail) -> None:
        response.running = self._requested = False
        error = {"code": failure.code, "message": failure.message}
        discarded = {call_id for call_id, asking in self._pending.items() if asking == response.id}
        self.items = [item for item in self.items if item.get("call_id") not in discarded]
        self._pending = {key: asking for key, asking in self._pending.items() if key not in discarded}
        self._send(
            response, "response.failed", response=self._snapshot(response, status="failed", error=error)
        )
        if not self._pending:
            self._on_idle()

    def _call(self, response: _Response, call: CallTool) -> None:
        call_id = self._ids.new("call", 24)
        item = {
            "id": self._ids.new("fc", 50),
            "type": "function_call",
            "status": "in_progress",
            "arguments": "",
            "call_id": call_id,
            "name": call.name,
        }
        place = self._add_item(response, item)
        at = {"item_id": item["id"], "output_index": place}
        for start in range(0, len(call.arguments), 16):
            delta = call.arguments[start : start + 16]
            self._send(
                response,
                "response.function_call_arguments.delta",
                delta=delta,
                obfuscation=self._ids.obfuscation(delta),
                **at,
            )
        self._send(response, "response.function_call_arguments.done", arguments=call.arguments, **at)
        self._end_item(response, {**item, "status": "completed", "arguments": call.arguments}, place)
        self._pending[call_id] = response.id

    def _say(self, response: _Response, text: str) -> None:
        item: dict[str, Any] = {
            "id": self._ids.new("msg", 50),
            "type": "message",
            "status": "in_progress",
            "content": [],
            "phase": "final_answer",
            "role": "assistant",
        }
        place = self._add_item(response, item)
        at = {"item_id": item["id"], "output_index": place, "content_index": 0}
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        self._send(response, "response.content_part.added", part=part, **at)
        for delta in pieces(text):
            padding = self._ids.obfuscation(delta)
            self._send(
                response, "response.output_text.delta", delta=delta, logprobs=[], obfuscation=padding, **at
            )
        self._send(response, "response.output_text.done", text=text, logprobs=[], **at)
        part = {**part, "text": text}
        self._send(response, "response.content_part.done", part=part, **at)
        self._end_item(response, {**item, "status": "completed", "content": [part]}, place)

    def _put_out(self, response: _Response, output: Output) -> None:
        """Send the events of an output item of another kind, with an id of its own."""
        place, item_id = response.items, ""
        response.items += 1
        for event in output.events:
            fields = {key: value for key, value in event.items() if key not in ("type", "sequence_number")}
            item = fields.get("item")
            if isinstance(item, Mapping) and "id" in item:
                item_id = item_id or self._ids.new(str(item["id"]).partition("_")[0], 50)
                fields["item"] = {**item, "id": item_id}
            if "item_id" in fields:
                fields["item_id"] = item_id
            if "output_index" in fields:
                fields["output_index"] = place
            if event["type"] == "response.output_item.done" and isinstance(fields.get("item"), Mapping):
                self._remember(dict(fields["item"]))
            self._send(response, event["type"], **fields)

    def _add_item(self, response: _Response, item: Mapping[str, Any]) -> int:
        place = response.items
        response.items += 1
        self._send(response, "response.output_item.added", item=item, output_index=place)
        return place

    def _end_item(self, response: _Response, item: dict[str, Any], place: int) -> None:
        self._remember(item)
        self._send(response, "response.output_item.done", item=item, output_index=place)

    def _remember(self, item: dict[str, Any]) -> None:
        self.items.append(item)
        self._on_item(item)

    def _called(self) -> set[str]:
        return {str(item["call_id"]) for item in self.items if item.get("type") == "function_call"}

    def _new_id(self) -> str:
        return self._ids.new("resp", 50)

    def _send(self, to: _Response, kind: str, **fields: Any) -> None:
        event = {"type": kind, **fields, "sequence_number": to.number}
        to.number += 1
        self._emit({"type": "response.event", "delegation_id": to.delegation, "event": event})

    def _usage(self, response: _Response) -> dict[str, Any]:
        def written(item: Mapping[str, Any]) -> int:
            parts = item.get("content") or ()
            texts = [str(part.get("text", "")) for part in parts if isinstance(part, Mapping)]
            return sum(
                map(text_tokens, [*texts, str(item.get("arguments", "")), str(item.get("output", ""))])
            )

        made = sum(map(written, self.items[-response.items :] if response.items else ())) + response.reasoning
        given = (
            sum(map(written, self.items))
            - made
            + text_tokens(str(self._settings().get("instructions") or ""))
        )
        given = max(0, given)
        return {
            "input_tokens": given,
            "input_tokens_details": {"cache_write_tokens": given, "cached_tokens": 0},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": response.reasoning},
            "total_tokens": given + made,
        }

    def _snapshot(self, response: _Response, **fields: Any) -> dict[str, Any]:
        settings = self._settings()
        reasoning = settings.get("reasoning") or {}
        snapshot = {
            "id": response.id,
            "object": "response",
            "created_at": response.created,
            "status": "in_progress",
            "background": False,
            "completed_at": None,
            "error": None,
            "frequency_penalty": 0.0,
            "incomplete_details": None,
            "instructions": None,
            "max_output_tokens": settings.get("max_output_tokens"),
            "max_tool_calls": None,
            "model": settings.get("model"),
            "moderation": None,
            "output": [],
            "parallel_tool_calls": settings.get("parallel_tool_calls", True),
            "presence_penalty": 0.0,
            "previous_response_id": response.previous,
            "prompt_cache_key": self._cache_key,
            "prompt_cache_retention": "24h",
            "reasoning": {
                "context": "all_turns",
                "effort": reasoning.get("effort", "medium"),
                "mode": "standard",
                "summary": reasoning.get("summary"),
            },
            "safety_identifier": None,
            "service_tier": settings.get("service_tier") or "auto",
            "store": True,
            "temperature": 1.0,
            "text": {
                "format": {"type": "text"},
                "verbosity": (settings.get("text") or {}).get("verbosity", "medium"),
            },
            "tool_choice": settings.get("tool_choice", "auto"),
            "tool_usage": {
                "image_gen": {
                    "input_tokens": 0,
                    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
                    "output_tokens": 0,
                    "output_tokens_details": {"image_tokens": 0, "text_tokens": 0},
                    "total_tokens": 0,
                },
                "web_search": {"num_requests": 0},
            },
            "tools": [],
            "top_logprobs": 0,
            "top_p": 0.98,
            "truncation": "disabled",
            "usage": None,
            "user": self._user,
            "metadata": {},
        }
        return {**snapshot, **fields}
