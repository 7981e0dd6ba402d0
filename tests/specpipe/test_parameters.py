"""Parameters go out as OpenAPI says, or stop regen with their pointer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from specpipe.errors import SpecError

from tests.specpipe.packages import Imported, make
from tests.support.examples import check_each
from tests.support.rows import each

pytestmark = pytest.mark.slow

LIST: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
MAP: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "integer"}}
WORDS, COLOURS = ["a", "b c"], {"R": 1, "G": 2}


def name_of(number: int) -> str:
    return f"op_{number}" if number else "op"


def described(*parameters: dict[str, Any]) -> dict[str, Any]:
    """A description with an operation for each parameter: `op`, then `op_1`, `op_2` and so on."""
    paths: dict[str, Any] = {}
    for number, parameter in enumerate(parameters):
        name = name_of(number)
        operation = {
            "operationId": name,
            "parameters": [parameter],
            "responses": {"200": {"description": ""}},
        }
        paths[f"/realtime/{name}" + ("/{p}" if parameter["in"] == "path" else "")] = {"get": operation}
    return {"openapi": "3.1.0", "info": {}, "paths": paths, "components": {"schemas": {}}}


#: Where a parameter is, how it is described, its schema, a value, and what is sent.
STYLES: list[tuple[str, dict[str, Any], dict[str, Any], Any, str | None]] = [
    ("query", {}, LIST, WORDS, "p=a&p=b%20c"),
    ("query", {"explode": False}, LIST, ["a", "b c", "d,e"], "p=a,b%20c,d%2Ce"),
    ("query", {"explode": False}, LIST, [], ""),
    ("query", {"style": "spaceDelimited", "explode": False}, LIST, ["a", "b"], "p=a%20b"),
    ("query", {"style": "pipeDelimited", "explode": False}, LIST, ["a", "b"], "p=a%7Cb"),
    ("query", {}, MAP, COLOURS, "R=1&G=2"),
    ("query", {"explode": False}, MAP, COLOURS, "p=R,1,G,2"),
    ("query", {"style": "deepObject"}, MAP, COLOURS, "p%5BR%5D=1&p%5BG%5D=2"),
    ("query", {}, {"type": "boolean"}, True, "p=true"),
    ("header", {}, LIST, ["a", "b"], "a,b"),
    ("header", {}, MAP, COLOURS, "R,1,G,2"),
    ("header", {"explode": True}, MAP, COLOURS, "R=1,G=2"),
    ("path", {"required": True}, LIST, ["a", "b/c"], "a,b%2Fc"),
    ("path", {"required": True, "explode": True}, MAP, COLOURS, "R=1,G=2"),
    ("header", {}, {"type": "string"}, "grün", "grün"),
    ("cookie", {}, LIST, ["a", "b;c"], "p=a; p=b%3Bc"),
    ("cookie", {"explode": False}, LIST, ["a", "b;c"], "p=a,b%3Bc"),
    ("cookie", {}, LIST, [], None),
]


@pytest.fixture(scope="module")
def styles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imported]:
    """A package with an operation for each row."""
    parameters = ({"name": "p", "in": place, "schema": schema, **more} for place, more, schema, *_ in STYLES)
    with Imported(make(described(*parameters), tmp_path_factory.mktemp("styles"))) as package:
        yield package


@each("number, row", enumerate(STYLES))
def test_every_implemented_style(styles: Imported, number: int, row: Any) -> None:
    place, _, _, value, sent = row
    operation = styles.made.plan.operations[name_of(number)]
    built = styles.operation(operation).build_request(**{operation.parameters[0].name: value})
    found = {
        "query": built.query,
        "header": built.headers.get("p"),
        "path": built.path.rpartition("/")[2],
        "cookie": built.headers.get("Cookie"),
    }[place]
    assert found == sent
    (request,) = requests(styles, lambda client: client.send(built, query={"q": "x y"}))
    query = "&".join(filter(None, [built.query, "fixed=1", "q=x%20y"]))
    assert request.url.raw_path.decode().replace("+", "%20") == f"{built.path}?{query}"
    assert {key: request.headers[key] for key in built.headers} == built.headers


def requests(package: Imported, send: Callable[[Any], object]) -> list[httpx.Request]:
    """Return what a client sends through an httpx client with parameters of its own."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    client = package.package.Client(base_url="http://h")
    client.set_httpx_client(httpx.Client(transport=httpx.MockTransport(answer), params={"fixed": "1"}))
    send(client)
    return seen


def test_an_invalid_header_value_is_refused(tmp_path: Path, subtests: pytest.Subtests) -> None:
    with Imported(make(described({"name": "p", "in": "header", "schema": {}}), tmp_path)) as package:
        (operation,) = package.made.plan.operations.values()

        def check(value: str) -> None:
            with pytest.raises(ValueError, match="p must not contain control characters"):
                package.operation(operation).build_request(p=value)

        check_each(subtests, ["a\r\nX: y", "a\0", "\x7f", " a", "a\n"], check, repr)


def test_client_and_operation_cookies_are_combined(tmp_path: Path) -> None:
    with Imported(make(described({"name": "p", "in": "cookie", "schema": {}}), tmp_path)) as package:
        (operation,) = package.made.plan.operations.values()
        built = package.operation(operation).build_request(p="1 2")
        (request,) = requests(package, lambda client: client.with_cookies({"a": "b"}).send(built))
        assert request.headers["cookie"] == "a=b; p=1%202"


@each(
    "place, more",
    [
        ("path", {"style": "label"}),
        ("path", {"style": "matrix"}),
        ("header", {"style": "form"}),
        ("query", {"allowReserved": True}),
        ("query", {"style": "deepObject", "schema": {"type": "object", "properties": {"a": LIST}}}),
        ("query", {"schema": {"type": "array", "items": LIST}}),
        ("query", {"content": {"text/plain": {}}}),
    ],
)
def test_an_unsupported_style_is_an_error_with_its_pointer(
    tmp_path: Path, place: str, more: dict[str, Any]
) -> None:
    with pytest.raises(SpecError, match="is not implemented") as caught:
        make(described({"name": "p", "in": place, "required": True, "schema": LIST, **more}), tmp_path)
    assert caught.value.pointer.endswith("/get/parameters/0")


@each("name", ["größe", "a b", "a:b", "a\n"])
def test_an_invalid_header_name_is_an_error_with_its_pointer(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match="is not a valid header name") as caught:
        make(described({"name": name, "in": "header", "schema": LIST}), tmp_path)
    assert caught.value.pointer.endswith("/get/parameters/0")


def test_deprecated_operations_warn(tmp_path: Path) -> None:
    document = described({"name": "p", "in": "query", "schema": LIST})
    document["paths"]["/realtime/op"]["get"]["deprecated"] = True
    with Imported(make(document, tmp_path)) as package:
        (operation,) = package.made.plan.operations.values()
        module = package.operation(operation)
        assert module.sync.__deprecated__ == "op is deprecated"
        assert module.sync.__doc__.startswith("Deprecated. ")
        answer = httpx.MockTransport(lambda request: httpx.Response(200))
        client = package.package.Client(base_url="http://h")
        client.set_httpx_client(httpx.Client(transport=answer))
        with pytest.warns(DeprecationWarning, match="op is deprecated"):
            module.sync_detailed(client=client)
