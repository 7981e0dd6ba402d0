"""Short paths, and the types of arguments: strict type checkers know their names."""

from __future__ import annotations

import realtime_kit.web
from realtime_kit.devices import Headset
from realtime_kit.fleet import Fleet
from realtime_kit.incoming import IncomingCall
from realtime_kit.media_stream import MediaStream
from realtime_kit.recorder import Recorder
from realtime_kit.web import RunningCalls

from realtime_ext.client import CallLike, Calls, ItemLike, Timeout
from realtime_ext.session import SessionBuilder, SessionLike

fleet: Fleet = Fleet.in_memory()
misspelt = realtime_kit.web.RunningCals  # wrong
fleet_of_text: str = Fleet.in_memory()  # wrong
recorder: Recorder = Recorder("call.wav")
session: SessionLike = SessionBuilder("gpt-realtime")
number: SessionLike = 5  # wrong
limit: Timeout = 2.5
item: ItemLike = {"type": "message", "role": "user", "content": []}


def hang_up(calls: Calls, call: CallLike) -> None:
    calls.hangup(call, timeout=limit)


def names(one: IncomingCall, stream: MediaStream, headset: Headset, calls: RunningCalls) -> str:
    return one.id
