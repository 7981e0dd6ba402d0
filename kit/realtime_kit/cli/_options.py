"""Input of commands: options that several share, files and standard input, sessions."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from realtime_ext.models import LIVE_MODEL, MODEL

from ._failures import WRONG_USE, CommandError
from ._output import write
from ._profiles import Profile, active

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SessionFile = Annotated[
    str | None, typer.Option("--session", metavar="FILE", help="The session, as JSON; - for standard input.")
]
Model = Annotated[str | None, typer.Option("--model", help="The session's model.")]
Instructions = Annotated[str | None, typer.Option("--instructions", help="The session's instructions.")]
Voice = Annotated[str | None, typer.Option("--voice", help="The session's voice.")]
Live = Annotated[bool, typer.Option("--live", help="Use the Live API.")]
Simulated = Annotated[
    bool, typer.Option("--simulator", help="Use a simulator in this process, without a key or network.")
]


def group(purpose: str) -> typer.Typer:
    """Return a group of commands, which lists them where it is run alone."""
    made = typer.Typer(help=purpose)

    @made.callback(invoke_without_command=True, help=purpose)
    def _(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            write(context.get_help())

    return made


def _dialects() -> list[str]:
    from realtime_ext.client import Dialect

    return list(get_args(Dialect))


def _check_dialect(name: str | None) -> str | None:
    if name is not None and name not in _dialects():
        raise typer.BadParameter(f"expected one of {', '.join(_dialects())}, got {name!r}")
    return name


ServerDialect = Annotated[
    str | None,
    typer.Option(
        "--dialect",
        metavar="NAME",
        callback=_check_dialect,
        autocompletion=_dialects,
        help="The dialect of a compatible server: beta, xai or azure-voice-live.",
    ),
]

# What stands for a device where a file could be named.
MICROPHONE, SPEAKER = "mic", "speaker"
_has_read: list[Any] = []  # the standard input that was read


def read_bytes(file: str) -> bytes:
    """Read a file; `-` is standard input, which can only be read once.

    Raises:
        CommandError: Standard input was read before.
        OSError: It can't be read.
    """
    if file != "-":
        return Path(file).read_bytes()
    if sys.stdin in _has_read:
        raise CommandError(
            "- is used twice, but standard input can only be read once", "name a file", WRONG_USE
        )
    _has_read[:] = [sys.stdin]
    return sys.stdin.buffer.read()


def read_json(file: str) -> dict[str, Any]:
    """Read a file that holds a JSON object; `-` is standard input.

    Raises:
        CommandError: It holds something else.
        OSError: It can't be read.
    """
    name = "standard input" if file == "-" else file
    try:
        value = json.loads(read_bytes(file))
    except ValueError as error:
        raise CommandError(f"{name}: invalid JSON: {error}") from error
    if not isinstance(value, dict):
        raise CommandError(f"{name}: expected a JSON object, got {type(value).__name__}")
    return value


def is_translation(session: dict[str, Any] | None) -> bool:
    """Return whether a session is a translation, the one kind that has no `type`, by its model's name."""
    return session is not None and "type" not in session and "translate" in str(session.get("model"))


def read_session(
    file: str | None,
    model: str | None = None,
    instructions: str | None = None,
    voice: str | None = None,
    *,
    default: bool = True,
    with_profile: bool = True,
    live: bool = False,
) -> dict[str, Any] | None:
    """Return the session that the options describe.

    Args:
        file: A file that holds it, or None.
        model, instructions, voice: Settings that are added to it, or to a new one.
        default: Whether there is one where neither an option nor the profile says anything.
        with_profile: Whether a new one has the profile's model and voice.
        live: Whether it is a session of the Live API; a profile's model is of the Realtime API.

    Raises:
        CommandError: The file holds no JSON object, or the options can't be set in its kind of session.
        OSError: The file can't be read.
    """
    profile = active() if file is None and with_profile else Profile()
    model, voice = model or (None if live else profile.model), voice or profile.voice
    if file is None and not default and (model, instructions, voice) == (None, None, None):
        return None
    session: dict[str, Any] = {"model": LIVE_MODEL} if live else {"type": "realtime", "model": MODEL}
    if file is not None:
        session = read_json(file)
    given = {"model": model, "instructions": instructions}
    session |= {name: value for name, value in given.items() if value is not None}
    if voice is not None:
        audio = session.setdefault("audio", {})
        output = audio.setdefault("output", {}) if isinstance(audio, dict) else None
        if not isinstance(output, dict):
            raise CommandError("--voice: the session's audio.output is not an object", status=WRONG_USE)
        output["voice"] = voice
    return session
