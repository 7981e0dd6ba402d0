"""Limits per tenant: who is over the limit waits, and others are answered meanwhile."""

from __future__ import annotations

import asyncio
import collections
from typing import Any

import httpx
import pytest
from realtime_kit.fleet import Fleet, OwnedCall
from realtime_simulator import Simulator
from starlette.applications import Starlette
from starlette.routing import Route

from tests.kit.fleet.cluster import free_port
from tests.kit.fleet.conftest import MakeFleet
from tests.kit.fleet.harness import (
    SESSION,
    Sweeping,
    Working,
    all_ended,
    claimed,
    client_of,
    ended,
    registered,
    ring,
    run_async,
    two,
    until,
)


def callee(headers: Any) -> str | None:
    user: str | None = headers.to.user if headers.to is not None else None
    return user


def called(number: str) -> list[dict[str, str]]:
    return [{"name": "To", "value": f"<sip:{number}@example.com>"}]


LIMIT: dict[str, Any] = {"tenant": callee, "max_per_tenant": 2}


@run_async
async def test_calls_over_the_limit_are_held_back_until_others_end(make_fleet: MakeFleet) -> None:
    async with make_fleet(**LIMIT) as fleet:
        await fleet.migrate()
        store = fleet._store
        worker = await registered(store, "one", 10)
        for number in range(4):
            assert await fleet.offer(f"rtc_{number}", called("100"))
        assert not await fleet.offer("rtc_3", called("100"))
        await fleet.offer("rtc_other", called("200"))
        await fleet.offer("rtc_nobody")
        records = [await claimed(store, worker) for _ in range(4)]
        assert [record.id for record in records] == ["rtc_0", "rtc_1", "rtc_other", "rtc_nobody"]
        assert [record.tenant for record in records] == ["100", "100", "200", None]
        sweeping = Sweeping(store, worker)
        await sweeping.once()
        assert await store.claim(worker, "a", 5) == []
        assert [call.id for call in await fleet.calls() if call.is_held_back] == ["rtc_2", "rtc_3"]
        await store.end("rtc_0", records[0].epoch, "done")
        await sweeping.once()
        assert [record.id for record in await store.claim(worker, "b", 5)] == ["rtc_2"]
        await store.release({"rtc_1": records[1].epoch})  # a call that is handed on counts all the time
        await sweeping.once()
        assert [record.id for record in await store.claim(worker, "c", 5)] == ["rtc_1"]
        ended_call = await fleet.find("rtc_0")
        assert ended_call is not None
        assert ended_call.tenant is None, "its number does not outlive it"


@run_async
async def test_two_web_nodes_and_two_workers_never_give_a_tenant_too_many_calls(
    make_fleet: MakeFleet,
) -> None:
    fleets = two(make_fleet, **LIMIT)
    await fleets[0].migrate()
    workers = [await registered(fleet._store, str(number), 20) for number, fleet in enumerate(fleets)]
    ids = [f"rtc_{number}" for number in range(20)]
    await asyncio.gather(
        *(fleets[number % 2].offer(call_id, called("100")) for number, call_id in enumerate(ids))
    )
    done: list[str] = []
    most: list[int] = []

    async def work(number: int) -> None:
        store, sweeping = fleets[number]._store, Sweeping(fleets[number]._store, workers[number])
        while len(done) < len(ids):
            await sweeping.once()
            for record in await store.claim(workers[number], f"{number} {len(done)}", 5):
                most.append(sum(call.owner is not None for call in await store.calls()))
                assert await store.end(record.id, record.epoch, "done")
                done.append(record.id)

    async with fleets[0], fleets[1]:
        await asyncio.gather(work(0), work(1))
    assert sorted(done) == sorted(ids)
    assert max(most) <= 2


@run_async
async def test_calls_that_are_held_back_take_no_place_of_those_that_wait_for_a_slot(
    make_fleet: MakeFleet,
) -> None:
    async with make_fleet(**LIMIT, max_waiting=1, max_wait=3600.0) as fleet:
        await fleet.migrate()
        store = fleet._store
        worker = await registered(store, "one", 3)
        for number in range(5):
            await fleet.offer(f"rtc_{number}", called("100"))
        await fleet.offer("rtc_other", called("200"))
        await Sweeping(store, worker).once()
        outcomes = {call.id: call.outcome for call in await fleet.calls()}
        rejected = {call_id for call_id, outcome in outcomes.items() if outcome == "rejected"}
        assert rejected == {"rtc_3", "rtc_4"}, "one call of the tenant may wait"
        assert [record.id for record in await store.claim(worker, "a", 5)] == ["rtc_0", "rtc_1", "rtc_other"]


@run_async
async def test_without_the_limit_all_that_are_held_back_are_admitted(make_fleet: MakeFleet) -> None:
    """As after a deploy without it."""
    fleet, later = make_fleet(**LIMIT), make_fleet()
    async with fleet, later:
        await fleet.migrate()
        worker = await registered(fleet._store, "one", 10)
        for number in range(4):
            await fleet.offer(f"rtc_{number}", called("100"))
        later._store.limits = Fleet.in_memory()._store.limits
        await Sweeping(later._store, worker).once()
        assert len(await later._store.claim(worker, "a", 10)) == 4


@pytest.mark.slow
@run_async
async def test_a_busy_tenant_is_rejected_in_time_while_another_is_answered(
    make_fleet: MakeFleet, simulator: Simulator
) -> None:
    fleet = make_fleet(tenant=callee, max_per_tenant=1, max_wait=1.0)
    await fleet.migrate()
    first, busy, other = (ring(simulator) for _ in range(3))
    attached: dict[str, str | None] = {}
    port = free_port()

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        async with owned.open(SESSION) as connection:
            attached[owned.id] = owned.tenant
            async for _ in connection:
                pass

    transport = httpx.ASGITransport(Starlette(routes=[Route("/health", fleet.health())]))
    async with (
        client_of(simulator) as client,
        Working(fleet, client, probes=port),
        httpx.AsyncClient(transport=transport, base_url="http://web") as web,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        await fleet.offer(first.id, called("100"))
        await until(lambda: first.id in attached)
        await fleet.offer(busy.id, called("100"))
        counts = (await web.get("/health")).json()
        assert (counts["waiting"], counts["held_back"], counts["alarms"]) == (0, 1, [])

        async def has(line: str) -> bool:
            return line in (await http.get(f"http://127.0.0.1:{port}/metrics")).text

        await until(lambda: has('realtime_fleet_tenant_held_back{tenant="100"} 1.0'))
        assert await has('realtime_fleet_tenant_calls{tenant="100"} 1.0')
        await fleet.offer(other.id, called("200"))
        await until(lambda: other.id in attached)
        record = await until(lambda: ended(fleet, busy.id))
        assert (record.outcome, busy.reject_code) == ("rejected", 486)
        assert attached == {first.id: "100", other.id: "200"}
        for call in (first, other):
            await asyncio.to_thread(simulator.hang_up, call)
        await until(lambda: all_ended(fleet))


@run_async
async def test_a_key_function_that_fails_costs_no_call(caplog: pytest.LogCaptureFixture) -> None:
    answers: collections.deque[Any] = collections.deque([KeyError("no To"), SystemExit(), 7, "", "x" * 300])

    def key(headers: Any) -> Any:
        answer = answers.popleft()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async with Fleet.in_memory(tenant=key, max_per_tenant=1) as fleet:
        for number in range(5):
            await fleet.offer(f"rtc_{number}")
        assert [call.tenant for call in await fleet.calls()] == [None] * 4 + ["x" * 255]
    assert caplog.text.count("the call belongs to no tenant") == 3


def test_a_limit_needs_a_key_and_a_key_a_limit() -> None:
    with pytest.raises(ValueError, match="tenant: required with max_per_tenant, got None"):
        Fleet.in_memory(max_per_tenant=5)
    with pytest.raises(ValueError, match="max_per_tenant: required with tenant, got None"):
        Fleet.in_memory(tenant=callee)
    with pytest.raises(ValueError, match="max_per_tenant: expected 1 or more, got 0"):
        Fleet.in_memory(tenant=callee, max_per_tenant=0)
    with pytest.raises(TypeError, match="tenant: expected a function of SIP headers, got str"):
        Fleet.in_memory(tenant="to", max_per_tenant=5)
