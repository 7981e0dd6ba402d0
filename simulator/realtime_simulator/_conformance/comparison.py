"""Compare the events and answers of a simulator with recorded ones of the service.

Order: each event belongs to a lane, and within a lane the order is the same. Events that the service leaves
unordered are in separate lanes: the user's words against the response, the player's reports, the items
of one response against each other, a response's end against the client's next commands. Runs of deltas are
one event, and deltas of sound and of words may be interleaved in any way.

Values: the keys of every object, nulls, fixed values (types, states, settings, codes, messages), and
the shape and the target of ids. Numbers that differ from day to day are compared by their type.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._conformance.known import KNOWN, Known
from realtime_simulator._core.schema import value_at
from realtime_simulator._recordings.bindings import ID, ID_IN_TEXT, Bindings, is_id
from realtime_simulator._recordings.lines import is_marker

Event = Mapping[str, Any]
Lane = tuple[str, ...]
Token = tuple[str, int]
_SCRUBBED = re.compile(r"(ek|sk|whsec)_?-?(scrubbed|\*+|<\w+>|[\w-]*\*{3,}.*)")
_FREE_TEXT = {"delta", "obfuscation", "audio", "logprobs", "bytes", "latency", "encrypted_content"}
_FREE_IDS = {"event_id", "rid"}
_OF_ACCOUNT = {"user": "user-", "prompt_cache_key": "live:"}
"""Texts whose beginning alone is the same for every account."""
_MADE_TEXT = {"text", "transcript", "arguments"}
_FREE_NUMBERS = re.compile(
    r".*(_tokens|_ms|expires_at|received_at|created_at|completed_at|limit|remaining|reset_seconds|logprob|seconds|start|end|ts|timestamp|start_time)"
)
_TRANSCRIPTION = "conversation.item.input_audio_transcription."
_ITEM_ADDED = ("conversation.item.added", "conversation.item.created")
MORE = ("…", "...")
_OWN_PACE = ("transcription", "playback")
_OPTIONAL = ("rate_limits.updated",)
"""Events that the service does not send every time."""


@attrs.frozen(kw_only=True)
class Difference:
    """One difference from the recording.

    Args:
        pointer: Where in the recording, a JSON pointer.
        what: The recorded and the actual value.
    """

    pointer: str
    what: str

    def __str__(self) -> str:
        return f"{self.pointer}: {self.what}"


@attrs.frozen(kw_only=True)
class Expected:
    """A recorded event.

    Args:
        pointer: Its JSON pointer in the recording.
        event: The event.
    """

    pointer: str
    event: Event = attrs.field(repr=False)

    @property
    def type(self) -> str:
        return str(self.event["type"])


class Comparison:
    """Compares events and answers with recorded ones; collects differences, and those that are known.

    Args:
        bindings: The ids that are known.
        profile: The simulator's profile.
    """

    def __init__(self, bindings: Bindings, profile: str) -> None:
        self.differences: list[Difference] = []
        self.known: list[tuple[Difference, Known]] = []
        self._bindings = bindings
        self._profile = profile
        self._cut: set[str] = set()
        self._loose = False

    # Order

    def events(self, expected: Sequence[Expected], actual: Sequence[Event]) -> None:
        """Compare all events that one connection received, in order.

        Args:
            expected: The recorded value.
            actual: The actual value.
        """
        there, here = _Lanes([one.event for one in expected]), _Lanes(actual)
        self._cut = _cut(one.event for one in expected)
        matched: dict[int, int] = {}
        extra: list[tuple[int, Lane]] = []
        for lane in dict.fromkeys([*there.lanes, *here.lanes]):
            pairs, more = self.match(there.tokens(lane), here.tokens(lane), expected)
            matched.update(pairs)
            extra += [(place, lane) for place in more]
        last = matched.get(len(expected) - 1, max(matched.values(), default=-1))
        for place, lane in extra:
            # Events after the recording's end can't be judged, nor can events with a pace of their own.
            if place < last and lane[0] not in _OWN_PACE and actual[place]["type"] not in _OPTIONAL:
                self._add(
                    "",
                    _next(expected, matched, place),
                    f"nothing was recorded here, the simulator sends {_name(actual[place])}",
                )
        self._cross(there, expected, actual, matched)
        for place, other in sorted(matched.items()):
            one = expected[place]
            self._loose = bool(self._cut & _things(one.event)) or is_partial(one.event)
            self.value(one.type, one.pointer, one.event, actual[other])
            if is_partial(one.event):
                self._run(there.run(place), expected, here.run(other), actual)
        self._loose = False

    def _run(
        self, was: Sequence[int], expected: Sequence[Expected], now: Sequence[int], actual: Sequence[Event]
    ) -> None:
        """Compare each event of a run with a recorded one of the run, if possible one with the same keys."""
        shapes = {frozenset(expected[place].event): expected[place] for place in reversed(was)}
        told = len(self.differences)
        for other in now[1:]:
            one = shapes.get(frozenset(actual[other]), expected[was[0]])
            if len(self.differences) == told:  # one event of the run is enough to know
                self.value(one.type, one.pointer, one.event, actual[other])

    def match(
        self, was: Sequence[Token], now: Sequence[Token], expected: Sequence[Expected]
    ) -> tuple[dict[int, int], list[int]]:
        """Match the events of one lane by their names and order; those that do not come are differences.

        Args:
            was: The names of the recorded events, with their places.
            now: The names of the actual ones.
            expected: All recorded events.

        Returns:
            The places of the actual events by those of the recorded ones, and those of what was not recorded.
        """
        matched: dict[int, int] = {}
        extra: list[int] = []
        matcher = difflib.SequenceMatcher(
            None, [name for name, _ in was], [name for name, _ in now], autojunk=False
        )
        for operation, i, j, k, m in matcher.get_opcodes():
            if operation == "equal":
                for (_, place), (_, other) in zip(was[i:j], now[k:m], strict=True):
                    matched[place] = other
                continue
            for name, place in was[i:j]:
                came = f"; {name} comes elsewhere" if any(name == other for other, _ in now) else ""
                self._add(
                    expected[place].type,
                    expected[place].pointer,
                    f"{name} was recorded here, the simulator sends none{came}",
                )
            extra += [place for _, place in now[k:m]]
        return matched, extra

    def _cross(
        self,
        there: _Lanes,
        expected: Sequence[Expected],
        actual: Sequence[Event],
        matched: Mapping[int, int],
    ) -> None:
        """Compare the order between lanes where the service keeps one."""
        for first, then in there.ordered():
            if first in matched and then in matched and matched[first] > matched[then]:
                self._add(
                    expected[then].type,
                    expected[then].pointer,
                    f"{_name(expected[then].event)} was recorded after {_name(expected[first].event)}, "
                    "the simulator sends it before",
                )

    # Values

    def value(self, kind: str, pointer: str, expected: Any, actual: Any, path: tuple[str, ...] = ()) -> None:
        """Compare two values.

        Args:
            kind: The event's type, or the exchange's operation.
            pointer: The JSON pointer of the recorded value.
            expected: The recorded value.
            actual: The actual value.
            path: Its place in the event, without numbers of lists.
        """
        if is_marker(expected):
            return  # the recording does not have it
        if isinstance(expected, Mapping) and isinstance(actual, Mapping):
            for key in dict.fromkeys([*expected, *actual]):
                here, inner = f"{pointer}/{_escaped(str(key))}", (*path, str(key))
                if key not in actual:
                    self._add(
                        kind, here, f"recorded {_short(expected[key])}, the simulator has no such key", inner
                    )
                elif key not in expected:
                    self._add(
                        kind,
                        here,
                        f"no such key was recorded, the simulator has {_short(actual[key])}",
                        inner,
                    )
                else:
                    self.value(kind, here, expected[key], actual[key], inner)
        elif isinstance(expected, list) and isinstance(actual, list):
            if path[-1:] == ("modalities",):
                expected, actual = sorted(map(str, expected)), sorted(map(str, actual))
            if len(expected) != len(actual) and path[-1:] != ("logprobs",):
                self._add(
                    kind,
                    pointer,
                    f"recorded a list of {len(expected)}, the simulator has {len(actual)}",
                    path,
                )
            for number, (one, other) in enumerate(zip(expected, actual, strict=False)):
                self.value(kind, f"{pointer}/{number}", one, other, path)
        elif (found := self._scalar(kind, expected, actual, path)) is not None:
            # Values that the client itself has set may never differ.
            given = isinstance(expected, str) and expected in self._bindings.given
            self._add(kind, pointer, found, () if given else path)

    def header(self, kind: str, pointer: str, name: str, expected: str, actual: str | None) -> None:
        """Compare a header of an answer.

        Args:
            kind: The exchange's operation.
            pointer: The JSON pointer of the recorded header.
            name: Its name.
            expected: Its recorded value.
            actual: Its actual value; None if the header is missing.
        """
        if name.endswith("expose-headers"):
            # Networks in between expose headers of their own.
            there, here = (
                {
                    part.strip().lower()
                    for part in value.split(",")
                    if not part.strip().lower().startswith("cf-")
                }
                for value in (expected, actual or "")
            )
            if not there <= here:
                self._add(
                    kind,
                    pointer,
                    f"recorded {_short(expected)}, the simulator sends {_short(actual)}",
                    (name,),
                )
            return
        self._bindings.learn_inside(expected, actual or "")
        self.value(kind, pointer, expected, actual, (name,))

    def _scalar(self, kind: str, expected: Any, actual: Any, path: tuple[str, ...]) -> str | None:
        """Return how two scalar values differ; None if they don't."""
        both = f"recorded {_short(expected)}, the simulator sends {_short(actual)}"
        if _kind(expected) != _kind(actual):
            return both
        key = path[-1] if path else ""
        if isinstance(expected, str):
            return self._text(expected, actual, key, both, path)
        if isinstance(expected, bool) or expected is None:
            return None if expected == actual else both
        if isinstance(expected, int | float):
            fixed = "turn_detection" in path or (key == "expires_at" and not expected)
            if _FREE_NUMBERS.fullmatch(key) and not fixed:
                whole = not isinstance(expected, int) or actual == int(actual)
                return None if whole else f"recorded a whole number, the simulator sends {actual}"
            return None if expected == actual else both
        return None

    def _text(self, expected: str, actual: str, key: str, both: str, path: tuple[str, ...]) -> str | None:
        if expected in self._bindings.given and not is_id(self._bindings.ids.get(expected, "")):
            wanted = self._bindings.ids.get(expected, expected)
            return None if actual == wanted else both
        if is_id(expected) and expected not in self._bindings.given:
            return self._id(expected, actual, key, both)
        if _SCRUBBED.fullmatch(expected):
            return None if actual[:2] == expected[:2] else both
        if key in _FREE_TEXT and "error" not in path:
            return None
        if (prefix := _OF_ACCOUNT.get(key)) is not None and expected.startswith(prefix):
            return None if actual.startswith(prefix) else both
        if key in _MADE_TEXT and self._loose:
            return None
        return None if _same_text(expected, actual) else both

    def _id(self, expected: str, actual: str, key: str, both: str) -> str | None:
        if not is_id(actual) or _prefix(expected) != _prefix(actual):
            return f"{both}, an id of another shape"
        if key in _FREE_IDS:
            return None
        bound = self._bindings.ids.setdefault(expected, actual)
        return None if bound == actual else f"{both}, which stands for something else: {expected} was {bound}"

    def add(self, pointer: str, what: str) -> None:
        """Add a difference that was found elsewhere."""
        self.differences.append(Difference(pointer=pointer, what=what))

    def _add(self, kind: str, pointer: str, what: str, path: tuple[str, ...] = ()) -> None:
        difference = Difference(pointer=pointer or "/", what=what)
        for known in KNOWN:
            if known.covers(kind, path, self._profile, what):
                self.known.append((difference, known))
                return
        self.differences.append(difference)


class _Lanes:
    """The lanes of a connection's events; lanes of things are named by the order in which those appear."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.lanes: dict[Lane, list[int]] = {}
        self._events = events
        self._names: dict[tuple[str, str], str] = {}
        self._made: dict[str, str] = {}
        self._responses: list[str] = []
        for event in events:
            if event["type"] == "response.output_item.added":
                self._made[str(value_at(event, "item", "id"))] = str(event.get("response_id"))
        self._lane_of = [self._lane(event) for event in events]
        for place, lane in enumerate(self._lane_of):
            self.lanes.setdefault(lane, []).append(place)

    def tokens(self, lane: Lane) -> list[tuple[str, int]]:
        """Return the names and places of a lane's events, with runs of deltas as one, and the deltas that
        come between the same others in the order of their names."""
        tokens: list[tuple[str, int]] = []
        run: dict[str, int] = {}
        seen: set[str] = set()
        for place in self.lanes.get(lane, ()):
            name = _name(self._events[place])
            if is_partial(self._events[place]):
                if name not in seen:
                    run.setdefault(name, place)
                seen.add(name)
                continue
            tokens += sorted(run.items())
            run = {}
            tokens.append((name, place))
        return [*tokens, *sorted(run.items())]

    def run(self, place: int) -> list[int]:
        """Return the places of all deltas of the same kind and the same thing as one, itself the first."""
        lane, name = self._lane_of[place], _name(self._events[place])
        return [other for other in self.lanes[lane] if other >= place and _name(self._events[other]) == name]

    def ordered(self) -> Iterator[tuple[int, int]]:
        """Yield places of events of different lanes that stay in their order: a response's items are made
        between its beginning and its end, and nothing is said of an item before it is there."""
        begun: dict[str, int] = {}
        ended: dict[str, int] = {}
        added: dict[str, int] = {}
        for place, event in enumerate(self._events):
            kind = str(event["type"])
            if kind in ("response.created", "response.done"):
                response = str(value_at(event, "response", "id"))
                (begun if kind.endswith("created") else ended)[response] = place
                if kind.endswith("done") and response in begun:
                    yield begun[response], place
            elif kind in _ITEM_ADDED:
                added.setdefault(str(value_at(event, "item", "id")), place)
        for place, event in enumerate(self._events):
            kind = str(event["type"])
            item = str(event.get("item_id") or value_at(event, "item", "id"))
            response = self._made.get(item, str(event.get("response_id")))
            if kind.startswith(_TRANSCRIPTION):
                if item in added and not is_partial(event):
                    yield _sorted(added[item], place)
            elif kind.startswith("output_audio_buffer."):
                if response in begun:
                    yield _sorted(begun[response], place)
            elif self._lane(event)[0] == "item":
                for border in (begun, ended):
                    if response in border:
                        yield _sorted(border[response], place)

    def _lane(self, event: Event) -> Lane:
        kind = str(event["type"])
        if kind == "response.done":
            self._responses.append(str(value_at(event, "response", "id")))
            return "response", self._name("response", self._responses[-1])
        if kind == "rate_limits.updated":
            return "response", self._name("response", self._responses[-1] if self._responses else "")
        if kind.startswith(_TRANSCRIPTION):
            return "transcription", self._name("transcription", str(event.get("item_id")))
        if kind.startswith("output_audio_buffer."):
            return "playback", self._name("playback", str(event.get("response_id")))
        if kind.startswith(("session.output_", "session.input_transcript")):
            return ("translation", "out" if "output" in kind else "in")
        item = str(event.get("item_id") or value_at(event, "item", "id") or "")
        if not item and kind.startswith("response.") and kind != "response.created":
            return "other", kind
        if (kind.startswith(("response.", "mcp_list_tools.")) and kind != "response.created") or (
            kind in (*_ITEM_ADDED, "conversation.item.done") and item in self._made
        ):
            return "item", self._name("item", item)
        return ("main",)

    def _name(self, what: str, thing: str) -> str:
        number = sum(kind == what for kind, _ in self._names)
        return self._names.setdefault((what, thing), str(number))


def _cut(events: Iterator[Event]) -> set[str]:
    """The responses that were cut short, and their items: how far they came is a matter of time."""
    things: set[str] = set()
    for event in events:
        if event["type"] == "response.done" and value_at(event, "response", "status") != "completed":
            things.add(str(value_at(event, "response", "id")))
            things |= {str(value_at(item, "id")) for item in value_at(event, "response", "output") or ()}
    return things


def _things(event: Event) -> set[str]:
    """The ids of what an event is about."""
    places = (("response_id",), ("item_id",), ("item", "id"), ("response", "id"))
    return {str(value_at(event, *place)) for place in places}


def _sorted(one: int, other: int) -> tuple[int, int]:
    return min(one, other), max(one, other)


def _next(expected: Sequence[Expected], matched: Mapping[int, int], place: int) -> str:
    """The pointer of the recorded event before which something came that wasn't recorded."""
    later = [one for one, other in matched.items() if other > place]
    return expected[min(later)].pointer if later else "/"


def _name(event: Event) -> str:
    index = event.get("content_index")
    progress = " in progress" if event.get("status") == "in_progress" else ""
    return f"{event['type']}{progress}" + (f" (part {index})" if index else "")


def is_partial(event: Event) -> bool:
    """Return whether an event is one of a run whose length is a matter of time."""
    kind = str(event["type"])
    if kind.startswith(_TRANSCRIPTION):
        return not kind.endswith((".completed", ".failed")) or event.get("status") == "in_progress"
    return kind.endswith((".delta", ".segment"))


def _kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    if isinstance(value, int | float):
        return "number"
    return "list" if isinstance(value, list) else "object" if isinstance(value, Mapping) else "text"


def _prefix(value: str) -> str:
    found = ID.fullmatch(value)
    if found is None:
        return value
    # The region that served a call is part of its ids; it is not part of their shape.
    return re.sub(r"_u\d+_$", "_", found["prefix"]) if found["prefix"] else found.lastgroup or "call-"


def _same_text(expected: str, actual: str) -> bool:
    """Return whether two texts are the same but for the ids in them; a recorded one may be cut by `…`."""
    one, other = (ID_IN_TEXT.sub(lambda found: _prefix(found[0]), text) for text in (expected, actual))
    for more in MORE:
        if one.endswith(more):
            return other.startswith(one.removesuffix(more))
    return one == other


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _short(value: Any) -> str:
    if isinstance(value, Mapping | list):
        what = f"an object with {', '.join(value)}" if isinstance(value, Mapping) else "a list"
        return what[:160]
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 160 else text[:157] + "..."
