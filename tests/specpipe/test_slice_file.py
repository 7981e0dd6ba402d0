"""The slice is configuration: nothing in the pipeline names this API; another one needs another file."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import regen
from specpipe import pipeline, slice
from specpipe.errors import SpecError

from tests.specpipe.packages import forget, load
from tests.support.loopback import Loopback, answer
from tests.support.paths import SAMPLES
from tests.support.type_check import check_types

pytestmark = pytest.mark.slow

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


def test_another_slice_type_checks_and_loses_nothing(library: Path) -> None:
    whole(library)


if UPSTREAM is not None:  # the upstream document is not part of the project

    def test_another_slice_of_the_upstream_document(tmp_path: Path) -> None:
        reviews = "".join(map(REVIEW.format, REVIEWED))
        whole(generated(Path(UPSTREAM).resolve(), tmp_path, "/audio", "NoSchema", reviews))


OPERATIONS = {"pets": 11, "forge": 47, "chat": 31}


def foreign(name: str, folder: Path) -> Path:
    """A package of a whole description: in OpenAPI 3.0, or in 3.1 with an untagged union."""
    patches = SPECS / "foreign" / f"{name}-patches.toml"
    text = patches.read_text(encoding="utf-8") if patches.is_file() else ""
    return generated(SPECS / "foreign" / f"{name}.yaml", folder, "/", ".*", text)


@contextmanager
def imported(folder: Path, name: str) -> Iterator[Callable[[str], Any]]:
    """Import a package, and return its modules by name."""
    load(folder / "other_api", name)
    try:
        yield lambda module: importlib.import_module(f"{name}.{module}")
    finally:
        forget(name)


@pytest.mark.parametrize(
    "name", ["pets", *(pytest.param(name, marks=pytest.mark.weekly) for name in ("forge", "chat"))]
)
def test_another_description_type_checks_and_loses_nothing(name: str, tmp_path: Path) -> None:
    package = foreign(name, tmp_path)
    modules = [path for path in (package / "other_api" / "api").rglob("*.py") if path.name != "__init__.py"]
    assert len(modules) == OPERATIONS[name]
    whole(package)


def test_operations_of_a_shop(tmp_path: Path) -> None:
    pet = {"name": "Rex", "photoUrls": ["a", "b"], "category": {"name": "dogs"}, "status": "lost"}
    as_json, as_xml = ({"content_type": f"application/{kind}"} for kind in ("json", "xml"))
    with (
        imported(foreign("pets", tmp_path), "pets_api") as module,
        Loopback(
            answer(200, json.dumps(pet).encode(), **as_json),
            answer(200, b"<pet/>", **as_xml),
            answer(200, json.dumps([pet]).encode(), **as_json),
            answer(405),
        ) as server,
        module("client").Client(base_url=server.base_url) as client,
    ):
        models = module("models")
        body = models.Pet(name="Rex", photoUrls=["a", "b"])
        made = module("api.pet.add_pet").sync(client=client, body=body)
        assert isinstance(made.category, models.Category) and made.status == "lost"
        assert module("api.pet.get_pet").sync(7, client=client) == b"<pet/>"
        assert module("api.pet.find_pets").sync(client=client, status=["sold", "pending"]) == [made]
        form = "application/x-www-form-urlencoded"
        replaced = module("api.pet.replace_pet").sync_detailed(client=client, body=body, content_type=form)
        assert replaced.status_code == 405
    added, got, found, put = server.requests
    assert json.loads(added.body) == {"name": "Rex", "photoUrls": ["a", "b"]}
    assert (got.target, found.target) == ("/v1/pet/7", "/v1/pet/findByStatus?status=sold&status=pending")
    assert (put.header("content-type"), put.body) == (form, b"name=Rex&photoUrls=a&photoUrls=b")


def test_operations_of_a_forge(tmp_path: Path) -> None:
    organisation = {"kind": "organisation", "name": "Tools"}
    issue = {
        "number": 7,
        "title": "Broken",
        "state": "open",
        "author": organisation,
        "labels": [{"name": "bug"}],
    }
    entries = [
        {"event": "unlabeled", "at": "2026-01-01T00:00:00Z", "label": {"name": "bug"}},
        {"event": "referenced", "at": "2026-01-01T00:00:00Z", "source": {"type": "commit", "sha": "0a"}},
        {"event": "pinned", "at": "2026-01-01T00:00:00Z"},
    ]
    problem = {"title": "Too large", "status": 413}
    with (
        imported(foreign("forge", tmp_path), "forge_api") as module,
        Loopback(
            answer(201, json.dumps(issue).encode(), content_type="application/json"),
            answer(200, json.dumps(entries).encode(), content_type="application/json"),
            answer(413, json.dumps(problem).encode(), content_type="application/problem+json"),
        ) as server,
        module("client").AuthenticatedClient(base_url=server.base_url, token="secret") as client,
    ):
        models = module("models")
        labels = ["bug", models.Label(name="late", description=None)]
        body = models.NewIssue(title="Broken", labels=labels, fields={"points": 3})
        made = module("api.issues.issues_create").sync("ada", "tools", client=client, body=body)
        assert isinstance(made, models.Issue) and isinstance(made.author, models.Organisation)
        timeline = module("api.issues.issues_timeline")
        found = timeline.sync("ada", "tools", 7, client=client, kinds=["renamed", "closed"])
        assert [type(entry).__name__ for entry in found] == ["LabeledEntry", "ReferencedEntry", "dict"]
        assert isinstance(found[1].source, models.CommitSource)
        attach = module("api.issues.issues_attach")
        about = models.Author(name="Ada", email="ada@example.com")
        files = attach.sync_detailed(
            "ada", "tools", 7, client=client, body={"files": [("a.txt", b"1"), b"2"], "about": about}
        )
        assert files.status_code == 413 and files.parsed == models.Problem.from_dict(problem)
    created, listed, attached = server.requests
    assert (created.method, created.target) == ("POST", "/v1/repositories/ada/tools/issues")
    assert created.header("authorization") == "Bearer secret"
    sent = {
        "title": "Broken",
        "labels": ["bug", {"name": "late", "description": None}],
        "fields": {"points": 3},
    }
    assert json.loads(created.body) == sent
    assert listed.target == "/v1/repositories/ada/tools/issues/7/timeline?kinds=renamed%7Cclosed"
    assert (
        attached.body.count(b'name="files"') == 2
        and b'{"name":"Ada","email":"ada@example.com"}' in attached.body
    )


def test_operations_of_language_models(tmp_path: Path) -> None:
    pages = [{"data": [{"id": "f1", "bytes": 1, "purpose": "new"}], "has_more": True, "last_id": "f1"}]
    pages.append({"data": [], "has_more": False, "last_id": None})
    stream = b'data: {"type":"message.delta","delta":"Hi"}\n\ndata: {"type":"new"}\n\ndata: [DONE]\n\n'
    timed = {"text": "Hi", "words": [{"word": "Hi", "start": 0, "end": 0.5}]}
    as_json = {"content_type": "application/json"}
    with (
        imported(foreign("chat", tmp_path), "chat_api") as module,
        Loopback(
            answer(200, stream, content_type="text/event-stream"),
            *(answer(200, json.dumps(page).encode(), **as_json) for page in pages),
            answer(200, json.dumps(timed).encode(), **as_json),
            answer(200, b'{"text": "Hi"}', **as_json),
            answer(200, b"{}", **as_json),
        ) as server,
        module("client").AuthenticatedClient(base_url=server.base_url, token="secret") as client,
    ):
        models = module("models")
        parts = [models.TextPart(text="Hello"), models.ImagePart(image_url="https://example.com/a.png")]
        body = models.ChatRequest(model="small", messages=[models.UserMessage(content=parts)], stream=True)
        events = list(module("api.chat.chat").stream(client=client, body=body, idempotency_key="k"))
        assert events == [models.DeltaEvent(delta="Hi"), {"type": "new"}]
        listed = module("api.files.list_files")
        page = listed.sync(client=client, limit=1)
        assert [file.purpose for file in page.data] == ["new"] and page.has_more
        assert not listed.sync(client=client, after=page.last_id).has_more
        transcribe = module("api.audio.transcribe")
        options = models.TranscriptRequestOptions.from_dict({"vad": "auto"})
        spoken = models.TranscriptRequest(file=("a.wav", b"RIFF"), model="ears", options=options)
        results = [transcribe.sync(client=client, body=spoken) for _ in range(2)]
        assert [type(result) for result in results] == [models.TimedTranscript, models.Transcript]
        usage = module("api.account.usage")
        asked = {"start": "2026-01-01", "group_by": ["model", "day"], "filter": {"model": "small"}}
        assert usage.sync(client=client, session="s", **asked) == {}
    chatted, _, second, heard, _, counted = server.requests
    assert json.loads(chatted.body)["messages"][0]["content"][0] == {"type": "text", "text": "Hello"}
    assert chatted.header("idempotency-key") == "k" and second.target == "/v1/v2/files?after=f1"
    assert b"Content-Type: audio/wav" in heard.body and b'{"vad":"auto"}' in heard.body
    query = "start=2026-01-01&group_by=model%20day&filter=%7B%22model%22%3A%22small%22%7D"
    assert counted.target == f"/v1/v2/usage?{query}" and counted.header("cookie") == "session=s"


def whole(folder: Path) -> None:
    """Check the types of a package, and decode and encode a value for each choice of each of its schemas."""
    printed = check_types(folder, "other_api", other=True)
    assert "no issues found" in printed, printed[-4000:]
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
