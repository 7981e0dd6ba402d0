"""Check types with mypy, strictly, with a cache that is kept.

Most of what mypy does is reading the standard library, the packages and this project. Programs that use this
project share the cache and the settings of `make types`, which has read them before.
"""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT


def check_types(folder: Path, *programs: str, other: bool = False) -> str:
    """Return what mypy prints, after a run in which it reports errors or none.

    Args:
        folder: Where the programs are.
        programs: Their files, or packages.
        other: Whether they are packages of other descriptions, which import nothing of this project.
    """
    locks = ROOT / "build" / "mypy"
    locks.mkdir(parents=True, exist_ok=True)
    if other:
        arguments = ["--config-file=", "--strict", f"--cache-dir={locks / 'other'}", *programs]
    else:
        arguments = [f"{folder / program}" for program in programs]
    with (locks / f"lock-{other}").open("w") as lock:  # for other workers have the same cache
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *arguments],
            cwd=folder if other else ROOT,
            capture_output=True,
            text=True,
        )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    if other:
        return done.stdout
    # Without folders, of which the cache may hold those of an earlier run.
    return re.sub(r"^\S*/(?=[^/\s]+:\d+: )", "", done.stdout, flags=re.MULTILINE)
