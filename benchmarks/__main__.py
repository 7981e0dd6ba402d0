"""Run all benchmarks, or those named: `python -m benchmarks [name …]`; BENCHMARKS has the names."""

from __future__ import annotations

import sys

from rich.console import Console

from . import create, decode, imports, load, websocket
from .harness import PEERS, Target

BENCHMARKS = {
    "imports": imports.run,
    "decode": decode.run,
    "create": create.run,
    "websocket": websocket.run,
    "load": load.run,
}


def main(names: list[str]) -> int:
    """Run them and return the exit status: 1 if a target was missed, 2 if they can't be run."""
    console = Console()
    console.width = max(console.width, 110)  # where there is no terminal, its width is guessed as 80
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        console.print(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
        return 2
    if not PEERS.exists():
        console.print("the official package is missing; make it with: make peers")
        return 2
    targets: list[Target] = []
    for name in names or BENCHMARKS:
        targets += BENCHMARKS[name](console)
    console.print("\n[bold]Targets[/]")
    for target in targets:
        console.print(f"  {'[green]met   [/]' if target.met else '[red]missed[/]'}  {target}")
    return 0 if all(target.met for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
