"""vcr_settings and match_parts: what vcrpy writes, and what it recognizes, with and without our settings."""

from __future__ import annotations

import gzip
import json
import logging
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import vcr
import yaml
from hypothesis import given, strategies as st
from realtime_simulator.scrub import Scrubber
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.request import Request

from realtime_ext import RealtimeClient, sdp
from realtime_ext.testing import match_parts, vcr_settings
from tests.samples.sdp import NAMES, sample
from tests.support.rows import each
from tests.support.runner import Runner

OFFER = sample("offer-chromium-audio-datachannel")
ANSWER = sample("answer-chromium-audio-datachannel")
BASE = "https://api.example.test/v1"
SESSION = {"type": "realtime", "model": "gpt-realtime", "instructions": "Be brief."}

Answer = Callable[[httpx.Request], httpx.Response]


def ice_passwords(text: str) -> set[str]:
    return {str(media.ice_pwd) for media in sdp.SessionDescription.parse(text).media} - {"None"}


class Tape:
    """A cassette in a temporary folder, recorded from answers that are made here."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tape.yaml"

    def record(self, answer: Answer, *requests: httpx.Request, **settings: Any) -> str:
        """Send requests while vcrpy records; return what it wrote."""
        self.path.unlink(missing_ok=True)
        with (
            vcr.VCR(**{**vcr_settings(), **settings}).use_cassette(str(self.path)),
            httpx.Client(transport=httpx.MockTransport(answer)) as client,
        ):
            for request in requests:
                client.send(request)
        return self.path.read_text()

    def play(self, *requests: httpx.Request, **settings: Any) -> list[httpx.Response]:
        """Send requests while vcrpy replays."""
        with (
            vcr.VCR(**{**vcr_settings(), **settings}, record_mode="none").use_cassette(str(self.path)),
            httpx.Client(transport=httpx.MockTransport(_unreachable)) as client,
        ):
            return [client.send(request) for request in requests]


def _unreachable(request: httpx.Request) -> httpx.Response:
    raise AssertionError("a replay must not send anything")


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    return Tape(tmp_path)


def post(path: str = "/realtime/calls", **options: Any) -> httpx.Request:
    return httpx.Request("POST", BASE + path, **options)


def empty(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200)


# What must not be written: (what the request or answer is, the secret in it)
SECRETS: Sequence[tuple[str, dict[str, Any], str]] = [
    ("bearer", {"headers": {"authorization": "Bearer 0123456789abcdef"}}, "0123456789abcdef"),
    ("short bearer", {"headers": {"authorization": "Bearer q9"}}, "Bearer q9"),
    ("key header", {"headers": {"api-key": "azure-0123456789"}}, "azure-0123456789"),
    ("proxy", {"headers": {"Proxy-Authorization": "Basic dXNlcjpwYXNz"}}, "dXNlcjpwYXNz"),
    ("cookie", {"headers": {"cookie": "__cf=oven-fresh"}}, "oven-fresh"),
    ("organization", {"headers": {"OpenAI-Organization": "org-4711"}}, "org-4711"),
    ("end user", {"headers": {"OpenAI-Safety-Identifier": "user-4711"}}, "user-4711"),
    ("any secret header", {"headers": {"x-vendor-secret": "vendor-4711"}}, "vendor-4711"),
    ("browser key", {"headers": {"sec-websocket-protocol": "openai-insecure-api-key.abc"}}, "key.abc"),
    ("query token", {"url": f"{BASE}/realtime?token=tok-4711&model=m"}, "tok-4711"),
    ("query key", {"url": f"{BASE}/realtime?api-key=tok-4711"}, "tok-4711"),
    ("query secret", {"url": f"{BASE}/realtime?client_secret=tok-4711"}, "tok-4711"),
    ("login in a URL", {"url": "https://user:pass-4711@api.example.test/v1"}, "pass-4711"),
    ("client secret in JSON", {"json": {"value": "ek_4711"}}, "ek_4711"),
    ("client secret of another form", {"json": {"value": "tmp-4711", "expires_at": 1}}, "tmp-4711"),
    ("nested client secret", {"json": {"client_secret": {"value": "t-4711", "expires_at": 1}}}, "t-4711"),
    ("webhook secret", {"json": {"text": "it is whsec_NDcxMQ=="}}, "whsec_NDcxMQ"),
    ("API key in a text", {"json": {"error": {"message": "Incorrect: sk-proj-47114711"}}}, "47114711"),
    (
        "MCP authorization",
        {"json": {"tools": [{"type": "mcp", "authorization": "oauth-4711"}]}},
        "oauth-4711",
    ),
    ("MCP headers", {"json": {"tools": [{"type": "mcp", "headers": {"X-Acme": "h-4711"}}]}}, "h-4711"),
    ("MCP URL", {"json": {"server_url": "https://mcp.test/x?access_token=u-4711&a=b"}}, "u-4711"),
    ("login in a MCP URL", {"json": {"server_url": "https://me:u-4711@mcp.test/"}}, "u-4711"),
    ("SDP in JSON", {"json": {"sdp": "v=0\r\na=ice-pwd:abcdefghij0123456789/+\r\n"}}, "abcdefghij"),
    (
        "broken JSON",
        {"content": '{"value": "ek_4711', "headers": {"content-type": "application/json"}},
        "4711",
    ),
    ("SDP", {"content": "v=0\r\na=ice-pwd:abcdefghij0123456789/+\r\nm=audio"}, "abcdefghij"),
    ("SDES key", {"content": "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^20"}, "c2VjcmV0"),
    ("token in a page", {"content": "<a href='/x?a=b&token=tok-4711'>"}, "tok-4711"),
    ("web token", {"content": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0NzExIn0.c2ln"}, "eyJzdWIi"),
    ("form", {"data": {"password": "form-4711", "a": "b"}}, "form-4711"),
    ("multipart by name", {"files": {"token": (None, "part-4711")}}, "part-4711"),
    ("multipart by shape", {"files": {"session": (None, '{"value":"ek_4711"}')}}, "ek_4711"),
    ("not text", {"content": b"\xff\xfe ek_4711 \xff"}, "ek_4711"),
]


@pytest.mark.slow
@each("options, secret", [row[1:] for row in SECRETS], ids=[row[0] for row in SECRETS])
def test_a_secret_is_not_written_in_a_request(tape: Tape, options: dict[str, Any], secret: str) -> None:
    request = httpx.Request("POST", **{"url": f"{BASE}/realtime/calls", **options})
    assert secret not in tape.record(empty, request)
    tape.play(httpx.Request("POST", **{"url": f"{BASE}/realtime/calls", **options}))


@each(
    "options, secret",
    [row[1:] for row in SECRETS if {"content", "json"} & row[1].keys()],
    ids=[row[0] for row in SECRETS if {"content", "json"} & row[1].keys()],
)
def test_a_secret_is_not_written_in_an_answer(tape: Tape, options: dict[str, Any], secret: str) -> None:
    assert secret not in tape.record(lambda request: httpx.Response(200, **options), post())


def test_secrets_in_the_answers_headers_are_not_written(tape: Tape) -> None:
    headers = [("set-cookie", "a=cookie-1"), ("set-cookie", "b=cookie-2"), ("location", "/x?token=tok-4711")]
    written = tape.record(lambda request: httpx.Response(200, headers=headers), post())
    assert "cookie-1" not in written
    assert "cookie-2" not in written
    assert "tok-4711" not in written
    [response] = tape.play(post())
    assert response.headers.get_list("set-cookie") == ["***", "***"]
    assert response.headers["location"] == "/x?token=***"


def test_an_answer_that_quotes_the_requests_key_does_not_keep_it(tape: Tape) -> None:
    key = "a-key-without-any-known-shape"
    page = f"<p>You sent {key}.</p>"
    written = tape.record(
        lambda request: httpx.Response(401, html=page), post(headers={"authorization": f"Bearer {key}"})
    )
    assert key not in written


def test_the_environments_keys_and_named_values_are_not_written(
    tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "env-key-4711")
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", "env-hook-4711")
    body = "env-key-4711 env-hook-4711 Zürich/7"
    written = tape.record(
        lambda request: httpx.Response(200, text=body),
        post(f"/{'x'}?city=Z%C3%BCrich%2F7"),
        **vcr_settings(secrets=["Zürich/7"]),
    )
    assert not any(part in written for part in ("env-key", "env-hook", "Zürich", "Z%C3%BCrich"))


@each("secrets", ["one string", [""], ["  "], [7], [None]])
def test_malformed_secrets_are_refused(secrets: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"secrets: expected"):
        vcr_settings(secrets=secrets)


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "gzip, deflate": lambda data: zlib.compress(gzip.compress(data)),
    "identity": bytes,
}


@each("coding", CODINGS)
def test_a_compressed_answer_is_kept_plain_and_without_its_secret(tape: Tape, coding: str) -> None:
    content = CODINGS[coding](json.dumps({"value": "ek_4711", "expires_at": 1}).encode())
    headers = {"content-encoding": coding, "content-type": "application/json"}
    written = tape.record(lambda request: httpx.Response(200, headers=headers, content=content), post())
    assert "ek_4711" not in written
    assert "!!binary" not in written
    [response] = tape.play(post())
    assert response.json() == {"value": "ek_***", "expires_at": 1}
    assert "content-encoding" not in response.headers
    assert response.headers["content-length"] == str(len(response.content))


@each("coding", CODINGS)
def test_a_compressed_request_is_kept_plain_and_without_its_secret(tape: Tape, coding: str) -> None:
    content = CODINGS[coding](b"a=ice-pwd:abcdefghij0123456789xy\r\n")
    options: dict[str, Any] = {"content": content, "headers": {"content-encoding": coding}}
    written = tape.record(empty, post(**options))
    assert "abcdefghij" not in written
    assert "a=ice-pwd:redacted" in written
    tape.play(post(**options))


@each(
    "content",
    [b"\x28\xb5\x2f\xfd ek_4711", gzip.compress(b"ek_4711", mtime=0)[:10] + bytes([7] * 9)],
    ids=["another coding", "broken off"],
)
@each("coding", ["x-unheard-of", "gzip"])
def test_undecodable_bodies_are_left_out(tape: Tape, coding: str, content: bytes) -> None:
    headers = {"content-encoding": coding}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(content))

    with (
        vcr.VCR(**vcr_settings()).use_cassette(str(tape.path)),
        httpx.Client(transport=httpx.MockTransport(answer)) as client,
        client.stream("POST", f"{BASE}/x"),
    ):
        pass
    [response] = tape.play(post("/x"))
    assert response.content.startswith(b"(removed: ")


def test_a_plain_body_under_a_compressed_ones_headers_is_kept(tape: Tape) -> None:
    hooks = vcr_settings()
    response = {"headers": {"Content-Encoding": ["gzip"]}, "body": {"string": b"plain"}, "status": {}}
    assert hooks["before_record_response"](response)["body"]["string"] == b"plain"


def test_text_without_secrets_is_written_unchanged(tape: Tape) -> None:
    body = b'{ "speed": 1.10, "max_output_tokens": "inf", "tokens": [1e400], "note": "bearer of news" }'
    request = post(content=body, headers={"content-type": "application/json", "x-request-id": "req_1"})
    written = yaml.safe_load(tape.record(lambda request: httpx.Response(200, content=body), request))
    [interaction] = written["interactions"]
    assert interaction["request"]["body"].encode() == body
    assert interaction["response"]["body"]["string"].encode() == body
    assert interaction["request"]["headers"]["x-request-id"] == ["req_1"]


def test_a_transcripts_tokens_are_not_secrets() -> None:
    body = b'{"logprobs":[{"token":"Hello","logprob":-0.1}]}'
    assert Scrubber().body(body, "application/json") == (body, "application/json")


@each("name", NAMES)
def test_a_scrubbed_description_parses_and_has_no_password(name: str) -> None:
    text = sample(name)
    clean = Scrubber().text(text)
    assert not any(password in clean for password in ice_passwords(text))
    assert ice_passwords(clean) == {"redactedredactedredacted"}
    assert sdp.check_offer(clean) == sdp.check_offer(text)
    assert clean.splitlines(keepends=True)[0] == text.splitlines(keepends=True)[0]


def test_a_scrubbed_call_is_replayed(tape: Tape, runner: Runner) -> None:
    """With another key, from a real client, and with the boundary that this client makes."""

    def answer(request: httpx.Request) -> httpx.Response:
        headers = {"content-type": "application/sdp", "location": "/v1/realtime/calls/rtc_u1_7"}
        return httpx.Response(201, headers=headers, text=ANSWER)

    with vcr.VCR(**vcr_settings()).use_cassette(str(tape.path)):
        runner.run(runner.client(answer, base_url=BASE).calls.create(OFFER, SESSION))
    written = tape.path.read_text()
    assert not any(password in written for password in ice_passwords(OFFER) | ice_passwords(ANSWER))

    with vcr.VCR(**vcr_settings(), record_mode="none").use_cassette(str(tape.path)) as cassette:
        client = runner.client(base_url=BASE, api_key="another-key")
        call = runner.run(client.calls.create(OFFER, {**dict(reversed(SESSION.items()))}))
    assert call.id == "rtc_u1_7"
    assert sdp.SessionDescription.parse(call.sdp_answer).audio is not None
    assert cassette.all_played


def test_another_session_is_not_taken_for_the_recorded_one(tape: Tape) -> None:
    tape.record(lambda request: httpx.Response(200), post(files=form("Be brief.")))
    with pytest.raises(CannotOverwriteExistingCassetteException):
        tape.play(post(files=form("Be long.")))


def form(instructions: str) -> dict[str, Any]:
    session = json.dumps({**SESSION, "instructions": instructions})
    return {
        "sdp": (None, OFFER, "application/sdp"),
        "session": (None, session, "application/json"),
    }


def test_scrubbing_twice_changes_nothing_more() -> None:
    for _, options, _ in SECRETS:
        request = httpx.Request("POST", **{"url": f"{BASE}/realtime", **options})
        hook = vcr_settings()["before_record_request"]
        once = hook(Request("POST", str(request.url), request.read(), dict(request.headers)))
        twice = hook(once)
        assert (twice.uri, twice.body, dict(twice.headers)) == (once.uri, once.body, dict(once.headers))


@given(st.text(max_size=60) | st.from_regex(r"(ek_|sk-|\?token=|a=ice-pwd:|Bearer )\S{0,12}"))
def test_any_text_is_scrubbed_once_and_for_all(text: str) -> None:
    scrubber = Scrubber(["s3cret"])
    clean = scrubber.text(text)
    assert "s3cret" not in clean
    assert scrubber.text(clean) == clean
    assert scrubber.url(scrubber.url(text)) == scrubber.url(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@given(json_values | st.binary(max_size=40))
def test_any_body_is_scrubbed_once_and_for_all(value: Any) -> None:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    scrubber = Scrubber()
    clean, kind = scrubber.body(body, "application/json")
    assert scrubber.body(clean, kind) == (clean, kind)


# Bodies as other libraries hand them to vcrpy.
@each(
    "body",
    [
        "ek_4711 and text",
        bytearray(b"ek_4711 and text"),
        iter([b"ek_47", b"11 and text"]),
        iter(["ek_47", "11 and text"]),
    ],
    ids=["str", "bytearray", "bytes pieces", "str pieces"],
)
def test_bodies_of_other_libraries_are_scrubbed(body: Any) -> None:
    clean = vcr_settings()["before_record_request"](Request("POST", BASE, body, {}))
    assert clean.body == b"ek_*** and text"


def test_a_file_as_body_is_scrubbed(tmp_path: Path) -> None:
    path = tmp_path / "offer.sdp"
    path.write_text("ek_4711 and text")
    with path.open("rb") as file:
        clean = vcr_settings()["before_record_request"](Request("POST", BASE, file, {}))
    assert clean.body == b"ek_*** and text"


def test_a_request_without_body_stays_without() -> None:
    assert vcr_settings()["before_record_request"](Request("GET", BASE, None, {})).body is None


def test_vcrpys_own_log_shows_no_secret(tape: Tape, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tape.record(lambda request: httpx.Response(200, json={"value": "ek_4711"}), post("/x?token=tok-4711"))
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("vcr")]
    assert any("Appending request" in message for message in messages)
    assert not any("4711" in message for message in messages)


# match_parts


def request_of(files: Any, boundary: str) -> Request:
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    sent = httpx.Request("POST", BASE, files=files, headers=headers)
    return Request("POST", BASE, sent.read(), dict(sent.headers))


def test_parts_match_whatever_boundary_order_and_layout() -> None:
    ours = {
        "sdp": (None, OFFER, "application/sdp"),
        "session": (None, '{"type":"realtime","model":"m"}', "application/json"),
    }
    theirs = {
        "session": (None, '{ "model": "m", "type": "realtime" }', "application/json"),
        "sdp": (None, OFFER, "application/sdp"),
    }
    match_parts(request_of(ours, "one"), request_of(theirs, '"two"'))


@each(
    "other, named",
    [
        ({"sdp": (None, "v=1", "application/sdp")}, "sdp"),
        ({"sdp": (None, "v=0", "text/plain")}, "sdp"),
        ({"sdp": (None, "v=0", "application/sdp"), "session": (None, "{}")}, "session"),
        ({"offer": (None, "v=0", "application/sdp")}, "offer, sdp"),
    ],
)
def test_parts_that_differ_are_named_and_not_shown(other: Any, named: str) -> None:
    ours = {"sdp": (None, "v=0", "application/sdp")}
    with pytest.raises(AssertionError) as caught:
        match_parts(request_of(ours, "one"), request_of(other, "one"))
    assert str(caught.value) == f"the parts differ: {named}"


@each("kind", ["application/sdp", "multipart/form-data", "multipart/form-data; boundary=x"])
def test_bodies_that_are_not_multipart_are_compared_whole(kind: str) -> None:
    def request(body: bytes | None) -> Request:
        return Request("POST", BASE, body, {"content-type": kind})

    match_parts(request(b"v=0"), request(b"v=0"))
    match_parts(request(None), request(None))
    with pytest.raises(AssertionError, match="the bodies differ"):
        match_parts(request(b"v=0"), request(b"v=1"))


@pytest.fixture
def own_vcr() -> Iterator[Any]:
    """As users set it up whose recordings were made without our settings."""
    recorder = vcr.VCR(match_on=["method", "path", "parts"])
    recorder.register_matcher("parts", match_parts)
    yield recorder


def test_match_parts_is_a_matcher_for_vcrpy(own_vcr: Any, tape: Tape) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        headers = {"content-type": "application/sdp", "location": "/v1/realtime/calls/rtc_u1_7"}
        return httpx.Response(201, headers=headers, text=ANSWER)

    for mode, transport in (("once", answer), ("none", _unreachable)):
        with (
            httpx.Client(transport=httpx.MockTransport(transport)) as http_client,
            RealtimeClient(api_key="k", base_url=BASE, http_client=http_client) as client,
            own_vcr.use_cassette(str(tape.path), record_mode=mode),
        ):
            assert client.calls.create(OFFER).id == "rtc_u1_7"
