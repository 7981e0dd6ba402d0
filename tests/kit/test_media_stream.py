"""A phone call's media stream, bridged to a session: over real WebSockets, in real time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest
from realtime_kit import media_stream
from realtime_kit.media_stream import MediaStream, StreamStart
from realtime_simulator import Simulator
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.server import serve

from realtime_ext import AsyncRealtimeClient, RealtimeError, SessionBuilder, audio
from realtime_ext._core.pcm import from_samples, to_samples
from realtime_ext.connection import AsyncConnection
from tests.kit.fleet.harness import run_async, until
from tests.support.media_phone import media_call
from tests.support.paths import QUESTION
from tests.support.web_server import running

pytestmark = pytest.mark.real_time

SESSION = SessionBuilder("gpt-realtime").telephony("pcmu").server_vad()
LONG = "Breakfast is served from seven until half past ten in the garden, and on Sundays until noon. " * 3


@attrs.define
class Desk:
    """The app's side of calls."""

    simulator: Simulator
    url: str = ""
    starts: list[StreamStart] = attrs.field(factory=list)
    keys: list[str] = attrs.field(factory=list)
    connections: list[AsyncConnection] = attrs.field(factory=list)
    ended: list[BaseException | None] = attrs.field(factory=list)


@contextlib.asynccontextmanager
async def desk(
    session: Any = SESSION,
    *,
    greets: bool = False,
    on_connection: Callable[[Any], Any] | None = None,
    on_dtmf: Callable[[str], Any] | None = None,
) -> AsyncIterator[Desk]:
    """Serve media streams with Starlette; the app bridges each to a session."""
    with Simulator(espeak=False, keep_audio=True) as sim:
        async with AsyncRealtimeClient(sim.api_key, base_url=sim.base_url) as client:
            made = Desk(sim)

            async def media(websocket: WebSocket) -> None:
                await websocket.accept()
                try:
                    async with MediaStream(websocket) as stream, client.connect(session) as connection:
                        made.starts.append(await stream.start())
                        made.connections.append(connection)
                        if greets:
                            await connection.create_response()
                        if on_connection is not None:
                            on_connection(connection)
                        await stream.bridge(connection, on_dtmf=on_dtmf or made.keys.append)
                    made.ended.append(None)
                except Exception as error:
                    made.ended.append(error)

            async with running(Starlette(routes=[WebSocketRoute("/media", media)])) as url:
                made.url = url.replace("http", "ws") + "/media"
                yield made


def question() -> bytes:
    """A question, as a telephone sends it, and the silence after it."""
    wide = to_samples(audio.read_wav(QUESTION))
    return audio.pcm16_to_pcmu(from_samples(wide[::3])) + b"\xff" * 8000


@pytest.mark.slow
@pytest.mark.early
@run_async
async def test_a_caller_asks_and_hears_the_answer_to_its_end_and_untouched() -> None:
    spoken, is_answered = bytearray(), asyncio.Event()

    def on_connection(connection: Any) -> None:
        connection.on("response.output_audio.delta", lambda event: spoken.extend(audio.decode(event)))
        connection.on("response.done", lambda event: is_answered.set())

    # Long, so that a pause in the question does not end it on a busy machine.
    session = SESSION.server_vad(silence_duration_ms=1500)
    async with (
        desk(session, on_connection=on_connection) as made,
        media_call(made.url, guest="Ada") as phone,
    ):
        made.simulator.on_speech(lambda heard: "What time does breakfast start?")
        made.simulator.on_response("At seven.", match="breakfast")
        phone.say(question())
        await is_answered.wait()
        await until(lambda: len(phone.heard) >= len(spoken) and phone.is_silent)
        await until(lambda: made.connections[0].playback.position is None)
        assert phone.heard == spoken  # byte for byte
        assert phone.most_ahead <= 500 * 8
        assert phone.count("clear") == 0
        await phone.hang_up()
        await until(lambda: made.ended == [None])
    (start,) = made.starts
    assert (start.stream_id, start.call_id, dict(start.parameters), start.format) == (
        "MZ1",
        "CA1",
        {"guest": "Ada"},
        "pcmu",
    )
    assert "Ada" not in repr(start)


@pytest.mark.slow
@pytest.mark.early
@run_async
async def test_a_caller_who_interrupts_is_heard_and_the_answer_is_cut_where_it_was_heard() -> None:
    async with desk(greets=True) as made:
        made.simulator.on_response(LONG)
        async with media_call(made.url) as phone:
            cuts: list[int] = []
            await until(lambda: len(phone.heard) > 8000)  # a second of it
            made.connections[0].on(
                "conversation.item.truncated", lambda event: cuts.append(event.audio_end_ms)
            )
            phone.say(question())
            await until(lambda: phone.count("clear") == 1)
            heard_ms = len(phone.heard) / 8
            await until(lambda: cuts)
            assert heard_ms - 250 <= cuts[0] <= heard_ms  # never what was not heard
            # The marks of what was cleared have come back: the next answer is paced as the first one.
            heard = len(phone.heard)
            await until(lambda: len(phone.heard) > heard + 4000)
            assert phone.most_ahead <= 500 * 8
            await phone.hang_up()


@run_async
async def test_a_stream_is_bridged_to_one_session_after_another() -> None:
    keys: list[str] = []
    connections: list[AsyncConnection] = []
    with Simulator(espeak=False) as sim:
        async with AsyncRealtimeClient(sim.api_key, base_url=sim.base_url) as client:

            async def media(websocket: WebSocket) -> None:
                await websocket.accept()
                async with MediaStream(websocket) as stream:
                    for _ in range(2):
                        async with client.connect(SESSION) as connection:
                            connections.append(connection)
                            await stream.bridge(connection, on_dtmf=keys.append)

            app = Starlette(routes=[WebSocketRoute("/media", media)])
            async with running(app) as url, media_call(url.replace("http", "ws") + "/media") as phone:
                for key in ("1", "2"):
                    await phone.send("dtmf", dtmf={"digit": key})
                    await until(lambda key=key: key in keys)  # type: ignore[misc]
                    await connections[-1].close()
                await until(lambda: phone.is_over)


@run_async
async def test_keys_are_handed_over_and_strange_messages_ignored() -> None:
    async with desk() as made, media_call(made.url) as phone:
        await phone._socket.send("not JSON")
        await phone._socket.send("[]")
        await phone.send("telepathy")
        await phone.send("mark", mark={"name": "nobody's"})
        for key in "1#":
            await phone.send("dtmf", dtmf={"track": "inbound_track", "digit": key})
        await until(lambda: made.keys == ["1", "#"])


@pytest.mark.early
@run_async
async def test_when_the_session_ends_the_last_words_are_still_heard() -> None:
    async with desk(greets=True) as made:
        made.simulator.on_response("Good bye, and have a safe trip home.")
        async with media_call(made.url) as phone:
            await until(lambda: made.connections and made.connections[0].items[-1:])
            done = await until(lambda: made.simulator.sessions[0].types_sent().count("response.done"))
            assert done == 1
            await made.connections[0].close()
            await until(lambda: phone.is_over)
            assert phone.is_silent
            assert len(phone.heard) > 8000
    assert made.ended == [None]


@run_async
async def test_a_connection_that_is_lost_is_raised() -> None:
    async with desk(greets=True) as made:
        with made.simulator.fault("socket_drop", after="response.created"):
            async with media_call(made.url):
                await until(lambda: made.ended)
    assert "ConnectionClosedError" in repr(made.ended[0])


@run_async
async def test_exceptions_of_handlers_propagate() -> None:
    def on_connection(connection: Any) -> None:
        @connection.on("response.created")
        def fail(event: Any) -> None:
            raise LookupError("no such guest")

    async with desk(greets=True, on_connection=on_connection) as made, media_call(made.url):
        await until(lambda: made.ended)
    assert isinstance(made.ended[0], LookupError)


@run_async
async def test_a_session_with_another_format_is_refused() -> None:
    async with desk(SessionBuilder("gpt-realtime")) as made, media_call(made.url):
        await until(lambda: made.ended)
    assert str(made.ended[0]) == (
        "audio.input.format: the media stream is pcmu, the session pcm; "
        "set it with SessionBuilder.telephony('pcmu')"
    )


@run_async
async def test_streams_of_other_audio_or_without_a_start_are_refused() -> None:
    async with desk() as made:
        async with media_call(made.url, encoding="audio/l16"):
            await until(lambda: made.ended)
        assert "must be G.711 at 8000 Hz" in str(made.ended[0])

    async def nothing() -> AsyncIterator[str]:
        for text in ('{"event": "connected"}',):
            yield text

    class Socket:
        def iter_text(self) -> AsyncIterator[str]:
            return nothing()

        async def send_text(self, data: str) -> None:
            raise AssertionError

        async def close(self) -> None:
            pass

    with pytest.raises(RealtimeError, match="ended before it started"):
        await MediaStream(Socket()).start()
    with pytest.raises(ValueError, match="ahead_ms: expected 100 or more, got 99"):
        MediaStream(Socket(), ahead_ms=99)


@run_async
async def test_a_stream_that_fails_is_over_and_not_sent_to_again() -> None:
    tried: list[str] = []
    start = {"streamSid": "MZ1", "callSid": "CA1", "accountSid": "AC1", "customParameters": {}}
    start |= {"mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}}

    async def started() -> AsyncIterator[str]:
        yield json.dumps({"event": "start", "streamSid": "MZ1", "start": start})

    class Socket:
        def iter_text(self) -> AsyncIterator[str]:
            return started()

        async def send_text(self, data: str) -> None:
            tried.append(json.loads(data)["event"])
            raise OSError("gone")

        async def close(self) -> None:
            pass

    stream = MediaStream(Socket())
    await stream.start()
    for event in ("clear", "mark"):
        await stream._send({"event": event})
    assert tried == ["clear"]


@run_async
async def test_it_works_with_the_websockets_library_and_a_caller_who_is_lost() -> None:
    over = asyncio.Event()
    with Simulator(espeak=False) as sim:
        sim.on_response("Good morning.")

        async with AsyncRealtimeClient(sim.api_key, base_url=sim.base_url) as client:

            async def media(socket: Any) -> None:
                async with MediaStream(socket) as stream, client.connect(SESSION) as connection:
                    await connection.create_response()
                    await stream.bridge(connection)
                over.set()

            async with serve(media, "127.0.0.1", 0) as server:
                port = next(iter(server.sockets)).getsockname()[1]
                async with media_call(f"ws://127.0.0.1:{port}") as phone:
                    await until(lambda: len(phone.heard) > 800)
                    phone._socket.transport.abort()
                    await over.wait()


class Sent:
    """A WebSocket from which come these messages, and then nothing; None for a binary one."""

    def __init__(self, *messages: Any) -> None:
        self.messages = messages

    async def iter_text(self) -> AsyncIterator[str]:
        for message in self.messages:
            if message is None:
                raise KeyError("text")  # as Starlette does
            yield json.dumps(message)
        await asyncio.get_running_loop().create_future()

    async def send_text(self, data: str) -> None:
        pass

    async def close(self) -> None:
        pass


def started(**start: Any) -> dict[str, Any]:
    return {"event": "start", "streamSid": "MZ1", "start": start}


@run_async
@pytest.mark.parametrize(
    "start",
    [
        {"mediaFormat": "audio/x-mulaw"},
        {"mediaFormat": {"sampleRate": "8000"}, "customParameters": ["x"]},
        {"callSid": ["CA1"], "customParameters": 5},
    ],
)
async def test_a_start_message_of_unexpected_shape_is_parsed_as_far_as_possible(
    start: dict[str, Any],
) -> None:
    read = await MediaStream(Sent(started(**start))).start()
    assert (read.stream_id, read.call_id, read.parameters, read.format) == ("MZ1", None, {}, "pcmu")


@run_async
@pytest.mark.parametrize("rate", ["x", None, [8000], "9" * 5000])
async def test_an_invalid_rate_is_refused(rate: Any) -> None:
    with pytest.raises(RealtimeError, match=r"must be G\.711 at 8000 Hz") as caught:
        await MediaStream(Sent(started(mediaFormat={"sampleRate": rate}))).start()
    assert len(str(caught.value)) < 300


@run_async
async def test_a_stream_that_does_not_start_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_stream, "_START_SECONDS", 0.01)
    with pytest.raises(RealtimeError, match=r"did not start within 0\.01 s"):
        await MediaStream(Sent({"event": "connected"})).start()


@run_async
async def test_a_binary_message_ends_the_stream() -> None:
    with pytest.raises(RealtimeError, match="ended before it started"):
        await MediaStream(Sent(None)).start()


@run_async
async def test_invalid_audio_is_dropped_and_the_call_continues(caplog: pytest.LogCaptureFixture) -> None:
    async with desk() as made, media_call(made.url) as phone:
        await phone.send("media", media={"track": "inbound", "payload": "no base64!"})
        await phone.send("dtmf", dtmf={"track": "inbound_track", "digit": "1"})
        await until(lambda: made.keys == ["1"])
        assert "a piece of the media stream was skipped" in caplog.text


@pytest.mark.parametrize("is_key", [False, True])
@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError, GeneratorExit, BaseException])
@run_async
async def test_a_callback_that_raises_anything_ends_its_own_stream_with_an_error(
    error: type[BaseException], is_key: bool
) -> None:
    def fails(given: object) -> None:
        raise error

    def on_connection(connection: Any) -> None:
        if not is_key:
            connection.on("session.created", fails)

    async with desk(on_connection=on_connection, on_dtmf=fails) as made:
        for count in (1, 2):
            async with media_call(made.url) as phone:
                if is_key:
                    await phone.send("dtmf", dtmf={"track": "inbound_track", "digit": "1"})
                await until(lambda count=count: len(made.ended) == count)
    for outcome in made.ended:
        assert isinstance(outcome, RuntimeError)
        assert type(outcome.__cause__) is error
