"""What type checkers see: every public name has a known type, right use passes, wrong use is rejected."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.node, pytest.mark.weekly]

HERE = ROOT / "tests" / "project" / "pyright"
BOTH = ROOT / "tests" / "ext" / "typing"
PYRIGHT = ROOT / "build" / "node" / "node_modules" / ".bin" / "pyright"


def pyright(*arguments: object) -> dict[str, Any]:
    assert PYRIGHT.exists(), "pyright is missing; make it with: make build/node/.installed"
    programs = Path(sys.executable).parent
    done = subprocess.run(
        [PYRIGHT, "--outputjson", *map(str, arguments)],
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=240,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("package", ["realtime_api", "realtime_ext", "realtime_simulator"])
def test_every_public_name_has_a_known_type(package: str) -> None:
    report = pyright("--verifytypes", package, "--ignoreexternal")["typeCompleteness"]
    assert report["packageName"] == package
    unknown = [
        symbol["name"] for symbol in report["symbols"] if symbol["isExported"] and not symbol["isTypeKnown"]
    ]
    assert report["exportedSymbolCounts"]["withKnownType"] > 50  # it looked at the package
    assert report["completenessScore"] == 1.0, unknown


def test_right_use_passes_and_wrong_use_is_rejected() -> None:
    """In the programs for pyright and in those for both type checkers, which one run reads."""
    found = pyright("-p", HERE)["generalDiagnostics"]
    errors = {
        (Path(error["file"]).name, error["range"]["start"]["line"] + 1): error["message"]
        for error in found
        if error["severity"] == "error" and error.get("rule") not in ("reportUnusedExpression",)
    }
    wrong = {
        (path.name, number): line
        for path in (HERE / "mistakes.py", *BOTH.glob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if line.endswith("# wrong")
    }
    assert sum(name == "mistakes.py" for name, _ in wrong) == 8 < len(wrong)
    assert {place: line for place, line in wrong.items() if place not in errors} == {}
    assert {place: message for place, message in errors.items() if place not in wrong} == {}
