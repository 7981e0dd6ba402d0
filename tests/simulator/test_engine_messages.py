from __future__ import annotations

import json

import pytest
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine import messages

from tests.simulator.checking import Driven
from tests.support.rows import each


def nested(depth: int) -> str:
    return '{"type": "session.update", "x": ' + "[" * (depth - 1) + "]" * (depth - 1) + "}"


def test_depth_is_bounded_where_nothing_behind_can_fail() -> None:
    assert messages.parse(nested(messages.MAX_DEPTH))["type"] == "session.update"
    for depth in (messages.MAX_DEPTH + 1, 500, 990, 5000):
        with pytest.raises(ApiProblem) as caught:
            messages.parse(nested(depth))
        assert caught.value.code == "invalid_json"


@pytest.mark.slow
def test_size_is_bounded() -> None:
    event = {"type": "input_audio_buffer.append", "audio": ""}
    room = messages.MAX_EVENT_BYTES - len(json.dumps(event))
    assert len(messages.parse(json.dumps({**event, "audio": "A" * room}))["audio"]) == room
    with pytest.raises(ApiProblem) as caught:
        messages.parse(json.dumps({**event, "audio": "A" * (room + 1)}))
    assert caught.value.code == "string_above_max_length"


@each(
    "text",
    [
        "",
        "null",
        "NaN",
        '{"x": NaN}',
        '{"x": 1e999}',
        '{"x": -Infinity}',
        '{"x": "\\ud800"}',
        '{"\\udc00": 1}',
        b"\xff{}",
        '{"x": ' + "1" * 5000 + "}",
    ],
)
def test_invalid_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ApiProblem) as caught:
        messages.parse(text)
    assert caught.value.code == "invalid_json"


def test_pairs_of_surrogates_and_bytes_are_fine() -> None:
    assert messages.parse(b'{"x": "\\ud83d\\ude00"}') == {"x": "\N{GRINNING FACE}"}


def test_a_hostile_tool_is_refused_and_the_session_lives() -> None:
    it = Driven()
    deep = json.loads("[" * 60 + "]" * 60)
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "x": deep}}
    text = json.dumps({"type": "session.update", "session": {"type": "realtime", "tools": [tool]}})
    it.session.receive_text(text, it.now)
    assert it.take()[0]["error"]["code"] == "invalid_json"
    assert it.user_says("still there?")[0]["type"] == "conversation.item.added"
