"""One test body for both flavours of connections: whatever is awaitable is awaited on the flavour's loop."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from tests.support.runner import Flavour


class Driven:
    """An object of a flavour whose methods can be called without knowing which it is."""

    def __init__(self, target: Any, flavour: Flavour) -> None:
        object.__setattr__(self, "_target", target)
        object.__setattr__(self, "_flavour", flavour)

    def __getattr__(self, name: str) -> Any:
        return self._drive(getattr(self._target, name))

    def __iter__(self) -> Iterator[Any]:
        target, flavour = self._target, self._flavour
        if not flavour.is_async:
            yield from target
            return
        iterator = target.__aiter__()

        async def following() -> Any:
            return await anext(iterator, iterator)

        while (event := flavour.run(following())) is not iterator:
            yield event

    def __enter__(self) -> Any:
        target, flavour = self._target, self._flavour
        if flavour.is_async:
            return self._drive(flavour.run(target.__aenter__()))
        return self._drive(target.__enter__())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        target, flavour = self._target, self._flavour
        if flavour.is_async:
            flavour.run(target.__aexit__(kind, error, trace))
        else:
            target.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return repr(self._target)

    def _drive(self, value: Any) -> Any:
        if inspect.ismethod(value) or inspect.isfunction(value):

            def call(*args: Any, **kwargs: Any) -> Any:
                result = value(*args, **kwargs)
                if inspect.iscoroutine(result):
                    result = self._flavour.run(result)
                return self._drive(result)

            return call
        module = type(value).__module__
        if module.startswith("realtime_ext.connection.") and ".state." not in module:
            return Driven(value, self._flavour)
        return value


def connect(flavour: Flavour, server: Any, /, **options: Any) -> Any:
    """Make a client and have it connect to a server; to be entered."""
    client_options = options.pop("client", {})
    client = flavour.client(base_url=server.base_url, **client_options)
    if not {"model", "session", "call_id", "intent"} & options.keys():
        options["model"] = "gpt-realtime"
    return Driven(client.connect(**options), flavour)
