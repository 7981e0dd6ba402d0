"""What operators see and set: probes and metrics, alarms, admission, rights, more than one database."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
import pytest
from realtime_kit.fleet import Fleet, FleetError, OwnedCall, WorkerRecord
from realtime_kit.fleet._fleet import _shard
from realtime_simulator import Simulator
from starlette.applications import Starlette
from starlette.routing import Route

from realtime_ext import AsyncRealtimeClient, webhooks
from tests.kit.fleet.cluster import Cluster, free_port, running_cluster
from tests.kit.fleet.conftest import MakeFleet
from tests.kit.fleet.harness import (
    SESSION,
    Working,
    all_ended,
    client_of,
    ended,
    registered,
    ring,
    run_async,
    until,
)
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.slow

SECRET = "whsec_ZmxlZXRmbGVldGZsZWV0ZmxlZXQ="


def probe(port: int, path: str) -> tuple[int, str]:
    answer = httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False)
    return answer.status_code, answer.text


@run_async
async def test_a_worker_answers_probes_and_has_metrics(make_fleet: MakeFleet, simulator: Simulator) -> None:
    fleet = make_fleet()
    await fleet.migrate()
    call = ring(simulator)
    port = free_port()
    attached = asyncio.Event()

    async def asked(path: str) -> tuple[int, str]:
        return await asyncio.to_thread(probe, port, path)

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        async with owned.open(SESSION) as connection:
            attached.set()
            async for _ in connection:
                pass

    async with client_of(simulator) as client, Working(fleet, client, probes=port) as working:
        await fleet.offer(call.id)
        await attached.wait()
        assert await asked("/live") == (200, "live\n")
        assert await asked("/ready") == (200, "ready\n")
        assert (await asked("/"))[0] == 404

        async def counted() -> str | None:
            _, metrics = await asked("/metrics")
            return metrics if owned(metrics) >= 1 else None

        metrics = await until(counted)
        assert "realtime_fleet_calls 1.0" in metrics
        assert "realtime_fleet_slots 5.0" in metrics
        assert "realtime_fleet_renewal_seconds_count" in metrics
        working.severed.is_cut = True

        async def refusal() -> str | None:
            status, text = await asked("/ready")
            return text if status == 503 else None

        assert await until(refusal) == "the network is cut\n"
        assert await asked("/live") == (200, "live\n"), "a restart would not bring the database back"
        working.severed.is_cut = False
        await until(lambda: ready(asked))
        working.severed.failing.add("claim")  # as where the renewals have the only free connection
        assert await until(refusal) == "claim failed\n"
        working.severed.failing.clear()
        await until(lambda: ready(asked))
        await asyncio.to_thread(simulator.hang_up, call)
        await until(lambda: all_ended(fleet))


def owned(metrics: str) -> float:
    """Return how often a call was owned, in this process, where other tests may have run before."""
    found = re.search(r'^realtime_fleet_events_total\{event="call.owned"\} (\S+)', metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def ready(asked: Callable[[str], Awaitable[tuple[int, str]]]) -> bool:
    return await asked("/ready") == (200, "ready\n")


@pytest.mark.postgres
@run_async
async def test_a_web_node_is_ready_as_long_as_a_delivery_would_wait_for_its_database() -> None:
    with running_cluster() as cluster:
        async with Fleet(cluster.database("ready"), max_wait=0.5) as fleet:
            routes = [Route("/live", fleet.live()), Route("/ready", fleet.ready())]
            transport = httpx.ASGITransport(Starlette(routes=routes))
            async with httpx.AsyncClient(transport=transport, base_url="http://web") as http:

                async def asked(path: str) -> tuple[int, str]:
                    answer = await http.get(path)
                    return answer.status_code, answer.text

                status, text = await asked("/ready")
                assert (status, "run fleet.migrate()" in text) == (503, True)
                await fleet.migrate()
                assert await ready(asked)
                cluster.crash()
                answers = [await until(lambda: asked("/ready"))]
                while answers[-1][0] == 200:
                    answers.append(await asked("/ready"))
                assert answers[-1][1].startswith("the database failed: ")
                assert await asked("/live") == (200, "live\n")
                cluster.start()
                await until(lambda: ready(asked))


@pytest.mark.postgres
@run_async
async def test_a_process_without_connections_says_so_and_gets_them_from_idle_ones() -> None:
    with running_cluster(max_connections=12) as cluster:
        dsn = cluster.database("starved")
        # Half of the time to live is how long one change may take.
        others, newcomer = [Fleet(dsn, time_to_live=2 * PATIENCE) for _ in range(2)], Fleet(dsn)
        await others[0].migrate()
        transport = httpx.ASGITransport(Starlette(routes=[Route("/ready", newcomer.ready())]))
        async with newcomer, httpx.AsyncClient(transport=transport, base_url="http://web") as http:
            async with contextlib.AsyncExitStack() as stack:
                for other in others * 6:
                    await stack.enter_async_context(other._store._connection())  # type: ignore[attr-defined]

                async def refusal() -> str | None:
                    answer = await http.get("/ready")
                    assert answer.status_code == 503
                    return answer.text if "too many clients" in answer.text else None

                text = await until(refusal)
            assert "raise its max_connections, or lower Fleet(connections=…)" in text

            async def is_ready() -> bool:
                return (await http.get("/ready")).is_success

            await until(is_ready)  # the others are idle now, and go on
            for other in others:
                await other.aclose()


def test_a_blocked_event_loop_is_not_live() -> None:
    answers: list[tuple[int, str]] = []
    port = free_port()
    fleet = Fleet.in_memory(time_to_live=0.5)

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        pass

    async def blocked() -> None:
        async with AsyncRealtimeClient(api_key="k") as client:
            working = asyncio.create_task(fleet.run(client, probes=port))
            await until(fleet.workers)
            deadline = time.monotonic() + PATIENCE
            while not answers or answers[-1][0] == 200:  # in the loop's own thread, which so is blocked
                assert time.monotonic() < deadline
                answers.append(probe(port, "/live"))
            working.cancel()
            await asyncio.wait([working])

    asyncio.run(blocked())
    assert answers[0] == (200, "live\n")
    assert "the event loop has been blocked for 5 s" in answers[-1][1]


@run_async
async def test_a_port_for_probes_that_is_not_usable_is_refused() -> None:
    fleet = Fleet.in_memory()
    fleet.on_call(lambda call: asyncio.sleep(0))
    async with AsyncRealtimeClient(api_key="k") as client:
        with pytest.raises(ValueError, match="probes: expected a port up to 65535, got 99999"):
            await fleet.run(client, probes=99_999)
        with pytest.raises(TypeError, match="probes: expected an int, got str"):
            await fleet.run(client, probes="9100")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_to_live": 0.01}, "time_to_live: expected 0.5–300 seconds, got 0.01"),
        ({"keep": 1.0}, "keep: expected 259200 seconds or more"),
        ({"connections": 0}, "connections: expected 1 or more, got 0"),
        ({"max_failures": 0}, "max_failures: expected 1 or more, got 0"),
        ({"max_waiting": -1}, "max_waiting: expected 0 or more, got -1"),
        ({"schema": 'a"; drop'}, "schema: expected a name of letters, digits and underscores"),
    ],
)
def test_a_number_or_name_out_of_range_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fleet.in_memory(**options)


@run_async
async def test_an_id_that_is_too_long_is_refused() -> None:
    async with Fleet.in_memory() as fleet:
        with pytest.raises(ValueError, match="call_id: expected at most 255 characters, got 5000"):
            await fleet.offer("r" * 5000)
        with pytest.raises(ValueError, match="phase: expected 'all', 'pre' or 'post', got 'now'"):
            await fleet.migrate("now")  # type: ignore[arg-type]


@run_async
async def test_health_has_an_alarm_where_calls_can_not_be_answered(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    await fleet.migrate()
    transport = httpx.ASGITransport(Starlette(routes=[Route("/health", fleet.health())]))
    async with fleet, httpx.AsyncClient(transport=transport, base_url="http://web") as http:

        async def alarms() -> list[str]:
            answer = await http.get("/health")
            assert answer.status_code == 200
            found: list[str] = answer.json()["alarms"]
            return found

        assert await alarms() == ["no worker accepts calls"]
        worker = await registered(fleet._store, "one", 1)
        await fleet.offer("rtc_1")
        assert await alarms() == []
        await fleet._store.claim(worker, "a", 1)
        await fleet.offer("rtc_2")
        assert await alarms() == ["1 calls wait, and no slot is free"]


@run_async
async def test_calls_beyond_those_that_may_wait_are_rejected_at_once(
    make_fleet: MakeFleet, simulator: Simulator
) -> None:
    fleet = make_fleet(max_wait=3600.0, max_waiting=1)
    await fleet.migrate()
    calls = [ring(simulator) for _ in range(4)]

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        async with owned.open(SESSION) as connection:
            async for _ in connection:
                pass

    async with client_of(simulator) as client, Working(fleet, client, slots=1):
        for call in calls:
            await fleet.offer(call.id)
        records = [await until(lambda call=call: ended(fleet, call.id)) for call in calls[2:]]
        assert [record.outcome for record in records] == ["rejected", "rejected"]
        assert [call.reject_code for call in calls] == [None, None, 486, 486]
        for call in calls[:2]:  # the one that waited gets the slot
            await until(lambda call=call: call.session)
            await asyncio.to_thread(simulator.hang_up, call)
        await until(lambda: all_ended(fleet))


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_a_role_with_the_documented_rights_can_do_all_but_migrate(cluster: Cluster) -> None:
    dsn = cluster.database("fleet_rights")
    page = (ROOT / "docs" / "how-to" / "many-machines.md").read_text(encoding="utf-8")
    (grants,) = [block.partition("```")[0] for block in page.split("```sql\n")[1:]]
    async with Fleet(dsn) as owner, Fleet(dsn.replace(f"{cluster.user}@", "phone@")) as fleet:
        await owner.migrate()
        with psycopg.connect(dsn, autocommit=True) as db:
            db.execute(grants.encode())
        worker = await registered(fleet._store, "one")
        assert await fleet.offer("rtc_1")
        (record,) = await fleet._store.claim(worker, "a", 1)
        assert await fleet._store.release({"rtc_1": record.epoch}, error="ValueError")
        assert (await fleet._store.survey()).beats
        with (
            psycopg.connect(dsn.replace(f"{cluster.user}@", "phone@")) as db,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            db.execute("alter table realtime_fleet.calls add column extra text")


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_calls_are_spread_over_two_databases_by_their_ids(cluster: Cluster) -> None:
    with running_cluster() as other:
        async with (
            Fleet(cluster.database("fleet_north")) as north,
            Fleet(other.dsn()) as south,
            AsyncRealtimeClient(api_key="k", webhook_secret=SECRET) as client,
        ):
            fleets = {"north": north, "south": south}
            for fleet in fleets.values():
                await fleet.migrate()
            web = Starlette(routes=[Route("/", Fleet.sharded_webhook(client, fleets), methods=["POST"])])
            ids = [f"rtc_{number}" for number in range(40)]
            async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://web") as http:
                for call_id in [*ids, *ids]:  # each twice
                    assert (await http.post("/", **delivery(call_id))).status_code == 200
            held = {name: {call.id for call in await fleet.calls()} for name, fleet in fleets.items()}
            assert held["north"] | held["south"] == set(ids)
            assert not held["north"] & held["south"]
            assert min(len(calls) for calls in held.values()) > 10
            other.stop()  # calls of the other database are answered all the same
            async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://web") as http:
                assert (await http.post("/", **delivery(next(iter(held["north"]))))).status_code == 200


def delivery(call_id: str) -> dict[str, Any]:
    body = webhook(call_id)
    return {"content": body, "headers": webhooks.sign(body, SECRET)}


def webhook(call_id: str) -> str:
    data = f'{{"call_id": "{call_id}", "sip_headers": []}}'
    return (
        f'{{"object": "event", "id": "evt_{call_id}", "type": "realtime.call.incoming", "created_at": 1,'
        f' "data": {data}}}'
    )


def test_a_further_database_moves_no_call_between_the_others() -> None:
    ids = [f"rtc_{number}" for number in range(1000)]
    place: Callable[..., list[str]] = lambda *names: [_shard(call_id, names) for call_id in ids]  # noqa: E731
    before, after = place("a", "b"), place("a", "b", "c")
    assert {new for old, new in zip(before, after, strict=True) if old != new} == {"c"}
    assert 250 < after.count("c") < 420
    with pytest.raises(ValueError, match="fleets: expected one or more, got none"):
        Fleet.sharded_webhook(None, {})  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_workers_and_web_nodes_share_fewer_connections_than_they_want(simulator: Simulator) -> None:
    """Four pools of six, and two more for each worker, at a server with twelve."""
    attached: set[str] = set()

    async def offer(fleet: Fleet, call_id: str) -> bool:
        try:
            await fleet.offer(call_id)
        except FleetError:
            return False
        return True

    with running_cluster(max_connections=12) as cluster:
        dsn = cluster.database("few")
        web, *workers = [Fleet(dsn) for _ in range(4)]
        await web.migrate()

        async def phone(owned: OwnedCall) -> None:
            async with owned.open(SESSION) as connection:
                await owned.save({"by": id(connection)})
                attached.add(owned.id)
                async for _ in connection:
                    pass

        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(client_of(simulator))
            for worker in workers:
                worker.on_call(phone)
                await stack.enter_async_context(Working(worker, client, slots=12))
            await until(lambda: count_workers(web, len(workers)))
            calls = [ring(simulator) for _ in range(36)]
            await asyncio.gather(*(until(functools.partial(offer, web, call.id)) for call in calls))
            await until(lambda: attached == {call.id for call in calls})
            assert {one.held for one in await until(lambda: listed(web))} == {12}
            for call in calls:
                await asyncio.to_thread(simulator.hang_up, call)
            await until(lambda: none_left(web))
        await web.aclose()


async def listed(fleet: Fleet) -> list[WorkerRecord]:
    try:
        return await fleet.workers()
    except FleetError:
        return []


async def count_workers(fleet: Fleet, count: int) -> bool:
    return len(await listed(fleet)) == count


async def none_left(fleet: Fleet) -> bool:
    try:
        return not await fleet.calls()
    except FleetError:
        return False
