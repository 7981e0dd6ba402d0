"""What a fleet inserts into a call's conversation, to learn what is in it and to have functions repeated.

A sideband gets no history. But inserting an item shows which one it follows, and an item can be retrieved by
its id: so the last one is found.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realtime_ext.connection import AsyncConnection

ANSWER = 5.0  # seconds that the API has for each step, before all are tried again
# How the ids of the items begin: a probe shows what it follows, and is deleted again; after a note the model
# is asked to go on, and after a hint it waits for the user.
PROBE, NOTE, HINT = "fleet_probe_", "fleet_note_", "fleet_hint_"
TEXT = (
    "The tools were out of reach for a moment. If a function that you called has no output, and you have not "
    "repeated it since, call it again with the same arguments."
)


class Notes:
    """The items that one owner of a call inserts."""

    def __init__(self) -> None:
        self._own: set[str] = set()

    async def last_item(self, connection: AsyncConnection) -> tuple[str, Any]:
        """Insert a probe, and look what it follows.

        Probes of former owners at the end are removed, each once: deleting one may have no effect.

        Returns:
            The probe's id, and the item that it follows, or NOTE (a former owner's) or HINT if it is one.
        """
        removed: set[str] = set()
        while True:
            probe, last_id = await self.insert(connection, PROBE)
            if last_id is None or last_id in removed:
                return probe, None
            if last_id.startswith((NOTE, HINT)):
                is_own = last_id in self._own or last_id.startswith(HINT)
                return probe, HINT if is_own else NOTE
            if not last_id.startswith(PROBE):
                return probe, await _retrieve(connection, last_id)
            removed.add(last_id)
            for item_id in (last_id, probe):
                await connection.delete_item(item_id)

    async def insert(
        self, connection: AsyncConnection, kind: str, *, after: str | None = None
    ) -> tuple[str, str | None]:
        """Insert an item: PROBE, NOTE or HINT; return its id, and that of the item that it follows."""
        item_id = f"{kind}{uuid.uuid4().hex[: 32 - len(kind)]}"
        self._own.add(item_id)
        content = [{"type": "input_text", "text": TEXT}]
        item: Any = {"id": item_id, "type": "message", "role": "system", "content": content}
        with connection.expect(
            "conversation.item.added", where=lambda event: _id_of(event) == item_id
        ) as added:
            await connection.create_item(item, previous_item_id=after)
        return item_id, (await added.wait(ANSWER)).previous_item_id


async def _retrieve(connection: AsyncConnection, item_id: str) -> Any:
    with connection.expect(
        "conversation.item.retrieved", where=lambda event: _id_of(event) == item_id
    ) as retrieved:
        await connection.retrieve_item(item_id)
    return (await retrieved.wait(ANSWER)).item


def _id_of(event: Any) -> str | None:
    return getattr(event.item, "id", None)
