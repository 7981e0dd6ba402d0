"""How time and memory grow, drawn as PNG files beside this one: what is linear is a straight line there."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from realtime_ext.events import parse_event

from . import create, load, websocket
from .decode import event
from .harness import ROOT, Target, Worker, environment

__all__ = ["run"]

FOLDER = Path(__file__).parents[1] / "build"
"""Folder of the pictures; `report.save` copies them beside benchmarks/README.md."""
ITEMS = (1, 2, 5, 10, 20, 50, 100, 200, 400)
CONNECTIONS = (1, 10, 50, 100, 200, 400, 700, 1000)
CALLS = (2, 5, 10, 15, 20, 25)  # a loop that is full loses some
MADE = (1, 50, 100, 200, 400, 800)
COPIES = (1, 2, 4, 8)
TRIES = 3  # of which the quickest counts
Series = list[tuple[float, float]]


def run(console: Console) -> list[Target]:
    """Measure and draw; there are no targets."""
    FOLDER.mkdir(exist_ok=True)
    pictures = {
        "growth-decoding.png": ("Decoding response.done", "bytes of JSON", decoding()),
        "growth-connections.png": ("Connections in one process (asyncio)", "connections", connections()),
        "growth-calls.png": ("Calls in one process", "calls", calls()),
        "growth-regen.png": ("make regen, over the description", "copies of all schemas", regen()),
    }
    for file, (title, across, panels) in pictures.items():
        draw(FOLDER / file, title, across, panels)
        console.print(f"drawn: {FOLDER.name}/{file}")
    return []


def draw(path: Path, title: str, across: str, panels: dict[str, Series]) -> None:
    """Draw one panel for each series, from zero on."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.6 * len(panels), 3.4), squeeze=False)
    for axis, (up, series) in zip(axes[0], panels.items(), strict=True):
        axis.plot(*zip(*series, strict=True), marker="o", markersize=3)
        axis.set(xlabel=across, ylabel=up, xlim=(0, None), ylim=(0, None))
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=90, metadata={"Software": None})
    pyplot.close(figure)


def decoding() -> dict[str, Series]:
    """Decode a response with more and more items."""
    times: Series = []
    memory: Series = []
    for count in ITEMS:
        found = json.loads(event("response.done"))
        found["response"]["output"] = (found["response"]["output"] * count)[:count]
        text = json.dumps(found, separators=(",", ":"))
        times.append((len(text), 1e6 * min(_seconds(text) for _ in range(30))))
        tracemalloc.start()
        kept = [parse_event(text) for _ in range(20)]
        memory.append((len(text), tracemalloc.get_traced_memory()[0] / len(kept) / 1024))
        tracemalloc.stop()
    return {"µs": times, "KiB held": memory}


def _seconds(text: str) -> float:
    start = time.process_time()
    for _ in range(5):
        parse_event(text)
    return (time.process_time() - start) / 5


def connections() -> dict[str, Series]:
    """Open more and more connections, each number in a process of its own."""
    times: Series = []
    memory: Series = []
    with websocket.server() as port:
        for count in CONNECTIONS:
            tries = [
                websocket.opening("websocket_ours.py", None, port, "asyncio", count) for _ in range(TRIES)
            ]
            seconds, used = min(tries)
            times.append((count, seconds * count))
            memory.append((count, used * count / 2**20))
    return {"seconds to open all": times, "MiB held": memory}


def calls() -> dict[str, Series]:
    """Make calls one after the other, and hold more and more at once in a simulator."""
    made: Series = []
    with create.server() as base_url, Worker("ours.py") as ours:
        task = {"task": "create", "base_url": base_url, "offer": create.OFFER, "session": create.SESSION}
        ours({**task, "repeat": 10})
        for count in MADE:
            made.append((count, min(ours({**task, "repeat": count}) for _ in range(TRIES)) * count))
    held: Series = []
    with (
        load.simulator(speed=0) as (process, base_url, key),
        load.Process("load_calls.py", base_url, key, "realtime", "silent") as client,
    ):
        for count in CALLS:
            start, before = time.perf_counter(), process.ask()["seconds"]
            client.ask(count)
            used = (process.ask()["seconds"] - before) / (time.perf_counter() - start)
            held.append((count, 100 * used))
    return {"s, one made after the other": made, "% of a core, held by a simulator": held}


def regen() -> dict[str, Series]:
    """Make the package from descriptions with several copies of every schema and operation."""
    document = yaml.load((ROOT / "openapi" / "realtime.yaml").read_bytes(), yaml.CSafeLoader)
    times: Series = []
    with tempfile.TemporaryDirectory() as folder:
        for copies in COPIES:
            spec = Path(folder) / f"{copies}.json"
            spec.write_text(json.dumps(copied(document, copies)))
            command = [
                sys.executable,
                ROOT / "scripts" / "regen.py",
                "--spec",
                spec,
                "--out",
                f"{folder}/{copies}",
            ]
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True, env=environment())
            times.append((copies, time.perf_counter() - start))
    return {"seconds": times}


def copied(document: dict[str, Any], copies: int) -> dict[str, Any]:
    """Return a description with several of every schema and operation, each copy apart from the others."""
    whole = json.loads(json.dumps(document))
    names: Sequence[str] = list(document["components"]["schemas"])
    for number in range(2, copies + 1):
        text = json.dumps({"paths": document["paths"], "schemas": document["components"]["schemas"]})
        for name in names:
            text = text.replace(f'#/components/schemas/{name}"', f'#/components/schemas/{name}N{number}"')
        part = json.loads(text, object_hook=partial(_renamed, number))
        whole["components"]["schemas"] |= {
            f"{name}N{number}": schema for name, schema in part["schemas"].items()
        }
        whole["paths"] |= {
            path.replace("/realtime", f"/realtime/n{number}", 1): item for path, item in part["paths"].items()
        }
    return whole


def _renamed(number: int, part: dict[str, Any]) -> dict[str, Any]:
    if isinstance(name := part.get("operationId"), str):
        part["operationId"] = f"{name}-n{number}"
    return part
