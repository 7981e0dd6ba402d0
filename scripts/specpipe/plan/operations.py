"""Functions for operations."""

from __future__ import annotations

import re
from typing import Any

import attrs

from ..document import Document, operations, ref_name, unescape, words
from ..errors import SpecError
from . import expressions
from .expressions import Scope
from .graph import Graph

_PATH_PARAMETER = re.compile(r"{([^{}]+)}")


@attrs.frozen
class Parameter:
    """A path, query, header or cookie parameter."""

    key: str
    name: str
    place: str
    annotation: str
    required: bool
    description: str
    example: Any


@attrs.frozen
class Body:
    """One way to send a request's body.

    Attributes:
        media: Content type.
        kind: `json`, `multipart`, `form` or `content`.
        annotation: Type of the value that goes out this way.
        test: Source of the test by which a value is known to go out this way.
        schema: The value's schema, for the docs.
        example: A value of it from the description, or None.
        parts: Part name → content type, for multipart.
    """

    media: str
    kind: str
    annotation: str
    test: str
    schema: dict[str, Any]
    example: Any
    parts: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class Answer:
    """What a range of status codes carries.

    Attributes:
        first: Lowest status code.
        last: Highest.
        media: Content type, or "" without a body.
        kind: `json`, `text`, `bytes` or `empty`.
        annotation: Type of the parsed body.
        strict: Source that decodes `data` and refuses what is not described.
        description: Ours.
        headers: (name, description) of the described headers.
    """

    first: int
    last: int
    media: str
    kind: str
    annotation: str
    strict: str
    description: str
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def codes(self) -> str:
        """The range as a person writes it: 201, 4XX, default."""
        if self.first == self.last:
            return str(self.first)
        return "default" if self.last == 599 and self.first == 100 else f"{self.first // 100}XX"


@attrs.frozen
class Operation:
    """One operation as a module with four functions."""

    name: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    parameters: tuple[Parameter, ...]
    bodies: tuple[Body, ...]
    body_required: bool
    body_description: str
    answers: tuple[Answer, ...]
    classes: tuple[tuple[str, str], ...]
    decoders: tuple[tuple[str, str], ...]

    @property
    def path_parameters(self) -> tuple[Parameter, ...]:
        return tuple(parameter for parameter in self.parameters if parameter.place == "path")

    @property
    def others(self) -> tuple[Parameter, ...]:
        return tuple(parameter for parameter in self.parameters if parameter.place != "path")

    @property
    def body_annotation(self) -> str:
        """The type of the `body` argument."""
        kinds = list(dict.fromkeys(body.annotation for body in self.bodies))
        return " | ".join(kinds if self.body_required else [*kinds, "None"])

    @property
    def choose_media(self) -> bool:
        """Whether the body's type does not tell its content type, so that the caller has to."""
        return len({body.annotation for body in self.bodies}) < len(self.bodies)

    @property
    def returns(self) -> str:
        """The type of what the answers are parsed to."""
        kinds = list(dict.fromkeys(answer.annotation for answer in self.answers if answer.kind != "empty"))
        return (
            " | ".join([*(kind for kind in kinds if kind != "None"), "None"]) if "Any" not in kinds else "Any"
        )


def build_operations(document: Document, graph: Graph) -> dict[str, Operation]:
    """Every operation of a document, by function name."""
    out: dict[str, Operation] = {}
    for path, method, operation in operations(document):
        built = _build(document, graph, path, method, operation)
        if built.name in out:
            raise SpecError(
                f"two operations would both be called {built.name}", pointer=f"/paths/{path}/{method}"
            )
        out[built.name] = built
    return out


def function_name(operation_id: str) -> str:
    """An operation id in snake case."""
    return "_".join(words(operation_id)).lower()


def _follow(document: Document, node: Any) -> dict[str, Any]:
    """A parameter, body or response, through its reference if it is one."""
    ref = node.get("$ref") if isinstance(node, dict) else None
    if isinstance(ref, str):
        _, _, kind, name = ref.split("/", 3)
        return dict(document["components"][kind][unescape(name)])
    return dict(node or {})


def _build(document: Document, graph: Graph, path: str, method: str, operation: dict[str, Any]) -> Operation:
    scope = Scope(graph, "")
    item = document["paths"][path]
    described = [
        _follow(document, p) for p in [*operation.get("parameters", ()), *item.get("parameters", ())]
    ]
    unique = {(p["in"], p["name"]): p for p in reversed(described)}
    found = [p for p in described if unique.get((p["in"], p["name"])) is p]
    names = expressions.attribute_names([f"{p['name']}" for p in found])
    in_path = _PATH_PARAMETER.findall(path)
    parameters = [
        Parameter(
            key=p["name"],
            name=names[p["name"]] + ("_" if names[p["name"]] in ("client", "body", "content_type") else ""),
            place=p["in"],
            annotation=expressions.annotation(scope, p.get("schema", {}), lenient=False),
            required=bool(p.get("required")),
            description=str(p.get("description", "")),
            example=p.get("example"),
        )
        for p in found
    ]
    declared = [parameter.key for parameter in parameters if parameter.place == "path"]
    if sorted(in_path) != sorted(declared):
        raise SpecError(
            f"path parameters {in_path} are described as {declared}",
            pointer=f"/paths/{path.replace('/', '~1')}/{method}/parameters",
            hint="describe each {…} of the path once",
        )
    body = _follow(document, operation.get("requestBody"))
    bodies = tuple(_body(scope, media, content) for media, content in body.get("content", {}).items())
    answers = tuple(
        sorted(
            (
                _answer(scope, status, _follow(document, answer))
                for status, answer in operation["responses"].items()
            ),
            key=lambda answer: (answer.last - answer.first, answer.first),
        )
    )
    return Operation(
        name=function_name(operation.get("operationId") or f"{method} {path}"),
        method=method,
        path=path,
        tag=function_name((operation.get("tags") or ["default"])[0]),
        summary=str(operation.get("summary", "")),
        description=str(operation.get("description", "")),
        parameters=tuple(
            sorted(parameters, key=lambda p: in_path.index(p.key) if p.place == "path" else len(in_path))
        ),
        bodies=bodies,
        body_required=bool(body.get("required")),
        body_description=str(body.get("description", "")),
        answers=answers,
        classes=tuple(sorted((graph.module(name), name) for name in scope.classes | scope.aliases)),
        decoders=tuple(
            sorted((graph.module(name), f"decode_{graph.module(name)}") for name in scope.decoders)
        ),
    )


def _body(scope: Scope, media: str, content: dict[str, Any]) -> Body:
    schema = content.get("schema", {})
    plain = media.split(";")[0].strip().lower()
    if plain == "application/json" or plain.endswith("+json"):
        kind = "json"
    elif plain == "multipart/form-data":
        kind = "multipart"
    elif plain == "application/x-www-form-urlencoded":
        kind = "form"
    else:
        kind = "content"
    name = ref_name(schema)
    if kind == "content":
        shown = "str" if schema.get("type") == "string" and schema.get("format") != "binary" else "bytes"
        test = "isinstance(body, (str, bytes))"
    else:
        shown = expressions.annotation(scope, schema, lenient=False)
        test = (
            f"isinstance(body, {shown})"
            if name and scope.graph.is_model(name)
            else "not isinstance(body, (str, bytes))"
        )
    parts: tuple[tuple[str, str], ...] = ()
    if kind == "multipart":
        whole = scope.graph.schemas[name] if name else schema
        encoding = content.get("encoding", {})
        parts = tuple(
            (key, encoding.get(key, {}).get("contentType") or _part_type(scope.graph, value))
            for key, value in whole.get("properties", {}).items()
        )
    return Body(
        media=media,
        kind=kind,
        annotation=shown,
        test=test,
        schema=schema,
        example=content.get("example"),
        parts=parts,
    )


def _part_type(graph: Graph, schema: Any) -> str:
    """The content type that OpenAPI gives a multipart part without `encoding`."""
    leaves = graph.leaves(schema)
    if any(leaf.get("format") == "binary" for leaf in leaves):
        return "application/octet-stream"
    scalar = all(leaf.get("type") in ("string", "integer", "number", "boolean", "null") for leaf in leaves)
    return "text/plain" if scalar else "application/json"


def _answer(scope: Scope, status: str, answer: dict[str, Any]) -> Answer:
    status = str(status)
    if status == "default":
        first, last = 100, 599
    elif re.fullmatch(r"[1-5]XX", status):
        first, last = int(status[0]) * 100, int(status[0]) * 100 + 99
    elif re.fullmatch(r"[1-5]\d\d", status):
        first = last = int(status)
    else:
        raise SpecError(
            f"{status!r} is no status code", pointer="/responses", hint="write 201, 4XX or default"
        )
    headers = tuple(
        (name, str(header.get("description", ""))) for name, header in answer.get("headers", {}).items()
    )
    content = answer.get("content") or {}
    media = next((m for m in content if "json" in m), next(iter(content), ""))
    schema = content.get(media, {}).get("schema", {})
    if not media:
        kind, shown, source = "empty", "None", "None"
    elif "json" in media:
        kind, shown = "json", expressions.annotation(scope, schema, lenient=True)
        name = ref_name(schema)
        strict = name is not None and scope.graph.is_model(name)
        source = f"{name}.from_dict(data)" if strict else expressions.decode(scope, schema, "data")
    elif schema.get("type") == "string" and schema.get("format") != "binary":
        kind, shown, source = "text", "str", "data"
    else:
        kind, shown, source = "bytes", "bytes", "data"
    return Answer(first, last, media, kind, shown, source, str(answer.get("description", "")), headers)
