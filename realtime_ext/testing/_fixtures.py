"""The fixtures of the pytest plugin; what they need is imported when one is used."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from realtime_simulator import Simulator

    from ..client import AsyncRealtimeClient, RealtimeClient

__all__ = [
    "async_realtime_client",
    "no_network",
    "realtime_client",
    "realtime_simulator",
    "realtime_simulator_options",
]

_NOT_OURS = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")


@pytest.fixture
def realtime_simulator_options() -> Mapping[str, Any]:
    """The keyword arguments for `Simulator`; none, unless you define a fixture of this name yourself."""
    return {}


@pytest.fixture
def realtime_simulator(
    realtime_simulator_options: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Simulator]:
    """A running simulator, to which the environment points for the length of the test.

    OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_WEBHOOK_SECRET are the simulator's, OPENAI_ORG_ID and
    OPENAI_PROJECT_ID are taken out, and no proxy is asked for loopback addresses. So clients without
    arguments, this package's and others', reach the simulator.
    """
    from realtime_simulator import Simulator

    with Simulator(**realtime_simulator_options) as simulator:
        monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", simulator.api_key)
        monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", simulator.webhook_secret)
        for name in _NOT_OURS:
            monkeypatch.delenv(name, raising=False)
        for name in ("NO_PROXY", "no_proxy"):
            given = os.environ.get(name)
            monkeypatch.setenv(name, ",".join(filter(None, (given, "127.0.0.1", "localhost"))))
        yield simulator


@pytest.fixture
def realtime_client(realtime_simulator: Simulator) -> Iterator[RealtimeClient]:
    """A blocking client of the simulator; it is closed after the test."""
    from ..client import RealtimeClient

    with RealtimeClient() as client:
        yield client


@pytest.fixture
def async_realtime_client(realtime_simulator: Simulator) -> Iterator[AsyncRealtimeClient]:
    """An async client of the simulator; no async plugin is needed, but any may be there.

    It keeps no connection open between requests. So it may be used under `asyncio.run`, also several times
    in a test, and need not be closed; what is opened with `connect` closes with its block. After the test it
    is closed.

    Example:
        ```python
        def test_a_secret_is_minted(async_realtime_client):
            secret = asyncio.run(async_realtime_client.client_secrets.create())
        ```
    """
    import asyncio

    import httpx

    from ..client import AsyncRealtimeClient

    http_client = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0))
    client = AsyncRealtimeClient(http_client=http_client)
    yield client

    async def close() -> None:
        await client.aclose()
        await http_client.aclose()

    # asyncio.run would also unset the current event loop, which other plugins may hold on to.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(close())
    finally:
        loop.close()


@pytest.fixture
def no_network() -> Iterator[None]:
    """Refuse all connections, datagrams and name look-ups that would leave this machine, during the test.

    Whoever tries gets a `NetworkRefusedError` that names the address. To guard all tests, put this into
    conftest.py:

        @pytest.fixture(autouse=True)
        def _only_this_machine(no_network): ...
    """
    from ._network import loopback_only

    with loopback_only():
        yield
