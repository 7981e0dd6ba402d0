"""`realtime simulator`, `rehearse`, `step`: the simulator's own commands, which read all words themselves."""

from __future__ import annotations

from typing import Any

import typer
import typer.core


class SimulatorCommand(typer.core.TyperCommand):
    """A command that leaves all words to the simulator, also `--help`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.args = [*args]
        return []


def simulator(context: typer.Context) -> None:
    """Serve the simulator, or control a running one."""
    _run(context.args, "realtime simulator")


def rehearse(context: typer.Context) -> None:
    """Test a voice app with scripted callers, and report results."""
    _run(["rehearse", *context.args], "realtime")


def step(context: typer.Context) -> None:
    """Step through a recorded session, and run on from an event."""
    _run(["step", *context.args], "realtime")


def _run(words: list[str], program: str) -> None:
    from realtime_simulator.cli import main

    raise typer.Exit(main(words, program=program))
