"""The far end of WebRTC calls, without a server: it answers requests, and offers with a peer of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from realtime_ext import AsyncRealtimeClient
from tests.support.answerer import Answerer

Damage = Callable[[Answerer, str], Awaitable[str]]


class FarEnd:
    """What the API's side of calls is here.

    Args:
        damage: Given the answerer and its answer, returns the answer that is sent.

    Attributes:
        answerers: One for each call that was made.
        hung_up: The ids of the calls that were hung up.
        requested: Set when the offer has come.
        may_answer: What the answer to the offer waits for.
    """

    def __init__(self, damage: Damage | None = None) -> None:
        self.damage = damage
        self.answerers: list[Answerer] = []
        self.hung_up: list[str] = []
        self.requested = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[AsyncRealtimeClient]:
        """Give a client whose requests come here; at the end all the peers are closed."""
        http_client = httpx.AsyncClient(transport=httpx.MockTransport(self._handle))
        client = AsyncRealtimeClient(
            "test-key-0123", base_url="http://127.0.0.1:9/v1", http_client=http_client, **options
        )
        try:
            async with http_client, client:
                yield client
        finally:
            for answerer in self.answerers:
                await answerer.close()

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/hangup"):
            self.hung_up.append(request.url.path.split("/")[-2])
            return httpx.Response(200)
        offer = re.search(rb"v=0\r\n.*?(?=\r\n--|\Z)", request.content, re.DOTALL)
        assert offer is not None
        return await self.answer(offer[0].decode() + "\r\n")

    async def answer(self, offer: str) -> httpx.Response:
        """Answer a call's offer."""
        self.requested.set()
        await self.may_answer.wait()
        answerer = Answerer()
        self.answerers.append(answerer)
        answer = await answerer.answer(offer)
        if self.damage is not None:
            answer = await self.damage(answerer, answer)
        location = f"/v1/realtime/calls/rtc_u1_{len(self.answerers)}"
        return httpx.Response(201, text=answer, headers={"location": location})
