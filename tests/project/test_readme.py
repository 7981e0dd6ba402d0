"""The README is correct: its commands and files exist. `test_docs.py` runs its program."""

from __future__ import annotations

import ast
import functools
import re

from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_documented_make_target_exists_and_has_help() -> None:
    text = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    explained = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= explained
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert explained == set(phony.split())


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

#: Prefix of absolute links to the repository's files.
HOME = re.compile(
    r"https://(?:github\.com/realtime-ext/realtime-ext/(?:blob|tree)|raw\.githubusercontent\.com/realtime-ext/realtime-ext)"
    r"/main/"
)


def test_every_linked_file_exists() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "generated/README.md"):
        for target in re.findall(r"\]\(([^)#]+)", (ROOT / name).read_text(encoding="utf-8")):
            local = HOME.sub("", target)
            if "://" not in local:
                assert (ROOT / local).exists(), f"{name} links to {target}"


def test_long_descriptions_have_absolute_links_and_pictures() -> None:
    for name in ("README.md", "CHANGELOG.md", "generated/README.md"):
        relative = re.findall(r"\]\((?!https://|#)([^)]+)\)", (ROOT / name).read_text(encoding="utf-8"))
        assert relative == [], name


def test_contributing_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split()) <= 1600


SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


@functools.cache
def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, FUNCTIONS)}


def test_every_security_guarantee_names_tests_that_exist() -> None:
    guarantees = SECURITY.partition("## Guarantees")[2].partition("\n## ")[0].split("\n- ")[1:]
    assert len(guarantees) > 30
    for guarantee in guarantees:
        named = re.findall(r"`(tests/[^`:]+)::(\w+)`", guarantee)
        assert named, f"no test is named: {guarantee}"
        for path, name in named:
            assert name in functions(path), f"{path}::{name}"


def test_security_names_no_other_test() -> None:
    for target in re.findall(r"`(tests/[^`:]+)(?:::\w+)?`", SECURITY):
        assert (ROOT / target).exists(), target


def test_every_figure_is_from_the_benchmarks() -> None:
    printed = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    figures = re.findall(r"^\| (.+?) \| [\d.]+ × \|$", README, re.MULTILINE)
    assert len(figures) > 8
    assert [figure for figure in figures if f"| {figure} |" not in printed] == []
