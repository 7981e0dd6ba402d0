"""Comparing with a newer upstream document, and taking it over, on a small pair of documents."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from specpipe import names, patches, pipeline, reading, source

sys.path.insert(0, str(pipeline.ROOT / "scripts"))

import sync

SPECS = Path(__file__).resolve().parents[1] / "samples" / "specs"
JANUARY = SPECS / "upstream-2026-01-15.yaml"
FEBRUARY = SPECS / "upstream-2026-02-20.yaml"
S = "/components/schemas/"
P = "/paths/~1realtime"

#: (action, kind, pointer, breaks the sender, breaks the receiver) from January to February.
ROWS = {
    ("added", "content type", f"{P}~1calls/post/requestBody/content/application~1sdp", False, False),
    ("added", "header", f"{P}~1calls/post/responses/201/headers/Location", False, False),
    ("added", "status", f"{P}~1calls/post/responses/202", False, False),
    ("added", "limit", f"{P}~1calls~1{{call_id}}~1hangup/post/parameters/1/schema/minLength", True, False),
    ("added", "parameter", f"{P}~1calls~1{{call_id}}~1hangup/post/parameters/0", True, False),
    ("added", "operation", f"{P}~1new/post", False, False),
    ("removed", "operation", f"{P}~1old/post", True, False),
    ("added", "schema", f"{S}RealtimeAudio", False, False),
    ("removed", "property", f"{S}RealtimeCall/properties/label", True, False),
    ("added", "property", f"{S}RealtimeCall/properties/token", True, False),
    ("changed", "required", f"{S}RealtimeClientEventUpdate/properties/event_id", True, False),
    ("added", "limit", f"{S}RealtimeClientEventUpdate/properties/ids/maxItems", True, False),
    ("removed", "schema", f"{S}RealtimeNote", False, True),
    ("added", "schema", f"{S}RealtimeRemark", False, False),
    ("removed", "union member", f"{S}RealtimeServerEvent", False, False),
    ("added", "union member", f"{S}RealtimeServerEvent", False, False),
    ("changed", "required", f"{S}RealtimeServerEventCreated/properties/note", False, True),
    ("removed", "union member", f"{S}RealtimeServerEventCreated/properties/note", False, True),
    ("added", "union member", f"{S}RealtimeServerEventCreated/properties/note", False, False),
    ("removed", "type", f"{S}RealtimeServerEventCreated/properties/count", False, True),
    ("added", "type", f"{S}RealtimeServerEventCreated/properties/count", False, True),
    ("added", "schema", f"{S}RealtimeServerEventExtra", False, False),
    ("removed", "schema", f"{S}RealtimeServerEventGone", False, True),
    ("removed", "enum value", f"{S}RealtimeSession/properties/model", True, False),
    ("added", "enum value", f"{S}RealtimeSession/properties/model", False, False),
    ("changed", "default", f"{S}RealtimeSession/properties/speed/default", True, False),
    ("changed", "limit", f"{S}RealtimeSession/properties/speed/maximum", True, False),
    ("added", "type", f"{S}RealtimeSession/properties/voice", False, True),
    ("changed", "format", f"{S}RealtimeSession/properties/format/format", True, True),
    ("removed", "property", f"{S}RealtimeSession/properties/legacy", True, True),
    ("added", "property", f"{S}RealtimeAudio/properties/gain", False, False),
    ("added", "type", f"{S}RealtimeSession/properties/tracing", False, True),
    ("added", "property", f"{S}RealtimeSession/properties/fresh", False, False),
}
#: What February brings that nobody here has written about.
NEW_TEXTS = {
    f"{P}~1calls/post/responses/201/headers/Location",
    f"{P}~1calls/post/responses/202",
    f"{P}~1calls~1{{call_id}}~1hangup/post/parameters/0",
    f"{P}~1new/post",
    f"{P}~1new/post/summary",
    f"{P}~1new/post/responses/200",
    f"{S}RealtimeAudio/properties/gain",
    f"{S}RealtimeCall/properties/token",
    f"{S}RealtimeServerEventExtra",
    f"{S}RealtimeServerEventExtra/properties/type",
    f"{S}RealtimeSession/properties/fresh",
}


@pytest.fixture
def openapi(tmp_path: Path) -> Path:
    """A copy of the sample folder, with the generator's configuration and templates."""
    folder = tmp_path / "openapi"
    shutil.copytree(SPECS / "vendored", folder)
    shutil.copytree(pipeline.OPENAPI / "templates", folder / "templates")
    shutil.copy(pipeline.OPENAPI / "generator.yaml", folder)
    return folder


@pytest.fixture
def run(openapi: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run sync on the copy; gives the exit status and what it reports."""

    def run(upstream: Path, *options: str) -> tuple[int, dict[str, Any]]:
        status = sync.main([str(upstream), "--openapi", str(openapi), "--json", *options])
        said = capsys.readouterr()
        assert said.err == ""
        report: dict[str, Any] = json.loads(said.out)
        assert report["exit"] == status
        return status, report

    return run


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}


def changed(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], name: str = "new-2026-03-01.yaml"
) -> Path:
    """January's document with a change."""
    document = copy.deepcopy(reading.load(JANUARY))
    change(document)
    out = tmp_path / name
    out.write_text(reading.dump(document))
    return out


def test_the_document_that_is_there_already_has_no_rows(run: Any) -> None:
    status, report = run(JANUARY)
    assert (status, report["changes"], report["bump"]) == (0, [], "none")


def test_every_change_is_a_row_with_whom_it_breaks(run: Any, openapi: Path) -> None:
    before = content(openapi)
    status, report = run(FEBRUARY)
    rows = [(r["action"], r["kind"], r["pointer"], r["sender"], r["receiver"]) for r in report["changes"]]
    assert set(rows) == ROWS and len(rows) == len(ROWS)
    assert (status, report["bump"]) == (2, "major")
    assert report["version"] == {"from": "2.3.0.20260115.post2", "to": "2.4.0.20260220"}
    assert content(openapi) == before


def test_values_before_and_after_are_told(run: Any) -> None:
    rows = {
        (r["kind"], r["pointer"].rsplit("/", 2)[-2]): (r["before"], r["after"])
        for r in run(FEBRUARY)[1]["changes"]
    }
    assert rows["limit", "speed"] == ("1.5", "1.25")
    assert rows["required", "properties"] == ("required", "optional")


def test_additions_alone_exit_with_one(run: Any, tmp_path: Path) -> None:
    def add(document: dict[str, Any]) -> None:
        document["components"]["schemas"]["RealtimeSession"]["properties"]["fresh"] = {"type": "string"}
        document["components"]["schemas"]["RealtimeSession"]["properties"]["speed"]["maximum"] = 2

    status, report = run(changed(tmp_path, add))
    assert (status, report["bump"], len(report["changes"])) == (1, "minor", 2)


def test_another_spelling_is_no_change(run: Any, tmp_path: Path) -> None:
    def respell(document: dict[str, Any]) -> None:
        document["openapi"] = "3.1.0"
        session = document["components"]["schemas"]["RealtimeSession"]
        session["required"].reverse()
        properties = session["properties"]
        properties["type"] = {"type": "string", "const": "realtime"}
        properties["instructions"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
        properties["tracing"] = {"anyOf": properties["tracing"]["oneOf"]}
        document["components"]["schemas"]["RealtimeVoice"] = {"type": "string"}
        properties["voice"] = {"$ref": f"#{S}RealtimeVoice"}

    _, report = run(changed(tmp_path, respell))
    assert [(r["kind"], r["pointer"]) for r in report["changes"]] == [("schema", f"{S}RealtimeVoice")]


def test_the_table_names_every_row(openapi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sync.main([str(FEBRUARY), "--openapi", str(openapi)]) == 2
    out = capsys.readouterr().out
    for _, kind, pointer, sender, receiver in ROWS:
        where = pointer.removeprefix(S)
        lines = [line for line in out.splitlines() if where in line.split() and kind in line]
        assert any(("sender" in line, "receiver" in line) == (sender, receiver) for line in lines), pointer
    assert "33 changes, 20 of them breaking" in out and "2.3.0.20260115.post2 → 2.4.0.20260220" in out


def test_taking_over_keeps_our_words_and_lists_those_to_write(run: Any, openapi: Path) -> None:
    ours = texts(reading.load(openapi / "realtime.yaml"))
    _, report = run(FEBRUARY, "--apply")
    assert set(report["applied"]["words"]) == NEW_TEXTS
    written = (openapi / "realtime.yaml").read_text()
    assert "pstream" not in written.partition("openapi:")[2]
    assert written.startswith(
        "# What this project made of the upstream document of 2026-01-15.\n# These lines stay.\n"
    )
    now = texts(reading.load(openapi / "realtime.yaml"))
    gone = {"RealtimeServerEventGone", "legacy", "label", "~1old"}
    kept = {pointer: text for pointer, text in ours.items() if not any(word in pointer for word in gone)}
    moved = {
        "RealtimeSession/properties/audio/properties": "RealtimeAudio/properties",
        "RealtimeNote": "RealtimeRemark",
        "tracing/oneOf": "tracing/anyOf/0/oneOf",
        "parameters/0": "parameters/1",
    }
    for pointer, text in kept.items():
        for old, new in moved.items():
            pointer = pointer.replace(old, new)
        assert now.pop(pointer) == text
    assert now == {f"{S}RealtimeAudio/description": "Our audio."}


def texts(node: Any, at: str = "") -> dict[str, str]:
    """Every text and example of a description by its pointer."""
    if isinstance(node, list):
        return {k: v for n, part in enumerate(node) for k, v in texts(part, f"{at}/{n}").items()}
    if not isinstance(node, dict):
        return {}
    names_here = at.endswith(("/properties", "/schemas", "/paths"))
    out: dict[str, str] = {}
    for key, value in node.items():
        here = f"{at}/{key.replace('/', '~1')}"
        if key in ("description", "summary", "example") and not names_here:
            out[here] = value
        else:
            out |= texts(value, here)
    return out


def test_taking_over_restores_the_structure(run: Any, openapi: Path) -> None:
    assert run(FEBRUARY, "--apply")[0] == 2
    status, report = run(FEBRUARY)
    assert (status, report["changes"]) == (0, [])


def test_taking_over_again_changes_nothing(run: Any, openapi: Path) -> None:
    run(FEBRUARY, "--apply")
    before = content(openapi)
    status, report = run(FEBRUARY, "--apply")
    assert (status, report["applied"]["written"]) == (0, [])
    assert content(openapi) == before


def test_source_says_where_the_facts_are_from(run: Any, openapi: Path) -> None:
    run(FEBRUARY, "--apply", "--commit", "89abcdef", "--url", "https://example.com/other")
    origin = source.read(openapi / "SOURCE.toml")
    assert (origin.url, origin.commit, origin.date) == ("https://example.com/other", "89abcdef", "2026-02-20")
    assert origin.post == 0
    assert "# Counted by hand." in (openapi / "SOURCE.toml").read_text()


def test_the_same_document_keeps_its_source(run: Any, openapi: Path) -> None:
    before = content(openapi)
    assert run(JANUARY, "--apply")[1]["applied"]["written"] == []
    assert content(openapi) == before


def test_a_document_that_differs_in_words_alone_changes_the_source_alone(
    run: Any, openapi: Path, tmp_path: Path
) -> None:
    def reword(document: dict[str, Any]) -> None:
        document["components"]["schemas"]["RealtimeSession"]["description"] = "Upstream says it otherwise."
        document["paths"]["/chat"]["post"]["operationId"] = "chat2"

    before = content(openapi)
    status, report = run(changed(tmp_path, reword), "--apply")
    assert (status, report["applied"]["written"]) == (0, ["SOURCE.toml"])
    after = content(openapi)
    assert {name for name in before if before[name] != after[name]} == {"SOURCE.toml"}


def test_patches_and_names_that_no_longer_apply_are_set_aside(run: Any, openapi: Path) -> None:
    applied = run(FEBRUARY, "--apply")[1]["applied"]
    session = f"{S}RealtimeSession/properties"
    assert applied["patches"] == [f"{session}/voice"]
    assert applied["names"] == [f"{session}/audio", f"{session}/tracing/oneOf/1"]
    assert applied["nameless"] == [["RealtimeSessionTracingWithName", f"{session}/tracing/anyOf/0/oneOf/1"]]
    assert [patch.pointer for patch in patches.read(openapi / "patches.toml")] == [f"{session}/speed"]
    assert names.read(openapi / "names.toml") == {f"{session}/tracing": "RealtimeTracing"}
    text = (openapi / "patches.toml").read_text()
    assert '# reason = "Upstream says so itself from February on."' in text
    assert "# --- The next one goes.\n" in text


def test_the_package_is_made_from_what_was_taken_over(run: Any, openapi: Path, tmp_path: Path) -> None:
    run(FEBRUARY, "--apply")
    said: list[str] = []
    inputs = pipeline.Inputs(spec=openapi / "realtime.yaml", openapi=openapi, vendored=True)
    out = tmp_path / "package"
    out.mkdir()
    pipeline.make(inputs, out, lambda step, what: said.append(f"{step} {what}"))
    assert any(line.startswith("generate 3 operations") for line in said)
    assert 'version = "2.4.0.20260220"' in (out / "pyproject.toml").read_text()


def test_schemas_that_are_missing_here_come_back_without_words(run: Any, openapi: Path) -> None:
    """Also those that others refer to: what the vendored file lacks is no reason to refuse it."""
    before = reading.load(openapi / "realtime.yaml")
    less = copy.deepcopy(before)
    for name in ("RealtimeNote", "RealtimeServerEventGone", "RealtimeSession"):
        del less["components"]["schemas"][name]
    (openapi / "realtime.yaml").write_text(reading.dump(less))
    status, report = run(JANUARY, "--apply")
    assert status == 1 and {row["kind"] for row in report["changes"]} == {"schema"}
    gone = tuple(f"{S}{name}" for name in ("RealtimeNote", "RealtimeServerEventGone", "RealtimeSession"))
    wanted = report["applied"]["words"]
    assert len(wanted) == 18 and all(pointer.startswith(gone) for pointer in wanted)
    kept = {pointer: text for pointer, text in texts(before).items() if not pointer.startswith(gone)}
    assert texts(reading.load(openapi / "realtime.yaml")) == kept
    assert run(JANUARY)[0] == 0


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("missing.yaml", None, "cannot read"),
        ("broken.yaml", "openapi: [", "is not YAML"),
        ("other.yaml", "openapi: 3.1.0\npaths: {/chat: {}}", "no operation under /realtime"),
        ("swagger.yaml", "swagger: '2.0'", "not an OpenAPI 3 document"),
    ],
)
def test_what_cannot_be_read_is_said(
    openapi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str | None, says: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    assert sync.main([str(tmp_path / name), "--openapi", str(openapi)]) == 3
    assert says in capsys.readouterr().err


def test_an_unknown_date_is_asked_for(
    run: Any, openapi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = changed(tmp_path, lambda document: document["info"].update(version="2.3.1"), "newest.yaml")
    before = content(openapi)
    assert sync.main([str(document), "--openapi", str(openapi), "--apply"]) == 3
    assert "--date YYYY-MM-DD" in capsys.readouterr().err
    assert content(openapi) == before
    run(document, "--apply", "--date", "2026-05-06")
    assert source.read(openapi / "SOURCE.toml").date == "2026-05-06"


def test_wrong_usage_is_no_finding(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        sync.main(["--unknown"])
    assert stopped.value.code == 3
