"""The simulator judges the client, so it shares no code with it."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
import realtime_simulator

from tests.support.examples import check_each
from tests.support.waiting import PATIENCE

SOURCE = Path(realtime_simulator.__file__).parent
MODULES = sorted(
    module.name for module in pkgutil.walk_packages([str(SOURCE)], f"{realtime_simulator.__name__}.")
)
THEIRS = {"realtime_ext", "openai", "standardwebhooks"}


def imported(tree: ast.AST) -> set[str]:
    """The packages that a module imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


@pytest.mark.programs
def test_no_module_imports_a_client(subtests: pytest.Subtests) -> None:
    def check(path: Path) -> None:
        assert imported(ast.parse(path.read_text(encoding="utf-8"))) & THEIRS == set()

    check_each(subtests, SOURCE.rglob("*.py"), check)


@pytest.mark.programs
def test_it_serves_where_the_client_cannot_be_imported() -> None:
    code = f"""
import importlib, json, sys
for name in {sorted(THEIRS)!r}:
    sys.modules[name] = None
for name in {MODULES!r}:
    if not name.endswith("__main__"):
        importlib.import_module(name)
import httpx
from realtime_simulator import Simulator
with Simulator(pacing="none") as sim:
    url = f"{{sim.base_url}}/realtime/client_secrets"
    answer = httpx.post(url, headers={{"authorization": f"Bearer {{sim.api_key}}"}}, json={{}})
print(json.dumps(answer.json()["value"][:3]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == "ek_"


def test_every_module_can_be_imported_by_itself() -> None:
    for name in MODULES:
        assert importlib.import_module(name)
