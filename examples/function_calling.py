"""Python functions as tools: their arguments are validated, and the model receives the errors."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import where
from realtime_simulator import call_tool, sequence

from realtime_ext import RealtimeClient, SessionBuilder, tools

Bookings = list[tuple[str, int]]


def book_room(
    room: str,
    nights: Annotated[int, msgspec.Meta(ge=1, le=14)],
    context: tools.ToolContext[Bookings],
) -> dict[str, Any]:
    """Book a room.

    Args:
        room: The room's name, as on its door.
        nights: How many nights.
    """
    context.state.append((room, nights))
    return {"room": room, "price": 90 * nights}


def main() -> None:
    options = where.parser(__doc__).parse_args()
    bookings: Bookings = []
    toolbox = tools.Toolbox([book_room], state=bookings)
    session = SessionBuilder("gpt-realtime-2.1").output("text").tools(toolbox)
    with (
        where.api(options.live) as simulator,
        RealtimeClient() as client,
        client.connect(session=session) as connection,
    ):
        if simulator is not None:
            simulator.on_response(
                sequence(
                    call_tool("book_room", {"room": "Elm", "nights": 30}),  # the model makes a mistake
                    call_tool("book_room", {"room": "Elm", "nights": 3}),  # and corrects it
                    "Elm is yours for three nights. That is 270.",
                )
            )
        connection.run_tools(toolbox)
        turn = connection.ask("Book Elm for three nights, please.")
        for call in turn.tool_calls:
            print(f"{call.name}({call.arguments}) -> {call.output}")
        print(turn.text)
    print(f"bookings: {bookings}")


if __name__ == "__main__":
    main()
