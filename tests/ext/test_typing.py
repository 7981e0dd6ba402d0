"""What mypy sees of events and their handlers: what is right passes, what is wrong fails.

`tests/project/test_pyright.py` shows the same programs to pyright.
"""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT
from tests.support.type_check import check_types

pytestmark = pytest.mark.slow

HERE = ROOT / "tests" / "ext" / "typing"


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
