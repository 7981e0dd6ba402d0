"""Reading documents that mean no good, and YAML as JSON's superset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from specpipe import document_io, pipeline
from specpipe.errors import SpecError

from tests.support.rows import each

pytestmark = pytest.mark.slow

HEAD = "openapi: 3.1.0\n"


def value(yaml: str) -> Any:
    """Return the value of a YAML text."""
    return document_io.parse(f"{HEAD}x: {yaml}\n".encode())["x"]


def refused(text: str | bytes, *, json_text: bool = False) -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(SpecError) as caught:
        document_io.parse(raw, json_text=json_text, name="spec")
    return str(caught.value)


@each(
    "yaml, read",
    [
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"),
        ("12:30", "12:30"),
        ("on", "on"),
        ("No", "No"),
        ("yes", "yes"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1_000", "1_000"),
        ("=", "="),
        ("'1'", "1"),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 17),
        ("-3", -3),
        ("1e3", 1000.0),
        ("1.50", 1.5),
        (".5", 0.5),
        ("True", True),
        ("false", False),
        ("~", None),
        ("", None),
        ("NULL", None),
    ],
)
def test_plain_scalars_follow_yaml_1_2(yaml: str, read: Any) -> None:
    got = value(yaml)
    assert (got, type(got)) == (read, type(read))


def test_keys_are_strings() -> None:
    keys = value("{200: a, true: b, ~: c, 1.0: d, 2024-01-01: e, on: f}")
    assert list(keys) == ["200", "true", "~", "1.0", "2024-01-01", "on"]
    assert "a key that is not a string" in refused(HEAD + "x: {[1]: a}")


def test_documents_round_trip(tmp_path: Path) -> None:
    odd = ["2024-01-01", "12:30", "on", "yes", "NO", "null", "~", "", "1e3", "0x1F", "017", ".inf", "<<", "="]
    data = {
        "openapi": "3.1.0",
        "text": [*odd, "é\u2028", "a: b", "# c", "- d", "two\nlines\n"],
        "n": [1, 1.5],
    }
    data["again"] = data["text"]
    written = document_io.dump(data)
    assert document_io.parse(written.encode()) == data
    assert list(document_io.parse(written.encode())) == list(data) and "&" not in written
    assert document_io.dump(document_io.parse(written.encode())) == written
    for name, text in (("a.yaml", written), ("a.json", json.dumps(data))):
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert document_io.load(tmp_path / name) == data


def test_a_byte_order_mark_is_ignored() -> None:
    for text, as_json in ((HEAD, False), ('{"openapi": "3.1.0"}', True)):
        assert document_io.parse(b"\xef\xbb\xbf" + text.encode(), json_text=as_json) == {"openapi": "3.1.0"}


def test_a_mapping_s_own_keys_override_merged_ones() -> None:
    text = HEAD + "b: &b {p: 1, q: 2}\nx: {<<: *b, p: 3}\n"
    assert document_io.parse(text.encode())["x"] == {"p": 3, "q": 2}


@pytest.mark.parametrize("inner", ["[{}]", "{{<<: [{}]}}"], ids=["alias", "merge"])
def test_an_alias_bomb_is_an_error(inner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_io, "MAX_NODES", 10_000)
    lines = ["a0: &a0 {k: [1, 2]}"]
    for level in range(1, 60):
        lines.append(f"a{level}: &a{level} {inner.format(', '.join([f'*a{level - 1}'] * 9))}")
    text = HEAD + "\n".join(lines)
    if "<<" in inner:
        assert document_io.parse(text.encode())["a59"] == {"k": [1, 2]}
    else:
        assert "expands to more than 10,000 nodes" in refused(text)


@each("yaml", ["&x [*x]", "&x {y: *x}"])
def test_an_alias_that_contains_itself(yaml: str) -> None:
    assert "aliases" in refused(f"{HEAD}x: {yaml}")


@pytest.mark.parametrize("depth", [document_io.MAX_DEPTH + 1, 1_000_000])
def test_depth_is_limited(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    assert "nested" in refused(f"{HEAD}x: {nested}")
    assert "nested" in refused('{"openapi": "3.1.0", "x": ' + nested + "}", json_text=True)
    few = "[" * (document_io.MAX_DEPTH - 1) + "]" * (document_io.MAX_DEPTH - 1)
    assert value(few)


def test_size_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_io, "MAX_BYTES", 20)
    assert document_io.parse((HEAD + "#" * 5).encode())
    assert "21 bytes, more than 20" in refused(HEAD + "#" * 6)


@each(
    "text, told",
    [
        (b"openapi: 3.1.0\nx: \xff", "spec is not UTF-8: invalid start byte at byte 18"),
        (HEAD.encode("utf-16"), "not UTF-8"),
        (HEAD + "x: 1e400", "that exceeds a double"),
        (HEAD + "x: " + "9" * 5000, "not YAML"),
        (HEAD + "x: !!python/object/apply:os.getcwd []", "tag"),
        (HEAD + "x: !!binary aGk=", "tag"),
        (HEAD + "x: !!timestamp 2024-01-01", "tag"),
        (HEAD + "x: !!timestamp soon", "tag"),
        (HEAD + "x: !!set {a, b}", "tag"),
        (HEAD + "x: !!bool maybe", "'maybe' is neither true nor false"),
        (HEAD + "x: !!int many", "not YAML"),
        (HEAD + "x: 1\ny: 2\nx: 3", "duplicate key: 'x'"),
        (HEAD + "p: {200: {}, '200': {}}", "duplicate key: '200'"),
        (HEAD + 'x: "\\ud800"', "not YAML"),
        (HEAD + "x: \x00", "not YAML"),
        (HEAD + "---\n" + HEAD, "not YAML"),
        (HEAD + "x: {", "not YAML"),
        ("", "not an OpenAPI 3 document"),
        ("- openapi", "not an OpenAPI 3 document"),
        ("swagger: '2.0'", "not an OpenAPI 3 document"),
        ("openapi: 4.0.0", "not an OpenAPI 3 document"),
    ],
)
def test_invalid_yaml(text: str | bytes, told: str) -> None:
    assert told in refused(text)


@each(
    "written, told",
    [
        ("NaN", "NaN is not valid JSON"),
        ("-Infinity", "-Infinity is not valid JSON"),
        ("1e400", "that exceeds a double"),
        ('"\\ud800"', "not valid Unicode"),
        ('{"\\udc00": 1}', "not valid Unicode"),
        ('{"a": 1, "b": 2, "a": 3}', "duplicate key: 'a'"),
        ("9" * 5000, "not JSON"),
        ("2024-01-01", "not JSON"),
    ],
)
def test_invalid_json(written: str, told: str) -> None:
    assert told in refused('{"openapi": "3.1.0", "x": ' + written + "}", json_text=True)


def test_json_surrogate_pairs_are_one_character() -> None:
    read = document_io.parse(b'{"openapi": "3.1.0", "x": "\\ud83d\\ude00"}', json_text=True)
    assert read["x"] == "\N{GRINNING FACE}"


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot read"):
        document_io.load(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="cannot read"):
        document_io.load(tmp_path)


def test_the_vendored_description_round_trips() -> None:
    document = document_io.load(pipeline.OPENAPI / "realtime.yaml")
    assert document_io.parse(document_io.dump(document).encode()) == document


@pytest.mark.parametrize(
    ("operation", "pointer"),
    [
        ({"$ref": 7}, "/paths/~1new/post/$ref"),
        ({"parameters": [{"$ref": {}}]}, "/paths/~1new/post/parameters/0/$ref"),
    ],
)
def test_a_reference_that_is_not_a_string_is_an_error_with_its_pointer(
    operation: dict[str, Any], pointer: str
) -> None:
    document = {"openapi": "3.1.0", "paths": {"/new": {"post": operation}}}
    text = refused(json.dumps(document), json_text=True)
    assert "a $ref must be a string" in text and pointer in text


def test_a_property_may_be_called_ref() -> None:
    schemas = {"A": {"type": "object", "properties": {"$ref": {"type": "string"}}}}
    document = {"openapi": "3.1.0", "components": {"schemas": schemas}}
    assert document_io.parse(json.dumps(document).encode(), json_text=True) == document
