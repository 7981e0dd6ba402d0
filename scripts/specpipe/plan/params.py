"""TypedDicts for plain dicts that are sent: `<Name>Param` for every sent schema.

`<Name>ChangesParam` is the variant for update events: constants such as `type` are optional.
"""

from __future__ import annotations

import keyword
from typing import Any

import attrs

from ..document import ref_name, references
from ..graph import Graph
from .expressions import Scope, annotation, described


@attrs.frozen
class Key:
    """One key of a TypedDict.

    Attributes:
        name: The JSON key.
        annotation: Its type in `Required` or `NotRequired`, as source.
        description: Ours, one paragraph.
    """

    name: str
    annotation: str
    description: str


@attrs.frozen
class Param:
    """A sent schema as a TypedDict, or as a type alias if it is not an object with properties.

    Attributes:
        name: The schema's name with the suffix `Param`.
        description: Ours.
        keys: The keys of a TypedDict; empty for an alias.
        alias: The aliased type, as source; "" for a TypedDict.
        is_class: Whether class syntax is possible: every key is a valid identifier.
    """

    name: str
    description: str
    keys: tuple[Key, ...] = ()
    alias: str = ""
    is_class: bool = True


@attrs.frozen
class Params:
    """The module of TypedDicts.

    Attributes:
        members: TypedDicts, then aliases in dependency order.
        typing: Names from typing, with the name they go by.
        builtins: The same for builtins shadowed by a key.
    """

    members: tuple[Param, ...]
    typing: tuple[tuple[str, str], ...]
    builtins: tuple[tuple[str, str], ...]


@attrs.define
class _ParamScope(Scope):
    """The names used by the module, with schemas under the names of their TypedDicts."""

    def type_name(self, name: str) -> str:
        """Return the name of a builtin, a typing name or a TypedDict."""
        shown = super().type_name(name)
        return f"{name}Param" if name in self.graph.schemas else shown


def build_params(graph: Graph) -> Params:
    """Build the TypedDicts and aliases of all sent schemas."""
    models = sorted(name for name in graph.sent if graph.is_model(name))
    updates = _updates(graph)
    typing = {("TypeAlias", "TypeAlias"), ("TypedDict", "TypedDict")}
    builtins: set[tuple[str, str]] = set()
    members: list[Param] = []
    for name in [*models, *_aliases(graph)]:
        schema = graph.schemas[name]
        plain = all(_is_plain(key) for key in schema.get("properties", ()))
        hidden = frozenset(schema.get("properties", ()) if plain else ())
        scope = _ParamScope(graph, name, taken=hidden)
        added = [_typed_dict(scope, schema, plain)] if name in models else [_alias(scope, schema)]
        if name in updates:
            added.append(_typed_dict(scope, schema, plain, is_update=True))
        members += added
        typing |= {(word, _shown(word, hidden)) for word in scope.typing}
        typing |= {
            (word, word)
            for made in added
            for key in made.keys
            for word in (key.annotation.partition("[")[0],)
        }
        builtins |= {(word, _shown(word, hidden)) for word in scope.builtins}
    return Params(tuple(members), tuple(sorted(typing)), tuple(sorted(builtins)))


def _shown(word: str, hidden: frozenset[str]) -> str:
    return f"_{word}" if word in hidden else word


def _is_plain(key: str) -> bool:
    # Two leading underscores would be mangled in a class.
    return key.isidentifier() and not keyword.iskeyword(key) and not key.startswith("__")


def _updates(graph: Graph) -> set[str]:
    """Return the schemas in update events, whose constants are optional there."""
    found: set[str] = set()
    for name in graph.sent:
        if graph.is_model(name) and any(tag.endswith(".update") for tag in graph.event_types(name)):
            for value in graph.schemas[name]["properties"].values():
                found |= {target for leaf in graph.leaves(value) if (target := ref_name(leaf)) is not None}
    return {name for name in found if _constants(graph.schemas[name])}


def _constants(schema: dict[str, Any]) -> set[str]:
    """Return the required keys with a constant value."""
    keys = schema["properties"]
    return {
        key for key in schema.get("required", ()) if isinstance(one := keys.get(key), dict) and "const" in one
    }


def _typed_dict(scope: Scope, schema: dict[str, Any], is_class: bool, *, is_update: bool = False) -> Param:
    required = set(schema.get("required", ())) - (_constants(schema) if is_update else set())
    keys = tuple(
        Key(
            name=key,
            # Quoted inside `Required`, because the type may be defined further down.
            annotation=f"{'Required' if key in required else 'NotRequired'}"
            f"[{annotation(scope, value, lenient=False)!r}]",
            description=described(value),
        )
        for key, value in schema["properties"].items()
        if not (key in required and isinstance(value, dict) and value.get("readOnly") is True)
    )
    name = f"{scope.owner}{'Changes' if is_update else ''}Param"
    return Param(name, described(schema), keys=keys, is_class=is_class)


def _alias(scope: Scope, schema: dict[str, Any]) -> Param:
    shown = annotation(scope, schema, lenient=False)
    quoted = scope.graph.is_quoted(scope.owner)
    return Param(f"{scope.owner}Param", described(schema), alias=repr(shown) if quoted else shown)


def _aliases(graph: Graph) -> list[str]:
    """Return the sent schemas that are not models, in dependency order."""
    found: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in found or graph.is_model(name):
            return
        if name not in graph.cycles:
            for target in references(graph.schemas[name]):
                visit(target)
        found[name] = None

    for name in sorted(graph.sent):
        visit(name)
    return list(found)
