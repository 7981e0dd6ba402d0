"""`dial` of the sync client: audio from iterators and to functions that may block, and its end."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from realtime_simulator import Simulator

from realtime_ext import ConnectionClosedError, RealtimeClient, RealtimeError, audio
from realtime_ext.connection import CallConnection, Dialing
from tests.simulator.sounds import vowel
from tests.support.rows import each
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.real_time

SESSION = {"type": "realtime", "model": "gpt-realtime"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(pacing="none") as running:
        yield running


@pytest.fixture(autouse=True)
def _no_thread_stays_behind() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("realtime_ext") and thread.name != "realtime_ext loop":
            thread.join(PATIENCE)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("realtime_ext")] == []


@pytest.fixture
def dial(simulator: Simulator) -> Iterator[Callable[..., Dialing]]:
    with RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client:
        yield partial(client.dial, session=SESSION)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "realtime_ext")
    return caplog


def until_hung_up(simulator: Simulator, call_id: str, log: pytest.LogCaptureFixture) -> None:
    """Wait for a call's end, which was asked for; the peer closes at the same time, and may be first."""
    simulator.wait_for(lambda: any(call.id == call_id and call.ended for call in simulator.calls))
    assert any(f"{call_id}/hangup answered" in message for message in log.messages)


def test_a_call_with_files(
    dial: Callable[..., Dialing], simulator: Simulator, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    audio.write_wav(tmp_path / "question.wav", vowel(0.6))
    steps: list[str] = []
    dialing = dial(
        audio_in=tmp_path / "question.wav",
        audio_out=tmp_path / "reply.wav",
        on_progress=steps.append,
    )
    assert dialing.offer is None and dialing.call is None
    with dialing as connection:
        assert isinstance(connection, CallConnection)
        assert connection.call is dialing.call
        assert repr(connection) == f"<CallConnection realtime call_id={connection.call_id!r}>"
        connection.finished_speaking()
        assert connection.sent_ms == 600
        connection.wait_for("output_audio_buffer.started", timeout=PATIENCE)
        while connection.received_ms < 100:
            connection.recv(20)
        with pytest.raises(RealtimeError, match="audio flows on the track"):
            connection.append_audio(b"")
    assert steps == ["offer", "call", "ice", "dtls", "data channel"]
    assert dialing.offer and dialing.offer.startswith("v=0\r\n")
    assert len(audio.read_wav(tmp_path / "reply.wav")) > 100 * 48
    until_hung_up(simulator, connection.call.id, log)


def test_iterators_and_functions_that_block_run_in_worker_threads(
    dial: Callable[..., Dialing], simulator: Simulator
) -> None:
    threads: set[str] = set()
    heard = threading.Event()

    def speech() -> Iterator[bytes]:
        for _ in range(30):
            threads.add(threading.current_thread().name)
            yield vowel(0.02)

    def listen(pcm: bytes) -> None:
        threads.add(threading.current_thread().name)
        assert isinstance(pcm, bytes)
        heard.set()

    with dial(audio_in=speech(), audio_out=listen) as connection:
        connection.finished_speaking()
        assert connection.sent_ms == 600
        assert heard.wait(PATIENCE)
    assert threads == {"realtime_ext audio_in", "realtime_ext audio_out"}


def test_a_generator_is_closed_with_the_call(dial: Callable[..., Dialing], simulator: Simulator) -> None:
    begun, closed = threading.Event(), threading.Event()

    def endless() -> Iterator[bytes]:
        try:
            while True:
                begun.set()
                yield vowel(0.02)
        finally:
            closed.set()

    with dial(audio_in=endless()):
        assert begun.wait(PATIENCE)
    assert closed.is_set()


def test_an_iterator_that_blocks_keeps_neither_the_call_nor_the_program(
    dial: Callable[..., Dialing], simulator: Simulator, log: pytest.LogCaptureFixture
) -> None:
    begun, release = threading.Event(), threading.Event()

    def microphone() -> Iterator[bytes]:
        yield vowel(0.02)
        begun.set()
        release.wait(PATIENCE)

    with dial(audio_in=microphone()) as connection:
        assert begun.wait(PATIENCE)
    until_hung_up(simulator, connection.call.id, log)
    release.set()


def failing(*_: Any) -> Iterator[bytes]:
    raise OSError("the device is gone")


def failing_source() -> Iterator[bytes]:
    yield vowel(0.02)
    raise OSError("the device is gone")


@pytest.mark.parametrize("field", ["audio_in", "audio_out"])
def test_exceptions_of_audio_functions_end_the_connection(
    dial: Callable[..., Dialing], simulator: Simulator, field: str
) -> None:
    options = {"audio_in": failing_source()} if field == "audio_in" else {"audio_out": failing}
    with dial(**options) as connection, pytest.raises(ConnectionClosedError) as caught:
        connection.run()
    assert caught.value.reason == f"{field} failed: the device is gone"
    assert caught.value.code == 1011
    assert isinstance(caught.value.__cause__, OSError)


def test_tools_and_questions_work_as_on_other_connections(
    dial: Callable[..., Dialing], simulator: Simulator
) -> None:
    with dial() as connection:
        assert connection.ask("Hello?", timeout=PATIENCE).transcript
        assert connection.usage.entries


def test_an_interrupt_within_the_block_or_on_the_way_into_it_hangs_up(
    dial: Callable[..., Dialing], simulator: Simulator, log: pytest.LogCaptureFixture
) -> None:
    before = {call.id for call in simulator.calls}

    def interrupt(step: str) -> None:
        if step == "call":
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), dial(on_progress=interrupt):
        threading.Event().wait(20)
    [call] = [call for call in simulator.calls if call.id not in before]
    until_hung_up(simulator, call.id, log)


async def speech_async() -> Any:
    yield b""


async def listen_async(pcm: bytes) -> None: ...


WRONG: list[tuple[str, Any, str]] = [
    ("audio_in", failing_source, "got function; call the generator function"),
    ("audio_in", speech_async(), "got async_generator"),
    ("audio_in", bytes(960), "got bytes; put the bytes into a list"),
    ("audio_in", 5, "expected the path of a WAV file, or an iterator of PCM16, got int"),
    ("audio_out", listen_async, "an async function only works in AsyncRealtimeClient's connections"),
    ("audio_out", 5, "expected the path of a WAV file, or a function that takes PCM16, got int"),
    ("connect_timeout", "3", "expected seconds"),
]


@each("field, value, message", WRONG)
def test_unusable_arguments_are_refused_when_dial_is_called(field: str, value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{field}: .*{message}"):
        RealtimeClient("key", base_url="http://127.0.0.1:9/v1").dial(**{field: value})


@each("path", ["", "a\0b"])
@each("field", ["audio_in", "audio_out"])
def test_paths_that_no_file_can_have_are_refused(field: str, path: str) -> None:
    client: Callable[..., Any] = RealtimeClient("key", base_url="http://127.0.0.1:9/v1").dial
    with pytest.raises(ValueError, match=f"^{field}: "):
        client(**{field: path})
