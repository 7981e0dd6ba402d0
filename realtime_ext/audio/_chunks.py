"""Raw audio cut into chunks of equal length: at once, or as it comes in.

This module must not look at what is in the audio.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ._format import AudioFormat, audio_format
from ._samples import Buffer, as_bytes

__all__ = ["Chunker", "chunks"]


def chunks(data: Buffer, format: Any = "pcm", ms: float = 20, *, pad: bool = False) -> Iterator[bytes]:
    """Cut audio that is there as a whole.

    Args:
        data: Mono audio in `format`.
        format: As `audio_format` takes it.
        ms: Milliseconds a chunk, above 0; 20 is what telephony and WebRTC use.
        pad: Fill the last chunk up with silence; without it that one may be shorter.

    Returns:
        An iterator of the chunks. Put together they are `data` again, but for the padding.

    Raises:
        TypeError: `data` is not bytes-like.
        ValueError: There is no such format, or `ms` is less than a sample.
    """
    form = audio_format(format)
    size = _size(form, ms)
    return _cut(as_bytes(data), form, size, pad)


def _cut(data: bytes | bytearray, form: AudioFormat, size: int, pad: bool) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        chunk = bytes(data[start : start + size])
        yield _padded(chunk, form, size) if pad else chunk


class Chunker:
    """Cuts a stream of pieces of any length into chunks of one length.

        chunker = Chunker("pcmu")
        for chunk in chunker.feed(audio.decode(event)):
            line.send(chunk)                       # 160 bytes, 20 ms
        line.send(chunker.flush())

    Args:
        format: As `audio_format` takes it.
        ms: Milliseconds a chunk, above 0.

    Raises:
        ValueError: There is no such format, or `ms` is less than a sample.
    """

    def __init__(self, format: Any = "pcm", ms: float = 20) -> None:
        self._format = audio_format(format)
        self._size = _size(self._format, ms)
        self._rest = bytearray()

    def feed(self, data: Buffer) -> list[bytes]:
        """Take the next piece.

        Returns:
            The chunks that are now complete, oldest first; what remains is kept for the next piece.

        Raises:
            TypeError: `data` is not bytes-like.
        """
        self._rest += as_bytes(data)
        end = len(self._rest) - len(self._rest) % self._size
        whole = bytes(self._rest[:end])
        del self._rest[:end]
        return [whole[start : start + self._size] for start in range(0, end, self._size)]

    def flush(self, *, pad: bool = True) -> bytes:
        """Give what remains and start anew.

        Args:
            pad: Fill it up with silence to a whole chunk.

        Returns:
            The last chunk; empty if nothing remained.
        """
        rest = bytes(self._rest)
        self._rest.clear()
        return _padded(rest, self._format, self._size) if pad else rest


def _size(form: AudioFormat, ms: float) -> int:
    # What is no number is refused by bytes_in.
    size = 0 if isinstance(ms, int | float) and not 0 < ms < float("inf") else form.bytes_in(ms)
    if not size:
        raise ValueError(f"ms: expected a chunk of at least one sample, got {ms!r} ms")
    return size


def _padded(chunk: bytes, form: AudioFormat, size: int) -> bytes:
    if not chunk or len(chunk) == size:
        return chunk
    silent = form.silent_sample * (size // form.width)
    return chunk + silent[len(chunk) :]
