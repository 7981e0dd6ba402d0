"""Add to the reference the signatures that are not written out: those of attrs classes, and inherited ones.

The reference is made from the sources, which are read and not run.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import griffe

_POSITIONAL, _KEYWORD = griffe.ParameterKind.positional_or_keyword, griffe.ParameterKind.keyword_only


class Signatures(griffe.Extension):
    """Add the `__init__` that a class has by attrs or by a class below it."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Look at every class of a package, once it is read."""
        for module in (pkg, *_modules(pkg)):
            for member in list(module.members.values()):
                if isinstance(member, griffe.Class):
                    _fill_in(member)
                    if "__init__" not in member.members:
                        _add_init(member)


def _modules(module: griffe.Module) -> list[griffe.Module]:
    inner = [member for member in module.members.values() if isinstance(member, griffe.Module)]
    return inner + [module for found in inner for module in _modules(found)]


def _fill_in(found: griffe.Class) -> None:
    """Copy what a generic class below has, with the types that stand for its variables here."""
    for base in found.bases:
        parent = next((parent for parent in found.mro() if parent.name == str(base).partition("[")[0]), None)
        generic = (
            [str(below) for below in parent.bases if str(below).startswith("Generic[")] if parent else []
        )
        if not generic or parent is None or not isinstance(base, griffe.ExprSubscript):
            continue
        names = re.findall(r"\w+", generic[0].removeprefix("Generic"))
        types = [part.strip("'\" ") for part in str(base.slice).strip("()").split(",")]
        meant = dict(zip(names, types, strict=False))
        for name, member in parent.members.items():
            if isinstance(member, griffe.Function) and name not in found.members:
                method = copy.copy(member)
                if member.docstring:
                    method.docstring = copy.copy(member.docstring)
                    method.docstring.parent = method
                method.returns = _meant(member.returns, meant)
                method.parameters = griffe.Parameters(*[copy.copy(each) for each in member.parameters])
                for parameter in method.parameters:
                    parameter.annotation = _meant(parameter.annotation, meant)
                found.set_member(name, method)


def _meant(annotation: Any, meant: dict[str, str]) -> Any:
    text = str(annotation)
    found = re.sub(r"\w+", lambda word: meant.get(word[0], word[0]), text)
    return annotation if found == text else found


def _add_init(found: griffe.Class) -> None:
    attrs = _attrs_of(found)
    if attrs is not None:
        base = [parameter for parent in reversed(found.mro()) for parameter in _parameters(parent)]
        named = {parameter.name: parameter for parameter in (*base, *_parameters(found))}
        parameters = sorted(named.values(), key=lambda parameter: parameter.kind is _KEYWORD)
    else:
        inherited = next((parent for parent in found.mro() if "__init__" in parent.members), None)
        if inherited is None:
            return
        parameters = list(inherited.members["__init__"].parameters)[1:]  # type: ignore[union-attr]
    init = griffe.Function(
        "__init__",
        parameters=griffe.Parameters(griffe.Parameter("self", kind=_POSITIONAL), *parameters),
        returns="None",
    )
    found.set_member("__init__", init)


def _attrs_of(found: griffe.Class) -> griffe.Expr | None:
    for decorator in found.decorators:
        if str(decorator.value).startswith(("attrs.frozen", "attrs.define", "attrs.mutable")):
            return decorator.value  # type: ignore[return-value]
    return None


def _parameters(found: griffe.Class) -> list[griffe.Parameter]:
    decorator = _attrs_of(found)
    if decorator is None:
        return []
    fields = [
        member
        for member in found.members.values()
        if isinstance(member, griffe.Attribute) and member.annotation and "property" not in member.labels
    ]
    return [_parameter(field, "kw_only=True" in str(decorator)) for field in fields]


def _parameter(field: griffe.Attribute, keyword: bool) -> griffe.Parameter:
    default: Any = field.value
    if isinstance(default, griffe.ExprCall) and str(default.function) == "attrs.field":
        given = {argument.name: argument.value for argument in default.arguments if hasattr(argument, "name")}
        keyword = keyword or str(given.get("kw_only")) == "True"
        default = f"{given['factory']}()" if "factory" in given else given.get("default")
    kind = _KEYWORD if keyword else _POSITIONAL
    return griffe.Parameter(field.name.lstrip("_"), annotation=field.annotation, kind=kind, default=default)
