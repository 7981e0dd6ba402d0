"""Tools that the backend of a Live session calls, at the simulator."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from realtime_simulator import Simulator, call_mcp, call_tool, sequence, speech

from realtime_ext import AsyncRealtimeClient, LiveSessionBuilder, RealtimeClient
from realtime_ext.connection import LiveConnection, Reconnect
from realtime_ext.errors import RealtimeError, SessionConfigWarning
from realtime_ext.tools import ToolContext
from tests.ext.connection.clocks import hurry
from tests.ext.connection.driver import Driven, async_only
from tests.ext.connection.scripted import Peer, ScriptedServer
from tests.support.rows import each
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE

SESSION = LiveSessionBuilder("gpt-live-1").delegate_to("gpt-5.6-sol")
WORDS = "What will the weather be?"
ASKED = speech(WORDS) + bytes(48_000)


def forecast(city: str) -> str:
    """Return the weather of a city."""
    return f"It is mild in {city}."


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_speech(lambda heard: WORDS if heard.finished else None)
        simulator.on_response(["Let me see.", call_tool("forecast", {"city": "Ghent"})], times=1)
        yield simulator


@pytest.fixture
def client(sim: Simulator) -> Iterator[RealtimeClient]:
    with hurry(RealtimeClient(base_url=sim.base_url, api_key=sim.api_key)) as client:
        yield client


def spoken(connection: LiveConnection, words: str) -> None:
    """Wait until the model has said some words."""
    while words not in " ".join(one.text for one in connection.transcript):
        connection.wait_for("session.output_transcript.delta")


def outputs(sim: Simulator, session_id: str) -> list[str]:
    received = sim.session(session_id).received
    return [event["item"]["output"] for event in received if event["type"] == "response.item.create"]


@pytest.mark.slow
def test_a_tool_is_declared_run_and_spoken_about(sim: Simulator, client: RealtimeClient) -> None:
    calls: list[Any] = []

    def forecast(city: str, context: ToolContext) -> str:
        """Return the weather of a city."""
        assert threading.current_thread() is not threading.main_thread()
        calls.append(context)
        return f"It is mild in {city}."

    with client.live.connect(SESSION, tools=[forecast]) as connection:
        started: Any = connection.recv()
        assert [tool.name for tool in started.session.delegation.responses.tools] == ["forecast"]
        connection.send_audio(ASKED)
        spoken(connection, "mild in Ghent")
        types = [event["type"] for event in sim.session(connection.session_id).received]
        assert types.count("response.create") == 1
        assert calls[0].connection is connection
        sim.wait_for(lambda: connection.usage.input_tokens > 0)
    assert len(calls) == 1


@pytest.mark.slow
def test_the_async_client_does_the_same(sim: Simulator) -> None:
    async def forecast(city: str) -> str:
        """Return the weather of a city."""
        await asyncio.sleep(0)
        return f"It is mild in {city}."

    async def main() -> None:
        async with (
            hurry(AsyncRealtimeClient(base_url=sim.base_url, api_key=sim.api_key)) as client,
            client.live.connect(SESSION, tools=[forecast]) as connection,
        ):
            await connection.send_audio(ASKED)
            while "mild in Ghent" not in " ".join(one.text for one in connection.transcript):
                await connection.wait_for("session.output_transcript.delta")

    asyncio.run(main())


@pytest.mark.slow
def test_all_outputs_come_before_one_request(sim: Simulator, client: RealtimeClient) -> None:
    cities = ["Ghent", "Mons", "Liège"]
    sim.on_response([call_tool("forecast", {"city": city}) for city in cities], times=1)
    with client.live.connect(SESSION, tools=[forecast]) as connection:
        connection.send_audio(ASKED)
        spoken(connection, "mild in")
        types = [event["type"] for event in sim.session(connection.session_id).received]
        own = [one for one in types if one.startswith("response.")]
        assert own == ["response.item.create"] * 3 + ["response.create"]
        assert len(outputs(sim, connection.session_id)) == 3


@pytest.mark.slow
@each(
    "require, approves, spoken_at_last",
    [("never", True, "mild"), ("always", True, "mild"), ("always", False, "sorry")],
)
def test_a_tool_of_an_mcp_server_is_called_if_it_is_approved(
    client: RealtimeClient, sim: Simulator, require: Any, approves: bool, spoken_at_last: str
) -> None:
    asked: list[tuple[str, str]] = []

    def approve(request: Any) -> bool:
        asked.append((request.name, request.arguments))
        return approves

    def answer(turn: Any) -> Any:
        called = [item["output"] for item in turn.items if item["type"] == "mcp_call"]
        return f"It is {called[-1]}." if called else "I am sorry."

    asks = call_mcp("weather", "forecast", {"city": "Ghent"}, output="mild")
    sim.on_response(sequence(asks, answer))
    session = SESSION.mcp("weather", server_url="https://weather.example/mcp", require_approval=require)
    with client.live.connect(session) as connection:
        connection.run_tools([], approve=approve)
        connection.send_audio(ASKED)
        spoken(connection, spoken_at_last)
        sent = sim.session(connection.session_id).sent
    events = [event["event"] for event in sent if event["type"] == "response.event"]
    assert asked == ([("forecast", '{"city": "Ghent"}')] if require == "always" else [])
    calls = [one["item"] for one in events if one["type"] == "response.output_item.done"]
    done = [item for item in calls if item["type"] == "mcp_call"]
    assert [(item["output"], item["error"]) for item in done] == ([("mild", None)] if approves else [])
    assert len({event["response"]["id"] for event in events if "response" in event}) == (
        1 if require == "never" else 2
    )


def test_errors_are_outputs(sim: Simulator, client: RealtimeClient) -> None:
    def forecast(city: str) -> str:
        """Return the weather of a city."""
        raise LookupError("no such city")

    with client.live.connect(SESSION, tools=[forecast]) as connection:
        connection.send_audio(ASKED)
        sim.wait_for(lambda: outputs(sim, connection.session_id))
        (output,) = outputs(sim, connection.session_id)
    assert json.loads(output)["error"]["type"] == "tool_failed"


@pytest.mark.slow
def test_two_connections_run_a_call_once(sim: Simulator, client: RealtimeClient) -> None:
    with (
        client.live.connect(SESSION, tools=[forecast]) as connection,
        client.live.attach(connection.session_id, tools=[forecast]) as sideband,
    ):
        connection.send_audio(ASKED)
        spoken(connection, "mild in Ghent")
        sideband.say("Goodbye.")
        assert len(outputs(sim, connection.session_id)) == 1


@pytest.mark.slow
def test_a_sideband_declares_its_tools_and_runs_them(sim: Simulator, client: RealtimeClient) -> None:
    with (
        client.live.connect(SESSION) as connection,
        client.live.attach(connection.session_id, tools=[forecast]),
    ):
        connection.send_audio(ASKED)
        spoken(connection, "mild in Ghent")


@pytest.mark.slow
def test_a_fork_has_the_tools_that_it_is_given(client: RealtimeClient) -> None:
    with client.live.connect(SESSION.store()) as connection:
        pass
    with client.live.fork(connection.session_id, tools=[forecast]) as fork:
        fork.send_audio(ASKED)
        spoken(fork, "mild in Ghent")


def test_a_backend_that_only_calls_is_stopped(sim: Simulator, client: RealtimeClient) -> None:
    sim.on_response(lambda turn: call_tool("forecast", {"city": "Ghent"}))
    with client.live.connect(SESSION.delegate_to("gpt-5.6-sol", tools=[forecast])) as connection:
        connection.run_tools([forecast], max_rounds=2)
        connection.send_audio(ASKED)
        for _ in range(4):
            connection.wait_for("response.event", lambda event: event.event.type == "response.completed")
        connection.say("Goodbye.")
        *run, refused, last = outputs(sim, connection.session_id)
        assert run == ['"It is mild in Ghent."'] * 2
        assert [json.loads(one)["error"]["type"] for one in (refused, last)] == ["too_many_calls"] * 2
        sim.on_response("It is sunny.")
        connection.send_audio(ASKED)  # a later request is not blocked by calls without an output
        spoken(connection, "sunny")


@each("choice", ["required", forecast])
def test_a_choice_that_calls_without_end_is_warned_of(client: RealtimeClient, choice: Any) -> None:
    session = SESSION.delegate_to("gpt-5.6-sol", tools=[forecast], tool_choice=choice)
    with (
        pytest.warns(SessionConfigWarning, match=r"tool_choice: .* applies to every response"),
        client.live.connect(session, tools=[forecast]),
    ):
        pass


def test_tools_that_are_not_declared_are_warned_of(client: RealtimeClient) -> None:
    with (
        client.live.connect(SESSION) as connection,
        pytest.warns(SessionConfigWarning, match="tools forecast: the model does not know them"),
    ):
        connection.run_tools([forecast])


def test_the_backend_is_changed_while_it_runs(sim: Simulator, client: RealtimeClient) -> None:
    with client.live.connect(SESSION, tools=[forecast]) as connection:
        connection.update_session(LiveSessionBuilder().delegate_to(instructions="In Dutch."))
        updated: Any = connection.wait_for("session.updated")
        assert updated.session.delegation.responses.instructions == "In Dutch."
        assert [tool.name for tool in updated.session.delegation.responses.tools] == ["forecast"]


def test_wrong_tools_are_refused(client: RealtimeClient) -> None:
    plain: Any = {"model": "gpt-live-1"}
    for wrong in (plain, LiveSessionBuilder("gpt-live-1").delegate_to_client()):
        with pytest.raises(ValueError, match="tools: expected a session that delegates to a model"):
            client.live.connect(wrong, tools=[forecast])
    for session, tools, message in (
        (plain, None, "run_tools: this session delegates to client"),
        (SESSION, [forecast], "tools are registered already"),
    ):
        with (
            client.live.connect(session, tools=tools) as connection,
            pytest.raises(RealtimeError, match=message),
        ):
            connection.run_tools([forecast])
    with client.live.connect(SESSION) as connection:
        for rounds, error in ((0, ValueError), (True, TypeError)):
            with pytest.raises(error, match="max_rounds"):
                connection.run_tools([forecast], max_rounds=rounds)
        with pytest.raises(ValueError, match="timeout"):
            connection.run_tools([forecast], timeout=-1)


@async_only
def test_a_function_that_is_called_before_the_tools_are_acknowledged_is_run(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        def backend(kind: str, **fields: Any) -> None:
            event = {"type": kind, "sequence_number": 0, **fields}
            peer.send("response.event", delegation_id="item_1", event=event)

        update = peer.expect("session.update")
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed"}
        item |= {"name": "forecast", "arguments": '{"city": "Ghent"}'}
        backend("response.created", response={"id": "resp_1"})
        backend("response.output_item.done", output_index=0, item=item)
        backend("response.completed", response={"id": "resp_1"})
        peer.send("session.updated", session={"id": "live_1", "model": "gpt-live-1", **update["session"]})
        peer.expect("response.create")
        peer.send("session.input_audio.muted")
        peer.until_closed()

    with ScriptedServer(script) as server:
        client = runner.client(base_url=server.base_url)
        with Driven(client.live.attach("live_1", tools=[forecast]), runner) as connection:
            connection.wait_for("session.input_audio.muted", timeout=PATIENCE)
            [output] = server.of("response.item.create")
            assert output["item"] == {
                "type": "function_call_output",
                "call_id": "call_1",
                "output": '"It is mild in Ghent."',
            }


@async_only
def test_outputs_that_were_lost_with_a_sidebands_link_are_sent_again(runner: Runner) -> None:
    seen: list[str] = []
    ids = map("event_{}".format, count(100))  # of one session, over both links

    def tell(peer: Peer, kind: str, **fields: Any) -> None:
        event = {"type": f"response.{kind}", **fields}
        peer.send("response.event", event_id=next(ids), delegation_id="item_1", event=event)

    def first(peer: Peer) -> None:
        item = {"type": "function_call", "call_id": "call_1", "name": "forecast", "status": "completed"}
        tell(peer, "created", response={"id": "resp_1"})
        tell(peer, "output_item.done", item={**item, "arguments": '{"city": "Ghent"}'})
        tell(peer, "completed", response={"id": "resp_1"})
        peer.expect("response.create")  # as if neither this nor the output had arrived
        peer.abort()

    def second(peer: Peer) -> None:
        event_id = peer.expect("response.create")["event_id"]
        message = "No tool output found for function call call_1."
        error = {"type": "invalid_request_error", "code": "function_call_outputs_required"}
        error |= {"message": message, "client_event_id": event_id}
        peer.send("error", event_id=next(ids), error=error)
        seen.extend(peer.recv()["type"] for _ in range(2))
        tell(peer, "created", response={"id": "resp_2"})
        peer.until_closed()

    with ScriptedServer(first, second) as server:
        client = hurry(runner.client(base_url=server.base_url))
        with Driven(client.live.attach("live_1", reconnect=Reconnect(first_delay=0)), runner) as connection:
            connection.run_tools([forecast])
            connection.wait_for("response.event", lambda event: event.event.type == "response.completed")
            begun = connection.wait_for(
                "response.event", lambda event: event.event.type == "response.created", timeout=PATIENCE
            )
    assert begun.event.response.id == "resp_2"
    assert seen == ["response.item.create", "response.create"]
