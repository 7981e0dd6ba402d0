"""Taking a newer upstream document over, on a small pair of documents."""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import sync
from specpipe import document_io, names, output, patches, pipeline, prose, source
from specpipe.errors import SpecError
from specpipe.sync import apply

from tests.specpipe.conftest import sample_folder
from tests.specpipe.packages import forget, load
from tests.specpipe.syncing import FEBRUARY, JANUARY, P, S, changed, content, texts

pytestmark = pytest.mark.slow

#: Additions of February without texts of this project.
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
def real_package() -> None:
    """Asked for by tests whose package is to be formatted and imported as well."""


def without_processes(patch: pytest.MonkeyPatch) -> None:
    """Neither format nor import packages."""
    patch.setattr(output, "format_package", lambda package: None)
    patch.setattr(output, "format_source", lambda source: source)
    patch.setattr(output, "import_all", lambda folder: 0)


@pytest.fixture(autouse=True)
def _no_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real_package" not in request.fixturenames:
        without_processes(monkeypatch)


@attrs.frozen
class Applied:
    """The sample folder after February's document was applied to it, to be read only."""

    folder: Path
    report: dict[str, Any]


@pytest.fixture(scope="module")
def february(tmp_path_factory: pytest.TempPathFactory) -> Applied:
    folder = sample_folder(tmp_path_factory.mktemp("february"))
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        without_processes(patch)
        assert sync.main([str(FEBRUARY), "--openapi", str(folder), "--json", "--apply"]) == 0
    return Applied(folder, json.loads(said.getvalue()))


def test_apply_keeps_texts_and_lists_missing_ones(openapi: Path, february: Applied) -> None:
    ours = texts(document_io.load(openapi / "realtime.yaml"))
    assert set(february.report["applied"]["words"]) == NEW_TEXTS
    written = (february.folder / "realtime.yaml").read_text()
    assert "pstream" not in written.partition("openapi:")[2]
    assert written.startswith(
        "# What this project made of the upstream document of 2026-01-15.\n# These lines stay.\n"
    )
    now = texts(document_io.load(february.folder / "realtime.yaml"))
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
    provisional = {pointer for pointer, text in now.items() if text.startswith(prose.PROVISIONAL)}
    assert {pointer.removesuffix("/description") for pointer in provisional} == NEW_TEXTS
    assert {key: now[key] for key in {*now} - provisional} == {f"{S}RealtimeAudio/description": "Our audio."}


def test_apply_restores_the_structure(february: Applied, capsys: pytest.CaptureFixture[str]) -> None:
    assert sync.main([str(FEBRUARY), "--openapi", str(february.folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"] == []


def test_apply_is_idempotent(run: Any, openapi: Path) -> None:
    run(FEBRUARY, "--apply")
    before = content(openapi)
    status, report = run(FEBRUARY, "--apply")
    assert (status, report["applied"]["written"]) == (0, [])
    assert content(openapi) == before


def test_source_toml_has_the_origin(run: Any, openapi: Path) -> None:
    run(FEBRUARY, "--apply", "--commit", "89abcdef", "--url", "https://example.com/other")
    origin = source.read(openapi / "SOURCE.toml")
    assert (origin.url, origin.commit, origin.date) == ("https://example.com/other", "89abcdef", "2026-02-20")
    assert origin.version == "2.0.0"
    assert "# Counted by hand." in (openapi / "SOURCE.toml").read_text()


def test_the_same_document_keeps_its_origin(run: Any, openapi: Path) -> None:
    before = content(openapi)
    assert run(JANUARY, "--apply")[1]["applied"]["written"] == []
    assert content(openapi) == before


def test_a_change_of_prose_only_updates_source_toml(run: Any, openapi: Path, tmp_path: Path) -> None:
    def reword(document: dict[str, Any]) -> None:
        document["components"]["schemas"]["RealtimeSession"]["description"] = "Upstream says it otherwise."
        document["paths"]["/chat"]["post"]["operationId"] = "chat2"

    before = content(openapi)
    status, report = run(changed(tmp_path, reword), "--apply")
    assert (status, report["applied"]["written"]) == (0, ["SOURCE.toml"])
    after = content(openapi)
    assert {name for name in before if before[name] != after[name]} == {"SOURCE.toml"}


def test_a_change_of_notation_keeps_patches_and_names(run: Any, openapi: Path, tmp_path: Path) -> None:
    def respell(document: dict[str, Any]) -> None:
        document["openapi"] = "3.0.3"
        properties = document["components"]["schemas"]["RealtimeSession"]["properties"]
        properties["tracing"]["anyOf"] = properties["tracing"].pop("oneOf")
        gone = document["components"]["schemas"]["RealtimeServerEventGone"]["properties"]
        gone["type"] = {"type": "string", "const": "gone"}

    before = content(openapi)
    status, report = run(changed(tmp_path, respell), "--apply")
    assert (status, report["changes"], report["applied"]["written"]) == (0, [], ["SOURCE.toml"])
    assert {name for name, text in content(openapi).items() if before[name] != text} == {"SOURCE.toml"}


def test_patches_and_names_that_no_longer_apply_are_commented_out(february: Applied) -> None:
    openapi, applied = february.folder, february.report["applied"]
    session = f"{S}RealtimeSession/properties"
    assert applied["patches"] == [f"{session}/voice"]
    assert applied["names"] == [f"{session}/audio", f"{session}/tracing/oneOf/1"]
    assert applied["nameless"] == [["RealtimeSessionTracingWithName", f"{session}/tracing/anyOf/0/oneOf/1"]]
    assert [patch.pointer for patch in patches.read(openapi / "patches.toml")] == [f"{session}/speed"]
    assert names.read(openapi / "names.toml") == {f"{session}/tracing": "RealtimeTracing"}
    text = (openapi / "patches.toml").read_text()
    assert '# reason = "Upstream says so itself from February on."' in text
    assert "# --- The next one goes.\n" in text


@pytest.mark.programs
@pytest.mark.usefixtures("real_package")
def test_the_package_is_generated_from_the_applied_document(run: Any, openapi: Path, tmp_path: Path) -> None:
    run(FEBRUARY, "--apply")
    said: list[str] = []
    inputs = pipeline.Inputs(spec=openapi / "realtime.yaml", openapi=openapi, vendored=True)
    out = tmp_path / "package"
    out.mkdir()
    pipeline.make(inputs, out, lambda step, what: said.append(f"{step} {what}"))
    assert any(line.startswith("generate 3 operations") for line in said)
    assert 'version = "2.0.0"' in (out / "pyproject.toml").read_text()


def test_restored_schemas_have_no_texts(run: Any, openapi: Path) -> None:
    """Including ones that others refer to: dangling references in the vendored file are accepted."""
    before = document_io.load(openapi / "realtime.yaml")
    less = copy.deepcopy(before)
    for name in ("RealtimeNote", "RealtimeServerEventGone", "RealtimeSession"):
        del less["components"]["schemas"][name]
    (openapi / "realtime.yaml").write_text(document_io.dump(less))
    status, report = run(JANUARY, "--apply")
    assert status == 0 and {row["kind"] for row in report["changes"]} == {"schema"}
    gone = tuple(f"{S}{name}" for name in ("RealtimeNote", "RealtimeServerEventGone", "RealtimeSession"))
    wanted = report["applied"]["words"]
    assert len(wanted) == 18 and all(pointer.startswith(gone) for pointer in wanted)
    kept = {pointer: text for pointer, text in texts(before).items() if not pointer.startswith(gone)}
    now = texts(document_io.load(openapi / "realtime.yaml"))
    assert {k: v for k, v in now.items() if not str(v).startswith(prose.PROVISIONAL)} == kept
    assert run(JANUARY)[0] == 0


def test_an_unknown_date_is_an_error(
    run: Any, openapi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = changed(tmp_path, lambda document: document["info"].update(version="2.3.1"), "newest.yaml")
    before = content(openapi)
    assert sync.main([str(document), "--openapi", str(openapi), "--apply"]) == 3
    assert "--date YYYY-MM-DD" in capsys.readouterr().err
    assert content(openapi) == before
    run(document, "--apply", "--date", "2026-05-06")
    assert source.read(openapi / "SOURCE.toml").date == "2026-05-06"


@pytest.mark.parametrize("spelling", [{"type": "object", "nullable": True}, {"type": ["object", "null"]}])
def test_a_new_nullable_inline_object_can_be_named(
    run: Any, openapi: Path, tmp_path: Path, spelling: dict[str, Any]
) -> None:
    fresh = {**spelling, "properties": {"a": {"type": "string"}}}

    def add(document: dict[str, Any]) -> None:
        document["components"]["schemas"]["RealtimeSession"]["properties"]["fresh"] = fresh

    status, report = run(changed(tmp_path, add), "--apply")
    pointer = f"{S}RealtimeSession/properties/fresh"
    assert status == 0 and report["applied"]["nameless"] == [["RealtimeSessionFresh", pointer]]
    text = (openapi / "names.toml").read_text()
    assert f'\n# RealtimeSessionFresh = "{pointer}"\n' in text
    (openapi / "names.toml").write_text(text.replace("# RealtimeSessionFresh", "FreshThing"))
    assert "FreshThing" in planned(openapi).names
    before = content(openapi)
    assert run(changed(tmp_path, add), "--apply")[1]["applied"]["written"] == []
    assert content(openapi) == before


def planned(openapi: Path) -> Any:
    inputs = pipeline.Inputs(spec=openapi / "realtime.yaml", openapi=openapi, vendored=True)
    return pipeline.prepare(inputs, lambda step, what: None).plan


def test_a_document_that_cannot_be_generated_is_not_applied(
    run: Any, openapi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_(document: dict[str, Any]) -> None:
        document["paths"]["/realtime/new/{id}"] = {"post": {"operationId": "x", "responses": {"abc": {}}}}

    before = content(openapi)
    document = changed(tmp_path, break_)
    assert sync.main([str(document), "--openapi", str(openapi), "--apply"]) == 3
    assert "Nothing was changed." in capsys.readouterr().err
    assert content(openapi) == before


def test_a_bug_has_its_own_exit_status(
    openapi: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(openapi)

    def fail(*_: object) -> None:
        raise KeyError("x-pointer")

    monkeypatch.setattr(apply, "_reviewed", fail)
    assert sync.main([str(FEBRUARY), "--openapi", str(openapi), "--apply"]) == 3
    assert "because of a bug" in capsys.readouterr().err
    assert content(openapi) == before


@pytest.mark.parametrize("fails", [1, 2])
def test_files_are_replaced_all_or_none(openapi: Path, monkeypatch: pytest.MonkeyPatch, fails: int) -> None:
    before = content(openapi)
    left = iter(range(1, 9))
    real = os.rename

    def rename(one: Path, other: Path) -> None:
        if next(left) == fails:
            raise OSError("no space")
        real(one, other)

    monkeypatch.setattr(os, "rename", rename)
    assert sync.main([str(FEBRUARY), "--openapi", str(openapi), "--apply"]) == 3
    assert content(openapi) == before
    assert [path.name for path in openapi.parent.iterdir()] == [openapi.name]


def test_a_run_killed_between_renames_is_undone(run: Any, openapi: Path) -> None:
    before = content(openapi)
    openapi.rename(openapi.with_name(".openapi.old-999999999"))
    (openapi.with_name(".openapi.new-999999999-x")).mkdir()
    assert run(JANUARY)[0] == 0
    assert content(openapi) == before
    assert [path.name for path in openapi.parent.iterdir()] == [openapi.name]


def test_a_package_that_fails_to_format_or_import_is_not_applied(
    openapi: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(folder: Path) -> int:
        raise SpecError("a generated module does not import")

    before = content(openapi)
    monkeypatch.setattr(output, "import_all", refuse)
    assert sync.main([str(FEBRUARY), "--openapi", str(openapi), "--apply"]) == 3
    assert "does not import" in capsys.readouterr().err
    assert content(openapi) == before


def test_two_patches_on_one_part_are_commented_out_separately(
    run: Any, openapi: Path, tmp_path: Path
) -> None:
    pointer = f"{S}RealtimeSession/properties/instructions"
    one = '\n[[patch]]\npointer = "{}"\nop = "merge"\nvalue = {{ {} }}\nreason = "r"\nlink = "https://x"\n'
    path = openapi / "patches.toml"
    path.write_text(
        path.read_text() + "".join(one.format(pointer, v) for v in ("minLength = 3", "maxLength = 9"))
    )

    def limit(document: dict[str, Any]) -> None:
        document["components"]["schemas"]["RealtimeSession"]["properties"]["instructions"]["maxLength"] = 9

    assert run(changed(tmp_path, limit), "--apply")[1]["applied"]["patches"] == [pointer]
    assert [patch.value for patch in patches.read(path) if patch.pointer == pointer] == [{"minLength": 3}]


def test_the_commit_is_derived_from_history_or_name(run: Any, openapi: Path, tmp_path: Path) -> None:
    folder = tmp_path / "upstream"
    folder.mkdir()
    document = changed(folder, lambda document: document["info"].update(version="2.3.1"), "openapi.yaml")
    git = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x", "--date", "2026-03-04T12:00:00Z"]):
        subprocess.run(
            [*git, *words], check=True, env={**os.environ, "GIT_COMMITTER_DATE": "2026-03-04T12:00:00Z"}
        )
    head = subprocess.run(
        [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    run(document, "--apply")
    origin = source.read(openapi / "SOURCE.toml")
    assert (origin.commit, origin.date) == (head, "2026-03-04")
    named = document.rename(tmp_path / f"openapi-2026-03-05-{'0a' * 20}.yaml")
    named.write_text(named.read_text() + "\n")
    run(named, "--apply")
    assert source.read(openapi / "SOURCE.toml").commit == "0a" * 20


def test_a_union_matched_by_shape_needs_a_review(run: Any, openapi: Path, tmp_path: Path) -> None:
    def member(name: str) -> dict[str, Any]:
        return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}

    def add(document: dict[str, Any]) -> None:
        either = {"anyOf": [member("a"), member("b")]}
        document["components"]["schemas"]["RealtimeSession"]["properties"]["fresh"] = either

    pointer = f"{S}RealtimeSession/properties/fresh"
    before = patches.read(openapi / "patches.toml")
    assert run(changed(tmp_path, add), "--apply")[1]["applied"]["reviews"] == [pointer]
    now = patches.read(openapi / "patches.toml")
    assert now[: len(before)] == before and [(p.op, p.pointer) for p in now[len(before) :]] == [
        ("by_shape", pointer)
    ]
    assert now[-1].provisional and planned(openapi).guesses == ["RealtimeSessionFresh"]
    assert run(changed(tmp_path, add), "--apply")[1]["applied"]["written"] == []
    assert run(JANUARY, "--apply")[1]["applied"]["patches"] == [pointer]
    assert patches.read(openapi / "patches.toml") == before


def two_lists(document: dict[str, Any]) -> None:
    """A union of two lists of untagged objects, inline and named, which only a provisional review allows."""

    def of(key: str) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "object", "properties": {key: {"type": "string"}}}}

    schemas = document["components"]["schemas"]
    schemas |= {"RealtimeListA": of("c"), "RealtimeListB": of("d")}
    references = [{"$ref": f"#/components/schemas/RealtimeList{one}"} for one in "AB"]
    schemas["RealtimeSession"]["properties"] |= {
        "found": {"anyOf": [of("a"), of("b")]},
        "named": {"anyOf": references},
    }


def test_the_version_follows_the_public_names(run: Any, openapi: Path, tmp_path: Path) -> None:
    """A second value of a constant is compatible on the wire, but the constructor's default is gone."""

    def another(document: dict[str, Any]) -> None:
        kind = document["components"]["schemas"]["RealtimeSession"]["properties"]["type"]
        kind["enum"] = ["realtime", "other"]

    document = changed(tmp_path, another)
    before = source.read(openapi / "SOURCE.toml").version
    assert run(document)[1]["bump"] == "minor"
    report = run(document, "--apply")[1]
    assert report["bump"] == report["applied"]["bump"] == "major"
    rows = {(row["name"], row["change"]) for row in report["applied"]["surface"] if row["breaking"]}
    assert ("models.RealtimeSession.type", "default 'realtime' became (required)") in rows
    version = source.read(openapi / "SOURCE.toml").version
    assert version == report["version"]["to"] == next_minor(before)


def next_minor(version: str) -> str:
    major, minor, _ = map(int, version.split("."))
    return f"{major}.{minor + 1}.0" if not major else f"{major + 1}.0.0"


@pytest.mark.usefixtures("real_package")
def test_a_class_that_only_got_another_name_stays_as_a_deprecated_alias(
    run: Any, openapi: Path, tmp_path: Path
) -> None:
    def component(document: dict[str, Any]) -> None:
        schemas = document["components"]["schemas"]
        inner = {"type": "object", "properties": {"only_here": {"type": "string"}}}
        schemas["RealtimeSession"]["properties"]["inner"] = inner

    def named(document: dict[str, Any]) -> None:
        component(document)
        schemas = document["components"]["schemas"]
        schemas["RealtimeInner"] = schemas["RealtimeSession"]["properties"]["inner"]
        schemas["RealtimeSession"]["properties"]["inner"] = {"$ref": "#/components/schemas/RealtimeInner"}

    run(changed(tmp_path, component, "a-2026-03-01.yaml"), "--apply")
    report = run(changed(tmp_path, named, "b-2026-04-01.yaml"), "--apply")[1]
    assert report["applied"]["renamed"] == {"RealtimeSessionInner": "RealtimeInner"}
    assert report["bump"] == "minor"
    assert names.read_renamed(openapi / names.RENAMED) == {"RealtimeSessionInner": "RealtimeInner"}
    out = tmp_path / "package"
    inputs = pipeline.Inputs(spec=openapi / "realtime.yaml", openapi=openapi, vendored=True)
    out.mkdir()
    pipeline.make(inputs, out, lambda step, what: None)
    load(out / "realtime_api", "renamed_package")
    models, params = (importlib.import_module(f"renamed_package.{name}") for name in ("models", "params"))
    try:
        with pytest.warns(DeprecationWarning, match=r"SessionInner(Param)? is now RealtimeInner") as caught:
            assert models.RealtimeSessionInner is models.RealtimeInner
            assert params.RealtimeSessionInnerParam is params.RealtimeInnerParam
        assert [one.filename for one in caught] == [__file__] * 2
    finally:
        forget("renamed_package")


def no_operations(document: dict[str, Any]) -> None:
    document["paths"] = {path: item for path, item in document["paths"].items() if path == "/chat"}


def no_unions(document: dict[str, Any]) -> None:
    for name in ("RealtimeServerEvent", "RealtimeClientEvent"):
        del document["components"]["schemas"][name]


def inline_members(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    del schemas["RealtimeServerEvent"]["discriminator"]
    schemas["RealtimeServerEvent"]["anyOf"] = [
        schemas.pop("RealtimeServerEventCreated"),
        schemas.pop("RealtimeServerEventGone"),
    ]


def one_type_for_two_events(document: dict[str, Any]) -> None:
    """They are only distinguished by shape; the event table contains neither."""
    schemas = document["components"]["schemas"]
    schemas["RealtimeServerEventGone"]["properties"]["type"]["enum"] = ["session.created"]
    del schemas["RealtimeServerEvent"]["discriminator"]


def required_and_not_described(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["RealtimeSession"]["required"] = ["type", "nowhere"]


def one_title_for_all(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        schema["title"] = "Thing"


def mapped_to_nowhere(document: dict[str, Any]) -> None:
    told = {"propertyName": "type", "mapping": {"gone": "Nowhere", "a": "#/components/schemas/RealtimeNote"}}
    document["components"]["schemas"]["RealtimeServerEvent"]["discriminator"] = told


def nothing_said(document: dict[str, Any]) -> None:
    properties = document["components"]["schemas"]["RealtimeSession"]["properties"]
    properties |= {"a": {}, "b": {"type": "object"}, "c": {"type": "array"}, "d": {"enum": ["x", None]}}
    properties |= {"e": {"type": "string", "default": None}, "f": {"nullable": True}, "g": {"type": "string"}}
    properties["g"]["description"] = None


REVISIONS = [
    *(pytest.param(change, id=change.__name__) for change in (inline_members, one_type_for_two_events)),
    *(
        pytest.param(change, id=change.__name__, marks=pytest.mark.weekly)
        for change in (
            no_operations,
            no_unions,
            two_lists,
            required_and_not_described,
            one_title_for_all,
            mapped_to_nowhere,
            nothing_said,
        )
    ),
]


@pytest.mark.usefixtures("real_package")
@pytest.mark.parametrize("change", REVISIONS)
def test_plausible_future_revisions_are_applied(
    run: Any, openapi: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    """A package is generated from it before it is written; the second run changes nothing."""
    document = changed(tmp_path, change)
    assert run(document, "--apply")[0] == 0
    before = content(openapi)
    assert run(document, "--apply")[1]["applied"]["written"] == []
    assert content(openapi) == before and run(document)[1]["changes"] == []
    if change is one_type_for_two_events:
        assert not planned(openapi).events["SERVER_EVENTS"]
