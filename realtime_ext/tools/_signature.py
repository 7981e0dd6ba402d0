"""What a function's signature says: its name, parameters and annotations, and whether it is async.

This module must not make schemas.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

import attrs

from ._values import ToolContext

__all__ = ["Signature", "is_async", "is_context", "read_hints"]


@attrs.frozen
class Signature:
    """A function's signature, as far as it concerns a tool.

    Args:
        name: The function's; that of its class if it is an object that can be called.
        doc: Its docstring.
        signature: Its parameters, without those that a partial has fixed.
        hints: Their annotations, resolved.
        contexts: The names of those that are handed a `ToolContext`.
    """

    name: str
    doc: str | None
    signature: inspect.Signature
    hints: dict[str, Any]
    contexts: tuple[str, ...]

    @classmethod
    def of(cls, function: Any) -> Signature:
        """Read a function's signature.

        Raises:
            TypeError: It is not a function, or can't be described: a parameter has no annotation or one
                that can't be resolved, or is `*args` or `**kwargs`.
            ValueError: It has no name.
        """
        plain = _unwrapped(function)
        if not callable(plain) or isinstance(plain, type):
            raise TypeError(f"tool: expected a function, got {function!r}")
        name = getattr(plain, "__name__", None) or type(plain).__name__
        if name == "<lambda>":
            raise ValueError(
                "tool: expected a function with a name, got a lambda; use def, or a definition with it"
            )
        try:
            signature = inspect.signature(function)
            hints = read_hints(function)
        except (TypeError, ValueError, NameError) as error:
            raise TypeError(f"tool {name}: its annotations can't be read: {error}") from error
        fixed = function.keywords if isinstance(function, functools.partial) else {}
        parameters = [p for p in signature.parameters.values() if p.name not in fixed]
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise TypeError(f"tool {name}: {parameter} can't be described; name each parameter")
            if parameter.name not in hints:
                raise TypeError(f"tool {name}: parameter {parameter.name} has no annotation")
        return cls(
            name=name,
            doc=inspect.getdoc(plain if hasattr(plain, "__name__") else type(plain).__call__),
            signature=signature.replace(parameters=parameters),
            hints=hints,
            contexts=tuple(p.name for p in parameters if is_context(hints[p.name])),
        )

    @property
    def described(self) -> list[inspect.Parameter]:
        """The parameters that the model gives."""
        return [p for p in self.signature.parameters.values() if p.name not in self.contexts]


def is_async(function: Callable[..., Any]) -> bool:
    """Say whether calling it gives a coroutine."""
    plain = _unwrapped(function)
    return inspect.iscoroutinefunction(plain) or inspect.iscoroutinefunction(type(plain).__call__)


def is_context(hint: Any) -> bool:
    """Say whether a parameter with this annotation is handed a `ToolContext`."""
    origin = get_origin(hint)
    if origin is Annotated or origin is typing.Union or origin is types.UnionType:
        return any(is_context(member) for member in get_args(hint))
    return hint is ToolContext or origin is ToolContext


def read_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Give a function's annotations, resolved and with what `Annotated` adds.

    Raises:
        NameError: One names what there isn't, such as a type that only type checkers import.
        TypeError: One is no type.
    """
    plain = _unwrapped(function)
    if not hasattr(plain, "__annotations__") or not hasattr(plain, "__name__"):
        plain = type(plain).__call__  # an object that can be called
    return typing.get_type_hints(plain, include_extras=True)


def _unwrapped(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function
