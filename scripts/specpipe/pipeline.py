"""Run the steps in order and say what each did."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

from . import finish, forms, generate, names, patches, plan, reading, slice, source, transforms
from .document import Document
from .errors import SpecError
from .transforms import spelling

ROOT = Path(__file__).resolve().parents[2]
OPENAPI = ROOT / "openapi"

Say = Callable[[str, str], None]


@attrs.frozen
class Inputs:
    """Where a generation reads from.

    Attributes:
        spec: The description.
        openapi: The folder with patches, names, configuration, templates and source.
        vendored: Whether the description is the project's own, whose patches and names must all apply.
    """

    spec: Path
    openapi: Path
    vendored: bool


@attrs.frozen
class Prepared:
    """All that a package is generated from.

    Attributes:
        document: The normalised description.
        plan: Its plan.
        package: Version and origin.
        source_sha256: SHA-256 of the upstream document.
        patches: Pointers of the patches that applied.
    """

    document: Document
    plan: plan.Plan
    package: generate.Package
    source_sha256: str
    patches: tuple[str, ...]


def prepare(inputs: Inputs, say: Say) -> Prepared:
    """Run the steps before any file is written.

    Args:
        inputs: What to read.
        say: Called with each step's name and what it did.

    Raises:
        SpecError: a step failed; its `step` says which.
    """
    lenient = not inputs.vendored
    with _step("load"):
        raw = inputs.spec.read_bytes() if inputs.spec.is_file() else b""
        loaded = reading.load(inputs.spec)
        origin = (
            source.read(inputs.openapi / "SOURCE.toml") if inputs.vendored else _foreign(inputs.spec, raw)
        )
    say("load", f"{inputs.spec.name}, {len(raw):,} bytes")
    with _step("slice"):
        part = slice.cut(loaded)
        forms.check(part.document)
    say("slice", slice.sizes(part))
    with _step("patches"):
        located, _ = spelling.locate(part.document)
        wanted = patches.read(inputs.openapi / "patches.toml")
        patched, unused = patches.apply(located, wanted, skip_missing=lenient)
        patched, _ = spelling.locate(patched, again=True)
    say("patches", f"{len(wanted) - len(unused)} applied" + _skipped(len(unused)))
    with _step("transforms"):
        normal, counts = transforms.apply(patched)
    say("transforms", ", ".join(f"{name} {count}" for name, count in counts))
    with _step("names"):
        chosen = names.read(inputs.openapi / "names.toml")
        normal, renamed, unnamed = names.apply(normal, chosen, skip_missing=lenient)
        part = names.follow(part, renamed, normal)
    say("names", f"{len(chosen) - len(unnamed)} applied" + _skipped(len(unnamed)))
    with _step("plan"):
        planned = plan.build(part)
        info_version = str(loaded.get("info", {}).get("version", "0"))
        package = generate.Package(
            version=origin.version(info_version),
            spec_version=info_version,
            spec_date=origin.date,
            spec_sha256=finish.sha256(raw),
            source=f"{origin.url} of {origin.date}" if origin.date else origin.url,
        )
    return Prepared(
        document=normal,
        plan=planned,
        package=package,
        source_sha256=origin.sha256,
        patches=tuple(patch.pointer for number, patch in enumerate(wanted) if number not in unused),
    )


def make(inputs: Inputs, out: Path, say: Say) -> None:
    """Make a complete package in the empty folder `out`.

    Args:
        inputs: What to read.
        out: Where to write.
        say: Called with each step's name and what it did.

    Raises:
        SpecError: a step failed; its `step` says which.
    """
    ready = prepare(inputs, say)
    with _step("generate"):
        generate.write(
            ready.document,
            ready.plan,
            ready.package,
            config=inputs.openapi / "generator.yaml",
            templates=inputs.openapi / "templates",
            out=out,
        )
    planned = ready.plan
    say(
        "generate",
        f"{len(planned.operations)} operations, {len(planned.models)} models, {len(planned.aliases)} aliases",
    )
    with _step("finish"):
        # The licence wants to go with every copy.
        shutil.copyfile(ROOT / "LICENSE", out / "LICENSE")
        finish.head(out / "realtime_api")
        finish.tidy(out / "realtime_api")
        modules = finish.import_all(out)
        finish.lock(
            out,
            origin={
                "version": ready.package.version,
                "source": ready.package.source,
                "source_sha256": ready.source_sha256,
                "spec_sha256": ready.package.spec_sha256,
                "inputs_sha256": _inputs_sha256(inputs.openapi),
            },
            normalised=json.dumps(ready.document, sort_keys=True, ensure_ascii=False),
            patches=list(ready.patches),
        )
    say("finish", f"{modules} modules import")


@contextlib.contextmanager
def workspace(near: Path) -> Iterator[Path]:
    """An empty folder beside `near`, on its file system, gone afterwards."""
    near.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{near.name}.new-", dir=near.parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _step(name: str) -> Iterator[None]:
    try:
        yield
    except SpecError as error:
        error.step = error.step or name
        raise
    except RecursionError as error:
        raise SpecError("the description nests deeper than Python can follow", step=name) from error


def _skipped(count: int) -> str:
    return f", {count} skipped (their part is not in this description)" if count else ""


def _foreign(spec: Path, raw: bytes) -> source.Source:
    """What is known of a description named on the command line; its date if the file's name has one."""
    date = re.search(r"\d{4}-\d{2}-\d{2}", spec.stem)
    return source.Source(url=spec.name, commit="", date=date[0] if date else "", sha256=finish.sha256(raw))


def _inputs_sha256(openapi: Path) -> str:
    inputs: dict[str, Any] = {
        path.relative_to(openapi).as_posix(): finish.sha256(path.read_bytes())
        for path in sorted(openapi.rglob("*"))
        if path.is_file() and path.name != "realtime.yaml"
    }
    return finish.sha256(json.dumps(inputs, sort_keys=True).encode())
