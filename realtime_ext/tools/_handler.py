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
from ._check import check
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
    _whole: inspect.Parameter | None  # the one that takes all arguments as one dict
    _contexts: tuple[str, ...]
    _schema: dict[str, Any]

    @classmethod
    def of(cls, definition: Any, handler: Callable[..., Any]) -> HandlerTool:
        """Work a definition and its handler out; raises as `Toolbox.add` does."""
        fields = _fields(definition)
        name = fields["name"]
        if not callable(handler):
            raise TypeError(f"tool {name}: expected a handler to call, got {type(handler).__name__}")
        whole, contexts, schema = _taken(name, fields["parameters"], handler)
        return cls(
            name=name,
            definition=fields,
            is_async=is_async(handler),
            handler=handler,
            whole=whole,
            contexts=contexts,
            schema=schema,
        )

    def prepare(self, arguments: str, context: ToolContext[Any]) -> Callable[[], Any]:
        """Check the model's arguments; as `FunctionTool.prepare`."""
        values = decode_object(self.name, arguments)
        check_object(self.name, self._schema, values)
        contexts = dict.fromkeys(self._contexts, context)
        if self._whole is None:
            return functools.partial(self._handler, **values, **contexts)
        if self._whole.kind is inspect.Parameter.POSITIONAL_ONLY:
            return functools.partial(self._handler, values, **contexts)
        return functools.partial(self._handler, **{self._whole.name: values}, **contexts)


_NOTHING: dict[str, Any] = {"type": "object", "properties": {}}


def _fields(definition: Any) -> dict[str, Any]:
    if not isinstance(definition, Mapping):
        to_dict = getattr(definition, "to_dict", None)
        if to_dict is None:
            kind = type(definition).__name__
            raise TypeError(f"tool: expected a RealtimeFunctionTool or a dict, got {kind}")
        definition = to_dict()
    fields = checked_definition({"type": "function", "parameters": _NOTHING, **definition})
    try:
        check(fields["parameters"], {})
    except Exception as error:
        raise ValueError(f"tool {fields['name']}: parameters: not a JSON Schema: {error}") from error
    return fields


def _taken(
    name: str, schema: dict[str, Any], handler: Callable[..., Any]
) -> tuple[inspect.Parameter | None, tuple[str, ...], dict[str, Any]]:
    """Find out how a handler takes its arguments, and what the model may send so that it can."""
    try:
        parameters = inspect.signature(handler).parameters
    except (TypeError, ValueError):
        return None, (), schema  # built in: it takes what it takes
    try:
        hints = read_hints(handler)
    except (TypeError, NameError) as error:
        raise TypeError(f"tool {name}: the handler's annotations can't be read: {error}") from error
    contexts = tuple(key for key in parameters if is_context(hints.get(key)))
    free = [p for p in parameters.values() if p.name not in contexts and p.kind is not p.VAR_POSITIONAL]
    if any(p.kind is p.VAR_KEYWORD for p in free):
        return None, contexts, schema
    properties = schema.get("properties", {})
    needed = [p for p in free if p.default is p.empty]
    if len(needed) == 1 and needed[0].name not in properties:
        return needed[0], contexts, schema
    names = {p.name for p in free if p.kind is not p.POSITIONAL_ONLY}
    if lacking := [key for key in properties if key not in names]:
        raise ValueError(
            f"tool {name}: its handler has no parameter {lacking[0]}, which is a property of its schema"
        )
    optional = [p.name for p in needed if p.name not in schema.get("required", ())]
    if optional:
        raise ValueError(f"tool {name}: its handler needs {optional[0]}, which its schema doesn't require")
    # What the handler has no parameter for is the model's mistake, also where the schema is silent about it.
    return None, contexts, {"additionalProperties": False, **schema}
