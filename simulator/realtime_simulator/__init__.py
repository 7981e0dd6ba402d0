"""A Realtime API on your own machine: HTTP, WebRTC and the session protocol, without key, network or bill.

    from realtime_simulator import Simulator

    with Simulator() as simulator:
        ...  # simulator.base_url, simulator.api_key, simulator.webhook_secret

It is for tests of any client, in any language; names are loaded on first use (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realtime_simulator.engine.turn import (
        CallMcp,
        CallTool,
        Fail,
        Heard,
        Pacing,
        Pause,
        Say,
        Think,
        Transcript,
        Turn,
        call_mcp,
        call_tool,
        pause,
        say,
        think,
    )
    from realtime_simulator.faults.catalog import FAULTS, Fault
    from realtime_simulator.records import Call, RequestRecord, SessionEvent, SessionRecord
    from realtime_simulator.remote import RemoteError, brain_at, ears_at, voice_at
    from realtime_simulator.scenario.rules import sequence
    from realtime_simulator.scenario.scenario_file import ScenarioError
    from realtime_simulator.simulator import Simulator, record_session, replay_session

_HOMES = {
    "FAULTS": "faults.catalog",
    "Call": "records",
    "CallMcp": "engine.turn",
    "CallTool": "engine.turn",
    "Fail": "engine.turn",
    "Fault": "faults.catalog",
    "Heard": "engine.turn",
    "Pacing": "engine.turn",
    "Pause": "engine.turn",
    "RemoteError": "remote",
    "RequestRecord": "records",
    "Say": "engine.turn",
    "ScenarioError": "scenario.scenario_file",
    "SessionEvent": "records",
    "SessionRecord": "records",
    "Simulator": "simulator",
    "Think": "engine.turn",
    "Transcript": "engine.turn",
    "Turn": "engine.turn",
    "brain_at": "remote",
    "call_mcp": "engine.turn",
    "call_tool": "engine.turn",
    "ears_at": "remote",
    "pause": "engine.turn",
    "record_session": "simulator",
    "replay_session": "simulator",
    "say": "engine.turn",
    "sequence": "scenario.rules",
    "think": "engine.turn",
    "voice_at": "remote",
}
__all__ = [
    "FAULTS",
    "Call",
    "CallMcp",
    "CallTool",
    "Fail",
    "Fault",
    "Heard",
    "Pacing",
    "Pause",
    "RemoteError",
    "RequestRecord",
    "Say",
    "ScenarioError",
    "SessionEvent",
    "SessionRecord",
    "Simulator",
    "Think",
    "Transcript",
    "Turn",
    "brain_at",
    "call_mcp",
    "call_tool",
    "ears_at",
    "pause",
    "record_session",
    "replay_session",
    "say",
    "sequence",
    "think",
    "voice_at",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    value = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
