"""What the packages weigh: their files compressed, and all that is installed; the time of `make regen`."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .harness import PEERS, ROOT, Target, environment

__all__ = ["run"]

MIB = 2**20
MOST = 0.4  # of the official package's
MOST_FILES = 0.5  # of its files: with the Live API, about half of ours are generated classes of it
REGEN_ROUNDS = 5
MOST_SECONDS = 5.0  # with the Live API, twice as many schemas as before
# The distributions of each: what is installed with it (pip's own view), and where its files are.
OURS = ("realtime-ext", "realtime-api-client", "realtime-simulator")
INSTALLED = {"ours": ("realtime-ext", ()), "official": ("openai", ("realtime",))}


def run(console: Console) -> list[Target]:
    """Measure and print; return the targets."""
    sources = {
        "realtime-ext": [ROOT / "realtime_ext"],
        "realtime-api-client": [ROOT / "generated" / "realtime_api"],
        "realtime-simulator": [ROOT / "simulator" / "realtime_simulator"],
    }
    ours = ask(Path(sys.executable), {"name": "realtime-ext", "extras": [], "roots": _texts(sources)})
    official = ask(PEERS, {"name": "openai", "extras": ["realtime"], "roots": {}})
    wheels = sum(
        packed for name, (packed, _) in ours.items() if name in ("realtime-ext", "realtime-api-client")
    )
    whole = {
        by: sum(size for _, size in found.values()) for by, found in (("ours", ours), ("official", official))
    }
    table = Table(title="what is installed", title_justify="left", title_style="bold")
    for column in ("distribution", "compressed", "installed"):
        table.add_column(column, justify="left" if column == "distribution" else "right")
    for found in (ours, official):
        for name, (packed, size) in sorted(found.items(), key=lambda entry: -entry[1][1]):
            table.add_row(name, f"{packed / MIB:.2f} MiB", f"{size / MIB:.2f} MiB")
        table.add_section()
    console.print(table)
    seconds = regen()
    return [
        Target(
            "wheels of realtime-ext and realtime-api-client / openai",
            wheels / official["openai"][0],
            MOST_FILES,
            at_least=False,
        ),
        Target(
            "installed size with dependencies / openai[realtime]",
            whole["ours"] / whole["official"],
            MOST,
            at_least=False,
        ),
        Target(
            "make regen",
            statistics.median(seconds),
            MOST_SECONDS,
            False,
            "s",
            spread=(min(seconds), max(seconds)),
        ),
    ]


def _texts(sources: dict[str, list[Path]]) -> dict[str, list[str]]:
    return {name: [str(path) for path in paths] for name, paths in sources.items()}


def ask(python: Path, task: object) -> dict[str, tuple[int, int]]:
    """Return, by distribution, the bytes of its files compressed and as installed."""
    done = subprocess.run(
        [python, Path(__file__).parent / "workers" / "sizes.py"],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    return {name: (packed, size) for name, (packed, size) in json.loads(done.stdout).items()}


def regen() -> list[float]:
    """Return the seconds of some whole runs, each into a folder of its own."""
    found = []
    for _ in range(REGEN_ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            command = [sys.executable, ROOT / "scripts" / "regen.py", "--out", f"{folder}/out"]
            subprocess.run(command, capture_output=True, check=True, env=environment())
            found.append(time.perf_counter() - start)
    return found
