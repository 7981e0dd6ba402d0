"""Rehearse the restaurant's phone service: every script passes, and every bug is found.

pytest examples/rehearsal
"""

from __future__ import annotations

from pathlib import Path

import pytest
from realtime_simulator.rehearsal import (
    Rehearsal,
    RehearsalFailure,
    Script,
    load_scenarios,
    load_suite,
    rehearse,
)
from restaurant import BUGS, Restaurant

HERE = Path(__file__).parent
SUITE = {script.name: script for script in load_suite(HERE / "calls")}
FOUND_BY = {
    "wrong_caller": "interrupts while another caller waits",
    "books_twice": "books a table",
    "cut_goodbye": "says good bye",
    "waits_forever": "says nothing",
    "tells_prompt": "asks for the prompt",
}
FOR_BOTH_APIS = ("books a table", "mumbles in the street", "asks for the prompt")


@pytest.fixture(autouse=True)
def _answers(rehearsal: Rehearsal) -> None:
    rehearsal.simulator.load_scenario(HERE / "answers.yaml")


async def test_every_call_goes_well(rehearsal: Rehearsal) -> None:
    card = await rehearse(rehearsal, list(SUITE.values()), Restaurant().app(), at_once=5)
    assert card.has_passed, card.table()


@pytest.mark.parametrize("bug", BUGS)
async def test_every_mistake_is_found(rehearsal: Rehearsal, bug: str) -> None:
    with pytest.raises(RehearsalFailure):
        await SUITE[FOUND_BY[bug]].perform(rehearsal, Restaurant(bugs=[bug]).app())


@pytest.mark.parametrize("script", [SUITE[name] for name in FOR_BOTH_APIS], ids=lambda script: script.name)
async def test_the_live_api_does_as_well(rehearsal: Rehearsal, script: Script) -> None:
    await script.perform(rehearsal, Restaurant("live").app(), api="live")


async def test_the_scenarios_of_the_cookbook(rehearsal: Rehearsal) -> None:
    scenarios = load_scenarios(HERE / "scenarios.json")
    card = await rehearse(rehearsal, scenarios, Restaurant().app(), state="/state")
    assert card.has_passed, card.table()


async def test_a_dialog_in_python(rehearsal: Rehearsal) -> None:
    async with rehearsal.call(to=Restaurant().app(), never=["maple"]) as caller:
        await caller.hears("How can I help", within=5)
        await caller.says("A table at nine, please.")
        booked = await caller.expects_tool("book_table", time="21:00")
        await caller.says("Good bye.")
        await caller.expects_hangup()
    assert booked.count == 1 and caller.heard_goodbye
    assert caller.latency.first_audio.p95 < 3
