"""How an extra is installed, for messages about one that is missing."""

from __future__ import annotations

SIMULATOR = (
    "pip install realtime-simulator, or before its release, in a checkout: "
    "pip install ./generated ./simulator"
)
"""How the simulator is installed."""


def install(extra: str) -> str:
    """Return the command; the packages are not on a package index before their first release."""
    return (
        f"pip install 'realtime-ext[{extra}]', or before its release, in a checkout: "
        f"pip install ./generated '.[{extra}]'"
    )
