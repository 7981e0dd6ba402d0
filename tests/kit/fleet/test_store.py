"""What a store promises, in memory and on PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import psycopg
import pytest
from realtime_kit.fleet import Fleet, FleetError
from realtime_kit.fleet._postgres_store import PostgresStore
from realtime_kit.fleet._store import HEALTHY, SOON, CallRecord, FunctionRecord, Limits, Store
from realtime_kit.fleet._sweeper import Sweeper

from tests.fleet_faults.proxy import Proxy
from tests.kit.fleet.cluster import Cluster, running_cluster
from tests.kit.fleet.conftest import MakeFleet
from tests.kit.fleet.harness import Sweeping, claimed, registered, run_async, swept, until
from tests.support.waiting import PATIENCE

HEADERS = [{"name": "From", "value": "<sip:+14155550100@carrier.example>"}]
DAY = 86_400.0


async def ready(fleet: Fleet, *names: str) -> tuple[Store, list[int]]:
    """The tables, and workers; calls that failed are ready at once."""
    await fleet.migrate()
    store = fleet._store
    store.limits = attrs.evolve(store.limits, pause=0.0)
    return store, [await registered(store, name) for name in names]


@run_async
async def test_a_call_is_enqueued_once_however_often_it_is_offered(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        store, (worker,) = await ready(fleet, "one")
        assert [await store.offer("rtc_1", HEADERS) for _ in range(3)] == [True, False, False]
        record = await claimed(store, worker)
        assert (record.id, record.epoch, record.state, record.headers) == ("rtc_1", 1, "offered", HEADERS)
        assert await store.claim(worker, "b", 5) == []
        assert await store.end("rtc_1", record.epoch, "done")
        assert not await store.offer("rtc_1", HEADERS), "a webhook that comes again after the call"
        assert await store.claim(worker, "c", 5) == []


@run_async
async def test_calls_are_claimed_together_in_their_order_and_by_one_worker_each(
    make_fleet: MakeFleet,
) -> None:
    async with make_fleet() as fleet:
        store, (one, two) = await ready(fleet, "one", "two")
        ids = [f"rtc_{number}" for number in range(6)]
        for call_id in ids:
            await store.offer(call_id, [])
        first = [call.id for call in await store.claim(one, "a", 4)]
        second = [call.id for call in await store.claim(two, "b", 4)]
        assert [first, second] == [ids[:4], ids[4:]]
        assert await store.claim(one + two, "c", 4) == [], "nor does an unknown worker get any"


@run_async
async def test_a_former_owner_changes_nothing(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        store, (one, two) = await ready(fleet, "one", "two")
        await store.offer("rtc_1", [])
        old = (await claimed(store, one)).epoch
        assert await store.write("rtc_1", old, state="accepted", data={"step": 1})
        assert await store.release({"rtc_1": old}) == {"rtc_1"}
        new = (await claimed(store, two)).epoch
        assert await store.write("rtc_1", old, data={"step": 9}) is False
        assert await store.release({"rtc_1": old}, error="ValueError") == set()
        assert await store.end("rtc_1", old, "done") is False
        assert (await store.begin_effect("rtc_1", old, "book", "a")).state == "lost"
        function = FunctionRecord(id="call_1", key="call_1", name="book", arguments="{}")
        assert await store.begin_function("rtc_1", old, function) is False
        assert await store.finish_function("rtc_1", old, "call_1", '"late"', is_silent=False) is False
        assert await store.answer_functions("rtc_1", old, over=["call_1"]) is False
        record = await store.find("rtc_1")
        assert record is not None
        assert (record.owner, record.epoch, record.state, record.data) == (two, new, "accepted", {"step": 1})
        assert record.accepted is not None
        assert await store.functions("rtc_1") == []
        assert await store.claim(one, "a", 1) == [], "nor was the call enqueued again"
        beat = await store.beat(two)
        assert beat is not None
        assert {call: tenure.epoch for call, tenure in beat.held.items()} == {"rtc_1": new}


@run_async
async def test_a_renewal_returns_what_was_claimed_by_which_attempt(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        store, (worker,) = await ready(fleet, "one")
        await store.offer("rtc_1", [])
        await store.claim(worker, "the reply to this is lost", 1)
        beat = await store.beat(worker)
        assert beat is not None
        assert [(call, one.epoch, one.attempt) for call, one in beat.held.items()] == [
            ("rtc_1", 1, "the reply to this is lost")
        ]


@pytest.mark.slow
@run_async
async def test_calls_of_a_dead_worker_are_handed_over_and_it_has_lost_them(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        store, (dead, alive) = await ready(fleet, "dead", "alive")
        for name in ("rtc_1", "rtc_2"):
            await store.offer(name, [])
        old = await claimed(store, dead)
        mine = await claimed(store, alive)
        moved = await swept(store, alive)
        assert [call.id for call in moved] == [old.id]
        assert await store.beat(dead) is None
        assert not await store.write(old.id, old.epoch)
        again = await claimed(store, alive)
        assert (again.id, again.failures, again.error) == (old.id, 1, "its worker died")
        assert again.epoch > old.epoch
        beat = await store.beat(alive)
        assert beat is not None
        held = {call: tenure.epoch for call, tenure in beat.held.items()}
        assert held == {old.id: again.epoch, mine.id: mine.epoch}


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@run_async
async def test_a_worker_is_dead_after_a_whole_time_to_live_without_a_renewal_watched_without_a_gap(
    make_fleet: MakeFleet,
) -> None:
    async with make_fleet(time_to_live=4.0) as fleet:
        store, (dead, alive) = await ready(fleet, "dead", "alive")
        await store.offer("rtc_1", [])
        await claimed(store, dead)
        clock = Clock()
        sweeper = Sweeper(store, clock)

        async def after(seconds: float) -> list[str]:
            clock.now += seconds
            return [call.id for call in (await sweeper.sweep(alive))[0]]

        assert await after(0.0) == []
        assert [await after(1.0) for _ in range(3)] == [[]] * 3
        assert await store.beat(dead) is not None  # just in time
        assert [await after(1.0) for _ in range(4)] == [[]] * 4
        sweeper.reset()  # the database was unavailable
        assert [await after(1.0) for _ in range(4)] == [[]] * 4
        assert await after(2.5) == [], "this process was stopped, and saw nothing"
        assert [await after(1.0) for _ in range(3)] == [[]] * 3
        assert await after(1.0) == ["rtc_1"]


@run_async
async def test_a_renewal_after_the_last_look_saves_a_worker(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        store, (late,) = await ready(fleet, "late")
        await store.offer("rtc_1", [])
        await claimed(store, late)
        seen = (await store.survey()).beats
        await store.beat(late)
        assert await store.presume_dead(seen) == []
        assert [call.id for call in await store.presume_dead((await store.survey()).beats)] == ["rtc_1"]


@run_async
async def test_failures_are_counted_from_new_after_a_healthy_minute(make_fleet: MakeFleet) -> None:
    async with make_fleet(time_to_live=60.0) as fleet:
        store, (worker,) = await ready(fleet, "one")
        await store.offer("rtc_1", [])

        async def failed(*, is_healthy: bool) -> int:
            epoch = (await claimed(store, worker)).epoch
            await store.release({"rtc_1": epoch}, error="ValueError: no", is_healthy=is_healthy)
            record = await store.find("rtc_1")
            assert record is not None
            return record.failures

        assert [await failed(is_healthy=healthy) for healthy in (False, False, True, False)] == [1, 2, 1, 2]
        assert await failed(is_healthy=False) == 3


@run_async
async def test_the_death_of_a_worker_counts_for_the_calls_that_it_just_got(make_fleet: MakeFleet) -> None:
    """Workers die and machines stand still without the fault of the calls that they have."""
    async with make_fleet(time_to_live=4.0, max_failures=2) as fleet:
        store, _ = await ready(fleet)
        await store.offer("rtc_1", [])
        counted = []
        for renewals in (0, SOON, SOON, HEALTHY, SOON - 1):  # one each second
            victim = await registered(store, "victim")
            await claimed(store, victim)
            for _ in range(round(renewals)):
                await store.beat(victim)
            beats = (await store.survey()).beats
            counted += [call.failures for call in await store.presume_dead({victim: beats[victim]})]
        assert counted == [1, 1, 1, 0, 1]
        (call,) = await store.calls()
        assert call.outcome is None


@run_async
async def test_a_call_that_failed_waits_before_its_next_owner(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        store, (worker,) = await ready(fleet, "one")
        store.limits = attrs.evolve(store.limits, pause=3600.0)
        await store.offer("rtc_1", [])
        await store.release({"rtc_1": (await claimed(store, worker)).epoch}, error="ValueError")
        await store.offer("rtc_2", [])
        await store.release({"rtc_2": (await claimed(store, worker)).epoch})
        assert [call.id for call in await store.claim(worker, "a", 5)] == ["rtc_2"]
        assert [store.limits.pause_after(failures) > 0 for failures in (0, 1, 100)] == [False, True, True]


@run_async
async def test_waiting_without_failure_grows_and_never_closes_a_call(
    make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def pause_after(_: Limits, count: int) -> float:
        attempts.append(count)
        return 0.0

    monkeypatch.setattr(Limits, "pause_after", pause_after)
    async with make_fleet(max_failures=2) as fleet:
        store, (worker,) = await ready(fleet, "one")
        await store.offer("rtc_1", [])

        async def released(**options: Any) -> CallRecord:
            epoch = (await claimed(store, worker)).epoch
            await store.release({"rtc_1": epoch}, error="APITimeoutError", **options)
            record = await store.find("rtc_1")
            assert record is not None
            return record

        for _ in range(3):
            assert (await released(is_failure=False)).failures == 0
        assert (await released()).failures == 1
        assert (await released(is_failure=False, is_healthy=True)).failures == 0
        assert attempts == [1, 2, 3, 4, 1]
        await released()
        assert (await released()).outcome == "failed"


@pytest.mark.slow
@run_async
async def test_calls_that_fail_too_often_are_closed_by_one_worker_and_can_be_retried(
    make_fleet: MakeFleet,
) -> None:
    async with make_fleet(max_failures=2) as fleet:
        store, (one, two) = await ready(fleet, "one", "two")
        await store.offer("rtc_1", HEADERS)
        for _ in range(2):
            epoch = (await claimed(store, one)).epoch
            await store.write("rtc_1", epoch, state="attached", data={"step": 1})
            assert await store.release({"rtc_1": epoch}, error="ValueError: no taxi") == {"rtc_1"}
        assert await store.claim(one, "a", 5) == []
        (closing,) = await Sweeping(store, one).once()
        assert (closing.id, closing.state, closing.outcome, closing.owner) == (
            "rtc_1",
            "closing",
            "failed",
            one,
        )
        assert await Sweeping(store, two).once() == []
        (again,) = await swept(store, two)  # its worker died
        assert again.owner == two
        assert not await store.end("rtc_1", closing.epoch, "failed")
        assert await store.end("rtc_1", again.epoch, "failed")
        assert await Sweeping(store, two).once() == []
        assert await store.calls() == []
        (kept,) = await store.calls(ended=True)
        assert (kept.state, kept.outcome, kept.failures) == ("ended", "failed", 3)
        (listed,) = await fleet.failed()
        assert (listed.headers, listed.data) == (HEADERS, {"step": 1})
        assert await fleet.retry("rtc_1")
        assert not await fleet.retry("rtc_1")
        back = await claimed(store, two)
        assert (back.state, back.data, back.failures, back.epoch > kept.epoch) == (
            "attached",
            {"step": 1},
            0,
            True,
        )
        assert await fleet.failed() == []


@run_async
async def test_an_ended_call_leaves_its_id_and_outcome_alone(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        store, (worker,) = await ready(fleet, "one")
        await store.offer("rtc_1", HEADERS)
        epoch = (await claimed(store, worker)).epoch
        await store.write("rtc_1", epoch, state="attached", data={"name": "Ada"})
        assert await store.end("rtc_1", epoch, "done")
        record = await store.find("rtc_1")
        assert record is not None
        assert (record.state, record.outcome, list(record.headers), record.data) == (
            "ended",
            "done",
            [],
            None,
        )
        assert not await fleet.retry("rtc_1")


@run_async
async def test_a_call_waits_for_a_slot_for_so_long_and_is_rejected(make_fleet: MakeFleet) -> None:
    async with make_fleet(max_wait=0.1) as fleet:
        store, (worker,) = await ready(fleet, "one")
        await store.offer("rtc_1", [])
        (closing,) = await swept(store, worker)
        assert (closing.id, closing.outcome, closing.accepted) == ("rtc_1", "rejected", None)
        assert await store.claim(worker, "a", 5) == []


@run_async
async def test_a_call_that_waits_while_nobody_looks_is_not_rejected_for_that(make_fleet: MakeFleet) -> None:
    """The machine stood still, or the database was unavailable: the slots are free."""
    async with make_fleet(max_wait=20.0) as fleet:
        store, (worker,) = await ready(fleet, "one")
        await store.offer("rtc_1", [])
        now = 0.0
        sweeper = Sweeper(store, lambda: now)
        assert await sweeper.sweep(worker) == ([], False)
        now += 30.0
        assert await sweeper.sweep(worker) == ([], False)
        sweeper.reset()  # as after an error of the database
        while now < 50.0:
            now += 1.0
            assert await sweeper.sweep(worker) == ([], False)
        now += 1.0
        assert await sweeper.sweep(worker) == ([], True)


@run_async
async def test_an_effect_is_begun_once(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        store, (worker,) = await ready(fleet, "one")
        await store.offer("rtc_1", [])
        old = (await claimed(store, worker)).epoch
        assert (await store.begin_effect("rtc_1", old, "a", "1")).state == "new"
        assert (await store.begin_effect("rtc_1", old, "a", "1")).state == "new", "the reply was lost"
        assert (await store.begin_effect("rtc_1", old, "a", "2")).state == "unknown"
        assert (await store.begin_effect("rtc_1", old, "b", "3")).state == "new"
        await store.release({"rtc_1": old})
        new = (await claimed(store, worker)).epoch
        assert (await store.begin_effect("rtc_1", new, "a", "4")).state == "unknown"
        await store.finish_effect("rtc_1", "a", "1", {"taxi": 7})  # late, and true all the same
        done = await store.begin_effect("rtc_1", new, "a", "4")
        assert (done.state, done.result) == ("done", {"taxi": 7})
        assert not await store.forget_effect("rtc_1", new, "b", "5")
        assert (await store.begin_effect("rtc_1", new, "b", "5")).state == "unknown", "it is another's"
        assert await store.forget_effect("rtc_1", old, "b", "3"), "its epoch is over"
        assert (await store.begin_effect("rtc_1", new, "b", "5")).state == "new"


@run_async
async def test_functions_are_kept_with_what_became_of_them(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        store, (worker,) = await ready(fleet, "one")
        await store.offer("rtc_1", [])
        epoch = (await claimed(store, worker)).epoch
        odd = '{"a": "\0\ud800"}'
        for name in ("call_2", "call_1"):
            function = FunctionRecord(id=name, key=name, name="book", arguments=odd)
            for _ in range(2):
                assert await store.begin_function("rtc_1", epoch, function)
        assert await store.finish_function("rtc_1", epoch, "call_1", '"first"', is_silent=True)
        assert await store.finish_function("rtc_1", epoch, "call_1", '"second"', is_silent=False)
        assert await store.answer_functions("rtc_1", epoch, sent=["call_1"])
        assert [
            (one.id, one.output, one.is_silent, one.is_sent) for one in await store.functions("rtc_1")
        ] == [("call_2", None, False, False), ("call_1", '"first"', True, True)]
        assert await store.answer_functions("rtc_1", epoch, sent=["call_1"], over=["call_1", "call_none"])
        assert [one.is_over for one in await store.functions("rtc_1")] == [False, True]
        await store.end("rtc_1", epoch, "done")
        assert await store.functions("rtc_1") == []


@run_async
async def test_old_ended_calls_are_dropped(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        store, (worker,) = await ready(fleet, "one")
        await store.offer("rtc_1", [])
        await store.end("rtc_1", (await claimed(store, worker)).epoch, "done")
        for keep in (3 * DAY, float("inf")):
            store.limits = attrs.evolve(store.limits, keep=keep)
            assert await store.purge() == 0
        store.limits = attrs.evolve(store.limits, keep=0.0)
        await until(store.purge)
        assert await store.find("rtc_1") is None


@run_async
async def test_workers_are_listed_and_asked_to_drain(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        store, (worker, other) = await ready(fleet, "host:1", "host:2")
        await store.offer("rtc_1", [])
        await claimed(store, worker)
        record, _ = await store.workers()
        assert (record.name, record.slots, record.held, record.is_draining) == ("host:1", 5, 1, False)
        assert not await fleet.ask_to_drain(worker + other)
        assert await fleet.ask_to_drain(worker)
        beat = await store.beat(worker)
        assert beat is not None
        assert beat.is_draining
        await store.offer("rtc_2", [])
        assert await store.claim(worker, "a", 5) == [], "from then on it gets no calls"
        await store.unregister(worker)
        assert {call.id for call in await store.claim(other, "b", 5)} == {"rtc_1", "rtc_2"}
        assert [one.id for one in await store.workers()] == [other]


@run_async
async def test_all_older_workers_are_asked_at_once(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        _, (_, _, newest) = await ready(fleet, "one", "two", "three")
        assert await fleet.ask_older_to_drain(newest) == 2
        assert [one.is_draining for one in await fleet.workers()] == [True, True, False]
        assert await fleet.ask_older_to_drain(newest) == 0


@run_async
async def test_calls_go_to_the_newest_generation_while_it_has_free_slots(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        store, (old,) = await ready(fleet, "old")
        new = await registered(store, "new", 2, generation=1)
        for number in range(4):
            await store.offer(f"rtc_{number}", [])
        assert await store.claim(old, "a", 5) == []
        assert len(await store.claim(new, "b", 2)) == 2
        assert len(await store.claim(old, "c", 1)) == 1, "the newest one is full"
        await fleet.ask_to_drain(new)
        assert len(await store.claim(old, "d", 5)) == 1


@run_async
async def test_a_worker_is_registered_once_by_its_token(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        store, _ = await ready(fleet)
        assert await store.register("one", 5, token="a") == await store.register("one", 5, token="a")
        assert len(await store.workers()) == 1


@run_async
async def test_an_offer_wakes_those_who_listen(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        await fleet.migrate()
        heard = asyncio.Event()
        listening = asyncio.create_task(fleet._store.listen(heard.set))
        offers = itertools.count()
        async with asyncio.timeout(PATIENCE):
            while not heard.is_set():  # until it listens, too
                assert not listening.done(), listening
                await fleet._store.offer(f"rtc_{next(offers)}", [])
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(heard.wait(), 0.2)
        listening.cancel()
        await asyncio.wait([listening])
        heard.clear()
        await fleet._store.offer("rtc_later", [])
        assert not heard.is_set()


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_sweeps_at_the_same_time_hand_each_call_on_once(cluster: Cluster) -> None:
    dsn = cluster.database("fleet_sweeps")
    async with Fleet(dsn, time_to_live=4.0) as fleet:
        store, (dead, *workers) = await ready(fleet, "dead", *(f"alive {number}" for number in range(4)))
        for number in range(20):
            await store.offer(f"rtc_{number}", [])
        assert len(await store.claim(dead, "a", 20)) == 20
        sweepers = [Sweeping(store, worker) for worker in workers]
        moved: list[str] = []
        while len(moved) < 20:
            for calls in await asyncio.gather(*(sweeper.once() for sweeper in sweepers)):
                moved += [call.id for call in calls]
        assert len(set(moved)) == 20
        assert {call.epoch for call in await store.calls()} == {2}


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_a_worker_stopped_within_a_transaction_does_not_block_others(cluster: Cluster) -> None:
    dsn = cluster.database("fleet_stopped_amid_claim")
    async with Fleet(dsn, time_to_live=1.0) as stopped, Fleet(dsn, time_to_live=1.0) as other:
        store, (worker,) = await ready(stopped, "stopped")
        await store.offer("rtc_1", [])
        await claimed(store, worker)
        begun = asyncio.Event()

        async def stop_amid_claim() -> None:
            assert isinstance(store, PostgresStore)
            async with store._connection(60) as db, db.transaction():
                await db.execute("select from workers for key share")
                begun.set()
                await asyncio.Event().wait()

        claim = asyncio.create_task(stop_amid_claim())
        await begun.wait()
        (moved,) = await swept(other._store, await registered(other._store, "other"))
        assert moved.id == "rtc_1"
        claim.cancel()
        with pytest.raises((asyncio.CancelledError, FleetError)):
            await claim


@pytest.mark.slow
@run_async
async def test_an_unavailable_database_is_a_fleet_error() -> None:
    async with Fleet("postgresql://127.0.0.1:9/none", time_to_live=0.5) as fleet:
        with pytest.raises(FleetError, match=r"database failed: connection failed: .* refused"):
            await fleet.offer("rtc_1")


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_nothing_is_handed_over_right_after_the_database_came_back() -> None:
    with running_cluster() as cluster:
        async with Fleet(cluster.dsn(), time_to_live=2.0) as fleet:
            store, (one, two) = await ready(fleet, "one", "two")
            await store.offer("rtc_1", [])
            record = await claimed(store, one)
            sweeping = Sweeping(store, two)
            await sweeping.once()
            cluster.crash()
            with pytest.raises(FleetError):
                await store.beat(one)
            cluster.start()
            sweeping._sweeper.reset()  # as a worker does whose renewals fail
            assert await reached(sweeping.once) == []
            beat = await reached(lambda: store.beat(one))
            assert {call: tenure.epoch for call, tenure in beat.held.items()} == {"rtc_1": record.epoch}
            moved = await swept(store, two)
            assert [call.id for call in moved] == ["rtc_1"], "which then died all the same"


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_kept_calls_are_read_by_their_indexes_alone(cluster: Cluster) -> None:
    dsn = cluster.database("fleet_big")
    async with Fleet(dsn, time_to_live=1.0) as fleet:
        store, (dead, alive) = await ready(fleet, "dead", "alive")
        with psycopg.connect(dsn, autocommit=True) as db:
            db.execute(
                "insert into realtime_fleet.ended_calls (id, epoch, state, outcome, failures, offered, ended)"
                " select 'old_' || n, 1, 'attached', case when n % 1000 = 0 then 'failed' else 'done' end, 0,"
                " now(), now() - n * interval '1 s' from generate_series(1, 200000) n"
            )
            db.execute("analyze realtime_fleet.ended_calls")
            counts = "select seq_scan, idx_scan from pg_stat_user_tables where relname = 'ended_calls'"
            await fleet.aclose()  # so that the server counts what was done so far
            db.execute("select pg_stat_force_next_flush()")
            before = await settled(lambda: db.execute(counts).fetchone()[0])
            for call_id in ("rtc_1", "rtc_2"):
                await store.offer(call_id, [])
            assert not await store.offer("old_7", [])
            await claimed(store, dead)
            await claimed(store, alive)
            assert [call.id for call in await swept(store, alive)] == ["rtc_1"]
            again = await claimed(store, alive)
            assert await store.end("rtc_1", again.epoch, "done")
            assert await store.find("old_9") is not None
            assert await store.purge() == 0
            assert len(await store.failed()) == 200
            await fleet.aclose()  # so that the server counts what was done
            await until(lambda: (db.execute(counts).fetchone() or (0, 0))[1] > 4)
            assert db.execute(counts).fetchone()[0] == before
            read = "select sum(idx_tup_read) from pg_stat_user_indexes where relname = 'ended_calls'"
            assert db.execute(read).fetchone()[0] < 1000


async def settled(count: Callable[[], int]) -> int:
    """Wait until a number stays the same for a while; return it."""
    seen: list[int] = []
    while len(seen) < 50 or len(set(seen[-50:])) > 1:
        seen.append(count())
        await asyncio.sleep(0.03)
    return seen[-1]


async def reached(work: Callable[[], Awaitable[Any]]) -> Any:
    """Retry while the database is unavailable."""
    while True:
        try:
            return await work()
        except FleetError:
            await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_the_time_of_day_of_the_database_decides_nothing(cluster: Cluster) -> None:
    """All that is stored of the time is moved by an hour, as if the clock had been set meanwhile."""
    dsn = cluster.database("fleet_clock")
    async with Fleet(dsn, time_to_live=1.0, max_wait=60.0) as fleet:
        store, (one, two) = await ready(fleet, "one", "two")
        for call_id in ("rtc_1", "rtc_2"):
            await store.offer(call_id, [])
        await claimed(store, one)
        sweepings = [Sweeping(store, worker) for worker in (one, two)]
        for hours in (1, -1):
            with psycopg.connect(dsn) as db:
                move = f"+ interval '{hours} hours'"
                db.execute(f"update realtime_fleet.workers set seen = seen {move}")
                db.execute(f"update realtime_fleet.calls set seen = seen {move}, offered = offered {move}")
            assert [await one.once() for _ in range(3) for one in sweepings] == [[]] * 6
        assert [call.id for call in await swept(store, two)] == ["rtc_1"], (
            "and a death is noticed all the same"
        )


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_calls_are_claimed_together_where_each_reply_of_the_database_is_late(cluster: Cluster) -> None:
    direct = cluster.database("fleet_far")
    proxy = Proxy(cluster.port, random.Random(0))
    far = direct.replace(f":{cluster.port}/", f":{await proxy.start()}/")
    async with Fleet(direct) as fleet, Fleet(far) as distant:
        store, (worker,) = await ready(fleet, "one")
        for number in range(20):
            await store.offer(f"rtc_{number}", [])
        proxy.delay = 0.15
        await reached(lambda: distant._store.claim(worker, "a", 20))
        beat = await store.beat(worker)  # it also has them if the reply came too late
        assert beat is not None and len(beat.held) == 20
    await proxy.close()


@run_async
async def test_a_header_that_no_database_can_hold_costs_no_call(make_fleet: MakeFleet) -> None:
    """What a caller wrote: NUL and half a character, beside a backslash that only looks like one."""
    async with make_fleet() as fleet:
        store, (worker,) = await ready(fleet, "one")
        odd = 'a\0b\ud800c\\u0000d"\\e 😀' + "x" * 100_000
        assert await store.offer("rtc_1", [{"name": "X-Odd", "value": odd}])
        record = await claimed(store, worker)
        (header,) = record.headers
        assert header["value"] in (odd, odd.replace("\0", "\ufffd").replace("\ud800", "\ufffd"))
        assert await store.write("rtc_1", record.epoch, data={"said": odd})
        for key in ("note", odd):
            assert (await store.begin_effect("rtc_1", record.epoch, key, "1")).state == "new"
            await store.finish_effect("rtc_1", key, "1", odd)
            assert (await store.begin_effect("rtc_1", record.epoch, key, "2")).state == "done"
            await store.forget_effect("rtc_1", record.epoch, key, "2")
        assert await store.end("rtc_1", record.epoch, "done")
        await registered(store, odd)


@run_async
async def test_what_an_owner_changes_without_saving_it_is_not_kept(make_fleet: MakeFleet) -> None:
    async with make_fleet() as fleet:
        store, (worker,) = await ready(fleet, "one")
        await store.offer("rtc_1", [])
        record = await claimed(store, worker)
        await store.write("rtc_1", record.epoch, data={"items": []})
        await store.begin_effect("rtc_1", record.epoch, "a", "1")
        await store.finish_effect("rtc_1", "a", "1", [])
        for _ in range(2):
            await store.release({"rtc_1": record.epoch})
            record = await claimed(store, worker)
            done = await store.begin_effect("rtc_1", record.epoch, "a", "2")
            assert (record.data, done.result) == ({"items": []}, [])
            record.data["items"].append("pizza")
            done.result.append("pizza")


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_a_value_that_the_database_refuses_is_no_failure_of_the_database(cluster: Cluster) -> None:
    async with Fleet(cluster.database("refusing")) as fleet:
        store, _ = await ready(fleet)
        with pytest.raises(ValueError, match=r"the database refuses a value: .*out of range"):
            await store.register("one", 2**40, token="a")


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_the_encoding_and_isolation_of_a_database_do_not_matter(cluster: Cluster) -> None:
    dsn = cluster.database("odd", encoding="SQL_ASCII", isolation="repeatable read")
    async with contextlib.AsyncExitStack() as open_fleets:
        fleets = [
            await open_fleets.enter_async_context(Fleet(dsn, tenant=lambda _: "é😀", max_per_tenant=1))
            for _ in range(4)
        ]
        await fleets[0].migrate()
        await fleets[0].migrate()
        await asyncio.gather(*(fleet.workers() for fleet in fleets))
        headers = [{"name": "X-Name", "value": "é😀"}]
        await asyncio.gather(*(fleet.offer(f"rtc_{n}", headers) for n, fleet in enumerate(fleets * 2)))
        calls = await fleets[0].calls()
        assert sum(not call.is_held_back for call in calls) == 1
        assert {(call.tenant, call.headers[0]["value"]) for call in calls} == {("é😀", "é😀")}
