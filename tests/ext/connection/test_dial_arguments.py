"""What `dial` is given is looked at before a call is made: no mistake costs a call."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast
from unittest import mock

import pytest

from realtime_ext import AsyncRealtimeClient, audio
from realtime_ext.connection._webrtc_peer import WebRtcPeer
from tests.ext.connection.far_end import FarEnd
from tests.support.rows import each


async def speech() -> AsyncIterator[bytes]:
    yield bytes(960)


async def listen(pcm: bytes) -> None:
    return


async def listen_by_name(name: str, pcm: bytes) -> None:
    return


@functools.wraps(listen)
def wrapped(pcm: bytes) -> Any:
    return listen(pcm)


class Loudspeaker:
    async def __call__(self, pcm: bytes) -> None:
        return

    async def play(self, pcm: bytes) -> None:
        return


class BytesPath:
    def __fspath__(self) -> bytes:
        return b"reply.wav"


class Pieces:
    def __aiter__(self) -> AsyncIterator[bytes]:
        return speech()


WRONG: list[tuple[str, Any, type[Exception], str]] = [
    ("audio_in", speech, TypeError, "got function; call the async generator function.*speech()"),
    ("audio_in", Loudspeaker, TypeError, "got type"),
    ("audio_in", [bytes(960)], TypeError, "got list; an async generator can yield the pieces"),
    ("audio_in", iter([bytes(960)]), TypeError, "got list_iterator"),
    ("audio_in", (piece for piece in [b""]), TypeError, "got generator"),
    ("audio_in", 5, TypeError, "expected the path of a WAV file, or an async iterator of PCM16, got int"),
    ("audio_in", b"raw", TypeError, "got bytes; an async generator can yield the pieces"),
    ("audio_in", bytearray(2), TypeError, "got bytearray"),
    ("audio_in", "", ValueError, "expected the path of a file, got ''"),
    ("audio_in", "a\0b", ValueError, "expected the path of a file"),
    ("audio_in", BytesPath(), TypeError, "path that is text, got one of bytes"),
    ("audio_out", lambda pcm: None, TypeError, "got function that is not async; write `async def`"),
    ("audio_out", functools.partial(print, end=""), TypeError, "got partial that is not async"),
    ("audio_out", [].append, TypeError, "not async"),
    ("audio_out", speech, TypeError, "not async"),
    ("audio_out", Loudspeaker, TypeError, "got type$"),
    ("audio_out", 3, TypeError, "expected the path of a WAV file, or an async function .* got int$"),
    ("audio_out", True, TypeError, "got bool$"),
    ("audio_out", b"reply.wav", TypeError, "got bytes$"),
    ("audio_out", "", ValueError, "expected the path of a file"),
    ("connect_timeout", "3", TypeError, "expected seconds, more than 0, got str"),
    ("connect_timeout", True, TypeError, "got bool"),
    ("connect_timeout", None, TypeError, "got NoneType"),
    ("connect_timeout", 0, ValueError, "expected more than 0 seconds, got 0"),
    ("connect_timeout", -1.5, ValueError, "got -1.5"),
    ("connect_timeout", float("nan"), ValueError, "got nan"),
    ("connect_timeout", 10**400, ValueError, "at most"),
    ("on_progress", 5, TypeError, "expected a function, got int"),
    ("on_progress", listen, TypeError, "not async"),
    ("on_progress", speech, TypeError, "not async"),
    ("host_addresses", ["nonsense"], ValueError, r"\[0\]: expected an IP address.*'nonsense'"),
    ("host_addresses", ["127.0.0.1", 1], TypeError, r"\[1\]: .* as a str, got int"),
    ("host_addresses", ["0.0.0.0"], ValueError, "'0.0.0.0'"),
    ("host_addresses", ["224.0.0.1"], ValueError, "'224.0.0.1'"),
    ("host_addresses", "127.0.0.1", TypeError, r"got str; put it into a list: \['127.0.0.1'\]"),
    ("host_addresses", {"127.0.0.1"}, TypeError, "expected a list of IP addresses, got set"),
    ("host_addresses", [], ValueError, "at least one"),
]


@each("field, value, kind, message", WRONG)
def test_unusable_arguments_are_refused_when_dial_is_called(
    field: str, value: Any, kind: type[Exception], message: str
) -> None:
    client = AsyncRealtimeClient("test-key-0123", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(kind, match=f"(?s)^{field}.*{message}"):
        client.dial(**{field: value})
    with pytest.raises(kind, match=f"(?s)^{field}.*{message}"):
        WebRtcPeer(**{field: value})


def test_a_coroutine_in_place_of_an_iterator_is_refused_without_a_second_warning() -> None:
    client = AsyncRealtimeClient("test-key-0123", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(TypeError, match=r"^audio_in.*got coroutine; an async function without `yield`"):
        client.dial(audio_in=cast(Any, listen(b"")))


@each(
    "given, message",
    [
        ({"client_secret": "sk-real"}, "client_secret: expected a client secret"),
        ({"client_secret": "ek_\n"}, "client_secret: must be"),
        ({"client_secret": 5}, "client_secret: expected a str, got int"),
        ({"client_secret": "ek_1", "session": {}}, "a client secret already has its session"),
        (
            {"client_secret": "ek_1", "safety_identifier": "u1"},
            "safety_identifier belongs to client_secrets.create",
        ),
        ({"safety_identifier": "a\nb"}, "safety_identifier: not usable"),
    ],
)
def test_arguments_that_the_request_cannot_carry_are_refused_when_dial_is_called(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        AsyncRealtimeClient("test-key-0123", base_url="http://127.0.0.1:9/v1").dial(**given)


@each(
    "field, value",
    [
        ("audio_in", Path("question.wav")),
        ("audio_in", speech()),
        ("audio_in", Pieces()),
        ("audio_in", asyncio.StreamReader(loop=mock.Mock())),
        ("audio_out", Path("reply.wav")),
        ("audio_out", listen),
        ("audio_out", wrapped),
        ("audio_out", Loudspeaker()),
        ("audio_out", Loudspeaker().play),
        ("audio_out", functools.partial(listen_by_name, "left")),
        ("audio_out", mock.AsyncMock()),
        ("connect_timeout", 3),
        ("connect_timeout", float("inf")),
        ("on_progress", print),
        ("on_progress", mock.Mock()),
        ("host_addresses", ["127.0.0.1", "::1", "fe80::1%eth0"]),
        ("host_addresses", ("10.0.0.1",)),
    ],
)
def test_usable_arguments_are_accepted(field: str, value: Any) -> None:
    AsyncRealtimeClient("test-key-0123", base_url="http://127.0.0.1:9/v1").dial(**{field: value})
    WebRtcPeer(**{field: value})


def _text(path: Path) -> Path:
    path.write_text("not audio")
    return path


def _wav(path: Path) -> Path:
    audio.write_wav(path, bytes(960))
    return path


@each(
    "kind, message, given",
    [
        (FileNotFoundError, "question", lambda folder: {"audio_in": folder / "question.wav"}),
        (IsADirectoryError, "directory", lambda folder: {"audio_in": folder}),
        (
            ValueError,
            "^audio_in: .*not a WAV file",
            lambda folder: {"audio_in": str(_text(folder / "a.wav")), "audio_out": str(folder / "reply.wav")},
        ),
        (
            FileNotFoundError,
            "reply",
            lambda folder: {"audio_in": _wav(folder / "a.wav"), "audio_out": folder / "none" / "reply.wav"},
        ),
        (
            ValueError,
            "^host_addresses: expected addresses of this machine, got 192.0.2.1$",
            lambda folder: {"host_addresses": ["192.0.2.1"], "audio_out": folder / "reply.wav"},
        ),
    ],
)
def test_arguments_invalid_on_this_machine_are_refused_before_the_call(
    kind: type[Exception], message: str, given: Any, tmp_path: Path
) -> None:
    async def main() -> None:
        far_end = FarEnd()
        threads = threading.active_count()
        async with far_end.client() as client:
            with pytest.raises(kind, match=message):
                async with client.dial(**given(tmp_path)):
                    pass
        assert not far_end.requested.is_set()
        assert threading.active_count() <= threads + 1  # the loop's own, that reads files
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
