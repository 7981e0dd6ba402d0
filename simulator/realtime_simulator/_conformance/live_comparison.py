"""Compare the events of a Live session with recorded ones.

Events are compared lane by lane: words of the user, words of the model, acknowledgements, delegations,
usage, each response of the backend, the audio, everything else. Within a lane the order is the same; between
lanes only what the API promises: it begins with `session.started`, nothing follows `session.closed`, an
acknowledgement follows what it acknowledges, and a delegation precedes the events of its responses. Words
have to be the same, and be within 2 s of their recorded place on the timeline.

Both sides have to follow the rules of the timeline (`_Rules`): a recording that was changed may be one that
no session can have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._conformance.comparison import Comparison, Event, Expected, Lane, Token
from realtime_simulator._consistency import EventIds, Streams
from realtime_simulator._core.schema import value_at
from realtime_simulator._recordings.lines import APPEND, OUTPUT, is_marker, is_number
from realtime_simulator._recordings.steps import Message
from realtime_simulator._scenario.live_audio import audio_ms
from realtime_simulator._scenario.live_script import (
    DELEGATION,
    FRAME_MS,
    INPUT_WORDS,
    NESTED,
    OUTPUT_WORDS,
    key_of,
)

_LATE_MS = 1000
"""How long after its place on the timeline an event may come."""
_NEAR_MS = 2000
"""How far from its recorded place on the timeline something may be."""
_USAGE_SECONDS = 2.0
_USAGE_SHARE = 0.12
_AUDIO_SHARE = 0.12
_AUDIO_MESSAGES = 12
_USAGE = "session.usage.updated"
USAGE_EVERY = 15.0
_USAGE_LATE = 3.0
_STARTED = "session.started"
_WORDS = (INPUT_WORDS, OUTPUT_WORDS)
_FREE = ("start_ms", "end_ms", "offset_ms", "sequence_number", "usage_ratio")


@attrs.frozen
class Side:
    """What one connection received in the recording.

    Args:
        events: The events, in order.
        messages: All its messages in both directions, in order.
        primary: Whether it is the session's own connection, on which the session starts.
        timed: Whether the recording has times.
        gaps: The numbers of the events before which something was not recorded.
        partial: Whether its audio is incomplete, so that it is not counted.
    """

    events: Sequence[Expected]
    messages: Sequence[Message]
    primary: bool = True
    timed: bool = True
    gaps: Sequence[int] = ()
    partial: bool = False


def compare(
    comparison: Comparison, side: Side, actual: Sequence[Event], sent: Sequence[tuple[int, Message]]
) -> None:
    """Compare all events that one connection received.

    Args:
        comparison: Collects the differences.
        side: The recorded side.
        actual: The actual events, in order.
        sent: What the client sent beside audio, each with the number of events that had come before.
    """
    _Both(comparison, side, actual, sent).compare()


class _Both:
    """The recorded and the actual events of a connection."""

    def __init__(
        self,
        comparison: Comparison,
        side: Side,
        actual: Sequence[Event],
        sent: Sequence[tuple[int, Message]],
    ) -> None:
        self._comparison = comparison
        self._side = side
        self._actual = actual
        self._there = _lanes([one.event for one in side.events])
        self._here = _lanes(actual)
        self._closed = any(one.type == "session.closed" for one in side.events)
        before = side.events[: min(side.gaps, default=len(side.events))]
        self._until = max((_place(one.event) or 0 for one in before), default=0)
        self._sent = sent

    def compare(self) -> None:
        recorded = [one.event for one in self._side.events]
        pointers = [one.pointer for one in self._side.events]
        rules = _Rules(recorded, _interleaved(self._side), self._side.gaps, primary=self._side.primary)
        for number, what in rules.broken():
            self._comparison.add(pointers[number], f"invalid recording: {what}")
        rules = _Rules(self._actual, _placed(self._actual, self._sent), (), primary=self._side.primary)
        for number, what in rules.broken():
            self._comparison.add(f"/sent/{number}", f"the simulator sends {what}")
        for lane in dict.fromkeys([*self._there, *self._here]):
            was, now = self._there.get(lane, []), self._here.get(lane, [])
            if lane in (("audio",), ("copies",)):
                if was or self._side.primary:
                    self._audio(was, now)
            elif lane[0] in _WORDS:
                self._words(lane[0], was, now)
            elif lane == (_USAGE,):
                self._usage(was, now)
            else:
                self._others(lane, was, now)

    # Words and audio

    def _words(self, kind: str, was: list[int], now: list[int]) -> None:
        """Compare the words of one side, and about where they are."""
        there = [self._side.events[place] for place in was]
        here = [self._actual[place] for place in now]
        first = there[0].pointer if there else self._pointer_after(now)
        said, says = (
            "".join(str(event.get("delta", "")) for event in events)
            for events in ([one.event for one in there], here)
        )
        if not there or not here:
            if said != says and not (not there and self._may_miss(here[0])):
                self._add(first, f"recorded {said[:160]!r} of {kind}, the simulator sends {says[:160]!r}")
            return
        for one in (there[0], there[-1]):
            self._comparison.value(kind, one.pointer, _fixed(one.event), _fixed(here[0]))
        end = len(said)
        if said != says[:end] or (len(says) > end and not self._may_miss(here[-1])):
            self._add(first, f"recorded {said[:160]!r}, the simulator sends {says[:160]!r}")
            return
        places = [_place(event) for event in here for _ in str(event.get("delta", ""))]
        at = 0
        for one in there:
            place, found = _place(one.event), places[at] if at < len(places) else None
            if place is not None and found is not None and abs(place - found) > _NEAR_MS:
                self._add(one.pointer, f"recorded at {place} ms, the simulator sends it at {found} ms")
            at += len(str(one.event.get("delta", "")))

    def _audio(self, was: list[int], now: list[int]) -> None:
        """Compare the sizes of audio messages, and about how many there are."""
        format = self._format()
        recorded = [one for place in was for one in [self._side.events[place]]]
        sizes = {audio_ms(self._actual[place], format) for place in now}
        closing = next((n for n, one in enumerate(self._side.messages) if one.type == "session.close"), 10**9)
        late = {id(message.data) for message in self._side.messages[closing:]}
        for one in recorded:
            length = audio_ms(one.event, format)
            if length is not None and length not in sizes and id(one.event) not in late:
                shown = ", ".join(f"{size} ms" for size in sorted(filter(None, sizes))) or "none"
                self._add(one.pointer, f"recorded {length} ms of audio, the simulator sends {shown}")
                return
        if any("$about" in audio for one in recorded for audio in _markers(one.event)) or self._side.partial:
            return
        most = max(_AUDIO_MESSAGES, int(len(now) * _AUDIO_SHARE))
        more = len(recorded) - len(now)
        if more > most or (self._closed and -more > most):
            pointer = recorded[0].pointer if recorded else self._side.events[-1].pointer
            self._add(pointer, f"recorded {len(recorded)} messages of audio, the simulator sends {len(now)}")

    def _format(self) -> Mapping[str, Any] | None:
        for event in self._actual:
            session = event.get("session")
            if isinstance(session, Mapping):
                format: Mapping[str, Any] | None = (session.get("audio") or {}).get("format")
                return format
        return None

    def _usage(self, was: list[int], now: list[int]) -> None:
        """Compare the usage, update by update; one comes every 15 s."""
        times = {id(message.data): message.at for message in self._side.messages}
        begun = next((message.at for message in self._side.messages if message.type == _STARTED), None)
        numbers: list[int] = []
        for number, place in enumerate(was):
            one = self._side.events[place]
            at = times.get(id(one.event))
            if at is not None and begun is not None and self._side.timed:
                number = round((at - begun) / USAGE_EVERY) - 1
                if abs(at - begun - (number + 1) * USAGE_EVERY) > _USAGE_LATE or number in numbers:
                    self._add(one.pointer, f"{_USAGE} was recorded {at - begun:.1f} s after the start")
            numbers.append(number)
            if number not in range(len(now)):
                self._add(one.pointer, f"{_USAGE} was recorded here, the simulator sends none")
                continue
            self._value(one, self._actual[now[number]])
        last = max((m.at or 0.0 for m in self._side.messages if m.type not in (APPEND, OUTPUT)), default=0.0)
        if self._side.timed and begun is not None and not self._side.gaps:
            for number in range(int((last - begun - _USAGE_LATE) // USAGE_EVERY)):
                if number not in numbers:
                    at = (number + 1) * USAGE_EVERY
                    self._add(
                        "/", f"no {_USAGE} was recorded {at:g} s after the start, the simulator sends one"
                    )

    # Events that are compared one by one

    def _others(self, lane: Lane, was: list[int], now: list[int]) -> None:
        recorded = [one.event for one in self._side.events]
        there, here = _tokens(was, recorded), _tokens(now, self._actual)
        matched, extra = self._comparison.match(there, here, self._side.events)
        for one, other in matched.items():
            self._value(self._side.events[one], self._actual[other])
        last = max(matched.values(), default=-1)
        for place in extra:
            if place < last or not self._may_miss(self._actual[place], lane):
                name = _name(self._actual[place])
                pointer = self._pointer_after([place])
                self._add(pointer, f"nothing was recorded here, the simulator sends {name}")

    def _value(self, one: Expected, other: Event) -> None:
        """Compare two events."""
        kind = " ".join(key_of(one.event))
        self._comparison.value(kind, one.pointer, _fixed(one.event), _fixed(other))
        there, here = _place(one.event), _place(other)
        if there is not None and here is not None and abs(there - here) > _NEAR_MS:
            self._add(one.pointer, f"recorded at {there} ms, the simulator sends it at {here} ms")
        was, now = _seconds(one.event), _seconds(other)
        if was is not None and now is not None:
            most = max(_USAGE_SECONDS, now * _USAGE_SHARE)
            if abs(was - now) > most:
                self._add(one.pointer, f"recorded a usage of {was:g} s, the simulator has {now:g} s")

    def _may_miss(self, event: Event, lane: Lane = ()) -> bool:
        """Return whether the recording may end before an event, or leave it out."""
        if self._closed and not self._side.gaps:
            return False
        place = _place(event)
        if place is not None:
            return place + _LATE_MS > self._until
        if lane[:1] == (NESTED,):
            return not self._is_over(lane)
        return bool(self._side.gaps) or event.get("type") == "session.closed"

    def _is_over(self, lane: Lane) -> bool:
        """Return whether a response of the backend has to be over in the recording: another one followed it,
        or the timeline went on for long after an item was complete."""
        if any(other[0] == NESTED and int(other[1]) > int(lane[1]) for other in self._there):
            return True
        places = self._there.get(lane, [])
        if not places or not key_of(self._side.events[places[-1]].event)[-1].endswith(".done"):
            return False
        before = (_place(one.event) or 0 for one in self._side.events[: places[-1]])
        return self._until - max(before, default=0) > _NEAR_MS

    def _pointer_after(self, places: Sequence[int]) -> str:
        """Return the pointer of the recorded event near which an actual one comes."""
        if not self._side.events:
            return "/"
        place = _place(self._actual[places[0]]) if places else None
        for one in self._side.events:
            there = _place(one.event)
            if place is not None and there is not None and there >= place:
                return one.pointer
        return self._side.events[-1].pointer

    def _add(self, pointer: str, what: str) -> None:
        self._comparison.add(pointer, what)


def _tokens(places: Sequence[int], events: Sequence[Event]) -> list[Token]:
    """Return names and places, with runs of deltas as one."""
    tokens: list[Token] = []
    for place in places:
        name = _name(events[place])
        if not (".delta" in name and tokens and tokens[-1][0] == name):
            tokens.append((name, place))
    return tokens


def _name(event: Event) -> str:
    """Return the type of an event, and of a nested one its own type and its item's."""
    first, *rest = key_of(event)
    return " ".join(reversed(rest)) or first


class _Rules:
    """What holds for the events of every session.

    Args:
        events: The events, in order.
        sent: For each event, what the client had sent before it, beside audio; None where that is unknown.
        gaps: The numbers of the events before which others are missing.
        primary: Whether it is the session's own connection.
    """

    def __init__(
        self, events: Sequence[Event], sent: Sequence[Sequence[Event]], gaps: Sequence[int], *, primary: bool
    ) -> None:
        self._events = events
        self._sent = sent
        self._gaps = gaps
        self._primary = primary

    def broken(self) -> Iterator[tuple[int, str]]:
        """Yield the number of each event that breaks a rule, and what it is."""
        places: dict[str, int] = {}
        seconds, closed, delegations = -1.0, False, set()
        numbers: dict[str, int] = {}
        ids = EventIds()
        streams = Streams()
        acknowledged = 0
        for number, event in enumerate(self._events):
            kind = str(event.get("type"))
            name = kind
            if number in self._gaps:
                numbers.clear()
                streams = Streams()
            if number == 0 and self._primary and kind not in (_STARTED, "error"):
                yield number, f"{kind} before {_STARTED}"
            if closed:
                yield number, f"{kind} after session.closed"
            closed = kind == "session.closed"
            yield from ((number, what) for what in ids.see(event))
            for what in _misplaced(event):
                yield number, f"{name} with {what}"
            place = _place(event)
            if place is not None and kind != OUTPUT:
                order = "acknowledgement" if kind.endswith("ed") and kind != DELEGATION else kind
                before = places.get(order)
                if before is not None and (place < before or (place == before and kind in _WORDS)):
                    yield number, f"{name} at {place} ms after one at {before} ms"
                places[order] = place
            if kind in _WORDS and not (isinstance(event.get("delta"), str) and event["delta"]):
                yield number, f"{name} without words"
            used = _seconds(event)
            if used is not None:
                if used < 0 or used != int(used):
                    yield number, f"a usage of {used:g} s"
                elif used < seconds:
                    yield number, f"a usage of {used:g} s after one of {seconds:g} s"
                seconds = max(seconds, used)
            ratio = (event.get("context_window") or {}).get("usage_ratio") if kind == _USAGE else None
            if is_number(ratio) and not 0 <= ratio <= 1:
                yield number, f"a usage_ratio of {ratio}"
            if kind.endswith(".appended") and self._primary:  # sidebands see those of others, too
                appends = [one for one in self._sent[number] if str(one.get("type")).endswith(".append")]
                wanted = appends[acknowledged] if acknowledged < len(appends) else None
                if wanted is None:
                    yield number, f"{name} without its append"
                elif wanted["type"] != kind.removesuffix("ed"):
                    yield number, f"{name} where {wanted['type']} is to be acknowledged"
                acknowledged += 1
            if kind == DELEGATION and isinstance(event.get("delegation"), Mapping):
                if event["delegation"].get("id") in delegations:
                    yield number, f"the delegation {event['delegation'].get('id')} twice"
                delegations.add(event["delegation"].get("id"))
            if kind == NESTED and isinstance(event.get("event"), Mapping):
                of = event.get("delegation_id")
                if isinstance(of, str) and of not in delegations:
                    yield number, f"{name} of the unknown delegation {of}"
                yield from ((number, what) for what in self._nested(event["event"], of, numbers, streams))

    def _nested(self, event: Event, of: Any, numbers: dict[str, int], streams: Streams) -> Iterator[str]:
        """Yield what is wrong with the order of a response's events, and with what its deltas add up to."""
        kind, place = str(event.get("type")), str(of)
        number = event.get("sequence_number")
        if kind == "response.created":
            numbers.pop(place, None)
        if is_number(number):
            wanted = numbers.get(place, -1) + 1
            if number != wanted and (place in numbers or not self._gaps):
                yield f"{kind} with sequence_number {number} where {wanted} is next"
            numbers[place] = int(number)
        yield from (f"{kind} with {what}" for what in streams.see(event))


def _misplaced(event: Event) -> Iterator[str]:
    """Yield what is wrong with the places of an event on the timeline."""
    for key in ("start_ms", "end_ms", "offset_ms"):
        value = event.get(key)
        if is_marker(value) or key not in event:
            continue
        if not is_number(value) or value < 0 or value % FRAME_MS:
            yield f"{key} {value!r}"
            return
    start, end = event.get("start_ms"), event.get("end_ms")
    if is_number(start) and is_number(end) and end - start != FRAME_MS:
        yield f"a length of {end - start} ms"


def _interleaved(side: Side) -> list[list[Event]]:
    """Return for each recorded event what the client had sent before."""
    sent: list[Event] = []
    before = {}
    for message in side.messages:
        if message.direction == "received":
            before[id(message.data), message.pointer] = list(sent)
        elif message.type != APPEND:
            sent.append(message.data)
    return [before.get((id(one.event), one.pointer), sent) for one in side.events]


def _placed(events: Sequence[Event], sent: Sequence[tuple[int, Message]]) -> list[list[Event]]:
    """Return for each actual event what the client had sent before."""
    return [[message.data for before, message in sent if before <= number] for number in range(len(events))]


def _lanes(events: Sequence[Event]) -> dict[Lane, list[int]]:
    lanes: dict[Lane, list[int]] = {}
    responses = 0
    latest: dict[str, int] = {}
    for place, event in enumerate(events):
        kind = str(event.get("type"))
        lane: Lane
        if kind in (OUTPUT, APPEND):
            lane = ("audio",) if kind == OUTPUT else ("copies",)
        elif kind in (*_WORDS, _USAGE, DELEGATION, "error"):
            lane = (kind,)
        elif kind == NESTED:
            inner = event.get("event") or {}
            of = str(event.get("delegation_id"))
            if isinstance(inner, Mapping) and inner.get("type") == "response.created":
                latest[of] = responses
                responses += 1
            lane = (kind, str(latest.get(of, -1)))
        elif kind.endswith((".appended", ".muted", ".unmuted")):
            lane = ("acknowledgements",)
        else:
            lane = ("main",)
        lanes.setdefault(lane, []).append(place)
    return lanes


def _place(event: Event) -> int | None:
    """Return where an event is on the timeline, in ms; None if it does not say."""
    for key in ("start_ms", "offset_ms"):
        if is_number(event.get(key)):
            return int(event[key])
    return None


def _seconds(event: Event) -> float | None:
    seconds = value_at(event, "usage", "seconds")
    return float(seconds) if is_number(seconds) else None


def _fixed(event: Event) -> Event:
    """Return an event with the numbers that are compared elsewhere, or differ each time, as 0."""

    def fixed(value: Any, key: str = "") -> Any:
        if key in _FREE and is_number(value):
            return 0
        if isinstance(value, Mapping) and not is_marker(value):
            return {inner: fixed(one, inner) for inner, one in value.items()}
        if isinstance(value, list):
            return [fixed(one, key) for one in value]
        return value

    done: Event = fixed(event)
    return done


def _markers(event: Event) -> Iterator[Mapping[str, Any]]:
    """Yield what stands for the audio of an event."""
    for key in ("audio", "delta"):
        if is_marker(event.get(key)):
            yield event[key]
