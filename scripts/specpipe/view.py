"""The API description as passed to the generator, without what it drops or rejects.

The generator loses schemas with certain defaults, enums and maps, cannot follow recursive aliases, merges
names that differ only in case or punctuation, and supports few media types.  The plan adds these from the
description, to the operations and models that the generator finds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import attrs
from openapi_python_client import strings

from .document import (
    SCHEMAS,
    Document,
    escape,
    kind_of_media,
    operations,
    parameters_of,
    rebuild,
    ref_name,
    ref_to,
    words,
)
from .errors import SpecError
from .graph import Graph
from .transforms.kinds import SCALARS

#: Content types that the generator supports, by kind of body in the plan.
_MEDIA = {
    "json": "application/json",
    "multipart": "multipart/form-data",
    "form": "application/x-www-form-urlencoded",
    "content": "application/octet-stream",
}
#: Schema keywords that are kept besides `type`.
_KEPT = ("properties", "required", "items", "anyOf", "description")
_PATH_PARAMETER = re.compile(r"{([^{}]+)}")


@attrs.frozen
class View:
    """A document for the generator.

    Attributes:
        document: The document.
        classes: The generator's class name → the description's.
        operations: Operation id → path and method in the description.
        keys: Class name or operation id → name of a property or parameter in the view → in the description.
        media: Content type → one that the generator supports.
        places: Name in the generator's messages → pointer in the API description.
    """

    document: Document
    classes: dict[str, str]
    operations: dict[str, tuple[str, str]]
    keys: dict[str, dict[str, str]]
    media: dict[str, str]
    places: dict[str, str]

    def pointer(self, message: str) -> str:
        """Return the pointer of the part named in a generator message, or ""."""
        found = [
            place
            for word, place in self.places.items()
            if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", message)
        ]
        return max(found, key=len, default="")


def build(document: Document, graph: Graph) -> View:
    """Build the view of a normalised API description.

    Args:
        document: The description.
        graph: Its schemas.

    Raises:
        SpecError: the path's parameters are not the described ones, or a response has no status code.
    """
    classes = [name for name in graph.schemas if graph.is_model(name)]
    seen = [*classes, *(name for name in graph.schemas if name not in classes and not graph.is_quoted(name))]
    shown = {name: name if class_name(name) == name else f"Model{number}" for number, name in enumerate(seen)}
    keys: dict[str, dict[str, str]] = {}

    def simple(schema: Any) -> dict[str, Any]:
        if not isinstance(schema, dict):
            return {}
        name = ref_name(schema)
        if name is not None:
            return ref_to(shown[name]) if name in shown else {}
        kind = schema.get("type")
        out = rebuild({key: schema[key] for key in _KEPT if key in schema}, simple)
        if "properties" in out:
            named = distinct(out["properties"], "property")
            out["properties"] = {named[key]: value for key, value in out["properties"].items()}
            out["required"] = [named[key] for key in out.get("required", ()) if key in named]
        return out | ({"type": kind} if kind in SCALARS or "items" in out or "properties" in out else {})

    for name in classes:
        named = distinct(graph.schemas[name]["properties"], "property")
        keys[name] = {view: key for key, view in named.items()}
    paths: dict[str, Any] = {}
    found: dict[str, tuple[str, str]] = {}
    places: dict[str, str] = {}
    media: dict[str, str] = {}
    for path, method, operation in operations(document):
        at = operation_pointer(path, method)
        name = _free(_snake_case(operation.get("operationId") or f"{method} {path}", "operation_"), found)
        parameters = [*parameters_of(document, path, method).values()]
        _check_path(path, parameters, at)
        named = distinct([one["name"] for one in parameters], "parameter")
        keys[name] = {view: key for key, view in named.items()}
        found[name] = (path, method)
        in_view = path
        for view, key in keys[name].items():
            in_view = in_view.replace(f"{{{key}}}", f"{{{view}}}")
        places[f"{method.upper()} {in_view}"] = at
        content = operation.get("requestBody", {}).get("content", {})
        media |= {one: _MEDIA[kind_of_media(one)] for one in content}
        paths.setdefault(in_view, {})[method] = {
            "operationId": name,
            "tags": [_snake_case((operation.get("tags") or ["default"])[0], "tag_")],
            **{key: str(operation[key]) for key in ("summary", "description") if operation.get(key)},
            "parameters": [_parameter(one, named[one["name"]]) for one in parameters],
            "responses": {
                _status(status, f"{at}/responses/{status}"): _answer(answer, simple)
                for status, answer in operation["responses"].items()
            },
        } | ({"requestBody": _body(operation["requestBody"], simple)} if content else {})
    out = {
        "openapi": "3.1.0",
        "info": {"title": str(document.get("info", {}).get("title") or "API"), "version": "1"},
        "paths": paths,
        "components": {"schemas": {shown[name]: simple(graph.schemas[name]) for name in seen}},
    }
    return View(
        document=out,
        classes={shown[name]: name for name in classes},
        operations=found,
        keys=keys,
        media=media,
        places=places | {view: SCHEMAS + escape(name) for name, view in shown.items()},
    )


def operation_pointer(path: str, method: str) -> str:
    """Return an operation's pointer in the API description."""
    return f"/paths/{escape(path)}/{method}"


def distinct(names: Iterable[str], stem: str) -> dict[str, str]:
    """Replace names that the generator rejects or would merge."""
    out: dict[str, str] = {}
    taken: set[str] = set()
    for number, name in enumerate(dict.fromkeys(names)):
        plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) and _identifier(name) not in taken
        out[name] = name if plain else f"{stem}_{number}"
        taken.add(_identifier(out[name]))
    return out


def class_name(name: str) -> str:
    """Return the class name that the generator derives from a schema name."""
    return str(strings.ClassName(name, "field_"))


def _identifier(name: str, prefix: str = "field_") -> str:
    return str(strings.PythonIdentifier(name, prefix))


def _snake_case(text: str, prefix: str) -> str:
    # The generator would join words that are separated by a slash.
    return _identifier("_".join(words(text)) or prefix.strip("_"), prefix)


def _free(base: str, taken: Iterable[str]) -> str:
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base.rstrip('_')}_v{number}"
    return name


def _check_path(path: str, parameters: list[dict[str, Any]], at: str) -> None:
    in_path = _PATH_PARAMETER.findall(path)
    declared = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
    if set(in_path) != declared or len(set(in_path)) < len(in_path):
        raise SpecError(
            f"path parameters {in_path} are described as {sorted(declared)}",
            pointer=f"{at}/parameters",
            hint="describe each {…} in the path exactly once",
        )


def _parameter(parameter: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a parameter as a scalar: the generator rejects lists in paths, and supports one style."""
    schema = parameter.get("schema")
    kind = schema.get("type") if isinstance(schema, dict) else None
    return {
        "name": name,
        "in": parameter["in"],
        "required": bool(parameter.get("required")) or parameter["in"] == "path",
        "schema": {"type": kind if kind in SCALARS and kind != "null" else "string"},
    }


def _status(status: str, at: str) -> str:
    if not re.fullmatch(r"default|[1-5](\d\d|[Xx][Xx])", status):
        raise SpecError(f"{status!r} is not a status code", pointer=at, hint="write 201, 4XX or default")
    return status if status == "default" else status.upper()


def _answer(answer: dict[str, Any], simple: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """Return a response with content types that the generator supports; it uses the first."""
    content = {
        _MEDIA["json" if kind_of_media(media) == "json" else "content"]: {
            "schema": simple(part.get("schema"))
        }
        for media, part in answer.get("content", {}).items()
    }
    return {"description": str(answer.get("description") or ""), "content": content}


def _body(body: dict[str, Any], simple: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    content = {media: {"schema": simple(part.get("schema"))} for media, part in body["content"].items()}
    return {"required": bool(body.get("required")), "content": content}
