"""The bytes of an audio delta, from everything that an audio delta may be."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, strategies as st
from realtime_api import models

from realtime_ext import audio
from tests.support.rows import each

RESPONSE = {
    "type": "response.output_audio.delta",
    "event_id": "event_1",
    "response_id": "resp_1",
    "item_id": "item_1",
    "output_index": 0,
    "content_index": 0,
}
TRANSLATION = {"type": "session.output_audio.delta", "event_id": "event_1", "format": "pcm16"}


def generated(data: bytes) -> Any:
    event = {**RESPONSE, "delta": base64.b64encode(data).decode()}
    return models.RealtimeServerEventResponseAudioDelta.from_dict(event)


def translation(data: bytes) -> Any:
    event = {**TRANSLATION, "delta": base64.b64encode(data).decode()}
    return models.RealtimeTranslationServerEventSessionOutputAudioDelta.from_dict(event)


def plain(data: bytes) -> Any:
    return {**RESPONSE, "delta": base64.b64encode(data).decode()}


def unknown(data: bytes) -> Any:
    return SimpleNamespace(type=RESPONSE["type"], data=plain(data))


@given(st.binary())
@pytest.mark.parametrize("make", [generated, translation, plain, unknown])
def test_decode_returns_the_audio(make: Any, data: bytes) -> None:
    assert audio.decode(make(data)) == data


@each(
    "event",
    [
        {"type": "response.output_audio_transcript.delta", "delta": "AAAA"},
        {"type": "response.output_text.delta", "delta": "AAAA"},
        {"type": "response.output_audio.done"},
        {"delta": "AAAA"},
        {},
        None,
        "AAAA",
        b"AAAA",
        SimpleNamespace(type=None, data=b"AAAA"),
    ],
)
def test_other_events_than_audio_deltas_are_refused(event: Any) -> None:
    with pytest.raises(
        TypeError, match=r"event: expected an audio delta such as 'response.output_audio.delta'"
    ):
        audio.decode(event)


@each("delta", ["A", "AA", "AA=A", "AAA*", "AA\nAA", "ä", None, 5, b"AAAA"])
def test_invalid_base64_is_refused(delta: Any) -> None:
    with pytest.raises(ValueError, match="delta: expected base64 text"):
        audio.decode({**RESPONSE, "delta": delta})
