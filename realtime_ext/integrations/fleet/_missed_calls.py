"""Function calls that the model made while no worker was attached to the call.

A sideband gets no history. But inserting an item shows which one it follows, and an item can be retrieved
by its id: so a function call without an output is found, since the model waits behind it.
"""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

from ...errors import RealtimeError

if TYPE_CHECKING:
    from ...connection import AsyncConnection
    from ...tools import Toolbox

logger: logging.Logger = logging.getLogger("realtime_ext.fleet")

ANSWER = 5.0  # seconds that the API has for each step
NOTE = (
    "The tools were out of reach for a moment. If a function that you called has no output, "
    "call it again with the same arguments."
)


async def answer_missed(connection: AsyncConnection, toolbox: Toolbox) -> None:
    """Answer a function call that came while no worker was attached, if there is one.

    The model is told to make again any other call without an output; where no function was called last, the
    conversation stays as it was.

    Args:
        connection: A new sideband of the call.
        toolbox: What runs the tools.
    """
    try:
        await _answer(connection, toolbox)
    except RealtimeError as error:
        logger.warning("%s: missed function calls were not looked for: %s", connection.call_id, error)


async def _answer(connection: AsyncConnection, toolbox: Toolbox) -> None:
    from ...tools import ToolContext

    note: str = f"note_{uuid.uuid4().hex[:24]}"
    ended: set[str | None] = set()  # what ends from now on is the connection's to answer

    def id_of(event: Any) -> str | None:
        return getattr(event.item, "id", None)

    def count(event: Any) -> bool:
        ended.add(id_of(event))
        return False

    connection.expect("response.output_item.done", where=count)
    with connection.expect("conversation.item.added", where=lambda event: id_of(event) == note) as added:
        await connection.create_item(
            {
                "id": note,
                "type": "message",
                "role": "system",
                "content": [{"type": "input_text", "text": NOTE}],
            }
        )
    last_id = (await added.wait(ANSWER)).previous_item_id
    item: Any = None
    if last_id:
        with connection.expect(
            "conversation.item.retrieved", where=lambda event: id_of(event) == last_id
        ) as retrieved:
            await connection.retrieve_item(last_id)
        item = (await retrieved.wait(ANSWER)).item
    kind = getattr(item, "type", None)
    if kind not in ("function_call", "function_call_output"):
        await connection.delete_item(note)
        return
    if kind == "function_call" and last_id not in ended:
        context: ToolContext[Any] = ToolContext(connection, item.call_id, toolbox.state)
        result = await toolbox.arun(item.name, item.arguments, context=context)
        await connection.create_item(
            {"type": "function_call_output", "call_id": item.call_id, "output": result.output}
        )
        if not result.silent:
            await connection.create_response()
