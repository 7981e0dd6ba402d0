"""Functions that the model may call.

    def book_room(room: str, nights: Annotated[int, msgspec.Meta(ge=1, le=14)]) -> dict:
        \"\"\"Book a room.

        Args:
            room: The room's name, as on its door.
            nights: How many nights.
        \"\"\"

    toolbox = tools.Toolbox([book_room])
    toolbox.definitions                                         # for a session's `tools`
    toolbox.call("book_room", '{"room": "Elm", "nights": 2}')   # what `function_call_output` takes

A function's annotations become the JSON schema that the model sees, and msgspec checks what the model sends
against the same annotations. This package must not talk to the API: a connection's `run_tools` does.
"""

from ._function import function_tool
from ._result import error_output
from ._toolbox import Toolbox
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
