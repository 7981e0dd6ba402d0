"""A Realtime API on your own machine: HTTP, WebRTC and the session protocol, without key, network or bill.

    from realtime_simulator import Simulator

    with Simulator() as simulator:
        ...  # simulator.base_url, simulator.api_key, simulator.webhook_secret

It is for tests of any client, in any language; names are loaded on first use (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realtime_simulator._core.version import __version__ as __version__

if TYPE_CHECKING:
    from realtime_simulator._engine.turn import (
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
        delegate,
        pause,
        say,
        think,
    )
    from realtime_simulator._faults.catalog import FAULTS, Fault
    from realtime_simulator._media.voice import speech
    from realtime_simulator._records.session import SessionEvent, SessionRecord
    from realtime_simulator._records.store import Call, RequestRecord
    from realtime_simulator._scenario.remote import RemoteError, brain_at, ears_at, voice_at
    from realtime_simulator._scenario.rules import sequence
    from realtime_simulator._scenario.scenario_file import ScenarioError
    from realtime_simulator._simulator.simulator import Simulator, record_session, replay_session

_HOMES = {
    "FAULTS": "_faults.catalog",
    "Call": "_records.store",
    "CallMcp": "_engine.turn",
    "CallTool": "_engine.turn",
    "Fail": "_engine.turn",
    "Fault": "_faults.catalog",
    "Heard": "_engine.turn",
    "Pacing": "_engine.turn",
    "Pause": "_engine.turn",
    "RemoteError": "_scenario.remote",
    "RequestRecord": "_records.store",
    "Say": "_engine.turn",
    "ScenarioError": "_scenario.scenario_file",
    "SessionEvent": "_records.session",
    "SessionRecord": "_records.session",
    "Simulator": "_simulator.simulator",
    "Think": "_engine.turn",
    "Transcript": "_engine.turn",
    "Turn": "_engine.turn",
    "brain_at": "_scenario.remote",
    "call_mcp": "_engine.turn",
    "call_tool": "_engine.turn",
    "delegate": "_engine.turn",
    "ears_at": "_scenario.remote",
    "pause": "_engine.turn",
    "record_session": "_simulator.simulator",
    "replay_session": "_simulator.simulator",
    "say": "_engine.turn",
    "sequence": "_scenario.rules",
    "speech": "_media.voice",
    "think": "_engine.turn",
    "voice_at": "_scenario.remote",
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
    "delegate",
    "ears_at",
    "pause",
    "record_session",
    "replay_session",
    "say",
    "sequence",
    "speech",
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
