"""The recorded session descriptions, for tests and benchmarks."""

from __future__ import annotations

from pathlib import Path

__all__ = ["NAMES", "sample"]

_FOLDER = Path(__file__).parent

NAMES = tuple(sorted(path.stem for path in _FOLDER.glob("*.sdp")))
"""`offer-…`, `answer-…` and `refused-…`; README.md tells how each was made."""


def sample(name: str) -> str:
    """Read one, line ends and all."""
    return (_FOLDER / f"{name}.sdp").read_bytes().decode()
