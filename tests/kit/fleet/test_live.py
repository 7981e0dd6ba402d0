"""Calls of the Live API while owners come and go: what the model delegates is done once."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from realtime_kit.fleet import Fleet, OwnedCall
from realtime_simulator import Simulator, call_tool, delegate, say, speech
from starlette.applications import Starlette
from starlette.routing import Route

from realtime_ext import AsyncRealtimeClient, LiveSessionBuilder
from realtime_ext.errors import RealtimeError
from realtime_ext.tools import ToolContext
from tests.kit.fleet.cluster import Cluster
from tests.kit.fleet.conftest import MakeFleet
from tests.kit.fleet.harness import (
    NOWHERE,
    SESSION,
    Working,
    client_of,
    ended,
    ring,
    run_async,
    two,
    until,
)
from tests.support.paths import ROOT
from tests.support.web_server import running

pytestmark = pytest.mark.slow

OWN = LiveSessionBuilder("gpt-live-1").instructions("You order taxis.")
BACKEND = OWN.delegate_to("gpt-5.6-sol")
ASKED = speech("charge taxi") + bytes(48_000)


@pytest.fixture
def model() -> Iterator[Simulator]:
    """A model that charges for what the user asks, and says so once it has all outputs."""
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_speech(lambda heard: "charge a b" if heard.finished else None)
        simulator.on_response(answer)
        yield simulator


def answer(turn: Any) -> Any:
    if not turn.tools:
        return [say("One moment."), delegate()]
    outputs = {item["call_id"] for item in turn.items if item["type"] == "function_call_output"}
    calls = [item for item in turn.items if item["type"] == "function_call"]
    if not calls:
        return [call_tool("charge", {"what": what}) for what in turn.text.split()[1:]]
    return say("charged" if {item["call_id"] for item in calls} <= outputs else "lost")


def ring_live(simulator: Simulator) -> Any:
    return simulator.incoming_call(
        NOWHERE, events=["live.transport.incoming"], attempts=1, wait=False, audio=ASKED, line_speed=20
    )


class Till:
    """The tool, which both workers have, and what became of it.

    Attributes:
        begun: How often each charge was begun, by worker and name.
        charged: How often each charge happened.
        held: Where a charge waits for ever: before it happens, or after.
    """

    def __init__(self) -> None:
        self.begun: collections.Counter[tuple[int, str]] = collections.Counter()
        self.charged: collections.Counter[str] = collections.Counter()
        self.held: dict[tuple[int, str], str] = {}

    async def charge(self, worker: int, call: OwnedCall, key: str, what: str) -> str:
        self.begun[worker, what] += 1
        place = self.held.get((worker, what))
        if place == "before":
            await asyncio.Event().wait()
        result = await call.once(key, lambda: self.charged.update([what]) or what)
        if place == "after":
            await asyncio.Event().wait()
        return result

    def tool(self, worker: int) -> Callable[..., Any]:
        async def charge(what: str, context: ToolContext[OwnedCall]) -> str:
            """Charge for something."""
            return await self.charge(worker, context.state, context.call_id, what)

        return charge


def handle(fleet: Fleet, worker: int, till: Till, attached: list[int], **options: Any) -> None:
    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        if options.get("task"):
            given: dict[str, Any] = {"delegate": functools.partial(options["task"], owned, worker)}
            session = OWN
        else:
            given, session = {"tools": [till.tool(worker)]}, BACKEND
        async with owned.open_live(session, **given) as connection:
            attached.append(worker)
            async for _ in connection:
                pass


def nested(call: Any, direction: str, kind: str) -> list[Any]:
    events = call.session.events
    return [one.event for one in events if one.direction == direction and one.event["type"] == kind]


def outputs(call: Any) -> list[str]:
    """The outputs that reached the backend, in order."""
    items = [event["item"] for event in nested(call, "received", "response.item.create")]
    return [item["output"].strip('"') for item in items if item["type"] == "function_call_output"]


def words(call: Any) -> str:
    return "".join(event["delta"] for event in nested(call, "sent", "session.output_transcript.delta"))


@pytest.mark.parametrize(
    ("held", "begun"),
    [
        ({(0, "a"): "before"}, {(0, "a"): 1, (1, "a"): 1, (1, "b"): 1}),
        ({(0, "b"): "after"}, {(0, "a"): 1, (0, "b"): 1, (1, "b"): 1}),
    ],
)
@run_async
async def test_functions_of_a_lost_worker_are_answered_once_by_the_next(
    make_fleet: MakeFleet,
    model: Simulator,
    held: dict[tuple[int, str], str],
    begun: dict[tuple[int, str], int],
) -> None:
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    till.held = held
    call = ring_live(model)
    for number in (0, 1):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client, Working(fleets[0], client) as first:
        await fleets[0].offer(call.live_session_id, api="live")
        (stop,) = held
        await until(lambda: till.begun[stop])
        if held[stop] == "after":
            await until(lambda: first.severed.done.count("finish_effect") == 2)
        await until(lambda: first.severed.done.count("begin_function") == 2)
        first.severed.is_cut = True
        async with Working(fleets[1], client):
            await until(lambda: attached == [0, 1])
            await until(lambda: "charged" in words(call))
            await until(lambda: all_over(fleets[1], call.live_session_id))
            await asyncio.to_thread(model.hang_up, call)
            record = await until(lambda: ended(fleets[1], call.live_session_id))
    assert (record.api, record.outcome) == ("live", "done")
    assert outputs(call)[-2:] == ["a", "b"]
    assert till.charged == {"a": 1, "b": 1}
    assert till.begun == begun
    assert "lost" not in words(call)


async def all_over(fleet: Fleet, call_id: str) -> bool:
    return all(function.is_over for function in await fleet._store.functions(call_id))


@run_async
async def test_answered_calls_are_not_answered_again_when_events_are_repeated(
    make_fleet: MakeFleet, model: Simulator
) -> None:
    """The next owner attaches within the seconds of which a sideband gets the events again."""
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    call = ring_live(model)
    for number in (0, 1):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.live_session_id, api="live")
            await until(lambda: "charged" in words(call))
        async with Working(fleets[1], client):
            await until(lambda: attached == [0, 1])
            await until(lambda: nested(call, "received", "session.thinking.append"))
            await asyncio.to_thread(model.hang_up, call)
            await until(lambda: ended(fleets[1], call.live_session_id))
    assert till.begun == {(0, "a"): 1, (0, "b"): 1}
    assert outputs(call) == ["a", "b"]
    assert len(nested(call, "received", "response.create")) == 1


@run_async
async def test_functions_that_came_while_no_worker_was_attached_are_answered(
    make_fleet: MakeFleet, model: Simulator
) -> None:
    """By the events of the last seconds."""
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    call = ring_live(model)
    model.on_speech(lambda heard: None)  # nothing is said yet
    for number in (0, 1):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.live_session_id, api="live")
            await until(lambda: attached)
        model.on_speech(lambda heard: "charge a b" if heard.finished else None)
        await asyncio.to_thread(model.caller_says, call, ASKED)
        await until(lambda: "function_call" in str(call.session.sent))
        async with Working(fleets[1], client):
            await until(lambda: "charged" in words(call))
            await asyncio.to_thread(model.hang_up, call)
            await until(lambda: ended(fleets[1], call.live_session_id))
    assert till.begun == {(1, "a"): 1, (1, "b"): 1}
    assert outputs(call) == ["a", "b"]


@run_async
async def test_a_function_that_no_owner_saw_is_called_again(
    make_fleet: MakeFleet, model: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events are too old to come again: the model is told to delegate again, the backend to repeat it."""
    monkeypatch.setattr("realtime_simulator._server.live._REPEATED_SECONDS", 0.0)
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    call = ring_live(model)
    model.on_speech(lambda heard: None)
    asked_again = has_charged = False

    def repeat(turn: Any) -> Any:
        nonlocal asked_again, has_charged
        if turn.tools and "out_of_reach" in str(turn.items[-1]):
            asked_again = True
            return [call_tool("charge", {"what": what}) for what in ("a", "b")]
        if turn.tools and turn.text == "well?" and not asked_again and not has_charged:
            has_charged = True  # a line that stalls may be heard as two questions
            return call_tool("charge", {"what": "c"})
        return answer(turn)

    model.on_response(repeat)
    for number in (0, 1):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.live_session_id, api="live")
            await until(lambda: attached)
        model.on_speech(lambda heard: "charge a b" if heard.finished else None)
        await asyncio.to_thread(model.caller_says, call, ASKED)
        await until(lambda: str(call.session.sent).count("'response.output_item.done'") == 2)
        async with Working(fleets[1], client):
            await until(lambda: attached == [0, 1])
            await until(lambda: nested(call, "received", "session.thinking.append"))
            model.on_speech(lambda heard: "well?" if heard.finished else None)
            await asyncio.to_thread(model.caller_says, call, ASKED)
            await until(lambda: "charged" in words(call))
            await asyncio.to_thread(model.hang_up, call)
            await until(lambda: ended(fleets[1], call.live_session_id))
    assert till.charged == {"a": 1, "b": 1, "c": 1}


@run_async
async def test_a_task_of_a_lost_worker_is_done_once_by_the_next(
    make_fleet: MakeFleet, model: Simulator
) -> None:
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    call = ring_live(model)
    till.held = {(0, "taxi"): "after"}
    heard: list[tuple[int, str]] = []

    async def work(owned: OwnedCall, worker: int, task: Any) -> str:
        heard.append((worker, task.words))
        await till.charge(worker, owned, task.id, "taxi")
        return "The taxi is charged."

    for number in (0, 1):
        handle(fleets[number], number, till, attached, task=work)
    async with client_of(model) as client, Working(fleets[0], client) as first:
        await fleets[0].offer(call.live_session_id, api="live")
        await until(lambda: first.severed.done.count("finish_effect") == 1)
        first.severed.is_cut = True
        async with Working(fleets[1], client):
            await until(lambda: "The taxi is charged." in words(call))
            await until(lambda: all_over(fleets[1], call.live_session_id))
    assert [worker for worker, _ in heard] == [0, 1]
    assert heard[1][1] == "charge a b"
    assert till.charged == {"taxi": 1}
    assert words(call).count("The taxi is charged.") == 1
    model.hang_up(call)


@run_async
async def test_a_task_that_was_done_is_not_done_by_the_next_owner(
    make_fleet: MakeFleet, model: Simulator
) -> None:
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    call = ring_live(model)

    async def work(owned: OwnedCall, worker: int, task: Any) -> str:
        await till.charge(worker, owned, task.id, "taxi")
        return "The taxi is charged."

    for number in (0, 1):
        handle(fleets[number], number, till, attached, task=work)
    async with client_of(model) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.live_session_id, api="live")
            await until(lambda: "The taxi is charged." in words(call))
            await until(lambda: all_over(fleets[0], call.live_session_id))
        async with Working(fleets[1], client):
            await until(lambda: nested(call, "received", "session.thinking.append"))
            await asyncio.to_thread(model.hang_up, call)
            await until(lambda: ended(fleets[1], call.live_session_id))
    assert till.begun == {(0, "taxi"): 1}
    assert words(call).count("The taxi is charged.") == 1


@run_async
async def test_calls_of_both_apis_share_workers(make_fleet: MakeFleet, model: Simulator) -> None:
    fleet = make_fleet()
    await fleet.migrate()
    calls = [ring(model), ring_live(model)]
    attached: set[str] = set()
    refused: list[str] = []

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        try:
            async with owned.open_live(OWN) if owned.api == "realtime" else owned.open(SESSION):
                raise AssertionError("it came by the other API")
        except RealtimeError as error:
            refused.append(str(error))
        opened: Any = owned.open(SESSION) if owned.api == "realtime" else owned.open_live(OWN)
        async with opened as connection:
            attached.add(owned.api)
            async for _ in connection:
                pass

    async with client_of(model) as client, Working(fleet, client):
        await fleet.offer(calls[0].id)
        await fleet.offer(calls[1].live_session_id, api="live")
        await until(lambda: attached == {"realtime", "live"})
        for call in calls:
            await asyncio.to_thread(model.hang_up, call)
        records = [
            await until(lambda call_id=call_id: ended(fleet, call_id))
            for call_id in (calls[0].id, calls[1].live_session_id)
        ]
    assert [(record.api, record.outcome) for record in records] == [("realtime", "done"), ("live", "done")]
    assert sorted(refused) == [
        "open: the call was announced by the Live API; use open_live",
        "open_live: the call was announced by the Realtime API; use open",
    ]


@run_async
async def test_a_live_call_is_hung_up_rejected_or_gone_as_one_of_realtime(
    make_fleet: MakeFleet, model: Simulator
) -> None:
    fleet = make_fleet(max_wait=0.5)
    await fleet.migrate()
    done, gone = ring_live(model), ring_live(model)
    model.hang_up(gone)

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        async with owned.open_live(OWN):
            pass

    async with client_of(model) as client:
        async with Working(fleet, client):
            for call in (done, gone):
                await fleet.offer(call.live_session_id, api="live")
            outcomes = [
                (await until(lambda call=call: ended(fleet, call.live_session_id))).outcome
                for call in (done, gone)
            ]
        busy, other = ring_live(model), make_fleet(max_wait=0.5)
        other.on_call(phone)
        async with Working(other, client, slots=0):
            await other.offer(busy.live_session_id, api="live")
            outcomes.append((await until(lambda: ended(other, busy.live_session_id))).outcome)
    assert outcomes == ["done", "gone", "rejected"]
    assert (done.ended, busy.reject_code) == ("hangup", 486)


@run_async
async def test_a_webhook_offers_a_call_to_the_api_that_answers_it(model: Simulator) -> None:
    """One call is announced for both APIs."""
    chosen = lambda headers: "live" if "200" in str(headers.to) else "realtime"  # noqa: E731
    client = AsyncRealtimeClient(api_key="k", webhook_secret=model.webhook_secret)
    fleets = {name: Fleet.in_memory() for name in ("realtime", "live", "chosen")}
    routes = [
        Route("/realtime", fleets["realtime"].webhook(client), methods=["POST"]),
        Route("/live", fleets["live"].webhook(client, api="live"), methods=["POST"]),
        Route("/chosen", fleets["chosen"].webhook(client, api=chosen), methods=["POST"]),
    ]
    both = ["realtime.call.incoming", "live.transport.incoming"]
    async with client, running(Starlette(routes=routes)) as url:
        for name, to in (("realtime", 1), ("live", 1), ("chosen", 100), ("chosen", 200)):
            ring = functools.partial(
                model.incoming_call, headers={"To": f"<sip:{to}@example.com>"}, events=both, wait=True
            )
            await asyncio.to_thread(ring, f"{url}/{name}")
    found = {name: [call.api for call in await fleet.calls()] for name, fleet in fleets.items()}
    assert found == {"realtime": ["realtime"], "live": ["live"], "chosen": ["realtime", "live"]}
    with pytest.raises(ValueError, match="api: expected 'realtime' or 'live', got 'voice'"):
        await fleets["live"].offer("live_1", api="voice")  # type: ignore[arg-type]


@pytest.mark.postgres
@run_async
async def test_a_killed_worker_in_the_middle_of_functions_of_both_apis(
    cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.touch()

    def noted(kind: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line for line in lines if line["kind"] == kind]

    def order(turn: Any) -> Any:
        if any(item["type"] == "function_call_output" for item in turn.items):
            return say("ordered")
        if not turn.tools:
            return delegate()
        return call_tool("order", {"what": "taxi"})

    dsn = cluster.database(f"live_{tmp_path.name.replace('-', '_')}")
    async with Fleet(dsn) as fleet:
        await fleet.migrate()
        with Simulator(pacing="none", espeak=False) as api, contextlib.ExitStack() as stack:
            api.on_speech(lambda heard: "order a taxi" if heard.finished else None)
            api.on_response(order)
            start = functools.partial(start_worker, stack, dsn, log, api)
            victim, calls = start("3600"), [ring_live(api), ring_live(api), ring(api), ring(api)]
            ids = {call.live_session_id if number < 2 else call.id for number, call in enumerate(calls)}
            for call in calls[:2]:
                await fleet.offer(call.live_session_id, api="live")
            for call in calls[2:]:
                await fleet.offer(call.id)
            await until(lambda: {line["call"] for line in noted("attached")} == ids)
            for call in calls[2:]:
                api.inject(call.session, {"type": "response.create"})
            await until(lambda: {line["call"] for line in noted("begun")} == ids)
            victim.kill()
            start("0")
            await until(lambda: all("ordered" in str(call.session.sent) for call in calls))
            for call in calls:
                await asyncio.to_thread(api.hang_up, call)
            await until(lambda: none_left(fleet))
    assert collections.Counter(line["call"] for line in noted("ordered")) == dict.fromkeys(ids, 1)
    assert [line["pid"] == victim.pid for line in noted("begun")] == [True] * 4 + [False] * 4


def start_worker(
    stack: contextlib.ExitStack, dsn: str, log: Path, api: Simulator, seconds: str
) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")]),
        "FLEET_DSN": dsn,
        "FLEET_LOG": str(log),
        "TOOL_SECONDS": seconds,
        "OPENAI_BASE_URL": api.base_url,
        "OPENAI_API_KEY": api.api_key,
    }
    program = Path(__file__).with_name("live_worker.py")
    process = subprocess.Popen([sys.executable, "-W", "ignore", str(program)], env=environment)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


async def none_left(fleet: Fleet) -> bool:
    return not await fleet.calls()
