"""The plan: what the templates print about the operations and models that the generator found.

The generator passes union members to templates without their properties, drops `encoding`, and derives
attribute names from a private set of reserved words.  So the plan adds what determines the behaviour of
generated code: annotations, decoding, discriminator tables, attribute names, part types.
"""

from __future__ import annotations

import re

import attrs

from ..document import Document
from ..parsed import Parsed
from .models import Alias, Model, build_alias, build_model
from .operations import Operation, build_operations
from .params import Params, build_params
from .tables import tags_left_out


@attrs.frozen
class ServerEvent:
    """A type of server event.

    Attributes:
        type: The value of `type`.
        index: Its position among all types.
        classes: Its classes; several if kinds of sessions share the type.
    """

    type: str
    index: int
    classes: tuple[str, ...]


@attrs.frozen
class Plan:
    """The plan of the generated package.

    Attributes:
        models: Class name → model.
        aliases: Name → type alias (unions, enums, maps, lists).
        params: TypedDicts of the schemas that are sent.
        operations: Function name → operation.
        events: Table name → (event type, class name) pairs.
        sent_events: Names of the client event tables.
        event_modules: Table name → module of the overloads for its events.
        webhooks: (event type, class name) pairs.
        base_url: The first server URL, or "".
    """

    models: dict[str, Model]
    aliases: dict[str, Alias]
    params: Params
    operations: dict[str, Operation]
    events: dict[str, tuple[tuple[str, str], ...]]
    sent_events: frozenset[str]
    event_modules: dict[str, str]
    webhooks: tuple[tuple[str, str], ...]
    base_url: str = ""

    @property
    def names(self) -> list[str]:
        """Every public name of `models`, sorted."""
        return sorted([*self.models, *self.aliases])

    @property
    def server_events(self) -> dict[str, list[ServerEvent]]:
        """Module of overloads → the server event types of all kinds of sessions that it has."""
        classes: dict[str, dict[str, dict[str, None]]] = {}
        for table, entries in self.events.items():
            types = classes.setdefault(self.event_modules[table], {})
            for tag, name in () if table in self.sent_events else entries:
                types.setdefault(tag, {})[name] = None
        return {
            module: [ServerEvent(tag, number, tuple(types[tag])) for number, tag in enumerate(types)]
            for module, types in classes.items()
        }

    @property
    def guesses(self) -> list[str]:
        """The unions with members that are distinguished only by shape."""
        return [name for name, alias in self.aliases.items() if alias.guessed]

    def module(self, name: str) -> str:
        """Return the module that defines a model or an alias."""
        return (self.models.get(name) or self.aliases[name]).module


def build(parsed: Parsed) -> Plan:
    """Compute the plan of a parsed slice."""
    part, graph = parsed.part, parsed.graph
    found = {str(model.class_info.name): model for model in parsed.data.models}
    models: dict[str, Model] = {}
    aliases: dict[str, Alias] = {}
    for name, schema in graph.schemas.items():
        if name in found:
            models[name] = build_model(graph, found[name], parsed.properties(found[name]))
        elif not graph.is_model(name):
            aliases[name] = build_alias(graph, name, schema)
    for alias in aliases.values():
        for name, tags in tags_left_out(alias.table).items():
            if name in models:
                models[name] = _told(models[name], alias.name, sorted(tags))

    def typed(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        types = {name: graph.event_types(name) for name in names}

        def whose(tag: str) -> list[str]:
            """Return the classes of a type, preferring those without another type."""
            every = [name for name in names if tag in types[name]]
            return [name for name in every if types[name] == (tag,)] or every

        return tuple((tag, name) for name in names for tag in types[name] if whose(tag) == [name])

    return Plan(
        models=models,
        aliases=aliases,
        params=build_params(graph),
        operations=build_operations(parsed),
        events={table: typed(names) for table, names in part.events.items()},
        sent_events=frozenset(table for table in part.events if part.config.events[table].sent),
        event_modules={table: part.config.events[table].types for table in part.events},
        webhooks=typed(part.webhooks),
        base_url=_base_url(part.document),
    )


def _told(model: Model, union: str, tags: list[str]) -> Model:
    """Return a model whose description says that it is chosen for objects without its tag."""
    told = f"In {union}, also an object without {' or '.join(f'`{tag}`' for tag in tags)} is one."
    return attrs.evolve(model, description=f"{model.description} {told}".strip())


def _base_url(document: Document) -> str:
    """Return the first server's URL if it is absolute and has no variables."""
    url = next((server.get("url") for server in document.get("servers", ())), None)
    return url.rstrip("/") if isinstance(url, str) and re.fullmatch(r"https?://[^{}\s]+", url) else ""


__all__ = ["Alias", "Model", "Operation", "Params", "Plan", "ServerEvent", "build"]
