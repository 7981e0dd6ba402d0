"""The sessions' schemas, read without the package: values that fit them, and values that break one limit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import attrs
import jsonschema_rs
from hypothesis import strategies as st
from realtime_api import schemas

SCHEMAS = {
    "realtime": "RealtimeSessionCreateRequestGA",
    "transcription": "RealtimeTranscriptionSessionCreateRequestGA",
    "translation": "RealtimeTranslationSessionCreateRequest",
    "realtime_older": "RealtimeSessionCreateRequest",
    "transcription_older": "RealtimeTranscriptionSessionCreateRequest",
}
# What a schema of a session is written with; a new keyword would be a limit that goes unnoticed.
KEYWORDS = {
    *("$ref", "additionalProperties", "anyOf", "const", "default", "description", "enum", "format", "items"),
    *("maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum", "pattern", "properties"),
    *("required", "type"),
}
PATTERNS = {"^[A-Za-z0-9_-]{1,64}$": "book_room", "^tunnel_[a-z0-9]{32}$": "tunnel_" + "a1" * 16}
OBJECT = {"type": "object"}


@attrs.frozen
class Break:
    """A session that breaks one limit: where, with what, and the whole of it."""

    field: str
    value: Any
    body: Any


@cache
def validator(kind: str) -> jsonschema_rs.Validator:
    """An independent validator of one kind of session."""
    return jsonschema_rs.validator_for(schemas.standalone(SCHEMAS[kind]))


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Follow references; what stands beside one is only told to people."""
    while "$ref" in schema:
        schema = schemas.get(schema["$ref"].rpartition("/")[2])
    return schema


def members(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The members of a union, nested unions flattened; the schema itself if it is none."""
    schema = resolved(schema)
    if "anyOf" not in schema:
        return [schema]
    return [member for part in schema["anyOf"] for member in members(part)]


def minimal(schema: dict[str, Any]) -> Any:
    """The smallest value that fits."""
    first = members(schema)[0]
    if "const" in first:
        return first["const"]
    if "enum" in first:
        return first["enum"][0]
    match first["type"]:
        case "object":
            return {
                # Its `type` tells an object from its siblings, required or not.
                name: minimal(part)
                for name, part in first.get("properties", {}).items()
                if name in first.get("required", ()) or (name == "type" and "const" in part)
            }
        case "array":
            return [minimal(first["items"])] * first.get("minItems", 0)
        case "string":
            return PATTERNS[first["pattern"]] if "pattern" in first else "https://example.com/"
        case "boolean":
            return True
        case "null":
            return None
    return first.get("minimum", 1)


def breaks(schema: dict[str, Any], path: str = "") -> Iterator[Break]:
    """Every way to break one limit of a schema, each with the rest of the value intact."""
    parts = members(schema)
    if all(resolved(part) != OBJECT for part in parts):
        wrong = object_free(parts)
        if wrong is not None:
            yield Break(path, wrong, wrong)
    for part in parts:
        yield from scalar_breaks(part, parts, path)
        if part.get("type") == "array":
            yield from array_breaks(part, path)
        if part.get("type") == "object":
            yield from object_breaks(part, path)


def object_free(parts: list[dict[str, Any]]) -> Any:
    """A value of a JSON type that none of the forms has."""
    types = {part["type"] for part in parts}
    return next((value for name, value in (("boolean", True), ("array", [0])) if name not in types), None)


def scalar_breaks(part: dict[str, Any], parts: list[dict[str, Any]], path: str) -> Iterator[Break]:
    if part.get("type") in ("integer", "number"):
        step = 1 if part["type"] == "integer" else 0.01
        for keyword, sign in (("minimum", -1), ("maximum", 1)):
            if keyword in part:
                yield Break(path, value := part[keyword] + sign * step, value)
        if part["type"] == "integer" and "const" not in part:
            yield Break(path, 1.5, 1.5)
    if part.get("type") != "string" or any(is_open(one) for one in parts):
        return
    yield Break(path, "no such value", "no such value")
    if "pattern" in part:
        good = PATTERNS[part["pattern"]]
        for bad in ("", f"{good}\n", f"{good} ", "x" * 65):
            yield Break(path, bad, bad)


def is_open(part: dict[str, Any]) -> bool:
    return part.get("type") == "string" and not {"const", "enum", "pattern"} & part.keys()


def array_breaks(part: dict[str, Any], path: str) -> Iterator[Break]:
    item = minimal(part["items"])
    if part.get("minItems"):
        yield Break(path, [], [])
    if "maxItems" in part:
        yield Break(path, value := [item] * (part["maxItems"] + 1), value)
    for inner in breaks(part["items"], f"{path}[0]"):
        rest = [item] * (part.get("minItems", 1) - 1)
        yield Break(inner.field, inner.value, [inner.body, *rest])


def object_breaks(part: dict[str, Any], path: str) -> Iterator[Break]:
    whole = minimal(part)
    for name in part.get("required", ()):
        yield Break(at(path, name), None, {key: whole[key] for key in whole if key != name})
    for name, inner_schema in part.get("properties", {}).items():
        for inner in breaks(inner_schema, at(path, name)):
            yield Break(inner.field, inner.value, {**whole, name: inner.body})
    extra = part.get("additionalProperties")
    if extra is False:
        yield Break(at(path, "surplus"), 1, {**whole, "surplus": 1})
    elif isinstance(extra, dict):
        for inner in breaks(extra, at(path, "key")):
            yield Break(inner.field, inner.value, {**whole, "key": inner.body})


def at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def keywords(node: Any) -> set[str]:
    """Every keyword that a schema is written with."""
    found = set(node)
    for name, value in node.items():
        if name == "properties":
            inner = list(value.values())
        elif name == "anyOf":
            inner = value
        else:
            inner = [value] if name in ("items", "additionalProperties") and isinstance(value, dict) else []
        found |= {word for part in inner for word in keywords(part)}
    return found


OLDER = "input_audio_transcription"
TEXT = st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that fit a schema, with the fields that it names and no others."""
    parts = members(schema)
    if len(parts) > 1:
        return st.one_of([values(part) for part in parts])
    part = parts[0]
    if "const" in part or "enum" in part:
        return st.sampled_from(part.get("enum", [part.get("const")]))
    match part["type"]:
        case "object":
            return object_values(part)
        case "array":
            most = part.get("maxItems", 3)
            return st.lists(values(part["items"]), min_size=part.get("minItems", 0), max_size=most)
        case "string":
            if "pattern" in part:
                return st.from_regex(part["pattern"].replace("$", r"\Z"))
            return st.just("https://example.com/x") if part.get("format") == "uri" else TEXT
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "integer":
            return st.integers(part.get("minimum", -10), part.get("maximum", 100_000))
    return st.floats(part.get("minimum", -1.0), part.get("maximum", 2.0), allow_nan=False)


def object_values(part: dict[str, Any]) -> st.SearchStrategy[Any]:
    extra = part.get("additionalProperties")
    if isinstance(extra, dict):
        return st.dictionaries(TEXT, values(extra), max_size=2)
    if not part.get("properties"):
        return st.dictionaries(TEXT, JSON, max_size=2)
    needed = {
        name: values(inner) for name, inner in part["properties"].items() if name in part.get("required", ())
    }
    kind = part["properties"].get("type", {})
    if "const" in kind:
        needed["type"] = st.just(kind["const"])
    other = {name: values(inner) for name, inner in part["properties"].items() if name not in needed}
    return st.fixed_dictionaries(needed, optional=other)


def sessions(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Sessions of one kind that keep to the schema and to the rules across fields."""
    return values(schemas.get(SCHEMAS[kind])).map(orderly)


def orderly(session: dict[str, Any]) -> dict[str, Any]:
    """Keep to what no schema says: names, languages, servers' places, forced tools, models."""
    for index, tool in enumerate(session.get("tools", ())):
        if tool.get("type") == "mcp":
            tool.update(server_label=f"server{index}", server_url="https://example.com/")
        else:
            tool["name"] = f"tool{index}"
    audio = session.get("audio", {})
    for place in (audio.get("input", {}).get("transcription"), audio.get("output"), session.get(OLDER)):
        for name in {"language", "languages"}.intersection(place or ()):
            place[name] = "pt-BR" if name == "language" else ["es"] * len(place[name])
    if isinstance(session.get("tool_choice"), dict):
        del session["tool_choice"]
    if "reasoning" in session or "parallel_tool_calls" in session:
        session["model"] = "gpt-realtime-2"
    return session
