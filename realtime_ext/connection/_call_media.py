"""Checks of the arguments for a WebRTC call's audio and connection, before anything is sent.

It must not load the WebRTC library, open a file or ask for audio.
"""

from __future__ import annotations

import functools
import inspect
import ipaddress
import logging
import os
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from .._core.arguments import check_timeout
from .._core.threads import raise_if_interrupt

__all__ = [
    "AsyncAudioIn",
    "AsyncAudioOut",
    "check_host_addresses",
    "check_media",
    "report",
]

AsyncAudioIn: TypeAlias = "str | os.PathLike[str] | AsyncIterable[bytes]"
AsyncAudioOut: TypeAlias = "str | os.PathLike[str] | Callable[[bytes], Awaitable[None]]"

logger: logging.Logger = logging.getLogger("realtime_ext.webrtc")

_AUDIO_IN = "the path of a WAV file, or an async iterator of PCM16"
_AUDIO_OUT = "the path of a WAV file, or an async function that takes PCM16"


def check_media(audio_in: object, audio_out: object, connect_timeout: object, on_progress: object) -> None:
    """Check the arguments of a call other than its host addresses.

    Raises:
        TypeError: One has the wrong type.
        ValueError: One has a value that can't work.
    """
    _check_audio_in(audio_in)
    _check_audio_out(audio_out)
    _check_connect_timeout(connect_timeout)
    _check_on_progress(on_progress)


def _check_audio_in(value: object) -> None:
    """Check what is to be said: a path (str or PathLike), an async iterable, or None.

    Raises:
        TypeError: It is something else, such as an async generator function that was not called.
        ValueError: It is a path that no file can have.
    """
    if value is None or isinstance(value, AsyncIterable):
        return
    if isinstance(value, str | os.PathLike):
        _check_path("audio_in", value)
        return
    hint = ""
    if inspect.iscoroutine(value):
        value.close()  # or Python would warn that it was never awaited
        hint = "; an async function without `yield` gives none"
    elif callable(value):
        hint = "; call an async generator function, and hand over what it gives: audio_in=speech()"
    elif isinstance(value, bytes | bytearray | memoryview):
        hint = "; have an async generator yield the bytes"
    elif hasattr(value, "__iter__"):
        hint = "; an async generator can yield the pieces"
    raise TypeError(f"audio_in: expected {_AUDIO_IN}, got {type(value).__name__}{hint}")


def _check_audio_out(value: object) -> None:
    """Check where what is heard goes: a path (str or PathLike), an async callable, or None.

    Raises:
        TypeError: It is something else, or a function that isn't async.
        ValueError: It is a path that no file can have.
    """
    if value is None or _is_coroutine_function(value):
        return
    if isinstance(value, str | os.PathLike):
        _check_path("audio_out", value)
        return
    hint = ""
    if inspect.isclass(value):
        hint = "; an object of a class can have an async `__call__`, the class itself has not"
    elif callable(value):
        hint = " that is not async; write `async def`, since it is awaited for each piece"
    raise TypeError(f"audio_out: expected {_AUDIO_OUT}, got {type(value).__name__}{hint}")


def _check_connect_timeout(value: object) -> None:
    """Check the time to connect: seconds above 0, infinity for no limit.

    Raises:
        TypeError: It is not an int or float.
        ValueError: It is 0, negative, not a number, or more than can be waited.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"connect_timeout: expected seconds, more than 0, got {type(value).__name__}")
    check_timeout("connect_timeout", value)


def _check_on_progress(value: object) -> None:
    """Check what the steps are reported to: a callable that isn't async, or None.

    Raises:
        TypeError: It is something else.
    """
    if value is None:
        return
    if not callable(value):
        raise TypeError(f"on_progress: expected a function, got {type(value).__name__}")
    if _is_coroutine_function(value) or inspect.isasyncgenfunction(value):
        raise TypeError("on_progress: expected a function that is not async")


def check_host_addresses(value: Sequence[str] | None) -> Sequence[str] | None:
    """Check this machine's addresses to be reached at: IPv4 or IPv6, at least one; or None.

    Returns:
        The addresses, in a tuple.

    Raises:
        TypeError: It is no sequence of str.
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


def _is_coroutine_function(value: object) -> bool:
    """Return whether calling it makes a coroutine: an async function or method, an object with an async
    ``__call__``, or a `functools.partial` or wrapper of one.
    """
    plain = value
    while True:
        if _is_async(plain):
            return True
        if isinstance(plain, functools.partial):
            plain = plain.func
        elif inspect.isroutine(plain) and hasattr(plain, "__wrapped__"):
            plain = plain.__wrapped__
        else:
            return False


def _is_async(value: object) -> bool:
    if inspect.isclass(value) or not callable(value):
        return False
    return inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(type(value).__call__)


def _check_path(field: str, value: str | os.PathLike[str]) -> None:
    text = os.fspath(value)
    if not isinstance(text, str):
        raise TypeError(f"{field}: expected a path that is text, got one of {type(text).__name__}")
    if not text or "\0" in text:
        raise ValueError(f"{field}: expected a path that is not empty and without NUL, got {text!r}")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise ValueError(f"{field}: expected a path that the system can write, got {text!r}") from error
