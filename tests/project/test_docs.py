"""The documentation is true: its code runs where it stands, its tables are the code's, its links work.

`docs_page` has the convention for blocks of code.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from realtime_api.shutdowns import MODEL_SHUTDOWNS
from realtime_simulator import FAULTS, Simulator
from realtime_simulator.cli import arguments

from realtime_ext import SessionBuilder, __version__, errors
from realtime_ext.session._builders import InputBuilder, McpBuilder
from realtime_ext.session._kinds import BETA_FIELDS, BETA_FORMATS
from tests.support.chromium import chromium
from tests.support.command import PROXIED
from tests.support.docs_page import PAGES, Block, every_block, paste, paste_tests, run_commands
from tests.support.examples import check_each
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
BLOCKS = every_block()
METHOD = re.compile(r"`(\w+)\(")
MODULES = (
    "realtime_ext",
    "realtime_ext.audio",
    "realtime_ext.connection",
    "realtime_kit.devices",
    "realtime_ext.errors",
    "realtime_ext.events",
    "realtime_kit.budget",
    "realtime_kit.fleet",
    "realtime_kit.media_stream",
    "realtime_kit.recorder",
    "realtime_ext.sdp",
    "realtime_ext.models",
    "realtime_ext.sip",
    "realtime_ext.tasks",
    "realtime_ext.testing",
    "realtime_ext.tools",
    "realtime_ext.usage",
    "realtime_kit.web",
    "realtime_ext.webhooks",
    "realtime_simulator",
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


@pytest.fixture(scope="module")
def service() -> Iterator[dict[str, str]]:
    """What `realtime simulator` prints and its readers set."""
    with Simulator(pacing="none") as simulator:
        yield {
            "OPENAI_BASE_URL": simulator.base_url,
            "OPENAI_API_KEY": simulator.api_key,
            "OPENAI_WEBHOOK_SECRET": simulator.webhook_secret,
        }


def programs() -> Iterator[Any]:
    """The blocks of Python; those that speak, or start another process, last long."""
    for block in BLOCKS:
        if block.language == "python" and not block.is_test:
            played = ".dial(" in block.code or "output_audio_buffer.stopped" in block.code
            slow = block.is_for_peer or played
            marks = [pytest.mark.slow] if slow else []
            if "rehearsal" in block.code:
                marks.append(pytest.mark.real_time)
            yield pytest.param(block, id=str(block), marks=marks)


@pytest.mark.parametrize("block", list(programs()))
@pytest.mark.slow
def test_a_program_runs_where_it_is_pasted(
    block: Block, service: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    proxied = {} if block.is_for_peer else PROXIED
    for name, value in {**proxied, **service}.items():
        monkeypatch.setenv(name, value)
    paste(block, tmp_path, service)


@pytest.mark.slow
def test_the_tests_of_pages_pass(tmp_path: Path) -> None:
    """In one run, because it imports most of this project."""
    paste_tests([block for block in BLOCKS if block.is_test], tmp_path)


#: A page that has every command; tests/kit/cli runs them as well.
MANY = "docs/reference/cli.md"


@pytest.mark.slow
@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=str(block), marks=[pytest.mark.weekly] if block.page == MANY else [])
        for block in BLOCKS
        if block.commands
    ],
)
def test_the_commands_of_a_page_run(block: Block, service: dict[str, str], tmp_path: Path) -> None:
    run_commands(block, tmp_path, service)


def test_code_fits_the_page(subtests: pytest.Subtests) -> None:
    def check(block: Block) -> None:
        assert [line for line in block.code.splitlines() if len(line) > 110] == []

    check_each(subtests, [block for block in BLOCKS if block.language == "python"], check)


def test_code_that_fails_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NameError):
        paste(Block("page", "python", "print(nobody_defined_this)\n", 1), tmp_path, {})
    with pytest.raises(AssertionError, match="what is printed is\n2"):
        paste(Block("page", "python", "print(1 + 1)\n", 1, "3\n"), tmp_path, {})


@pytest.mark.slow
def test_tests_and_commands_that_fail_are_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="1 failed"):
        paste_tests([Block("page", "python", "def test_it():\n    assert False\n", 1)], tmp_path)
    with pytest.raises(AssertionError, match="No such command"):
        run_commands(Block("page", "sh", "realtime sing\n", 1), tmp_path, {})


def test_pages_have_no_hidden_code() -> None:
    """What a block needs stands in it, and a program is marked as one."""
    for path in PAGES:
        assert "<!-- run" not in path.read_text(encoding="utf-8"), path
    assert {block.language for block in BLOCKS} <= {
        "python",
        "sql",
        "text",
        "sh",
        "html",
        "toml",
        "yaml",
        "diff",
        "ini",
        "powershell",
        "",
    }
    unmarked = [str(block) for block in BLOCKS if not block.language and "import " in block.code]
    assert unmarked == []


def test_beta_names_are_those_of_the_code() -> None:
    found = {
        cells[0].strip("`"): cells[1].strip("`")
        for cells in rows(text("reference/sessions.md"), "### Beta names")
    }
    fields = {name: path or "none" for name, path in BETA_FIELDS.items()}
    assert found == fields | dict(BETA_FORMATS)


def test_faults_are_those_of_the_code() -> None:
    found = {cells[0].strip("`"): cells[1:] for cells in rows(text("simulator.md"), "## Faults")}
    assert found == {
        name: [", ".join(f"`{setting}`" for setting in kind.settings), kind.doc]
        for name, kind in FAULTS.items()
    }


def test_the_simulator_has_the_options_of_the_page() -> None:
    told = {cells[0].strip("`").split(" ")[0] for cells in rows(text("simulator.md"), "## Command line")}
    there = {action.option_strings[-1] for action in arguments()._actions} - {"--help"}
    assert told == there


def test_the_simulator_has_the_arguments_of_the_page() -> None:
    table = rows(text("simulator.md"), "It serves from its own thread")
    told = [arg for cells in table for arg in re.findall(r"`(\w+)`", cells[0])]
    assert sorted(told) == sorted(inspect.signature(Simulator).parameters)


def test_every_method_of_the_builder_is_in_the_table() -> None:
    told = {
        method
        for cells in rows(text("reference/sessions.md"), "## Builders")
        for method in METHOD.findall(cells[0])
    }
    builders = vars(SessionBuilder) | vars(InputBuilder) | vars(McpBuilder)
    there = {name for name in builders if not name.startswith("_")}
    assert told == (there | {"extra"}) - {"build"}


def test_every_error_is_in_the_table() -> None:
    told = {cells[0].strip("`") for cells in rows(text("reference/errors.md"), "## Classes")}
    there = {
        name
        for name in errors.__all__
        if name not in ("SessionProblem", "mask") and not name.endswith("Warning")
    }
    assert told == there


def test_every_export_has_a_docstring_and_a_place_in_the_reference(subtests: pytest.Subtests) -> None:
    pages = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "reference").glob("*.md"))
    shown = set(re.findall(r"^::: ([\w.]+)$", pages, re.M))

    def check(module: str) -> None:
        exported = import_module(module)
        for name in exported.__all__:
            value = getattr(exported, name)
            if name == "__version__" or inspect.ismodule(value):
                continue
            home = getattr(value, "__module__", module).partition("._")[0]
            places = {module, f"{module}.{name}", home, f"{home}.{name}"}
            own = getattr(value, "__name__", name)
            public = {place for place in shown if own == place.rpartition(".")[2]}
            assert places & shown or public, f"{module}.{name} is nowhere in docs/reference"

    check_each(subtests, MODULES, check)


def test_links_lead_somewhere(subtests: pytest.Subtests) -> None:
    def check(path: Path) -> None:
        for target, anchor in re.findall(r"\]\(([^)#:]*)(#[^)]+)?\)", path.read_text(encoding="utf-8")):
            found = (path.parent / target).resolve() if target else path
            assert found.exists(), f"{path} links to {target}"
            if anchor and found.suffix == ".md":
                slugs = {
                    re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
                    for heading in re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.M)
                }
                assert anchor[1:] in slugs, f"{path} links to {target}{anchor}"

    check_each(subtests, PAGES, check)


def test_the_page_for_browsers_is_an_example() -> None:
    """So that it is tried in a browser."""
    pages = {path.read_text(encoding="utf-8") for path in (ROOT / "examples").rglob("*.html")}
    shown = [block for block in BLOCKS if block.language == "html"]
    assert shown and all(block.code in pages for block in shown)


def test_the_page_for_assistants_fits_in_their_context() -> None:
    """6,000 to 8,000 tokens, of some four letters."""
    assert len(text("api-on-one-page.md")) < 32_000


def test_the_list_for_assistants_has_every_page() -> None:
    """Each page of the navigation once, with its title there and what it is about."""
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = re.findall(r"^- \[([^]]+)\]\(([^)]+)\): (.{10,})$", text("llms.txt"), re.M)
    assert all((DOCS / page).exists() for _, page, _ in listed)
    site = {"../CHANGELOG.md": "changelog.md"}
    pages = [
        (title, site.get(page, page.replace("../generated/docs/", "generated/"))) for title, page, _ in listed
    ]
    assert pages == list(titles(nav["nav"]))
    assert len({page for _, page, _ in listed}) == len(listed)


def titles(entries: list[Any]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        ((title, below),) = entry.items() if isinstance(entry, dict) else (("realtime-ext", entry),)
        if isinstance(below, str):
            yield title, below
        else:
            yield from titles(below)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, ROOT / "scripts" / "build_docs.py", "--site-dir", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.weekly
def test_the_site_builds_without_a_warning(site: Path) -> None:
    assert (site / "generated" / "RealtimeApi.html").exists()
    listed = re.findall(r"\]\(([^)]+)\)", (site / "llms.txt").read_text(encoding="utf-8"))
    assert listed and all((site / page).exists() for page in listed)


@pytest.mark.slow
@pytest.mark.weekly
def test_the_reference_has_signatures_types_and_sections(site: Path) -> None:
    page = re.sub(r"<[^>]+>", "", (site / "reference" / "client.html").read_text(encoding="utf-8"))
    assert "connect_timeout" in page and "Returns:" in page and "Raises:" in page
    assert re.search(r"base_url\s*:\s*str \| None\s*=\s*None", page)


@pytest.mark.slow
@pytest.mark.weekly
def test_the_site_loads_nothing_from_other_hosts(site: Path) -> None:
    for page in site.rglob("*.html"):
        found = re.findall(
            r"<(?:script|link|img|iframe)\b[^>]*(?:src|href)=\"?(?:https?:)?//[^>]*>",
            page.read_text(encoding="utf-8"),
        )
        assert found == [], page


@pytest.mark.slow
@pytest.mark.weekly
@pytest.mark.browser
def test_a_narrow_window_shows_all_of_every_table(site: Path) -> None:
    hidden = "wraps => wraps.filter(wrap => wrap.scrollWidth > wrap.clientWidth + 1).length"
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 360, "height": 640})
        for path in site.rglob("*.html"):
            if path.parent.name != "models":
                page.goto(path.as_uri())
                assert not page.locator(".md-typeset__scrollwrap").evaluate_all(hidden), path
                overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                assert page.evaluate(overflow) <= 0, path


@pytest.mark.slow
@pytest.mark.weekly
@pytest.mark.browser
def test_the_search_works_without_a_server(site: Path) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        for words, first in {
            "semantic_vad": "reference/sessions.html",
            "timestamps": "how-to/transcription.html#timestamps",
            "transcription": "how-to/transcription.html",
            "voice": "how-to/",
        }.items():
            page.goto((site / "index.html").as_uri())
            page.locator("button.md-search__button").click()
            page.get_by_placeholder("Search").fill(words)
            page.get_by_text(re.compile(r"^\d+ results?$")).wait_for()
            links = page.locator("a[href*='?h=']").evaluate_all("all => all.map(one => one.href)")
            assert first in re.sub(r"\?h=[^#]*", "", links[0]), (words, links[:5])


@pytest.mark.slow
@pytest.mark.weekly
def test_the_site_has_its_version_and_the_changelog(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    assert f"realtime-ext {__version__}" in re.findall(r"<title>(.*?)</title>", index)[0]
    changelog = (site / "changelog.html").read_text(encoding="utf-8")
    assert "Unreleased" in changelog and "changelog.html" in index


def test_only_the_page_of_models_that_end_names_them() -> None:
    names = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, MODEL_SHUTDOWNS))})(?![\w-]|\.\d)")
    examples = [path for path in (ROOT / "examples").rglob("*") if path.suffix in {".py", ".toml", ".yaml"}]
    for path in [*PAGES, *examples]:
        found = names.search(path.read_text(encoding="utf-8"))
        assert path.name == "models.md" or found is None, f"{path}: {found}"


def test_no_page_names_a_package_that_is_not_released_without_saying_so() -> None:
    """An install line of ours says when it works, on the line, beside it or in the paragraph before."""
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        ours = r"pip install (?:-e \. )?'?(?:realtime-ext|realtime-simulator|realtime-api)"
        for found in re.finditer(ours, page):
            around = " ".join(page[max(0, found.start() - 400) : found.end() + 160].split())
            assert "once released" in around or "before its release" in around, f"{path}: {found[0]}"
