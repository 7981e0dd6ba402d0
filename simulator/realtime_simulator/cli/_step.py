"""Step through a recorded session, and run on from an event."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from realtime_simulator.cli._output import print_error, print_text, reason_of
from realtime_simulator.cli._parsing import STEP, Parser, count

_VIEWS = ("event", "session", "items", "audio", "tools")


def arguments(program: str) -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"{program} {STEP}",
        description="Step through a recorded session: see the session, items, audio and tools as they were "
        "at an event, change one event or answer, and run on from there in a simulator. Commands are read "
        "from the terminal, one a line (`help`), unless --at is given.",
    )
    add = parser.add_argument
    add("file", help="a tape, a recording, a transcript, an auditor's folder, or a rehearsed call (--keep)")
    add("--session", type=count, default=1, metavar="N", help="the session of a tape or recording (1)")
    add("--at", metavar="PLACE", help="go to this event, by its number or a time such as 2.5s, and print")
    add("--show", action="append", default=[], choices=_VIEWS, help="what is printed (the event)")
    add("--set", action="append", default=[], metavar="FIELD=VALUE", help="change the client's event there")
    add("--answer", metavar="TEXT", help="change what the model says next")
    add("--scenario", metavar="FILE", help="what the model answers, in place of what it answered")
    add("--run", action="store_true", help="run on from there, and print what happens, then the state")
    add("--json", action="store_true", help="print one JSON object")
    return parser


def run(words: list[str], program: str) -> int:
    """Step through a session."""
    parser = arguments(program)
    options = parser.parse_args(words)
    command = f"{program} {STEP}"
    given = [name for name in ("show", "set", "answer", "run", "json") if getattr(options, name)]
    if options.at is None and given:
        parser.error(f"--{given[0]}: needs --at, the event")
    if (options.set or options.answer) and not options.run:
        parser.error("--set and --answer: need --run")
    from realtime_simulator._stepping import history, walk

    try:
        place = walk.Walk(history.load(options.file, options.session), options.scenario)
        if options.at is None:
            events = place.history.events
            print_text(
                f"{place.history.name}: {len(events)} events, {events[-1].at:g} s; `help` lists commands"
            )
            walk.interact(place, _line, print_text)
        else:
            _print_state(place, options)
    except (OSError, ValueError) as error:
        print_error(command, reason_of(error))
        return 2
    return 0


def _line() -> str | None:
    """Return the next line of the terminal; None at its end."""
    if sys.stdin.isatty():
        print_text("step> ", error=True)
    line = sys.stdin.readline()
    return line if line else None


def _print_state(place: Any, options: argparse.Namespace) -> None:
    from realtime_simulator._stepping.walk import as_text, line_of

    place.goto(options.at)
    begin = place.event.number
    for change in options.set:
        field, separator, value = change.partition("=")
        if not separator:
            raise ValueError(f"--set: expected FIELD=VALUE, got {change!r}")
        place.set(field, value)
    if options.answer:
        place.answer(options.answer)
    ran = []
    if options.run:
        place.run()
        ran = place.history.events[begin - 1 :]
        place.goto(str(len(place.history.events)))
    views = options.show or ["event"]
    shown = {what: place.view(what) for what in views}
    if options.json:
        told = {"number": place.event.number, "at": place.event.at, "side": place.event.side, **shown}
        if options.run:
            told["ran"] = [{"side": one.side, "event": dict(one.data)} for one in ran]
        print_text(json.dumps(told, ensure_ascii=False))
        return
    for one in ran or [place.event]:
        print_text(line_of(one), keep="")
    for what in views:
        if what != "event" or options.show:
            print_text(f"{what}:\n{as_text(shown[what], what)}")
