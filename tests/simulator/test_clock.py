from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from realtime_simulator import Simulator
from realtime_simulator._core.clock import AdvancingClock, ManualClock, sleep

from tests.support.waiting import PATIENCE


def stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop real time, as far as the clock and the running event loop see it."""
    monkeypatch.setattr("realtime_simulator._core.clock.time", SimpleNamespace(time=lambda: 1_000_000.0))
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 100.0)


def test_timers_run_in_order_each_at_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        stand_still(monkeypatch)
        clock, seen = AdvancingClock(), list[tuple[str, float]]()
        begun = clock.monotonic()

        def note(name: str) -> None:
            seen.append((name, clock.monotonic() - begun))
            if name == "b":  # what is put off on the way falls due as well
                clock.call_at(begun + 25, lambda: note("d"))

        clock.call_at(begun + 30, lambda: note("c"))
        clock.call_at(begun + 10, lambda: note("a"))
        clock.call_at(begun + 20, lambda: note("b"))
        clock.call_at(begun + 15, lambda: note("never")).cancel()
        clock.call_at(begun + 500, lambda: note("later"))
        unix = clock.unix()
        await clock.advance(100)
        assert seen == [("a", 10), ("b", 20), ("d", 25), ("c", 30)]
        assert clock.unix() - unix == clock.monotonic() - begun == 100

    asyncio.run(main())


def test_the_clock_keeps_running_after_it_was_advanced() -> None:
    async def main() -> None:
        clock = AdvancingClock()
        await clock.advance(1000)
        fired = asyncio.Event()
        clock.call_at(clock.monotonic() + 60, lambda: None)
        clock.call_at(clock.monotonic() + 0.01, fired.set)
        await asyncio.wait_for(fired.wait(), PATIENCE)
        sleeper = asyncio.create_task(sleep(clock, 500))
        await asyncio.sleep(0)
        await clock.advance(501)
        await asyncio.wait_for(sleeper, PATIENCE)

    asyncio.run(main())


def test_a_clock_at_speed_0_stands_still_unless_it_is_advanced() -> None:
    async def main() -> None:
        clock, seen = AdvancingClock(), list[str]()
        clock.call_at(clock.monotonic() + 0.01, lambda: seen.append("first"))
        clock.run_at(0)
        begun = clock.monotonic()
        clock.call_at(begun, lambda: seen.append("second"))
        real = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < real + 0.02:
            await asyncio.sleep(0)
        assert (seen, clock.monotonic()) == ([], begun)
        await clock.advance(0.01)
        assert (seen, clock.monotonic()) == (["second", "first"], begun + 0.01)
        clock.run_at(1)
        fired = asyncio.Event()
        clock.call_at(clock.monotonic() + 0.01, fired.set)
        await asyncio.wait_for(fired.wait(), PATIENCE)

    asyncio.run(main())


def test_a_callback_that_fails_does_not_hold_up_the_next() -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        clock, fired = AdvancingClock(), asyncio.Event()
        clock.call_at(clock.monotonic() + 0.01, lambda: 1 / 0)  # type: ignore[arg-type, return-value]
        clock.call_at(clock.monotonic() + 0.02, fired.set)
        await asyncio.wait_for(fired.wait(), PATIENCE)

    asyncio.run(main())


def test_cancelled_timers_are_not_kept() -> None:
    async def main() -> None:
        clock = AdvancingClock()
        for _ in range(10_000):
            clock.call_at(clock.monotonic() + 3600, lambda: None).cancel()
        assert len(clock._heap) < 200

    asyncio.run(main())


def test_a_simulators_time_passes_at_once_and_not_backwards() -> None:
    with Simulator(pacing="none") as sim:
        sim.advance(10 * 3600)  # which the time limit of a test does not allow
        for odd in (-1, float("inf"), float("nan")):
            with pytest.raises(ValueError, match="seconds: allowed"):
                sim.advance(odd)
        with pytest.raises(TypeError, match="seconds"):
            sim.advance("1")  # type: ignore[arg-type]


def test_the_time_of_a_manual_clock_passes_to_the_next_timer() -> None:
    clock, rung = ManualClock(1_000.0), list[tuple[str, float]]()

    def ring(name: str) -> Callable[[], None]:
        return lambda: rung.append((name, clock.monotonic()))

    clock.call_at(2.0, ring("later"))
    clock.call_at(1.0, ring("sooner"))
    clock.call_at(1.5, ring("never")).cancel()
    assert clock.step(0.5) is False and (clock.monotonic(), clock.unix()) == (0.5, 1_000.5)
    assert [clock.step(3.0) for _ in range(3)] == [True, True, False]
    assert rung == [("sooner", 1.0), ("later", 2.0)] and clock.unix() == 1_003.0
    clock.call_at(1.0, ring("overdue"))
    assert clock.step(3.0) and rung[-1] == ("overdue", 3.0)
