"""Format shell commands for messages."""

from __future__ import annotations

import os


def set_line(name: str, value: str, system: str = os.name) -> str:
    """Return the line that sets an environment variable: for PowerShell on Windows, else for POSIX shells."""
    return f'$env:{name} = "{value}"' if system == "nt" else f"export {name}={value}"
