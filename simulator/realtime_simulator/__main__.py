"""`realtime simulator` and `python -m realtime_simulator`: serve, or control one that serves."""

from __future__ import annotations

import sys

from realtime_simulator.command.arguments import ACTIONS, arguments

__all__ = ["arguments", "main"]


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says.

    Args:
        argv: The words after `simulator`; the process's if None.

    Returns:
        The exit status.
    """
    words = sys.argv[1:] if argv is None else argv
    if words and words[0] in ACTIONS:
        from realtime_simulator.command.actions import act

        return act(words)
    # What only prints help needs nothing of the simulator.
    if "-h" in words or "--help" in words:
        arguments().parse_args(words)
    from realtime_simulator.command.serve import serve

    return serve(words)


if __name__ == "__main__":
    sys.exit(main())
