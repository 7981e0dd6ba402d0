"""A client in forked processes, each of which has connections of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.support.waiting import PATIENCE

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the system can't fork"),
]

PROGRAM = """
import os, sys, threading
from realtime_ext import RealtimeClient

client = RealtimeClient("key", base_url=sys.argv[1])

def ask():
    print(client.client_secrets.create().value, flush=True)

ask()
client._http._lock.acquire()  # another thread is using the client
if (child := os.fork()) == 0:
    ask()
    os._exit(0)
client._http._lock.release()
assert os.waitpid(child, 0)[1] == 0
ask()
"""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = b'{"value": "ek_%d", "expires_at": 4102444800, "session": {"type": "realtime"}}'
        body %= self.client_address[1]
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def test_a_forked_process_shares_no_connection_with_its_parent() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, f"http://127.0.0.1:{server.server_port}/v1"],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
        finally:
            server.shutdown()
    assert done.stderr == ""
    before, of_child, after = done.stdout.split()
    assert before == after != of_child
