"""What a scenario sees when the model has to answer, and what it can answer with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from realtime_ext.simulator.media.speech import Speech


@attrs.frozen(kw_only=True)
class Turn:
    """The conversation at the moment when a response is asked for.

    Args:
        text: What the user said or wrote last; `""` when the conversation is empty.
        items: The conversation's items, oldest first, as the API shows them, without audio.
        session: The session's configuration, as `session.updated` shows it.
        response: The `response` object of `response.create`; empty when the server began the response.
        tools: The tools that this response may use.
        modalities: `["audio"]` or `["text"]`.
        voice: The voice that speaks.
        speed: How fast it speaks, 0.25 to 1.5; 1 is normal.
    """

    text: str
    items: Sequence[Mapping[str, Any]]
    session: Mapping[str, Any]
    response: Mapping[str, Any]
    tools: Sequence[Mapping[str, Any]]
    modalities: Sequence[str] = ("audio",)
    voice: str = "alloy"
    speed: float = 1.0


@attrs.frozen
class Say:
    """A message: spoken, or written if the response's output is text.

    Args:
        text: What is said.
        speech: Its sound; None until somebody has synthesized it, and for text output.
    """

    text: str
    speech: Speech | None = attrs.field(default=None, repr=False)


@attrs.frozen
class CallTool:
    """A function call.

    Args:
        name: The tool's name.
        arguments: The arguments as JSON text.
    """

    name: str
    arguments: str


@attrs.frozen
class Fail:
    """A response that ends with status `failed`.

    Args:
        code: The error's code in `status_details`.
        message: What went wrong, for people.
    """

    code: str = "server_error"
    message: str = "The model could not answer."


Action = Say | CallTool | Fail


def say(text: str) -> Say:
    """Return an answer that says `text`."""
    return Say(text)


def call_tool(name: str, arguments: Mapping[str, Any] | str | None = None) -> CallTool:
    """Return an answer that calls a tool.

    Args:
        name: The tool's name.
        arguments: A mapping, JSON text as it is (also broken, to test a client with), or None for `{}`.
    """
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments or {})
    return CallTool(name, arguments)
