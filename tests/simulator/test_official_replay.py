"""The official package cannot tell a replay from the session that was recorded with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from realtime_simulator import Simulator

from tests.simulator.test_official_package import answer, official

pytestmark = pytest.mark.slow


@pytest.mark.weekly
def test_its_recorded_sessions_are_replayed_to_it(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    with Simulator(pacing="none", espeak=False) as api:
        api.on_response(answer)
        api.mcp_server("shop", [{"name": "buy", "input_schema": {"type": "object"}}])
        with Simulator(record=tape, upstream=api.base_url, upstream_key=api.api_key) as recorder:
            recorded = official(recorder)
    with Simulator(replay=tape) as player:
        played = official(player)
        assert list(player.differences) == []
        assert not player.sessions
    for name, report in recorded.items():
        if isinstance(report, dict):
            assert played[name]["types"].keys() == report["types"].keys(), name
            assert played[name]["faults"] == []
        else:
            assert played[name] == report
