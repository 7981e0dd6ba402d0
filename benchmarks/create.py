"""Making a call against a server on loopback: `calls.create`, bare httpx, and the official package."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

from .harness import PEERS, ROOT, WORKERS, Target, Worker, medians, take_turns, time_text

__all__ = ["OFFER", "SESSION", "run", "server"]

OFFER = (ROOT / "tests" / "samples" / "sdp" / "offer-chromium-audio-datachannel.sdp").read_bytes().decode()
SESSION: dict[str, Any] = {
    "type": "realtime",
    "model": "gpt-realtime",
    "instructions": "You answer for the front desk. " * 10,
    "audio": {
        "output": {"voice": "marin", "speed": 1.1},
        "input": {"turn_detection": {"type": "semantic_vad"}},
    },
}
ROUNDS = 15
REPEAT = 40
MOST = 1.2


@contextmanager
def server() -> Iterator[str]:
    """Run the answering server; yields its base URL."""
    with subprocess.Popen(
        [sys.executable, WORKERS / "answer.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        process.communicate()


def run(console: Console) -> list[Target]:
    """Measure and print; return the target."""
    with (
        server() as base_url,
        Worker("ours.py") as ours,
        Worker("bare.py") as bare,
        Worker("official.py", PEERS) as official,
    ):
        task = {"task": "create", "base_url": base_url, "offer": OFFER, "session": SESSION, "repeat": REPEAT}
        times = medians(
            take_turns(
                {
                    "calls.create": lambda: ours(task),
                    "bare httpx": lambda: bare(task),
                    "official": lambda: official(task),
                },
                ROUNDS,
            )
        )
    table = Table(title="making a call on loopback (median)", title_justify="left", title_style="bold")
    table.add_column("by")
    table.add_column("time", justify="right")
    table.add_column("of bare httpx", justify="right")
    for name, seconds in times.items():
        table.add_row(name, time_text(seconds), f"{seconds / times['bare httpx']:.2f} ×")
    console.print()
    console.print(table)
    ratio = times["calls.create"] / times["bare httpx"]
    return [Target("calls.create / bare httpx", ratio, MOST, False)]
