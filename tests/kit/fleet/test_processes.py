"""The example's web node and workers as processes, which are killed, stopped and asked to end."""

from __future__ import annotations

import collections
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from realtime_simulator import Simulator, call_tool

from tests.kit.fleet.cluster import Cluster, free_port
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.postgres]
PROGRAM = ROOT / "examples" / "fleet" / "phone.py"
CALLS = 20


class Service:
    """The example: a web node, and workers.

    Args:
        environment: Where the database and the API are.
        folder: Where what it prints goes.
    """

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self.orders = folder / "orders.txt"
        self._running: list[subprocess.Popen[bytes]] = []
        self.port = free_port()

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{len(self._running)}.txt").open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, str(PROGRAM), *arguments],
                env={**self._environment, "ORDERS": str(self.orders)},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self._running.append(process)
        return process

    def said(self, process: subprocess.Popen[bytes]) -> list[str]:
        """The lines that a process printed."""
        return (self._folder / f"{self._running.index(process)}.txt").read_text().splitlines()

    def close(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._running:
            process.wait(PATIENCE)


@pytest.fixture
def api() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def service(cluster: Cluster, api: Simulator, tmp_path: Path) -> Iterator[Service]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")]),
        "PYTHONUNBUFFERED": "1",
        "FLEET_DSN": cluster.database(f"example_{tmp_path.name.replace('-', '_')}"),
        "OPENAI_BASE_URL": api.base_url,
        "OPENAI_API_KEY": api.api_key,
        "OPENAI_WEBHOOK_SECRET": api.webhook_secret,
    }
    service = Service(environment, tmp_path)
    try:
        assert service.start("migrate").wait(60) == 0
        yield service
    finally:
        service.close()


def test_killed_stopped_and_ended_workers_lose_no_call_and_order_no_taxi_twice(
    api: Simulator, service: Service
) -> None:
    web = service.start("web", "--port", str(service.port))
    workers = [service.start("worker", "--slots", str(CALLS)) for _ in range(2)]

    def is_serving() -> bool:
        try:
            return bool(health(service)["workers"] == 2)
        except httpx.TransportError:
            assert web.poll() is None
            return False

    api.wait_for(is_serving)
    calls = [
        api.incoming_call(f"http://127.0.0.1:{service.port}/webhook", duplicates=1) for _ in range(CALLS)
    ]

    def held(process: subprocess.Popen[bytes]) -> set[str]:
        lines = [line.split()[-1] for line in service.said(process) if "over" not in line.split()[0]]
        return {line for line in lines if line.startswith("rtc_")}

    def owned_by(*processes: subprocess.Popen[bytes]) -> bool:
        return set().union(*(held(process) for process in processes)) == {call.id for call in calls}

    api.wait_for(lambda: owned_by(*workers))

    busy = max(workers, key=lambda worker: len(held(worker)))
    (other,) = {*workers} - {busy}
    busy.kill()
    third = service.start("worker", "--slots", str(CALLS))
    api.wait_for(lambda: owned_by(other, third))

    api.on_speech(lambda heard: "A taxi to Elm Street, please.")
    api.on_response(call_tool("order_taxi", {"street": "Elm Street"}), match="taxi")
    other.send_signal(signal.SIGSTOP)  # until it is presumed dead: another must have all calls then
    api.wait_for(lambda: owned_by(third))
    other.send_signal(signal.SIGCONT)

    fourth = service.start("worker", "--slots", str(CALLS))
    for call in calls:
        api.caller_says(call, str(ROOT / "examples" / "question.wav"))
    api.wait_for(lambda: {call for call, _ in orders(service)} == {call.id for call in calls})
    third.terminate()
    assert third.wait(PATIENCE) == 0
    api.wait_for(lambda: owned_by(other, fourth))

    assert [call.ended for call in calls] == [None] * CALLS
    for call in calls:
        api.hang_up(call)

    api.wait_for(lambda: health(service)["calls"] == 0)
    assert {call for call, _ in orders(service)} == {call.id for call in calls}
    assert set(collections.Counter(orders(service)).values()) == {1}, "a function call was run twice"
    assert {call.ended for call in calls} == {"peer"}
    answered = [
        line.split()[1] for worker in workers for line in service.said(worker) if line.startswith("answered")
    ]
    assert collections.Counter(answered) == {call.id: 1 for call in calls}


def health(service: Service) -> dict[str, int]:
    answer: dict[str, int] = httpx.get(f"http://127.0.0.1:{service.port}/health", trust_env=False).json()
    return answer


def orders(service: Service) -> list[tuple[str, str]]:
    """The calls, and the model's function calls in them, for which a taxi was ordered."""
    if not service.orders.exists():
        return []
    lines = service.orders.read_text(encoding="utf-8").splitlines()
    return [(line.split()[0], line.split()[1]) for line in lines]
