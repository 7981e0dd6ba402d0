"""A connection's state, and all that is decided about it: the front of this package.

Messages and the time come in; events, and what is to be sent, come out. It must not do I/O, read a clock or
wait.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import partial
from typing import Any

import attrs

from ..._core.secrets import mask
from ..._core.warnings import warn
from ..._http.operation import status_error_class
from ...errors import (
    APIStatusError,
    ConnectionClosedError,
    RealtimeError,
    SessionConfigError,
    SessionConfigWarning,
    SessionProblem,
)
from ...events import Reconnected, SessionExpiring
from ...session import SessionInput, resolve_update
from ...usage import Usage, UsageMeter
from .client_events import (
    EventIds,
    Outgoing,
    append_messages,
    checked_content,
    contents_of,
    marked_response,
    response_content,
    write,
)
from .connect_plan import Role
from .conversation import Conversation, TranscriptLine, replay_items, transcript
from .function_calls import ApprovalJob, CallJob, FollowUpJob, Job, output_item
from .mailbox import LOCAL_SIZE, Budget, EventWaiter, Kind, Mailbox, SizeOf, Where
from .playback import Interruption, PlaybackState, Position, audio_size
from .reconnect import OF_PARENT, READING, Ending, Pending, Reconnect, Reconnecting, Unsent, wants_reconnect
from .responses import BUSY, Responses
from .session_state import Acknowledgement, SessionState, output_format
from .turns import Turns, TurnStream
from .waiters import Waiter

__all__ = ["MAX_QUEUE_BYTES", "ConnectionState"]

logger: logging.Logger = logging.getLogger("realtime_ext")

JSON = Mapping[str, Any]

MAX_QUEUE_BYTES = 64 * 2**20
_BATCH_EVENTS = 256
_BATCH_BYTES = 2**20
_REMEMBERED = 512  # events of which is known what they were
_NOT_ACTIVE = "response_cancel_not_active"
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
_METERED = frozenset({"session.created", "session.updated", "response.done", _TRANSCRIBED})
# What counts each time that it comes; all other events describe how things are, and may come again.
_ADDING = frozenset(
    {
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_text.delta",
    }
)
# The error types of the API, with the status that each has over HTTP; an event has none of its own.
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "server_error": 500,
    # Codes that say more than their type does.
    "invalid_api_key": 401,
    "invalid_model": 404,
}
_REJECTED = {3000: 401, 4000: 400}  # close codes of a connection that is refused after its handshake


class ConnectionState:
    """One connection without its I/O.

    Args:
        role: What kind it is.
        id_prefix: For the ids of its events.
        max_queue_bytes: How much may wait for the program.
        validate: Whether events are checked before they are sent.
        reconnect: What to do when the link is lost; None for nothing.

    Attributes:
        role: The same.
        ending: How it ended; None while it hasn't.
        is_linked: Whether there is a link to send on.
        size_of: Returns what a message counts for in the queue.
        take: Removes and returns the oldest event; None if there is none now.
    """

    __slots__ = (
        "_again",
        "_budget",
        "_cancels",
        "_conversation",
        "_has_warned_of_tools",
        "_ids",
        "_mailbox",
        "_meter",
        "_pending",
        "_playback",
        "_reconnect",
        "_rejection",
        "_repeats",
        "_replayed",
        "_responses",
        "_restored",
        "_sent",
        "_session",
        "_sought",
        "_turns",
        "_unfinished",
        "_validate",
        "ending",
        "is_linked",
        "role",
        "size_of",
        "take",
    )

    def __init__(
        self,
        role: Role,
        *,
        id_prefix: str,
        max_queue_bytes: int = MAX_QUEUE_BYTES,
        validate: bool = True,
        reconnect: Reconnect | None = None,
    ) -> None:
        self.role: Role = role
        self.ending: Ending | None = None
        self.is_linked: bool = True
        self._has_warned_of_tools = False
        self._budget = Budget(max_queue_bytes)
        self.size_of: SizeOf = self._budget.size_of
        self._ids = EventIds(id_prefix)
        self._mailbox = Mailbox(self._budget)
        self.take: Callable[[], Any] = self._mailbox.take  # for it is called with every event
        self._turns = Turns(self._budget)
        self._responses = Responses()
        self._conversation = Conversation()
        self._playback = PlaybackState(is_local=role.plays)
        self._repeats = _Repeats()
        self._session = SessionState(role.kind, is_shared=role.is_shared)
        self._meter = UsageMeter(role.model)
        self._pending = Pending()
        self._validate = validate
        self._reconnect = reconnect
        self._sent: dict[str, str] = {}  # the types of the latest events that went out, by their ids
        self._cancels: dict[str, None] = {}  # ids of the cancellations among them
        self._again: tuple[str, Callable[[], None]] | None = None  # a response.create, and what repeats it
        self._restored = 0  # items that were sent on the latest link
        self._rejection: JSON | None = None  # the latest error before there was a session
        self._unfinished: dict[str, None] = {}  # ids of the responses that lost links cut off
        self._sought: set[str] = set()  # ids of function calls that are retrieved after such a loss
        self._replayed: dict[str, Any] = {}  # items on their way to a new session, by ids of events

    # What can be looked at

    @property
    def session(self) -> dict[str, Any] | None:
        """The session as the server last described it; None before that."""
        return self._session.content

    @property
    def items(self) -> list[dict[str, Any]]:
        """The conversation's items, in order, without their audio."""
        return self._conversation.items

    @property
    def usage(self) -> Usage:
        """The tokens that were used so far."""
        return self._meter.usage

    @property
    def is_consumed(self) -> bool:
        """Whether the program has begun to read events, other than those of turns."""
        return self._mailbox.is_consumed

    def replay_items(self) -> list[dict[str, Any]]:
        """Return the conversation as items for a new session."""
        return replay_items(self._conversation.entries())

    @property
    def transcript(self) -> list[TranscriptLine]:
        """What was said so far."""
        return transcript(self._conversation.entries())

    # Time

    def began(self, now: float) -> None:
        """Record when the session began, in unix seconds."""
        self._session.began(now)

    def warns_at(self) -> float | None:
        """Return when `tick` is due, in unix seconds; None if that isn't known, or is over."""
        return self._session.warns_at()

    def tick(self, now: float) -> None:
        """Warn of the session's end if that is due, at this time in unix seconds."""
        seconds = self._session.expiring(now)
        if seconds is not None and self.ending is None:
            logger.warning("the session ends in %.0f s", seconds)
            self._deliver("", {}, SessionExpiring(seconds_left=seconds), LOCAL_SIZE)

    # Events in

    def apply(self, content: JSON, event: Any, size: int) -> bool:
        """Apply an event: acknowledgements and state first, then those who wait for it, then the queue.

        Returns:
            Whether `warns_at` may have changed.
        """
        if self.ending is not None:
            return False
        kind: str = event.type or event.event_type  # the latter for what doesn't fit its class
        is_repeated = kind in _ADDING and self._repeats.has(content.get("event_id"))
        effect = _EFFECTS.get(kind)
        if effect is not None and not is_repeated:
            try:
                if effect(self, content) is _WITHHELD:
                    return False
            except Exception as fault:  # the shape is not the API's; the event goes on all the same
                logger.warning("%s has an unexpected shape (%s)", kind, type(fault).__name__)
            if kind in _METERED:
                try:
                    self._meter.observe(content)
                except Exception as fault:
                    logger.warning("%s has an unexpected usage (%s)", kind, type(fault).__name__)
        self._deliver(kind, content, event, size, is_repeated=is_repeated)
        return effect is ConnectionState._on_session

    def _deliver(self, kind: str, content: JSON, event: Any, size: int, *, is_repeated: bool = False) -> None:
        mailbox = self._mailbox
        mailbox.offer(event)
        is_owned = warns = False
        try:
            is_owned, warns = self._turns.put(kind, content, event, size, is_repeated=is_repeated)
        except Exception as fault:
            logger.warning("%s has an unexpected shape for a turn (%s)", kind, type(fault).__name__)
        if mailbox.is_consumed:
            warns |= mailbox.put(event, size)
        elif not is_owned:  # a program that only asks would never empty the queue
            warns |= mailbox.put_unconsumed(event, size)
        if warns:
            self._warn(is_read=is_owned or mailbox.is_consumed)
        if self._budget.over:
            is_owned |= mailbox.is_consumed
            self.finish(Ending.by_slow_consumer(self._budget.limit, is_read=is_owned))

    def _warn(self, *, is_read: bool) -> None:
        what = "events come faster than they are taken" if is_read else "nobody takes events"
        help_ = "" if is_read else f" ({READING})"
        used, limit = self._budget.used, self._budget.limit
        logger.warning("%s: %d bytes wait, and over %d the connection ends%s", what, used, limit, help_)

    # What each event does

    def _on_session(self, content: JSON) -> None:
        session = content.get("session")
        self._session.described(session)
        if isinstance(session, Mapping):
            self._playback.use(output_format(session))
        event_id = content.get("event_id")
        if content.get("type") == "session.created":
            self._session.created(event_id)
        else:
            self._session.updated(event_id)

    def _on_item(self, content: JSON) -> None:
        item = content["item"]
        is_new = self._conversation.put(item, content.get("previous_item_id"))
        if is_new and self._replayed:  # the server adds items in the order in which they were sent
            del self._replayed[next(iter(self._replayed))]
        if self._turns.calls is not None and item.get("type") == "mcp_approval_request":
            self._turns.calls.item_done(item, None)

    def _on_output_item(self, content: JSON) -> None:
        self._conversation.update(content["item"])
        if self._turns.calls is not None:
            self._turns.calls.item_done(content["item"], content.get("response_id"))

    def _on_words(self, content: JSON) -> None:
        field = "text" if content["type"] == "response.output_text.done" else "transcript"
        self._conversation.set_text(content["item_id"], content["content_index"], field, content[field])

    def _on_audio(self, content: JSON) -> None:
        self._playback.received(content["item_id"], content["content_index"], audio_size(content["delta"]))

    def _on_audio_done(self, content: JSON) -> None:
        self._playback.completed(content["item_id"], content["content_index"])

    def _on_item_retrieved(self, content: JSON) -> None:
        item = content["item"]
        self._conversation.update(item)
        if item.get("id") in self._sought and self._turns.calls is not None:
            self._sought.discard(item["id"])
            self._turns.calls.retrieved(item)

    def _on_item_deleted(self, content: JSON) -> None:
        self._conversation.delete(content["item_id"])

    def _on_truncated(self, content: JSON) -> None:
        item_id, index = content["item_id"], content["content_index"]
        share = self._playback.truncated(item_id, index, content["audio_end_ms"])
        self._conversation.truncate(item_id, index, share)

    def _on_mcp_call_ended(self, content: JSON) -> None:
        if self._turns.calls is not None:
            self._turns.calls.mcp_ended()

    def _on_speech_started(self, content: JSON) -> None:
        self._playback.speech_started()

    def _on_response_created(self, content: JSON) -> None:
        if self._responses.created(content["response"]):
            self._turns.created(content["response"])

    def _on_response_done(self, content: JSON) -> None:
        response = content["response"]
        is_first = self._responses.done(response)
        output = response.get("output")
        items = [item for item in output if isinstance(item, Mapping)] if isinstance(output, list) else []
        item_ids = {item_id for item in items if isinstance(item_id := item.get("id"), str)}
        self._playback.ended(item_ids or None)
        for item in items:
            self._conversation.update(item)
        self._turns.done(response, is_repeated=not is_first)

    def _on_error(self, content: JSON) -> object:
        error = content["error"]
        code, event_id = _text(error.get("code")), _text(error.get("event_id"))
        if self.session is None:
            self._rejection = error
        if code == "session_expired":
            self._session.expired(error.get("message"))
        if code == _NOT_ACTIVE and (event_id in self._cancels or (event_id is None and self._cancels)):
            # There was nothing left to cancel, which is what was wanted.
            self._cancels.pop(event_id or "", None)
            return _WITHHELD
        self._replayed.pop(event_id or "", None)
        self._responses.refused(event_id, is_busy=code == BUSY)
        if code == BUSY and self._again is not None and self._again[0] == event_id:
            logger.info("a response is active that is not known of; the next is asked for when it is over")
            again, self._again = self._again[1], None
            again()
            return _WITHHELD
        self._session.refused(event_id, lambda: _refusal(error), param=error.get("param"))
        self._turns.refused(event_id, code, lambda: _refusal(error))
        if event_id in self._sent:
            logger.warning("%s (event %s) was refused: %s", self._sent[event_id], event_id, code)
        return None

    # Waiting for events

    def fetch(self, events: deque[Any], done: Callable[[bool], object]) -> None:
        """Move what is queued to `events`, for another thread: now, or once there is something.

        Args:
            events: What it is added to, about 1 MiB at most; it counts no more towards the queue's bound.
            done: Called then: with True, or with False where nothing will come any more.
        """
        batch = self._mailbox.take_batch(_BATCH_EVENTS, _BATCH_BYTES)
        if batch or self.ending is not None:
            events.extend(batch)
            done(bool(batch))
        else:
            self.wait_event().when_done(partial(self.fetch, events, done))

    def wait_event(self) -> Waiter[None]:
        """Return a waiter that is filled when there is an event, or none will come; else `cancel_event`."""
        return self._mailbox.wait()

    def cancel_event(self, waiter: Waiter[None]) -> None:
        """Stop waiting for any event."""
        self._mailbox.cancel(waiter)

    def wait_for(self, kind: Kind, where: Where | None = None) -> EventWaiter:
        """Return a waiter for the next event of a kind.

        Raises:
            TypeError: The kind is neither an event type nor a class.
            ValueError: The kind is empty.
        """
        waiter = self._mailbox.wait_for(kind, where)
        if self.ending is not None:
            self._mailbox.forget(waiter)
            waiter.fail(self.ending.error())
        return waiter

    def came_before(self, waiter: EventWaiter) -> bool:
        """Return whether an event of the kind came before the waiter did, and was not read since."""
        return not waiter.done and self._mailbox.holds(waiter)

    def forget(self, waiter: EventWaiter) -> None:
        """Stop waiting for an event of a kind."""
        self._mailbox.forget(waiter)

    # Waiting to send

    def wait_link(self, unsent: Unsent | None = None) -> Waiter[None]:
        """Return a waiter that is filled when there is a link to send on; `release` ends the waiting.

        Args:
            unsent: Returns what is to be sent then, for the exception if there will be no link.
        """
        waiter: Waiter[None] = Waiter()
        if self.ending is not None:
            waiter.fail(self._ended(self.ending, unsent))
        elif self.is_linked:
            waiter.resolve(None)
        else:
            self._pending.hold(waiter, unsent, for_link=True)
        return waiter

    def wait_turn(self, unsent: Unsent | None = None) -> Waiter[None]:
        """Return a waiter that is filled when a response may be asked for, until `release`.

        Args:
            unsent: As for `wait_link`.
        """
        if self.ending is None:
            waiter = self._responses.ask()
            self._pending.hold(waiter, unsent)
            return waiter
        waiter = Waiter()
        waiter.fail(self._ended(self.ending, unsent))
        return waiter

    def release(self, waiter: Waiter[None]) -> None:
        """Stop waiting for the link or the response before, or let the next one ask after having sent."""
        self._pending.release(waiter)
        self._responses.release(waiter)

    def _ended(self, ending: Ending, unsent: Unsent | None) -> ConnectionClosedError:
        return ending.error(() if unsent is None else tuple(unsent()))

    # Events out

    def write(self, content: JSON) -> Outgoing:
        """Number and write an event that was made here."""
        return write(dict(content), self._ids)

    def prepare(self, event: Any) -> Outgoing:
        """Check, number and write an event.

        Raises:
            TypeError: It is no event.
            ValueError: The API would refuse it.
        """
        content = checked_content(event, validate=self._validate)
        if self._validate and content["type"] == "session.update":
            content["session"] = self._checked_session(content["session"])
        return write(content, self._ids)

    def audio(self, data: Any) -> Iterator[tuple[str, str]]:
        """Write audio as events: yield their ids and JSON texts.

        Raises:
            RealtimeError: Audio isn't sent by events here.
            TypeError, ValueError: It is neither bytes nor base64 text.
        """
        if not self.role.carries_audio:
            raise RealtimeError(
                "append_audio: in a WebRTC call audio flows on the track; hand it to dial(audio_in=…)"
            )
        is_translation = self.role.kind == "translation"
        kind = "session.input_audio_buffer.append" if is_translation else "input_audio_buffer.append"
        return append_messages(data, kind, self._ids)

    def session_update(self, session: SessionInput) -> Outgoing:
        """Write a `session.update` of what a user wants to change.

        Raises:
            SessionConfigError: The API would refuse it.
            TypeError: It is no session.
        """
        if self.role.kind == "translation":
            kinds: tuple[str, ...] = ("translation",)
        else:
            kinds = ("realtime", "transcription")
            if isinstance(session, Mapping) and "type" not in session:
                session = {"type": self.role.kind, **session}
        body = resolve_update(session, self._session.content or None, validate=self._validate, kinds=kinds)
        return self.write({"type": "session.update", "session": body})

    def _checked_session(self, session: Any) -> dict[str, Any]:
        """Check the session of a `session.update` that a user wrote; fields are named from the event."""
        kinds = ("translation",) if self.role.kind == "translation" else ("realtime", "transcription")
        try:
            return resolve_update(session, self._session.content, validate=True, kinds=kinds)
        except SessionConfigError as error:
            raise SessionConfigError(
                SessionProblem(f"session.{p.field}", p.value, p.allowed, f"session.{p.message}")
                for p in error.problems
            ) from error

    def truncation(self, item_id: str, played_ms: float) -> dict[str, Any] | None:
        """Return a `conversation.item.truncate` within the audio that came; None if there is nothing to cut.

        Raises:
            TypeError: `played_ms` is not a number.
            ValueError: It is not finite.
        """
        end_ms = self._playback.clamp(item_id, played_ms)
        if not self.role.plays or end_ms <= 0:
            return None
        self._playback.cut(item_id)
        return _truncate(item_id, self._playback.content_index(item_id), end_ms)

    def require_conversation(self, what: str) -> None:
        """Check that the session has a conversation.

        Raises:
            RealtimeError: It is a translation session; or this is a forked process's copy.
        """
        if self.ending is not None and self.ending.reason is OF_PARENT:
            raise RealtimeError(OF_PARENT)
        if self.role.kind == "translation":
            raise RealtimeError(f"{what}: a translation session takes audio and session updates only")

    def warn_of_tools(self, run: Set[str]) -> None:
        """Warn once of tools that are run and not in the session, and of those in it that nobody runs.

        Args:
            run: The names of the tools that are run.
        """
        tools = (self._session.content or {}).get("tools")
        if self._has_warned_of_tools or not isinstance(tools, list):
            return
        declared = {t.get("name") for t in tools if isinstance(t, Mapping) and t.get("type") == "function"}
        for names, what in (
            (
                run - declared,
                "the model doesn't know them: declare them in the session, or use connect(tools=…)",
            ),
            (declared - run, "nobody runs them: register them by run_tools, or use connect(tools=…)"),
        ):
            if names:
                self._has_warned_of_tools = True
                listed = ", ".join(sorted(map(str, names)))
                warn(f"tools {listed}: {what}", SessionConfigWarning)

    def require_responses(self, what: str) -> None:
        """Check that a model answers in the session.

        Raises:
            RealtimeError: None does.
        """
        self.require_conversation(what)
        if self.role.kind == "transcription":
            raise RealtimeError(f"{what}: a transcription session makes no responses")

    def sending(self, out: Outgoing, stream: TurnStream | None = None) -> Acknowledgement | None:
        """Record an event that is about to go out.

        Args:
            out: The event.
            stream: The turn that it is of.

        Returns:
            For `session.update` what its acknowledgement fills, else None.
        """
        kind, event_id, content = out.type, out.event_id, out.content
        if stream is not None:
            stream.sending(kind, event_id)
        if len(self._sent) >= _REMEMBERED:
            del self._sent[next(iter(self._sent))]
        self._sent[event_id] = kind
        if kind == "response.create":
            self._responses.sent(event_id, content)
        elif kind == "response.cancel":
            self._cancels[event_id] = None
        elif kind == "session.update":
            return self._session.sent(event_id, content.get("session"))
        elif kind == "conversation.item.create" and content.get("previous_item_id") == "root":
            self._conversation.asked_for_root()
        return None

    def repeat_if_busy(self, out: Outgoing, again: Callable[[], None]) -> None:
        """Call `again` if a `response.create` is refused because a response is active that was not known of.

        A sideband that attaches during a response hears of it only by its end.
        """
        self._again = (out.event_id, again)

    def confirm(self, update: Acknowledgement) -> None:
        """Count an unclear answer to an update as its acknowledgement, now that no refusal has come."""
        self._session.confirm(update)

    def not_sent(self, code: int | None, reason: str, left: Iterable[Outgoing]) -> ConnectionClosedError:
        """Record events that a link which was there did not send; return the error for their sender.

        Args:
            code: The link's close code; None if it broke without one.
            reason: In words.
            left: The events.
        """
        left = tuple(left)
        for out in left:
            self._responses.refused(out.event_id)
            self._session.refused(out.event_id, lambda: RealtimeError("the event could not be sent"))
            self._cancels.pop(out.event_id, None)
        return self.unsent(code, reason, contents_of(left))

    def unsent(self, code: int | None, reason: str, contents: Iterable[Any]) -> ConnectionClosedError:
        """Record what could not be sent, as dicts; return the error for its sender, as `not_sent` does."""
        contents = tuple(contents)
        if self.ending is None:
            self._pending.failed(contents)
            ending = Ending.by_peer(code, reason, expiry=self._session.expiry)
        else:  # it came meanwhile
            ending = self.ending = attrs.evolve(self.ending, unsent=(*self.ending.unsent, *contents))
        return ending.error(contents)

    # Turns and tools

    def open_turn(self) -> TurnStream:
        """Begin a turn."""
        self._mailbox.is_asked = True
        stream = self._turns.open(self._ids.next())
        if self.ending is not None:
            stream.fail(self.ending.error())
        return stream

    def close_turn(self, stream: TurnStream) -> None:
        """Stop collecting a turn's events."""
        self._turns.close(stream)

    def check_response(self, response: Any) -> None:
        """Check what a turn is to be asked for with.

        Raises:
            TypeError: It is neither `RealtimeResponseCreateParams` nor a dict.
            ValueError: The API would refuse it.
        """
        content = response_content(response)
        if content and self._validate:
            checked_content({"type": "response.create", "response": content}, validate=True)
            try:
                checked_content(marked_response(content, ""), validate=True)
            except ValueError as error:
                raise ValueError(f"{error} (one pair is the turn's own)") from error

    def turn_request(self, stream: TurnStream, item: JSON | None, response: Any) -> list[Outgoing]:
        """Write what asks for a turn's response.

        Args:
            stream: The turn.
            item: The event with what the user says, which goes out once; None if that is there already.
            response: As `marked_response` accepts it.
        """
        contents = [] if item is None or stream.has_asked else [item]
        return [self.write(content) for content in (*contents, marked_response(response, stream.mark))]

    def register_tools(self, on_job: Callable[[], None]) -> None:
        """Begin to collect function calls; `on_job` is called when `next_job` has one."""
        self._turns.register_tools(on_job)

    def next_job(self) -> Job | None:
        """Remove and return what is to be done next for the model's calls; None if there is nothing now."""
        return None if self._turns.calls is None else self._turns.calls.next_job()

    def output(self, job: CallJob, output: str) -> Outgoing:
        """Write the answer to a call."""
        self._turns.answered(job.response_id, job.call_id, output)
        return self.write(output_item(job, output))

    def answered(self, job: CallJob, *, silent: bool) -> None:
        """Record that a call's output was sent, or can't be."""
        if self._turns.calls is not None:
            self._turns.calls.answered(job, silent=silent)

    def approval(self, job: ApprovalJob, *, approve: bool) -> Outgoing:
        """Write the answer to a request for permission."""
        return self.write(self._turns.approval(job, self._ids.next(), approve=approve))

    def decided(self, job: ApprovalJob) -> None:
        """Record that the answer to a request for permission was sent, or can't be."""
        if self._turns.calls is not None:
            self._turns.calls.decided(job)

    def follow_up(self, job: FollowUpJob) -> Outgoing:
        """Write the request for the response that follows a response's tools."""
        return self.write(self._turns.follow_up(job, self._ids.next()))

    # What was played

    def played_bytes(self, count: int) -> None:
        """Count bytes that were played; raises as `PlaybackState.played_bytes` does."""
        self._playback.played_bytes(count)

    def played_ms(self, ms: float) -> None:
        """Count milliseconds that were played; raises as `PlaybackState.played_ms` does."""
        self._playback.played_ms(ms)

    @property
    def position(self) -> Position | None:
        """Where playing stands; None if there is nothing to play, nor anything to come."""
        return self._playback.position

    @property
    def to_flush(self) -> Interruption | None:
        """What there was to throw away when the user last began to speak; None if there was nothing."""
        return self._playback.to_flush

    def interrupt(self) -> tuple[Interruption | None, list[dict[str, Any]]]:
        """Stop the model: throw away what was not played.

        Returns:
            What there is to flush, None if there is nothing; and the events that stop the response, clear
            what the API plays, cut an item where it was heard last, and delete those that nobody heard.
        """
        self.require_responses("interrupt")
        heard = self._playback.heard()
        found = self._playback.interrupt()
        events: list[dict[str, Any]] = [{"type": "response.cancel"}] if self._responses.is_busy else []
        if not self.role.plays:
            events.append({"type": "output_audio_buffer.clear"})
        for item_id, (content_index, played_ms) in heard.items():
            if played_ms > 0:
                events.append(_truncate(item_id, content_index, played_ms))
            else:
                events.append({"type": "conversation.item.delete", "item_id": item_id})
        return found, events

    # The link

    def rejection(self) -> APIStatusError | None:
        """Return why the API refused the connection, which it does after the handshake; None if it didn't."""
        ending = self.ending
        if ending is None or ending.code not in _REJECTED or self.session is not None:
            return None
        if self._rejection is None and not ending.reason.startswith("invalid_request_error"):
            return None
        status = _REJECTED[ending.code]
        kind, _, code = ending.reason.partition(".")
        return _refusal(self._rejection or {"message": ending.reason, "type": kind, "code": code}, status)

    def suspend(self) -> None:
        """Record that sending failed: where the link may be made anew, others wait until that is decided."""
        if self._reconnect is not None and self.ending is None:
            self.is_linked = False

    def lost(
        self, code: int | None, reason: str, random: Callable[[], float], cause: BaseException | None = None
    ) -> Reconnecting | None:
        """Record the end of the link.

        Args:
            code: The close code; None if the link broke without one.
            reason: In words.
            random: Returns numbers in [0, 1).
            cause: The exception behind it.

        Returns:
            The attempts at mending it; None if that was the connection's end.
        """
        expiry = self._session.expiry
        ending = Ending.by_peer(code, reason, expiry=expiry, cause=cause)
        if (
            self.ending is None
            and self._reconnect is not None
            and wants_reconnect(self._reconnect, code, is_expired=expiry is not None)
        ):
            self.is_linked = False
            self._unfinished.update(dict.fromkeys(self._responses.active))
            self._abandon(ending)
            if self.role.is_sideband and self._turns.calls is not None:
                self._turns.calls.link_lost()
            logger.info("link lost: code %s; reconnecting", code)
            return Reconnecting(self._reconnect, ending, random)
        self.finish(ending)
        return None

    def restored(self) -> list[Outgoing]:
        """Record a new link; return what is to be sent on it before `link_ready`.

        Where `sending` returns a waiter for one of them, that is to be filled before the next goes out: a
        session that isn't configured as the old one was is not used.

        What was sent on an earlier link and the server didn't acknowledge is among it again: that session is
        gone.
        """
        self._restored = 0
        if self.role.is_sideband:
            return self._retrievals()
        out: list[Outgoing] = []
        update = self._session.restart()
        if update is not None:
            out.append(self.write(update))
        if self.role.kind == "realtime":
            creates = []
            for item in [*self.replay_items(), *self._replayed.values()]:
                try:
                    creates.append(self.write({"type": "conversation.item.create", "item": item}))
                except ValueError as fault:  # it holds what JSON hasn't, such as infinity
                    logger.warning("an item could not be replayed (%s)", type(fault).__name__)
            self._restored = len(creates)
            self._replayed = {create.event_id: create.content["item"] for create in creates}
            self._conversation = Conversation()
            self._playback.reset()
            if self._turns.calls is not None:
                self._turns.calls.forget()
            out += creates
        return out

    def _retrievals(self) -> list[Outgoing]:
        """Return the requests for the function calls that began before the loss and were not seen to end."""
        calls = self._turns.calls
        if calls is None:
            return []
        found = [item for item in self._conversation.unanswered() if not calls.is_known(item.get("call_id"))]
        self._sought = {item["id"] for item in found}
        return [self.write({"type": "conversation.item.retrieve", "item_id": item["id"]}) for item in found]

    def not_restored(self, error: Callable[[], Exception]) -> None:
        """Record that not all of that could be sent on the new link, and that it is gone.

        Args:
            error: Makes the exception for those who wait.
        """
        self._session.fail(error)
        self._responses.reset()

    def link_ready(self, attempts: int) -> None:
        """Wake those who wait for a link.

        Args:
            attempts: How many it took.
        """
        logger.info("reconnected after %d attempts; %d items replayed", attempts, self._restored)
        self.is_linked = True
        event = Reconnected(attempts=attempts, replayed=self._restored, unfinished=tuple(self._unfinished))
        self._unfinished.clear()
        self._deliver("", {}, event, LOCAL_SIZE)
        self._pending.link_ready()

    def finish(self, ending: Ending) -> None:
        """End the connection; only the first ending counts."""
        if self.ending is not None:
            return
        self.ending = ending = self._pending.ended(ending)
        self.is_linked = False
        logger.info("connection ended: code %s (%s)", ending.code, "normal" if ending.is_normal else "error")
        self._abandon(ending)
        self._responses.fail(ending.error)
        self._mailbox.close(ending.error)

    def disown(self) -> None:
        """End the copy of a connection in a process that was forked; whoever waits is not woken here."""
        if self.ending is None:
            self.ending = Ending(code=None, reason=OF_PARENT)
        self.is_linked = False

    def _abandon(self, ending: Ending) -> None:
        """Record that no answers will come to what was sent: the link is lost."""
        self._session.fail(ending.error)
        self._turns.reset(ending.error)
        self._responses.reset()
        self._cancels.clear()


class _Repeats:
    """The ids of the latest events that add something up: what comes twice is not added up twice.

    Only as many ids are kept as a repetition can be late.
    """

    __slots__ = ("_before", "_now")

    GENERATION = 512  # ids; one to two generations are remembered

    def __init__(self) -> None:
        self._now: set[str] | None = None  # an empty one would use 200 bytes
        self._before: set[str] | None = None

    def has(self, event_id: object) -> bool:
        """Return whether an event with this id came before, and remember it; one without an id never did."""
        if not isinstance(event_id, str) or not event_id:
            return False
        now = self._now
        if now is None:
            now = self._now = set()
        if event_id in now or (self._before is not None and event_id in self._before):
            return True
        if len(now) >= self.GENERATION:
            self._before = now
            now = self._now = set()
        now.add(event_id)
        return False


_WITHHELD = object()  # what an effect returns if the program is not to see the event

# One table for all connections: as one each, it would be a good part of what a connection uses.
_EFFECTS: dict[str, Callable[[ConnectionState, JSON], object]] = {
    "error": ConnectionState._on_error,
    "session.created": ConnectionState._on_session,
    "session.updated": ConnectionState._on_session,
    "transcription_session.updated": ConnectionState._on_session,
    "response.created": ConnectionState._on_response_created,
    "response.done": ConnectionState._on_response_done,
    "response.output_audio.delta": ConnectionState._on_audio,
    "response.output_audio.done": ConnectionState._on_audio_done,
    "response.output_audio_transcript.done": ConnectionState._on_words,
    "response.output_text.done": ConnectionState._on_words,
    "response.output_item.done": ConnectionState._on_output_item,
    "response.mcp_call.completed": ConnectionState._on_mcp_call_ended,
    "response.mcp_call.failed": ConnectionState._on_mcp_call_ended,
    "conversation.item.added": ConnectionState._on_item,
    "conversation.item.created": ConnectionState._on_item,
    "conversation.item.done": ConnectionState._on_item,
    "conversation.item.retrieved": ConnectionState._on_item_retrieved,
    "conversation.item.deleted": ConnectionState._on_item_deleted,
    "conversation.item.truncated": ConnectionState._on_truncated,
    _TRANSCRIBED: ConnectionState._on_words,
    "input_audio_buffer.speech_started": ConnectionState._on_speech_started,
}


def _truncate(item_id: str, content_index: int, end_ms: int) -> dict[str, Any]:
    return {
        "type": "conversation.item.truncate",
        "item_id": item_id,
        "content_index": content_index,
        "audio_end_ms": end_ms,
    }


def _refusal(error: JSON, status: int | None = None) -> APIStatusError:
    """Return an error event as the exception that the same refusal is over HTTP.

    Args:
        error: Its fields: `type`, `code`, `message`, `param`, `event_id`.
        status: The HTTP status, unless the code stands for another; None for that of the type.
    """
    kind, event_id = _text(error.get("type")), _text(error.get("event_id"))
    code = _text(error.get("code"))
    status = _STATUS.get(code or "") or status or _STATUS.get(kind or "", 400)
    message = _text(error.get("message")) or "the server refused an event"
    return status_error_class(status)(
        mask(f"{message} [event {event_id}]" if event_id else message),
        status_code=status,
        code=code,
        param=_text(error.get("param")),
        type=kind,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
