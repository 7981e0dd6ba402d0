"""A caller whose words come from a chat model: it has a goal, and plays until that is reached or a limit."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

from realtime_simulator._engine.turn import Action, CallTool, Say, Turn
from realtime_simulator._rehearsal.conversation import Moment
from realtime_simulator._scenario import remote
from realtime_simulator._scenario.rules import Answer, Scenario, actions

_PROMPT = """\
You play a person who calls a telephone service; the user's messages are what you hear. Your goal: {goal}
Answer as that person speaks on the telephone: one or two short sentences, words only, never as an assistant.
Press keys only if you are asked to. When the goal is reached, or cannot be, say good bye and hang up."""
_TOOLS: Sequence[dict[str, Any]] = (
    {
        "type": "function",
        "name": "hang_up",
        "description": "End the call.",
        "parameters": {"type": "object", "properties": {}},
    },
    {
        "type": "function",
        "name": "press_keys",
        "description": "Press keys of the telephone.",
        "parameters": {
            "type": "object",
            "properties": {"keys": {"type": "string", "description": "0 to 9, * and #"}},
            "required": ["keys"],
        },
    },
)
_SILENCE = "(silence)"
_players: Counter[asyncio.AbstractEventLoop] = Counter()


@contextlib.asynccontextmanager
async def playing() -> AsyncIterator[None]:
    """Keep the connections to chat models while anyone in the running event loop plays."""
    loop = asyncio.get_running_loop()
    _players[loop] += 1
    try:
        yield
    finally:
        _players[loop] -= 1
        if not _players[loop]:
            del _players[loop]
            await remote.close()


async def next_acts(brain: Scenario, goal: str, moments: Sequence[Moment]) -> Sequence[Action]:
    """Return what a caller says and does next.

    Args:
        brain: What decides: `brain_at(…)`, or a function of the turn as `on_response` accepts.
        goal: What the caller wants.
        moments: The call so far.

    Returns:
        Words (`Say`), and calls of the tools `hang_up` and `press_keys`.

    Raises:
        RemoteError: The chat model can't be reached.
        TypeError: The brain returns something else.
    """
    items = [
        _message("user" if one.who == "app" else "assistant", one.text)
        for one in moments
        if one.who in ("app", "caller") and one.text
    ]
    if not items or items[-1]["role"] == "assistant":
        items.append(_message("user", _SILENCE))
    turn = Turn(
        text=str(items[-1]["content"][0]["text"]),
        items=items,
        session={"instructions": _PROMPT.format(goal=goal)},
        response={},
        tools=_TOOLS,
        modalities=("text",),
    )
    made = brain(turn)
    answer: Any = await made if inspect.isawaitable(made) else made
    if isinstance(answer, AsyncIterator):
        answer = [part async for part in answer]
    return _joined(answer or [])


def pressed(act: CallTool) -> str:
    """Return the keys that a call of `press_keys` names; `#` if it names none."""
    try:
        keys = json.loads(act.arguments)["keys"]
    except (ValueError, LookupError, TypeError):
        keys = ""
    return "".join(key for key in str(keys).upper() if key in "0123456789*#ABCD")[:64] or "#"


def _message(role: str, text: str) -> dict[str, Any]:
    kind = "input_text" if role == "user" else "output_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def _joined(answer: Answer) -> Sequence[Action]:
    """Return an answer whose pieces of text are one."""
    found = actions(answer)
    text = "".join(one.text for one in found if isinstance(one, Say)).strip()
    said: list[Action] = [Say(text)] if text else []
    return [*said, *(one for one in found if isinstance(one, CallTool))]
