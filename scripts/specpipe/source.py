"""`openapi/SOURCE.toml`: which upstream document the description's facts come from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import attrs

from .errors import SpecError


@attrs.frozen
class Source:
    """Where facts come from.

    Attributes:
        url: The upstream document.
        commit: Its commit, or "" where it is not known.
        date: Its date, YYYY-MM-DD, or "" where it is not known.
        sha256: Hex digest of the upstream file.
        post: How often the package was generated differently from the same document.
    """

    url: str
    commit: str
    date: str
    sha256: str
    post: int = 0

    def version(self, info_version: str) -> str:
        """The package's version: the description's, its date, `.postN` from the second generation on."""
        plain = info_version if re.fullmatch(r"\d+(\.\d+)*", info_version) else "0"
        date = f".{self.date.replace('-', '')}" if self.date else ""
        post = f".post{self.post}" if self.post else ""
        return f"{plain}{date}{post}"


def read(path: Path) -> Source:
    """Read a source file.

    Raises:
        SpecError: it is no TOML, or a field is missing, unknown or malformed.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        source = Source(**table)
    except (OSError, tomllib.TOMLDecodeError, TypeError) as error:
        raise SpecError(
            f"cannot read {path.name}: {error}", hint="it has url, commit, date, sha256 and post"
        ) from error
    texts = (source.url, source.commit, source.date, source.sha256)
    if not all(isinstance(text, str) for text in texts) or type(source.post) is not int or source.post < 0:
        raise SpecError(f"{path.name}: url, commit, date and sha256 are text in quotes, post a whole number")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", source.date) or not re.fullmatch(
        r"[0-9a-f]{64}", source.sha256
    ):
        raise SpecError(f"{path.name}: date is YYYY-MM-DD and sha256 has 64 hex digits")
    return source


def written(text: str, source: Source) -> str:
    """A source file's text with these values, its comments kept."""
    lines = text.splitlines()
    for key, value in attrs.asdict(source).items():
        line = f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
        there = [number for number, old in enumerate(lines) if old.startswith(f"{key} = ")]
        if there:
            lines[there[0]] = line
        else:
            lines.append(line)
    return "\n".join([*lines, ""])
