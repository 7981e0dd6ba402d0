"""An app's own tests: fixtures, a scenario, a fault, a cassette. No key, no network, no waiting.

pip install pytest vcrpy
pytest examples/testing
"""

from __future__ import annotations

from pathlib import Path

import vcr
from hotel import FrontDesk
from realtime_simulator import Simulator

from realtime_ext import RealtimeClient
from realtime_ext.testing import vcr_settings

HERE = Path(__file__).parent


def test_it_answers(desk: FrontDesk, realtime_simulator: Simulator) -> None:
    realtime_simulator.on_response("There is.", match="room")
    assert desk.ask("Is there a room?") == "There is."
    assert realtime_simulator.sessions[0].config["instructions"] == "You book rooms."


def test_it_books_what_was_asked_for(desk: FrontDesk, realtime_simulator: Simulator) -> None:
    realtime_simulator.load_scenario(HERE / "answers.yaml")
    assert desk.ask("Elm for two nights, please.") == "Elm is yours."
    assert desk.bookings == [("Elm", 2)]
    outputs = [item.get("output") for item in realtime_simulator.sessions[0].items]
    assert '{"room":"Elm","price":180}' in outputs


def test_it_apologizes_when_the_service_fails(desk: FrontDesk, realtime_simulator: Simulator) -> None:
    with realtime_simulator.fault("socket_drop", after="response.created") as fault:
        assert desk.ask("Is there a room?") == "I am sorry, please call again later."
    assert fault.hits == 1


def test_busy_moments_are_waited_out(desk: FrontDesk, realtime_simulator: Simulator) -> None:
    with realtime_simulator.fault("rate_limit", on="client_secrets.create", times=1, retry_after=0):
        assert set(desk.browser_key()) == {"value", "expires_at"}


def test_a_key_as_the_service_made_it_when_this_was_recorded() -> None:
    recorder = vcr.VCR(**vcr_settings())
    with (
        recorder.use_cassette(str(HERE / "browser_key.yaml"), record_mode="none"),  # "once" records it again
        RealtimeClient("any", base_url="http://127.0.0.1:8765/v1") as client,
    ):
        key = FrontDesk(client).browser_key()
    assert key["value"].startswith("ek_")
