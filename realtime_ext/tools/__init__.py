"""Functions that the model may call.

    def book_room(room: str, nights: Annotated[int, msgspec.Meta(ge=1, le=14)]) -> dict:
        \"\"\"Book a room.

        Args:
            room: The room's name, as on its door.
            nights: How many nights.
        \"\"\"

    toolbox = tools.Toolbox([book_room])
    toolbox.definitions                                         # for a session's `tools`
    toolbox.call("book_room", '{"room": "Elm", "nights": 2}')   # for `function_call_output`

A function's annotations become the JSON Schema that the model sees, and what the model sends is checked
against the same annotations. This package must not talk to the API: a connection's `run_tools` does.
"""

from ._functions import function_tool
from ._toolbox import Toolbox, error_output
from ._values import Silent, ToolContext, ToolFailure, ToolResult

__all__ = [
    "Silent",
    "ToolContext",
    "ToolFailure",
    "ToolResult",
    "Toolbox",
    "error_output",
    "function_tool",
]


def __dir__() -> list[str]:
    return __all__
