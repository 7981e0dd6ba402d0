"""Helpers of the sync tests: a small pair of upstream documents, and inspection of results."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from specpipe import document_io

from tests.support.paths import SAMPLES

SPECS = SAMPLES / "specs"
JANUARY = SPECS / "upstream-2026-01-15.yaml"
FEBRUARY = SPECS / "upstream-2026-02-20.yaml"
S = "/components/schemas/"
P = "/paths/~1realtime"


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}


def changed(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], name: str = "new-2026-03-01.yaml"
) -> Path:
    """January's document with a change."""
    document = copy.deepcopy(document_io.load(JANUARY))
    change(document)
    out = tmp_path / name
    out.write_text(document_io.dump(document))
    return out


def texts(node: Any, at: str = "") -> dict[str, str]:
    """Every text and example of a description by its pointer."""
    if isinstance(node, list):
        return {k: v for n, part in enumerate(node) for k, v in texts(part, f"{at}/{n}").items()}
    if not isinstance(node, dict):
        return {}
    names_here = at.endswith(("/properties", "/schemas", "/paths"))
    out: dict[str, str] = {}
    for key, value in node.items():
        here = f"{at}/{key.replace('/', '~1')}"
        if key in ("description", "summary", "example") and not names_here:
            out[here] = value
        else:
            out |= texts(value, here)
    return out
