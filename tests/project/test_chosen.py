"""Only the files from which `-m` can choose a test are collected."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.support.chosen import chosen_by
from tests.support.paths import ROOT

FILES = {
    "test_plain.py": "def test(): ...",
    "test_slow.py": "pytestmark = pytest.mark.slow",
    "test_many.py": "pytestmark = [\n    pytest.mark.slow,\n    pytest.mark.node,\n]\nmark.browser",
    "test_both.py": "@pytest.mark.slow\n@pytest.mark.browser\ndef test(): ...",
    "deep/conftest.py": "pytest.param(1, marks=pytest.mark.slow)",
    "deep/deeper/test_inherits.py": "def test(): ...",
}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("", {"test_plain", "test_slow", "test_many", "test_both", "test_inherits"}),
        ("not slow", {"test_plain", "test_both", "test_inherits"}),
        ("slow", {"test_slow", "test_many", "test_both", "test_inherits"}),
        ("slow and not browser", {"test_slow", "test_many", "test_both", "test_inherits"}),
        ("(slow or node) and browser", {"test_many", "test_both"}),
        ("slow and not node", {"test_slow", "test_both", "test_inherits"}),
        ("node", {"test_many"}),
    ],
)
def test_files_are_chosen_by_the_marks_in_them_and_above_them(
    expression: str, found: set[str], tmp_path: Path
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    files = tmp_path.rglob("test_*.py")
    assert {file.stem for file in chosen_by(expression, files, tmp_path)} == found


def test_no_helper_gives_a_mark_to_tests_of_other_files() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = [marker.partition(":")[0] for marker in config["tool"]["pytest"]["ini_options"]["markers"]]
    given = re.compile(rf"\bmark\.({'|'.join(names)})\b")
    helpers = [
        path for path in (ROOT / "tests").rglob("*.py") if not path.name.startswith(("test_", "conftest"))
    ]
    assert helpers
    assert [path for path in helpers if given.search(path.read_text(encoding="utf-8"))] == []
