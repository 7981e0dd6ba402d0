"""What the model answers unless told otherwise: it repeats what was said, and calls tools that are named."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from realtime_simulator.engine.turn import Action, CallTool, Say, Turn
from realtime_simulator.scenario.arguments import fitting

MAX_OUTPUT = 500
"""Characters of a tool's output that are repeated."""
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def default(turn: Turn) -> Action:
    """Answer what was said.

    If the user's words name one of the tools, it is called, with arguments that fit its schema; once the
    output is in, a message says so. `tool_choice` is heeded.

    Args:
        turn: The turn.
    """
    recent = since_user(turn)
    called = [item["name"] for item in recent if item.get("type") == "function_call"]
    tool = next((tool for tool in _wanted(turn) if tool["name"] not in called), None)
    if tool is not None:
        arguments = fitting(tool.get("parameters") or {}, turn.text)
        return CallTool(tool["name"], json.dumps(arguments, ensure_ascii=False))
    outputs = list(_outputs(turn, recent))
    if outputs:
        return Say(" ".join(f"{name} answered: {output}" for name, output in outputs))
    if turn.text:
        return Say(f"You said: {turn.text}")
    return Say("Hello, this is the simulator speaking. How can I help you?")


def since_user(turn: Turn) -> Sequence[Mapping[str, Any]]:
    """Return the items that came after the user's last message."""
    places = [number for number, item in enumerate(turn.items) if item.get("role") == "user"]
    return turn.items[places[-1] + 1 :] if places else turn.items


def _wanted(turn: Turn) -> list[Mapping[str, Any]]:
    """The tools to call: those that are named, or the one that has to be used."""
    tools = [tool for tool in turn.tools if tool.get("type", "function") == "function" and "name" in tool]
    choice = turn.response.get("tool_choice") or turn.session.get("tool_choice", "auto")
    if choice == "none":
        return []
    if isinstance(choice, Mapping):
        return [tool for tool in tools if tool["name"] == choice.get("name")]
    named = [tool for tool in tools if _is_named(tool["name"], turn.text)]
    return tools[:1] if choice == "required" and not named else named


def _is_named(name: str, text: str) -> bool:
    """Whether a text has a tool's name, as it is or in words: `book_room`, `bookRoom`, "book room"."""
    words = [re.escape(word) for word in _PARTS.findall(name)] or [re.escape(name)]
    pattern = r"(?<![A-Za-z0-9])" + r"[\s_\-]*".join(words) + r"(?![A-Za-z0-9])"
    return re.search(pattern, text, re.IGNORECASE) is not None


def _outputs(turn: Turn, recent: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    names = {item.get("call_id"): str(item.get("name")) for item in turn.items if "name" in item}
    for item in recent:
        if item.get("type") == "function_call_output":
            output = str(item.get("output", ""))
            shown = output if len(output) <= MAX_OUTPUT else output[:MAX_OUTPUT] + "…"
            yield names.get(item.get("call_id"), "The tool"), shown
