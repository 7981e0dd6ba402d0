"""Request bodies: the choice of content type."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from specpipe.errors import SpecError

from tests.specpipe.cases import OTHERS, document, ref
from tests.specpipe.packages import Imported, make

TEXT = {"type": "string"}
#: Schemas by which text is among what goes out as JSON.
WITH_TEXT: list[dict[str, Any]] = [
    {},
    TEXT,
    {"enum": ["a", 1]},
    {"const": "a"},
    ref("Word"),
    {"anyOf": [ref("B"), TEXT]},
]
#: Schemas whose values are never mistaken for text.
WITHOUT_TEXT: list[dict[str, Any]] = [
    ref("B"),
    {"type": "array", "items": TEXT},
    {"type": "integer"},
    {"enum": [1, 2]},
    {"type": "object", "additionalProperties": TEXT},
]


@pytest.fixture
def package(tmp_path: Path) -> Callable[..., Imported]:
    """A package with one operation `op` that accepts these media types."""

    def package(content: dict[str, Any], *, required: bool = True) -> Imported:
        body = {"content": {media: {"schema": schema} for media, schema in content.items()}}
        operation = {
            "operationId": "op",
            "requestBody": {**body, "required": required},
            "responses": {"200": {"description": ""}},
        }
        return Imported(make(document(OTHERS, {"/realtime": {"post": operation}}), tmp_path))

    return package


def send(package: Imported, **arguments: Any) -> httpx.Request:
    """The request that `op` sends."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200)

    client = package.package.Client(base_url="http://127.0.0.1:9")
    client.set_httpx_client(
        httpx.Client(base_url="http://127.0.0.1:9", transport=httpx.MockTransport(answer))
    )
    package.module("api.default.op").sync_detailed(client=client, **arguments)
    return requests[0]


@pytest.mark.parametrize("schema", WITH_TEXT)
def test_a_string_that_could_be_json_or_text_needs_a_content_type(
    schema: dict[str, Any], package: Callable[..., Imported]
) -> None:
    with package({"application/json": schema, "application/sdp": TEXT}) as made:
        assert made.made.plan.operations["op"].choose_media
        for media, sent in (("application/json", b'"a"'), ("application/sdp", b"a")):
            request = send(made, body="a", content_type=media)
            assert (request.headers["content-type"], request.content) == (media, sent)
        assert send(made, body="a").content == b'"a"'


@pytest.mark.parametrize("schema", WITHOUT_TEXT)
def test_a_string_beside_json_objects_is_sent_as_text(
    schema: dict[str, Any], package: Callable[..., Imported]
) -> None:
    with package({"application/json": schema, "application/sdp": TEXT}) as made:
        assert not made.made.plan.operations["op"].choose_media
        assert send(made, body="a").headers["content-type"] == "application/sdp"
        value: Any = (
            {"b": "x"}
            if schema == ref("B")
            else {"array": ["x"], "object": {}}.get(schema.get("type", ""), 1)
        )
        request = send(made, body=made.typed(schema, value))
        assert request.headers["content-type"] == "application/json"
        assert json.loads(request.content) == value


@pytest.mark.parametrize("required", [True, False])
def test_an_undescribed_content_type_is_refused(required: bool, package: Callable[..., Imported]) -> None:
    with package({"application/json": {}, "application/sdp": TEXT}, required=required) as made:
        with pytest.raises(ValueError, match="one of application/json, application/sdp, not 'text/plain'"):
            send(made, body="a", content_type="text/plain")
        if not required:
            assert send(made).content == b""


def test_an_empty_form_is_still_a_form(package: Callable[..., Imported]) -> None:
    form = {"type": "object", "properties": {"n": TEXT}}
    with package({"application/x-www-form-urlencoded": form}) as made:
        (model,) = made.made.plan.operations["op"].bodies[0].accepts
        for fields, sent in (({}, b""), ({"n": "a b"}, b"n=a+b")):
            request = send(made, body=getattr(made.module("models"), model)(**fields))
            assert request.headers["content-type"] == "application/x-www-form-urlencoded"
            assert request.content == sent


def built(package: Imported, **arguments: Any) -> Any:
    """The request that `op` builds."""
    return package.module("api.default.op").build_request(**arguments)


def test_a_mapping_or_bytes_can_replace_a_json_model(package: Callable[..., Imported]) -> None:
    with package({"application/json": ref("B")}) as made:
        for body in ({"b": "ü"}, MappingProxyType({"b": "ü"}), '{"b":"ü"}'.encode()):
            request = built(made, body=body)
            assert (request.method, request.path, request.url) == ("POST", "/realtime", "/realtime")
            assert request.headers == {"Content-Type": "application/json"}
            assert request.content == '{"b":"ü"}'.encode()


def test_a_mapping_is_sent_as_the_first_media_type_with_keys(package: Callable[..., Imported]) -> None:
    content = {"application/sdp": TEXT, "multipart/form-data": ref("B")}
    with package({**content, "application/x-www-form-urlencoded": ref("C")}) as made:
        request = built(made, body={"b": b"\xff"})
        boundary = request.headers["Content-Type"].removeprefix("multipart/form-data; boundary=").encode()
        head = b'Content-Disposition: form-data; name="b"\r\nContent-Type: text/plain'
        assert request.content == b"--%b\r\n%b\r\n\r\n\xff\r\n--%b--\r\n" % (boundary, head, boundary)
        assert built(made, body=b"\xff").content == b"\xff"
        with pytest.raises(TypeError, match="body must be"):
            built(made, body=1)


def test_a_part_name_cannot_inject_headers(package: Callable[..., Imported]) -> None:
    with package({"multipart/form-data": {"type": "object"}}) as made:
        content = built(made, body={'a"\r\nX: y': "1"}).content
        assert b'name="a%22%0D%0AX: y"\r\nContent-Type: text/plain\r\n\r\n1\r\n' in content


BINARY = {"type": "string", "format": "binary"}


def test_files_have_names_and_list_items_are_parts(package: Callable[..., Imported]) -> None:
    properties = {
        "file": BINARY,
        "images": {"type": "array", "items": BINARY},
        "words": {"type": "array", "items": TEXT},
        "things": {"type": "array", "items": ref("B")},
        "either": {"anyOf": [TEXT, ref("B")]},
    }
    body: dict[str, Any] = {
        "file": ('größe ".wav', b"1"),
        "images": [b"2", ("b.png", b"3")],
        "words": ["4", "5"],
        "things": [{"b": "6"}],
        "either": "7",
        "more": b"8",
    }
    with package({"multipart/form-data": {"type": "object", "properties": properties}}) as made:
        request = send(made, body=body)
        boundary = request.headers["content-type"].removeprefix("multipart/form-data; boundary=")
        parts = request.content.decode().split(f"--{boundary}\r\n")[1:]
        told = [part.partition("\r\n\r\n")[0].split("\r\n") for part in parts]
        assert [(head[0].partition("; ")[2], head[1].partition(": ")[2]) for head in told] == [
            ('name="file"; filename="größe %22.wav"', "application/octet-stream"),
            ('name="images"; filename="upload"', "application/octet-stream"),
            ('name="images"; filename="b.png"', "application/octet-stream"),
            ('name="words"', "text/plain"),
            ('name="words"', "text/plain"),
            ('name="things"', "application/json"),
            ('name="either"', "text/plain"),
            ('name="more"; filename="upload"', "application/octet-stream"),
        ]


@pytest.mark.parametrize(
    "encoding",
    [
        {"style": "deepObject"},
        {"explode": False},
        {"allowReserved": True},
        {"headers": {"X-A": {"schema": TEXT}}},
        {"contentType": "image/png, image/jpeg"},
        {"contentType": "image/*"},
    ],
)
def test_an_unsupported_encoding_is_an_error_with_its_pointer(
    tmp_path: Path, encoding: dict[str, Any]
) -> None:
    schema = {"type": "object", "properties": {"a/b": BINARY}}
    content = {"multipart/form-data": {"schema": schema, "encoding": {"a/b": encoding}}}
    operation = {"requestBody": {"content": content}, "responses": {"200": {"description": ""}}}
    with pytest.raises(SpecError, match="is not implemented") as caught:
        make(document(OTHERS, {"/realtime": {"post": operation}}), tmp_path)
    at = "/paths/~1realtime/post/requestBody/content/multipart~1form-data/encoding/a~1b"
    assert caught.value.pointer == at


@pytest.mark.parametrize(
    ("schema", "kinds"), [(ref("B"), "list[B]"), (TEXT, "str"), (BINARY, "bytes"), ({}, "str")]
)
def test_server_sent_events_are_parsed_by_their_schema(
    tmp_path: Path, schema: dict[str, Any], kinds: str
) -> None:
    content = {"text/event-stream": {"schema": schema}, "application/json": {"schema": ref("C")}}
    operation = {"operationId": "op", "responses": {"200": {"description": "", "content": content}}}
    whole = document(OTHERS, {"/realtime": {"get": operation}})
    stream = (
        b': hello\nevent: x\ndata: {"b":\ndata:  "1"}\n\nid: 2\r\ndata: {"b":"2"}\r\n\r\ndata: [DONE]\n\n'
    )
    with Imported(make(whole, tmp_path)) as made:
        body = made.made.plan.operations["op"].answers[0].bodies[0]
        assert body.annotation == kinds
        module, client = made.module("api.default.op"), made.package.Client(base_url="http://h")

        def parsed(body: bytes, media: str = "text/event-stream; charset=utf-8") -> Any:
            response = httpx.Response(200, content=body, headers={"content-type": media})
            return module._parse_response(client=client, response=response)

        if not kinds.startswith("list"):
            assert parsed(stream) == (stream if kinds == "bytes" else stream.decode())
            return
        encode = made.module("_base").encode
        assert encode(parsed(stream)) == [{"b": "1"}, {"b": "2"}] and parsed(b"data: {}") == []
        assert encode(parsed(b'{"c": "1"}', "application/json")) == {"c": "1"}
        with pytest.raises(made.module("errors").ModelError, match="not JSON"):
            parsed(b"data: {\n\n")


@pytest.mark.parametrize("body", [{"n": float("nan")}, {"n": object()}])
def test_a_value_that_json_does_not_support_is_refused(body: Any, package: Callable[..., Imported]) -> None:
    with package({"application/json": ref("B")}) as made, pytest.raises((TypeError, ValueError)):
        built(made, body=body)
