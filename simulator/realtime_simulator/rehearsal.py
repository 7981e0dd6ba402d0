"""Rehearsals of voice apps: the simulator plays both the service and the caller, whom a test scripts.

    async with rehearsal.call(to=app) as caller:          # Rehearsal; `rehearsal` is also a pytest fixture
        await caller.hears("How can I help", within=2.0)  # what was really played to the caller
        await caller.says("A table for two tomorrow at eight")
        await caller.interrupts("no, nine", after=0.4)
        booked = await caller.expects_tool("book_table", time="21:00")
        await caller.presses("1#")
        await caller.stays_silent(6)
        await caller.expects_hangup()
        assert booked.count == 1 and caller.heard_goodbye
        assert caller.latency.first_audio.p95 < 1.0

The caller is on a telephone line, announced by a SIP webhook; or calls over WebRTC, like a web page, or on a
media stream, like Twilio (`over=`). The app uses the Realtime or the Live API. A failed expectation is a
`RehearsalFailure`, which shows the conversation. The model's answers come from the simulator's
scenario. A `Script` is the same in YAML; `rehearse` makes many calls with scripts,
and returns a `Scorecard`.
"""

from __future__ import annotations

from realtime_simulator._rehearsal.caller import Caller, InvalidCall, RehearsalFailure, ToolUse
from realtime_simulator._rehearsal.conversation import Latency, Moment, Times
from realtime_simulator._rehearsal.rehearsal import Rehearsal
from realtime_simulator._rehearsal.results import write_results
from realtime_simulator._rehearsal.runner import rehearse
from realtime_simulator._rehearsal.scenarios import ScenarioScript, load_scenarios
from realtime_simulator._rehearsal.scorecard import Outcome, Scorecard
from realtime_simulator._rehearsal.script import Script, load_suite
from realtime_simulator._rehearsal.state import StateError
from realtime_simulator._rehearsal.usage import Usage

__all__ = [
    "Caller",
    "InvalidCall",
    "Latency",
    "Moment",
    "Outcome",
    "Rehearsal",
    "RehearsalFailure",
    "ScenarioScript",
    "Scorecard",
    "Script",
    "StateError",
    "Times",
    "ToolUse",
    "Usage",
    "load_scenarios",
    "load_suite",
    "rehearse",
    "write_results",
]


def __dir__() -> list[str]:
    return sorted(__all__)
