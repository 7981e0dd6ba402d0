"""`openapi/SOURCE.toml`: which upstream document the facts come from, and the package's version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import attrs

from .errors import SpecError

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@attrs.frozen
class Source:
    """Where facts come from.

    Attributes:
        url: The upstream document.
        commit: Its commit, or "" where it is not known.
        date: Its date, YYYY-MM-DD, or "" where it is not known.
        sha256: Hex digest of the upstream file.
        version: The package's own semantic version; the document's says nothing of what breaks.
    """

    url: str
    commit: str
    date: str
    sha256: str
    version: str

    def next_version(self, bump: str) -> str:
        """Return the version of a package with such changes; below 1.0 each part counts one place lower.

        Args:
            bump: `none`, `minor` for additions, `major` for what breaks senders or receivers.
        """
        major, minor, patch = (int(part) for part in self.version.split("."))
        if bump == "none":
            return self.version
        if bump == "major":
            return f"{major + 1}.0.0" if major else f"0.{minor + 1}.0"
        return f"{major}.{minor + 1}.0" if major else f"0.{minor}.{patch + 1}"


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
            f"cannot read {path.name}: {error}", hint="it has url, commit, date, sha256 and version"
        ) from error
    if not all(isinstance(text, str) for text in attrs.astuple(source)):
        raise SpecError(f"{path.name}: url, commit, date, sha256 and version are text in quotes")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", source.date) or not re.fullmatch(
        r"[0-9a-f]{64}", source.sha256
    ):
        raise SpecError(f"{path.name}: date is YYYY-MM-DD and sha256 has 64 hex digits")
    if not _VERSION.fullmatch(source.version):
        raise SpecError(f"{path.name}: version is a semantic version, such as 0.1.0")
    return source


def foreign(name: str, sha256: str, info_version: str) -> Source:
    """Return what is known of a description that nobody took over: its date, if the file's name has one.

    The package gets the description's version where that is a semantic one, and 0.0.0 otherwise.
    """
    date = re.search(r"\d{4}-\d{2}-\d{2}", name)
    version = info_version if _VERSION.fullmatch(info_version) else "0.0.0"
    return Source(url=name, commit="", date=date[0] if date else "", sha256=sha256, version=version)


def written(text: str, source: Source) -> str:
    """A source file's text with these values, its comments kept."""
    lines = text.splitlines()
    for key, value in attrs.asdict(source).items():
        line = f'{key} = "{value}"'
        there = [number for number, old in enumerate(lines) if old.startswith(f"{key} = ")]
        if there:
            lines[there[0]] = line
        else:
            lines.append(line)
    return "\n".join([*lines, ""])
