"""Take a newer upstream document over into `openapi/`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs

from . import aside, finish, names, patches, prose, reading, source, transforms, wording
from .document import Document
from .errors import SpecError
from .slice import Slice
from .transforms import spelling


@attrs.frozen
class Taken:
    """What a take-over did, and what it leaves to a person.

    Attributes:
        written: Names of the files that changed.
        words: Pointers of the texts that still have to be written.
        patches: Pointers of the patches that no longer apply; they are comments now.
        names: Pointers in names.toml that no longer apply; they are out of it, or comments now.
        nameless: (name, pointer) of inline schemas that names.toml has no name for.
    """

    written: list[str]
    words: list[str]
    patches: list[str]
    names: list[str]
    nameless: list[tuple[str, str]]


def take_over(openapi: Path, ours: Document, upstream: Slice, origin: source.Source) -> Taken:
    """Write `realtime.yaml` and `SOURCE.toml` anew, and set aside what no longer applies.

    Nothing is written where nothing changed.

    Args:
        openapi: The folder.
        ours: The description that is there.
        upstream: The upstream document, cut.
        origin: Where the upstream document is from.

    Returns:
        What was done and what is left.
    """
    document = ours if same_facts(ours, upstream.document) else wording.reword(upstream.document, ours)
    written = []
    if document is not ours:
        spec = openapi / "realtime.yaml"
        head = re.match(r"(?:#[^\n]*\n)*", spec.read_text(encoding="utf-8"))
        spec.write_text((head[0] if head else "") + reading.dump(document), encoding="utf-8")
        written.append(spec.name)
    if write_source(openapi / "SOURCE.toml", origin):
        written.append("SOURCE.toml")
    left = _left(openapi, document)
    if left.patches and aside.patches(openapi / "patches.toml", left.patches, origin.date):
        written.append("patches.toml")
    if left.names and aside.names(openapi / "names.toml", left.names, origin.date):
        written.append("names.toml")
    return attrs.evolve(left, written=written)


def same_facts(one: Document, other: Document) -> bool:
    """Whether two descriptions differ in words alone."""

    def facts(document: Document) -> Any:
        kept = wording.bare({key: document.get(key) for key in ("openapi", "servers", "security")})
        paths = {path: wording.bare(item) for path, item in document["paths"].items()}
        parts = {kind: wording.bare(part, names=True) for kind, part in document["components"].items()}
        return kept, document.get("info", {}).get("version"), paths, parts

    return bool(facts(one) == facts(other))


def write_source(path: Path, origin: source.Source) -> bool:
    """Write what is known of the upstream document, comments kept; whether anything changed."""
    old = path.read_text(encoding="utf-8")
    new = old
    for key, value in attrs.asdict(origin).items():
        line = f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
        new = re.sub(rf"^{key} = .*$", line.replace("\\", "\\\\"), new, flags=re.MULTILINE)
    if new != old:
        path.write_text(new, encoding="utf-8")
    return new != old


def _left(openapi: Path, document: Document) -> Taken:
    located, _ = spelling.locate(document)
    patched, unused = patches.apply(located, patches.read(openapi / "patches.toml"), skip_missing=True)
    normal, _ = transforms.apply(spelling.locate(patched, again=True)[0])
    chosen = names.read(openapi / "names.toml")
    _, _, unnamed = names.apply(normal, chosen, skip_missing=True)
    nameless = [
        (name, schema[spelling.POINTER])
        for name, schema in normal["components"]["schemas"].items()
        if name not in document["components"]["schemas"]
        and name not in patched["components"]["schemas"]
        and not {schema.get(spelling.POINTER), *schema.get(spelling.POINTERS, ())} & set(chosen)
    ]
    return Taken([], prose.missing(document), unused, unnamed, nameless)


def origin_of(
    path: Path, known: source.Source, *, date: str | None, url: str | None, commit: str | None
) -> source.Source:
    """What is known of an upstream document.

    Args:
        path: The document.
        known: What SOURCE.toml says; it stays where the document is the same, byte for byte.
        date: Its date, or None to take the one in the file's name.
        url: Where it is from, or None where that did not change.
        commit: Its commit, or None.

    Raises:
        SpecError: the date is not known.
    """
    sha256 = finish.sha256(path.read_bytes())
    same = sha256 == known.sha256
    in_name = re.search(r"\d{4}-\d{2}-\d{2}", path.stem)
    when = date or (known.date if same else None) or (in_name[0] if in_name else None)
    if when is None or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", when):
        raise SpecError(f"the date of {path.name} is not known", hint="say --date YYYY-MM-DD")
    return source.Source(
        url=url or known.url,
        commit=commit if commit is not None else (known.commit if same else ""),
        date=when,
        sha256=sha256,
        post=known.post if same else 0,
    )
