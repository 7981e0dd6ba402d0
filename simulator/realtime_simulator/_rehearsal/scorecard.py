"""The scorecard of a rehearsal: what each call did, as a table, JSON, JUnit's XML and HTML."""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal
from xml.etree import ElementTree

import attrs

from realtime_simulator._rehearsal import sound
from realtime_simulator._rehearsal.conversation import Latency, Moment, Times
from realtime_simulator._rehearsal.usage import Usage

Status = Literal["passed", "failed", "lost", "invalid"]
_NAME = "realtime rehearsal"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WORSE_SHARE, _WORSE_SECONDS = 0.2, 0.1
_WORSE_TOKENS = 0.1
_MOST_SOUNDS = 40
_SHOWN_PEAK = 0.01
_PIXELS = 40  # for each second of a timeline
_ROWS = {"app": 0, "caller": 1, "tool": 2, "keys": 2, "end": 2}
_COLOURS = {"app": "#2f6f9f", "caller": "#3a7d2c", "tool": "#8a5a00", "keys": "#6b3fa0", "end": "#b3261e"}


@attrs.frozen(kw_only=True)
class Outcome:
    """The result of one call.

    Args:
        name: The script.
        status: `passed`, `failed`, `lost` if the call was not answered or failed by itself, or `invalid` if
            the caller did not do what it should.
        failure: The failed expectation; empty if it passed.
        seconds: How long the call lasted.
        usage: Its usage and cost.
        answers: How often an app accepted the call; it is doubled if more than once.
        latency: Its latencies.
        moments: What was said and done.
        sound: The audio of both sides, PCM16 stereo at 8 kHz; empty unless it is kept.
        metrics: How it went, in the words of the Cookbook.
        caller: The caller, for further checks.
    """

    name: str
    status: Status
    failure: str = ""
    seconds: float = 0.0
    usage: Usage = attrs.field(factory=Usage)
    answers: int = 1
    latency: Latency
    moments: Sequence[Moment] = attrs.field(factory=tuple, repr=False)
    sound: bytes = attrs.field(default=b"", repr=False)
    metrics: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    caller: Any = attrs.field(default=None, repr=False)

    @property
    def problem(self) -> str:
        """Why it did not pass, or was answered more than once; empty if it passed."""
        if self.status == "passed" and self.answers > 1:
            return f"the call was answered {self.answers} times"
        return self.failure or ("" if self.status == "passed" else self.status)


class Scorecard:
    """The outcomes of calls.

    Args:
        outcomes: The outcomes, in the order of the calls.
    """

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self._outcomes = tuple(outcomes)

    def __repr__(self) -> str:
        return f"<Scorecard: {self.summary()}>"

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """The outcomes, in the order of the calls."""
        return self._outcomes

    @property
    def has_passed(self) -> bool:
        """Whether every call passed, and none was answered twice."""
        return not any(one.problem for one in self._outcomes)

    @property
    def latency(self) -> Latency:
        """The latencies of all calls together."""
        return Latency.of([one.latency for one in self._outcomes])

    def count(self, status: Status) -> int:
        """Return how many calls have a status."""
        return sum(one.status == status for one in self._outcomes)

    @property
    def doubled(self) -> int:
        """How many calls were answered more than once."""
        return sum(one.answers > 1 for one in self._outcomes)

    def summary(self) -> str:
        """Return one line: how many calls passed, were lost and doubled."""
        more = [
            f"{number} {what}"
            for number, what in (
                (self.count("lost"), "lost"),
                (self.doubled, "answered twice"),
                (self.count("invalid"), "invalid"),
            )
            if number
        ]
        return ", ".join([f"{self.count('passed')} of {len(self._outcomes)} calls passed", *more])

    def table(self) -> str:
        """Return the scorecard as lines: each script, with the failures of its calls, and the latencies."""
        lines = []
        width = max((len(one.name) for one in self._outcomes), default=0)
        for name in dict.fromkeys(one.name for one in self._outcomes):
            some = [one for one in self._outcomes if one.name == name]
            passed = sum(one.status == "passed" for one in some)
            state = "failed" if any(one.problem for one in some) else "passed"
            calls = "" if len(some) == 1 else f"  {passed} of {len(some)} calls"
            seconds = sum(one.seconds for one in some) / len(some)
            lines.append(f"{state:6}  {name:{width}}  {seconds:6.1f} s{calls}")
            for failure in dict.fromkeys(one.problem for one in some if one.problem):
                lines += [f"        {line}" for line in failure.splitlines()]
        lines.append(f"{'':{width + 8}}  {'count':>6} {'p50':>7} {'p95':>7} {'p99':>7} {'max':>7}")
        for name, times in _times(self.latency):
            if times:
                shown = " ".join(f"{value:7.2f}" for value in (times.p50, times.p95, times.p99, times.max))
                lines.append(f"{name:{width + 8}}  {len(times):6} {shown}")
        return "\n".join([*lines, *self._usage(), self.summary()])

    def _usage(self) -> Sequence[str]:
        """Return a line about what the calls used and cost; none if they used nothing."""
        usage = [one.usage for one in self._outcomes]
        used = []
        if tokens := sum(one.total_tokens for one in usage):
            used.append(f"{tokens} tokens")
        if seconds := sum(one.seconds for one in usage):
            used.append(f"{seconds / 60:.1f} minutes that are billed by time")
        if not used:
            return []
        missing = dict.fromkeys(name for one in usage for name in one.missing)
        if missing:
            used.append(f"cost unknown: no price for {', '.join(missing)}")
        elif costs := [one.cost for one in usage if one.cost is not None]:
            used.append(f"cost {sum(costs):.4f}, at most {max(costs):.4f} a call")
        return [f"used: {', '.join(used)}"]

    def as_dict(self) -> dict[str, Any]:
        """Return the scorecard as a JSON object."""
        return {
            "passed": self.count("passed"),
            "failed": self.count("failed"),
            "lost": self.count("lost"),
            "invalid": self.count("invalid"),
            "doubled": self.doubled,
            "latency": _latency(self.latency),
            "calls": [
                {
                    "name": one.name,
                    "status": one.status,
                    "failure": one.failure,
                    "seconds": round(one.seconds, 2),
                    "tokens": one.usage.total_tokens,
                    "cost": None if one.usage.cost is None else float(one.usage.cost),
                    "answers": one.answers,
                    "latency": _latency(one.latency),
                    "moments": [attrs.asdict(moment, value_serializer=_short) for moment in one.moments],
                }
                for one in self._outcomes
            ],
        }

    def as_json(self) -> str:
        """Return the scorecard as JSON text; it can be a baseline."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=False) + "\n"

    def as_junit(self) -> str:
        """Return the scorecard as JUnit XML."""
        errors = self.count("invalid")
        failures = sum(bool(one.problem) for one in self._outcomes) - errors
        suite = ElementTree.Element(
            "testsuite",
            name=_NAME,
            tests=str(len(self._outcomes)),
            failures=str(failures),
            errors=str(errors),
            time=f"{sum(one.seconds for one in self._outcomes):.3f}",
        )
        for one in self._outcomes:
            case = ElementTree.SubElement(
                suite, "testcase", classname=_NAME, name=one.name, time=f"{one.seconds:.3f}"
            )
            if one.problem:
                kind = "error" if one.status == "invalid" else "failure"
                found = ElementTree.SubElement(
                    case, kind, message=_for_xml(one.problem.partition("\n")[0]), type=one.status
                )
                found.text = _for_xml(one.problem)
        document: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
        return document.decode() + "\n"

    def as_html(self) -> str:
        """Return the scorecard as a self-contained page with a timeline of each call.

        If the audio was kept, there are waveforms, and the audio of up to 40 calls, failed ones first.
        """
        played = sorted(
            range(len(self._outcomes)), key=lambda index: self._outcomes[index].status == "passed"
        )
        heard = {*played[:_MOST_SOUNDS]}
        calls = "".join(_section(one, with_sound=index in heard) for index, one in enumerate(self._outcomes))
        rows = "".join(
            f"<tr><td>{name}</td><td>{len(times)}</td>"
            + "".join(f"<td>{_seconds(value)}</td>" for value in (times.p50, times.p95, times.p99, times.max))
            + "</tr>"
            for name, times in _times(self.latency)
        )
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{_NAME}</title>'
            f"<style>{_STYLE}</style>"
            f"<h1>{_text(self.summary())}</h1><table><tr><th>Seconds</th><th>Count</th><th>p50</th><th>p95</th>"
            f"<th>p99</th><th>Max</th></tr>{rows}</table>"
            f"{''.join(f'<p>{_text(line)}</p>' for line in self._usage())}{calls}</html>\n"
        )

    def worse_than(self, baseline: Mapping[str, Any]) -> Sequence[str]:
        """Return what got worse compared with another run, one line each.

        Scripts that passed and fail now; latencies whose 95th percentile is longer by more than a fifth and
        0.1 s; scripts that use a tenth more tokens, or cost a tenth more; calls that are lost or answered
        twice.

        Args:
            baseline: The other run, as `as_dict` returns it.

        Raises:
            ValueError: It is not a scorecard.
        """
        try:
            return list(self._worse(baseline))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("baseline: it is not the JSON of a rehearsal's scorecard") from error

    def _worse(self, baseline: Mapping[str, Any]) -> Sequence[str]:
        old_calls: dict[str, list[Mapping[str, Any]]] = {}
        for call in baseline["calls"]:
            old_calls.setdefault(call["name"], []).append(call)
        found = []
        for name in dict.fromkeys(one.name for one in self._outcomes):
            now = [one for one in self._outcomes if one.name == name]
            then = old_calls.get(name, [])
            passed = all(call["status"] == "passed" for call in then)
            if then and passed and (failed := next((one for one in now if one.failure), None)):
                found.append(f"{name}: it passed, and fails now: {failed.failure.splitlines()[0]}")
            tokens = sum(one.usage.total_tokens for one in now) / len(now)
            before = sum(call["tokens"] for call in then) / len(then) if then else math.inf
            if tokens > before * (1 + _WORSE_TOKENS):
                found.append(f"{name}: {tokens:.0f} tokens a call, {before:.0f} before")
            costs = [float(one.usage.cost) for one in now if one.usage.cost is not None]
            costs_before = [call["cost"] for call in then if call.get("cost") is not None]
            if costs and costs_before and _mean(costs) > _mean(costs_before) * (1 + _WORSE_TOKENS):
                found.append(f"{name}: a call costs {_mean(costs):.4f}, {_mean(costs_before):.4f} before")
        for name, times in _times(self.latency):
            old = baseline["latency"][name]["p95"]
            if old is not None and times.p95 > old * (1 + _WORSE_SHARE) and times.p95 > old + _WORSE_SECONDS:
                found.append(f"{name}: p95 is {times.p95:.2f} s, {old:.2f} s before")
        for what, number in (("lost", self.count("lost")), ("doubled", self.doubled)):
            if number > baseline[what]:
                found.append(f"calls that are {what}: {number}, {baseline[what]} before")
        return found


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _latency(latency: Latency) -> dict[str, Any]:
    def of(times: Times) -> dict[str, Any]:
        names = ("p50", "p95", "p99", "max")
        return {"count": len(times), **{name: getattr(times, name) if times else None for name in names}}

    return {name: of(times) for name, times in _times(latency)}


def _times(latency: Latency) -> Iterable[tuple[str, Times]]:
    return attrs.asdict(latency, recurse=False).items()


def _short(instance: object, attribute: object, value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value


_STYLE = (
    "body{font:16px sans-serif;margin:2em}td,th{padding:.2em .8em;text-align:left}pre{overflow:auto}"
    ".failed,.lost,.invalid{color:#b3261e}.line{overflow-x:auto}text{font:11px sans-serif;fill:#222}"
)


def _section(one: Outcome, *, with_sound: bool) -> str:
    """Return a call's part of the page."""
    failure = f"<pre>{_text(one.failure)}</pre>" if one.failure else ""
    audio = ""
    if one.sound and with_sound:
        data = base64.b64encode(sound.wav(one.sound)).decode()
        audio = f'<audio controls preload="none" src="data:audio/wav;base64,{data}"></audio>'
    return (
        f'<h2 class="{one.status}">{_text(one.name)}: {one.status}</h2>{failure}'
        f'<div class="line">{_timeline(one)}</div>{audio}'
    )


def _timeline(one: Outcome) -> str:
    """Return a call as SVG: a bar for what each side said, and marks for tools, keys and the end."""
    width = int(one.seconds * _PIXELS) + 160
    parts = []
    for second in range(0, int(one.seconds) + 1, 5):
        x = 60 + second * _PIXELS
        parts.append(f'<text x="{x}" y="10">{second} s</text><path d="M{x} 12V106" stroke="#ddd"/>')
    for row, name in enumerate(("app", "caller", "tools")):
        parts.append(f'<text x="0" y="{32 + row * 30}">{name}</text>')
    for moment in one.moments:
        left, y = 60 + moment.start * _PIXELS, 18 + _ROWS[moment.who] * 30
        length = max(3.0, (moment.end - moment.start) * _PIXELS)
        note = "" if moment.whole else " (cut off)"
        parts.append(
            f'<rect x="{left:.0f}" y="{y}" width="{length:.0f}" height="22" fill="{_COLOURS[moment.who]}" '
            f'opacity="{0.9 if moment.whole else 0.5}"><title>{_text(moment.text + note)} '
            f"({moment.start:.2f} s)</title></rect>"
        )
    if one.sound:
        step = sound.PEAK_SECONDS * _PIXELS
        lines = "".join(
            f"M{60 + index * step:.0f} {128 - peak * 20:.0f}v{peak * 40:.0f}"
            for index, peak in enumerate(sound.peaks(one.sound))
            if peak > _SHOWN_PEAK
        )
        parts.append(f'<path d="{lines}" stroke="#555"/>')
    height = 150 if one.sound else 110
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img" '
        f'aria-label="timeline of {_text(one.name)}">{"".join(parts)}</svg>'
    )


def _seconds(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _text(value: object) -> str:
    return html.escape(str(value))


def _for_xml(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)


REPORTS: Mapping[str, Callable[[Scorecard], str]] = {
    ".json": Scorecard.as_json,
    ".xml": Scorecard.as_junit,
    ".html": Scorecard.as_html,
}
"""The reports, by the ending of their files' names."""
FORMS = {"json": ".json", "junit": ".xml", "html": ".html"}
"""The reports that can be printed, by the names of their forms."""
