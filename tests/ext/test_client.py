"""Both clients as a whole: opening and closing, the raw client inside, webhooks."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from realtime_api import AuthenticatedClient
from realtime_api.api.realtime import create_realtime_client_secret, hangup_realtime_call
from realtime_api.models import (
    RealtimeCreateClientSecretRequest,
    RealtimeCreateClientSecretResponse,
    WebhookRealtimeCallIncoming,
)

from realtime_ext import AsyncRealtimeClient, RealtimeClient, WebhookVerificationError, webhooks
from realtime_ext.errors import APIConnectionError, MissingApiKeyError
from tests.support.loopback import Loopback, answer
from tests.support.runner import Runner

SECRET = {
    "value": "ek_1",
    "expires_at": 1_800_000_600,
    "session": {"type": "realtime", "id": "sess_1", "object": "realtime.session"},
}
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two bytes length").decode()


def test_a_with_block_closes_the_client() -> None:
    with Loopback(answer(200)) as server:
        with RealtimeClient(api_key="k", base_url=server.base_url) as client:
            client.calls.hangup("rtc_1")
            inner = client._http.open()
        assert inner.is_closed
        with pytest.raises(APIConnectionError, match="closed"):
            client.calls.hangup("rtc_1")
        client.close()


def test_an_async_with_block_closes_the_client() -> None:
    async def use(base_url: str) -> None:
        async with AsyncRealtimeClient(api_key="k", base_url=base_url) as client:
            await client.calls.hangup("rtc_1")
            inner = client._http.open()
        assert inner.is_closed
        with pytest.raises(APIConnectionError, match="closed"):
            await client.calls.hangup("rtc_1")
        await client.aclose()

    with Loopback(answer(200)) as server:
        asyncio.run(use(server.base_url))


def test_a_client_that_was_never_used_closes_too(runner: Runner) -> None:
    client = runner.client()
    runner.run(client.aclose() if runner.is_async else client.close())
    assert client._http._client is None


def test_cancelling_a_call_cancels_its_request() -> None:
    async def use() -> None:
        started = asyncio.Event()

        async def never(request: httpx.Request) -> httpx.Response:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

        http_client = httpx.AsyncClient(transport=httpx.MockTransport(never))
        async with http_client, AsyncRealtimeClient(api_key="k", http_client=http_client) as client:
            task = asyncio.create_task(client.calls.hangup("rtc_1"))
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(use())


def mint(runner: Runner, client: AuthenticatedClient) -> object:
    body = RealtimeCreateClientSecretRequest()
    if runner.is_async:
        return runner.run(create_realtime_client_secret.asyncio(client=client, body=body))
    return create_realtime_client_secret.sync(client=client, body=body)


def test_raw_is_the_generated_client_set_up_alike(runner: Runner) -> None:
    with Loopback(answer(200, json.dumps(SECRET).encode())) as server:
        client = runner.client(
            base_url=server.base_url,
            organization="org-1",
            default_headers={"X-A": "1"},
            default_query={"api-version": "preview"},
        )
        assert isinstance(client.raw, AuthenticatedClient)
        assert client.raw is client.raw
        made = mint(runner, client.raw)
    assert isinstance(made, RealtimeCreateClientSecretResponse)
    (request,) = server.requests
    assert request.target == "/v1/realtime/client_secrets?api-version=preview"
    assert request.header("authorization") == "Bearer test-key-0123"
    assert (request.header("openai-organization"), request.header("x-a")) == ("org-1", "1")
    assert "test-key" not in repr(client.raw)


def test_raw_asks_for_the_key_every_time(runner: Runner) -> None:
    keys = iter(["key-1", "key-2"])

    async def next_key() -> str:
        return next(keys)

    with Loopback(answer(200, json.dumps(SECRET).encode())) as server:
        client = runner.client(
            base_url=server.base_url,
            api_key=next_key if runner.is_async else lambda: next(keys),
            auth_header="api-key",
        )
        mint(runner, client.raw)
        mint(runner, client.raw)
    assert [request.header("api-key") for request in server.requests] == ["key-1", "key-2"]
    assert {request.header("authorization") for request in server.requests} == {None}


def test_raw_without_a_key_says_so(runner: Runner) -> None:
    with pytest.raises(MissingApiKeyError):
        mint(runner, runner.client(api_key=None).raw)


def test_raw_accepts_the_user_s_authorization(runner: Runner) -> None:
    with Loopback(answer(200, json.dumps(SECRET).encode())) as server:
        headers = {"Authorization": "Basic Z2F0ZXdheQ=="}
        mint(runner, runner.client(base_url=server.base_url, api_key=None, default_headers=headers).raw)
    assert server.requests[0].header("authorization") == "Basic Z2F0ZXdheQ=="


def test_raw_goes_through_the_http_client_that_was_passed_in(runner: Runner) -> None:
    seen: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=SECRET)

    http_client = runner.http_client(transport=httpx.MockTransport(take), auth=("user", "password"))
    client = runner.client(http_client=http_client)
    assert isinstance(mint(runner, client.raw), RealtimeCreateClientSecretResponse)
    assert str(seen[0].url) == "https://api.openai.com/v1/realtime/client_secrets"
    assert seen[0].headers["authorization"] == "Bearer test-key-0123"
    runner.run(client.aclose() if runner.is_async else client.close())
    assert not http_client.is_closed


def test_raw_closes_with_its_owner() -> None:
    runner = Runner("sync")
    with Loopback(answer(200)) as server:
        client = runner.client(base_url=server.base_url)
        hangup_realtime_call.sync_detailed("rtc_1", client=client.raw)
        client.close()
        assert client.raw.get_httpx_client().is_closed
    runner.close()


def test_webhooks_are_verified_with_the_client_s_secret(runner: Runner) -> None:
    body = json.dumps(
        {
            "object": "event",
            "id": "evt_1",
            "type": "realtime.call.incoming",
            "created_at": 1,
            "data": {"call_id": "rtc_1", "sip_headers": []},
        }
    ).encode()
    headers = webhooks.sign(body, WEBHOOK_SECRET)
    older = "whsec_" + base64.b64encode(b"the secret before that one, used").decode()
    client = runner.client(webhook_secret=[older, WEBHOOK_SECRET])
    event = client.webhooks.unwrap(body, headers)
    assert isinstance(event, WebhookRealtimeCallIncoming)
    assert event.data.call_id == "rtc_1"
    with pytest.raises(WebhookVerificationError):
        client.webhooks.unwrap(body, headers, older)
    with pytest.raises(WebhookVerificationError):
        runner.client(webhook_secret=older).webhooks.unwrap(body, headers)
    with pytest.raises(ValueError, match="secret"):
        runner.client().webhooks.unwrap(body, headers)


def test_a_client_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    runner = Runner("sync")
    with Loopback(answer(200)) as server:
        runner.client(base_url=server.base_url).calls.hangup("rtc_1")
        runner.close()
    assert set(threading.enumerate()) <= before


def test_a_client_whose_arguments_were_refused_has_a_repr() -> None:
    assert repr(RealtimeClient.__new__(RealtimeClient)) == "RealtimeClient()"


OUTSIDE_ASYNCIO: dict[str, Callable[[AsyncRealtimeClient], Coroutine[Any, Any, object]]] = {
    "entering the client": lambda client: client.__aenter__(),
    "an operation": lambda client: client.calls.hangup("rtc_1"),
    "connect": lambda client: client.connect("gpt-realtime").__aenter__(),
    "answer": lambda client: client.answer("rtc_1", {"type": "realtime"}).__aenter__(),
    "dial": lambda client: client.dial().__aenter__(),
}


@pytest.mark.parametrize("what", OUTSIDE_ASYNCIO)
def test_another_event_loop_than_asyncio_is_refused_with_what_to_do(what: str) -> None:
    coroutine = OUTSIDE_ASYNCIO[what](AsyncRealtimeClient("key", base_url="http://127.0.0.1:9/v1"))
    with pytest.raises(RuntimeError, match=r"await trio\.to_thread\.run_sync\(function\)"):
        coroutine.send(None)  # as trio drives it
