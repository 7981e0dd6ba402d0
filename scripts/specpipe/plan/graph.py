"""The schemas of a normalised document, and what follows from how they refer to each other."""

from __future__ import annotations

from typing import Any

import attrs

from ..document import operations, ref_name, references, union_of
from ..names import module_name
from ..slice import Slice

NULL = {"type": "null"}


@attrs.frozen
class Graph:
    """Schemas by name.

    Attributes:
        schemas: The document's component schemas.
        sent: Names of the schemas that reach the API in a request or a client event.
        received: Names of those that come from the API in an answer, a server event or a webhook.
        tagged: Model name → properties by which some union tells the model from others.
        knots: Name → names in a circle of references with it (itself included); only names in circles.
    """

    schemas: dict[str, dict[str, Any]]
    sent: frozenset[str]
    received: frozenset[str]
    tagged: dict[str, set[str]] = attrs.field(factory=dict)
    knots: dict[str, frozenset[str]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, part: Slice) -> Graph:
        """Analyse a slice."""
        schemas: dict[str, dict[str, Any]] = part.document["components"]["schemas"]
        sent: set[str] = set()
        received: set[str] = set(part.webhooks)
        for _, _, operation in operations(part.document):
            sent.update(references(operation.get("requestBody")), references(operation.get("parameters")))
            received.update(references(operation.get("responses")))
        components = part.document["components"]
        sent.update(references(components.get("requestBodies")), references(components.get("parameters")))
        received.update(references(components.get("responses")))
        for table, names in part.events.items():
            (sent if "CLIENT" in table else received).update(names)
        graph = cls(
            schemas=schemas,
            sent=frozenset(_reach(schemas, sent)),
            received=frozenset(_reach(schemas, received)),
        )
        graph.knots.update(_knots(schemas))
        for schema in schemas.values():
            graph._note_tags(schema)
        return graph

    def is_model(self, name: str) -> bool:
        """Whether a schema becomes a class: an object with properties.  Others become type aliases."""
        return bool(self.schemas[name].get("properties"))

    def module(self, name: str) -> str:
        """The module of a schema's class or alias."""
        return module_name(name)

    def only_received(self, name: str) -> bool:
        """Whether a model never goes out, so that absent and null need no telling apart."""
        return name in self.received and name not in self.sent

    def event_type(self, name: str) -> str | None:
        """The constant `type` of an event's schema."""
        tag = self.schemas[name].get("properties", {}).get("type", {}).get("const")
        return tag if isinstance(tag, str) else None

    def leaves(self, schema: Any, seen: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """The members of a schema once unions and aliases are followed; references to models stay."""
        name = ref_name(schema)
        if name is not None:
            if self.is_model(name):
                return [schema]
            return [] if name in seen else self.leaves(self.schemas[name], (*seen, name))
        members = union_of(schema)
        if members is None:
            return [schema]
        return [leaf for member in members for leaf in self.leaves(member, seen)]

    def nullable(self, schema: Any) -> bool:
        """Whether null is a legal value."""
        return any(leaf.get("type") == "null" for leaf in self.leaves(schema))

    def _note_tags(self, schema: dict[str, Any]) -> None:
        members = union_of(schema)
        if members is not None:
            models = [name for leaf in self.leaves(schema) if (name := ref_name(leaf)) is not None]
            for tag in self.tags(models):
                for model in models:
                    self.tagged.setdefault(model, set()).add(tag)

    def tags(self, models: list[str]) -> list[str]:
        """Properties that every model of a union has with a constant or a closed set of values of its own."""
        if len(models) < 2:
            return []
        first, *rest = (self.schemas[name]["properties"] for name in models)
        shared = [key for key in first if all(key in properties for properties in rest)]
        return [key for key in shared if all(tag_values(self.schemas[n]["properties"][key]) for n in models)]


def tag_values(schema: Any) -> tuple[Any, ...]:
    """The values of a constant or of an enum, or nothing."""
    if not isinstance(schema, dict):
        return ()
    if "const" in schema:
        return (schema["const"],)
    values = schema.get("enum", ())
    return tuple(values) if all(isinstance(value, (str, int)) for value in values) else ()


def _reach(schemas: dict[str, Any], names: set[str]) -> set[str]:
    todo, seen = list(names), set()
    while todo:
        name = todo.pop()
        if name not in seen and name in schemas:
            seen.add(name)
            todo.extend(references(schemas[name]))
    return seen


def _knots(schemas: dict[str, Any]) -> dict[str, frozenset[str]]:
    """Tarjan's strongly connected components, those of one schema only if it refers to itself."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    out: dict[str, frozenset[str]] = {}
    targets = {
        name: [ref for ref in references(schema) if ref in schemas] for name, schema in schemas.items()
    }

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

    for name in schemas:
        if name not in index:
            visit(name)
    return out
