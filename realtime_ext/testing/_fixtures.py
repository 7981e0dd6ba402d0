"""The pytest plugin: its fixtures, which import what they need when one is used."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from .._core.extras import SIMULATOR

if TYPE_CHECKING:
    from realtime_simulator import Simulator

    from ..client import AsyncRealtimeClient, RealtimeClient


if find_spec("realtime_simulator") is not None:
    pytest_plugins: tuple[str, ...] = ("realtime_simulator.pytest_plugin",)
else:

    @pytest.fixture(name="realtime_simulator")
    def missing_simulator() -> None:
        """Raise an ImportError that names the extra."""
        what = "the fixture realtime_simulator needs realtime-simulator"
        raise ImportError(f"{what}: {SIMULATOR}")


@pytest.fixture
def realtime_client(realtime_simulator: Simulator) -> Iterator[RealtimeClient]:
    """Return a sync client of the simulator; it is closed after the test."""
    from ..client import RealtimeClient

    with RealtimeClient() as client:
        yield client


@pytest.fixture
def async_realtime_client(realtime_simulator: Simulator) -> Iterator[AsyncRealtimeClient]:
    """Return an async client of the simulator; no async plugin is needed, but any may be there.

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

    transport = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))
    http_client = httpx.AsyncClient(transport=transport)  # without the environment's proxies
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

    The code that tries gets a `NetworkRefusedError` that names the address. To guard all tests, put this into
    conftest.py:

        @pytest.fixture(autouse=True)
        def _only_this_machine(no_network): ...
    """
    from ._network import loopback_only

    with loopback_only():
        yield
