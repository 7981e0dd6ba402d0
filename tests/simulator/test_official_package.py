"""The official package talks to the simulator, and takes every event by its own types, strictly."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import Any

import pytest
from realtime_simulator import Simulator, call_mcp, call_tool, say
from realtime_simulator._engine.turn import Action, Fail, Turn

from tests.simulator.caller import Caller
from tests.support.paths import PEER_PYTHON, PEERS

pytestmark = pytest.mark.slow

# What a session can send over a WebSocket, all of it; each type has to have come at least once.
EXPECTED = {
    "conversation.item.added",
    "conversation.item.deleted",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.segment",
    "conversation.item.retrieved",
    "conversation.item.truncated",
    "error",
    "input_audio_buffer.cleared",
    "input_audio_buffer.committed",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "mcp_list_tools.completed",
    "mcp_list_tools.in_progress",
    "rate_limits.updated",
    "response.content_part.added",
    "response.content_part.done",
    "response.created",
    "response.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.mcp_call.completed",
    "response.mcp_call.in_progress",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.delta",
    "response.output_audio_transcript.done",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.output_text.done",
    "session.created",
    "session.updated",
}
TRANSLATED = {
    "session.created",
    "session.updated",
    "session.closed",
    "session.input_transcript.delta",
    "session.output_transcript.delta",
    "session.output_audio.delta",
}


def official(sim: Simulator, **given: str) -> dict[str, Any]:
    """What the official package has seen."""
    if not PEER_PYTHON.exists():
        pytest.fail("build/peers is missing: run `make peers` first")
    run = subprocess.run(
        [PEER_PYTHON, PEERS / "simulator.py"],
        input=json.dumps({"base_url": sim.base_url, "api_key": sim.api_key, **given}),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    reports: dict[str, Any] = json.loads(run.stdout)
    for name, report in reports.items():
        assert isinstance(report, list) or report["faults"] == [], name
    return reports


def answer(turn: Turn) -> Action:
    match turn.text:
        case "tool":
            return call_tool("book_room", {"nights": 2})
        case "mcp":
            return call_mcp("shop", "buy", {"n": 1}, output="bought")
        case "fail":
            return Fail()
        case _:
            return say(f"You said: {turn.text or 'nothing'}")


def test_it_parses_every_event_over_websockets() -> None:
    with Simulator(pacing="none", espeak=False) as sim:
        sim.on_response(answer)
        sim.mcp_server("shop", [{"name": "buy", "input_schema": {"type": "object"}, "description": "Buys."}])
        reports = official(sim)
    for runner in ("sync", "async"):
        seen = {
            kind
            for script in ("text", "voice", "telephone", "tools", "transcription")
            for kind in reports[f"{runner} {script}"]["types"]
        }
        assert seen == EXPECTED
        assert set(reports[f"{runner} translation"]["types"]) == TRANSLATED
    assert reports["sync secret"]["types"]["session.created"] == 1
    assert reports["refused"] == ["invalid_api_key", 3000]


def test_it_parses_every_event_beside_a_call() -> None:
    async def main() -> None:
        async with Simulator(pacing="none", espeak=False) as sim, Caller(sim) as caller:
            sim.on_response(lambda turn: say("hello"))
            await caller.connect()
            reports = await asyncio.to_thread(official, sim, call_id=sim.calls[0].id)
            for runner in ("sync", "async"):
                seen = reports[f"{runner} beside"]["types"]
                assert "session.created" not in seen and "response.output_audio.delta" not in seen
                assert seen["output_audio_buffer.started"] == seen["output_audio_buffer.stopped"] == 1

    asyncio.run(main())
