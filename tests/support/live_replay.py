"""Play a recording of a Live session to the client: `python -m tests.support.live_replay FILE…`.

Recordings are JSON lines as `realtime-simulator conform` reads them. Each event of the service must have a
class, and the client's transcript, usage and function calls must be those of the recording.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from realtime_ext.connection._state.connect_plan import Role
from realtime_ext.connection._state.function_calls import CallJob, FollowUpJob
from realtime_ext.connection._state.live import LiveState
from realtime_ext.connection._state.messages import read_message
from realtime_ext.events import UnknownEvent

Lines = Sequence[dict[str, Any]]
_ENDS = ("response.completed", "response.incomplete", "response.failed")


def messages(lines: Lines, direction: str = "s2c") -> Iterator[dict[str, Any]]:
    """Yield what one side sent, with made-up audio and ids where the recording has none."""
    for number, line in enumerate(lines):
        data = line.get("data")
        if not isinstance(data, dict):
            continue
        if "$interleaved_audio" in data and direction == "s2c":
            audio = base64.b64encode(bytes(4800)).decode()
            for _ in range(data["s2c"] if isinstance(data["s2c"], int) else 1):
                yield {"type": "session.output_audio.delta", "delta": audio}
        elif line["dir"] == direction:
            count, one = data.get("$repeat", 1), data.get("of", data)
            for _ in range(count):
                yield _filled(one, f"event_unread_{number}")


def _filled(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [_filled(one, name) for one in value]
    if not isinstance(value, dict):
        return value
    if "$audio_bytes" in value:
        return base64.b64encode(bytes(value["$audio_bytes"])).decode()
    if any(key.startswith("$") for key in value):
        return name
    return {key: _filled(one, name) for key, one in value.items()}


def differences(lines: Lines) -> list[str]:
    """Play a recording to a connection's state; return what is not as recorded."""
    found: list[str] = []
    state = LiveState(Role(kind="live", plays=False), id_prefix="replay")
    backend = state.live.backend
    backend.register_tools(lambda: None)
    sent = list(messages(lines))
    for number, content in enumerate(sent):
        _, event, size = read_message(json.dumps(content), is_live=True)
        if isinstance(event, UnknownEvent):
            found.append(f"event {number} ({content.get('type')}) has no class: {event.reason}")
        state.apply(content, event, size)
        while state.queue.take() is not None:
            pass
    found += _compared("words", _words(sent), _heard(state))
    nested = [one["event"] for one in sent if one.get("type") == "response.event"]
    usages = [one["response"]["usage"] for one in nested if one["type"] in _ENDS]
    counted = [usage for usage in usages if isinstance(usage, dict)]
    usage = state.live.usage
    for name in ("input_tokens", "output_tokens"):
        found += _compared(name, sum(one[name] for one in counted), getattr(usage, name))
    seconds = [one["usage"]["seconds"] for one in sent if isinstance(one.get("usage"), dict)]
    known = [float(one) for one in seconds if isinstance(one, int | float)]
    found += _compared("seconds", max(known, default=0.0), usage.seconds)
    return found + _calls(lines, state, nested)


def _calls(lines: Lines, state: LiveState, nested: list[dict[str, Any]]) -> list[str]:
    backend, items = state.live.backend, [one.get("item") or {} for one in nested if "item" in one]
    recorded = [
        (one["call_id"], one["name"], one["arguments"])
        for one in items
        if one.get("type") == "function_call" and one.get("status") == "completed"
    ]
    jobs = [job for job in iter(backend.next_job, None) if isinstance(job, CallJob)]
    found = _compared("calls", recorded, [(job.call_id, job.name, job.arguments) for job in jobs])
    theirs = [one for one in messages(lines, "c2s") if one["type"] == "response.item.create"]
    answered = [one["item"] for one in theirs if one["item"]["type"] == "function_call_output"]
    ours = [backend.output(job, item["output"]) for job, item in zip(jobs, answered, strict=False)]
    found += _compared("outputs", [{"type": "response.item.create", "item": one} for one in answered], ours)
    for job in jobs:
        backend.answered(job, silent=False)
    follow_ups = [job for job in iter(backend.next_job, None) if isinstance(job, FollowUpJob)]
    if answered:
        found += _compared("requests to go on", len({job.response_id for job in jobs}), len(follow_ups))
    return found


def _words(sent: list[dict[str, Any]]) -> dict[str, str]:
    """Return what each side said, without spaces: pauses have none in the recording."""
    sides = {"user": "session.input_transcript.delta", "assistant": "session.output_transcript.delta"}
    return {
        side: "".join("".join(one["delta"] for one in sent if one.get("type") == kind).split())
        for side, kind in sides.items()
    }


def _heard(state: LiveState) -> dict[str, str]:
    lines = state.live.transcript
    return {
        side: "".join("".join(one.text for one in lines if one.speaker == side).split())
        for side in ("user", "assistant")
    }


def _compared(what: str, recorded: object, ours: object) -> list[str]:
    return [] if recorded == ours else [f"{what}: recorded {recorded!r}, got {ours!r}"]


def main(paths: Sequence[str]) -> int:
    """Play files; return how many differ."""
    count = 0
    for path in map(Path, paths):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        found = differences(lines)
        print(f"{path.name}: {len(list(messages(lines)))} messages of the service, {len(found)} differences")
        for one in found:
            print(f"  {one}")
        count += bool(found)
    return count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
