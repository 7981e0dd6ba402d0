"""The two clients have the same methods, with the same parameters and results."""

from __future__ import annotations

import inspect
import re
from typing import Any

from realtime_ext import AsyncRealtimeClient, RealtimeClient, _resources
from tests.support.rows import each

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
    """A signature: names, kinds, defaults and annotations, those of async functions as of sync ones."""
    signature = inspect.signature(function)
    entries = [
        (parameter.name, parameter.kind, parameter.default, str(parameter.annotation))
        for parameter in signature.parameters.values()
    ]
    entries.append(("return", None, None, str(signature.return_annotation)))
    return [(name, kind, default, _as_sync(annotation)) for name, kind, default, annotation in entries]


def _as_sync(annotation: str) -> str:
    """Where the two clients differ in type, and must: AsyncApiKey, httpx.AsyncClient, AsyncConnecting, …"""
    return re.sub(r"\bAsync(?=[A-Z])", "", annotation)


@each("pair", PAIRS.values(), ids=PAIRS)
def test_both_clients_have_the_same_methods(pair: tuple[type, type]) -> None:
    sync, asynchronous = pair
    assert {RENAMED.get(name, name) for name in public(sync)} == set(public(asynchronous))


@each("pair", PAIRS.values(), ids=PAIRS)
def test_their_signatures_are_equal(pair: tuple[type, type]) -> None:
    sync, asynchronous = (public(cls) for cls in pair)
    for name, function in sync.items():
        if not callable(function):
            continue
        twin = asynchronous[RENAMED.get(name, name)]
        assert shape(function) == shape(twin), name


# A client's own methods open and close; those of Connections give what `with` and `async with` open.
OPENING = {"connect", "attach", "sideband", "fork", "answer", "dial"}
OPERATIONS = {name: pair for name, pair in PAIRS.items() if name not in ("RealtimeClient", "Connections")}


@each("pair", OPERATIONS.values(), ids=OPERATIONS)
def test_operations_are_coroutines_only_in_the_async_client(pair: tuple[type, type]) -> None:
    sync, asynchronous = (public(cls) for cls in pair)
    del sync["__init__"]
    assert sync
    for name in sync.keys() - OPENING:
        assert not inspect.iscoroutinefunction(sync[name]), name
        assert inspect.iscoroutinefunction(asynchronous[name]), name
        shown, twin = sync[name].__doc__, asynchronous[name].__doc__
        assert not re.search(r"\bawait\b|\basync\b|Async[A-Z]", shown), name
        assert shown == re.sub(r"\bawait |Async(?=[A-Z])", "", twin), name


def test_both_clients_carry_the_same_resources() -> None:
    sync, asynchronous = RealtimeClient(api_key="k"), AsyncRealtimeClient(api_key="k")
    resources = {name: type(item).__name__ for name, item in vars(sync).items() if not name.startswith("_")}
    assert resources == {
        name: type(item).__name__.removeprefix("Async")
        for name, item in vars(asynchronous).items()
        if not name.startswith("_")
    }
    assert {"calls", "client_secrets", "translation_client_secrets", "sessions", "webhooks"} < set(resources)


def test_every_operation_accepts_the_three_options() -> None:
    for cls, _ in (*OPERATIONS.values(), PAIRS["Connections"]):
        for name, function in public(cls).items():
            if name != "__init__":
                parameters = inspect.signature(function).parameters
                for option in ("timeout", "extra_headers", "extra_query"):
                    assert parameters[option].default is None, (cls, name, option)
                    assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY
