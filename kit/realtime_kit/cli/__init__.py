"""The command `realtime` (extra ``cli``). Importing this loads none of the extras."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

__all__ = ["main"]


def __dir__() -> list[str]:
    return __all__


def main() -> None:
    """Run the command line, and exit with the status that docs/reference/cli.md lists.

    Whatever goes wrong is one line, and a hint where there is something to do; with REALTIME_DEBUG set, its
    traceback comes first. A warning is a line, too.
    """
    warnings.showwarning = _show_warning
    # Logged warnings are also raised or shown; once is enough.
    for name in ("realtime_ext", "realtime_kit"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    try:
        from ._commands import command
        from ._output import encode_all, inert_log

        encode_all()
        with inert_log():
            status = command()(prog_name="realtime", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        from ._failures import explain
        from ._output import note, note_traceback

        if os.environ.get("REALTIME_DEBUG"):
            note_traceback(error)
        failure = explain(error)
        note(failure.text())
        raise SystemExit(failure.status) from error
    raise SystemExit(status if isinstance(status, int) else 0)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, UserWarning):  # others are of no use to those who use commands
        from ._output import note

        note(f"realtime: warning: {' '.join(str(message).split())}")
