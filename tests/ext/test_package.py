"""The package's front door: its names, and what loading them costs."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import realtime_ext
from tests.support.paths import ROOT
from tests.support.type_check import check_types

HEAVY = {
    *("aiortc", "av", "httpx", "jsonschema_rs", "matplotlib", "msgspec", "numpy", "pydantic", "realtime_api"),
    *("rich", "soxr", "ssl", "starlette", "typer", "urllib.request", "uvicorn", "websockets", "yaml"),
}


def loaded_by(code: str) -> set[str]:
    """Run code in an interpreter of its own and tell which of the heavy modules it loaded."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return HEAVY & set(done.stdout.split())


def test_all_is_sorted_and_every_name_loads() -> None:
    assert realtime_ext.__all__ == sorted(realtime_ext.__all__)
    assert len(set(realtime_ext.__all__)) == len(realtime_ext.__all__)
    missing = [name for name in realtime_ext.__all__ if getattr(realtime_ext, name, None) is None]
    assert missing == []
    assert set(realtime_ext.__all__) <= set(dir(realtime_ext))


def test_all_holds_every_error() -> None:
    assert {name for name in realtime_ext.errors.__all__ if name != "mask"} <= set(realtime_ext.__all__)


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'RealtimeClinet'"):
        _ = realtime_ext.RealtimeClinet  # type: ignore[attr-defined]


def test_importing_and_making_clients_loads_nothing_heavy() -> None:
    made = "realtime_ext.RealtimeClient(api_key='k'), realtime_ext.AsyncRealtimeClient(api_key='k')"
    assert loaded_by(f"import realtime_ext\nclients = {made}") == set()


@pytest.mark.slow
def test_type_checkers_see_every_name_and_reject_a_misspelt_one(tmp_path: Path) -> None:
    names = ", ".join(realtime_ext.__all__)
    code = f"from realtime_ext import {names}\nfrom realtime_ext import RealtimeClinet\n"
    (tmp_path / "names.py").write_text(code)
    printed = check_types(tmp_path, "names.py")
    errors = [line for line in printed.splitlines() if "error:" in line]
    assert len(errors) == 1, printed
    assert 'has no attribute "RealtimeClinet"' in errors[0]


def test_the_version_is_the_project_s() -> None:
    assert realtime_ext.__version__ == version("realtime-ext")
