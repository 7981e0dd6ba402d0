"""Apply every document of a folder as `make sync APPLY=1` does: `python -m tests.take_over FOLDER`.

The folder has revisions of the upstream document, under any name and at any depth; identical documents are
read once. Each is applied to a copy of `openapi/`: afterwards no changes may be left, a second run must write
nothing, and `make regen` must succeed. A refused document must leave the copy unchanged.
Exit status: 0 if all of that holds. Refused documents are listed and do not count as failures.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from tests.support.paths import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

import sync
from specpipe import pipeline

#: The date of documents without one in their name.
_DAY = "2027-01-01"


class LeftoverError(Exception):
    """A document was taken over in part."""


@attrs.frozen
class Result:
    """What became of a document.

    Attributes:
        path: The document.
        outcome: `taken over`, `refused` or `FAILED`.
        told: Its changes, or why not.
    """

    path: Path
    outcome: str
    told: str


def distinct(folder: Path) -> list[Path]:
    """Return the documents of a folder, one of each content."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".yaml", ".yml", ".json") and path.is_file():
            found.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
    return list(found.values())


def take_over(document: Path, openapi: Path) -> Result:
    """Apply a document to a copy of a folder, and check the result."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "openapi"
        shutil.copytree(openapi, copy)
        before = _content(copy)
        try:
            status, report = _sync(document, copy, "--apply")
            if status == sync.FAILED:
                _expect(_content(copy) == before, "it was refused, but openapi/ has changed")
                _expect("because of a bug" not in report, str(report))
                return Result(document, "refused", str(report))
            left = _sync(document, copy)[1]["changes"]
            _expect(left == [], f"{len(left)} changes are left, first {left[:1]}")
            after = _content(copy)
            again = _sync(document, copy, "--apply")[1]["applied"]["written"]
            _expect(again == [] and _content(copy) == after, f"a second run wrote {again}")
            with pipeline.workspace(copy, apart=True) as made:
                spec = copy / pipeline.Inputs(copy, copy, vendored=True).config.document
                pipeline.make(pipeline.Inputs(spec, copy, vendored=True), made, lambda step, what: None)
        except Exception as error:
            return Result(document, "FAILED", f"{type(error).__name__}: {error}")
    changes = report["changes"]
    breaking = sum(row["breaking"] for row in changes)
    return Result(document, "taken over", f"{len(changes)} changes, {breaking} breaking")


def _sync(document: Path, openapi: Path, *options: str) -> tuple[int, Any]:
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        arguments = ["--json", "--partial", "--date", _DAY, "--openapi", str(openapi), *options]
        status = sync.main([str(document), *arguments])
    return status, errors.getvalue() if status == sync.FAILED else json.loads(out.getvalue())


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise LeftoverError(otherwise)


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def results(folder: Path, openapi: Path = pipeline.OPENAPI) -> Iterator[Result]:
    """Yield the result of each distinct document of a folder."""
    for document in distinct(folder):
        yield take_over(document, openapi)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="take_over", description="Take every document of a folder over.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    folder = parser.parse_args(arguments).folder
    count: Counter[str] = Counter()
    for result in results(folder):
        count[result.outcome] += 1
        print(f"{result.outcome:10}  {result.path.relative_to(folder)}  {result.told}", flush=True)
    print(", ".join(f"{count[outcome]} {outcome}" for outcome in sorted(count)) or "no documents")
    return 1 if count["FAILED"] or not count else 0


if __name__ == "__main__":
    sys.exit(main())
