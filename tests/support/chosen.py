"""Which files a run has to collect: importing all of them takes each worker seconds.

A test's marks are written in its file, or in a conftest of its folders. `pytestmark` holds for a whole file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import compress, product
from pathlib import Path

from _pytest.mark.expression import Expression

_MARK = re.compile(r"\bmark\.(\w+)")
_ALL = re.compile(r"^pytestmark = (?:\[[^]]*\]|.*)", re.MULTILINE)


def chosen_by(expression: str, files: Iterable[Path], top: Path) -> Iterator[Path]:
    """Find the files in which `-m` can choose a test, from their text.

    Args:
        expression: What `-m` was given; empty if it was not.
        files: Files of tests.
        top: The folder that they are in, and its conftests.
    """
    compiled = Expression.compile(expression) if expression else None
    wanted = set(re.findall(r"\w+", expression))

    def chosen(given: frozenset[str]) -> bool:
        return compiled is None or compiled.evaluate(lambda name, /, **_: name in given)

    @cache
    def marks(path: Path) -> frozenset[str]:
        return frozenset(wanted.intersection(_MARK.findall(path.read_text(encoding="utf-8"))))

    def marks_of_all(path: Path) -> frozenset[str]:
        found = _ALL.search(path.read_text(encoding="utf-8"))
        return frozenset(wanted.intersection(_MARK.findall(found[0] if found else "")))

    for file in files:
        conftests = (folder / "conftest.py" for folder in file.parents if folder.is_relative_to(top))
        written = marks(file).union(*(marks(path) for path in conftests if path.exists()))
        certain = marks_of_all(file)
        some = product((False, True), repeat=len(written))
        if any(chosen(certain.union(compress(written, given))) for given in some):
            yield file
