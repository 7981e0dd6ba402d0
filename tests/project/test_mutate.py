"""`make mutate`: which mutants there are, and that a missing test shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mutate
import pytest

from tests.support.paths import ROOT


def changes(source: str) -> set[tuple[str, str]]:
    return {(mutant.before, mutant.after) for mutant in mutate.mutants(source)}


def test_expressions_and_statements_are_changed() -> None:
    assert changes("x = a < b") == {("a < b", "a >= b"), ("a < b", "a <= b")}
    assert changes("x = a and b is None") == {
        ("a and b is None", "a or b is None"),
        ("b is None", "b is not None"),
    }
    assert changes("x = not a") == {("not a", "a")}
    assert changes("x = a in b") == {("a in b", "a not in b")}
    assert changes("x = [3, True]") == {("3", "4"), ("3", "2"), ("True", "False")}
    assert changes("f(a)") == {("f(a)", "pass")}
    assert changes("async def f():\n    await g()") == {("await g()", "pass")}
    assert changes("def f():\n    return a") == {("return a", "return None")}


def test_code_that_only_documents_or_reports_is_not_changed() -> None:
    for source in [
        '"""Docstring."""',
        "x: Literal[1]",
        "def f(x: Literal[1]) -> Literal[2]: ...",
        "if TYPE_CHECKING:\n    f(1)",
        "@overload\ndef f(x=1): ...",
        "def __dir__():\n    return __all__",
        "x = f'{1}'",
        "_log.warning('unknown event')",
        "def f():\n    return None",
    ]:
        assert not changes(source), source


def test_a_mutant_keeps_the_rest_of_the_module() -> None:
    first, second = mutate.mutants("a = True\nb = True")
    results: list[dict[str, object]] = [{}, {}]
    for mutant, names in zip([first, second], results, strict=True):
        exec(compile(mutant.tree, "module", "exec"), names)
    assert [(names["a"], names["b"]) for names in results] == [(False, True), (True, False)]
    assert (first.line, second.line) == (1, 2)


def test_the_tests_of_a_module_are_found() -> None:
    assert mutate.tests_of("realtime_ext/sdp/_offers.py")[0] == ["tests/ext/sdp"]
    assert mutate.tests_of("realtime_ext/_http/settings.py")[0] == ["tests/ext/_http"]
    assert mutate.tests_of("realtime_ext/usage.py")[0] == ["tests/ext"]
    paths = [*mutate.TESTS, *mutate.MARKED, *(path for paths in mutate.TESTS.values() for path in paths)]
    assert all((ROOT / path).exists() for path in paths)


@pytest.mark.slow
def test_survivors_are_listed_and_fail_the_command(tmp_path: Path) -> None:
    line = (ROOT / "realtime_ext/_http/retry.py").read_text().split("min(retries, 16)")[0].count("\n") + 1
    result = subprocess.run(
        [sys.executable, "scripts/mutate.py", "--only", "realtime_ext/_http/retry.py", "--line", str(line)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert f"SURVIVED  realtime_ext/_http/retry.py:{line}: 16  ->  17" in result.stdout, result.stderr
    assert "4 mutants, 2 noticed, 0 hung, 2 survived, 0 uncovered" in result.stdout
    assert result.returncode == 1
