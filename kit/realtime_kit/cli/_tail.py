"""`realtime tail`: a call's events as they come, over a sideband."""

from __future__ import annotations

import fnmatch
import time
from typing import Annotated, Any

import typer

from ._options import Json, Live, ServerDialect
from ._output import note, paint, print_line, write
from ._profiles import server

_LONGEST = 100  # characters of an event's content in a line
_LIVE_SOUND = ("session.input_audio.append", "session.output_audio.delta")  # ten a second, silence included
# What says most about an event, in the order in which it is looked for; audio and ids say nothing here.
_TELLING = ("error", "transcript", "text", "delta", "arguments", "item", "response", "session", "event")


def tail(
    call_id: Annotated[
        str,
        typer.Argument(help="The call's id, such as rtc_u1_…; with --live the session's, such as live_…."),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option("--type", "-t", metavar="PATTERN", help="Show these types, such as 'response.*'."),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--not", "-x", metavar="PATTERN", help="Omit these types.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="Stop after this many events.")
    ] = None,
    live: Live = False,
    dialect: ServerDialect = None,
    as_json: Json = False,
) -> None:
    """Show the events of a call live.

    It runs until the call ends or Ctrl-C; with --json, it prints whole events, one per line. It attaches to
    the call by its id, and neither changes nor ends it. Audio events of a Live session are only shown with
    --json, or if --type names them.
    """
    if live and not only and not as_json:
        without = [*(without or ()), *_LIVE_SOUND]
    from realtime_ext.client import RealtimeClient

    shown = 0
    with RealtimeClient(**server(dialect)) as client:
        try:
            attaching: Any = client.live.attach(call_id) if live else client.connect(call_id=call_id)
            with attaching as connection:
                began = time.monotonic()
                note(f"attached to {call_id}; Ctrl-C ends this, not the call")
                for event in connection:
                    try:
                        content = event.to_dict()
                        if not _wanted(str(content.get("type", "")), only, without):
                            continue
                        if as_json:
                            print_line(content)
                        else:
                            show(content, time.monotonic() - began)
                    except RecursionError:
                        note("an event is nested too deeply to be shown")
                    shown += 1
                    if shown == count:
                        return
                note("the call has ended")
        except KeyboardInterrupt:
            return


def brief(event: dict[str, Any]) -> str:
    """Summarize an event in one line, without its audio."""
    if str(event.get("type", "")).endswith(("audio.delta", "audio.append")):
        return f"{len(str(event.get('delta') or event.get('audio') or '')) * 3 // 4:,} bytes"
    value = next((event[name] for name in _TELLING if event.get(name)), None)
    if isinstance(value, dict):
        kept = ("type", "role", "status", "name", "code", "message", "id")
        parts = (f"{name}={value[name]}" for name in kept if isinstance(value.get(name), str))
        value = " ".join(parts)
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def show(event: dict[str, Any], at: float) -> None:
    """Print an event as one line, with the seconds since the watching began."""
    kind = " ".join(str(event.get("type", "not an event")).split())
    content = brief(event)
    style = "red" if kind == "error" else "cyan"
    write(paint(f"{at:8.3f} s", "dim"), "  ", paint(kind, style), f"  {content}" if content else "")


def _wanted(kind: str, only: list[str] | None, without: list[str] | None) -> bool:
    def fits(patterns: list[str] | None) -> bool:
        return any(fnmatch.fnmatchcase(kind, pattern) for pattern in patterns or ())

    return (not only or fits(only)) and not fits(without)
