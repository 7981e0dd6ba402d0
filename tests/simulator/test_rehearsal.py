"""Callers that call a real app: what they say, hear and expect, on either API, and what is judged by it."""

from __future__ import annotations

import asyncio
import importlib.util
import math
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from threading import Thread, current_thread
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

import pytest
from realtime_simulator import Simulator, Turn, brain_at, call_tool
from realtime_simulator._rehearsal import rehearsal as rehearsals
from realtime_simulator._rehearsal.conversation import Conversation, Moment, find, words
from realtime_simulator._rehearsal.phone import ScriptedPhone
from realtime_simulator.rehearsal import Caller, Latency, Rehearsal, RehearsalFailure, Script, Times, ToolUse

from realtime_ext import AsyncRealtimeClient
from tests.support.paths import ROOT
from tests.support.rows import each
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.real_time

EXAMPLE = ROOT / "examples" / "rehearsal"
GREETING = "Good evening, this is the Elm. How can I help you?"


def restaurant() -> ModuleType:
    spec = importlib.util.spec_from_file_location("restaurant", EXAMPLE / "restaurant.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", autouse=True)
def _hurry() -> Iterator[None]:
    """Let time pass faster also while an app is awaited: these answer at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsals, "_REAL", 5.0)
        yield


class Line:
    """A rehearsal of the example's app."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal = rehearsal
        module = restaurant()
        self.apps: dict[str, Any] = {api: module.Restaurant(api).app() for api in ("realtime", "live")}

    def call(
        self, dialog: Callable[[Caller], Awaitable[None]], *, api: Any = "realtime", **options: Any
    ) -> Caller:
        """Let a caller perform a dialog."""

        async def main() -> Caller:
            async with self.rehearsal.call(self.apps[api], api=api, **options) as caller:
                await dialog(caller)
            return caller

        return asyncio.run(main())


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with Simulator(espeak=False) as simulator, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", simulator.base_url)
        patch.setenv("OPENAI_API_KEY", simulator.api_key)
        patch.setenv("OPENAI_WEBHOOK_SECRET", simulator.webhook_secret)
        simulator.load_scenario(EXAMPLE / "answers.yaml")
        with Rehearsal(simulator, speed=20) as rehearsal:
            yield Line(rehearsal)


@pytest.mark.early
@pytest.mark.parametrize("api", ["realtime", pytest.param("live", marks=pytest.mark.slow)])
def test_one_dialog_fits_both_apis(line: Line, api: Literal["realtime", "live"]) -> None:
    async def dialog(caller: Caller) -> None:
        greeting = await caller.hears("How can I help", within=3)
        assert greeting.who == "app" and greeting.text.startswith("Good evening")
        await caller.says("A table at nine, please.")
        booked = await caller.expects_tool("book_table", time="21:00")
        assert booked.arguments == {"time": "21:00", "people": 2}
        assert booked.output is not None and "21:00" in booked.output
        await caller.hears("your tabel is bookd", match="fuzzy")
        await caller.presses("1#")
        await caller.says("Good bye.")
        await caller.expects_hangup(within=30)
        assert booked.count == 1 and caller.heard_goodbye

    caller = line.call(dialog, api=api)
    latency = caller.latency
    assert 1 < len(latency.first_audio) <= 3 and latency.first_audio.max > 0
    assert caller.seconds > 5
    assert [one.text for one in caller.moments if one.who == "keys"] == ["1#"]
    assert caller.moments[-1].text == "the app hung up"


@pytest.mark.slow
def test_an_interruption_ends_the_reply(line: Line) -> None:
    async def dialog(caller: Caller) -> None:
        await caller.hears("help you")
        await caller.says("What tables are there?")
        await caller.interrupts("no, nine", after=0.4)
        await caller.expects_tool("book_table", {"time": "21:00"})
        await caller.hears("Is there anything else")

    caller = line.call(dialog)
    cut = next(one for one in caller.moments if one.who == "app" and not one.whole)
    assert "garden" not in cut.text and cut.end - cut.start < 2
    assert len(caller.latency.barge_in) == len(caller.latency.talk_over) == 1
    assert caller.latency.barge_in.max < 1
    assert not caller.heard_goodbye or caller.moments[-1].text == "the caller hung up"


def test_a_caller_who_breaks_off_and_hangs_up(line: Line) -> None:
    async def dialog(caller: Caller) -> None:
        await caller.hears("How can")
        long = " and ".join(["I would like to have a table for the two of us"] * 40)
        await caller.hangs_up(long, after=0.5)

    caller = line.call(dialog)
    assert not next(one for one in caller.moments if one.who == "caller").whole
    assert caller.moments[-1].text == "the caller hung up" and caller.call.ended == "peer"


@pytest.mark.slow
def test_noise_mumbling_and_asides(line: Line) -> None:
    async def dialog(caller: Caller) -> None:
        await caller.hears("Good evening")
        await caller.says("Is there a park for cars?", loudness=0.01)  # which nobody hears
        await caller.stays_silent(2)
        assert not caller.tool("look_up").count
        await caller.says("Where can I park?")
        await caller.backchannel(loudness=0.005)
        await caller.hears("car park")

    caller = line.call(dialog, noise=0.002, pace=1.2)
    assert caller.tool("look_up", topic="parking").count == 1
    aside = next(one for one in caller.moments if one.note == "in passing")
    assert aside.text == "mhm" and not caller.latency.barge_in
    quiet = next(one for one in caller.moments if one.who == "caller")
    assert quiet.whole


def failure(line: Line, step: Callable[[Caller], Awaitable[Any]]) -> str:
    async def dialog(caller: Caller) -> None:
        await caller.hears("help you")
        await step(caller)

    with pytest.raises(RehearsalFailure) as caught:
        line.call(dialog, name="the guest")
    text = str(caught.value)
    assert re.search(r"\n +0\.\d\d  app     Good evening, this is the Elm\.", text)
    return text.splitlines()[0]


@pytest.mark.slow
def test_failures_show_the_conversation(line: Line) -> None:
    async def tool(caller: Caller) -> None:
        await caller.says("A table at nine.")
        await caller.expects_tool("book_table", time="20:00", within=8)

    found = failure(line, tool)
    assert found == (
        "the guest: book_table(time='20:00') was not called within 8 s; "
        'it was called with {"time": "21:00", "people": 2}'
    )
    assert failure(line, lambda caller: caller.hears("Bonjour", within=1)) == (
        "the guest: the caller did not hear 'Bonjour' within 1 s"
    )
    assert "did not hang up within 1 s" in failure(line, lambda caller: caller.expects_hangup(within=1))

    async def referred(caller: Caller) -> None:
        async with AsyncRealtimeClient() as client:
            await client.calls.refer(caller.call.id, "tel:+14155550111")
        await caller.expects_hangup(within=1)

    assert "'tel:+14155550111', which has no outcome yet" in failure(line, referred)

    async def nothing_to_interrupt(caller: Caller) -> None:
        await caller.stays_silent(1)
        await caller.interrupts("no", within=1)

    assert "could not interrupt" in failure(line, nothing_to_interrupt)

    async def hung_up(caller: Caller) -> None:
        await caller.hangs_up()
        await caller.says("Hello?")

    assert failure(line, hung_up) == "the guest: the caller could not say 'Hello?': the call has ended"


def test_forbidden_words_are_found(line: Line) -> None:
    async def dialog(caller: Caller) -> None:
        await caller.hears("help you")
        caller.never_heard("maple", re.compile("elm"))  # a pattern of one's own keeps its case

    with pytest.raises(RehearsalFailure, match=r"heard 'the Elm', which must never be said"):
        line.call(dialog, never=["the elm"])


def test_the_clock_changes_its_speed_in_one_thread_alone(line: Line) -> None:
    # Changes by two threads could swap, and an app would be awaited while time passes fast.
    simulator = line.rehearsal.simulator
    threads: list[Thread] = []
    with pytest.MonkeyPatch.context() as patch:
        run_at = simulator.run_at
        patch.setattr(simulator, "run_at", lambda speed: (threads.append(current_thread()), run_at(speed)))

        async def dialog(caller: Caller) -> None:
            await caller.hears("help you")

        line.call(dialog)
        line.call(dialog)
    assert len(set(threads)) == 1 and len(threads) > 2


def test_an_app_that_does_not_answer(line: Line) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (event := (await receive())["type"]) != "lifespan.shutdown":
                await send({"type": f"{event}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        headers = {"authorization": f"Bearer {line.rehearsal.simulator.api_key}"}
        import httpx

        call_id = line.rehearsal.callers[-1].call.id
        async with httpx.AsyncClient(
            base_url=line.rehearsal.simulator.base_url, headers=headers, timeout=PATIENCE
        ) as http:
            await http.post(f"/realtime/calls/{call_id}/reject", json={"status_code": 486})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    line.apps["rejecting"] = app

    async def main() -> None:
        async with line.rehearsal.call(app):
            pytest.fail("the call was answered")

    with pytest.raises(RehearsalFailure, match="the app did not answer the call"):
        asyncio.run(main())
    assert line.rehearsal.callers[-1].moments[-1].text == "the app rejected the call"


async def _never(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("no app")


@each(
    "act, message",
    [
        (lambda r: r.call("ftp://x"), "to: expected an http or https URL"),
        (lambda r: r.call("http://127.0.0.1:9/", api="both"), "api: allowed is 'realtime' or 'live'"),
        (lambda r: r.call("http://127.0.0.1:9/", loudness=3), "loudness: allowed is 0 to 2, got 3"),
        (lambda r: r.call("http://127.0.0.1:9/", noise=-1), "noise: allowed is 0 to 1"),
        (lambda r: r.call("http://127.0.0.1:9/", pace=9), "pace: allowed is 0.25 to 1.5"),
        (lambda r: Rehearsal(r.simulator, speed=0.5), "speed: allowed is 1 to 100"),
        (lambda r: r.simulator.run_at(1000), "speed: allowed is 0 to 100"),
    ],
)
def test_wrong_arguments_are_named(line: Line, act: Callable[[Rehearsal], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        act(line.rehearsal)


def test_wrong_words_are_named(line: Line) -> None:
    async def dialog(caller: Caller) -> None:
        with pytest.raises(ValueError, match="words: expected what the caller says"):
            await caller.says(" ")
        with pytest.raises(ValueError, match="words: expected what the caller hears"):
            await caller.hears("?!")
        with pytest.raises(ValueError, match="match: allowed is"):
            await caller.hears("Good", match="like")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="keys: allowed are"):
            await caller.presses("x")
        await caller.hears(re.compile(r"the \w+\."))
        await caller.hears(GREETING, match="exact", within=5)

    with pytest.raises(RehearsalFailure, match=r"did not hear .*\(exact\) within 5 s"):
        line.call(dialog)  # it was heard already, by the pattern


def test_an_app_that_cannot_start_is_an_error(line: Line) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="the app did not start"):
        line.rehearsal.call(app)


# Judgement, without a call


def test_times_have_percentiles() -> None:
    times = Times([0.4, 0.1, 0.2, 0.3])
    assert (times.p50, times.p95, times.max, list(times)) == (0.2, 0.4, 0.4, [0.4, 0.1, 0.2, 0.3])
    assert times.percentile(25) == 0.1 and times.p99 == 0.4
    assert math.isnan(Times().p95) and not Times().p95 < 1
    with pytest.raises(ValueError, match="share: allowed is 0 to 100"):
        times.percentile(101)


def conversation() -> Conversation:
    """A call: a greeting, a turn, a reply that is interrupted after 0.5 s and stops 0.2 s later, silence."""
    made = Conversation()
    for start, end in ((1.0, 3.0), (5.0, 6.0)):
        made.sounded(made.app_spoke, start, end)
    for start, end in ((3.5, 4.5), (5.8, 7.0)):
        made.sounded(made.caller_spoke, start, end)
    made.caller_spoke[-1].interrupts = True
    return made


def test_latencies_are_those_of_the_audio() -> None:
    latency = conversation().latency(10.5)
    assert list(latency.first_audio) == [1.0, 0.5]
    assert list(latency.barge_in) == [0.2] and list(latency.talk_over) == [0.2]
    assert list(latency.dead_air) == [3.5]
    both = Latency.of([latency, latency])
    assert list(both.dead_air) == [3.5, 3.5]


def test_the_reply_to_an_interruption_is_found_if_the_app_is_slow_to_stop() -> None:
    made = conversation()
    made.app_spoke[-1].end = 7.5  # after what the caller said
    made.sounded(made.app_spoke, 9.0, 9.5)
    latency = made.latency(10.5)
    assert list(latency.first_audio) == [1.0, 0.5, 2.0] and list(latency.barge_in) == [1.7]


def test_intended_silence_is_not_dead_air() -> None:
    made = conversation()
    made.silences.append(type(made.app_spoke[0])(7.0, 10.0))
    assert not made.latency(10.5).dead_air


def test_a_tool_counts_as_often_as_it_is_answered() -> None:
    phone = ScriptedPhone(listener=None)  # type: ignore[arg-type]
    use = ToolUse("book", {"time": "21:00"}, phone)
    made = phone.conversation
    assert (use.count, use.arguments, use.output) == (0, {}, None)
    made.called("book", '{"time": "20:00"}', "c0", 1.0)
    made.called("book", '{"time": "21:00", "people": 2}', "c1", 2.0)
    assert (use.count, use.output) == (1, None)
    made.answered("c1", "done", 3.0)
    made.answered("c1", "done again", 4.0)
    assert (use.count, use.arguments["people"], use.output) == (2, 2, "done again")
    made.refused("c1", "done again")
    assert (use.count, use.output) == (1, "done")
    made.answered("c1", "done at last", 4.0)
    made.called("book", "no JSON", "c2", 5.0)
    assert use.count == 2 and "[answered 2 times]" in made.text() and "[not answered]" in made.text()


@each("named", [True, False])
def test_an_answer_of_a_tool_that_the_service_refuses_does_not_count(named: bool) -> None:
    phone = ScriptedPhone(listener=None)  # type: ignore[arg-type]
    use, own = ToolUse("book", {}, phone), {"event_id": "evt_1"} if named else {}
    phone.conversation.called("book", "{}", "c0", 1.0)
    item = {"type": "function_call_output", "call_id": "c0", "output": {"odd": 1}}
    told: list[tuple[str, dict[str, Any]]] = [
        ("received", {"type": "conversation.item.create", "item": item, **own}),
        ("sent", {"type": "error", "error": {"code": "invalid_type", **own}}),
    ]
    events = [SimpleNamespace(number=n, direction=way, event=event) for n, (way, event) in enumerate(told, 1)]
    phone.log = SimpleNamespace(events=events, config=dict)  # type: ignore[assignment]
    phone._read()
    assert (use.count, use.output) == (1, None)
    assert "[an answer was refused]" in phone.conversation.text()


def test_a_goodbye_counts_if_all_of_it_was_heard() -> None:
    made = Conversation()
    assert not made.heard_to_the_end
    made.add(Moment("app", "See you.", 0, 1))
    assert made.heard_to_the_end
    made.last_item = "Goodbye, then."
    assert not made.heard_to_the_end
    made.add(Moment("app", "Goodbye", 1, 2, whole=False))
    assert not made.heard_to_the_end
    made.moments[-1] = Moment("app", "Goodbye, then.", 1, 2)
    assert made.heard_to_the_end


@each(
    "wanted, is_fuzzy, place",
    [
        ("Table booked", False, None),
        ("IS booked!", False, 4),
        ("tabel is bookt", False, None),
        ("tabel is bookt", True, 4),
        ("a horse", True, None),
    ],
)
def test_words_are_found(wanted: str, is_fuzzy: bool, place: int | None) -> None:
    assert find(words(wanted), words("Your table is booked."), is_fuzzy=is_fuzzy) == place


async def test_a_coroutine_uses_the_fixture(rehearsal: Rehearsal) -> None:
    rehearsal.simulator.load_scenario(EXAMPLE / "answers.yaml")
    async with rehearsal.call(restaurant().Restaurant().app()) as caller:
        await caller.hears("How can I help", within=2)
        assert caller.latency.first_audio.p95 < 2


def test_the_clock_runs_at_another_speed_and_does_not_jump() -> None:
    from realtime_simulator._core.clock import AdvancingClock, sleep

    async def main() -> None:
        real = 100.0
        asyncio.get_running_loop().time = lambda: real  # type: ignore[method-assign]
        clock, before = AdvancingClock(), time.time()
        begun = clock.monotonic()
        clock.run_at(50)
        later = asyncio.create_task(sleep(clock, 3600))
        sooner = asyncio.create_task(sleep(clock, 5))  # of the clock
        while not sooner.done():
            real += 0.01
            await asyncio.sleep(0)
        assert 5 <= clock.monotonic() - begun <= 7
        assert before <= clock.unix() <= time.time()  # the time of day is as it was
        now = clock.monotonic()
        clock.run_at(1)
        assert clock.monotonic() == pytest.approx(now)
        real += 1
        assert clock.monotonic() == pytest.approx(now + 1)
        await clock.advance(3600)
        await later

    asyncio.run(main())


# A caller with a goal


@pytest.mark.slow
def test_a_caller_plays_a_goal_and_is_repeated_without_its_brain(tmp_path: Any) -> None:
    turns: list[Turn] = []

    async def brain(turn: Turn) -> Any:
        turns.append(turn)
        if "Is there anything else" in turn.text:
            yield "No. "
            yield "Good bye."
        elif len(turns) > 3:
            yield call_tool("hang_up")
        else:
            yield "A table at nine."
            yield call_tool("press_keys", {"keys": "1"})

    with Simulator(espeak=False) as simulator, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", simulator.base_url)
        patch.setenv("OPENAI_API_KEY", simulator.api_key)
        patch.setenv("OPENAI_WEBHOOK_SECRET", simulator.webhook_secret)
        simulator.load_scenario(EXAMPLE / "answers.yaml")
        app = restaurant().Restaurant().app()

        async def main() -> tuple[Caller, bool]:
            async with rehearsal.call(app, name="the guest") as caller:
                is_over = await caller.plays("Book a table at nine.")
            return caller, is_over

        with Rehearsal(simulator, speed=20, brain=brain) as rehearsal:
            caller, is_over = asyncio.run(main())
            assert is_over and caller.tool("book_table", time="21:00").count == 1
            assert "Book a table at nine." in turns[0].session["instructions"]
            assert turns[0].text == GREETING
            assert [item["role"] for item in turns[1].items[:3]] == ["user", "assistant", "user"]
            silences = caller._phone.conversation.silences
            said = [one.start for one in caller.moments if one.who == "caller"]
            assert all(one.end < float("inf") for one in silences)
            assert {one.end for one in silences} >= set(said)  # so that no thinking is the app's dead air
            file = tmp_path / "again.yaml"
            file.write_text(caller.as_script())
            again = Script.load(file)
            assert [one.kind for one in again.steps[:4]] == ["hears", "says", "presses", "expects_tool"]
            asyncio.run(again.perform(rehearsal, app))


def test_a_brain_that_fails_or_is_missing_is_named(line: Line) -> None:
    async def plays(caller: Caller) -> None:
        await caller.plays("Ask for the menu.", turns=2)

    with pytest.raises(ValueError, match="plays: the rehearsal has no brain"):
        line.call(plays)
    nowhere = brain_at("http://127.0.0.1:9/v1", "none", key="")
    line.rehearsal._brain, before = nowhere, line.rehearsal._brain
    try:
        with pytest.raises(RehearsalFailure, match=r"the brain of the caller failed: .* can't be reached"):
            line.call(plays)
        line.rehearsal._brain = lambda turn: call_tool("press_keys", "[]")
        caller = line.call(plays)
    finally:
        line.rehearsal._brain = before
    assert [one.text for one in caller.moments if one.who == "keys"] == ["#", "#"]
