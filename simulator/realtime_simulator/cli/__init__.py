"""The command `realtime-simulator`: serve until a signal, or control a running simulator.

`realtime simulator` of realtime-kit and `python -m realtime_simulator` are equivalent. Importing this module
loads nothing of the simulator, so that printing help is fast.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping

from realtime_simulator.cli import _conformance, _control, _recordings, _rehearse, _serve, _step
from realtime_simulator.cli._parsing import ACTIONS, CONFORM, CONFORMANCE, PROGRAM, RECORD, REHEARSE, STEP
from realtime_simulator.cli._serve import arguments

__all__ = ["arguments", "main"]

_RUN: Mapping[str, Callable[[list[str], str], int]] = {
    RECORD: _recordings.record,
    CONFORM: _recordings.run_conform,
    CONFORMANCE: _conformance.run,
    REHEARSE: _rehearse.run,
    STEP: _step.run,
}


def __dir__() -> list[str]:
    return sorted(__all__)


def main(argv: list[str] | None = None, *, program: str = PROGRAM) -> int:
    """Run the command.

    Args:
        argv: The arguments of the command; the process's if None.
        program: The name of the command, for help and messages.

    Returns:
        The exit status: 1 if it can't serve or the simulator refuses, 2 if the arguments are wrong, 3 if no
        simulator answers, 4 if the key is missing or wrong.
    """
    for stream in (sys.stdout, sys.stderr) if argv is None else ():
        if isinstance(stream, io.TextIOWrapper):  # which may be unable to encode what clients say
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if argv is None else argv
    first = words[0] if words else ""
    if first in ACTIONS:
        return _control.run(words, program)
    if first in _RUN:
        return _RUN[first](words[1:], program)
    return _serve.run(words, program)
