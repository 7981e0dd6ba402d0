"""The command `realtime` (extra ``cli``). Importing this loads none of the extras."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; exits with 0 if all went well, 1 if not, 2 if it was used wrongly."""
    try:
        from .app import app
    except ImportError as exc:
        print(f"realtime needs the extra 'cli' ({exc}): pip install 'realtime-ext[cli]'", file=sys.stderr)
        raise SystemExit(2) from exc
    app()
