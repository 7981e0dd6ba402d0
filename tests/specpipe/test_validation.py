"""Invalid OpenAPI documents are errors with a pointer, before the later steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from specpipe import slice, source, transforms, validation
from specpipe.errors import SpecError

from tests.specpipe.cases import document
from tests.support.rows import each

pytestmark = pytest.mark.slow

OPERATION = {"responses": {"200": {"description": ""}}}
NO_MAPPINGS: list[Any] = [None, True, 0, "x", [], [1]]


def refused(**changes: Any) -> SpecError:
    """The error for a description with other parts."""
    with pytest.raises(SpecError) as caught:
        slice.cut({**document({}, {"/realtime": {"get": OPERATION}}), **changes})
    return caught.value


@each("value", NO_MAPPINGS)
@each("part", ["info", "paths", "components"])
def test_top_level_parts_must_be_mappings(part: str, value: Any) -> None:
    error = refused(**{part: value})
    assert error.pointer == f"/{part}" and "mapping" in error.hint


@each("value", NO_MAPPINGS)
@each("kind", ["schemas", "parameters", "responses", "requestBodies", "securitySchemes"])
def test_components_must_be_mappings(kind: str, value: Any) -> None:
    assert refused(components={kind: value}).pointer == f"/components/{kind}"


@each("value", [None, {}, "x", [1]])
@each("part", ["security", "servers"])
def test_lists_must_contain_objects(part: str, value: Any) -> None:
    assert refused(**{part: value}).pointer == f"/{part}"


@each(
    "line, told",
    [
        ("date = 2026-08-21", "must be strings"),
        ("url = 1", "must be strings"),
        ("version = 1", "must be strings"),
        ('version = "1.0"', "semantic version"),
        ('version = "v1.0.0"', "semantic version"),
        ('date = "21.8.2026"', "YYYY-MM-DD"),
        ('sha256 = "x"', "64 hex digits"),
        ("more = 1", "unexpected keyword"),
        ("date =", "cannot read"),
    ],
)
def test_an_invalid_source_file_is_an_error(line: str, told: str, tmp_path: Path) -> None:
    lines = {
        "url": 'url = "https://example.com/"',
        "commit": 'commit = ""',
        "date": 'date = "2026-08-21"',
        "sha256": f'sha256 = "{"0" * 64}"',
        "version": 'version = "2.3.0"',
    }
    path = tmp_path / "SOURCE.toml"
    path.write_text("\n".join(lines.values()))
    assert source.read(path).version == "2.3.0"
    lines[line.split()[0]] = line
    path.write_text("\n".join(lines.values()))
    with pytest.raises(SpecError, match=told):
        source.read(path)


def test_the_width_of_a_schema_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "MAX_WIDTH", 3)
    few, many = ({f"p{n}": {"type": "string"} for n in range(count)} for count in (3, 4))
    validation.check(document({"A": {"properties": few}}))
    for wide in ({"properties": many}, {"anyOf": [*many.values()]}, {"enum": [*many]}):
        with pytest.raises(SpecError, match="4 entries, more than 3") as caught:
            validation.check(document({"A": {"items": wide}}))
        assert caught.value.pointer == f"/components/schemas/A/items/{next(iter(wide))}"


def test_the_number_of_parts_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "MAX_PARTS", 5)
    validation.check(document({f"S{n}": {} for n in range(5)}))
    with pytest.raises(SpecError, match="more than 5 schemas and other parts"):
        validation.check(document({f"S{n}": {} for n in range(6)}))


def test_the_number_of_classes_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms, "MAX_SCHEMAS", 2)
    inline = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {}}}}}
    transforms.apply(document({"A": inline}))
    with pytest.raises(SpecError, match="4 schemas, including hoisted inline objects"):
        transforms.apply(document({"A": inline, "B": inline}))


@each(
    "place, key, value",
    [
        ("", "servers", [{"url": "https://uploads.example"}]),
        ("/post", "servers", [{"url": "https://uploads.example"}]),
        ("", "query", {"responses": {}}),
        ("", "additionalOperations", {"COPY": {"responses": {}}}),
    ],
)
def test_a_request_that_would_go_elsewhere_is_refused(place: str, key: str, value: Any) -> None:
    operation: dict[str, Any] = {"operationId": "op", "responses": {"200": {"description": ""}}}
    item: dict[str, Any] = {"post": operation}
    (operation if place else item)[key] = value
    document = {"paths": {"/realtime/x": item}, "components": {"schemas": {}}}
    with pytest.raises(SpecError, match=f"`{key}` is not implemented") as caught:
        validation.check(document)
    assert caught.value.pointer == f"/paths/~1realtime~1x{place}/{key}"


def test_a_key_in_the_query_is_refused() -> None:
    schemes = {"Key": {"type": "apiKey", "in": "query", "name": "key"}}
    with pytest.raises(SpecError, match="an API key in the query is not implemented") as caught:
        validation.check({"paths": {}, "components": {"schemas": {}, "securitySchemes": schemes}})
    assert caught.value.pointer == "/components/securitySchemes/Key/in"
