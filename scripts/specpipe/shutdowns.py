"""Models with an announced shutdown date: `openapi/models.toml`."""

from __future__ import annotations

import datetime
import tomllib
from pathlib import Path

import attrs

from .errors import reading

FILE = "models.toml"


@attrs.frozen
class Shutdown:
    """The first day without a model, and the model that replaces it."""

    date: datetime.date = attrs.field(validator=attrs.validators.instance_of(datetime.date))
    successor: str = attrs.field(validator=attrs.validators.instance_of(str))


@attrs.frozen
class Shutdowns:
    """The contents of the file.

    Attributes:
        source: Where the dates are announced.
        models: Model → its shutdown, dated releases included.
    """

    source: str
    models: dict[str, Shutdown]


def read(path: Path) -> Shutdowns | None:
    """Read the file; None if there is none.

    Raises:
        SpecError: it is invalid.
    """
    if not path.is_file():
        return None
    with reading(path, hint="each model has a date, a successor, and releases if it has dated ones"):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        source = str(table.pop("source"))
        models: dict[str, Shutdown] = {}
        for name, entry in table.items():
            releases = entry.pop("releases", [])
            models |= dict.fromkeys([name, *releases], Shutdown(**entry))
    return Shutdowns(source, models)
