"""A simulator whose process was stopped for a while: what arrived meanwhile is not late."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from aiortc import RTCSessionDescription
from realtime_simulator._core import event_loop

from tests.simulator.caller import Caller
from tests.support.suspended import Process
from tests.support.waiting import PATIENCE

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="the system can't stop a process"),
]

SIMULATOR = """
from realtime_simulator import Simulator
with Simulator(pacing="none", espeak=False, api_key="sk-x") as simulator:
    print(simulator.base_url)
    sys.stdin.read()
"""
HANDSHAKE = (
    b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer sk-x\r\n"
    b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
HEAD = (
    b"POST /v1/realtime/client_secrets HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer sk-x\r\n"
    b"content-type: application/json\r\ncontent-length: 2\r\n\r\n"
)


class Suspendable(Process):
    """A simulator in a process."""

    def __init__(self) -> None:
        super().__init__(SIMULATOR)
        self.base_url = self.greeting
        self.api_key = "sk-x"

    def connect(self) -> socket.socket:
        address = urlsplit(self.base_url)
        return socket.create_connection((str(address.hostname), address.port or 0), timeout=PATIENCE)

    def catch_up(self) -> None:
        """Wait until it has read what was sent to it."""
        httpx.get(f"{self.base_url}/models")


@pytest.fixture(scope="module")
def suspendable() -> Iterator[Suspendable]:
    with Suspendable() as process:
        yield process


@pytest.mark.parametrize(
    ("before", "meanwhile", "status"),
    [
        pytest.param(HANDSHAKE[:40], HANDSHAKE[40:], 101, id="amid the head of a handshake"),
        pytest.param(HEAD, b"{}", 200, id="before the body of a request"),
        pytest.param(HEAD + b"{", b"}", 200, id="amid the body of a request"),
    ],
)
def test_what_was_sent_in_the_meantime_is_complete(
    suspendable: Suspendable, before: bytes, meanwhile: bytes, status: int
) -> None:
    with suspendable.connect() as connection:
        connection.sendall(before)
        suspendable.catch_up()
        with suspendable.stopped():
            connection.sendall(meanwhile)
        assert connection.recv(4096).startswith(b"HTTP/1.1 %d " % status)


def test_a_call_is_set_up_and_continues_after_a_stop(suspendable: Suspendable) -> None:
    async def main(sim: Any) -> None:
        async with Caller(sim) as caller:
            answer = await caller.post()
            with suspendable.stopped():
                pass
            await caller.peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
            await caller.until("session.created")
            with suspendable.stopped():
                caller.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
            await caller.until("session.updated")

    asyncio.run(main(suspendable))


def test_limits_end_what_is_late() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()

    event_loop.run(main())
