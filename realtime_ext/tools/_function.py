"""A typed Python function as a tool: its definition for the model, and the model's arguments for it.

This module must not call the function.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Union

import attrs
import msgspec

from . import _pydantic
from ._annotations import readable
from ._arguments import check_object, decode_object
from ._definition import checked_definition
from ._docstring import parse_docstring
from ._fault import ArgumentFault
from ._schema import parameters_schema
from ._signature import Signature, is_async
from ._values import ToolContext

if TYPE_CHECKING:
    from realtime_api.models import RealtimeFunctionTool

__all__ = ["FunctionTool", "function_tool"]


def function_tool(function: Callable[..., Any]) -> RealtimeFunctionTool:
    """Describe a function to the model.

    Args:
        function: A function or method, sync or async, with an annotation for every parameter: what msgspec
            supports, and pydantic models where pydantic is installed. `Annotated[…, "text"]`,
            `Annotated[…, msgspec.Meta(…)]` and the docstring's Args say what a parameter is for and its
            limits; the text before Args describes the tool. Parameters with a default are optional; those
            annotated `ToolContext` stay out.

    Returns:
        The definition, for a session's `tools`.

    Raises:
        TypeError: It is not a function, or a parameter has no annotation, one that has no JSON form, or is
            `*args` or `**kwargs`.
        ValueError: Its name is not one that the API takes.
    """
    from realtime_api.models import RealtimeFunctionTool

    return RealtimeFunctionTool.from_dict(FunctionTool.of(function).definition)


@attrs.frozen
class FunctionTool:
    """A function with what was worked out from its signature."""

    name: str
    definition: dict[str, Any]
    is_async: bool
    _function: Callable[..., Any]
    _signature: inspect.Signature
    _struct: type[msgspec.Struct]
    _fields: dict[str, str]  # of the struct, to the parameters' names
    _contexts: tuple[str, ...]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> FunctionTool:
        """Work a function out; raises as `function_tool` does."""
        read = Signature.of(function)
        name, parameters = read.name, read.described
        # Fields have names of their own, since not every parameter's name can be an attribute of a struct.
        fields = {f"p{index}": parameter.name for index, parameter in enumerate(parameters)}
        struct = msgspec.defstruct(
            "Parameters",
            [
                _field(field, parameter, read.hints)
                for field, parameter in zip(fields, parameters, strict=True)
            ],
            kw_only=True,
            forbid_unknown_fields=True,
            rename=fields,
        )
        documented = parse_docstring(read.doc)
        schema = _schema(
            name, struct, {parameter.name: read.hints[parameter.name] for parameter in parameters}
        )
        for parameter in parameters:
            _complete(schema["properties"][parameter.name], parameter, documented.arguments)
        definition = {"type": "function", "name": name, "parameters": schema}
        if documented.description:
            definition["description"] = documented.description
        return cls(
            name=name,
            definition=checked_definition(definition),
            is_async=is_async(function),
            function=function,
            signature=read.signature,
            struct=struct,
            fields=fields,
            contexts=read.contexts,
        )

    def prepare(self, arguments: str, context: ToolContext[Any]) -> Callable[[], Any]:
        """Check the model's arguments.

        Args:
            arguments: JSON.
            context: For the parameters that ask for one.

        Returns:
            The call, ready to be made.

        Raises:
            ArgumentFault: The arguments don't fit.
        """
        values = self._decode(arguments)
        given: dict[str, Any] = {}
        for field, name in self._fields.items():
            if (value := getattr(values, field)) is not msgspec.UNSET:
                given[name] = value
        given |= dict.fromkeys(self._contexts, context)
        bound = inspect.BoundArguments(
            self._signature, {name: given[name] for name in self._signature.parameters if name in given}
        )
        # A positional parameter that was left out would shift those after it.
        bound.apply_defaults()
        return functools.partial(self._function, *bound.args, **bound.kwargs)

    def _decode(self, arguments: str) -> msgspec.Struct:
        try:
            return msgspec.json.decode(arguments, type=self._struct, dec_hook=_decode_hook)
        except Exception:
            # What is wrong with it is worked out from the plain values, all of it and in the schema's words.
            value = decode_object(self.name, arguments)
        try:
            return msgspec.convert(_whole(value), self._struct, str_keys=True, dec_hook=_decode_hook)
        except Exception as error:
            check_object(self.name, self.definition["parameters"], value)
            # The schema doesn't say it: a date that there isn't, or a check of the type's own.
            raise ArgumentFault(f"{self.name}: {_reason(error)}", kind="invalid_argument") from error


def _field(field: str, parameter: inspect.Parameter, hints: dict[str, Any]) -> Any:
    hint = readable(hints[parameter.name])
    if parameter.default is parameter.empty:
        return field, hint
    return field, Union[hint, msgspec.UnsetType], msgspec.UNSET  # noqa: UP007 - also of what `|` can't join


def _schema(name: str, struct: type[msgspec.Struct], hints: dict[str, Any]) -> dict[str, Any]:
    try:
        return parameters_schema(struct)
    except Exception as error:
        for parameter, hint in hints.items():
            try:
                parameters_schema(msgspec.defstruct("Parameters", [("p0", readable(hint))]))
            except Exception as cause:
                reason = str(cause) or "there is no JSON form of it"
                raise TypeError(f"tool {name}: parameter {parameter}: {reason}") from cause
        raise TypeError(f"tool {name}: {error}") from error


def _complete(schema: dict[str, Any], parameter: inspect.Parameter, documented: dict[str, str]) -> None:
    if text := documented.get(parameter.name):
        schema.setdefault("description", text)
    if parameter.default is not parameter.empty:
        try:
            schema["default"] = msgspec.to_builtins(parameter.default, enc_hook=_pydantic.dump, str_keys=True)
        except Exception:
            return  # a default that has no JSON form applies all the same; the model just isn't told


def _decode_hook(cls: type, value: Any) -> Any:
    return _pydantic.validate(cls, value)


def _whole(value: Any) -> Any:
    """Turn numbers such as 5.0, which JSON Schema counts as integers, into int."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return value


def _reason(error: Exception) -> str:
    if not isinstance(error, msgspec.ValidationError):
        return f"{type(error).__name__}: {error}"
    text, _, path = str(error).partition(" - at `$")
    return f"{path.rstrip('`').lstrip('.')}: {text}" if path else text
