"""The slice is configuration: nothing in the pipeline names this API; another one needs another file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import regen
from specpipe import pipeline, slice
from specpipe.errors import SpecError

from tests.support.paths import SAMPLES

SPECS = SAMPLES / "specs"
#: A path of an upstream document, for those who have one, and the paths to cut out of it.
UPSTREAM = os.environ.get("UPSTREAM_SPEC")

FILE = """
document = "x.yaml"
paths = ["{path}"]
schemas = "{schemas}"
webhooks = "NoWebhook"
events.LIBRARY_EVENTS = {{ union = "LibraryEvent", names = "LibraryEvent[A-Z]", sent = false }}

[package]
module = "other_api"
distribution = "other-api"
api = "the library's API"
page = "OtherApi"
authors = "Somebody"
urls = {{ Homepage = "https://example.com" }}
"""


def test_the_pipeline_does_not_refer_to_this_api() -> None:
    places = [pipeline.ROOT / "scripts" / "specpipe", pipeline.OPENAPI / "templates"]
    named = re.compile(r"realtime|open ?ai(?!\w)|webrtc|\bsip\b", re.IGNORECASE)
    files = [path for place in places for path in place.rglob("*") if path.suffix in (".py", ".jinja")]
    found = [
        f"{path.name}:{number}: {line}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if named.search(line)
    ]
    assert files and found == []


#: Unions of the upstream document's other parts that only the shape of members tells.
REVIEWED = [
    f"/paths/~1audio~1{what}/post/responses/200/content/application~1json/schema"
    for what in ("transcriptions", "translations")
]
REVIEW = """
[[patch]]
pointer = "{}"
op = "by_shape"
reason = "The members have different required properties."
link = "https://example.com"
"""


def generated(spec: Path, folder: Path, path: str, schemas: str, patches: str = "") -> Path:
    (folder / "slice.toml").write_text(FILE.format(path=path, schemas=schemas))
    out = folder / "out"
    more = ["--slice", folder / "slice.toml"]
    if patches:
        (folder / "patches.toml").write_text(patches)
        more += ["--patches", folder / "patches.toml"]
    assert regen.main([str(part) for part in ["--spec", spec, "--out", out, *more]]) == 0
    return out


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A package of a small library's description."""
    return generated(SPECS / "library.yaml", tmp_path, "/library", "Library")


def test_another_slice_gives_another_package(library: Path) -> None:
    assert {path.name for path in library.iterdir()} >= {"other_api", "docs", "pyproject.toml"}
    project = (library / "pyproject.toml").read_text()
    assert 'name = "other-api"' in project and '"Homepage" = "https://example.com"' in project
    assert "the library's API" in (library / "README.md").read_text()
    assert (library / "docs" / "OtherApi.md").is_file()
    files = (path for path in library.rglob("*") if path.is_file() and path.name != "LICENSE")
    text = "".join(path.read_text() for path in files)
    assert not re.search(r"realtime|openai\.com", text, re.IGNORECASE)


@pytest.mark.slow
def test_another_slice_type_checks_and_loses_nothing(library: Path) -> None:
    whole(library)


if UPSTREAM is not None:  # the upstream document is not part of the project

    @pytest.mark.slow
    def test_another_slice_of_the_upstream_document(tmp_path: Path) -> None:
        reviews = "".join(map(REVIEW.format, REVIEWED))
        whole(generated(Path(UPSTREAM).resolve(), tmp_path, "/audio", "NoSchema", reviews))


def whole(folder: Path) -> None:
    """Check the types of a package, and decode and encode a value for each choice of each of its schemas."""
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir=/dev/null", "other_api"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    done = subprocess.run(
        [sys.executable, "-c", _ROUND_TRIP, str(folder), str(pipeline.ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(done.stdout) > 0


_ROUND_TRIP = """
import importlib, sys
sys.path[:0] = sys.argv[1:3]
from hypothesis import HealthCheck, Phase, given, settings
from other_api import models, schemas
from other_api._base import Model, encode
from tests.generated.drawing import Drawn, endless, instances

count = 0
for name in models.__all__:
    value = getattr(models, name)
    module = importlib.import_module(models._MODULES[name], models.__name__)
    is_model = isinstance(value, type) and issubclass(value, Model)
    decode = value.from_dict if is_model else getattr(module, "decode_" + models._MODULES[name][1:], None)
    if decode is None or endless({"$ref": name}, schemas.get):
        continue

    @settings(max_examples=20, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(instances(name, Drawn(), get=schemas.get))
    def check(data):
        made = decode(data)
        assert decode(encode(made)) == made, (name, data)

    check()
    count += 1
print(count)
"""


def test_an_incomplete_slice_file(tmp_path: Path) -> None:
    path = tmp_path / "slice.toml"
    for text in ("", "x = [", FILE.format(path="/a", schemas="(")):
        path.write_text(text)
        with pytest.raises(SpecError, match=r"cannot read slice\.toml"):
            slice.read(path)
