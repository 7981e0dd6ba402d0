"""A small MCP server: the tools `echo`, `add` and `fail`, which the default model calls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._engine.turn import CallMcp
from realtime_simulator._scenario.tool_arguments import fitting


def _schema(**types: str) -> dict[str, Any]:
    properties = {name: {"type": type} for name, type in types.items()}
    return {"type": "object", "properties": properties, "required": list(types)}


TOOLS: Sequence[Mapping[str, Any]] = (
    {"name": "echo", "description": "Return the text.", "input_schema": _schema(text="string")},
    {"name": "add", "description": "Add two numbers.", "input_schema": _schema(a="number", b="number")},
    {"name": "fail", "description": "Fail with a message.", "input_schema": _schema(message="string")},
)
"""The tools as `mcp_list_tools` lists them."""


def call(server_label: str, name: str, text: str) -> CallMcp:
    """Return a call of one of the tools, with its result.

    Args:
        server_label: The session's name of the server.
        name: The tool.
        text: The user's words, which the arguments are taken from.
    """
    tool = next(tool for tool in TOOLS if tool["name"] == name)
    given = fitting(tool["input_schema"], text)
    arguments = json.dumps(given, ensure_ascii=False)
    made = CallMcp(server_label=server_label, name=name, arguments=arguments)
    if name == "fail":
        return attrs.evolve(made, error=str(given["message"]))
    return attrs.evolve(made, output=given["text"] if name == "echo" else f"{given['a'] + given['b']:g}")
