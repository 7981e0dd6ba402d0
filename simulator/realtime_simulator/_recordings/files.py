"""Files that only their owner can read: what people said."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


def private_opener(path: str, flags: int) -> int:
    """Open a file as the `opener` of `open`: a regular file has mode 0600, also one that existed before."""
    descriptor = os.open(path, flags, 0o600)
    if hasattr(os, "fchmod") and stat.S_ISREG(os.fstat(descriptor).st_mode):
        with contextlib.suppress(PermissionError):  # it belongs to another user
            os.fchmod(descriptor, 0o600)
    return descriptor


def replace(path: Path, text: str) -> None:
    """Write a file that only its owner can read; until it is whole, the one before it stays.

    Args:
        path: The file.
        text: What it has from then on.

    Raises:
        OSError: It can't be written.
    """
    if path.is_symlink():  # it stays one
        path = path.resolve()
    begun = path.with_name(f"{path.name}.new")
    with open(begun, "w", encoding="utf-8", newline="\n", opener=private_opener) as file:
        file.write(text)
    begun.replace(path)
