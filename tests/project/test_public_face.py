"""Modules, classes and instances show users what the reference documents, nothing more and nothing less."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

import griffe
import pytest
import yaml

from tests.support.examples import check_each
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

MODULES = (
    "realtime_ext",
    "realtime_ext.audio",
    "realtime_kit.cli",
    "realtime_ext.client",
    "realtime_ext.connection",
    "realtime_ext.errors",
    "realtime_ext.events",
    "realtime_kit.devices",
    "realtime_kit.fleet",
    "realtime_kit.incoming",
    "realtime_kit.media_stream",
    "realtime_kit.recorder",
    "realtime_kit.auditor",
    "realtime_kit.budget",
    "realtime_kit.web",
    "realtime_ext.models",
    "realtime_ext.sdp",
    "realtime_ext.session",
    "realtime_ext.sip",
    "realtime_ext.tasks",
    "realtime_ext.testing",
    "realtime_ext.tools",
    "realtime_ext.usage",
    "realtime_ext.webhooks",
    "realtime_kit",
)
COMMANDS = frozenset({"realtime_kit.cli"})  # described in docs/reference/cli.md, by what it prints
DIRECTIVE = re.compile(r"^::: ([\w.]+)\n(?:    options:(.*\n(?:      .*\n)*))?", re.M)


@cache
def directives() -> dict[str, list[dict[str, Any]]]:
    """The paths of the objects in the reference, and the options of each directive."""
    found: dict[str, list[dict[str, Any]]] = {}
    for page in sorted((ROOT / "docs" / "reference").glob("*.md")):
        for path, options in DIRECTIVE.findall(page.read_text(encoding="utf-8") + "\n"):
            found.setdefault(path, []).append(yaml.safe_load(options) if options.strip() else {})
    return found


@cache
def packages() -> griffe.ModulesCollection:
    loader = griffe.GriffeLoader(
        search_paths=[ROOT, ROOT / "kit", ROOT / "simulator"], docstring_parser=griffe.Parser.google
    )
    for package in ("realtime_ext", "realtime_kit", "realtime_simulator"):
        loader.load(package)
    return loader.modules_collection


@cache
def read(path: str) -> griffe.Object:
    name, _, inner = path.partition(".")
    found = packages()[name][inner] if inner else packages()[name]
    return found.final_target if isinstance(found, griffe.Alias) else found


def public(names: Iterable[str]) -> set[str]:
    return {name for name in names if name.isidentifier() and not name.startswith("_")}


def is_documented(path: str) -> bool:
    """Whether the reference shows an object: by itself, or as a part of its module."""
    module, _, name = path.rpartition(".")
    if path in directives():
        return True
    parts = [options.get("members", [name]) for options in directives().get(module, ())]
    return any(name in part for part in parts) and bool(read(path).docstring)


def homes(module: str, name: str) -> list[str]:
    """The paths under which the reference may show what a module exports."""
    value = getattr(import_module(module), name)
    home = read(f"{module}.{name}").path
    others = [path for path in directives() if path.rpartition(".")[2] == name and read(path).path == home]
    return [
        f"{module}.{name}",
        *others,
        *([] if inspect.ismodule(value) else [f"{value_module(value)}.{name}"]),
    ]


def value_module(value: Any) -> str:
    """The public module that a value comes from."""
    home = str(getattr(value, "__module__", None) or "realtime_ext")
    return ".".join(part for part in home.split(".") if not part.startswith("_"))


def test_a_module_shows_the_documented_names(subtests: pytest.Subtests) -> None:
    def check(module: str) -> None:
        loaded = import_module(module)
        assert dir(loaded) == sorted(set(loaded.__all__))
        for name in loaded.__all__ if module not in COMMANDS else ():
            value = getattr(loaded, name)
            if not inspect.ismodule(value) and name != "__version__":
                assert any(map(is_documented, homes(module, name))), (
                    f"{module}.{name} is not in docs/reference"
                )

    check_each(subtests, MODULES, check)


def test_the_reference_names_public_paths_and_filters_nothing() -> None:
    private = [path for path in directives() if any(part.startswith("_") for part in path.split("."))]
    assert private == []
    assert [path for path, options in directives().items() if "filters" in options] == []


def test_what_a_public_module_defines_is_public_or_underscored(subtests: pytest.Subtests) -> None:
    def check(module: str) -> None:
        source = inspect.getsource(import_module(module))
        defined = set()
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                defined.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [
                    each for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)
                ]
                defined |= {each.id for each in names}
        hidden = public(defined) - set(import_module(module).__all__) - {"pytest_plugins"}
        assert not hidden, f"{module}: {sorted(hidden)}"

    check_each(subtests, MODULES, check)


def classes() -> dict[str, type]:
    """The classes that the reference shows, by their paths."""
    found = {}
    for module in MODULES:
        for name in import_module(module).__all__:
            value = getattr(import_module(module), name)
            home = value_module(value)
            if inspect.isclass(value) and home.startswith("realtime_ext"):
                found[f"{module}.{name}"] = value
    return found


def members(path: str) -> Iterator[tuple[str, griffe.Object | griffe.Alias]]:
    """The public members of a class and of those of its bases that are this package's."""
    found = read(path)
    assert isinstance(found, griffe.Class)
    for owner in (found, *found.mro()):
        yield from ((name, member) for name, member in owner.members.items() if not name.startswith("_"))


def explained(path: str) -> set[str]:
    """The names that a class's docstring explains, as arguments or attributes, or those of its bases."""
    found = read(path)
    assert isinstance(found, griffe.Class)
    names = set()
    for owner in (found, *found.mro()):
        for section in owner.docstring.parsed if owner.docstring else ():
            if section.kind in (
                griffe.DocstringSectionKind.parameters,
                griffe.DocstringSectionKind.attributes,
            ):
                for one in section.value:  # griffe reads `a, b: …` as an attribute `a,` of the type `b`
                    names |= set(
                        re.findall(r"\w+", f"{one.name} {one.annotation}" if "," in one.name else one.name)
                    )
    return names


def documented(path: str) -> set[str]:
    return explained(path) | {name for name, member in members(path) if member.docstring}


def shown(path: str) -> set[str]:
    """The public names of a class and its instances, without those that Python's own classes have."""
    cls = classes()[path]
    foreign = {
        name for base in cls.__mro__ if not base.__module__.startswith("realtime_ext") for name in vars(base)
    }
    own = {name for base in cls.__mro__ if base.__module__.startswith("realtime_ext") for name in vars(base)}
    return public(sorted((set(dir(cls)) - foreign) | own)) | {name for name, _ in members(path)}


def test_classes_and_instances_show_the_documented_names(subtests: pytest.Subtests) -> None:
    def check(path: str) -> None:
        twin = path.replace(".Async", ".")  # an async class says that it is as the sync one
        names = documented(path) | (documented(twin) if twin != path and twin in classes() else set())
        assert shown(path) <= names, f"{path}: {sorted(shown(path) - names)} are not documented"
        for options in directives().get(path, ()):
            if options.get("members"):
                assert set(options["members"]) == {name for name, one in members(path) if one.is_function}

    check_each(subtests, sorted(classes()), check)
