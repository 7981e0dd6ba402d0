"""Proxies of the environment: used for other machines, and never for this one's servers."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from realtime_api import AuthenticatedClient
from realtime_api.api.realtime import create_realtime_client_secret, hangup_realtime_call
from realtime_api.models import RealtimeCreateClientSecretRequest
from realtime_simulator import Simulator
from realtime_simulator._server.certificate import ensure_certificate

from realtime_ext import APIConnectionError, NotFoundError
from realtime_ext._core.network import environment_proxy, is_loopback
from tests.ext.connection.driver import Driven
from tests.support.rows import each
from tests.support.runner import Runner

UNREACHABLE = "http://user:proxy-password@127.0.0.1:9"
UNUSABLE = "socks5://127.0.0.1:9"


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    url = getattr(request, "param", UNREACHABLE)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, url)
        monkeypatch.setenv(name.upper(), url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@each(
    "url, expected",
    [
        ("http://127.0.0.1:8765/v1", True),
        ("ws://127.8.9.10/v1", True),
        ("http://[::1]:80/v1", True),
        ("http://localhost/v1", True),
        ("http://app.localhost/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://128.0.0.1/v1", False),
        ("http://localhost.example.com/v1", False),
        ("http://[::1/v1", False),
    ],
)
def test_loopback_is_told_from_other_hosts(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


@pytest.mark.usefixtures("proxied")
@pytest.mark.parametrize("proxied", [UNREACHABLE, UNUSABLE], indirect=True)
def test_a_server_on_this_machine_is_reached_without_the_proxy(runner: Runner) -> None:
    with Simulator(pacing="none") as simulator:
        client = runner.client(api_key=simulator.api_key, base_url=simulator.base_url)
        assert runner.run(client.client_secrets.create()).value.startswith("ek_")
        with Driven(client.connect("gpt-realtime"), runner) as connection:
            assert connection.ask("Hi").status == "completed"


@pytest.mark.slow
@pytest.mark.usefixtures("proxied")
@pytest.mark.parametrize("proxied", [UNREACHABLE, UNUSABLE], indirect=True)
@pytest.mark.parametrize("options", [{}, {"httpx_args": {"mounts": {"all://elsewhere.example": None}}}])
def test_the_generated_client_reaches_it_without_the_proxy_too(runner: Runner, options: Any) -> None:
    mint = create_realtime_client_secret.asyncio if runner.is_async else create_realtime_client_secret.sync
    with Simulator(pacing="none") as simulator:
        client = AuthenticatedClient(base_url=simulator.base_url, token=simulator.api_key, **options)
        raw = runner.client(api_key=simulator.api_key, base_url=simulator.base_url).raw
        for one in (client, raw):
            secret = runner.run(mint(client=one, body=RealtimeCreateClientSecretRequest()))
            assert secret is not None and secret.value.startswith("ek_")
    runner.run(client.aclose() if runner.is_async else client.close())


def test_the_raw_client_sends_through_a_client_that_is_handed_in_to_this_machine_too(runner: Runner) -> None:
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.path)
        return httpx.Response(204)

    hang_up = hangup_realtime_call.asyncio_detailed if runner.is_async else hangup_realtime_call.sync_detailed
    client = runner.client(answer, base_url="http://127.0.0.1:9/v1")
    assert runner.run(hang_up("rtc_1", client=client.raw)).status_code == 204
    assert sent == ["/v1/realtime/calls/rtc_1/hangup"]


@pytest.mark.usefixtures("proxied")
def test_the_generated_client_uses_the_proxy_for_other_hosts_and_one_that_is_passed() -> None:
    body = RealtimeCreateClientSecretRequest()
    for client in (
        AuthenticatedClient(base_url="http://api.example.com/v1", token="key"),
        AuthenticatedClient(base_url="http://127.0.0.1/v1", token="key", httpx_args={"proxy": UNREACHABLE}),
    ):
        with client, pytest.raises(httpx.ConnectError):
            create_realtime_client_secret.sync(client=client, body=body)


@pytest.mark.usefixtures("proxied")
def test_a_failed_connection_names_the_proxy_without_its_password(runner: Runner) -> None:
    client = runner.client(api_key="key", base_url="http://api.example.com/v1", max_retries=0)
    with pytest.raises(APIConnectionError, match=r"through the proxy 127\.0\.0\.1:9") as over_http:
        runner.run(client.client_secrets.create())
    with pytest.raises(APIConnectionError, match=r"through the proxy 127\.0\.0\.1:9") as over_websocket:
        Driven(client.connect("gpt-realtime"), runner).__enter__()
    for caught in (over_http, over_websocket):
        assert "proxy-password" not in str(caught.value)


def test_hosts_that_the_environment_excludes_have_no_proxy(
    proxied: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert environment_proxy("https://api.example.com/v1") == "127.0.0.1:9"
    monkeypatch.setenv("no_proxy", "example.com")
    assert environment_proxy("https://api.example.com/v1") is None


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of an authority that is not known, as a proxy that inspects traffic has one."""
    file = tmp_path_factory.mktemp("tls") / "company.pem"
    ensure_certificate(file, "127.0.0.1")
    return file


def test_a_certificate_that_cannot_be_verified_says_how_to_name_its_authority(
    runner: Runner, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator(tls=certificate, pacing="none") as simulator:
        options = {"api_key": simulator.api_key, "base_url": simulator.base_url, "max_retries": 0}
        client = runner.client(**options)
        with pytest.raises(APIConnectionError, match=r"set SSL_CERT_FILE to a PEM file .* truststore"):
            runner.run(client.client_secrets.create())
        with pytest.raises(APIConnectionError, match=r"set SSL_CERT_FILE to a PEM file .* truststore"):
            Driven(client.connect("gpt-realtime"), runner).__enter__()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        client = runner.client(**options)
        assert runner.run(client.client_secrets.create()).value.startswith("ek_")
        mint = (
            create_realtime_client_secret.asyncio if runner.is_async else create_realtime_client_secret.sync
        )
        generated = AuthenticatedClient(base_url=simulator.base_url, token=simulator.api_key)
        secret = runner.run(mint(client=generated, body=RealtimeCreateClientSecretRequest()))
        assert secret is not None and secret.value.startswith("ek_")
        runner.run(generated.aclose() if runner.is_async else generated.close())
        with Driven(client.connect("gpt-realtime"), runner) as connection:
            connection.send_text("Hi")


@each("path", ["", "/", "/openai"])
def test_a_base_url_without_v1_is_an_error_that_says_so(runner: Runner, path: str) -> None:
    with Simulator(pacing="none") as simulator:
        base_url = simulator.base_url.removesuffix("/v1") + path
        client = runner.client(api_key=simulator.api_key, base_url=base_url)
        message = f"has no /v1: expected {re.escape(simulator.base_url)}"
        for send in (client.client_secrets.create, lambda: client.calls.hangup("rtc_v1")):
            with pytest.raises(NotFoundError, match=message):
                runner.run(send())
        with pytest.raises(NotFoundError, match=message):
            Driven(client.connect("gpt-realtime"), runner).__enter__()


def test_a_call_that_is_not_found_does_not_blame_the_base_url(runner: Runner) -> None:
    with Simulator(pacing="none") as simulator:
        client = runner.client(api_key=simulator.api_key, base_url=simulator.base_url)
        with pytest.raises(NotFoundError) as caught:
            runner.run(client.calls.hangup("rtc_0"))
    assert "base URL" not in str(caught.value)
