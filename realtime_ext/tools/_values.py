"""Values around a tool's call: context, results and failures.

This module must not run anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

import attrs

from ..errors import ToolArgumentError

# With a default, for type checkers alone (PEP 696): strict ones would refuse the bare class else.
if TYPE_CHECKING:
    from typing_extensions import TypeVar

    StateT = TypeVar("StateT", default=Any)
    OutputT = TypeVar("OutputT", default=Any)
else:
    from typing import TypeVar

    StateT = TypeVar("StateT")
    OutputT = TypeVar("OutputT")


@attrs.frozen
class ToolContext(Generic[StateT]):
    """Where a tool was called from.

    A parameter annotated with it, `ToolContext` or `ToolContext[MyState]`, gets one and is not in the
    schema.

    Args:
        connection: The connection that the call came in by; None outside of one.
        call_id: The function call's id, such as `call_…`, and not that of a phone or WebRTC call; empty
            outside of a connection.
        state: The application's own, from `Toolbox(…, state=…)`.
    """

    connection: Any = attrs.field(default=None, repr=False)
    call_id: str = ""
    state: StateT = attrs.field(default=None, repr=False)

    @property
    def rtc_call_id(self) -> str | None:
        """The id of the phone or WebRTC call, `rtc_…`; None if the connection belongs to none."""
        found: str | None = getattr(self.connection, "call_id", None)
        return found


@attrs.frozen
class Silent(Generic[OutputT]):
    """A tool's output that the model should not answer by itself: no follow-up response is asked for.

    Args:
        output: What goes into the conversation all the same.
    """

    output: OutputT | None = None


@attrs.frozen(kw_only=True)
class ToolFailure:
    """A call that went wrong, kept for the developer.

    Args:
        name: The tool that was asked for.
        kind: What went wrong, as the model sees it: "unknown_tool", "invalid_json", "missing_argument",
            "unknown_argument", "invalid_argument", or "tool_failed" when the tool itself raised or its
            result can't be written as JSON.
        error: The exception: a `ToolArgumentError`, or the tool's own.
        arguments: The arguments as the model sent them.
        call_id: The function call's id; empty outside of a connection.
    """

    name: str
    kind: str
    error: BaseException
    arguments: str = attrs.field(repr=False)
    call_id: str = ""


@attrs.frozen(kw_only=True)
class ToolResult:
    """The outcome of a call.

    Args:
        output: The JSON for `function_call_output`.
        silent: Whether the tool returned `Silent`.
        failure: What went wrong; None if nothing did.
    """

    output: str
    silent: bool = False
    failure: ToolFailure | None = None


class ArgumentError(ToolArgumentError):
    """An error in the arguments that the model sent.

    Args:
        message: A sentence for the model: the problem, its place, and the allowed values.
        kind: As `ToolFailure.kind` has it.
    """

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind
