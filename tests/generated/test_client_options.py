"""The generated client as used by SDKs: options, connection pool, errors, raw responses."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from realtime_api import AuthenticatedClient, Client, errors, models
from realtime_api.api.realtime import create_realtime_client_secret as operation

BODY = models.RealtimeCreateClientSecretRequest()
ANSWER = {
    "value": "ek_1",
    "expires_at": 1,
    "session": {"type": "realtime", "object": "realtime.session", "id": "sess_1"},
}
REFUSAL = {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": "bad"}}


class Server:
    """An API that always sends the same response, and records requests."""

    def __init__(self, body: Any = ANSWER, status: int = 200) -> None:
        self.body, self.status = body, status
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        return httpx.Response(self.status, json=self.body, headers={"x-request-id": "req_1"})

    def client(self, **options: Any) -> AuthenticatedClient:
        http_client = httpx.Client(transport=httpx.MockTransport(self))
        return AuthenticatedClient(token="sk", **options).set_httpx_client(http_client)


def test_the_default_base_url_is_from_the_api_description() -> None:
    server = Server()
    operation.sync(client=server.client(), body=BODY)
    operation.sync(client=server.client(base_url="http://h/v2/"), body=BODY)
    assert [str(request.url) for request in server.seen] == [
        "https://api.openai.com/v1/realtime/client_secrets",
        "http://h/v2/realtime/client_secrets",
    ]


def test_a_custom_client_sends_token_headers_and_cookies() -> None:
    server = Server()
    operation.sync(client=server.client(headers={"X-Mine": "1"}, cookies={"a": "b"}, timeout=7), body=BODY)
    (request,) = server.seen
    assert {name: request.headers[name] for name in ("authorization", "x-mine", "cookie")} == {
        "authorization": "Bearer sk",
        "x-mine": "1",
        "cookie": "a=b",
    }
    assert set(request.extensions["timeout"].values()) == {7}


def test_copies_share_the_pool_but_not_headers() -> None:
    server = Server()
    client = server.client()
    copy = client.with_headers({"X-Mine": "1"}).with_timeout(3)
    assert copy.get_httpx_client() is client.get_httpx_client()
    for one in (client, copy):
        operation.sync(client=one, body=BODY)
    assert ["x-mine" in request.headers for request in server.seen] == [False, True]
    assert [request.extensions["timeout"]["read"] for request in server.seen] == [5, 3]


def test_per_call_options() -> None:
    server = Server()
    client = server.client(headers={"X-Mine": "1"}, timeout=7)
    options: dict[str, Any] = {"timeout": 2, "headers": {"X-Mine": "2"}, "query": {"a": "b c"}}
    operation.sync(client=client, body=BODY, **options)
    (request,) = server.seen
    assert request.headers["x-mine"] == "2" and request.url.params["a"] == "b c"
    assert request.extensions["timeout"]["read"] == 2


def test_only_an_internal_http_client_is_closed() -> None:
    handed_in = Server().client()
    handed_in.close()
    assert not handed_in.get_httpx_client().is_closed
    handed_in.get_httpx_client().close()
    client = Client()
    made, copy = client.get_httpx_client(), client.with_timeout(1)
    copy.close()
    copy.close()
    assert made.is_closed

    async def main() -> None:
        made = client.get_async_httpx_client()
        await client.aclose()
        assert made.is_closed

    asyncio.run(main())


def test_error_responses_are_returned_or_raised_in_full() -> None:
    server = Server(REFUSAL, 401)
    returned = operation.sync(client=server.client(), body=BODY)
    assert isinstance(returned, models.ErrorResponse) and returned.error.code == "bad"
    with pytest.raises(errors.StatusError) as caught:
        operation.sync(client=server.client(raise_for_status=True), body=BODY)
    error = caught.value
    assert isinstance(error, errors.ApiError) and error.status_code == 401
    assert error.headers["X-Request-Id"] == "req_1" and error.parsed == returned
    assert b'"bad"' in error.content and "bad" not in f"{error} {error!r}"


def test_an_unexpected_response_has_status_headers_and_body() -> None:
    with pytest.raises(errors.ModelError, match="'expires_at' is missing") as caught:
        operation.sync_detailed(client=Server({"value": "ek_1", "session": {}}).client(), body=BODY)
    error = caught.value
    assert (error.status_code, error.headers["x-request-id"], b"ek_1" in error.content) == (
        200,
        "req_1",
        True,
    )
    with pytest.raises(errors.ModelError) as caught:
        models.RealtimeCreateClientSecretResponse.from_dict({})
    assert caught.value.status_code is None


def test_raw_and_streamed_responses() -> None:
    server = Server()
    client = server.client()
    request = operation.build_request(body=BODY)
    assert client.send(request).json() == ANSWER
    with client.stream(request) as response:
        assert b"".join(response.iter_bytes()) == response.content and response.json() == ANSWER

    async def main() -> None:
        http_client = httpx.AsyncClient(transport=httpx.MockTransport(server))
        mine = AuthenticatedClient(token="sk").set_async_httpx_client(http_client)
        assert (await mine.asend(request)).json() == ANSWER
        async with mine.astream(request) as response:
            assert await response.aread()
        await http_client.aclose()

    asyncio.run(main())
    assert {request.headers["authorization"] for request in server.seen} == {"Bearer sk"}
    client.get_httpx_client().close()


def test_a_token_that_cannot_go_in_a_header_is_named_without_being_shown() -> None:
    client = Server().client()
    client.token = "sk-ü"
    with pytest.raises(ValueError, match="the token contains a character") as caught:
        operation.sync(client=client, body=BODY)
    assert "sk-" not in str(caught.value)
