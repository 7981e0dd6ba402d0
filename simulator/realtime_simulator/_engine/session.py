"""A conversation or transcription session of the Realtime API, sans I/O.

Pass in client events (`receive`), audio (`hear`), answers (`answer`, `heard`, `listed`), the player's reports
(`playback_…`) and the time (`tick`, not later than `deadline()`); read the effects (`take`). Times are
seconds on any monotonic clock. Nothing here blocks, sleeps or sends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import invalid_value
from realtime_simulator._engine import messages, refusals
from realtime_simulator._engine.base import BaseSession
from realtime_simulator._engine.config import REALTIME, SessionConfig
from realtime_simulator._engine.conversation import Conversation, Item
from realtime_simulator._engine.effects import HearingNeeded, Play, StopPlaying
from realtime_simulator._engine.input_audio import InputAudio
from realtime_simulator._engine.items import Items
from realtime_simulator._engine.mcp import Mcp
from realtime_simulator._engine.output import Playback
from realtime_simulator._engine.responses import Response, Responses
from realtime_simulator._engine.settings import SessionSettings
from realtime_simulator._engine.shared import Shared
from realtime_simulator._engine.transcription import Transcription
from realtime_simulator._engine.turn import Action, Transcript
from realtime_simulator._media.speech import RATE

_CLEAR = "output_audio_buffer.clear"
_LISTED = (
    "session.update",
    "session.close",
    "input_audio_buffer.append",
    "session.input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.truncate",
    "conversation.item.delete",
    "conversation.item.retrieve",
    "response.create",
    "response.cancel",
)
"""The types that the service lists when it refuses an event, those of translation sessions included."""


class Session(BaseSession):
    """One session.

    Args:
        config: Its configuration.
        ids: The source of identifiers.
        now: The time at which it begins.
        settings: Its settings.
        plays_audio: Whether the server plays the model's audio on a track (WebRTC, SIP). If not, audio goes
            out in `response.output_audio.delta` events.
    """

    def __init__(
        self,
        config: SessionConfig,
        ids: Ids,
        now: float,
        settings: SessionSettings,
        *,
        plays_audio: bool = False,
    ) -> None:
        super().__init__(ids, now, settings, "RealtimeClientEvent")
        self.config = config
        self.conversation: Conversation = Conversation()
        self._audio_in_events = not plays_audio
        self._playback = Playback(self.emit)
        self._spoke = False
        self._later: list[Sequence[Action]] = []
        self._idle_from = now
        shared = Shared(
            config=config,
            conversation=self.conversation,
            ids=ids,
            settings=settings,
            audio_in_events=self._audio_in_events,
            emit=self.emit,
            effect=self.effect,
        )
        self._shared = shared
        self._mcp = Mcp(shared)
        self._items = Items(shared)
        self._transcription = Transcription(shared)
        self._responses = Responses(shared, self._mcp, self)
        self.input: InputAudio = InputAudio(shared, self)
        self._listed = _LISTED if self._audio_in_events else (*_LISTED[:-2], _CLEAR, *_LISTED[-2:])
        self._handlers = {
            "session.update": self._update,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._items.retrieve,
            "conversation.item.truncate": self._items.truncate,
            "conversation.item.delete": self._items.delete,
            "input_audio_buffer.append": self.input.append,
            "input_audio_buffer.commit": self.input.commit,
            "input_audio_buffer.clear": self.input.clear,
            _CLEAR: self._clear_output,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }

    # In

    def view(self) -> dict[str, Any]:
        return self.config.view()

    def items(self) -> list[dict[str, Any]]:
        return [item.view() for item in list(self.conversation)]

    def greeting(self) -> dict[str, Any]:
        self._mcp.configure()
        return super().greeting()

    def hear(self, pcm: bytes, now: float) -> None:
        self.tick(now)
        if not self.ended:
            self.input.hear(pcm)

    def changes_nothing(self, *, quiet: bool) -> bool:
        return self.input.changes_nothing(quiet=quiet)

    def press(self, key: str, unix: float) -> None:
        """Report that a key of the telephone was pressed: `0` to `9`, `*`, `#`, `A` to `D`."""
        self.emit({"type": "input_audio_buffer.dtmf_event_received", "event": key, "received_at": int(unix)})

    def answer(self, response_id: str, actions: Sequence[Action], now: float, *, whole: bool = True) -> None:
        self.tick(now)
        self._responses.perform(response_id, actions, self._now, whole=whole)

    def ahead(self, response_id: str) -> int:
        return self._responses.ahead(response_id)

    def heard(self, item_id: str, transcript: Transcript | None, now: float) -> None:
        self.tick(now)
        if not self.ended:
            self._transcription.heard(item_id, transcript, self._now)
            self._transcription.tick(self._now)
            self._responses.ask()

    def paused(self, item_id: str, transcript: Transcript | None, now: float) -> None:
        self.tick(now)
        if not self.ended and transcript is not None and transcript.error is None:
            self.input.paused(item_id, transcript.text)

    def listed(self, item_id: str, tools: Sequence[Mapping[str, Any]] | None, now: float) -> None:
        self.tick(now)
        self._mcp.listed(item_id, tools)

    def playback_drained(self, response_id: str, now: float) -> None:
        self.tick(now)
        self._playback.drained(response_id)
        self._check_silence(self._now)

    def playback_cleared(self, played: Mapping[str, int], *, truncate: bool, now: float) -> None:
        self.tick(now)
        interrupted = self._playback.clear()
        if truncate:
            cuts: dict[str, int | None] = dict(played)
            if interrupted is not None:
                # An item that is no longer in the queue was heard completely.
                cuts.setdefault(interrupted, None)
            for item_id, samples in cuts.items():
                item = self.conversation.find(item_id)
                if item is None:
                    continue
                made = len(item.audio) // 2
                if samples is None or samples < made:
                    self._items.cut(item, (made if samples is None else samples) * 1000 // RATE)
        self._check_silence(self._now)

    def receive(self, event: Mapping[str, Any], now: float) -> None:
        pause = self._shared.pacing.item
        if not pause:
            super().receive(event, now)
            return
        # An item takes a while, and what follows waits for it.
        self.tick(now)
        if event.get("type") == "conversation.item.create":
            self._idle_from = max(self._idle_from, self._now + self._shared.vary(pause))
        if self._idle_from <= self._now:
            super().receive(event, now)
        else:
            self._agenda.at(self._idle_from, lambda: self._process(event))

    def _send_limits(self) -> None:
        self.emit({"type": "rate_limits.updated", "rate_limits": self._responses.limits()})

    def _advance(self) -> None:
        self._agenda.run()
        self._transcription.tick(self._now)
        self._responses.tick(self._now)
        self.input.tick(self._now)

    def _due(self) -> float:
        return min(self._transcription.deadline(), self._responses.deadline(), self.input.deadline())

    def _drop(self) -> None:
        self._responses.drop()
        self._transcription.drop()

    # Out

    def play(self, play: Play) -> None:
        """Queue a stretch of speech for the player, if there is one."""
        self._spoke = True
        self._responses.speaks(play.response_id)
        if not self._audio_in_events:
            self._playback.add(play.response_id, play.item_id)
        self.effect(play)

    def pausing(self, item_id: str, pcm: bytes) -> None:
        """Find the words of a user who pauses."""
        self.effect(HearingNeeded(item_id, pcm, finished=False, paused=True))

    def speaking(self, item_id: str, samples: int, pcm: Callable[[], bytes]) -> None:
        """Process how much the user has said so far of an item to come; `pcm` returns its sound."""
        if self._transcription.live:
            self._transcription.speaking(item_id, samples, pcm)

    @property
    def listening(self) -> bool:
        """Whether words of the user are still pending."""
        return self._transcription.pending

    def response_begun(self) -> None:
        """Process the beginning of a response."""
        self.input.model_speaks()

    def response_done(self, response: Response) -> None:
        """Process the end of a response: send the limits, and begin the next queued one."""
        if self._settings.profile.reports_limits:
            if pause := self._shared.vary(self._shared.pacing.limits):
                self._agenda.after(pause, self._send_limits)
            else:
                self._send_limits()
        self._playback.done(response.id)
        if self._later and self._responses.active is None:
            self._responses.create({}, self._now, self._later.pop(0))
        else:
            self._check_silence(self._now + (response.audio_seconds if self._audio_in_events else 0.0))

    def _check_silence(self, since: float) -> None:
        if self._responses.active is None and self._playback.playing is None:
            self.input.model_is_silent(since)

    # Turns

    def add_spoken(self, item: Item, *, turn: bool) -> None:
        """Insert the user's audio, and answer it if it is a whole turn."""
        self._items.add(item)
        self._transcription.begin(item, self._now)
        answers = turn and self.config.kind == REALTIME
        if answers and (self.config.turn_detection or {}).get("create_response", True):
            self._respond()
        self._transcription.tick(self._now)

    def add_note(self, text: str) -> None:
        """Insert a system message."""
        content = [{"type": "input_text", "text": text}]
        data = {"type": "message", "status": "completed", "role": "system", "content": content}
        self._items.add(Item({"id": self.ids.new("item"), **data}))

    def speech_started(self) -> None:
        """Interrupt the model because the user speaks, if the session is configured so."""
        if not (self.config.turn_detection or {}).get("interrupt_response", True):
            return
        self._later.clear()
        if self._playback.interrupt():
            self.effect(StopPlaying(truncate=True))
        if self._responses.active is not None:
            self._responses.cancel(None, "turn_detected")

    def _respond(self, actions: Sequence[Action] = ()) -> None:
        """Begin a response, as soon as none is active."""
        if self._responses.active is None:
            self._responses.create({}, self._now, actions)
        else:
            self._later.append(actions)

    # Client events

    def _update(self, event: Mapping[str, Any]) -> None:
        refusals.check_session(
            event["session"],
            profile=self._settings.profile,
            kind=self.config.kind,
            transcription_model=self.config.transcription_model,
        )
        self.config.update(event["session"], voice_locked=self._spoke)
        self.input.configure()
        self.emit({"type": "session.updated", "session": self.config.view()})
        self._mcp.configure()

    def _create_item(self, event: Mapping[str, Any]) -> None:
        self._mcp.approvals.check(event["item"])
        calls = (item.data.get("call_id") for item in self.conversation)
        refusals.check_item(event["item"], calls, profile=self._settings.profile)
        self._items.create(event)
        if actions := self._mcp.approvals.answered(event["item"]):
            self._respond(actions)

    def _clear_output(self, event: Mapping[str, Any]) -> None:
        if self._audio_in_events:
            raise invalid_value(
                "Only WebRTC and SIP sessions have an output audio buffer on the server.", "type"
            )
        self.effect(StopPlaying(truncate=False))

    def _create_response(self, event: Mapping[str, Any]) -> None:
        if self.config.kind != REALTIME:
            raise invalid_value(f"A {self.config.kind} session makes no responses.", "type")
        params = messages.without_nulls(event.get("response", {}))
        refusals.check_response(params, profile=self._settings.profile)
        self._responses.create(params, self._now)

    def _cancel_response(self, event: Mapping[str, Any]) -> None:
        self._responses.cancel(event.get("response_id"))
