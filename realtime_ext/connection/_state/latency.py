"""How long the model takes: from a request, or the end of the user's speech, to what comes back.

Times come in with events; it must not read a clock.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import attrs

from ..._core.utterances import Utterances

_KEPT = 1000  # responses, the latest

_Ms = float | None


@attrs.frozen(kw_only=True)
class Latency:
    """How long a response took, in milliseconds; None for what did not happen, or can't be known.

    The request is the `response.create` that this side sent; without one, the end of the user's speech.

    Args:
        first_event_ms: From the request to `response.created`.
        first_audio_ms: From the request to the first audio; on WebRTC to `output_audio_buffer.started`.
        done_ms: From the request to `response.done`.
        after_speech_ms: From the end of the user's speech, as `speech_stopped` or this side's commit tells
            it, to the first audio. Voice detection reports it after the silence that it waits for. In a Live
            session, which has no responses, it is from the user's last words to the model's first ones on the
            session's timeline, in steps of 200.
    """

    first_event_ms: _Ms = None
    first_audio_ms: _Ms = None
    done_ms: _Ms = None
    after_speech_ms: _Ms = None


@attrs.frozen
class Latencies:
    """The latencies of a connection's responses.

    Args:
        responses: Those of the latest 1000 responses that are done, oldest first.
    """

    responses: tuple[Latency, ...] = ()

    def percentile(self, percent: float) -> Latency:
        """Return a percentile of each figure, over the responses that have it.

        Args:
            percent: 50 for the median; 0 to 100.

        Raises:
            ValueError: It is out of that range.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"percent: expected 0 to 100, got {percent!r}")
        figures = {}
        for name in attrs.fields_dict(Latency):
            known = sorted(value for one in self.responses if (value := getattr(one, name)) is not None)
            figures[name] = _percentile(known, percent / 100)
        return Latency(**figures)


def _percentile(values: list[float], share: float) -> _Ms:
    """Return the value below which that share of sorted values lies, between two by straight lines."""
    if not values:
        return None
    place = share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return round(values[low] + (values[high] - values[low]) * (place - low), 1)


@attrs.define
class Timing:
    """The moments of one turn or response, in seconds of any clock; None for those that did not come."""

    asked: float | None = None
    speech_ended: float | None = None
    begun: float | None = None
    heard: float | None = None
    done: float | None = None

    def latency(self) -> Latency:
        """Return how long it took."""
        start = self.speech_ended if self.asked is None else self.asked
        return Latency(
            first_event_ms=_between(start, self.begun),
            first_audio_ms=_between(start, self.heard),
            done_ms=_between(start, self.done),
            after_speech_ms=_between(self.speech_ended, self.heard),
        )


def _between(start: float | None, end: float | None) -> _Ms:
    return None if start is None or end is None else round((end - start) * 1000, 1)


class LatencyMeter:
    """Measures latencies as an observer, without a connection at hand: `observer=LatencyMeter()`.

    A connection has the same in `latency`.
    """

    def __init__(self) -> None:
        self._watch = Stopwatch()
        self._utterances = Utterances()
        self._session_id: str | None = None

    @property
    def latencies(self) -> Latencies:
        """The latencies so far; a value that later events don't change."""
        return self._watch.latencies

    def __call__(self, direction: str, event: Any, monotonic_ns: int) -> None:
        """Observe an event, as an observer is called."""
        watch = self._watch
        watch.now = monotonic_ns / 1e9
        match direction, event.type:
            case "out", "response.create":
                watch.asked(str(event.event_id))
            case "out", "input_audio_buffer.commit":
                watch.committed()
            case "in", "input_audio_buffer.speech_started":
                watch.speech_started()
            case "in", "input_audio_buffer.speech_stopped":
                watch.speech_stopped()
            case "in", "response.created":
                watch.begun(event.response.id)
            case "in", "response.output_audio.delta" | "output_audio_buffer.started":
                watch.heard(event.response_id)
            case "in", "response.done":
                watch.done(event.response.id)
            case "in", "error":
                watch.refused(getattr(event.error, "event_id", None))
            case "in", "session.started" if event.session.id != self._session_id:
                self._session_id, self._utterances = event.session.id, Utterances()
            case "in", "session.input_transcript.delta" | "session.output_transcript.delta":
                self._spoken(event)

    def _spoken(self, event: Any) -> None:
        user = self._utterances.current.get("user")
        said = self._utterances.add(event.type, event.delta, event.start_ms, event.end_ms)
        if user is None or said is None or said[0].speaker == "user":
            return
        words, is_new = said
        if is_new and words.start_ms >= user.end_ms:
            del self._utterances.current["user"]  # only the first words answer it
            self._watch.answered(float(words.start_ms - user.end_ms))


class Stopwatch:
    """Notes when things happen, and adds them up.

    Attributes:
        now: The time in seconds, of any clock; set before an event is applied or sent.
        speech_ended: When the user's speech ended that no response has answered yet.
    """

    __slots__ = ("_asked", "_done", "_running", "now", "speech_ended")

    def __init__(self) -> None:
        self.now: float = 0.0
        self.speech_ended: float | None = None
        self._asked: dict[str, float] = {}  # event id of a response.create → when it was sent
        self._running: dict[str, Timing] = {}  # response id → its moments
        self._done: deque[Latency] | None = None  # made with the first one

    @property
    def latencies(self) -> Latencies:
        """The latencies so far."""
        return Latencies(tuple(self._done or ()))

    def asked(self, event_id: str) -> None:
        """Note that a response is asked for now."""
        self._asked[event_id] = self.now

    def refused(self, event_id: str | None) -> None:
        """Forget a request that was refused."""
        self._asked.pop(event_id or "", None)

    def speech_started(self) -> None:
        """Note that the user speaks."""
        self.speech_ended = None

    def speech_stopped(self) -> None:
        """Note that the user's speech has ended."""
        self.speech_ended = self.now

    def committed(self) -> None:
        """Note that this side commits the user's speech, unless its end is known."""
        if self.speech_ended is None:
            self.speech_ended = self.now

    def begun(self, response_id: Any) -> None:
        """Note that a response begins, the one that was asked for first."""
        asked = self._asked.pop(next(iter(self._asked))) if self._asked else None
        self._running[str(response_id)] = Timing(asked, self.speech_ended, self.now)
        self.speech_ended = None

    def heard(self, response_id: Any) -> None:
        """Note that audio of a response arrives."""
        timing = self._running.get(response_id)
        if timing is not None and timing.heard is None:
            timing.heard = self.now

    def done(self, response_id: Any) -> None:
        """Note that a response is done."""
        timing = self._running.pop(str(response_id), None)
        if timing is not None:
            timing.done = self.now
            self._keep(timing.latency())

    def answered(self, after_speech_ms: float) -> None:
        """Note that the model of a Live session has answered, so long after the user's words."""
        self._keep(Latency(after_speech_ms=after_speech_ms))

    def _keep(self, latency: Latency) -> None:
        if self._done is None:
            self._done = deque(maxlen=_KEPT)
        self._done.append(latency)

    def reset(self) -> None:
        """Forget the current response: the link is lost."""
        self._asked.clear()
        self._running.clear()
        self.speech_ended = None
