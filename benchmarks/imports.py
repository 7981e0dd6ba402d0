"""Import time, a client made, beside the time of the first call, when what was put off is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .create import OFFER, SESSION, server
from .harness import PEERS, Target, environment, medians, take_turns, time_text

__all__ = ["run"]

ROUNDS = 15
MOST = 1.5
# What is imported, how a client is made, how a call; `base_url`, `offer` and `session` are there.
OURS = (
    "import realtime_ext",
    "client = realtime_ext.RealtimeClient('sk-benchmark', base_url=base_url)",
    "client.calls.create(offer, session)",
)
BARE = (
    "import httpx, attrs",
    "pass",
    "httpx.Client().post(base_url + '/realtime/calls', files={"
    "'sdp': (None, offer, 'application/sdp'), 'session': (None, json.dumps(session), 'application/json')})",
)
OFFICIAL = (
    "import openai",
    "client = openai.OpenAI(api_key='sk-benchmark', base_url=base_url)",
    "client.realtime.calls.create(sdp=offer, session=session)",
)


def measure(python: Path, steps: tuple[str, str, str], base_url: str) -> tuple[float, float]:
    """Run the three steps in a new interpreter.

    Returns:
        Seconds of the first two, and of the third.
    """
    load, make, call = steps
    code = (
        "import json, sys, time\n"
        "base_url, offer, session = json.load(sys.stdin)\n"
        f"start = time.perf_counter()\n{load}\n{make}\nmade = time.perf_counter()\n{call}\n"
        "print(made - start, time.perf_counter() - made)"
    )
    answer = subprocess.run(
        [python, "-c", code],
        input=json.dumps([base_url, OFFER, SESSION]),
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    loaded, called = answer.stdout.split()
    return float(loaded), float(called)


def run(console: Console) -> list[Target]:
    """Measure and print; return the target."""
    own = Path(sys.executable)
    contenders = {
        "import realtime_ext, client made": (own, OURS),
        "import httpx, attrs": (own, BARE),
        "import openai, client made": (PEERS, OFFICIAL),
    }
    with server() as base_url:
        results = take_turns(
            {
                name: lambda python=python, steps=steps: measure(python, steps, base_url)
                for name, (python, steps) in contenders.items()
            },
            ROUNDS,
        )
    loaded = medians({name: [first for first, _ in values] for name, values in results.items()})
    called = medians({name: [second for _, second in values] for name, values in results.items()})
    bare = loaded["import httpx, attrs"]
    table = Table(title="import (median)", title_justify="left", title_style="bold")
    table.add_column("what")
    for column in ("import", "of httpx, attrs", "first call", "both"):
        table.add_column(column, justify="right")
    for name in contenders:
        both = loaded[name] + called[name]
        table.add_row(
            name,
            time_text(loaded[name]),
            f"{loaded[name] / bare:.2f} ×",
            time_text(called[name]),
            time_text(both),
        )
    console.print()
    console.print(table)
    ratio = loaded["import realtime_ext, client made"] / bare
    return [Target("import realtime_ext with a client / import httpx, attrs", ratio, MOST, False)]
