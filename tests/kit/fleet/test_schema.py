"""The tables of a fleet, their versions, and what a program says that can't work with them."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from realtime_kit.fleet import Fleet, FleetError, OwnedCall, _schema
from realtime_kit.fleet._schema import Migration

from realtime_ext import AsyncRealtimeClient
from tests.kit.fleet.cluster import Cluster
from tests.kit.fleet.harness import claimed, registered, run_async

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


@run_async
async def test_migrations_leave_an_app_and_its_own_queue_alone(cluster: Cluster) -> None:
    from procrastinate import App, PsycopgConnector

    dsn = cluster.database("fleet_beside")
    async with App(connector=PsycopgConnector(conninfo=dsn)).open_async() as app:
        await app.schema_manager.apply_schema_async()
        async with Fleet(dsn) as fleet:
            await asyncio.gather(fleet.migrate(), Fleet(dsn).migrate())
            await fleet.migrate()
            await fleet.offer("rtc_1")
        assert list(await app.job_manager.list_jobs_async()) == []
    with psycopg.connect(dsn) as db:
        tables = db.execute("select table_name from information_schema.tables where table_schema = 'public'")
        assert {name for (name,) in tables} == {
            "procrastinate_events",
            "procrastinate_jobs",
            "procrastinate_periodic_defers",
            "procrastinate_workers",
        }


@run_async
async def test_fleets_in_two_schemas_of_a_database_share_nothing(cluster: Cluster) -> None:
    dsn = cluster.database("fleet_schemas")
    async with Fleet(dsn, schema="north") as north, Fleet(dsn, schema="south") as south:
        for fleet in (north, south):
            await fleet.migrate()
        assert await north.offer("rtc_1")
        assert await south.offer("rtc_1")
        await claimed(north._store, await registered(north._store, "one"))
        assert [(call.owner is None) for call in [*await north.calls(), *await south.calls()]] == [
            False,
            True,
        ]


@run_async
async def test_without_tables_the_error_says_what_to_do(cluster: Cluster) -> None:
    async with Fleet(cluster.database("fleet_empty")) as fleet:
        with pytest.raises(FleetError, match=r"run fleet\.migrate\(\) or"):
            await fleet.offer("rtc_1")


async def run(dsn: str) -> None:
    async with Fleet(dsn) as fleet, AsyncRealtimeClient(api_key="k") as client:

        @fleet.on_call
        async def phone(call: OwnedCall) -> None:
            raise AssertionError("there is no call")

        await fleet.run(client)


@run_async
async def test_a_worker_that_the_database_refuses_ends_and_says_why(cluster: Cluster) -> None:
    with pytest.raises(FleetError, match=r"run fleet\.migrate\(\) or"):
        await run(cluster.database("fleet_unmigrated"))
    with pytest.raises(FleetError, match='database "fleet_none" does not exist'):
        await run(cluster.dsn("fleet_none"))
    with pytest.raises(FleetError, match='role "nobody" does not exist'):
        await run(cluster.dsn().replace(f"{cluster.user}@", "nobody@"))
    with pytest.raises(FleetError, match="dsn: expected a connection string") as raised:
        await run("postgresql:/user:secret@host/name")
    assert "secret" not in str(raised.value)


@run_async
async def test_programs_of_two_versions_work_side_by_side_until_the_last_phase(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = cluster.database("fleet_versions")
    old = Fleet(dsn)
    await old.migrate()
    await old.offer("rtc_1")

    def upgrade() -> None:
        monkeypatch.setattr(_schema, "VERSION", 2)
        changes = (
            Migration(2, "pre", "alter table calls add column note text"),
            Migration(2, "post", "alter table calls drop column note"),
        )
        monkeypatch.setattr(_schema, "MIGRATIONS", changes)

    upgrade()
    async with Fleet(dsn) as new, old:
        with pytest.raises(FleetError, match=r"have version 1, and this program needs 2; run"):
            await new.offer("rtc_2")
        with pytest.raises(FleetError, match="apply the phase 'pre' first"):
            await new.migrate("post")
        await new.migrate("pre")
        await new.migrate("pre")
        assert await new.offer("rtc_2")
        assert await old.offer("rtc_3"), "it is still running"
        monkeypatch.undo()
        async with Fleet(dsn) as old_again:
            assert await old_again.offer("rtc_4"), "and may be started again"
            with pytest.raises(FleetError, match="have version 2, and this program has 1; upgrade"):
                await old_again.migrate()
        upgrade()
        await new.migrate("post")
        monkeypatch.undo()
        async with Fleet(dsn) as too_old:
            with pytest.raises(FleetError, match="have version 2, and this program has 1; upgrade"):
                await too_old.offer("rtc_5")


@run_async
async def test_migrations_of_the_queue_are_applied_in_their_phases(cluster: Cluster) -> None:
    """As after an upgrade of procrastinate that brings two files."""
    dsn = cluster.database("fleet_queue")
    pre = "03.03.00_01_pre_priority_lock_fetch_job.sql"
    post = "03.04.00_50_post_add_retry_failed_job_procedure.sql"
    async with Fleet(dsn) as fleet:
        await fleet.migrate()
        with psycopg.connect(dsn, autocommit=True) as db:
            db.execute("set search_path to realtime_fleet")
            db.execute("delete from migrations where name in (%s, %s)", (pre, post))

            def done() -> set[str]:
                return {name for (name,) in db.execute("select name from migrations")} & {pre, post}

            await fleet.migrate("pre")
            assert done() == {pre}
            await fleet.migrate("post")
            assert done() == {pre, post}
