"""`openapi/SOURCE.toml`: origin of the upstream document, and the package's version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import attrs

from .errors import SpecError, reading

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@attrs.frozen
class Source:
    """Origin of the upstream document.

    Attributes:
        url: Its URL.
        commit: Its commit, or "" if unknown.
        date: Its date, YYYY-MM-DD, or "" if unknown.
        sha256: Hex digest of the upstream file.
        version: The package's own semantic version; the document's does not reflect breaking changes.
    """

    url: str
    commit: str
    date: str
    sha256: str
    version: str

    def bumped(self, bump: str, known: Source) -> Source:
        """Return this origin with the version that follows `known`'s; see `next_version`."""
        return attrs.evolve(self, version=known.next_version(bump))

    def next_version(self, bump: str) -> str:
        """Return the next version; below 1.0 a breaking change raises the minor version.

        Args:
            bump: `none`, `minor` for compatible changes, `major` for breaking ones.
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
        SpecError: invalid TOML, or a field is missing, unknown or malformed.
    """
    with reading(path, hint="required: url, commit, date, sha256 and version"):
        source = Source(**tomllib.loads(path.read_text(encoding="utf-8")))
    if not all(isinstance(text, str) for text in attrs.astuple(source)):
        raise SpecError(f"{path.name}: url, commit, date, sha256 and version must be strings")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", source.date) or not re.fullmatch(
        r"[0-9a-f]{64}", source.sha256
    ):
        raise SpecError(f"{path.name}: date must be YYYY-MM-DD and sha256 64 hex digits")
    if not _VERSION.fullmatch(source.version):
        raise SpecError(f"{path.name}: version must be a semantic version, such as 0.1.0")
    return source


def of_file(name: str, sha256: str, info_version: str) -> Source:
    """Return the origin of a document that is not the vendored one, dated by its file name.

    The package's version is the document's if that is a semantic version, else 0.0.0.
    """
    date = re.search(r"\d{4}-\d{2}-\d{2}", name)
    version = info_version if _VERSION.fullmatch(info_version) else "0.0.0"
    return Source(url=name, commit="", date=date[0] if date else "", sha256=sha256, version=version)


def written(text: str, source: Source) -> str:
    """Return a source file's text with new values, keeping comments."""
    lines = text.splitlines()
    for key, value in attrs.asdict(source).items():
        line = f'{key} = "{value}"'
        there = [number for number, old in enumerate(lines) if old.startswith(f"{key} = ")]
        if there:
            lines[there[0]] = line
        else:
            lines.append(line)
    return "\n".join([*lines, ""])
