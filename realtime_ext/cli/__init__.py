"""The command `realtime` (extra ``cli``). Importing this loads none of the extras."""

from __future__ import annotations

import sys

__all__ = ["main"]

# The extra that brings a module. Modules that need further ones name the extra in their own messages.
_EXTRAS = {
    **dict.fromkeys(("matplotlib", "numpy", "rich", "typer"), "cli"),
    "realtime_simulator": "simulator",
}


def main() -> None:
    """Run the command line; exits with 0 if all went well, 1 if not, 2 if it was used wrongly."""
    try:
        from .commands import app

        app()
    except ImportError as exc:
        module = (exc.name or "").partition(".")[0]
        if module in _EXTRAS:
            message = f"realtime needs {module}: pip install 'realtime-ext[{_EXTRAS[module]}]'"
        elif "pip install" in str(exc):
            message = str(exc)
        else:
            raise
        print(message, file=sys.stderr)
        raise SystemExit(2) from exc
