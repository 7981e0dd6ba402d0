"""The schemas of a normalised document and their references."""

from __future__ import annotations

from typing import Any

import attrs

from .cycles import find_cycles, reached
from .document import operations, ref_name, ref_to, references, union_of
from .slice import Slice
from .transforms.notation import NULL


@attrs.frozen
class Graph:
    """Schemas by name.

    Attributes:
        schemas: The document's component schemas.
        sent: Names of schemas used in requests or client events.
        received: Names of schemas used in responses, server events or webhooks.
        tagged: Model name → properties that discriminate it in a union.
        cycles: Name → names in a reference cycle with it, itself included; only names in cycles.
    """

    schemas: dict[str, dict[str, Any]]
    sent: frozenset[str]
    received: frozenset[str]
    tagged: dict[str, set[str]] = attrs.field(factory=dict)
    cycles: dict[str, frozenset[str]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, part: Slice) -> Graph:
        """Analyse a slice."""
        schemas: dict[str, dict[str, Any]] = part.document["components"]["schemas"]
        sent, received = directions(part)
        graph = cls(schemas=schemas, sent=sent, received=received)
        graph.cycles.update(find_cycles(_targets(schemas)))
        for schema in schemas.values():
            graph._note_tags(schema)
        return graph

    def is_model(self, name: str) -> bool:
        """Whether a schema becomes a class: an object with properties.  Others become type aliases."""
        return bool(self.schemas[name].get("properties"))

    def is_quoted(self, name: str) -> bool:
        """Whether an alias is quoted, because it cannot be evaluated when its module is imported.

        That is so if it, or an alias it refers to, is part of a cycle, or is None, which does not support `|`
        with None.
        """
        if name in self.cycles:
            return True
        aliases = [target for target in references(self.schemas[name]) if not self.is_model(target)]
        return any(self.schemas[one].get("type") == "null" or self.is_quoted(one) for one in aliases)

    def only_received(self, name: str) -> bool:
        """Whether a model is never sent, so that absent and null need not be distinguished."""
        return name in self.received and name not in self.sent

    def event_types(self, name: str) -> tuple[str, ...]:
        """Return the values of `type` that identify an event's schema."""
        if "type" not in self.schemas[name].get("properties", {}):
            return ()
        return tuple(value for value in self.tag_values(name, "type") if isinstance(value, str))

    def leaves(self, schema: Any, seen: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """Return the alternatives of a schema: unions and aliases are resolved, models are not."""
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
        """Whether null is valid."""
        return any(leaf.get("type") == "null" for leaf in self.leaves(schema))

    def _note_tags(self, schema: dict[str, Any]) -> None:
        members = union_of(schema)
        if members is not None:
            models = [name for leaf in self.leaves(schema) if (name := ref_name(leaf)) is not None]
            for tag in self.tags(models):
                for model in models:
                    self.tagged.setdefault(model, set()).add(tag)

    def tags(self, models: list[str]) -> list[str]:
        """Return the properties that have a constant or enum in every model of a union."""
        if len(models) < 2:
            return []
        first, *rest = (self.schemas[name]["properties"] for name in models)
        shared = [key for key in first if all(key in properties for properties in rest)]
        return [key for key in shared if all(self.tag_values(name, key) for name in models)]

    def tag_values(self, model: str, key: str) -> tuple[str | int, ...]:
        """Return the values of a property with a constant or an enum of strings or integers."""
        leaves = self.leaves(self.schemas[model]["properties"].get(key, {}))
        values: list[Any] = []
        for leaf in leaves:
            if leaf == NULL:
                continue
            closed = [leaf["const"]] if "const" in leaf else leaf.get("enum", [])
            if not closed or not all(isinstance(v, (str, int)) and not isinstance(v, bool) for v in closed):
                return ()
            values += closed
        return tuple(dict.fromkeys(values))

    def declared(self, schema: Any, seen: tuple[str, ...] = ()) -> dict[tuple[str, str], tuple[Any, ...]]:
        """Return (property, model) → values of the discriminators of a union and its nested unions.

        Explicit mappings take precedence.  A member without a mapping whose property is a plain string is
        identified by its own name, as OpenAPI specifies; `complete_discriminators` recorded that name.  Names
        do not count if other members have constants for the property.
        """
        out: dict[tuple[str, str], tuple[Any, ...]] = {}
        name = ref_name(schema)
        if name is not None and not self.is_model(name):
            return {} if name in seen else self.declared(self.schemas[name], (*seen, name))
        for member in union_of(schema) or ():
            out |= self.declared(member, seen)
        discriminator = schema.get("discriminator", {})
        tag = discriminator.get("propertyName")
        values: dict[str, list[Any]] = {}
        for value, target in discriminator.get("mapping", {}).items():
            for leaf in self.leaves(ref_to(target)):
                values.setdefault(str(ref_name(leaf)), []).append(value)
        if not isinstance(tag, str):
            return out
        models = [model for leaf in self.leaves(schema) if (model := ref_name(leaf)) is not None]
        implied = discriminator.get("implied", {})
        words = any({*self.tag_values(model, tag)} - {implied.get(model)} for model in models)
        for model in models:
            known = [*values.get(model, ()), *self.tag_values(model, tag)]
            is_text = self._is_text(self.schemas[model]["properties"].get(tag))
            if not known and not words and model in implied and is_text:
                known = [implied[model]]
            if known:
                out[tag, model] = tuple(dict.fromkeys((*out.get((tag, model), ()), *known)))
        return out

    def _is_text(self, schema: Any) -> bool:
        return all(
            leaf.get("type") == "string" and not {"enum", "const"} & set(leaf)
            for leaf in self.leaves(schema or {})
        )


def directions(part: Slice) -> tuple[frozenset[str], frozenset[str]]:
    """Return the schemas that are sent and those that are received."""
    schemas: dict[str, Any] = part.document["components"]["schemas"]
    sent: set[str] = set()
    received: set[str] = set(part.webhooks)
    for path, _, operation in operations(part.document):
        sent.update(references(operation.get("requestBody")), references(operation.get("parameters")))
        sent.update(references(part.document["paths"][path].get("parameters")))
        received.update(references(operation.get("responses")))
    for table, names in part.events.items():
        entry = part.config.events[table]
        (sent if entry.sent else received).update({*names, entry.union} & set(schemas))
    targets = _targets(schemas)
    return frozenset(reached(targets, sent & {*schemas})), frozenset(reached(targets, received & {*schemas}))


def _targets(schemas: dict[str, Any]) -> dict[str, list[str]]:
    """Return name → the schemas that it refers to."""
    return {name: [ref for ref in references(whole) if ref in schemas] for name, whole in schemas.items()}
