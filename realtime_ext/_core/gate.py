"""Checks before a connection sends: a program may have lost the right to act, or the means to pay."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar

Gate = Callable[[Sequence[str]], Awaitable[object]]

gates: ContextVar[tuple[Gate, ...]] = ContextVar("gates", default=())


@contextlib.contextmanager
def send_gate(check: Gate) -> Iterator[None]:
    """Await a check before each send of the connections that are opened in the block.

    It holds for all that such a connection sends as long as it is open: by the program, by tools, and by
    itself. Checks of several blocks inside one another are all awaited, the outermost first.

    Args:
        check: Called with the types of the events that are sent together, on the connection's event loop;
            what it raises is raised to whoever sends, and nothing is sent.

    Example:
        ```python
        async def check(types):
            if "response.create" in types and not may_speak():
                raise PermissionError("no more responses")

        with send_gate(check):
            connecting = client.connect(session)
            connection = await stack.enter_async_context(connecting)
        ```
    """
    token = gates.set((*gates.get(), check))
    try:
        yield
    finally:
        gates.reset(token)
