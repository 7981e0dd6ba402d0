"""Small changes of the events of a session that no server may send in their place."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

UNNOTICED = {
    "obfuscation": "padding of any length",
    "logprobs": "probabilities differ each time",
    "logprob": "probabilities differ each time",
    "bytes": "probabilities differ each time",
    "latency": "measurements differ each time",
    "reset_seconds": "limits differ with the account",
    "encrypted_content": "opaque",
}
"""Fields of which any value is right, with the reason."""


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values that hold no others."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from leaves(inner, (*path, number))
    elif path:
        yield path


def changed(value: Any, choice: random.Random) -> Any:
    """Return another value of the same type, or of another."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return choice.choice([-1, 10**15, "7", None]) if value else choice.choice([-1, "0"])
    if isinstance(value, str):
        return choice.choice(["banana", 7, None, value[:-1] + ("A" if value[-1:] != "A" else "B")])
    return "banana" if value is None else {"banana": 1} if value == [] else ["banana"]


def mutated(events: Sequence[Mapping[str, Any]], seed: int) -> tuple[str, list[dict[str, Any]]] | None:
    """Return what was changed, and the events with the change; None for a change that changes nothing."""
    choice = random.Random(seed)
    found: list[dict[str, Any]] = copy.deepcopy([dict(event) for event in events])
    number = choice.randrange(len(found))
    event = found[number]
    kind = str(event["type"])
    where = f"{number} {kind}"
    match choice.choice(["change"] * 5 + ["drop key", "add key", "drop", "double", "move"]):
        case "change":
            path = choice.choice(list(leaves(event)))
            if UNNOTICED.keys() & set(path):
                return None
            if path[-1] in ("event_id", "ts"):
                return None  # another id, or another moment, is as good
            inner: Any = event
            for step in path[:-1]:
                inner = inner[step]
            before = inner[path[-1]]
            inner[path[-1]] = changed(before, choice)
            return (
                f"{where}: {'/'.join(map(str, path))} {str(before)[:40]!r} → {str(inner[path[-1]])[:40]!r}",
                found,
            )
        case "drop key":
            key = choice.choice([key for key in event if key != "type"] or ["type"])
            del event[key]
            return f"{where}: without {key}", found if key != "type" else events  # type: ignore[return-value]
        case "add key":
            event["banana"] = 1
            return f"{where}: with a key more", found
        case "drop":
            del found[number]
            return f"{where}: dropped", found
        case "double":
            found.insert(number, copy.deepcopy(event))
            return f"{where}: twice", found
        case _:
            other = choice.randrange(len(found))
            found.insert(other, found.pop(number))
            return (f"{where}: moved to {other}", found) if other != number else None
