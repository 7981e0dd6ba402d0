"""The command: deterministic output, no writes by --check, no changes after an error."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import regen
import yaml
from specpipe import output, pipeline

from tests.support.paths import ROOT, SAMPLES

pytestmark = pytest.mark.slow

SPEC = SAMPLES / "specs" / "traps.yaml"


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "package"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "import_all", lambda folder: 1)
        assert regen.main(["--spec", str(SPEC), "--out", str(out)]) == 0
    return out


@pytest.fixture
def made(made_once: Path, tmp_path: Path) -> Path:
    """A package of the sample description, to be changed at will."""
    return Path(shutil.copytree(made_once, tmp_path / "package"))


@pytest.fixture
def unimported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip importing generated modules, for tests of files only."""
    monkeypatch.setattr(output, "import_all", lambda folder: 1)


@pytest.fixture
def copied(made_once: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy the package of the sample description in place of making it again, for tests of comparisons."""
    make = pipeline.make

    def copy(inputs: pipeline.Inputs, out: Path, say: pipeline.Say) -> None:
        if inputs.spec == SPEC:
            shutil.copytree(made_once, out, dirs_exist_ok=True)
        else:
            make(inputs, out, say)

    monkeypatch.setattr(pipeline, "make", copy)


@pytest.mark.programs
def test_two_runs_give_the_same_bytes(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert regen.main(["--spec", str(SPEC), "--out", str(tmp_path / "again")]) == 0
    assert output.files(made) == output.files(tmp_path / "again") != {}
    said = capsys.readouterr()
    assert said.err == "" and "warning" not in said.out.lower()
    for step in ("load", "slice", "patches", "transforms", "names", "generate", "output"):
        assert step in said.out
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.programs
@pytest.mark.usefixtures("unimported")
def test_check_needs_no_permission_to_write(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is generated elsewhere, so this also holds for root."""
    there = {path.name for path in made.parent.iterdir()}
    beside: set[str] = set()
    real = pipeline.make

    def make(inputs: pipeline.Inputs, out: Path, say: pipeline.Say) -> None:
        beside.update({path.name for path in made.parent.iterdir()} - there)
        assert made.parent not in out.parents
        real(inputs, out, say)

    monkeypatch.setattr(pipeline, "make", make)
    assert regen.main(["--spec", str(SPEC), "--out", str(made), "--check"]) == 0
    assert beside == set()


def test_leftovers_of_an_interrupted_run_are_cleaned_up(made: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    new = made.with_name(f".{made.name}.new-{gone.pid}-abc")
    alive = made.with_name(f".{made.name}.new-{os.getpid()}-abc")
    other = made.with_name(".other.new-1-abc")
    old = made.with_name(f".{made.name}.old-{gone.pid}")
    for folder in (new, alive, other):
        folder.mkdir()
    before = output.files(made)
    made.rename(old)
    output.clean_up(made)
    assert output.files(made) == before and alive.is_dir() and other.is_dir()
    assert not new.exists() and not old.exists()


@pytest.mark.usefixtures("copied")
def test_check_finds_every_difference_and_writes_nothing(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (made / "realtime_api" / "types.py").unlink()
    changed = ("realtime_api/client.py", "realtime_api/extra.py", "docs/RealtimeApi.md", "generated.lock")
    for name in changed:
        path = made / name
        path.write_text((path.read_text() if path.exists() else "") + "# changed\n")
    before = output.files(made)
    assert regen.main(["--spec", str(SPEC), "--out", str(made), "--check"]) == 1
    said = capsys.readouterr().err
    assert [name for name in (*changed, "realtime_api/types.py") if name not in said] == []
    assert output.files(made) == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("openapi: 3.1.0\npaths: {}\n", ("slice", "/paths")),
        ("- no document", ("load", "OpenAPI 3")),
        ("openapi: 3.1.0\ninfo: []\n", ("load", "/info")),
        ("openapi: '3.1'\npaths: {\n", ("load", "YAML")),
    ],
)
def test_an_error_has_step_and_pointer_and_keeps_the_old_folder(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: tuple[str, str]
) -> None:
    before = output.files(made)
    bad = tmp_path / "bad.yaml"
    bad.write_text(text)
    assert regen.main(["--spec", str(bad), "--out", str(made)]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in told) and "is unchanged" in said
    assert output.files(made) == before


def test_a_failed_replacement_restores_the_old_folder(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = tmp_path / "fresh"
    shutil.copytree(made, fresh)
    before = output.files(made)
    renamed = os.rename

    def rename(source: Path, target: Path) -> None:
        if Path(source) == fresh:
            raise OSError("no space")
        renamed(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(OSError, match="no space"):
        output.replace(fresh, made)
    assert output.files(made) == before


def test_a_foreign_folder_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    assert regen.main(["--spec", str(SPEC), "--out", str(tmp_path / "mine")]) == 2
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "do not touch"
    assert capsys.readouterr().err.startswith(
        f"regen failed: {tmp_path / 'mine'} exists and was not generated"
    )


@pytest.mark.usefixtures("copied")
def test_check_names_the_folder_and_truncates_the_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert regen.main(["--spec", str(SPEC), "--out", str(tmp_path / "none"), "--check"]) == 1
    said = capsys.readouterr().err
    rows = [line for line in said.splitlines() if line.startswith("  missing  ")]
    assert said.startswith("none/ is out of date") and len(rows) == 40
    assert re.search(r"^  … and \d+ more$", said, re.MULTILINE)
    assert not (tmp_path / "none").exists()
    assert regen.main(["--spec", str(tmp_path / "no.yaml"), "--out", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.endswith("Nothing was written.\n")


@pytest.mark.usefixtures("copied")
def test_the_default_output_is_the_project_s_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert regen.main(["--spec", str(SPEC), "--check"]) == 1
    assert "generated/ is out of date" in capsys.readouterr().err


HOSTILE = "a\x9b2J\u061c\u200e\u200f\u2028\u2029\u202e\x7f\x1b[2J"


@pytest.mark.parametrize("change", [{"properties": {HOSTILE: {"$ref": "x"}}}, {"$ref": HOSTILE}])
def test_words_of_a_document_are_printed_without_active_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object]
) -> None:
    document = yaml.safe_load(SPEC.read_text())
    document["components"]["schemas"]["RealtimeFirst"] |= change
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(document))
    assert regen.main(["--spec", str(bad), "--out", str(tmp_path / "out")]) == 2
    shown = capsys.readouterr()
    assert_inert(shown)
    assert "[2J" in shown.err


def test_an_error_of_the_program_is_printed_without_active_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise LookupError(HOSTILE)

    monkeypatch.setattr("specpipe.pipeline.make", fails)
    assert regen.main(["--out", str(tmp_path / "out")]) == 2
    shown = capsys.readouterr()
    assert_inert(shown)
    assert "Traceback" in shown.err and shown.err.endswith("regen failed because of a bug.\n")


def assert_inert(shown: pytest.CaptureResult[str]) -> None:
    assert not set(HOSTILE) - set("a[2J") & set(shown.out + shown.err)


@pytest.mark.parametrize("program", ["regen.py", "sync.py"])
def test_all_output_is_written_by_one_function(program: str) -> None:
    assert "print(" not in (ROOT / "scripts" / program).read_text().replace("console.print(", "")
