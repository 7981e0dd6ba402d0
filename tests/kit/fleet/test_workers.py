"""Workers of a fleet against the simulator's telephone calls: owners, hand-overs, losses."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from realtime_kit.budget import Budget
from realtime_kit.fleet import EffectUnknown, Fleet, OwnedCall, OwnershipLost
from realtime_kit.fleet._owned_call import boot_time
from realtime_simulator import Simulator, call_tool

from realtime_ext.tools import ToolContext
from realtime_ext.usage import Usage
from tests.kit.fleet.conftest import MakeFleet
from tests.kit.fleet.harness import (
    SESSION,
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
from tests.support.waiting import PATIENCE


@pytest.mark.slow
@run_async
async def test_a_call_is_accepted_once_and_hung_up_when_its_handler_returns(
    make_fleet: MakeFleet, simulator: Simulator
) -> None:
    seen: list[tuple[str, dict[str, Any]]] = []
    fleet = make_fleet(observer=lambda name, attributes: seen.append((name, dict(attributes))))
    await fleet.migrate()
    call = ring(simulator)

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        async with owned.open(SESSION) as connection:
            assert owned.is_new
            assert owned.headers.from_ is not None
            await connection.create_response()
            await connection.wait_for("response.done")

    async with client_of(simulator) as client, Working(fleet, client):
        headers = [{"name": "From", "value": "<sip:+14155550100@carrier.example>"}]
        await fleet.offer(call.id, headers)
        await until(lambda: call.ended)
        record = await until(lambda: ended(fleet, call.id))
    assert (record.state, record.outcome, record.epoch, record.failures) == ("ended", "done", 1, 0)
    assert record.accepted is not None
    names = [name for name, attributes in seen if attributes.get("call") == call.id]
    assert names == ["call.owned", "call.ended"]
    values = [value for _, attributes in seen for value in attributes.values()]
    assert all(isinstance(value, str | int | float | bool) for value in values)


@pytest.mark.slow
@run_async
async def test_another_worker_continues_where_one_was_cut_off_and_only_after_it_stopped(
    make_fleet: MakeFleet, simulator: Simulator
) -> None:
    first, second = two(make_fleet)
    await first.migrate()
    call = ring(simulator)
    stopped: list[tuple[float, str]] = []
    attached = asyncio.Event()
    owned_again: asyncio.Future[tuple[float, OwnedCall]] = asyncio.get_running_loop().create_future()

    @first.on_call
    async def begins(owned: OwnedCall) -> None:
        try:
            async with owned.open(SESSION) as connection:
                await owned.save({"step": 1})
                severed.is_cut = True
                async for _ in connection:
                    pass
        finally:
            stopped.append((boot_time(), owned.id))
            assert not owned.is_own
            with pytest.raises(OwnershipLost):
                await owned.save({"step": 2})
            with pytest.raises(OwnershipLost):
                await owned.once("a", lambda: 1)
            with pytest.raises(OwnershipLost):
                await owned.hangup()

    @second.on_call
    async def goes_on(owned: OwnedCall) -> None:
        owned_again.set_result((boot_time(), owned))
        async with owned.open(SESSION) as connection:
            attached.set()
            async for _ in connection:
                pass

    async with client_of(simulator) as client, Working(first, client) as working:
        severed = working.severed
        await first.offer(call.id)
        await until(lambda: severed.is_cut)
        async with Working(second, client):
            at, owned = await owned_again
            assert stopped, "the new owner acts while the former one does"
            assert stopped[0][0] < at
            assert (owned.is_new, owned.data, owned.epoch) == (False, {"step": 1}, 3)
            await attached.wait()
            assert call.ended is None
            await asyncio.to_thread(simulator.hang_up, call)
            assert (await until(lambda: ended(second, call.id))).outcome == "done"
    assert len(stopped) == 1


@pytest.mark.slow
@run_async
async def test_a_worker_that_ends_hands_its_calls_on_and_hangs_none_up(
    make_fleet: MakeFleet, simulator: Simulator
) -> None:
    fleets = two(make_fleet)
    await fleets[0].migrate()
    calls = [ring(simulator) for _ in range(3)]
    attached: list[tuple[int, str, bool]] = []

    def handle(number: int) -> None:
        @fleets[number].on_call
        async def phone(owned: OwnedCall) -> None:
            async with owned.open(SESSION) as connection:
                attached.append((number, owned.id, owned.is_new))
                async for _ in connection:
                    pass

    handle(0)
    handle(1)
    async with client_of(simulator) as client, Working(fleets[0], client) as working:
        for call in calls:
            await fleets[0].offer(call.id)
        await until(lambda: len(attached) == 3)
        async with Working(fleets[1], client):
            await working.stop()
            await until(lambda: len(attached) == 6)
            assert {one[1:] for one in attached[3:]} == {(call.id, False) for call in calls}
            assert {number for number, *_ in attached[3:]} == {1}
            assert [call.ended for call in calls] == [None] * 3
            for call in calls:
                await asyncio.to_thread(simulator.hang_up, call)
            await until(lambda: all_ended(fleets[1]))
            assert {record.failures for record in await fleets[1].calls(ended=True)} == {0}


@run_async
async def test_a_call_that_a_worker_had_for_long_is_handed_on_without_earlier_failures(
    make_fleet: MakeFleet, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = make_fleet()
    await fleet.migrate()
    call = ring(simulator)
    epochs: list[int] = []

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        async with owned.open(SESSION) as connection:
            epochs.append(owned.epoch)
            if len(epochs) == 1:
                raise ValueError("a mistake in the handler")
            async for _ in connection:
                pass

    async with client_of(simulator) as client, Working(fleet, client) as working:
        await fleet.offer(call.id)
        await until(lambda: len(epochs) == 2)
        assert (await fleet._store.find(call.id)).failures == 1
        monkeypatch.setattr("realtime_kit.fleet._owner.HEALTHY", 0.0)
        await working.stop()
        assert (await fleet._store.find(call.id)).failures == 0


@run_async
async def test_a_worker_drains_when_it_is_asked_to(make_fleet: MakeFleet, simulator: Simulator) -> None:
    fleet = make_fleet()
    await fleet.migrate()

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        await asyncio.get_running_loop().create_future()

    async with client_of(simulator) as client, Working(fleet, client) as working:
        await fleet.offer("rtc_1")
        (worker,) = await until(fleet.workers)
        await until(lambda: held(fleet))
        assert await fleet.ask_to_drain(worker.id)
        assert working.task is not None
        await asyncio.wait([working.task])
        assert working.task.exception() is None
        (record,) = await fleet.calls()
        assert (record.owner, record.failures) == (None, 0)
        assert await fleet.workers() == []


async def held(fleet: Fleet) -> bool:
    return any(call.owner is not None for call in await fleet.calls())


@pytest.mark.slow
@run_async
@pytest.mark.parametrize(
    ("policy", "error"),
    [
        ("hangup", RuntimeError),
        ("leave", RuntimeError),
        ("leave", SystemExit),
        ("leave", asyncio.CancelledError),
        ("leave", BaseException),
    ],
)
async def test_a_handler_that_always_fails_is_tried_so_often_and_the_call_is_closed(
    make_fleet: MakeFleet,
    simulator: Simulator,
    policy: Any,
    error: type[BaseException],
    caplog: pytest.LogCaptureFixture,
) -> None:
    fleet = make_fleet(max_failures=3, after_failures=policy)
    await fleet.migrate()
    call = ring(simulator)
    epochs: list[int] = []

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        async with owned.open(SESSION):
            epochs.append(owned.epoch)
            raise error("a mistake in the handler")

    async with client_of(simulator) as client, Working(fleet, client):
        await fleet.offer(call.id)
        record = await until(lambda: ended(fleet, call.id))
        assert (record.outcome, record.failures) == ("failed", 3)
        assert bool(call.ended) == (policy == "hangup")
    assert len(epochs) == 3
    assert epochs == sorted(set(epochs))
    assert caplog.text.count("the handler of") == 3


@pytest.mark.slow
@run_async
async def test_a_call_outlives_an_api_that_does_not_answer_for_longer_than_a_broken_handler(
    make_fleet: MakeFleet, simulator: Simulator
) -> None:
    told: list[tuple[str, Any]] = []

    def observe(name: str, attributes: Any) -> None:
        if name in ("call.failed", "call.interrupted"):
            told.append((name, attributes["reason"]))

    fleet = make_fleet(max_failures=3, observer=observe)
    await fleet.migrate()
    call = ring(simulator)
    attached: list[int] = []

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        async with asyncio.TaskGroup() as group:  # which raises a group of errors
            group.create_task(talk(owned))

    async def talk(owned: OwnedCall) -> None:
        async with owned.open(SESSION) as connection:
            attached.append(owned.epoch)
            async for _ in connection:
                pass

    async with client_of(simulator) as client, Working(fleet, client):
        with simulator.fault("server_error", on="sideband"):
            await fleet.offer(call.id)
            await until(lambda: len(told) == 4)
        await until(lambda: attached)
        await asyncio.to_thread(simulator.hang_up, call)
        record = await until(lambda: ended(fleet, call.id))
    assert (record.outcome, record.failures) == ("done", 0)
    assert set(told) == {("call.interrupted", "ExceptionGroup")}


@run_async
@pytest.mark.parametrize("is_grouped", [False, True])
async def test_a_call_that_comes_when_the_budget_is_spent_is_rejected_at_once(
    make_fleet: MakeFleet, simulator: Simulator, is_grouped: bool
) -> None:
    fleet = make_fleet()
    await fleet.migrate()
    call = ring(simulator)
    spent = Budget(seconds=1)
    spent.charge("an earlier call", Usage(), 2.0, is_over=False)
    tries: list[int] = []

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        tries.append(owned.epoch)
        if is_grouped:
            async with asyncio.TaskGroup() as group:
                group.create_task(talk(owned))
        else:
            await talk(owned)

    async def talk(owned: OwnedCall) -> None:
        async with spent.limit(owned.open(SESSION)):
            raise AssertionError("the budget is spent")

    async with client_of(simulator) as client, Working(fleet, client):
        await fleet.offer(call.id)
        record = await until(lambda: ended(fleet, call.id))
        assert (record.outcome, record.failures) == ("failed", 0)
    assert len(tries) == 1
    assert call.ended == "rejected"


@run_async
async def test_a_worker_that_ends_leaves_calls_to_those_of_older_generations(
    make_fleet: MakeFleet,
) -> None:
    new, old = two(make_fleet)
    await new.migrate()
    is_busy, may_end, owned_by_old = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @new.on_call
    async def hesitate(owned: OwnedCall) -> None:
        is_busy.set()
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await may_end.wait()

    @old.on_call
    async def phone(owned: OwnedCall) -> None:
        owned_by_old.set()

    client: Any = None  # no call is opened
    async with (
        Working(old, client, generation=1, name="old"),
        Working(new, client, generation=2, name="new", drain=PATIENCE) as ending,
    ):
        await until(new.workers)
        await new.offer("rtc_1")
        await is_busy.wait()
        assert ending.task is not None
        ending.task.cancel()
        await new.offer("rtc_2")
        await owned_by_old.wait()
        assert not ending.task.done()
        may_end.set()


@run_async
async def test_a_call_without_a_free_slot_is_rejected(make_fleet: MakeFleet, simulator: Simulator) -> None:
    fleet = make_fleet(max_wait=0.2, busy_status=480)
    await fleet.migrate()
    call = ring(simulator)

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        raise AssertionError("there is no slot")

    async with client_of(simulator) as client, Working(fleet, client, slots=0):
        await fleet.offer(call.id)
        record = await until(lambda: ended(fleet, call.id))
        assert record.outcome == "rejected"
    assert call.ended == "rejected"
    assert call.reject_code == 480


@pytest.mark.slow
@run_async
@pytest.mark.parametrize("crash", ["claimed", "accepting", "accepting and accepted", "accepted"])
async def test_a_crash_on_the_way_to_the_call_loses_nothing(
    make_fleet: MakeFleet, simulator: Simulator, crash: str
) -> None:
    fleet = make_fleet()
    await fleet.migrate()
    call = ring(simulator)
    got: asyncio.Future[OwnedCall] = asyncio.get_running_loop().create_future()

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        async with owned.open(SESSION):
            got.set_result(owned)

    async with client_of(simulator) as client:
        dead = await registered(fleet._store, "dead")
        await fleet.offer(call.id)
        epoch = (await claimed(fleet._store, dead)).epoch
        if crash != "claimed":
            await fleet._store.write(call.id, epoch, state="accepting")
        if crash in ("accepting and accepted", "accepted"):
            await client.calls.accept(call.id, SESSION)
        if crash == "accepted":
            await fleet._store.write(call.id, epoch, state="accepted")
        async with Working(fleet, client):
            owned = await got
            assert owned.is_new, "the caller was not greeted yet"
            assert (await until(lambda: ended(fleet, call.id))).outcome == "done"
    assert call.ended


@run_async
@pytest.mark.parametrize(
    ("fault", "settings"),
    [("connection_reset", {}), ("server_error", {"status": 500}), ("reset_mid_body", {})],
    ids=["lost before it arrives", "failed", "accepted, and its answer lost"],
)
async def test_a_call_is_not_lost_with_the_request_to_accept_it(
    make_fleet: MakeFleet, simulator: Simulator, fault: str, settings: dict[str, Any]
) -> None:
    fleet = make_fleet()
    await fleet.migrate()
    call = ring(simulator)

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        async with owned.open(SESSION):
            assert owned.is_new, "the caller was not greeted yet"

    async with client_of(simulator) as client, Working(fleet, client):
        with simulator.fault(fault, on="calls.accept", times=1, **settings) as lost:
            await fleet.offer(call.id)
            record = await until(lambda: ended(fleet, call.id))
        assert lost.hits == 1
        assert (record.outcome, record.failures) == ("done", 0)
    assert call.ended == "hangup"


@run_async
async def test_a_caller_who_hangs_up_does_not_count_as_a_failure(
    make_fleet: MakeFleet, simulator: Simulator
) -> None:
    fleet = make_fleet()
    await fleet.migrate()
    call = ring(simulator)
    await asyncio.to_thread(simulator.hang_up, call)

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        async with owned.open(SESSION):
            pass

    async with client_of(simulator) as client, Working(fleet, client):
        await fleet.offer(call.id)
        record = await until(lambda: ended(fleet, call.id))
        assert (record.outcome, record.failures) == ("gone", 0)


@pytest.mark.slow
@run_async
async def test_a_function_call_without_an_attached_worker_is_answered_once(
    make_fleet: MakeFleet, simulator: Simulator
) -> None:
    fleets = two(make_fleet)
    await fleets[0].migrate()
    call = ring(simulator)
    ordered: list[str] = []
    attached: list[int] = []

    async def order_taxi(street: str, context: ToolContext[OwnedCall]) -> str:
        """Order a taxi to a street."""

        def order() -> str:
            ordered.append(street)
            return "in five minutes"

        return await context.state.once(context.call_id, order)

    def handle(number: int) -> None:
        @fleets[number].on_call
        async def phone(owned: OwnedCall) -> None:
            async with owned.open(SESSION, tools=[order_taxi]) as connection:
                attached.append(number)
                async for _ in connection:
                    pass

    handle(0)
    handle(1)
    async with client_of(simulator) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.id)
            await until(lambda: attached == [0])
        async with client.connect(call_id=call.id) as asker:  # the model goes on without a worker
            simulator.on_response(call_tool("order_taxi", {"street": "Elm Street"}), times=1)
            await asker.create_response()
            await asker.wait_for("response.done")
        async with Working(fleets[1], client):
            await until(lambda: attached == [0, 1])
            await until(lambda: "in five minutes" in str(call.session.items))
            await until(lambda: call.session.types_sent().count("response.done") == 2)
            await asyncio.to_thread(simulator.hang_up, call)
            await until(lambda: all_ended(fleets[1]))
    assert ordered == ["Elm Street"]


@pytest.mark.parametrize("error", [ValueError, SystemExit, asyncio.CancelledError])
@run_async
async def test_an_effect_happens_once_over_all_owners(
    make_fleet: MakeFleet, simulator: Simulator, error: type[BaseException]
) -> None:
    fleet = make_fleet()
    await fleet.migrate()
    ran: list[str] = []
    results: list[Any] = []

    async def twice() -> dict[str, int]:
        ran.append("a")
        return {"taxi": 7}

    async def refused() -> None:
        ran.append("b")
        raise error("no taxi")

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        results.extend(await asyncio.gather(owned.once("a", twice), owned.once("a", twice)))
        with pytest.raises((ValueError, RuntimeError), match="no taxi"):
            await owned.once("b", refused)
        if owned.epoch == 1:
            raise RuntimeError("hand it on")

    async with client_of(simulator) as client, Working(fleet, client):
        await fleet.offer("rtc_1")
        assert (await until(lambda: ended(fleet, "rtc_1"))).outcome == "done"
    assert results == [{"taxi": 7}] * 4
    assert ran == ["a", "b", "b"], "what raised did not happen, and may be tried again"


@pytest.mark.slow
@pytest.mark.early
@run_async
async def test_an_effect_with_a_lost_record_is_not_run_again(
    make_fleet: MakeFleet, simulator: Simulator
) -> None:
    fleet = make_fleet(time_to_live=1.0)
    await fleet.migrate()
    raised: list[str] = []

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        try:
            await owned.once("a", lambda: 1)
        except EffectUnknown as error:
            raised.append(str(error))

    async with client_of(simulator) as client:
        dead = await registered(fleet._store, "dead")
        await fleet.offer("rtc_1")
        epoch = (await claimed(fleet._store, dead)).epoch
        assert (await fleet._store.begin_effect("rtc_1", epoch, "a", "1")).state == "new"
        async with Working(fleet, client):
            await until(lambda: ended(fleet, "rtc_1"))
    assert len(raised) == 1
    assert raised[0].startswith("a: an earlier owner began it")


@run_async
async def test_an_observer_that_raises_ends_no_worker(make_fleet: MakeFleet, simulator: Simulator) -> None:
    def fails(name: str, attributes: object) -> None:
        raise asyncio.CancelledError

    fleet = make_fleet(observer=fails)
    await fleet.migrate()

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        pass

    async with client_of(simulator) as client, Working(fleet, client):
        await fleet.offer("rtc_1")
        assert (await until(lambda: ended(fleet, "rtc_1"))).outcome == "done"
