"""A session as a scenario, so that a program meets the same answers again, and two sessions compared."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any

import attrs
import yaml

from realtime_simulator._engine.config import TRANSLATION
from realtime_simulator._engine.conversation import words_of
from realtime_simulator._engine.turn import Delegate, Say
from realtime_simulator._recordings.steps import Message
from realtime_simulator._records.session import SessionEvent, SessionRecord, event_view, kind_of
from realtime_simulator._scenario import live_script
from realtime_simulator._server.player import MADE_UP, differences
from realtime_simulator.scrub import Scrubber

MAX_COMPARED = 1_000
"""The client events of each session that are compared; sound that is appended in a row counts as one."""
_HEARD = "conversation.item.input_audio_transcription"
_APPENDED = ("input_audio_buffer.append", "session.input_audio_buffer.append", "session.input_audio.append")
_PAUSE_MS = 600
"""Words of the model that are further apart belong to two utterances."""
_IDS = ("id", "item_id", "call_id", "delegation_id", "previous_item_id", "response_id", "approval_request_id")
"""Fields whose values are new in each session."""


def scenario(session: SessionRecord, base_url: str) -> str:
    """Return a scenario with a session's answers, the user's words, and a phone call's caller.

    Answers keep their order, and not their timing.

    Args:
        session: The session.
        base_url: The simulator's address; a scenario has none.

    Raises:
        ValueError: It is a translation, or its events are no longer kept.
    """
    kind = kind_of(session.config)
    if kind == TRANSLATION:
        raise ValueError("a translation session has no answers to replay; other sessions have")
    if not session.events:
        raise ValueError(f"the events of the session {session.id!r} are no longer kept")
    scrub = Scrubber()
    sent = [(one.time, scrub.value(one.event)) for one in session.events if one.direction == "sent"]
    events = [event for _, event in sent]
    content: dict[str, Any] = {}
    if kind == "live":
        content = _live(session)
        return str(yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=100))
    if heard := _heard(events):
        content["heard"] = heard
    if steps := [_step(response) for response in _responses(events)]:
        content["responses"] = [{"steps": steps}]
    if session.transport == "sip" and (acts := list(_acts(session, sent))):
        content["caller"] = acts
    return str(yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=100))


def _live(session: SessionRecord) -> dict[str, Any]:
    """Return a Live session as a scenario: what the user says, what the model does along the timeline, and
    the answers of its backend."""
    scrub = Scrubber()
    messages = [
        Message(
            pointer="",
            direction="sent" if one.direction == "received" else "received",
            data=scrub.value(one.event),
        )
        for one in session.events
    ]
    heard = list(live_script.read(messages).said.words)
    timeline: list[dict[str, Any]] = []
    end = -math.inf
    for place, at, action in live_script.cues(messages):
        if isinstance(action, Delegate):
            timeline.append({"at": at / 1000, "delegate": True})
        elif isinstance(action, Say):
            if at <= end + _PAUSE_MS and "say" in timeline[-1]:
                timeline[-1]["say"] += action.text
            else:
                timeline.append({"at": at / 1000, "say": action.text})
            end = messages[place].data["end_ms"]
    answers: list[list[dict[str, Any]]] = []
    for event in map(live_script.nested, messages):
        if event.get("type") == "response.created":
            answers.append([])
        elif event.get("type") == "response.output_item.done" and answers:
            answers[-1] += _action(event["item"])
        elif event.get("type") == "response.failed" and answers:
            error = event["response"].get("error") or {}
            answers[-1].append({"fail": str(error.get("code") or "server_error")})
    content: dict[str, Any] = {"heard": heard} if heard else {}
    content["timeline"] = timeline
    if steps := [actions[0] if len(actions) == 1 else {"all": actions} for actions in answers if actions]:
        content["responses"] = [{"steps": steps}]
    return content


def _heard(events: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the words of the user's audio, turn by turn; none if there are no transcripts."""
    words: dict[str, Any] = {}
    for event in events:
        if event["type"] == f"{_HEARD}.completed":
            words[event["item_id"]] = event["transcript"]
        elif event["type"] == f"{_HEARD}.failed":
            error = event["error"]
            code = {"code": error["code"]} if error.get("code") else {}
            words[event["item_id"]] = {"fail": str(error.get("message")), **code}
    spoken = [
        event["item"]["id"]
        for event in events
        if event["type"] == "conversation.item.added"
        and any(part.get("type") == "input_audio" for part in event["item"].get("content") or ())
    ]
    return [words.get(item_id, "(speech)") for item_id in spoken] if words else []


def _responses(events: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the responses in the order in which they began; of an unfinished one, what was done of it."""
    shown: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["type"] in ("response.created", "response.done"):
            shown[event["response"]["id"]] = event["response"]
        elif event["type"] == "response.output_item.done" and event["response_id"] in shown:
            response = shown[event["response_id"]]
            shown[event["response_id"]] = {**response, "output": [*response["output"], event["item"]]}
    yield from shown.values()


def _step(response: Mapping[str, Any]) -> dict[str, Any]:
    """Return a response as a step of a scenario."""
    actions = [action for item in response["output"] for action in _action(item)]
    if response.get("status") == "failed":
        error = (response.get("status_details") or {}).get("error") or {}
        message = {"message": error["message"]} if error.get("message") else {}
        actions.append({"fail": str(error.get("code") or "server_error"), **message})
    return actions[0] if len(actions) == 1 else {"all": actions or [{"say": ""}]}


def _action(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    match item.get("type"):
        case "message":
            yield {"say": "".join(words_of(item))}
        case "function_call":
            yield {"call_tool": item["name"], "arguments": item["arguments"]}
        case "mcp_call" | "mcp_approval_request":
            call = {"call_mcp": item["server_label"], "name": item["name"], "arguments": item["arguments"]}
            error = {"error": str(item["error"].get("message"))} if item.get("error") else {}
            yield {**call, "output": item.get("output") or "", **error}


def _acts(
    session: SessionRecord, sent: Sequence[tuple[float, Mapping[str, Any]]]
) -> Iterator[dict[str, Any]]:
    """Yield the keys that a phone call's caller pressed, and that they hung up."""
    last = begun = session.events[0].time
    for time, event in sent:
        if event["type"] == "input_audio_buffer.dtmf_event_received":
            yield {"press": event["event"], "delay": round(max(0.0, time - last), 2)}
            last = time
    if session.ended == "peer":
        # The line has sound, or silence, until its end.
        ended = max(last, begun + session.received_audio_seconds)
        yield {"hang_up": True, "delay": round(ended - last, 2)}


# Comparison


@attrs.frozen
class _Sent:
    """A client event, or several appends of sound in a row.

    Args:
        event: The event; of several the first.
        count: How many they are.
        value: What is compared of it: without ids, which are new each time, and without sound.
    """

    event: SessionEvent
    count: int
    value: Mapping[str, Any]

    @property
    def kind(self) -> tuple[str, ...]:
        item = self.value.get("item")
        of_item = (item.get("type"), item.get("role")) if isinstance(item, Mapping) else ()
        return tuple(map(str, (self.value.get("type"), *of_item)))

    def view(self) -> dict[str, Any]:
        return {**event_view(self.event), "count": self.count}


def compare(before: SessionRecord, after: SessionRecord) -> dict[str, Any]:
    """Return the client events of two sessions side by side, with their differences.

    Args:
        before: One session.
        after: The other.

    Returns:
        `rows`, each with `before` and `after`, of which one may be None, and `differences` as texts; `cut`:
        whether there are more events than are compared.
    """
    one, other = list(_client_events(before)), list(_client_events(after))
    is_cut = max(len(one), len(other)) > MAX_COMPARED
    one, other = one[:MAX_COMPARED], other[:MAX_COMPARED]
    rows = [
        {
            "before": None if was is None else was.view(),
            "after": None if now is None else now.view(),
            "differences": [] if was is None or now is None else list(differences(was.value, now.value)),
        }
        for was, now in _aligned(one, other)
    ]
    return {"rows": rows, "cut": is_cut}


def _client_events(session: SessionRecord) -> Iterator[_Sent]:
    received = (one for one in session.events if one.direction == "received")
    for kind, group in groupby(received, key=lambda one: one.event.get("type")):
        events = list(group)
        if kind in _APPENDED:
            yield _Sent(events[0], len(events), {"type": kind})
        else:
            for event in events:
                value = {key: value for key, value in event.event.items() if key != "event_id"}
                yield _Sent(event, 1, _without_ids(value))


def _without_ids(value: Any) -> Any:
    """Return a value with one placeholder for all ids, and for what looks like one in metadata."""
    if isinstance(value, Mapping):
        return {key: "…" if _is_id(key, inner) else _without_ids(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_ids(inner) for inner in value]
    return "…" if isinstance(value, str) and MADE_UP.fullmatch(value) else value


def _is_id(key: str, value: Any) -> bool:
    return key in _IDS and isinstance(value, str) and value != "root"


def _aligned(one: Sequence[_Sent], other: Sequence[_Sent]) -> Iterator[tuple[_Sent | None, _Sent | None]]:
    """Yield pairs: equal events first, then those of a kind between them; others have no counterpart."""
    texts = [[json.dumps(sent.value, sort_keys=True) for sent in side] for side in (one, other)]
    for how, a, b, c, d in SequenceMatcher(None, texts[0], texts[1], autojunk=False).get_opcodes():
        if how == "equal":
            yield from zip(one[a:b], other[c:d], strict=True)
        else:
            yield from _of_a_kind(one[a:b], other[c:d])


def _of_a_kind(one: Sequence[_Sent], other: Sequence[_Sent]) -> Iterator[tuple[_Sent | None, _Sent | None]]:
    kinds = [[sent.kind for sent in side] for side in (one, other)]
    for how, a, b, c, d in SequenceMatcher(None, kinds[0], kinds[1], autojunk=False).get_opcodes():
        if how == "equal":
            yield from zip(one[a:b], other[c:d], strict=True)
        else:
            yield from ((sent, None) for sent in one[a:b])
            yield from ((None, sent) for sent in other[c:d])
