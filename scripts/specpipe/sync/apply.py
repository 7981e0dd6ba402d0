"""Update `openapi/` to a newer upstream document, all files or none.

New file contents are computed first and a package is generated from them in a temporary folder; only then
the old files are replaced.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import attrs

from .. import (
    document_io,
    names,
    output,
    patches,
    pipeline,
    prose,
    source,
    transforms,
)
from ..document import Document
from ..errors import SpecError
from ..slice import Slice
from ..transforms import notation
from . import diff, surface, toml_edits, upstream as baseline, wording


@attrs.frozen
class Applied:
    """The result of an update, and the remaining manual steps.

    Attributes:
        written: Names of the files that changed.
        words: Pointers of missing texts, provisional for now.
        patches: Pointers of patches that no longer apply, now commented out.
        names: Pointers in names.toml that no longer apply, now removed or commented out.
        nameless: (derived name, pointer) of inline schemas without a name in names.toml.
        reviews: Pointers of unions discriminated only by shape, allowed by provisional patches.
        surface: Changes of the package's public Python names.
        bump: How the description and the names together raise the package's version.
        renamed: Class names that stay as deprecated aliases: old name → new name.
    """

    written: list[str]
    words: list[str]
    patches: list[str]
    names: list[str]
    nameless: list[tuple[str, str]]
    reviews: list[str]
    surface: list[surface.SurfaceChange]
    bump: str
    renamed: dict[str, str]


def update(
    openapi: Path, ours: Document, upstream: Slice, origin: source.Source, whole: Document, bump: str
) -> Applied:
    """Update the API description and `SOURCE.toml`, and comment out what no longer applies.

    Unchanged files are not written; nothing is written if no package can be generated from the result.

    Args:
        openapi: The folder.
        ours: The current API description.
        upstream: The slice of the upstream document.
        origin: Origin of the upstream document.
        whole: The upstream document.
        bump: How the changes of the description raise the package's version.

    Returns:
        The changes and the remaining steps.

    Raises:
        SpecError: no package can be generated from the result.
        OSError: a file cannot be written; the folder is unchanged.
    """
    here = attrs.evolve(upstream, document=ours)
    document = ours if same_facts(here, upstream) else wording.reword(upstream.document, ours)
    words = prose.missing(document)
    document = prose.provisional(document)
    files = [upstream.config.document, *_FILES, *(path.name for path in openapi.glob(baseline.FILE))]
    old = {name: (openapi / name).read_text(encoding="utf-8") for name in files}
    spec = upstream.config.document
    new = dict(old)
    if document != ours:
        head = re.match(r"(?:#[^\n]*\n)*", old[spec])
        new[spec] = (head[0] if head else "") + document_io.dump(document)
    if baseline.FILE in old:
        new[baseline.FILE] = baseline.written(baseline.of(whole, upstream))
    new["SOURCE.toml"] = source.written(old["SOURCE.toml"], origin)
    wanted = patches.read(openapi / "patches.toml")
    located, _ = notation.locate(document)
    patched, unused = patches.apply(located, wanted, skip_missing=True)
    new["patches.toml"] = toml_edits.comment_out_patches(old["patches.toml"], unused, origin.date)
    normal, _ = transforms.apply(notation.locate(patched, again=True)[0])
    chosen = names.read(openapi / "names.toml")
    _, _, unnamed = names.apply(normal, chosen, skip_missing=True)
    known = {*document["components"]["schemas"], *patched["components"]["schemas"]}
    nameless = _nameless(normal, known, set(chosen) - set(unnamed))
    new["names.toml"] = toml_edits.comment_out_names(old["names.toml"], unnamed, origin.date)
    new["names.toml"] = toml_edits.add_name_candidates(new["names.toml"], nameless, origin.date)
    ready = _reviewed(openapi, spec, new)
    if ready.unneeded:
        left = [number for number in range(len(wanted)) if number not in unused]
        unused += [left[number] for number in ready.unneeded]
        new["patches.toml"] = toml_edits.comment_out_patches(old["patches.toml"], unused, origin.date)
    new["patches.toml"] = toml_edits.add_provisional_patches(new["patches.toml"], ready.unreviewed, origin)
    changed = {name: text for name, text in new.items() if text != old[name]}
    rows, renamed = _replace(openapi, spec, changed, origin, bump) if changed else ([], {})
    reviews = [patch.pointer for patch in wanted if patch.provisional]
    gone = [wanted[number].pointer for number in unused]
    return Applied(
        list(changed),
        words,
        gone,
        unnamed,
        nameless,
        [*reviews, *ready.unreviewed],
        surface=rows,
        bump=surface.larger(bump, surface.bump(rows)),
        renamed=renamed,
    )


_FILES = ("SOURCE.toml", "patches.toml", "names.toml")


def _nameless(normal: Document, known: set[str], chosen: set[str]) -> list[tuple[str, str]]:
    """Return name and pointer of hoisted schemas without a chosen name, if the pointer is known."""
    return [
        (name, schema[notation.POINTER])
        for name, schema in normal["components"]["schemas"].items()
        if name not in known
        and notation.POINTER in schema
        and not {schema[notation.POINTER], *schema.get(notation.POINTERS, ())} & chosen
    ]


def _reviewed(openapi: Path, spec: str, texts: dict[str, str]) -> pipeline.Prepared:
    """Plan a package from the new contents, and find the unions to review."""
    with tempfile.TemporaryDirectory() as folder:
        there = _written(openapi, Path(folder) / openapi.name, texts)
        inputs = pipeline.Inputs(spec=there / spec, openapi=there, vendored=True, reviewing=True)
        return pipeline.prepare(inputs, lambda step, what: None)


def _replace(
    openapi: Path, spec: str, texts: dict[str, str], origin: source.Source, bump: str
) -> tuple[list[surface.SurfaceChange], dict[str, str]]:
    """Replace the folder once a package has been generated from its new contents.

    A change of the public names may raise the version further, and renamed classes become aliases.

    Returns:
        The changes of the public names, and the renamed classes.
    """
    known = source.read(openapi / "SOURCE.toml")
    before = _committed(openapi, spec)
    with pipeline.workspace(openapi) as made:
        there = _written(openapi, made, texts)
        after = _surface(there, spec)
        renamed = surface.renames(before, after) if before is not None else {}
        if renamed:
            path = there / names.RENAMED
            old = path.read_text(encoding="utf-8") if path.is_file() else _RENAMED_HEAD
            path.write_text(toml_edits.add_renamed(old, renamed, origin.date), encoding="utf-8")
            after = _surface(there, spec)
        rows = surface.compare(before, after, renamed) if before is not None else []
        version = origin.bumped(surface.larger(bump, surface.bump(rows)), known)
        place = there / "SOURCE.toml"
        place.write_text(source.written(place.read_text(encoding="utf-8"), version), encoding="utf-8")
        output.replace(there, openapi)
    return rows, renamed


_RENAMED_HEAD = "# Class names that were replaced, and stay as deprecated aliases: old name = new name.\n"


def _committed(openapi: Path, spec: str) -> surface.Surface | None:
    """Return the public names of the package beside a folder, or of the one that would be generated from it.

    None if the folder is broken, so that there is no package to compare with.
    """
    config = pipeline.Inputs(spec=openapi / spec, openapi=openapi, vendored=True).config
    package = openapi.parent / "generated" / config.package.module
    if package.is_dir():
        found = surface.read(package)
        return {name: entry for name, entry in found.items() if name != "official"}  # aliases of the others
    try:
        return _surface(openapi, spec)
    except SpecError:
        return None


def _surface(openapi: Path, spec: str) -> surface.Surface:
    """Return the public names of the package that is generated from a folder."""
    with tempfile.TemporaryDirectory() as folder:
        inputs = pipeline.Inputs(spec=openapi / spec, openapi=openapi, vendored=True)
        pipeline.make(inputs, Path(folder), lambda step, what: None)
        return surface.read(Path(folder) / inputs.config.package.module)


def _written(openapi: Path, there: Path, texts: dict[str, str]) -> Path:
    """Write a copy of the folder with the new contents."""
    shutil.copytree(openapi, there, dirs_exist_ok=True)
    for name, text in texts.items():
        (there / name).write_text(text, encoding="utf-8")
    return there


def same_facts(one: Slice, other: Slice) -> bool:
    """Whether two API descriptions differ only in prose and notation."""

    def facts(part: Slice) -> Any:
        document = diff.normalised(part).document
        kept = wording.bare({key: document.get(key) for key in ("servers", "security")})
        paths = {path: wording.bare(item) for path, item in document["paths"].items()}
        parts = [document["components"].get(kind, {}) for kind in ("schemas", "securitySchemes")]
        version = document.get("info", {}).get("version")
        return kept, version, paths, [wording.bare(one, names=True) for one in parts]

    return bool(facts(one) == facts(other))


def origin_of(
    path: Path, known: source.Source, bump: str, *, date: str | None, url: str | None, commit: str | None
) -> source.Source:
    """Return the origin of an upstream document.

    Args:
        path: The document.
        known: The current SOURCE.toml, returned if the document is byte-identical.
        bump: How its changes raise the package's version.
        date: Its date, or None to derive it from the file's name or its git history.
        url: Its URL, or None if unchanged.
        commit: Its commit, or None to derive it from the URL, the file's name or its git history.

    Raises:
        SpecError: the date is unknown.
    """
    sha256 = output.sha256(path.read_bytes())
    same = sha256 == known.sha256
    in_name = re.search(r"\d{4}-\d{2}-\d{2}", path.stem)
    committed, day = _history(path)
    when = date or (known.date if same else None) or (in_name[0] if in_name else None) or day
    if when is None or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", when):
        raise SpecError(f"the date of {path.name} is unknown", hint="pass --date YYYY-MM-DD")
    if commit is None:
        stated = re.search(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])", f"{url or ''} {path.stem}")
        commit = stated[0] if stated else (known.commit if same and known.commit else committed or "")
    return source.Source(
        url=url or known.url, commit=commit, date=when, sha256=sha256, version=known.next_version(bump)
    )


def _history(path: Path) -> tuple[str | None, str | None]:
    """Return commit and date of a file in its git repository, or nothing if untracked or modified."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(path.resolve().parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if git("status", "--porcelain", "--ignored", "--", path.name):
            return None, None
        commit, _, day = git("log", "-1", "--format=%H %cs", "--", path.name).partition(" ")
    except (OSError, subprocess.CalledProcessError):
        return None, None
    return commit or None, day or None


__all__ = ["Applied", "origin_of", "same_facts", "update"]
