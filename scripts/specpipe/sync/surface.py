"""The public Python surface of a generated package, and what a newer one breaks for its users.

A change of the API description may be harmless on the wire and still break an import, a call or `is UNSET`:
so two packages are compared, too. The surface is read from the sources; nothing is imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import attrs

Kind = Literal["module", "class", "constant", "function", "field", "key", "event", "parameter", "result"]


@attrs.frozen
class Entry:
    """One public name.

    Attributes:
        kind: What it is.
        annotation: Its type, as the alternatives of a union; empty without one.
        default: Source of the default, or None if a value is required.
        position: Its place among the positional parameters; None for one that is passed by its name.
    """

    kind: Kind
    annotation: frozenset[str] = frozenset()
    default: str | None = None
    position: int | None = None


@attrs.frozen(order=True)
class SurfaceChange:
    """A difference between the surfaces of two packages.

    Attributes:
        name: The public name, with its module.
        change: What changed.
        breaking: Whether programs that use the older package may fail.
    """

    name: str
    change: str
    breaking: bool


Surface = Mapping[str, Entry]


def read(package: Path) -> Surface:
    """Return the public surface of a package.

    Args:
        package: The folder with the package's modules.
    """
    found: dict[str, Entry] = {}
    renamed: dict[str, str] = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if any(part.startswith("_") and part != "__init__" for part in parts):
            continue
        module = ".".join(part for part in parts if part != "__init__")
        in_models = module.startswith("models.")
        module = "models" if in_models else module  # its classes are imported from there
        if module:
            found[module] = Entry("module")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, entry in _names(tree):
            if not ((in_models and entry.kind == "function") or "decode_" in name):
                found[f"{module}.{name}".lstrip(".")] = entry
        renamed |= {f"{module}.{old}": f"{module}.{new}" for old, new in _renamed(tree)}
    for old, new in renamed.items():
        found |= {
            old + name.removeprefix(new): entry for name, entry in [*found.items()] if _is_in(name, new)
        }
    return found


def renames(old: Surface, new: Surface) -> dict[str, str]:
    """Return the classes of models that only have another name: old name → new name.

    Args:
        old: The older surface.
        new: The newer one.
    """

    def shapes(surface: Surface, other: Surface) -> dict[frozenset[tuple[str, Entry]], list[str]]:
        found: dict[frozenset[tuple[str, Entry]], list[str]] = {}
        for name, entry in surface.items():
            if entry.kind == "class" and name.startswith("models.") and name not in other:
                own = {
                    (field.removeprefix(name), attrs.evolve(one, annotation=frozenset()))
                    for field, one in surface.items()
                    if one.kind == "field" and _is_in(field, name)
                }
                found.setdefault(frozenset(own), []).append(name.partition(".")[2])
        return found

    gone, come = shapes(old, new), shapes(new, old)
    alike = [shape for shape in gone if len(gone[shape]) == len(come.get(shape, ())) == 1]
    return {gone[shape][0]: come[shape][0] for shape in alike}


def _renamed(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield old and new names of a module's deprecated aliases."""
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id="_RENAMED"), value=ast.Dict(keys=keys, values=values)):
                for old, new in zip(keys, values, strict=True):
                    match old, new:
                        case ast.Constant(value=str(before)), ast.Constant(value=str(after)):
                            yield before, after


def _is_in(name: str, parent: str) -> bool:
    return name == parent or name.startswith(f"{parent}.")


def compare(old: Surface, new: Surface, renamed: Mapping[str, str] | None = None) -> list[SurfaceChange]:
    """Return the differences of two surfaces, sorted; those of a missing class or module are one row.

    Args:
        old: The older surface.
        new: The newer one.
        renamed: Classes of models that stay as aliases: old name → new name.
    """
    rows = []
    old = {name: attrs.evolve(one, annotation=_follow(one, renamed or {})) for name, one in old.items()}
    for name in sorted(old.keys() | new.keys()):
        if any(parent in old.keys() ^ new.keys() for parent in _parents(name)):
            continue
        before, after = old.get(name), new.get(name)
        if before is None and after is not None:
            required = after.kind == "field" and after.default is None
            required = required or (after.kind == "parameter" and after.default is None)
            word = f"new {'required ' if required else ''}{after.kind}"
            rows.append(SurfaceChange(name, word, breaking=required))
        elif after is None and before is not None:
            rows.append(SurfaceChange(name, f"{before.kind} removed", breaking=True))
        elif before is not None and after is not None:
            rows += [SurfaceChange(name, what, breaks) for what, breaks in _changes(before, after)]
    return rows


def bump(rows: list[SurfaceChange]) -> str:
    """Return which part of a semantic version the rows raise: none, minor or major."""
    return "none" if not rows else "major" if any(row.breaking for row in rows) else "minor"


def larger(one: str, other: str) -> str:
    """Return the larger of two verdicts."""
    order = ("none", "minor", "major")
    return max(one, other, key=order.index)


def _changes(before: Entry, after: Entry) -> Iterator[tuple[str, bool]]:
    if before.kind != after.kind:
        yield f"{before.kind} became {after.kind}", True
        return
    if before.position != after.position:
        yield f"position {before.position} became {after.position}", True
    if before.default != after.default:
        # A default is what absent means: None, UNSET or a constant.
        yield f"default {before.default or '(required)'} became {after.default or '(required)'}", True
    gone, come = before.annotation - after.annotation, after.annotation - before.annotation
    if gone or come:
        words = f"type {_shown(before.annotation)} became {_shown(after.annotation)}"
        yield words, bool(gone) and not (before.kind == "result" and not come)


def _follow(entry: Entry, renamed: Mapping[str, str]) -> frozenset[str]:
    """Return a type with the new names of renamed classes."""

    def new(found: re.Match[str]) -> str:
        stem = found[0].removesuffix("Param")
        return renamed[stem] + found[0][len(stem) :] if stem in renamed else found[0]

    return frozenset(re.sub(r"\w+", new, one) for one in entry.annotation)


def _parents(name: str) -> Iterator[str]:
    if name.endswith("()"):
        name = name.removesuffix("()")
        yield name
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _shown(annotation: frozenset[str]) -> str:
    return " | ".join(sorted(annotation)) or "(none)"


def _names(tree: ast.Module) -> Iterator[tuple[str, Entry]]:
    public = _listed(tree)
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name) if public is None or name in public:
                yield name, Entry("class")
                yield from ((f"{name}.{member}", entry) for member, entry in _members(node))
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if _is_public(name, public):
                yield from _function(node, name)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value) if _is_public(
                name, public
            ):
                alias = value if ast.unparse(annotation) == "TypeAlias" else None
                yield name, Entry("constant", _union(alias) if alias is not None else frozenset())
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_public(name, public):
                yield name, Entry("constant")
                yield from ((f"{name}[{key}]", entry) for key, entry in _table(value))


def _listed(tree: ast.Module) -> set[str] | None:
    """Return the names in `__all__`; None without one."""
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id="__all__")], value=ast.List(elts=names) | ast.Tuple(elts=names)
            ):
                return {str(name.value) for name in names if isinstance(name, ast.Constant)}
    return None


def _is_public(name: str, public: set[str] | None) -> bool:
    return name in public if public is not None else not name.startswith("_")


def _members(node: ast.ClassDef) -> Iterator[tuple[str, Entry]]:
    """Yield fields, keys of a TypedDict and methods."""
    keys = any(ast.unparse(base).endswith("TypedDict") for base in node.bases)
    for one in node.body:
        match one:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                if name in ("additional_properties", "missing") or name.startswith("_"):
                    continue
                if keys:
                    kind, union = _key(annotation)
                    yield name, Entry("key", union, default=kind)
                elif "ClassVar" not in ast.unparse(annotation):
                    yield name, Entry("field", _union(annotation), default=_default(value))
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if not name.startswith("_"):
                yield from _function(one, name)


def _key(annotation: ast.expr) -> tuple[str | None, frozenset[str]]:
    """Return whether a TypedDict's key may be absent, as a default, and its type."""
    match annotation:
        case ast.Subscript(value=ast.Name(id="NotRequired"), slice=inner):
            return "(absent)", _union(inner)
    return None, _union(annotation)


def _default(value: ast.expr | None) -> str | None:
    """Return the source of a field's default, also of one inside `attrs.field`."""
    match value:
        case ast.Call(func=ast.Attribute(attr="field"), keywords=keywords):
            given = {one.arg: ast.unparse(one.value) for one in keywords}
            return given.get("default") or (f"{given['factory']}()" if "factory" in given else None)
        case None:
            return None
    return ast.unparse(value)


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Iterator[tuple[str, Entry]]:
    yield name, Entry("function", frozenset({"async"} if isinstance(node, ast.AsyncFunctionDef) else ()))
    places = [one for one in (*node.args.posonlyargs, *node.args.args) if one.arg not in ("self", "cls")]
    defaults: list[ast.expr | None] = [None] * (len(places) - len(node.args.defaults))
    for position, (one, value) in enumerate(zip(places, [*defaults, *node.args.defaults], strict=False)):
        yield f"{name}.{one.arg}", Entry("parameter", _union(one.annotation), _default(value), position)
    for one, given in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        yield f"{name}.{one.arg}", Entry("parameter", _union(one.annotation), _default(given))
    yield f"{name}()", Entry("result", _union(node.returns))


def _table(value: ast.expr) -> Iterator[tuple[str, Entry]]:
    """Yield the events of a table, with the name of their class as type."""
    match value:
        case ast.Call(func=ast.Name(id="EventTable"), args=[ast.Dict(keys=keys, values=values)]):
            for key, pair in zip(keys, values, strict=True):
                match key, pair:
                    case ast.Constant(value=event), ast.Tuple(elts=[_, ast.Constant(value=name)]):
                        yield str(event), Entry("event", frozenset({str(name)}))


def _union(annotation: ast.expr | None) -> frozenset[str]:
    """Return the alternatives of an annotation; a quoted one is read, and a Literal has one per value."""
    match annotation:
        case None:
            return frozenset()
        case ast.Constant(value=str(text)):
            return _union(ast.parse(text, mode="eval").body)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _union(left) | _union(right)
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=members)):
            return frozenset().union(*map(_union, members))
        case ast.Subscript(value=ast.Name(id="Literal"), slice=values):
            members = values.elts if isinstance(values, ast.Tuple) else [values]
            return frozenset(f"Literal[{ast.unparse(member)}]" for member in members)
        case ast.Subscript(value=generic, slice=inner) if not isinstance(inner, ast.Tuple):
            return frozenset(f"{ast.unparse(generic)}[{one}]" for one in _union(inner))
    return frozenset({ast.unparse(annotation)})


__all__ = ["Surface", "SurfaceChange", "bump", "compare", "larger", "read", "renames"]
