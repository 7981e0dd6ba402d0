"""Bring the generated package's own documentation into the site; in the repository the same links work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

GENERATED = Path(__file__).parents[1] / "generated" / "docs"


def on_files(files: Files, config: Any) -> Files:
    """Add generated/docs as the folder `generated`."""
    for path in sorted(GENERATED.rglob("*.md")):
        uri = f"generated/{path.relative_to(GENERATED).as_posix()}"
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links to generated/docs go to that folder."""
    return markdown.replace("](../generated/docs/", "](generated/")
