"""`build_request` of every operation: what it builds, and that it is what the other functions send."""

from __future__ import annotations

import asyncio
import json
import os
import pkgutil
from importlib import import_module
from typing import Any

import httpx
import pytest
from realtime_api import AuthenticatedClient
from realtime_api.api import live, realtime
from realtime_api.models import (
    LiveCallAcceptRequest,
    LiveCallAcceptSession,
    LiveCallReferRequest,
    LiveCallRejectRequest,
    LiveForkRequest,
    LiveMediaSessionCreateParams,
    LiveSessionCreateRequest,
    LiveWebRTCTransport,
    RealtimeCallCreateRequest,
    RealtimeCallReferRequest,
    RealtimeCallRejectRequest,
    RealtimeCreateClientSecretRequest,
    RealtimeSessionCreateRequest,
    RealtimeSessionCreateRequestGA,
    RealtimeTranscriptionSessionCreateRequest,
    RealtimeTranslationClientSecretCreateRequest,
    RealtimeTranslationSessionCreateRequest,
)
from realtime_api.types import Request

from tests.support.rows import each

CALL_ID = "rtc_/ü?#"
QUOTED = "rtc_%2F%C3%BC%3F%23"
SESSION = RealtimeSessionCreateRequestGA(model="gpt-realtime-2.1", instructions="Grüße.")
#: Operation → positional arguments, body, path.
OPERATIONS: dict[str, tuple[tuple[str, ...], Any, str]] = {
    "create_realtime_call": (
        (),
        RealtimeCallCreateRequest(sdp="v=0\r\n", session=SESSION),
        "/realtime/calls",
    ),
    "accept_realtime_call": ((CALL_ID,), SESSION, f"/realtime/calls/{QUOTED}/accept"),
    "reject_realtime_call": (
        (CALL_ID,),
        RealtimeCallRejectRequest(status_code=486),
        f"/realtime/calls/{QUOTED}/reject",
    ),
    "refer_realtime_call": (
        (CALL_ID,),
        RealtimeCallReferRequest(target_uri="tel:+14155550123"),
        f"/realtime/calls/{QUOTED}/refer",
    ),
    "hangup_realtime_call": ((CALL_ID,), None, f"/realtime/calls/{QUOTED}/hangup"),
    "create_realtime_client_secret": (
        (),
        RealtimeCreateClientSecretRequest(session=SESSION),
        "/realtime/client_secrets",
    ),
    "create_realtime_translation_call": ((), b"v=0\r\n", "/realtime/translations/calls"),
    "create_realtime_session": ((), RealtimeSessionCreateRequest(), "/realtime/sessions"),
    "create_realtime_transcription_session": (
        (),
        RealtimeTranscriptionSessionCreateRequest(),
        "/realtime/transcription_sessions",
    ),
    "create_realtime_translation_client_secret": (
        (),
        RealtimeTranslationClientSecretCreateRequest(
            session=RealtimeTranslationSessionCreateRequest(model="gpt-realtime-translate")
        ),
        "/realtime/translations/client_secrets",
    ),
    "create_live": (
        (),
        LiveSessionCreateRequest(
            session=LiveMediaSessionCreateParams(model="gpt-live-1"),
            transport=LiveWebRTCTransport(sdp="v=0\r\n"),
        ),
        "/live/sessions",
    ),
    "accept_live_session": (
        (CALL_ID,),
        LiveCallAcceptRequest(session=LiveCallAcceptSession(model="gpt-live-1")),
        f"/live/sessions/{QUOTED}/accept",
    ),
    "reject_live_session": (
        (CALL_ID,),
        LiveCallRejectRequest(status_code=486),
        f"/live/sessions/{QUOTED}/reject",
    ),
    "refer_live_session": (
        (CALL_ID,),
        LiveCallReferRequest(target_uri="tel:+14155550123"),
        f"/live/sessions/{QUOTED}/refer",
    ),
    "hangup_live_session": ((CALL_ID,), None, f"/live/sessions/{QUOTED}/hangup"),
    "fork_live_session": (
        (CALL_ID,),
        LiveForkRequest(transport=LiveWebRTCTransport(sdp="v=0\r\n")),
        f"/live/sessions/{QUOTED}/fork",
    ),
    "download_live_session_recording": ((CALL_ID,), None, f"/live/sessions/{QUOTED}/content"),
}


def module(name: str) -> Any:
    return import_module(f"realtime_api.api.{'live' if 'live' in name else 'realtime'}.{name}")


def build(name: str, body: Any) -> Request:
    arguments = OPERATIONS[name][0]
    request: Request = module(name).build_request(*arguments, **({} if body is None else {"body": body}))
    return request


def test_every_operation_is_here() -> None:
    names = {name for package in (live, realtime) for _, name, _ in pkgutil.iter_modules(package.__path__)}
    assert names == OPERATIONS.keys()


@each("name", OPERATIONS)
def test_build_request_returns_method_path_headers_and_bytes(name: str) -> None:
    _, body, path = OPERATIONS[name]
    request = build(name, body)
    method = "GET" if name.startswith("download_") else "POST"
    assert (request.method, request.path, request.url, request.query) == (method, path, path, "")
    if body is None:
        assert (request.headers, request.content) == ({}, b"")
    elif name == "create_realtime_call":
        assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    elif isinstance(body, bytes):
        assert (request.headers, request.content) == ({"Content-Type": "application/sdp"}, body)
    else:
        assert request.headers == {"Content-Type": "application/json"}
        assert json.loads(request.content) == body.to_dict()
        assert build(name, body.to_dict()).content == build(name, request.content).content == request.content


@pytest.mark.parametrize("form", ["sync", "sync_detailed", "asyncio", "asyncio_detailed"])
@each("name", OPERATIONS)
def test_every_variant_sends_the_built_request(name: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda length: bytes(length))  # the same boundary twice
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        sent.append(request)
        return httpx.Response(403, json={})

    arguments, body, _ = OPERATIONS[name]
    client = AuthenticatedClient(base_url="http://127.0.0.1:9/v1", token="key")
    given = {"client": client} if body is None else {"client": client, "body": body}
    if form.startswith("sync"):
        transport = httpx.MockTransport(answer)
        with httpx.Client(base_url="http://127.0.0.1:9/v1", transport=transport) as http_client:
            client.set_httpx_client(http_client)
            getattr(module(name), form)(*arguments, **given)
    else:

        async def run() -> None:
            transport = httpx.MockTransport(answer)
            async with httpx.AsyncClient(
                base_url="http://127.0.0.1:9/v1", transport=transport
            ) as http_client:
                client.set_async_httpx_client(http_client)
                await getattr(module(name), form)(*arguments, **given)

        asyncio.run(run())
    (request,) = sent
    built = build(name, body)
    assert (request.method, request.url.raw_path.decode()) == (built.method, f"/v1{built.path}")
    assert request.content == built.content
    assert {key: request.headers[key] for key in built.headers} == built.headers


def test_a_call_is_multipart_with_part_types_and_a_random_boundary() -> None:
    contents, boundaries = [], []
    for body in (
        RealtimeCallCreateRequest(sdp="v=0\r\n", session=SESSION),
        {"sdp": b"v=0\r\n", "session": SESSION},
        {
            "sdp": "v=0\r\n",
            "session": json.dumps(SESSION.to_dict(), ensure_ascii=False, separators=(",", ":")),
        },
    ):
        request = build("create_realtime_call", body)
        boundary = request.headers["Content-Type"].removeprefix("multipart/form-data; boundary=")
        boundaries.append(boundary)
        contents.append(request.content.replace(boundary.encode(), b"B"))
    assert contents[0] == contents[1] == contents[2]
    assert contents[0].decode() == (
        '--B\r\nContent-Disposition: form-data; name="sdp"\r\n'
        "Content-Type: application/sdp\r\n\r\nv=0\r\n\r\n"
        '--B\r\nContent-Disposition: form-data; name="session"\r\nContent-Type: application/json\r\n\r\n'
        '{"type":"realtime","model":"gpt-realtime-2.1","instructions":"Grüße."}\r\n--B--\r\n'
    )
    assert len({*boundaries}) == 3 and all(len(boundary) == 32 for boundary in boundaries)


@pytest.mark.parametrize("offer", ["v=0\r\n", b"v=0\r\n"])
def test_a_bare_offer_is_sent_raw(offer: str | bytes) -> None:
    request = build("create_realtime_call", offer)
    assert (request.headers, request.content) == ({"Content-Type": "application/sdp"}, b"v=0\r\n")


@each("call_id", ["", ".", ".."])
def test_a_call_id_that_is_a_path_is_refused(call_id: str) -> None:
    with pytest.raises(ValueError, match="call_id must not be empty"):
        module("hangup_realtime_call").build_request(call_id)


def test_a_request_repr_hides_content_and_headers() -> None:
    shown = repr(build("create_realtime_client_secret", {"session": {"instructions": "hunter2"}}))
    assert "hunter2" not in shown and "path='/realtime/client_secrets'" in shown


@each("name, status, media, content, parsed", [
        ("create_live", 201, "application/json", b'{"session":{"id":"live_1"},"transport":{"type":"sip"}}',
         {"session": {"id": "live_1"}, "transport": {"type": "sip"}}),
        ("create_live", 400, "text/plain", b"no", "no"),
        ("create_live", 502, "text/plain", b"no trunk", "no trunk"),
        ("create_live", 504, "application/json", b'{"error":{"message":"late","code":"sip_setup_timeout"}}',
         {"error": {"message": "late", "code": "sip_setup_timeout"}}),
        ("fork_live_session", 404, "text/plain", b"gone", "gone"),
        ("accept_live_session", 200, "", b"", None),
        ("accept_live_session", 409, "application/json", b'{"error":{"message":"decided"}}',
         {"error": {"message": "decided"}}),
        ("hangup_live_session", 404, "application/json", b'{"error":{"message":"none"}}',
         {"error": {"message": "none"}}),
        ("download_live_session_recording", 200, "application/binary", b"RIFF\xff", b"RIFF\xff"),
        ("download_live_session_recording", 404, "application/json", b'{"error":{"message":"none"}}',
         {"error": {"message": "none"}}),
    ])  # fmt: skip
def test_answers_of_the_live_api_are_parsed_by_status_and_media_type(
    name: str, status: int, media: str, content: bytes, parsed: Any
) -> None:
    arguments, body, _ = OPERATIONS[name]
    headers = {"x-request-id": "req_1"} | ({"content-type": media} if media else {})
    transport = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, content=content))
    with httpx.Client(base_url="http://127.0.0.1:9/v1", transport=transport) as http_client:
        client = AuthenticatedClient(base_url="http://127.0.0.1:9/v1", token="key")
        client.set_httpx_client(http_client)
        given = {"client": client} if body is None else {"client": client, "body": body}
        answer = module(name).sync_detailed(*arguments, **given)
    assert (answer.status_code, answer.headers["x-request-id"]) == (status, "req_1")
    found = answer.parsed.to_dict() if hasattr(answer.parsed, "to_dict") else answer.parsed
    assert found == parsed
