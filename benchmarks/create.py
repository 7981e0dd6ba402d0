"""Making a call against a server on loopback: `calls.create`, bare httpx, and the official package."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

from .harness import PEERS, ROOT, WORKERS, Target, Worker, medians, ratio_target, take_turns, time_text

__all__ = ["OFFER", "SESSION", "run", "server"]

OFFER = (ROOT / "tests" / "samples" / "sdp" / "offer-chromium-audio-datachannel.sdp").read_bytes().decode()
SESSION: dict[str, Any] = {
    "type": "realtime",
    "model": "gpt-realtime-2.1",
    "instructions": "You answer for the front desk. " * 10,
    "audio": {
        "output": {"voice": "marin", "speed": 1.1},
        "input": {"turn_detection": {"type": "semantic_vad"}},
    },
}
ROUNDS = 21
REPEAT = 30
MOST = 1.08


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
    """Measure and print; return the targets."""
    table = Table(title="making a call on loopback (median)", title_justify="left", title_style="bold")
    for column in ("by", "sync", "of bare httpx", "asyncio", "of bare httpx"):
        table.add_column(column, justify="left" if column == "by" else "right")
    targets, columns = [], []
    with (
        server() as base_url,
        Worker("ours.py") as ours,
        Worker("bare.py") as bare,
        Worker("official.py", PEERS) as official,
    ):
        workers = {"calls.create": ours, "bare httpx": bare, "official": official}
        for name, mode in (("create", "sync"), ("acreate", "asyncio")):
            task = {"task": name, "base_url": base_url, "offer": OFFER, "session": SESSION, "repeat": REPEAT}
            results = take_turns(
                {by: lambda worker=worker, task=task: worker(task) for by, worker in workers.items()}, ROUNDS
            )
            columns.append(medians(results))
            what = f"calls.create / bare httpx ({mode})"
            targets.append(ratio_target(what, results["calls.create"], results["bare httpx"], MOST))
    for by in workers:
        cells = [
            cell
            for times in columns
            for cell in (time_text(times[by]), f"{times[by] / times['bare httpx']:.2f} ×")
        ]
        table.add_row(by, *cells)
    console.print()
    console.print(table)
    return targets
