"""What failed runs once more, alone: tests that pass then are unstable, and few of them are allowed.

Each test here starts several runs of pytest: one is in every run, the others are weekly.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.unstable import LIMIT

pytestmark = pytest.mark.programs

PASSES = "def test_passes(): pass\n"
FAILS = "def test_fails(): assert 'this' == 'that'\n"
#: Fails in the first process that runs it.
UNSTABLE = """
@pytest.mark.parametrize("case", {cases})
def test_unstable(case):
    before = pathlib.Path(f"ran-{{case}}")
    ran = before.exists()
    before.touch()
    assert ran, "the machine was busy"
"""
UNSTABLE_SET_UP = """
@pytest.fixture
def server():
    before = pathlib.Path("ran")
    ran = before.exists()
    before.touch()
    assert ran, "the machine was busy"

def test_with_a_server(server): pass
"""
ENDS_ITS_WORKER = """
def test_ends_its_worker():
    before = pathlib.Path("ran")
    ran = before.exists()
    before.touch()
    ran or os._exit(1)
"""


def run(folder: Path, tests: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n")
    (folder / "test_app.py").write_text(f"import os, pathlib\nimport pytest\n{PASSES}{tests}")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "tests.support.unstable"]
    return subprocess.run(
        [*command, "-n", "1", "--confirm-failures", *arguments, "test_app.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def unstable(*cases: str) -> str:
    return UNSTABLE.format(cases=cases)


@pytest.mark.parametrize(
    ("tests", "name"),
    [
        (unstable("a b::c]"), "test_unstable[a b::c]]"),
        (UNSTABLE_SET_UP, "test_with_a_server"),
        (ENDS_ITS_WORKER, "test_ends_its_worker"),
    ],
    ids=["call", "fixture", "worker"],
)
@pytest.mark.weekly
def test_a_test_that_passes_alone_is_unstable_and_the_run_passes(
    tmp_path: Path, tests: str, name: str
) -> None:
    result = run(tmp_path, tests)
    assert result.returncode == 0, result.stdout
    before, after = result.stdout.split(f"unstable: test_app.py::{name}\n")
    assert "= unstable =" in before
    assert "the machine was busy" in after or "crashed while running" in after
    assert "1 passed, 1 unstable" in after.splitlines()[-1]
    assert "FAILED" not in result.stdout


def test_a_test_that_fails_twice_fails_the_run(tmp_path: Path) -> None:
    result = run(tmp_path, FAILS + unstable("once"))
    assert result.returncode == 1
    assert "test_app.py::test_fails, when it ran alone:" in result.stdout
    assert "unstable: test_app.py::test_unstable[once]" in result.stdout
    assert "1 failed, 1 passed, 1 unstable" in result.stdout


@pytest.mark.weekly
def test_many_unstable_tests_fail_the_run(tmp_path: Path) -> None:
    result = run(tmp_path, unstable(*map(str, range(LIMIT + 1))))
    assert result.returncode == 1
    assert f"Not run once more: more than {LIMIT} tests have failed." in result.stdout


@pytest.mark.weekly
def test_the_limit_holds_for_all_runs_with_the_same_log(tmp_path: Path) -> None:
    log = tmp_path / "build" / "unstable.txt"
    first = run(tmp_path, unstable(*map(str, range(LIMIT - 1))), f"--unstable-log={log}")
    assert first.returncode == 0, first.stdout
    assert "unstable: test_app.py::test_unstable[0]\n" in log.read_text()
    assert "the machine was busy" in log.read_text()
    second = run(tmp_path, unstable("another", "and another"), f"--unstable-log={log}")
    assert second.returncode == 1
    third = run(tmp_path, unstable("the last"), f"--unstable-log={log}")
    assert third.returncode == 0, third.stdout


@pytest.mark.weekly
def test_a_run_that_cannot_collect_its_tests_fails(tmp_path: Path) -> None:
    result = run(tmp_path, "import nothing_of_this_name\n")
    assert result.returncode == 1 or result.returncode == 2
    assert "unstable" not in result.stdout.splitlines()[-1]
