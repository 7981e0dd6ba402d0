"""What a session keeps is bounded, whatever its clients send."""

from __future__ import annotations

import base64

import pytest
from realtime_simulator._engine import conversation, responses
from realtime_simulator._engine.input_audio import MAXIMUM_SECONDS, InputBuffer
from realtime_simulator._records.session import SessionLog

from tests.simulator.checking import Driven
from tests.simulator.sounds import silence


def test_the_items_of_clients_have_a_size_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "MAX_TEXT_BYTES", 3000)
    it = Driven()
    first = it.user_says("x" * 2000)[0]["item"]
    assert it.user_says("x" * 2000)[0]["error"]["param"] == "item"
    it.send("conversation.item.delete", item_id=first["id"])
    assert it.user_says("x" * 2000)[0]["type"] == "conversation.item.added"


def test_the_oldest_audio_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "MAX_AUDIO_BYTES", 48_000 * 5)
    it = Driven({"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    for _ in range(3):
        it.send("input_audio_buffer.append", audio=base64.b64encode(silence(2)).decode())
        it.send("input_audio_buffer.commit")
    kept = [
        "audio" in it.send("conversation.item.retrieve", item_id=hearing.item_id)[0]["item"]["content"][0]
        for hearing in it.hearings
    ]
    assert kept == [False, True, True]


def test_uncommitted_audio_is_dropped_and_time_continues() -> None:
    buffer = InputBuffer()
    for _ in range(MAXIMUM_SECONDS // 10 + 1):
        buffer.append(silence(10))
    assert buffer.milliseconds == MAXIMUM_SECONDS * 1000
    assert buffer.start == 240_000 and buffer.end == buffer.start + MAXIMUM_SECONDS * 24_000


def test_silence_is_not_kept_with_turn_detection() -> None:
    it = Driven()
    for _ in range(6):
        it.send("input_audio_buffer.append", audio=base64.b64encode(silence(10)).decode())
    assert it.session.input.buffer.milliseconds == 30_000
    assert it.session.input.buffer.end == 60 * 24_000


def test_responses_under_way_are_counted() -> None:
    it = Driven()
    for _ in range(responses.MAX_RUNNING):
        it.send("response.create", response={"conversation": "none"})
    assert it.send("response.create")[0]["error"]["code"] == "rate_limit_exceeded"


def test_the_record_of_a_long_session_keeps_the_newest_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime_simulator._records.session.MAX_EVENTS", 40)
    log = SessionLog("sess_1", "websocket")
    record = log.record
    for number in range(100):
        log.add("sent", {"type": str(number)}, 0)
        log.add("received", {"type": str(number)}, 0)
        assert len(record.events) <= 40
    assert record.types_sent()[-1] == "99" and len(record.received) > 15
