"""`realtime doctor`: what it looks at, and what it says of it."""

from __future__ import annotations

import contextlib
import datetime
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import certifi
import pytest
from realtime_simulator import Simulator

from realtime_ext import models
from tests.support.command import of, realtime_here


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@contextlib.contextmanager
def answering(body: bytes) -> Iterator[str]:
    """A server that answers everything with one body; its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_the_set_up_is_looked_at(simulator: Simulator) -> None:
    done = realtime_here("doctor", "--json", simulator=simulator)
    assert done.status == 0
    assert of(done.json, name="OPENAI_API_KEY")["state"] == "ok"
    assert "accepts the key" in of(done.json, name=simulator.base_url)["detail"]
    assert simulator.api_key not in done.out
    assert simulator.webhook_secret not in done.out


def test_missing_parts_of_the_set_up_are_named() -> None:
    done = realtime_here("doctor", OPENAI_BASE_URL="http://127.0.0.1:9/v1", OPENAI_WEBHOOK_SECRET="whsec_!")
    assert done.status == 1
    failed = [line.split()[1] for line in done.out.splitlines() if line.startswith("✗")]
    assert failed == ["OPENAI_API_KEY", "OPENAI_WEBHOOK_SECRET", "http://127.0.0.1:9/v1"]
    assert "export OPENAI_API_KEY=" in done.out


def test_a_server_on_this_machine_is_reached_without_the_proxy_also_when_there_is_no_key() -> None:
    with answering(b"{}") as url:
        done = realtime_here("doctor", "--json", OPENAI_BASE_URL=url)
    assert of(done.json, name=url)["state"] == "ok"


def test_an_unreachable_api_is_reported_with_its_proxy() -> None:
    url = "https://api.example.invalid/v1"
    proxied = {"HTTPS_PROXY": "http://me:hidden@127.0.0.1:9", "NO_PROXY": "", "OPENAI_BASE_URL": url}
    for key in ("", "sk-any"):
        done = realtime_here("doctor", "--json", **proxied, OPENAI_API_KEY=key)
        shown = of(done.json, name=url)
        assert shown["state"] == "failed" and "hidden" not in done.out
        assert " through the proxy 127.0.0.1:9: " in shown["detail"]
        assert shown["hint"] == "check the network and the proxy"


def looked_at(name: str, **environment: str) -> dict[str, Any]:
    return of(realtime_here("doctor", "--offline", "--json", **environment).json, name=name)


def test_the_proxy_for_the_api_is_shown_without_its_password() -> None:
    proxied = {"HTTPS_PROXY": "http://me:secret@proxy.example:3128", "NO_PROXY": ""}
    shown = looked_at("proxy", **proxied)
    assert shown["detail"].startswith("proxy.example:3128, for https://")
    assert "secret" not in str(shown)
    assert "this machine" in looked_at("proxy", OPENAI_BASE_URL="http://127.0.0.1:9/v1", **proxied)["detail"]


def test_certificate_authorities_are_loaded(tmp_path: Path) -> None:
    assert "certifi" in looked_at("certificates", SSL_CERT_FILE="", SSL_CERT_DIR="")["detail"]
    assert looked_at("certificates", SSL_CERT_FILE=certifi.where())["detail"].endswith(" authorities")
    broken = tmp_path / "ca.pem"
    broken.write_text("not a certificate")
    for path in (broken, tmp_path / "missing.pem"):
        shown = looked_at("certificates", SSL_CERT_FILE=str(path))
        assert shown["state"] == "failed"
        assert f"SSL_CERT_FILE={path}" in shown["detail"] and "PEM" in shown["hint"]


def test_models_that_end_are_found_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked_at("models")["state"] == "ok"
    shown = looked_at("VOICE_MODEL", VOICE_MODEL="gpt-realtime")
    assert shown["state"] == "missing"
    assert (shown["detail"], shown["hint"]) == ("gpt-realtime ends on 2027-01-20", "use gpt-realtime-2.1")
    monkeypatch.setattr(models, "today", lambda: datetime.date(2027, 1, 20))
    assert looked_at("VOICE_MODEL", VOICE_MODEL="gpt-realtime")["state"] == "failed"


def test_the_api_is_asked_when_its_models_end() -> None:
    models_of_the_api = [
        {"id": "gpt-realtime-2.1", "object": "model", "shutdown_date": "2028-02-01"},
        {"id": "gpt-realtime-whisper", "object": "model", "shutdown_date": None},
        {"id": "another", "object": "model", "shutdown_date": "2027-01-01"},
    ]
    with answering(json.dumps({"object": "list", "data": models_of_the_api}).encode()) as url:
        done = realtime_here("doctor", "--live", "--json", OPENAI_API_KEY="k", OPENAI_BASE_URL=url)
        assert of(done.json, detail="gpt-realtime-2.1 ends on 2028-02-01")["name"] == "default"
    with answering(b'{"data": [5]}') as url:
        done = realtime_here("doctor", "--live", "--json", OPENAI_API_KEY="k", OPENAI_BASE_URL=url)
        assert of(done.json, name="announced ends")["state"] == "failed"
    assert realtime_here("doctor", "--live", "--offline").status == 2
