"""The microphone and the loudspeaker of this machine (extra ``devices``); sounddevice is loaded on use.

`Microphone` yields the recorded audio, `Loudspeaker` plays audio and counts the part that was heard, and
`Headset` puts both on a connection: it feeds the session, plays the replies, and falls silent when the user
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
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .. import audio
from .._core.callbacks import log_own_failure, raise_if_interrupt
from .._core.extras import install
from ..errors import RealtimeError

if TYPE_CHECKING:
    from ..connection import AsyncConnection

__all__ = ["Device", "Headset", "Loudspeaker", "Microphone", "default_devices"]


def __dir__() -> list[str]:
    return __all__


_logger: logging.Logger = logging.getLogger("realtime_ext")

_RATE = 24000
_BLOCK_MS = 20
_BLOCK = _RATE * _BLOCK_MS // 1000  # frames
_WAITING = 500  # blocks of the microphone, ten seconds, after which the oldest are dropped
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
            hint = "`realtime doctor` lists the devices"
            raise RealtimeError(f"the {self._purpose} can't be opened: {error}; {hint}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the device; closing twice does nothing more."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            stream.close()

    @abstractmethod
    def _called(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """Handle a block of samples, in a thread of PortAudio's, which must not wait."""


class Microphone(_Stream):
    """The microphone's audio, in pieces of 20 ms, while the block lasts.

    Iterating it blocks or awaits, so that it is also an `audio_in` for `dial` of either client. What is not
    read within ten seconds is dropped, the oldest first.

        with Microphone() as microphone, client.dial(session=session, audio_in=microphone) as connection: …

    Args:
        device: Which one; None for the system's default.

    Attributes:
        is_muted: Whether silence is yielded in place of the recorded audio; False at first.

    Raises:
        ImportError: The extra `devices` is not installed. This and what follows is raised on entering.
        RealtimeError: There is no microphone, or it is in use.
    """

    _kind = "RawInputStream"
    _purpose = "microphone"

    def __init__(self, device: Device | None = None) -> None:
        super().__init__(device)
        self._heard: queue.Queue[bytes] = queue.Queue(_WAITING)
        self._arrived: Callable[[], object] | None = None
        self.is_muted: bool = False

    def __iter__(self) -> Iterator[bytes]:
        while piece := self._heard.get():
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        self._arrived = lambda: loop.call_soon_threadsafe(arrived.set)
        while True:
            arrived.clear()
            while not self._heard.empty():
                piece = self._heard.get_nowait()
                if not piece:
                    return
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
        ImportError: The extra `devices` is not installed. This and what follows is raised on entering.
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

    What the microphone hears goes to the session; replies are played and counted as heard; when the user
    begins to speak, the loudspeaker falls silent and the conversation is cut where it was heard last. The
    application goes on reading events: the replies are played as they are read.

    A loudspeaker next to a microphone is heard by it: use headphones, or `noise_reduction`.

    Args:
        connection: A connection whose session has PCM in both directions.
        microphone: The device to listen to; None for the system's default, False for none.
        loudspeaker: The device to play on; None for the system's default, False for none.

    Raises:
        ImportError: The extra `devices` is not installed. This and what follows is raised on entering.
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
        connection: AsyncConnection,
        *,
        microphone: Device | bool | None = None,
        loudspeaker: Device | bool | None = None,
    ) -> None:
        self._connection = connection
        self.microphone: Microphone | None = None
        self.loudspeaker: Loudspeaker | None = None
        if microphone is not False:
            self.microphone = Microphone(_device(microphone))
        if loudspeaker is not False:
            played = connection.playback.played_bytes
            self.loudspeaker = Loudspeaker(_device(loudspeaker), on_played=played)
        self._feeding: asyncio.Task[None] | None = None
        self._open = contextlib.ExitStack()

    async def __aenter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            for device in (self.microphone, self.loudspeaker):
                if device is not None:
                    opening.enter_context(device)
            self._open = opening.pop_all()
        connection = self._connection
        if self.loudspeaker is not None:
            connection.on("response.output_audio.delta", self._play)
            connection.on("input_audio_buffer.speech_started", self._user_speaks)
        if self.microphone is not None:
            self._feeding = asyncio.create_task(self._feed(self.microphone))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.off("response.output_audio.delta", self._play)
        self._connection.off("input_audio_buffer.speech_started", self._user_speaks)
        self._open.close()
        if self._feeding is not None:
            self._feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError, RealtimeError):
                await self._feeding

    async def interrupt(self) -> None:
        """Fall silent, stop the model, and cut the conversation where it was heard last."""
        if self.loudspeaker is not None:
            self.loudspeaker.flush()
        await self._connection.interrupt()

    def _play(self, event: Any) -> None:
        assert self.loudspeaker is not None
        try:
            self.loudspeaker.play(audio.decode(event))
        except ValueError as error:
            _logger.warning("a piece of the answer is left out: %s", error)

    async def _user_speaks(self, event: Any) -> None:
        await self.interrupt()

    async def _feed(self, microphone: Microphone) -> None:
        try:
            async for piece in microphone:
                await self._connection.append_audio(piece)
        except RealtimeError:
            raise
        except Exception as error:
            log_own_failure(_logger, "send what the microphone hears", error)
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
