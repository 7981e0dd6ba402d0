"""Usage of sessions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any, Literal, Protocol

import attrs

from ._amounts import Amount, Tokens, amount_of, number, part, tokens_of

_Kind = Literal["response", "transcription", "session"]


@attrs.frozen(kw_only=True)
class UsageEntry:
    """The usage of one model.

    Args:
        kind: "response", "transcription", or "session" for a session that is paid by time.
        model: Its name; None if it isn't known.
        amount: How much.
    """

    kind: Literal["response", "transcription", "session"]
    model: str | None
    amount: Amount


@attrs.frozen
class Usage:
    """The usage of responses and transcriptions; `+` adds, and `sum(usages, Usage())` works.

    Args:
        entries: One for each kind and model.
    """

    entries: tuple[UsageEntry, ...] = ()

    @classmethod
    def of_response(cls, response: Any, model: str | None = None) -> Usage:
        """Read a response's usage.

        Args:
            response: A `response.done` event or its response, generated or a dict, whatever its status. One
                without usage counts as a response that used nothing.
            model: The session's model, which the response doesn't name.
        """
        usage = part(part(response, "response") or response, "usage")
        return cls((UsageEntry(kind="response", model=model, amount=amount_of(usage)),))

    @classmethod
    def of_transcription(cls, event: Any, model: str | None = None) -> Usage:
        """Read the usage of a transcription of the input, counted in tokens or in seconds.

        Args:
            event: A `conversation.item.input_audio_transcription.completed` event, generated or a dict.
            model: The transcription's model, which the event doesn't name.
        """
        amount = amount_of(part(event, "usage"), output="text")
        return cls((UsageEntry(kind="transcription", model=model, amount=amount),))

    @classmethod
    def of_backend(cls, response: Any) -> Usage:
        """Read the usage of a response to which a Live model delegated, or of a decision.

        Args:
            response: The Responses API's response, or the decision, generated or a dict, which names its
                model. Tokens of which the API states no modality are of text.
        """
        usage = part(response, "usage")
        details = part(usage, "input_tokens_details")
        amount = Amount(
            count=1,
            input=tokens_of(part(usage, "input_tokens"), details, "text"),
            cached=tokens_of(part(details, "cached_tokens"), None, "text"),
            output=tokens_of(part(usage, "output_tokens"), part(usage, "output_tokens_details"), "text"),
        )
        return cls((UsageEntry(kind="response", model=_name(part(response, "model")), amount=amount),))

    @classmethod
    def of_session(cls, seconds: float, model: str | None, *, paused_seconds: float = 0.0) -> Usage:
        """Return the usage of a session that is paid by time.

        Args:
            seconds: How long it was.
            model: Its model.
            paused_seconds: How long of that it was paused.
        """
        amount = Amount(count=1, seconds=number(seconds), paused_seconds=number(paused_seconds))
        return cls((UsageEntry(kind="session", model=model, amount=amount),))

    def __add__(self, more: Usage) -> Usage:
        if not isinstance(more, Usage):
            return NotImplemented
        merged: dict[tuple[_Kind, str | None], Amount] = {}
        for entry in (*self.entries, *more.entries):
            key = entry.kind, entry.model
            merged[key] = merged[key] + entry.amount if key in merged else entry.amount
        return Usage(
            tuple(
                UsageEntry(kind=kind, model=model, amount=amount) for (kind, model), amount in merged.items()
            )
        )

    @property
    def responses(self) -> Amount:
        """The usage of all responses."""
        return self._sum("response")

    @property
    def transcriptions(self) -> Amount:
        """The usage of all transcriptions of the input, which other models make at other prices."""
        return self._sum("transcription")

    @property
    def input(self) -> Tokens:
        """The responses' input tokens, cached ones among them."""
        return self.responses.input

    @property
    def cached(self) -> Tokens:
        """Those of the responses' input tokens that came out of the cache."""
        return self.responses.cached

    @property
    def output(self) -> Tokens:
        """The responses' output tokens."""
        return self.responses.output

    @property
    def input_tokens(self) -> int:
        """All of the responses' input tokens."""
        return self.input.total

    @property
    def output_tokens(self) -> int:
        """All of the responses' output tokens."""
        return self.output.total

    @property
    def total_tokens(self) -> int:
        """The responses' input and output tokens; cached ones are part of the input and count once."""
        return self.input_tokens + self.output_tokens

    def _sum(self, kind: _Kind) -> Amount:
        return reduce(add, (entry.amount for entry in self.entries if entry.kind == kind), Amount())


class Prices(Protocol):
    """A table of prices, such as `realtime_kit.budget.PriceTable`."""

    def cost(self, usage: Usage) -> Decimal | None:
        """Return what usage costs; None if a price is not known."""
        ...


_SESSION = ("session.created", "session.updated", "session.started")
_RESPONSE = "response.done"
_TRANSCRIPTION = "conversation.item.input_audio_transcription.completed"
_SECONDS = ("session.usage.updated", "session.closed")
_BACKEND_ENDS = ("response.completed", "response.incomplete", "response.failed")


class UsageMeter:
    """Adds up the usage of a session.

    It looks at `session.created` and `session.updated` for the models, and at `response.done` and completed
    transcriptions for their usage; an event that comes twice counts once. Other events are ignored. Of a Live
    session it counts the seconds, and the tokens of its backend and of decisions; if another session
    continues it, the seconds of both.

    Args:
        model: The session's model, until an event names it. A sideband gets no `session.created`.
        transcription_model: The model that transcribes the input, likewise.
    """

    __slots__ = ("_model", "_paused", "_seconds", "_seen", "_session_id", "_transcription_model", "_usage")

    def __init__(self, model: str | None = None, transcription_model: str | None = None) -> None:
        self._model = model
        self._transcription_model = transcription_model
        self._usage = Usage()
        self._session_id: str | None = None
        self._seconds = self._paused = 0.0  # of the Live session that goes on
        self._seen: dict[str, None] = {}  # smaller than a set while it is empty

    @property
    def usage(self) -> Usage:
        """The usage so far; a value that later events don't change."""
        if not self._seconds:
            return self._usage
        session = Usage.of_session(self._seconds, self._model, paused_seconds=self._paused)
        return session + self._usage

    def observe(self, event: Any) -> None:
        """Count one server event: generated, an `UnknownEvent`, or a dict."""
        data = part(event, "data")
        if not isinstance(event, Mapping) and isinstance(data, Mapping):
            event = data  # an UnknownEvent has the event as it came in there
        kind = part(event, "type")
        if kind in _SESSION:
            self._learn(part(event, "session"))
        elif kind == _RESPONSE:
            if self._is_new(part(part(event, "response"), "id")):
                self._usage += Usage.of_response(event, self._model)
        elif kind == _TRANSCRIPTION and self._is_new(part(event, "item_id"), part(event, "content_index")):
            self._usage += Usage.of_transcription(event, self._transcription_model)
        elif kind in _SECONDS:
            used = part(event, "usage")
            self._seconds = max(self._seconds, number(part(used, "seconds")))
            self._paused = max(self._paused, number(part(used, "paused_seconds")))
        elif kind == "response.event":
            backend = part(event, "event")
            response = part(backend, "response")
            if part(backend, "type") in _BACKEND_ENDS and self._is_new(part(response, "id")):
                self._usage += Usage.of_backend(response)
        elif kind == "decision.event" and self._is_new(part(event, "event_id")):
            self._usage += Usage.of_backend(part(part(event, "event"), "decision"))

    def _learn(self, session: Any) -> None:
        session_id = _name(part(session, "id")) or self._session_id
        if self._session_id not in (None, session_id):  # another one, whose seconds begin at 0
            self._usage, self._seconds, self._paused = self.usage, 0.0, 0.0
        self._session_id = session_id
        # What is off now may still have transcriptions under way, so a model is only ever replaced by
        # another.
        self._model = _name(part(session, "model")) or self._model
        transcription = part(part(part(session, "audio"), "input"), "transcription")
        self._transcription_model = _name(part(transcription, "model")) or self._transcription_model

    def _is_new(self, *identity: Any) -> bool:
        key = repr(identity)
        if key in self._seen and identity[0] is not None:
            return False
        self._seen[key] = None
        return True


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None
