"""What builders take as a tool or as the choice of one, and what the API takes.

This module must not check a definition; that is the session's check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import SessionConfigError, SessionProblem
from ._forms import place
from ._given import SupportsToDict, plain

if TYPE_CHECKING:
    from ..tools import Toolbox

__all__ = ["Tool", "tool_choice", "tool_definition", "tool_definitions"]

Tool = Callable[..., Any] | Mapping[str, Any] | SupportsToDict


def tool_definition(tool: Tool, path: str) -> dict[str, Any]:
    """Return a tool as the API takes it.

    Args:
        tool: A function, a generated model or a dict.
        path: Where it will stand, for messages.

    Raises:
        SessionConfigError: The function can't be described under its name.
        TypeError: It is none of these, or can't be described.
    """
    if isinstance(tool, Mapping) or (hasattr(tool, "to_dict") and not isinstance(tool, type)):
        definition: dict[str, Any] = plain(tool)
        return definition
    from ..tools import function_tool

    if not callable(tool):
        raise TypeError(f"{path}: expected a function, a generated tool or a dict, got {type(tool).__name__}")
    try:
        return function_tool(tool).to_dict()
    except ValueError as error:
        name = getattr(tool, "__name__", None)
        message = f"{path}: {error}"
        raise SessionConfigError([SessionProblem(f"{path}.name", name, None, message)]) from error


def tool_definitions(tools: Toolbox | Iterable[Tool]) -> list[dict[str, Any]]:
    """Return several tools as the API takes them; raises as `tool_definition` does."""
    listed: Any = getattr(tools, "definitions", tools)
    if isinstance(listed, str | Mapping) or not isinstance(listed, Iterable):
        raise TypeError(f"tools: expected a toolbox or several tools, got {type(tools).__name__}")
    return [tool_definition(tool, f"tools[{index}]") for index, tool in enumerate(listed)]


def tool_choice(choice: Any, mcp: str | None, name: str | None) -> Any:
    """Return a choice as the API takes it.

    Args:
        choice: A policy, a function, its name, or the API's own object.
        mcp: An MCP server's label.
        name: A tool of that server.

    Raises:
        TypeError: Neither or both of `choice` and `mcp` are given.
    """
    if (choice is None) == (mcp is None) or (name is not None and mcp is None):
        raise TypeError("tool_choice: expected either a choice, or mcp= with a name= if wanted")
    if mcp is not None:
        return {"type": "mcp", "server_label": mcp, **({} if name is None else {"name": name})}
    if isinstance(choice, str):
        policies = place("ToolChoiceOptions").allowed
        return choice if choice in policies else {"type": "function", "name": choice}
    if isinstance(choice, Mapping) or hasattr(choice, "to_dict") or not callable(choice):
        return choice
    return {"type": "function", "name": getattr(choice, "__name__", type(choice).__name__)}
