"""Take a newer upstream document over into `openapi/`: everything or nothing.

All new texts are made first, a package is planned from them in a folder of its own, and only then they are
put in the place of the old ones.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import attrs

from . import (
    aside,
    diff,
    finish,
    names,
    patches,
    pipeline,
    prose,
    reading,
    source,
    transforms,
    upstream as memory,
    wording,
)
from .document import Document
from .errors import SpecError
from .slice import Slice
from .transforms import spelling


@attrs.frozen
class Taken:
    """What a take-over did, and what it leaves to a person.

    Attributes:
        written: Names of the files that changed.
        words: Pointers of the texts that still have to be written; they are provisional now.
        patches: Pointers of the patches that no longer apply; they are comments now.
        names: Pointers in names.toml that no longer apply; they are out of it, or comments now.
        nameless: (name, pointer) of inline schemas that names.toml has no name for.
        reviews: Pointers of the unions whose members only their shape tells; provisional patches allow it.
    """

    written: list[str]
    words: list[str]
    patches: list[str]
    names: list[str]
    nameless: list[tuple[str, str]]
    reviews: list[str]


def take_over(
    openapi: Path, ours: Document, upstream: Slice, origin: source.Source, whole: Document
) -> Taken:
    """Write the description and `SOURCE.toml` anew, and set aside what no longer applies.

    Nothing is written where nothing changed, and nothing at all if a package cannot be made of the result.

    Args:
        openapi: The folder.
        ours: The description that is there.
        upstream: The upstream document, cut.
        origin: Where the upstream document is from.
        whole: The upstream document.

    Returns:
        What was done and what is left.

    Raises:
        SpecError: no package can be made from what would be written.
        OSError: a file cannot be written; the folder is as it was.
    """
    here = attrs.evolve(upstream, document=ours)
    document = ours if same_facts(here, upstream) else wording.reword(upstream.document, ours)
    words = prose.missing(document)
    document = prose.provisional(document)
    files = [upstream.config.document, *_FILES, *(path.name for path in openapi.glob(memory.FILE))]
    old = {name: (openapi / name).read_text(encoding="utf-8") for name in files}
    spec = upstream.config.document
    new = dict(old)
    if document != ours:
        head = re.match(r"(?:#[^\n]*\n)*", old[spec])
        new[spec] = (head[0] if head else "") + reading.dump(document)
    if memory.FILE in old:
        new[memory.FILE] = memory.written(memory.of(whole, upstream))
    new["SOURCE.toml"] = source.written(old["SOURCE.toml"], origin)
    wanted = patches.read(openapi / "patches.toml")
    located, _ = spelling.locate(document)
    patched, unused = patches.apply(located, wanted, skip_missing=True)
    new["patches.toml"] = aside.patches(old["patches.toml"], unused, origin.date)
    normal, _ = transforms.apply(spelling.locate(patched, again=True)[0])
    chosen = names.read(openapi / "names.toml")
    _, _, unnamed = names.apply(normal, chosen, skip_missing=True)
    known = {*document["components"]["schemas"], *patched["components"]["schemas"]}
    nameless = _nameless(normal, known, set(chosen) - set(unnamed))
    new["names.toml"] = aside.names(old["names.toml"], unnamed, origin.date)
    new["names.toml"] = aside.to_choose(new["names.toml"], nameless, origin.date)
    ready = _reviewed(openapi, spec, new)
    if ready.unneeded:
        left = [number for number in range(len(wanted)) if number not in unused]
        unused += [left[number] for number in ready.unneeded]
        new["patches.toml"] = aside.patches(old["patches.toml"], unused, origin.date)
    new["patches.toml"] = aside.to_review(new["patches.toml"], ready.unreviewed, origin)
    changed = {name: text for name, text in new.items() if text != old[name]}
    if changed:
        _replace(openapi, spec, changed)
    reviews = [patch.pointer for patch in wanted if patch.provisional]
    gone = [wanted[number].pointer for number in unused]
    return Taken(list(changed), words, gone, unnamed, nameless, [*reviews, *ready.unreviewed])


_FILES = ("SOURCE.toml", "patches.toml", "names.toml")


def _nameless(normal: Document, known: set[str], chosen: set[str]) -> list[tuple[str, str]]:
    """Name and pointer of the hoisted schemas that nobody named; one whose place got lost cannot be named."""
    return [
        (name, schema[spelling.POINTER])
        for name, schema in normal["components"]["schemas"].items()
        if name not in known
        and spelling.POINTER in schema
        and not {schema[spelling.POINTER], *schema.get(spelling.POINTERS, ())} & chosen
    ]


def _reviewed(openapi: Path, spec: str, texts: dict[str, str]) -> pipeline.Prepared:
    """Plan a package from what would be written, and see which unions want a review."""
    with tempfile.TemporaryDirectory() as folder:
        there = _written(openapi, Path(folder) / openapi.name, texts)
        inputs = pipeline.Inputs(spec=there / spec, openapi=there, vendored=True, reviewing=True)
        return pipeline.prepare(inputs, lambda step, what: None)


def _replace(openapi: Path, spec: str, texts: dict[str, str]) -> None:
    """Put a folder with new texts in the place of the old one, once a package was made from it."""
    with pipeline.workspace(openapi) as made, tempfile.TemporaryDirectory() as package:
        there = _written(openapi, made, texts)
        inputs = pipeline.Inputs(spec=there / spec, openapi=there, vendored=True)
        pipeline.make(inputs, Path(package), lambda step, what: None)
        finish.swap(there, openapi)


def _written(openapi: Path, there: Path, texts: dict[str, str]) -> Path:
    """A copy of the folder with new texts."""
    shutil.copytree(openapi, there, dirs_exist_ok=True)
    for name, text in texts.items():
        (there / name).write_text(text, encoding="utf-8")
    return there


def same_facts(one: Slice, other: Slice) -> bool:
    """Whether two descriptions differ in words and spelling alone."""

    def facts(part: Slice) -> Any:
        document = diff.spelled(part).document
        kept = wording.bare({key: document.get(key) for key in ("servers", "security")})
        paths = {path: wording.bare(item) for path, item in document["paths"].items()}
        parts = [document["components"].get(kind, {}) for kind in ("schemas", "securitySchemes")]
        version = document.get("info", {}).get("version")
        return kept, version, paths, [wording.bare(one, names=True) for one in parts]

    return bool(facts(one) == facts(other))


def origin_of(
    path: Path, known: source.Source, bump: str, *, date: str | None, url: str | None, commit: str | None
) -> source.Source:
    """What is known of an upstream document.

    Args:
        path: The document.
        known: What SOURCE.toml says; it stays where the document is the same, byte for byte.
        bump: What its changes mean for the package's version.
        date: Its date, or None to find it in the file's name or in the history of the folder that holds it.
        url: Where it is from, or None where that did not change.
        commit: Its commit, or None to find it in the URL, in the file's name, or in the folder's history.

    Raises:
        SpecError: the date is not known.
    """
    sha256 = finish.sha256(path.read_bytes())
    same = sha256 == known.sha256
    in_name = re.search(r"\d{4}-\d{2}-\d{2}", path.stem)
    committed, day = _history(path)
    when = date or (known.date if same else None) or (in_name[0] if in_name else None) or day
    if when is None or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", when):
        raise SpecError(f"the date of {path.name} is not known", hint="say --date YYYY-MM-DD")
    if commit is None:
        stated = re.search(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])", f"{url or ''} {path.stem}")
        commit = stated[0] if stated else (known.commit if same and known.commit else committed or "")
    return source.Source(
        url=url or known.url, commit=commit, date=when, sha256=sha256, version=known.next_version(bump)
    )


def _history(path: Path) -> tuple[str | None, str | None]:
    """Commit and date of a file in its git repository; nothing where it is in none, or changed since."""

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


__all__ = ["Taken", "origin_of", "same_facts", "take_over"]
