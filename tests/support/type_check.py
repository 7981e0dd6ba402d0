"""Check types with mypy, strictly, with a cache that is kept.

Most of what mypy does is reading the standard library, the packages and this project; with the cache it does
so once.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

_PACKAGES = f"{ROOT}{os.pathsep}{ROOT / 'generated'}"


def check_types(folder: Path, *programs: str, other: bool = False) -> str:
    """Return what mypy prints, after a run in which it reports errors or none.

    Args:
        folder: Where the programs are.
        programs: Their files, or packages.
        other: Whether they are packages of other descriptions, which import nothing of this project.
    """
    cache = ROOT / "build" / "mypy" / ("other" if other else "own")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:  # for other workers have the same one
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--cache-dir", cache, *programs],
            env={**os.environ, "MYPYPATH": "" if other else _PACKAGES},
            cwd=folder,
            capture_output=True,
            text=True,
        )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout
