"""The commands that go on until Ctrl-C: a call's events, and webhooks that come in."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import attrs
import httpx
import pytest
from realtime_kit.cli._listen import listen
from realtime_kit.cli._tail import brief
from realtime_simulator import Simulator
from realtime_simulator.cli import arguments

from realtime_ext import RealtimeClient, webhooks
from tests.support.command import COMMAND, environment, realtime_here
from tests.support.loopback import Loopback
from tests.support.waiting import PATIENCE
from tests.support.webhook_bodies import BODIES

pytestmark = pytest.mark.real_time


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@contextlib.contextmanager
def running(*arguments: str | Path, simulator: Simulator) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env=environment(simulator),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def first_note(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


@attrs.define
class App:
    """An app that receives webhooks, and answers with a status."""

    secret: str
    url: str = ""
    status: int = 200
    genuine: list[str] = attrs.field(factory=list)

    @contextlib.contextmanager
    def serve(self) -> Iterator[App]:
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                webhooks.verify(body, self.headers, app.secret)
                app.genuine.append(self.headers["webhook-id"])
                self.send_response(app.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}/hook"
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield self
            server.shutdown()


@pytest.fixture
def client(simulator: Simulator) -> Iterator[RealtimeClient]:
    with RealtimeClient(simulator.api_key, base_url=simulator.base_url) as made:
        yield made


@pytest.fixture
def call_id(simulator: Simulator, client: RealtimeClient, app: App) -> str:
    call = simulator.incoming_call(to=app.url, wait=True)
    client.calls.accept(call.id, {"type": "realtime", "model": "gpt-realtime"})
    return call.id


@pytest.fixture
def app(simulator: Simulator) -> Iterator[App]:
    with App(simulator.webhook_secret).serve() as serving:
        yield serving


@pytest.mark.programs
def test_a_calls_events_are_shown_and_filtered(
    simulator: Simulator, client: RealtimeClient, call_id: str
) -> None:
    some = ("-t", "rate_limits.*", "-t", "response.*", "-x", "*.delta")
    one = ("--json", "--count=1", "-t", "response.done")
    with (
        running("tail", call_id, *some, simulator=simulator) as lines,
        running("tail", call_id, *one, simulator=simulator) as whole,
    ):
        assert "attached" in first_note(lines)
        assert "attached" in first_note(whole)
        with client.connect(call_id=call_id) as connection, connection.expect("response.done") as done:
            connection.send_text("Hello")
            connection.create_response()
            done.wait()
        out, _ = whole.communicate(timeout=PATIENCE)
        assert json.loads(out)["response"]["status"] == "completed"
        assert whole.returncode == 0
        client.calls.hangup(call_id)
        shown, notes = lines.communicate(timeout=PATIENCE)
    kinds = [line.split()[2] for line in shown.splitlines()]
    assert "response.done" in kinds
    assert not any(kind.endswith(".delta") or kind.startswith("conversation.") for kind in kinds)
    assert (lines.returncode, notes.splitlines()[-1]) == (0, "the call has ended")


@pytest.mark.programs
def test_ctrl_c_ends_the_watching_and_not_the_call(
    simulator: Simulator, client: RealtimeClient, call_id: str
) -> None:
    with running("tail", call_id, simulator=simulator) as process:
        first_note(process)
        assert end(process)[0] == 0
    assert simulator.calls[-1].ended is None
    client.calls.hangup(call_id)


def test_a_key_that_the_caller_pressed_is_shown() -> None:
    assert brief({"type": "input_audio_buffer.dtmf_event_received", "event": "#", "received_at": 1}) == "#"


@pytest.mark.slow
@pytest.mark.early
def test_a_missing_call_cannot_be_watched(simulator: Simulator) -> None:
    done = realtime_here("tail", "rtc_gone", simulator=simulator)
    assert (done.status, done.out) == (1, "")
    assert len(done.err.splitlines()) == 2


@pytest.mark.programs
def test_webhooks_are_verified_shown_forwarded_kept_and_replayed(
    simulator: Simulator, app: App, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.jsonl"
    with running(
        "listen", "--port=0", "--forward-to", app.url, "--save", kept, "--json", simulator=simulator
    ) as process:
        url = first_note(process).split()[2]
        call = simulator.incoming_call(to=url, wait=True)
        shown = json.loads(line_of(process))
        assert (shown["genuine"], shown["again"], shown["status"]) == (True, False, 200)
        assert (shown["type"], shown["call_id"]) == ("realtime.call.incoming", call.id)
        assert app.genuine == [shown["webhook_id"]]

        forged = webhooks.sign(b"{}", "whsec_" + "A" * 32)
        assert httpx.post(url, content=b"{}", headers=forged).status_code == 400
        refused = json.loads(line_of(process))
        assert (refused["genuine"], refused["status"]) == (False, 400)
        assert len(app.genuine) == 1

        app.status = 503
        body = b'{"type": "later.than.this"}'
        again = webhooks.sign(body, simulator.webhook_secret, webhook_id="wh_2")
        assert [httpx.post(url, content=body, headers=again).status_code for _ in range(2)] == [503, 503]
        assert [json.loads(line_of(process))["again"] for _ in range(2)] == [False, True]
        assert end(process)[0] == 0
    assert len(kept.read_text().splitlines()) == 3

    app.genuine.clear()
    app.status = 200
    done = realtime_here("listen", "--replay", kept, "--forward-to", app.url, "--json", simulator=simulator)
    assert (done.status, [line["status"] for line in done.lines]) == (0, [200, 200, 200])
    assert app.genuine == [shown["webhook_id"], "wh_2", "wh_2"]
    app.status = 500
    assert realtime_here("listen", "--replay", kept, "--forward-to", app.url, simulator=simulator).status == 1


def test_saved_deliveries_are_signed_anew(simulator: Simulator, app: App) -> None:
    """The signature that came would be too old by now; it is not even kept."""
    line = json.dumps({"webhook_id": "wh_1", "received_at": 1, "body": '{"type": "x"}'})
    done = realtime_here("listen", "--replay=-", "--forward-to", app.url, simulator=simulator, stdin=line)
    assert (done.status, app.genuine) == (0, ["wh_1"])
    done = realtime_here("listen", "--replay=-", "--forward-to", app.url, simulator=simulator, stdin="{}")
    assert done.status == 1
    assert "line 1" in done.err


def test_an_app_whose_answer_does_not_end_has_answered(simulator: Simulator) -> None:
    def begin(connection: socket.socket, server: Loopback) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n{")
        server.closing.wait()

    line = json.dumps({"webhook_id": "wh_1", "received_at": 1, "body": '{"type": "x"}'})
    with Loopback(begin) as endless:
        done = realtime_here(
            "listen", "--replay=-", "--forward-to", endless.base_url, simulator=simulator, stdin=line
        )
    assert (done.status, " 200 " in done.out) == (0, True)


@pytest.mark.programs
def test_a_signed_webhook_with_a_hostile_body_is_answered(simulator: Simulator) -> None:
    secret = simulator.webhook_secret
    with running("listen", "--port=0", "--json", simulator=simulator) as process:
        url = first_note(process).split()[2]
        for name, (body, statuses) in BODIES.items():
            status = httpx.post(url, content=body, headers=webhooks.sign(body, secret)).status_code
            assert status in statuses, name
            assert json.loads(line_of(process))["status"] == status
        body = b'{"type": "x"}'
        signed = [*webhooks.sign(body, secret, webhook_id="wh_1").items()]
        for twice in ("webhook-id", "webhook-timestamp", "webhook-signature"):
            for pairs in ([*signed, (twice, "other")], [(twice, "other"), *signed]):
                status = httpx.post(url, content=body, headers=pairs).status_code
                shown = json.loads(line_of(process))
                assert (shown["status"], status in (200, 400)) == (status, True)
                assert status == 400 or shown["webhook_id"] == "wh_1"


@pytest.mark.programs
@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
def test_genuine_bodies_that_are_not_utf8_are_refused_and_nothing_is_readable_by_others(
    simulator: Simulator, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.jsonl"
    kept.touch()
    kept.chmod(0o644)
    with running("listen", "--port=0", "--save", kept, "--json", simulator=simulator) as process:
        url = first_note(process).split()[2]
        for body in ('{"type": "x"}'.encode("utf-16"), b'{"type": "x", "a": "\xed\xa0\x80"}'):
            response = httpx.post(url, content=body, headers=webhooks.sign(body, simulator.webhook_secret))
            assert response.status_code == 400
            assert response.text.startswith("the webhook is genuine, but its body is not")
            shown = json.loads(line_of(process))
            assert (shown["status"], shown["problem"]) == (400, response.text)
        body = b'{"type": "x"}'
        headers = webhooks.sign(body, simulator.webhook_secret)
        assert httpx.post(url, content=body, headers=headers).status_code == 200
        assert kept.stat().st_mode & 0o777 == 0o600
        kept.unlink()
        kept.mkdir()
        assert httpx.post(url, content=body, headers=headers).status_code == 500
        assert json.loads(line_of(process))["status"] == 200
        assert "Is a directory" in json.loads(line_of(process))["problem"]
        end(process)


@pytest.mark.programs
def test_an_unreachable_app_is_a_bad_gateway(simulator: Simulator) -> None:
    with running("listen", "--port=0", "--forward-to=http://127.0.0.1:9/", simulator=simulator) as process:
        url = first_note(process).split()[2]
        headers = webhooks.sign(b'{"type": "x"}', simulator.webhook_secret)
        assert httpx.post(url, content=b'{"type": "x"}', headers=headers).status_code == 502
        assert "does not answer" in line_of(process)
        assert httpx.post(url, content=b"x" * (2**20 + 1)).status_code == 413
        for length in ("9" * 5000, "-1", "x"):
            with socket.create_connection(("127.0.0.1", httpx.URL(url).port)) as raw:
                raw.sendall(f"POST / HTTP/1.1\r\ncontent-length: {length}\r\n\r\n".encode())
                assert raw.recv(100).split()[1] in (b"411", b"413")
        assert end(process)[0] == 0


def test_listening_needs_a_secret_and_a_port(simulator: Simulator) -> None:
    assert realtime_here("listen", "--port=0").status == 2
    assert realtime_here("listen", "--secret=whsec_!", "--port=0").status == 1
    taken = simulator.base_url.split(":")[2].partition("/")[0]
    done = realtime_here("listen", f"--port={taken}", simulator=simulator)
    assert done.status == 1
    assert f"127.0.0.1:{taken}" in done.err and "in use" in done.err and "--port 0" in done.err


def test_listen_and_the_simulator_have_different_ports() -> None:
    """So that both run at once, as the pages say, without an option."""
    assert inspect.signature(listen).parameters["port"].default != arguments().parse_args([]).port
