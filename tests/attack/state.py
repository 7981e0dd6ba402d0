"""The border where a server's events, in any order, meet what a connection knows and is asked."""

from __future__ import annotations

import contextlib
import json
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from realtime_ext.connection import Reconnect
from realtime_ext.connection._state.client_events import marked_response
from realtime_ext.connection._state.connect_plan import Role
from realtime_ext.connection._state.core import ConnectionState
from realtime_ext.connection._state.function_calls import ApprovalJob, CallJob, FollowUpJob
from realtime_ext.connection._state.messages import read_message
from realtime_ext.connection._state.reconnect import CloseInfo
from realtime_ext.errors import RealtimeError
from tests.attack.target import Target, plain, text_of
from tests.attack.texts import event_samples

__all__ = ["TARGETS"]

_ROLES = {
    "session": Role(model="gpt-realtime"),
    "sideband": Role(is_sideband=True, plays=False),
    "transcription": Role(kind="transcription", plays=False),
    "translation": Role(kind="translation", plays=False, model="gpt-realtime-translate"),
    "call": Role(plays=False, carries_audio=False),
}


LOST = CloseInfo.by_peer(1006, "lost", expiry=None)


def _send(state: ConnectionState, event: dict[str, Any]) -> None:
    state.sending(state.client_events.prepare(event))


def _ask(state: ConnectionState) -> None:
    state.role.require_responses("ask")
    stream = state.open_turn()
    item = {"type": "conversation.item.create", "item": {"type": "message"}}
    for content in (item, marked_response(None, stream.mark)):
        state.sending(state.client_events.write(content), stream)


def _work(state: ConnectionState) -> None:
    events, turns = state.client_events, state.turns
    while turns.calls is not None and (job := turns.calls.next_job()) is not None:
        if isinstance(job, CallJob):
            state.sending(events.write(turns.output(job, "done")))
            turns.calls.answered(job, silent=False)
        elif isinstance(job, ApprovalJob):
            state.sending(events.write(turns.approval(job, events.next_id(), approve=True)))
            turns.calls.decided(job)
        else:
            assert isinstance(job, FollowUpJob)
            state.sending(events.write(turns.follow_up(job, events.next_id())))


def _relink(state: ConnectionState) -> None:
    if state.close_info is None and state.lost(LOST, 0.0, lambda: 0.5) is not None:
        for out in state.restored():
            state.sending(out)
        if state.close_info is None:
            state.link_ready(1, 10.0)


def _look(state: ConnectionState) -> None:
    _ = (
        state.conversation.items,
        state.meter.usage,
        state.conversation.transcript(),
        state.session.content,
        state.playback.position,
        state.playback.to_flush,
        state.queue.is_consumed,
        state.session.warns_at(),
    )


_ACTS: dict[str, Callable[[ConnectionState], object]] = {
    "ask": _ask,
    "work": _work,
    "relink": _relink,
    "look": _look,
    "take": lambda state: state.queue.take(),
    "take all": lambda state: state.queue.fetch(deque(), bool),
    "update": lambda state: state.sending(state.client_events.session_update({"instructions": "x"})),
    "interrupt": lambda state: state.interrupt(),
    "play": lambda state: state.playback.played_ms(20),
    "truncate": lambda state: state.playback.truncation("item_1", 100),
    "tick": lambda state: state.tick(2e9),
    "replay": lambda state: state.conversation.replay_items(),
    "wait": lambda state: state.wait_for("response.done"),
    "respond": lambda state: _send(state, {"type": "response.create"}),
    "cancel": lambda state: _send(state, {"type": "response.cancel"}),
}


def _run(case: Any) -> None:
    if not isinstance(case, dict) or not isinstance(steps := case.get("steps"), list):
        return
    role = _ROLES.get(text_of(case.get("role")), _ROLES["session"])
    reconnect = Reconnect(replay=True) if case.get("reconnects") else None
    state = ConnectionState(role, id_prefix="x", max_queue_bytes=2**26, reconnect=reconnect)
    if case.get("has_tools"):
        state.turns.register_tools(lambda: None)
    for step in steps:
        if isinstance(step, str) and step in _ACTS:
            with contextlib.suppress(RealtimeError, ValueError):
                _ACTS[step](state)
            continue
        try:
            message = json.dumps(step).encode()
        except RecursionError:
            continue
        state.apply(*read_message(message, state.budget.size_of))
    _look(state)
    state.conversation.replay_items()


def _real() -> list[Any]:
    chance = random.Random(7)
    cases = []
    for role, name in (
        *(("session", "conversation"), ("sideband", "conversation"), ("call", "conversation")),
        *(("transcription", "transcription"), ("translation", "translation")),
    ):
        recorded = event_samples(name)
        for start in range(0, max(1, len(recorded) - 10), 7):
            steps: list[Any] = []
            for event in recorded[start : start + 25]:
                steps += [event, *chance.choices([*_ACTS], k=chance.choice((0, 0, 1)))]
            flags = {"has_tools": chance.random() < 0.7, "reconnects": chance.random() < 0.5}
            cases.append({"role": role, **flags, "steps": steps})
    return cases


TARGETS = (Target("state", _real, plain(_run), share=2.0),)
