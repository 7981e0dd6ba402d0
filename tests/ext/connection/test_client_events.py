"""Client events without a connection: their ids, their checks, and audio in pieces."""

from __future__ import annotations

import base64
import itertools
import json
from array import array
from typing import Any

import pytest
from realtime_api.models import RealtimeClientEventResponseCancel, RealtimeResponseCreateParams

from realtime_ext import RealtimeError, SessionConfigError
from realtime_ext.connection._state import client_events
from realtime_ext.connection._state.client_events import (
    LARGEST_EVENT,
    MARK,
    ClientEvents,
    append_messages,
    appended,
    checked_content,
    contents_of,
    create_item,
    create_response,
    marked_response,
    response_content,
    text_item,
)
from realtime_ext.connection._state.connect_plan import Role
from realtime_ext.connection._state.session_state import SessionState
from tests.support.rows import each


def events(*, validate: bool = True, **role: Any) -> ClientEvents:
    made = Role(**role)
    return ClientEvents(made, SessionState(made.kind), "x", validate=validate)


def test_an_event_keeps_its_id_or_gets_a_new_one() -> None:
    write = events().write
    assert [write({"type": "a"}).event_id for _ in range(2)] == ["evt_x_1", "evt_x_2"]
    for event_id in (None, ""):
        assert write({"type": "a", "event_id": event_id}).event_id.startswith("evt_x_")
    out = write({"type": "a", "event_id": "mine"})
    assert (out.type, json.loads(out.text)) == ("a", {"event_id": "mine", "type": "a"})
    assert contents_of([out]) == [{"event_id": "mine", "type": "a"}]


def test_an_event_has_a_json_form_of_limited_size() -> None:
    write = events().write
    with pytest.raises(ValueError, match="event 'a': "):
        write({"type": "a", "value": float("nan")})
    fits = LARGEST_EVENT - len(write({"type": "a", "text": ""}).text)
    write({"type": "a", "text": "x" * fits})
    with pytest.raises(ValueError, match="event 'a': expected at most"):
        write({"type": "a", "text": "x" * (fits + 10)})
    with pytest.raises(ValueError, match="event 'a': expected at most"):
        write({"type": "a", "text": "é" * (fits // 2 + 10)})


@each(
    "event, error, message",
    [
        ("response.create", TypeError, "expected a generated client event or a dict, got str"),
        ({}, ValueError, "its type is None"),
        ({"type": ""}, ValueError, "its type is ''"),
        ({"type": 5}, ValueError, "its type is 5"),
        (
            {"type": "a", "event_id": ""},
            ValueError,
            "event_id: expected 1 to 512 characters, got 0 characters",
        ),
        ({"type": "a", "event_id": "x" * 513}, ValueError, "event_id: .*, got 513 characters"),
        ({"type": "a", "event_id": 5}, ValueError, "event_id: .*, got 5"),
        ({"type": "response.done"}, ValueError, "'response.done' is sent by the server"),
        ({"type": "session.output_audio.delta"}, ValueError, "is sent by the server"),
        ({"type": "conversation.item.delete"}, ValueError, "event 'conversation.item.delete': .*item_id"),
        ({"type": "session.update"}, ValueError, "event 'session.update': .*session"),
    ],
)
def test_events_that_the_api_would_refuse_are_refused(
    event: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        checked_content(event, validate=True)


def test_generated_events_dicts_and_unknown_types_pass(caplog: pytest.LogCaptureFixture) -> None:
    cancel = RealtimeClientEventResponseCancel(type="response.cancel")
    assert checked_content(cancel, validate=True)["type"] == "response.cancel"
    assert checked_content({"type": "response.done"}, validate=False) == {"type": "response.done"}
    assert not caplog.records
    assert checked_content({"type": "response.creat"}, validate=True) == {"type": "response.creat"}
    assert "did you mean 'response.create'?" in caplog.text


@each("url", ["data:image/png;base64,iVBORw0KGgo=", "https://example.com/image.png"])
def test_an_image_may_be_in_its_url_or_elsewhere(url: str) -> None:
    content = [{"type": "input_image", "image_url": url}]
    event = {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": content},
    }
    assert checked_content(event, validate=True) == event
    content[0]["image_url"] = "image.png"
    with pytest.raises(ValueError, match="expected an absolute URI"):
        checked_content(event, validate=True)


def test_an_event_of_either_kind_of_session_passes() -> None:
    translated = {"type": "session.update", "session": {"audio": {"output": {"language": "de"}}}}
    assert checked_content(translated, validate=True) == translated


def test_a_session_in_an_event_is_checked_where_events_are() -> None:
    wrong = {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"speed": 9}}}}
    with pytest.raises(SessionConfigError, match=r"session\.audio\.output\.speed"):
        events().prepare(wrong)
    assert events(validate=False).prepare(wrong).content["session"] == wrong["session"]
    plain = {"type": "input_audio_buffer.commit"}
    assert events().prepare(plain).content["type"] == plain["type"]


def test_an_update_has_the_type_of_its_session() -> None:
    update = events().session_update({"instructions": "a"}).content
    assert update["session"] == {"type": "realtime", "instructions": "a"}
    kept = events().session_update({"type": "transcription"}).content
    assert kept["session"] == {"type": "transcription"}
    translated = events(kind="translation").session_update({"audio": {"output": {"language": "de"}}}).content
    assert "type" not in translated["session"]
    with pytest.raises(SessionConfigError):
        events(kind="translation").session_update({"type": "realtime"})


@each("metadata", [None, {f"key_{number}": "v" for number in range(15)}])
def test_a_response_has_room_for_the_turns_mark(metadata: dict[str, str] | None) -> None:
    events().check_response({"instructions": "a", "metadata": metadata} if metadata else None)
    assert marked_response({"metadata": metadata}, "mark")["response"]["metadata"][MARK] == "mark"


def test_a_response_without_room_for_the_turns_mark_is_refused() -> None:
    full = {"metadata": {f"key_{number}": "v" for number in range(16)}}
    with pytest.raises(ValueError, match=r"the turn itself adds one pair"):
        events().check_response(full)
    with pytest.raises(ValueError, match=r"^event 'response.create'(?!.*one pair)"):
        events().check_response({"metadata": 5})
    events(validate=False).check_response(full)
    with pytest.raises(TypeError, match="response: expected RealtimeResponseCreateParams or a dict, got str"):
        events().check_response("a")


def test_parameters_of_a_response_are_a_new_dict() -> None:
    given = {"instructions": "a"}
    assert response_content(given) == given and response_content(given) is not given
    assert response_content(None) == {}
    assert response_content(RealtimeResponseCreateParams(instructions="a")) == given
    assert create_response({"instructions": None}) == {"type": "response.create"}
    assert create_response({"instructions": "a", "tools": None})["response"] == given


def test_items_are_created_behind_others() -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    assert text_item("Hi") == {"type": "conversation.item.create", "item": item}
    assert create_item(item, "root")["previous_item_id"] == "root"
    for wrong in ("Hi", None):
        with pytest.raises(TypeError, match="item: expected a generated item or a dict"):
            create_item(wrong, None)
    with pytest.raises(TypeError, match="text: expected a str, got int"):
        text_item(5)  # type: ignore[arg-type]


# Audio


def pieces(data: Any, kind: str = "input_audio_buffer.append") -> list[dict[str, Any]]:
    count = itertools.count(1)
    return [json.loads(text) for _, text in append_messages(data, kind, lambda: f"evt_{next(count)}")]


def audio_in(events: list[dict[str, Any]]) -> bytes:
    return b"".join(base64.b64decode(event["audio"]) for event in events)


@each(
    "data",
    [
        b"abcdef",
        bytearray(b"abcdef"),
        memoryview(b"abcdef"),
        array("h", [1, 2, 3]),
        array("B", [1, 2, 3]),
        b"",
        b"RIFF....AVI ",
        b"........WAVE",
    ],
)
def test_samples_of_any_buffer_are_sent(data: Any) -> None:
    assert audio_in(pieces(data)) == memoryview(data).tobytes()
    text = base64.b64encode(memoryview(data).tobytes()).decode()
    assert audio_in(pieces(text)) == memoryview(data).tobytes()


def test_larger_audio_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_events, "_LARGEST_AUDIO", 6)
    data = bytes(range(15))
    for given in (data, base64.b64encode(data).decode()):
        assert [len(base64.b64decode(event["audio"])) for event in pieces(given)] == [6, 6, 3]
        assert audio_in(pieces(given)) == data
    assert [event["event_id"] for event in pieces(data)] == ["evt_1", "evt_2", "evt_3"]


@each(
    "data, error, message",
    [
        ("not base64!", ValueError, "expected base64 text"),
        ("ä", ValueError, "expected base64 text"),
        (b"RIFF....WAVE", ValueError, "got a whole WAV file"),
        (base64.b64encode(b"RIFF....WAVEfmt ").decode(), ValueError, "got a whole WAV file"),
        (array("f", [0.5]), TypeError, "got items of format 'f'"),
        (memoryview(bytes(4)).cast("B", (2, 2)), TypeError, "it has the shape"),
        (memoryview(bytes(8))[::2], TypeError, "C-contiguous"),
        (5, TypeError, "expected bytes or base64 text, got int"),
    ],
)
def test_anything_but_samples_is_refused(data: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        pieces(data)


def test_the_event_is_that_of_the_session() -> None:
    for kind, expected in (
        ("realtime", "input_audio_buffer.append"),
        ("translation", "session.input_audio_buffer.append"),
    ):
        (message,) = events(kind=kind).audio(b"abcdef")
        assert json.loads(message[1])["type"] == expected
        assert appended(message[1], []) == [json.loads(message[1])]
    with pytest.raises(RealtimeError, match="in a WebRTC call audio flows on the track"):
        events(carries_audio=False).audio(b"")
