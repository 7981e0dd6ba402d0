"""A server under test: connections to it, what it has sent, and exchanges that several checks share."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, Protocol
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from realtime_simulator._core.outgoing import SILENT, is_loopback, unlogged
from realtime_simulator.scrub import Scrubber

Event = dict[str, Any]
_WAIT_SECONDS = 30.0
_LESS_SECONDS = 5.0
"""How long to wait for an event; and once a server did not send one, how long for others."""
_MOST_WAITS = 8
"""After how many of them a server that has sent nothing is given up."""
_MAX_BYTES = 32 * 1024 * 1024
_MAX_QUEUE = 512
_CLOSE_SECONDS = 1.0
"""How long to wait for the server's close frame, which may be behind more messages than are read."""
_PER_MILLION = {"input": {"text": 4.0, "audio": 32.0}, "output": {"text": 16.0, "audio": 64.0}}


class Failed(Exception):
    """The server does otherwise than the check expects; the message says how."""


class OverBudget(Exception):
    """The responses so far have cost what the budget allows."""


def expect(condition: object, message: str) -> None:
    """Raise `Failed` with a message unless a condition holds."""
    if not condition:
        raise Failed(message)


class Wire(Protocol):
    """What carries messages: a WebSocket, or a data channel."""

    async def send(self, message: str | bytes) -> None:
        """Send a message."""
        ...

    async def recv(self) -> str | bytes:
        """Return the next message.

        Raises:
            ConnectionClosed: The other side has closed it.
            Failed: The same, where there is no code.
        """
        ...


class Socket:
    """A connection to the server.

    Args:
        wire: What carries the messages.
        target: Keeps what comes.
        union: The name of the union of what the server may send.

    Attributes:
        events: What came so far.
    """

    def __init__(self, wire: Wire, target: Target, union: str = "RealtimeServerEvent") -> None:
        self._wire = wire
        self._target = target
        self.union = union
        self.events: list[Event] = []
        target.sockets.append(self)

    async def send(self, type: str, **fields: Any) -> None:
        """Send an event."""
        await self.send_raw(json.dumps({"type": type, **fields}))

    async def send_raw(self, message: str | bytes) -> None:
        """Send a message as it is."""
        with contextlib.suppress(ConnectionClosed):  # what comes, or the lack of it, is judged
            await self._wire.send(message)

    async def next(self) -> Event:
        """Return the next event.

        Raises:
            Failed: None comes, or what comes is not an event.
        """
        try:
            async with asyncio.timeout(self._target.patience):
                message = await self._wire.recv()
        except ConnectionClosed as error:
            close = error.rcvd
            raise Failed(
                f"the server closed the connection: {close.code} {close.reason!r}"
                if close
                else "the connection was lost without a close frame"
            ) from None
        except TimeoutError:
            raise Failed(f"no event came for {self._target.lose_patience():g} s") from None
        try:
            event = json.loads(message)
        except ValueError:
            event = None
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise Failed(f"expected an event, got {message[:200]!r}")
        self.events.append(event)
        self._target.spend(event)
        return event

    async def until(self, type: str, *, may_fail: bool = False) -> Event:
        """Return the next event of a type.

        Raises:
            Failed: An error comes instead, unless `may_fail`, or no such event comes.
        """
        seen: list[str] = []
        while True:
            try:
                event = await self.next()
            except Failed as failed:
                after = ", ".join(list(dict.fromkeys(reversed(seen)))[11::-1]) or "nothing"
                raise Failed(f"expected {type}: {failed} (after {after})") from None
            if event["type"] == type:
                return event
            if event["type"] == "error" and not may_fail:
                raise Failed(f"expected {type}, got the error {json.dumps(event.get('error'))[:500]}")
            seen.append(event["type"])

    async def until_all(self, types: Iterable[str]) -> None:
        """Read until an event of each type has come; errors are kept like other events.

        Raises:
            Failed: One does not come.
        """
        while missing := [type for type in types if not any(type == event["type"] for event in self.events)]:
            await self.until(missing[0], may_fail=True)

    async def update(self, **session: Any) -> Event:
        """Update the session; return it as the server shows it."""
        await self.send("session.update", session={"type": "realtime", **session})
        return field(await self.until("session.updated"), "session")

    async def create_item(self, item: Mapping[str, Any], **more: Any) -> Event:
        """Create an item; return its `conversation.item.added`."""
        await self.send("conversation.item.create", item=item, **more)
        return await self.until("conversation.item.added")

    async def closed(self) -> tuple[int, str]:
        """Read until the server closes; return code and reason."""
        try:
            async with asyncio.timeout(self._target.patience):
                while True:
                    await self._wire.recv()
        except ConnectionClosed as error:
            return (error.rcvd.code, error.rcvd.reason) if error.rcvd else (1006, "")
        except TimeoutError:
            self._target.lose_patience()
            raise Failed("the server did not close the connection") from None


def field(event: Mapping[str, Any], name: str) -> Event:
    """Return an object in an event.

    Raises:
        Failed: It is none.
    """
    value = event.get(name)
    if not isinstance(value, dict):
        raise Failed(f"{event.get('type')}: expected an object as {name}, got {value!r}")
    return value


def _union(path: str) -> str:
    """Return the name of the union of what the server may send on a path."""
    if path.endswith("/translations"):
        return "RealtimeTranslationServerEvent"
    if path.startswith("/live/"):
        return "LiveSidebandServerEvent" if path.endswith("/attach") else "LiveServerEvent"
    return "RealtimeServerEvent"


class Target:
    """The server under test.

    Args:
        base_url: Its address, such as `https://api.openai.com/v1`.
        api_key: The key.
        model: The model of conversations.
        budget: US dollars after which no further exchange begins; None for any.
        speech: What the user says, PCM16 mono at 24 kHz; None for the simulator's voice.
        ring: A command that makes the server ring, with `{url}` for where the webhook goes; None for none.

    Attributes:
        sockets: The connections, with the events of each.
        spent: What the responses so far cost, in US dollars, by their usage.
        patience: Seconds to wait for an event.
        waits: How often something did not come in time.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        model: str,
        budget: float | None = None,
        *,
        speech: bytes | None = None,
        ring: str | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.model = model
        self.sockets: list[Socket] = []
        self.spent = 0.0
        self.budget = budget
        self.speech = speech
        self.ring = ring
        self.patience = _WAIT_SECONDS
        self.waits = 0
        self._api_key = api_key
        self._scrubber = Scrubber()
        self._shared: dict[str, asyncio.Task[Any]] = {}
        self._one_at_a_time = asyncio.Lock()

    def masked(self, text: str) -> str:
        """Return a text without the key and other secrets."""
        return self._scrubber.text(text.replace(self._api_key, "***") if self._api_key else text)

    def lose_patience(self) -> float:
        """Note that something did not come in time; return for how long it was waited for."""
        waited, self.patience = self.patience, min(self.patience, _LESS_SECONDS)
        self.waits += 1
        return waited

    @property
    def is_silent(self) -> bool:
        """Whether it has sent no event at all, however often one was waited for."""
        return self.waits >= _MOST_WAITS and not any(socket.events for socket in self.sockets)

    @contextlib.asynccontextmanager
    async def socket(
        self,
        path: str = "/realtime",
        query: Mapping[str, str] | None = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Socket]:
        """Connect; no key is sent if `key` is empty.

        Raises:
            Failed: The handshake is refused.
        """
        sent = dict(headers or {})
        if key != "":
            sent["Authorization"] = f"Bearer {key or self._api_key}"
        asked = {"model": self.model} if query is None else query
        url = f"{self.base_url.replace('http', 'ws', 1)}{path}"
        url = f"{url}?{urlencode(asked)}" if asked else url
        proxy: Literal[True] | None = None if is_loopback(self.base_url) else True
        connecting = connect(
            url,
            additional_headers=sent,
            max_size=_MAX_BYTES,
            logger=SILENT,
            proxy=proxy,
            open_timeout=self.patience,
            max_queue=_MAX_QUEUE,
            close_timeout=_CLOSE_SECONDS,
        )
        try:
            websocket = await connecting
        except TimeoutError:
            waited = self.lose_patience()
            raise Failed(f"the handshake was not answered for {waited:g} s") from None
        try:
            yield Socket(websocket, self, _union(path))
        finally:
            await websocket.close()

    @contextlib.asynccontextmanager
    async def session(self, query: Mapping[str, str] | None = None) -> AsyncIterator[Socket]:
        """Connect, and wait for `session.created`."""
        async with self.socket(query=query) as socket:
            await socket.until("session.created")
            yield socket

    @contextlib.asynccontextmanager
    async def http(self, key: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """Yield a client of its HTTP API."""
        trusted = not is_loopback(self.base_url)  # a proxy of the environment cannot reach this machine
        with unlogged():
            async with httpx.AsyncClient(
                base_url=self.base_url,
                headers={"Authorization": f"Bearer {key or self._api_key}"},
                timeout=self.patience,
                trust_env=trusted,
            ) as client:
                yield client

    async def request(self, method: str, path: str, *, key: str | None = None, **body: Any) -> httpx.Response:
        """Return the answer to an HTTP request.

        Raises:
            Failed: There is none in time.
        """
        async with self.http(key) as client:
            try:
                return await client.request(method, path, **body)
            except httpx.ReadTimeout:
                waited = self.lose_patience()
                raise Failed(f"{method} {path} was not answered for {waited:g} s") from None

    async def shared(self, name: str, make: Callable[[Target], Awaitable[Any]]) -> Any:
        """Return the result of an exchange that takes place once for all checks.

        Raises:
            OverBudget: It would begin after the budget is spent.
        """
        if name not in self._shared:
            self._shared[name] = asyncio.ensure_future(self._exchange(make))
        return await asyncio.shield(self._shared[name])

    async def _exchange(self, make: Callable[[Target], Awaitable[Any]]) -> Any:
        async with self._one_at_a_time:
            if self.budget is not None and self.spent >= self.budget:
                raise OverBudget(f"the budget is spent: {self.spent:.4f} USD")
            return await make(self)

    async def close(self) -> None:
        """Cancel what still runs."""
        for task in self._shared.values():
            task.cancel()
        await asyncio.gather(*self._shared.values(), return_exceptions=True)

    def spend(self, event: Event) -> None:
        """Add what a response cost."""
        response = event.get("response")
        if event["type"] != "response.done" or not isinstance(response, dict):
            return
        usage = response.get("usage")
        if not isinstance(usage, dict):
            return
        for side, prices in _PER_MILLION.items():
            details = usage.get(f"{side}_token_details")
            for kind, price in prices.items():
                count = details.get(f"{kind}_tokens") if isinstance(details, dict) else None
                self.spent += price * count / 1e6 if isinstance(count, int) else 0.0
