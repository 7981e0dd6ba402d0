"""`make mutate`: which mutants there are, and that a missing test shows."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests import mutate
from tests.support.paths import ROOT

pytestmark = pytest.mark.weekly


def changes(body: str) -> set[tuple[str, str]]:
    source = "async def f():\n    " + body.replace("\n", "\n    ")
    return {(mutant.before, mutant.after) for mutant in mutate.mutants(source)}


def test_expressions_and_statements_of_functions_are_changed() -> None:
    assert changes("x = a < b") == {("a < b", "a >= b")}
    assert changes("x = a and b is None") == {
        ("a and b is None", "a or b is None"),
        ("b is None", "b is not None"),
    }
    assert changes("x = not a") == {("not a", "a")}
    assert changes("x = a in b") == {("a in b", "a not in b")}
    assert changes("if a:\n    x = b if c else d") == {("a", "not a"), ("c", "not c")}
    assert changes("x = [a for a in b if a]") == {("a", "not a")}
    assert changes("g(a)") == {("g(a)", "pass")}
    assert changes("await g()") == {("await g()", "pass")}
    assert changes("return a") == {("return a", "return None")}
    assert changes("x = lambda: not a") == {("not a", "a")}


def test_code_that_only_documents_reports_or_runs_on_import_is_not_changed() -> None:
    for body in [
        '"""Docstring."""',
        "x: Literal[1]",
        "def g(x: Literal[1]) -> Literal[2]: ...",
        "if TYPE_CHECKING:\n    g(1)",
        "@overload\ndef g(x=1): ...",
        "def __dir__():\n    return __all__",
        "x = f'{not a}'",
        "_log.warning('unknown event')",
        "return None",
        "return False",
        "x = 3",
    ]:
        assert not changes(body), body
    assert not list(mutate.mutants("x = not a\nclass C:\n    y = not a\ndef f(x=not a): ..."))


def test_a_mutant_keeps_the_rest_of_the_module_and_the_variables_of_its_functions() -> None:
    source = "def f(x):\n    def g():\n        x.append(1)\n        return x\n    return g()"
    results = []
    for mutant in mutate.mutants(source):
        names: dict[str, Any] = {}
        exec(compile(mutant.tree, "module", "exec"), names)
        results.append((mutant.line, names["f"]([])))
        assert names["f"].__code__.co_cellvars == ("x",)
    assert results == [(3, []), (4, None), (5, None)]


def test_the_tests_of_a_module_are_found() -> None:
    assert mutate.tests_of("realtime_ext/sdp/_offers.py")[0] == ["tests/ext/sdp"]
    assert mutate.tests_of("realtime_ext/_http/settings.py")[0] == ["tests/ext/_http"]
    assert mutate.tests_of("realtime_ext/usage.py")[0] == ["tests/ext"]
    paths = [*mutate.TESTS, *mutate.MARKED, *(path for paths in mutate.TESTS.values() for path in paths)]
    assert all((ROOT / path).exists() for path in paths)


def run(module: str, line: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tests/mutate.py", "--only", module, "--line", str(line), "--sample", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def line_of(module: str, text: str) -> int:
    return (ROOT / module).read_text().split(text)[0].count("\n") + 1


@pytest.mark.slow
def test_survivors_are_listed_and_fail_the_command() -> None:
    module = "realtime_ext/tools/_values.py"
    line = line_of(module, "super().__init__(message)")  # BaseException.__new__ keeps the message as well
    result = run(module, line)
    assert f"SURVIVED  {module}:{line}: super().__init__(message)  ->  pass" in result.stdout, result.stderr
    assert "1 mutants, 0 noticed, 0 hung, 1 survived, 0 uncovered" in result.stdout
    assert result.returncode == 1
