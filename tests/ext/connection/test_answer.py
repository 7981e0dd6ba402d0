"""Answering a call: accepted, attached, confirmed, and hung up whatever happens."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest
from realtime_simulator import Simulator, call_tool, sequence

from realtime_ext import (
    APIConnectionError,
    AsyncRealtimeClient,
    NotFoundError,
    SessionBuilder,
    SessionConfigError,
)
from realtime_ext.tools import ToolContext
from tests.ext.connection.driver import Driven, async_only
from tests.ext.connection.scripted import Model, ScriptedServer
from tests.support.loopback import Loopback, answer as http_answer
from tests.support.runner import Runner

SESSION = {"type": "realtime", "model": "gpt-realtime", "instructions": "front desk"}


class Rest:
    """The REST side: notes what was asked."""

    def __init__(self, accept_status: int = 200) -> None:
        self.paths: list[str] = []
        self._status = accept_status

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1/realtime/calls/")
        self.paths.append(path)
        if path.endswith("accept"):
            if self._status == 0:
                raise httpx.ReadError("lost")
            return httpx.Response(self._status)
        return httpx.Response(200)


def answer(runner: Runner, rest: Rest, server: ScriptedServer, **options: Any) -> Any:
    client = runner.client(rest, base_url=server.base_url, max_retries=0)
    return Driven(client.answer("rtc_1", SESSION, **options), runner)


def test_a_call_is_accepted_attached_confirmed_and_hung_up(runner: Runner) -> None:
    rest = Rest()
    with ScriptedServer(Model(), refusals=((404, "", {}),)) as server:
        with answer(runner, rest, server) as connection:
            assert rest.paths == ["rtc_1/accept"]
            assert connection.call_id == "rtc_1"
            assert connection.session is not None
            assert connection.ask("Hello").status == "completed"
        assert rest.paths == ["rtc_1/accept", "rtc_1/hangup"]
        assert server.received[0] == {
            **server.received[0],
            "type": "session.update",
            "session": {"type": "realtime"},
        }


@async_only
def test_a_tool_tells_the_function_call_from_the_phone_call(runner: Runner) -> None:
    seen: list[ToolContext] = []

    def look(context: ToolContext) -> str:
        """Look."""
        seen.append(context)
        return "sk-0123456789"

    with Simulator(pacing="none") as simulator, Loopback(http_answer(200)) as receiver:
        simulator.on_response(sequence(call_tool("look", {}), "Done."))
        client = runner.client(api_key=simulator.api_key, base_url=simulator.base_url)
        call = simulator.incoming_call(to=receiver.base_url)
        session = SessionBuilder("gpt-realtime").instructions("front desk")
        with Driven(client.answer(call.id, session, tools=[look]), runner) as connection:
            turn = connection.ask("Look")
    (context,) = seen
    assert context.rtc_call_id == call.id
    (called,) = turn.tool_calls
    assert called.call_id == context.call_id != call.id
    shown = f"ToolCall(call_id='{called.call_id}', name='look', arguments='{{}}', output='\"***\"')"
    assert repr(called) == shown
    assert ToolContext().rtc_call_id is None


@async_only
def test_the_call_can_be_kept(runner: Runner) -> None:
    rest = Rest()
    with ScriptedServer(Model()) as server, answer(runner, rest, server, hangup_on_exit=False):
        pass
    assert rest.paths == ["rtc_1/accept"]


def test_a_body_that_raises_hangs_up(runner: Runner) -> None:
    rest = Rest()
    with ScriptedServer(Model()) as server, pytest.raises(ZeroDivisionError), answer(runner, rest, server):
        raise ZeroDivisionError
    assert rest.paths[-1] == "rtc_1/hangup"


@async_only
def test_a_call_that_cannot_be_attached_to_is_hung_up(runner: Runner) -> None:
    rest = Rest()
    with ScriptedServer(refusals=((404, "", {}),) * 20) as server, pytest.raises(NotFoundError):
        answer(runner, rest, server).__enter__()
    assert rest.paths == ["rtc_1/accept", "rtc_1/hangup"]


@async_only
def test_a_refused_accept_is_raised_and_nothing_else_happens(runner: Runner) -> None:
    rest = Rest(404)
    with ScriptedServer() as server, pytest.raises(NotFoundError):
        answer(runner, rest, server).__enter__()
    assert rest.paths == ["rtc_1/accept"]


@async_only
def test_an_accept_that_may_have_worked_is_hung_up(runner: Runner) -> None:
    rest = Rest(0)
    with ScriptedServer() as server, pytest.raises(APIConnectionError):
        answer(runner, rest, server).__enter__()
    assert rest.paths == ["rtc_1/accept", "rtc_1/hangup"]


@async_only
def test_a_wrong_session_is_refused_before_the_call_is_touched(runner: Runner) -> None:
    rest = Rest()
    with ScriptedServer() as server:
        client = runner.client(rest, base_url=server.base_url)
        with pytest.raises(SessionConfigError):
            client.answer("rtc_1", {"instructions": "no type"})
    assert rest.paths == []


def test_a_cancelled_task_hangs_up() -> None:
    rest = Rest()

    async def main() -> None:
        entered = asyncio.Event()

        async def attend() -> None:
            http = httpx.AsyncClient(transport=httpx.MockTransport(rest))
            async with http, AsyncRealtimeClient("key", base_url=server.base_url, http_client=http) as client:
                async with client.answer("rtc_1", SESSION):
                    entered.set()
                    await asyncio.Event().wait()

        task = asyncio.ensure_future(attend())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with ScriptedServer(Model()) as server:
        asyncio.run(main())
    assert rest.paths == ["rtc_1/accept", "rtc_1/hangup"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("realtime_ext")]
