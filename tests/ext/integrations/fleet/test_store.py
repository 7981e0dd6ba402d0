"""What a store promises, in memory and on PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from realtime_ext.errors import FleetError
from realtime_ext.integrations.fleet import Fleet
from realtime_ext.integrations.fleet._postgres_store import LOCK, PostgresStore
from tests.ext.integrations.fleet.cluster import Cluster, running_cluster
from tests.ext.integrations.fleet.conftest import MakeFleet
from tests.ext.integrations.fleet.harness import claimed, run_async, swept, until

HEADERS = [{"name": "From", "value": "<sip:+14155550100@carrier.example>"}]


@run_async
async def test_a_call_is_enqueued_once_however_often_it_is_offered(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        await fleet.migrate()
        store = fleet._store
        assert [await store.offer("rtc_1", HEADERS) for _ in range(3)] == [True, False, False]
        worker = await store.register("one", 5)
        record = await claimed(store, worker)
        assert (record.id, record.epoch, record.state, record.headers) == ("rtc_1", 1, "offered", HEADERS)
        assert await store.fetch(worker) is None
        assert await store.end("rtc_1", record.epoch, "done")
        assert not await store.offer("rtc_1", HEADERS), "a webhook that comes again after the call"
        assert await store.fetch(worker) is None


@run_async
async def test_a_delivery_does_not_give_ownership(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        await fleet.migrate()
        store = fleet._store
        one, two = await store.register("one", 5), await store.register("two", 5)
        await store.offer("rtc_1", [])
        delivery = await store.fetch(one)
        assert delivery is not None
        assert await store.claim(delivery, two) is None, "the job is not this worker's"
        first = await store.claim(delivery, one)
        assert first is not None
        assert await store.claim(delivery, one) is None, "claimed already"
        assert await store.release("rtc_1", first.epoch, failed=False)
        assert await store.claim(delivery, one) is None, "the job was replaced"
        second = await claimed(store, two)
        assert second.epoch > first.epoch


@run_async
async def test_a_former_owner_changes_nothing(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        await fleet.migrate()
        store = fleet._store
        one, two = await store.register("one", 5), await store.register("two", 5)
        await store.offer("rtc_1", [])
        old = (await claimed(store, one)).epoch
        assert await store.write("rtc_1", old, state="accepted", data={"step": 1})
        assert await store.release("rtc_1", old, failed=False)
        new = (await claimed(store, two)).epoch
        assert await store.write("rtc_1", old, data={"step": 9}) is False
        assert await store.release("rtc_1", old, failed=True) is False
        assert await store.end("rtc_1", old, "done") is False
        assert (await store.begin_effect("rtc_1", old, "book")).state == "lost"
        record = await store.find("rtc_1")
        assert record is not None
        assert (record.owner, record.epoch, record.state, record.data) == (two, new, "accepted", {"step": 1})
        assert record.accepted is not None
        accepted = record.accepted
        assert await store.write("rtc_1", new, state="closing")
        closing = await store.find("rtc_1")
        assert closing is not None and closing.accepted == accepted
        assert await store.fetch(one) is None, "nor was the call enqueued again"
        beat = await store.beat(two)
        assert beat is not None
        assert beat.held == {"rtc_1": new}


@run_async
async def test_calls_of_a_dead_worker_are_handed_on_and_it_has_lost_them(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        await fleet.migrate()
        store = fleet._store
        dead, alive = await store.register("dead", 5), await store.register("alive", 5)
        for name in ("rtc_1", "rtc_2"):
            await store.offer(name, [])
        old = await claimed(store, dead)
        mine = await claimed(store, alive)
        moved, closing = await swept(store, alive)
        assert [call.id for call in moved] == [old.id]
        assert not closing
        assert await store.beat(dead) is None
        assert not await store.write(old.id, old.epoch)
        again = await claimed(store, alive)
        assert (again.id, again.failures) == (old.id, 1)
        assert again.epoch > old.epoch
        beat = await store.beat(alive)
        assert beat is not None
        assert beat.held == {old.id: again.epoch, mine.id: mine.epoch}


@run_async
async def test_a_call_that_was_fetched_and_never_claimed_is_found(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        await fleet.migrate()
        store = fleet._store
        dead, alive = await store.register("dead", 5), await store.register("alive", 5)
        await store.offer("rtc_1", [])
        delivery = await store.fetch(dead)
        assert delivery is not None
        assert await store.sweep(alive) == ([], []), "its worker may be about to claim it"
        moved, _ = await swept(store, alive)
        assert [call.id for call in moved] == ["rtc_1"]
        assert await store.claim(delivery, dead) is None
        assert (await claimed(store, alive)).failures == 0


@run_async
async def test_what_fails_too_often_is_closed_by_one_worker_at_a_time(make_fleet: MakeFleet) -> None:
    async with make_fleet(max_failures=2) as fleet:
        await fleet.migrate()
        store = fleet._store
        one, two = await store.register("one", 5), await store.register("two", 5)
        await store.offer("rtc_1", [])
        for _ in range(2):
            assert await store.release("rtc_1", (await claimed(store, one)).epoch, failed=True)
        assert await store.fetch(one) is None
        _, closing = await swept(store, one)
        assert [(call.id, call.state, call.outcome, call.owner) for call in closing] == [
            ("rtc_1", "closing", "failed", one)
        ]
        assert await store.sweep(two) == ([], [])
        _, again = await swept(store, two)  # its worker died
        assert again[0].owner == two
        assert not await store.end("rtc_1", closing[0].epoch, "failed")
        assert await store.end("rtc_1", again[0].epoch, "failed")
        assert await store.sweep(two) == ([], [])
        assert await store.calls() == []
        (kept,) = await store.calls(ended=True)
        assert (kept.state, kept.outcome, kept.failures) == ("ended", "failed", 2)


@run_async
async def test_a_call_waits_for_a_slot_for_so_long_and_is_rejected(make_fleet: MakeFleet) -> None:
    async with make_fleet(max_wait=0.1) as fleet:
        await fleet.migrate()
        store = fleet._store
        worker = await store.register("one", 0)
        await store.offer("rtc_1", [])
        moved, closing = await swept(store, worker)
        assert not moved
        assert [(call.id, call.outcome, call.accepted) for call in closing] == [("rtc_1", "rejected", None)]
        assert await store.fetch(worker) is None


@run_async
async def test_an_effect_is_begun_once(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        await fleet.migrate()
        store = fleet._store
        worker = await store.register("one", 5)
        await store.offer("rtc_1", [])
        old = (await claimed(store, worker)).epoch
        assert (await store.begin_effect("rtc_1", old, "a")).state == "new"
        assert (await store.begin_effect("rtc_1", old, "b")).state == "new"
        await store.release("rtc_1", old, failed=False)
        new = (await claimed(store, worker)).epoch
        assert (await store.begin_effect("rtc_1", new, "a")).state == "unknown"
        await store.finish_effect("rtc_1", old, "a", {"taxi": 7})  # late, and true all the same
        done = await store.begin_effect("rtc_1", new, "a")
        assert (done.state, done.result) == ("done", {"taxi": 7})
        await store.forget_effect("rtc_1", new, "b")
        assert (await store.begin_effect("rtc_1", new, "b")).state == "unknown", "it is another's"
        await store.forget_effect("rtc_1", old, "b")
        assert (await store.begin_effect("rtc_1", new, "b")).state == "new"


@run_async
async def test_old_ended_calls_are_dropped(make_fleet: MakeFleet) -> None:
    async with make_fleet(keep=0.01) as fleet:
        await fleet.migrate()
        store = fleet._store
        worker = await store.register("one", 5)
        await store.offer("rtc_1", [])
        epoch = (await claimed(store, worker)).epoch
        await store.begin_effect("rtc_1", epoch, "a")
        await store.end("rtc_1", epoch, "done")

        async def is_gone() -> bool:
            await store.beat(worker)
            await store.sweep(worker)
            return await store.find("rtc_1") is None

        await until(is_gone, 10.0)


@run_async
async def test_a_worker_that_is_presumed_dead_sweeps_nothing(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        await fleet.migrate()
        store = fleet._store
        dead, alive = await store.register("dead", 5), await store.register("alive", 5)
        await store.offer("rtc_1", [])
        await claimed(store, dead)
        await swept(store, alive)
        assert await store.sweep(dead) == ([], [])
        assert await store.sweep(dead + alive + 1) == ([], []), "nor does an unknown one"


@run_async
async def test_workers_are_listed_and_asked_to_drain(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        await fleet.migrate()
        store = fleet._store
        worker = await store.register("host:1", 5)
        await store.offer("rtc_1", [])
        await claimed(store, worker)
        (record,) = await store.workers()
        assert (record.name, record.slots, record.held, record.is_draining) == ("host:1", 5, 1, False)
        assert not await store.ask_to_drain(worker + 1)
        assert await store.ask_to_drain(worker)
        beat = await store.beat(worker)
        assert beat is not None
        assert beat.is_draining
        await store.unregister(worker)
        assert await store.workers() == []


@run_async
async def test_an_offer_wakes_those_who_listen(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        await fleet.migrate()
        heard = asyncio.Event()
        listening = asyncio.create_task(fleet._store.listen(heard.set))
        for number in range(50):  # until it listens, too
            assert not listening.done(), listening
            await fleet._store.offer(f"rtc_{number}", [])
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(heard.wait(), 0.2)
                break
        assert heard.is_set()
        listening.cancel()
        await asyncio.wait([listening])
        heard.clear()
        await fleet._store.offer("rtc_later", [])
        assert not heard.is_set()


@run_async
async def test_an_ended_call_leaves_no_job() -> None:
    async with Fleet.in_memory() as fleet:
        worker = await fleet._store.register("one", 5)
        await fleet._store.offer("rtc_1", [])
        call = await claimed(fleet._store, worker)
        assert fleet._store._jobs
        assert await fleet._store.end("rtc_1", call.epoch, "done")
        assert not fleet._store._jobs
        assert not fleet._store._doing


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_sweeps_at_the_same_time_hand_each_call_on_once(cluster: Cluster) -> None:
    dsn = cluster.database("fleet_sweeps")
    async with Fleet(dsn, time_to_live=1.0) as fleet:
        await fleet.migrate()
        store = fleet._store
        dead = await store.register("dead", 50)
        for number in range(20):
            await store.offer(f"rtc_{number}", [])
            await claimed(store, dead)
        workers = [await store.register(f"alive {number}", 50) for number in range(4)]
        moved: list[str] = []
        while len(moved) < 20:
            await asyncio.gather(*(store.beat(worker) for worker in workers))
            for calls, _ in await asyncio.gather(*(store.sweep(worker) for worker in workers)):
                moved += [call.id for call in calls]
        assert len(set(moved)) == 20
        assert {call.epoch for call in await store.calls()} == {2}


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_a_worker_that_is_stopped_amid_a_sweep_does_not_keep_others_from_sweeping(
    cluster: Cluster,
) -> None:
    dsn = cluster.database("fleet_stopped_amid_sweep")
    async with Fleet(dsn, time_to_live=1.0) as stopped, Fleet(dsn, time_to_live=1.0) as other:
        await stopped.migrate()
        await stopped._store.offer("rtc_1", [])
        await claimed(stopped._store, await stopped._store.register("stopped", 5))
        begun = asyncio.Event()

        async def sweep_for_ever() -> None:
            store = stopped._store
            assert isinstance(store, PostgresStore)
            async with store._connection(60) as db, db.transaction():
                await db.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
                begun.set()
                await asyncio.Event().wait()

        sweep = asyncio.create_task(sweep_for_ever())
        await begun.wait()
        (moved,), _ = await swept(other._store, await other._store.register("other", 5))
        assert moved.id == "rtc_1"
        sweep.cancel()
        with pytest.raises((asyncio.CancelledError, FleetError)):
            await sweep


@pytest.mark.slow
@pytest.mark.postgres
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


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_without_tables_the_error_says_what_to_do(cluster: Cluster) -> None:
    async with Fleet(cluster.database("fleet_empty")) as fleet:
        with pytest.raises(FleetError, match=r"run fleet\.migrate\(\) first"):
            await fleet.offer("rtc_1")


@run_async
async def test_an_unavailable_database_is_a_fleet_error() -> None:
    async with Fleet("postgresql://127.0.0.1:9/none", time_to_live=0.5) as fleet:
        with pytest.raises(FleetError, match="database"):
            await fleet.offer("rtc_1")


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_nothing_is_handed_on_right_after_the_database_came_back() -> None:
    with running_cluster() as cluster:
        async with Fleet(cluster.dsn(), time_to_live=2.0) as fleet:
            await fleet.migrate()
            store = fleet._store
            one, two = await store.register("one", 5), await store.register("two", 5)
            await store.offer("rtc_1", [])
            record = await claimed(store, one)
            with psycopg.connect(cluster.dsn()) as db:  # as after an hour's outage
                db.execute("update realtime_fleet.workers set seen = now() - interval '1 hour'")
            cluster.crash()
            with pytest.raises(FleetError):
                await store.beat(one)
            cluster.start()
            assert await reached(lambda: store.sweep(two)) == ([], [])
            beat = await reached(lambda: store.beat(one))
            assert beat.held == {"rtc_1": record.epoch}
            moved, _ = await swept(store, two)
            assert [call.id for call in moved] == ["rtc_1"], "which then died all the same"


async def reached(work: Callable[[], Awaitable[Any]]) -> Any:
    """Retry while the database is unavailable."""
    while True:
        try:
            return await work()
        except FleetError:
            await asyncio.sleep(0.05)


@run_async
async def test_a_header_that_no_database_can_hold_costs_no_call(make_fleet: MakeFleet) -> None:
    """What a caller wrote: NUL and half a character, beside a backslash that only looks like one."""
    async with make_fleet() as fleet:
        await fleet.migrate()
        store = fleet._store
        worker = await store.register("one", 5)
        odd = 'a\0b\ud800c\\u0000d"\\e 😀' + "x" * 100_000
        assert await store.offer("rtc_1", [{"name": "X-Odd", "value": odd}])
        record = await claimed(store, worker)
        (header,) = record.headers
        assert header["value"] in (odd, odd.replace("\0", "\ufffd").replace("\ud800", "\ufffd"))
        assert await store.write("rtc_1", record.epoch, data={"said": odd})
        assert (await store.begin_effect("rtc_1", record.epoch, "note")).state == "new"
        await store.finish_effect("rtc_1", record.epoch, "note", odd)
        assert await store.end("rtc_1", record.epoch, "done")
