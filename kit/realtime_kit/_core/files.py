"""Files that only their owner can read: recordings, and what else people said."""

from __future__ import annotations

import contextlib
import os
import stat


def private_opener(path: str, flags: int) -> int:
    """Open a file as the `opener` of `open`: a regular file has mode 0600, also one that existed before."""
    descriptor = os.open(path, flags, 0o600)
    if hasattr(os, "fchmod") and stat.S_ISREG(os.fstat(descriptor).st_mode):
        with contextlib.suppress(PermissionError):  # it belongs to another user
            os.fchmod(descriptor, 0o600)
    return descriptor
