"""`realtime session …` and `realtime sdp …`: checks of files, without the network."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from ._failures import FAILED
from ._options import Json, Live, group, is_translation, read_bytes, read_json
from ._output import note, print_rows, write_bytes

sessions: typer.Typer = group("Check sessions before they are sent.")
offers: typer.Typer = group("Check and repair SDP offers.")


@sessions.command("check")
def check_session(
    file: Annotated[str, typer.Argument(help="The session, as JSON; - for standard input.")],
    strict: Annotated[bool, typer.Option("--strict", help="Treat warnings as errors.")] = False,
    live: Live = False,
    as_json: Json = False,
) -> None:
    """List everything that would make the API refuse a session.

    The exit status is 1 if there is a problem.
    """
    from realtime_ext.errors import SessionConfigError, SessionConfigWarning
    from realtime_ext.session import resolve

    session = read_json(file)
    kinds = _live_kinds(session) if live else _kinds(session)
    problems: list[dict[str, Any]] = []
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SessionConfigWarning)
        try:
            resolve(session, validate=True, kinds=kinds)
        except SessionConfigError as error:
            problems = [_row("error", problem.message, problem.field) for problem in error.problems]
            notes = getattr(error, "__notes__", [])
    rows = problems + [_row("warning", text) for text in (*(str(one.message) for one in caught), *notes)]
    if rows or as_json:
        print_rows(rows, as_json=as_json)
    if not rows:
        note("the session is valid")
    if problems or (strict and rows):
        raise typer.Exit(FAILED)


@offers.command("check")
def check_offer(
    file: Annotated[str, typer.Argument(help="The offer; - for standard input.")], as_json: Json = False
) -> None:
    """List problems that would make a call fail or stay silent.

    The exit status is 1 if the offer would be refused.
    """
    from realtime_ext import sdp

    problems = sdp.check_offer(read_bytes(file))
    rows = [
        {"line": problem.line, "code": problem.code, "problem": problem.message, "hint": problem.hint}
        for problem in problems
    ]
    if rows or as_json:
        print_rows(rows, as_json=as_json)
    if not rows:
        note("the offer is valid")
    if any(problem.fatal for problem in problems):
        raise typer.Exit(FAILED)


@offers.command()
def repair(
    file: Annotated[str, typer.Argument(help="The offer; - for standard input.")],
    in_place: Annotated[bool, typer.Option("--in-place", "-i", help="Overwrite the file.")] = False,
) -> None:
    """Print an offer with the line ends that SDP requires.

    Nothing else is changed.
    """
    from realtime_ext import sdp

    before = read_bytes(file)
    after = sdp.repair(before)
    if in_place and file != "-":
        if after != before:
            Path(file).write_bytes(after)
        note(f"{file}: {'repaired' if after != before else 'nothing to repair'}")
        return
    write_bytes(after)


def _kinds(session: dict[str, Any]) -> tuple[str, ...]:
    return ("translation",) if is_translation(session) else ("realtime", "transcription")


def _live_kinds(session: dict[str, Any]) -> tuple[str, ...]:
    """Return the kind: an audio format is for WebSockets alone, standby and others are for all but them."""
    audio = session.get("audio")
    return ("live",) if isinstance(audio, dict) and "format" in audio else ("live_call",)


def _row(severity: str, message: str, field: str | None = None) -> dict[str, Any]:
    """Return a row; the message begins with the field's name, which is shown once."""
    head, colon, rest = message.partition(": ")
    if colon and field in (None, head) and " " not in head:
        field, message = head, rest
    return {"severity": severity, "field": field, "problem": message}
