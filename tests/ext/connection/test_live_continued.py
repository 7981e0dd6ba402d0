"""Live sessions that continue in others: by a fork, or with their history; and what is lost meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from realtime_simulator import Simulator, delegate, speech

from realtime_ext import AsyncRealtimeClient, LiveSessionBuilder
from realtime_ext.connection import AsyncDelegation, Reconnect, Reconnected
from realtime_ext.connection._state.live import LiveSession, count_tokens
from realtime_ext.errors import ConnectionClosedError, RealtimeError, SessionExpired
from tests.ext.connection.clocks import hurry
from tests.ext.connection.driver import Driven, async_only
from tests.ext.connection.scripted import Peer, ScriptedServer
from tests.support.rows import each
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE

SESSION = LiveSessionBuilder("gpt-live-1").instructions("Be brief.").voice("cedar")
AGAIN = Reconnect(replay=True, first_delay=0.01)
ASKED = speech("hello there") + bytes(48_000)


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_speech(lambda heard: "Hello there." if heard.finished else None)
        simulator.on_response("Good morning.")
        yield simulator


def connect(runner: Runner, sim: Simulator, session: Any, **options: Any) -> Any:
    client = hurry(runner.client(base_url=sim.base_url, api_key=sim.api_key))
    return Driven(client.live.connect(session, **options), runner)


def cut(sim: Simulator, connection: Any, fault: str = "live_lost") -> None:
    sim.fault(fault, on="connect", after="session.input_audio.muted", times=1)
    connection.mute()


def said(connection: Any) -> list[tuple[str, str]]:
    return [(one.speaker, one.text) for one in connection.transcript]


def talk(connection: Any) -> None:
    connection.send_audio(ASKED)
    while ("assistant", "Good morning.") not in said(connection):
        connection.wait_for("session.output_transcript.delta")


def items(sim: Simulator, session_id: str) -> list[tuple[str, str]]:
    return [
        (item["role"], " ".join(part.get("text") or part.get("transcript") or "" for part in item["content"]))
        for item in sim.session(session_id).items
        if item.get("type") == "message"
    ]


@pytest.mark.slow
@async_only
@each("unmuted", [False, True])
@each("stored", [True, False])
def test_a_muted_session_stays_muted(runner: Runner, sim: Simulator, stored: bool, unmuted: bool) -> None:
    with connect(runner, sim, SESSION.store(stored), reconnect=AGAIN) as connection:
        connection.mute()
        connection.wait_for("session.input_audio.muted")
        if unmuted:
            connection.unmute()
            connection.wait_for("session.input_audio.unmuted")
        sim.fault("live_lost", on="connect", after="session.commentary.appended", times=1)
        connection.say("One moment.")
        connection.wait_for(Reconnected, timeout=PATIENCE)
        connection.say("Still here.")
        received = [event["type"] for event in sim.session(connection.session_id).received]
        assert ("session.input_audio.mute" in received) is not unmuted


@async_only
def test_a_request_that_is_lost_with_its_link_says_that_the_connection_continues(
    runner: Runner, sim: Simulator
) -> None:
    with connect(runner, sim, SESSION, reconnect=AGAIN) as connection:
        for _ in range(5):
            sim.fault("live_injection", times=1)
            sim.fault("live_lost", on="connect", after="session.output_audio.delta", times=1)
            with pytest.raises(ConnectionClosedError, match="1011") as lost:
                connection.say("Hello.")
            connection.wait_for(Reconnected, timeout=PATIENCE)
            assert not connection.is_closed
            if "not sent" not in str(lost.value):  # on a busy machine the link may be lost before
                break
        assert "the connection reconnects: send it again" in str(lost.value)


@pytest.mark.slow
@each("stored", [True, False], ids=["by a fork", "by its history"])
def test_a_lost_session_continues_in_another(runner: Runner, sim: Simulator, stored: bool) -> None:
    session = SESSION.store() if stored else SESSION.history([("user", "I am in room 12.")])
    with connect(runner, sim, session, reconnect=AGAIN) as connection:
        first = connection.session_id
        talk(connection)
        before = said(connection)
        cut(sim, connection)
        event = connection.wait_for(Reconnected, timeout=PATIENCE)
        second = connection.session_id
        assert event.session_id == second != first
        assert event.replayed == (0 if stored else 3)
        assert (event.attempts, event.lost, event.unfinished) == (1, (), ())
        connection.say("Still here.")
        while not said(connection)[-1][1].endswith("here."):
            connection.wait_for("session.output_transcript.delta")
        assert said(connection)[: len(before)] == before
        places = [one.start_ms for one in connection.transcript]
        assert places == sorted(places)
        seconds = connection.close().usage.seconds
    config = sim.session(second).config
    assert (config["instructions"], config["audio"]["output"]["voice"]) == ("Be brief.", "cedar")
    kept = items(sim, second)  # of a fork, the words that were being spoken when the link was lost may lack
    assert ("user", "Hello there.") in kept
    if not stored:
        assert kept[:3] == [("user", "I am in room 12."), *before[:2]]
    [closed] = [one for one in sim.session(second).sent if one["type"] == "session.closed"]
    assert seconds >= closed["usage"]["seconds"]


@async_only
def test_a_session_that_cannot_be_forked_continues_with_its_history(runner: Runner) -> None:
    view = {"id": "live_1", "model": "gpt-live-1", "store": True, "expires_at": 1_900_000_000, "input": []}
    at = {"start_ms": 0, "end_ms": 200}

    def first(peer: Peer) -> None:
        peer.expect("session.start")
        peer.send("session.started", session=view)
        peer.send("session.input_transcript.delta", delta="Hello.", **at)
        peer.expect("session.input_audio.mute")
        peer.close(1011)

    def second(peer: Peer) -> None:
        start = peer.expect("session.start")["session"]
        assert (start["store"], start["input"][0]["content"][0]["text"]) == (True, "Hello.")
        peer.send("session.started", session={**view, "id": "live_2"})
        peer.expect("session.close")
        peer.send("session.closed", reason="close_requested", session=view, usage={"seconds": 1.0})
        peer.close()

    with ScriptedServer(first, second) as server:
        client = hurry(runner.client(base_url=server.base_url))
        with Driven(client.live.connect(SESSION, reconnect=AGAIN, idle_audio=False), runner) as connection:
            connection.wait_for("session.input_transcript.delta")
            server.refuse(*[(404, "no such session", {})] * 4)
            connection.mute()
            event = connection.wait_for(Reconnected, timeout=PATIENCE)
            assert (event.session_id, event.replayed) == ("live_2", 1)
            paths = [request.path for request in server.requests]
        assert paths == [
            "/v1/live/sessions",
            *["/v1/live/sessions/live_1/fork"] * 4,
            "/v1/live/sessions",
        ]


@pytest.mark.slow
@async_only
@each("stored", [True, False])
def test_the_way_to_continue_is_chosen_by_name(runner: Runner, sim: Simulator, stored: bool) -> None:
    for way, by_fork in (("fork", stored), ("history", False), (Reconnect(replay="history"), False)):
        with connect(runner, sim, SESSION.store(stored), reconnect=way) as connection:
            talk(connection)
            cut(sim, connection)
            event = connection.wait_for(Reconnected, timeout=PATIENCE)
            assert (event.replayed == 0) is by_fork
            assert ("user", "Hello there.") in items(sim, connection.session_id)


@async_only
def test_other_ways_to_continue_are_refused(runner: Runner, sim: Simulator) -> None:
    with pytest.raises(ValueError, match="reconnect: expected 'fork', 'history', a Reconnect or None"):
        connect(runner, sim, SESSION, reconnect="replay")
    with pytest.raises(ValueError, match="replay: expected a bool, 'fork' or 'history', got 'never'"):
        Reconnect(replay="never")  # type: ignore[arg-type]


@async_only
def test_a_session_that_expires_continues_if_it_is_told_to(runner: Runner, sim: Simulator) -> None:
    with connect(runner, sim, SESSION.store(), reconnect=AGAIN) as connection:
        talk(connection)
        cut(sim, connection, "session_expired")
        assert connection.wait_for("session.closed").reason == "expired"
        connection.wait_for(Reconnected, timeout=PATIENCE)
        connection.think("It rains.")


@async_only
def test_without_that_a_session_ends_with_its_link(runner: Runner, sim: Simulator) -> None:
    with connect(runner, sim, SESSION) as connection:
        cut(sim, connection)
        with pytest.raises(ConnectionClosedError, match="1011"):
            list(connection)
    with connect(runner, sim, SESSION) as connection:
        cut(sim, connection, "session_expired")
        with pytest.raises(SessionExpired):
            list(connection)
    with pytest.raises(ValueError, match="reconnect: a model's session ends with its link"):
        connect(runner, sim, SESSION, reconnect=Reconnect())


def test_lost_events_are_named(sim: Simulator) -> None:
    sim.on_response(["Let me see.", delegate()], times=1)
    sim.fault("live_injection")

    async def main() -> None:
        tasks: list[AsyncDelegation] = []
        failed = asyncio.Event()
        async with (
            hurry(AsyncRealtimeClient(base_url=sim.base_url, api_key=sim.api_key)) as client,
            client.live.connect(SESSION, reconnect=AGAIN, idle_audio=False) as connection,
        ):

            async def work(task: AsyncDelegation) -> None:
                tasks.append(task)
                await connection.wait_for(Reconnected, timeout=PATIENCE)
                with pytest.raises(RealtimeError, match="its session was lost"):
                    await task.say("Too late.")
                failed.set()

            connection.delegate(work)
            await connection.send_audio(ASKED)
            while not tasks:
                await asyncio.sleep(0.001)
            saying = asyncio.create_task(connection.say("Hello."))
            append = None
            while append is None:
                await asyncio.sleep(0.001)
                received = sim.session(connection.session_id).received
                append = next((e for e in received if e["type"] == "session.commentary.append"), None)
            sim.fault("live_lost", on="connect", after="session.input_audio.muted", times=1)
            await connection.mute()
            event = await connection.wait_for(Reconnected, timeout=PATIENCE)
            assert set(event.lost) == {append["event_id"], tasks[0].id}
            with pytest.raises(ConnectionClosedError):
                await saying
            await failed.wait()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_a_history_is_as_long_as_the_api_accepts() -> None:
    session = LiveSession()
    for number in range(300):
        at = {"start_ms": number * 2000, "end_ms": number * 2000 + 200}
        kind = "input" if number % 2 else "output"
        session.apply({"type": f"session.{kind}_transcript.delta", "delta": f"Line {number}.", **at})
    found = session.history([{"role": "user", "content": [{"type": "input_text", "text": "first"}]}])
    assert len(found) == 128
    assert found[-1] == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Line 299."}],
    }
    long = LiveSession()
    for number in range(4):
        at = {"start_ms": number * 2000, "end_ms": number * 2000 + 200}
        long.apply({"type": "session.output_transcript.delta", "delta": "word " * 2500, **at})
    assert len(long.history([])) == 8192 // count_tokens("word " * 2500)
