"""The database does what it is asked, and the reply is lost: nothing is stranded, doubled or left out."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from realtime_kit.fleet import Fleet, OwnedCall, OwnershipLost
from realtime_simulator import Simulator

from tests.kit.fleet.cluster import Cluster
from tests.kit.fleet.conftest import MakeFleet
from tests.kit.fleet.harness import (
    SESSION,
    Working,
    client_of,
    ended,
    ring,
    run_async,
    two,
    until,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("method", ["register", "claim", "beat", "write", "end"])
@run_async
async def test_a_call_is_answered_and_ended_nevertheless(
    make_fleet: MakeFleet, simulator: Simulator, method: str
) -> None:
    fleet = make_fleet()
    await fleet.migrate()
    call = ring(simulator)

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        async with owned.open(SESSION):
            await owned.save({"step": 1})

    async with client_of(simulator) as client:
        working = Working(fleet, client)
        working.severed.losing[method] = 1
        async with working:
            await fleet.offer(call.id)
            record = await until(lambda: ended(fleet, call.id))
            await until(lambda: working.severed.losing[method] == 0)  # the reply is lost after the statement
            assert len(await fleet.workers()) == 1
    assert (record.outcome, record.failures) == ("done", 0)
    assert call.ended == "hangup"


@run_async
async def test_a_call_that_is_handed_over_reaches_the_next_owner(
    make_fleet: MakeFleet, simulator: Simulator
) -> None:
    fleets = two(make_fleet)
    await fleets[0].migrate()
    call = ring(simulator)
    owners: list[int] = []
    for number in (0, 1):

        @fleets[number].on_call
        async def phone(owned: OwnedCall, number: int = number) -> None:
            async with owned.open(SESSION) as connection:
                owners.append(number)
                async for _ in connection:
                    pass

    async with client_of(simulator) as client:
        async with Working(fleets[0], client) as first:
            await fleets[0].offer(call.id)
            await until(lambda: owners == [0])
            first.severed.losing["release"] = 1
        second = Working(fleets[1], client)
        second.severed.losing["claim"] = 2
        async with second:
            await until(lambda: owners == [0, 1])
            await asyncio.to_thread(simulator.hang_up, call)


@pytest.mark.parametrize("method", ["begin_effect", "finish_effect"])
@run_async
async def test_an_effect_happens_once(make_fleet: MakeFleet, simulator: Simulator, method: str) -> None:
    fleet = make_fleet()
    await fleet.migrate()
    ran: list[int] = []
    results: list[Any] = []

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        results.append(await owned.once("a", lambda: ran.append(1) or "done"))

    async with client_of(simulator) as client:
        working = Working(fleet, client)
        working.severed.losing[method] = 3
        async with working:
            await fleet.offer("rtc_1")
            assert (await until(lambda: ended(fleet, "rtc_1"))).outcome == "done"
    assert (ran, results) == ([1], ["done"])


@run_async
async def test_an_effect_that_its_owner_could_not_begin_is_run_by_the_next(
    make_fleet: MakeFleet, simulator: Simulator
) -> None:
    fleets = two(make_fleet)
    await fleets[0].migrate()
    ran: list[int] = []

    @fleets[0].on_call
    async def cut_off(owned: OwnedCall) -> None:
        first.severed.losing["begin_effect"] = 1
        effect = asyncio.create_task(owned.once("a", lambda: ran.append(0)))
        await until(lambda: "begin_effect" in first.severed.done)
        first.severed.is_cut = True
        with pytest.raises(OwnershipLost):
            await effect

    @fleets[1].on_call
    async def next_owner(owned: OwnedCall) -> None:
        effect = asyncio.create_task(owned.once("a", lambda: ran.append(1)))
        await until(lambda: "begin_effect" in second.severed.done)  # which is unknown to it as yet
        first.severed.is_cut = False
        await effect

    async with client_of(simulator) as client, Working(fleets[0], client) as first:
        await fleets[0].offer("rtc_1")
        await until(lambda: first.severed.is_cut)
        async with Working(fleets[1], client) as second:
            assert (await until(lambda: ended(fleets[1], "rtc_1"))).outcome == "done"
    assert ran == [1]


@pytest.mark.slow
@pytest.mark.postgres
@run_async
async def test_a_claim_whose_commit_is_not_acknowledged_is_found(
    cluster: Cluster, simulator: Simulator
) -> None:
    """The worker's connections are cut by a proxy, once the commit has reached the database."""
    dsn = cluster.database("fleet_cut")
    cuts: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_db, to_db = await asyncio.open_connection("127.0.0.1", cluster.port)
        claims = commits = False

        async def up() -> None:
            nonlocal claims, commits
            while data := await reader.read(65536):
                claims |= b"owner = worker_id" in data
                commits = claims and b"COMMIT" in data and not cuts
                to_db.write(data)
            to_db.close()

        async def down() -> None:
            while data := await from_db.read(65536):
                if commits and not cuts:
                    cuts.append(data)
                    writer.transport.abort()
                    return
                writer.write(data)
            writer.close()

        await asyncio.gather(up(), down(), return_exceptions=True)
        to_db.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    call = ring(simulator)
    strays: list[Any] = []
    through = dsn.replace(f":{cluster.port}/", f":{port}/")
    seen = lambda name, attributes: strays.append(attributes) if name == "call.stray" else None  # noqa: E731
    async with Fleet(dsn) as direct, Fleet(through, time_to_live=2.0, observer=seen) as fleet:

        @fleet.on_call
        async def phone(owned: OwnedCall) -> None:
            async with owned.open(SESSION):
                pass

        await direct.migrate()
        async with client_of(simulator) as client, Working(fleet, client):
            await direct.offer(call.id)
            record = await until(lambda: ended(direct, call.id))
            assert record.outcome == "done" and record.epoch >= 3  # more if the worker lapsed meanwhile
            assert cuts
            assert strays
    server.close()
    with psycopg.connect(dsn) as db:
        jobs = db.execute("select count(*) from realtime_fleet.procrastinate_jobs").fetchone()
    assert jobs == (0,)
