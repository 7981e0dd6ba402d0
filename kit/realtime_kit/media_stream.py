"""Bridge a Twilio-style media stream to a session: a phone call's audio over a WebSocket.

    @app.websocket("/media")
    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        async with MediaStream(websocket) as stream, client.connect(SESSION) as connection:
            await stream.bridge(connection)

The messages are JSON: `connected`, `start`, `media`, `mark`, `dtmf` and `stop` come in, `media`, `mark` and
`clear` go out. G.711 is passed on unchanged, in both directions. This module must not decide on the
conversation.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import attrs

from realtime_ext import audio
from realtime_ext.audio import is_quiet
from realtime_ext.connection import AsyncLiveConnection
from realtime_ext.errors import ConnectionClosedError, RealtimeError
from realtime_ext.tasks import TimeLimit, contained_call, wait

if TYPE_CHECKING:
    from realtime_ext.connection import AsyncConnection

__all__ = ["AsgiSocket", "MediaStream", "PlainSocket", "StreamStart"]


def __dir__() -> list[str]:
    return __all__


_logger: logging.Logger = logging.getLogger("realtime_kit")

_BYTES_PER_MS = 8  # of G.711: 8 kHz, one byte a sample
_PIECE = 100 * _BYTES_PER_MS  # the size of one message, counted by one mark
_PATIENCE = 2.0  # seconds that the last marks may be late
_START_SECONDS = 10.0  # until the stream starts, which services do at once
_FORMATS: Mapping[str, Literal["pcmu", "pcma"]] = {
    "audio/x-mulaw": "pcmu",
    "audio/pcmu": "pcmu",
    "pcmu": "pcmu",
    "audio/x-alaw": "pcma",
    "audio/pcma": "pcma",
    "pcma": "pcma",
}


class AsgiSocket(Protocol):
    """A WebSocket of Starlette or FastAPI, already accepted."""

    def iter_text(self) -> AsyncIterator[str]:
        """Iterate over the messages."""

    async def send_text(self, data: str) -> None:
        """Send a message."""

    async def close(self) -> None:
        """Close it."""


class PlainSocket(Protocol):
    """A WebSocket of the websockets library, or what behaves like one."""

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Iterate over the messages."""

    async def send(self, message: str) -> object:
        """Send a message."""

    async def close(self) -> None:
        """Close it."""


@attrs.frozen(kw_only=True)
class StreamStart:
    """The content of the `start` message.

    Args:
        stream_id: The stream's id (`streamSid`).
        call_id: The telephone service's id for the call (`callSid`); None if there is none.
        parameters: The values in the app's `<Stream>` element (`customParameters`).
        format: The audio's format, `pcmu` or `pcma`, for `SessionBuilder.telephony`.
    """

    stream_id: str
    call_id: str | None
    parameters: Mapping[str, str] = attrs.field(repr=False)
    format: Literal["pcmu", "pcma"]


class MediaStream:
    """One phone call's media stream.

    The model's audio is sent at most `ahead_ms` before it is played, according to the returned marks, so an
    interruption drops little, and the conversation is truncated at what the caller heard. A Live model
    decides by itself when to stop, and speaks in real time: pending audio is dropped about a second after the
    caller begins to talk over it, and delays are made up for in the next pause.

    Args:
        websocket: The accepted WebSocket: Starlette's, FastAPI's, or one of the websockets library.
        ahead_ms: How much audio may be in flight. Less than about 200 ms may be heard as gaps.

    Raises:
        ValueError: `ahead_ms` is below 100 ms, the size of a chunk.
    """

    def __init__(self, websocket: AsgiSocket | PlainSocket, *, ahead_ms: int = 400) -> None:
        if ahead_ms * _BYTES_PER_MS < _PIECE:
            raise ValueError(f"ahead_ms: expected {_PIECE // _BYTES_PER_MS} or more, got {ahead_ms}")
        self._ahead = ahead_ms * _BYTES_PER_MS
        self._socket = websocket
        self._iterate: Callable[[], AsyncIterator[str | bytes]] = (
            websocket.iter_text if hasattr(websocket, "iter_text") else websocket.__aiter__
        )
        self._messages = self._iterate()
        self._write: Callable[[str], Awaitable[object]] = (
            websocket.send_text if hasattr(websocket, "send_text") else websocket.send
        )
        self._start: StreamStart | None = None
        self._waiting = bytearray()  # not sent yet
        self._sent: deque[tuple[str, int]] = deque()  # marks on their way, and the bytes before each
        self._on_the_way = 0  # bytes, of those
        self._marks = 0
        self._changed = asyncio.Event()
        self._silent = asyncio.Event()  # nothing is waiting, nor on its way
        self._silent.set()
        self._is_over = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the WebSocket, if it is open; the telephone service continues with its next step."""
        self._is_over = True
        with contextlib.suppress(Exception):  # each library has its own for a connection that has ended
            await self._socket.close()

    async def start(self) -> StreamStart:
        """Wait for the `start` message, which comes first; further calls return the same.

        Raises:
            RealtimeError: The stream ended before it or does not start within 10 s, or its audio is not
                G.711.
        """
        try:
            async with TimeLimit(_START_SECONDS):
                while self._start is None:
                    message = await self._next()
                    if message is None:
                        raise RealtimeError("the media stream ended before it started")
                    if message.get("event") == "start":
                        self._start = _read_start(message)
        except TimeoutError as error:
            raise RealtimeError(f"the media stream did not start within {_START_SECONDS:g} s") from error
        return self._start

    async def bridge(
        self,
        connection: AsyncConnection | AsyncLiveConnection,
        *,
        on_dtmf: Callable[[str], object] | None = None,
    ) -> None:
        """Connect the caller to a session until one of them ends; pending speech is played.

        It reads the connection's events, for the handlers that are registered with `on` and for its tools.

        Args:
            connection: A connection of either API, whose session uses the stream's format in both directions.
            on_dtmf: Called with each key that the caller presses, async or not.

        Raises:
            RealtimeError: The session has another audio format.
            ConnectionClosedError: The connection ended abnormally. What a handler raises comes
                through.
        """
        start = await self.start()
        _check_formats(connection, start.format)
        self._messages = self._iterate()  # a generator that was cancelled yields no more
        self._forget_audio()
        registered = self._register(connection, start.format)
        reading = asyncio.create_task(contained_call("on_dtmf", self._read, connection, on_dtmf))
        hearing = asyncio.create_task(contained_call("a handler", connection.run))
        playing = asyncio.create_task(self._play())
        tasks = (reading, hearing, playing)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if hearing.done() and hearing.exception() is None:
                await self._finish(reading)
        finally:
            unregister: Any = connection.off
            for kind, handler in registered.items():
                unregister(kind, handler)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    async def interrupt(self, connection: AsyncConnection | AsyncLiveConnection) -> None:
        """Stop playback and the model, and truncate the conversation at what the caller heard.

        A Live model cannot be stopped: whatever else it says is played.
        """
        if self._waiting or self._sent:
            self._forget_audio()
            await self._send({"event": "clear"})
        if not isinstance(connection, AsyncLiveConnection):
            await connection.interrupt()

    def _forget_audio(self) -> None:
        self._waiting.clear()
        self._sent.clear()  # marks also come back for this audio, and are ignored
        self._on_the_way = 0
        self._silent.set()

    def _register(self, connection: Any, form: Literal["pcmu", "pcma"]) -> dict[str, Callable[[Any], Any]]:
        """Register the handlers of a session's sound, and return them."""
        to_pcm = audio.pcmu_to_pcm16 if form == "pcmu" else audio.pcma_to_pcm16

        async def speak(event: Any) -> None:
            try:
                piece = audio.decode(event)
            except ValueError as error:
                _logger.warning("a piece of the answer was skipped: %s", error)
                return
            if live and len(self._waiting) > self._ahead and is_quiet(to_pcm(piece)):
                return
            self._waiting += piece
            self._silent.clear()
            self._changed.set()

        async def fall_silent(event: Any) -> None:
            await self.interrupt(connection)

        live = isinstance(connection, AsyncLiveConnection)
        sound, speech = "response.output_audio.delta", "input_audio_buffer.speech_started"
        if live:
            sound, speech = "session.output_audio.delta", "realtime_ext.talked_over"
        handlers: dict[str, Callable[[Any], Any]] = {sound: speak, speech: fall_silent}
        for kind, handler in handlers.items():
            connection.on(kind, handler)
        return handlers

    async def _read(self, connection: Any, on_dtmf: Callable[[str], object] | None) -> None:
        live = isinstance(connection, AsyncLiveConnection)
        send = connection.send_audio if live else connection.append_audio
        while (message := await self._next()) is not None:
            match message:
                case {"event": "media", "media": {"payload": str(payload), **media}}:
                    if media.get("track", "inbound") == "inbound":
                        try:
                            await send(payload)
                        except ConnectionClosedError:
                            pass  # `run` reports it
                        except ValueError as error:
                            _logger.warning("a piece of the media stream was skipped: %s", error)
                case {"event": "mark", "mark": {"name": str(name)}}:
                    self._heard(connection, name)
                case {"event": "dtmf", "dtmf": {"digit": str(digit)}} if on_dtmf is not None:
                    result = on_dtmf(digit)
                    if inspect.isawaitable(result):
                        await result
                case {"event": "stop"}:
                    self._is_over = True
                    return

    async def _play(self) -> None:
        """Send the waiting audio, as fast as it is heard."""
        while not self._is_over:
            await self._changed.wait()
            self._changed.clear()
            while self._waiting and self._on_the_way < self._ahead and not self._is_over:
                piece = bytes(self._waiting[:_PIECE])
                del self._waiting[:_PIECE]
                self._marks += 1
                name = f"heard-{self._marks}"
                self._sent.append((name, len(piece)))
                self._on_the_way += len(piece)
                await self._send({"event": "media", "media": {"payload": b64encode(piece).decode()}})
                await self._send({"event": "mark", "mark": {"name": name}})

    def _heard(self, connection: Any, name: str) -> None:
        if all(name != known for known, _ in self._sent):
            return  # of cleared audio
        known = ""
        while known != name:
            known, size = self._sent.popleft()
            self._on_the_way -= size
            if not isinstance(connection, AsyncLiveConnection):
                connection.playback.played_bytes(size)
        self._changed.set()
        if not self._waiting and not self._sent:
            self._silent.set()

    async def _finish(self, reading: asyncio.Task[None]) -> None:
        """Wait until the caller has heard the audio that was sent, for as long as that lasts."""
        left = (len(self._waiting) + self._on_the_way) / _BYTES_PER_MS / 1000
        silent = asyncio.create_task(self._silent.wait())
        await wait((silent, reading), left + _PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        silent.cancel()

    async def _next(self) -> Mapping[str, Any] | None:
        """Return the next message; None if there is none any more."""
        while True:
            try:
                text = await anext(self._messages)
            except StopAsyncIteration:
                return None
            except OSError as error:
                _logger.info("the media stream was lost: %s", error)
                return None
            except KeyError:  # so Starlette meets a binary message, and can't go on
                _logger.warning("the media stream sent a binary message, and ends")
                return None
            except Exception as error:  # each library has its own for a connection that was lost
                if "Closed" not in type(error).__name__ and "Disconnect" not in type(error).__name__:
                    raise
                _logger.info("the media stream was lost: %s", error)
                return None
            try:
                message = json.loads(text)
            except (ValueError, RecursionError) as error:
                _logger.warning("invalid JSON in a message of the media stream: %s", error)
                continue
            if isinstance(message, Mapping):
                return message

    async def _send(self, message: dict[str, Any]) -> None:
        assert self._start is not None
        if self._is_over:
            return
        try:
            named = {**message, "streamSid": self._start.stream_id}
            await self._write(json.dumps(named, separators=(",", ":")))
        except Exception as error:  # whatever the library raises, the call has ended
            _logger.info("the media stream can't be sent to: %s", error)
            self._is_over = True


def _read_start(message: Mapping[str, Any]) -> StreamStart:
    start = message.get("start")
    details: Mapping[str, Any] = start if isinstance(start, Mapping) else {}
    stream_id = message.get("streamSid") or details.get("streamSid")
    if not isinstance(stream_id, str):
        raise RealtimeError("the media stream's start has no streamSid")
    given, parameters = details.get("mediaFormat"), details.get("customParameters")
    given = given if isinstance(given, Mapping) else {}
    encoding = str(given.get("encoding", "audio/x-mulaw")).lower()
    form, rate = _FORMATS.get(encoding), given.get("sampleRate", 8000)
    if form is None or rate not in (8000, "8000"):
        raise RealtimeError(
            f"the media stream's audio must be G.711 at 8000 Hz (audio/x-mulaw or audio/x-alaw), "
            f"got {encoding[:80]} at {str(rate)[:80]} Hz"
        )
    call_id = details.get("callSid")
    return StreamStart(
        stream_id=stream_id,
        call_id=call_id if isinstance(call_id, str) else None,
        parameters=dict(parameters) if isinstance(parameters, Mapping) else {},
        format=form,
    )


def _check_formats(connection: Any, form: str) -> None:
    """Raise RealtimeError if the session is known to hear or speak another format."""
    sound = getattr(connection.session, "audio", None)
    fields, builder = ["audio.input.format", "audio.output.format"], "SessionBuilder.telephony"
    if isinstance(connection, AsyncLiveConnection):
        fields, builder = ["audio.format"], "LiveSessionBuilder.format"
    for field in fields:
        given: Any = sound
        for name in field.split(".")[1:]:
            given = getattr(given, name, None)
        if given is not None and audio.audio_format(given).name != form:
            raise RealtimeError(
                f"{field}: the media stream is {form}, the session {audio.audio_format(given).name}; "
                f"set it with {builder}({form!r})"
            )
