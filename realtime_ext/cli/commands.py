"""The command line's commands; each does its work in a module of its own, loaded when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app: typer.Typer = typer.Typer(
    name="realtime",
    help="Work with OpenAI's Realtime API, or with a simulator of it on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def realtime() -> None:
    """Work with OpenAI's Realtime API, or with a simulator of it on this machine."""


@app.command()
def demo(
    live: Annotated[
        bool, typer.Option("--live", help="Call the real API, with OPENAI_API_KEY; costs some cents.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the recording and the picture.")] = Path("build/demo"),
    model: Annotated[str, typer.Option(help="The model to talk to.")] = "gpt-realtime",
) -> None:
    """Make a WebRTC call, talk, listen, hang up: every step is shown, the reply kept as WAV and picture."""
    from .demo.run import run

    raise typer.Exit(run(live=live, out=out, model=model))


@app.command(
    add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def simulator(context: typer.Context) -> None:
    """Serve the simulator until interrupted; with --help, its options."""
    from realtime_simulator.cli import main

    raise typer.Exit(main(context.args, program="realtime simulator"))
