"""Functions for operations."""

from __future__ import annotations

import attrs
from openapi_python_client.parser.openapi import Endpoint

from ..document import escape, parameters_of
from ..names import module_name
from ..parsed import Parsed
from .bodies import Answer, Body, Content, build_answer, build_bodies
from .expressions import Scope, decoder_name
from .parameters import Parameter, build_parameters


@attrs.frozen
class Operation:
    """One operation as a module with five functions."""

    name: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    deprecated: bool
    parameters: tuple[Parameter, ...]
    bodies: tuple[Body, ...]
    body_required: bool
    body_description: str
    answers: tuple[Answer, ...]
    classes: tuple[tuple[str, str], ...]
    decoders: tuple[tuple[str, str], ...]

    @property
    def path_parameters(self) -> tuple[Parameter, ...]:
        """The parameters in the path, in its order."""
        return tuple(parameter for parameter in self.parameters if parameter.place == "path")

    @property
    def others(self) -> tuple[Parameter, ...]:
        """The parameters outside the path."""
        return tuple(parameter for parameter in self.parameters if parameter.place != "path")

    @property
    def body_annotation(self) -> str:
        """The type of the `body` argument."""
        return self._union([body.annotation for body in self.bodies])

    @property
    def encoded_annotation(self) -> str:
        """The type of `build_request`'s `body`, which also accepts encoded bodies."""
        more = ["Mapping[str, Any]"] * self._accepts_mapping + ["bytes"] * self._accepts_bytes
        return self._union([*(body.annotation for body in self.bodies), *more])

    @property
    def body_as_encoded(self) -> str:
        """A sentence about what `build_request` accepts instead of a model, or ""."""
        if not self._accepts_mapping:
            return "JSON as bytes is sent unchanged." if self._accepts_json_bytes else ""
        if self._accepts_json_bytes:
            return "Also accepts a mapping, or JSON as bytes, sent unchanged."
        return "Also accepts a mapping; bytes in it are sent unchanged."

    @property
    def streamed(self) -> Content | None:
        """The server-sent events of a successful response, or None."""
        successful = (answer for answer in self.answers if answer.first < 400)
        events = (body for answer in successful for body in answer.bodies if body.kind == "events")
        return next(events, None)

    def _union(self, annotations: list[str]) -> str:
        if "Any" in annotations:
            return "Any"
        kinds = [kind for kind in dict.fromkeys(annotations) if kind != "None"]
        return " | ".join([*kinds, "None"] if not self.body_required or "None" in annotations else kinds)

    @property
    def _accepts_mapping(self) -> bool:
        return any(body.kind != "content" for body in self.bodies)

    @property
    def _accepts_json_bytes(self) -> bool:
        return [body.kind for body in self.bodies] == ["json"]

    @property
    def _accepts_bytes(self) -> bool:
        return self._accepts_json_bytes or any("bytes" in body.accepts for body in self.bodies)

    @property
    def choose_media(self) -> bool:
        """Whether the caller has to pass the content type because the body's type is ambiguous."""
        accepted = [name for body in self.bodies for name in set(body.accepts)]
        return len(self.bodies) > 1 and len(set(accepted)) < len(accepted)

    def test(self, body: Body) -> str:
        """Return source of the condition under which a value is sent as this body."""
        if "*" not in body.accepts:
            first = next((body for body in self.bodies if body.kind != "content"), None)
            to_any = any("*" in other.accepts for other in self.bodies)
            return _isinstance((*body.accepts, "Mapping") if body is first and not to_any else body.accepts)
        others = tuple(name for other in self.bodies if other is not body for name in other.accepts)
        test = f"not {_isinstance(others)}"
        return test if self.body_required else f"body is not None and {test}"

    @property
    def returns(self) -> str:
        """The type of the parsed response."""
        bodies = [body for answer in self.answers for body in answer.bodies]
        kinds = list(dict.fromkeys(body.annotation.removesuffix(" | None") for body in bodies))
        return "Any" if "Any" in kinds else " | ".join([*(kind for kind in kinds if kind != "None"), "None"])


def _isinstance(names: tuple[str, ...]) -> str:
    raw = tuple(name for name in ("str", "bytes") if name in names)
    classes = [name for name in names if name not in raw]
    tests = [f"_http.is_{'_or_'.join(raw)}(body)"] if raw else []
    tests += (
        [f"isinstance(body, {classes[0] if len(classes) == 1 else '(' + ', '.join(classes) + ')'})"]
        if classes
        else []
    )
    return tests[0] if len(tests) == 1 else f"({' or '.join(tests)})"


def build_operations(parsed: Parsed) -> dict[str, Operation]:
    """Return every operation that the generator found, by function name."""
    made = [_build(parsed, endpoint, path, method) for endpoint, path, method in parsed.operations()]
    return {operation.name: operation for operation in made}


def _build(parsed: Parsed, endpoint: Endpoint, path: str, method: str) -> Operation:
    graph, document = parsed.graph, parsed.part.document
    operation = document["paths"][path][method]
    at = f"/paths/{escape(path)}/{method}"
    scope = Scope(graph, "")
    body = operation.get("requestBody") or {}
    bodies = build_bodies(scope, endpoint.bodies, body.get("content", {}), f"{at}/requestBody")
    responses = {status.upper(): answer for status, answer in operation["responses"].items()}
    answers = [
        build_answer(scope, response, responses[response.status_code.pattern.upper()])
        for response in endpoint.responses
    ]
    described = {
        (one["in"], one["name"]): (at, one) for at, one in parameters_of(document, path, method).items()
    }
    parameters = build_parameters(scope, [described[one] for one in parsed.parameters(endpoint)])
    name, deprecated = str(endpoint.name), bool(operation.get("deprecated"))
    return Operation(
        name=name,
        method=endpoint.method,
        path=path,
        tag=str(endpoint.tags[0]),
        summary=("Deprecated. " if deprecated else "") + (endpoint.summary.get_untrusted_value() or name),
        description=endpoint.description.get_untrusted_value(),
        deprecated=deprecated,
        parameters=parameters,
        bodies=bodies,
        body_required=bool(body.get("required")),
        body_description=str(body.get("description") or ""),
        answers=tuple(answers),
        classes=tuple(sorted((module_name(name), name) for name in scope.classes | scope.aliases)),
        decoders=tuple(sorted((module_name(name), decoder_name(name)) for name in scope.decoders)),
    )
