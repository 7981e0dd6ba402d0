"""A connection without its I/O: applies each event to the components, and follows the link's life.

Messages and the time come in; events and messages to send go out. The rest of `connection` asks the
component that knows: `queue`, `session`, `conversation`, `playback`, `responses`, `turns`, `client_events`.
This module must not do I/O, read a clock or wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from heapq import merge
from operator import itemgetter
from typing import Any, ClassVar

import attrs

from ..._core.schema import check, place
from ...errors import APIStatusError, ConnectionClosedError, RealtimeError
from ...events import Reconnected, SessionExpiring
from ...usage import UsageMeter
from .client_events import ClientEvents, Outgoing, contents_of
from .connect_plan import Role
from .conversation import Conversation
from .event_kinds import EventWaiter, Kind, Where
from .event_queue import Budget, EventQueue
from .latency import Stopwatch
from .messages import JSON, LOCAL_SIZE, text_or_none
from .playback import Interruption, PlaybackState, audio_size
from .reconnect import (
    CONSUME,
    OF_PARENT,
    CloseInfo,
    Pending,
    Reconnect,
    Reconnecting,
    Recovery,
    Unsent,
)
from .refusals import refusal
from .responses import BUSY, Responses
from .session_state import Acknowledgement, SessionState, output_format
from .turns import Turns, TurnStream
from .waiters import Waiter

logger: logging.Logger = logging.getLogger("realtime_ext")

MAX_QUEUE_BYTES = 64 * 2**20
_REMEMBERED = 512  # client events whose type is remembered
_DESCRIBING = frozenset(
    {"session.created", "session.started", "session.updated", "transcription_session.updated"}
)
_NOT_ACTIVE = "response_cancel_not_active"
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
_METERED = frozenset({"session.created", "session.updated", "response.done", _TRANSCRIBED})
_REJECTED = {3000: 401, 4000: 400}  # close codes of a refusal after the handshake, and their HTTP status


class ConnectionState:
    """One connection without its I/O.

    Args:
        role: The kind of connection.
        id_prefix: The start of its events' ids.
        max_queue_bytes: How many bytes of events may be queued for the program.
        validate: Whether events are checked before they are sent.
        reconnect: The reconnect policy; None to stay closed when the link is lost.

    Attributes:
        role: The kind of connection.
        budget: The limit in bytes that the queues share.
        queue: Events for the program.
        client_events: Writes the events to be sent.
        session: The configuration, its updates and its end.
        conversation: The items.
        playback: Audio received and played.
        responses: Which responses are active.
        turns: Turns and the model's function calls.
        meter: Token usage.
        recovery: What continues after the loss of the link.
        watch: Latencies; it is told the time before an event is applied or sent.
        close_info: How the connection ended; None while it is open.
        is_linked: Whether there is a link to send on.
        sessions: How many sessions were lost with their link before this one.
    """

    __slots__ = (
        "_cancels",
        "_pending",
        "_rejection",
        "_retry",
        "_sent",
        "budget",
        "client_events",
        "close_info",
        "conversation",
        "is_hung_up",
        "is_linked",
        "meter",
        "playback",
        "queue",
        "recovery",
        "responses",
        "role",
        "session",
        "sessions",
        "turns",
        "watch",
    )

    _effects: ClassVar[Mapping[str, Callable[[Any, JSON], object]]]  # of event types; below

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
        self.close_info: CloseInfo | None = None
        self.is_linked: bool = True
        self.sessions: int = 0
        self.is_hung_up: bool = False  # by this connection: its call is over
        self.budget: Budget = Budget(max_queue_bytes)
        self.queue: EventQueue = EventQueue(self.budget)
        self.session: SessionState = SessionState(role.kind, is_shared=role.is_shared)
        self.client_events: ClientEvents = ClientEvents(role, self.session, id_prefix, validate=validate)
        self.conversation: Conversation = Conversation()
        self.playback: PlaybackState = PlaybackState(is_local=role.plays)
        self.responses: Responses = Responses()
        self.watch: Stopwatch = Stopwatch()
        self.turns: Turns = Turns(self.budget, self.watch)
        self.meter: UsageMeter = UsageMeter(role.model)
        self.recovery: Recovery = Recovery(reconnect)
        self._pending = Pending()
        self._sent: dict[str, str] = {}  # types of the latest client events, by id
        self._cancels: dict[str, None] = {}  # ids of the cancellations among them
        self._retry: tuple[str, Callable[[], None]] | None = (
            None  # a response.create, and what sends it again
        )
        self._rejection: JSON | None = None  # the latest error before there was a session

    # Time

    def tick(self, now: float) -> None:
        """Warn the program if the session is about to end, at this time in unix seconds."""
        seconds = self.session.expiring(now)
        if seconds is not None and self.close_info is None:
            logger.warning("the session ends in %.0f s", seconds)
            self._deliver("", {}, SessionExpiring(seconds_left=seconds), LOCAL_SIZE)

    # Events in

    def apply(self, content: JSON, event: Any, size: int) -> bool:
        """Apply an event: acknowledgements and state first, then its waiters, then the queue.

        Returns:
            Whether `session.warns_at` may have changed.
        """
        if self.close_info is not None:
            return False
        kind: str = event.type or event.event_type  # the latter for an event that doesn't fit its class
        effect = self._effects.get(kind)
        if effect is not None:
            try:
                if effect(self, content) is _WITHHELD:
                    return False
            except Exception as error:  # the event is delivered all the same
                log_failure(kind, content, error)
            if kind in _METERED:
                try:
                    self.meter.observe(content)
                except Exception as error:
                    log_failure(kind, content, error)
        self._deliver(kind, content, event, size)
        return effect is not None and kind in _DESCRIBING

    def _deliver(self, kind: str, content: JSON, event: Any, size: int) -> None:
        queue = self.queue
        queue.offer(event)
        is_owned = warns = False
        if self.turns.streams:
            try:
                is_owned, warns = self.turns.put(kind, content, event, size, queue.received)
            except Exception as error:
                log_failure(kind, content, error)
        if queue.is_consumed:
            warns |= queue.put(event, size)
        elif not is_owned:  # a program that only asks would never empty the queue
            warns |= queue.put_unconsumed(event, size)
        if not (warns or self.budget.over):
            return
        is_read = is_owned or queue.is_consumed
        if warns:
            what = (
                "events arrive faster than they are consumed" if is_read else "events are not being consumed"
            )
            hint = "" if is_read else f" ({CONSUME})"
            used, limit = self.budget.used, self.budget.limit
            logger.warning("%s: %d bytes are queued, the limit is %d%s", what, used, limit, hint)
        if self.budget.over:
            self.finish(CloseInfo.by_slow_consumer(self.budget.limit, is_read=is_read))

    # What each event does

    def _on_session(self, content: JSON) -> None:
        session = content.get("session")
        self.session.described(session)
        if isinstance(session, Mapping):
            self.playback.use(output_format(session))
        if content.get("type") not in ("session.created", "session.started"):
            self.session.updated(text_or_none(content.get("client_event_id")))

    def _on_item(self, content: JSON) -> None:
        item = content["item"]
        is_new = self.conversation.put(item, content.get("previous_item_id"))
        if is_new and self.recovery.items:
            self.recovery.added(item)
        if self.turns.calls is not None and item.get("type") == "mcp_approval_request":
            self.turns.calls.item_done(item, None)

    def _on_output_item(self, content: JSON) -> None:
        self.conversation.update(content["item"])
        if self.turns.calls is not None:
            self.turns.calls.item_done(content["item"], content.get("response_id"))

    def _on_words(self, content: JSON) -> None:
        field = "text" if content["type"] == "response.output_text.done" else "transcript"
        self.conversation.set_text(content["item_id"], content["content_index"], field, content[field])

    def _on_audio(self, content: JSON) -> None:
        self.watch.heard(content.get("response_id"))
        self.playback.received(content["item_id"], content["content_index"], audio_size(content["delta"]))

    def _on_audio_done(self, content: JSON) -> None:
        self.playback.completed(content["item_id"], content["content_index"])

    def _on_item_retrieved(self, content: JSON) -> None:
        item = content["item"]
        self.conversation.update(item)
        if self.turns.calls is not None and self.recovery.is_retrieved(item.get("id")):
            self.turns.calls.retrieved(item)

    def _on_item_deleted(self, content: JSON) -> None:
        self.conversation.delete(content["item_id"])

    def _on_truncated(self, content: JSON) -> None:
        item_id, index = content["item_id"], content["content_index"]
        share = self.playback.truncated(item_id, index, content["audio_end_ms"])
        self.conversation.truncate(item_id, index, share)

    def _on_mcp_call_ended(self, content: JSON) -> None:
        if self.turns.calls is not None:
            self.turns.calls.mcp_ended()

    def _on_speech_started(self, content: JSON) -> None:
        self.watch.speech_started()
        self.playback.speech_started()

    def _on_speech_stopped(self, content: JSON) -> None:
        self.watch.speech_stopped()

    def _on_playing(self, content: JSON) -> None:
        self.watch.heard(content.get("response_id"))

    def _on_response_created(self, content: JSON) -> None:
        self.watch.begun(content["response"].get("id"))
        self.responses.created(content["response"])
        self.turns.created(content["response"])

    def _on_response_done(self, content: JSON) -> None:
        response = content["response"]
        self.watch.done(response.get("id"))
        self.responses.done(response)
        output = response.get("output")
        items = [item for item in output if isinstance(item, Mapping)] if isinstance(output, list) else []
        item_ids = {item_id for item in items if isinstance(item_id := item.get("id"), str)}
        self.playback.ended(item_ids or None)
        for item in items:
            self.conversation.update(item)
        self.turns.done(response)

    def _on_error(self, content: JSON) -> object:
        error = content["error"]
        code, event_id = text_or_none(error.get("code")), text_or_none(error.get("event_id"))
        if not self.session.is_described:
            self._rejection = error
        if code == "session_expired":
            self.session.expired(error.get("message"))
        if code == _NOT_ACTIVE and (event_id in self._cancels or (event_id is None and self._cancels)):
            # There was nothing left to cancel, so the request is fulfilled.
            self._cancels.pop(event_id or "", None)
            return _WITHHELD
        self.recovery.items.pop(event_id or "", None)
        self.watch.refused(event_id)
        self.responses.refused(event_id, is_busy=code == BUSY)
        if code == BUSY and self._retry is not None and self._retry[0] == event_id:
            logger.info("an unknown response is active; the next one is created when it is done")
            retry, self._retry = self._retry[1], None
            retry()
            return _WITHHELD
        self.session.refused(event_id, lambda: refusal(error), param=error.get("param"))
        self.turns.refused(event_id, code, lambda: refusal(error))
        if event_id in self._sent:
            logger.warning("%s (event %s) was refused: %s", self._sent[event_id], event_id, code)
        return None

    # Waiting for single events

    def expect(self, kind: Kind, where: Where | None = None) -> EventWaiter:
        """Return a waiter for the next event of a kind to arrive.

        Raises:
            TypeError: The kind is neither an event type nor a class.
            ValueError: The kind is empty.
        """
        return self._added(EventWaiter(kind, where))

    def wait_for(self, kind: Kind, where: Where | None = None) -> EventWaiter:
        """Return a waiter for the next event of a kind after the program's place in the stream.

        Events that have arrived and were not read count if they are after that place. Raises as `expect`.
        """
        waiter = EventWaiter(kind, where)
        start = self.queue.place
        unread = (self.queue.unread(), *(stream.unread() for stream in self.turns.streams))
        for number, event in merge(*unread, key=itemgetter(0)):
            if number > start:
                waiter.offer(event, number)
                if waiter.done:
                    return waiter
        return self._added(waiter)

    def _added(self, waiter: EventWaiter) -> EventWaiter:
        if self.close_info is None:
            self.queue.add_waiter(waiter)
        else:
            waiter.fail(self.close_info.error())
        return waiter

    # Waiting to send

    def wait_link(self, unsent: Unsent | None = None) -> Waiter[None]:
        """Return a waiter that is filled when there is a link to send on; `release` ends the wait.

        Args:
            unsent: Returns the events to be sent then, for the exception if there will be no link.
        """
        waiter: Waiter[None] = Waiter()
        if self.close_info is not None:
            waiter.fail(self._closed(self.close_info, unsent))
        elif self.is_linked:
            waiter.resolve(None)
        else:
            self._pending.hold(waiter, unsent, for_link=True)
        return waiter

    def wait_turn(self, unsent: Unsent | None = None) -> Waiter[None]:
        """Return a waiter that is filled when a response may be created, until `release`.

        Args:
            unsent: As for `wait_link`.
        """
        if self.close_info is None:
            waiter = self.responses.ask()
            self._pending.hold(waiter, unsent)
            return waiter
        waiter = Waiter()
        waiter.fail(self._closed(self.close_info, unsent))
        return waiter

    def release(self, waiter: Waiter[None]) -> None:
        """Stop waiting for the link or for one's turn; after a response was created, the next one may be."""
        self._pending.release(waiter)
        self.responses.release(waiter)

    @staticmethod
    def _closed(close_info: CloseInfo, unsent: Unsent | None) -> ConnectionClosedError:
        return close_info.error(() if unsent is None else tuple(unsent()))

    # Events out

    def sending(self, out: Outgoing, stream: TurnStream | None = None) -> Acknowledgement | None:
        """Record an event that is about to be sent.

        Args:
            out: The event.
            stream: The turn that it belongs to.

        Returns:
            For a `session.update`, the waiter for its acknowledgement.
        """
        kind, event_id, content = out.type, out.event_id, out.content
        if stream is not None:
            stream.sending(kind, event_id)
        if len(self._sent) >= _REMEMBERED:
            del self._sent[next(iter(self._sent))]
        self._sent[event_id] = kind
        if kind == "response.create":
            self.watch.asked(event_id)
            self.responses.sent(event_id, content)
        elif kind == "input_audio_buffer.commit":
            self.watch.committed()
        elif kind == "response.cancel":
            self._cancels[event_id] = None
        elif kind == "session.update":
            return self.session.sent(event_id, content.get("session"))
        elif kind == "conversation.item.create":
            if content.get("previous_item_id") == "root":
                self.conversation.asked_for_root()
            if stream is None and self.recovery.policy is not None and not self.role.is_sideband:
                self.recovery.sent(event_id, content.get("item"))
        return None

    def withdrawn(self, out: Outgoing) -> None:
        """Record that an event that was about to be sent was not, and won't be."""
        self._sent.pop(out.event_id, None)
        self.recovery.items.pop(out.event_id, None)
        self.watch.refused(out.event_id)
        self.responses.refused(out.event_id)

    def retry_if_busy(self, out: Outgoing, retry: Callable[[], None]) -> None:
        """Call `retry` if a `response.create` is refused because of an active response that was not known.

        A sideband that attaches during a response only learns of it when it is done.
        """
        self._retry = (out.event_id, retry)

    def not_sent(self, code: int | None, reason: str, left: Iterable[Outgoing]) -> ConnectionClosedError:
        """Record events that could not be sent on the link; return the error for the sender.

        Args:
            code: The link's close code; None if it broke without one.
            reason: The reason for a message.
            left: The events.
        """
        left = tuple(left)
        for out in left:
            self.watch.refused(out.event_id)
            self.responses.refused(out.event_id)
            self.session.refused(out.event_id, lambda: RealtimeError("the event could not be sent"))
            self._cancels.pop(out.event_id, None)
        return self.unsent(code, reason, contents_of(left))

    def unsent(self, code: int | None, reason: str, contents: Iterable[Any]) -> ConnectionClosedError:
        """Record contents of events that could not be sent; return the error for the sender."""
        contents = tuple(contents)
        if self.close_info is None:
            self._pending.failed(contents)
            closed = CloseInfo.by_peer(code, reason, expiry=self.session.expiry)
        else:  # the connection ended in the meantime
            closed = attrs.evolve(self.close_info, unsent=(*self.close_info.unsent, *contents))
            self.close_info = closed
        return closed.error(contents)

    # Turns

    def open_turn(self) -> TurnStream:
        """Begin a turn."""
        self.queue.is_asked = True
        stream = self.turns.open(self.client_events.next_id())
        if self.close_info is not None:
            stream.fail(self.close_info.error())
        return stream

    def interrupt(self) -> tuple[Interruption | None, list[dict[str, Any]]]:
        """Stop the model and drop the audio that was not played.

        Returns:
            What the program has to flush, None for nothing; and the events that stop the response, clear what
            the API plays, truncate the item that was heard last, and delete items of which nothing was heard.
        """
        self.role.require_responses("interrupt")
        heard = self.playback.heard()
        dropped = self.playback.interrupt()
        events: list[dict[str, Any]] = [{"type": "response.cancel"}] if self.responses.is_busy else []
        if not self.role.plays:
            events.append({"type": "output_audio_buffer.clear"})
        for item_id, (content_index, played_ms) in heard.items():
            if played_ms > 0:
                events.append(
                    {
                        "type": "conversation.item.truncate",
                        "item_id": item_id,
                        "content_index": content_index,
                        "audio_end_ms": played_ms,
                    }
                )
            else:
                events.append({"type": "conversation.item.delete", "item_id": item_id})
        return dropped, events

    # The link

    def rejection(self) -> APIStatusError | None:
        """Return the error of a connection that the API refused after the handshake; None if it didn't."""
        closed = self.close_info
        if closed is None or closed.code not in _REJECTED or self.session.is_described:
            return None
        if self._rejection is None and not closed.reason.startswith("invalid_request_error"):
            return None
        kind, _, code = closed.reason.partition(".")
        error = self._rejection or {"message": closed.reason, "type": kind, "code": code}
        return refusal(error, _REJECTED[closed.code])

    def suspend(self) -> None:
        """Record that sending failed: senders wait until the link's end is known, if it may be replaced."""
        if self.recovery.policy is not None and self.close_info is None:
            self.is_linked = False

    def lost(self, closed: CloseInfo, now: float, random: Callable[[], float]) -> Reconnecting | None:
        """Record the end of the link.

        Args:
            closed: How it ended.
            now: The time in seconds, of any clock.
            random: Returns numbers in [0, 1).

        Returns:
            The attempts to reconnect; None if this was the connection's end.
        """
        if self.is_hung_up and not closed.is_expired:
            # The service cuts a sideband whose call is over.
            self.finish(attrs.evolve(closed, is_normal=True))
            return None
        active = self.responses.active
        if self.close_info is None and (loss := self.recovery.begin(closed, now, random, active)) is not None:
            self.is_linked = False
            self.sessions += not self.role.is_sideband
            self._abandon(closed, turn_lost=closed.turn_lost)
            if (calls := self.turns.calls) is not None:
                (calls.link_lost if self.role.is_sideband else calls.forget)()
            # A sideband is cut when its call ends, too; only an attempt to reconnect tells which it was.
            level = logging.DEBUG if self.role.is_sideband else logging.INFO
            logger.log(level, "link lost: code %s; reconnecting", closed.code)
            return loss
        self.finish(closed)
        return None

    def restored(self) -> list[Outgoing]:
        """Record a new link; return the events to send on it before `link_ready`.

        Where `sending` returns a waiter for one of them, it has to be filled before the next is sent: a
        session that doesn't get the old configuration is not used.

        Events of an earlier link that the server didn't acknowledge are among them: that session is gone.
        """
        calls, write = self.turns.calls, self.client_events.write
        if self.role.is_sideband:
            if calls is None:
                return []
            # Function calls that began before the loss and have not ended.
            begun = self.conversation.unanswered()
            return self.recovery.retrievals(
                [item["id"] for item in begun if not calls.is_known(item.get("call_id"))], write
            )
        update = self.session.restart()
        out = [] if update is None else [write(update)]
        if self.role.kind == "realtime":
            out += self.recovery.replays(self.conversation.replay_items(), write)
            self.conversation = Conversation()
            self.playback.reset()
        return out

    def not_restored(self, error: Callable[[], Exception]) -> None:
        """Record that the new link was lost or refused before everything was sent on it.

        Args:
            error: Makes the exception for waiters.
        """
        self.session.fail(error)
        self.responses.reset()

    def link_ready(self, attempts: int, now: float) -> None:
        """Wake the senders that wait for a link.

        Args:
            attempts: How many attempts it took.
            now: The time, as for `lost`.
        """
        logger.info("reconnected after %d attempts; %d items replayed", attempts, self.recovery.replayed)
        self.is_linked = True
        self._deliver("", {}, self._reconnected(self.recovery.end(attempts, now)), LOCAL_SIZE)
        self._pending.link_ready()

    def _reconnected(self, event: Reconnected) -> Reconnected:
        """Add to an event what is known here."""
        return event

    def finish(self, closed: CloseInfo) -> None:
        """End the connection; only the first call counts."""
        if self.close_info is not None:
            return
        self.close_info = closed = self._pending.closed(closed)
        self.is_linked = False
        logger.info("connection ended: code %s (%s)", closed.code, "normal" if closed.is_normal else "error")
        self._abandon(closed, turn_lost=lambda has_begun: closed.error())
        self.responses.fail(closed.error)
        self.queue.close(closed.error)

    def disown(self) -> None:
        """End the copy of a connection in a forked process; its waiters are the parent's."""
        if self.close_info is None:
            self.close_info = CloseInfo(code=None, reason=OF_PARENT)
        self.is_linked = False

    def _abandon(self, closed: CloseInfo, *, turn_lost: Callable[[bool], Exception]) -> None:
        """Record that nothing that was sent will be answered: the link is lost."""
        self.session.fail(closed.request_lost if self.close_info is None else closed.error)
        self.turns.reset(turn_lost)
        self.responses.reset()
        self.watch.reset()
        self._cancels.clear()


def log_failure(kind: str, content: JSON, error: Exception) -> None:
    """Log the failure of an event's effect: the server's where the event violates its schema, else ours."""
    from realtime_api import events

    tables = (events.SERVER_EVENTS, events.TRANSLATION_SERVER_EVENTS, events.LIVE_SIDEBAND_SERVER_EVENTS)
    model = next((table[kind] for table in tables if kind in table), None)
    try:
        violations = [] if model is None else check(place(model.__name__), dict(content))
        paths = [found.path for found in violations]
    except RecursionError:
        paths = ["it is nested too deeply"]
    if paths:
        logger.warning("%s has an unexpected shape: %s", kind, ", ".join(paths))
    else:
        logger.error("realtime_ext failed to process %s; please report this", kind, exc_info=error)


_WITHHELD = object()  # returned by an effect if the program is not to see the event

# One table for all connections: a table each would be a good part of a connection's memory.
ConnectionState._effects = {
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
    "input_audio_buffer.speech_stopped": ConnectionState._on_speech_stopped,
    "output_audio_buffer.started": ConnectionState._on_playing,
}
