"""Classes and type aliases."""

from __future__ import annotations

from typing import Any

import attrs
from openapi_python_client.parser.properties import ModelProperty, Property

from ..document import ref_name, union_of
from ..graph import Graph
from ..names import module_name
from ..transforms.kinds import SCALARS
from ..transforms.notation import NULL
from . import expressions
from .expressions import Scope
from .tables import Table, guessed, table


@attrs.frozen
class Field:
    """One property of a model.

    Attributes:
        key: The JSON key.
        name: The attribute.
        annotation: Its type, as source.
        default: Source of the default, or None if the constructor requires a value.
        required: Whether the property is required.
        unset: Whether absent and null are distinguished (`UNSET`).
        decode: Source of the expression that decodes the value from `data`.
        nested: Whether the value contains models to encode.
        secret: Whether reprs mask the value.
        read_only: Whether only responses have it: it is not an argument of the constructor.
        description: From the API description, one paragraph.
        schema: The property's schema, for the docs.
    """

    key: str
    name: str
    annotation: str
    default: str | None
    required: bool
    unset: bool
    decode: str
    nested: bool
    secret: bool
    read_only: bool
    description: str
    schema: dict[str, Any]


@attrs.frozen
class Imports:
    """The imports of a generated module.

    Attributes:
        typing: Names from typing, with the name they go by.
        builtins: The same for builtins shadowed by an attribute.
        eager: (module, name, alias) imported at the top.
        late: The same, imported at the end because of an import cycle.
        typed: The same, for type checkers only.
    """

    typing: tuple[tuple[str, str], ...]
    builtins: tuple[tuple[str, str], ...]
    eager: tuple[tuple[str, str, str], ...]
    late: tuple[tuple[str, str, str], ...]
    typed: tuple[tuple[str, str, str], ...]


@attrs.frozen
class Model:
    """An object schema as a class."""

    name: str
    module: str
    description: str
    fields: tuple[Field, ...]
    imports: Imports
    any_name: str
    dict_name: str
    str_name: str
    schema: dict[str, Any]
    sent: bool
    received: bool

    @property
    def required(self) -> tuple[str, ...]:
        """The required JSON keys."""
        return tuple(field.key for field in self.fields if field.required)


@attrs.frozen
class Alias:
    """Any other schema as a type alias, with a decoder if it contains models."""

    name: str
    module: str
    description: str
    annotation: str
    quoted: bool
    decodes: bool
    table: Table | str | None
    list_items: tuple[str, ...]
    map_values: tuple[str, ...]
    open: bool
    guessed: bool
    whole: str | None
    imports: Imports
    schema: dict[str, Any]
    sent: bool
    received: bool


def build_model(graph: Graph, model: ModelProperty, properties: dict[str, Property]) -> Model:
    """Build the class of a model that the generator found, with its properties by JSON key."""
    name = str(model.class_info.name)
    schema = graph.schemas[name]
    names = expressions.attribute_names([*properties])
    hidden = {*names.values(), "to_dict", "from_dict"}
    scope = Scope(graph, name, taken=frozenset(hidden))
    fields = tuple(
        _field(scope, key, names[key], schema["properties"][key], one.required, name in graph.received)
        for key, one in properties.items()
    )
    own = {word: scope.type_name(word) for word in ("Any", "dict", "str")}
    return Model(
        name=name,
        module=str(model.class_info.module_name),
        description=expressions.described(schema),
        fields=fields,
        imports=_imports(scope, set()),
        any_name=own["Any"],
        dict_name=own["dict"],
        str_name=own["str"],
        schema=schema,
        sent=name in graph.sent,
        received=name in graph.received,
    )


def _field(scope: Scope, key: str, name: str, schema: Any, required: bool, lenient: bool) -> Field:
    graph = scope.graph
    schema = schema if isinstance(schema, dict) else {}
    nullable = graph.nullable(schema)
    unset = not required and nullable and not graph.only_received(scope.owner)
    shown = expressions.annotation(scope, schema, lenient=lenient)
    scalar = isinstance(schema.get("const"), (str, int, float))
    constant = repr(schema["const"]) if scalar else None
    default: str | None
    read_only = required and schema.get("readOnly") is True and not graph.only_received(scope.owner)
    if read_only:
        default = "None"
        shown += "" if shown.split(" | ")[-1] == "None" or shown in ("Any", "_Any") else " | None"
    elif required:
        default = constant
    elif unset:
        default = "UNSET"
        shown += " | Unset"
    else:
        tagged = constant is not None and key in graph.tagged.get(scope.owner, ())
        default = constant if tagged else "None"
        if shown.split(" | ")[-1] != "None" and shown not in ("Any", "_Any"):
            shown += " | None"
    return Field(
        key=key,
        name=name,
        annotation=shown,
        default=default,
        required=required,
        unset=unset,
        decode=expressions.decode(scope, schema, f"data[{key!r}]"),
        nested=not _flat(graph, schema),
        secret=any(leaf.get("format") == "password" for leaf in [schema, *graph.leaves(schema)]),
        read_only=read_only,
        description=expressions.described(schema),
        schema=schema,
    )


def _flat(graph: Graph, schema: dict[str, Any]) -> bool:
    return all(leaf.get("type") in SCALARS or "const" in leaf for leaf in graph.leaves(schema))


def build_alias(graph: Graph, name: str, schema: dict[str, Any]) -> Alias:
    """Build the alias of a schema that is not an object with properties."""
    scope = Scope(graph, name)
    holds = expressions.decodes(graph, schema)
    whole = choice = None
    items: dict[str, None] = {}
    values: dict[str, None] = {}
    is_open = False
    members = [member for member in union_of(schema) or [] if member != NULL]
    if holds and len(members) > 1:
        leaves = [leaf for leaf in graph.leaves(schema) if leaf != NULL]
        models = [target for leaf in leaves if (target := ref_name(leaf)) is not None]
        scope.classes.update(models)
        scope.decoders.update(models)
        others = [leaf for leaf in leaves if ref_name(leaf) is None]
        is_open = any(leaf.get("type", "object") == "object" for leaf in others)
        choice = table(graph, models, graph.declared(schema), free=is_open) if models else None
        for leaf in others:
            if leaf.get("type") == "array" and expressions.decodes(graph, leaf):
                items[expressions.decode(scope, leaf["items"], "item")] = None
            if leaf.get("type") == "object" and expressions.decodes(graph, leaf):
                values[expressions.decode(scope, leaf["additionalProperties"], "item")] = None
    elif holds:
        whole = expressions.decode(scope, schema, "value", strict="strict")
    shown = expressions.annotation(scope, schema, lenient=False)
    if holds:
        scope.type_name("Any")
    return Alias(
        name=name,
        module=module_name(name),
        description=expressions.described(schema),
        annotation=shown,
        quoted=graph.is_quoted(name),
        decodes=holds,
        table=choice,
        list_items=tuple(items),
        map_values=tuple(values),
        open=is_open,
        guessed=guessed(choice) or len(items) > 1 or len(values) > 1,
        whole=whole,
        imports=_imports(scope, {"TypeAlias"}),
        schema=schema,
        sent=name in graph.sent,
        received=name in graph.received,
    )


def _imports(scope: Scope, more: set[str]) -> Imports:
    graph = scope.graph
    cycle = graph.cycles.get(scope.owner, frozenset())

    def entry(name: str) -> tuple[str, str, str]:
        return module_name(name), name, f"_{name}" if name in scope.taken else name

    def decoder(name: str) -> tuple[str, str, str]:
        function = expressions.decoder_name(name)
        return module_name(name), function, function

    others = {name for name in scope.classes | scope.aliases if name != scope.owner}
    used = {entry(name) for name in others if name in scope.classes and name not in cycle}
    used |= {decoder(name) for name in scope.decoders if name not in cycle and name != scope.owner}
    if not graph.is_model(scope.owner):
        used |= {entry(name) for name in others if name not in cycle}
    late = {decoder(name) for name in scope.decoders if name in cycle and name != scope.owner}
    typed = {entry(name) for name in others} - used

    def shown(name: str) -> tuple[str, str]:
        return name, f"_{name}" if name in scope.taken else name

    return Imports(
        typing=tuple(shown(name) for name in sorted(scope.typing | more)),
        builtins=tuple(shown(name) for name in sorted(scope.builtins)),
        eager=tuple(sorted(used)),
        late=tuple(sorted(late)),
        typed=tuple(sorted(typed)),
    )
