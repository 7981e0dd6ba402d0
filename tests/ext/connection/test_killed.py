"""A server that is a process of its own: killed, restarted, stopped amid a connection."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pytest

from realtime_ext import ConnectionClosedError
from realtime_ext.connection import Reconnect, Reconnected
from tests.ext.connection.driver import async_only, connect
from tests.support.paths import ROOT
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.programs

PROGRAM = """
import sys, threading
from tests.ext.connection.scripted import Model, Peer, ScriptedServer

class Untidy(Model):
    '''Mixes in unknown data: every tenth event, and messages other than events.'''

    def handle(self, peer, event):
        sends, count = peer.send, 0

        def send(kind, **fields):
            nonlocal count
            count += 1
            sends(kind, **fields)
            if count % 10 == 0:
                sends("event.of_tomorrow", response_id="resp_1", item_id=5)
            if count % 7 == 0:
                peer.raw(b"\\x00\\xff{garbage")
                peer.raw("[1, 2]")

        peer.send = send
        super().handle(peer, event)
        del peer.send

with ScriptedServer(Untidy(), port=int(sys.argv[1])) as server:
    print(server.base_url, flush=True)
    threading.Event().wait()
"""


class Process:
    """A server in a process of its own, at an address that a later one can take over."""

    def __init__(self, port: int = 0) -> None:
        command = [sys.executable, "-c", PROGRAM, str(port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().strip()
        self.port = int(self.base_url.removesuffix("/v1").rpartition(":")[2])

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


@pytest.fixture(autouse=True)
def _nothing_stays_behind(runner: Runner) -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("realtime_ext")] == []
    if runner.is_async:

        async def names() -> list[str]:
            return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]

        assert runner.run(names()) == []


@async_only
def test_acknowledged_configuration_survives_a_killed_server(runner: Runner) -> None:
    with Process() as server, connect(runner, server) as connection:
        for number in (1, 2, 3):
            assert connection.ask("Hi", timeout=PATIENCE).transcript == f"answer {number}"
        server.kill()
        with pytest.raises(ConnectionClosedError) as caught:
            while True:
                connection.ask("Hi", timeout=PATIENCE)
        words = [item.content[0].text for item in connection.replay_items()]
    assert words[:6] == ["Hi", "answer 1", "Hi", "answer 2", "Hi", "answer 3"]
    assert caught.value.code == 1006
    assert connection.usage.entries[0].amount.count == 3


@async_only
def test_a_session_continues_with_a_server_that_is_started_anew(runner: Runner) -> None:
    policy = Reconnect(replay=True, attempts=100, first_delay=0.05, max_delay=0.05)
    with Process() as server:
        with connect(runner, server, reconnect=policy, timeout=PATIENCE) as connection:
            assert connection.recv().type == "session.created"
            connection.ask("Hi", timeout=PATIENCE)
            server.kill()
            with Process(server.port):
                for event in connection:
                    if isinstance(event, Reconnected):
                        break
                assert event.replayed == 2
                assert connection.ask("Hi", timeout=PATIENCE).transcript == "answer 1"
                words = [item.content[0].text for item in connection.replay_items()]
    assert words == ["Hi", "answer 1", "Hi", "answer 1"]


def test_a_server_that_stops_does_not_keep_the_block_from_ending(runner: Runner) -> None:
    with Process() as server:
        with connect(runner, server, websocket_options={"close_timeout": 0.2}) as connection:
            connection.ask("Hi", timeout=PATIENCE)
            server.send_signal(signal.SIGSTOP)
            connection.commit_audio()
        assert connection.is_closed
