"""Scripts of what a proxy and an auditor really wrote, and a chat endpoint that plays a caller over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from realtime_kit.auditor import Auditor
from realtime_kit.incoming import IncomingCall
from realtime_kit.web import RunningCalls, router
from realtime_simulator import Simulator, brain_at, call_tool, cli
from realtime_simulator._rehearsal import caller as callers
from realtime_simulator.rehearsal import Caller, Rehearsal, RehearsalFailure, Script
from starlette.applications import Starlette
from starlette.routing import Mount

from realtime_ext import RealtimeClient, SessionBuilder
from tests.simulator.endpoints import Answering, Asked, serving
from tests.simulator.test_rehearsal import EXAMPLE, restaurant
from tests.simulator.test_rehearsal_suite import App
from tests.simulator.test_remote import broken_off, crashed, nonsense, refused

SECRET = "sk-abcdefghijklmnopqrstuvwxyz123456"
PRIVATE = ("4111", "ann@mail.example", SECRET)


def forecast(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    return f"Sunny in {city}; call 4111 1111 1111 1111, or ann@mail.example."


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tape of a proxy and an auditor's folder of the same conversation."""
    folder = tmp_path_factory.mktemp("recorded")
    with Simulator(espeak=False, pacing="none") as upstream:
        upstream.on_response(call_tool("forecast", {"city": "Paris"}), match="Paris")
        upstream.on_response(f"The key is {SECRET}, and your card 4111 1111 1111 1111.", match="card")
        upstream.on_response("Good day. What do you want to know?", match="hello")
        with (
            Simulator(
                record=folder / "call.jsonl", upstream=upstream.base_url, upstream_key=upstream.api_key
            ) as proxy,
            RealtimeClient(api_key=proxy.api_key, base_url=proxy.base_url) as client,
            Auditor(folder / "audit") as auditor,
            client.connect("gpt-realtime-2.1", tools=[forecast], observer=auditor) as connection,
        ):
            connection.ask("hello")
            connection.ask("The weather in Paris?")
            connection.ask("My card is 4111 1111 1111 1111 and my mail ann@mail.example.")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("source", ["call.jsonl", pytest.param("audit", marks=pytest.mark.weekly)])
def test_a_recording_becomes_a_script_that_passes(recorded: Path, source: str, tmp_path: Path) -> None:
    script, answers = tmp_path / "script.yaml", tmp_path / "answers.yaml"
    words = ["rehearse", "record", str(recorded / source), "--out", str(script), "--answers", str(answers)]
    assert cli.main(words) == 0
    text = script.read_text() + answers.read_text()
    assert not [one for one in PRIVATE if one in text] and "0000" in answers.read_text()
    read = Script.load(script)
    assert [one.kind for one in read.steps] == [
        "says",
        "hears",
        "says",
        "expects_tool",
        "hears",
        "says",
        "hears",
    ]
    assert read.steps[3].options["arguments"] == {"city": "Paris"} and read.steps[6].value == "The key is"
    calls = RunningCalls()

    async def answer(call: IncomingCall) -> None:
        session = SessionBuilder("gpt-realtime-2.1")
        async with calls.client.answer(call.id, session, tools=[forecast]) as connection:
            await connection.run()

    with Simulator(espeak=False) as simulator, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", simulator.base_url)
        patch.setenv("OPENAI_API_KEY", simulator.api_key)
        patch.setenv("OPENAI_WEBHOOK_SECRET", simulator.webhook_secret)
        simulator.load_scenario(answers)
        app = Starlette(routes=[Mount("/", router(calls, on_incoming=answer))], lifespan=calls.lifespan)
        with Rehearsal(simulator, speed=20) as rehearsal:
            asyncio.run(read.perform(rehearsal, app))


# A chat endpoint as the caller


def guest(asked: Asked, out: Answering) -> None:
    """Play a guest, as a chat model does: bit by bit, and with a tool at the end."""
    messages = asked.json()["messages"]
    heard = str(messages[-1]["content"])
    if "anything else" in heard:
        out.text("No, thank ", "you. Good ", "bye.")
    elif "Goodbye" in heard:
        out.begin()
        call = {"index": 0, "id": "c", "type": "function", "function": {"name": "hang_up", "arguments": "{}"}}
        out.chunk(tool_calls=[call])
        out.write(b"data: [DONE]\n\n")
    else:
        out.text("A table ", "at nine, ", "please.")


@pytest.mark.slow
def test_a_chat_endpoint_plays_and_the_call_is_repeated_without_it(tmp_path: Path) -> None:
    with Simulator(espeak=False) as simulator, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", simulator.base_url)
        patch.setenv("OPENAI_API_KEY", simulator.api_key)
        patch.setenv("OPENAI_WEBHOOK_SECRET", simulator.webhook_secret)
        simulator.load_scenario(EXAMPLE / "answers.yaml")
        app = restaurant().Restaurant().app()

        async def play(rehearsal: Rehearsal) -> Caller:
            async with rehearsal.call(app) as caller:
                assert await caller.plays("Book a table at nine.")
            return caller

        with serving(guest) as endpoint:
            brain = brain_at(endpoint.url, "guest-1", key="sk-guest")
            with Rehearsal(simulator, speed=20, brain=brain) as rehearsal:
                caller = asyncio.run(play(rehearsal))
            first = endpoint.asked[0]
        assert first.headers["authorization"] == "Bearer sk-guest" and first.json()["model"] == "guest-1"
        assert "Book a table at nine." in json.dumps(first.json()["messages"][0])
        assert {one["function"]["name"] for one in first.json()["tools"]} == {"hang_up", "press_keys"}
        assert caller.tool("book_table", time="21:00").count == 1
        (tmp_path / "again.yaml").write_text(caller.as_script())
        caller.save(tmp_path / "again.jsonl")
        assert "sk-guest" not in (tmp_path / "again.jsonl").read_text() + caller.as_script()
        with Rehearsal(simulator, speed=20) as rehearsal:  # the endpoint is gone
            again = asyncio.run(Script.load(tmp_path / "again.yaml").perform(rehearsal, app))
        said = [[one.text for one in each.moments if one.who == "caller"] for each in (caller, again)]
        assert said[0] == said[1] and len(said[0]) == 2


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (refused, "the brain answered 401: Incorrect API key provided: …"),
        (crashed, "the brain answered 502: <html>gateway</html>"),
        (broken_off, "the brain failed: out of memory"),
        (nonsense, "the brain sent invalid JSON: b'nonsense'"),
    ],
)
def test_an_endpoint_that_fails_fails_the_call_with_its_reason(
    answer: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "_PATIENCE_SECONDS", 0.1)

    async def play(rehearsal: Rehearsal) -> None:
        async with rehearsal.call(App(rehearsal.simulator)) as caller:
            await caller.plays("Ask when it is open.", turns=1)

    with serving(answer) as endpoint, Simulator(espeak=False) as simulator:
        brain = brain_at(endpoint.url, "m", key="sk-brain")
        with (
            Rehearsal(simulator, speed=50, brain=brain) as rehearsal,
            pytest.raises(RehearsalFailure) as failed,
        ):
            asyncio.run(play(rehearsal))
    assert f"call 1: the brain of the caller failed: {why}" in str(failed.value)
    assert "sk-brain" not in str(failed.value)
