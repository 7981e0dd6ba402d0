"""Rebuild the low-level package from the API description.

    python scripts/regen.py                      generated/ and realtime_ext/types.py from openapi/
    python scripts/regen.py --check              write nothing; fail if generated/ is not what it would write
    python scripts/regen.py --spec FILE --out DIR    a package from another description
    python scripts/regen.py --spec FILE --out DIR --slice FILE    one of another API; also --patches, --names

Reads files only; `--check` writes in the system's temporary folder alone.  Exit status: 0 done or equal,
1 `--check` found a difference, 2 a step failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import attrs

sys.path.insert(0, str(Path(__file__).resolve().parent))

from specpipe import finish, patches, pipeline, prose, reading
from specpipe.errors import SpecError

#: Rows that a report has at most.
_MOST = 40


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="regen.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--spec", type=Path, metavar="FILE", help="a description (default: the one in openapi/)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the package goes (default: generated/)"
    )
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument("--slice", type=Path, metavar="FILE", help="which part, and the package's names")
    for name in ("patches", "names"):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"instead of openapi/{name}.toml")
    options = parser.parse_args(arguments)
    target = (options.out or pipeline.ROOT / "generated").resolve()
    try:
        finish.tidy_up(pipeline.OPENAPI)
        inputs = _inputs(options)
        if options.out is not None and target.exists() and not _ours(target):
            raise SpecError(
                f"{options.out} is there and no package that regen made", hint="name a new or empty folder"
            )
        with pipeline.workspace(target, apart=options.check) as made:
            planned = pipeline.make(inputs, made, _progress())
            types = pipeline.type_module(inputs, planned) if inputs.vendored and not options.out else None
            if options.check:
                words = _provisional(inputs) if inputs.vendored else []
                return _report(target.name, finish.compare(made, target), words, types)
            finish.swap(made, target)
        if types is not None:
            types[0].write_text(types[1], encoding="utf-8")
    except (SpecError, OSError) as error:
        failed = "regen failed in" if isinstance(error, SpecError) and error.step else "regen failed:"
        kept = f"{target.name}/ is as it was." if target.exists() else "Nothing was written."
        print(f"{failed} {error}", kept, sep="\n", file=sys.stderr)
        return 2
    print(f"wrote {target}")
    return 0


def _inputs(options: argparse.Namespace) -> pipeline.Inputs:
    """What is to be read; another slice than the project's has no use for its patches and names."""
    other = {"slice_file": options.slice, "patches_file": options.patches, "names_file": options.names}
    files = {key: path.resolve() for key, path in other.items() if path is not None}
    made = pipeline.Inputs(spec=Path(), openapi=pipeline.OPENAPI, vendored=False, **files)
    vendored = pipeline.OPENAPI / made.config.document
    spec = (options.spec or vendored).resolve()
    return attrs.evolve(made, spec=spec, vendored=spec == vendored and not files)


def _provisional(inputs: pipeline.Inputs) -> list[str]:
    """What a release has to wait for: texts and reasons that are still to be written, or to be mended."""
    reviews = [one.pointer for one in patches.read(inputs.openapi / "patches.toml") if one.provisional]
    return prose.check(reading.load(inputs.spec)) + [f"review    {pointer}" for pointer in reviews]


def _ours(target: Path) -> bool:
    return target.is_dir() and (not any(target.iterdir()) or (target / "generated.lock").is_file())


def _progress() -> Callable[[str, str], None]:
    started = time.monotonic()

    def say(step: str, what: str) -> None:
        print(f"{time.monotonic() - started:6.2f} s  {step:<10}  {what}", flush=True)

    return say


def _report(name: str, differences: list[str], words: list[str], types: tuple[Path, str] | None) -> int:
    stale = []
    if types is not None and (not types[0].is_file() or types[0].read_text(encoding="utf-8") != types[1]):
        stale.append(f"differs  {types[0].relative_to(pipeline.ROOT).as_posix()}")
    for rows, what in (
        (differences, f"{name}/ is not what regen would write; run regen and commit the result"),
        (stale, "the table of official names is not what regen would write; run regen and commit it"),
        (words, "openapi/ has texts to write, to mend, or unions to review"),
    ):
        if rows:
            more = [f"  … and {len(rows) - _MOST} more"] if len(rows) > _MOST else []
            print(f"{what}:", *(f"  {row}" for row in rows[:_MOST]), *more, sep="\n", file=sys.stderr)
    if differences or stale or words:
        return 1
    print(f"{name}/ is what regen would write")
    return 0


if __name__ == "__main__":
    sys.exit(main())
