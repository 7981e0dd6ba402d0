"""Live sessions behind media streams and on a sound card, in real time."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import attrs
import pytest
from realtime_kit.devices import Headset
from realtime_kit.media_stream import MediaStream
from realtime_simulator import Simulator
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from realtime_ext import AsyncRealtimeClient, LiveSessionBuilder, RealtimeError
from realtime_ext._core.pcm import is_quiet
from realtime_ext.audio import pcmu_to_pcm16
from realtime_ext.connection import AsyncLiveConnection
from tests.kit.fleet.harness import run_async, until
from tests.kit.test_devices import LOUD, SPEECH
from tests.kit.test_media_stream import question
from tests.support.media_phone import media_call
from tests.support.paths import ROOT
from tests.support.web_server import running

pytestmark = [pytest.mark.real_time, pytest.mark.slow]

SESSION = LiveSessionBuilder("gpt-live-1").format("pcmu")


@attrs.define
class Desk:
    """The app's side of calls."""

    simulator: Simulator
    url: str = ""
    streams: list[MediaStream] = attrs.field(factory=list)
    connections: list[AsyncLiveConnection] = attrs.field(factory=list)
    ended: list[BaseException | None] = attrs.field(factory=list)


@contextlib.asynccontextmanager
async def desk(session: Any = SESSION) -> AsyncIterator[Desk]:
    """Serve media streams with Starlette; the app bridges each to a Live session."""
    with Simulator(espeak=False) as sim:
        async with AsyncRealtimeClient(sim.api_key, base_url=sim.base_url) as client:
            made = Desk(sim)

            async def media(websocket: WebSocket) -> None:
                await websocket.accept()
                try:
                    async with MediaStream(websocket) as stream, client.live.connect(session) as connection:
                        made.streams.append(stream)
                        made.connections.append(connection)
                        await stream.bridge(connection)
                    made.ended.append(None)
                except Exception as error:
                    made.ended.append(error)

            async with running(Starlette(routes=[WebSocketRoute("/media", media)])) as url:
                made.url = url.replace("http", "ws") + "/media"
                yield made


@pytest.mark.early
@run_async
async def test_a_caller_asks_a_live_session_and_hears_its_answer() -> None:
    async with desk() as made, media_call(made.url) as phone:
        made.simulator.on_speech(lambda heard: "When is breakfast?" if heard.finished else None)
        made.simulator.on_response("At seven.")
        phone.say(question())
        await until(lambda: not is_quiet(pcmu_to_pcm16(phone.heard)))
        said = lambda: [one.text for one in made.connections[0].transcript]  # noqa: E731
        await until(lambda: said() == ["When is breakfast?", "At seven."])
        assert phone.most_ahead <= 500 * 8
        await phone.hang_up()
        await until(lambda: made.ended == [None])
        assert made.connections[0].is_closed


@pytest.mark.early
@run_async
async def test_silence_is_left_out_while_audio_waits_and_words_are_not() -> None:
    async with desk() as made, media_call(made.url) as phone:
        await until(lambda: len(phone.heard) > 1600)
        (stream,), (connection,) = made.streams, made.connections
        frames: list[Any] = []
        connection.on("session.output_audio.delta", frames.append)
        phone.is_stalled = True
        await until(lambda: len(stream._waiting) > stream._ahead)
        seen = len(frames)
        await until(lambda: len(frames) >= seen + 5)
        assert len(stream._waiting) <= stream._ahead + 800
        await connection.say("Are you still there?")
        await until(lambda: len(stream._waiting) > stream._ahead + 1600)
        phone.is_stalled = False
        await until(lambda: not is_quiet(pcmu_to_pcm16(phone.heard)))
        await until(lambda: len(stream._waiting) <= stream._ahead)


@pytest.mark.early
@run_async
async def test_pending_audio_is_cleared_once_the_caller_talks_over_the_model() -> None:
    async with desk() as made, media_call(made.url) as phone:
        made.simulator.on_speech(lambda heard: "Stop, please." if heard.finished else None)
        await until(lambda: len(phone.heard) > 1600)
        (stream,), (connection,) = made.streams, made.connections
        phone.is_stalled = True
        await connection.say("Breakfast is at seven, lunch is at noon, and dinner is at eight. " * 3)
        await until(lambda: len(stream._waiting) > stream._ahead)
        assert phone.count("clear") == 0
        phone.say(question())
        await until(lambda: phone.count("clear") == 1)
        assert phone.is_silent
        assert len(stream._waiting) <= stream._ahead


@run_async
async def test_a_live_session_with_another_format_is_refused() -> None:
    async with desk(LiveSessionBuilder("gpt-live-1")) as made, media_call(made.url):
        await until(lambda: bool(made.ended))
        (error,) = made.ended
        assert isinstance(error, RealtimeError)
        assert str(error) == (
            "audio.format: the media stream is pcmu, the session pcm; set it with "
            "LiveSessionBuilder.format('pcmu')"
        )


# The sound card


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "support" / "sound_card"))
    import sounddevice

    yield sounddevice
    assert all(stream.closed for stream in sounddevice.opened)
    del sys.modules["sounddevice"]


@pytest.mark.early
def test_a_headset_talks_with_a_live_session(card: ModuleType) -> None:
    async def talk() -> None:
        with Simulator(espeak=False) as sim:
            sim.on_speech(lambda heard: "Is it far?" if heard.finished else None)
            sim.on_response("Two minutes.")
            async with (
                AsyncRealtimeClient(sim.api_key, base_url=sim.base_url) as client,
                client.live.connect({"model": "gpt-live-1"}) as connection,
                Headset(connection),
            ):
                card.microphone.extend(SPEECH)
                reading = asyncio.create_task(connection.run())
                said = lambda: [one.text for one in connection.transcript]  # noqa: E731
                await until(lambda: said() == ["Is it far?", "Two minutes."])
                await until(lambda: any(not is_quiet(piece) for piece in [bytes(card.played)]))
                reading.cancel()

    asyncio.run(talk())


@pytest.mark.early
def test_a_loudspeaker_falls_silent_once_the_user_talks_over_the_model(card: ModuleType) -> None:
    async def talk() -> None:
        with Simulator(espeak=False) as sim:
            sim.on_speech(lambda heard: "Stop, please." if heard.finished else None)
            async with (
                AsyncRealtimeClient(sim.api_key, base_url=sim.base_url) as client,
                client.live.connect({"model": "gpt-live-1"}) as connection,
                Headset(connection, microphone=False) as headset,
            ):
                reading = asyncio.create_task(connection.run())
                loudspeaker = headset.loudspeaker
                assert loudspeaker is not None
                card.most = 0  # the device has stalled
                await connection.say("Breakfast is at seven, lunch is at noon, and dinner is at eight. " * 3)
                await until(lambda: loudspeaker.waiting_ms > 1000)
                left: list[float] = []
                connection.on("realtime_ext.talked_over", lambda event: left.append(loudspeaker.waiting_ms))
                await connection.send_audio(b"".join(SPEECH))
                await until(lambda: left)
                assert left == [0]
                reading.cancel()

    asyncio.run(talk())


@pytest.mark.early
def test_a_loudspeaker_leaves_out_silence_while_it_is_late(card: ModuleType) -> None:
    async def wait() -> None:
        with Simulator(espeak=False) as sim:
            async with (
                AsyncRealtimeClient(sim.api_key, base_url=sim.base_url) as client,
                client.live.connect({"model": "gpt-live-1"}) as connection,
                Headset(connection, microphone=False) as headset,
            ):
                reading = asyncio.create_task(connection.run())
                loudspeaker = headset.loudspeaker
                assert loudspeaker is not None
                loudspeaker.play(LOUD * 50)  # a second
                await until(lambda: loudspeaker.waiting_ms < 500)
                await headset.interrupt()
                assert loudspeaker.waiting_ms == 0
                reading.cancel()

    asyncio.run(wait())
