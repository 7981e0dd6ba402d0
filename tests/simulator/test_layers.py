"""The simulator's parts import downwards only, without cycles, also in imports for type checkers."""

from __future__ import annotations

import ast
import graphlib
from functools import cache

from tests.project.test_architecture import Imports, modules, parsed
from tests.support.paths import ROOT

NAME = "realtime_simulator"
# A part is a top-level module or package; it imports only from the layers below its own. Parts without an
# underscore are public, and so is the package itself, which may import from every part but the commands.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"_core", "_media", "_recordings"}),
    frozenset({"_consistency", "_engine", "_faults", "_links", "_records", "scrub"}),
    frozenset({"_live", "_scenario", "_suite"}),
    frozenset({"_sessions"}),
    frozenset({"_calls", "_stepping"}),
    frozenset({"_server"}),
    frozenset({"_simulator"}),
    frozenset({"_conformance", "_rehearsal"}),
    frozenset({"cli", "pytest_plugin", "rehearsal"}),
    frozenset({"__main__"}),
)
MOST_FLOORS = 10  # in the longest chain of parts that import one another
LAYER_OF = {part: number for number, parts in enumerate(LAYERS) for part in parts}


class AllImports(Imports):
    """The imports of one module, those for type checkers and those inside functions too."""

    generic_visit = ast.NodeVisitor.generic_visit

    def visit_If(self, node: ast.If) -> None:
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        for argument in node.args:  # of import_module, also where that is passed as a function
            name = argument.value if isinstance(argument, ast.Constant) else None
            if isinstance(name, str) and "." in name and name in self.known:
                self.later.add(name)
        self.generic_visit(node)


@cache
def graph() -> dict[str, frozenset[str]]:
    """Which module imports which others of the package."""
    known = modules(ROOT / "simulator" / NAME, NAME)
    edges = {}
    for module, path in known.items():
        found = AllImports(module, path.name == "__init__.py", known)
        found.visit(parsed(path))
        edges[module] = frozenset(found.at_import | found.later) & known.keys() - {module}
    return edges


def part_of(module: str) -> str:
    """The part that a module belongs to; empty for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def parts() -> dict[str, set[str]]:
    """Which part imports which others."""
    edges: dict[str, set[str]] = {}
    for module, used in graph().items():
        edges.setdefault(part_of(module), set()).update(map(part_of, used))
    return {part: used - {part} for part, used in edges.items()}


def test_every_part_has_its_layer() -> None:
    assert parts().keys() - {""} == LAYER_OF.keys()
    assert sum(map(len, LAYERS)) == len(LAYER_OF), "a part is in two layers"


def test_a_part_imports_only_from_the_layers_below() -> None:
    upward = {
        (part, other)
        for part, used in parts().items()
        for other in used
        if part and (not other or LAYER_OF[other] >= LAYER_OF[part])
    }
    assert not upward


def test_the_package_itself_needs_no_command() -> None:
    assert not parts()[""] & {
        "cli",
        "__main__",
        "pytest_plugin",
        "_conformance",
        "_suite",
        "_rehearsal",
        "rehearsal",
    }


def test_no_modules_import_each_other_in_a_cycle() -> None:
    graphlib.TopologicalSorter(graph()).prepare()


def test_no_chain_of_parts_is_long() -> None:
    floors: dict[str, int] = {}
    edges = parts()
    for part in graphlib.TopologicalSorter(edges).static_order():
        floors[part] = 1 + max((floors[used] for used in edges[part]), default=0)
    assert max(floors.values()) <= MOST_FLOORS, floors
