"""Cycles in a graph of references."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def find_cycles(targets: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    """Find the names that reach themselves.

    Args:
        targets: Name → the names that it refers to, all of them keys.

    Returns:
        Name → all names in a cycle with it, itself included; only names in cycles (Tarjan's strongly
        connected components, those of one name only if it refers to itself).
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    out: dict[str, frozenset[str]] = {}

    def visit(root: str) -> None:
        work = [(root, iter(targets[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        while work:
            name, rest = work[-1]
            for target in rest:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    work.append((target, iter(targets[target])))
                    break
                if target in stack:
                    low[name] = min(low[name], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == index[name]:
                    at = stack.index(name)
                    knot = frozenset(stack[at:])
                    del stack[at:]
                    if len(knot) > 1 or name in targets[name]:
                        out.update(dict.fromkeys(knot, knot))

    for name in targets:
        if name not in index:
            visit(name)
    return out
