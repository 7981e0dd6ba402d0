"""Compare the vendored description with a newer upstream document, and take it over.

    python scripts/sync.py FILE             what FILE adds, changes and removes, and whom that breaks
    python scripts/sync.py FILE --apply     take FILE's structure over into openapi/, with this project's
    words

Exit status: 0 nothing differs, 1 additions and loosenings only, 2 something breaks, 3 FILE or openapi/ cannot
be worked with, and nothing was changed.  With --apply: 0 it is taken over, 3 as before.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import attrs

sys.path.insert(0, str(Path(__file__).resolve().parent))

from specpipe import apply, changes, diff, finish, forms, pipeline, reading, slice, source, upstream as memory
from specpipe.errors import SpecError

FAILED = 3
#: Columns where the output goes to a file or a program: no pointer is broken.
_NO_TERMINAL = 1000


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(FAILED, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; see the module's docstring."""
    parser = _Parser(
        prog="sync.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="an upstream description")
    parser.add_argument("--apply", action="store_true", help="take it over into openapi/")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--date", metavar="YYYY-MM-DD", help="FILE's date (default: the one in its name)")
    parser.add_argument("--url", help="where FILE is from (default: as before)")
    parser.add_argument("--commit", help="FILE's commit")
    parser.add_argument(
        "--openapi", type=Path, default=pipeline.OPENAPI, metavar="DIR", help="the folder (default: openapi/)"
    )
    options = parser.parse_args(arguments)
    try:
        report = _run(options)
    except (SpecError, OSError) as error:
        print(f"sync failed: {error}", "Nothing was changed.", sep="\n", file=sys.stderr)
        return FAILED
    except RecursionError:
        print("sync failed: the document nests deeper than Python can follow", file=sys.stderr)
        return FAILED
    except Exception:
        # A fault of this program's must not look like an answer: 1 means additions only.
        traceback.print_exc()
        print("sync failed by a fault of its own, see above.  Nothing was changed.", file=sys.stderr)
        return FAILED
    if options.json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        _print(report)
    return int(report["exit"])


def _run(options: argparse.Namespace) -> dict[str, Any]:
    finish.tidy_up(options.openapi)
    config = pipeline.Inputs(spec=options.file, openapi=options.openapi, vendored=True).config
    ours = reading.load(options.openapi / config.document)
    known = source.read(options.openapi / "SOURCE.toml")
    theirs = reading.load(options.file)
    upstream = slice.cut(theirs, config)
    forms.check(upstream.document)
    here = attrs.evolve(slice.cut(ours, config, whole=False), document=ours)
    known_texts = memory.read(options.openapi / memory.FILE)
    seen = [] if known_texts is None else memory.compare(known_texts, ours, theirs, upstream)
    rows = [*diff.compare(here, upstream), *seen]
    report: dict[str, Any] = {
        "changes": [{**attrs.asdict(row), "breaking": row.breaking} for row in rows],
        "bump": changes.bump(rows),
        "package": config.package.distribution,
        "exit": changes.exit_code(rows),
        "version": {"from": known.version, "to": known.next_version(changes.bump(rows))},
    }
    if options.apply:
        origin = apply.origin_of(
            options.file, known, report["bump"], date=options.date, url=options.url, commit=options.commit
        )
        taken = apply.take_over(options.openapi, ours, upstream, origin, theirs)
        report["applied"] = attrs.asdict(taken)
        report["exit"] = 0
    return report


def _print(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else _NO_TERMINAL)
    signs = {"added": "[green]+[/]", "removed": "[red]-[/]", "changed": "[yellow]~[/]"}
    if report["changes"]:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("", "what", "where", "before", "after", "breaks"):
            table.add_column(column, overflow="fold", ratio=3 if column == "where" else None)
        for row in report["changes"]:
            breaks = " and ".join(who for who in ("sender", "receiver") if row[who])
            where = row["pointer"].removeprefix("/components/schemas/")
            cells = [escape(text) for text in (row["kind"], where, row["before"], row["after"])]
            table.add_row(signs[row["action"]], *cells, f"[red]{breaks}[/]" if breaks else "")
        console.print(table)
    breaking = sum(row["breaking"] for row in report["changes"])
    console.print(f"{len(report['changes'])} changes, {breaking} of them breaking: {_ADVICE[report['bump']]}")
    version = report["version"]
    console.print(f"{report['package']} {version['from']} → {version['to']}", highlight=False)
    taken = report.get("applied")
    if taken is None:
        return
    console.print(f"wrote {', '.join(taken['written']) or 'nothing: openapi/ has it already'}")
    for title, pointers in (
        (
            "texts to write in openapi/realtime.yaml, provisional until then: make check fails",
            taken["words"],
        ),
        ("patches that no longer apply, now comments in openapi/patches.toml", taken["patches"]),
        ("names that no longer apply, taken out of openapi/names.toml", taken["names"]),
        (
            "unions to review in openapi/patches.toml, told by shape until then: make check fails",
            taken["reviews"],
        ),
        (
            "inline schemas without a name in openapi/names.toml; lines to choose from stand at its end",
            [f"{n}  {p}" for n, p in taken["nameless"]],
        ),
    ):
        if pointers:
            console.print(
                f"\n{len(pointers)} {title}:",
                *(f"  {escape(one)}" for one in pointers),
                sep="\n",
                highlight=False,
                soft_wrap=True,
            )


_ADVICE = {
    "none": "nothing to release",
    "minor": "a minor version of what is built on it",
    "major": "a major version of what is built on it (a minor one while it is below 1.0)",
}

if __name__ == "__main__":
    sys.exit(main())
