"""Lines for a shell, in messages."""

from __future__ import annotations

import os


def set_line(name: str, value: str) -> str:
    """Return the line that sets an environment variable: for PowerShell on Windows, else for POSIX shells."""
    return f'$env:{name} = "{value}"' if os.name == "nt" else f"export {name}={value}"
