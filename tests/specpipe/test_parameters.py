"""Parameters go out as OpenAPI says, or stop regen with their pointer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from specpipe.errors import SpecError

from tests.specpipe.packages import Imported, make

LIST: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
MAP: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "integer"}}
WORDS, COLOURS = ["a", "b c"], {"R": 1, "G": 2}


def described(parameter: dict[str, Any]) -> dict[str, Any]:
    path = "/realtime/x" + ("/{p}" if parameter["in"] == "path" else "")
    operation = {"operationId": "op", "parameters": [parameter], "responses": {"200": {"description": ""}}}
    frame: dict[str, Any] = {"openapi": "3.1.0", "info": {}, "paths": {path: {"get": operation}}}
    return {**frame, "components": {"schemas": {}}}


@pytest.mark.parametrize(
    ("place", "more", "schema", "value", "sent"),
    [
        ("query", {}, LIST, WORDS, "p=a&p=b%20c"),
        ("query", {"explode": False}, LIST, WORDS, "p=a%2Cb%20c"),
        ("query", {"style": "spaceDelimited", "explode": False}, LIST, ["a", "b"], "p=a%20b"),
        ("query", {"style": "pipeDelimited", "explode": False}, LIST, ["a", "b"], "p=a%7Cb"),
        ("query", {}, MAP, COLOURS, "R=1&G=2"),
        ("query", {"explode": False}, MAP, COLOURS, "p=R%2C1%2CG%2C2"),
        ("query", {"style": "deepObject"}, MAP, COLOURS, "p%5BR%5D=1&p%5BG%5D=2"),
        ("query", {}, {"type": "boolean"}, True, "p=true"),
        ("header", {}, LIST, ["a", "b"], "a,b"),
        ("header", {}, MAP, COLOURS, "R,1,G,2"),
        ("header", {"explode": True}, MAP, COLOURS, "R=1,G=2"),
        ("path", {"required": True}, LIST, ["a", "b/c"], "/realtime/x/a,b%2Fc"),
        ("path", {"required": True, "explode": True}, MAP, COLOURS, "/realtime/x/R=1,G=2"),
        ("cookie", {}, LIST, ["a", "b"], "p=a; p=b"),
    ],
)
def test_every_implemented_style(
    tmp_path: Path, place: str, more: dict[str, Any], schema: dict[str, Any], value: Any, sent: str
) -> None:
    parameter = {"name": "p", "in": place, "schema": schema, **more}
    with Imported(make(described(parameter), tmp_path)) as package:
        (operation,) = package.made.plan.operations.values()
        built = package.operation(operation).build_request(**{operation.parameters[0].name: value})
        request = httpx.Request(built.method, f"http://h{built.path}", params=built.query)
        found = {
            "query": request.url.query.decode().replace("+", "%20"),
            "header": built.headers.get("p"),
            "path": built.path,
            "cookie": built.headers.get("Cookie"),
        }[place]
        assert found == sent


@pytest.mark.parametrize(
    ("place", "more"),
    [
        ("path", {"style": "label"}),
        ("path", {"style": "matrix"}),
        ("header", {"style": "form"}),
        ("query", {"allowReserved": True}),
    ],
)
def test_what_is_not_implemented_stops_with_its_pointer(
    tmp_path: Path, place: str, more: dict[str, Any]
) -> None:
    with pytest.raises(SpecError, match="is not implemented") as caught:
        make(described({"name": "p", "in": place, "required": True, "schema": LIST, **more}), tmp_path)
    assert caught.value.pointer.endswith("/get/parameters")


def test_deprecated_operations_say_so(tmp_path: Path) -> None:
    document = described({"name": "p", "in": "query", "schema": LIST})
    document["paths"]["/realtime/x"]["get"]["deprecated"] = True
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
