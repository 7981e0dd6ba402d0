"""What `conform` notices beside the kinds of events: values that cannot be, and small changes anywhere."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from realtime_simulator import Simulator, call_tool, speech
from realtime_simulator._conformance.comparison import Bindings, Comparison, Expected
from realtime_simulator._consistency import faults
from realtime_simulator._recordings import recording
from realtime_simulator._recordings.steps import Message

from tests.simulator.mutations import mutated
from tests.simulator.wire import Socket
from tests.support.paths import ROOT
from tests.support.rows import each

SAMPLES = sorted((ROOT / "tests" / "samples" / "recordings").glob("*.yaml"))
NOW = 1_800_000_000
SPOKEN = "Good morning, how are you?"
LOOK = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
Events = list[dict[str, Any]]


def session() -> Events:
    """All events of a spoken turn and a tool call."""
    with Simulator(pacing="none", clock=NOW) as sim, Socket(sim) as socket:
        sim.on_speech(lambda heard: SPOKEN if heard.finished else None)
        sim.on_response(["Fine.", call_tool("look", {"at": "it"})])
        detection = {"type": "server_vad", "silence_duration_ms": 1_500}
        heard = {"transcription": {"model": "gpt-realtime-whisper"}, "turn_detection": detection}
        socket.send(
            "session.update",
            session={"type": "realtime", "tools": [LOOK], "audio": {"input": heard}},
        )
        sound = bytes(48_000) + speech(SPOKEN) + bytes(96_000)
        for start in range(0, len(sound), 9_600):
            socket.send(
                "input_audio_buffer.append", audio=base64.b64encode(sound[start : start + 9_600]).decode()
            )
        socket.until("response.done")
        socket.until("rate_limits.updated")
        return socket.events


@pytest.fixture(scope="module")
def events() -> Events:
    return session()


def found(events: Events) -> list[str]:
    return [what for _, what in faults(events, now=NOW, sent_ms=60_000)]


def of(events: Events, kind: str) -> dict[str, Any]:
    return next(event for event in events if event["type"] == kind)


def test_a_session_of_the_simulator_has_no_fault(events: Events) -> None:
    assert found(events) == []
    assert {"response.output_audio.delta", "response.function_call_arguments.done"} <= {
        event["type"] for event in events
    }


def banana(events: Events) -> None:
    for event in events:
        if "delta" in event and "audio.delta" not in event["type"]:
            event["delta"] = "banana"


def after_done(events: Events) -> None:
    kinds = [event["type"] for event in events]
    first = kinds.index("response.output_audio_transcript.delta")
    events.insert(kinds.index("response.output_audio_transcript.done"), events.pop(first))


def one_id(events: Events) -> None:
    for event in events:
        event["event_id"] = "event_1"


def doubled(events: Events) -> None:
    place = [event["type"] for event in events].index("response.output_audio.delta")
    events.insert(place, {**events[place], "event_id": "event_more"})


def other_item(events: Events) -> None:
    of(events, "response.content_part.done")["item_id"] = "item_other"


def of_usage(key: str, value: int) -> Callable[[Events], None]:
    def change(events: Events) -> None:
        of(events, "response.done")["response"]["usage"][key] = value

    return change


def of_event(kind: str, key: str, value: Any) -> Callable[[Events], None]:
    def change(events: Events) -> None:
        of(events, kind)[key] = value

    return change


@each(
    "change, what",
    [
        (banana, "'banana"),
        (of_event("response.output_audio.delta", "delta", "no base64!"), "not base64"),
        (after_done, "delta after the end"),
        (one_id, "the event_id 'event_1' twice"),
        (of_usage("total_tokens", 7), "total_tokens 7"),
        (of_usage("input_tokens", -3), "input_tokens -3"),
        (of_event("input_audio_buffer.speech_started", "audio_start_ms", 999_999), "audio_start_ms 999999"),
        (lambda events: events[0]["session"].update(expires_at=NOW - 60), "expired 60 s ago"),
        (lambda events: events[2]["session"].update(id="sess_other"), "the session's id 'sess_other'"),
        (other_item, "the item item_other"),
        (doubled, "the same audio twice"),
        (of_event("response.function_call_arguments.done", "arguments", "{"), "after deltas of"),
        (lambda events: events.remove(of(events, "response.created")), "the unknown response"),
        (of_event("input_audio_buffer.speech_stopped", "audio_end_ms", 0), "audio_end_ms 0 after"),
        (
            lambda events: of(events, "rate_limits.updated")["rate_limits"][0].update(remaining=10**9),
            "remaining",
        ),
    ],
)
def test_contradictions_are_reported(events: Events, change: Callable[[Events], None], what: str) -> None:
    changed = copy.deepcopy(events)
    if what.startswith("the session's"):
        changed.insert(2, copy.deepcopy(of(changed, "session.updated") | {"event_id": "event_again"}))
    change(changed)
    assert any(what in fault for fault in found(changed)), found(changed)


def test_malformed_events_do_not_crash_the_check(events: Events) -> None:
    odd = [{**event, key: 7} for event in events for key in event if key != "type"]
    assert found(odd)


def noticed(expected: Sequence[Expected], actual: Events) -> bool:
    comparison = Comparison(Bindings(), "openai")
    comparison.events(expected, actual)
    return bool(comparison.differences or list(faults(actual)))


@pytest.mark.slow
@pytest.mark.weekly
def test_nineteen_of_twenty_small_changes_are_noticed() -> None:
    missed, made = [], 0
    for path in SAMPLES:
        for one in recording.read(path):
            received = [
                step
                for step in one.steps
                if isinstance(step, Message) and step.direction == "received" and step.type
            ]
            events = [dict(step.data) for step in received]
            expected = [Expected(pointer=step.pointer, event=step.data) for step in received]
            assert not noticed(expected, events)
            changes = [change for seed in range(100) if events and (change := mutated(events, seed))]
            here = [f"{path.stem}: {what}" for what, changed in changes if not noticed(expected, changed)]
            # Of a translation, the deltas are nearly all that there is, and no end of a text sums them up.
            assert len(here) <= 0.25 * len(changes), here
            missed, made = [*missed, *here], made + len(changes)
    assert made > 1_200
    assert len(missed) <= 0.05 * made, missed
