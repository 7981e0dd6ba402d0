"""Files that only their owner can read: recordings, and what else people said.

This module must not change the mode of a file that exists.
"""

from __future__ import annotations

import os


def private_opener(path: str, flags: int) -> int:
    """Open a file as the `opener` of `open`: one that is created has mode 0600."""
    return os.open(path, flags, 0o600)
