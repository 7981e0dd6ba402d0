"""What is remembered of the upstream document beside its facts: `openapi/upstream.json`.

Its texts are not ours to keep, but a changed one can state a new limit: so a digest of each is kept, by
pointer.  And the names of the operations and schemas outside the slice, so that new ones can be seen.  A
folder without the file (an empty one is enough to begin) remembers nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from . import finish
from .changes import Change
from .document import NAME_MAPS, SCHEMAS, Document, escape, operations
from .errors import SpecError
from .slice import Slice, under

FILE = "upstream.json"
_TEXTS = ("description", "summary")
#: Hex digits of a digest: enough to see a change, too few to tell a text.
_DIGITS = 12


@attrs.frozen
class Known:
    """What was there when the document was last taken over.

    Attributes:
        texts: Pointer → digest of the text there.
        operations: Method and path of those outside the slice.
        schemas: Names of those outside the slice.
    """

    texts: dict[str, str]
    operations: list[str]
    schemas: list[str]


def of(whole: Document, part: Slice) -> Known:
    """What is to be remembered of an upstream document and its slice."""
    kept = part.document["components"]["schemas"]
    return Known(
        texts={pointer: _digest(text) for pointer, text in texts(part.document)},
        operations=sorted(
            f"{method.upper()} {path}" for path, method, _ in operations(whole) if not part.config.has(path)
        ),
        schemas=sorted(name for name in whole.get("components", {}).get("schemas", {}) if name not in kept),
    )


def read(path: Path) -> Known | None:
    """Read what is remembered; None where nothing is.

    Raises:
        SpecError: the file is no such file.
    """
    if not path.is_file() or not path.stat().st_size:
        return None
    try:
        return Known(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise SpecError(
            f"cannot read {path.name}: {error}", hint="remove it; sync --apply writes it anew"
        ) from error


def written(known: Known) -> str:
    """The file's text."""
    return json.dumps(attrs.asdict(known), ensure_ascii=False, indent=0, sort_keys=True) + "\n"


def texts(node: Any, at: str = "", *, names: bool = False) -> Iterator[tuple[str, str]]:
    """Every description and summary in a part of a description, by its pointer."""
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


def compare(known: Known, ours: Document, whole: Document, part: Slice) -> list[Change]:
    """Rows for texts that changed upstream, and for what came outside the slice; they break nobody.

    Args:
        known: What is remembered.
        ours: This project's description, whose own texts are none of upstream's.
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
        # What is watched comes first: it may belong into the slice.
        rows.insert(0 if under(path, part.config.watch) else len(rows), row)
    new = sorted({*now.schemas} - {*known.schemas})
    return [*rows, *(Change("added", "schema outside", SCHEMAS + escape(name), after=name) for name in new)]


def _digest(text: str) -> str:
    return finish.sha256(text.encode())[:_DIGITS]


__all__ = ["FILE", "Known", "compare", "of", "read", "texts", "written"]
