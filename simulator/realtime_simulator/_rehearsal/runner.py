"""Rehearse a suite: many calls, some at once, each with a script, and a scorecard of all."""

from __future__ import annotations

import asyncio
import functools
import re
from collections import Counter
from collections.abc import Callable, Sequence

import attrs
from starlette.types import ASGIApp

from realtime_simulator._rehearsal.caller import Caller, InvalidCall, RehearsalFailure
from realtime_simulator._rehearsal.rehearsal import Api, Rehearsal
from realtime_simulator._rehearsal.scenarios import ScenarioScript
from realtime_simulator._rehearsal.scorecard import Outcome, Scorecard, Status
from realtime_simulator._rehearsal.script import Script
from realtime_simulator._rehearsal.state import AppState
from realtime_simulator._rehearsal.transport import Over

_ACCEPT = re.compile(r"/(?:calls|sessions)/([^/]+)/accept$")
_TWICE = ("call_already_accepted", "decision_already_made")  # the codes of an answer to a second accept
_LOST = ("failed", "lost", "shutdown")
"""Unintended ends of calls."""


async def rehearse(
    rehearsal: Rehearsal,
    scripts: Sequence[Script],
    to: str | ASGIApp,
    *,
    api: Api = "realtime",
    over: Over = "phone",
    path: str | None = None,
    calls: int | None = None,
    at_once: int = 1,
    state: str | None = None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> Scorecard:
    """Call an app with scripts, one after the other or many at once.

    It always terminates: when all calls are over, or early if none of the first calls is answered.

    Args:
        rehearsal: The rehearsal.
        scripts: The scripts, which take turns.
        to, api, over, path: As for `Rehearsal.call`.
        calls: How many calls; one for each script if None.
        at_once: How many of them at once.
        state: The URL of the app's state, a JSON object, or its path in an ASGI app: for scenarios that set
            it (PUT) and expect it (GET).
        on_outcome: Called with the outcome of each call that is over.

    Returns:
        The scorecard.

    Raises:
        StateError: The app's state can't be set or read.
        ValueError: There are no scripts, one can't be performed over such calls, a number is less than 1, or
            several calls at once would share a state.
    """
    number = len(scripts) if calls is None else calls
    for name, value in (("scripts", len(scripts)), ("calls", number), ("at_once", at_once)):
        if value < 1:
            raise ValueError(f"{name}: at least 1 is needed, got {value}")
    for script in scripts:
        script.check(over)
    if state is not None:
        if at_once > 1:
            raise ValueError(f"at_once: only 1 is allowed where calls share a state, got {at_once}")
        url = rehearsal.serve(to) + state if callable(to) and state.startswith("/") else state
        scripts = [
            attrs.evolve(one, state=AppState(url)) if isinstance(one, ScenarioScript) else one
            for one in scripts
        ]
    waiting = [scripts[index % len(scripts)] for index in range(number)]
    outcomes: dict[int, tuple[Caller, Outcome]] = {}
    places = asyncio.Semaphore(at_once)

    async def call(index: int, script: Script) -> None:
        async with places:
            known = [one for _, one in outcomes.values()]
            if len(known) >= at_once and all(one.status == "lost" for one in known):
                return  # no app answers
            make = functools.partial(rehearsal.call, to, api=api, over=over, path=path)
            caller = script.caller_of(make)
            outcome = await _outcome(script, caller, make)
            # Later there may be more of it; but the simulator does not keep all requests.
            outcome = attrs.evolve(outcome, answers=_number(_answers(rehearsal), caller))
            outcomes[index] = caller, outcome
            on_outcome(outcome)

    await asyncio.gather(*(call(index, script) for index, script in enumerate(waiting)))
    answers = _answers(rehearsal)
    return Scorecard(
        [
            attrs.evolve(one, answers=max(one.answers, _number(answers, caller)))
            for _, (caller, one) in sorted(outcomes.items())
        ]
    )


async def _outcome(script: Script, caller: Caller, call: Callable[..., Caller]) -> Outcome:
    status: Status = "passed"
    failure = ""
    try:
        await script.play(caller, call)
    except InvalidCall as invalid:
        status, failure = "invalid", str(invalid).partition(": ")[2]
    except RehearsalFailure as failed:
        is_unanswered = not caller.is_answered and caller.ended != "rejected"
        status = "lost" if is_unanswered or caller.ended in _LOST else "failed"
        failure = str(failed).partition(": ")[2]
    return Outcome(
        name=script.name,
        status=status,
        failure=failure,
        seconds=caller.seconds,
        usage=caller.usage,
        latency=caller.latency,
        moments=caller.moments,
        sound=caller.sound,
        metrics=caller.metrics(getattr(script, "expected", None)),
        caller=caller,
    )


def _number(answers: Counter[str], caller: Caller) -> int:
    """Return how often a caller was answered; only a webhook can be answered more than once."""
    try:
        call = caller.call
    except RuntimeError:
        return int(caller.is_answered)
    return answers[call.session.id] or answers[call.id] if call.kind == "sip" else int(caller.is_answered)


def _answers(rehearsal: Rehearsal) -> Counter[str]:
    """Return how often each call was accepted, or was already, by its id or that of its Live session."""
    found = [(_ACCEPT.search(one.path), one) for one in rehearsal.simulator.requests]
    return Counter(
        path[1]
        for path, one in found
        if path is not None and (one.status < 300 or (one.error or {}).get("code") in _TWICE)
    )
