"""Functions of scenarios that raise anything: that concerns their own session alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from realtime_simulator import Simulator
from websockets.exceptions import ConnectionClosed

from tests.simulator.sounds import silence, vowel
from tests.simulator.test_ws_translation import PATH, append
from tests.simulator.wire import Socket

pytestmark = pytest.mark.slow


class Unusual(BaseException):
    """Neither an Exception nor one that Python itself raises."""

    def __str__(self) -> str:
        raise ValueError("an exception without a text")


RAISED = [
    ValueError,
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
    StopIteration,
    StopAsyncIteration,
    RecursionError,
    Unusual,
]


@pytest.fixture(params=RAISED, ids=lambda kind: kind.__name__)
def error(request: pytest.FixtureRequest) -> type[BaseException]:
    return request.param


PLACES = ["function", "coroutine", "iterator", "match", "voice", "async voice"]
# Each exception in a function and in a coroutine, and each place with the least usual exception.
FAILING = [(place, error) for place in PLACES for error in RAISED if error is Unusual or place in PLACES[:2]]


@pytest.fixture(params=FAILING, ids=lambda param: f"{param[0]}-{param[1].__name__}")
def failing(request: pytest.FixtureRequest) -> Any:
    """A function that makes the next response of a simulator fail."""
    place, error = request.param

    def fails(*arguments: object) -> Any:
        raise error

    async def fails_later(*arguments: object) -> Any:
        await asyncio.sleep(0)
        raise error

    async def iterates(*arguments: object) -> AsyncIterator[str]:
        yield "One sentence. "
        raise error

    def set_up(sim: Simulator) -> None:
        match place:
            case "function":
                sim.on_response(fails, times=1)
            case "coroutine":
                sim.on_response(fails_later, times=1)
            case "iterator":
                sim.on_response(iterates, times=1)
            case "match":
                sim.on_response("Hi", match=fails)
            case "voice":
                sim.on_voice(fails)
            case "async voice":
                sim.on_voice(fails_later)

    return set_up


def works(socket: Socket) -> None:
    socket.send("response.create", response={"output_modalities": ["text"]})
    assert socket.until("response.done")["response"]["status"] == "completed"


def test_a_scenario_that_raises_only_fails_its_response(
    failing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with Simulator(pacing="none", espeak=False) as sim, Socket(sim) as other, Socket(sim) as own:
        failing(sim)
        own.send("response.create")
        response = own.until("response.done")["response"]
        assert response["status"] == "failed"
        assert response["status_details"]["error"]["type"] == "server_error"
        sim.on_voice(None)
        sim.on_response("fine")
        works(own)
        works(other)
        with Socket(sim) as new:
            works(new)
    assert "the scenario failed" in caplog.text and "Traceback" in caplog.text
    assert "please report" not in caplog.text


def test_recognition_that_raises_only_fails_its_transcription(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(heard: object) -> str:
        raise error

    async def fails_later(heard: object) -> str:
        raise error

    with Simulator(pacing="none", espeak=False) as sim, Socket(sim) as other:
        for function in (fails, fails_later):
            sim.on_speech(function)
            with Socket(sim, "intent=transcription") as own:
                audio = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
                own.send("session.update", session={"type": "transcription", "audio": audio})
                own.append(vowel() + silence())
                own.until("conversation.item.input_audio_transcription.failed")
        works(other)
    assert "the function for what users say failed" in caplog.text and "Traceback" in caplog.text


def test_a_translation_that_raises_fails_alone(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(text: str, language: str) -> str:
        raise error

    async def fails_later(text: str, language: str) -> str:
        raise error

    with Simulator(pacing="none", espeak=False) as sim, Socket(sim) as other:
        for function in (fails, fails_later):
            sim.on_translation(function)
            with Socket(sim, "model=gpt-realtime-translate", path=PATH) as own:
                append(own, silence(0.5) + vowel() + silence())
                assert own.until("error")["error"]["code"] == "translation_failed"
                own.send("session.close")
                assert own.closed()[0] == 1000
        works(other)
    assert "the translation failed" in caplog.text and "Traceback" in caplog.text
    assert "please report" not in caplog.text


@pytest.mark.parametrize("raised", [ZeroDivisionError, SystemExit, KeyboardInterrupt])
def test_an_error_of_the_simulator_ends_its_session_alone_and_blames_this_package(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, raised: type[BaseException]
) -> None:
    def fail(*arguments: object) -> None:
        raise raised

    monkeypatch.setattr("realtime_simulator._engine.items.Items.retrieve", fail)
    with Simulator(pacing="none", espeak=False) as sim, Socket(sim) as other, Socket(sim) as own:
        own.send("conversation.item.retrieve", item_id="x")
        assert own.until("error")["error"]["type"] == "server_error"
        with pytest.raises(ConnectionClosed) as closed:
            own.recv()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1011
        works(other)
    assert "error in realtime_simulator: please report it" in caplog.text and "Traceback" in caplog.text


def test_a_callback_that_raises_system_exit_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise SystemExit

    with Simulator(pacing="none", espeak=False) as sim, Socket(sim) as other:
        assert sim._thread is not None
        sim._thread.loop.call_soon_threadsafe(fail)
        works(other)
    assert "please report it" in caplog.text
