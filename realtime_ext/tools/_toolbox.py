"""The tools of an application, called by name with what the model sends.

This module must not send anything: outputs are returned.
"""

from __future__ import annotations

import asyncio
import difflib
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from .._core import json as _json
from .._core.callbacks import current_task, is_cancelled, is_ctrl_c, log_own_failure
from .._core.secrets import mask
from .._core.threads import run_in_thread
from ._definitions import dump_pydantic, is_pydantic
from ._functions import FunctionTool, HandlerTool
from ._values import ArgumentError, Silent, ToolContext, ToolFailure, ToolResult

if TYPE_CHECKING:
    from realtime_api.models import RealtimeFunctionTool

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_log = logging.getLogger("realtime_ext.tools")


class Toolbox:
    """Functions that the model may call.

        toolbox = tools.Toolbox([book_room, cancel_booking], state=hotel)
        toolbox.call("book_room", '{"room": "Elm", "nights": 2}')     # '{"price":180}'
        toolbox.call("book_room", '{"room": "Elm"}')
        # '{"error":{"type":"missing_argument","message":"book_room: nights: expected an integer, got …'

    A call never raises for what the model sent or what a tool raised, be it `SystemExit` or `CancelledError`:
    the model gets an error, and the exception is kept in `failures`. Ctrl-C in the main thread and a
    cancellation of the call itself are raised. A toolbox may be used from several threads and event loops
    once its tools are added.

    Args:
        functions: Typed functions, sync or async, as for `function_tool`.
        state: What `ToolContext.state` is, unless a call has its own context.
        on_failure: Called with each `ToolFailure`, in the thread or task that ran the tool. What it raises
            is logged.
        explain: Turns a tool's exception into the text for the model. By default that is the exception's
            class and text, with asterisks for what looks like a key or a password; a tool whose exceptions
            may hold other secrets needs one that hides them.
        keep_failures: How many failures `failures` keeps, the newest; 0 or more.

    Raises:
        TypeError: As `function_tool`; or an argument has the wrong type.
        ValueError: As `function_tool`; or two tools have the same name; or `keep_failures` is negative.
    """

    def __init__(
        self,
        functions: Iterable[Callable[..., Any]] = (),
        *,
        state: Any = None,
        on_failure: Callable[[ToolFailure], object] | None = None,
        explain: Callable[[Exception], str] | None = None,
        keep_failures: int = 100,
    ) -> None:
        if keep_failures < 0:
            raise ValueError(f"keep_failures: expected 0 or more, got {keep_failures!r}")
        for field, given in (("on_failure", on_failure), ("explain", explain)):
            if given is not None and not callable(given):
                raise TypeError(f"{field}: expected a callable, got {type(given).__name__}")
        self.state = state
        self._on_failure = on_failure
        self._explain = explain or _explain
        self._failures: deque[ToolFailure] = deque(maxlen=keep_failures)
        self._tools: dict[str, FunctionTool | HandlerTool] = {}
        for function in functions:
            self.add(function)

    def add(self, definition: Any, handler: Callable[..., Any] | None = None) -> Any:
        """Add a tool.

        Args:
            definition: A `RealtimeFunctionTool` or a dict of its shape, with a schema written by hand; or,
                without a handler, a typed function, so that this is a decorator too.
            handler: What to call, sync or async. It gets the arguments by keyword; or, if the one parameter
                that it needs isn't a property of the schema, all of them in that one, as a dict. They are
                checked against the schema before. Parameters annotated `ToolContext` get the context.

        Returns:
            The function or handler.

        Raises:
            TypeError: As `function_tool`; or the definition or the handler is of no usable type.
            ValueError: The API would refuse the definition; its name is in use; or the handler can't
                receive what the schema has.
        """
        tool = FunctionTool.of(definition) if handler is None else HandlerTool.of(definition, handler)
        if tool.name in self._tools:
            raise ValueError(f"tool {tool.name}: there is one of that name already")
        self._tools[tool.name] = tool
        return definition if handler is None else handler

    def tool(self, function: FunctionT) -> FunctionT:
        """Add a typed function, and return it, so that this is a decorator.

        Args:
            function: A typed function, sync or async, as for `function_tool`.

        Returns:
            The function.

        Raises:
            TypeError: As `function_tool`.
            ValueError: As `function_tool`; or its name is in use.
        """
        self.add(function)
        return function

    @property
    def definitions(self) -> list[RealtimeFunctionTool]:
        """What goes into a session's `tools`, in the order in which the tools were added."""
        from realtime_api.models import RealtimeFunctionTool

        return [RealtimeFunctionTool.from_dict(tool.definition) for tool in self._tools.values()]

    @property
    def failures(self) -> tuple[ToolFailure, ...]:
        """The calls that went wrong, oldest first; each has the exception with its traceback."""
        return tuple(self._failures)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __len__(self) -> int:
        return len(self._tools)

    def call(self, name: str, arguments: str | bytes, *, context: ToolContext[Any] | None = None) -> str:
        """Call a tool and wait for it.

        Args:
            name: The tool.
            arguments: JSON, as `response.function_call_arguments.done` has it.
            context: For the parameters that ask for one; made of the toolbox's state if left out.

        Returns:
            One JSON document for `function_call_output`: what the tool returned (text that is a JSON object
            or array as it is, other text as a JSON string, None as null), or an error object for the model,
            `{"error": {"type": …, "message": …}}`.

        Raises:
            TypeError: `arguments` is not text.
            RuntimeError: The tool is async and an event loop runs in this thread; use `acall`.
        """
        return self.run(name, arguments, context=context).output

    async def acall(
        self, name: str, arguments: str | bytes, *, context: ToolContext[Any] | None = None
    ) -> str:
        """Call a tool from an event loop: async ones in it, sync ones in a thread beside it.

        Args and Returns are those of `call`. Cancelling cancels an async tool; a sync one runs to its end.
        """
        return (await self.arun(name, arguments, context=context)).output

    def run(
        self, name: str, arguments: str | bytes, *, context: ToolContext[Any] | None = None
    ) -> ToolResult:
        """Call a tool as `call` does; the result also has whether it was silent, and what went wrong."""
        text = _text(arguments)
        context = self._checked(context)
        try:
            tool, ready = self._prepare(name, text, context)
            if not tool.is_async:
                value = ready()
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            return self._failed(name, error, text, context)
        if tool.is_async:
            _refuse_running_loop(name)
            value = ready()
        elif inspect.iscoroutine(value):
            _refuse_running_loop(name, value)
        try:
            return _succeeded(asyncio.run(_result_of(value)) if inspect.isawaitable(value) else value)
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            return self._failed(name, error, text, context)

    async def arun(
        self, name: str, arguments: str | bytes, *, context: ToolContext[Any] | None = None
    ) -> ToolResult:
        """Call a tool as `acall` does; the result also has whether it was silent, and what went wrong."""
        text = _text(arguments)
        context = self._checked(context)
        task = current_task()
        try:
            tool, ready = self._prepare(name, text, context)
            if tool.is_async:
                value = ready()
            else:
                value = await run_in_thread(partial(_returned, ready), name=f"realtime_ext tool {name}")
            if isinstance(value, _Raised):
                return self._failed(name, value.error, text, context)
            if inspect.isawaitable(value):
                value = await value
            return _succeeded(value)
        except BaseException as error:
            if is_ctrl_c(error) or is_cancelled(error, task):
                raise
            return self._failed(name, error, text, context)

    def _prepare(
        self, name: str, arguments: str, context: ToolContext[Any]
    ) -> tuple[FunctionTool | HandlerTool, Callable[[], Any]]:
        tool = self._tools.get(name)
        if tool is None:
            raise ArgumentError(_unknown(name, list(self._tools)), kind="unknown_tool")
        try:
            return tool, tool.prepare(arguments, context)
        except ArgumentError:
            raise
        except Exception as error:
            log_own_failure(_log, f"check the arguments of tool {name}", error)
            raise

    def _checked(self, context: object) -> ToolContext[Any]:
        if context is None:
            return ToolContext(state=self.state)
        if not isinstance(context, ToolContext):
            raise TypeError(f"context: expected a ToolContext, got {type(context).__name__}")
        return context

    def _failed(
        self, name: str, error: BaseException, arguments: str, context: ToolContext[Any]
    ) -> ToolResult:
        kind, message = "tool_failed", ""
        if isinstance(error, ArgumentError):
            kind, message = error.kind, str(error)
        failure = ToolFailure(
            name=name,
            kind=kind,
            error=error,
            arguments=arguments,
            call_id=context.call_id,
        )
        self._failures.append(failure)
        # Neither arguments nor the exception's text: both may hold what people spoke.
        level = logging.WARNING if kind == "tool_failed" else logging.DEBUG
        _log.log(level, "tool %s: %s (%s), kept in Toolbox.failures", name, kind, type(error).__name__)
        if self._on_failure is not None:
            try:
                self._on_failure(failure)
            except BaseException as raised:
                if is_ctrl_c(raised):
                    raise
                _log.error("on_failure itself raised %s", type(raised).__name__)
        if not message:
            message = f"{name} failed: {self._reason(error)}"
        return ToolResult(output=error_output(kind, message), failure=failure)

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, Exception):
            try:
                return self._explain(error)
            except BaseException as raised:
                if is_ctrl_c(raised):
                    raise
                _log.error("explain itself raised %s", type(raised).__name__)
                return type(error).__name__  # its text may hold what `explain` hides
        return _explain(error)


def _succeeded(value: Any) -> ToolResult:
    """Return a tool's return value as one JSON document.

    Text that is a JSON object or array by itself goes as it is; other text becomes a JSON string, and None
    null. Raises ValueError for values without a JSON form.
    """
    silent = isinstance(value, Silent)
    output = value.output if silent else value
    if not (isinstance(output, str) and _is_document(output)):
        output = _json.encode(_jsonable(output), hook=_dump_inner)
    return ToolResult(output=output, silent=silent)


class _Raised:
    """A tool's BaseException that is not an Exception, which a future can't pass to an event loop."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _returned(ready: Callable[[], Any]) -> Any:
    """Return a tool's return value, or its exception if that is not an Exception."""
    try:
        return ready()
    except Exception:
        raise
    except BaseException as error:
        return _Raised(error)


def _explain(error: BaseException) -> str:
    text = mask(str(error))
    name = type(error).__name__
    return f"{name}: {text[:500]}" if text else name


def _unknown(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no tool {name}; there are: {', '.join(names) or 'none'}{hint}"


async def _result_of(value: Awaitable[Any]) -> Any:
    return await value


def _refuse_running_loop(name: str, waiting: Coroutine[Any, Any, Any] | None = None) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if waiting is not None:
        waiting.close()
    raise RuntimeError(f"tool {name} is async and an event loop runs in this thread: use acall")


def _text(arguments: str | bytes) -> str:
    if isinstance(arguments, str):
        return arguments
    if isinstance(arguments, bytes | bytearray):
        return arguments.decode(
            errors="surrogateescape"
        )  # what isn't UTF-8 isn't JSON, and is refused as such
    raise TypeError(f"arguments: expected JSON text, got {type(arguments).__name__}")


def error_output(kind: str, message: str) -> str:
    """Return what reports a failure to the model: `{"error": {"type": kind, "message": message}}`."""
    return _json.encode({"error": {"type": kind, "message": message}})


def _is_document(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        msgspec.json.decode(text)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return False
    return True


def _dump_inner(value: Any) -> Any:
    """Return a pydantic value within a dataclass or the like, which msgspec writes by itself."""
    if is_pydantic(type(value)):
        return dump_pydantic(value)
    raise TypeError(f"values of {type(value).__name__} have no JSON form")


def _jsonable(value: Any) -> Any:
    if is_pydantic(type(value)):
        return dump_pydantic(value)
    if isinstance(value, Mapping):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(item) for item in value]
    return value
