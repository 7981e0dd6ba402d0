"""Compare the vendored API description with a newer upstream document, and update to it.

    python scripts/sync.py FILE             list what FILE adds, changes and removes, and what breaks
    python scripts/sync.py FILE --apply     update openapi/ to FILE's structure, keeping this project's texts

Exit status: 0 no differences, 1 compatible changes only, 2 breaking changes, 3 FILE or openapi/ is invalid
and nothing was changed.  With --apply: 0 updated, 3 as before.
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

from specpipe import document_io, output, patches, pipeline, slice, source
from specpipe.errors import SpecError
from specpipe.sync import apply, changes, diff, upstream as baseline
from specpipe.terminal import inert, write, write_error

FAILED = 3
#: Width of output that is not a terminal, so that no pointer is wrapped.
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
    parser.add_argument("file", type=Path, metavar="FILE", help="an upstream OpenAPI document")
    parser.add_argument("--apply", action="store_true", help="update openapi/")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--partial", action="store_true", help="FILE is only a part of the upstream document")
    parser.add_argument("--date", metavar="YYYY-MM-DD", help="FILE's date (default: from its name)")
    parser.add_argument("--url", help="FILE's origin (default: unchanged)")
    parser.add_argument("--commit", help="FILE's commit")
    parser.add_argument(
        "--openapi", type=Path, default=pipeline.OPENAPI, metavar="DIR", help="the folder (default: openapi/)"
    )
    options = parser.parse_args(arguments)
    try:
        report = _run(options)
    except (SpecError, OSError) as error:
        write_error(f"sync failed: {error}", "Nothing was changed.")
        return FAILED
    except RecursionError:
        write_error("sync failed: the document nests deeper than Python can follow")
        return FAILED
    except Exception:
        # A bug in this program must not look like a result: 1 means compatible changes only.
        write_error(traceback.format_exc() + "sync failed because of a bug.  Nothing was changed.")
        return FAILED
    if options.json:
        write(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        _show(report)
    return int(report["exit"])


def _run(options: argparse.Namespace) -> dict[str, Any]:
    output.clean_up(options.openapi)
    config = pipeline.Inputs(spec=options.file, openapi=options.openapi, vendored=True).config
    ours = document_io.load(options.openapi / config.document)
    known = source.read(options.openapi / "SOURCE.toml")
    theirs = document_io.load(options.file)
    upstream = slice.cut(theirs, config)
    wanted = patches.read(options.openapi / "patches.toml")
    pipeline.patched_and_valid(upstream.document, wanted, skip_missing=True)
    here = attrs.evolve(slice.cut(ours, config, whole=False), document=ours)
    known_texts = baseline.read(options.openapi / baseline.FILE)
    if known_texts is not None and not options.partial:
        baseline.check_size(known_texts, ours, theirs, upstream)
    seen = [] if known_texts is None else baseline.compare(known_texts, ours, theirs, upstream)
    rows = [*diff.compare(here, upstream), *seen]
    report: dict[str, Any] = {
        "changes": [{**attrs.asdict(row), "breaking": row.breaking} for row in rows],
        "bump": changes.bump(rows),
        "package": config.package.distribution,
        "read": baseline.sizes(theirs),
        "exit": changes.exit_code(rows),
        "version": {"from": known.version, "to": known.next_version(changes.bump(rows))},
    }
    if options.apply:
        origin = apply.origin_of(
            options.file, known, report["bump"], date=options.date, url=options.url, commit=options.commit
        )
        taken = apply.update(options.openapi, ours, upstream, origin, theirs, report["bump"])
        report["applied"] = attrs.asdict(taken)
        report["bump"] = taken.bump
        report["version"]["to"] = known.next_version(taken.bump)
        report["exit"] = 0
    return report


def _show(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else _NO_TERMINAL)
    signs = {"added": "[green]+[/]", "removed": "[red]-[/]", "changed": "[yellow]~[/]"}
    if report["changes"]:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("", "kind", "location", "before", "after", "breaks"):
            table.add_column(column, overflow="fold", ratio=3 if column == "location" else None)
        for row in report["changes"]:
            breaks = " and ".join(who for who in ("sender", "receiver") if row[who])
            where = row["pointer"].removeprefix("/components/schemas/")
            cells = [escape(inert(text)) for text in (row["kind"], where, row["before"], row["after"])]
            table.add_row(signs[row["action"]], *cells, f"[red]{breaks}[/]" if breaks else "")
        console.print(table)
    breaking = sum(row["breaking"] for row in report["changes"])
    read = report["read"]
    console.print(f"read {read['operations']} operations and {read['schemas']} schemas", highlight=False)
    console.print(f"{len(report['changes'])} changes, {breaking} breaking: {_ADVICE[report['bump']]}")
    version = report["version"]
    console.print(f"{report['package']} {version['from']} → {version['to']}", highlight=False)
    taken = report.get("applied")
    if taken is None:
        return
    console.print(f"wrote {', '.join(taken['written']) or 'nothing: openapi/ is already up to date'}")
    taken["surface"] = [f"{row['name']}: {row['change']}" for row in taken["surface"] if row["breaking"]]
    taken["renamed"] = [f"{old} → {new}" for old, new in taken["renamed"].items()]
    taken["nameless"] = [f"{name}  {pointer}" for name, pointer in taken["nameless"]]
    for key, title in _TO_DO.items():
        if taken[key]:
            lines = [f"\n{len(taken[key])} {title}:", *(f"  {escape(inert(one))}" for one in taken[key])]
            console.print(*lines, sep="\n", highlight=False, soft_wrap=True)


#: Field of `Applied` → its title.
_TO_DO = {
    "surface": "changes of public names that break programs, compared with the package of before",
    "renamed": "classes with another name; the old names are deprecated aliases in openapi/renamed.toml",
    "words": "provisional texts to write in openapi/realtime.yaml; make check fails until then",
    "patches": "patches no longer apply; commented out in openapi/patches.toml",
    "names": "names no longer apply; removed from openapi/names.toml",
    "reviews": "unions discriminated by shape to review in openapi/patches.toml; make check fails until then",
    "nameless": "inline schemas without a name; candidates are at the end of openapi/names.toml",
}
_ADVICE = {
    "none": "nothing to release",
    "minor": "minor release",
    "major": "major release (minor while below 1.0)",
}

if __name__ == "__main__":
    sys.exit(main())
