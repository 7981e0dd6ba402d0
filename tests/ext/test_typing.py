"""What mypy and pyright see of events and their handlers: what is right passes, what is wrong fails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

HERE = ROOT / "tests" / "ext" / "typing"
PYRIGHT = ROOT / "build" / "node" / "node_modules" / ".bin" / "pyright"


def wrong_lines() -> set[tuple[str, int]]:
    return {
        (path.name, number)
        for path in HERE.glob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if line.endswith("# wrong")
    }


def test_mypy_reports_every_mistake(tmp_path: Path) -> None:
    files = sorted(path.name for path in HERE.glob("*.py"))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, *files],
        env={**os.environ, "MYPYPATH": f"{ROOT / 'generated'}{os.pathsep}{ROOT}"},
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=300,
    )
    found = {
        (file, int(line)) for file, line in re.findall(r"^(\w+\.py):(\d+): error", done.stdout, re.MULTILINE)
    }
    assert found == wrong_lines(), done.stdout + done.stderr
    # A misspelt event type is not answered with the overloads of all event types.
    assert "Possible overload variants" not in done.stdout
    assert len(done.stdout.splitlines()) < 3 * len(found)


@pytest.mark.node
def test_pyright_reports_every_mistake() -> None:
    assert PYRIGHT.exists(), "pyright is missing; make it with: make build/node/.installed"
    programs = Path(sys.executable).parent
    done = subprocess.run(
        [PYRIGHT, "--outputjson", "-p", HERE],
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=240,
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    errors = {
        (Path(error["file"]).name, error["range"]["start"]["line"] + 1)
        for error in found
        if error["severity"] == "error"
    }
    assert errors == wrong_lines(), [error["message"] for error in found]
