"""Checks that many of the simulator's tests share."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

from realtime_simulator._core import schema
from realtime_simulator._core.ids import Ids
from realtime_simulator._core.profile import PROFILES
from realtime_simulator._engine.config import SessionConfig
from realtime_simulator._engine.effects import (
    AnswerNeeded,
    AudioIn,
    AudioOut,
    Effect,
    Emit,
    HearingNeeded,
    Play,
    ToolsNeeded,
)
from realtime_simulator._engine.plan import Utterance
from realtime_simulator._engine.session import Session
from realtime_simulator._engine.settings import SessionSettings
from realtime_simulator._engine.turn import AT_ONCE, Action, Pacing, Turn
from realtime_simulator._media.speech import PACKET_SAMPLES, Speech


def fits(event: Mapping[str, Any], union: str = "RealtimeServerEvent") -> None:
    """Fail unless a server event is what the API description says, and has an id."""
    name = schema.event_schemas(union)[event["type"]]
    schema.validator(name).validate(event)
    if "audio" not in event["type"] or union.startswith("Realtime"):  # sound has no id in the Live API
        assert event["event_id"].startswith("event_")


def body_fits(name: str, value: object) -> None:
    """Fail unless a JSON body fits the named schema."""
    schema.validator(name).validate(value)


def rms(pcm: bytes) -> float:
    """Return the root mean square of PCM16."""
    values = array("h", pcm)
    return math.sqrt(sum(value * value for value in values) / max(1, len(values)))


def loudness(pcm: bytes, rate: int = 24_000) -> float:
    """Return the root mean square of PCM16 at its louder moments of 20 ms, which gaps don't change."""
    size = rate // 50 * 2
    return sorted(rms(pcm[start : start + size]) for start in range(0, len(pcm) - size, size))[
        -len(pcm) // size // 4
    ]


def in_order(wanted: Iterable[str], got: Iterable[str]) -> bool:
    """Whether `wanted` is a subsequence of `got`."""
    rest = iter(got)
    return all(type in rest for type in wanted)


def speech(text: str = "hello there", milliseconds: int = 1000) -> Speech:
    """Return a stand-in for an utterance: right in size, silent, with empty packets."""
    samples = milliseconds * 24
    return Speech(text, bytes(samples * 2), [b""] * (samples // PACKET_SAMPLES))


class Driven:
    """An engine session driven by hand, every event of which is checked against its schema."""

    def __init__(
        self,
        session: Mapping[str, Any] | None = None,
        *,
        plays_audio: bool = False,
        pacing: Pacing = AT_ONCE,
        lifetime: float = 3600,
        profile: str = "openai",
    ) -> None:
        config = SessionConfig("sess_1", 2_000_000_000, session)
        self.now = 100.0
        self.session = Session(
            config,
            Ids(seed=1),
            self.now,
            SessionSettings(pacing=pacing, lifetime=lifetime, profile=PROFILES[profile]),
            plays_audio=plays_audio,
        )
        self.played: list[Play] = []
        self.asked: list[tuple[str, Turn]] = []
        self.hearings: list[HearingNeeded] = []
        self.listings: list[ToolsNeeded] = []
        self.heard = bytearray()
        self.others: list[Effect] = []

    def take(self) -> list[dict[str, Any]]:
        """Return the events since the last call; other effects are kept aside."""
        events = []
        for effect in self.session.take():
            match effect:
                case Emit(event):
                    fits(event)
                    events.append(dict(event))
                case AnswerNeeded(response_id, turn):
                    self.asked.append((response_id, turn))
                case Play():
                    self.played.append(effect)
                case HearingNeeded():
                    self.hearings.append(effect)
                case ToolsNeeded():
                    self.listings.append(effect)
                case AudioIn(pcm):
                    self.heard += pcm
                case AudioOut():
                    pass
                case _:
                    self.others.append(effect)
        return events

    def send(self, type: str, **fields: Any) -> list[dict[str, Any]]:
        """Send a client event and return what came back."""
        self.session.receive({"type": type, **fields}, self.now)
        return self.take()

    def answer(self, *actions: Action) -> list[dict[str, Any]]:
        """Answer the latest response; with some speech if nothing is given."""
        response_id, _ = self.asked[-1]
        made = list(actions) or [Utterance("hello there", speech=speech())]
        self.session.answer(response_id, made, self.now)
        return self.take()

    def wait(self, seconds: float) -> list[dict[str, Any]]:
        """Let time pass in the steps that the session asks for."""
        until = self.now + seconds
        events = []
        while (due := self.session.deadline()) is not None and due <= until:
            self.now = due
            self.session.tick(due)
            events += self.take()
        self.now = until
        self.session.tick(until)
        return events + self.take()

    def user_says(self, text: str) -> list[dict[str, Any]]:
        content = [{"type": "input_text", "text": text}]
        return self.send("conversation.item.create", item=message(content))


def message(content: list[dict[str, Any]], role: str = "user", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content, **fields}


def types(events: Iterable[Mapping[str, Any]]) -> list[str]:
    return [event["type"] for event in events]
