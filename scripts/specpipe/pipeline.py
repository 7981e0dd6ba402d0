"""Run the steps in order and say what each did."""

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

from . import finish, forms, generate, names, patches, plan, reading, slice, source, transforms, type_names
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
        slice_file: The slice file, if not the folder's own, or the project's.
        patches_file: The patches, if not the folder's own.
        names_file: The names, if not the folder's own.
        reviewing: Say which unions need a review, or need none any more, instead of failing for it.
    """

    spec: Path
    openapi: Path
    vendored: bool
    reviewing: bool = False
    slice_file: Path | None = None
    patches_file: Path | None = None
    names_file: Path | None = None

    @property
    def config(self) -> slice.Config:
        """What is cut out of the description, and what the package is called."""
        beside = self.openapi / "slice.toml"
        path = self.slice_file or (beside if beside.is_file() else None)
        return slice.default() if path is None else slice.read(path)

    def patches(self) -> tuple[patches.Patch, ...]:
        """The patches."""
        return patches.read(self.patches_file or self.openapi / "patches.toml")

    def names(self) -> dict[str, str]:
        """The chosen names, by pointer."""
        return names.read(self.names_file or self.openapi / "names.toml")


@attrs.frozen
class Prepared:
    """All that a package is generated from.

    Attributes:
        document: The normalised description.
        plan: Its plan.
        package: Version and origin.
        source_sha256: SHA-256 of the upstream document.
        patches: Pointers of the patches that applied.
        unreviewed: Pointers of the unions that only the shape of members tells, which nobody has reviewed.
        unneeded: The patches that are reviews of none, counted from 0.
    """

    document: Document
    plan: plan.Plan
    package: generate.Package
    source_sha256: str
    patches: tuple[str, ...]
    unreviewed: tuple[str, ...] = ()
    unneeded: tuple[int, ...] = ()


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
        forms.check_frame(loaded)
        info_version = str(loaded.get("info", {}).get("version", "0"))
        if inputs.vendored:
            origin = source.read(inputs.openapi / "SOURCE.toml")
        else:
            origin = source.foreign(inputs.spec.name, finish.sha256(raw), info_version)
    say("load", f"{inputs.spec.name}, {len(raw):,} bytes")
    with _step("slice"):
        config = inputs.config
        part = slice.cut(loaded, config)
        forms.check(part.document)
    say("slice", slice.sizes(part))
    with _step("patches"):
        located, _ = spelling.locate(part.document)
        wanted = inputs.patches()
        patched, unused = patches.apply(located, wanted, skip_missing=lenient)
        patched, _ = spelling.locate(patched, again=True)
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
    with _step("plan"):
        planned = plan.build(part)
        guesses = {name: places[name] for name in planned.guesses}
        unreviewed, unneeded = _review(guesses, wanted, inputs)
        package = generate.Package(
            version=origin.version,
            spec_version=info_version,
            spec_date=origin.date,
            spec_sha256=finish.sha256(raw),
            source=f"{origin.url} of {origin.date}" if origin.date else origin.url,
            names=config.package,
        )
    return Prepared(
        document=normal,
        plan=planned,
        package=package,
        source_sha256=origin.sha256,
        patches=tuple(patch.pointer for number, patch in enumerate(wanted) if number not in unused),
        unreviewed=unreviewed,
        unneeded=unneeded,
    )


def _review(
    guesses: dict[str, frozenset[str]], wanted: tuple[patches.Patch, ...], inputs: Inputs
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Hold the unions whose members only their shape tells against those that a person has reviewed.

    Args:
        guesses: Name of each such union, and its places in the description.
        wanted: The patches.
        inputs: Whether to fail, and whether the description is one that every review must be needed for.

    Returns:
        The pointers of those without a review, and the numbers of the reviews that none needs.

    Raises:
        SpecError: there are any.
    """
    reviews = {number: patch.pointer for number, patch in enumerate(wanted) if patch.op == "by_shape"}
    missing = {name: min(there) for name, there in guesses.items() if not there & {*reviews.values()}}
    unneeded = [
        n for n, pointer in reviews.items() if not any(pointer in there for there in guesses.values())
    ]
    if missing and not inputs.reviewing:
        name, pointer = next(iter(missing.items()))
        raise SpecError(
            f"nothing but their shape tells the members of {name}",
            pointer=pointer,
            hint='patch a constant or a discriminator in, or review it and patch it with op = "by_shape"',
        )
    if unneeded and inputs.vendored and not inputs.reviewing:
        raise SpecError(
            "a patch (by_shape) is for no union whose members only their shape tells",
            pointer=reviews[unneeded[0]],
            hint="remove it from openapi/patches.toml",
        )
    return tuple(missing.values()), tuple(unneeded)


def make(inputs: Inputs, out: Path, say: Say) -> plan.Plan:
    """Make a complete package in the empty folder `out`, and return its plan.

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
        module = ready.package.names.module
        finish.head(out / module)
        finish.tidy(out / module)
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
    return planned


def type_module(inputs: Inputs, planned: plan.Plan) -> tuple[Path, str]:
    """Return path and source of the module of official names.

    Raises:
        SpecError: `types.toml` does not fit the plan.
    """
    with _step("types"):
        chosen = type_names.read(inputs.openapi / type_names.FILE)
        target = ROOT / chosen.module
        source = type_names.source(
            chosen,
            inputs.config.package.module,
            planned.names,
            {member.name for member in planned.params.members},
            templates=inputs.openapi / "templates",
            target=target,
        )
    return target, source


@contextlib.contextmanager
def workspace(near: Path, *, apart: bool = False) -> Iterator[Path]:
    """Make an empty folder that is gone afterwards.

    What an interrupted run left beside `near` is cleaned up first, and an old folder that it had set aside
    goes back.

    Args:
        near: The folder whose place a package is to take: the new one is beside it, on its file system.
        apart: The package takes nobody's place; it is made where the system has its temporary files.
    """
    if not apart:
        near.parent.mkdir(parents=True, exist_ok=True)
        finish.tidy_up(near)
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
        raise SpecError("the description nests deeper than Python can follow", step=name) from error


def _skipped(count: int) -> str:
    return f", {count} skipped (their part is not in this description)" if count else ""


def _inputs_sha256(openapi: Path) -> str:
    """One digest of what a package is made from, but for the description, which has its own."""
    document = Inputs(openapi, openapi, vendored=True).config.document
    inputs: dict[str, Any] = {
        path.relative_to(openapi).as_posix(): finish.sha256(path.read_bytes())
        for path in sorted(openapi.rglob("*"))
        if path.is_file() and path.name not in (document, "upstream.json") and path.name[0] != "."
    }
    return finish.sha256(json.dumps(inputs, sort_keys=True).encode())
