"""SIP calls: accept, reject and refer, and what they refuse to send."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from realtime_ext.errors import APIConnectionError, NotFoundError
from tests.ext.clients import IN_BOTH
from tests.support.loopback import Loopback, answer, hang_up
from tests.support.rows import each
from tests.support.runner import Runner

CALL = "rtc_u1_abc"
SESSION = {"type": "realtime", "instructions": "You answer."}


def sent(runner: Runner, act) -> httpx.Request:
    """Return the one request that `act` makes of a client; the answer's body is nonsense."""
    requests: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, content=b"\xff<html>")

    assert runner.run(act(runner.client(take))) is None
    (request,) = requests
    return request


@IN_BOTH
def test_accept_sends_the_session_itself(runner: Runner) -> None:
    request = sent(runner, lambda client: client.calls.accept(CALL, SESSION))
    assert (request.method, request.url.path) == ("POST", f"/v1/realtime/calls/{CALL}/accept")
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content) == SESSION


@IN_BOTH
def test_reject_leaves_the_status_to_the_api(runner: Runner) -> None:
    request = sent(runner, lambda client: client.calls.reject(CALL))
    assert request.url.path == f"/v1/realtime/calls/{CALL}/reject"
    assert request.content == b""
    assert "content-type" not in request.headers


@each("status", [300, 486, 603, 699])
def test_reject_says_why(runner: Runner, status: int) -> None:
    request = sent(runner, lambda client: client.calls.reject(CALL, status))
    assert json.loads(request.content) == {"status_code": status}


@each(
    "status, error, message",
    [
        (299, ValueError, "status_code: expected a SIP status from 300 to 699, got 299"),
        (700, ValueError, "got 700"),
        (0, ValueError, "got 0"),
        (-486, ValueError, "got -486"),
        (True, TypeError, "status_code: expected a SIP status from 300 to 699, got bool"),
        ("486", TypeError, "status_code: expected a SIP status from 300 to 699, got str"),
        (486.0, TypeError, "status_code: expected a SIP status from 300 to 699, got float"),
    ],
)
def test_an_invalid_status_is_refused(runner: Runner, status: Any, error, message: str) -> None:
    with pytest.raises(error, match=message):
        runner.run(runner.client(never).calls.reject(CALL, status))


@IN_BOTH
@each(
    "uri",
    [
        "tel:+14155550123",
        "TEL:+1-415-555-0123",
        "tel:+1(415)555.0123;ext=12",
        "tel:911;phone-context=+1",
        "tel:*69;PHONE-CONTEXT=example.com;x=y",
        "sip:alice@example.com",
        "sips:alice@example.com:5061;transport=tls",
        "SIP:+14155550123@carrier.example;user=phone",
        "sip:example.com",
        "sip:192.0.2.1",
        "sip:agent%20x:pw@[2001:db8::1]:5060;lr?subject=hi&Replaces=a%40b",
        "sip:a;b=c?d/e@example.com.",
    ],
)
def test_refer_sends_what_can_be_called(runner: Runner, uri: str) -> None:
    request = sent(runner, lambda client: client.calls.refer(CALL, uri))
    assert request.url.path == f"/v1/realtime/calls/{CALL}/refer"
    assert json.loads(request.content) == {"target_uri": uri}


@each(
    "uri",
    [
        "",
        " ",
        "+14155550123",
        "tel:",
        "tel:+",
        "tel:+-",
        "tel:abc!",
        "tel:4155550123",
        "tel:911;ext=1",
        "tel:+1415 5550123",
        "tel:+14155550123\r\nX: y",
        "tel:+14155550123\n",
        "tel:+14155550123;a=\x00",
        "tel://+14155550123",
        "sip:",
        "sip:@example.com",
        "sip:alice@",
        "sip:alice@exa mple.com",
        "sip:alice@example.com\r\nX: y",
        "sip:alice@-example.com",
        "sip:alice@a..b",
        "sip:alice@[::zz]",
        "sip:alice@[192.0.2.1]",
        "sip:alice@example.com:0",
        "sip:alice@example.com:65536",
        "sip:al%zzice@example.com",
        "sip:älice@example.com",
        "ſip:alice@example.com",
        "sip:alice@example.com;",
        "http://example.com",
        "mailto:alice@example.com",
        "Alice <sip:alice@example.com>",
    ],
)
def test_refer_refuses_the_rest(runner: Runner, uri: str) -> None:
    with pytest.raises(ValueError, match=r"target_uri: .*RFC 3966.*RFC 3261"):
        runner.run(runner.client(never).calls.refer(CALL, uri))


@each("uri", [None, 7, b"tel:+14155550123"])
def test_refer_refuses_other_types(runner: Runner, uri: Any) -> None:
    with pytest.raises(TypeError, match="target_uri: expected tel:"):
        runner.run(runner.client(never).calls.refer(CALL, uri))


@each("uri", ["sip:" + "a" * 200_000, "tel:+" + "-" * 200_000, "sip:a@b" + ";c" * 100_000 + "\x00"])
def test_long_targets_are_judged_without_delay(runner: Runner, uri: str) -> None:
    client = runner.client(lambda request: httpx.Response(200))
    try:
        runner.run(client.calls.refer(CALL, uri))
    except ValueError as error:
        assert len(str(error)) < 500


def never(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"sent {request!r}")


ACTS = {
    "accept": lambda client: client.calls.accept(CALL, SESSION),
    "reject": lambda client: client.calls.reject(CALL),
    "refer": lambda client: client.calls.refer(CALL, "tel:+14155550123"),
}


@IN_BOTH
@each("act", ACTS.values(), ids=ACTS)
def test_operations_that_are_not_idempotent_are_not_retried(runner: Runner, act) -> None:
    with Loopback(hang_up) as server, pytest.raises(APIConnectionError) as caught:
        runner.run(act(runner.client(base_url=server.base_url)))
    assert len(server.requests) == 1
    assert caught.value.may_have_applied is True


@each("act", ACTS.values(), ids=ACTS)
def test_a_call_that_has_ended_is_not_found(runner: Runner, act) -> None:
    with Loopback(answer(404)) as server, pytest.raises(NotFoundError):
        runner.run(act(runner.client(base_url=server.base_url)))


@IN_BOTH
def test_rejecting_a_call_that_has_ended_can_count_as_done(runner: Runner) -> None:
    with Loopback(answer(404)) as server:
        runner.run(runner.client(base_url=server.base_url).calls.reject(CALL, 486, not_found_ok=True))
    assert len(server.requests) == 1
