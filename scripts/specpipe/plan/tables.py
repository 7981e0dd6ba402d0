"""Discriminator tables: how the members of a union are told apart in one look-up."""

from __future__ import annotations

from typing import Any

import attrs

from .graph import Graph


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
        entries: (value, class name or the table that decides further).
        absent: The member meant when the tag is not there, or None.
        shapes: Members to try by shape, where there is no tag.
    """

    tag: str
    entries: tuple[tuple[Any, str | Table], ...] = ()
    absent: str | None = None
    shapes: tuple[Shape, ...] = ()


def table(graph: Graph, models: list[str], used: tuple[str, ...] = ()) -> Table | str:
    """The table for a union of models, or the one model there is.

    Args:
        graph: The schemas.
        models: The union's members.
        used: Tags that were looked at already.
    """
    models = list(dict.fromkeys(models))
    if len(models) == 1:
        return models[0]
    best: tuple[int, str, dict[Any, list[str]]] | None = None
    for tag in graph.tags(models):
        groups: dict[Any, list[str]] = {}
        for model in models:
            for value in graph.tag_values(model, tag):
                groups.setdefault(value, []).append(model)
        largest = max(len(group) for group in groups.values())
        if tag not in used and largest < len(models) and (best is None or largest < best[0]):
            best = (largest, tag, groups)
    if best is None:
        return Table(tag="", shapes=tuple(_shape(graph, model) for model in models))
    _, tag, groups = best
    optional = [model for model in models if tag not in graph.schemas[model].get("required", ())]
    return Table(
        tag=tag,
        entries=tuple((value, table(graph, group, (*used, tag))) for value, group in groups.items()),
        absent=optional[0] if len(optional) == 1 else None,
    )


def _shape(graph: Graph, model: str) -> Shape:
    schema = graph.schemas[model]
    return Shape(model, tuple(schema.get("required", ())), tuple(schema["properties"]))
