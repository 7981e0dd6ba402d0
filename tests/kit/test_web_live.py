"""Routes for web apps whose calls are Live sessions."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from realtime_api.models import LiveTransportIncomingData
from realtime_kit.web import IncomingCall, RunningCalls, router
from realtime_simulator import Heard, Simulator, call_tool, sequence

from realtime_ext import LiveSessionBuilder, RealtimeError, SessionBuilder, SessionConfigError
from realtime_ext._core.call import LiveCall
from realtime_ext.connection import AsyncLiveConnection
from realtime_ext.testing import sample_offer
from tests.kit.fleet.harness import run_async, until
from tests.kit.test_web import calling, incoming, incoming_live, serving
from tests.support.rows import each

SESSION = LiveSessionBuilder("gpt-live-1").instructions("You answer for the front desk.")


def breakfast_time() -> str:
    """Look up when breakfast starts."""
    return "7:00"


@pytest.mark.slow
@run_async
async def test_a_page_talks_with_a_live_session_whose_tools_are_run_here() -> None:
    booked: list[str] = []
    heard_parts: list[Heard] = []

    def book_room(room: str) -> str:
        """Book a room."""
        booked.append(room)
        return "booked"

    def hear(heard: Heard) -> str | None:
        heard_parts.append(heard)
        return "Book Elm, please." if heard.finished else None

    async def greet(connection: AsyncLiveConnection) -> None:
        await connection.say("Good morning.")

    session = SESSION.delegate_to("gpt-5.6-sol")
    async with serving(session=session, api="live", tools=[book_room], on_connection=greet) as app:
        sim = app.simulator
        sim.on_speech(hear)
        sim.on_response(sequence(call_tool("book_room", {"room": "Elm"}), "Elm is yours."))
        async with calling(app, first="session.started") as page:
            (session_id,) = app.calls.call_ids
            assert page.location == f"/v1/live/sessions/{session_id}"
            await until(lambda: bool(page.all("session.output_transcript.delta")))
            page.microphone.hum(8000)
            await until(lambda: bool(page.all("session.commentary.appended")) and bool(heard_parts))
            page.microphone.hum(0)
            await until(lambda: booked == ["Elm"])
            config = sim.session(session_id).config
            assert [tool["name"] for tool in config["delegation"]["responses"]["tools"]] == ["book_room"]
            assert config["instructions"] == "You answer for the front desk."
        await until(lambda: not app.calls.call_ids)


@run_async
async def test_attaching_leaves_the_session_its_own_tools() -> None:
    connections: list[AsyncLiveConnection] = []
    options: Any = {"tools": [breakfast_time], "on_connection": connections.append}
    session = SESSION.delegate_to("gpt-5.6-sol", tools=[{"type": "web_search"}])
    async with serving(session=session, api="live", **options) as app:
        assert (await app.offer()).status_code == 201
        await until(lambda: bool(connections))
        (session_id,) = app.calls.call_ids
        tools = app.simulator.session(session_id).config["delegation"]["responses"]["tools"]
        assert [tool.get("name", tool["type"]) for tool in tools] == ["web_search", "breakfast_time"]
        with pytest.raises(RealtimeError, match="tools are registered already"):
            connections[0].run_tools([breakfast_time])


@run_async
async def test_there_are_no_secrets_and_the_user_is_named_in_the_session() -> None:
    async with serving(session=SESSION, api="live", safety_identifier=lambda request: "hash-1") as app:
        assert (await app.http.post("/realtime/secret")).status_code == 404
        answer = await app.offer()
        assert (answer.status_code, answer.headers["content-type"]) == (201, "application/sdp")
        (session_id,) = app.calls.call_ids
        assert answer.headers["location"] == f"/v1/live/sessions/{session_id}"
        (request,) = [one for one in app.simulator.requests if one.path.endswith("/live/sessions")]
        assert request.json()["session"]["safety_identifier"] == "hash-1"
        assert (await app.offer("v=0")).status_code == 400


@pytest.mark.parametrize(("hangs_up", "ended"), [(True, "close_requested"), (False, None)])
def test_sessions_are_ended_when_the_app_shuts_down(hangs_up: bool, ended: str | None) -> None:
    async def main() -> None:
        with Simulator(pacing="none", espeak=False) as sim:
            async with serving(simulator=sim, session=SESSION, api="live", hangup_on_exit=hangs_up) as app:
                assert (await app.offer()).status_code == 201
                (session_id,) = app.calls.call_ids
                await until(lambda: bool(sim.session(session_id).sent))
            closed = [one for one in sim.session(session_id).sent if one["type"] == "session.closed"]
            assert [one["reason"] for one in closed] == ([] if ended is None else [ended])

    asyncio.run(main())


@run_async
async def test_a_live_call_is_attached_to_by_its_type_or_its_id() -> None:
    async with serving(session=SESSION, api="live") as app:
        made = await app.calls.client.live.calls.create(sample_offer(), SESSION)
        assert isinstance(made, LiveCall)
        connections: list[Any] = []
        app.calls.attach(made, connections.append)
        await until(lambda: [type(one) for one in connections] == [AsyncLiveConnection])
        other = await app.calls.client.live.calls.create(sample_offer(), SESSION)
        app.calls.attach(other.session_id, connections.append)
        await until(lambda: len(connections) == 2)
        assert app.calls.call_ids == [made.session_id, other.session_id]
        assert type(connections[1]) is AsyncLiveConnection


@run_async
async def test_work_is_run_for_a_live_call_by_its_type_or_its_id() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    incoming_data = {"type": "incoming", "session_id": "live_2", "sip_headers": []}
    async with serving(session=None, api="live", on_incoming=print) as app:
        app.calls.run("live_1", work())
        app.calls.run(LiveTransportIncomingData.from_dict(incoming_data), work())
        app.calls.run(cast("Any", {**incoming_data, "session_id": "live_3"}), work())
        assert app.calls.call_ids == ["live_1", "live_2", "live_3"]


@run_async
async def test_a_telephone_call_is_answered_by_the_live_api() -> None:
    answered: list[IncomingCall] = []

    async with serving(session=None, api="live", on_incoming=answered.append) as app:
        assert await app.deliver(incoming_live("live.transport.incoming")) == 200
        await until(lambda: [call.id for call in answered] == ["live_1"])
        assert await app.deliver(incoming("rtc_2")) == 200, "it is left to the other announcement"
        assert len(answered) == 1


@each(
    "options, error, message",
    [
        ({"session": SESSION, "api": "beta"}, ValueError, "api: expected 'realtime' or 'live', got 'beta'"),
        (
            {"session": SESSION, "api": "live", "expires_after": 60},
            ValueError,
            "expires_after: no effect here: the Live API has no client secrets",
        ),
        (
            {"session": SessionBuilder("gpt-realtime").server_vad(), "api": "live"},
            SessionConfigError,
            "audio.input.turn_detection: .*Live has no turns",
        ),
        ({"session": SESSION.format("pcmu"), "api": "live"}, SessionConfigError, "audio.format: "),
        (
            {"session": SESSION, "api": "live", "tools": [breakfast_time]},
            ValueError,
            "tools: expected a session that delegates to a model",
        ),
    ],
    ids=["api", "secrets", "realtime session", "format", "tools without a backend"],
)
def test_a_router_is_checked_when_the_app_starts(options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        router(RunningCalls(), **options)


def test_a_live_session_is_refused_by_a_router_of_the_realtime_api() -> None:
    with pytest.raises(SessionConfigError):
        router(RunningCalls(), SESSION.delegate_to("gpt-5.6-sol"))
