"""The two clients have the same methods, with the same parameters and results."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from realtime_ext import AsyncRealtimeClient, RealtimeClient, _resources

RENAMED = {"close": "aclose"}
PAIRS = {
    "RealtimeClient": (RealtimeClient, AsyncRealtimeClient),
    **{
        name: (getattr(_resources, name), getattr(_resources, f"Async{name}"))
        for name in _resources.__all__
        if not name.startswith("Async") and name != "Webhooks"
    },
}


def public(cls: type) -> dict[str, Any]:
    own = {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}
    return own | {"__init__": cls.__init__}  # type: ignore[misc]


def shape(function: Any) -> list[tuple[str, Any, Any, str]]:
    """A signature: names, kinds, defaults and annotations, the async ones told as the blocking ones."""
    signature = inspect.signature(function)
    entries = [
        (parameter.name, parameter.kind, parameter.default, str(parameter.annotation))
        for parameter in signature.parameters.values()
    ]
    entries.append(("return", None, None, str(signature.return_annotation)))
    return [(name, kind, default, _as_sync(annotation)) for name, kind, default, annotation in entries]


def _as_sync(annotation: str) -> str:
    """Where the flavours differ in type, and must: AsyncApiKey, httpx.AsyncClient, AsyncConnecting, …"""
    return re.sub(r"\bAsync(?=[A-Z])", "", annotation)


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_both_flavours_have_the_same_methods(pair: tuple[type, type]) -> None:
    blocking, awaited = pair
    assert {RENAMED.get(name, name) for name in public(blocking)} == set(public(awaited))


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_their_signatures_are_equal(pair: tuple[type, type]) -> None:
    blocking, awaited = (public(cls) for cls in pair)
    for name, function in blocking.items():
        if not callable(function):
            continue
        twin = awaited[RENAMED.get(name, name)]
        assert shape(function) == shape(twin), name


# A client's own methods open and close; those of Connections give what `with` and `async with` open.
OPERATIONS = {name: pair for name, pair in PAIRS.items() if name not in ("RealtimeClient", "Connections")}


@pytest.mark.parametrize("pair", OPERATIONS.values(), ids=OPERATIONS)
def test_what_blocks_in_one_is_awaited_in_the_other(pair: tuple[type, type]) -> None:
    blocking, awaited = (public(cls) for cls in pair)
    del blocking["__init__"]
    assert blocking
    for name in blocking:
        assert not inspect.iscoroutinefunction(blocking[name]), name
        assert inspect.iscoroutinefunction(awaited[name]), name
        first, _, told = awaited[name].__doc__.partition("; as ")
        assert first in blocking[name].__doc__, name
        assert told == f"`{pair[0].__name__}.{name}`, awaited.", name


def test_both_clients_carry_the_same_resources() -> None:
    blocking, awaited = RealtimeClient(api_key="k"), AsyncRealtimeClient(api_key="k")
    resources = {
        name: type(item).__name__ for name, item in vars(blocking).items() if not name.startswith("_")
    }
    assert resources == {
        name: type(item).__name__.removeprefix("Async")
        for name, item in vars(awaited).items()
        if not name.startswith("_")
    }
    assert {"calls", "client_secrets", "translation_client_secrets", "sessions", "webhooks"} < set(resources)


def test_every_operation_takes_the_three_options() -> None:
    for cls, _ in (*OPERATIONS.values(), PAIRS["Connections"]):
        for name, function in public(cls).items():
            if name != "__init__":
                parameters = inspect.signature(function).parameters
                for option in ("timeout", "extra_headers", "extra_query"):
                    assert parameters[option].default is None, (cls, name, option)
                    assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY
