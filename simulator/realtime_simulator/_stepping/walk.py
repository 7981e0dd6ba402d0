"""Walk through a session by commands, one a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._records.session import telling
from realtime_simulator._records.state import VIEWS, Event, State, state_after
from realtime_simulator._stepping.change import Change
from realtime_simulator._stepping.history import History
from realtime_simulator._stepping.rerun import run_on

HELP = """\
next [N], back [N]     go on or back by N events (n, b)
goto N, goto N.Ns      go to an event, or to the last one at a time
find TEXT              go to the next event that has a text
show WHAT              session, items, audio, tools, or event
list [N]               the next N events (10)
set FIELD VALUE        change a field of this event, such as item.output, for a run
answer TEXT            change what the model says next, for a run
run                    run on from this event, in a simulator
help, quit"""
_SHOWN = 100
_ARROWS = {"client": "→", "server": "←"}


class WalkError(ValueError):
    """A command that can't be done; the message says why."""


class Walk:
    """A place in a session, and changes for running on.

    Args:
        history: The session.
        scenario: A file with what the model answers when it is run on; None for the recorded answers.
    """

    def __init__(self, history: History, scenario: str | None = None) -> None:
        self.history = history
        self._scenario = scenario
        self._place = 1
        self._change = Change(scenario=scenario)

    @property
    def event(self) -> Event:
        """The current event."""
        return self.history.events[self._place - 1]

    @property
    def state(self) -> State:
        """The state after the current event."""
        return state_after(self.history.events[: self._place])

    def goto(self, place: str) -> None:
        """Go to an event by its number, or to the last one at a time such as `2.5s`.

        Raises:
            WalkError: There is none.
        """
        events = self.history.events
        try:
            until = float(place[:-1]) if place.endswith("s") else None
            number = int(place) if until is None else sum(one.at <= until for one in events)
        except ValueError:
            raise WalkError(f"expected a number such as 12, or a time such as 2.5s, got {place!r}") from None
        if not 1 <= number <= len(events):
            raise WalkError(f"allowed is 1 to {len(events)}, up to {events[-1].at:g}s; got {place}")
        if number != self._place:
            self._place, self._change = number, Change(scenario=self._scenario)

    def find(self, text: str) -> None:
        """Go to the next event that has a text.

        Raises:
            WalkError: There is none.
        """
        for one in self.history.events[self._place :]:
            if text.casefold() in json.dumps(one.data, ensure_ascii=False).casefold():
                self.goto(str(one.number))
                return
        raise WalkError(f"no later event has {text!r}")

    def set(self, field: str, value: str) -> None:
        """Change a field of the current event, which the client sends.

        Args:
            field: Its name, with dots and numbers for what is inside: `item.content.0.text`.
            value: JSON, or a text as it is.

        Raises:
            WalkError: The service sends the event, or has no such field.
        """
        if self.event.side != "client":
            raise WalkError(
                f"the service sends {self.event.type}; events of the client can be changed, and its answers "
                "by `answer`"
            )
        data = json.loads(json.dumps(self._change.event or self.event.data))
        inside, names = data, field.split(".")
        for name in names[:-1]:
            inside = _inside(inside, name, field)
        _inside(inside, names[-1], field)
        inside[int(names[-1]) if isinstance(inside, list) else names[-1]] = _value(value)
        self._change = attrs.evolve(self._change, event=data)

    def answer(self, text: str) -> None:
        """Change what the model says in its next answer."""
        self._change = attrs.evolve(self._change, answer=text)

    def run(self) -> None:
        """Run on from the current event, and stay there.

        Raises:
            ValueError, OSError: It can't be run on.
        """
        self.history = run_on(self.history, self._place, self._change)
        self._place = min(self._place, len(self.history.events))
        self._change = Change(scenario=self._scenario)

    def do(self, line: str) -> str | None:
        """Do a command.

        Args:
            line: The command.

        Returns:
            What is to be printed; None if it is the last command.

        Raises:
            ValueError, OSError: It can't be done.
        """
        word, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        match word:
            case "next" | "n" | "" | "back" | "b":
                steps = _count(rest, 1) * (-1 if word.startswith("b") else 1)
                last = len(self.history.events)
                self.goto(str(min(max(self._place + steps, 1), last)))
            case "goto" | "g":
                self.goto(rest)
            case "find" | "f" if rest:
                self.find(rest)
            case "show" | "s":
                return as_text(self.view(rest or "event"), rest)
            case "list" | "l":
                some = self.history.events[self._place - 1 :][: _count(rest, 10)]
                return "\n".join(map(line_of, some))
            case "set" if " " in rest:
                field, _, value = rest.partition(" ")
                self.set(field, value.strip())
                return line_of(attrs.evolve(self.event, data=self.view("event")))
            case "answer" if rest:
                self.answer(rest)
                return f"the model's next answer: {rest}"
            case "run" | "r":
                self.run()
                return "\n".join(map(line_of, self.history.events[self._place - 1 :]))
            case "help" | "h" | "?":
                return HELP
            case "quit" | "q" | "exit":
                return None
            case _:
                raise WalkError(f"unknown command {line.strip()!r}; `help` lists them")
        return line_of(self.event)

    def view(self, what: str) -> Any:
        """Return a part of the state after the current event, or the event.

        Raises:
            WalkError: There is no such part.
        """
        if what == "event":
            return dict(self._change.event or self.event.data)
        if what not in VIEWS:
            raise WalkError(f"show: allowed is {', '.join(VIEWS)} or event, got {what!r}")
        return getattr(self.state, what)


def line_of(event: Event) -> str:
    """Return an event as a line."""
    words = telling(event.data)
    words = words if len(words) <= _SHOWN else words[:_SHOWN] + "…"
    return (
        f"{event.number:5} {event.at:8.3f} {_ARROWS[event.side]} {event.type}{f'  {words}' if words else ''}"
    )


def as_text(value: Any, what: str = "") -> str:
    """Return a part of a state for people: items and tools as lines, others as JSON."""
    if what == "items":
        return "\n".join(map(_item_line, value)) or "(no items)"
    if what == "tools":
        return "\n".join(map(_tool_line, value)) or "(no calls)"
    return json.dumps(value, indent=1, ensure_ascii=False)


def _item_line(item: Mapping[str, Any]) -> str:
    kind = str(item.get("type"))
    who = str(item.get("role") or kind)
    parts: Iterable[Mapping[str, Any]] = item.get("content") or ()
    words = " ".join(
        str(part.get("transcript") or part.get("text") or f"({part.get('type')})") for part in parts
    )
    told = words or " ".join(
        str(item[key]) for key in ("name", "arguments", "output") if item.get(key) is not None
    )
    state = "" if item.get("status") in (None, "completed") else f"  [{item['status']}]"
    return f"{who:20} {told}{state}  ({item.get('id')})"


def _tool_line(call: Mapping[str, Any]) -> str:
    output = (
        "not answered" if call["answered"] is None else f"answered at {call['answered']}: {call['output']}"
    )
    return f"{call['name']}({call['arguments']}) called at {call['called']}, {output}"


def _inside(value: Any, name: str, field: str) -> Any:
    known: Sequence[str] = list(value) if isinstance(value, dict) else []
    if isinstance(value, list):
        known = [str(number) for number in range(len(value))]
    if name not in known:
        raise WalkError(f"{field}: there is no {name!r}; there is {', '.join(known) or 'nothing inside'}")
    return value[int(name) if isinstance(value, list) else name]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _count(text: str, default: int) -> int:
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise WalkError(f"expected a number of at least 1, got {text!r}")
    return int(text)


def interact(walk: Walk, read: Callable[[], str | None], write: Callable[[str], None]) -> None:
    """Do commands until the last one.

    Args:
        walk: The walk.
        read: Returns the next line; None at the end.
        write: Prints a text.
    """
    write(line_of(walk.event))
    while (line := read()) is not None:
        try:
            shown = walk.do(line)
        except (ValueError, OSError) as error:
            shown = str(error)
        if shown is None:
            return
        write(shown)
