"""Header, format, imports, lock and comparison of a package folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from specpipe import output, pipeline
from specpipe.errors import SpecError

pytestmark = pytest.mark.slow


def put(folder: Path, **texts: str) -> Path:
    """Write files; `__` in a name is a step into a folder, the suffix is .py."""
    for name, text in texts.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The smallest folder that `import_all` accepts."""
    folder = tmp_path / "made"
    own = folder / "realtime_api"
    put(own, api="", client="import json\n", models__thing="class Thing: ...\n")
    (own / "__init__.py").write_text("")
    lazy = "def __getattr__(name):\n    from .thing import Thing\n    return {'Thing': Thing}[name]\n"
    (own / "models" / "__init__.py").write_text(f"__all__ = ['Thing']\n{lazy}")
    put(
        own, events="from . import models\n__all__ = ['SERVER_EVENTS']\nSERVER_EVENTS = {'a': models.Thing}\n"
    )
    return folder


# --- files and compare


def test_caches_are_ignored(package: Path) -> None:
    before = output.files(package)
    assert "realtime_api/models/thing.py" in before and before["realtime_api/client.py"] == b"import json\n"
    for name in ("dist", "build", ".ruff_cache", ".mypy_cache"):
        put(package / name, junk="")
    (package / "realtime_api" / "__pycache__").mkdir()
    (package / "realtime_api" / "__pycache__" / "left.pyc").write_bytes(b"")
    assert output.files(package) == before
    unseen = ("dist", "build", "__pycache__", "models/.mypy_cache")
    for name in unseen:
        put(package / "realtime_api" / name, evil="")
    (package / "realtime_api" / "left.pyc").write_bytes(b"")
    found = {name for name in output.files(package) if name not in before}
    assert found == {f"realtime_api/{name}/evil.py" for name in unseen} | {"realtime_api/left.pyc"}
    for name in found:
        (package / name).unlink()
    shutil.rmtree(package / "build")
    (package / "build").write_text("a file of that name is no cache")
    assert set(output.files(package)) - set(before) == {"build"}


def test_a_missing_folder_has_no_files(tmp_path: Path) -> None:
    assert output.files(tmp_path / "none") == {}


def test_compare_lists_missing_extra_and_different_files(tmp_path: Path) -> None:
    made = put(tmp_path / "made", same="1", b="1", a="1")
    there = put(tmp_path / "there", same="1", b="2", c__d="1")
    assert output.compare(made, there) == ["missing  a.py", "differs  b.py", "extra    c/d.py"]
    assert output.compare(made, made) == []
    assert output.compare(made, tmp_path / "none") == ["missing  a.py", "missing  b.py", "missing  same.py"]


# --- head and tidy


def test_only_python_files_get_the_header(package: Path) -> None:
    (package / "realtime_api" / "schemas.json").write_text("{}")
    put(package / "realtime_api", client="\n\nimport json\n")
    output.add_headers(package / "realtime_api")
    texts = {name: text.decode() for name, text in output.files(package).items()}
    assert texts.pop("realtime_api/schemas.json") == "{}"
    assert texts["realtime_api/client.py"] == output.HEADER + "import json\n"
    assert len(texts) == 6 and all(text.startswith(output.HEADER) for text in texts.values())
    assert "make regen" in output.HEADER and output.HEADER.startswith("# ") and output.HEADER.endswith("\n")


def test_the_generated_package_has_the_header_on_every_file() -> None:
    modules = list((pipeline.ROOT / "generated" / "realtime_api").rglob("*.py"))
    assert len(modules) > 100
    assert [
        path.name for path in modules if not path.read_text(encoding="utf-8").startswith(output.HEADER)
    ] == []


def test_format_package_removes_unused_imports_and_formats(tmp_path: Path) -> None:
    put(tmp_path, a="import sys\nimport re\nimport os\nx = {  'a':os.sep,\n 'b' : re.I }\n")
    output.format_package(tmp_path)
    assert (tmp_path / "a.py").read_text() == 'import os\nimport re\n\nx = {"a": os.sep, "b": re.I}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["a.py"], "the formatter leaves no cache"


@pytest.mark.parametrize("source", ["def broken(:\n", "print(undefined_name)\n"])
def test_invalid_python_is_an_error(tmp_path: Path, source: str) -> None:
    put(tmp_path, bad=source)
    with pytest.raises(SpecError, match=r"(?s)formatter rejects.*bad\.py") as caught:
        output.format_package(tmp_path)
    assert "template" in caught.value.hint


def test_examples_are_formatted() -> None:
    assert output.format_source("f( a=1,b = [ ])") == "f(a=1, b=[])\n"
    with pytest.raises(SpecError, match="rejects an example"):
        output.format_source("f(")


# --- imports


def test_every_module_is_imported_and_counted(package: Path) -> None:
    put(package / "realtime_api", client="import httpx\n")
    assert output.import_all(package) == 5
    assert not list(package.rglob("__pycache__"))


if Path("/proc/self/exe").exists():

    def test_an_interpreter_in_an_inaccessible_folder_is_run(
        package: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "access", lambda *_: False)
        run = subprocess.run
        ran: list[Any] = []
        monkeypatch.setattr(subprocess, "run", lambda *a, **k: ran.append(k["executable"]) or run(*a, **k))
        assert output.import_all(package) == 5
        assert ran == ["/proc/self/exe"]


@pytest.mark.parametrize(
    ("module", "text", "told"),
    [
        ("client", "import no_such_module\n", "No module named 'no_such_module'"),
        ("models__thing", "class Other: ...\n", "cannot import name 'Thing'"),
        ("models__unused", "raise RuntimeError('at import')\n", "at import"),
        ("events", "__all__ = ['TABLE']\n", "TABLE"),
        ("warns", "import warnings\nwarnings.warn('old', DeprecationWarning)\n", "DeprecationWarning: old"),
    ],
)
def test_a_module_that_fails_to_import_is_named(package: Path, module: str, text: str, told: str) -> None:
    put(package / "realtime_api", **{module: text})
    with pytest.raises(SpecError, match="a generated module does not import") as caught:
        output.import_all(package)
    assert told in caught.value.message and "transform or template" in caught.value.hint
    if module != "events":
        assert module.rpartition("__")[2] + ".py" in caught.value.message


def test_a_missing_model_is_named(package: Path) -> None:
    init = package / "realtime_api" / "models" / "__init__.py"
    init.write_text(init.read_text().replace("['Thing']", "['Thing', 'Gone']"))
    with pytest.raises(SpecError, match="KeyError: 'Gone'"):
        output.import_all(package)


def test_generated_modules_cannot_import_the_project(package: Path) -> None:
    """The package is isolated from this process's import path."""
    put(package / "realtime_api", client="import specpipe\n")
    with pytest.raises(SpecError, match="No module named 'specpipe'"):
        output.import_all(package)


# --- lock and digests

ORIGIN = {"version": "2.3.0", "source": 'a "quoted" one', "spec_sha256": "0" * 64}


def locked(folder: Path, **changes: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"origin": ORIGIN, "normalised": "{}", "patches": ["/a~1b", "/c"], **changes}
    output.lock(folder, **options)
    text = (folder / "generated.lock").read_text()
    assert text.startswith(output.HEADER) and text.endswith("]\n")
    return tomllib.loads(text)


def test_the_lock_lists_inputs_and_tools(package: Path) -> None:
    said = locked(package)
    assert {key: said[key] for key in ORIGIN} == ORIGIN
    assert said["normalised_sha256"] == output.sha256(b"{}")
    assert said["tree_sha256"] == output.tree_sha256(package)
    assert said["tools"] == {name: version(name) for name in ("openapi-python-client", "ruff")}
    assert said["patches"]["applied"] == ["/a~1b", "/c"]
    assert locked(package) == said, "the lock itself is no part of what it locks"


def test_the_lock_changes_with_every_input(package: Path) -> None:
    first = locked(package)
    assert locked(package, normalised="{ }")["normalised_sha256"] != first["normalised_sha256"]
    assert locked(package, patches=["/c"])["patches"] != first["patches"]
    assert locked(package, origin={**ORIGIN, "version": "2"})["version"] == "2"
    put(package, more="")
    assert locked(package)["tree_sha256"] != first["tree_sha256"]


def test_the_committed_lock_is_complete() -> None:
    said = tomllib.loads((pipeline.ROOT / "generated" / "generated.lock").read_text())
    source = tomllib.loads((pipeline.OPENAPI / "SOURCE.toml").read_text())
    described = (pipeline.OPENAPI / "realtime.yaml").read_bytes()
    assert said["spec_sha256"] == output.sha256(described) and said["source_sha256"] == source["sha256"]
    assert said["tree_sha256"] == output.tree_sha256(pipeline.ROOT / "generated")
    assert len(said["inputs_sha256"]) == len(said["normalised_sha256"]) == 64


@pytest.mark.parametrize("change", ["edit", "add", "rename"])
def test_all_inputs_have_one_digest(tmp_path: Path, change: str) -> None:
    """Covers patches, names, configuration and templates; the API description has its own digest."""
    folder = put(tmp_path / "openapi", templates__model="1", names="2")
    (folder / "realtime.yaml").write_text("a")
    before = pipeline._inputs_sha256(folder)
    (folder / "realtime.yaml").write_text("b")
    assert pipeline._inputs_sha256(folder) == before
    if change == "edit":
        put(folder, templates__model="3")
    elif change == "add":
        put(folder, templates__new="")
    else:
        (folder / "names.py").rename(folder / "other.py")
    assert pipeline._inputs_sha256(folder) != before


def test_a_tree_digest_covers_names_and_contents(tmp_path: Path) -> None:
    trees = [
        {"a": "1", "b": "2"},
        {"a": "2", "b": "1"},
        {"a": "1", "c": "2"},
        {"a": "1", "sub__b": "2"},
        {"a": "12", "b": ""},
        {"a": "1"},
        {},
    ]
    digests = [output.tree_sha256(put(tmp_path / str(n), **tree)) for n, tree in enumerate(trees)]
    assert len(set(digests)) == len(trees)
    put(tmp_path / "again", b="2")
    assert output.tree_sha256(put(tmp_path / "again", a="1")) == digests[0], "whatever the order on disk"
    put(tmp_path / "again", __pycache____x="cache")
    (tmp_path / "again" / "generated.lock").write_text("x")
    assert output.tree_sha256(tmp_path / "again") == digests[0]
