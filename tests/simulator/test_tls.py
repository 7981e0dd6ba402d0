"""A simulator for clients that speak TLS only, with a certificate that they can be told to trust."""

from __future__ import annotations

import asyncio
import json
import ssl
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
from realtime_simulator import Simulator
from websockets.asyncio.client import connect


def test_it_makes_a_certificate_that_https_and_wss_clients_can_trust(tmp_path: Path) -> None:
    file = tmp_path / "simulator.pem"
    contents = set()
    for _ in range(2):  # the file that is there is used as it is
        with Simulator(pacing="none", tls=file) as simulator:
            assert simulator.base_url.startswith("https://127.0.0.1:")
            trusting = ssl.create_default_context(cafile=file)
            headers = {"authorization": f"Bearer {simulator.api_key}"}
            for host in ("127.0.0.1", "localhost"):
                url = simulator.base_url.replace("127.0.0.1", host) + "/realtime/client_secrets"
                assert httpx.post(url, headers=headers, json={}, verify=trusting).status_code == 200
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                httpx.post(url, headers=headers, json={}, verify=ssl.create_default_context())
            url = f"{simulator.base_url.replace('https', 'wss')}/realtime?model=gpt-realtime-2.1"
            first = asyncio.run(_first_event(url, trusting, headers))
            assert first["type"] == "session.created"
        contents.add(file.read_bytes())
    assert len(contents) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "it has the key"


async def _first_event(url: str, trusting: ssl.SSLContext, headers: dict[str, str]) -> Any:
    # Not the sync client: it reads and writes one TLS socket in two threads, which OpenSSL does not allow,
    # and then a request is lost now and then.
    async with connect(url, ssl=trusting, additional_headers=headers) as socket:
        return json.loads(await socket.recv())


def test_a_file_without_certificate_and_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "simulator.pem"
    file.write_text("no certificate")
    with pytest.raises(ValueError, match=r"tls: .*simulator\.pem needs a certificate and its private key"):
        Simulator(tls=file)
    with pytest.raises(FileNotFoundError):
        Simulator(tls=tmp_path / "nowhere" / "simulator.pem")
