"""Checks of the arguments for a WebRTC call's audio and connection, before anything is sent.

It must not load the WebRTC library, open a file or ask for audio.
"""

from __future__ import annotations

import inspect
import ipaddress
import logging
import os
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from .._core.arguments import check_timeout
from .._core.callbacks import raise_if_interrupt

AsyncAudioIn: TypeAlias = "str | os.PathLike[str] | AsyncIterable[bytes]"
AsyncAudioOut: TypeAlias = "str | os.PathLike[str] | Callable[[bytes], Awaitable[None]]"

logger: logging.Logger = logging.getLogger("realtime_ext.webrtc")

_AUDIO_IN = "the path of a WAV file, or an async iterator of PCM16"
_AUDIO_OUT = "the path of a WAV file, or an async function that takes PCM16"


def check_media(audio_in: object, audio_out: object, connect_timeout: object, on_progress: object) -> None:
    """Check the arguments of a call other than its host addresses.

    Raises:
        TypeError: One has the wrong type, such as an async generator function that was not called.
        ValueError: One has a value that can't work.
    """
    if audio_in is not None and not isinstance(audio_in, AsyncIterable):
        _check_path("audio_in", audio_in, _AUDIO_IN, _hint_in(audio_in))
    if audio_out is not None and not _is_async(audio_out):
        hint = ""
        if callable(audio_out) and not inspect.isclass(audio_out):
            hint = " that is not async; write `async def`, since it is awaited for each piece"
        _check_path("audio_out", audio_out, _AUDIO_OUT, hint)
    if isinstance(connect_timeout, bool) or not isinstance(connect_timeout, int | float):
        got = type(connect_timeout).__name__
        raise TypeError(f"connect_timeout: expected seconds, more than 0, got {got}")
    check_timeout("connect_timeout", connect_timeout)
    if on_progress is not None and not callable(on_progress):
        raise TypeError(f"on_progress: expected a function, got {type(on_progress).__name__}")
    if _is_async(on_progress) or inspect.isasyncgenfunction(on_progress):
        raise TypeError("on_progress: expected a function that is not async")


def _hint_in(value: object) -> str:
    if inspect.iscoroutine(value):
        value.close()  # or Python would warn that it was never awaited
        return "; an async function without `yield` gives none"
    if callable(value):
        return "; call the async generator function: audio_in=speech()"
    if hasattr(value, "__iter__"):
        return "; an async generator can yield the pieces"
    return ""


def _is_async(value: object) -> bool:
    if inspect.isclass(value) or not callable(value):
        return False
    return inspect.iscoroutinefunction(inspect.unwrap(value)) or inspect.iscoroutinefunction(
        type(value).__call__
    )


def _check_path(field: str, value: object, expected: str, hint: str) -> None:
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{field}: expected {expected}, got {type(value).__name__}{hint}")
    text = os.fspath(value)
    if not isinstance(text, str):
        raise TypeError(f"{field}: expected a path that is text, got one of {type(text).__name__}")
    if not text or "\0" in text:
        raise ValueError(f"{field}: expected the path of a file, got {text!r}")


def check_host_addresses(value: Sequence[str] | None) -> Sequence[str] | None:
    """Check this machine's addresses to be reached at: IPv4 or IPv6, at least one; or None.

    Returns:
        The addresses, in a tuple.

    Raises:
        TypeError: It is not a sequence of str.
        ValueError: It is empty, or holds what no machine can be reached at.
    """
    if value is None:
        return None
    if isinstance(value, str | bytes | bytearray) or not isinstance(value, Sequence):
        hint = f"; put it into a list: [{value!r}]" if isinstance(value, str) else ""
        raise TypeError(f"host_addresses: expected a list of IP addresses, got {type(value).__name__}{hint}")
    if not value:
        raise ValueError("host_addresses: expected at least one IP address, or None for all; got none")
    for position, address in enumerate(value):
        field = f"host_addresses[{position}]"
        if not isinstance(address, str):
            raise TypeError(f"{field}: expected an IP address as a str, got {type(address).__name__}")
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError as error:
            raise ValueError(f"{field}: expected an IP address of this machine, got {address!r}") from error
        if parsed.is_unspecified or parsed.is_multicast:
            raise ValueError(f"{field}: expected an address of this machine alone, got {address!r}")
    return tuple(value)


def report(on_progress: Callable[[Any], object] | None, step: str) -> None:
    """Report a step; what `on_progress` raises is logged, since a call must not fail by being watched."""
    if on_progress is None:
        return
    try:
        on_progress(step)
    except BaseException as error:
        raise_if_interrupt(error)
        logger.warning("on_progress raised %s at %r", type(error).__name__, step)
