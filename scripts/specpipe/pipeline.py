"""Run the steps in order and report progress."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

from . import (
    document_io,
    generate,
    generator,
    names,
    output,
    patches,
    plan,
    shutdowns,
    slice,
    source,
    transforms,
    type_names,
    validation,
)
from .document import Document
from .errors import SpecError
from .parsed import Parsed
from .transforms import notation

ROOT = Path(__file__).resolve().parents[2]
OPENAPI = ROOT / "openapi"

Say = Callable[[str, str], None]


@attrs.frozen
class Inputs:
    """The input files of a run.

    Attributes:
        spec: The API description.
        openapi: The folder with patches, names, configuration, templates and source.
        vendored: Whether it is the project's own API description, to which all patches and names must apply.
        slice_file: The slice file (default: the folder's, else the project's).
        patches_file: The patches (default: the folder's, or none with a slice file).
        names_file: The names (default: the folder's, or none with a slice file).
        reviewing: Report unions that need a review, or no longer do, instead of failing.
        with_official_names: Whether to add the module of the official package's names.
    """

    spec: Path
    openapi: Path
    vendored: bool
    reviewing: bool = False
    with_official_names: bool = False
    slice_file: Path | None = None
    patches_file: Path | None = None
    names_file: Path | None = None

    @property
    def config(self) -> slice.Config:
        """The slice configuration."""
        beside = self.openapi / "slice.toml"
        path = self.slice_file or (beside if beside.is_file() else None)
        return slice.default() if path is None else slice.read(path)

    def patches(self) -> tuple[patches.Patch, ...]:
        """Read the patches; none for another API's slice unless they are named."""
        if self.patches_file is None and self.slice_file is not None:
            return ()
        return patches.read(self.patches_file or self.openapi / "patches.toml")

    def shutdowns(self) -> shutdowns.Shutdowns | None:
        """Read the models that end; a slice file elsewhere is of another API."""
        return shutdowns.read(self.openapi / shutdowns.FILE) if self.slice_file is None else None

    def renamed(self) -> dict[str, str]:
        """Read the deprecated class names; a slice file elsewhere is of another API."""
        return names.read_renamed(self.openapi / names.RENAMED) if self.slice_file is None else {}

    def names(self) -> dict[str, str]:
        """Read the chosen names by pointer; none for another API's slice unless they are named."""
        if self.names_file is None and self.slice_file is not None:
            return {}
        return names.read(self.names_file or self.openapi / "names.toml")


@attrs.frozen
class Prepared:
    """The inputs of the generate step.

    Attributes:
        parsed: What the generator found in the normalised API description.
        plan: The plan for it.
        package: Version and origin.
        source_sha256: SHA-256 of the upstream document.
        patches: Pointers of applied patches.
        unreviewed: Pointers of unions discriminated only by shape, without a review.
        unneeded: Indices of `by_shape` patches that no union needs.
    """

    parsed: Parsed
    plan: plan.Plan
    package: generate.Package
    source_sha256: str
    patches: tuple[str, ...]
    unreviewed: tuple[str, ...] = ()
    unneeded: tuple[int, ...] = ()


def prepare(inputs: Inputs, say: Say) -> Prepared:
    """Run all steps before the first file is written.

    Args:
        inputs: The input files.
        say: Called with the name and result of each step.

    Raises:
        SpecError: a step failed; its `step` says which.
    """
    lenient = not inputs.vendored
    with _step("load"):
        raw = inputs.spec.read_bytes() if inputs.spec.is_file() else b""
        loaded = document_io.load(inputs.spec)
        validation.check_frame(loaded)
        info_version = str(loaded.get("info", {}).get("version", "0"))
        if inputs.vendored:
            origin = source.read(inputs.openapi / "SOURCE.toml")
        else:
            origin = source.of_file(inputs.spec.name, output.sha256(raw), info_version)
    say("load", f"{inputs.spec.name}, {len(raw):,} bytes")
    with _step("slice"):
        config = inputs.config
        part = slice.cut(loaded, config)
    say("slice", slice.sizes(part))
    with _step("patches"):
        wanted = inputs.patches()
        patched, unused = patched_and_valid(part.document, wanted, skip_missing=lenient)
        part = slice.listed(attrs.evolve(part, document=patched))
    say("patches", f"{len(wanted) - len(unused)} applied" + _skipped(len(unused)))
    with _step("transforms"):
        normal, counts = transforms.apply(patched)
    say("transforms", ", ".join(f"{name} {count}" for name, count in counts))
    with _step("names"):
        chosen = inputs.names()
        hoisted = normal
        normal, renamed, unnamed = names.apply(hoisted, chosen, skip_missing=lenient)
        part = names.follow(part, renamed, normal)
        places = names.places(hoisted, renamed)
    say("names", f"{len(chosen) - len(unnamed)} applied" + _skipped(len(unnamed)))
    with _step("parse"):
        parsed = generator.parse(part, inputs.openapi / "generator.yaml", config.package)
    say("parse", f"{len(parsed.shown.operations)} operations, {len(parsed.data.models)} models")
    with _step("plan"):
        planned = plan.build(parsed)
        renamed = inputs.renamed() if inputs.vendored else {}
        names.check_renamed(renamed, planned.names)
        guesses = {name: places[name] for name in planned.guesses}
        unreviewed, unneeded = _review(guesses, wanted, inputs)
        package = generate.Package(
            version=origin.version,
            spec_version=info_version,
            spec_date=origin.date,
            spec_sha256=output.sha256(raw),
            source=f"{origin.url} of {origin.date}" if origin.date else origin.url,
            names=config.package,
            shutdowns=inputs.shutdowns(),
            renamed=renamed,
        )
    return Prepared(
        parsed=parsed,
        plan=planned,
        package=package,
        source_sha256=origin.sha256,
        patches=tuple(patch.pointer for number, patch in enumerate(wanted) if number not in unused),
        unreviewed=unreviewed,
        unneeded=unneeded,
    )


def patched_and_valid(
    document: Document, wanted: tuple[patches.Patch, ...], *, skip_missing: bool
) -> tuple[Document, list[int]]:
    """Return a sliced description with patches, located, and the indices of skipped patches.

    Raises:
        SpecError: the description is invalid, also with the patches, or a patch does not apply.
    """
    invalid = _problem(document)
    try:
        located, _ = notation.locate(document)
        patched, unused = patches.apply(located, wanted, skip_missing=skip_missing)
        patched, _ = notation.locate(patched, again=True)
    except Exception:
        if invalid is not None:
            raise invalid from None  # patches expect a valid description
        raise
    if invalid is not None and _problem(patched) is not None:
        raise invalid
    return patched, unused


def _problem(document: Document) -> SpecError | None:
    """Return the first problem of a description, which a patch may fix; None if it is valid."""
    try:
        validation.check(document)
    except SpecError as error:
        error.step = "slice"
        return error
    return None


def _review(
    guesses: dict[str, frozenset[str]], wanted: tuple[patches.Patch, ...], inputs: Inputs
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Compare the unions discriminated only by shape with the reviewed ones.

    Args:
        guesses: Name of each such union, and its pointers in the API description.
        wanted: The patches.
        inputs: Whether to fail on missing and on unneeded reviews.

    Returns:
        The pointers of unions without a review, and the indices of unneeded reviews.

    Raises:
        SpecError: a review is missing or unneeded.
    """
    reviews = {number: patch.pointer for number, patch in enumerate(wanted) if patch.op == "by_shape"}
    missing = {name: min(there) for name, there in guesses.items() if not there & {*reviews.values()}}
    unneeded = [
        n for n, pointer in reviews.items() if not any(pointer in there for there in guesses.values())
    ]
    if missing and not inputs.reviewing:
        (name, pointer), *others = missing.items()
        more = "".join(f"\n  also  {place}" for _, place in others)
        raise SpecError(
            f"the members of {name} have no discriminator or constant",
            pointer=f"{pointer}{more}",
            hint='add a constant or a discriminator by a patch, or accept it by a patch with op = "by_shape"',
        )
    if unneeded and inputs.vendored and not inputs.reviewing:
        raise SpecError(
            "a patch (by_shape) is not needed: the union has a discriminator or constants",
            pointer=reviews[unneeded[0]],
            hint="remove it from openapi/patches.toml",
        )
    return tuple(missing.values()), tuple(unneeded)


def make(inputs: Inputs, out: Path, say: Say) -> plan.Plan:
    """Generate a complete package in the empty folder `out`, and return its plan.

    Args:
        inputs: The input files.
        out: The folder.
        say: Called with the name and result of each step.

    Raises:
        SpecError: a step failed; its `step` says which.
    """
    ready = prepare(inputs, say)
    with _step("generate"):
        generate.write(
            ready.parsed,
            ready.plan,
            ready.package,
            templates=inputs.openapi / "templates",
            out=out,
        )
    planned = ready.plan
    say(
        "generate",
        f"{len(planned.operations)} operations, {len(planned.models)} models, {len(planned.aliases)} aliases",
    )
    with _step("output"):
        # The licence has to be in every copy.
        shutil.copyfile(ROOT / "LICENSE", out / "LICENSE")
        package = out / ready.package.names.module
        if inputs.with_official_names:
            _write_official_names(inputs, planned, package)
        output.add_headers(package)
        output.format_package(package)
        modules = output.import_all(out)
        output.lock(
            out,
            origin={
                "version": ready.package.version,
                "source": ready.package.source,
                "source_sha256": ready.source_sha256,
                "spec_sha256": ready.package.spec_sha256,
                "inputs_sha256": _inputs_sha256(inputs.openapi),
            },
            normalised=json.dumps(ready.parsed.part.document, sort_keys=True, ensure_ascii=False),
            patches=list(ready.patches),
        )
    say("output", f"{modules} modules import")
    return planned


def _write_official_names(inputs: Inputs, planned: plan.Plan, package: Path) -> None:
    with _step("types"):
        chosen = type_names.read(inputs.openapi / type_names.FILE)
        text = type_names.source(
            chosen,
            package.name,
            planned.names,
            {member.name for member in planned.params.members},
            templates=inputs.openapi / "templates",
        )
        (package / f"{chosen.module}.py").write_text(text, encoding="utf-8")


@contextlib.contextmanager
def workspace(near: Path, *, apart: bool = False) -> Iterator[Path]:
    """Create a temporary folder, removed on exit.

    Leftovers of an interrupted run beside `near` are cleaned up first.

    Args:
        near: The folder that the package will replace: the new one is beside it, on the same file system.
        apart: Whether the package replaces nothing, and is created in the system's temporary folder.
    """
    if not apart:
        near.parent.mkdir(parents=True, exist_ok=True)
        output.clean_up(near)
    prefix = f".{near.name}.new-{os.getpid()}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=None if apart else near.parent))
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
        raise SpecError("the API description is nested too deeply", step=name) from error


def _skipped(count: int) -> str:
    return f", {count} skipped (not in this API description)" if count else ""


def _inputs_sha256(openapi: Path) -> str:
    """Return one digest of all inputs except the API description, which has its own."""
    document = Inputs(openapi, openapi, vendored=True).config.document
    inputs: dict[str, Any] = {
        path.relative_to(openapi).as_posix(): output.sha256(path.read_bytes())
        for path in sorted(openapi.rglob("*"))
        if path.is_file() and path.name not in (document, "upstream.json") and path.name[0] != "."
    }
    return output.sha256(json.dumps(inputs, sort_keys=True).encode())
