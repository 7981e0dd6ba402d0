"""The documentation is true: its code runs, its tables are the code's, its links lead somewhere."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from realtime_simulator import FAULTS, Simulator
from realtime_simulator.cli import arguments

from realtime_ext import AsyncRealtimeClient, RealtimeClient, SessionBuilder, errors
from realtime_ext.session.builders import InputBuilder
from realtime_ext.session.kinds import BETA_FIELDS, BETA_FORMATS
from tests.support.docs_page import blocks, run
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
WITHOUT_CODE = ("api.md", "cli.md", "faq.md")
METHOD = re.compile(r"`(\w+)\(")
ENDLESS = "carry-over.md"  # its loop goes on from session to session, and has a test of its own
MODULES = (
    "realtime_ext",
    "realtime_ext.audio",
    "realtime_ext.connection",
    "realtime_ext.devices",
    "realtime_ext.errors",
    "realtime_ext.events",
    "realtime_ext.fleet",
    "realtime_ext.recorder",
    "realtime_ext.sdp",
    "realtime_simulator",
    "realtime_ext.sip",
    "realtime_ext.testing",
    "realtime_ext.tools",
    "realtime_ext.usage",
    "realtime_ext.webhooks",
)


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    below = page.partition(f"\n{heading}")[2]
    table = re.search(r"(?:^\|.*\n)+", below, re.M)
    assert table, f"there is no table below {heading!r}"
    lines = table[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.parametrize("name", [name for name in PAGES if name not in (*WITHOUT_CODE, ENDLESS)])
def test_the_code_of_a_page_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(text(name), f"docs/{name}", tmp_path) > 0


class _Enough(Exception):
    pass


def test_a_conversation_is_carried_over_as_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told: list[str] = []

    def prepare(namespace: dict[str, Any]) -> None:
        def listen(line: str) -> None:
            told.append(line)
            if line.startswith("a new session"):
                raise _Enough
            namespace["sim"].advance(240)

        namespace["print"] = listen

    with pytest.raises(_Enough):
        run(text(ENDLESS), f"docs/{ENDLESS}", tmp_path, prepare, session_seconds=240)
    assert re.fullmatch(r"2(40|39) s are left", told[0])
    assert told[-1] == "a new session, with 0 items of the old one"


@pytest.mark.parametrize("name", PAGES)
def test_code_fits_the_page(name: str) -> None:
    assert [line for block in blocks(text(name)) for line in block.code.splitlines() if len(line) > 110] == []


def test_code_that_fails_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NameError):
        run("```python\nprint(nobody_knows_this)\n```\n", "page", tmp_path)
    with pytest.raises(AssertionError, match="what is printed is\n2"):
        run("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n", "page", tmp_path)
    with pytest.raises(ZeroDivisionError):
        run("<!-- run\nimport asyncio\nawait asyncio.sleep(0)\n1 / 0\n-->\n", "page", tmp_path)


def test_beta_names_are_those_of_the_code() -> None:
    found = {
        cells[0].strip("`"): cells[1].strip("`") for cells in rows(text("sessions.md"), "### Beta names")
    }
    fields = {name: path or "none" for name, path in BETA_FIELDS.items()}
    assert found == fields | dict(BETA_FORMATS)


def test_faults_are_those_of_the_code() -> None:
    found = {cells[0].strip("`"): cells[1:] for cells in rows(text("simulator.md"), "## Faults")}
    assert found == {
        name: [", ".join(f"`{setting}`" for setting in kind.settings), kind.doc]
        for name, kind in FAULTS.items()
    }


def test_the_simulator_has_the_options_that_are_told() -> None:
    told = {cells[0].strip("`").split(" ")[0] for cells in rows(text("simulator.md"), "## Command line")}
    there = {action.option_strings[-1] for action in arguments()._actions} - {"--help"}
    assert told == there


@pytest.mark.parametrize(
    ("name", "heading", "function"),
    [
        ("index.md", "## The client", RealtimeClient.__init__),
        (
            "simulator.md",
            "It serves from a thread of its own, so blocking and async code use it alike",
            Simulator,
        ),
        ("calls.md", "## A call from Python", AsyncRealtimeClient.dial),
    ],
)
def test_arguments_are_those_of_the_code(name: str, heading: str, function: Callable[..., Any]) -> None:
    told = [arg for cells in rows(text(name), heading) for arg in re.findall(r"`(\w+)`", cells[0])]
    assert sorted(told) == sorted(set(inspect.signature(function).parameters) - {"self"})


def test_every_method_of_the_builder_is_told() -> None:
    told = {
        method for cells in rows(text("sessions.md"), "## Builders") for method in METHOD.findall(cells[0])
    }
    there = {name for name in vars(SessionBuilder) | vars(InputBuilder) if not name.startswith("_")}
    assert told == (there | {"extra"}) - {"build"}


def test_every_error_is_in_the_table() -> None:
    told = {cells[0].strip("`") for cells in rows(text("errors.md"), "## Classes")}
    there = {name for name in errors.__all__ if name not in ("SessionProblem", "SessionConfigWarning")}
    assert told == there


@pytest.mark.parametrize("module", MODULES)
def test_the_reference_lists_what_a_module_exports(module: str) -> None:
    listed = rows(text("api.md"), f"## `{module}`")
    assert [cells[0].strip("`") for cells in listed] == sorted(import_module(module).__all__)
    assert all(len(cells[1]) > 3 for cells in listed)


def test_the_page_for_browsers_is_the_example() -> None:
    (page,) = (block.code for block in blocks(text("calls.md")) if block.language == "html")
    assert page == (ROOT / "examples" / "browser_call" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(#[^)]+)?\)", text(name)):
        path = (DOCS / target).resolve() if target else DOCS / name
        assert path.exists(), f"{name} links to {target}"
        if anchor and path.suffix == ".md":
            slugs = {
                re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
                for heading in re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
            }
            assert anchor[1:] in slugs, f"{name} links to {target}{anchor}"


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "--quiet",
            "--site-dir",
            str(tmp_path / "site"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "generated" / "RealtimeApi" / "index.html").exists()
