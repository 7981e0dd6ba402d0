"""How deep a call goes: the project's own modules and functions that three pieces of work run through.

Each is done warm, so that what loads on first use doesn't count, against the simulator, whose own code
doesn't count either; nor do generated modules. These are counts, the same on any machine but for a few waits.
"""

from __future__ import annotations

import json
import subprocess
import sys

import attrs
from rich.console import Console
from rich.table import Table

from .create import OFFER, SESSION
from .harness import WORKERS, Target, environment

__all__ = ["run"]


@attrs.frozen
class Limit:
    """How far a piece of work may go.

    Args:
        modules: The most modules that it may run through.
        functions: The most calls of functions that it may make; None for any number.
    """

    modules: int
    functions: int | None = None


LIMITS = {
    "calls.create": Limit(14, 140),
    "commit_audio, its error, recv (asyncio)": Limit(18),
    "commit_audio, its error, recv (sync)": Limit(21),
    "ask with one tool call (asyncio)": Limit(35),
    "ask with one tool call (sync)": Limit(37),
}


def run(console: Console) -> list[Target]:
    """Count and print; return the targets."""
    done = subprocess.run(
        [sys.executable, WORKERS / "depth.py"],
        input=json.dumps({"offer": OFFER, "session": SESSION}),
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    table = Table(title="own modules and calls of functions", title_justify="left", title_style="bold")
    for column in ("work", "modules", "of at most", "functions", "of at most"):
        table.add_column(column, justify="left" if column == "work" else "right")
    targets = []
    for work, limit in LIMITS.items():
        modules, functions = len(found[work]), sum(found[work].values())
        most = "" if limit.functions is None else str(limit.functions)
        table.add_row(work, str(modules), str(limit.modules), str(functions), most)
        targets.append(Target(f"modules of {work} / limit", modules / limit.modules, 1.0, False))
        if limit.functions is not None:
            share = functions / limit.functions
            targets.append(Target(f"functions of {work} / limit", share, 1.0, False))
    console.print()
    console.print(table)
    return targets
