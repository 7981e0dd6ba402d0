"""Events that come twice or in another order: what adds up is added up once, and nothing waits for ever."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from realtime_ext.connection._state import ConnectionState, Role, Waiter, read_message

PCM = {"type": "audio/pcm", "rate": 24000}
SOUND = base64.b64encode(bytes(4800)).decode()  # 100 ms


def tell(core: ConnectionState, kind: str, event_id: str = "e", **fields: Any) -> None:
    core.apply(*read_message(json.dumps({"type": kind, "event_id": event_id, **fields})))


def described(**fields: Any) -> dict[str, Any]:
    return {"type": "realtime", "audio": {"output": {"format": PCM}}, **fields}


def delta(kind: str, data: str) -> dict[str, Any]:
    place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    return {"kind": f"response.{kind}.delta", "delta": data, **place}


@pytest.fixture
def core() -> ConnectionState:
    return ConnectionState(Role(), id_prefix="x")


def test_what_comes_twice_is_counted_once_and_given_on_twice(core: ConnectionState) -> None:
    stream = core.open_turn()
    out = core.write({"type": "response.create"})
    stream.expect_response(out.event_id)
    core.sending(out)
    usage = {"total_tokens": 30, "input_tokens": 10, "output_tokens": 20}
    for _ in range(2):
        tell(core, "response.created", "e1", response={"id": "resp_1", "conversation_id": "conv_1"})
        tell(core, event_id="e2", **delta("output_audio", SOUND))
        tell(core, event_id="e3", **delta("output_audio", SOUND))
        tell(core, event_id="e4", **delta("output_audio_transcript", "Hi"))
        tell(core, event_id="e5", **delta("output_text", "Ho"))
    position = core.position
    assert position is not None
    assert position.received_ms == 200
    for _ in range(2):
        tell(core, "response.done", "e6", response={"id": "resp_1", "status": "completed", "usage": usage})
    turn = stream.turn()
    assert (len(turn.audio), turn.transcript, turn.text) == (9600, "Hi", "HiHo")
    assert turn.response_ids == ("resp_1",)
    assert core.usage.entries[0].amount.count == 1
    assert len(stream.events) == 12


def test_events_without_ids_all_count(core: ConnectionState) -> None:
    for _ in range(2):
        tell(core, event_id="", **delta("output_audio", SOUND))
    assert core.position is not None
    assert core.position.received_ms == 200


def test_an_acknowledgement_that_comes_again_is_not_taken_for_the_next_one(core: ConnectionState) -> None:
    tell(core, "session.created", "e1", session=described())
    updates = [core.write({"type": "session.update", "session": {"speed": n}}) for n in range(2)]
    first, second = (core.sending(update) for update in updates)
    assert first is not None
    assert second is not None
    tell(core, "session.updated", "e2", session=described(speed=0))
    tell(core, "session.updated", "e2", session=described(speed=0))
    assert (first.done, second.done) == (True, False)
    tell(core, "session.updated", "e3", session=described(speed=1))
    assert second.done


def test_a_server_with_one_id_for_all_events_acknowledges_all_the_same(core: ConnectionState) -> None:
    tell(core, "session.created", session=described())
    updates = [core.write({"type": "session.update", "session": {}}) for _ in range(2)]
    waiters = [core.sending(update) for update in updates]
    for _ in updates:
        tell(core, "session.updated", session=described())
    assert [waiter.done for waiter in waiters if waiter] == [True, True]


def granted(core: ConnectionState) -> Waiter[None]:
    return core.wait_turn()


@pytest.mark.parametrize("order", [("created", "done", "created"), ("done", "created")])
def test_a_start_that_comes_after_the_end_blocks_nobody(
    core: ConnectionState, order: tuple[str, ...]
) -> None:
    core.sending(core.write({"type": "response.create"}))
    for kind in order:
        tell(core, f"response.{kind}", response={"id": "resp_1", "conversation_id": "conv_1"})
    assert granted(core).done


def test_a_server_with_one_id_for_all_responses_is_waited_for(core: ConnectionState) -> None:
    for _ in range(2):
        core.sending(core.write({"type": "response.create"}))
        tell(core, "response.created", response={"id": "resp_1", "conversation_id": "conv_1"})
        ticket = granted(core)
        assert not ticket.done
        tell(core, "response.done", response={"id": "resp_1"})
        assert ticket.done
        core.release(ticket)


def test_ids_are_remembered_for_a_while_and_not_for_ever(core: ConnectionState) -> None:
    def told(number: int) -> bool:
        """Whether an event counts as new."""
        before = core.position.received_ms if core.position else 0
        tell(core, event_id=f"event_{number}", **delta("output_audio", SOUND))
        return core.position is not None and core.position.received_ms > before

    assert all(told(number) for number in range(3000))
    assert not told(2500)
    assert told(0)
