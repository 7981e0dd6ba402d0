"""The command line's commands; most are in separate modules."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from realtime_ext.models import MODEL

from . import _profiles
from ._call_commands import calls, secrets
from ._check_commands import offers, sessions
from ._doctor import doctor
from ._fleet import fleet
from ._listen import listen
from ._options import Json
from ._output import write
from ._simulator import SimulatorCommand, rehearse, simulator, step
from ._tail import tail
from ._talk import talk
from ._transcription import transcribe
from ._translation import translate
from ._webhook_commands import deliveries

# Without rich's markup, help and wrong use are plain lines, and rich needn't be loaded to say them.
app: typer.Typer = typer.Typer(
    name="realtime",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from .._core.version import __version__

        write(f"realtime {__version__}")
        raise typer.Exit()


@app.callback(invoke_without_command=True)
def realtime(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=_profiles.completed,
            help="The profile to use, from the configuration file; by default REALTIME_PROFILE.",
        ),
    ] = None,
) -> None:
    """Use OpenAI's Realtime and Live APIs, or a simulator of them on this machine."""
    if context.invoked_subcommand is None:
        write(context.get_help())
    _profiles.use(profile)


@app.command()
def demo(
    live: Annotated[
        bool, typer.Option("--live", help="Call the real API, with OPENAI_API_KEY; costs a few cents.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the recording and the picture.")] = Path("build/demo"),
    model: Annotated[str | None, typer.Option(help=f"The model to talk to ({MODEL}).")] = None,
    as_json: Json = False,
) -> None:
    """Make a WebRTC call, talk, listen and hang up.

    Every step is shown, and the reply is saved as WAV and picture. With --json, each step is one line.
    """
    from ._demo import run

    chosen = (_profiles.active().model if live else None) or MODEL
    raise typer.Exit(run(live=live, out=out, model=model or chosen, as_json=as_json))


app.command(cls=SimulatorCommand)(simulator)
app.add_typer(calls, name="call")
app.add_typer(secrets, name="secret")
app.add_typer(sessions, name="session")
app.add_typer(offers, name="sdp")
app.add_typer(deliveries, name="webhook")
app.add_typer(fleet, name="fleet")
app.command(cls=SimulatorCommand)(rehearse)
app.command(cls=SimulatorCommand)(step)
app.command()(talk)
app.command()(transcribe)
app.command()(translate)
app.command()(tail)
app.command()(listen)
app.command()(doctor)


@cache
def command() -> Any:
    """Return the command with all that are below it; making them takes longer than running most of them."""
    return typer.main.get_command(app)
