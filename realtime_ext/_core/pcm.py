"""Bytes of audio as numbers, and back; nothing here knows a format other than 16-bit PCM."""

from __future__ import annotations

import sys
from array import array
from typing import Literal, TypeVar

_N = TypeVar("_N", int, float)

_QUIET = 104  # -50 dBFS

Buffer = bytes | bytearray | memoryview
"""What every function here accepts as audio; any other object with a buffer works too."""


def as_bytes(data: Buffer, name: str = "data") -> bytes | bytearray:
    """Return any bytes-like object as bytes, copying it unless it is bytes or a bytearray.

    Raises:
        TypeError: It is not bytes-like; for a str, with the hint that base64 has to be decoded first.
    """
    if isinstance(data, bytes | bytearray):
        return data
    try:
        return memoryview(data).tobytes()
    except TypeError:
        given = type(data).__name__
        hint = "; base64 text has to be decoded first" if given == "str" else ""
        raise TypeError(f"{name}: expected bytes, got {given}{hint}") from None


def whole_samples(data: Buffer, name: str = "data") -> bytes | bytearray:
    """Return PCM16 as bytes, an even number of them.

    Raises:
        TypeError: It is not bytes-like.
        ValueError: The last sample is cut in half.
    """
    raw = as_bytes(data, name)
    if len(raw) % 2:
        raise ValueError(
            f"{name}: expected whole 16-bit samples, an even number of bytes; got {len(raw)} bytes"
        )
    return raw


def is_quiet(pcm: Buffer) -> bool:
    """Return whether PCM16 has nothing to be heard: no sample above -50 dBFS.

    Args:
        pcm: 16-bit PCM, little-endian; half a sample at its end is not looked at.

    Raises:
        TypeError: It is not bytes-like.
    """
    raw = as_bytes(pcm, "pcm")
    samples = to_samples(raw[: len(raw) // 2 * 2])
    return not samples or (max(samples) < _QUIET and min(samples) > -_QUIET)


def to_samples(raw: bytes | bytearray, typecode: Literal["h", "H"] = "h") -> array[int]:
    """Read little-endian 16-bit numbers; `raw` has to be a whole number of them."""
    return _swapped(array(typecode, raw))


def to_floats(raw: bytes | bytearray, typecode: Literal["f", "d"]) -> array[float]:
    """Read little-endian floating point numbers; `raw` has to be a whole number of them."""
    return _swapped(array(typecode, raw))


def from_samples(samples: array[int]) -> bytes:
    """Write numbers as little-endian bytes."""
    return _swapped(samples[:]).tobytes()


def _swapped(numbers: array[_N]) -> array[_N]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
