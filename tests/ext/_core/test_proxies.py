"""Proxies of the environment: used for other machines, and never for this one's servers."""

from __future__ import annotations

import pytest
from realtime_simulator import Simulator

from realtime_ext import APIConnectionError
from realtime_ext._core.proxies import environment_proxy, is_loopback
from tests.ext.connection.driver import Driven
from tests.support.runner import Runner

UNREACHABLE = "http://user:proxy-password@127.0.0.1:9"


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, UNREACHABLE)
        monkeypatch.setenv(name.upper(), UNREACHABLE)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "expected"),
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
def test_a_server_on_this_machine_is_reached_without_the_proxy(runner: Runner) -> None:
    with Simulator() as simulator:
        client = runner.client(api_key=simulator.api_key, base_url=simulator.base_url)
        assert runner.run(client.client_secrets.create()).value.startswith("ek_")
        with Driven(client.connect("gpt-realtime"), runner) as connection:
            assert connection.ask("Hi").status == "completed"


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
