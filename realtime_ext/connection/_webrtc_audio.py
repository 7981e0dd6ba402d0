"""The audio of a WebRTC call: its source (WAV file or async iterator), and the sink of received audio.

Outside of this module audio is PCM, 16 bit little-endian, 24 kHz, mono; on the wire it is Opus.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
import wave
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from fractions import Fraction
from typing import Any, cast

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioCodecContext, AudioFrame, AudioResampler, CodecContext, FFmpegError, Packet

from .. import audio
from .._core.callbacks import is_cancelled, raise_if_interrupt
from .._core.files import private_opener
from .._core.pcm import as_bytes
from .._core.time_limit import wait
from ._call_media import AsyncAudioIn, AsyncAudioOut
from ._webrtc_packets import LATE_S, PACKET_S

logger: logging.Logger = logging.getLogger("realtime_ext.webrtc")


RATE = 24_000
BYTES_PER_MS = RATE * 2 // 1000
FRAME_SAMPLES = int(RATE * PACKET_S)
FRAME_BYTES = FRAME_SAMPLES * 2
# Read from an async iterator ahead of its time: enough for a jittery source, little enough to stay live.
AHEAD_BYTES = 10 * FRAME_BYTES
# RTP timestamps of Opus count at 48 kHz whatever the encoder's rate (RFC 7587 §4.1).
CLOCK = Fraction(1, 48_000)
CLOCK_PER_FRAME = 960
# Effort of the encoder, 0 to 10: at this bit rate more is not heard in speech, and costs up to twice as much.
COMPLEXITY = 2
# One frame of digital silence: table-of-contents byte 0xd8 (CELT, 20 ms, mono; RFC 6716 §3.1) as libopus
# writes it.
SILENT_PACKET = b"\xd8\xff\xfe"
# The encoder rings on after the last sample: so many frames of zeros go through it before ready-made silence.
TAIL_FRAMES = 3
# How long the application's own code is waited for once it is cancelled.
PATIENCE_S = 1.0


class OutgoingAudio(MediaStreamTrack):
    """The track that a peer sends: its source from `start` on, and silence where there is none.

    The call's other side recognises the end of speech by the silence, so that the track goes on when the
    source ends.

    Args:
        source: PCM16 24 kHz mono, whole or as an async iterator of pieces of any length; None sends only
            silence.
        on_error: Called with what the iterator raised, or what is wrong with what it yielded; the track goes
            on with silence.
    """

    kind = "audio"

    def __init__(
        self, source: bytes | AsyncIterable[bytes] | None, on_error: Callable[[BaseException], None]
    ) -> None:
        super().__init__()
        self._source = source
        self._on_error = on_error
        self._buffer = bytearray()
        self._wanted = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._finished = asyncio.Event()
        self._encoder = _opus_encoder()
        self._tail = 0
        self._frames = 0
        self._due: float | None = None
        self.sent_bytes: int = 0

    def start(self) -> None:
        """Start the source; until then the track is silent."""
        if self._source is None:
            self._finished.set()
        elif isinstance(self._source, bytes):
            self._buffer += self._source
            self._pump = asyncio.ensure_future(self._drained())
        else:
            self._pump = asyncio.ensure_future(self._read(self._source))

    async def finished(self) -> None:
        """Wait until the source has ended and all of it was sent."""
        await self._finished.wait()

    def give_up(self) -> None:
        """Stop waiting for what can't be sent any more."""
        self._finished.set()

    async def recv(self) -> Packet[Any]:
        """Return the next 20 ms as an Opus packet, when they are due."""
        await self._pace()
        if self.readyState != "live":
            raise MediaStreamError
        packet = Packet(self.next_payload())
        packet.pts = self._frames * CLOCK_PER_FRAME
        packet.time_base = CLOCK
        self._frames += 1
        return packet

    async def aclose(self) -> None:
        """Stop the track and close the source."""
        self.stop()
        self._finished.set()
        if self._pump is not None:
            await _cancelled(self._pump, "audio_in")

    async def _pace(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._due is None or now - self._due > LATE_S:
            self._due = now
        await asyncio.sleep(max(0.0, self._due - now))
        self._due += PACKET_S

    def next_payload(self) -> bytes:
        """Return the next 20 ms as the payload of an Opus packet."""
        pcm = bytes(self._buffer[: min(FRAME_BYTES, len(self._buffer) & ~1)])  # half a sample waits
        del self._buffer[: len(pcm)]
        if len(self._buffer) < AHEAD_BYTES:
            self._wanted.set()
        if pcm:
            self.sent_bytes += len(pcm)
            self._tail = TAIL_FRAMES
        elif self._tail:
            self._tail -= 1
        else:
            return SILENT_PACKET
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        frame.sample_rate = RATE
        frame.planes[0].update(pcm.ljust(FRAME_BYTES, b"\0"))
        return b"".join(bytes(packet) for packet in self._encoder.encode(frame)) or SILENT_PACKET

    async def _read(self, source: AsyncIterable[bytes]) -> None:
        pieces = None
        length = 0
        task = asyncio.current_task()
        try:
            pieces = aiter(source)
            async for piece in pieces:
                if self.readyState != "live":  # it goes on although it was cancelled
                    return
                data = as_bytes(piece, "the yielded audio")
                length += len(data)
                self._buffer += data
                if len(self._buffer) >= AHEAD_BYTES:
                    self._wanted.clear()
                    await self._wanted.wait()
            if length % 2:
                raise ValueError(f"expected whole 16-bit samples; it ended after {length} bytes")
        except BaseException as exc:
            if self.readyState != "live" or is_cancelled(exc, task):
                raise
            self._on_error(exc)
            raise_if_interrupt(exc)
        finally:
            if inspect.isasyncgen(pieces):
                await pieces.aclose()
        await self._drained()

    async def _drained(self) -> None:
        while self._buffer:
            self._wanted.clear()
            await self._wanted.wait()
        self._finished.set()


class IncomingAudio:
    """Passes received audio on as PCM16 24 kHz mono, until the call ends.

    Args:
        sink: Awaited with each piece (20 ms, 960 bytes) in order; None: the audio is dropped.
        on_error: Called with what the sink raised; after that audio is dropped.
    """

    def __init__(
        self, sink: Callable[[bytes], Awaitable[None]] | None, on_error: Callable[[BaseException], None]
    ) -> None:
        self._sink = sink
        self._on_error = on_error
        self._decoder = PacketDecoder()
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []
        if sink is not None:
            self._tasks.append(asyncio.ensure_future(self._run(sink)))
        self.received_bytes: int = 0

    def push(self, payload: bytes) -> None:
        """Receive an Opus packet; one that can't be decoded is dropped."""
        if self._sink is None:
            self.received_bytes += packet_ms(payload) * BYTES_PER_MS
            return
        try:
            pcm = self._decoder.decode(payload)
        except FFmpegError as error:
            logger.debug("a packet of audio can't be decoded: %s", error)
            return
        self._put(pcm)

    def listen(self, track: MediaStreamTrack) -> None:
        """Receive what a track decodes."""
        self._tasks.append(asyncio.ensure_future(self._read(track)))

    async def aclose(self) -> None:
        """Stop reading."""
        self._closing = True
        for task in self._tasks:
            await _cancelled(task, "audio_out")
        if self._sink is not None and (left := sum(map(len, _rest(self._pieces)))):
            logger.info("the last %d ms were not passed to audio_out", left // BYTES_PER_MS)

    async def _read(self, track: MediaStreamTrack) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = cast(AudioFrame, await track.recv())
                self._put(_samples(resampler.resample(frame)))

    def _put(self, pcm: bytes) -> None:
        if pcm:
            self.received_bytes += len(pcm)
            if self._sink is not None:
                self._pieces.put_nowait(pcm)

    async def _run(self, sink: Callable[[bytes], Awaitable[None]]) -> None:
        try:
            while not self._closing:
                await sink(await self._pieces.get())
        except BaseException as exc:
            if self._closing or is_cancelled(exc, asyncio.current_task()):
                raise
            self._sink = None
            self._on_error(exc)
            raise_if_interrupt(exc)


def _rest(pieces: asyncio.Queue[bytes]) -> Iterator[bytes]:
    while not pieces.empty():
        yield pieces.get_nowait()


class PacketDecoder:
    """A decoder for one stream of Opus packets."""

    def __init__(self) -> None:
        self._codec = CodecContext.create("libopus", "r")
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = 2 * RATE
        self._resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
        self._silence: bytes | None = None  # the packet that is known to be silent from here on
        self._was_silent = False
        self._silent_pcm = b""

    def decode(self, payload: bytes) -> bytes:
        """Return a packet's sound, as far as the resampler has finished it.

        Raises:
            av.FFmpegError: It is not an Opus packet.
        """
        if payload == self._silence:
            return self._silent_pcm  # most packets of a call are silent
        if not payload:
            return b""  # FFmpeg would take it for the end of the stream
        self._silence = None
        frames = self._codec.decode(Packet(payload))
        pcm = b"".join(_samples(self._resampler.resample(frame)) for frame in frames)
        was_silent, self._was_silent = self._was_silent, not any(pcm)
        if was_silent and self._was_silent:  # codec and resampler have nothing left to come
            self._silence, self._silent_pcm = payload, pcm
        return pcm


def packet_ms(payload: bytes) -> int:
    """Return how long the sound of an Opus packet is, in milliseconds (RFC 6716 §3.1)."""
    if not payload:
        return 0
    configuration, code = payload[0] >> 3, payload[0] & 3
    if configuration < 12:
        frame: float = (10, 20, 40, 60)[configuration & 3]
    elif configuration < 16:
        frame = (10, 20)[configuration & 1]
    else:
        frame = (2.5, 5, 10, 20)[configuration & 3]
    frames = (1, 2, 2, payload[1] & 63 if len(payload) > 1 else 0)[code]
    return int(frame * frames)


def _samples(frames: list[AudioFrame]) -> bytes:
    return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)


async def open_source(source: AsyncAudioIn | None) -> bytes | AsyncIterable[bytes] | None:
    """Return the audio to be sent: a file is read, in a thread.

    Args:
        source: A path, an async iterable, or None.

    Raises:
        OSError: The file can't be read.
        ValueError: It isn't a WAV file.
        ImportError: It has another rate, which needs the extra `audio`.
    """
    if not isinstance(source, str | os.PathLike):
        return source
    try:
        return await asyncio.to_thread(audio.read_wav, source)
    except ValueError as exc:
        raise ValueError(f"audio_in: {exc}") from exc


def open_sink(
    target: AsyncAudioOut | None,
) -> tuple[Callable[[bytes], Awaitable[None]] | None, Callable[[], None]]:
    """Return where received audio is to go as a callable, and one that closes it.

    Args:
        target: A path, where a WAV file is written as the audio comes; an async callable; or None.

    Raises:
        OSError: The file can't be made.
    """
    if target is None or callable(target):
        return target, lambda: None
    raw = open(target, "wb", opener=private_opener)  # noqa: SIM115  (closed by the peer, when the call ends)
    file = wave.open(raw, "wb")  # noqa: SIM115
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(RATE)
    file.writeframes(b"")  # writes the header, so that a call without audio leaves a readable file too

    async def write(pcm: bytes) -> None:
        file.writeframesraw(pcm)

    def close() -> None:
        try:
            file.close()  # completes the header
            raw.close()
        except OSError as exc:
            logger.warning("audio_out: the file could not be completed: %s", exc)

    return write, close


async def _cancelled(task: asyncio.Task[None], whose: str) -> None:
    """Cancel a task that runs code of the application, which may not let that happen."""
    task.cancel()
    done, _ = await wait([task], PATIENCE_S)
    if not done:
        logger.warning("%s continues although it was cancelled", whose)
    elif not task.cancelled() and (error := task.exception()) is not None:
        logger.warning("%s raised %s when it was cancelled", whose, type(error).__name__)


def _opus_encoder() -> AudioCodecContext:
    encoder = CodecContext.create("libopus", "w")
    encoder.format = "s16"
    encoder.layout = "mono"
    encoder.sample_rate = RATE
    encoder.bit_rate = 48_000
    encoder.time_base = Fraction(1, RATE)
    encoder.options = {
        "application": "voip",
        "frame_duration": "20",
        "compression_level": str(COMPLEXITY),
    }
    return encoder
