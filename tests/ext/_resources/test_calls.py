"""WebRTC calls: offers out byte for byte, ids and answers back whole."""

from __future__ import annotations

import email
import email.policy
import json
import re
from email.message import EmailMessage
from typing import Any, cast

import httpx
import pytest
from realtime_api.models import RealtimeCallIncomingData, RealtimeSessionCreateRequestGA

from realtime_ext import Call, ClientSecret, RealtimeError, SdpError, SessionConfigError
from realtime_ext.errors import (
    APIConnectionError,
    APIResponseError,
    BadRequestError,
    MissingApiKeyError,
    NotFoundError,
)
from tests.ext.clients import IN_BOTH
from tests.samples.sdp import NAMES, sample
from tests.support.loopback import Loopback, answer, reset
from tests.support.rows import each
from tests.support.runner import Runner

OFFER = sample("offer-chromium-audio-datachannel")
ANSWER = sample("answer-chromium-audio-datachannel").encode()
SESSION = {"type": "realtime", "model": "gpt-realtime", "instructions": "Grüß Gott ☕"}
LOCATION = "/v1/realtime/calls/rtc_u1_abc"


def created(request: httpx.Request) -> httpx.Response:
    headers = {"location": LOCATION, "content-type": "application/sdp", "x-request-id": "req_1"}
    return httpx.Response(201, headers=headers, content=ANSWER)


def answering(status: int = 201, content: bytes = ANSWER, **headers: str):
    return lambda request: httpx.Response(status, headers=headers, content=content)


def parts_of(content_type: str, body: bytes) -> dict[str, EmailMessage]:
    """Take a multipart body apart with Python's own mail parser, as a second opinion."""
    raw = b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body
    message = email.message_from_bytes(raw, policy=email.policy.HTTP.clone(linesep="\r\n"))
    assert message.is_multipart()
    return {
        str(part["content-disposition"].params["name"]): part
        for part in cast(list[EmailMessage], message.get_payload())
    }


def bytes_between(body: bytes, content_type: str) -> list[bytes]:
    boundary = b"--" + content_type.partition("boundary=")[2].encode()
    return [piece.partition(b"\r\n\r\n")[2][:-2] for piece in body.split(boundary)[1:-1]]


@IN_BOTH
@each("form", [str, str.encode, lambda text: bytearray(text, "utf-8")])
def test_create_sends_two_parts_and_gives_the_call(runner: Runner, form) -> None:
    steps = [answer(201, ANSWER, location=LOCATION, content_type="application/sdp", x_request_id="req_1")]
    with Loopback(*steps) as server:
        client = runner.client(base_url=server.base_url)
        call = runner.run(client.calls.create(form(OFFER), SESSION))
    assert call == Call(id="rtc_u1_abc", sdp_answer=ANSWER.decode(), location=LOCATION, request_id="req_1")
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v1/realtime/calls")
    content_type = cast(str, request.header("content-type"))
    assert content_type.startswith("multipart/form-data; boundary=")
    parts = parts_of(content_type, request.body)
    assert {name: part.get_content_type() for name, part in parts.items()} == {
        "sdp": "application/sdp",
        "session": "application/json",
    }
    assert [part.get_filename() for part in parts.values()] == [None, None]
    sdp, session = bytes_between(request.body, content_type)
    assert sdp == OFFER.encode()
    assert json.loads(session) == SESSION


def test_create_without_a_session_is_multipart_too(runner: Runner) -> None:
    seen: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return created(request)

    runner.run(runner.client(take).calls.create(OFFER))
    assert list(parts_of(seen[0].headers["content-type"], seen[0].content)) == ["sdp"]


@each("name", [name for name in NAMES if name.startswith("offer-")])
def test_every_recorded_offer_goes_out_byte_for_byte(runner: Runner, name: str) -> None:
    offer, bodies = sample(name), []

    def take(request: httpx.Request) -> httpx.Response:
        bodies.append(bytes_between(request.content, request.headers["content-type"]))
        return created(request)

    runner.run(runner.client(take).calls.create(offer))
    assert bodies == [[offer.encode()]]


def test_boundaries_differ_from_call_to_call(runner: Runner) -> None:
    types = []

    def take(request: httpx.Request) -> httpx.Response:
        types.append(request.headers["content-type"])
        return created(request)

    client = runner.client(take)
    runner.run(client.calls.create(OFFER))
    runner.run(client.calls.create(OFFER))
    assert len(set(types)) == 2


class Builder:
    def build(self) -> RealtimeSessionCreateRequestGA:
        return RealtimeSessionCreateRequestGA.from_dict(SESSION)


@each("session", [SESSION, Builder().build()], ids=["dict", "model"])
def test_a_session_is_sent_alike_in_every_form(runner: Runner, session: Any) -> None:
    sent = []

    def take(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(bytes_between(request.content, request.headers["content-type"])[1]))
        return created(request)

    runner.run(runner.client(take).calls.create(OFFER, session))
    assert sent == [SESSION]


def test_the_end_user_is_named_in_a_header(runner: Runner) -> None:
    seen = []

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("openai-safety-identifier"))
        return created(request)

    client = runner.client(take)
    runner.run(client.calls.create(OFFER, safety_identifier="user-7"))
    runner.run(client.calls.create(OFFER))
    assert seen == ["user-7", None]
    with pytest.raises(ValueError, match="safety_identifier: not usable"):
        runner.run(client.calls.create(OFFER, safety_identifier="a\r\nb"))


@IN_BOTH
def test_create_with_secret_sends_raw_sdp_under_that_bearer(runner: Runner) -> None:
    with Loopback(answer(201, ANSWER, location=LOCATION)) as server:
        client = runner.client(base_url=server.base_url)
        call = runner.run(client.calls.create_with_secret(OFFER, "ek_abc"))
    (request,) = server.requests
    assert call.id == "rtc_u1_abc"
    assert request.body == OFFER.encode()
    assert request.header("content-type") == "application/sdp"
    assert request.header("authorization") == "Bearer ek_abc"


@each("auth_header", ["authorization", "api-key"])
def test_create_with_secret_needs_no_key_and_sends_none(runner: Runner, auth_header: str) -> None:
    seen = []

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(dict(request.headers))
        return created(request)

    for key in (None, "test-key-0123"):
        client = runner.client(take, api_key=key, auth_header=auth_header)
        runner.run(client.calls.create_with_secret(OFFER, "ek_abc"))
        assert seen[-1]["authorization"] == "Bearer ek_abc"
        assert "test-key" not in str(seen[-1])


def test_create_with_secret_drops_a_key_among_the_default_headers(runner: Runner) -> None:
    seen = []

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(dict(request.headers))
        return created(request)

    options = {"auth_header": "api-key", "default_headers": {"Api-Key": "project-key", "X-Gateway": "1"}}
    runner.run(runner.client(take, **options).calls.create_with_secret(OFFER, "ek_abc"))
    assert "project-key" not in str(seen)
    assert seen[0]["x-gateway"] == "1"


def test_create_with_secret_accepts_a_client_secret_object(runner: Runner) -> None:
    from datetime import UTC, datetime

    seen = []

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return created(request)

    secret = ClientSecret(value="ek_object", expires_at=datetime.now(UTC), session={})
    runner.run(runner.client(take).calls.create_with_secret(OFFER, secret))
    assert seen == ["Bearer ek_object"]


@each(
    "secret, error, message",
    [
        ("sk-proj-abcdefgh1234", ValueError, "got an API key; use calls.create"),
        ("", ValueError, "client_secret: must be printable ASCII"),
        ("ek_a\n", ValueError, "client_secret: must be printable ASCII"),
        (None, TypeError, "client_secret: expected a str, got NoneType"),
    ],
)
def test_malformed_client_secrets_are_refused(runner: Runner, secret: Any, error, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        runner.run(runner.client(created).calls.create_with_secret(OFFER, secret))
    assert "abcdefgh" not in str(caught.value)


@each(
    "offer",
    [
        "",
        " ",
        "\r\n",
        "garbage",
        "v=0",
        "v=0\r\n",
        '{"type":"offer","sdp":"v=0"}',
        "<!DOCTYPE html><html></html>",
        OFFER.replace("\r\n", "\r\n\x00", 1),
        OFFER.strip(),
        b"\xff\xfe" + OFFER.encode(),
        OFFER + "a=x:\ud800\r\n",
        ANSWER.decode(),
    ],
)
@each("validate", [True, False])
def test_malformed_offers_are_not_sent(runner: Runner, offer: str | bytes, validate: bool) -> None:
    seen: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return created(request)

    client = runner.client(take, validate=validate)
    with pytest.raises(SdpError, match=r"^offer: ") as caught:
        runner.run(client.calls.create(offer, SESSION))
    with pytest.raises(SdpError):
        runner.run(client.calls.create_with_secret(offer, "ek_abc"))
    assert seen == []
    assert isinstance(caught.value, ValueError)


@each("offer", [None, 7, {"type": "offer"}])
def test_an_offer_of_another_type_is_a_type_error(runner: Runner, offer: Any) -> None:
    with pytest.raises(TypeError, match="offer: expected str or bytes, got "):
        runner.run(runner.client(created).calls.create(offer))


def test_a_refused_offer_shows_its_line_and_no_ice_password(runner: Runner) -> None:
    offer = OFFER.replace("a=ice-pwd:", "a=ice-pwd:hunter2 ", 1)
    with pytest.raises(SdpError) as caught:
        runner.run(runner.client(created).calls.create(offer.rstrip()))
    assert caught.value.line is not None
    assert "hunter2" not in str(caught.value)


@IN_BOTH
def test_a_bad_session_is_not_sent(runner: Runner) -> None:
    seen: list[httpx.Request] = []
    client = runner.client(lambda request: seen.append(request))
    with pytest.raises(SessionConfigError):
        runner.run(client.calls.create(OFFER, {"modalities": ["text"]}))
    with pytest.raises(TypeError):
        runner.run(client.calls.create(OFFER, "realtime"))
    assert seen == []


def test_an_unchecked_session_is_sent_as_given(runner: Runner) -> None:
    sent = []

    def take(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(bytes_between(request.content, request.headers["content-type"])[1]))
        return created(request)

    session = {"modalities": ["text"], "nothing": None}
    runner.run(runner.client(take, validate=False).calls.create(OFFER, session))
    assert sent == [session]


def test_a_session_without_a_json_form_is_refused_even_unchecked(runner: Runner) -> None:
    client = runner.client(created, validate=False)
    with pytest.raises(SessionConfigError, match="cannot be written as JSON"):
        runner.run(client.calls.create(OFFER, {"type": "realtime", "extra": object()}))


@each(
    "location, call_id",
    [
        ("/v1/realtime/calls/rtc_1", "rtc_1"),
        ("https://api.openai.com/v1/realtime/calls/rtc_1", "rtc_1"),
        ("/openai/v1/realtime/calls/rtc_1/?api-version=1#x", "rtc_1"),
        ("calls/rtc_1", "rtc_1"),
        ("/v1/realtime/calls/rtc%2F1", "rtc/1"),
    ],
)
def test_the_id_is_the_location_s_last_segment(runner: Runner, location: str, call_id: str) -> None:
    call = runner.run(runner.client(answering(location=location)).calls.create(OFFER))
    assert (call.id, call.location) == (call_id, location)


@each(
    "location",
    [
        None,
        "",
        "/",
        "/v1/realtime/calls/",
        "/v1/realtime/calls/..",
        "rtc_1",
        "/calls/a%0D%0Ab",
        "/calls/a%1Bb",
    ],
)
def test_an_answer_without_a_usable_location_is_an_error_that_keeps_it(
    runner: Runner, location: str | None
) -> None:
    headers = {} if location is None else {"location": location}
    client = runner.client(answering(**headers))
    with pytest.raises(APIResponseError, match="Location") as caught:
        runner.run(client.calls.create(OFFER))
    assert caught.value.body == re.sub(r"(?<=a=ice-pwd:)[^\r]*", "***", ANSWER.decode())
    assert caught.value.status_code == 201
    assert "a=ice-pwd:***" in str(caught.value) or "ice-pwd" not in str(caught.value)


@each("content_type", ["application/sdp", "text/html", ""])
@each("body", [b"", b"<html>oops</html>", b'{"error":{}}', b"v=0", b"v=1\r\no=", b"\xff\xfev=0\r\no="])
def test_a_success_that_is_not_sdp_is_an_error_that_keeps_it(
    runner: Runner, body: bytes, content_type: str
) -> None:
    client = runner.client(answering(content=body, location=LOCATION, **{"content-type": content_type}))
    with pytest.raises(APIResponseError, match="not SDP") as caught:
        runner.run(client.calls.create(OFFER))
    assert caught.value.body == body.decode("utf-8", "replace")


def test_an_answer_that_is_not_utf8_is_not_handed_over(runner: Runner) -> None:
    client = runner.client(answering(content=ANSWER + b"a=x:\xff\r\n", location=LOCATION))
    with pytest.raises(APIResponseError, match="not UTF-8"):
        runner.run(client.calls.create(OFFER))


def test_sdp_counts_whatever_its_status_and_content_type_say(runner: Runner) -> None:
    client = runner.client(
        answering(200, location=LOCATION, **{"content-type": "text/plain; charset=latin-1"})
    )
    assert runner.run(client.calls.create(OFFER)).sdp_answer == ANSWER.decode()


def test_a_refused_offer_is_a_bad_request(runner: Runner) -> None:
    body = b'{"error":{"message":"bad","type":"invalid_request_error","param":null,"code":"invalid_offer"}}'
    with pytest.raises(BadRequestError) as caught:
        runner.run(runner.client(answering(400, body)).calls.create(OFFER))
    assert caught.value.code == "invalid_offer"


@IN_BOTH
def test_a_lost_answer_may_have_made_a_call(runner: Runner) -> None:
    with Loopback(reset) as server, pytest.raises(APIConnectionError) as caught:
        runner.run(runner.client(base_url=server.base_url).calls.create(OFFER))
    assert caught.value.may_have_applied is True
    assert len(server.requests) == 1


@IN_BOTH
def test_without_a_key_nothing_is_sent(runner: Runner) -> None:
    with pytest.raises(MissingApiKeyError):
        runner.run(runner.client(created, api_key=None).calls.create(OFFER))


def test_a_call_s_repr_shows_no_sdp(runner: Runner) -> None:
    call = runner.run(runner.client(created).calls.create(OFFER))
    answer = f"<{len(ANSWER)} characters>"
    shown = f"id='rtc_u1_abc', sdp_answer={answer}, location='{LOCATION}', request_id='req_1'"
    assert repr(call) == f"Call({shown})"


@each(
    "call_id, segment",
    [
        ("rtc_u1_abc", "rtc_u1_abc"),
        ("a/../b?c", "a%2F..%2Fb%3Fc"),
        ("..%2f", "..%252f"),
        ("ä #", "%C3%A4%20%23"),
        ("...", "..."),
    ],
)
def test_a_call_id_is_one_path_segment(runner: Runner, call_id: str, segment: str) -> None:
    with Loopback(answer(200, b"ignored")) as server:
        assert runner.run(runner.client(base_url=server.base_url).calls.hangup(call_id)) is None
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", f"/v1/realtime/calls/{segment}/hangup")
    assert request.body == b""


CONTROLS = {
    "hangup": lambda calls, call_id: calls.hangup(call_id),
    "reject": lambda calls, call_id: calls.reject(call_id),
    "refer": lambda calls, call_id: calls.refer(call_id, "tel:+14155550123"),
    "accept": lambda calls, call_id: calls.accept(call_id, SESSION),
}


@each("control", CONTROLS.values(), ids=CONTROLS)
@each("call_id", ["", " ", ".", "..", "\ud800"])
def test_an_id_that_names_nothing_is_refused(runner: Runner, control, call_id: str) -> None:
    with pytest.raises(ValueError, match="call_id: expected"):
        runner.run(control(runner.client(created).calls, call_id))


@each("control", CONTROLS.values(), ids=CONTROLS)
@each("call_id", [None, 7, b"rtc_1"])
def test_an_id_of_another_type_is_refused(runner: Runner, control, call_id: Any) -> None:
    with pytest.raises(TypeError, match="call_id: expected a str"):
        runner.run(control(runner.client(created).calls, call_id))


@IN_BOTH
def test_hangup_of_a_call_that_has_ended(runner: Runner) -> None:
    client = runner.client(answering(404, b'{"error":{"message":"gone","code":"call_id_not_found"}}'))
    runner.run(client.calls.hangup("rtc_1", not_found_ok=True))
    with pytest.raises(NotFoundError) as caught:
        runner.run(client.calls.hangup("rtc_1"))
    assert isinstance(caught.value, RealtimeError)
    assert caught.value.code == "call_id_not_found"


@each(
    "call",
    [
        "rtc_1",
        Call(id="rtc_1", sdp_answer="v=0", location="/rtc_1"),
        RealtimeCallIncomingData(call_id="rtc_1", sip_headers=[]),
        {"call_id": "rtc_1", "sip_headers": []},
    ],
)
def test_a_call_is_named_by_its_id_by_itself_or_by_its_webhook(runner: Runner, call: Any) -> None:
    with Loopback(answer(200)) as server:
        runner.run(runner.client(base_url=server.base_url).calls.hangup(call))
    assert server.requests[0].target == "/v1/realtime/calls/rtc_1/hangup"
