"""The results of a rehearsal as a folder, with the names of OpenAI's Cookbook.

results.json                    a summary, and each call's status and metrics
report.html                     the report for people
audio/<call>/conversation.wav   both sides, the caller left and the app right
audio/<call>/transcript.txt     what was said and done, with times
events/<call>.jsonl             the session's events, for `realtime step`
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from realtime_simulator._recordings.files import private_opener
from realtime_simulator._rehearsal import sound
from realtime_simulator._rehearsal.conversation import Times
from realtime_simulator._rehearsal.scorecard import Outcome, Scorecard

SCHEMA_VERSION = "2.0"
_STATUS = {"passed": "passed", "failed": "failed"}
"""The Cookbook's names; what says nothing about the app is an error of the infrastructure."""


def write_results(folder: Path, card: Scorecard, settings: Mapping[str, Any]) -> None:
    """Write a folder of results; the files of an earlier rehearsal are replaced.

    Args:
        folder: The folder; it is created.
        card: The outcomes of the calls.
        settings: How the calls were made, for the file.

    Raises:
        OSError: It can't be written.
    """
    named = list(zip(_names(card.outcomes), card.outcomes, strict=True))
    (folder / "events").mkdir(parents=True, exist_ok=True)
    for name, one in named:
        place = folder / "audio" / name
        place.mkdir(parents=True, exist_ok=True)
        _write(place / "transcript.txt", one.caller.transcript() + "\n")
        with open(place / "conversation.wav", "wb", opener=private_opener) as file:
            sound.write_wav(file, one.sound)
        if one.caller.is_answered:
            one.caller.save(folder / "events" / f"{name}.jsonl")
    _write(folder / "report.html", card.as_html())
    results = {
        "schema_version": SCHEMA_VERSION,
        "run": dict(settings),
        "summary": _summary(card),
        "results": [_result(name, one) for name, one in named],
    }
    _write(folder / "results.json", json.dumps(results, indent=1, ensure_ascii=False, default=str) + "\n")


def _result(name: str, one: Outcome) -> dict[str, Any]:
    task = {
        "task_completed": one.status == "passed",
        "semantic_quality": {"score": None, "dimensions": {}},  # no judge
        **one.metrics["task"],
    }
    found: dict[str, Any] = {
        "scenario_id": one.name,
        "status": _STATUS.get(one.status, "infrastructure_error"),
        "metrics": {**one.metrics, "task": task},
        "validity": {"status": "valid"},
        "failures": one.failure.partition("\n  ")[0].splitlines(),
        "duration_ms": round(one.seconds * 1000, 3),
        "artifacts": {
            "audio": f"audio/{name}/conversation.wav",
            "transcript": f"audio/{name}/transcript.txt",
            "events": f"events/{name}.jsonl" if one.caller.is_answered else None,
        },
    }
    if one.status == "invalid":
        found["validity"] = {"status": "invalid", "reasons": found["failures"]}
        found["error"] = {"stage": "caller_simulation"}
    elif one.status == "lost":
        found["error"] = {"stage": "call"}
    return found


def _summary(card: Scorecard) -> dict[str, Any]:
    judged = [one.metrics for one in card.outcomes if one.status in _STATUS]
    numbers: dict[str, list[float]] = {}
    for metrics in judged:
        for name, value in _numbers(metrics["task"] | metrics["audio"]):
            numbers.setdefault(name, []).append(value)
    return {
        "total": len(card.outcomes),
        "passed": card.count("passed"),
        "failed": card.count("failed"),
        "infrastructure_errors": card.count("lost") + card.count("invalid"),
        "metrics": {
            name: {"p50": times.p50, "p90": times.percentile(90), "min": min(times), "max": times.max}
            for name, times in ((name, Times(values)) for name, values in numbers.items())
        },
    }


def _numbers(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the numbers of metrics by name, such as `speaking_duration_ms.cumulative`."""
    for name, value in metrics.items():
        if name in ("response_deadline_ms", "response_opportunities", "response_exclusion_reasons"):
            continue
        parts = value.items() if isinstance(value, dict) else [("", value)]
        for part, number in parts:
            if isinstance(number, int | float) and part != "expected":
                yield f"{name}.{part}" if part not in ("", "actual") else name, number


def _names(outcomes: Sequence[Outcome]) -> Sequence[str]:
    """Return a name for the files of each call: its script's, and its number if that is called again."""
    found: list[str] = []
    for one in outcomes:
        name = re.sub(r"[^\w.-]+", "_", one.name).strip("._") or "call"
        number = 1
        while (numbered := name if number == 1 else f"{name}_{number}") in found:
            number += 1
        found.append(numbered)
    return found


def _write(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="replace", opener=private_opener) as file:
        file.write(text)
