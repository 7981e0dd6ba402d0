"""A last sentence on the phone: said, heard to its end, and the call hung up whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from realtime_simulator import Call, Simulator, pause

from realtime_ext import APITimeoutError, RealtimeError, SessionBuilder
from tests.ext.connection.driver import Driven, async_only
from tests.support.rows import each
from tests.support.runner import Runner

SESSION = SessionBuilder("gpt-realtime").instructions("front desk")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_response(lambda turn: turn.response["instructions"].rpartition(": ")[2])
        yield simulator


def ringing(simulator: Simulator) -> Call:
    return simulator.incoming_call("http://127.0.0.1:9/", attempts=1)


def client_of(runner: Runner, simulator: Simulator) -> Any:
    return runner.client(api_key=simulator.api_key, base_url=simulator.base_url)


@pytest.mark.parametrize("attaches", [False, True], ids=["answer", "connect"])
def test_it_is_said_and_heard_before_the_call_is_hung_up(
    runner: Runner, simulator: Simulator, attaches: bool
) -> None:
    call, client = ringing(simulator), client_of(runner, simulator)
    if attaches:
        runner.run(client.calls.accept(call.id, SESSION))
        opening = client.connect(call_id=call.id)
    else:
        opening = client.answer(call.id, SESSION)
    with Driven(opening, runner) as connection:
        turn = connection.say_goodbye("Bye.")
        assert (turn.transcript, turn.status) == ("Bye.", "completed")
        assert call.ended == "hangup"
        assert call.session is not None
        assert "output_audio_buffer.stopped" in call.session.types_sent()


@async_only
def test_a_sideband_does_not_reconnect_to_a_call_that_it_has_hung_up(
    runner: Runner, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "realtime_ext")
    call, client = ringing(simulator), client_of(runner, simulator)
    runner.run(client.calls.accept(call.id, SESSION))
    with Driven(client.connect(call_id=call.id), runner) as connection:
        connection.say_goodbye("Bye.")
        list(connection)  # it just ends
    assert "reconnecting" not in caplog.text
    assert [request.path for request in simulator.requests].count("/v1/realtime") == 1


def test_a_sentence_that_takes_too_long_does_not_keep_the_call(runner: Runner, simulator: Simulator) -> None:
    simulator.on_response([pause(60), "Bye."])
    call = ringing(simulator)
    with Driven(client_of(runner, simulator).answer(call.id, SESSION), runner) as connection:
        with pytest.raises(APITimeoutError):
            connection.say_goodbye("Bye.", timeout=0.1)
        assert call.ended == "hangup"


@async_only
def test_only_calls_can_be_hung_up(runner: Runner, simulator: Simulator) -> None:
    opening = client_of(runner, simulator).connect(SESSION)
    refused = pytest.raises(RealtimeError, match="say_goodbye: the connection belongs to no call")
    with Driven(opening, runner) as connection, refused:
        connection.say_goodbye("Bye.")


@async_only
@each(
    "text, options, message",
    [
        ("", {}, "text: expected what"),
        (5, {}, "text: expected a str"),
        ("Bye.", {"timeout": 0}, "timeout"),
    ],
)
def test_wrong_arguments_hang_up_nothing(
    runner: Runner, simulator: Simulator, text: Any, options: dict[str, Any], message: str
) -> None:
    call = ringing(simulator)
    opening = client_of(runner, simulator).answer(call.id, SESSION, hangup_on_exit=False)
    with Driven(opening, runner) as connection, pytest.raises((TypeError, ValueError), match=message):
        connection.say_goodbye(text, **options)
    assert call.ended is None
