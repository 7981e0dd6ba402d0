"""Run all benchmarks, or those named: `python -m benchmarks [name …]`; BENCHMARKS has the names."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from . import create, decode, depth, fleet, growth, imports, live, load, report, sdp, websocket, weight
from .harness import PEERS, Target

BENCHMARKS = {
    "depth": depth.run,
    "imports": imports.run,
    "weight": weight.run,
    "decode": decode.run,
    "create": create.run,
    "sdp": sdp.run,
    "websocket": websocket.run,
    "live": live.run,
    "load": load.run,
    "fleet": fleet.run,
    "growth": growth.run,
}


def main() -> int:
    """Run them and return the exit status: 1 if a target was missed, 2 if they can't be run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure against peers.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(BENCHMARKS)}; or all")
    parser.add_argument("--save", action="store_true", help="keep the figures for benchmarks/README.md")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(BENCHMARKS)):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if not PEERS.exists():
        parser.error("the official package is missing; make it with: make peers")
    console = Console()
    console.width = max(console.width, 130)  # where there is no terminal, its width is guessed as 80
    before = report.last()
    targets: list[Target] = []
    for name in given.names or BENCHMARKS:
        targets += BENCHMARKS[name](console)
    report.compare(console, targets, before)
    whole = report.record(targets, before)
    if given.save:
        report.save(whole)
    return 0 if all(target.met for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
