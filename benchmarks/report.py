"""What a run of the benchmarks found, as JSON: beside the run before, and as the table in the README."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .harness import PEERS, ROOT, Target

__all__ = ["compare", "last", "record", "save"]

FIGURES = Path(__file__).parent / "figures.json"  # the README's
LATEST = ROOT / "build" / "bench" / "latest.json"
README = Path(__file__).parent / "README.md"
START, END = "<!-- figures -->", "<!-- /figures -->"
LIBRARIES = ("attrs", "httpx", "msgspec", "orjson", "websockets", "aiortc", "openapi-python-client")
Figures = dict[str, dict[str, Any]]


def machine() -> dict[str, Any]:
    """Return what the figures were measured on, and with which versions."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in _text(Path("/proc/cpuinfo")).splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    command = [PEERS, "-c", "from importlib.metadata import version; print(version('openai'))"]
    official = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {**{name: version(name) for name in LIBRARIES}, "openai": official},
    }


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def last() -> dict[str, Any]:
    """Return the run before this one: the latest here, or the README's; empty if there is neither."""
    found: dict[str, Any] = json.loads(_text(LATEST) or _text(FIGURES) or "{}")
    return found


def record(targets: Sequence[Target], before: dict[str, Any]) -> dict[str, Any]:
    """Write a run to `build/bench/latest.json`; figures that it didn't measure stay those of the run before.

    Returns:
        The whole: machine and figures.
    """
    now = machine()
    figures: Figures = dict(before.get("figures", {}))
    for target in targets:
        figures[target.what] = {
            "measured": round(target.measured, 4),
            "limit": target.limit,
            "at_least": target.at_least,
            "unit": target.unit,
            "spread": None if target.spread is None else [round(value, 4) for value in target.spread],
            "at": now["at"],
        }
    whole = {"machine": now, "figures": figures}
    LATEST.parent.mkdir(parents=True, exist_ok=True)
    LATEST.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return whole


def compare(console: Console, targets: Sequence[Target], before: dict[str, Any]) -> None:
    """Print each figure beside that of the run before."""
    table = Table(title="\nFigures", title_justify="left", title_style="bold")
    for column in ("figure", "measured", "middle half", "target", "before", "change"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for target in targets:
        earlier = before.get("figures", {}).get(target.what)
        old = None if earlier is None or earlier["unit"] != target.unit else float(earlier["measured"])
        table.add_row(
            f"[{'green' if target.met else 'red'}]{target.what}[/]",
            f"{target.measured:.2f} {target.unit}",
            "" if target.spread is None else f"{target.spread[0]:.2f}–{target.spread[1]:.2f}",
            f"{'≥' if target.at_least else '≤'} {target.limit:g}",
            "" if old is None else f"{old:.2f}",
            "" if not old else f"{target.measured / old - 1:+.0%}",
        )
    console.print(table)
    if "machine" in before:
        console.print(f"before: {before['machine']['at']}, {_on(before['machine'])}")


def save(whole: dict[str, Any]) -> None:
    """Save a run for the README: its JSON, its pictures, and its table between two marks in `README.md`."""
    for picture in (ROOT / "build").glob("growth-*.png"):
        shutil.copy(picture, FIGURES.parent)
    FIGURES.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    rows = ["| figure | measured | middle half | target | |", "|---|---:|---:|---:|---|"]
    for what, figure in whole["figures"].items():
        target = Target(what, figure["measured"], figure["limit"], figure["at_least"])
        spread = figure["spread"]
        rows.append(
            f"| {what} | {figure['measured']:.2f} {figure['unit']} | "
            f"{'' if spread is None else f'{spread[0]:.2f}–{spread[1]:.2f}'} | "
            f"{'≥' if figure['at_least'] else '≤'} {figure['limit']:g} | {'' if target.met else 'missed'} |"
        )
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    told = f"Measured on {_on(whole['machine'])}; {whole['machine']['at'][:10]}."
    README.write_text(f"{before}{START}\n{told}\n\n" + "\n".join(rows) + f"\n{END}{after}", encoding="utf-8")


def _on(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"{machine['cores']} cores ({machine['cpu']}), load {machine['load'][0]}, {machine['system']}, "
        f"Python {machine['python']}, {versions}"
    )
