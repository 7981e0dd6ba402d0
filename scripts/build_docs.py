"""Build the documentation into build/site with Zensical: `python scripts/build_docs.py [--site-dir DIR]`.

The sources are docs/, CHANGELOG.md and generated/docs, which the site has as the folder `generated`; links
between them are rewritten, so that the same links work in the repository.
"""

from __future__ import annotations

import argparse
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
#: Where Zensical's search sorts its results; docs/assets/search-order.js has the order.
_SORTED, _ORDERED = "l.items.sort(ht(...s))", "l.items.sort(inOrder(ht(...s)))"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="build_docs.py", description="Build the documentation.")
    parser.add_argument(
        "--site-dir",
        type=Path,
        default=BUILD / "site",
        metavar="DIR",
        help="the output folder (default: build/site)",
    )
    site = parser.parse_args(arguments).site_dir.resolve()
    work = site.with_name(f"{site.name}-sources")
    for folder in (site, work):
        shutil.rmtree(folder, ignore_errors=True)
    collect(work / "docs")
    config = work / "mkdocs.yml"
    config.write_text(configuration(), encoding="utf-8")
    program = Path(sys.executable).with_name("zensical")
    done = subprocess.run(
        [program, "build", "--strict", "--config-file", config],
        cwd=work,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        return done.returncode
    site.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(work / "site", site)
    link_list(site / "llms.txt")
    order_search(site)
    shutil.rmtree(work)
    print(site / "index.html")
    return 0


def collect(target: Path) -> None:
    """Copy the sources of all pages into a folder, with links rewritten for the site."""
    shutil.copytree(ROOT / "docs", target, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copytree(ROOT / "generated" / "docs", target / "generated")
    shutil.copy(ROOT / "CHANGELOG.md", target / "changelog.md")
    for page in target.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        text = re.sub(r"\]\(\.\./((?:\.\./)*)generated/docs/", r"](\1generated/", text)
        page.write_text(text, encoding="utf-8")


def configuration() -> str:
    """Return mkdocs.yml for the work folder: Zensical writes below the configuration's folder only."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    version = runpy.run_path(str(ROOT / "realtime_ext" / "_core" / "version.py"))["__version__"]
    config |= {"docs_dir": "docs", "site_dir": "site", "site_name": f"{config['site_name']} {version}"}
    for plugin in config["plugins"]:
        if isinstance(plugin, dict) and "mkdocstrings" in plugin:
            handler = plugin["mkdocstrings"]["handlers"]["python"]
            handler["paths"] = [str(ROOT / path) for path in handler["paths"]]
            options = handler["options"]
            options["extensions"] = [str(ROOT / path) for path in options["extensions"]]
    return yaml.safe_dump(config, allow_unicode=True, sort_keys=False)


def order_search(site: Path) -> None:
    """Have the search rank pages that were written for a task before generated reference.

    Raises:
        ValueError: Zensical's search sorts its results elsewhere by now.
    """
    (worker,) = (site / "assets" / "javascripts" / "workers").glob("search.*.js")
    script = worker.read_text(encoding="utf-8")
    if script.count(_SORTED) != 1:
        raise ValueError(f"{worker.name}: expected {_SORTED!r} once; adapt order_search to this Zensical")
    order = (ROOT / "docs" / "assets" / "search-order.js").read_text(encoding="utf-8")
    worker.write_text(order + script.replace(_SORTED, _ORDERED), encoding="utf-8")


def link_list(path: Path) -> None:
    """Point the links of llms.txt at the site's pages."""
    text = path.read_text(encoding="utf-8").replace("(../generated/docs/", "(generated/")
    text = text.replace("(../CHANGELOG.md)", "(changelog.md)")
    path.write_text(re.sub(r"\]\((\S+)\.md\)", r"](\1.html)", text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
