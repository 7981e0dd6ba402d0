"""Comparing with a newer upstream document, on a small pair of documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sync

from tests.specpipe.syncing import FEBRUARY, JANUARY, P, S, changed, content
from tests.support.paths import ROOT
from tests.support.rows import each

pytestmark = pytest.mark.slow

#: (action, kind, pointer, breaks the sender, breaks the receiver) from January to February.
ROWS = {
    ("changed", "version", "/info/version", False, False),
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
    ("removed", "union member", f"{S}RealtimeServerEvent", False, True),
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


def test_the_current_document_has_no_changes(run: Any) -> None:
    status, report = run(JANUARY)
    assert (status, report["changes"], report["bump"]) == (0, [], "none")


def test_every_change_is_listed_with_what_it_breaks(run: Any, openapi: Path) -> None:
    before = content(openapi)
    status, report = run(FEBRUARY)
    rows = [(r["action"], r["kind"], r["pointer"], r["sender"], r["receiver"]) for r in report["changes"]]
    assert set(rows) == ROWS and len(rows) == len(ROWS)
    assert (status, report["bump"]) == (2, "major")
    assert report["version"] == {"from": "1.2.3", "to": "2.0.0"}
    assert content(openapi) == before


def test_old_and_new_values_are_listed(run: Any) -> None:
    rows = {
        (r["kind"], r["pointer"].rsplit("/", 2)[-2]): (r["before"], r["after"])
        for r in run(FEBRUARY)[1]["changes"]
    }
    assert rows["limit", "speed"] == ("1.5", "1.25")
    assert rows["required", "properties"] == ("required", "optional")


def test_additions_exit_with_one(run: Any, tmp_path: Path) -> None:
    def add(document: dict[str, Any]) -> None:
        document["components"]["schemas"]["RealtimeSession"]["properties"]["fresh"] = {"type": "string"}
        document["components"]["schemas"]["RealtimeSession"]["properties"]["speed"]["maximum"] = 2

    status, report = run(changed(tmp_path, add))
    assert (status, report["bump"], len(report["changes"])) == (1, "minor", 2)


def test_another_notation_does_not_count_as_a_change(run: Any, tmp_path: Path) -> None:
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


def test_the_table_has_every_change(openapi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sync.main([str(FEBRUARY), "--openapi", str(openapi)]) == 2
    out = capsys.readouterr().out
    for _, kind, pointer, sender, receiver in ROWS:
        where = pointer.removeprefix(S)
        lines = [line for line in out.splitlines() if where in line.split() and kind in line]
        assert any(("sender" in line, "receiver" in line) == (sender, receiver) for line in lines), pointer
    assert "34 changes, 21 breaking" in out and "1.2.3 → 2.0.0" in out


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("missing.yaml", None, "cannot read"),
        ("broken.yaml", "openapi: [", "is not YAML"),
        ("other.yaml", "openapi: 3.1.0\npaths: {/chat: {}}", "no operation below /realtime"),
        ("swagger.yaml", "swagger: '2.0'", "not an OpenAPI 3 document"),
    ],
)
def test_an_unreadable_file_is_an_error(
    openapi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str | None, says: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    assert sync.main([str(tmp_path / name), "--openapi", str(openapi)]) == 3
    assert says in capsys.readouterr().err


def test_a_key_that_is_not_implemented_is_listed_once_a_patch_removes_it(
    run: Any, openapi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = changed(
        tmp_path, lambda d: d["paths"]["/realtime/calls"].update(servers=[{"url": "https://upload.example"}])
    )
    assert sync.main([str(path), "--openapi", str(openapi)]) == 3
    assert "`servers` is not implemented" in capsys.readouterr().err
    patch = f'[[patch]]\npointer = "{P}~1calls/servers"\nop = "remove"\nreason = "One host."\nlink = "x"\n'
    with (openapi / "patches.toml").open("a") as patches:
        patches.write(f"\n{patch}")
    status, report = run(path)
    assert status == 2
    assert [(row["kind"], row["pointer"]) for row in report["changes"]] == [
        ("keyword", f"{P}~1calls/servers")
    ]


def test_wrong_usage_has_its_own_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        sync.main(["--unknown"])
    assert stopped.value.code == 3


@pytest.mark.programs
def test_changes_for_review_are_listed(run: Any, openapi: Path, tmp_path: Path) -> None:
    """A changed text, with its pointer, and additions outside the slice."""
    (openapi / "upstream.json").write_text("")
    assert run(JANUARY, "--apply")[1]["applied"]["written"] == ["upstream.json"]
    assert '"description"' not in (openapi / "upstream.json").read_text()

    def change(document: dict[str, Any]) -> None:
        answer = {"responses": {"201": {"description": "x"}}}
        document["paths"]["/new"] = {"get": {"operationId": "new", **answer}}
        document["paths"]["/responses/new"] = {"post": {"operationId": "watched", **answer}}
        document["components"]["schemas"]["ResponseThing"] = {"type": "object"}
        document["components"]["schemas"]["RealtimeSession"]["description"] = "At most 5 MiB."

    status, report = run(changed(tmp_path, change))
    assert (status, report["bump"]) == (1, "none")
    assert [(row["kind"], row["after"]) for row in report["changes"]] == [
        ("operation outside", "POST /responses/new"),
        ("text", "At most 5 MiB."),
        ("operation outside", "GET /new"),
        ("schema outside", "ResponseThing"),
    ]
    assert report["changes"][1]["pointer"] == f"{S}RealtimeSession/description"
    run(changed(tmp_path, change), "--apply")
    assert run(changed(tmp_path, change))[0] == 0


def test_a_truncated_document_is_refused_unless_it_is_a_part_on_purpose(
    run: Any, openapi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (openapi / "upstream.json").write_text("")
    run(JANUARY, "--apply")
    read = run(JANUARY)[1]["read"]

    def cut(document: dict[str, Any]) -> None:
        schemas = document["components"]["schemas"]
        kept = ("RealtimeSession", "RealtimeNote", "Chat")
        document["components"]["schemas"] = {name: schemas[name] for name in kept}
        document["paths"] = {}

    document = changed(tmp_path, cut)
    assert sync.main([str(document), "--openapi", str(openapi)]) == sync.FAILED
    assert f"3 of {read['schemas']} schemas of the last one: it may be truncated" in capsys.readouterr().err
    assert run(document, "--partial")[1]["read"] == {"operations": 0, "schemas": 3}


def test_a_document_with_nothing_outside_the_slice_is_compared_with_the_slice(
    run: Any, openapi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"texts": {}, "operations": [f"GET /{n}" for n in range(9)], "schemas": []}
    (openapi / "upstream.json").write_text(json.dumps(known))
    assert sync.main([str(JANUARY), "--openapi", str(openapi)]) == sync.FAILED
    assert "4 of 12 operations" in capsys.readouterr().err

    def cut(document: dict[str, Any]) -> None:
        del document["paths"]["/chat"], document["components"]["schemas"]["Chat"]

    assert run(changed(tmp_path, cut))[1]["read"]["operations"] == 3

    def truncate(document: dict[str, Any]) -> None:
        cut(document)
        document["paths"].clear()

    assert sync.main([str(changed(tmp_path, truncate)), "--openapi", str(openapi)]) == sync.FAILED
    assert "0 of 3 operations" in capsys.readouterr().err


@each(
    "change, row",
    [
        (
            lambda d: d["components"]["securitySchemes"]["Key"].update(scheme="basic"),
            ("security", "/components/securitySchemes/Key", True),
        ),
        (lambda d: d.update(servers=[{"url": "https://h/v2"}]), ("server", "/servers", True)),
        (
            lambda d: d["paths"]["/realtime/calls"]["post"].update(deprecated=True),
            ("deprecated", f"{P}~1calls/post/deprecated", False),
        ),
        (
            lambda d: d["paths"]["/realtime/calls"]["post"].update(security=[]),
            ("security", f"{P}~1calls/post/security", True),
        ),
    ],
)
def test_changes_of_servers_and_security_are_listed(
    run: Any, tmp_path: Path, change: Any, row: tuple[Any, ...]
) -> None:
    status, report = run(changed(tmp_path, change))
    assert [(r["kind"], r["pointer"], r["sender"]) for r in report["changes"]] == [row]
    assert status == (2 if row[2] else 1)


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_names_and_values_of_a_document_are_printed_without_active_characters(
    words: list[str], openapi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "a\x9b2J\u061c\u200e\u200f\u2028\u2029\u202e\x7f\x1b[2J"

    def change(document: dict[str, Any]) -> None:
        properties = document["components"]["schemas"]["RealtimeSession"]["properties"]
        properties[hostile] = {"type": "string"}
        properties["model"]["enum"] = [hostile]

    path = changed(tmp_path, change)
    sync.main([str(path), "--openapi", str(openapi), *words])
    shown = capsys.readouterr()
    text = shown.out + shown.err
    assert r"\u001b[2J" in text
    assert not set(hostile) - set("a[2J") & set(text)


def test_the_example_in_the_documentation_is_printed(
    openapi: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "how-to" / "update-api-description.md").read_text(encoding="utf-8")
    example = page.split("```\n", 2)[1]
    assert sync.main([str(FEBRUARY), "--openapi", str(openapi)]) == 2
    printed = {" ".join(row.split()) for row in capsys.readouterr().out.splitlines()}
    assert {" ".join(row.split()) for row in example.splitlines()} <= printed
