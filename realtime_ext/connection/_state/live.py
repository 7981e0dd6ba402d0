"""A session of the Live API: what was said on its timeline, its usage, and the appends to its context.

It must not do I/O, read a clock or wait.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar

import attrs

from ..._core.json import value_at
from ..._core.utterances import PAUSE_MS, Speaker, Utterance, Utterances
from ...errors import APIConnectionError
from ...events import Reconnected, TalkedOver, UnknownEvent
from ...session import merge
from ...usage import Usage
from .backend import Backend
from .claims import claims_of
from .client_events import Outgoing
from .connect_plan import Role
from .core import ConnectionState, log_failure
from .messages import JSON, LOCAL_SIZE, text_or_none
from .reconnect import CloseInfo, Reconnecting
from .refusals import refusal
from .segments import Segments
from .session_state import Acknowledgement
from .tasks import Tasks
from .turns import TurnStream
from .waiters import Waiter

LONGEST_APPEND = 500  # tokens
_REMEMBERED = 1024  # events whose repetition is noticed; a sideband gets those of the last 3 s again
_SOUND = "session.output_audio.delta"
_WORDS = ("session.input_transcript.delta", "session.output_transcript.delta")
_MUTES = {
    "session.input_audio.mute": True,
    "session.input_audio.muted": True,
    "session.input_audio.unmute": False,
    "session.input_audio.unmuted": False,
}
_ENDS = ("response.completed", "response.incomplete", "response.failed")
_MOST_MESSAGES, _MOST_TOKENS = 128, 8192  # that a session may begin with
_MESSAGE_TOKENS = 8  # of a message beyond its text
_CONFIGURED = ("model", "instructions", "audio", "delegation", "store", "client", "triggers")
_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"'”’)\]]*(?=\s|$)|[。！？]+|\n|$)\s*", re.DOTALL)
_WORD = re.compile(r"\S+\s*|\s+")
_TOKEN = re.compile(r"[A-Za-z]+|[0-9]+|\S")
_LETTERS, _DIGITS = 4, 3  # of a token; a common word has more, a rare one fewer


@attrs.frozen(kw_only=True)
class LiveUsage:
    """What a session has used.

    Args:
        seconds: Seconds of its timeline, silence included, as far as the API has reported them: it does so
            about four times a minute, and when the session ends.
        model: Its model; None if it isn't known.
        backend: What the models that it delegates to, and those that answer questions, have used.
        paused_seconds: Those of `seconds` in which it was paused.
    """

    seconds: float = 0.0
    model: str | None = None
    backend: Usage = attrs.field(factory=Usage)
    paused_seconds: float = 0.0

    @property
    def active_seconds(self) -> float:
        """Those of `seconds` in which it was not paused."""
        return self.seconds - self.paused_seconds

    @property
    def input_tokens(self) -> int:
        """Tokens that its backend read."""
        return self.backend.input_tokens

    @property
    def output_tokens(self) -> int:
        """Tokens that its backend wrote."""
        return self.backend.output_tokens

    @property
    def total(self) -> Usage:
        """All of it, as `realtime_ext.usage` adds it up."""
        session = Usage.of_session(self.seconds, self.model, paused_seconds=self.paused_seconds)
        return session + self.backend


@attrs.frozen(kw_only=True)
class LiveResult:
    """How a session ended.

    Args:
        reason: Why the API ended it, such as `close_requested` or `expired`; None if it has not said so: the
            link was lost, or a sideband left a session that goes on.
        usage: What the session has used.
        cost: Its cost at the prices that were given; None without prices, or where one is missing.
        stored: Whether it can be forked, and its recording be downloaded: it was to be stored, and the API
            reported no failure to do so.
    """

    reason: str | None
    usage: LiveUsage
    cost: Decimal | None
    stored: bool


class LiveSession:
    """One session, as its events describe it.

    Attributes:
        segments: What was said, to be shown.
        usage: What it has used so far; a value that later events don't change.
        close_reason: Why it has ended; None before.
        is_storage_failed: Whether it could not be stored.
        tasks: What it delegates to the program.
        backend: The function calls of the model that it delegates to.
        session_id: Its id; None if it isn't known.
        on_sound: Called with the model's sound as it came; None if the program does not play it.
        on_talked_over: Called when the user talks over the model; None likewise.
        talked_over: The event that says so, until it is delivered.
        began_ms: Where it begins on the timeline of the transcript: behind the sessions that it continues.
    """

    __slots__ = (
        "_appends",
        "_earlier",
        "_heard",
        "_places",
        "_responding",
        "_seen",
        "_server",
        "_talking",
        "_utterances",
        "backend",
        "began_ms",
        "close_reason",
        "is_storage_failed",
        "on_sound",
        "on_talked_over",
        "segments",
        "session_id",
        "talked_over",
        "tasks",
        "usage",
    )

    def __init__(self) -> None:
        self.segments: Segments = Segments()
        self.usage: LiveUsage = LiveUsage()
        self.close_reason: str | None = None
        self.is_storage_failed: bool = False
        self.tasks: Tasks = Tasks()
        self.backend: Backend = Backend()
        self.session_id: str | None = None
        self.on_sound: Callable[[Any], object] | None = None
        self.on_talked_over: Callable[[], object] | None = None
        self.talked_over: TalkedOver | None = None
        self.began_ms: int = 0
        self._server: str | None = None
        self._earlier = LiveUsage()  # of the sessions that it continues
        self._responding: dict[str, None] = {}  # ids of the backend's responses that go on
        self._utterances: list[Utterance] = []
        self._places: dict[Speaker, int] = {}  # where each speaker's latest utterance is among them
        self._heard = Utterances()
        self._appends: dict[str, tuple[str, Waiter[None]]] = {}  # by event id: what acknowledges it
        self._seen: dict[str, None] = {}
        self._talking: tuple[int, int] | None = None  # where the last talking over began, of each side

    @property
    def transcript(self) -> list[Utterance]:
        """What was said so far, in the order in which it began."""
        return sorted(self._utterances, key=lambda one: one.start_ms)

    @property
    def spoken_ms(self) -> int:
        """Where on the timeline the model's latest words end."""
        said = self._heard.current.get("assistant")
        return 0 if said is None else said.end_ms

    def apply(self, event: JSON) -> bool:
        """Apply an event of the server.

        Returns:
            Whether it is new: a sideband that attaches again gets the last seconds again.
        """
        kind = event.get("type")
        if kind == _SOUND:  # most events
            if self.on_sound is not None:
                self.on_sound(event.get("delta"))
            if "event_id" not in event:
                return True
        kind, event_id = text_or_none(kind), text_or_none(event.get("event_id"))
        if event_id is not None:
            if event_id in self._seen:
                return False
            if len(self._seen) >= _REMEMBERED:
                del self._seen[next(iter(self._seen))]
            self._seen[event_id] = None
        if self.began_ms and kind in _WORDS:
            event = self._later(event)
        said = (kind, *(event.get(name) for name in ("delta", "start_ms", "end_ms")))
        if (heard := self._heard.add(*said)) is not None:
            self._keep(*heard)
            piece = attrs.evolve(
                heard[0], text=event["delta"], start_ms=event["start_ms"], end_ms=event["end_ms"]
            )
            self.tasks.heard(piece)
            self.segments.add(piece)
            if heard[0].speaker == "user":
                self._user_spoke(heard[0], event["start_ms"])
        elif kind == "response.event":
            self._responded(event.get("event"))
            self.backend.apply(event.get("delegation_id"), event.get("event"))
        elif kind == "decision.event":
            self._decided(event.get("event"))
        elif kind in ("session.started", "session.updated"):
            self._described(event.get("session"))
        elif kind == "session.delegation.created":
            self.tasks.delegated(event.get("delegation"))
        elif kind == "error":
            self._refused(event.get("error"))
        elif kind in ("session.usage.updated", "session.closed"):
            self._used(event.get("usage"))
            if kind == "session.closed":
                self.close_reason = text_or_none(event.get("reason")) or ""
                self.segments.close("session_closed")
        else:
            self._acknowledged(kind, text_or_none(event.get("client_event_id")))
        return True

    def join(self, server: str, session_id: str) -> None:
        """Share what is to be done with the session's other connections in this process.

        Args:
            server: The server's address: ids of different servers may be the same.
            session_id: The session's id.
        """
        self._server = server
        self.tasks.claims = self.backend.claims = claims_of(f"{server} {session_id}")

    def appending(self, event_id: str, kind: str) -> Waiter[None]:
        """Return a waiter for the acknowledgement of an append that is about to be sent.

        Args:
            event_id: Its id.
            kind: Its type, such as `session.commentary.append`.
        """
        waiter: Waiter[None] = Waiter()
        self._appends[event_id] = (f"{kind}ed", waiter)
        return waiter

    def not_sent(self, event_id: str) -> None:
        """Forget an append that could not be sent."""
        self._appends.pop(event_id, None)

    def fail(self, error: Callable[[], Exception]) -> None:
        """Fail all appends that are not acknowledged: the link is lost."""
        appends, self._appends = self._appends, {}
        for _, waiter in appends.values():
            waiter.fail(error())

    def lose(self, *, is_sideband: bool) -> tuple[str, ...]:
        """Record a lost link, which will be replaced; return the ids of what is lost with it.

        Args:
            is_sideband: Whether the session goes on, and the tasks with it.
        """
        lost = list(self._appends)
        if not is_sideband:
            self.backend.forget()
            lost += self.tasks.lose()
        return tuple(lost)

    @property
    def responding(self) -> tuple[str, ...]:
        """The ids of the backend's responses that go on."""
        return tuple(self._responding)

    def forget_seen(self) -> None:
        """Forget the ids of events: those that come now are another session's."""
        self._seen.clear()

    def restart(self) -> None:
        """Begin another session, which continues this one: transcript and usage go on."""
        self.segments.close("session_closed")
        self.close_reason = None
        self.is_storage_failed = False
        self.session_id = None
        self.began_ms = max((one.end_ms for one in self._utterances), default=self.began_ms)
        self._earlier = self.usage
        self._responding.clear()
        self._heard = Utterances()

    def history(self, before: Iterable[Any]) -> list[JSON]:
        """Return the conversation as messages for another session, as many of the latest as the API accepts.

        Args:
            before: The messages that the session began with.
        """
        messages: list[Any] = list(before)
        for one in self.transcript:
            if one.text:
                part = "output_text" if one.speaker == "assistant" else "input_text"
                content = [{"type": part, "text": one.text}]
                messages.append({"type": "message", "role": one.speaker, "content": content})
        size, kept = 0, 0
        for message in reversed(messages):
            size += _MESSAGE_TOKENS + count_tokens(_text_of(message))
            if size > _MOST_TOKENS or kept == _MOST_MESSAGES:
                break
            kept += 1
        return messages[len(messages) - kept :]

    def _user_spoke(self, user: Utterance, start_ms: int) -> None:
        """Record that the user talks over the model: these words begin after the model's, which go on."""
        model = self._heard.current.get("assistant")
        if model is None or not model.start_ms < start_ms < model.end_ms + PAUSE_MS:
            return
        if self._talking == (talking := (user.start_ms, model.start_ms)):
            return
        self._talking = talking
        self.talked_over = TalkedOver(start_ms=start_ms)
        if self.on_talked_over is not None:
            self.on_talked_over()

    def _later(self, event: JSON) -> JSON:
        """Return an event of the transcript at its place behind the earlier sessions."""
        at = {name: event.get(name) for name in ("start_ms", "end_ms")}
        return {**event, **{k: v + self.began_ms for k, v in at.items() if isinstance(v, int)}}

    def _keep(self, utterance: Utterance, is_new: bool) -> None:
        if is_new:
            self._places[utterance.speaker] = len(self._utterances)
            self._utterances.append(utterance)
        else:
            self._utterances[self._places[utterance.speaker]] = utterance

    def _used(self, usage: Any) -> None:
        seconds = usage.get("seconds") if isinstance(usage, Mapping) else None
        before = self._earlier
        if isinstance(seconds, int | float) and self.usage.seconds < before.seconds + seconds < float("inf"):
            paused = usage.get("paused_seconds")
            is_odd = not isinstance(paused, int | float) or not 0 <= paused <= seconds
            self.usage = attrs.evolve(
                self.usage,
                seconds=before.seconds + seconds,
                paused_seconds=self.usage.paused_seconds if is_odd else before.paused_seconds + paused,
            )

    def _described(self, session: Any) -> None:
        model = text_or_none(session.get("model")) if isinstance(session, Mapping) else None
        if model is not None:
            self.usage = attrs.evolve(self.usage, model=model)
        session_id = text_or_none(session.get("id")) if isinstance(session, Mapping) else None
        if session_id is not None and session_id != self.session_id:
            self.session_id = session_id
            if self._server is not None:
                self.join(self._server, session_id)

    def _responded(self, event: Any) -> None:
        response = event.get("response") if isinstance(event, Mapping) else None
        if not isinstance(response, Mapping):
            return
        response_id, kind = text_or_none(response.get("id")), event.get("type")
        if kind == "response.created" and response_id is not None:
            self._responding[response_id] = None
        elif kind in _ENDS:
            self._responding.pop(response_id or "", None)
            self._count(response)

    def _decided(self, event: Any) -> None:
        decision = event.get("decision") if isinstance(event, Mapping) else None
        if isinstance(decision, Mapping):
            self._count(decision)

    def _count(self, work: JSON) -> None:
        """Add what a response of the backend, or a decision, used."""
        if work.get("usage") is not None:
            self.usage = attrs.evolve(self.usage, backend=self.usage.backend + Usage.of_backend(work))

    def _acknowledged(self, kind: Any, event_id: str | None) -> None:
        """Fill the waiter of an append: the one that is named, or else the oldest of its kind."""
        if event_id is None:
            event_id = next((key for key, (by, _) in self._appends.items() if by == kind), None)
        if event_id is not None and self._appends.get(event_id, ("",))[0] == kind:
            self._appends.pop(event_id)[1].resolve(None)

    def _refused(self, error: Any) -> None:
        if not isinstance(error, Mapping):
            return
        self.is_storage_failed |= error.get("code") == "session_storage_failed"
        if error.get("code") == "function_call_outputs_required":
            self.backend.outputs_required(str(error.get("message")))
        event_id = text_or_none(error.get("client_event_id"))
        if event_id is None and error.get("code") == "context_injection_incomplete":
            event_id = next(iter(self._appends), None)  # one for each, in order, when the session closes
        if event_id in self._appends:
            self._appends.pop(event_id)[1].fail(refusal(error))


class LiveState(ConnectionState):
    """One connection to a Live session, without its I/O.

    Attributes:
        live: The session.
        continues_by_fork: Whether the next link is to a fork of the session, which is stored, or else to a
            new one that is given its history.
    """

    __slots__ = ("_is_closing", "_is_muted", "_lost", "_starting", "continues_by_fork", "live")

    _effects: ClassVar[Mapping[str, Callable[[Any, JSON], object]]]  # below

    def __init__(self, role: Role, **options: Any) -> None:
        super().__init__(role, **options)
        self.live: LiveSession = LiveSession()
        self.continues_by_fork: bool = False
        self._is_closing = False  # at the wish of the program
        self._is_muted = False  # by any connection of the session
        self._lost: tuple[str, ...] = ()
        self._starting: Acknowledgement | None = None  # the session.start without an answer
        self.queue.is_asked = True  # a program that reads no events still talks, works and has a transcript

    def apply(self, content: JSON, event: Any, size: int) -> bool:
        """Apply an event to the session, then deliver it, unless it came before; as `ConnectionState`."""
        if self.close_info is not None:
            return False
        try:
            if not self.live.apply(content):
                return False
        except Exception as error:  # the event is delivered all the same
            log_failure(event.event_type if isinstance(event, UnknownEvent) else event.type, content, error)
        may_warn = super().apply(content, event, size)
        if (talked_over := self.live.talked_over) is not None:
            self.live.talked_over = None
            if self.close_info is None:
                self._deliver("", {}, talked_over, LOCAL_SIZE)
        return may_warn

    def sending(self, out: Outgoing, stream: TurnStream | None = None) -> Acknowledgement | None:
        """Record an event that is about to be sent.

        Returns:
            For a `session.start` or a `session.update`, the waiter for its acknowledgement.
        """
        if out.type == "session.start":
            self._starting = Acknowledgement(out.event_id, out.content["session"])
            return self._starting
        self._is_closing |= out.type == "session.close"
        self._is_muted = _MUTES.get(out.type, self._is_muted)
        return None if out.type == "response.create" else super().sending(out, stream)

    def lost(self, closed: CloseInfo, now: float, random: Callable[[], float]) -> Reconnecting | None:
        """Record the end of the link, as `ConnectionState`; a session that was to end is not continued."""
        if self._is_closing or self.live.close_reason not in (None, "expired"):
            self.finish(closed)
            return None
        responding, is_sideband = self.live.responding, self.role.is_sideband
        appends = self.live.lose(is_sideband=True)
        lost = super().lost(closed, now, random)
        if lost is not None and not is_sideband:
            self._lost += (*appends, *self.live.lose(is_sideband=False))
            self.recovery.cut_off(responding)
            policy = self.recovery.policy
            by_history = policy is not None and policy.replay == "history"
            self.continues_by_fork = bool((self.session.content or {}).get("store")) and not by_history
        elif lost is not None:
            self._lost += appends
        return lost

    def restored(self) -> list[Outgoing]:
        """Record a new link; return the events to send on it, as `ConnectionState`."""
        self.recovery.replayed = 0
        if self.role.is_sideband:
            return []
        self.live.forget_seen()
        content = self.session.content or {}
        start: dict[str, Any] = {}
        if not self.continues_by_fork:
            start = {name: content[name] for name in _CONFIGURED if content.get(name) is not None}
            start = dict(_with_secrets(start, self.session.configuration))
            given = content.get("input")
            start["input"] = self.live.history(given if isinstance(given, list) else ())
            self.recovery.replayed = len(start["input"])
        events = [{"type": "session.start", "session": start}]
        if self._is_muted:
            events.append({"type": "session.input_audio.mute"})
        return [self.client_events.write(event) for event in events]

    def link_ready(self, attempts: int, now: float) -> None:
        """Wake the senders that wait for a link, as `ConnectionState`."""
        super().link_ready(attempts, now)
        if self.role.is_sideband:
            self.live.backend.link_restored()

    def _reconnected(self, event: Reconnected) -> Reconnected:
        lost, self._lost = self._lost, ()
        return attrs.evolve(event, session_id=self.live.session_id, lost=lost)

    def not_restored(self, error: Callable[[], Exception]) -> None:
        """Record that the new link was lost or refused, as `ConnectionState`."""
        super().not_restored(error)
        self._starting = None

    def _on_started(self, content: JSON) -> None:
        starting, self._starting = self._starting, None
        if not self.is_linked and starting is not None:  # on a new link
            self.live.restart()
            self.live.apply({"type": content["type"], "session": content.get("session")})
            self.session.restart()
        if starting is not None and starting.session:  # not a fork
            self.session.began_with(starting.session)
        ConnectionState._on_session(self, content)
        if starting is not None:
            starting.resolve(None)

    def _on_muted(self, content: JSON) -> None:
        self._is_muted = _MUTES[content["type"]]

    def _on_closed(self, content: JSON) -> None:
        if content.get("reason") == "expired":
            self.session.expired("the session reached its time limit")

    def _on_refusal(self, content: JSON) -> None:
        error = content["error"]
        event_id = text_or_none(error.get("client_event_id"))
        starting = self._starting
        if starting is not None and event_id in (None, starting.event_id):
            self._starting = None
            refused: Exception = refusal(error)
            if self.continues_by_fork and not self.is_linked:  # the next attempt takes the history
                self.continues_by_fork = False
                refused = APIConnectionError(f"the session can't be forked: {refused}")
            starting.fail(refused)
        self.session.refused(event_id, lambda: refusal(error), param=error.get("param"))

    def finish(self, closed: CloseInfo) -> None:
        """End the connection; only the first call counts."""
        super().finish(closed)
        self.live.segments.close("session_closed")

    def _abandon(self, closed: CloseInfo, *, turn_lost: Callable[[bool], Exception]) -> None:
        super()._abandon(closed, turn_lost=turn_lost)
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.fail(closed.error())
        self.live.fail(closed.request_lost if self.close_info is None else closed.error)
        if self.role.is_sideband:
            self.live.backend.link_lost()


LiveState._effects = {
    "session.started": LiveState._on_started,
    "session.updated": ConnectionState._on_session,
    "session.input_audio.muted": LiveState._on_muted,
    "session.input_audio.unmuted": LiveState._on_muted,
    "session.closed": LiveState._on_closed,
    "error": LiveState._on_refusal,
}


def _with_secrets(described: JSON, asked: JSON) -> JSON:
    """Return a session as the server describes it, with what was asked for and is not shown."""
    path = ("delegation", "responses", "tools")
    own = {value_at(tool, "server_label"): tool for tool in value_at(asked, *path) or ()}

    def whole(tool: Any) -> Any:
        mine = own.get(label) if (label := value_at(tool, "server_label")) is not None else None
        if mine is None or mine.get("server_url") != tool.get("server_url"):
            return tool
        return {**mine, **{name: value for name, value in tool.items() if value is not None}}

    tools = value_at(described, *path)
    if isinstance(tools, list):
        tools = [whole(tool) for tool in tools]
        described = merge(described, {"delegation": {"responses": {"tools": tools}}})
    kept = {name: asked[name] for name in ("safety_identifier",) if name in asked}
    return {**kept, **described}


def _text_of(message: Any) -> str:
    """Return the text of a message."""
    content = message.get("content") if isinstance(message, Mapping) else None
    parts = content if isinstance(content, list) else ()
    return " ".join(str(part.get("text")) for part in parts if isinstance(part, Mapping))


def split_text(text: str, limit: int = LONGEST_APPEND) -> list[str]:
    """Split a text into appends: at the ends of sentences, else between words, else anywhere.

    Args:
        text: The text.
        limit: Tokens of a part. They are estimated, so that parts rather have fewer.

    Returns:
        The parts, which make up the text together; one at least.
    """
    parts: list[str] = [""]
    size = 0
    for piece in _pieces(text, limit):
        tokens = count_tokens(piece)
        if size and size + tokens > limit:
            parts.append("")
            size = 0
        parts[-1] += piece
        size += tokens
    return parts


def count_tokens(text: str) -> int:
    """Estimate the tokens of a text: rather more than there are."""
    return sum(map(_tokens_of, _TOKEN.findall(text)))


def _tokens_of(word: str) -> int:
    if word.isascii():
        return -(-len(word) // (_DIGITS if word.isdigit() else _LETTERS))
    return 1 if word.isalpha() and word < "\U00010000" else len(word.encode("utf-8", "replace"))


def _pieces(text: str, limit: int) -> Iterator[str]:
    for sentence in _SENTENCE.findall(text):
        if count_tokens(sentence) <= limit:
            yield sentence
        else:
            yield from _shorter(_WORD.findall(sentence), limit)


def _shorter(words: Iterable[str], limit: int) -> Iterator[str]:
    for word in words:
        if count_tokens(word) <= limit:
            yield word
        else:  # no character has more than four tokens
            size = max(1, limit // 4)
            yield from (word[start : start + size] for start in range(0, len(word), size))
