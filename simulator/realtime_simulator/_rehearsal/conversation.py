"""The course of a call: words, tools and latencies with their times. No I/O."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Literal

import attrs

Who = Literal["app", "caller", "tool", "keys", "end"]
How = Literal["contains", "exact", "fuzzy"]
PAUSE_SECONDS = 0.4
"""Sound after a shorter pause belongs to the same stretch of speech."""
DEAD_AIR_SECONDS = 2.0
"""The shortest silence of both sides that counts as dead air."""
_FUZZY = 0.75
_WORD = re.compile(r"\w+")


@attrs.define
class Moment:
    """What someone said or did in a call.

    Args:
        who: `app` for the model's words, `caller`, `tool` for a call of a tool, `keys` for pressed keys, or
            `end`.
        text: The words as far as they were heard, the tool with its arguments, the keys, or why it ended.
        start: When it began, in seconds since the call was answered.
        end: When it ended; the same as `start` if it has no length.
        whole: Whether the words were heard completely, or the tool was answered.
        note: A remark, such as `interrupts`.
    """

    who: Who
    text: str
    start: float
    end: float
    whole: bool = True
    note: str = ""


class Times(Sequence[float]):
    """Measured times in seconds, in the order in which they were measured.

    Args:
        seconds: The times.
    """

    def __init__(self, seconds: Sequence[float] = ()) -> None:
        self._seconds = tuple(seconds)
        self._sorted = sorted(self._seconds)

    def __len__(self) -> int:
        return len(self._seconds)

    def __getitem__(self, index: Any) -> Any:
        return self._seconds[index]

    def __repr__(self) -> str:
        return f"<Times {len(self)}: p50 {self.p50:.2f}, p95 {self.p95:.2f}, max {self.max:.2f}>"

    def percentile(self, share: float) -> float:
        """Return the time that this share of the times does not exceed.

        Args:
            share: 0 to 100.

        Returns:
            One of the times (nearest rank); not a number if there is none, which no comparison accepts.

        Raises:
            ValueError: The share is out of range.
        """
        if not 0 <= share <= 100:
            raise ValueError(f"share: allowed is 0 to 100, got {share!r}")
        if not self._sorted:
            return math.nan
        return self._sorted[max(0, math.ceil(share / 100 * len(self)) - 1)]

    @property
    def p50(self) -> float:
        """The median."""
        return self.percentile(50)

    @property
    def p95(self) -> float:
        """The time that 95 % of the times do not exceed."""
        return self.percentile(95)

    @property
    def p99(self) -> float:
        """The time that 99 % of the times do not exceed."""
        return self.percentile(99)

    @property
    def max(self) -> float:
        """The longest time."""
        return self.percentile(100)


@attrs.frozen(kw_only=True)
class Latency:
    """The latencies of one or more calls.

    Args:
        first_audio: From the end of each turn of the caller, or from the answer of the call, to the start
            of the reply.
        barge_in: From the caller's interruption to the app's silence.
        talk_over: How long both sides spoke at once, each time.
        dead_air: Each silence of both sides of two seconds or more, unless the caller was silent on purpose.
    """

    first_audio: Times
    barge_in: Times
    talk_over: Times
    dead_air: Times

    @classmethod
    def of(cls, several: Sequence[Latency]) -> Latency:
        """Return the latencies of several calls together."""
        names = [field.name for field in attrs.fields(cls)]
        return cls(
            **{name: Times([time for one in several for time in getattr(one, name)]) for name in names}
        )


@attrs.define
class ToolCall:
    """A call of a tool by the model, with the app's answers."""

    name: str
    arguments: Mapping[str, Any]
    call_id: str
    time: float
    moment: Moment
    answers: list[str] = attrs.field(factory=list)


@attrs.define
class Stretch:
    """A time without a longer pause in which one side spoke, or was silent on purpose.

    Args:
        start: When it began.
        end: When it ended, so far.
        interrupts: Whether the caller meant to interrupt.
        aside: Whether it asks for no reply, as “mhm” does.
    """

    start: float
    end: float
    interrupts: bool = False
    aside: bool = False


class Conversation:
    """One call: all that was said and done."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.tools: list[ToolCall] = []
        self.caller_spoke: list[Stretch] = []
        self.app_spoke: list[Stretch] = []
        self.silences: list[Stretch] = []
        self.is_closed_by_caller: bool = False  # whether what the caller said last asks for nothing
        self.last_item: str = ""
        """All words of the model's last message, heard or not."""

    def add(self, moment: Moment) -> Moment:
        """Add what begins to be said, or was done."""
        self.moments.append(moment)
        return moment

    @property
    def replies(self) -> Sequence[Moment]:
        """What was heard of the app, oldest first."""
        return [one for one in self.moments if one.who == "app"]

    @property
    def heard_to_the_end(self) -> bool:
        """Whether the app's last words were heard to their end."""
        replies = self.replies
        if not replies or not replies[-1].whole:
            return False
        last = words(self.last_item)
        return not last or words(" ".join(one.text for one in replies))[-len(last) :] == last

    def sounded(self, stretches: list[Stretch], start: float, end: float) -> None:
        """Note that a side has spoken, without a gap to what it said right before."""
        if stretches and start - stretches[-1].end < PAUSE_SECONDS:
            stretches[-1].end = end
        else:
            stretches.append(Stretch(start, end))

    def called(self, name: str, arguments: str, call_id: str, time: float) -> None:
        """Note a call of a tool.

        Args:
            name: The tool.
            arguments: The arguments as JSON text.
            call_id: The id of the call.
            time: When.
        """
        try:
            given = json.loads(arguments)
        except ValueError:
            given = None
        moment = self.add(Moment("tool", f"{name} {arguments}", time, time, whole=False))
        found = given if isinstance(given, dict) else {}
        self.tools.append(ToolCall(name, found, call_id, time, moment))

    def answered(self, call_id: str, output: str, time: float) -> None:
        """Note that the app has answered a call of a tool."""
        for tool in self.tools:
            if tool.call_id == call_id:
                tool.answers.append(output)
                tool.moment.end, tool.moment.whole = time, True
                if len(tool.answers) > 1:
                    tool.moment.note = f"answered {len(tool.answers)} times"

    def refused(self, call_id: str, output: str) -> None:
        """Remove an output of a tool that the service has refused."""
        for tool in self.tools:
            if tool.call_id == call_id and output in tool.answers:
                tool.answers.remove(output)
                tool.moment.whole = bool(tool.answers)
                tool.moment.note = "an answer was refused"

    def uses(self, name: str, arguments: Mapping[str, Any]) -> Sequence[ToolCall]:
        """Return the calls of a tool whose arguments include these."""
        return [
            one
            for one in self.tools
            if one.name == name
            and all(
                key in one.arguments
                and one.arguments[key] == value
                and isinstance(one.arguments[key], bool) == isinstance(value, bool)  # true is not 1
                for key, value in arguments.items()
            )
        ]

    def latency(self, now: float) -> Latency:
        """Return the latencies so far.

        Args:
            now: The time until which the call is judged.
        """
        first, barge_in, talk_over = [], [], []
        if self.app_spoke and not any(one.start < self.app_spoke[0].start for one in self.caller_spoke):
            first.append(self.app_spoke[0].start)
        for number, said in enumerate(self.caller_spoke):
            following = self.caller_spoke[number + 1 :]
            until = following[0].start if following else math.inf
            # An app that is slow to stop may still say then what was interrupted.
            later = (one for one in self.app_spoke if one.start >= said.start or not said.interrupts)
            reply = next((one for one in later if one.end > said.end), None)
            if reply is not None and said.end <= reply.start < until and not said.aside:
                first.append(reply.start - said.end)
            for one in self.app_spoke:
                both = min(one.end, said.end) - max(one.start, said.start)
                if both > 0:
                    talk_over.append(both)
                    if said.interrupts and one.start < said.start:
                        barge_in.append(one.end - said.start)
        return Latency(
            first_audio=_rounded(first),
            barge_in=_rounded(barge_in),
            talk_over=_rounded(talk_over),
            dead_air=_rounded(list(self._dead_air(now))),
        )

    def _dead_air(self, now: float) -> Iterator[float]:
        known = sorted(
            [*self.caller_spoke, *self.app_spoke, *self.silences, Stretch(now, now)],
            key=lambda stretch: stretch.start,
        )
        end = 0.0
        for one in known:
            if one.start - end >= DEAD_AIR_SECONDS:
                yield one.start - end
            end = max(end, one.end)

    def text(self) -> str:
        """Return the conversation as lines, for people."""
        lines = []
        for one in self.moments:
            note = f"  [{one.note}]" if one.note else ""
            broken = "" if one.whole else " … [not answered]" if one.who == "tool" else " … [cut off]"
            lines.append(f"  {one.start:7.2f}  {one.who:6}  {one.text}{broken}{note}")
        return "\n".join(lines) or "  (nothing was said)"


def _rounded(times: Sequence[float]) -> Times:
    return Times([round(time, 3) for time in times])


def words(text: str) -> list[str]:
    """Return the words of a text for comparison: without case, marks and accents of writing."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def find(wanted: Sequence[str], said: Sequence[str], *, is_fuzzy: bool) -> int | None:
    """Return the place after words in others; None if they are not there.

    Args:
        wanted: The words that are looked for.
        said: The words that were said.
        is_fuzzy: Whether similar words count, too.
    """
    size = len(wanted)
    for start in range(len(said) - size + 1):
        if list(said[start : start + size]) == list(wanted):
            return start + size
    if not is_fuzzy or not said:
        return None
    text = " ".join(wanted)
    best, place = 0.0, 0
    for length in range(max(1, size - 2), size + 3):
        for start in range(max(1, len(said) - length + 1)):
            part = said[start : start + length]
            ratio = SequenceMatcher(None, text, " ".join(part), autojunk=False).ratio()
            if ratio > best:
                best, place = ratio, start + len(part)
    return place if best >= _FUZZY else None
