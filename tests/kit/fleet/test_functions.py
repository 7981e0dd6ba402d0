"""The model's function calls while owners come and go: each is answered once, by whoever owns the call."""

from __future__ import annotations

import asyncio
import collections
import json
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from realtime_kit.fleet import Fleet, OwnedCall
from realtime_kit.fleet._functions import Functions
from realtime_kit.fleet._notes import Notes
from realtime_kit.fleet._store import FunctionRecord
from realtime_simulator import Simulator, call_tool, say

from realtime_ext.connection import Attempt, Reconnect
from realtime_ext.events import parse_event
from realtime_ext.tools import Silent, Toolbox, ToolContext
from tests.kit.fleet.conftest import MakeFleet
from tests.kit.fleet.harness import SESSION, Working, client_of, ring, run_async, two, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model() -> Iterator[Simulator]:
    """A model that charges for what the user asks, and says so once it has all outputs."""
    with Simulator(pacing="none") as simulator:
        simulator.on_response(answer)
        yield simulator


def answer(turn: Any) -> Any:
    last = turn.items[-1] if turn.items else {}
    if last.get("role") == "user" and turn.text != "well?":
        words = turn.text.split()
        if "charge" in words:
            return [call_tool("charge", {"what": what}) for what in words[words.index("charge") + 1 :]]
        return say("hello")
    noted = [n for n, item in enumerate(turn.items) if "call it again" in json.dumps(item)]
    if noted and (turn.text == "well?" or last["type"] == "function_call_output"):  # as its instructions say
        answered = {item.get("call_id") for item in turn.items if item["type"] == "function_call_output"}
        before, since = turn.items[: noted[-1]], turn.items[noted[-1] :]
        again = {item["arguments"] for item in since if item["type"] == "function_call"}
        open_calls = [
            call_tool("charge", json.loads(item["arguments"]))
            for item in before
            if item["type"] == "function_call"
            and item["call_id"] not in answered
            and item["arguments"] not in again
        ]
        return open_calls or say("charged")
    return say("charged")


def say_to(model: Simulator, call: Any, text: str) -> None:
    """Have the user say something in a call, and the model answer."""
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    model.inject(call.session, {"type": "conversation.item.create", "item": item})
    model.inject(call.session, {"type": "response.create"})


class Till:
    """The tool, which both workers have, and what became of it.

    Attributes:
        begun: How often each charge was begun, by worker and name.
        charged: How often each charge happened.
        held: Charges that wait until they are let go on: before they happen, or after.
        gate: What lets those go on that wait before they happen.
    """

    def __init__(self) -> None:
        self.begun: collections.Counter[tuple[int, str]] = collections.Counter()
        self.charged: collections.Counter[str] = collections.Counter()
        self.held: dict[tuple[int, str], str] = {}
        self.gate = asyncio.Event()

    def tool(self, worker: int) -> Callable[..., Any]:
        async def charge(what: str, context: ToolContext[OwnedCall]) -> Any:
            """Charge for something."""
            self.begun[worker, what] += 1
            place = self.held.get((worker, what))
            if place == "before":
                await self.gate.wait()
            result = await context.state.once(context.call_id, lambda: self.charged.update([what]) or what)
            if place == "after":
                await asyncio.Event().wait()
            return Silent(result) if what == "silently" else result

        return charge


def handle(fleet: Fleet, worker: int, till: Till, attached: list[int]) -> None:
    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        async with owned.open(SESSION, tools=[till.tool(worker)]) as connection:
            attached.append(worker)
            async for _ in connection:
                pass


def outputs(call: Any) -> list[str]:
    """The outputs in the conversation, in order."""
    return [
        json.loads(item["output"]) for item in call.session.items if item["type"] == "function_call_output"
    ]


def words(call: Any) -> list[str]:
    """What the model said."""
    return [
        part.get("transcript") or part.get("text")
        for item in call.session.items
        if item.get("role") == "assistant"
        for part in item["content"]
    ]


@pytest.mark.parametrize(
    ("held", "begun"),
    [
        ({(0, "a"): "before"}, {(0, "a"): 1, (1, "a"): 1, (1, "b"): 1}),
        ({(0, "a"): "after"}, {(0, "a"): 1, (1, "a"): 1, (1, "b"): 1}),
        ({(0, "b"): "before"}, {(0, "a"): 1, (0, "b"): 1, (1, "b"): 1}),
        ({(0, "b"): "after"}, {(0, "a"): 1, (0, "b"): 1, (1, "b"): 1}),
    ],
)
@run_async
async def test_parallel_functions_of_a_lost_worker_are_answered_once_by_the_next(
    make_fleet: MakeFleet,
    model: Simulator,
    held: dict[tuple[int, str], str],
    begun: dict[tuple[int, str], int],
) -> None:
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    call = ring(model)
    till.held = held
    for number in (0, 1):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client, Working(fleets[0], client) as first:
        await fleets[0].offer(call.id)
        await until(lambda: attached == [0])
        say_to(model, call, "charge a b")
        (stop,) = held
        await until(lambda: till.begun[stop])
        if held[stop] == "after":
            charges = "ab".index(stop[1]) + 1
            await until(lambda: first.severed.done.count("finish_effect") == charges)
        await until(lambda: first.severed.done.count("begin_function") == 2)
        first.severed.is_cut = True
        async with Working(fleets[1], client):
            await until(lambda: attached == [0, 1])
            await until(lambda: words(call) == ["charged"])
            await until(lambda: all_over(fleets[1], call.id))
            await asyncio.to_thread(model.hang_up, call)
    assert outputs(call) == ["a", "b"]
    assert till.charged == {"a": 1, "b": 1}
    assert till.begun == begun


async def all_over(fleet: Fleet, call_id: str) -> bool:
    return all(function.is_over for function in await fleet._store.functions(call_id))


@run_async
async def test_a_former_owner_begins_no_tool_and_answers_nothing(
    make_fleet: MakeFleet, model: Simulator
) -> None:
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    call = ring(model)
    tidied = asyncio.Event()

    @fleets[0].on_call
    async def tidies_up(owned: OwnedCall) -> None:
        async with owned.open(SESSION, tools=[till.tool(0)]) as connection:
            attached.append(0)
            try:
                async for _ in connection:
                    pass
            finally:
                say_to(model, call, "charge late")  # it is not the owner any more, and not gone yet
                await tidied.wait()

    handle(fleets[1], 1, till, attached)
    async with client_of(model) as client, Working(fleets[0], client) as first:
        await fleets[0].offer(call.id)
        await until(lambda: attached == [0])
        first.severed.is_cut = True
        async with Working(fleets[1], client):
            await until(lambda: words(call) == ["charged"])
            tidied.set()
            await asyncio.to_thread(model.hang_up, call)
    assert outputs(call) == ["late"]
    assert till.begun == {(1, "late"): 1}


@run_async
async def test_a_function_that_outlives_two_owners_is_answered_by_the_third(
    make_fleet: MakeFleet, model: Simulator
) -> None:
    fleets, till, attached = [make_fleet() for _ in range(3)], Till(), []
    await fleets[0].migrate()
    call = ring(model)
    till.held = {(0, "long"): "before", (1, "long"): "before"}
    for number in range(3):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.id)
            await until(lambda: attached == [0])
            say_to(model, call, "charge long")
            await until(lambda: till.begun[0, "long"])
        async with Working(fleets[1], client):
            await until(lambda: till.begun[1, "long"])
        async with Working(fleets[2], client):
            await until(lambda: words(call) == ["charged"])
            await asyncio.to_thread(model.hang_up, call)
    assert outputs(call) == ["long"]
    assert till.charged == {"long": 1}


@run_async
async def test_a_model_that_repeats_an_unanswered_function_under_another_id_is_charged_once(
    make_fleet: MakeFleet, model: Simulator
) -> None:
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    call = ring(model)
    till.held = {(0, "taxi"): "after"}
    for number in (0, 1):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.id)
            await until(lambda: attached == [0])
            say_to(model, call, "charge taxi")
            await until(lambda: till.charged["taxi"])
        say_to(model, call, "charge taxi")  # while no worker is attached
        await until(lambda: call.session.types_sent().count("response.done") == 2)
        async with Working(fleets[1], client):
            await until(lambda: "charged" in words(call))
            assert outputs(call) == ["taxi", "taxi"], "each of the model's calls has its output"
            assert till.charged == {"taxi": 1}
            say_to(model, call, "charge taxi")  # another one, which the model wants after all that
            await until(lambda: till.charged["taxi"] == 2)
            await asyncio.to_thread(model.hang_up, call)


@run_async
async def test_parallel_functions_that_came_while_no_worker_was_attached_are_repeated_by_the_model(
    make_fleet: MakeFleet, model: Simulator
) -> None:
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    call = ring(model)
    for number in (0, 1):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.id)
            await until(lambda: attached == [0])
        say_to(model, call, "charge x y z")
        await until(lambda: "response.done" in call.session.types_sent())
        async with Working(fleets[1], client):
            await until(lambda: "charged" in words(call))
            await asyncio.to_thread(model.hang_up, call)
    assert till.charged == {"x": 1, "y": 1, "z": 1}
    assert sorted(outputs(call)) == ["x", "y", "z"]


@run_async
async def test_what_the_model_repeated_after_a_note_is_not_charged_again_after_the_next_one(
    make_fleet: MakeFleet, model: Simulator
) -> None:
    """The first of the calls never gets an output of its own, so the model repeats it each time."""
    fleets, till, attached = [make_fleet() for _ in range(3)], Till(), []
    await fleets[0].migrate()
    call = ring(model)
    for number in range(3):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.id)
            await until(lambda: attached == [0])
        for number, what in ((1, "x y"), (2, "v w")):
            responses = call.session.types_sent().count("response.done")
            say_to(model, call, f"charge {what}")
            await until(lambda: call.session.types_sent().count("response.done") > responses)  # noqa: B023
            async with Working(fleets[number], client):
                await until(lambda: words(call).count("charged") == number)  # noqa: B023
        await asyncio.to_thread(model.hang_up, call)
    assert till.charged == {"x": 1, "y": 1, "v": 1, "w": 1}
    assert sorted(outputs(call)) == ["v", "w", "x", "x", "y"]


@run_async
async def test_a_function_behind_which_the_conversation_continued_is_repeated_with_the_next_response(
    make_fleet: MakeFleet, model: Simulator
) -> None:
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    call = ring(model)
    for number in (0, 1):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.id)
            await until(lambda: attached == [0])
        for text in ("charge taxi", "hello"):
            responses = call.session.types_sent().count("response.done")
            say_to(model, call, text)
            await until(lambda: call.session.types_sent().count("response.done") > responses)  # noqa: B023
        async with Working(fleets[1], client):
            await until(lambda: "call it again" in json.dumps(call.session.items))
            assert not till.charged, "nor is the model asked to speak"
            say_to(model, call, "well?")
            await until(lambda: words(call) == ["hello", "charged"])
            await asyncio.to_thread(model.hang_up, call)
    assert till.charged == {"taxi": 1}


@run_async
async def test_a_function_that_comes_while_a_new_owner_looks_hides_no_missed_one(
    make_fleet: MakeFleet, model: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    call = ring(model)
    looks = Functions._look

    async def look_late(self: Functions, *arguments: Any) -> Any:
        await asyncio.to_thread(say_to, model, call, "charge bus")
        await until(lambda: any("bus" in one.record.arguments for one in self._functions.values()))
        return await looks(self, *arguments)

    monkeypatch.setattr(Functions, "_look", look_late)
    for number in (0, 1):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.id)
            await until(lambda: attached == [0])
        for text in ("charge taxi", "hello"):
            responses = call.session.types_sent().count("response.done")
            say_to(model, call, text)
            await until(lambda: call.session.types_sent().count("response.done") > responses)  # noqa: B023
        async with Working(fleets[1], client):
            await until(lambda: words(call) == ["hello", "charged"])
            await asyncio.to_thread(model.hang_up, call)
    assert till.charged == {"bus": 1, "taxi": 1}


@run_async
async def test_what_the_model_repeats_before_a_new_owner_finds_it_is_charged_once(
    make_fleet: MakeFleet, model: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    call = ring(model)
    arrive, look = Functions._arrive, Notes.last_item
    seen: list[str] = []

    def arrive_seen(self: Functions, call_id: str, *others: Any, **more: Any) -> Any:
        seen.append(call_id)
        return arrive(self, call_id, *others, **more)

    async def find_late(self: Notes, connection: Any) -> Any:
        found = await look(self, connection)
        await asyncio.to_thread(say_to, model, call, "well?")
        await until(lambda: bool(seen))
        return found

    monkeypatch.setattr(Functions, "_arrive", arrive_seen)
    monkeypatch.setattr(Notes, "last_item", find_late)
    for number in (0, 1):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.id)
            await until(lambda: attached == [0])
        say_to(model, call, "charge taxi")
        await until(lambda: "response.done" in call.session.types_sent())
        async with Working(fleets[1], client):
            await until(lambda: outputs(call) == ["taxi", "taxi"])
            await asyncio.to_thread(model.hang_up, call)
    assert till.charged == {"taxi": 1}


def test_a_response_that_began_before_a_missed_function_was_found_may_repeat_it() -> None:
    call: Any = SimpleNamespace(id="rtc_1")
    store: Any = None
    functions = Functions(Toolbox(), call, store, [])
    functions._begun("resp_1")
    functions._arrive("call_1", "charge", '{"what": "taxi"}', "", is_missed=True)
    repeated = functions._arrive("call_2", "charge", '{"what": "taxi"}', "resp_1")
    other = functions._arrive("call_3", "charge", '{"what": "bus"}', "resp_1")
    assert (repeated.record.key, other.record.key) == ("call_1", "call_3")


@run_async
async def test_after_a_silent_output_the_model_is_not_asked_by_the_next_owner_either(
    make_fleet: MakeFleet, model: Simulator
) -> None:
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    call = ring(model)
    till.held = {(0, "silently"): "after"}
    for number in (0, 1):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.id)
            await until(lambda: attached == [0])
            say_to(model, call, "charge silently")
            await until(lambda: till.charged["silently"])
        async with Working(fleets[1], client):
            await until(lambda: outputs(call) == ["silently"])
            await until(lambda: all_over(fleets[1], call.id))
            say_to(model, call, "hello")
            await until(lambda: words(call))
            assert words(call) == ["hello"]
            await asyncio.to_thread(model.hang_up, call)


@run_async
async def test_notes_of_former_owners_are_removed(make_fleet: MakeFleet, model: Simulator) -> None:
    """As of owners that died right after they had inserted one."""
    fleets, till, attached = two(make_fleet), Till(), []
    await fleets[0].migrate()
    call = ring(model)
    for number in (0, 1):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.id)
            await until(lambda: attached == [0])
        say_to(model, call, "charge taxi")
        await until(lambda: "response.done" in call.session.types_sent())
        for name in (f"fleet_probe_{number}" for number in range(7)):
            content = [{"type": "input_text", "text": "The tools are back."}]
            item = {"id": name, "type": "message", "role": "system", "content": content}
            model.inject(call.session, {"type": "conversation.item.create", "item": item})
        async with Working(fleets[1], client):
            await until(lambda: words(call) == ["charged"])
            await asyncio.to_thread(model.hang_up, call)
    assert outputs(call) == ["taxi"]
    assert not [item for item in call.session.items if item["id"].startswith("fleet_probe_")]


@pytest.mark.parametrize("moment", ["before its tools are registered", "while it looks"])
@run_async
async def test_what_a_lost_owner_has_noted_is_not_forgotten_by_the_next(
    make_fleet: MakeFleet, model: Simulator, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """A first function call comes while no worker is attached; the second worker dies in another one."""
    fleets, till, attached = [make_fleet() for _ in range(3)], Till(), []
    await fleets[0].migrate()
    call = ring(model)
    till.held = {(1, "bus"): "before"}
    seen: list[str] = []

    async def charge_bus() -> None:
        if not seen:
            await asyncio.to_thread(say_to, model, call, "charge bus")
            await until(lambda: bool(seen))

    arrive, look, attach = Functions._arrive, Functions._look, OwnedCall._attach

    def arrive_seen(
        self: Functions, call_id: str, name: str, arguments: str, *others: Any, **more: Any
    ) -> Any:
        seen.extend(["bus"] * ("bus" in arguments))
        return arrive(self, call_id, name, arguments, *others, **more)

    async def look_late(self: Functions, *arguments: Any) -> Any:
        await charge_bus()
        return await look(self, *arguments)

    async def attach_late(self: OwnedCall, *arguments: Any) -> Any:
        connection = await attach(self, *arguments)
        if attached:
            await charge_bus()
        return connection

    monkeypatch.setattr(Functions, "_arrive", arrive_seen)
    if moment == "while it looks":
        monkeypatch.setattr(Functions, "_look", look_late)
    else:
        monkeypatch.setattr(OwnedCall, "_attach", attach_late)
    for number in range(3):
        handle(fleets[number], number, till, attached)
    async with client_of(model) as client:
        async with Working(fleets[0], client):
            await fleets[0].offer(call.id)
            await until(lambda: attached == [0])
        for text in ("charge taxi", "hello"):
            responses = call.session.types_sent().count("response.done")
            say_to(model, call, text)
            await until(lambda: call.session.types_sent().count("response.done") > responses)  # noqa: B023
        async with Working(fleets[1], client):
            await until(lambda: till.begun[1, "bus"] and "fleet_" in json.dumps(call.session.items))
        async with Working(fleets[2], client):
            await until(lambda: words(call) == ["hello", "charged"])
            await asyncio.to_thread(model.hang_up, call)
    assert till.charged == {"bus": 1, "taxi": 1}


@run_async
async def test_functions_that_came_while_the_link_was_lost_are_answered_by_the_same_owner(
    make_fleet: MakeFleet, model: Simulator
) -> None:
    fleet, till, attached = make_fleet(), Till(), []
    await fleet.migrate()
    call = ring(model)

    def charge_meanwhile(_: Attempt) -> None:
        if "taxi" in json.dumps(call.session.items):
            return
        for text in ("charge taxi", "charge bus"):
            responses = call.session.types_sent().count("response.done")
            say_to(model, call, text)
            while call.session.types_sent().count("response.done") == responses:
                time.sleep(0.01)

    @fleet.on_call
    async def phone(owned: OwnedCall) -> None:
        policy = Reconnect(on_attempt=charge_meanwhile)
        async with owned.open(SESSION, tools=[till.tool(0)], reconnect=policy) as connection:
            attached.append(0)
            async for _ in connection:
                pass

    async with client_of(model) as client, Working(fleet, client):
        await fleet.offer(call.id)
        await until(lambda: attached == [0])
        with model.fault("socket_drop", on=call.id, times=1, after="response.done"):
            await asyncio.to_thread(say_to, model, call, "hello")
            await until(lambda: "charged" in words(call))
        await asyncio.to_thread(say_to, model, call, "well?")
        await until(lambda: till.charged == {"taxi": 1, "bus": 1})
        await asyncio.to_thread(model.hang_up, call)
    assert till.charged == {"taxi": 1, "bus": 1}


@pytest.mark.parametrize(("is_over", "key"), [(False, "call_1"), (True, "call_2")])
def test_a_missed_function_repeats_one_from_which_the_model_has_not_gone_on(is_over: bool, key: str) -> None:
    call: Any = SimpleNamespace(id="rtc_1")
    store: Any = None
    taxi = {"name": "charge", "arguments": '{"what": "taxi"}'}
    former = FunctionRecord(
        id="call_1",
        key="call_1",
        **taxi,
        response_id="resp_1",
        output='"taxi"',
        is_sent=True,
        is_over=is_over,
    )
    functions = Functions(Toolbox(), call, store, [former])
    missed = functions._arrive("call_2", **taxi, response_id="", is_missed=True)
    assert missed.record.key == key


@run_async
async def test_a_function_that_the_connection_finds_after_a_new_owner_is_followed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def charge(what: str) -> str:
        """Charge for something."""
        begun.set()
        await gate.wait()
        return what

    async def done(*_: Any, **__: Any) -> bool:
        return True

    sent: list[Any] = []

    async def send(*event: Any) -> None:
        sent.extend(event or ["response"])

    async def look(*_: Any) -> bool:
        return False

    monkeypatch.setattr(Functions, "_look", look)
    call: Any = SimpleNamespace(id="rtc_1", epoch=3, _own_write=lambda write: write(), _confirm=done)
    store: Any = SimpleNamespace(begin_function=done, finish_function=done)
    connection: Any = SimpleNamespace(create_item=send, create_response=send)
    taxi = FunctionRecord(id="call_1", key="call_1", name="charge", arguments='{"what": "taxi"}')
    functions = Functions(Toolbox([charge]), call, store, [taxi])
    resuming = asyncio.create_task(functions._resume(connection))
    await begun.wait()
    context: ToolContext[Any] = ToolContext(connection, "call_1", None)
    answering = asyncio.create_task(functions.arun("charge", taxi.arguments, context=context))
    await asyncio.sleep(0)
    gate.set()
    await resuming
    result = await answering
    assert (result.output, result.silent) == ('"taxi"', True)
    assert sent == [{"type": "function_call_output", "call_id": "call_1", "output": '"taxi"'}, "response"]


@run_async
async def test_a_function_that_is_retrieved_after_the_link_was_lost_may_be_repeated() -> None:
    call: Any = SimpleNamespace(id="rtc_1")
    store: Any = None
    functions = Functions(Toolbox(), call, store, [])
    taxi = {"id": "item_1", "type": "function_call", "name": "charge", "arguments": '{"what": "taxi"}'}

    def observe(kind: str, call_id: str, **fields: Any) -> None:
        item = {**taxi, "call_id": call_id, "status": "completed"}
        event = {"type": kind, "event_id": "event_1", "item": item, **fields}
        functions.observe("in", parse_event(event), 0)

    functions._begun("resp_1")
    observe("response.output_item.added", "call_1", response_id="resp_1", output_index=0)
    functions._begun("resp_2")
    observe("conversation.item.retrieved", "call_1")
    observe("response.output_item.done", "call_2", response_id="resp_2", output_index=0)
    await functions.flush()
    records = [one.record for one in functions._functions.values()]
    assert [(record.id, record.key, record.response_id) for record in records] == [
        ("call_1", "call_1", "resp_1"),
        ("call_2", "call_1", "resp_2"),
    ]
