"""What became of the calls: from the workers' log and the simulator's conversations."""

from __future__ import annotations

import collections
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

Line = Mapping[str, Any]


@attrs.define(kw_only=True)
class Row:
    """A fault and what went wrong from its beginning until the next one's.

    Args:
        seed: The run.
        fault: Its name.
        at: When it began.
        victim: The process id of the worker that it struck; None if it struck all or none.
        lost: Calls that were hung up, never answered, or whose model waits for an output.
        doubled: Effects that happened twice.
        skipped: Effects that never happened, though nothing says that they may have.
        former: Tools that an owner began after the next one was attached.
        unknown: Effects whose outcome is unknown: their worker was killed within them.
        takeovers: Seconds until each of the victim's calls had another owner attached.
    """

    seed: int
    fault: str
    at: float
    victim: int | None = None
    lost: int = 0
    doubled: int = 0
    skipped: int = 0
    former: int = 0
    unknown: int = 0
    takeovers: list[float] = attrs.field(factory=list)


def read(log: Path) -> list[Line]:
    """Read the log, in order of time."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
    return sorted(lines, key=lambda line: float(line["at"]))


def judge(
    rows: Sequence[Row],
    log: Sequence[Line],
    asked: Mapping[tuple[str, str], float],
    lost: Mapping[str, float],
) -> set[str]:
    """Add what went wrong to the faults that it followed; return the ids of the calls in which it did.

    Args:
        rows: The faults, in order.
        log: What the workers wrote.
        asked: When each effect was asked for, by call and name.
        lost: The calls that were lost, with the time of it.
    """

    def row_at(at: float) -> Row:
        return [rows[0], *(row for row in rows if row.at <= at)][-1]

    wrong = set(lost)
    for at in lost.values():
        row_at(at).lost += 1
    effects: dict[tuple[str, str], list[Line]] = collections.defaultdict(list)
    unknown = {(line["call"], line["what"]) for line in log if line["kind"] == "unknown"}
    attached: dict[str, list[Line]] = collections.defaultdict(list)
    for line in log:
        if line["kind"] == "effect":
            effects[line["call"], line["what"]].append(line)
        elif line["kind"] == "attached":
            attached[line["call"]].append(line)
        elif line["kind"] == "tool" and any(line["epoch"] < one["epoch"] for one in attached[line["call"]]):
            row_at(line["at"]).former += 1
            wrong.add(line["call"])
    for key, at in asked.items():
        if key in unknown:
            row_at(at).unknown += 1
        elif not effects[key]:
            row_at(at).skipped += 1
            wrong.add(key[0])
    for key, happened in effects.items():
        if key not in asked or len(happened) > 1:
            row_at(happened[-1]["at"]).doubled += 1
            wrong.add(key[0])
    for row in rows:
        if row.victim is not None:
            row.takeovers = _takeovers(row, attached)
    return wrong


def _takeovers(row: Row, attached: Mapping[str, Sequence[Line]]) -> list[float]:
    found = []
    for lines in attached.values():
        before = [line for line in lines if line["at"] <= row.at]
        after = [line for line in lines if row.at < line["at"] and line["pid"] != row.victim]
        if before and before[-1]["pid"] == row.victim and after:
            found.append(after[0]["at"] - row.at)
    return found
