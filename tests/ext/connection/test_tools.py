"""Tools against the simulator, and tools that don't come back: nothing waits for those."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from realtime_simulator import Simulator, call_mcp, call_tool, sequence

from realtime_ext import AsyncRealtimeClient, SessionBuilder, tools
from tests.ext.connection.driver import Driven, async_only
from tests.support.rows import each
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE

TEXT = SessionBuilder("gpt-realtime").output("text")


def book_room(room: str, nights: int) -> dict[str, Any]:
    """Book a room."""
    return {"room": room, "price": 90 * nights}


def connected(runner: Runner, simulator: Simulator, session: Any) -> Any:
    client = runner.client(base_url=simulator.base_url, api_key=simulator.api_key)
    return Driven(client.connect(session=session), runner)


@pytest.fixture
def hanging() -> Iterator[tuple[Callable[[], str], list[str], threading.Event]]:
    """A tool that comes back only when the test is over, what it has finished, and whether it has begun."""
    release, begun = threading.Event(), threading.Event()
    finished: list[str] = []

    def hang() -> str:
        """Hang."""
        begun.set()
        release.wait()
        finished.append("hang")
        return "late"

    yield hang, finished, begun
    release.set()
    for thread in threading.enumerate():
        if thread.name == "realtime_ext tool hang":
            thread.join()


@async_only
def test_calls_of_the_simulator_are_answered_and_followed_to_the_message(runner: Runner) -> None:
    toolbox = tools.Toolbox([book_room])
    with (
        Simulator(pacing="none") as simulator,
        connected(runner, simulator, TEXT.tools(toolbox)) as connection,
    ):
        simulator.on_response(
            sequence(
                call_tool("book_room", {"room": "Elm", "nights": "many"}),
                call_tool("book_room", {"room": "Elm", "nights": 3}),
                "Elm is yours.",
            )
        )
        connection.run_tools(toolbox)
        turn = connection.ask("Book Elm.")
        assert turn.text == "Elm is yours."
        assert len(turn.response_ids) == 3
        assert "invalid_argument" in turn.tool_calls[0].output
        assert turn.tool_calls[1].output == '{"room":"Elm","price":270}'
        kinds = [item.type for item in connection.replay_items()]
        assert kinds == ["message", *["function_call", "function_call_output"] * 2, "message"]
        assert connection.usage.entries[0].amount.count == 3


@async_only
@each("is_approved", [True, False])
def test_mcp_calls_of_the_simulator_wait_for_approval(runner: Runner, is_approved: bool) -> None:
    session = TEXT.mcp("shop", server_url="https://shop.example/mcp", require_approval="always")
    with Simulator(pacing="none") as simulator, connected(runner, simulator, session) as connection:
        simulator.mcp_server("shop", [{"name": "buy", "input_schema": {"type": "object"}}])
        simulator.on_response(sequence(call_mcp("shop", "buy", {}, output="bought"), "Done."))
        asked: list[Any] = []

        def approve(request: Any) -> bool:
            asked.append(request.name)
            return is_approved

        connection.run_tools([], approve=approve)
        with connection.expect(
            "conversation.item.added", lambda event: event.item.type == "mcp_approval_response"
        ) as answered:
            connection.ask("Buy it.")
        assert answered.wait().item.approve is is_approved
        assert asked == ["buy"]


def test_a_tool_that_outlives_its_time_is_reported_and_not_waited_for(runner: Runner, hanging: Any) -> None:
    hang, finished, _ = hanging
    with (
        Simulator(pacing="none") as simulator,
        connected(runner, simulator, TEXT.tools([hang])) as connection,
    ):
        simulator.on_response(sequence(call_tool("hang", {}), "It hangs."))
        connection.run_tools([hang], timeout=0.1)
        turn = connection.ask("Hang.")
        assert turn.text == "It hangs."
        assert "timeout" in turn.tool_calls[0].output
    assert finished == []


def test_closing_does_not_wait_for_a_tool_without_a_limit(runner: Runner, hanging: Any) -> None:
    hang, finished, begun = hanging
    with Simulator(pacing="none") as simulator:
        with connected(runner, simulator, TEXT.tools([hang])) as connection:
            simulator.on_response(sequence(call_tool("hang", {}), "It hangs."))
            connection.run_tools([hang], timeout=None)
            connection.send_text("Hang.")
            with connection.expect("response.done") as done:
                connection.create_response()
            done.wait()
            assert begun.wait(PATIENCE)
        assert [thread.name for thread in threading.enumerate() if thread.name == "realtime_ext tools"] == []
        types = [event["type"] for event in simulator.sessions[0].received]
        assert types.count("conversation.item.create") == 1
    assert finished == []


def test_a_program_ends_although_a_tool_hangs(hanging: Any) -> None:
    hang, finished, _ = hanging

    async def main(simulator: Simulator) -> None:
        async with (
            AsyncRealtimeClient(simulator.api_key, base_url=simulator.base_url) as client,
            client.connect(session=TEXT.tools([hang])) as connection,
        ):
            connection.run_tools([hang], timeout=0.1)
            assert (await connection.ask("Hang.")).text == "It hangs."

    with Simulator(pacing="none") as simulator:
        simulator.on_response(sequence(call_tool("hang", {}), "It hangs."))
        asyncio.run(main(simulator))
    assert finished == []
