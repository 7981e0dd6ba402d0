"""A client whose process was stopped while it waited for an answer."""

from __future__ import annotations

import json
import queue
import signal
import socket

import pytest

from tests.support.loopback import Loopback, answer
from tests.support.suspended import Process
from tests.support.waiting import PATIENCE

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="the system can't stop a process"),
]

# Each prints when it begins to read the answer: while it still sends, httpx's own limits can end the request.
CLIENTS = {
    "sync": """
import httpx
from realtime_ext import RealtimeClient
def trace(event, info):
    if event == "http11.receive_response_headers.started":
        print("reading")
def hook(request):
    request.extensions["trace"] = trace
print("begun")
with (
    httpx.Client(event_hooks={"request": [hook]}) as http,
    RealtimeClient("sk-x", base_url=sys.argv[1], max_retries=0, http_client=http) as client,
):
    print(client.client_secrets.create(timeout=10).expires_at.year)
""",
    "async": """
import asyncio, httpx
from realtime_ext import AsyncRealtimeClient
async def trace(event, info):
    if event == "http11.receive_response_headers.started":
        print("reading")
async def hook(request):
    request.extensions["trace"] = trace
print("begun")
async def main():
    async with (
        httpx.AsyncClient(event_hooks={"request": [hook]}) as http,
        AsyncRealtimeClient("sk-x", base_url=sys.argv[1], max_retries=0, http_client=http) as client,
    ):
        print((await client.client_secrets.create(timeout=10)).expires_at.year)
asyncio.run(main())
""",
}
SECRET = json.dumps(
    {
        "value": "ek_1",
        "expires_at": 4_000_000_000,
        "session": {"type": "realtime", "object": "realtime.session"},
    }
).encode()


@pytest.mark.parametrize("kind", CLIENTS)
def test_an_answer_that_came_in_the_meantime_is_complete(kind: str) -> None:
    asked = queue.SimpleQueue[socket.socket]()

    def wait(connection: socket.socket, server: Loopback) -> None:
        asked.put(connection)
        server.closing.wait()

    with Loopback(wait) as server, Process(CLIENTS[kind], server.base_url) as process:
        assert process.read() == "reading"
        connection = asked.get(timeout=PATIENCE)
        with process.stopped():
            answer(200, SECRET, content_type="application/json")(connection, server)
        assert process.read() == "2096"
