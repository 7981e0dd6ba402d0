"""The official package's Live resource talks to the simulator, and accepts every event by its own types."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import Any

import pytest
from realtime_simulator import Simulator, Turn, call_tool, delegate, speech

from tests.simulator.caller import Caller
from tests.support.paths import PEER_PYTHON, PEERS

pytestmark = pytest.mark.slow

QUESTION = "What will the weather be in Amsterdam?"


def official(sim: Simulator, **given: str) -> dict[str, Any]:
    """What the official package has seen."""
    if not PEER_PYTHON.exists():
        pytest.fail("build/peers is missing: run `make peers` first")
    run = subprocess.run(
        [PEER_PYTHON, PEERS / "live.py"],
        input=json.dumps({"base_url": sim.base_url, "api_key": sim.api_key, **given}),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    reports: dict[str, Any] = json.loads(run.stdout)
    faults = {name: report["faults"] for name, report in reports.items() if "faults" in report}
    assert not any(faults.values()), faults
    return reports


def answer(turn: Turn) -> list[Any]:
    if not turn.tools:
        return ["Okay, checking.", delegate()]
    if turn.items[-1]["type"] == "function_call_output":
        return ["It is mild."]
    return ["Let me see.", call_tool("forecast", {"city": "Amsterdam"})]


def test_it_accepts_every_event_of_a_session_a_sideband_and_a_fork() -> None:
    with Simulator(pacing="none", espeak=False) as sim:
        sim.on_speech(lambda heard: QUESTION if heard.finished else None)
        sim.on_response(answer)
        reports = official(sim, sound=speech(QUESTION).hex())
    assert {
        "session.started",
        "session.delegation.created",
        "session.input_transcript.delta",
        "session.output_transcript.delta",
        "session.output_audio.delta",
        "session.commentary.appended",
        "session.input_audio.muted",
        "session.closed",
    } <= set(reports["primary"]["types"])
    assert {"session.input_audio.append", "session.output_audio.delta", "session.closed"} <= set(
        reports["sideband"]["types"]
    )
    assert set(reports["fork"]["types"]) == {"session.started", "session.closed"}
    assert reports["tools"]["types"]["response.event"] > 10
    assert reports["recording"] == ["RIFF", True]


def test_it_creates_a_session_over_webrtc_and_hangs_up() -> None:
    async def main() -> None:
        async with Simulator(espeak=False) as sim, Caller(sim) as caller:
            reports = await asyncio.to_thread(official, sim, offer=await caller.offer())
            assert reports["call"]["types"]["session.closed"] == 1

    asyncio.run(main())
