"""Bring the generated package's own documentation into the site; in the repository the same links work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

GENERATED = Path(__file__).parents[1] / "generated" / "docs"


def on_files(files: Files, config: Any) -> Files:
    """Add generated/docs as the folder `generated`."""
    for path in sorted(GENERATED.rglob("*.md")):
        uri = f"generated/{path.relative_to(GENERATED).as_posix()}"
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Point links to generated/docs at that folder, and rank the pages of models last in the search."""
    if page.file.src_uri.startswith("generated/models/"):
        page.meta["search"] = {"boost": 0.2}
    return re.sub(r"\]\(\.\./((?:\.\./)*)generated/docs/", r"](\1generated/", markdown)
