"""Scripts of callers as YAML files, in the words of `Caller`.

    name: changes their mind
    caller: {loudness: 1, noise: 0.002, voice: verse, pace: 1}
    steps:
      - hears: How can I help
        within: 2
      - says: A table for two at eight, please.
      - interrupts: no, nine
        after: 0.4
      - expects_tool: book_table
        arguments: {time: "21:00"}
        count: 1
      - presses: 1#
      - plays: Find out whether dogs are allowed.  # needs a brain
        turns: 4
      - backchannel: mhm
      - stays_silent: 6
      - listens: 10             # until the app has replied
      - loses_network: 3  # over WebRTC
      - meanwhile:
          - says: Hello?
      - says: Good bye.
      - expects_hangup: true
    never: ['maple', '\\d{16}']
    expect: {heard_goodbye: true, first_audio: 1.5, barge_in: 0.5, dead_air: 5, tokens: 2000, cost: 0.05}

An invalid file is rejected as a whole, with the line and the field.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from starlette.types import ASGIApp

from realtime_simulator._rehearsal import pipecat
from realtime_simulator._rehearsal.caller import Caller, ToolUse
from realtime_simulator._rehearsal.conversation import Latency
from realtime_simulator._rehearsal.rehearsal import Api, Rehearsal
from realtime_simulator._rehearsal.transport import Over
from realtime_simulator._scenario.callers import check_keys
from realtime_simulator._scenario.scenario_file import Located, read_yaml, text_of

_STEPS: Mapping[str, Mapping[str, Callable[[Located], Any]]] = {
    "hears": {"within": lambda part: part.number(0), "match": lambda part: _how(part)},
    "says": {
        "loudness": lambda part: _between(part, 0, 2),
        "pace": lambda part: _between(part, 0.25, 1.5),
        "sound": lambda part: _file(part),
    },
    "interrupts": {
        "after": lambda part: part.number(0),
        "within": lambda part: part.number(0),
        "loudness": lambda part: _between(part, 0, 2),
    },
    "backchannel": {
        "after": lambda part: part.number(0),
        "within": lambda part: part.number(0),
        "loudness": lambda part: _between(part, 0, 2),
    },
    "stays_silent": {},
    "listens": {},
    "loses_network": {},
    "presses": {},
    "hangs_up": {"after": lambda part: part.number(0)},
    "expects_tool": {
        "arguments": lambda part: {key: one.value for key, one in part.fields(None).items()},
        "count": lambda part: part.whole(0),
        "within": lambda part: part.number(0),
    },
    "expects_hangup": {"within": lambda part: part.number(0)},
    "plays": {"turns": lambda part: part.whole(1)},
    "meanwhile": {},
}
_CALLER: Mapping[str, Callable[[Located], Any]] = {
    "voice": lambda part: part.text(),
    "loudness": lambda part: _between(part, 0, 2),
    "noise": lambda part: _between(part, 0, 1),
    "pace": lambda part: _between(part, 0.25, 1.5),
    "loss": lambda part: _between(part, 0, 0.9),
    "jitter": lambda part: _between(part, 0, 1),
}
_LATENCIES = [field.name for field in attrs.fields(Latency)]
_EXPECT: Mapping[str, Callable[[Located], Any]] = {
    "heard_goodbye": lambda part: part.truth(),
    "tokens": lambda part: part.whole(0),
    "cost": lambda part: part.number(0),
    **dict.fromkeys(_LATENCIES, lambda part: part.number(0)),
}


@attrs.frozen
class Step:
    """One thing that a caller does or expects.

    Args:
        kind: The name of the caller's method, or `meanwhile`.
        value: Its main argument.
        options: Its other arguments.
    """

    kind: str
    value: Any
    options: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Script:
    """A caller's actions in one call, and the expectations of the app.

    Args:
        name: The name of the call.
        steps: The steps, in order.
        caller: How the caller speaks: arguments of `Rehearsal.call`.
        never: Patterns that the app must never say.
        expect: Checks at the end: `heard_goodbye`; maximum `tokens` and `cost`; and the seconds that
            95 % of `first_audio`, `barge_in`, `talk_over` or `dead_air` must not exceed.
    """

    name: str
    steps: Sequence[Step] = attrs.field(repr=False)
    caller: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    never: Sequence[str] = attrs.field(factory=tuple, repr=False)
    expect: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Script:
        """Read a script from a YAML file; one with `turns` is a scenario of pipecat's evals.

        Args:
            path: The file.

        Raises:
            OSError: It can't be read.
            ScenarioError: It is invalid; the message has the line and the field.
        """
        file = Path(path)
        root = read_yaml(text_of(file), file.name, file.parent)
        if "turns" in root.parts:
            name = root.parts["name"].text() if "name" in root.parts else file.stem.replace("_", " ")
            return cls(name=name, steps=[Step(*one) for one in pipecat.steps_of(root.parts["turns"])])
        needed = {"steps": "what the caller does"}
        fields = root.fields(("name", "caller", "steps", "never", "expect"), needed)
        return cls(
            name=fields["name"].text() if "name" in fields else file.stem.replace("_", " "),
            steps=_steps(fields["steps"]),
            caller=_fields(fields["caller"], _CALLER) if "caller" in fields else {},
            never=[_pattern(one) for one in fields["never"].list()] if "never" in fields else (),
            expect=_fields(fields["expect"], _EXPECT) if "expect" in fields else {},
        )

    async def perform(
        self,
        rehearsal: Rehearsal,
        to: str | ASGIApp,
        *,
        api: Api = "realtime",
        over: Over = "phone",
        path: str | None = None,
    ) -> Caller:
        """Call the app, perform the steps, and check the expectations.

        Args:
            rehearsal: The rehearsal.
            to, api, over, path: As for `Rehearsal.call`.

        Returns:
            The caller, for further checks.

        Raises:
            RehearsalFailure: The app did not meet an expectation.
            ValueError: The script uses keys or a network, which such a call does not have.
        """
        self.check(over)
        call = functools.partial(rehearsal.call, to, api=api, over=over, path=path)
        return await self.play(self.caller_of(call), call)

    def check(self, over: Over) -> None:
        """Check that a caller can do what the script says.

        Raises:
            ValueError: A step, or how the caller speaks, needs a call of another kind.
        """
        network = [name for name in ("loss", "jitter") if name in self.caller]
        needed: Mapping[str, Sequence[Over]] = {
            "presses": ("phone", "media-stream"),
            "loses_network": ("webrtc",),
            **dict.fromkeys(network, ("webrtc",)),
        }
        for name in [*network, *(step.kind for step in _all(self.steps))]:
            if over not in needed.get(name, (over,)):
                allowed = " or ".join(map(repr, needed[name]))
                raise ValueError(f"{self.name}: {name} needs a call over {allowed}, got {over!r}")

    @property
    def needs_brain(self) -> bool:
        """Whether a chat model plays a caller."""
        return any(step.kind == "plays" for step in _all(self.steps))

    def caller_of(self, call: Callable[..., Caller]) -> Caller:
        """Return the script's caller, who has not called yet.

        Args:
            call: Makes a caller, by the arguments of `Rehearsal.call` about how it speaks.
        """
        return call(name=self.name, never=self.never, **self.caller)

    async def play(self, caller: Caller, call: Callable[..., Caller]) -> Caller:
        """Let a caller do what the script says; `call` makes further callers."""
        others: list[asyncio.Task[Caller]] = []
        counted: list[tuple[ToolUse, int]] = []
        try:
            async with caller:
                for step in self.steps:
                    if step.kind == "meanwhile":
                        other = attrs.evolve(
                            self, name=f"{self.name}, another caller", steps=step.value, expect={}
                        )
                        others.append(asyncio.create_task(other.play(other.caller_of(call), call)))
                        await asyncio.sleep(0)
                    else:
                        await _do(caller, step, counted)
            for one in others:
                await one
        finally:
            for one in others:
                one.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        for use, count in counted:
            if use.count != count:
                caller.fail(f"{use.name} was used {use.count} times, expected {count}")
        self._judge(caller)
        return caller

    def _judge(self, caller: Caller) -> None:
        """Judge a call that is over."""
        if (heard := caller.heard_goodbye) != self.expect.get("heard_goodbye", heard):
            caller.fail(f"the caller {'heard' if heard else 'did not hear'} the last words to their end")
        latency = caller.latency
        for name in _LATENCIES:
            if name not in self.expect:
                continue
            times = getattr(latency, name)
            if not times and name == "first_audio":
                caller.fail("first_audio was not measured, because the app was not heard")
            if times and times.p95 > self.expect[name]:
                caller.fail(f"{name} took {times.p95:.2f} s (p95), allowed are {self.expect[name]:g} s")
        usage = caller.usage
        if usage.total_tokens > self.expect.get("tokens", usage.total_tokens):
            caller.fail(f"it took {usage.total_tokens} tokens, allowed are {self.expect['tokens']}")
        if "cost" in self.expect and usage.cost is None:
            needed = (
                f"there is no price for {', '.join(usage.missing)}"
                if usage.missing
                else "there are no prices"
            )
            caller.fail(f"its cost is not known: {needed}")
        if usage.cost is not None and usage.cost > self.expect.get("cost", usage.cost):
            caller.fail(f"it cost {usage.cost:.4f}, allowed is {self.expect['cost']:g}")


def load_suite(path: str | os.PathLike[str]) -> Sequence[Script]:
    """Read a script, or all scripts of a folder in the order of their names.

    Args:
        path: A YAML file, or a folder of them.

    Raises:
        OSError: It can't be read.
        ValueError: It has no scripts, or one is invalid; two have the same name.
    """
    place = Path(path)
    files = sorted(place.glob("*.y*ml")) if place.is_dir() else [place]
    scripts = [Script.load(file) for file in files]
    if not scripts:
        raise ValueError(f"{place}: there are no scripts (*.yaml) in it")
    names = [script.name for script in scripts]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{place}: two scripts are named {twice!r}")
    return scripts


def _all(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield steps, and those of further callers."""
    for step in steps:
        yield step
        if step.kind == "meanwhile":
            yield from _all(step.value)


async def _do(caller: Caller, step: Step, counted: list[tuple[ToolUse, int]]) -> None:
    options = dict(step.options)
    match step.kind:
        case "expects_tool":
            count, arguments = options.pop("count", None), options.pop("arguments", {})
            if count == 0:
                use = caller.tool(step.value, arguments)
            else:
                use = await caller.expects_tool(step.value, arguments, **options)
            if count is not None:
                counted.append((use, count))
        case "hangs_up":
            await caller.hangs_up(step.value, **options)
        case "expects_hangup":
            await caller.expects_hangup(**options)
        case kind:
            method: Callable[..., Awaitable[Any]] = getattr(caller, kind)
            await method(step.value, **options)


def _steps(part: Located) -> Sequence[Step]:
    return [_step(one) for one in part.list(1)]


def _step(part: Located) -> Step:
    kind = part.kind(_STEPS)
    fields = part.fields((kind, *_STEPS[kind]))
    options = {name: read(fields[name]) for name, read in _STEPS[kind].items() if name in fields}
    return Step(kind, _value(kind, fields[kind]), options)


def _value(kind: str, part: Located) -> Any:
    match kind:
        case "stays_silent" | "listens" | "loses_network":
            return part.number(0)
        case "presses":
            with part.refusing():
                return check_keys(str(part.value) if isinstance(part.value, int) else part.value)
        case "expects_hangup":
            if not part.truth():
                part.refuse("allowed is true")
            return None
        case "hangs_up":
            if part.value is True:
                return None
            return part.text()
        case "meanwhile":
            return _steps(part)
        case "hears" if isinstance(part.value, dict):
            return re.compile(_pattern(part.fields(("pattern",)).get("pattern") or part))
        case _:
            if not part.text().strip():
                part.refuse("expected a text, got an empty one")
            return part.value


def _fields(part: Located, known: Mapping[str, Callable[[Located], Any]]) -> Mapping[str, Any]:
    return {name: known[name](one) for name, one in part.fields(known).items()}


def _between(part: Located, low: float, high: float) -> float:
    if (value := part.number(low)) > high:
        part.refuse(f"allowed is {low:g} to {high:g}, got {value:g}")
    return value


def _how(part: Located) -> str:
    if part.text() not in ("contains", "exact", "fuzzy"):
        part.refuse(f"allowed is contains, exact or fuzzy, got {part.value!r}")
    return part.text()


def _file(part: Located) -> Path:
    path = part.folder / part.text()
    if not path.is_file():
        part.refuse(f"there is no file {part.value!r}")
    return path


def _pattern(part: Located) -> str:
    try:
        re.compile(part.text())
    except re.error as error:
        part.refuse(f"it is not a regular expression: {error}")
    return part.text()
