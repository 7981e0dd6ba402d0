"""Rules that a schema can't say: about several fields at once, or about what a session would do later.

A rule about fields that an update leaves out says nothing of the update; it is asked again of the merged
session. This module must not know limits; those are the schema's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ..errors import SessionProblem
from ._models import reasons
from ._problem import ABSENT, problem, refusal, shown

__all__ = ["Subject", "find_problems", "find_warnings"]

_LOCATIONS = ("server_url", "connector_id", "tunnel_id")


@attrs.frozen
class Subject:
    """What rules are asked about.

    Args:
        session: The session, of any shape; what a rule can't read is the schema's to refuse.
        is_partial: Whether what is absent may be set elsewhere, as in an update.
        model: The model that serves it, from the session or from where it is opened; None if nobody said.
    """

    session: dict[str, Any]
    is_partial: bool
    model: str | None

    @property
    def tools(self) -> list[tuple[int, dict[str, Any]]]:
        """The tools that can be read, with their places in the list."""
        tools = self.session.get("tools")
        if not isinstance(tools, list):
            return []
        return [(index, tool) for index, tool in enumerate(tools) if isinstance(tool, dict)]


def find_problems(subject: Subject) -> list[SessionProblem]:
    """Ask every rule.

    Args:
        subject: The session.

    Returns:
        What the rules refuse, rule by rule.
    """
    return [found for rule in _RULES for found in rule(subject)]


def find_warnings(subject: Subject) -> list[str]:
    """Return what can't be known: whether a model that isn't known has what is asked of it."""
    session, model = subject.session, subject.model
    if model is None or reasons(model) is not None:
        return []
    asked = [
        field for field in ("parallel_tool_calls", "reasoning") if session.get(field) not in (None, False)
    ]
    return [f"{field}: only reasoning models have it, and {model!r} is not known" for field in asked]


def _one_modality(subject: Subject) -> Iterator[SessionProblem]:
    """Text and audio exclude each other; audio comes with its transcript anyway."""
    modalities = subject.session.get("output_modalities")
    if isinstance(modalities, list) and "text" in modalities and "audio" in modalities:
        yield problem(
            "output_modalities",
            modalities,
            (["audio"], ["text"]),
            "['audio'] or ['text'], which exclude each other",
            hint="audio comes with its transcript",
        )


def _reasoning(subject: Subject) -> Iterator[SessionProblem]:
    """Parallel tool calls and reasoning settings are for reasoning models."""
    if subject.model is None or reasons(subject.model) is not False:
        return
    for field, what in (("parallel_tool_calls", "parallel tool calls"), ("reasoning", "reasoning settings")):
        value = subject.session.get(field)
        if value not in (None, False):
            yield refusal(
                field, value, None, f"{subject.model!r} has no {what}", hint="reasoning models have"
            )


def _tool_names(subject: Subject) -> Iterator[SessionProblem]:
    """Every function has a name, every MCP server a place, and none shares its name or label."""
    seen: dict[tuple[str, str], int] = {}
    for index, tool in subject.tools:
        at = f"tools[{index}]"
        kind = tool.get("type", "function")  # it may be left out of a function
        if kind not in ("function", "mcp"):
            continue
        is_mcp = kind == "mcp"
        if is_mcp and all(tool.get(name) is None for name in _LOCATIONS):
            words = " or ".join((", ".join(_LOCATIONS[:-1]), _LOCATIONS[-1]))
            yield problem(f"{at}.server_url", ABSENT, words, words, hint="an MCP server needs a place")
        key = "server_label" if is_mcp else "name"
        name = tool.get(key)
        if name is None and not is_mcp:
            yield problem(f"{at}.name", ABSENT, "a name", "a name", hint="the model calls a function by it")
        if not isinstance(name, str):
            continue
        first = seen.setdefault((key, name), index)
        if first != index:
            yield problem(
                f"{at}.{key}", name, "one that is not taken", f"one that tools[{first}] doesn't have"
            )


def _forced_tool(subject: Subject) -> Iterator[SessionProblem]:
    """A tool that the model is forced to call is one that the session has."""
    session = subject.session
    choice = session.get("tool_choice")
    # A stored prompt may bring tools along; an update may leave them as they are.
    elsewhere = subject.is_partial or session.get("prompt") is not None
    if not isinstance(choice, dict) or ("tools" not in session and elsewhere):
        return
    kind = choice.get("type")
    key = {"function": "name", "mcp": "server_label"}.get(kind) if isinstance(kind, str) else None
    wanted = choice.get(key) if key else None
    if key is None or not isinstance(wanted, str):
        return
    known = {
        tool[key]: tool
        for _, tool in subject.tools
        if tool.get("type", "function") == kind and isinstance(tool.get(key), str)
    }
    if wanted not in known:
        words = _one_of("tools", tuple(known))
        yield problem(f"tool_choice.{key}", wanted, tuple(known), words)
        return
    allowed, name = known[wanted].get("allowed_tools"), choice.get("name")
    if isinstance(allowed, dict):
        allowed = allowed.get("tool_names")
    if kind == "mcp" and isinstance(name, str) and isinstance(allowed, list) and name not in allowed:
        words = _one_of(f"the allowed tools of {wanted!r}", tuple(allowed))
        yield problem("tool_choice.name", name, tuple(allowed), words)


def _one_of(what: str, names: tuple[Any, ...]) -> str:
    return f"one of {what} ({', '.join(map(shown, names)) or 'there are none'})"


Rule = Callable[[Subject], Iterator[SessionProblem]]
_RULES: tuple[Rule, ...] = (_one_modality, _tool_names, _forced_tool, _reasoning)
