"""The generated client as used by SDKs: options, connection pool, errors, raw responses."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from realtime_api import AuthenticatedClient, Client, errors, models
from realtime_api.api.realtime import create_realtime_client_secret as operation
from realtime_simulator import Simulator

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


@pytest.mark.parametrize("passed_in", [True, False])
def test_the_query_of_the_base_url_is_sent_with_every_request(passed_in: bool) -> None:
    server = Server()
    url = "http://h/v1?api-version=2,3"
    if passed_in:
        client = server.client(base_url=url)
    else:
        transport = httpx.MockTransport(server)
        client = AuthenticatedClient(token="sk", base_url=url, httpx_args={"transport": transport})
    operation.sync(client=client, body=BODY)
    operation.sync(client=client, body=BODY, query={"a": "1"})
    assert [str(request.url) for request in server.seen] == [
        "http://h/v1/realtime/client_secrets?api-version=2,3",
        "http://h/v1/realtime/client_secrets?api-version=2,3&a=1",
    ]


def test_threads_that_use_a_new_client_at_once_share_one_httpx_client() -> None:
    for _ in range(20):
        client, start = AuthenticatedClient(token="sk"), threading.Barrier(8)

        def use(client: AuthenticatedClient = client, start: threading.Barrier = start) -> httpx.Client:
            start.wait(60)
            return client.get_httpx_client()

        with ThreadPoolExecutor(8) as threads:
            used = [future.result() for future in [threads.submit(use) for _ in range(8)]]
        assert len({id(one) for one in used}) == 1
        client.close()
        assert used[0].is_closed


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of connections whose loop was closed before them
def test_a_client_is_used_in_one_event_loop_after_another() -> None:
    with Simulator() as simulator:
        client = AuthenticatedClient(token=simulator.api_key, base_url=simulator.base_url)

        async def twice() -> list[int]:
            answers = [await operation.asyncio_detailed(client=client, body=BODY) for _ in range(2)]
            return [answer.status_code for answer in answers]

        assert asyncio.run(twice()) == asyncio.run(twice()) == [200, 200]

        async def close() -> bool:
            await operation.asyncio(client=client, body=BODY)
            await client.aclose()
            return client.get_async_httpx_client().is_closed

        assert asyncio.run(close())
        gc.collect()


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


def test_a_block_ends_with_its_internal_http_client_alone() -> None:
    server = Server()
    client = server.client()
    shared = client.get_httpx_client()
    with client.with_timeout(1) as copy:
        operation.sync(client=copy, body=BODY)
    assert not shared.is_closed
    operation.sync(client=client, body=BODY)
    shared.close()
    own = Client()
    made = own.get_httpx_client()
    with own as entered:
        assert entered is own
    assert made.is_closed

    async def main() -> None:
        made = own.get_async_httpx_client()
        async with own:
            pass
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
    assert (str(error), repr(error)) == ("status 401: no (bad)", "<StatusError: status 401: no (bad)>")


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
