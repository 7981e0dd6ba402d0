"""The API description as passed to the generator, without what it drops or rejects.

The generator loses schemas with certain defaults, enums and maps, cannot follow recursive aliases, merges
names that differ only in case or punctuation, and supports few media types.  The plan covers all of these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from .document import SCHEMAS, Document, escape, rebuild, ref_name, ref_to
from .plan import Operation, Plan

#: Content types that the generator supports, by kind of body in the plan.
_MEDIA = {
    "json": "application/json",
    "events": "application/json",
    "multipart": "multipart/form-data",
    "form": "application/x-www-form-urlencoded",
}
#: Schema keywords that are kept besides `type`.
_KEPT = ("properties", "required", "items", "anyOf", "description")
_SCALARS = ("string", "integer", "number", "boolean", "null")


@attrs.frozen
class View:
    """A document for the generator.

    Attributes:
        document: The document.
        classes: The generator's class name → the plan's.
        media: Content type → one that the generator supports.
        places: Name in the generator's messages → pointer in the API description.
    """

    document: Document
    classes: dict[str, str]
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


def build(
    document: Document, plan: Plan, generated_name: Callable[[str], str], class_name: Callable[[str], str]
) -> View:
    """Build the view of a normalised API description.

    Args:
        document: The description.
        plan: Its plan.
        generated_name: The generator's mapping of property and parameter names.
        class_name: Its mapping of class names.
    """
    seen = [*plan.models, *(name for name, alias in plan.aliases.items() if not alias.quoted)]
    shown = {name: name if class_name(name) == name else f"Model{number}" for number, name in enumerate(seen)}

    def simple(schema: Any) -> dict[str, Any]:
        if not isinstance(schema, dict):
            return {}
        name = ref_name(schema)
        if name is not None:
            return ref_to(shown[name]) if name in shown else {}
        kind = schema.get("type")
        out = rebuild({key: schema[key] for key in _KEPT if key in schema}, simple)
        if "properties" in out:
            keys = distinct(out["properties"], "property", generated_name)
            out["properties"] = {keys[key]: value for key, value in out["properties"].items()}
            out["required"] = [keys[key] for key in out.get("required", ()) if key in keys]
        return out | ({"type": kind} if kind in _SCALARS or "items" in out or "properties" in out else {})

    paths: dict[str, Any] = {}
    places: dict[str, str] = {}
    media: dict[str, str] = {}
    for operation in plan.operations.values():
        names = distinct([one.key for one in operation.parameters], "parameter", generated_name)
        path = operation.path
        for one in operation.path_parameters:
            path = path.replace(f"{{{one.key}}}", f"{{{names[one.key]}}}")
        places[f"{operation.method.upper()} {path}"] = operation_pointer(operation)
        paths.setdefault(path, {})[operation.method] = _operation(operation, names, simple)
        kinds = [(body.media, body.kind) for body in operation.bodies]
        kinds += [(body.media, body.kind) for answer in operation.answers for body in answer.bodies]
        media |= {one: _MEDIA.get(kind, "application/octet-stream") for one, kind in kinds}
    schemas = document["components"]["schemas"]
    out = {
        "openapi": "3.1.0",
        "info": {"title": str(document.get("info", {}).get("title") or "API"), "version": "1"},
        "paths": paths,
        "components": {"schemas": {shown[name]: simple(schemas[name]) for name in seen}},
    }
    return View(
        document=out,
        classes={shown[name]: name for name in plan.models},
        media=media,
        places=places | {view: SCHEMAS + escape(name) for name, view in shown.items()},
    )


def operation_pointer(operation: Operation) -> str:
    """Return an operation's pointer in the API description."""
    return f"/paths/{escape(operation.path)}/{operation.method}"


def distinct(names: Iterable[str], stem: str, generated_name: Callable[[str], str]) -> dict[str, str]:
    """Replace names that the generator rejects or would merge."""
    out: dict[str, str] = {}
    taken: set[str] = set()
    for number, name in enumerate(dict.fromkeys(names)):
        plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) and generated_name(name) not in taken
        out[name] = name if plain else f"{stem}_{number}"
        taken.add(generated_name(out[name]))
    return out


def _operation(
    operation: Operation, names: dict[str, str], simple: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    out: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "parameters": [
            {
                "name": names[one.key],
                "in": one.place,
                "required": one.required,
                "schema": {"type": kind if (kind := one.schema.get("type")) in _SCALARS[:-1] else "string"},
            }
            for one in operation.parameters
        ],
        "responses": {
            answer.codes: {
                "description": answer.description,
                "content": {body.media: {"schema": simple(body.schema)} for body in answer.bodies},
            }
            for answer in operation.answers
        },
    }
    if operation.bodies:
        content = {body.media: {"schema": simple(body.schema)} for body in operation.bodies}
        out["requestBody"] = {"content": content}
    return out
