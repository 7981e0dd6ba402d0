"""Common work stays shallow: it runs through few modules and functions of the package."""

from __future__ import annotations

import pytest
from rich.console import Console

from benchmarks import depth

pytestmark = pytest.mark.slow


@pytest.mark.weekly
def test_common_work_runs_through_few_modules_and_functions() -> None:
    targets = depth.run(Console(quiet=True))
    assert len(targets) > 5
    assert [str(target) for target in targets if not target.met] == []
