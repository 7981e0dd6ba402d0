"""Import time with a client made, and what was put off: the first call, the first event of a connection."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import websocket
from .create import OFFER, SESSION, server
from .harness import PEERS, Target, environment, medians, ratio_target, take_turns, time_text

__all__ = ["run"]

ROUNDS = 15
MOST = 0.4
MOST_CONNECTING = 0.5
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


CONNECTING = {
    "ours": (
        "from realtime_ext import RealtimeClient",
        "with RealtimeClient('sk-benchmark', base_url=base_url).connect('gpt-realtime-2.1') as connection:",
    ),
    "official": (
        "from openai import OpenAI",
        "with OpenAI(api_key='sk-benchmark', base_url=base_url).realtime.connect(model='m') as connection:",
    ),
}


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
    return [
        ratio_target(
            "import realtime_ext with a client / import httpx, attrs",
            [first for first, _ in results["import realtime_ext, client made"]],
            [first for first, _ in results["import httpx, attrs"]],
            MOST,
        ),
        connecting(console),
    ]


def connecting(console: Console) -> Target:
    """Measure whole processes that connect and read the first event."""

    def whole(python: Path, lines: tuple[str, str], port: int) -> float:
        load, connect = lines
        code = (
            f"base_url = 'http://127.0.0.1:{port}/v1'\n{load}\n{connect}\n    assert connection.recv().type\n"
        )
        start = time.perf_counter()
        subprocess.run([python, "-c", code], check=True, env=environment())
        return time.perf_counter() - start

    pythons = {"ours": Path(sys.executable), "official": PEERS}
    with websocket.server() as port:
        results = take_turns(
            {
                name: lambda name=name, lines=lines: whole(pythons[name], lines, port)
                for name, lines in CONNECTING.items()
            },
            ROUNDS,
        )
    for name, seconds in medians(results).items():
        console.print(f"a process that connects and reads one event, {name}: {time_text(seconds)}")
    what = "cold start to the first event, ours / official"
    return ratio_target(what, results["ours"], results["official"], MOST_CONNECTING)
