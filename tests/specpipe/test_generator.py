"""The grips on the generator's inside: its version, and that it neither warns nor leaves anything out."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs
import pytest
from openapi_python_client import Project
from openapi_python_client.parser import GeneratorData
from openapi_python_client.parser.errors import ErrorLevel, GeneratorError, ParseError
from openapi_python_client.schema.untrusted_string import UntrustedString
from specpipe import generator, pipeline, plan, view
from specpipe.errors import SpecError
from specpipe.slice import Slice

from tests.specpipe.cases import document, ref

pytestmark = pytest.mark.slow

CONFIG = pipeline.OPENAPI / "generator.yaml"
TEXT = {"type": "string"}


def described() -> Slice:
    """Two operations, and models with names that the generator would change."""
    answer = {"200": {"description": "", "content": {"application/json": {"schema": ref("RealtimeThing")}}}}
    sent = {"content": {"application/json": {"schema": ref("RealtimeTHING2FA")}}}
    return Slice(
        document=document(
            {
                "RealtimeThing": {
                    "type": "object",
                    "properties": {"a": TEXT, "other": ref("RealtimeTHING2FA")},
                },
                "RealtimeTHING2FA": {"type": "object", "properties": {"class": TEXT}},
                "Word": {"enum": ["a", "b"]},
            },
            {
                "/realtime/{id}": {
                    "get": {
                        "operationId": "read",
                        "tags": ["Realtime"],
                        "parameters": [{"in": "path", "name": "id", "required": True, "schema": TEXT}],
                        "responses": answer,
                    },
                    "post": {
                        "operationId": "write",
                        "tags": ["Realtime"],
                        "parameters": [{"in": "path", "name": "id", "required": True, "schema": TEXT}],
                        "requestBody": sent,
                        "responses": answer,
                    },
                }
            },
        ),
        events={},
        webhooks=(),
    )


def parse() -> generator.Parsed:
    return generator.parse(described(), CONFIG)


def failure() -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse()
    return caught.value


def tamper(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Let the generator's answer be changed before the pipeline gets it."""
    original = GeneratorData.from_dict

    def changed(*arguments: Any, **options: Any) -> Any:
        data = original(*arguments, **options)
        return change(data) or data

    monkeypatch.setattr(GeneratorData, "from_dict", staticmethod(changed))


def test_everything_is_generated_under_the_plan_s_names() -> None:
    data = parse().data
    endpoints = [e.name for c in data.endpoint_collections_by_tag.values() for e in c.endpoints]
    assert sorted(endpoints) == ["read", "write"]
    made = {str(model.class_info.name): str(model.class_info.module_name) for model in data.models}
    assert made == {"RealtimeThing": "realtime_thing", "RealtimeTHING2FA": "realtime_thing_2_fa"}
    assert list(data.enums) == []


def test_the_installed_generator_is_the_pinned_one() -> None:
    assert version("openapi-python-client") == generator.PINNED


def test_another_generator_version_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "version", lambda name: "0.30.0")
    error = failure()
    assert "openapi-python-client is 0.30.0, not " + generator.PINNED in error.message
    assert "make setup" in error.hint and "tests/specpipe" in error.hint


def test_a_warning_is_an_error_with_pointer_and_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(data: Any) -> None:
        data.errors.append(
            ParseError(
                level=ErrorLevel.WARNING, header="Unable to process", detail="GET /realtime/{id} is odd"
            )
        )

    tamper(monkeypatch, warn)
    error = failure()
    assert "the generator warns: Unable to process GET /realtime/{id} is odd" in error.message
    assert error.pointer == "/paths/~1realtime~1{id}/get" and "transform" in error.hint


def test_a_warning_about_an_operation_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(data: Any) -> None:
        for collection in data.endpoint_collections_by_tag.values():
            collection.parse_errors += [
                ParseError(
                    level=ErrorLevel.WARNING, header="WARNING parsing POST /realtime/{id}.", detail=text
                )
                for text in ("No.", "Nor that.")
            ]

    tamper(monkeypatch, warn)
    error = failure()
    assert "(and 1 more)" in error.message and error.pointer == "/paths/~1realtime~1{id}/post"


def test_a_document_rejected_by_the_generator_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    tamper(monkeypatch, lambda data: GeneratorError(header="Failed to parse", detail="not at all"))
    error = failure()
    assert "the generator rejects the document: Failed to parse not at all" in error.message and error.hint


def test_an_omitted_operation_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(data: Any) -> None:
        for collection in data.endpoint_collections_by_tag.values():
            collection.endpoints[:] = [e for e in collection.endpoints if e.name != "write"]

    tamper(monkeypatch, lose)
    error = failure()
    assert "omitted operation /paths/~1realtime~1{id}/post" in error.message
    assert error.pointer == "/paths/~1realtime~1{id}/post" and error.hint


@pytest.mark.parametrize("name", ["RealtimeThing", "RealtimeTHING2FA"])
def test_an_omitted_schema_is_an_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    shown = name if view.class_name(name) == name else "Model1"

    def lose(data: Any) -> None:
        kept = [model for model in data.models if model.class_info.name != shown]
        assert len(kept) == 1
        data.models = kept

    tamper(monkeypatch, lose)
    error = failure()
    assert f"omitted schema /components/schemas/{name}" in error.message
    assert error.pointer == f"/components/schemas/{name}" and error.hint


def test_an_omitted_property_or_parameter_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_property(data: Any) -> None:
        next(
            model for model in data.models if model.class_info.name == "RealtimeThing"
        ).optional_properties.pop()

    def lose_parameter(data: Any) -> None:
        for collection in data.endpoint_collections_by_tag.values():
            collection.endpoints[0].path_parameters.clear()

    for lose, told in (
        (lose_property, "properties of /components/schemas/RealtimeThing"),
        (lose_parameter, "parameters, bodies or responses of /paths/~1realtime~1{id}/get"),
    ):
        with monkeypatch.context() as patched:
            tamper(patched, lose)
            error = failure()
            assert f"omitted {told}" in error.message and error.pointer == told.split()[-1]


def test_the_view_has_the_whole_description() -> None:
    """Real names, media types and parameters; placeholders only for what it would merge or reject."""
    part = described()
    shown: list[Any] = []
    real = view.build
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(view, "build", lambda *given: shown.append(real(*given)) or shown[0])
        generator.parse(part, CONFIG)
    document = shown[0].document
    before = part.document
    assert document["components"]["schemas"]["RealtimeThing"]["properties"]["a"] == TEXT
    assert set(document["paths"]) == set(before["paths"])
    get, post = (document["paths"]["/realtime/{id}"][method] for method in ("get", "post"))
    assert get["parameters"] == before["paths"]["/realtime/{id}"]["get"]["parameters"]
    assert get["responses"]["200"] == before["paths"]["/realtime/{id}"]["get"]["responses"]["200"]
    assert list(post["requestBody"]["content"]) == ["application/json"]


def test_the_package_has_what_the_generator_found_and_no_more() -> None:
    parsed = parse()
    before = plan.build(parsed)
    operations = {str(endpoint.name): endpoint for endpoint, _, _ in parsed.operations()}
    models = {str(model.class_info.name): model for model in parsed.data.models}
    operations["write"].bodies.clear()
    operations["write"].path_parameters.clear()
    operations["write"].responses.patterns.clear()
    operations["write"].summary = UntrustedString("Write a thing.")
    optional = models["RealtimeThing"].optional_properties
    assert optional is not None
    optional[:] = [attrs.evolve(one, required=True) for one in optional if one.name == "other"]
    parsed.data.models.remove(models["RealtimeTHING2FA"])
    for collection in parsed.data.endpoint_collections_by_tag.values():
        collection.endpoints.remove(operations["read"])
    made = plan.build(parsed)
    assert {*before.operations} == {"read", "write"} and {*made.operations} == {"write"}
    write = made.operations["write"]
    assert (write.bodies, write.parameters, write.answers) == ((), (), ())
    assert write.summary == "Write a thing."
    assert {*made.models} == {"RealtimeThing"}
    assert [(field.key, field.required) for field in made.models["RealtimeThing"].fields] == [("other", True)]


def test_a_member_that_the_generator_did_not_find_has_no_description() -> None:
    part = described()
    schemas = part.document["components"]["schemas"]
    schemas["RealtimeThing"] |= {"properties": {"type": {"const": "a"}}, "required": ["type"]}
    schemas["RealtimeTHING2FA"]["properties"]["type"] = {"const": "b"}
    schemas["Either"] = {"anyOf": [ref("RealtimeThing"), ref("RealtimeTHING2FA")]}
    parsed = generator.parse(part, CONFIG)
    told = plan.build(parsed).models["RealtimeTHING2FA"].description
    assert told == "In Either, also an object without `type` is one."
    parsed.data.models.clear()
    assert not plan.build(parsed).models


def rendered(folder: Path, templates: Path = pipeline.OPENAPI / "templates") -> generator.Renderer:
    package = {"version": "1", "spec_version": "1", "spec_date": "", "spec_sha256": "0", "source": "a test"}
    parsed = parse()
    filters: generator.Filters = {"shout": lambda text: str(text).upper()}
    return generator.render(
        parsed, plan.build(parsed), templates=templates, out=folder, package=package, filters=filters
    )


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """Templates that print nothing but the names that they are given."""
    folder = tmp_path / "templates"
    folder.mkdir()
    for path in (pipeline.OPENAPI / "templates").glob("*.jinja"):
        (folder / path.name).write_text("")
    (folder / "model.py.jinja").write_text("# {{ model.class_info.name }} {{ plan.models | length }}\n")
    (folder / "more.jinja").write_text("{{ word | shout }} {{ package.source }}")
    return folder


def test_templates_receive_the_plan(
    tmp_path: Path, templates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = rendered(tmp_path / "out", templates)
    made = {path.name: path.read_text() for path in (tmp_path / "out" / "models").glob("real*.py")}
    assert made == {
        "realtime_thing.py": "# RealtimeThing 2\n",
        "realtime_thing_2_fa.py": "# RealtimeTHING2FA 2\n",
    }
    assert more("more.jinja", word="loud") == "LOUD a test"
    assert capsys.readouterr().out == "", "the generator prints nothing"


def test_a_warning_while_rendering_is_an_error(
    tmp_path: Path, templates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = [GeneratorError(level=ErrorLevel.WARNING, header="ruff failed", detail="oh")]
    monkeypatch.setattr(Project, "_get_errors", lambda self: odd)
    with pytest.raises(SpecError, match="the generator warns: ruff failed oh") as caught:
        rendered(tmp_path / "out", templates)
    assert caught.value.hint
