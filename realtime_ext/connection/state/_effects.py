"""What each server event does to a connection's state.

It must not hand events on, nor end the connection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from ...usage import UsageMeter
from ._acknowledgement import Acknowledgement
from ._ledger import Ledger
from ._playback import PlaybackState, audio_size
from ._refusal import refusal
from ._repeats import Repeats
from ._responses import Responses
from ._session_state import SessionState
from ._turns import BUSY, Turns

__all__ = ["ADDING", "Effects"]

logger = logging.getLogger("realtime_ext")

JSON = Mapping[str, Any]

_NOT_ACTIVE = "response_cancel_not_active"
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
# What counts each time that it comes; all other events say how things are, and may come again.
ADDING = frozenset(
    {
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_text.delta",
    }
)
_METERED = frozenset({"session.created", "session.updated", "response.done", _TRANSCRIBED})
_REMEMBERED = 512  # events of which is known what they were


class Effects:
    """The parts of the state, and the table of what changes them.

    Args:
        kind: The session's kind.
        is_local: Whether the application plays the model's audio.
        turns: The turns.
        model: The session's model, where it is known.
        is_shared: Whether others may change the session too.

    Attributes:
        responses, ledger, playback, repeats, session, turns: The parts.
        meter: What the session has used.
    """

    __slots__ = (
        "_cancels",
        "_is_withheld",
        "_replayed",
        "_sent",
        "ledger",
        "meter",
        "playback",
        "repeats",
        "responses",
        "session",
        "turns",
    )

    def __init__(
        self,
        kind: str,
        *,
        is_local: bool,
        turns: Turns,
        model: str | None = None,
        is_shared: bool = False,
    ) -> None:
        self.responses = Responses()
        self.ledger = Ledger()
        self.playback = PlaybackState(is_local=is_local)
        self.repeats = Repeats()
        self.session = SessionState(kind, is_shared=is_shared)
        self.turns = turns
        self.meter = UsageMeter(model)
        self._sent: dict[str, str] = {}
        self._cancels: dict[str, None] = {}
        self._replayed: dict[str, Any] = {}
        self._is_withheld = False

    def apply(self, kind: str, content: JSON) -> bool:
        """Take an event; say whether the application is to see it."""
        effect = _TABLE.get(kind)
        if effect is None:
            return True
        self._is_withheld = False
        try:
            if kind in _METERED:
                self.meter.observe(content)
            effect(self, content)
        except (TypeError, ValueError, AttributeError, KeyError) as fault:
            # The shape is not the API's; the event goes on all the same.
            logger.warning("%s has an unexpected shape (%s)", kind, type(fault).__name__)
        return not self._is_withheld

    def sending(self, kind: str, event_id: str, content: JSON) -> Acknowledgement | None:
        """Note an event that is about to go out.

        Returns:
            For `session.update` what its acknowledgement fills, else None.
        """
        if len(self._sent) >= _REMEMBERED:
            del self._sent[next(iter(self._sent))]
        self._sent[event_id] = kind
        if kind == "response.create":
            self.repeats.forget()  # some servers, made for tests, number the events of each answer anew
            self.responses.sent(event_id, content)
        elif kind == "response.cancel":
            self._cancels[event_id] = None
        elif kind == "session.update":
            return self.session.sent(event_id, content.get("session"))
        elif kind == "conversation.item.create" and content.get("previous_item_id") == "root":
            self.ledger.asked_for_root()
        return None

    def not_sent(self, event_id: str, error: Exception) -> None:
        """Note that an event did not go out."""
        self.responses.refused(event_id)
        self.session.refused(event_id, error)
        self._cancels.pop(event_id, None)

    def abandon(self, error: Callable[[], Exception]) -> None:
        """Note that no answers will come to what was asked: the link is lost."""
        self.session.fail(error)
        self.turns.reset(error)
        self.responses.reset()
        self._cancels.clear()

    @property
    def not_taken(self) -> list[Any]:
        """The items of an earlier session that the server has not taken into this one yet."""
        return list(self._replayed.values())

    def restart(self, replayed: dict[str, Any]) -> None:
        """Begin with an empty conversation.

        Args:
            replayed: The items that it is about to be given, by the ids of the events that do so.
        """
        self._replayed = replayed
        self.ledger = Ledger()
        self.playback.reset()
        if self.turns.desk is not None:
            self.turns.desk.forget()

    def _session(self, content: JSON) -> None:
        self.session.saw(content.get("session"))
        self.playback.use(self.session.output_format)

    def _created(self, content: JSON) -> None:
        self._session(content)
        self.session.created(content.get("event_id"))

    def _updated(self, content: JSON) -> None:
        self._session(content)
        self.session.updated(content.get("event_id"))

    def _item(self, content: JSON) -> None:
        item = content["item"]
        is_new = self.ledger.put(item, content.get("previous_item_id"))
        if is_new and self._replayed:  # items are taken in the order in which they were sent
            del self._replayed[next(iter(self._replayed))]
        if self.turns.desk is not None and item.get("type") == "mcp_approval_request":
            self.turns.desk.item_done(item, None)

    def _output_item(self, content: JSON) -> None:
        self.ledger.update(content["item"])
        if self.turns.desk is not None:
            self.turns.desk.item_done(content["item"], content.get("response_id"))

    def _words(self, content: JSON, field: str) -> None:
        self.ledger.set_text(content["item_id"], content["content_index"], field, content[field])

    def _audio(self, content: JSON) -> None:
        self.playback.received(content["item_id"], content["content_index"], audio_size(content["delta"]))

    def _audio_done(self, content: JSON) -> None:
        self.playback.completed(content["item_id"], content["content_index"])

    def _truncated(self, content: JSON) -> None:
        item_id, index = content["item_id"], content["content_index"]
        share = self.playback.truncated(item_id, index, content["audio_end_ms"])
        self.ledger.truncate(item_id, index, share)

    def _response_created(self, content: JSON) -> None:
        response = content["response"]
        is_late = not self.responses.created(response)
        self.turns.created(response, is_late=is_late)

    def _response_done(self, content: JSON) -> None:
        response = content["response"]
        end = self.responses.done(response, content.get("event_id"))
        output = response.get("output")
        items = [item for item in output if isinstance(item, Mapping)] if isinstance(output, list) else []
        self.playback.ended({item.get("id") for item in items} if items else None)
        for item in items:
            self.ledger.update(item)
        self.turns.done(response, end)

    def _error(self, content: JSON) -> None:
        error = content["error"]
        code, event_id = error.get("code"), error.get("event_id")
        if code == "session_expired":
            self.session.expired(error.get("message"))
        if code == _NOT_ACTIVE and (event_id in self._cancels or (event_id is None and self._cancels)):
            # There was nothing left to cancel, which is what was wanted.
            self._cancels.pop(event_id, None)
            self._is_withheld = True
            return
        self._replayed.pop(event_id, None)
        self.responses.refused(event_id, is_busy=code == BUSY)
        self.session.refused(event_id, refusal(error), param=error.get("param"))
        self.turns.refused(event_id, code, lambda: refusal(error))
        if event_id in self._sent:
            logger.warning("%s (event %s) was refused: %s", self._sent[event_id], event_id, code)


# One table for all connections: as one each, it would be a good part of what a connection takes.
_TABLE: dict[str, Callable[[Effects, JSON], None]] = {
    "error": Effects._error,
    "session.created": Effects._created,
    "session.updated": Effects._updated,
    "transcription_session.updated": Effects._updated,
    "response.created": Effects._response_created,
    "response.done": Effects._response_done,
    "response.output_audio.delta": Effects._audio,
    "response.output_audio.done": Effects._audio_done,
    "response.output_audio_transcript.done": lambda effects, content: effects._words(content, "transcript"),
    "response.output_text.done": lambda effects, content: effects._words(content, "text"),
    "response.output_item.done": Effects._output_item,
    "response.mcp_call.completed": lambda effects, content: effects.turns.mcp_ended(),
    "response.mcp_call.failed": lambda effects, content: effects.turns.mcp_ended(),
    "conversation.item.added": Effects._item,
    "conversation.item.created": Effects._item,
    "conversation.item.done": Effects._item,
    "conversation.item.retrieved": lambda effects, content: effects.ledger.update(content["item"]),
    "conversation.item.deleted": lambda effects, content: effects.ledger.delete(content["item_id"]),
    "conversation.item.truncated": Effects._truncated,
    _TRANSCRIBED: lambda effects, content: effects._words(content, "transcript"),
    "input_audio_buffer.speech_started": lambda effects, content: effects.playback.speech_started(),
}
