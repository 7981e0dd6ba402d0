"""A conversation session of the Realtime API, sans I/O.

Put in client events (`receive`), audio (`hear`), answers (`answer`), what the player did (`playback_…`) and
the time (`tick`, not later than `deadline()`); take out effects (`take`). Times are seconds on any monotonic
clock. Nothing here blocks, sleeps or sends.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from realtime_ext.simulator import schema
from realtime_ext.simulator.engine.config import REALTIME, SessionConfig
from realtime_ext.simulator.engine.conversation import Conversation, Item
from realtime_ext.simulator.engine.effects import AnswerNeeded, Effect, Emit, End, Play, StopPlaying
from realtime_ext.simulator.engine.ids import Ids
from realtime_ext.simulator.engine.input_buffer import InputBuffer
from realtime_ext.simulator.engine.items import Items
from realtime_ext.simulator.engine.pacing import Pacing
from realtime_ext.simulator.engine.playback import Playback
from realtime_ext.simulator.engine.responses import Responses
from realtime_ext.simulator.engine.turn import Action
from realtime_ext.simulator.media.speech import RATE, Speech
from realtime_ext.simulator.problem import ApiProblem

MAX_EVENT_BYTES = 15 * 1024 * 1024
_Handler = Callable[[Mapping[str, Any]], None]


class Session:
    """One session.

    Args:
        config: Its configuration.
        ids: Where its identifiers come from.
        now: The time at which it begins.
        lifetime: Seconds until it expires.
        plays_audio: Whether the server plays the model's audio on a track (WebRTC, SIP). If not, audio goes
            out in `response.output_audio.delta` events.
        pacing: How fast the model answers.
    """

    def __init__(
        self,
        config: SessionConfig,
        ids: Ids,
        now: float,
        *,
        lifetime: float = 3600.0,
        plays_audio: bool = False,
        pacing: Pacing | None = None,
    ) -> None:
        self.config = config
        self.ids = ids
        self.pacing = pacing or Pacing()
        self.conversation = Conversation()
        self.input = InputBuffer()
        self.audio_in_events = not plays_audio
        self.ended = False
        self._now = now
        self._expires = now + lifetime
        self._effects: list[Effect] = []
        self._playback = Playback(self.emit)
        self._spoke = False
        self._responses = Responses(self)
        self._items = Items(self)
        self._handlers: dict[str, _Handler] = {
            "session.update": self._update,
            "conversation.item.create": self._items.create,
            "conversation.item.retrieve": self._items.retrieve,
            "conversation.item.truncate": self._items.truncate,
            "conversation.item.delete": self._items.delete,
            "input_audio_buffer.append": self._append_audio,
            "input_audio_buffer.commit": self._commit_audio,
            "input_audio_buffer.clear": self._clear_audio,
            "output_audio_buffer.clear": self._clear_output,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }

    # In

    def greeting(self) -> dict[str, Any]:
        """Return the `session.created` event, for the connection that made the session and no other."""
        return self._stamped({"type": "session.created", "session": self.config.view()})

    def receive_text(self, text: str | bytes, now: float) -> Mapping[str, Any] | None:
        """Take one message from a client.

        Args:
            text: The message as it came.
            now: The time.

        Returns:
            The event, or None if the message wasn't a JSON object.
        """
        try:
            if len(text) > MAX_EVENT_BYTES:
                raise ApiProblem(
                    f"An event has at most {MAX_EVENT_BYTES} bytes; this one has {len(text)}.",
                    code="string_above_max_length",
                )
            event = json.loads(text)
        except ApiProblem as problem:
            self.emit(problem.event())
            return None
        except (ValueError, RecursionError):
            self.emit(ApiProblem("The message is not valid JSON.", code="invalid_json").event())
            return None
        if not isinstance(event, dict):
            self.emit(ApiProblem("An event is a JSON object.", code="invalid_json").event())
            return None
        self.receive(event, now)
        return event

    def receive(self, event: Mapping[str, Any], now: float) -> None:
        """Take one client event; what is wrong with it is answered with an `error` event."""
        self.tick(now)
        if self.ended:
            return
        given_id = event.get("event_id")
        client_event_id = given_id if isinstance(given_id, str) and len(given_id) <= 512 else None
        try:
            self._handler(event)(event)
        except ApiProblem as problem:
            self.emit(problem.event(client_event_id))

    def hear(self, pcm: bytes, now: float) -> None:
        """Take audio from the peer's track, PCM16 mono at 24 kHz."""
        self.tick(now)
        if not self.ended:
            self.input.append(pcm)

    def answer(self, response_id: str, actions: Sequence[Action], now: float) -> None:
        """Take what the model answers; ignored if the response was cancelled meanwhile."""
        self.tick(now)
        self._responses.perform(response_id, actions, self._now)

    def playback_drained(self, response_id: str, now: float) -> None:
        """The player has played all that was queued for a response."""
        self.tick(now)
        self._playback.drained(response_id)

    def playback_cleared(self, played: Mapping[str, int], *, truncate: bool, now: float) -> None:
        """The player has dropped its queue.

        Args:
            played: Item id -> samples (24 kHz) that were heard of it, for the items that were in the queue.
            truncate: Whether to cut those items to what was heard.
            now: The time.
        """
        self.tick(now)
        self._playback.clear()
        if truncate:
            for item_id, samples in played.items():
                item = self.conversation.find(item_id)
                if item is not None and samples * 2 < len(item.audio):
                    self._items.cut(item, samples * 1000 // RATE)

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._now = max(self._now, now)
        if not self.ended and self._now >= self._expires:
            problem = ApiProblem("The session has reached its time limit.", code="session_expired")
            self.emit(problem.event())
            self.end(1001, "session expired")
        if not self.ended:
            self._responses.tick(self._now)

    def deadline(self) -> float | None:
        """Return when `tick` has something to do, or None."""
        return None if self.ended else min(self._expires, self._responses.deadline())

    def end(self, code: int, reason: str) -> None:
        """End the session; nothing is emitted after this."""
        if not self.ended:
            self._effects.append(End(code, reason))
            self.ended = True
            self._responses.drop()

    # Out

    def take(self) -> list[Effect]:
        """Return the effects since the last call."""
        effects, self._effects = self._effects, []
        return effects

    def emit(self, event: dict[str, Any]) -> None:
        """Queue a server event."""
        if not self.ended:
            self._effects.append(Emit(self._stamped(event)))

    def play(self, response_id: str, item_id: str, speech: Speech, start: int, end: int) -> None:
        """Queue a stretch of speech for the player, if there is one."""
        self._spoke = True
        if not self.audio_in_events:
            self._playback.add(response_id)
            self._effects.append(Play(response_id, item_id, speech, start, end))

    def ask(self, needed: AnswerNeeded) -> None:
        """Queue the question what the model answers."""
        self._effects.append(needed)

    def response_done(self, response_id: str) -> None:
        """A response has ended: say what it leaves of the limits, and let its audio run out."""
        self.emit({"type": "rate_limits.updated", "rate_limits": self._responses.limits()})
        self._playback.done(response_id)

    def _stamped(self, event: dict[str, Any]) -> dict[str, Any]:
        return {"type": event["type"], "event_id": self.ids.new("event"), **event}

    # Client events

    def _handler(self, event: Mapping[str, Any]) -> _Handler:
        if "type" not in event:
            raise ApiProblem(
                "Missing required parameter: 'type'.", code="missing_required_parameter", param="type"
            )
        handler = self._handlers.get(event["type"]) if isinstance(event["type"], str) else None
        if handler is None:
            raise ApiProblem(
                f"Invalid value for 'type': got {str(event['type'])[:80]!r}, allowed is one of "
                + ", ".join(map(repr, self._handlers))
                + ".",
                code="invalid_value",
                param="type",
            )
        # Audio is the one thing that can be large, and its schema says no more than "a string".
        checked = {**event, "audio": ""} if isinstance(event.get("audio"), str) else event
        schema.check(schema.event_schemas("RealtimeClientEvent")[event["type"]], checked)
        return handler

    def _update(self, event: Mapping[str, Any]) -> None:
        self.config.update(event["session"], voice_locked=self._spoke)
        self.emit({"type": "session.updated", "session": self.config.view()})

    def _append_audio(self, event: Mapping[str, Any]) -> None:
        try:
            audio = base64.b64decode(event["audio"], validate=True)
        except (binascii.Error, ValueError):
            raise ApiProblem(
                "Invalid value for 'audio': allowed is base64.", code="invalid_value", param="audio"
            ) from None
        self.input.append(audio)

    def _commit_audio(self, event: Mapping[str, Any]) -> None:
        audio = self.input.commit()
        item = Item(
            {
                "id": self.ids.new("item"),
                "object": "realtime.item",
                "type": "message",
                "status": "completed",
                "role": "user",
                "content": [{"type": "input_audio", "transcript": ""}],
            },
            audio,
        )
        self.emit(
            {
                "type": "input_audio_buffer.committed",
                "previous_item_id": self.conversation.last_id(),
                "item_id": item.id,
            }
        )
        self._items.add(item)

    def _clear_audio(self, event: Mapping[str, Any]) -> None:
        self.input.clear()
        self.emit({"type": "input_audio_buffer.cleared"})

    def _clear_output(self, event: Mapping[str, Any]) -> None:
        if self.audio_in_events:
            raise ApiProblem(
                "Only WebRTC and SIP sessions have an output audio buffer on the server.",
                code="invalid_value",
                param="type",
            )
        self._effects.append(StopPlaying(truncate=False))

    def _create_response(self, event: Mapping[str, Any]) -> None:
        if self.config.kind != REALTIME:
            raise ApiProblem(
                f"A {self.config.kind} session makes no responses.", code="invalid_value", param="type"
            )
        self._responses.create(event.get("response", {}), self._now)

    def _cancel_response(self, event: Mapping[str, Any]) -> None:
        self._responses.cancel(event.get("response_id"))
