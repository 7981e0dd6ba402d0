"""List the small changes of the code that no test notices: `make mutate [ONLY=path] [SEED=…]`.

A change (a mutant) is one expression or statement: a comparison turned round, `and` for `or`, a call left
out, a number off by one, `None` returned. No file is edited. This process imports what the tests need apart
from `realtime_ext`, and forks a child for each mutant. The child imports `realtime_ext` with the mutant in
place of the original module, and runs the tests that execute the lines of the mutant. Slow tests, and tests
that start programs, are omitted.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib
import importlib.machinery
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
#: The modules that are mutated unless `--only` says otherwise, and the tests of each. The tests of others are
#: those of the mirrored folder.
TESTS = {
    "realtime_ext/connection/_state": ["tests/ext/connection", "tests/ext/test_events.py"],
    "realtime_ext/session/_check.py": ["tests/ext/session"],
    "realtime_ext/sdp": ["tests/ext/sdp"],
    "realtime_ext/tools": ["tests/ext/tools", "tests/ext/connection/test_tools.py"],
    "realtime_ext/webhooks.py": ["tests/ext/test_webhooks.py"],
    "realtime_ext/_http/retry.py": ["tests/ext/_http"],
    "realtime_ext/_core/json.py": [
        "tests/ext/_core",
        "tests/ext/test_events.py",
        "tests/ext/test_webhooks.py",
    ],
    "realtime_ext/integrations/fleet/_memory_store.py": ["tests/ext/integrations/fleet"],
    "realtime_ext/integrations/fleet/_store.py": ["tests/ext/integrations/fleet"],
    "realtime_ext/integrations/fleet/_postgres_store.py": ["tests/ext/integrations/fleet"],
}
#: Tests that a module needs beside the fast ones.
MARKED = {"realtime_ext/integrations/fleet/_postgres_store.py": "(not slow or postgres) and not programs"}
_FAST = "not slow and not programs"
#: Imported once, before the first child is forked; nothing here imports `realtime_ext`.
_PRELOADED = [
    *("aiortc", "attrs", "coverage", "httpx", "hypothesis.strategies", "msgspec", "numpy", "pytest", "vcr"),
    *("realtime_api.client", "realtime_api.events", "realtime_api.models", "realtime_simulator", "starlette"),
    *("unittest.mock", "uvicorn", "websockets.asyncio.client", "websockets.sync.client"),
]
_COMPARISONS: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Lt: [ast.GtE, ast.LtE],
    ast.LtE: [ast.Gt, ast.Lt],
    ast.Gt: [ast.LtE, ast.GtE],
    ast.GtE: [ast.Lt, ast.Gt],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}
_UNMUTATED_CALLS = {"debug", "info", "warning", "error", "exception", "warn"}  # logs and warnings


class Mutant(NamedTuple):
    """A module with one change."""

    line: int
    end: int
    before: str
    after: str
    tree: ast.Module


class Node(NamedTuple):
    """A node that may be changed, and where it is: the field of its parent, and the position in a list."""

    node: ast.AST
    parent: ast.AST
    field: str
    position: int | None


def mutants(source: str) -> Iterator[Mutant]:
    """Yield all mutants of a module, in the order of its lines."""
    tree = ast.parse(source)
    for place in _places(tree):
        for changed in _changes(place.node):
            original = place.node
            _put(place, ast.fix_missing_locations(ast.copy_location(changed, original)))
            mutated = copy.deepcopy(tree)
            _put(place, original)
            line: int = original.lineno  # type: ignore[attr-defined]
            end: int = original.end_lineno  # type: ignore[attr-defined]
            yield Mutant(line, end, _show(original), _show(changed), mutated)


def _put(place: Node, node: ast.AST) -> None:
    if place.position is None:
        setattr(place.parent, place.field, node)
    else:
        getattr(place.parent, place.field)[place.position] = node


def _show(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def _places(parent: ast.AST) -> Iterator[Node]:
    """Walk the nodes that run, without annotations, docstrings, messages, overloads and `__dir__`."""
    for field, value in ast.iter_fields(parent):
        if field in ("annotation", "returns", "type_params", "decorator_list"):
            continue
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST) or _is_exempt(node):
                continue
            if hasattr(node, "lineno"):
                yield Node(node, parent, field, index)
            yield from _places(node)


def _is_exempt(node: ast.AST) -> bool:
    match node:
        case ast.If(test=ast.Name("TYPE_CHECKING")) | ast.JoinedStr() | ast.FunctionDef("__dir__"):
            return True
        case ast.FunctionDef(decorator_list=decorators) | ast.AsyncFunctionDef(decorator_list=decorators):
            return any(isinstance(found, ast.Name) and found.id == "overload" for found in decorators)
        case ast.Expr(value=ast.Constant()) | ast.AnnAssign(annotation=ast.Name("TypeAlias")):
            return True
        case ast.Assign(targets=[ast.Name("__all__" | "__slots__")]):
            return True
    return False


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left, operators, right):
            for index, operator in enumerate(operators):
                for other in _COMPARISONS[type(operator)]:
                    yield ast.Compare(left, [*operators[:index], other(), *operators[index + 1 :]], right)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value) | float(value)):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Expr(ast.Call(function) | ast.Await(ast.Call(function))):
            if getattr(function, "attr", getattr(function, "id", "")) not in _UNMUTATED_CALLS:
                yield ast.Pass()
        case ast.Return(value) if value is not None and not (
            isinstance(value, ast.Constant) and value.value is None
        ):
            yield ast.Return(ast.Constant(None))


def tests_of(module: str) -> tuple[list[str], str]:
    """Return the paths of a module's tests, and the expression of their markers."""
    for prefix, paths in TESTS.items():
        if module == prefix or module.startswith(f"{prefix}/"):
            return paths, MARKED.get(prefix, _FAST)
    parts = Path(module).relative_to("realtime_ext")
    for folder in (ROOT / "tests/ext" / parent for parent in parts.parents):
        if folder.is_dir():
            return [str(folder.relative_to(ROOT))], _FAST
    raise AssertionError("tests/ext exists")


class Plugin:
    """Run only some tests, the quickest first; or all, and note which lines each of them executes."""

    def __init__(self, durations: dict[str, float] | None = None, coverage: Any = None) -> None:
        self.wanted = durations
        self.coverage = coverage
        self.durations: dict[str, float] = {}
        self.failed: list[str] = []

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Select the tests."""
        if self.wanted is not None:
            wanted = self.wanted
            items[:] = sorted(
                (item for item in items if item.nodeid in wanted), key=lambda item: wanted[item.nodeid]
            )

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Attribute the lines from here on to this test."""
        if self.coverage is not None:
            self.coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add the phases of a test up."""
        self.durations[report.nodeid] = self.durations.get(report.nodeid, 0) + report.duration
        if report.failed:
            self.failed.append(report.nodeid)


class Outcome(NamedTuple):
    """How a child's tests ended."""

    status: int
    output: str
    timed_out: bool


def run_tests(arguments: Sequence[str], plugin: Plugin) -> int:
    """Run pytest in this process, which ends with it."""
    import pytest

    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--tb=line"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*options, *arguments], plugins=[plugin]))


def in_child(work: Callable[[], int], limit: float) -> Outcome:
    """Run `work` in a forked process group, and end the group after the limit.

    Args:
        work: Returns the exit status.
        limit: Seconds.
    """
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            status = 99
            try:
                os.setpgid(0, 0)
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                status = work()
                sys.stdout.flush()
            finally:
                os._exit(status)
        deadline = time.monotonic() + limit
        timed_out = False
        while True:
            pid, result = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                timed_out = True
                os.killpg(child, signal.SIGKILL)
                _, result = os.waitpid(child, 0)
                break
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # processes that the tests left running
        output.seek(0)
        return Outcome(os.waitstatus_to_exitcode(result), output.read().decode(errors="replace"), timed_out)


class Covered(NamedTuple):
    """Which tests execute the lines of a module, and how many seconds each takes."""

    lines: dict[str, dict[int, list[str]]]
    durations: dict[str, float]


def cover(modules: list[str], paths: list[str], marked: str) -> Covered:
    """Run the tests once on unchanged code.

    Raises:
        SystemExit: They fail.
    """
    with tempfile.NamedTemporaryFile("r", suffix=".json") as found:

        def work() -> int:
            from coverage import Coverage

            coverage = Coverage(
                data_file=None, config_file=False, include=[str(ROOT / module) for module in modules]
            )
            coverage.start()
            plugin = Plugin(coverage=coverage)
            status = run_tests(["-m", marked, *paths], plugin)
            coverage.stop()
            data = coverage.get_data()
            lines = {
                module: data.contexts_by_lineno(str(ROOT / module))
                for module in modules
                if str(ROOT / module) in data.measured_files()
            }
            Path(found.name).write_text(json.dumps([lines, plugin.durations]))
            return status

        outcome = in_child(work, limit=900)
        if outcome.status != 0:
            raise SystemExit(f"the tests fail without a mutant:\n{outcome.output[-4000:]}")
        lines, durations = json.load(found)
        numbered = {module: {int(line): tests for line, tests in of.items()} for module, of in lines.items()}
        return Covered(numbered, durations)


def try_mutant(
    module: str, mutant: Mutant, covered: Covered, paths: list[str], marked: str
) -> Outcome | None:
    """Run the tests that execute the mutant, until one fails.

    Returns:
        How they ended, or None if no test executes the mutant.
    """
    lines = covered.lines.get(module, {})
    names = {name for line in range(mutant.line, mutant.end + 1) for name in lines.get(line, [])}
    wanted = {name: duration for name, duration in covered.durations.items() if name in names}
    if "" in names:  # executed by an import
        wanted = covered.durations
    if not wanted:
        return None
    files = sorted({name.partition("::")[0] for name in wanted})
    slowest = max(wanted.values())

    def work() -> int:
        _import_mutated(module, mutant.tree)
        limit = f"--time-limit={10 + 5 * slowest:.0f}"
        return run_tests(["-x", limit, "-m", marked, *files], Plugin(durations=wanted))

    return in_child(work, limit=60 + 10 * sum(wanted.values()))


def _import_mutated(module: str, tree: ast.Module) -> None:
    """Import the package with the mutant, before pytest imports it with assertions rewritten."""
    path = str(ROOT / module)
    code = compile(tree, path, "exec", dont_inherit=True)
    original = importlib.machinery.SourceFileLoader.get_code

    def get_code(loader: importlib.machinery.SourceFileLoader, name: str) -> CodeType | None:
        return code if loader.path == path else original(loader, name)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[assignment,method-assign]
    importlib.import_module(".".join(Path(module).with_suffix("").parts).removesuffix(".__init__"))


def modules_in(only: str | None) -> list[str]:
    """List the modules to mutate, relative to the root.

    Raises:
        SystemExit: There is none at that path.
    """
    found = []
    for path in [only.rstrip("/")] if only else TESTS:
        place = ROOT / path
        files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        if not files or not all(file.is_file() for file in files):
            raise SystemExit(f"no Python module at {path}")
        found += [str(file.resolve().relative_to(ROOT)) for file in files]
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="mutate.py", description="List the mutants that no test notices.")
    parser.add_argument("--only", metavar="PATH", help="a module or folder of realtime_ext")
    parser.add_argument("--seed", default="1", help="which mutants are sampled (default: 1)")
    parser.add_argument(
        "--sample", type=int, default=20, metavar="N", help="mutants of each module, 0: all (default: 20)"
    )
    parser.add_argument("--line", type=int, help="only mutants of this line")
    parser.add_argument(
        "--threshold", type=float, default=95, metavar="PERCENT", help="share to notice (default: 95)"
    )
    options = parser.parse_args(arguments)
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT), str(ROOT / "generated"), str(ROOT / "simulator")]
    for name in _PRELOADED:
        importlib.import_module(name)
    assert "realtime_ext" not in sys.modules
    groups: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for module in modules_in(options.only):
        paths, marked = tests_of(module)
        groups.setdefault((tuple(paths), marked), []).append(module)
    results: Counter[str] = Counter()
    for (group_paths, marked), modules in groups.items():
        covered = cover(modules, list(group_paths), marked)
        for module in modules:
            chosen = list(mutants((ROOT / module).read_text(encoding="utf-8")))
            if options.line:
                chosen = [mutant for mutant in chosen if mutant.line <= options.line <= mutant.end]
            elif 0 < options.sample < len(chosen):
                draw = random.Random(f"{options.seed} {module}")
                chosen = sorted(draw.sample(chosen, options.sample), key=lambda mutant: mutant.line)
            of_module: Counter[str] = Counter()
            for mutant in chosen:
                result = _judge(try_mutant(module, mutant, covered, list(group_paths), marked))
                of_module[result] += 1
                if result != "noticed":
                    place = f"{module}:{mutant.line}"
                    print(f"{result.upper():9} {place}: {mutant.before}  ->  {mutant.after}", flush=True)
            print(f"{module}: {_summary(of_module)}", flush=True)
            results += of_module
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    noticed = 100 * (results["noticed"] + results["hung"]) / max(1, results.total())
    cpu = usage.ru_utime + usage.ru_stime
    print(f"{_summary(results)}: {noticed:.1f} % noticed, {cpu:.0f} s of CPU time")
    return int(noticed < options.threshold)


def _judge(outcome: Outcome | None) -> str:
    if outcome is None:
        return "uncovered"
    if outcome.status == 5:  # pytest's "no tests collected"
        raise SystemExit(f"tests have changed meanwhile:\n{outcome.output}")
    if outcome.timed_out or "exceeded its time limit" in outcome.output or "Timeout (" in outcome.output:
        return "hung"
    return "survived" if outcome.status == 0 else "noticed"


def _summary(results: Counter[str]) -> str:
    kinds = ("noticed", "hung", "survived", "uncovered")
    return f"{results.total()} mutants, " + ", ".join(f"{results[kind]} {kind}" for kind in kinds)


if __name__ == "__main__":
    sys.exit(main())
