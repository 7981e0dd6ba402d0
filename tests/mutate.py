"""List the small changes of the code that no test notices: `make mutate [ONLY=path] [SEED=…]`.

A change (a mutant) is one expression or statement of a function: a comparison or condition negated, `and`
for `or`, a call left out, `None` returned. No file is edited. The tests are collected once, in a process
that forks a child for each mutant. The child replaces the code of the function, and runs the tests that
execute the lines of the mutant. Tests that start programs, or need any, are omitted.

A mutant is noticed if a test fails, and hangs if a test takes several times as long as without the mutant.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import gc
import importlib
import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
#: The modules that are mutated unless `--only` says otherwise, and the tests of each. The tests of others are
#: those of the mirrored folder.
TESTS = {
    "realtime_ext/connection/_state": ["tests/ext/connection", "tests/ext/test_events.py"],
    "realtime_ext/session": [
        "tests/ext/session",
        "tests/ext/test_models.py",
        "tests/ext/_resources/test_client_secrets.py",
    ],
    "realtime_ext/sdp": ["tests/ext/sdp"],
    "realtime_ext/tools": ["tests/ext/tools", "tests/ext/connection/test_tools.py"],
    "realtime_ext/webhooks.py": ["tests/ext/test_webhooks.py"],
    "realtime_ext/_http/retry.py": ["tests/ext/_http"],
    "realtime_ext/_core/json.py": [
        "tests/ext/_core",
        "tests/ext/test_events.py",
        "tests/ext/test_webhooks.py",
    ],
    "kit/realtime_kit/fleet/_memory_store.py": ["tests/kit/fleet"],
    "kit/realtime_kit/fleet/_store.py": ["tests/kit/fleet"],
    "kit/realtime_kit/fleet/_postgres_store.py": ["tests/kit/fleet"],
}
#: Tests that a module needs beside the fast ones.
MARKED = {"kit/realtime_kit/fleet/_postgres_store.py": "(not slow or postgres) and not programs"}
_LOCAL = "not browser and not postgres and not node and not programs"
#: How long the tests of a mutant may take together, in seconds: the quickest are run.
_BUDGET = 30.0
_NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_UNMUTATED_CALLS = {"debug", "info", "warning", "error", "exception", "warn"}  # logs and warnings


class Mutant(NamedTuple):
    """A module with one change."""

    line: int
    end: int
    before: str
    after: str
    tree: ast.Module


class Place(NamedTuple):
    """A node that may be changed: the field of its parent, and the position in a list."""

    node: ast.AST
    parent: ast.AST
    field: str
    position: int | None


def mutants(source: str) -> Iterator[Mutant]:
    """Yield all mutants of a module, in the order of its lines."""
    tree = ast.parse(source)
    for place in _places(tree, is_run=False):
        for changed, after in _changes(place):
            original = place.node
            _put(place, ast.fix_missing_locations(ast.copy_location(changed, original)))
            mutated = copy.deepcopy(tree)
            _put(place, original)
            line: int = original.lineno  # type: ignore[attr-defined]
            end: int = original.end_lineno  # type: ignore[attr-defined]
            yield Mutant(line, end, _show(original), after, mutated)


def _put(place: Place, node: ast.AST) -> None:
    if place.position is None:
        setattr(place.parent, place.field, node)
    else:
        getattr(place.parent, place.field)[place.position] = node


def _show(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def _places(parent: ast.AST, *, is_run: bool) -> Iterator[Place]:
    """Walk the nodes of functions, without annotations, docstrings, messages, overloads and `__dir__`."""
    if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        is_run = True
    elif isinstance(parent, ast.ClassDef):
        is_run = False
    for field, value in ast.iter_fields(parent):
        if field in ("annotation", "args", "decorator_list", "returns", "type_params") and not isinstance(
            parent, ast.Call
        ):
            continue
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST) or _is_exempt(node):
                continue
            if is_run and hasattr(node, "lineno"):
                yield Place(node, parent, field, index)
            yield from _places(node, is_run=is_run)


def _is_exempt(node: ast.AST) -> bool:
    match node:
        case ast.If(test=ast.Name("TYPE_CHECKING")) | ast.JoinedStr() | ast.FunctionDef("__dir__"):
            return True
        case ast.FunctionDef(decorator_list=decorators) | ast.AsyncFunctionDef(decorator_list=decorators):
            return any(isinstance(found, ast.Name) and found.id == "overload" for found in decorators)
        case ast.Expr(value=ast.Constant()):
            return True
    return False


def _changes(place: Place) -> Iterator[tuple[ast.AST, str]]:
    """Yield what may stand at a place, and how it is shown."""
    node = place.node
    changed: ast.AST
    match node:
        case ast.Compare(left, operators, right):
            for index, operator in enumerate(operators):
                negated = _NEGATED[type(operator)]()
                changed = ast.Compare(left, [*operators[:index], negated, *operators[index + 1 :]], right)
                yield changed, _show(changed)
        case ast.BoolOp(operator, values):
            changed = ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
            yield changed, _show(changed)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand, _show(operand)
        case ast.expr() if place.field == "test" or (
            place.field == "ifs" and isinstance(place.parent, ast.comprehension)
        ):
            changed = ast.UnaryOp(ast.Not(), node)
            yield changed, _show(changed)
        # The original stays behind `False`, so that the function keeps its variables and its kind.
        case ast.Expr(ast.Call(function) | ast.Await(ast.Call(function))):
            if getattr(function, "attr", getattr(function, "id", "")) not in _UNMUTATED_CALLS:
                yield ast.If(ast.Constant(False), [node], []), "pass"
        case ast.Return(ast.Constant(None | False)):  # the same to most callers
            return
        case ast.Return(ast.expr() as value):
            yield ast.Return(ast.IfExp(ast.Constant(False), value, ast.Constant(None))), "return None"


def tests_of(module: str) -> tuple[list[str], str]:
    """Return the paths of a module's tests, and the expression of their markers."""
    for prefix, paths in TESTS.items():
        if module == prefix or module.startswith(f"{prefix}/"):
            return paths, MARKED.get(prefix, _LOCAL)
    parts = Path(module).relative_to("realtime_ext")
    for folder in (ROOT / "tests/ext" / parent for parent in parts.parents):
        if folder.is_dir():
            return [str(folder.relative_to(ROOT))], _LOCAL
    raise AssertionError("tests/ext exists")


class Covered(NamedTuple):
    """Which tests execute the lines of a module, and how many seconds each takes."""

    lines: dict[str, dict[int, list[str]]]
    durations: dict[str, float]


class Result(NamedTuple):
    """Whether a mutant is noticed, hangs, survives or is uncovered, and the test that shows it."""

    kind: str
    test: str


class Session:
    """A pytest plugin that calls `work` in place of running the tests that were collected."""

    def __init__(self, modules: Sequence[str], work: Callable[[Session], None]) -> None:
        self._modules = modules
        self._work = work
        self._pytest: Any = None
        self._functions: dict[str, list[FunctionType]] = {str(ROOT / module): [] for module in modules}
        self._durations: dict[str, float] = {}
        self._limits: dict[str, float] = {}
        self._progress = 0
        self._coverage: Any = None

    def run(self, arguments: Sequence[str]) -> int:
        """Collect the tests and do the work; return pytest's status."""
        import pytest

        options = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--tb=line"]
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning", "--time-limit=0"]
        return int(pytest.main([*options, *arguments], plugins=[self]))

    def cover(self) -> Covered:
        """Run the tests once on unchanged code.

        Raises:
            SystemExit: They fail.
        """

        def work() -> int:
            from coverage import Coverage

            include = [str(ROOT / module) for module in self._modules]
            self._coverage = Coverage(data_file=None, config_file=False, include=include)
            self._coverage.set_option("run:disable_warnings", ["no-data-collected"])  # a protocol
            self._coverage.start()
            failed = self._run_tests()
            self._coverage.stop()
            data = self._coverage.get_data()
            paths = {module: str(ROOT / module) for module in self._modules}
            measured = data.measured_files()
            lines = {
                m: data.contexts_by_lineno(path) if path in measured else {} for m, path in paths.items()
            }
            Path(found.name).write_text(json.dumps([lines, self._durations]))
            return failed

        with tempfile.NamedTemporaryFile("r", suffix=".json") as found:
            status, output = in_child(work)
            if status != 0:
                raise SystemExit(f"the tests fail without a mutant:\n{output[-4000:]}")
            lines, durations = json.load(found)
        numbered = {module: {int(line): tests for line, tests in of.items()} for module, of in lines.items()}
        return Covered(numbered, durations)

    def judge(self, module: str, mutant: Mutant, covered: Covered) -> Result:
        """Run the tests that execute a mutant, until one fails or takes too long."""
        lines = covered.lines[module]
        names = {name for line in range(mutant.line, mutant.end + 1) for name in lines.get(line, [])} - {""}
        wanted: dict[str, float] = {}
        seconds = 0.0
        for duration, name in sorted((covered.durations[name], name) for name in names):
            seconds += duration
            if wanted and seconds > _BUDGET:
                break
            wanted[name] = duration
        if not wanted:
            return Result("uncovered", "")

        def work() -> int:
            self._replace(module, mutant.tree)
            order = list(wanted)
            items = {item.nodeid: item for item in self._pytest.items}
            self._pytest.items[:] = [items[name] for name in order]
            self._limits = {name: 12 + 5 * duration for name, duration in wanted.items()}
            self._progress = progress.fileno()
            return self._run_tests()

        with tempfile.TemporaryFile() as progress:
            status, _ = in_child(work)
            progress.seek(0)
            last = progress.read().decode().splitlines()[-1:]
        if status == -signal.SIGALRM:
            return Result("hung", "".join(last))
        return Result("noticed" if status else "survived", "".join(last))

    def _replace(self, module: str, tree: ast.Module) -> None:
        path = str(ROOT / module)
        codes = {(of.co_qualname, of.co_firstlineno): of for of in _codes(compile(tree, path, "exec"))}
        for function in self._functions[path]:
            code = codes.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
            if code is not None:
                function.__code__ = code

    def _run_tests(self) -> int:
        """Run the tests in this process, and return the number that failed."""
        from _pytest.main import pytest_runtestloop

        with contextlib.suppress(self._pytest.Failed):
            pytest_runtestloop(self._pytest)
        return min(int(self._pytest.testsfailed), 99)

    # Hooks of pytest

    def pytest_collection_modifyitems(self) -> None:
        """Find the functions of the modules, before the tests' collector freezes them."""
        for module in self._modules:
            importlib.import_module(".".join(Path(module).with_suffix("").parts).removesuffix(".__init__"))
        for value in gc.get_objects():
            if type(value) is FunctionType:
                self._functions.get(value.__code__.co_filename, []).append(value)

    def pytest_runtestloop(self, session: Any) -> bool:
        """Do the work."""
        session.config.option.maxfail = 1
        self._pytest = session
        self._work(self)
        return True

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Attribute the lines from here on to this test, and limit its time."""
        if self._coverage is not None:
            self._coverage.switch_context(nodeid)
        if self._limits:
            os.write(self._progress, f"{nodeid}\n".encode())
            signal.setitimer(signal.ITIMER_REAL, self._limits[nodeid])

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add the phases of a test up."""
        self._durations[report.nodeid] = self._durations.get(report.nodeid, 0) + report.duration


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def in_child(work: Callable[[], int]) -> tuple[int, str]:
    """Run `work` in a forked process group, and return the status and the output."""
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
            except BaseException:
                traceback.print_exc()
                raise
            finally:
                sys.stdout.flush()
                os._exit(status)
        _, result = os.waitpid(child, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # processes that the tests left running
        output.seek(0)
        return os.waitstatus_to_exitcode(result), output.read().decode(errors="replace")


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
    groups: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for module in modules_in(options.only):
        paths, marked = tests_of(module)
        groups.setdefault((tuple(paths), marked), []).append(module)
    results: Counter[str] = Counter()
    fork = multiprocessing.get_context("fork")
    for (where, marked), modules in groups.items():
        receiver, sender = fork.Pipe(duplex=False)
        process = fork.Process(
            target=_judge_modules, args=(modules, ["-m", marked, *where], options, sender), daemon=False
        )
        process.start()
        sender.close()
        try:
            results += receiver.recv()
        except EOFError:
            raise SystemExit(f"the tests of {', '.join(modules)} were not run") from None
        process.join()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    noticed = 100 * (results["noticed"] + results["hung"]) / max(1, results.total())
    cpu = usage.ru_utime + usage.ru_stime
    print(f"{_summary(results)}: {noticed:.1f} % noticed, {cpu:.0f} s of CPU time")
    return int(noticed < options.threshold)


def _judge_modules(
    modules: Sequence[str], arguments: Sequence[str], options: argparse.Namespace, sender: Connection
) -> None:
    listed = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # pytest's own output

    def work(session: Session) -> None:
        results: Counter[str] = Counter()
        sources = {module: (ROOT / module).read_text(encoding="utf-8") for module in modules}
        covered = session.cover()
        for module in modules:
            chosen = list(mutants(sources[module]))
            if options.line:
                chosen = [mutant for mutant in chosen if mutant.line <= options.line <= mutant.end]
            elif 0 < options.sample < len(chosen):
                draw = random.Random(f"{options.seed} {module}")
                chosen = sorted(draw.sample(chosen, options.sample), key=lambda mutant: mutant.line)
            of_module: Counter[str] = Counter()
            for mutant in chosen:
                kind, test = session.judge(module, mutant, covered)
                of_module[kind] += 1
                if kind != "noticed":
                    hung = f"  ({test})" if kind == "hung" else ""
                    place = f"{kind.upper():9} {module}:{mutant.line}"
                    listed.write(f"{place}: {mutant.before}  ->  {mutant.after}{hung}\n")
            listed.write(f"{module}: {_summary(of_module)}\n")
            results += of_module
        sender.send(results)

    Session(modules, work).run(arguments)


def _summary(results: Counter[str]) -> str:
    kinds = ("noticed", "hung", "survived", "uncovered")
    return f"{results.total()} mutants, " + ", ".join(f"{results[kind]} {kind}" for kind in kinds)


if __name__ == "__main__":
    sys.exit(main())
