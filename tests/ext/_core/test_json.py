"""JSON to values and back, also where msgspec refuses what servers and people write."""

from __future__ import annotations

from typing import Any

import pytest
from realtime_api.models import WebhookRealtimeCallIncoming

from realtime_ext._core.json import decode, encode
from tests.support.rows import each

CALL = {
    "id": "evt_1",
    "created_at": 1,
    "type": "realtime.call.incoming",
    "data": {"call_id": "rtc_1", "sip_headers": []},
}


def test_generated_models_are_written_in_the_form_of_the_api() -> None:
    model = WebhookRealtimeCallIncoming.from_dict(CALL)
    assert decode(encode({"events": [model, (model,)]})) == {"events": [CALL, [CALL]]}


@each(
    "value, text",
    [
        ({"a": [1, 2.5, True, None]}, '{"a":[1,2.5,true,null]}'),
        ("é", '"é"'),
        ("\ud800", r'"\ud800"'),  # as an escape, because UTF-8 cannot hold it
        (2**70, str(2**70)),
        (b"\x00\x01", '"AAE="'),
    ],
)
def test_values_are_written_compactly(value: Any, text: str) -> None:
    assert encode(value) == text
    assert encode(value, plain=True) == text


@each("value", [float("nan"), [None, float("inf")], {"a": object()}, {(1, 2): 3}])
def test_values_without_a_json_form_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="not writable as JSON"):
        encode(value)


@each(
    "text, value",
    [
        (b'{"a": 1}', {"a": 1}),
        (memoryview(b"[1]"), [1]),
        ("\ufeff1", 1),
        (b"\xef\xbb\xbf1", 1),
        (r'"\ud800"', "\ud800"),
        (str(2**70), 2**70),
        ("[Infinity]", [float("inf")]),
    ],
)
def test_unusual_json_is_read(text: Any, value: Any) -> None:
    assert decode(text) == value


@each(
    "text, message",
    [
        ("secret", "not JSON: Expecting value at character 0"),
        (b'"\xff"', "not JSON: not UTF-8"),
        ("1" * 5000, "not JSON: ValidationError"),  # more digits than int() reads
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_refusal_quotes_none_of_the_data(text: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        decode(text)
    assert str(caught.value) == message
