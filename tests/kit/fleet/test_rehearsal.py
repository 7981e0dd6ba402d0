"""A fleet on PostgreSQL, rehearsed by one command: many calls, none lost, none answered twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from realtime_simulator import Simulator

from tests.kit.fleet.cluster import Cluster, free_port
from tests.kit.fleet.test_processes import Service, health, orders
from tests.support.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.weekly, pytest.mark.postgres]
CALLS = 200
SCRIPT = """
name: orders a taxi
steps:
  - hears: Which street
  - says: A taxi to Elm Street, please.
  - expects_tool: order_taxi
    arguments: {street: Elm Street}
    count: 1
  - hears: on its way
expect: {dead_air: 10}
"""
ANSWERS = """
responses:
  - match: ^$
    say: Which street?
  - match: taxi
    call_tool: order_taxi
    arguments: {street: Elm Street}
"""


def test_two_hundred_calls_rehearse_a_fleet(cluster: Cluster, tmp_path: Path) -> None:
    with Simulator() as random:  # keys that the command and the fleet share
        key, secret = random.api_key, random.webhook_secret
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated"), str(ROOT / "simulator")]),
        "FLEET_DSN": cluster.database("rehearsed"),
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "OPENAI_API_KEY": key,
        "OPENAI_WEBHOOK_SECRET": secret,
    }
    (tmp_path / "taxi.yaml").write_text(SCRIPT)
    (tmp_path / "answers.yaml").write_text(ANSWERS)
    service = Service(environment, tmp_path)
    try:
        assert service.start("migrate").wait(60) == 0
        web = service.start("web", "--port", str(service.port))
        for _ in range(2):
            service.start("worker", "--slots", "100")

        def is_serving() -> bool:
            try:
                return bool(health(service)["workers"] == 2)
            except httpx.TransportError:
                assert web.poll() is None
                return False

        with Simulator() as waiting:
            while not is_serving():
                waiting.advance(0)
        command = [
            *(sys.executable, "-m", "realtime_simulator", "rehearse", "taxi.yaml", "--port", str(port)),
            *("--to", f"http://127.0.0.1:{service.port}/webhook", "--scenario", "answers.yaml"),
            *("--calls", str(CALLS), "--at", "20", "--report", "card.json"),
        ]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        service.close()
    card = json.loads((tmp_path / "card.json").read_text())
    assert (card["passed"], card["lost"], card["doubled"]) == (CALLS, 0, 0)
    assert card["latency"]["first_audio"]["count"] == 2 * CALLS
    assert len(orders(service)) == len({call for call, _ in orders(service)}) == CALLS
