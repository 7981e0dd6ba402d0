"""A definition written by hand, with the function that handles its calls.

This module must not call the handler.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ._arguments import check_object, decode_object
from ._definition import checked_definition
from ._signature import is_async, is_context, read_hints
from ._values import ToolContext

__all__ = ["HandlerTool"]


@attrs.frozen
class HandlerTool:
    """A definition and its handler."""

    name: str
    definition: dict[str, Any]
    is_async: bool
    _handler: Callable[..., Any]
    _intake: _Intake

    @classmethod
    def of(cls, definition: Any, handler: Callable[..., Any]) -> HandlerTool:
        """Work a definition and its handler out; raises as `Toolbox.add` does."""
        if not isinstance(definition, Mapping):
            to_dict = getattr(definition, "to_dict", None)
            if to_dict is None:
                kind = type(definition).__name__
                raise TypeError(f"tool: expected a RealtimeFunctionTool or a dict, got {kind}")
            definition = to_dict()
        fields = checked_definition({"type": "function", "parameters": _NOTHING, **definition})
        name = fields["name"]
        if not callable(handler):
            raise TypeError(f"tool {name}: expected a handler to call, got {type(handler).__name__}")
        return cls(
            name=name,
            definition=fields,
            is_async=is_async(handler),
            handler=handler,
            intake=_intake(name, fields["parameters"], handler),
        )

    def prepare(self, arguments: str, context: ToolContext[Any]) -> Callable[[], Any]:
        """Check the model's arguments; as `FunctionTool.prepare`."""
        values = decode_object(self.name, arguments)
        intake = self._intake
        check_object(self.name, intake.schema, values)
        given = values if intake.whole is None else {intake.whole: values}
        given = given | dict.fromkeys(intake.contexts, context)
        positional = [given.pop(name) for name in intake.positional]
        return functools.partial(self._handler, *positional, **given)


_NOTHING: dict[str, Any] = {"type": "object", "properties": {}}


@attrs.frozen
class _Intake:
    """How a handler takes its arguments.

    Args:
        schema: What the model may send so that it can.
        contexts: The parameters that are handed a `ToolContext`.
        whole: The one that takes all arguments as a dict; None if they go by keyword.
        positional: Those among the two above that can't be given by name.
    """

    schema: dict[str, Any]
    contexts: tuple[str, ...] = ()
    whole: str | None = None
    positional: tuple[str, ...] = ()


def _intake(name: str, schema: dict[str, Any], handler: Callable[..., Any]) -> _Intake:
    try:
        parameters = inspect.signature(handler).parameters.values()
    except (TypeError, ValueError):
        return _Intake(schema)  # built in: it takes what it takes
    try:
        hints = read_hints(handler)
    except (TypeError, NameError) as error:
        raise TypeError(f"tool {name}: the handler's annotations can't be read: {error}") from error
    contexts = tuple(p.name for p in parameters if is_context(hints.get(p.name)))
    unnamed = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
    positional = tuple(key for key in unnamed if key in contexts)
    free = [p for p in parameters if p.name not in contexts and p.kind is not p.VAR_POSITIONAL]
    if any(p.kind is p.VAR_KEYWORD for p in free):
        return _Intake(schema, contexts, positional=positional)
    properties = schema.get("properties", {})
    needed = [p.name for p in free if p.default is p.empty]
    if len(needed) == 1 and needed[0] not in properties:
        whole = needed[0]
        positional = tuple(key for key in unnamed if key in (*contexts, whole))
        return _Intake(schema, contexts, whole, positional)
    names = {p.name for p in free} - set(unnamed)
    if lacking := [key for key in properties if key not in names]:
        raise ValueError(f"tool {name}: its handler has no parameter {lacking[0]}, which its schema has")
    if optional := [key for key in needed if key not in schema.get("required", ())]:
        raise ValueError(f"tool {name}: its handler needs {optional[0]}, which its schema doesn't require")
    # What the handler has no parameter for is the model's mistake, also where the schema is silent about it.
    return _Intake({"additionalProperties": False, **schema}, contexts, positional=positional)
