"""The command: `python -m tests.fleet_faults [--calls 300] [--seeds 1 2] [--live 0.5]`; 1 if it finds any."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

from rich.console import Console
from rich.table import Table

from tests.fleet_faults.judge import Row
from tests.fleet_faults.scenario import attack

COLUMNS = ("lost", "doubled", "skipped", "former owner's tools", "unknown")


def main() -> int:
    """Attack once for each seed, and print a table of each and of all."""
    parser = argparse.ArgumentParser(prog="python -m tests.fleet_faults", description=__doc__)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--live", type=float, default=0.0, help="the share of calls of the Live API, 0–1")
    options = parser.parse_args()
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # of the simulator, which writes to killed workers
    rows = []
    for seed in options.seeds:
        rows += asyncio.run(attack(options.calls, seed, options.live))
        print_table(f"{options.calls} calls, seed {seed}", [row for row in rows if row.seed == seed])
    if len(options.seeds) > 1:
        print_table(f"{options.calls} calls each, seeds {options.seeds}", rows)
    return int(any(row.lost or row.doubled or row.skipped or row.former for row in rows))


def print_table(title: str, rows: list[Row]) -> None:
    """Print a row for each kind of fault, and one for all."""
    table = Table("fault", "times", *COLUMNS, "take-over p50", "slowest", title=title)
    for kind in [*dict.fromkeys(row.fault for row in rows), None]:
        chosen = [row for row in rows if kind in (None, row.fault)]
        counts = [
            sum(values)
            for values in zip(
                *((row.lost, row.doubled, row.skipped, row.former, row.unknown) for row in chosen),
                strict=True,
            )
        ]
        times = sorted(seconds for row in chosen for seconds in row.takeovers)
        shown = [f"{times[len(times) // 2]:.1f} s", f"{times[-1]:.1f} s"] if times else ["", ""]
        table.add_row(kind or "all", str(len(chosen)), *map(str, counts), *shown)
    Console(width=130).print(table)


if __name__ == "__main__":
    sys.exit(main())
