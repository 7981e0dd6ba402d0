"""What the generator gets to see of a description: its structure, in words that the generator takes whole.

It acts on defaults, formats and unions in ways that lose values (dates that fail to parse, members tried in
turn), it cannot follow aliases that refer to themselves, it merges names that differ in case or spelling
only, and it knows few media types.  All that is in the plan; left to the generator are the structure, its
check, and the rendering of our templates, an operation and a model at a time.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import attrs

from .document import SCHEMAS, Document, escape, ref_name, ref_to
from .plan import Operation, Plan

#: Content types that the generator knows, by the kind of body in the plan.
_MEDIA = {
    "json": "application/json",
    "multipart": "multipart/form-data",
    "form": "application/x-www-form-urlencoded",
    "content": "application/octet-stream",
}


@attrs.frozen
class View:
    """A description for the generator.

    Attributes:
        document: The description.
        classes: The generator's name of a class → the plan's.
        media: Content types in it that the generator reads as another that it knows.
        places: What the generator's messages call a part → the part's pointer in the description.
    """

    document: Document
    classes: dict[str, str]
    media: dict[str, str]
    places: dict[str, str]

    def pointer(self, message: str) -> str:
        """The pointer of what a message of the generator is about; "" if it names nothing."""
        found = [
            place
            for word, place in self.places.items()
            if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", message)
        ]
        return max(found, key=len, default="")


def build(document: Document, plan: Plan, class_name: Callable[[str], str]) -> View:
    """Make the view of a normalised description.

    Args:
        document: The description.
        plan: Its plan.
        class_name: What the generator makes of a class's name.
    """
    shown: dict[str, str] = {}
    for number, name in enumerate(plan.models):
        plain = class_name(name) == name and name not in shown.values()
        shown[name] = name if plain else f"Model{number}"
    media: dict[str, str] = {}

    def simple(schema: Any) -> dict[str, Any]:
        if not isinstance(schema, dict):
            return {}
        if "$ref" in schema:
            name = ref_name(schema)
            return ref_to(shown[name]) if name in shown else {}
        kind = schema.get("type")
        if kind == "array":
            return {"type": "array", "items": simple(schema.get("items", {}))}
        return {"type": kind} if kind in ("string", "integer", "number", "boolean") else {}

    def model(name: str) -> dict[str, Any]:
        properties = {
            f"property_{n}": simple(field.schema) for n, field in enumerate(plan.models[name].fields)
        }
        return {"type": "object", "properties": properties, "additionalProperties": True}

    paths: dict[str, Any] = {}
    places: dict[str, str] = {}
    for operation in plan.operations.values():
        numbers = itertools.count()
        path = re.sub(r"{[^{}]*}", lambda _: f"{{p{next(numbers)}}}", operation.path)  # noqa: B023
        places[f"{operation.method.upper()} {path}"] = operation_pointer(operation)
        paths.setdefault(path, {})[operation.method] = _operation(operation, path, simple, media)
    out = {
        "openapi": "3.1.0",
        "info": {"title": str(document.get("info", {}).get("title") or "API"), "version": "1"},
        "paths": paths,
        "components": {"schemas": {shown[name]: model(name) for name in plan.models}},
    }
    return View(
        document=out,
        classes={view: name for name, view in shown.items()},
        media=media,
        places=places | {view: SCHEMAS + escape(name) for name, view in shown.items()},
    )


def operation_pointer(operation: Operation) -> str:
    """An operation's pointer in the description."""
    return f"/paths/{escape(operation.path)}/{operation.method}"


def _operation(
    operation: Operation, path: str, simple: Callable[[Any], dict[str, Any]], media: dict[str, str]
) -> dict[str, Any]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{([^{}]*)}", path)
    ]

    def content(kind: str, schema: Any) -> dict[str, Any]:
        known = _MEDIA.get(kind, _MEDIA["content"])
        made_up = f"application/x-{len(media)}"
        media[made_up] = known
        return {made_up: {"schema": simple(schema)}}

    out: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "parameters": in_path,
        "responses": {
            answer.codes: {
                "description": "",
                "content": {
                    k: v for body in answer.bodies for k, v in content(body.kind, body.schema).items()
                },
            }
            for answer in operation.answers
        },
    }
    if operation.bodies:
        bodies = [content(body.kind, body.schema) for body in operation.bodies]
        out["requestBody"] = {"content": {k: v for body in bodies for k, v in body.items()}}
    return out
