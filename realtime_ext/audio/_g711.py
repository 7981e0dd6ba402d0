"""G.711, both laws and both ways, by tables.

A value that lies on a decision value goes to the interval above it when positive and to the one nearer zero
when
negative: G.711 leaves that open, and this is how ITU-T's own reference software (G.191, `ulaw_compress` and
`alaw_compress`) has it. This module must not know about files or events.

Source: ITU-T G.711, tables 1a, 1b, 2a, 2b (https://www.itu.int/rec/T-REC-G.711).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from ._samples import Buffer, as_bytes, to_samples, whole_samples

__all__ = ["pcm16_to_pcma", "pcm16_to_pcmu", "pcma_to_pcm16", "pcmu_to_pcm16"]


def pcmu_to_pcm16(data: Buffer) -> bytes:
    """Decode μ-law, the API's `audio/pcmu`.

    Args:
        data: One byte a sample.

    Returns:
        16-bit little-endian PCM of the same rate, within ±32124.

    Raises:
        TypeError: `data` is not bytes-like.
    """
    return _expand(as_bytes(data), _expansion(_MU))


def pcma_to_pcm16(data: Buffer) -> bytes:
    """Decode A-law, the API's `audio/pcma`.

    Args:
        data: One byte a sample.

    Returns:
        16-bit little-endian PCM of the same rate, within ±32256.

    Raises:
        TypeError: `data` is not bytes-like.
    """
    return _expand(as_bytes(data), _expansion(_A))


def pcm16_to_pcmu(data: Buffer) -> bytes:
    """Encode to μ-law, the API's `audio/pcmu`. The rate stays as it is: resample to 8 kHz before.

    Args:
        data: 16-bit little-endian PCM.

    Returns:
        One byte a sample.

    Raises:
        TypeError: `data` is not bytes-like.
        ValueError: The last sample is cut in half.
    """
    return _compress(data, _compression(_MU))


def pcm16_to_pcma(data: Buffer) -> bytes:
    """Encode to A-law, the API's `audio/pcma`. The rate stays as it is: resample to 8 kHz before.

    Args:
        data: 16-bit little-endian PCM.

    Returns:
        One byte a sample.

    Raises:
        TypeError: `data` is not bytes-like.
        ValueError: The last sample is cut in half.
    """
    return _compress(data, _compression(_A))


# A law is the function from an interval's number (3 bits of segment, 4 bits of step) to the lowest
# magnitude in it, on the 16-bit scale, and the mask that turns the number of a positive sample into its
# octet. Number 128 is the end.
_Law = tuple[Callable[[int], int], int]


def _mu_edge(number: int) -> int:
    segment, step = divmod(number, 16)
    return max(0, ((16 + step) << (segment + 3)) - 132)


def _a_edge(number: int) -> int:
    segment, step = divmod(number, 16)
    return (16 + step) << (segment + 3) if segment else step << 4


_MU: _Law = (_mu_edge, 0xFF)
_A: _Law = (_a_edge, 0xD5)
_SIGN = 0x80


@cache
def _expansion(law: _Law) -> tuple[bytes, bytes]:
    """The low and the high byte of each octet's value."""
    edge, mask = law
    values = [0] * 256
    for number in range(128):
        # Half of an interval is below its middle; μ-law's first is the one that zero lies in the middle of.
        middle = (edge(number) + edge(number + 1)) // 2 if number or law is _A else 0
        values[number ^ mask] = middle
        values[number ^ mask ^ _SIGN] = -middle
    return bytes(value & 0xFF for value in values), bytes(value >> 8 & 0xFF for value in values)


@cache
def _compression(law: _Law) -> bytes:
    """The octet of each 16-bit sample, which is taken as unsigned."""
    edge, mask = law
    edges = [edge(number) for number in range(128)]
    ends = [*edges[1:], 32768]
    positive = b"".join(bytes([n ^ mask]) * (ends[n] - edges[n]) for n in range(128))
    flip = bytes(octet ^ _SIGN for octet in range(256))
    return positive + positive[::-1].translate(flip)


def _expand(data: bytes | bytearray, table: tuple[bytes, bytes]) -> bytes:
    low, high = table
    out = bytearray(2 * len(data))
    out[0::2] = data.translate(low)
    out[1::2] = data.translate(high)
    return bytes(out)


def _compress(data: Buffer, table: bytes) -> bytes:
    samples = to_samples(whole_samples(data), "H")
    return bytes([table[sample] for sample in samples])
