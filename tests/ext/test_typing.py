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
from tests.support.type_check import check_types

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


def test_mypy_reports_every_mistake() -> None:
    files = sorted(path.name for path in HERE.glob("*.py"))
    printed = check_types(HERE, *files)
    found = {
        (file, int(line)) for file, line in re.findall(r"^(\w+\.py):(\d+): error", printed, re.MULTILINE)
    }
    assert found == wrong_lines(), printed
    # A misspelt event type is not answered with the overloads of all event types.
    assert "Possible overload variants" not in printed
    assert len(printed.splitlines()) < 3 * len(found)


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
