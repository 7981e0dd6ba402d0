"""Last words on the Live API: said, heard to their end, and the session ended whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from realtime_simulator import Call, Simulator

from realtime_ext import APITimeoutError, LiveSessionBuilder
from tests.ext.connection.clocks import hurry
from tests.ext.connection.driver import Driven, async_only
from tests.support.rows import each
from tests.support.runner import Runner

SESSION = LiveSessionBuilder("gpt-live-1")


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        yield simulator


def client_of(runner: Runner, sim: Simulator) -> Any:
    return hurry(runner.client(base_url=sim.base_url, api_key=sim.api_key))


def ringing(sim: Simulator) -> Call:
    nowhere = "http://127.0.0.1:9/"
    return sim.incoming_call(nowhere, attempts=1, events=["live.transport.incoming"], line_speed=20)


def test_a_session_ends_after_its_last_words(runner: Runner, sim: Simulator) -> None:
    with Driven(client_of(runner, sim).live.connect(SESSION), runner) as connection:
        result = connection.say_goodbye("We close at ten. Goodbye.")
        assert "Goodbye." in connection.transcript[-1].text
        assert result.usage.seconds > 0 and result.reason == "close_requested"
        assert [event.type for event in connection][-1] == "session.closed"
    assert sim.session(connection.session_id).ended == "close_requested"


@async_only
@pytest.mark.parametrize("attaches", [False, True], ids=["answer", "attach"])
def test_a_call_is_hung_up_after_its_last_words(runner: Runner, sim: Simulator, attaches: bool) -> None:
    call, client = ringing(sim), client_of(runner, sim)
    session_id = call.live_session_id
    opening = client.live.answer(session_id, SESSION)
    if attaches:
        runner.run(client.live.calls.accept(session_id, SESSION))
        opening = client.live.attach(session_id)
    with Driven(opening, runner) as connection:
        connection.say_goodbye("Goodbye.")
        assert "Goodbye." in connection.transcript[-1].text
        sim.wait_for(lambda: call.ended is not None)
    assert call.ended not in ("failed", "lost")


@async_only
def test_words_that_take_too_long_do_not_keep_the_session(runner: Runner, sim: Simulator) -> None:
    sim.fault("live_stall", at=0)
    with Driven(client_of(runner, sim).live.connect(SESSION), runner) as connection:
        with pytest.raises(APITimeoutError, match=r"the last words were not finished within 0\.2 s"):
            connection.say_goodbye("Goodbye.", timeout=0.2)
        session_id = connection.session_id
    sim.wait_for(lambda: sim.session(session_id).ended is not None)


@async_only
@each(
    "text, options, message",
    [(" ", {}, "text: expected words"), (5, {}, "text: expected a str"), ("Bye.", {"timeout": 0}, "timeout")],
)
def test_wrong_arguments_end_nothing(
    runner: Runner, sim: Simulator, text: Any, options: dict[str, Any], message: str
) -> None:
    with Driven(client_of(runner, sim).live.connect(SESSION), runner) as connection:
        with pytest.raises((TypeError, ValueError), match=message):
            connection.say_goodbye(text, **options)
        assert sim.session(connection.session_id).ended is None
        connection.say("Hello.")
