"""What all benchmarks share: contenders that alternate, medians, spread, targets."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs

__all__ = [
    "PEERS",
    "ROOT",
    "WORKERS",
    "Target",
    "Worker",
    "environment",
    "medians",
    "ratio_target",
    "take_turns",
    "time_text",
]

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "build" / "peers" / "bin" / "python"
WORKERS = Path(__file__).parent / "workers"

T = TypeVar("T")


@attrs.frozen
class Target:
    """What must be reached.

    Args:
        what: In words, with the limit.
        measured: What was measured: a ratio, if nothing else is said.
        limit: What must be reached.
        at_least: Whether `limit` is the least or the most that is allowed.
        unit: Its unit.
        spread: The first and third quartile of what was measured; None where there is one value alone.
    """

    what: str
    measured: float
    limit: float
    at_least: bool
    unit: str = "×"
    spread: tuple[float, float] | None = None

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def __str__(self) -> str:
        bound = "at least" if self.at_least else "at most"
        spread = (
            "" if self.spread is None else f", half of the rounds {self.spread[0]:.2f}–{self.spread[1]:.2f}"
        )
        return f"{self.what}: {self.measured:.2f} {self.unit}{spread} ({bound} {self.limit:g} {self.unit})"


class Worker:
    """A process that does one contender's work when it is told to.

    It gets a JSON object a line, and answers with a number a line: seconds for one repetition, or what the
    task itself measures.

    Args:
        script: A file in `workers/`.
        python: The interpreter to run it with.
    """

    def __init__(self, script: str, python: Path | None = None) -> None:
        self._process = subprocess.Popen(
            [python or sys.executable, WORKERS / script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def __call__(self, task: Mapping[str, Any]) -> float:
        """Send a task to the process and wait for its figure.

        Returns:
            Seconds for one repetition, or the number that the task measures.

        Raises:
            RuntimeError: The process ended; what it had to say is on stderr.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker {self._process.args[1]} ended: {self._process.wait()}")
        return float(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()


def environment() -> dict[str, str]:
    """Return a worker's environment: a made-up key, and byte code kept, as installed packages have it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "PYTHON"))}
    return {**kept, "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "bench"), "OPENAI_API_KEY": "sk-benchmark"}


def take_turns(contenders: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Run each contender once a round, after one round that doesn't count.

    Args:
        contenders: By name; each call does the work and returns what was measured.
        rounds: How often.

    Returns:
        What was measured, by name, one value a round.
    """
    results: dict[str, list[T]] = {name: [] for name in contenders}
    for round_number in range(rounds + 1):
        for name, work in contenders.items():
            value = work()
            if round_number:
                results[name].append(value)
    return results


def medians(results: Mapping[str, list[float]]) -> dict[str, float]:
    """Return each contender's median."""
    return {name: statistics.median(values) for name, values in results.items()}


def ratio_target(
    what: str, over: list[float], under: list[float], limit: float, *, at_least: bool = False
) -> Target:
    """Return the target for a ratio: the median of the rounds' own ratios, for a round shares its weather.

    Args:
        what: In words.
        over: One contender's values, one a round.
        under: The other's.
        limit: What must be reached.
        at_least: Whether `limit` is the least or the most that is allowed.
    """
    ratios = [one / other for one, other in zip(over, under, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Target(what, middle, limit, at_least, spread=(low, high))


def time_text(seconds: float) -> str:
    """Write a time with three digits and a unit."""
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
