"""Request bodies: the choice of content type."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from specpipe.errors import SpecError

from tests.specpipe.cases import OTHERS, document, ref
from tests.specpipe.packages import Imported, make
from tests.support.examples import check_each
from tests.support.rows import each

pytestmark = pytest.mark.slow

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
#: Schemas whose values are never mistaken for text, and a value.
WITHOUT_TEXT: list[tuple[dict[str, Any], Any]] = [
    (ref("B"), {"b": "x"}),
    ({"type": "array", "items": TEXT}, ["x"]),
    ({"type": "integer"}, 1),
    ({"enum": [1, 2]}, 1),
    ({"type": "object", "additionalProperties": TEXT}, {}),
]


def name_of(number: int) -> str:
    return f"op_{number}" if number else "op"


def packaged(out: Path, *contents: dict[str, Any], required: bool = True) -> Imported:
    """A package with an operation for each of these media types of a body: `op`, then `op_1`, `op_2`, …"""
    paths = {}
    for number, content in enumerate(contents):
        body = {"content": {media: {"schema": schema} for media, schema in content.items()}}
        operation = {
            "operationId": name_of(number),
            "requestBody": {**body, "required": required},
            "responses": {"200": {"description": ""}},
        }
        paths[f"/realtime/{number}" if number else "/realtime"] = {"post": operation}
    return Imported(make(document(OTHERS, paths), out))


@pytest.fixture
def package(tmp_path: Path) -> Callable[..., Imported]:
    """A package with one operation `op` that accepts these media types."""
    return partial(packaged, tmp_path)


def send(package: Imported, operation: str = "op", **arguments: Any) -> httpx.Request:
    """The request that an operation sends."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200)

    client = package.package.Client(base_url="http://127.0.0.1:9")
    client.set_httpx_client(
        httpx.Client(base_url="http://127.0.0.1:9", transport=httpx.MockTransport(answer))
    )
    package.module(f"api.default.{operation}").sync_detailed(client=client, **arguments)
    return requests[0]


def test_a_string_that_could_be_json_or_text_needs_a_content_type(
    tmp_path: Path, subtests: pytest.Subtests
) -> None:
    contents = [{"application/json": schema, "application/sdp": TEXT} for schema in WITH_TEXT]
    with packaged(tmp_path, *contents) as made:

        def check(number: int) -> None:
            name = name_of(number)
            assert made.made.plan.operations[name].choose_media
            for media, sent in (("application/json", b'"a"'), ("application/sdp", b"a")):
                request = send(made, name, body="a", content_type=media)
                assert (request.headers["content-type"], request.content) == (media, sent)
            assert send(made, name, body="a").content == b'"a"'

        check_each(subtests, range(len(WITH_TEXT)), check, lambda number: str(WITH_TEXT[number]))


def test_a_string_beside_json_objects_is_sent_as_text(tmp_path: Path, subtests: pytest.Subtests) -> None:
    contents = [{"application/json": schema, "application/sdp": TEXT} for schema, _ in WITHOUT_TEXT]
    with packaged(tmp_path, *contents) as made:

        def check(number: int) -> None:
            name, (schema, value) = name_of(number), WITHOUT_TEXT[number]
            assert not made.made.plan.operations[name].choose_media
            assert send(made, name, body="a").headers["content-type"] == "application/sdp"
            request = send(made, name, body=made.typed(schema, value))
            assert request.headers["content-type"] == "application/json"
            assert json.loads(request.content) == value

        check_each(subtests, range(len(WITHOUT_TEXT)), check, lambda number: str(WITHOUT_TEXT[number]))


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


@each(
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


STREAMED = {"list[B]": ref("B"), "str": TEXT, "bytes": BINARY, "str ": {}}


def test_server_sent_events_are_parsed_by_their_schema(tmp_path: Path, subtests: pytest.Subtests) -> None:
    paths = {}
    for number, schema in enumerate(STREAMED.values()):
        content = {"text/event-stream": {"schema": schema}, "application/json": {"schema": ref("C")}}
        answers = {"200": {"description": "", "content": content}}
        paths[f"/realtime/{number}"] = {"get": {"operationId": name_of(number), "responses": answers}}
    stream = (
        b': hello\nevent: x\ndata: {"b":\ndata:  "1"}\n\nid: 2\r\ndata: {"b":"2"}\r\n\r\ndata: [DONE]\n\n'
    )
    with Imported(make(document(OTHERS, paths), tmp_path)) as made:
        client, encode = made.package.Client(base_url="http://h"), made.module("_base").encode

        def check(numbered: tuple[int, str]) -> None:
            number, kinds = numbered
            module = made.module(f"api.default.{name_of(number)}")

            def parsed(body: bytes, media: str = "text/event-stream; charset=utf-8") -> Any:
                response = httpx.Response(200, content=body, headers={"content-type": media})
                return module._parse_response(client=client, response=response)

            body = made.made.plan.operations[name_of(number)].answers[0].bodies[0]
            assert body.annotation == kinds.strip()
            if not kinds.startswith("list"):
                assert parsed(stream) == (stream if kinds == "bytes" else stream.decode())
                return
            assert encode(parsed(stream)) == [{"b": "1"}, {"b": "2"}] and parsed(b"data: {}") == []
            assert encode(parsed(b'{"c": "1"}', "application/json")) == {"c": "1"}
            with pytest.raises(made.module("errors").ModelError, match="not JSON"):
                parsed(b"data: {\n\n")

        check_each(subtests, enumerate(STREAMED), check)


CRLF_STREAM = (
    b'data: {"b":"1"}\r\n\r\ndata: {"b":"\xc3\xa9"}\r\r: x\n\ndata: {"b":"3"}\n\ndata: [DONE]\n\ndata: no\n\n'
)


class Chunks(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The bytes of a stream, each on its own."""

    def __init__(self, content: bytes) -> None:
        self._chunks = [content[place : place + 1] for place in range(len(content))]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


@pytest.fixture
def streaming(tmp_path: Path) -> Iterator[Imported]:
    """A package whose operation answers with events or with an envelope."""
    content = {"text/event-stream": {"schema": ref("B")}, "application/octet-stream": {"schema": BINARY}}
    refused = {"description": "", "content": {"application/json": {"schema": ref("C")}}}
    operation = {
        "operationId": "op",
        "deprecated": True,
        "responses": {"200": {"description": "", "content": content}, "4XX": refused},
    }
    with Imported(make(document(OTHERS, {"/realtime": {"get": operation}}), tmp_path)) as made:
        yield made


def answering(made: Imported, response: Callable[[], httpx.Response]) -> Any:
    transport = httpx.MockTransport(lambda request: response())
    return made.package.Client(base_url="http://h", httpx_args={"transport": transport})


@pytest.mark.filterwarnings("ignore:op is deprecated")
def test_events_are_yielded_as_they_arrive(streaming: Imported) -> None:
    module = streaming.module("api.default.op")
    headers = {"content-type": "text/event-stream"}
    client = answering(streaming, lambda: httpx.Response(200, stream=Chunks(CRLF_STREAM), headers=headers))

    async def read() -> list[str]:
        return [event.b async for event in module.astream(client=client)]

    assert [event.b for event in module.stream(client=client)] == ["1", "é", "3"]
    assert asyncio.run(read()) == ["1", "é", "3"]
    refusing = answering(streaming, lambda: httpx.Response(429, json={"c": "slow down"}))
    with pytest.raises(streaming.module("errors").StatusError) as caught:
        list(module.stream(client=refusing))
    assert caught.value.parsed.c == "slow down"


def test_bytes_are_not_read_as_events(streaming: Imported) -> None:
    audio = httpx.Response(200, content=b"ID3\x00", headers={"content-type": "audio/mpeg"})
    client = answering(streaming, lambda: audio)
    with pytest.warns(DeprecationWarning) as caught:
        assert streaming.module("api.default.op").sync(client=client) == b"ID3\x00"
    assert [Path(one.filename) for one in caught] == [Path(__file__)]  # once, at the line of the caller


def test_open_files_and_content_types_are_sent_as_httpx_does(
    package: Callable[..., Imported], tmp_path: Path
) -> None:
    path = tmp_path / "tone.wav"
    path.write_bytes(b"RIFF")
    with package({"multipart/form-data": {"type": "object"}}) as made, path.open("rb") as file:
        body = {"a": file, "b": ("b.txt", io.BytesIO(b"text"), "text/csv"), "c": io.BytesIO(b"bytes")}
        body["d"] = ("d.txt", b"text", None, {"Content-Location": "https://example.com/d", "X-Part": "4"})
        content = send(made, body=body).content
        with pytest.raises(ValueError, match="Content-Type must not contain control characters"):
            send(made, body={"a": ("a.txt", b"text", "text/plain\r\nX-Part: 1")})
    assert b'name="a"; filename="tone.wav"\r\nContent-Type: application/octet-stream\r\n\r\nRIFF' in content
    assert b'name="b"; filename="b.txt"\r\nContent-Type: text/csv\r\n\r\ntext' in content
    assert b'name="c"; filename="upload"\r\nContent-Type: application/octet-stream\r\n\r\nbytes' in content
    further = b"Content-Location: https://example.com/d\r\nX-Part: 4"
    assert b"Content-Type: application/octet-stream\r\n" + further + b"\r\n\r\ntext" in content


def test_objects_in_a_form_are_json(package: Callable[..., Imported]) -> None:
    with package({"application/x-www-form-urlencoded": {"type": "object"}}) as made:
        content = built(made, body={"a": ["1", "2"], "o": {"x": 1}, "l": [[1, "b"]]}).content
    assert content == b"a=1&a=2&o=%7B%22x%22%3A1%7D&l=%5B1%2C%22b%22%5D"


@pytest.mark.parametrize("body", [{"n": float("nan")}, {"n": object()}])
def test_a_value_that_json_does_not_support_is_refused(body: Any, package: Callable[..., Imported]) -> None:
    with package({"application/json": ref("B")}) as made, pytest.raises((TypeError, ValueError)):
        built(made, body=body)


def test_required_properties_that_only_responses_have_are_no_arguments(tmp_path: Path) -> None:
    read_only = {"type": "string", "readOnly": True}
    thing = {"type": "object", "required": ["id", "name"], "properties": {"id": read_only, "name": TEXT}}
    content = {"application/json": {"schema": ref("Thing")}}
    operation = {
        "operationId": "op",
        "requestBody": {"required": True, "content": content},
        "responses": {"200": {"description": "", "content": content}},
    }
    whole = document({**OTHERS, "Thing": thing}, {"/realtime": {"post": operation}})
    with Imported(make(whole, tmp_path)) as made:
        model = made.module("models").Thing
        assert built(made, body=model(name="a")).content == b'{"name":"a"}'
        with pytest.raises(TypeError, match="id"):
            model(id="1", name="a")
        received = model.from_dict({"id": "1", "name": "a"})
        assert (received.id, received.to_dict()) == ("1", {"id": "1", "name": "a"})
        with pytest.raises(made.module("errors").ModelError, match="'id' is missing"):
            model.from_dict({"name": "a"})
        assert set(made.module("params").ThingParam.__annotations__) == {"name"}
