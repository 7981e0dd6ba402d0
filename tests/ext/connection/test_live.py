"""Connections of the Live API, at the simulator: primary sessions, sidebands, forks, and their ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from realtime_api import models
from realtime_api.models import LiveOutputTranscriptDelta, LiveSessionStarted
from realtime_kit.budget import PriceTable
from realtime_simulator import Simulator, speech

from realtime_ext import (
    AsyncRealtimeClient,
    BadRequestError,
    LiveSessionBuilder,
    NotFoundError,
    RealtimeClient,
    RealtimeError,
    SessionConfigError,
)
from realtime_ext.connection import LiveConnection
from realtime_ext.errors import APIStatusError, APITimeoutError
from tests.ext.connection.clocks import hurry

SESSION = {"model": "gpt-live-1"}


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_speech(lambda heard: "Hello there." if heard.finished else None)
        yield simulator


@pytest.fixture
def client(sim: Simulator) -> Iterator[RealtimeClient]:
    with hurry(RealtimeClient(base_url=sim.base_url, api_key=sim.api_key)) as client:
        yield client


def sent_types(sim: Simulator, connection: LiveConnection) -> list[Any]:
    return [event["type"] for event in sim.session(connection.session_id).received]


@pytest.mark.parametrize("session", [SESSION, LiveSessionBuilder("gpt-live-1")], ids=["dict", "builder"])
def test_a_session_starts_and_is_closed_with_its_usage(
    sim: Simulator, client: RealtimeClient, session: Any
) -> None:
    with client.live.connect(session) as connection:
        assert connection.session_id.startswith("live_")
        assert (connection.expires_at or 0) > 1_700_000_000
        described: Any = connection.session
        assert (described.id, described.audio.output.voice) == (connection.session_id, "marin")
        assert isinstance(connection.recv(), LiveSessionStarted)
        connection.say("Good morning.")
        result = connection.close()
    assert result.usage.seconds >= 1
    assert (result.reason, result.cost, result.stored) == ("close_requested", None, False)
    assert connection.close() == result
    assert connection.usage == result.usage
    assert [event.type for event in connection][-1] == "session.closed"
    assert connection.transcript[0].speaker == "assistant"
    assert connection.transcript[0].text.startswith("Good")
    assert sim.session(connection.session_id).ended is not None
    assert repr(connection).endswith(" closed>")


def test_the_result_has_the_cost_at_given_prices_and_whether_it_is_stored(
    sim: Simulator, client: RealtimeClient
) -> None:
    prices = PriceTable.from_dict({"models": {"gpt-live-1": {"since": "2026-01-01", "per_minute": "60"}}})
    with client.live.connect({**SESSION, "store": True}) as connection:
        connection.say("Good morning.")
        with pytest.raises(TypeError, match=r"prices: expected a table such as .*PriceTable, got dict"):
            connection.close(prices={"models": {}})  # type: ignore[arg-type]
        assert not connection.is_closed
        result = connection.close(prices=prices)
    assert (result.cost, result.stored) == (result.usage.seconds, True)
    sim.fault("live_storage", times=1)
    with client.live.connect({**SESSION, "store": True}) as connection:
        connection.say("Good morning.")
        result = connection.close(prices=prices)
    assert (result.cost, result.stored) == (result.usage.seconds, False)


def test_a_sideband_leaves_without_a_reason(client: RealtimeClient) -> None:
    with client.live.connect(SESSION) as connection:
        with client.live.attach(connection.session_id) as sideband:
            assert sideband.close().reason is None
        connection.say("Good morning.")


def test_the_async_client_does_the_same(sim: Simulator) -> None:
    async def main() -> None:
        async with AsyncRealtimeClient(base_url=sim.base_url, api_key=sim.api_key) as client:
            async with client.live.connect(SESSION) as connection:
                found: list[str] = []
                connection.on("session.commentary.appended", lambda event: found.append(event.type))
                await connection.say("Good morning.")
                await connection.wait_for(LiveOutputTranscriptDelta)
                assert (await connection.close()).usage.seconds >= 1
                types = [event.type async for event in connection]
            assert (types[0], types[-1]) == ("session.started", "session.closed")
            assert found == ["session.commentary.appended"]

    asyncio.run(main())


def test_words_of_the_user_are_transcribed(client: RealtimeClient) -> None:
    with client.live.connect(SESSION, idle_audio=False) as connection:
        connection.send_audio(speech("hello there") + bytes(96_000))
        connection.wait_for("session.input_transcript.delta")
        assert connection.transcript[0].speaker == "user"


def test_long_appends_are_sent_in_parts_and_acknowledged_together(
    sim: Simulator, client: RealtimeClient
) -> None:
    with client.live.connect(SESSION) as connection:
        connection.think("The room is free on Monday. " * 100)
        connection.append_commentary("Good morning.")
        connection.append_thinking("It rains.")
        connection.append_instructions("Be brief.")
        types = sent_types(sim, connection)
    assert types.count("session.thinking.append") > 1
    assert types.count("session.instructions.append") == types.count("session.commentary.append") == 1


def test_without_audio_and_silence_the_time_stops(client: RealtimeClient) -> None:
    with client.live.connect(SESSION, idle_audio=False) as connection:
        with pytest.raises(APITimeoutError, match=r"session\.commentary\.appended did not arrive"):
            connection.say("Hello.", timeout=0.05)
        assert connection.transcript == []


def test_an_unacknowledged_append_fails_when_the_session_closes(sim: Simulator) -> None:
    async def main() -> None:
        async with (
            AsyncRealtimeClient(base_url=sim.base_url, api_key=sim.api_key) as client,
            client.live.connect(SESSION, idle_audio=False) as connection,
        ):
            saying = asyncio.create_task(connection.say("Hello."))
            while "session.commentary.append" not in [
                event["type"] for event in sim.session(connection.session_id).received
            ]:
                await asyncio.sleep(0.001)
            await connection.close()
            with pytest.raises(APIStatusError) as caught:
                await saying
            assert caught.value.code == "context_injection_incomplete"

    asyncio.run(main())


def test_mute_and_unmute_are_acknowledged(client: RealtimeClient) -> None:
    with client.live.connect(SESSION) as connection:
        for act, kind in ((connection.mute, "muted"), (connection.unmute, "unmuted")):
            event_id = act()
            event = connection.wait_for(f"session.input_audio.{kind}")
            assert event.client_event_id == event_id


def test_a_sideband_shares_a_session_and_leaves_it_running(sim: Simulator, client: RealtimeClient) -> None:
    with client.live.connect(SESSION) as primary:
        with client.live.sideband(primary.session_id) as sideband:
            sideband.say("Good evening.")
            assert sideband.expires_at == primary.expires_at
            with pytest.raises(RealtimeError, match="a sideband sends no audio"):
                sideband.send_audio(bytes(4800))
        assert sim.session(primary.session_id).ended is None
        primary.think("It rains.")


def test_a_stored_session_is_forked(client: RealtimeClient) -> None:
    with client.live.connect({**SESSION, "store": True, "instructions": "Be brief."}) as first:
        pass
    with client.live.fork(first.session_id) as second:
        assert second.session_id not in ("", first.session_id)
        started: Any = second.recv()
        assert started.session.instructions == "Be brief."


def test_refusals_are_raised_on_entering(client: RealtimeClient, sim: Simulator) -> None:
    with (
        pytest.raises(
            NotFoundError,
            match=r"the session to attach to was not found: it isn't ready yet.*client\.connect",
        ),
        client.live.attach("live_none"),
    ):
        raise AssertionError("it was entered")
    with pytest.raises(NotFoundError), client.live.fork("live_none"):
        pass
    trusting = RealtimeClient(base_url=sim.base_url, api_key=sim.api_key, validate=False)
    wrong: Any = {**SESSION, "tools": []}
    with trusting, pytest.raises(BadRequestError, match="tools") as caught, trusting.live.connect(wrong):
        pass
    assert caught.value.param == "session.tools"


def test_arguments_are_checked_before_anything_is_sent() -> None:
    live = RealtimeClient(base_url="http://127.0.0.1:1/v1", api_key="k").live
    with pytest.raises(SessionConfigError, match="model"):
        live.connect({})  # type: ignore[typeddict-item]
    for wrong in ("", "..", " "):
        with pytest.raises(ValueError, match="session_id"):
            live.attach(wrong)
        with pytest.raises(ValueError, match="session_id"):
            live.fork(wrong)
    with pytest.raises(TypeError, match="observer"):
        live.connect(SESSION, observer=7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no Live API"):
        RealtimeClient(api_key="k", dialect="xai").live.connect(SESSION)  # type: ignore[arg-type]


def test_texts_are_checked_before_anything_is_sent(sim: Simulator, client: RealtimeClient) -> None:
    with client.live.connect(SESSION, idle_audio=False) as connection:
        with pytest.raises(TypeError, match="text: expected a str, got int"):
            connection.say(7)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="text: expected words, got ' '"):
            connection.think(" ")
        with pytest.raises(ValueError, match="timeout"):
            connection.instruct("Be brief.", timeout=-1)
        assert sent_types(sim, connection) == ["session.start"]


def test_events_of_the_live_api_are_checked_and_known(
    client: RealtimeClient, caplog: pytest.LogCaptureFixture
) -> None:
    with client.live.connect(SESSION, idle_audio=False) as connection:
        with pytest.raises(ValueError, match="content"):
            connection.send(json.loads('{"type": "session.commentary.append", "delegation_id": null}'))
        with pytest.raises(ValueError, match="is sent by the server"):
            connection.send(json.loads('{"type": "session.commentary.appended"}'))
        with connection.expect("session.commentary.appended"):
            pass
    assert "unknown event type" not in caplog.text


def test_events_whose_names_both_apis_have_are_those_of_live(client: RealtimeClient) -> None:
    seen: list[tuple[str, object]] = []
    observer = lambda direction, event, _: seen.append((direction, event))  # noqa: E731
    with client.live.connect(SESSION, observer=observer) as connection:
        connection.send({"type": "response.create"})
        error = connection.wait_for("error")
    assert type(error) is models.LiveErrorEvent
    assert ("out", models.LiveResponseCreate) in [(way, type(event)) for way, event in seen]
    assert ("out", models.LiveSessionClose) in [(way, type(event)) for way, event in seen]
