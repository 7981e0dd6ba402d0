"""Discriminator tables: select the member of a union in one look-up.

Members are distinguished by the values of the discriminator or by constants.  A single member without either
is the fallback; several can only be distinguished by shape, which is a guess and reported by `guessed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..graph import Graph
from ..transforms.notation import NULL

#: (property, model) → the discriminator values of the model.
Declared = Mapping[tuple[str, str], tuple[Any, ...]]


@attrs.frozen
class Shape:
    """A member matched by shape, without a tag: its required and its known keys."""

    model: str
    required: tuple[str, ...]
    known: tuple[str, ...]


@attrs.frozen
class Table:
    """One level of discrimination.

    Attributes:
        tag: The discriminating property; "" if members are matched by shape.
        entries: (value, class name, nested table, or None if ambiguous).
        absent: The member or nested table if the tag is absent, or None.
        other: The member or nested table for any other value, or None.
        shapes: Members to match by shape, without a tag.
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
    """Build the table of a union of models, or return its only model.

    Args:
        graph: The schemas.
        models: The union's members.
        declared: Values from its discriminators.
        free: Whether the union also accepts arbitrary objects.
        used: Tags used by outer tables.
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

    tagged = {model for group in best.groups.values() for model in group}
    optional = [model for model in models if model in tagged and not _needs(graph, model, best.tag)]
    open_to = [model for model in best.loose if best.tag in graph.schemas[model]["properties"]]
    nullable = [model for model in (*tagged, *open_to) if _accepts_null(graph, model, best.tag)]
    entries: list[tuple[Any, str | Table | None]] = [
        (value, table(graph, group, declared, used=used)) for value, group in best.groups.items()
    ]
    # A null that several members accept selects none of them.
    entries += [(None, nullable[0] if len(nullable) == 1 else None)] if tagged & {*nullable} else []
    absent = decide(best.loose, also_free=free)
    if absent is None and not free and len(optional) == 1:
        absent = optional[0]
    return Table(best.tag, tuple(entries), absent, decide(open_to, also_free=free))


def guessed(node: Table | str | None) -> bool:
    """Whether any members are distinguished only by shape."""
    if not isinstance(node, Table):
        return False
    inner = [node.absent, node.other, *(target for _, target in node.entries)]
    return not node.tag or any(map(guessed, inner))


def tags_left_out(node: Table | str | None) -> dict[str, set[str]]:
    """Return the members that are also chosen for objects without their tag, with these tags."""
    found: dict[str, set[str]] = {}
    if isinstance(node, Table):
        targets = [target for _, target in node.entries]
        if isinstance(node.absent, str) and node.absent in targets:
            found[node.absent] = {node.tag}
        for inner in (*targets, node.absent, node.other):
            for model, tags in tags_left_out(inner).items():
                found.setdefault(model, set()).update(tags)
    return found


@attrs.frozen
class _Split:
    """The result of discriminating by one property: models by value, and models without a value."""

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
        # If a member accepts any value, only a discriminator or a constant is certain.
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
    """Return the members without duplicates: the same object with the same constants."""

    def constraints(model: str) -> dict[str, Any]:
        properties: dict[str, Any] = graph.schemas[model]["properties"]
        return {
            key: [{**leaf, "description": "", "default": ""} for leaf in graph.leaves(value) if leaf != NULL]
            for key, value in properties.items()
        }

    apart: list[str] = []
    # Of two duplicates the one with fewer required keys accepts the other's objects as well.
    for model in sorted(models, key=lambda model: len(graph.schemas[model].get("required", ()))):
        constant = any(graph.tag_values(model, key) for key in constraints(model))
        if not constant or not any(constraints(model) == constraints(other) for other in apart):
            apart.append(model)
    return [model for model in models if model in apart]


def _property(graph: Graph, model: str, key: str) -> Any:
    return graph.schemas[model]["properties"].get(key, {})


def _accepts_null(graph: Graph, model: str, key: str) -> bool:
    leaves = graph.leaves(_property(graph, model, key))
    return any(leaf == NULL or not {"type", "const", "enum", "$ref"} & {*leaf} for leaf in leaves)


def _needs(graph: Graph, model: str, key: str) -> bool:
    return key in graph.schemas[model].get("required", ())


def _shape(graph: Graph, model: str) -> Shape:
    schema = graph.schemas[model]
    return Shape(model, tuple(schema.get("required", ())), tuple(schema["properties"]))
