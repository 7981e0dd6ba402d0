"""The generated package's documents: every example runs, every link resolves, every name is documented."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from realtime_api import models
from realtime_simulator import Simulator

from tests.support.paths import ROOT, SAMPLES
from tests.support.rows import each

pytestmark = pytest.mark.slow

GENERATED = ROOT / "generated"
DOCS = GENERATED / "docs"
PAGE = (DOCS / "RealtimeApi.md").read_text(encoding="utf-8")
SECTIONS = {section.split("\n", 1)[0]: section for section in re.split(r"(?m)^## ", PAGE)[1:]}
OFFER = SAMPLES / "sdp" / "offer-aiortc-audio-datachannel.sdp"
#: Operation → status, type of the parsed body, and whether its call rings or was answered.
ANSWERS = {
    "create_realtime_call": (201, "str", ""),
    "accept_realtime_call": (200, "NoneType", "rings"),
    "reject_realtime_call": (200, "NoneType", "rings"),
    "refer_realtime_call": (200, "NoneType", "answered"),
    "hangup_realtime_call": (200, "NoneType", "answered"),
    "create_realtime_client_secret": (200, "RealtimeCreateClientSecretResponse", ""),
    "create_realtime_session": (200, "RealtimeSessionCreateResponse", ""),
    "create_realtime_transcription_session": (200, "RealtimeTranscriptionSessionCreateResponse", ""),
    "create_realtime_translation_client_secret": (200, "RealtimeTranslationClientSecretCreateResponse", ""),
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(pacing="none") as running:
        yield running


def example(text: str) -> str:
    """The first Python block that imports something."""
    found = re.search(r"```python\n(from .*?)```", text, re.DOTALL)
    assert found
    return found[1]


def run(code: str, **names: Any) -> dict[str, Any]:
    namespace = {"__name__": "example", **names}
    exec(compile(code, "example", "exec"), namespace)
    return namespace


def test_the_operations_page_is_complete() -> None:
    """Including operations that upstream has added."""
    assert set(SECTIONS) >= set(ANSWERS)
    table = re.findall(r"^\| \[`(\w+)`\]\(#(\w+)\) \| `(\w+) (\S+)` \| (.+) \|$", PAGE, re.MULTILINE)
    assert {row[0] for row in table} == set(SECTIONS) and all(row[0] == row[1] and row[4] for row in table)


def test_sections_of_docstrings_follow_a_blank_line() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in (GENERATED / "realtime_api").rglob("*.py")}
    section = r"(?m)^.*\S.*\n +(?:Args|Attributes|Raises|Returns):\n"
    assert {
        path.name: found[0] for path, text in sources.items() if (found := re.search(section, text))
    } == {}


@each("name", sorted(ANSWERS))
def test_every_example_runs(name: str, simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    status, kind, call = ANSWERS[name]
    known: dict[str, Any] = {"base_url": simulator.base_url, "api_key": simulator.api_key}
    if call:
        known["call_id"] = simulator.incoming_call("http://127.0.0.1:9/", attempts=1).id
    if call == "answered":
        run(example(SECTIONS["accept_realtime_call"]), **known)
    made = run(example(SECTIONS[name]), offer=OFFER.read_bytes().decode(), **known)
    answer = made["answer"]
    assert (answer.status_code, type(answer.parsed).__name__) == (status, kind)
    assert str(int(answer.status_code)) in capsys.readouterr().out
    if name == "create_realtime_call":
        assert answer.parsed.startswith("v=0\r\n") and answer.parsed.endswith("\r\n")


def test_the_example_of_the_readme_runs(simulator: Simulator) -> None:
    code = example((GENERATED / "README.md").read_text(encoding="utf-8"))
    code = code.replace('"https://api.openai.com/v1"', "base_url").replace('"…"', "api_key")
    made = run(code, base_url=simulator.base_url, api_key=simulator.api_key)
    assert made["answer"].parsed.value.startswith("ek_")


@each("name", sorted(ANSWERS))
def test_every_operation_is_documented_in_full(name: str) -> None:
    section = SECTIONS[name]
    titles = re.findall(r"^### (.+)$", section, re.MULTILINE)
    assert titles == [
        *("Example", "Parameters", "Return type", "Authorization", "Content types", "Response codes")
    ]
    assert f"{name}.sync(" in section and f"`{name}.sync_detailed(…)`" in section
    assert f"{name}.build_request(" in section and f"`{name}.build_request(…)`" in section
    parameters = section.partition("### Parameters")[2].partition("### Return type")[0]
    rows = [line.split(" | ") for line in parameters.splitlines() if line.startswith("| `")]
    assert rows and all(len(row) == 4 and row[2].strip() for row in rows)
    assert {"call_id"} <= {row[0].strip("|` ") for row in rows} or "{call_id}" not in section


def test_every_model_has_a_page() -> None:
    assert {path.stem for path in (DOCS / "models").glob("*.md")} == set(models.__all__)


def test_pages_are_linked_both_ways() -> None:
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (DOCS / "models").glob("*.md")}
    linked = {
        kind: {
            name: set(
                re.findall(r"\[(\w+)\]\(\w+\.md\)", line[0])
                if (line := re.findall(rf"^{kind}: .*$", page, re.M))
                else []
            )
            for name, page in pages.items()
        }
        for kind in ("Refers to", "Used by")
    }
    assert {(a, b) for a, others in linked["Refers to"].items() for b in others} == {
        (a, b) for b, others in linked["Used by"].items() for a in others
    }
    of_operations = {
        (name, op)
        for name, page in pages.items()
        for op in re.findall(r"\(\.\./RealtimeApi\.md#(\w+)\)", page)
    }
    on_page = {
        (name, op)
        for op, section in SECTIONS.items()
        for name in re.findall(r"\(models/(\w+)\.md\)", section)
    }
    assert of_operations == on_page


def test_every_link_resolves() -> None:
    anchors = {f"#{name}" for name in SECTIONS} | {"#realtimeapi"}
    for path in [GENERATED / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
            if target.startswith("https://"):
                continue
            file, _, anchor = target.partition("#")
            assert not file or (path.parent / file).resolve().exists(), f"{path.name}: {target}"
            assert not anchor or f"#{anchor}" in anchors, f"{path.name}: {target}"
