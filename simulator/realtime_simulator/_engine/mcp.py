"""MCP servers in a session: listing their tools, and calls that wait for approval. No server is
ever contacted; their answers are scripted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._core.problem import ApiProblem, invalid_value
from realtime_simulator._engine.config import REALTIME
from realtime_simulator._engine.conversation import Item
from realtime_simulator._engine.effects import ToolsNeeded
from realtime_simulator._engine.shared import Shared
from realtime_simulator._engine.turn import Action, CallMcp

APPROVAL = "mcp_approval_response"


class Approvals:
    """Calls of MCP servers' tools that wait for the client's approval, with what follows them."""

    def __init__(self) -> None:
        self._held: dict[str, Sequence[Action]] = {}

    @staticmethod
    def needed(call: CallMcp, tools: Iterable[Mapping[str, Any]]) -> bool:
        """Return whether a session with these tools requires approval of a call."""
        if call.approval_request_id is not None:
            return False
        for tool in tools:
            if tool.get("server_label") == call.server_label:
                return _asks(tool.get("require_approval") or "always", call.name)
        return True

    def hold(self, request_id: str, actions: Sequence[Action]) -> None:
        """Hold the actions that follow an approval: the call itself and the rest of the answer."""
        first, *rest = actions
        assert isinstance(first, CallMcp)
        self._held[request_id] = [attrs.evolve(first, approval_request_id=request_id), *rest]

    def check(self, item: Mapping[str, Any]) -> None:
        """Refuse an approval without a request.

        Raises:
            ApiProblem: The request does not exist, or has been answered; or the answer is neither yes nor no.
        """
        if item.get("type") != APPROVAL:
            return
        request_id = item.get("approval_request_id")
        if not isinstance(request_id, str) or request_id not in self._held:
            raise invalid_value(
                f"No approval request with id '{str(request_id)[:80]}' waits for an answer.",
                "item.approval_request_id",
            )
        if not isinstance(item.get("approve"), bool):
            raise ApiProblem("Expected true or false.", code="invalid_type", param="item.approve")

    def answered(self, item: Mapping[str, Any]) -> Sequence[Action]:
        """Return the actions that an approval permits; none for a refusal or another kind of item."""
        if item.get("type") != APPROVAL:
            return ()
        actions = self._held.pop(item["approval_request_id"])
        return actions if item["approve"] else ()


class Mcp:
    """The MCP servers of a session.

    Args:
        shared: The session's shared state.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._listed: set[str] = set()
        self.approvals = Approvals()

    def configure(self) -> None:
        """List the tools of servers that are new in the session."""
        if self._shared.config.kind != REALTIME:
            return
        for tool in self._shared.config["tools"]:
            label = tool.get("server_label")
            if tool.get("type") == "mcp" and label not in self._listed:
                self._listed.add(label)
                self._list(label, _allowed(tool.get("allowed_tools")))

    def _list(self, label: str, allowed: Sequence[str]) -> None:
        shared = self._shared
        data = {"type": "mcp_list_tools", "id": shared.ids.new("mcpl"), "server_label": label, "tools": []}
        item = Item(data)
        previous = shared.conversation.insert(item)
        shared.emit({"type": "conversation.item.added", "previous_item_id": previous, "item": item.view()})
        shared.emit({"type": "mcp_list_tools.in_progress", "item_id": item.id})
        shared.effect(ToolsNeeded(item.id, label, allowed))

    def listed(self, item_id: str, tools: Sequence[Mapping[str, Any]] | None) -> None:
        """Process the tools of a server.

        Args:
            item_id: The `mcp_list_tools` item; ignored if it was deleted.
            tools: The tools; None if the server couldn't be reached.
        """
        shared = self._shared
        item = shared.conversation.find(item_id)
        if item is None:
            return
        item.data["tools"] = [dict(tool) for tool in tools or ()]
        outcome = "failed" if tools is None else "completed"
        shared.emit({"type": f"mcp_list_tools.{outcome}", "item_id": item_id})
        previous = shared.conversation.previous_when_done(item)
        shared.emit({"type": "conversation.item.done", "previous_item_id": previous, "item": item.view()})

    def needs_approval(self, call: CallMcp) -> bool:
        """Return whether the session requires approval of this call."""
        return self.approvals.needed(call, self._shared.config["tools"])


def _allowed(tools: Any) -> Sequence[str]:
    return tuple(tools if isinstance(tools, list) else (tools or {}).get("tool_names", ()))


def _asks(rule: Any, name: str) -> bool:
    if isinstance(rule, str):
        return rule == "always"
    return name not in (rule.get("never") or {}).get("tool_names", ())
