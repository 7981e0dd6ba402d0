"""Who may import whom: layers without cycles, the generated package alone, no extras by a mere import."""

from __future__ import annotations

import ast
import graphlib
import os
import re
import subprocess
import sys
from collections.abc import Container, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

# A part is a top-level module of realtime_ext, or a top-level package with all that is in it. It imports only
# from its own layer or from those below. A new part gets its place here and in the table in CONTRIBUTING.md.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"_core", "errors", "models"}),
    frozenset({"audio", "events", "sdp", "session", "sip", "tasks", "tools", "types", "usage", "webhooks"}),
    frozenset({"_http", "connection"}),
    frozenset({"_resources", "client"}),
    frozenset({"testing"}),
)
MOST_FLOORS = 8  # in the longest chain of parts that import one another
# The simulator judges the client, so it shares no code with it; only what uses it may import it.
MAY_IMPORT_THE_SIMULATOR = frozenset({"testing"})
PACKAGES = ("realtime_ext", "kit/realtime_kit", "simulator/realtime_simulator")

EXTRAS = [
    "aioice",
    "aiortc",
    "av",
    "fastapi",
    "jsonschema_rs",
    "matplotlib",
    "numpy",
    "procrastinate",
    "psycopg",
    "pydantic",
    "rich",
    "sounddevice",
    "soxr",
    "starlette",
    "typer",
    "uvicorn",
    "yaml",
]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports_and_attributes(path: Path) -> list[ast.Import | ast.ImportFrom | ast.Attribute]:
    kinds = (ast.Import, ast.ImportFrom, ast.Attribute)
    return [node for node in ast.walk(parsed(path)) if isinstance(node, kinds)]


def modules(package: Path, name: str) -> dict[str, Path]:
    """Every module below a package's folder, by its full name."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        found[".".join((name, *parts))] = path
    return found


class Imports(ast.NodeVisitor):
    """The imports of one module that happen when it runs; those for type checkers alone don't count."""

    def __init__(self, name: str, is_package: bool, known: Container[str]) -> None:
        self.known = known
        self.package = name if is_package else name.rpartition(".")[0]
        self.at_import: set[str] = set()
        self.later: set[str] = set()
        self._depth = 0

    def generic_visit(self, node: ast.AST) -> None:
        """Visit the statements: no expression has an import."""
        for name in ("body", "orelse", "handlers", "finalbody", "cases"):
            for child in getattr(node, name, ()):
                self.visit(child)

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" not in ast.dump(node.test):
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Import(self, node: ast.Import) -> None:
        self._add(*(alias.name for alias in node.names))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            above = self.package.split(".")[: len(self.package.split(".")) - node.level + 1]
            base = ".".join([*above, *([base] if base else [])])
        for alias in node.names:  # a module of the package `base`, or a name in the module `base`
            whole = f"{base}.{alias.name}"
            self._add(whole if whole in self.known else base)

    def _add(self, *names: str) -> None:
        (self.later if self._depth else self.at_import).update(names)


def imports(package: Path, name: str) -> Iterator[tuple[str, Imports]]:
    known = modules(package, name)
    for module, path in known.items():
        found = Imports(module, path.name == "__init__.py", known)
        found.visit(parsed(path))
        yield module, found


def part_of(module: str) -> str | None:
    """The part of realtime_ext that a module is in; None for other packages and for the package itself."""
    names = module.split(".")
    return names[1] if names[0] == "realtime_ext" and len(names) > 1 else None


def layer_of(part: str) -> int:
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


@cache
def client_graph() -> dict[str, Imports]:
    return dict(imports(ROOT / "realtime_ext", "realtime_ext"))


@cache
def kit_graph() -> dict[str, Imports]:
    return dict(imports(ROOT / "kit" / "realtime_kit", "realtime_kit"))


@cache
def simulator_graph() -> dict[str, Imports]:
    return dict(imports(ROOT / "simulator" / "realtime_simulator", "realtime_simulator"))


PARTS = frozenset().union(*LAYERS)


def edges_between_parts() -> dict[str, set[str]]:
    """Which part imports which others, also inside functions."""
    edges: dict[str, set[str]] = {part: set() for part in PARTS}
    for module, found in client_graph().items():
        part = part_of(module)
        if part is not None:
            used = {part_of(name) for name in found.at_import | found.later}
            edges[part] |= {str(name) for name in used & PARTS} - {part}
    return edges


def test_every_part_has_its_layer() -> None:
    found = {part for module in client_graph() if (part := part_of(module)) is not None}
    assert found == PARTS, "each part has its place in LAYERS and in CONTRIBUTING.md's table"
    assert sum(map(len, LAYERS)) == len(PARTS), "a part stands in two layers"


def test_a_part_imports_only_its_own_layer_and_those_below() -> None:
    upward = {
        (module, used)
        for module, found in client_graph().items()
        for used in found.at_import | found.later
        if (part := part_of(module)) in PARTS and (other := part_of(used)) in PARTS
        if layer_of(str(other)) > layer_of(str(part))
    }
    assert not upward


def test_nothing_inside_imports_the_package_itself() -> None:
    itself = {
        module
        for graph in (client_graph(), kit_graph(), simulator_graph())
        for module, found in graph.items()
        for used in found.at_import | found.later
        if used == module.partition(".")[0]
    }
    assert not itself, "import from the part, so that the order of imports stays clear"


def test_the_simulator_imports_nothing_of_the_client() -> None:
    used = {
        name.partition(".")[0]
        for found in simulator_graph().values()
        for name in found.at_import | found.later
    }
    assert used.isdisjoint({"realtime_ext", "realtime_kit"})
    assert "realtime_api" in used


def test_the_client_does_not_need_the_simulator() -> None:
    using = {
        part_of(module)
        for module, found in client_graph().items()
        for name in found.at_import | found.later
        if name.partition(".")[0] == "realtime_simulator"
    }
    assert using <= MAY_IMPORT_THE_SIMULATOR


def test_no_two_modules_import_each_other() -> None:
    for graph in (client_graph(), kit_graph(), simulator_graph()):
        edges = {
            module: {used for used in found.at_import | found.later if used in graph and used != module}
            for module, found in graph.items()
        }
        graphlib.TopologicalSorter(edges).prepare()


def test_no_two_parts_import_each_other_and_no_chain_is_long() -> None:
    floors: dict[str, int] = {}
    edges = edges_between_parts()
    for part in graphlib.TopologicalSorter(edges).static_order():
        floors[part] = 1 + max((floors[used] for used in edges[part]), default=0)
    assert max(floors.values()) <= MOST_FLOORS, floors


def test_every_package_says_what_belongs_in_it() -> None:
    silent = [
        str(path.parent.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("__init__.py")
        if not ast.get_docstring(parsed(path))
    ]
    assert not silent


class Privacy(ast.NodeVisitor):
    """The names that a module defines, and the private ones of others that it uses.

    Attributes:
        defined: Functions, classes, attributes and variables, and what `__slots__` names.
        used: Lines, and the private names used there: imported from another part, or attributes of something
            other than `self`.
    """

    def __init__(self, module: str, is_package: bool, tree: ast.Module) -> None:
        self.module = module
        self.package = module if is_package else module.rpartition(".")[0]
        self.defined: set[str] = set()
        self.used: set[tuple[int, str]] = set()
        self.visit(tree)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        above = self.package.split(".")[: len(self.package.split(".")) - node.level + 1]
        base = (
            ".".join([*above, *([node.module] if node.module else [])]) if node.level else node.module or ""
        )
        for alias in node.names:
            target = f"{base}.{alias.name}"
            if base.partition(".")[0] == self.module.partition(".")[0] and part(target) != part(self.module):
                self._add(node.lineno, *target.split(".")[2:])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Store):
            self.defined.add(node.attr)
        elif not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
            self._add(node.lineno, node.attr)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.defined.add(node.id)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.defined.add(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.defined.add(node.name)
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef
    visit_ClassDef = visit_FunctionDef

    def _add(self, line: int, *names: str) -> None:
        self.used |= {(line, name) for name in names if name.startswith("_") and not name.endswith("__")}


def part(module: str) -> str:
    """The part of a package that a module is in: its second name."""
    return module.split(".")[1] if "." in module else ""


# What other packages keep private and still has to be used; each with its reason where it is used.
FOREIGN = frozenset(
    {
        ("_webrtc_peer.py", "_connection"),  # aiortc's ICE agent, whose addresses can't be set otherwise
        # The simulator's media without aiortc's tasks and threads.
        *(
            ("ice_peer.py", name)
            for name in (
                "_connection",
                "_handle_rtp_data",
                "_run_rtp",
                "_rx_srtp",
                "_send_rtp",
                "_ssrc",
                "_RTCRtpReceiver__decoder_queue",
                "_RTCRtpReceiver__jitter_buffer",
                "_RTCRtpSender__mid",
                "_RTCRtpSender__ntp_timestamp",
                "_RTCRtpSender__octet_count",
                "_RTCRtpSender__packet_count",
                "_RTCRtpSender__rtp_exited",
                "_RTCRtpSender__rtp_header_extensions_map",
                "_RTCRtpSender__rtp_started",
                "_RTCRtpSender__rtp_timestamp",
            )
        ),
        ("ice.py", "_connection"),
        ("warnings.py", "_getframe"),  # of sys, documented
        # A request of httpx's can't be ended from another thread otherwise.
        *(
            ("receiving.py", name)
            for name in ("_transport_for_url", "_pool", "_requests", "_connection", "_network_stream")
        ),
        ("sending.py", "_request"),  # httpx's errors raise where it isn't set
    }
)


@pytest.mark.parametrize("package", PACKAGES)
def test_private_names_are_used_only_inside_their_part(package: str) -> None:
    known = modules(ROOT / package, package.rpartition("/")[2])
    read = {
        module: Privacy(module, path.name == "__init__.py", parsed(path)) for module, path in known.items()
    }
    defined: dict[str, set[str]] = {}
    for module, names in read.items():
        defined.setdefault(part(module), set()).update(names.defined)
    found = [
        f"{known[module].relative_to(ROOT)}:{line} {name}"
        for module, names in sorted(read.items())
        for line, name in sorted(names.used)
        if name not in defined[part(module)] and (known[module].name, name) not in FOREIGN
    ]
    assert not found


def test_parts_use_only_the_public_names_of_others() -> None:
    """Private parts are for all of them; of a public one, the others use what users may use."""
    known = modules(ROOT / "realtime_ext", "realtime_ext")

    def uses(module: str, path: Path) -> Iterator[tuple[str, str]]:
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        aliases: dict[str, str] = {}
        for node in imports_and_attributes(path):
            if isinstance(node, ast.ImportFrom) and node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
                for alias in node.names:
                    if f"{base}.{alias.name}" in known:
                        aliases[alias.asname or alias.name] = f"{base}.{alias.name}"
                    else:
                        yield base, alias.name
        for node in imports_and_attributes(path):
            match node:
                case ast.Attribute(value=ast.Name(id=name), attr=used) if name in aliases:
                    yield aliases[name], used

    found = [
        f"{module}: {used}.{name}"
        for module, path in known.items()
        for used, name in uses(module, path)
        if part(used) not in ("", part(module)) and not part(used).startswith("_")
        if name not in import_module(used).__all__
    ]
    assert not found


def test_the_kit_uses_only_public_names_of_the_other_packages() -> None:
    """It shows that what is public suffices to build on."""

    def uses(path: Path) -> Iterator[tuple[str, str]]:
        modules_by_alias: dict[str, str] = {}
        for node in imports_and_attributes(path):
            match node:
                case ast.ImportFrom(level=0, module=str(base), names=names) if base.startswith(OURS):
                    for alias in names:
                        yield base, alias.name
                        modules_by_alias[alias.asname or alias.name] = f"{base}.{alias.name}"
                case ast.Import(names=names):
                    yield from ((alias.name, "") for alias in names if alias.name.startswith(OURS))
        for node in imports_and_attributes(path):
            match node:
                case ast.Attribute(value=ast.Name(id=name), attr=used) if name in modules_by_alias:
                    if find_spec_of(modules_by_alias[name]):
                        yield modules_by_alias[name], used

    private = [
        f"{module}: {used} {name}"
        for module, path in modules(ROOT / "kit" / "realtime_kit", "realtime_kit").items()
        for used, name in uses(path)
        if any(word.startswith("_") for word in (*used.split("."), name) if word != "__version__")
        or (name and name not in public_names(used))
    ]
    assert not private


OURS = ("realtime_ext", "realtime_simulator")


def find_spec_of(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a name in a module
        return False


@cache
def public_names(module: str) -> frozenset[str]:
    """What a module declares, and the public modules in a package."""
    loaded = import_module(module)
    below = {one.name for one in iter_modules(getattr(loaded, "__path__", ())) if one.name[0] != "_"}
    return frozenset({*loaded.__all__, *below})


def test_the_generated_package_imports_nothing_of_ours() -> None:
    statement = re.compile(r"^ *(?:from (\w+)[\w.]* import |import (\w+)[\w., ]*$)", re.MULTILINE)
    used = {
        name or other
        for path in (ROOT / "generated" / "realtime_api").rglob("*.py")
        for name, other in statement.findall(path.read_text(encoding="utf-8"))
    }
    assert "httpx" in used
    assert used - sys.stdlib_module_names <= {"realtime_api", "attr", "attrs", "httpx", "typing_extensions"}


def loaded_by(code: str) -> set[str]:
    """The top-level modules and packages that are loaded after running code in a fresh interpreter."""
    report = f"{code}\nimport sys; print(*sorted(sys.modules), sep='\\n')"
    run = subprocess.run(
        [sys.executable, "-c", report],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated"), str(ROOT / "simulator")]),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert run.returncode == 0, run.stderr
    return {name.partition(".")[0] for name in run.stdout.split()}


def test_importing_pulls_in_no_extras_and_no_network_library() -> None:
    loaded = loaded_by("import realtime_ext")
    assert not loaded & {*EXTRAS, "websockets", "httpx", "msgspec", "dateutil", "ssl"}


def test_making_a_client_pulls_in_no_extras() -> None:
    loaded = loaded_by("import realtime_ext; realtime_ext.RealtimeClient(api_key='k').close()")
    assert not loaded & {*EXTRAS, "websockets"}


def test_every_public_name_loads_without_the_extras() -> None:
    blocked = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS!r}))"
    loaded_by(
        f"{blocked}\nimport realtime_ext\nfor name in realtime_ext.__all__: getattr(realtime_ext, name)"
    )
