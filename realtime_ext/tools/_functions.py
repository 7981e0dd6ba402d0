"""Functions as tools: typed ones, and handlers of definitions written by hand.

The job: read signatures, and turn the JSON that a model sends into a call that is ready to be made. This
module must not call them.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

import attrs
import msgspec

from .._core.schema import Place, check, shown
from ._definitions import (
    checked_definition,
    dump_pydantic,
    has_fractions,
    parameters_schema,
    parse_docstring,
    readable,
    validate_pydantic,
)
from ._values import ArgumentError, ToolContext

if TYPE_CHECKING:
    from realtime_api.models import RealtimeFunctionTool


def function_tool(function: Callable[..., Any]) -> RealtimeFunctionTool:
    """Describe a function to the model.

    Args:
        function: A function or method, sync or async, with an annotation for every parameter: what msgspec
            supports, and pydantic models where pydantic is installed. `Annotated[…, "text"]`,
            `Annotated[…, msgspec.Meta(…)]` and the docstring's Args describe a parameter and its
            limits; the text before Args describes the tool. Parameters with a default are optional; those
            annotated `ToolContext` stay out.

    Returns:
        The definition, for a session's `tools`.

    Raises:
        TypeError: It is not a function, or a parameter has no annotation, one that has no JSON form, or is
            `*args` or `**kwargs`.
        ValueError: Its name is not one that the API accepts.
    """
    from realtime_api.models import RealtimeFunctionTool

    return RealtimeFunctionTool.from_dict(FunctionTool.of(function).definition)


@attrs.frozen
class FunctionTool:
    """A typed function, its definition, and its signature."""

    name: str
    definition: dict[str, Any]
    is_async: bool
    _function: Callable[..., Any]
    _signature: inspect.Signature
    _struct: type[msgspec.Struct]
    _fields: dict[str, str]  # of the struct, to the parameters' names
    _contexts: tuple[str, ...]
    _place: Place
    _has_fractions: bool

    @classmethod
    def of(cls, function: Callable[..., Any]) -> FunctionTool:
        """Read a function; raises as `function_tool` does."""
        read = _Signature.of(function)
        name, parameters = read.name, read.described
        # Fields have names of their own, since not every parameter's name can be an attribute of a struct.
        fields = {f"p{index}": parameter.name for index, parameter in enumerate(parameters)}
        struct = msgspec.defstruct(
            "Parameters",
            [_field(field, one, read.hints) for field, one in zip(fields, parameters, strict=True)],
            kw_only=True,
            forbid_unknown_fields=True,
            rename=fields,
        )
        documented = parse_docstring(read.doc)
        schema = _schema(name, struct, {one.name: read.hints[one.name] for one in parameters})
        for parameter in parameters:
            _complete(schema["properties"][parameter.name], parameter, documented.arguments)
        definition = {"type": "function", "name": name, "parameters": schema}
        if documented.description:
            definition["description"] = documented.description
        return cls(
            name=name,
            definition=checked_definition(definition),
            is_async=_is_async(function),
            function=function,
            signature=read.signature,
            struct=struct,
            fields=fields,
            contexts=read.contexts,
            place=Place(schema),
            has_fractions=has_fractions(schema),
        )

    def prepare(self, arguments: str, context: ToolContext[Any]) -> Callable[[], Any]:
        """Check the model's arguments.

        Args:
            arguments: JSON.
            context: For the parameters that ask for one.

        Returns:
            The call, ready to be made.

        Raises:
            ArgumentError: The arguments don't fit.
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
            values = msgspec.json.decode(arguments, type=self._struct, dec_hook=validate_pydantic)
        except Exception:
            # msgspec stops at the first error; the schema finds all of them.
            value = _decoded(self.name, arguments)
        else:
            if self._has_fractions:
                _check_arguments(self.name, self._place, _decoded(self.name, arguments))
            return values
        try:
            return msgspec.convert(_whole(value), self._struct, str_keys=True, dec_hook=validate_pydantic)
        except Exception as error:
            _check_arguments(self.name, self._place, value)
            # No schema can express it: a date that there isn't, or a check of the type's own.
            raise ArgumentError(f"{self.name}: {_reason(error)}", kind="invalid_argument") from error


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
            schema["default"] = msgspec.to_builtins(parameter.default, enc_hook=dump_pydantic, str_keys=True)
        except Exception:
            return  # a default that has no JSON form applies all the same, unseen by the model


def _whole(value: Any) -> Any:
    """Turn numbers such as 5.0, which JSON Schema counts as integers, into int."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return value


def _with_integers(value: Any, schema: Any) -> Any:
    """Turn numbers such as 5.0 into int where a schema asks for integers."""
    if not isinstance(schema, Mapping):
        return value
    if isinstance(value, list):
        return [_with_integers(item, schema.get("items")) for item in value]
    if isinstance(value, dict):
        known = schema.get("properties") or {}
        return {name: _with_integers(item, known.get(name)) for name, item in value.items()}
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return _whole(value) if "integer" in kinds and "number" not in kinds else value


def _reason(error: Exception) -> str:
    if not isinstance(error, msgspec.ValidationError):
        return f"{type(error).__name__}: {error}"
    text, _, path = str(error).partition(" - at `$")
    return f"{path.rstrip('`').lstrip('.')}: {text}" if path else text


@attrs.frozen
class HandlerTool:
    """A definition and its handler."""

    name: str
    definition: dict[str, Any]
    is_async: bool
    _handler: Callable[..., Any]
    _parameters: _Parameters

    @classmethod
    def of(cls, definition: Any, handler: Callable[..., Any]) -> HandlerTool:
        """Read a definition and its handler; raises as `Toolbox.add` does."""
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
            is_async=_is_async(handler),
            handler=handler,
            parameters=_handler_parameters(name, fields["parameters"], handler),
        )

    def prepare(self, arguments: str, context: ToolContext[Any]) -> Callable[[], Any]:
        """Check the model's arguments; as `FunctionTool.prepare`."""
        values, accepted = _decoded(self.name, arguments), self._parameters
        _check_arguments(self.name, accepted.place, values)
        values = _with_integers(values, self.definition["parameters"])
        given = values if accepted.whole is None else {accepted.whole: values}
        given = given | dict.fromkeys(accepted.contexts, context)
        positional = [given.pop(name) for name in accepted.positional]
        return functools.partial(self._handler, *positional, **given)


_NOTHING: dict[str, Any] = {"type": "object", "properties": {}}


@attrs.frozen
class _Parameters:
    """How a handler receives its arguments.

    Args:
        place: What the model may send.
        contexts: The parameters for the `ToolContext`.
        whole: The one for all arguments as a dict; None if they go by keyword.
        positional: Those among the two above that can't be passed by name.
    """

    place: Place = attrs.field(converter=Place)
    contexts: tuple[str, ...] = ()
    whole: str | None = None
    positional: tuple[str, ...] = ()


def _handler_parameters(name: str, schema: dict[str, Any], handler: Callable[..., Any]) -> _Parameters:
    try:
        parameters = inspect.signature(handler).parameters.values()
    except (TypeError, ValueError):
        return _Parameters(schema)  # built in: its parameters are unknown
    try:
        hints = _read_hints(handler)
    except (TypeError, NameError) as error:
        raise TypeError(f"tool {name}: the handler's annotations can't be read: {error}") from error
    contexts = tuple(p.name for p in parameters if _is_context(hints.get(p.name)))
    unnamed = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
    positional = tuple(key for key in unnamed if key in contexts)
    free = [p for p in parameters if p.name not in contexts and p.kind is not p.VAR_POSITIONAL]
    if any(p.kind is p.VAR_KEYWORD for p in free):
        return _Parameters(schema, contexts, positional=positional)
    properties = schema.get("properties", {})
    needed = [p.name for p in free if p.default is p.empty]
    if len(needed) == 1 and needed[0] not in properties:
        whole = needed[0]
        positional = tuple(key for key in unnamed if key in (*contexts, whole))
        return _Parameters(schema, contexts, whole, positional)
    names = {p.name for p in free} - set(unnamed)
    if lacking := [key for key in properties if key not in names]:
        raise ValueError(f"tool {name}: its handler has no parameter {lacking[0]}, which its schema has")
    if optional := [key for key in needed if key not in schema.get("required", ())]:
        raise ValueError(f"tool {name}: its handler needs {optional[0]}, which its schema doesn't require")
    # What the handler has no parameter for is the model's mistake, also where the schema is silent about it.
    return _Parameters({"additionalProperties": False, **schema}, contexts, positional=positional)


_SHOWN = 5
_KINDS = {"missing": "missing_argument", "unknown": "unknown_argument", "wrong": "invalid_argument"}


def _decoded(name: str, arguments: str) -> dict[str, Any]:
    """Return the arguments of a call by name; nothing but blanks counts as no arguments.

    Raises:
        ArgumentError: They are not JSON, or not an object.
    """
    try:
        value = msgspec.json.decode(arguments) if arguments.strip() else {}
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ArgumentError(
            f"the arguments of {name} are not valid JSON: {reason}", kind="invalid_json"
        ) from error
    if not isinstance(value, dict):
        message = f"the arguments of {name}: expected a JSON object, got {shown(value)}"
        raise ArgumentError(message, kind="invalid_argument")
    return value


def _check_arguments(name: str, place: Place, value: dict[str, Any]) -> None:
    """Check arguments against a tool's schema.

    Raises:
        ArgumentError: They don't fit; its kind is the first violation's.
    """
    try:
        violations = check(place, value)
    except RecursionError as error:
        raise ArgumentError(f"{name}: nested too deeply", kind="invalid_argument") from error
    if violations:
        messages = [one.message for one in violations]
        if len(messages) > _SHOWN:
            messages[_SHOWN:] = [f"and {len(messages) - _SHOWN} more"]
        raise ArgumentError(f"{name}: {'; '.join(messages)}", kind=_KINDS[violations[0].kind])


@attrs.frozen
class _Signature:
    """A function's signature, as far as it concerns a tool.

    Args:
        name: The function's; that of its class if it is an object that can be called.
        doc: Its docstring.
        signature: Its parameters, without those that a partial has fixed.
        hints: Their annotations, resolved.
        contexts: The names of those for the `ToolContext`.
    """

    name: str
    doc: str | None
    signature: inspect.Signature
    hints: dict[str, Any]
    contexts: tuple[str, ...]

    @classmethod
    def of(cls, function: Any) -> _Signature:
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
            hints = _read_hints(function)
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
            contexts=tuple(p.name for p in parameters if _is_context(hints[p.name])),
        )

    @property
    def described(self) -> list[inspect.Parameter]:
        """The parameters that the model fills."""
        return [p for p in self.signature.parameters.values() if p.name not in self.contexts]


def _is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it returns a coroutine."""
    plain = _unwrapped(function)
    return inspect.iscoroutinefunction(plain) or inspect.iscoroutinefunction(type(plain).__call__)


def _is_context(hint: Any) -> bool:
    """Whether a parameter with this annotation is for the `ToolContext`."""
    origin = get_origin(hint)
    if origin is Annotated or origin is typing.Union or origin is types.UnionType:
        return any(_is_context(member) for member in get_args(hint))
    return hint is ToolContext or origin is ToolContext


def _read_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return a function's annotations, resolved and with what `Annotated` adds.

    Raises:
        NameError: One names something undefined, such as a type that only type checkers import.
        TypeError: One is not a type.
    """
    plain = _unwrapped(function)
    if not hasattr(plain, "__annotations__") or not hasattr(plain, "__name__"):
        plain = type(plain).__call__  # an object that can be called
    return typing.get_type_hints(plain, include_extras=True)


def _unwrapped(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function
