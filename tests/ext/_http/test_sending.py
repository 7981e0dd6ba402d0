"""What happens between a client and the network: attempts, retries, time limits, failures."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import socket
import ssl
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import attrs
import httpx
import pytest
from realtime_api.api.realtime import hangup_realtime_call
from realtime_api.types import Request
from realtime_simulator._server.certificate import ensure_certificate

from realtime_ext import AsyncRealtimeClient
from realtime_ext._core.secrets import Secret
from realtime_ext._http.operation import Operation, read_nothing
from realtime_ext._http.sending import Clock
from realtime_ext.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    InternalServerError,
    MissingApiKeyError,
    NotFoundError,
    RateLimitError,
    RealtimeError,
)
from tests.samples.sdp import sample
from tests.support.examples import check_each
from tests.support.loopback import Loopback, Step, answer, break_off, hang_up, reset, say_nothing
from tests.support.rows import each
from tests.support.runner import Runner

CALL = "rtc_u1_abc"
OFFER = sample("offer-aiortc-audio-datachannel")


def refused_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


# accept, reject and refer act twice when repeated, and so does create; hangup doesn't.
def act_once(client):
    return client.calls.reject(CALL)


def act_freely(client):
    return client.calls.hangup(CALL)


@each("act", [act_once, act_freely])
@each("status", [429, 503])
def test_429_and_503_are_retried_for_every_operation(runner: Runner, act, status: int) -> None:
    runner.sleeps.clear()
    with Loopback(answer(status), answer(status), answer(200)) as server:
        runner.run(act(runner.client(base_url=server.base_url)))
    assert len(server.requests) == 3
    assert len({request.body for request in server.requests}) == 1
    assert runner.sleeps == [0.5, 1.0]


@each("act", [act_once, act_freely])
def test_every_operation_is_retried_without_a_connection(runner: Runner, act) -> None:
    runner.sleeps.clear()
    client = runner.client(base_url=refused_port())
    with pytest.raises(APIConnectionError, match=r"no connection to 127\.0\.0\.1") as caught:
        runner.run(act(client))
    assert runner.sleeps == [0.5, 1.0]
    assert caught.value.may_have_applied is False
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


@each("step", [reset, hang_up, break_off])
def test_a_lost_response_is_retried_if_idempotent(runner: Runner, step) -> None:
    with Loopback(step, answer(200)) as server:
        runner.run(act_freely(runner.client(base_url=server.base_url)))
    assert len(server.requests) == 2


@each("step", [reset, hang_up, break_off])
def test_a_lost_response_is_raised_unless_idempotent(runner: Runner, step) -> None:
    with Loopback(step) as server, pytest.raises(APIConnectionError) as caught:
        runner.run(act_once(runner.client(base_url=server.base_url)))
    assert len(server.requests) == 1
    assert caught.value.may_have_applied is True
    assert not isinstance(caught.value, TimeoutError)
    assert "may have carried it out" in str(caught.value)


def test_a_read_timeout_is_a_timeout_and_may_have_applied(runner: Runner) -> None:
    with Loopback(say_nothing) as server:
        client = runner.client(base_url=server.base_url)
        with pytest.raises(APITimeoutError) as caught:
            limit = httpx.Timeout(30, read=0.05)
            runner.run(client.calls.refer(CALL, "tel:+14155550123", timeout=limit))
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.may_have_applied is True
    assert runner.sleeps == []


def test_a_read_timeout_is_retried_if_idempotent(runner: Runner) -> None:
    sent: list[httpx.Request] = []

    def answer_the_second(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if len(sent) == 1:
            raise httpx.ReadTimeout("no answer", request=request)
        return httpx.Response(200)

    runner.run(act_freely(runner.client(answer_the_second)))
    assert len(sent) == 2


@each("status", [408, 409, 500, 502, 520])
def test_ambiguous_statuses(runner: Runner, status: int) -> None:
    with Loopback(answer(status), answer(200)) as server:
        runner.run(act_freely(runner.client(base_url=server.base_url)))
        assert len(server.requests) == 2
    with Loopback(answer(status)) as server, pytest.raises(APIStatusError) as caught:
        runner.run(act_once(runner.client(base_url=server.base_url)))
        assert len(server.requests) == 1
    assert caught.value.may_have_applied is True


def test_a_refusal_is_raised_at_once(runner: Runner) -> None:
    with (
        Loopback(answer(401, b'{"error":{"message":"no"}}')) as server,
        pytest.raises(APIStatusError, match="no") as caught,
    ):
        runner.run(act_freely(runner.client(base_url=server.base_url)))
    assert len(server.requests) == 1
    assert caught.value.may_have_applied is False


def test_retries_end(runner: Runner) -> None:
    with Loopback(answer(500)) as server, pytest.raises(InternalServerError) as caught:
        runner.run(act_freely(runner.client(base_url=server.base_url, max_retries=3)))
    assert len(server.requests) == 4
    assert runner.sleeps == [0.5, 1.0, 2.0]
    assert caught.value.may_have_applied is True


def test_no_retries_when_none_are_wanted(runner: Runner) -> None:
    with Loopback(answer(429)) as server, pytest.raises(RateLimitError):
        runner.run(act_freely(runner.client(base_url=server.base_url, max_retries=0)))
    assert len(server.requests) == 1


def test_retry_after_is_waited_for(runner: Runner) -> None:
    date = "Fri, 15 Jan 2027 08:00:10 GMT"  # the clock shows 08:00:03 by then
    with Loopback(answer(429, retry_after="3"), answer(503, retry_after=date), answer(200)) as server:
        runner.run(act_once(runner.client(base_url=server.base_url)))
    assert runner.sleeps == [3.0, 7.0]


def test_a_long_retry_after_is_raised(runner: Runner) -> None:
    with Loopback(answer(429, retry_after="61")) as server, pytest.raises(RateLimitError) as caught:
        runner.run(act_freely(runner.client(base_url=server.base_url)))
    assert caught.value.retry_after == 61.0
    assert len(server.requests) == 1
    assert runner.sleeps == []


def test_404_on_a_retried_hangup_is_success(runner: Runner) -> None:
    with Loopback(answer(500), answer(404)) as server:
        runner.run(act_freely(runner.client(base_url=server.base_url)))
    assert len(server.requests) == 2


def test_404_on_a_first_hangup_is_an_error(runner: Runner) -> None:
    with Loopback(answer(404)) as server, pytest.raises(NotFoundError):
        runner.run(act_freely(runner.client(base_url=server.base_url)))


def test_404_on_a_retried_reject_is_an_error(runner: Runner) -> None:
    with Loopback(answer(503), answer(404)) as server, pytest.raises(NotFoundError):
        runner.run(act_once(runner.client(base_url=server.base_url)))


def test_an_earlier_attempt_that_may_have_applied_is_not_forgotten(runner: Runner) -> None:
    with (
        Loopback(answer(500), answer(429, retry_after="100")) as server,
        pytest.raises(RateLimitError) as caught,
    ):
        runner.run(act_freely(runner.client(base_url=server.base_url)))
    assert caught.value.may_have_applied is True


def test_the_key_is_asked_for_at_every_attempt(runner: Runner) -> None:
    keys = iter(["key-1", "key-2", "key-3"])
    with Loopback(answer(503), answer(503), answer(200)) as server:
        runner.run(act_freely(runner.client(base_url=server.base_url, api_key=lambda: next(keys))))
    assert [request.header("authorization") for request in server.requests] == [
        "Bearer key-1",
        "Bearer key-2",
        "Bearer key-3",
    ]


@each("key", ["", None])
def test_no_key_is_missed_only_when_one_is_needed(runner: Runner, key: str | None) -> None:
    with Loopback(answer(200)) as server:
        client = runner.client(base_url=server.base_url, api_key=lambda: key)
        with pytest.raises(MissingApiKeyError, match=r"OPENAI_API_KEY; .*realtime simulator"):
            runner.run(act_freely(client))
    assert server.requests == []


@each("key", ["two words", "sk-abc\n", "ключ", "a\x00b"])
def test_a_key_that_cannot_be_sent_is_refused_unseen(runner: Runner, key: str) -> None:
    client = runner.client(api_key=lambda: key)
    with pytest.raises(ValueError, match="api_key: must be printable ASCII") as caught:
        runner.run(act_freely(client))
    assert key not in str(caught.value)


def test_a_key_of_another_type_is_refused(runner: Runner) -> None:
    with pytest.raises(TypeError, match="api_key: expected a str, got int"):
        runner.run(act_freely(runner.client(api_key=lambda: 7)))


def test_a_closed_client_says_so(runner: Runner) -> None:
    with Loopback(answer(200)) as server:
        client = runner.client(base_url=server.base_url)
        runner.run(act_freely(client))
        runner.run(client.aclose() if runner.is_async else client.close())
        with pytest.raises(APIConnectionError, match="closed"):
            runner.run(act_freely(client))
    assert len(server.requests) == 1


def test_a_client_that_is_closed_before_the_next_attempt_says_so(runner: Runner) -> None:
    with Loopback(answer(503)) as server:
        client = runner.client(base_url=server.base_url)

        async def aclose(seconds: float) -> None:
            await client.aclose()

        client._http.clock = Clock(sleep=lambda seconds: client.close(), asleep=aclose)
        with pytest.raises(APIConnectionError, match="closed"):
            runner.run(act_freely(client))
    assert len(server.requests) == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of connections whose loop was closed before them
def test_an_async_client_works_in_one_event_loop_after_the_other() -> None:
    with Loopback(answer(200)) as server:
        client = AsyncRealtimeClient("test-key-0123", base_url=server.base_url)
        for _ in range(3):
            asyncio.run(act_freely(client))
        asyncio.run(client.aclose())
    del client
    gc.collect()
    assert len(server.requests) == 3


@each("is_read", [False, True])
def test_a_hook_that_raises_for_a_status_changes_nothing(runner: Runner, is_read: bool) -> None:
    """As httpx's documentation has it; a hook that wants more than the status reads the answer first."""

    def hook(response: httpx.Response) -> None:
        if is_read:
            response.read()
        response.raise_for_status()

    async def ahook(response: httpx.Response) -> None:
        if is_read:
            await response.aread()
        response.raise_for_status()

    body = b'{"error":{"message":"no","code":"gone"}}'
    hooks = {"response": [ahook if runner.is_async else hook]}
    with Loopback(answer(503, retry_after="2"), answer(401, body, x_request_id="req_1")) as server:
        http_client = runner.http_client(event_hooks=hooks)
        client = runner.client(base_url=server.base_url, http_client=http_client)
        with pytest.raises(AuthenticationError) as caught:
            runner.run(act_freely(client))
    assert caught.value.request_id == "req_1" and runner.sleeps[-1:] == [2.0]
    assert caught.value.code == ("gone" if is_read else None)


def test_a_closed_http_client_says_so(runner: Runner) -> None:
    http_client = runner.http_client()
    runner.run(http_client.aclose() if runner.is_async else http_client.close())
    with pytest.raises(APIConnectionError, match="http_client that was passed in is closed"):
        runner.run(act_freely(runner.client(http_client=http_client)))


@each("fault", [httpx.LocalProtocolError("bad header b'secret'"), httpx.TooManyRedirects("too many")])
def test_an_unsendable_request_is_not_retried(runner: Runner, fault: httpx.HTTPError) -> None:
    seen = []

    def refuse(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        raise fault

    with pytest.raises(APIConnectionError) as caught:
        runner.run(act_freely(runner.client(refuse)))
    assert len(seen) == 1
    assert caught.value.may_have_applied is False


@each("fault", [httpx.ConnectTimeout("t"), httpx.PoolTimeout("t")])
def test_a_connect_timeout_is_retried_and_had_no_effect(
    runner: Runner, fault: httpx.TimeoutException
) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise fault

    runner.sleeps.clear()
    with pytest.raises(APITimeoutError) as caught:
        runner.run(act_once(runner.client(refuse)))
    assert runner.sleeps == [0.5, 1.0]
    assert caught.value.may_have_applied is False


def test_other_exceptions_of_a_transport_pass_unchanged(runner: Runner) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        runner.run(act_freely(runner.client(fail)))


def test_threads_share_one_client() -> None:
    runner = Runner("sync")
    with Loopback(answer(200)) as server:
        client = runner.client(base_url=server.base_url)
        threads = [threading.Thread(target=client.calls.hangup, args=(f"rtc_{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        runner.close()
    targets = sorted(request.target for request in server.requests)
    assert targets == [f"/v1/realtime/calls/rtc_{n}/hangup" for n in range(8)]


def test_an_operation_s_repr_shows_no_body_and_no_secret() -> None:
    operation = Operation(
        name="x",
        request=Request("POST", "/x", {}, b"secret"),
        read=read_nothing,
        idempotent=False,
        bearer=Secret("ek_1"),
    )
    assert "secret'" not in repr(operation) and "ek_1" not in repr(operation)


# --- redirects


def redirecting(runner: Runner, location: str, status: int, **options):
    """A client on an httpx client that follows redirects, and what it sent, with an answer that is one."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(status, headers={"location": location})

    http_client = runner.http_client(transport=httpx.MockTransport(answer), follow_redirects=True)
    return runner.client(http_client=http_client, **options), sent


REQUESTS = {
    "create": lambda client: client.calls.create(OFFER),
    "create_with_secret": lambda client: client.calls.create_with_secret(OFFER, "ek_0123"),
    "hangup": lambda client: client.calls.hangup(CALL),
    "client_secrets": lambda client: client.client_secrets.create(),
}


@each("auth_header", ["authorization", "api-key"])
@each("status", [303, 307])
@each("location", ["https://elsewhere.example/v1/x", "/v1/x"])
@each("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_redirect_is_an_error_and_nothing_is_sent_elsewhere(
    runner: Runner, request_, location: str, status: int, auth_header: str
) -> None:
    client, sent = redirecting(runner, location, status, auth_header=auth_header)
    with pytest.raises(APIStatusError, match=f"HTTP {status}, a redirect: not followed") as caught:
        runner.run(request_(client))
    assert (caught.value.status_code, caught.value.may_have_applied) == (status, False)
    assert [request.url.host for request in sent] == ["api.openai.com"]


@each("auth_header", ["authorization", "api-key"])
def test_the_generated_client_follows_no_redirect_either(runner: Runner, auth_header: str) -> None:
    client, sent = redirecting(runner, "https://elsewhere.example/v1/x", 307, auth_header=auth_header)
    operation = (
        hangup_realtime_call.asyncio_detailed if runner.is_async else hangup_realtime_call.sync_detailed
    )
    assert runner.run(operation(CALL, client=client.raw)).status_code == 307
    assert [request.url.host for request in sent] == ["api.openai.com"]


@each("scheme", ["socks5", "ftp"])
def test_a_proxy_of_the_environment_that_cannot_be_used_is_said_without_its_password(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("http_proxy", f"{scheme}://user:proxy-password@127.0.0.1:9")
    client = runner.client(base_url="http://api.example.invalid/v1")
    with pytest.raises(RealtimeError, match=r"^proxy: ") as caught:
        runner.run(act_freely(client))
    assert "proxy-password" not in "".join(traceback.format_exception(caught.value))


def test_a_request_id_that_echoes_the_key_is_masked(runner: Runner) -> None:
    key = "a-key-of-no-known-shape"
    client = runner.client(lambda request: httpx.Response(401, headers={"x-request-id": key}), api_key=key)
    with pytest.raises(APIStatusError) as caught:
        runner.run(act_freely(client))
    assert caught.value.request_id == "***"


def trickle(head: bytes, left: bytes) -> Step:
    """Send the beginning of an answer, then the rest byte by byte, each in time, and never come to an end."""

    def step(connection: socket.socket, server: Loopback) -> None:
        connection.sendall(head)
        while not server.closing.wait(0.03):
            connection.sendall(left)

    return step


#: What a server sends of an answer at once, and what it trickles then.
TRICKLED = {
    "body": (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", b" "),
    "headers": (b"HTTP/1.1 200 OK\r\nx-slow: ", b"a"),
    "hints": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}
CLIENTS = ["own client", "client of the user"]
CONNECTIONS = ["a new connection", "a connection that was used"]


@pytest.mark.slow
def test_a_server_that_trickles_does_not_hold_a_call(runner: Runner, subtests: pytest.Subtests) -> None:
    def check(case: tuple[str, str, str]) -> None:
        part, whose, connection = case
        steps = [answer(200)] if connection == "a connection that was used" else []
        own = Runner(runner.name)
        with contextlib.closing(own), Loopback(*steps, trickle(*TRICKLED[part])) as server:
            options = {} if whose == "own client" else {"http_client": own.http_client()}
            client = own.client(base_url=server.base_url, max_retries=0, **options)
            if steps:
                own.run(act_freely(client))
            with pytest.raises(APITimeoutError):
                own.run(client.calls.hangup(CALL, timeout=0.2))

    cases = list(product(TRICKLED, CLIENTS, CONNECTIONS))
    with ThreadPoolExecutor(len(cases)) as pool:  # each lasts as long as its limit
        checked = {case: pool.submit(check, case) for case in cases}
    check_each(subtests, cases, lambda case: checked[case].result())


# A header, then keep-alive frames without end, as HTTP/2 has them.
SETTINGS, PING = b"\0\0\0\4\0\0\0\0\0", b"\0\0\x08\6\0\0\0\0\0" + bytes(8)


def test_a_server_that_trickles_over_http_2_does_not_hold_a_call(runner: Runner) -> None:
    http_client = runner.http_client(http1=False, http2=True)
    with Loopback(trickle(SETTINGS, PING)) as server:
        client = runner.client(base_url=server.base_url, timeout=0.2, max_retries=0, http_client=http_client)
        with pytest.raises(APITimeoutError):
            runner.run(act_freely(client))


def test_a_transport_of_the_users_own_that_trickles_does_not_hold_a_call(runner: Runner) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(60):
            time.sleep(0.03)
            yield b" "

    async def apieces() -> AsyncIterator[bytes]:
        for _ in range(60):
            await asyncio.sleep(0.03)
            yield b" "

    content = apieces if runner.is_async else pieces
    client = runner.client(lambda request: httpx.Response(200, content=content()), timeout=0.2, max_retries=0)
    with pytest.raises(APITimeoutError, match=r"was not complete within 0\.4 s"):
        runner.run(act_freely(client))


def test_a_tls_handshake_that_trickles_does_not_hold_a_call(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_certificate(tmp_path / "server.pem", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    over = threading.Event()
    received, flight = ssl.MemoryBIO(), ssl.MemoryBIO()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            received.write(connection.recv(2**16))
            with contextlib.suppress(ssl.SSLWantReadError):
                context.wrap_bio(received, flight, server_side=True).do_handshake()
            while (byte := flight.read(1)) and not over.wait(0.03):
                connection.sendall(byte)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        base_url = f"https://localhost:{listener.getsockname()[1]}/v1"
        client = runner.client(base_url=base_url, timeout=0.3, max_retries=0)
        with pytest.raises(APITimeoutError):
            runner.run(act_freely(client))
        over.set()
        thread.join()
    assert flight.pending  # it had not come to its end


def test_an_operation_has_a_limit_over_all_attempts_and_pauses(runner: Runner) -> None:
    now = 0.0

    def refuse(request: httpx.Request) -> httpx.Response:
        nonlocal now
        now += 7.0
        return httpx.Response(503, headers={"retry-after": "50"})

    client = runner.client(refuse, timeout=10.0, max_retries=2)
    clock = client._http.clock
    client._http.clock = attrs.evolve(clock, monotonic=lambda: now + sum(runner.sleeps))
    with pytest.raises(APIStatusError, match="503"):
        runner.run(act_freely(client))
    assert runner.sleeps == [50.0]  # 57 s; a second pause would be 107, and 3 attempts have 3 · 20 + 2 · 8


@pytest.mark.slow
@each("packed", [False, True])
def test_an_answer_that_is_too_long_is_refused_while_it_is_read(runner: Runner, packed: bool) -> None:
    body = bytes(17 * 2**20)
    headers = {"content_encoding": "gzip"} if packed else {}
    with Loopback(answer(400, gzip.compress(body) if packed else body, **headers)) as server:
        client = runner.client(base_url=server.base_url, max_retries=0)
        with pytest.raises(APIConnectionError, match="refused: it has more than 16 MiB"):
            runner.run(act_freely(client))


def test_an_answer_that_is_packed_twice_is_refused(runner: Runner) -> None:
    with Loopback(answer(400, b"", content_encoding="gzip, gzip")) as server:
        client = runner.client(base_url=server.base_url, max_retries=0)
        with pytest.raises(APIConnectionError, match="compressed more than once"):
            runner.run(act_freely(client))


def test_a_packed_answer_is_unpacked(runner: Runner) -> None:
    body = gzip.compress(b'{"error":{"message":"no such call"}}')
    with Loopback(answer(400, body, content_encoding="gzip")) as server:
        client = runner.client(base_url=server.base_url)
        with pytest.raises(APIStatusError, match="no such call"):
            runner.run(act_freely(client))


@each("text", ["ñ", "日本", "\x80\xff"])
def test_headers_of_an_answer_need_not_be_ascii(runner: Runner, text: str) -> None:
    with Loopback(answer(404, b"{}", content_type=f"text/{text}", x_request_id=f"req_{text}")) as server:
        client = runner.client(base_url=server.base_url, max_retries=0)
        with pytest.raises(NotFoundError) as caught:
            runner.run(act_once(client))
    assert caught.value.request_id is not None and caught.value.request_id.startswith("req_")
