"""One response of the backend of a Live session, in the nested events of the Responses API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._core.ids import Ids
from realtime_simulator._engine.plan import pieces
from realtime_simulator._engine.turn import CallMcp, CallTool, Fail, Output
from realtime_simulator._engine.usage import text_tokens
from realtime_simulator._live.shared import Shared


@attrs.frozen
class Account:
    """What all responses of a session show of who asks for them.

    Args:
        cache_key: The key under which prompts are cached.
        user: The user's id.
    """

    cache_key: str
    user: str

    @classmethod
    def new(cls, ids: Ids) -> Account:
        """Return that of a new session."""
        return cls(f"live:{ids.new('', 63)[1:].lower()}", f"user-{ids.new('', 24)[1:]}")


@attrs.define(eq=False, kw_only=True)
class BackendResponse:
    """A response of the backend.

    Args:
        id: Its id.
        delegation: The id of the delegation that it belongs to.
        previous: The id of the response before it.
        shared: The session's shared state.
        account: Who asks for it.
        remember: Adds an item to the backend's conversation.
        running: Whether it has not ended.
        reasoning: Tokens of reasoning.
    """

    id: str
    delegation: str
    running: bool = True
    reasoning: int = 0
    _previous: str
    _shared: Shared
    _account: Account
    _remember: Callable[[dict[str, Any]], None]
    _created: int = attrs.field(
        init=False, default=attrs.Factory(lambda self: int(self._shared.unix()), takes_self=True)
    )
    _number: int = attrs.field(init=False, default=0)
    _made: int = attrs.field(init=False, default=0)

    def start(self) -> None:
        """Send that it has begun."""
        for kind in ("created", "in_progress"):
            self._send(f"response.{kind}", response=self._snapshot())

    def complete(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Send that it is complete.

        Args:
            items: The backend's conversation, which ends with its output.
        """
        self.running = False
        snapshot = self._snapshot(status="completed", service_tier="default", usage=self._usage(items))
        self._send("response.completed", response={**snapshot, "completed_at": int(self._shared.unix())})

    def fail(self, failure: Fail) -> None:
        """Send that it has failed."""
        self.running = False
        error = {"code": failure.code, "message": failure.message}
        self._send("response.failed", response=self._snapshot(status="failed", error=error))

    def call(self, call: CallTool) -> str:
        """Call a function; return the call's id."""
        call_id = self._shared.ids.new("call", 24)
        item = {
            "id": self._shared.ids.new("fc", 50),
            "type": "function_call",
            "status": "in_progress",
            "arguments": "",
            "call_id": call_id,
            "name": call.name,
        }
        place = self._add_item(item)
        self._send_arguments("function_call", call.arguments, item_id=item["id"], output_index=place)
        self._end_item({**item, "status": "completed", "arguments": call.arguments}, place)
        return call_id

    def ask_approval(self, call: CallMcp) -> str:
        """Request the client's approval of a call of an MCP server's tool; return the request's id."""
        item = {
            "id": self._shared.ids.new("mcpr", 50),
            "type": "mcp_approval_request",
            "arguments": call.arguments,
            "name": call.name,
            "server_label": call.server_label,
        }
        self._end_item(item, self._add_item(item))
        return str(item["id"])

    def call_mcp(self, call: CallMcp) -> None:
        """Call a tool of an MCP server's."""
        item = {
            "id": self._shared.ids.new("mcp", 50),
            "type": "mcp_call",
            "status": "in_progress",
            "approval_request_id": call.approval_request_id,
            "arguments": "",
            "error": None,
            "name": call.name,
            "output": None,
            "server_label": call.server_label,
        }
        place = self._add_item(item)
        at = {"item_id": item["id"], "output_index": place}
        self._send("response.mcp_call.in_progress", **at)
        self._send_arguments("mcp_call", call.arguments, **at)
        outcome = "completed" if call.error is None else "failed"
        self._send(f"response.mcp_call.{outcome}", **at)
        result = {"output": call.output} if call.error is None else {"error": call.error}
        self._end_item({**item, "status": outcome, "arguments": call.arguments, **result}, place)

    def say(self, text: str) -> None:
        """Write a message."""
        item: dict[str, Any] = {
            "id": self._shared.ids.new("msg", 50),
            "type": "message",
            "status": "in_progress",
            "content": [],
            "phase": "final_answer",
            "role": "assistant",
        }
        place = self._add_item(item)
        at = {"item_id": item["id"], "output_index": place, "content_index": 0}
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        self._send("response.content_part.added", part=part, **at)
        for delta in pieces(text):
            padding = self._shared.ids.obfuscation(delta)
            self._send("response.output_text.delta", delta=delta, logprobs=[], obfuscation=padding, **at)
        self._send("response.output_text.done", text=text, logprobs=[], **at)
        part = {**part, "text": text}
        self._send("response.content_part.done", part=part, **at)
        self._end_item({**item, "status": "completed", "content": [part]}, place)

    def put_out(self, output: Output) -> None:
        """Send the events of an output item of another kind, with an id of its own."""
        place, item_id = self._made, ""
        self._made += 1
        for event in output.events:
            fields = {key: value for key, value in event.items() if key not in ("type", "sequence_number")}
            item = fields.get("item")
            if isinstance(item, Mapping) and "id" in item:
                item_id = item_id or self._shared.ids.new(str(item["id"]).partition("_")[0], 50)
                fields["item"] = {**item, "id": item_id}
            if "item_id" in fields:
                fields["item_id"] = item_id
            if "output_index" in fields:
                fields["output_index"] = place
            if event["type"] == "response.output_item.done" and isinstance(fields.get("item"), Mapping):
                self._remember(dict(fields["item"]))
            self._send(event["type"], **fields)

    def _add_item(self, item: Mapping[str, Any]) -> int:
        place = self._made
        self._made += 1
        self._send("response.output_item.added", item=item, output_index=place)
        return place

    def _send_arguments(self, kind: str, arguments: str, **at: Any) -> None:
        for start in range(0, len(arguments), 16):
            delta = arguments[start : start + 16]
            padding = self._shared.ids.obfuscation(delta)
            self._send(f"response.{kind}_arguments.delta", delta=delta, obfuscation=padding, **at)
        self._send(f"response.{kind}_arguments.done", arguments=arguments, **at)

    def _end_item(self, item: dict[str, Any], place: int) -> None:
        self._remember(item)
        self._send("response.output_item.done", item=item, output_index=place)

    def _send(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, **fields, "sequence_number": self._number}
        self._number += 1
        self._shared.emit({"type": "response.event", "delegation_id": self.delegation, "event": event})

    def _usage(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        made = sum(map(_tokens, items[-self._made :] if self._made else ())) + self.reasoning
        instructions = str(self._shared.config.backend.get("instructions") or "")
        given = max(0, sum(map(_tokens, items)) - made + text_tokens(instructions))
        return responses_usage(given, made, cache_write=given, reasoning=self.reasoning)

    def _snapshot(self, **fields: Any) -> dict[str, Any]:
        settings = self._shared.config.backend
        reasoning = settings.get("reasoning") or {}
        snapshot = {
            "id": self.id,
            "object": "response",
            "created_at": self._created,
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
            "previous_response_id": self._previous,
            "prompt_cache_key": self._account.cache_key,
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
            "user": self._account.user,
            "metadata": {},
        }
        return {**snapshot, **fields}


def responses_usage(given: int, made: int, *, cache_write: int = 0, reasoning: int = 0) -> dict[str, Any]:
    """Return a `usage` object of the Responses API.

    Args:
        given: The tokens of the input.
        made: Those of the output.
        cache_write: Those of the input that are written to the cache.
        reasoning: Those of the output that were spent on reasoning.
    """
    return {
        "input_tokens": given,
        "input_tokens_details": {"cache_write_tokens": cache_write, "cached_tokens": 0},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": given + made,
    }


def _tokens(item: Mapping[str, Any]) -> int:
    """Return the tokens of an item of the backend's conversation."""
    parts = item.get("content") or ()
    texts = [str(part.get("text", "")) for part in parts if isinstance(part, Mapping)]
    return sum(map(text_tokens, [*texts, str(item.get("arguments", "")), str(item.get("output", ""))]))
