"""One test body for both connections: awaitables run on the runner's loop."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import pytest

from tests.support.runner import Runner


class Driven:
    """A sync or async object whose methods can be called without knowing which it is."""

    def __init__(self, target: Any, runner: Runner) -> None:
        object.__setattr__(self, "_target", target)
        object.__setattr__(self, "_runner", runner)

    def __getattr__(self, name: str) -> Any:
        return self._drive(getattr(self._target, name))

    def __iter__(self) -> Iterator[Any]:
        target, runner = self._target, self._runner
        if not runner.is_async:
            yield from target
            return
        iterator = target.__aiter__()

        async def following() -> Any:
            return await anext(iterator, iterator)

        while (event := runner.run(following())) is not iterator:
            yield event

    def __enter__(self) -> Any:
        target, runner = self._target, self._runner
        if runner.is_async:
            return self._drive(runner.run(target.__aenter__()))
        return self._drive(target.__enter__())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        target, runner = self._target, self._runner
        if runner.is_async:
            runner.run(target.__aexit__(kind, error, trace))
        else:
            target.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return repr(self._target)

    def _drive(self, value: Any) -> Any:
        if inspect.ismethod(value) or inspect.isfunction(value):

            def call(*args: Any, **kwargs: Any) -> Any:
                result = value(*args, **kwargs)
                if inspect.iscoroutine(result):
                    result = self._runner.run(result)
                return self._drive(result)

            return call
        module = type(value).__module__
        if isinstance(value, Sequence):  # a transcript, which is one in both
            return value
        if module.startswith("realtime_ext.connection.") and ".state." not in module:
            return Driven(value, self._runner)
        return value


async_only = pytest.mark.parametrize("runner", ["async"], indirect=True)
"""For a test of what the sync connection only forwards."""


def connect(runner: Runner, server: Any, /, **options: Any) -> Any:
    """Make a client and have it connect to a server; to be entered."""
    client_options = options.pop("client", {})
    client = runner.client(base_url=server.base_url, **client_options)
    if not {"model", "session", "call_id", "intent"} & options.keys():
        options["model"] = "gpt-realtime"
    return Driven(client.connect(**options), runner)
