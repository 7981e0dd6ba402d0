"""Work that a Live model delegates to the program, at the simulator."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from realtime_simulator import Simulator, delegate, speech

from realtime_ext import AsyncRealtimeClient, RealtimeClient
from realtime_ext.connection import AsyncDelegation, Delegation, LiveConnection, Reconnect, Utterance
from realtime_ext.connection._state.tasks import Task
from realtime_ext.errors import RealtimeError
from tests.ext.connection.clocks import hurry
from tests.ext.connection.scripted import Peer, ScriptedServer
from tests.support.waiting import PATIENCE

SESSION = {"model": "gpt-live-1"}
BACKEND = {"type": "responses", "responses": {"model": "gpt-5.6-sol"}}
WORDS = "Is the room free on Sunday?"
ASKED = speech(WORDS) + bytes(48_000)


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_speech(lambda heard: WORDS if heard.finished else None)
        simulator.on_response(["Let me see.", delegate()], times=1)
        yield simulator


@pytest.fixture
def client(sim: Simulator) -> Iterator[RealtimeClient]:
    with hurry(RealtimeClient(base_url=sim.base_url, api_key=sim.api_key)) as client:
        yield client


def ask(connection: LiveConnection) -> None:
    connection.send_audio(ASKED)


def spoken(connection: LiveConnection, words: str) -> str:
    """Wait until the model has said some words, and return all that it said."""
    while words not in (
        said := " ".join(one.text for one in connection.transcript if one.speaker == "assistant")
    ):
        connection.wait_for("session.output_transcript.delta")
    return said


def appends(sim: Simulator, connection: LiveConnection, delegation: str) -> list[tuple[str, str]]:
    received = sim.session(connection.session_id).received
    return [
        (event["type"].split(".")[1], event["content"])
        for event in received
        if event.get("delegation_id") == delegation
    ]


def test_a_task_is_worked_on_in_a_thread(sim: Simulator, client: RealtimeClient) -> None:
    tasks: list[Delegation] = []
    with client.live.connect(SESSION) as connection:

        @connection.delegate
        def work(task: Delegation) -> None:
            assert threading.current_thread() is not threading.main_thread()
            tasks.append(task)
            assert WORDS.startswith(task.words)
            assert WORDS.startswith(task.pending_transcript)
            assert WORDS.startswith(task.finished())
            task.think("The room is free.")
            task.say("Yes, it is free.")

        ask(connection)
        assert "Yes, it is free." in spoken(connection, "free.")
        assert repr(tasks[0]) == f"<Delegation {tasks[0].id}>"
        assert appends(sim, connection, tasks[0].id) == [
            ("thinking", "The room is free."),
            ("commentary", "Yes, it is free."),
        ]


def test_the_async_client_does_the_same_and_says_what_the_handler_returns(sim: Simulator) -> None:
    async def main() -> None:
        tasks: list[AsyncDelegation] = []
        async with (
            hurry(AsyncRealtimeClient(base_url=sim.base_url, api_key=sim.api_key)) as client,
            client.live.connect(SESSION) as connection,
        ):

            async def work(task: AsyncDelegation) -> str:
                tasks.append(task)
                await task.finished()
                await task.think("The room is free.")
                return "It is free."

            connection.delegate(work)
            await connection.send_audio(ASKED)
            while "It is free." not in " ".join(one.text for one in connection.transcript):
                await connection.wait_for("session.output_transcript.delta")
            assert appends(sim, connection, tasks[0].id) == [
                ("thinking", "The room is free."),
                ("commentary", "It is free."),
            ]  # type: ignore[arg-type]

    asyncio.run(main())


def test_a_task_is_finished_once_the_user_has_been_quiet_for_a_second() -> None:
    class Session:
        """A connection's I/O whose user says a further word after each of some pauses."""

        state = SimpleNamespace(close_info=None)
        slept = 0.0
        pauses = (0.25, 0.875, 0.5)

        async def sleep(self, seconds: float) -> None:
            self.slept += seconds
            if len(task.pieces) <= 3 and self.slept >= sum(self.pauses[: len(task.pieces)]):
                task.pieces.append(piece)

    piece = Utterance(speaker="user", text=" word", start_ms=0, end_ms=200)
    task = Task("item_1", [piece])
    session: Any = Session()
    assert asyncio.run(AsyncDelegation(session, task).finished()) == "word word word word"
    assert session.slept == 1.625 + 1.0


def test_a_task_that_came_before_its_handler_is_kept(client: RealtimeClient) -> None:
    with client.live.connect(SESSION) as connection:
        ask(connection)
        connection.wait_for("session.delegation.created")
        connection.delegate(lambda task: "Found it.")
        spoken(connection, "Found it.")


def test_a_task_is_worked_on_once_over_all_connections(sim: Simulator, client: RealtimeClient) -> None:
    calls: list[str] = []

    def work(task: Delegation) -> str:
        calls.append(task.id)
        return "Found it."

    with client.live.connect(SESSION) as connection, client.live.attach(connection.session_id) as sideband:
        connection.delegate(work)
        sideband.delegate(work)
        ask(connection)
        spoken(connection, "Found it.")
        sideband.say("Goodbye.")  # behind all that was in its way
    assert len(calls) == 1


@pytest.mark.slow
def test_the_model_is_told_of_a_handler_that_fails(
    sim: Simulator, client: RealtimeClient, caplog: pytest.LogCaptureFixture
) -> None:
    with client.live.connect(SESSION) as connection:

        @connection.delegate
        def work(task: Delegation) -> None:
            raise RuntimeError("of mine")

        ask(connection)
        spoken(connection, "The task failed")
    assert "the handler of a delegation raised RuntimeError" in caplog.text


@pytest.mark.parametrize("text", [None, "I could not finish that."])
def test_a_task_that_takes_too_long_is_cancelled_and_the_model_told(
    sim: Simulator, caplog: pytest.LogCaptureFixture, text: str | None
) -> None:
    async def main() -> None:
        cancelled = asyncio.Event()
        async with (
            hurry(AsyncRealtimeClient(base_url=sim.base_url, api_key=sim.api_key)) as client,
            client.live.connect(SESSION) as connection,
        ):

            @connection.delegate(timeout=0.01, on_timeout=text)
            async def work(task: AsyncDelegation) -> str:
                try:
                    await asyncio.Event().wait()
                finally:
                    cancelled.set()
                return "Found it."

            await connection.send_audio(ASKED)
            await cancelled.wait()
            said = text or "The task took too long"
            while said not in " ".join(one.text for one in connection.transcript):
                await connection.wait_for("session.output_transcript.delta")

    asyncio.run(main())
    assert "took longer than 0.01 s" in caplog.text


def test_a_handler_in_a_thread_has_a_time_limit_too(sim: Simulator, client: RealtimeClient) -> None:
    is_over = threading.Event()
    with client.live.connect(SESSION) as connection:

        @connection.delegate(timeout=0.01, on_timeout="I gave up.")
        def work(task: Delegation) -> str:
            is_over.wait(PATIENCE)
            return "Found it."

        ask(connection)
        spoken(connection, "I gave up.")
        is_over.set()


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.slow
def test_tasks_are_worked_on_together_unless_that_is_switched_off(sim: Simulator, parallel: bool) -> None:
    async def main() -> None:
        begun: list[str] = []
        first_ends = asyncio.Event()
        async with (
            hurry(AsyncRealtimeClient(base_url=sim.base_url, api_key=sim.api_key)) as client,
            client.live.connect(SESSION) as connection,
        ):

            @connection.delegate(parallel=parallel)
            async def work(task: AsyncDelegation) -> str:
                begun.append(task.id)
                if len(begun) == 1:
                    await first_ends.wait()
                return f"Number {len(begun)} is done."

            for _ in range(2):
                sim.on_response(["Let me see.", delegate()], times=1)
                with connection.expect("session.delegation.created") as created:
                    await connection.send_audio(ASKED)
                await created
            await connection.say("Both are under way.")  # behind both delegations
            assert len(begun) == (2 if parallel else 1)
            first_ends.set()
            while "Number 2 is done." not in " ".join(one.text for one in connection.transcript):
                await connection.wait_for("session.output_transcript.delta")

    asyncio.run(main())


def test_closing_ends_a_handler(sim: Simulator) -> None:
    async def main() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()
        async with hurry(AsyncRealtimeClient(base_url=sim.base_url, api_key=sim.api_key)) as client:
            async with client.live.connect(SESSION) as connection:

                async def work(task: AsyncDelegation) -> None:
                    begun.set()
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.Event().wait()
                    ended.set()

                connection.delegate(work)
                await connection.send_audio(ASKED)
                await begun.wait()
            await ended.wait()

    asyncio.run(main())


def test_a_result_other_than_text_is_reported(
    sim: Simulator, client: RealtimeClient, caplog: pytest.LogCaptureFixture
) -> None:
    with client.live.connect(SESSION) as connection:
        connection.delegate(lambda task: {"free": True})
        ask(connection)
        sim.wait_for(lambda: "returned a dict, which is ignored; return text" in caplog.text)


def test_wrong_handlers_are_refused(client: RealtimeClient) -> None:
    async def slow(task: Delegation) -> None: ...

    with client.live.connect(SESSION) as connection:
        for wrong in (7, slow, lambda: None, lambda words, task: None):
            with pytest.raises(TypeError, match="handler"):
                connection.delegate(wrong)  # type: ignore[type-var]
        for options, message in (
            ({"timeout": -1}, "timeout"),
            ({"timeout": 1, "on_timeout": " "}, "on_timeout: expected words"),
            ({"on_timeout": "Too late."}, "on_timeout: it has no effect without timeout"),
        ):
            with pytest.raises(ValueError, match=message):
                connection.delegate(lambda task: None, **options)  # type: ignore[call-overload]
        connection.delegate(lambda task: None)
        with pytest.raises(RealtimeError, match="there is already a handler"):
            connection.delegate(lambda task: None)
    session: Any = {**SESSION, "delegation": BACKEND}
    with (
        client.live.connect(session) as connection,
        pytest.raises(RealtimeError, match="this session delegates to responses, not to the program"),
    ):
        connection.delegate(lambda task: None)


AT = {"start_ms": 0, "end_ms": 200}


def tasked(peer: Peer) -> dict[str, Any]:
    """Delegate a task to the program, and return the event in which it says something of it."""
    peer.send("session.started", event_id="e1", session={"id": "live_1", "model": "gpt-live-1"})
    task = {"id": "item_1", "type": "delegation", "target": "client"}
    peer.send("session.delegation.created", event_id="e2", offset_ms=200, delegation=task)
    return peer.expect("session.commentary.append")


def test_a_result_that_is_lost_with_a_sidebands_link_is_said_again() -> None:
    said: list[str] = []

    def first(peer: Peer) -> None:
        said.append(tasked(peer)["content"])
        peer.close(1011)

    def second(peer: Peer) -> None:
        event = peer.expect("session.commentary.append")
        said.append(event["content"])
        peer.send("session.commentary.appended", client_event_id=event["event_id"], **AT)
        peer.until_closed()

    async def main(server: ScriptedServer) -> None:
        async with (
            AsyncRealtimeClient("sk-x", base_url=server.base_url) as client,
            client.live.attach("live_1", reconnect=Reconnect(first_delay=0)) as connection,
        ):
            connection.delegate(lambda task: "The room is booked.")
            await connection.wait_for("session.commentary.appended", timeout=PATIENCE)

    with ScriptedServer(first, second) as server:
        asyncio.run(main(server))
    assert said == ["The room is booked."] * 2


def test_a_result_that_is_refused_is_not_called_a_failure_of_the_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said: list[str] = []

    def script(peer: Peer) -> None:
        event = tasked(peer)
        said.append(event["content"])
        error = {"type": "invalid_request_error", "code": "invalid_value", "message": "Not now."}
        peer.send("error", error={**error, "client_event_id": event["event_id"]})
        said.append(peer.recv()["type"])
        peer.until_closed()

    async def main(server: ScriptedServer) -> None:
        async with (
            AsyncRealtimeClient("sk-x", base_url=server.base_url) as client,
            client.live.attach("live_1") as connection,
        ):
            connection.delegate(lambda task: "The room is booked.")
            await connection.wait_for("error", timeout=PATIENCE)
            while "could not be said" not in caplog.text:
                await asyncio.sleep(0.001)
            await connection.send({"type": "session.input_audio.mute"})

    with ScriptedServer(script) as server:
        asyncio.run(main(server))
    assert said == ["The room is booked.", "session.input_audio.mute"]


def test_a_task_is_not_worked_on_again_by_the_next_sideband(sim: Simulator, client: RealtimeClient) -> None:
    begun: list[str] = []
    sim.on_response([delegate()], times=1)
    with client.live.connect(SESSION) as connection:
        with client.live.attach(connection.session_id) as sideband:
            sideband.delegate(lambda task: begun.append(task.id))
            connection.send_audio(ASKED)
            sideband.wait_for("session.delegation.created")
            while not begun:
                sideband.wait_for("session.usage.updated")
        for _ in range(5):
            with client.live.attach(connection.session_id) as sideband:
                sideband.delegate(lambda task: begun.append(task.id))
                sideband.wait_for("session.delegation.created")
                connection.mute()
                sideband.wait_for("session.input_audio.muted")
    assert len(begun) == 1
