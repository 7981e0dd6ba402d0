"""`realtime fleet`."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest

from realtime_ext.integrations.fleet import Fleet
from tests.ext.integrations.fleet.cluster import Cluster
from tests.ext.integrations.fleet.harness import claimed

HEADERS = [{"name": "From", "value": "<sip:+14155550100@carrier.example>"}]


def realtime_fleet(*arguments: str, status: int = 0, dsn: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "realtime_ext.cli", "fleet", *arguments],
        env={**os.environ, **({"FLEET_DSN": dsn} if dsn else {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


@pytest.fixture
def dsn(cluster: Cluster) -> str:
    dsn = cluster.database("fleet_commands")

    async def fill() -> None:
        async with Fleet(dsn) as fleet:
            await fleet.migrate()
            await fleet.offer("rtc_held", HEADERS)
            worker = await fleet._store.register("host:1", 5)
            epoch = (await claimed(fleet._store, worker)).epoch
            await fleet._store.write("rtc_held", epoch, state="attached", data={"step": 2})
            await fleet.offer("rtc_waiting")

    asyncio.run(fill())
    return dsn


@pytest.mark.slow
@pytest.mark.postgres
def test_calls_and_workers_are_listed_shown_and_drained(dsn: str) -> None:
    rows = [line.split() for line in realtime_fleet("ls", dsn=dsn).splitlines()]
    assert ["worker", "1", "working", "1", "5", "host:1"] in rows
    assert ["call", "rtc_held", "attached", "1", "1"] in rows
    assert ["call", "rtc_waiting", "offered", "0"] in rows
    listed = json.loads(realtime_fleet("ls", "--json", dsn=dsn))
    columns = ["kind", "id", "state", "calls", "slots", "name", "epoch", "owner"]
    assert all(list(row) == columns for row in listed)
    assert [row["epoch"] for row in listed if row["kind"] == "worker"] == [None]
    shown = json.loads(realtime_fleet("show", "rtc_held", "--json", dsn=dsn))
    assert (shown["epoch"], shown["data"], shown["headers"]) == (1, {"step": 2}, HEADERS)
    assert "hands its calls on" in realtime_fleet("drain", "1", dsn=dsn)
    assert "draining" in realtime_fleet("ls", dsn=dsn)
    assert "there is no worker 9" in realtime_fleet("drain", "9", status=1, dsn=dsn)
    assert "there is no call rtc_x" in realtime_fleet("show", "rtc_x", status=1, dsn=dsn)


def test_a_database_is_needed() -> None:
    assert "--dsn" in realtime_fleet("ls", status=2)


@pytest.mark.programs
def test_an_unavailable_database_is_reported() -> None:
    said = realtime_fleet("ls", status=3, dsn="postgresql://127.0.0.1:9/none")
    assert said == "realtime: the database does not answer\n  hint: check --dsn or FLEET_DSN\n"
