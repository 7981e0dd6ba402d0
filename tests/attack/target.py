"""A border that is attacked, and what is found there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import attrs

from tests.attack.minimizing import minimized
from tests.attack.mutation import copied, mutated, places
from tests.support.paths import SAMPLES

__all__ = [
    "FINDINGS",
    "Attack",
    "Finding",
    "Run",
    "Target",
    "attack",
    "kept",
    "plain",
    "text_of",
    "try_again",
]

FINDINGS = SAMPLES / "attack"
Run = Callable[[Any], None]

_MINIMIZING = 20.0  # seconds
_TIMERS = (signal.ITIMER_PROF, signal.ITIMER_REAL)
_PARTS = ("realtime_ext", "realtime_simulator", "realtime_api", "scripts", "attack")


@attrs.frozen
class Target:
    """A border.

    Args:
        name: What it is called.
        real: Returns real input: cases, which are JSON values.
        opened: Returns a context manager with the function that is called with each case, and that raises
            for nothing but a finding.
        seconds: How much of the processor's time a case may take.
        share: How much of the time it gets, beside the others' 1.
        often: How often each case is left as it is, 0–1: for what goes wrong without a mutation.
    """

    name: str
    real: Callable[[], Sequence[Any]]
    opened: Callable[[], contextlib.AbstractContextManager[Run]]
    seconds: float = 5.0
    share: float = 1.0
    often: float = 0.05


@attrs.frozen
class Finding:
    """A case that a border did not bear.

    Args:
        target: The border's name.
        case: The case, as small as it could be made.
        what: The exception.
        key: What findings of one kind share: the exception's type and the place.
    """

    target: str
    case: Any
    what: str
    key: str

    def keep(self, folder: Path = FINDINGS) -> Path:
        """Write it down."""
        folder.mkdir(parents=True, exist_ok=True)
        try:
            case = json.dumps(self.case)
        except RecursionError:
            case = "null"  # too deep to be written, and no smaller one failed
        found = json.dumps({"target": self.target, "found": self.what})
        text = f'{found[:-1]},\n "case": {case}}}\n'
        number = hashlib.sha256(text.encode()).hexdigest()[:8]
        path = folder / f"{self.target.replace(' ', '-')}-{number}.json"
        path.write_text(text, encoding="utf-8")
        return path


@attrs.frozen
class Attack:
    """What an attack on one border came to.

    Args:
        target: The border's name.
        cases: How many cases were tried.
        seconds: How long that took.
        findings: What was found, each kind once.
    """

    target: str
    cases: int
    seconds: float
    findings: tuple[Finding, ...]


def plain(run: Run) -> Callable[[], contextlib.AbstractContextManager[Run]]:
    """Return `Target.opened` for a function that needs nothing to be opened."""
    return lambda: contextlib.nullcontext(run)


def text_of(value: Any) -> str:
    """Return a text as it is, and no text for anything else."""
    return value if isinstance(value, str) else ""


def attack(target: Target, seed: int, *, seconds: float = 1e9, cases: int = sys.maxsize) -> Attack:
    """Attack a border until the time is over, or that many cases were tried; a seed makes the same cases."""
    chance = random.Random(f"{seed} {target.name}")
    real = list(target.real())
    pool = [value for case in real[:200] for path in list(places(case))[:50] for value in [_get(case, path)]]
    found: dict[str, Finding] = {}
    began, count = time.monotonic(), 0
    with target.opened() as run:
        while count < cases and time.monotonic() - began < seconds:
            case = copied(chance.choice(real))
            if chance.random() >= target.often:
                case = mutated(chance, case, pool)
            count += 1
            fault = _fault_of(run, case, target.seconds)
            if fault is not None and (key := _key(fault)) not in found:
                small = minimized(case, _same_fault(run, target.seconds, key))
                found[key] = Finding(
                    target.name, small, "".join(traceback.format_exception_only(fault)).strip(), key
                )
    return Attack(target.name, count, time.monotonic() - began, tuple(found.values()))


def kept(folder: Path = FINDINGS) -> list[Path]:
    """Return the findings that were written down."""
    return sorted(folder.glob("*.json"))


def try_again(targets: Sequence[Target], path: Path) -> None:
    """Try a finding again; it raises what the border still does not bear."""
    record = json.loads(path.read_text(encoding="utf-8"))
    (target,) = (one for one in targets if one.name == record["target"])
    with target.opened() as run:
        run(record["case"])


class TooSlow(Exception):
    """A case took more time than it may."""


@contextlib.contextmanager
def _limit(seconds: float) -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"it took more than {seconds:g} s")

    # Of the processor's time, for others may keep it busy; what waits for ever must end as well.
    before = [signal.signal(number, end) for number in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 20 * seconds)
    try:
        yield
    finally:
        for timer, number, handler in zip(_TIMERS, (signal.SIGPROF, signal.SIGALRM), before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def _fault_of(run: Run, case: Any, seconds: float) -> BaseException | None:
    try:
        with _limit(seconds):
            run(copied(case))
    except KeyboardInterrupt:
        raise
    except BaseException as fault:
        return fault
    return None


def _fails(run: Run, case: Any, seconds: float, key: str) -> bool:
    fault = _fault_of(run, case, seconds)
    return fault is not None and _key(fault) == key


def _same_fault(run: Run, seconds: float, key: str) -> Callable[[Any], bool]:
    """Return what tells whether a case fails alike; none does any more after some seconds."""
    until = time.monotonic() + _MINIMIZING
    return lambda case: time.monotonic() < until and _fails(run, case, seconds, key)


def _key(fault: BaseException) -> str:
    own = [
        frame
        for frame in traceback.extract_tb(fault.__traceback__)
        if any(part in Path(frame.filename).parts for part in _PARTS)
        and not frame.filename.endswith("target.py")
    ]
    if isinstance(fault, TooSlow):  # wherever it was just then
        return f"TooSlow in {own[1].name if len(own) > 1 else 'it'}"
    where = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "elsewhere"
    return f"{type(fault).__name__} at {where}"


def _get(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value
