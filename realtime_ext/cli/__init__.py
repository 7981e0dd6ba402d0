"""The command `realtime` (extra ``cli``). Importing this loads none of the extras."""

from __future__ import annotations

import sys

__all__ = ["main"]

# What the extra brings; other extras' modules say for themselves what they miss.
BROUGHT = frozenset({"matplotlib", "numpy", "rich", "typer"})


def main() -> None:
    """Run the command line; exits with 0 if all went well, 1 if not, 2 if it was used wrongly."""
    try:
        from .app import app

        app()
    except ImportError as exc:
        module = (exc.name or "").partition(".")[0]
        if module in BROUGHT:
            message = f"realtime needs {module}: pip install 'realtime-ext[cli]'"
        elif "pip install" in str(exc):
            message = str(exc)
        else:
            raise
        print(message, file=sys.stderr)
        raise SystemExit(2) from exc
