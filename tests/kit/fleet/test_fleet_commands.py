"""`realtime fleet`."""

from __future__ import annotations

import asyncio
import json

import pytest
from realtime_kit.fleet import Fleet

from tests.kit.fleet.cluster import Cluster
from tests.kit.fleet.harness import claimed, registered
from tests.support.command import realtime_here

HEADERS = [{"name": "From", "value": "<sip:+14155550100@carrier.example>"}]


def realtime_fleet(*arguments: str, status: int = 0, dsn: str = "") -> str:
    done = realtime_here("fleet", *arguments, **({"FLEET_DSN": dsn} if dsn else {}))
    assert done.status == status, done.out + done.err
    return done.out + done.err


@pytest.fixture
def dsn(cluster: Cluster) -> str:
    dsn = cluster.database("fleet_commands")

    async def fill() -> None:
        async with Fleet(dsn) as fleet:
            await fleet.migrate()
            await fleet.offer("rtc_held", HEADERS)
            worker = await registered(fleet._store, "host:1")
            epoch = (await claimed(fleet._store, worker)).epoch
            await fleet._store.write("rtc_held", epoch, state="attached", data={"step": 2})
            await fleet.offer("rtc_waiting")
        async with Fleet(dsn, tenant=lambda headers: "acme", max_per_tenant=1) as fleet:
            await fleet.offer("live_1", api="live")
            await fleet.offer("live_2", api="live")

    asyncio.run(fill())
    return dsn


@pytest.mark.slow
@pytest.mark.postgres
def test_calls_and_workers_are_listed_shown_and_drained(dsn: str) -> None:
    rows = [line.split() for line in realtime_fleet("ls", dsn=dsn).splitlines()]
    assert ["worker", "1", "working", "1", "5", "host:1", "0"] in rows
    assert ["call", "rtc_held", "attached", "realtime", "1", "1"] in rows
    assert ["call", "rtc_waiting", "offered", "realtime", "0"] in rows
    assert ["call", "live_1", "offered", "live", "0", "acme"] in rows
    assert ["call", "live_2", "held_back", "live", "0", "acme"] in rows
    listed = json.loads(realtime_fleet("ls", "--json", dsn=dsn))
    columns = [
        *("kind", "id", "state", "calls", "slots", "name", "generation", "api", "epoch", "owner", "tenant")
    ]
    assert all(list(row) == columns for row in listed)
    assert [row["epoch"] for row in listed if row["kind"] == "worker"] == [None]
    shown = json.loads(realtime_fleet("show", "rtc_held", "--json", dsn=dsn))
    assert (shown["epoch"], shown["data"], shown["headers"]) == (1, {"step": 2}, HEADERS)
    assert "is handing over its calls" in realtime_fleet("drain", "1", dsn=dsn)
    assert "draining" in realtime_fleet("ls", dsn=dsn)
    assert "there is no worker 9" in realtime_fleet("drain", "9", status=1, dsn=dsn)
    assert "there is no call rtc_x" in realtime_fleet("show", "rtc_x", status=1, dsn=dsn)


@pytest.mark.slow
@pytest.mark.postgres
def test_tables_are_migrated_workers_drained_together_and_failed_calls_tried_again(cluster: Cluster) -> None:
    dsn = cluster.database("fleet_more_commands")
    said = realtime_fleet("ls", status=1, dsn=dsn)
    assert "run fleet.migrate() or `realtime fleet migrate` first" in said
    for phase in ("pre", "post", "all"):
        assert "the tables in north are up to date" in realtime_fleet(
            "migrate", "--schema", "north", "--phase", phase, dsn=dsn
        )

    async def fill() -> None:
        async with Fleet(dsn, schema="north") as fleet:
            for name in ("host:1", "host:2", "host:3"):
                await registered(fleet._store, name)
            await fleet.offer("rtc_poisoned")
            await fleet._store.end("rtc_poisoned", 0, "failed")

    asyncio.run(fill())
    north = ("--schema", "north")
    assert "2 workers are handing over their calls" in realtime_fleet(
        "drain", "3", "--all-older", *north, dsn=dsn
    )
    (row,) = json.loads(realtime_fleet("failed", "--json", *north, dsn=dsn))
    assert row["id"] == "rtc_poisoned"
    assert "rtc_poisoned is waiting for a worker" in realtime_fleet("retry", "rtc_poisoned", *north, dsn=dsn)
    assert "there is no failed call" in realtime_fleet("retry", "rtc_poisoned", *north, status=1, dsn=dsn)


def test_a_database_is_needed() -> None:
    assert "--dsn" in realtime_fleet("ls", status=2)


@pytest.mark.slow
def test_an_unavailable_database_is_reported() -> None:
    said = realtime_fleet("ls", status=3, dsn="postgresql://127.0.0.1:9/none")
    assert said.startswith("realtime: the database failed: connection failed: ")
    assert said.endswith("\n  hint: check --dsn or FLEET_DSN\n")
