"""MCP servers in a session: their tools are listed, calls of them wait for approval. No server is ever asked;
what they answer is scripted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

from realtime_simulator.engine.config import REALTIME, SessionConfig
from realtime_simulator.engine.conversation import Conversation, Item
from realtime_simulator.engine.effects import Effect, ToolsNeeded
from realtime_simulator.engine.ids import Ids
from realtime_simulator.engine.turn import Action, CallMcp
from realtime_simulator.problem import ApiProblem


class Owner(Protocol):
    """What MCP needs of its session."""

    config: SessionConfig
    conversation: Conversation
    ids: Ids

    def emit(self, event: dict[str, Any]) -> None: ...
    def effect(self, effect: Effect) -> None: ...


class Mcp:
    """The MCP servers of a session.

    Args:
        owner: The session.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._listed: set[str] = set()
        self._held: dict[str, Sequence[Action]] = {}

    def configure(self) -> None:
        """List the tools of servers that are new in the session."""
        if self._owner.config.kind != REALTIME:
            return
        for tool in self._owner.config["tools"]:
            label = tool.get("server_label")
            if tool["type"] == "mcp" and label not in self._listed:
                self._listed.add(label)
                self._list(label, _allowed(tool.get("allowed_tools")))

    def _list(self, label: str, allowed: Sequence[str]) -> None:
        owner = self._owner
        data = {"type": "mcp_list_tools", "id": owner.ids.new("mcpl"), "server_label": label, "tools": []}
        item = Item(data)
        previous = owner.conversation.insert(item)
        owner.emit({"type": "conversation.item.added", "previous_item_id": previous, "item": item.view()})
        owner.emit({"type": "mcp_list_tools.in_progress", "item_id": item.id})
        owner.effect(ToolsNeeded(item.id, label, allowed))

    def listed(self, item_id: str, tools: Sequence[Mapping[str, Any]] | None) -> None:
        """Take a server's tools.

        Args:
            item_id: The `mcp_list_tools` item; ignored if it is gone.
            tools: The tools; None if the server couldn't be asked.
        """
        owner = self._owner
        item = owner.conversation.find(item_id)
        if item is None:
            return
        item.data["tools"] = [dict(tool) for tool in tools or ()]
        outcome = "failed" if tools is None else "completed"
        owner.emit({"type": f"mcp_list_tools.{outcome}", "item_id": item_id})
        previous = owner.conversation.previous_id(item)
        owner.emit({"type": "conversation.item.done", "previous_item_id": previous, "item": item.view()})

    # Approval

    def needs_approval(self, call: CallMcp) -> bool:
        """Whether the session wants to be asked before this call."""
        if call.approval_request_id is not None:
            return False
        for tool in self._owner.config["tools"]:
            if tool.get("server_label") == call.server_label:
                return _asks(tool.get("require_approval") or "always", call.name)
        return True

    def hold(self, request_id: str, actions: Sequence[Action]) -> None:
        """Keep what follows an approval: the call itself and the rest of the answer."""
        first, *rest = actions
        assert isinstance(first, CallMcp)
        self._held[request_id] = [attrs.evolve(first, approval_request_id=request_id), *rest]

    def check(self, item: Mapping[str, Any]) -> None:
        """Refuse an approval of something that nobody asked for.

        Raises:
            ApiProblem: There is no such request, or it has been answered.
        """
        if item["type"] == "mcp_approval_response" and item["approval_request_id"] not in self._held:
            raise ApiProblem(
                f"No approval request with id '{item['approval_request_id'][:80]}' waits for an answer.",
                code="invalid_value",
                param="item.approval_request_id",
            )

    def answered(self, item: Mapping[str, Any]) -> Sequence[Action]:
        """Return what an approval sets going; nothing if it was a refusal, or another kind of item."""
        if item["type"] != "mcp_approval_response":
            return ()
        actions = self._held.pop(item["approval_request_id"])
        return actions if item["approve"] else ()


def _allowed(tools: Any) -> Sequence[str]:
    return tuple(tools if isinstance(tools, list) else (tools or {}).get("tool_names", ()))


def _asks(rule: Any, name: str) -> bool:
    if isinstance(rule, str):
        return rule == "always"
    return name not in (rule.get("never") or {}).get("tool_names", ())
