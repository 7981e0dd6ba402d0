"""Run by test_httpx2.py, where httpx2 is installed beside httpx."""

from __future__ import annotations

import gzip
import logging
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
import vcr
from realtime_api import AuthenticatedClient, models
from realtime_api.api.realtime import create_realtime_client_secret
from realtime_simulator import Simulator

from realtime_ext import APIConnectionError, APITimeoutError, RealtimeClient, SessionBuilder
from realtime_ext.testing import vcr_settings
from tests.ext.connection.driver import Driven
from tests.support.loopback import Loopback, answer, say_nothing
from tests.support.runner import Runner

SECRET = b'{"value": "ek_1", "expires_at": 1, "session": {"type": "realtime", "object": "realtime.session"}}'
CALL = "rtc_u1_abc"


def test_it_sends_the_requests_and_stays_open(runner: Runner) -> None:
    http_client = runner.http_client_of(httpx2)
    with Simulator() as simulator:
        client = runner.client(
            api_key=simulator.api_key, base_url=simulator.base_url, http_client=http_client
        )
        assert runner.run(client.client_secrets.create()).value.startswith("ek_")
        with pytest.raises(Exception, match="call_id_not_found"):
            runner.run(client.calls.hangup(CALL))
        runner.run(client.aclose() if runner.is_async else client.close())
    assert not http_client.is_closed


def test_a_phone_call_is_answered_through_it(runner: Runner) -> None:
    with Simulator() as simulator, Loopback(answer(200)) as webhooks:
        client = runner.client(
            api_key=simulator.api_key,
            base_url=simulator.base_url,
            http_client=runner.http_client_of(httpx2),
        )
        call = simulator.incoming_call(to=webhooks.base_url)
        with Driven(client.answer(call.id, SessionBuilder("gpt-realtime")), runner) as connection:
            assert connection.ask("Hello").status == "completed"


def test_an_async_client_for_a_sync_one_is_refused() -> None:
    with pytest.raises(TypeError, match=r"http_client: RealtimeClient expects .*got httpx2\.AsyncClient"):
        RealtimeClient("key", http_client=httpx2.AsyncClient())


def test_no_connection(runner: Runner) -> None:
    client = runner.client(base_url="http://127.0.0.1:1/v1", http_client=runner.http_client_of(httpx2))
    with pytest.raises(APIConnectionError, match=r"no connection to 127\.0\.0\.1:1") as caught:
        runner.run(client.calls.reject(CALL))
    assert isinstance(caught.value.__cause__, httpx2.ConnectError)
    assert (caught.value.may_have_applied, len(runner.sleeps)) == (False, 2)
    assert "test-key-0123" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("limit", [0.05, httpx.Timeout(0.05), httpx2.Timeout(0.05)])
@pytest.mark.parametrize("library", [httpx, httpx2])
def test_time_limits_of_either_library(runner: Runner, library: Any, limit: Any) -> None:
    with Loopback(say_nothing) as server:
        client = runner.client(base_url=server.base_url, http_client=runner.http_client_of(library))
        with pytest.raises(APITimeoutError) as caught:
            runner.run(client.calls.refer(CALL, "tel:+14155550123", timeout=limit))
        assert isinstance(caught.value.__cause__, library.ReadTimeout)
        assert caught.value.may_have_applied is True
        client = runner.client(base_url=server.base_url, timeout=limit, max_retries=0)
        with pytest.raises(APITimeoutError):
            runner.run(client.calls.hangup(CALL))


def test_the_client_s_own_time_limit_stands(runner: Runner) -> None:
    with Loopback(say_nothing) as server:
        http_client = runner.http_client_of(httpx2, timeout=0.05)
        with pytest.raises(APITimeoutError):
            runner.run(runner.client(base_url=server.base_url, http_client=http_client).calls.reject(CALL))


def test_a_compressed_answer(runner: Runner) -> None:
    with Loopback(answer(200, gzip.compress(SECRET), content_encoding="gzip")) as server:
        client = runner.client(base_url=server.base_url, http_client=runner.http_client_of(httpx2))
        assert runner.run(client.client_secrets.create()).value == "ek_1"


def test_raw_sends_through_it(runner: Runner) -> None:
    operation = (
        create_realtime_client_secret.asyncio if runner.is_async else create_realtime_client_secret.sync
    )
    with Loopback(answer(200, SECRET)) as server:
        http_client = runner.http_client_of(httpx2, headers={"x-mine": "1"})
        client = runner.client(base_url=server.base_url, api_key=lambda: "asked", http_client=http_client)
        body = models.RealtimeCreateClientSecretRequest()
        assert runner.run(operation(client=client.raw, body=body)).value == "ek_1"
    (request,) = server.requests
    assert request.header("authorization") == "Bearer asked"


def test_the_generated_client_sends_through_it(runner: Runner) -> None:
    operation = (
        create_realtime_client_secret.asyncio if runner.is_async else create_realtime_client_secret.sync
    )
    body = models.RealtimeCreateClientSecretRequest()
    with Loopback(answer(200, SECRET), say_nothing) as server:
        http_client = runner.http_client_of(httpx2)
        client = AuthenticatedClient(base_url=server.base_url, token="key", headers={"x-mine": "é"})
        if runner.is_async:
            client.set_async_httpx_client(http_client)
        else:
            client.set_httpx_client(http_client)
        assert runner.run(operation(client=client, body=body)).value == "ek_1"
        for limit in (0.05, httpx.Timeout(0.05), httpx2.Timeout(0.05)):
            with pytest.raises(httpx2.TimeoutException):
                runner.run(operation(client=client, body=body, timeout=limit))
    assert server.requests[0].header("authorization") == "Bearer key"


def test_the_generated_client_accepts_a_transport_of_it(runner: Runner) -> None:
    operation = (
        create_realtime_client_secret.asyncio if runner.is_async else create_realtime_client_secret.sync
    )
    seen: list[httpx2.Request] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, content=SECRET)

    client = AuthenticatedClient(
        token="key", timeout=httpx.Timeout(7), httpx_args={"transport": httpx2.MockTransport(respond)}
    )
    body = models.RealtimeCreateClientSecretRequest()
    assert runner.run(operation(client=client, body=body)).value == "ek_1"
    assert seen[0].extensions["timeout"]["read"] == 7


def test_cassettes_record_and_replay_it_without_secrets(runner: Runner, tmp_path: Path) -> None:
    path = tmp_path / "tape.yaml"
    with Loopback(answer(200, SECRET)) as server:
        client = runner.client(
            api_key="sk-secret-key", base_url=server.base_url, http_client=runner.http_client_of(httpx2)
        )
        with vcr.VCR(**vcr_settings()).use_cassette(str(path)):
            runner.run(client.client_secrets.create())
    assert "sk-secret-key" not in path.read_text()
    with vcr.VCR(**vcr_settings(), record_mode="none").use_cassette(str(path)) as cassette:
        runner.run(client.client_secrets.create())
        assert cassette.all_played


def test_its_loggers_are_quiet(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Loopback(answer(200, SECRET)) as server:
        client = runner.client(
            base_url=server.base_url,
            default_query={"token": "q-secret"},
            http_client=runner.http_client_of(httpx2),
        )
        runner.run(client.client_secrets.create())
    assert not [record for record in caplog.records if record.name.startswith(("httpx", "httpcore"))]


def test_it_is_not_imported_unless_passed_in() -> None:
    program = (
        "import sys; sys.path.append(sys.argv[1]); import realtime_ext, realtime_api\n"
        "from realtime_simulator import Simulator\n"
        "with Simulator() as simulator, realtime_ext.RealtimeClient(simulator.api_key, "
        "base_url=simulator.base_url) as client:\n"
        "    client.client_secrets.create(); client.raw.get_httpx_client()\n"
        "assert 'httpx' in sys.modules and 'httpx2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(Path(httpx2.__file__).parents[1])], check=True)
