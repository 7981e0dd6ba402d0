from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from realtime_simulator import Simulator
from realtime_simulator._server.thread import HttpProtocol, ServerThread, WebSocketProtocol
from realtime_simulator.cli import arguments
from realtime_simulator.cli._output import set_line
from websockets.protocol import State

from tests.simulator.wire import Socket
from tests.support.waiting import PATIENCE


def secret(sim: Simulator) -> int:
    headers = {"authorization": f"Bearer {sim.api_key}"}
    return httpx.post(f"{sim.base_url}/realtime/client_secrets", headers=headers, json={}).status_code


def test_it_serves_on_a_free_loopback_port_until_the_block_ends() -> None:
    before = set(threading.enumerate())
    with Simulator(pacing="none") as one, Simulator(pacing="none") as two:
        assert one.base_url.startswith("http://127.0.0.1:") and one.base_url.endswith("/v1")
        assert one.base_url != two.base_url and one.api_key != two.api_key
        assert one.webhook_secret.startswith("whsec_")
        assert secret(one) == secret(two) == 200
        base_url = one.base_url
    assert set(threading.enumerate()) <= before
    with pytest.raises(httpx.ConnectError):
        httpx.post(f"{base_url}/realtime/client_secrets")
    with pytest.raises(RuntimeError, match="not running"):
        _ = one.base_url


def test_it_works_with_async_with_and_can_be_entered_again() -> None:
    async def main(sim: Simulator) -> None:
        async with sim:
            assert await asyncio.to_thread(secret, sim) == 200
            with pytest.raises(RuntimeError, match="already"):
                sim.__enter__()

    sim = Simulator(pacing="none", api_key="sk-mine", webhook_secret="whsec_bWluZQ==")
    asyncio.run(main(sim))
    asyncio.run(main(sim))
    sim.close()
    assert (sim.api_key, sim.webhook_secret) == ("sk-mine", "whsec_bWluZQ==")


def test_a_keep_alive_connection_does_not_hold_up_its_end() -> None:
    with httpx.Client(timeout=PATIENCE) as client:
        with Simulator(pacing="none") as sim:
            client.get(f"{sim.base_url}/nothing")
        with pytest.raises(httpx.TransportError):
            client.get(f"http://127.0.0.1:{sim._settings.port or 1}/")


def test_a_client_that_answers_no_close_does_not_hold_up_its_end(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as client, Simulator(pacing="none") as sim:

        def read_until(text: bytes) -> None:
            came = b""
            while text not in came:
                data = client.recv(4096)
                assert data, came
                came += data

        address = urlsplit(sim.base_url)
        client.settimeout(20)
        client.connect((address.hostname, address.port))
        client.sendall(
            b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n"
            b"upgrade: websocket\r\nsec-websocket-version: 13\r\n"
            b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"authorization: Bearer " + sim.api_key.encode() + b"\r\n\r\n"
        )
        read_until(b"session.created")
        sim.advance(3600)
        read_until(b"\x03\xe9Your session hit")  # the server's close frame
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_it_may_end_while_a_client_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[Exception] = []
    receive = WebSocketProtocol.data_received

    def end_after(self: WebSocketProtocol, data: bytes) -> None:
        receive(self, data)
        if self.handshake_complete and self.conn.state is not State.OPEN:
            try:
                self.shutdown()
            except Exception as fault:
                faults.append(fault)
            finally:
                ended.set()

    ended = threading.Event()
    monkeypatch.setattr(WebSocketProtocol, "data_received", end_after)
    with Simulator(pacing="none") as sim, Socket(sim) as client:
        client.ws.close()
        assert ended.wait(PATIENCE) and faults == []


@pytest.mark.slow
def test_a_connection_that_comes_with_the_end_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    accepted: list[socket.socket] = []
    accept = socket.socket.accept

    def noted(self: socket.socket) -> tuple[socket.socket, Any]:
        connection, address = accept(self)
        accepted.append(connection)
        return connection, address

    async def answer(scope: object, receive: object, send: object) -> None:
        raise AssertionError

    async def close() -> None:
        pass

    monkeypatch.setattr(socket.socket, "accept", noted)
    thread = ServerThread("127.0.0.1", 0, lambda: (answer, close))
    thread.start()
    thread.started.result(PATIENCE)
    busy = threading.Event()
    thread.loop.call_soon_threadsafe(busy.wait)
    with socket.create_connection(("127.0.0.1", thread.port), timeout=PATIENCE) as client:
        thread.stop()
        busy.set()
        thread.join()
        assert [one for one in accepted if one.fileno() != -1] == []
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""


def test_calls_into_an_ending_thread_fail_instead_of_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = ServerThread("127.0.0.1", 0, lambda: pytest.fail("it is not built"))
    loop = asyncio.new_event_loop()  # it accepts callbacks, and will run none
    monkeypatch.setattr(thread, "_loop", loop)
    threading.Timer(0.01, thread.ended.set_result, (None,)).start()
    with pytest.raises(RuntimeError, match="the simulator is not running"):
        thread.call(int)
    loop.close()
    with pytest.raises(RuntimeError, match="the simulator is not running"):
        thread.call(int)
    with pytest.raises(RuntimeError, match="the simulator is not running"):
        thread.run(asyncio.sleep(0))
    thread._socket.close()


def test_accepted_sockets_send_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Nagle's algorithm every small answer would wait some 40 ms for an acknowledgement."""
    options: list[int] = []
    made = HttpProtocol.connection_made

    def look(self: HttpProtocol, transport: asyncio.Transport) -> None:
        accepted = transport.get_extra_info("socket")
        options.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        made(self, transport)

    monkeypatch.setattr(HttpProtocol, "connection_made", look)
    with Simulator(pacing="none") as sim:
        assert secret(sim) == 200
    assert options and all(options)


def test_a_port_in_use_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sim = Simulator(pacing="none", port=port)
        with pytest.raises(OSError, match="in use"):
            sim.__enter__()
    with sim:
        assert f":{port}/" in sim.base_url


def test_an_exception_in_the_block_stops_it_too() -> None:
    before = set(threading.enumerate())
    with pytest.raises(KeyError), Simulator(pacing="none"):
        raise KeyError
    assert set(threading.enumerate()) <= before


def test_only_the_latest_records_are_kept() -> None:
    with Simulator(pacing="none", kept=3) as sim:
        for _ in range(5):
            httpx.get(f"{sim.base_url}/nothing")
        assert len(sim.requests) == 3


def test_waiting_for_a_condition_times_out() -> None:
    with Simulator(pacing="none") as sim, pytest.raises(TimeoutError):
        sim.wait_for(lambda: False, timeout=0.01)


@pytest.mark.programs
def test_importing_realtime_ext_does_not_import_the_simulator_nor_the_simulator_aiortc() -> None:
    code = (
        "import sys\n"
        "import realtime_ext\n"
        "assert not {'realtime_simulator', 'starlette', 'uvicorn', 'aiortc'} & set(sys.modules)\n"
        "import realtime_simulator\n"
        "assert not {'starlette', 'uvicorn', 'aiortc', 'av', 'jsonschema_rs'} & set(sys.modules)\n"
        "from realtime_simulator import Simulator\n"
        "with Simulator(): pass\n"
        "assert not {'aiortc', 'aioice', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@contextmanager
def command(*options: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    line = [sys.executable, "-m", "realtime_simulator", *options]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**environment(), **more}
    ) as it:
        try:
            yield it
        finally:
            it.kill()


@pytest.mark.programs
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_what_a_program_needs_and_ends_on_a_signal(number: int) -> None:
    with command("--port", "0", "--json", "--api-key", "sk-given") as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        assert set(facts) == {"base_url", "api_key", "webhook_secret", "console", "pid"}
        assert facts["api_key"] == "sk-given" and facts["pid"] == process.pid
        response = httpx.post(
            f"{facts['base_url']}/realtime/client_secrets",
            headers={"authorization": "Bearer sk-given"},
            json={},
        )
        assert response.status_code == 200
        process.send_signal(number)
        out, error = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0 and error == ""
        assert all(isinstance(json.loads(line), dict) for line in out.splitlines())


@pytest.mark.programs
def test_the_command_warns_of_an_open_address_and_explains_errors() -> None:
    with command("--port", "0", "--host", "0.0.0.0") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        assert lines[0].split()[0] == "base_url" and "not loopback" in lines[5]
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        command("--port", str(taken.getsockname()[1])) as process,
    ):
        _, error = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1 and "cannot listen" in error and "--port 0" in error


@pytest.mark.programs
def test_a_shell_evaluates_the_addresses_that_the_command_prints() -> None:
    with command("--port", "0", "--api-key", "sk-it's; mine") as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("export "))
    program = "import os; print(*(os.environ[f'OPENAI_{name}'] for name in ('BASE_URL', 'API_KEY')), sep='|')"
    pasted = f"{line}{shlex.quote(sys.executable)} -c {shlex.quote(program)}"
    shown = subprocess.run(
        ["sh", "-c", pasted], capture_output=True, text=True, timeout=PATIENCE, check=True
    ).stdout
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1\|sk-it's; mine\n", shown)


def test_on_windows_the_addresses_are_a_line_for_powershell() -> None:
    values = ("http://127.0.0.1:1/v1", "sk-it's; mine", "whsec_x")
    assert set_line(values, "nt") == (
        "$env:OPENAI_BASE_URL = 'http://127.0.0.1:1/v1'; $env:OPENAI_API_KEY = 'sk-it''s; mine'; "
        "$env:OPENAI_WEBHOOK_SECRET = 'whsec_x'"
    )


def test_the_command_listens_on_loopback_unless_told_otherwise() -> None:
    assert arguments().parse_args([]).host == "127.0.0.1"
