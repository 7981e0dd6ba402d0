"""What a scenario expects of an app, and the metrics of a call, in the words of OpenAI's Cookbook. No I/O.

The Cookbook evaluates voice agents by scenarios in JSON (schema 1.0), and defines the metrics' names and
rules (`metrics_version` 2.0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

from realtime_simulator._rehearsal.conversation import Conversation, Stretch, ToolCall, words
from realtime_simulator._rehearsal.usage import Usage

Delegation = Literal["required", "forbidden", "optional"]
METRICS_VERSION = "2.0"
DEADLINE_SECONDS = 5.0
"""A reply that begins later does not answer a request."""


@attrs.frozen(kw_only=True)
class ExpectedTool:
    """A call of a tool that an app must, or must not, make.

    Args:
        name: The tool.
        arguments: Arguments; the call may have others.
        must_complete: Whether only a call that the app has answered is the one which it must make.
    """

    name: str
    arguments: Mapping[str, Any] = attrs.field(factory=dict)
    must_complete: bool = True

    def matches(self, call: ToolCall) -> bool:
        """Return whether a call is meant, answered or not."""
        return call.name == self.name and is_included(dict(self.arguments), dict(call.arguments))

    def is_met_by(self, call: ToolCall) -> bool:
        """Return whether a call is the one that the app must make."""
        return self.matches(call) and (bool(call.answers) or not self.must_complete)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in self.arguments.items())})"


@attrs.frozen(kw_only=True)
class Expected:
    """What a scenario expects of an app.

    Args:
        required: Calls of tools that it must make, each by a call of its own.
        prohibited: Calls that it must not make.
        delegation: Whether a Live session must delegate.
        state: What the app's state must have at the end.
        turns: How many turns of both sides a good conversation has; 0 if that is not known.
        delegations: How many delegations it has; None if that is not known.
    """

    required: Sequence[ExpectedTool] = ()
    prohibited: Sequence[ExpectedTool] = ()
    delegation: Delegation = "optional"
    state: Mapping[str, Any] = attrs.field(factory=dict)
    turns: int = 0
    delegations: int | None = None

    def problems(
        self, calls: Sequence[ToolCall], delegations: int | None, state: Mapping[str, Any] | None
    ) -> list[str]:
        """Return what an app did not do as expected, a line each.

        Args:
            calls: The calls of tools.
            delegations: How often the session delegated; None for a session that can't.
            state: The app's state at the end; None if it isn't known.
        """
        found = [f"{self.required[number]} was not called" for number in self._missing(calls)]
        found += [f"{one} must not be called" for one in self.prohibited if any(map(one.matches, calls))]
        if delegations is not None and not self._delegates_well(delegations):
            found.append(f"delegation is {self.delegation}, and there were {delegations}")
        if state is not None:
            found += [
                f"the state has {name}={state.get(name)!r}, expected {value!r}"
                for name, value in self.state.items()
                if name not in state or not is_included(value, state[name])
            ]
        return found

    def metrics(self, calls: Sequence[ToolCall], delegations: int | None, turns: int) -> dict[str, Any]:
        """Return how well tools and delegations were used."""
        matched = len(self.required) - len(self._missing(calls))
        most = max(len(self.required), len(calls))
        is_clean = not any(one.matches(call) for one in self.prohibited for call in calls)
        return {
            "tool_accuracy": (matched / most if most else 1.0) if is_clean else 0.0,
            "tool_calls": {"actual": len(calls), "expected": len(self.required)},
            "delegation_accuracy": (
                None if delegations is None else float(self._delegates_well(delegations))
            ),
            "delegations": {"actual": delegations, "expected": self.delegations},
            "turns": {"actual": turns, "expected": self.turns or None},
        }

    def _delegates_well(self, delegations: int) -> bool:
        return self.delegation == "optional" or (self.delegation == "required") == (delegations > 0)

    def _missing(self, calls: Sequence[ToolCall]) -> Sequence[int]:
        """Return which required calls were not made, if as many as possible have one of their own."""
        taken: dict[int, int] = {}  # call → the required one that it is

        def find(number: int, seen: set[int]) -> bool:
            for at, call in enumerate(calls):
                if at not in seen and self.required[number].is_met_by(call):
                    seen.add(at)
                    if at not in taken or find(taken[at], seen):
                        taken[at] = number
                        return True
            return False

        return [number for number in range(len(self.required)) if not find(number, set())]


def is_included(wanted: Any, found: Any) -> bool:
    """Return whether a JSON value has what is wanted.

    Objects may have more fields; lists have the same length; texts are compared by their words, without case
    and punctuation; true is not 1.
    """
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            key in found and is_included(value, found[key]) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and len(wanted) == len(found) and all(map(is_included, wanted, found))
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, str) and isinstance(found, str):
        return words(wanted) == words(found) if words(wanted) else wanted == found
    return bool(wanted == found)


def audio_metrics(conversation: Conversation, now: float) -> dict[str, Any]:
    """Return how the two sides of a call took turns.

    Args:
        conversation: The call.
        now: Until when it was observed, in seconds.
    """
    said, app = conversation.caller_spoke, conversation.app_spoke
    requests = [one for one in said if not one.aside]
    closing = requests[-1] if requests and conversation.is_closed_by_caller else None
    answered, late, exclusions = list[float](), 0, dict[str, int]()
    missed = censored = 0
    for number, one in enumerate(requests):
        following = requests[number + 1].start if number + 1 < len(requests) else None
        if one is closing:
            exclusions["caller_closing"] = exclusions.get("caller_closing", 0) + 1
            continue
        if any(reply.start < one.end <= reply.end for reply in app):
            exclusions["assistant_active_at_request_end"] = (
                exclusions.get("assistant_active_at_request_end", 0) + 1
            )
            continue
        first = next((reply.start for reply in app if reply.start >= one.end), None)
        if first is not None and following is not None and first > following:
            first = None
        if first is not None and first - one.end <= DEADLINE_SECONDS:
            answered.append(first - one.end)
        elif first is None and following is None and now - one.end < DEADLINE_SECONDS:
            censored += 1
        else:
            missed += 1
            late += first is not None
    asides = len(said) - len(requests)
    if asides:
        exclusions["backchannel"] = asides
    total = len(answered) + missed
    interruptions = sum(any(one.start < reply.start < one.end for reply in app) for one in requests)
    return {
        "metrics_version": METRICS_VERSION,
        "response_deadline_ms": DEADLINE_SECONDS * 1000,
        "response_rate": len(answered) / total if total else None,
        "response_latency_ms": _ms(sum(answered) / len(answered)) if answered else None,
        "response_opportunities": {
            "caller_turn_count": len(said),
            "response_eligible_count": total + censored,
            "response_excluded_count": len(said) - total - censored,
            "response_count": len(answered),
            "no_response_count": missed,
            "response_late_count": late,
            "response_censored_count": censored,
            "response_total": total,
        },
        "response_exclusion_reasons": exclusions,
        "interruption_rate": interruptions / total if total else None,
        "speaking_duration_ms": _durations([one.end - one.start for one in app]),
        "floor_hold_silence_ms": _durations(_silences(conversation)),
    }


def consumption(usage: Usage) -> dict[str, Any]:
    """Return what a call has used, as far as the service counts it."""
    return {
        "total_tokens": usage.total_tokens,
        "input": {"total_tokens": usage.input_tokens, "cached_tokens": usage.cached_tokens},
        "output": {"total_tokens": usage.output_tokens},
        "audio_duration_ms": _ms(usage.seconds) if usage.seconds else None,
        "cost": None if usage.cost is None else float(usage.cost),
    }


def _silences(conversation: Conversation) -> Sequence[float]:
    """Return how long both sides were silent, each time, while a tool worked."""
    voiced = [*conversation.caller_spoke, *conversation.app_spoke]
    works = [Stretch(one.moment.start, one.moment.end) for one in conversation.tools if one.answers]
    found = []
    for work in _union(works):
        at = work.start
        for one in _union(voiced):
            if one.end > at and one.start < work.end:
                if one.start > at:
                    found.append(one.start - at)
                at = max(at, one.end)
        if at < work.end:
            found.append(work.end - at)
    return found


def _union(stretches: Sequence[Stretch]) -> Sequence[Stretch]:
    joined: list[Stretch] = []
    for one in sorted(stretches, key=lambda stretch: stretch.start):
        if joined and one.start <= joined[-1].end:
            joined[-1] = Stretch(joined[-1].start, max(joined[-1].end, one.end))
        else:
            joined.append(Stretch(one.start, one.end))
    return joined


def _durations(seconds: Sequence[float]) -> dict[str, float]:
    return {"cumulative": _ms(sum(seconds)), "maximum": _ms(max(seconds, default=0.0))}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
