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
import os, sys
from realtime_api import AuthenticatedClient, client as generated
from realtime_api.api.realtime import create_realtime_client_secret
from realtime_ext import RealtimeClient

client = RealtimeClient("key", base_url=sys.argv[1])
other = AuthenticatedClient(base_url=sys.argv[1], token="key")

def ask():
    print(client.client_secrets.create().value)
    print(create_realtime_client_secret.sync(client=client.raw, body={}).value)
    print(create_realtime_client_secret.sync(client=other, body={}).value, flush=True)

ask()
with client._http._lock, generated._CREATING:  # held by threads that make requests
    if (child := os.fork()) == 0:
        ask()
        os._exit(0)
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
    ports = done.stdout.split()
    before, of_child, after = ports[:3], ports[3:6], ports[6:]
    assert before == after and not {*before} & {*of_child}
