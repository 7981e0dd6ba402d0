"""Bring the generated package's own documentation into the site; in the repository the same links work.

The list for assistants, `llms.txt`, names pages of Markdown in the repository, and those of the site there.
"""

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


def on_post_build(config: Any) -> None:
    """Point the list for assistants at the site's pages."""
    listed = Path(config["site_dir"]) / "llms.txt"
    text = listed.read_text(encoding="utf-8").replace("(../generated/docs/", "(generated/")
    listed.write_text(re.sub(r"\]\((\S+)\.md\)", r"](\1.html)", text), encoding="utf-8")
