"""Paths and cycles in a graph of references."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def reached(targets: Mapping[str, Iterable[str]], names: Iterable[str]) -> set[str]:
    """Return the names that a path leads to from some names, and those themselves.

    Args:
        targets: Name → the names that it refers to, all of them keys.
        names: The names to start from.
    """
    todo, seen = list(names), set[str]()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(targets[name])
    return seen


def find_cycles(targets: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    """Find the names that reach themselves.

    Args:
        targets: Name → the names that it refers to, all of them keys.

    Returns:
        Name → all names in a cycle with it, itself included; only names in cycles.
    """
    sources: dict[str, list[str]] = {name: [] for name in targets}
    for name, others in targets.items():
        for other in others:
            sources[other].append(name)
    out: dict[str, frozenset[str]] = {}
    for name in targets:
        if name not in out:
            cycle = frozenset(reached(targets, targets[name]) & reached(sources, sources[name]))
            out |= dict.fromkeys(cycle, cycle)
    return out
