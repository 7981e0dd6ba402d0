"""Discriminator tables: how the members of a union are told apart in one look-up.

What tells them is what the description says: the values of its discriminator, or constants.  Members that
have neither are a fallback; where more than one is left, only their shape could tell them, which is a guess,
and `guessed` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .graph import NULL, Graph

#: (property, model) → the values of the property by which a discriminator knows the model.
Declared = Mapping[tuple[str, str], tuple[Any, ...]]


@attrs.frozen
class Shape:
    """A member told by its shape, where no tag tells it: the keys it must have and the keys it knows."""

    model: str
    required: tuple[str, ...]
    known: tuple[str, ...]


@attrs.frozen
class Table:
    """One level of telling members apart.

    Attributes:
        tag: The property whose value decides; "" where only the shape can.
        entries: (value, class name or the table that decides further, or None for what it does not tell).
        absent: The member meant when the tag is not there, or what decides further, or None.
        other: The member meant by a value that is none of these, or what decides further, or None.
        shapes: Members to try by shape, where there is no tag.
    """

    tag: str
    entries: tuple[tuple[Any, str | Table | None], ...] = ()
    absent: str | Table | None = None
    other: str | Table | None = None
    shapes: tuple[Shape, ...] = ()


def table(
    graph: Graph,
    models: list[str],
    declared: Declared | None = None,
    *,
    free: bool = False,
    used: tuple[str, ...] = (),
) -> Table | str:
    """The table for a union of models, or the one model there is.

    Args:
        graph: The schemas.
        models: The union's members.
        declared: What its discriminators say.
        free: Objects of any kind belong to the union as well.
        used: Tags that were looked at already.
    """
    models = list(dict.fromkeys(models))
    declared = declared or {}
    if len(models) == 1 and not free:
        return models[0]
    best = min(
        (
            found
            for tag in _tags(graph, models, declared)
            if (found := _split(graph, models, declared, tag, free)) and tag not in used
        ),
        key=lambda split: split.rank,
        default=None,
    )
    if best is None:
        apart = _apart(graph, models)
        if len(apart) == 1 and not free:
            return apart[0]
        return Table(tag="", shapes=tuple(_shape(graph, model) for model in apart))
    used = (*used, best.tag)

    def decide(some: list[str], *, also_free: bool) -> Table | str | None:
        return table(graph, some, declared, free=also_free, used=used) if some else None

    told = {model for group in best.groups.values() for model in group}
    optional = [model for model in models if model in told and not _needs(graph, model, best.tag)]
    open_to = [model for model in best.loose if best.tag in graph.schemas[model]["properties"]]
    nullable = [model for model in (*told, *open_to) if _takes_null(graph, model, best.tag)]
    entries: list[tuple[Any, str | Table | None]] = [
        (value, table(graph, group, declared, used=used)) for value, group in best.groups.items()
    ]
    # A null that several members could mean tells none of them.
    entries += [(None, nullable[0] if len(nullable) == 1 else None)] if told & {*nullable} else []
    absent = decide(best.loose, also_free=free)
    if absent is None and not free and len(optional) == 1:
        absent = optional[0]
    return Table(best.tag, tuple(entries), absent, decide(open_to, also_free=free))


def guessed(node: Table | str | None) -> bool:
    """Whether members are anywhere told by nothing but their shape."""
    if not isinstance(node, Table):
        return False
    inner = [node.absent, node.other, *(target for _, target in node.entries)]
    return not node.tag or any(map(guessed, inner))


@attrs.frozen
class _Split:
    """What one property tells: its values with the models that they mean, and the models without one."""

    tag: str
    groups: dict[Any, list[str]]
    loose: list[str]
    rank: tuple[bool, bool, int]


def _tags(graph: Graph, models: list[str], declared: Declared) -> list[str]:
    every = [key for model in models for key in graph.schemas[model]["properties"]]
    return list(dict.fromkeys([*(tag for tag, model in declared if model in models), *every]))


def _split(graph: Graph, models: list[str], declared: Declared, tag: str, free: bool) -> _Split | None:
    values = {model: declared.get((tag, model)) or graph.tag_values(model, tag) for model in models}
    said = any((tag, model) in declared for model in models)
    if free or not all(values.values()):
        # Beside members that any value could mean, only a discriminator or a constant tells for certain.
        values = {model: v if said or len(v) == 1 else () for model, v in values.items()}
    groups: dict[Any, list[str]] = {}
    for model in models:
        for value in values[model]:
            groups.setdefault(value, []).append(model)
    loose = [model for model in models if not values[model]]
    largest = max([*map(len, groups.values()), len(loose) + free])
    if not groups or largest >= len(models) + free:
        return None
    return _Split(tag, groups, loose, (not said, bool(loose), largest))


def _apart(graph: Graph, models: list[str]) -> list[str]:
    """The members without those that describe the same object as another one, by the same constants."""

    def told(model: str) -> dict[str, Any]:
        properties: dict[str, Any] = graph.schemas[model]["properties"]
        return {
            key: [{**leaf, "description": "", "default": ""} for leaf in graph.leaves(value) if leaf != NULL]
            for key, value in properties.items()
        }

    apart: list[str] = []
    # Of two alike the one that requires less takes what is meant for the other as well.
    for model in sorted(models, key=lambda model: len(graph.schemas[model].get("required", ()))):
        constant = any(graph.tag_values(model, key) for key in told(model))
        if not constant or not any(told(model) == told(other) for other in apart):
            apart.append(model)
    return [model for model in models if model in apart]


def _property(graph: Graph, model: str, key: str) -> Any:
    return graph.schemas[model]["properties"].get(key, {})


def _takes_null(graph: Graph, model: str, key: str) -> bool:
    leaves = graph.leaves(_property(graph, model, key))
    return any(leaf == NULL or not {"type", "const", "enum", "$ref"} & {*leaf} for leaf in leaves)


def _needs(graph: Graph, model: str, key: str) -> bool:
    return key in graph.schemas[model].get("required", ())


def _shape(graph: Graph, model: str) -> Shape:
    schema = graph.schemas[model]
    return Shape(model, tuple(schema.get("required", ())), tuple(schema["properties"]))
