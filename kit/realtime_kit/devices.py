"""The microphone and the loudspeaker of this machine (extra ``devices``); sounddevice is loaded on use.

`Microphone` yields the recorded audio, `Loudspeaker` plays audio and counts the part that was heard, and
`Headset` connects both to a session: it sends the user's audio, plays the replies, and stops when the user
begins to speak.

    async with client.connect(session) as connection, Headset(connection):
        await connection.run()

Audio is the API's PCM: 16 bits, mono, 24 kHz. This module must not decide on the conversation.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

from realtime_ext import audio
from realtime_ext.audio import is_quiet
from realtime_ext.connection import AsyncLiveConnection
from realtime_ext.errors import ConnectionClosedError, RealtimeError
from realtime_ext.tasks import raise_if_interrupt

from ._core.extras import install

if TYPE_CHECKING:
    from realtime_ext.connection import AsyncConnection

__all__ = ["Device", "Headset", "Loudspeaker", "Microphone", "default_devices"]


def __dir__() -> list[str]:
    return __all__


_logger: logging.Logger = logging.getLogger("realtime_kit")

_RATE = 24000
_BLOCK_MS = 20
_BLOCK = _RATE * _BLOCK_MS // 1000  # frames
_LATE_MS = 400  # of a Live model's sound that waits, after which its silence is left out
_WAITING = 500  # blocks of the microphone, ten seconds, after which the oldest are dropped
_FRESH = 10  # of those, what may wait where audio is sent in real time
_END = b""

Device = int | str
"""What sounddevice accepts: a number, or a part of a name."""


def default_devices() -> tuple[str | None, str | None]:
    """Return the names of the microphone and the loudspeaker that are used unless others are named.

    Raises:
        ImportError: The extra `devices` is not installed.
        RealtimeError: PortAudio, which sounddevice uses, is missing or fails.
    """
    return _default_device("input"), _default_device("output")


class _Stream(ABC):
    """A stream of sounddevice, open from entering to leaving.

    Args:
        kind: sounddevice's class.
        device: Which device; None for the system's default.
    """

    _kind: str
    _purpose: str

    def __init__(self, device: Device | None = None) -> None:
        self._device = device
        self._stream: Any = None

    def __enter__(self) -> Self:
        sounddevice = _sounddevice()
        try:
            self._stream = getattr(sounddevice, self._kind)(
                samplerate=_RATE,
                blocksize=_BLOCK,
                device=self._device,
                channels=1,
                dtype="int16",
                callback=self._called,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            _Stream.close(self)
            hint = "`realtime doctor` lists the devices"
            raise RealtimeError(f"the {self._purpose} can't be opened: {error}; {hint}") from error
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the device; closing again has no effect."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            stream.close()

    @abstractmethod
    def _called(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """Handle a block of samples, in a thread of PortAudio's, which must not wait."""


class Microphone(_Stream):
    """The microphone's audio, in pieces of 20 ms, while the block lasts.

    It is a sync and an async iterator, and so an `audio_in` for `dial` of either client. A call can't catch
    up: what is older than a fifth of a second when it is read is dropped, as what was said while dialling.

        with Microphone() as microphone, client.dial(session, audio_in=microphone) as connection: …

    Args:
        device: Which one; None for the system's default.

    Attributes:
        is_muted: Whether silence is yielded instead of the recorded audio; initially False.

    Raises:
        ImportError: The extra `devices` is not installed. This and the following are raised on entering.
        RealtimeError: There is no microphone, or it is in use.
    """

    _kind = "RawInputStream"
    _purpose = "microphone"

    def __init__(self, device: Device | None = None) -> None:
        super().__init__(device)
        self._heard: queue.Queue[bytes] = queue.Queue(_WAITING)
        self._arrived: Callable[[], object] | None = None
        self.is_muted: bool = False

    def __enter__(self) -> Self:
        self._heard = queue.Queue(_WAITING)
        return super().__enter__()

    def __iter__(self) -> Iterator[bytes]:
        while piece := self._heard.get():
            if self._heard.qsize() < _FRESH:
                yield piece

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces(_FRESH)

    async def _pieces(self, most: int) -> AsyncIterator[bytes]:
        """Yield the audio; of what waits, no more than so many pieces, the latest."""
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        self._arrived = lambda: loop.call_soon_threadsafe(arrived.set)
        while True:
            arrived.clear()
            while not self._heard.empty():
                piece = self._heard.get_nowait()
                if not piece:
                    return
                if self._heard.qsize() < most:
                    yield piece
            await arrived.wait()

    def close(self) -> None:
        """Close the microphone; iterating ends after the recorded audio was read."""
        super().close()
        self._put(_END)

    def _called(self, data: Any, frames: int, time: Any, status: Any) -> None:
        self._put(bytes(len(data)) if self.is_muted else bytes(data))

    def _put(self, piece: bytes) -> None:
        while True:
            try:
                self._heard.put_nowait(piece)
                break
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._heard.get_nowait()
        if self._arrived is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._arrived()


class Loudspeaker(_Stream):
    """Plays audio, and counts the bytes played, while the block lasts.

    Args:
        device: Which one; None for the system's default.
        on_played: Called with the bytes that were played, each time some were; in the event loop in which the
            block was entered, else in PortAudio's thread.

    Raises:
        ImportError: The extra `devices` is not installed. This and the following are raised on entering.
        RealtimeError: There is no loudspeaker, or it is in use.
    """

    _kind = "RawOutputStream"
    _purpose = "loudspeaker"

    def __init__(
        self, device: Device | None = None, *, on_played: Callable[[int], object] | None = None
    ) -> None:
        super().__init__(device)
        self._on_played = on_played
        self._waiting = bytearray()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> Self:
        with contextlib.suppress(RuntimeError):
            self._loop = asyncio.get_running_loop()
        return super().__enter__()

    @property
    def waiting_ms(self) -> float:
        """How much is still to be played, in milliseconds."""
        with self._lock:
            return _ms(self._waiting)

    def play(self, pcm: bytes) -> None:
        """Play audio after the queued audio; returns at once."""
        with self._lock:
            self._waiting += pcm

    def flush(self) -> float:
        """Drop the queued audio; return its length in milliseconds."""
        with self._lock:
            dropped = _ms(self._waiting)
            self._waiting.clear()
        return dropped

    def _called(self, data: Any, frames: int, time: Any, status: Any) -> None:
        with self._lock:
            piece = bytes(self._waiting[: len(data)])
            del self._waiting[: len(piece)]
        data[:] = piece.ljust(len(data), b"\0")
        if piece and self._on_played is not None:
            if self._loop is None:
                self._tell(self._on_played, len(piece))
                return
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._tell, self._on_played, len(piece))

    def _tell(self, on_played: Callable[[int], object], count: int) -> None:
        try:
            on_played(count)
        except BaseException as error:  # PortAudio would stop, and an event loop end
            raise_if_interrupt(error)
            _logger.warning("on_played raised %s", type(error).__name__)


class Headset:
    """A microphone and a loudspeaker on a connection over a WebSocket, while the block lasts.

    The microphone's audio is sent to the session; replies are played, and playback is tracked; when the user
    begins to speak, playback stops and the conversation is truncated at what was heard. The application has
    to read events: the replies are played as they are read. A Live model decides by itself when to stop, and
    speaks in real time: pending audio is dropped about a second after the user begins to talk over it, and
    delays are made up for in the next pause.

    The microphone also picks up the loudspeaker: use headphones, or `noise_reduction`.

    Args:
        connection: A connection of either API, whose session has PCM at 24 kHz in both directions.
        microphone: The device to listen to; None for the system's default, False for none.
        loudspeaker: The device to play on; None for the system's default, False for none.

    Raises:
        ImportError: The extra `devices` is not installed. This and the following are raised on entering.
        RealtimeError: A device can't be opened.

    Example:
        ```python
        async with client.connect(session) as connection, Headset(connection):
            async for event in connection:
                print(event.type)
        ```
    """

    def __init__(
        self,
        connection: AsyncConnection | AsyncLiveConnection,
        *,
        microphone: Device | bool | None = None,
        loudspeaker: Device | bool | None = None,
    ) -> None:
        self._connection: Any = connection
        self._is_live = isinstance(connection, AsyncLiveConnection)
        self.microphone: Microphone | None = None
        self.loudspeaker: Loudspeaker | None = None
        if microphone is not False:
            self.microphone = Microphone(_device(microphone))
        if loudspeaker is not False:
            played = None if isinstance(connection, AsyncLiveConnection) else connection.playback.played_bytes
            self.loudspeaker = Loudspeaker(_device(loudspeaker), on_played=played)
        self._feeding: asyncio.Task[None] | None = None
        self._open = contextlib.ExitStack()

    async def __aenter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            for device in (self.microphone, self.loudspeaker):
                if device is not None:
                    opening.enter_context(device)
            self._open = opening.pop_all()
        for kind, handler in self._handlers().items():
            self._connection.on(kind, handler)
        if self.microphone is not None:
            self._feeding = asyncio.create_task(self._feed(self.microphone))
        return self

    async def __aexit__(self, *_: object) -> None:
        for event_type, handler in self._handlers().items():
            self._connection.off(event_type, handler)
        self._open.close()
        if self._feeding is not None:
            self._feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError, RealtimeError):
                await self._feeding

    async def interrupt(self) -> None:
        """Stop playback and the model, and truncate the conversation at what was heard.

        A Live model cannot be stopped: whatever else it says is played.
        """
        if self.loudspeaker is not None:
            self.loudspeaker.flush()
        if not self._is_live:
            await self._connection.interrupt()

    def _handlers(self) -> dict[str, Callable[[Any], object]]:
        if self.loudspeaker is None:
            return {}
        sound, speech = "response.output_audio.delta", "input_audio_buffer.speech_started"
        if self._is_live:
            sound, speech = "session.output_audio.delta", "realtime_ext.talked_over"
        return {sound: self._play, speech: self._user_speaks}

    def _play(self, event: Any) -> None:
        assert self.loudspeaker is not None
        try:
            pcm = audio.decode(event)
        except ValueError as error:
            _logger.warning("a piece of the answer was skipped: %s", error)
            return
        if not (self._is_live and self.loudspeaker.waiting_ms > _LATE_MS and is_quiet(pcm)):
            self.loudspeaker.play(pcm)

    async def _user_speaks(self, event: Any) -> None:
        await self.interrupt()

    async def _feed(self, microphone: Microphone) -> None:
        try:
            send = self._connection.send_audio if self._is_live else self._connection.append_audio
            async for piece in microphone._pieces(_WAITING):  # what a lost link holds up is sent later
                try:
                    await send(piece)
                except ConnectionClosedError:  # of the link; the next piece waits until it is replaced
                    if self._connection.is_closed:
                        raise
        except RealtimeError:
            raise
        except Exception as error:
            _logger.error("failed to send the microphone's audio; please report this", exc_info=error)
            raise


def _ms(pcm: bytearray) -> float:
    return len(pcm) / 2 / _RATE * 1000


def _device(choice: Device | bool | None) -> Device | None:
    return None if isinstance(choice, bool) else choice


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        message = f"audio devices need sounddevice: {install('devices')}"
        raise ImportError(message, name=error.name) from error
    except OSError as error:  # what sounddevice raises without PortAudio's library
        raise RealtimeError(
            f"audio devices need PortAudio (Debian: apt-get install libportaudio2): {error}"
        ) from error
    return sounddevice


def _default_device(kind: str) -> str | None:
    sounddevice = _sounddevice()
    try:
        return str(sounddevice.query_devices(kind=kind)["name"])
    except (sounddevice.PortAudioError, ValueError):
        return None
