"""A test that hangs fails under its name, with stacks, and the others run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.time_limit import LIMIT, SLOW_LIMIT
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.weekly

IN_ASYNCIO = """
async def consume():
    await asyncio.Event().wait()

async def forward():
    await asyncio.create_task(consume(), name="consumer")

def test_hangs():
    asyncio.run(forward())
"""
SUPPRESSING = """
def test_hangs():
    while True:
        try:
            threading.Event().wait()
        except BaseException:
            pass
"""
IN_TEARDOWN = """
@pytest.fixture
def server():
    yield
    threading.Event().wait()

def test_hangs(server):
    assert False
"""
IN_A_CHILD = """
def test_hangs():
    child = os.fork()
    if child == 0:
        threading.Event().wait()
    os.waitpid(child, 0)
"""
HOLDING_THE_LOCK = """
def test_hangs():
    re.match(r"(a+)+b", "a" * 60)
"""

PRINTING_ITS_LIMIT = """
import signal

def test_prints():
    print("limit:", round(signal.getitimer(signal.ITIMER_REAL)[0], -1))
"""


def run(
    folder: Path, test: str, *arguments: str, limit: str | None = "0.3"
) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n")
    imports = "import asyncio, os, re, threading\nimport pytest\n"
    (folder / "test_app.py").write_text(f"{imports}{test}\ndef test_passes():\n    pass\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "tests.support.time_limit"]
    limited = () if limit is None else ("--time-limit", limit)
    return subprocess.run(
        [*command, *limited, *arguments, "test_app.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.programs
@pytest.mark.parametrize(
    "test",
    [IN_ASYNCIO, SUPPRESSING, IN_TEARDOWN, IN_A_CHILD],
    ids=["asyncio", "suppressing", "teardown", "child"],
)
def test_a_hanging_test_fails_and_the_others_run(tmp_path: Path, test: str) -> None:
    result = run(tmp_path, test, "-n", "1", "--dist", "worksteal")
    assert result.returncode == 1
    assert "crashed while running 'test_app.py::test_hangs'" in result.stdout
    assert "1 passed" in result.stdout
    assert "test_app.py::test_hangs exceeded its time limit of 0.3 s" in result.stderr


@pytest.mark.programs
def test_the_stacks_of_threads_and_tasks_are_printed(tmp_path: Path) -> None:
    result = run(tmp_path, IN_ASYNCIO)
    assert result.returncode == 1
    assert "test_app.py::test_hangs exceeded its time limit of 0.3 s" in result.stderr
    assert "name='consumer'" in result.stderr
    assert "await asyncio.Event().wait()" in result.stderr  # where the task waits
    assert 'test_app.py", line 11 in test_hangs' in result.stderr  # where the main thread is


@pytest.mark.programs
@pytest.mark.parametrize(("profile", "expected"), [("default", LIMIT), ("random", SLOW_LIMIT)])
def test_a_random_run_has_the_time_limit_of_slow_tests(tmp_path: Path, profile: str, expected: float) -> None:
    (tmp_path / "conftest.py").write_text(
        "import hypothesis\n\nhypothesis.settings.register_profile('random')\n"
    )
    result = run(tmp_path, PRINTING_ITS_LIMIT, "-s", "--hypothesis-profile", profile, limit=None)
    assert f"limit: {expected}" in result.stdout


@pytest.mark.slow
def test_a_c_function_that_holds_the_interpreter_lock_is_ended(tmp_path: Path) -> None:
    result = run(tmp_path, HOLDING_THE_LOCK)
    assert result.returncode == 1
    assert 'test_app.py", line 5 in test_hangs' in result.stderr
