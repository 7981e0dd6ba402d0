"""One test body for both clients: make a sync or an async client and get its results."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import httpx

from realtime_ext import AsyncRealtimeClient, RealtimeClient
from realtime_ext._http.sending import Clock

T = TypeVar("T")
Answer = Callable[[httpx.Request], httpx.Response]


class Runner:
    """Makes and runs sync or async clients, with time that passes only when asked to.

    Args:
        name: `sync` or `async`.

    Attributes:
        sleeps: The pauses that clients made here took, in seconds.
        now: What their clocks show, in unix seconds; sleeping adds to it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_async = name == "async"
        self.sleeps: list[float] = []
        self.now = 1_800_000_000.0
        self._loop = asyncio.Runner() if self.is_async else None
        self._clients: list[Any] = []

    def client(self, answer: Answer | None = None, **options: Any) -> Any:
        """Make a client; with `answer`, every request goes to that function instead of the network."""
        if answer is not None:
            options["http_client"] = self.http_client(transport=httpx.MockTransport(answer))
        options.setdefault("api_key", "test-key-0123")
        client = (AsyncRealtimeClient if self.is_async else RealtimeClient)(**options)
        client._http.clock = Clock(
            now=lambda: self.now, random=lambda: 0.0, sleep=self._sleep, asleep=self._asleep
        )
        self._clients.append(client)
        return client

    def http_client(self, **options: Any) -> Any:
        """Make an httpx client of this kind."""
        return self.http_client_of(httpx, **options)

    def http_client_of(self, library: Any, **options: Any) -> Any:
        """Make a client of httpx or httpx2 of this kind."""
        client = (library.AsyncClient if self.is_async else library.Client)(**options)
        self._clients.append(client)
        return client

    def run(self, result: T | Awaitable[T]) -> T:
        """Return a method's result, awaiting it if it is async."""
        assert inspect.isawaitable(result) == self.is_async
        if self._loop is None:
            return cast(T, result)

        async def main() -> T:
            return await cast(Awaitable[T], result)

        return self._loop.run(main())

    def close(self) -> None:
        """Close everything that was made here."""
        for client in reversed(self._clients):
            self.run(client.aclose() if self.is_async else client.close())
        if self._loop is not None:
            self._loop.close()

    def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    async def _asleep(self, seconds: float) -> None:
        self._sleep(seconds)
        await asyncio.sleep(seconds if seconds < 0.1 else 0)  # or all attempts would be over in no time
