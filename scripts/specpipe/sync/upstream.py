"""The baseline of the upstream document: `openapi/upstream.json`.

Upstream's texts are not copied, but a changed text can state a new limit: so a digest of each is stored by
pointer.  The names of operations and schemas outside the slice are stored too, to detect new ones.  A folder
without the file has no baseline; an empty file starts one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from .. import output
from ..document import NAME_MAPS, SCHEMAS, Document, escape, operations
from ..errors import SpecError, reading
from ..slice import Slice, under
from .changes import Change

FILE = "upstream.json"
_TEXTS = ("description", "summary")
#: Hex digits of a digest: enough to detect a change, too few to identify a text.
_DIGITS = 12


@attrs.frozen
class Baseline:
    """The state of the upstream document at the last update.

    Attributes:
        texts: Pointer → digest of the text.
        operations: Method and path of operations outside the slice.
        schemas: Names of schemas outside the slice.
    """

    texts: dict[str, str]
    operations: list[str]
    schemas: list[str]


def of(whole: Document, part: Slice) -> Baseline:
    """Return the baseline of an upstream document and its slice."""
    kept = part.document["components"]["schemas"]
    return Baseline(
        texts={pointer: _digest(text) for pointer, text in texts(part.document)},
        operations=sorted(
            f"{method.upper()} {path}" for path, method, _ in operations(whole) if not part.config.has(path)
        ),
        schemas=sorted(name for name in whole.get("components", {}).get("schemas", {}) if name not in kept),
    )


def read(path: Path) -> Baseline | None:
    """Read the baseline; None if there is none.

    Raises:
        SpecError: the file is malformed.
    """
    if not path.is_file() or not path.stat().st_size:
        return None
    with reading(path, hint="remove it; sync --apply writes a new one"):
        return Baseline(**json.loads(path.read_text(encoding="utf-8")))


def written(known: Baseline) -> str:
    """Return the file's text."""
    return json.dumps(attrs.asdict(known), ensure_ascii=False, indent=0, sort_keys=True) + "\n"


def texts(node: Any, at: str = "", *, names: bool = False) -> Iterator[tuple[str, str]]:
    """Yield every description and summary in a part of a description, by its pointer."""
    if isinstance(node, dict):
        for key, value in node.items():
            here = f"{at}/{escape(str(key))}"
            if not names and key in _TEXTS and isinstance(value, str):
                yield here, " ".join(value.split())
            elif names or not (key.startswith("x-") or key in ("example", "examples", "default")):
                yield from texts(value, here, names=not names and key in NAME_MAPS)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from texts(value, f"{at}/{index}")


def compare(known: Baseline, ours: Document, whole: Document, part: Slice) -> list[Change]:
    """Return texts that changed upstream and additions outside the slice, none of them breaking.

    Args:
        known: The baseline.
        ours: This project's API description, whose texts are not upstream's.
        whole: The upstream document.
        part: Its slice.
    """
    own = dict(texts(ours))
    rows = [
        Change("changed", "text", pointer, after=text)
        for pointer, text in texts(part.document)
        if pointer in known.texts and known.texts[pointer] != _digest(text) and own.get(pointer) != text
    ]
    now = of(whole, part)
    for one in sorted({*now.operations} - {*known.operations}):
        method, _, path = one.partition(" ")
        row = Change("added", "operation outside", f"/paths/{escape(path)}/{method.lower()}", after=one)
        # Watched paths come first: they may belong in the slice.
        rows.insert(0 if under(path, part.config.watch) else len(rows), row)
    new = sorted({*now.schemas} - {*known.schemas})
    return [*rows, *(Change("added", "schema outside", SCHEMAS + escape(name), after=name) for name in new)]


def check_size(known: Baseline, ours: Document, whole: Document, part: Slice) -> None:
    """Check that an upstream document is not much smaller than the last one.

    A document with nothing outside the slice was cut out on purpose, and is compared with the slice.

    Args:
        known: The baseline.
        ours: This project's API description, the part of the last document that is not in the baseline.
        whole: The upstream document.
        part: Its slice.

    Raises:
        SpecError: it has less than half of the last one's operations or schemas.
    """
    before, now = sizes(ours), sizes(whole)
    if now != sizes(part.document):
        before["operations"] += len(known.operations)
        before["schemas"] += len(known.schemas)
    if any(now[what] * 2 < before[what] for what in now):
        told = " and ".join(f"{now[what]} of {before[what]} {what}" for what in now)
        raise SpecError(
            f"the document has {told} of the last one: it may be truncated",
            hint="download it again, or pass --partial if it is a part of the API on purpose",
        )


def sizes(document: Document) -> dict[str, int]:
    """Return how many operations and schemas a document has."""
    schemas = document.get("components", {}).get("schemas", {})
    return {"operations": sum(1 for _ in operations(document)), "schemas": len(schemas)}


def _digest(text: str) -> str:
    return output.sha256(text.encode())[:_DIGITS]


__all__ = ["FILE", "Baseline", "check_size", "compare", "of", "read", "sizes", "texts", "written"]
