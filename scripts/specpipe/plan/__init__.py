"""What the templates print, computed from the normalised document.

The generator hands union members to templates without their properties, drops `encoding`, and chooses
attribute names from a private set of reserved words.  So everything that decides what generated code does
(annotations, decoding, discriminator tables, attribute names, part types) is computed here, from the document
alone.
"""

from __future__ import annotations

import re

import attrs

from ..document import Document
from ..slice import Slice
from .graph import Graph
from .models import Alias, Model, build_alias, build_model
from .operations import Operation, build_operations
from .params import Params, build_params


@attrs.frozen
class ServerEvent:
    """The type of an event that a server sends.

    Attributes:
        type: Its name.
        index: Its place among all.
        classes: The classes of its events, more than one where kinds of sessions share the name.
    """

    type: str
    index: int
    classes: tuple[str, ...]


@attrs.frozen
class Plan:
    """The package to be generated.

    Attributes:
        models: Class name → model.
        aliases: Name → type alias (unions, enums, maps, lists).
        params: The TypedDicts for what is sent.
        operations: Function name → operation.
        events: Table name → (event type, class name) pairs.
        sent_events: The tables of events that the client sends.
        webhooks: (event type, class name) pairs.
        base_url: Where the description says that the API is, or "".
    """

    models: dict[str, Model]
    aliases: dict[str, Alias]
    params: Params
    operations: dict[str, Operation]
    events: dict[str, tuple[tuple[str, str], ...]]
    sent_events: frozenset[str]
    webhooks: tuple[tuple[str, str], ...]
    base_url: str = ""

    @property
    def names(self) -> list[str]:
        """Every public name of `models`, sorted."""
        return sorted([*self.models, *self.aliases])

    @property
    def server_events(self) -> list[ServerEvent]:
        """The types of the events that a server sends, whatever the kind of session."""
        classes: dict[str, dict[str, None]] = {}
        for table, entries in self.events.items():
            for tag, name in () if table in self.sent_events else entries:
                classes.setdefault(tag, {})[name] = None
        return [ServerEvent(tag, index, tuple(names)) for index, (tag, names) in enumerate(classes.items())]

    @property
    def server_event_classes(self) -> list[str]:
        """Their classes, sorted."""
        return sorted({name for event in self.server_events for name in event.classes})

    @property
    def guesses(self) -> list[str]:
        """The unions of which only the shape tells some members."""
        return [name for name, alias in self.aliases.items() if alias.guessed]

    def module(self, name: str) -> str:
        """The module that defines a model or an alias."""
        return (self.models.get(name) or self.aliases[name]).module


def build(part: Slice) -> Plan:
    """Compute the plan of a normalised slice."""
    graph = Graph.of(part)
    models: dict[str, Model] = {}
    aliases: dict[str, Alias] = {}
    for name, schema in graph.schemas.items():
        if graph.is_model(name):
            models[name] = build_model(graph, name, schema)
        else:
            aliases[name] = build_alias(graph, name, schema)

    def typed(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        types = {name: graph.event_types(name) for name in names}

        def whose(tag: str) -> list[str]:
            """The class that has no other type; several tell nothing, so that none of them is named."""
            every = [name for name in names if tag in types[name]]
            return [name for name in every if types[name] == (tag,)] or every

        return tuple((tag, name) for name in names for tag in types[name] if whose(tag) == [name])

    return Plan(
        models=models,
        aliases=aliases,
        params=build_params(graph),
        operations=build_operations(part.document, graph),
        events={table: typed(names) for table, names in part.events.items()},
        sent_events=frozenset(table for table in part.events if part.config.events[table].sent),
        webhooks=typed(part.webhooks),
        base_url=_base_url(part.document),
    )


def _base_url(document: Document) -> str:
    """The first server's URL, if it is a whole one without variables."""
    url = next((server.get("url") for server in document.get("servers", ())), None)
    return url.rstrip("/") if isinstance(url, str) and re.fullmatch(r"https?://[^{}\s]+", url) else ""


__all__ = ["Alias", "Model", "Operation", "Params", "Plan", "ServerEvent", "build"]
