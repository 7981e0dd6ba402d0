"""Sync and async connections have the same methods, with the same parameters and results."""

from __future__ import annotations

import inspect
import re
from typing import Any

from realtime_ext.connection import (
    AsyncConnection,
    AsyncDelegation,
    AsyncLiveConnection,
    Connection,
    Delegation,
    LiveConnection,
)
from realtime_ext.connection._async_events import AsyncExpectation
from realtime_ext.connection._async_parts import AsyncPlayback, AsyncStream
from realtime_ext.connection._facade import Stream
from realtime_ext.connection._sync import Expectation, Playback
from tests.support.rows import each

PAIRS = [
    (Connection, AsyncConnection),
    (LiveConnection, AsyncLiveConnection),
    (Delegation, AsyncDelegation),
    (Expectation, AsyncExpectation),
    (Playback, AsyncPlayback),
    (Stream, AsyncStream),
]
# Where they must differ: a thread can't be cancelled, a task can; and an async callback can be awaited.
DIFFERENT = {
    ("Connection", "recv"),
    ("LiveConnection", "recv"),
    ("Connection", "run_tools"),
    ("LiveConnection", "run_tools"),
}


def public(cls: type) -> dict[str, Any]:
    names = (name for name in dir(cls) if not name.startswith("_"))
    return {name: getattr(cls, name) for name in names}


def shape(function: Any) -> list[tuple[str, Any, Any, str]]:
    signature = inspect.signature(function)
    entries = [(p.name, p.kind, p.default, str(p.annotation)) for p in signature.parameters.values()]
    entries.append(("return", None, None, str(signature.return_annotation)))
    return [
        (name, kind, default, re.sub(r"\bAsync(?=[A-Z])", "", text)) for name, kind, default, text in entries
    ]


@each("sync, async_", PAIRS, ids=[pair[0].__name__ for pair in PAIRS])
def test_sync_and_async_have_the_same_public_names(sync: type, async_: type) -> None:
    ours, theirs = public(sync), public(async_)
    assert set(ours) == set(theirs)
    for name, item in ours.items():
        if callable(item) and (sync.__name__, name) not in DIFFERENT:
            assert shape(item) == shape(theirs[name]), name
        assert (item.__doc__ is None) == (theirs[name].__doc__ is None), name
