"""What can be asked of a session, as far as it hangs on what kind of session it is and what has come so far.

It must not send.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import RealtimeError, SessionConfigError, SessionProblem
from ...session import SessionLike, resolve_update
from ._effects import Effects
from ._outbox import EventIds, Outgoing, checked_content, write
from ._role import Role
from ._shortcuts import marked_response, response_content, truncate
from ._tooling import ApprovalJob
from ._turn import TurnStream
from ._turns import Turns

__all__ = ["Requests"]


class Requests:
    """The client events that are made of a connection's state."""

    __slots__ = ()

    effects: Effects
    role: Role
    ids: EventIds
    turns: Turns
    validate: bool

    def write(self, content: Mapping[str, Any]) -> Outgoing:
        """Write an event that was made here."""
        return write(dict(content), self.ids)

    @property
    def append_type(self) -> str:
        """The event type that carries audio.

        Raises:
            RealtimeError: Audio doesn't go by events here.
        """
        if not self.role.carries_audio:
            raise RealtimeError(
                "append_audio: in a WebRTC call audio flows on the track; hand it to dial(audio_in=…)"
            )
        is_translation = self.role.kind == "translation"
        return "session.input_audio_buffer.append" if is_translation else "input_audio_buffer.append"

    def session_update(self, session: SessionLike) -> dict[str, Any]:
        """Make a `session.update` of what a user wants to change.

        Raises:
            SessionConfigError: The API would refuse it.
            TypeError: It is no session.
        """
        state = self.effects.session
        if self.role.kind == "translation":
            kinds: tuple[str, ...] = ("translation",)
        else:
            kinds = ("realtime", "transcription")
            if isinstance(session, Mapping) and "type" not in session:
                session = {"type": self.role.kind, **session}
        body = resolve_update(session, state.content or None, validate=self.validate, kinds=kinds)
        return {"type": "session.update", "session": body}

    def checked_session(self, session: Any) -> dict[str, Any]:
        """Check the session of a `session.update` that a user wrote as an event.

        Raises:
            SessionConfigError: The API would refuse it; fields are named from the event.
            TypeError: It is no session.
        """
        kinds = ("translation",) if self.role.kind == "translation" else ("realtime", "transcription")
        try:
            return resolve_update(session, self.effects.session.content, validate=True, kinds=kinds)
        except SessionConfigError as error:
            raise SessionConfigError(
                SessionProblem(f"session.{p.field}", p.value, p.allowed, f"session.{p.message}")
                for p in error.problems
            ) from error

    def check_response(self, response: Any) -> None:
        """Check what a turn is to be asked for with.

        Raises:
            TypeError: It is neither `RealtimeResponseCreateParams` nor a dict.
            ValueError: The API would refuse it.
        """
        content = response_content(response)
        if content and self.validate:
            checked_content({"type": "response.create", "response": content}, validate=True)
            try:
                checked_content(marked_response(content, ""), validate=True)
            except ValueError as error:
                raise ValueError(f"{error} (one pair is the turn's own)") from error

    def turn_request(
        self, stream: TurnStream, item: Mapping[str, Any] | None, response: Any
    ) -> list[Outgoing]:
        """Write what asks for a turn's response.

        Args:
            stream: The turn.
            item: The event with what the user says, which goes out once; None if that is there already.
            response: As `marked_response` takes it.
        """
        contents = [] if item is None or stream.has_asked else [item]
        return [self.write(content) for content in (*contents, marked_response(response, stream.mark))]

    def approval(self, job: ApprovalJob, *, approve: bool) -> Outgoing:
        """Write the answer to a request for leave."""
        return self.write(self.turns.approval(job, self.ids.next(), approve=approve))

    def truncate(self, item_id: str, played_ms: float) -> dict[str, Any] | None:
        """Make a `conversation.item.truncate` within the audio that came; None if there is nothing to cut.

        Raises:
            TypeError: `played_ms` is not a number.
            ValueError: It is not finite.
        """
        playback = self.effects.playback
        end_ms = playback.clamp(item_id, played_ms)
        if not self.role.plays or end_ms <= 0:
            return None
        playback.cut(item_id)
        return truncate(item_id, playback.content_index(item_id), end_ms)

    def only_conversation(self, what: str) -> None:
        """Refuse what a translation session has not.

        Raises:
            RealtimeError: This is one.
        """
        if self.role.kind == "translation":
            raise RealtimeError(f"{what}: a translation session takes audio and session updates only")

    def only_responding(self, what: str) -> None:
        """Refuse what only sessions have in which a model answers.

        Raises:
            RealtimeError: This is none.
        """
        self.only_conversation(what)
        if self.role.kind == "transcription":
            raise RealtimeError(f"{what}: a transcription session makes no responses")
