from __future__ import annotations

import pytest
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._server.body import parse_multipart

from tests.support.rows import each

TYPE = 'multipart/form-data; boundary="b o"'


def form(*parts: bytes, boundary: bytes = b"b o") -> bytes:
    return (
        b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
    )


def part(name: str, content: bytes, *headers: str, disposition: str = 'form-data; name="{}"') -> bytes:
    lines = [f"Content-Disposition: {disposition.format(name)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def test_parts_keep_every_byte_up_to_the_delimiters_own_crlf() -> None:
    sdp = b"v=0\r\ns=--b\r\n\r\n--bo\r\n"
    parts = parse_multipart(form(part("sdp", sdp), part("session", b"{}\n")), TYPE)
    assert parts["sdp"] == sdp and parts["session"] == b"{}\n"


def test_parts_of_browsers_and_of_http_libraries() -> None:
    body = form(
        part("sdp", b"x", "Content-Type: application/sdp"),
        part(
            "session", b"{}", "content-type: text/plain", disposition='form-data; filename="blob"; name="{}"'
        ),
        part("bare", b"y", disposition="form-data; name={}"),
        boundary=b"----WebKitFormBoundaryx",
    )
    parts = parse_multipart(body, "multipart/form-data; boundary=----WebKitFormBoundaryx; charset=utf-8")
    assert list(parts) == ["sdp", "session", "bare"]


def test_an_empty_form_has_no_parts() -> None:
    assert parse_multipart(b"--b o--\r\n", TYPE) == {}


@each(
    "body, content_type",
    [
        (form(part("a", b"x")), "multipart/form-data"),
        (form(part("a", b"x"))[:-6], TYPE),
        (form(part("a", b"x"), part("a", b"y")), TYPE),
        (form(*[part(f"p{n}", b"") for n in range(20)]), TYPE),
        (form(b"no headers"), TYPE),
        (form(b"Content-Type: text/plain\r\n\r\nx"), TYPE),
        (form(part("a", b"x", "X: " + "y" * 9000)), TYPE),
        (b"", TYPE),
    ],
)
def test_malformed_bodies_are_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(ApiProblem) as caught:
        parse_multipart(body, content_type)
    assert caught.value.status == 400
