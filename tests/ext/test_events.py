"""Events: every type gets its class, nothing is lost, and nothing that a server sends raises."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import typing
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st
from realtime_api import events as tables, models

from realtime_ext import events
from realtime_ext.events import (
    Reconnected,
    SessionExpiring,
    TalkedOver,
    UnknownEvent,
    encode_event,
    parse_event,
)
from tests.support.examples import check_each
from tests.support.newcomers import is_new
from tests.support.paths import SAMPLES
from tests.support.rows import each

EVENTS = SAMPLES / "events"
TABLES = (
    tables.SERVER_EVENTS,
    tables.CLIENT_EVENTS,
    tables.TRANSLATION_SERVER_EVENTS,
    tables.TRANSLATION_CLIENT_EVENTS,
)
SHARED = ("session.created", "session.updated", "session.update")


def lines(name: str) -> list[str]:
    return (EVENTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()


ALL = [line for path in sorted(EVENTS.glob("*.jsonl")) for line in lines(path.stem)]


def kind_of(line: str) -> str:
    return str(json.loads(line)["type"])


def same(left: Any, right: Any) -> bool:
    """Equal, where a null field counts as an absent one: in what the API sends the two mean the same."""
    if isinstance(left, dict) and isinstance(right, dict):
        return all(same(left.get(key), right.get(key)) for key in left.keys() | right.keys())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def sample(kind: str, file: str = "conversation") -> dict[str, Any]:
    found = next(content for content in map(json.loads, lines(file)) if content["type"] == kind)
    assert isinstance(found, dict)
    return found


# ---- deltas, read straight from text

DELTAS = (
    "response.output_audio.delta",
    "response.output_audio_transcript.delta",
    "response.output_text.delta",
)


@pytest.mark.parametrize("kind", DELTAS)
def test_a_delta_from_text_is_what_it_is_from_its_object(kind: str) -> None:
    whole = {**sample(kind), "obfuscation": "k2"}
    variants: list[dict[str, Any]] = [whole]
    for key in whole:
        variants.append({name: value for name, value in whole.items() if name != key})
        variants += [{**whole, key: value} for value in (None, "", 7, [1, {"a": None}], "\ud83d", 10**400)]
    variants += [{**whole, "new": 1}, {**whole, "additional_properties": 1, "missing": 2}]
    for content in variants:
        for text in (
            json.dumps(content, separators=(",", ":")),
            json.dumps(dict(reversed(content.items())), separators=(",", ":")),
            json.dumps(content),
        ):
            event, plain = parse_event(text), parse_event(json.loads(text))
            assert event == plain and type(event) is type(plain) and repr(event) == repr(plain), text
            assert event.to_dict() == content, text


@pytest.mark.parametrize("kind", DELTAS)
def test_a_delta_from_text_is_a_value_like_any_other(kind: str) -> None:
    text = json.dumps({**sample(kind), "obfuscation": "k2"}, separators=(",", ":"))
    first, second = parse_event(text), parse_event(text)
    assert first.type is second.type and first.additional_properties == {"obfuscation": "k2"}  # type: ignore[union-attr]
    for twin in (copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert twin == first and twin.to_dict() == json.loads(text)
    first.delta = "other"
    assert first != second and json.loads(encode_event(first)) == {**json.loads(text), "delta": "other"}
    assert parse_event(text.replace(',"obfuscation":"k2"', "")).additional_properties == {}  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", DELTAS)
def test_the_last_of_two_values_counts_and_broken_text_is_kept(kind: str) -> None:
    text = json.dumps(sample(kind), separators=(",", ":"))
    assert parse_event(text[:-1] + ',"delta":"last"}').delta == "last"  # type: ignore[union-attr]
    twice = parse_event(text[:-1] + ',"type":"response.done"}')
    assert isinstance(twice, UnknownEvent) and twice.event_type == "response.done"
    for broken in (text[:-1], text + "}", text.replace('"delta":"', '"delta":"\n')):
        event = parse_event(broken)
        assert isinstance(event, UnknownEvent) and event.data == {"raw": broken}


def test_classes_that_have_changed_are_read_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer realtime_api may have fields that this package does not know."""
    text = json.dumps(sample(DELTAS[0]), separators=(",", ":"))
    whole = parse_event(text)
    monkeypatch.setattr(events, "_read_delta", events._read_first_delta)
    fields = attrs.fields_dict
    monkeypatch.setattr(attrs, "fields_dict", lambda model: {**fields(model), "newer": None})
    assert parse_event(text) == whole
    assert events._read_delta(text) is None


# ---- every type has its class, and comes back as it was


def test_the_samples_hold_every_type_that_the_api_has() -> None:
    sampled = {json.loads(line)["type"] for line in ALL}
    every = {tag: kind for table in TABLES for tag, kind in table.items()}
    assert sampled == {tag for tag, kind in every.items() if not is_new(kind.__doc__)}


def test_an_event_becomes_its_class_and_is_written_unchanged(subtests: pytest.Subtests) -> None:
    def check(line: str) -> None:
        event = parse_event(line)
        content = json.loads(line)
        assert type(event) in [table[content["type"]] for table in TABLES if content["type"] in table]
        assert same(json.loads(encode_event(event)), content)
        assert parse_event(line.encode()) == parse_event(content) == parse_event(encode_event(event)) == event

    check_each(subtests, ALL, check, kind_of)


@each("line", lines("client"))
def test_sent_events_keep_nulls(line: str) -> None:
    assert json.loads(encode_event(parse_event(line))) == json.loads(line)


def test_the_parts_of_an_event_have_their_classes() -> None:
    done = parse_event(json.dumps(sample("response.done")))
    assert isinstance(done, models.RealtimeServerEventResponseDone)
    message, call = done.response.output or ()
    assert isinstance(message, models.RealtimeConversationItemMessageAssistant)
    assert isinstance(call, models.RealtimeConversationItemFunctionCall)
    assert done.response.usage is not None
    assert done.response.usage.total_tokens == 261


@each(
    "file, kind, cls",
    [
        ("conversation", "session.created", "RealtimeServerEventSessionCreated"),
        ("conversation", "session.updated", "RealtimeServerEventSessionUpdated"),
        ("transcription", "session.created", "RealtimeServerEventSessionCreated"),
        ("transcription", "session.updated", "RealtimeServerEventSessionUpdated"),
        ("client", "session.update", "RealtimeClientEventSessionUpdate"),
        ("translation", "session.created", "RealtimeTranslationServerEventSessionCreated"),
        ("translation", "session.updated", "RealtimeTranslationServerEventSessionUpdated"),
        ("translation", "session.update", "RealtimeTranslationClientEventSessionUpdate"),
    ],
)
def test_the_session_decides_between_classes_of_one_type(file: str, kind: str, cls: str) -> None:
    for content in map(json.loads, lines(file)):
        if content["type"] == kind:
            assert type(parse_event(content)) is getattr(models, cls)


@each(
    "session, translation",
    [
        ({"type": "realtime", "audio": {"output": {"language": "es"}}}, False),
        ({"type": "transcription"}, False),
        ({"type": "translation", "instructions": "?"}, True),
        ({"audio": {"output": {"language": "es"}}}, True),
        ({"audio": {"input": {"transcription": None}}}, True),
        ({"audio": {"input": {"turn_detection": None}}}, False),
        ({"audio": {"output": {"voice": "marin"}}}, False),
        ({"instructions": "Be brief."}, False),
        ({"audio": "loud"}, False),
        ({}, False),
        (None, False),
        ("translation", False),
        ([], False),
    ],
)
def test_an_update_without_a_session_type_goes_by_its_shape(session: Any, translation: bool) -> None:
    event = parse_event({"type": "session.update", "session": session})
    assert isinstance(event, models.RealtimeTranslationClientEventSessionUpdate) == translation
    assert json.loads(encode_event(event)) == {"type": "session.update", "session": session}


@pytest.mark.parametrize(
    "session", [{}, {"id": "sess_1", "expires_at": 1, "model": "m", "audio": {"output": {"language": "es"}}}]
)
def test_a_created_session_of_no_type_costs_the_event_nothing(session: dict[str, Any]) -> None:
    content = {"type": "session.created", "event_id": "event_1", "session": session}
    event = parse_event(content)
    assert isinstance(event, models.RealtimeServerEventSessionCreated)
    assert json.loads(encode_event(event)) == content


def test_each_union_has_every_class_and_unknown_events() -> None:
    server = set(typing.get_args(events.ServerEvent))
    client = set(typing.get_args(events.ClientEvent))
    assert server == {
        UnknownEvent,
        Reconnected,
        SessionExpiring,
        *tables.SERVER_EVENTS.values(),
        *tables.TRANSLATION_SERVER_EVENTS.values(),
    }
    assert client == {*tables.CLIENT_EVENTS.values(), *tables.TRANSLATION_CLIENT_EVENTS.values()}
    live = {
        *tables.LIVE_SIDEBAND_SERVER_EVENTS.values(),
        *tables.LIVE_CLIENT_EVENTS.values(),
        *tables.LIVE_FORK_CLIENT_EVENTS.values(),
        *tables.LIVE_SIDEBAND_CLIENT_EVENTS.values(),
    }
    assert set(typing.get_args(events.Event)) == server | client | live | {TalkedOver}
    local = {UnknownEvent, Reconnected, SessionExpiring, TalkedOver}
    assert set(typing.get_args(events.LiveEvent)) == {*tables.LIVE_SIDEBAND_SERVER_EVENTS.values(), *local}
    with pytest.raises(AttributeError, match="SeverEvent"):
        events.SeverEvent  # type: ignore[attr-defined]  # noqa: B018


# ---- what the API adds or leaves out


def test_an_event_of_an_unknown_type_is_kept_whole() -> None:
    content = {"type": "response.hologram.delta", "event_id": "event_1", "delta": [1, {"x": None}]}
    event = parse_event(json.dumps(content))
    assert event == UnknownEvent("response.hologram.delta", content)
    assert isinstance(event, UnknownEvent)
    assert event.type == event.event_type == "response.hologram.delta"
    assert event.reason is None
    assert event.event_id == "event_1"
    assert json.loads(encode_event(event)) == content


def damage(content: Any, value: Any) -> list[Any]:
    """Copies of a JSON object, each with one value inside (never a `type` of the event itself) replaced."""
    damaged: list[Any] = []

    def walk(node: Any) -> None:
        items = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
        for key, child in items:
            if node is content and key == "type":
                continue
            node[key] = value
            damaged.append(json.loads(json.dumps(content)))
            node[key] = child
            if isinstance(child, dict | list):
                walk(child)

    walk(content)
    return damaged


def test_an_unexpected_null_anywhere_costs_neither_class_nor_content(subtests: pytest.Subtests) -> None:
    def check(line: str) -> None:
        for content in damage(json.loads(line), None):
            event = parse_event(json.dumps(content))
            assert not isinstance(event, UnknownEvent), (content, event)
            assert same(json.loads(encode_event(event)), content)

    check_each(subtests, ALL, check, kind_of)


def test_an_unexpected_text_anywhere_costs_neither_class_nor_content(subtests: pytest.Subtests) -> None:
    def check(line: str) -> None:
        # This makes every enum value, every discriminator and every nested kind an unknown one, in turn.
        for content in damage(json.loads(line), "of tomorrow"):
            event = parse_event(json.dumps(content))
            assert not isinstance(event, UnknownEvent), (content, event)
            assert same(json.loads(encode_event(event)), content)

    check_each(subtests, ALL, check, kind_of)


def test_fields_of_tomorrow_are_kept(subtests: pytest.Subtests) -> None:
    def check(line: str) -> None:
        content = json.loads(line)
        for part in [content, *(part for part in content.values() if isinstance(part, dict))]:
            part["of_tomorrow"] = {"deep": [None, 1]}
        assert same(json.loads(encode_event(parse_event(json.dumps(content)))), content)

    check_each(subtests, ALL, check, kind_of)


def test_a_known_event_that_lacks_what_its_class_needs_says_so() -> None:
    content = sample("response.output_audio.delta")
    del content["delta"]
    event = parse_event(json.dumps(content))
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.event_type) == ("", "response.output_audio.delta")
    assert event.data == content
    assert event.reason and "delta" in event.reason


@pytest.mark.parametrize("local", [Reconnected, SessionExpiring, TalkedOver])
def test_a_server_s_event_is_never_one_of_the_connection_s_own(local: Any) -> None:
    kind = attrs.fields_dict(local)["type"].default
    event = parse_event({"type": kind, "attempts": 1, "replayed": 2, "seconds_left": 1.0, "start_ms": 0})
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.event_type) == ("", kind) and event.reason


@each(
    "data, raw, reason",
    [
        ("", "", "not JSON"),
        ("garbage", "garbage", "not JSON"),
        ('{"type":', '{"type":', "not JSON"),
        (b"\xff\xfe", b"\xff\xfe", "not JSON"),
        (b'{"type":"\xff"}', b'{"type":"\xff"}', "not UTF-8"),
        ("[" * 200_000, "[" * 200_000, "nested too deeply"),
        ("[]", [], "not a JSON object"),
        ('"error"', "error", "not a JSON object"),
        ("null", None, "not a JSON object"),
        ("5", 5, "not a JSON object"),
    ],
)
def test_invalid_json_is_an_event_without_a_type(data: Any, raw: Any, reason: str) -> None:
    event = parse_event(data)
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.data) == ("", {"raw": raw})
    assert event.reason and reason in event.reason
    assert event.event_id is None


@each("kind", [None, 5, ["error"], {}])
def test_an_object_without_a_type_is_kept_whole(kind: Any) -> None:
    event = parse_event(json.dumps({"type": kind, "x": 1}))
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.data) == ("", {"type": kind, "x": 1})
    assert event.reason and "type" in event.reason
    assert parse_event("{}") == UnknownEvent("", {}, "no type")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@given(
    kind=st.sampled_from(sorted(set().union(*TABLES))) | st.text(),
    fields=st.dictionaries(
        st.sampled_from(
            ["session", "item", "response", "delta", "error", "part", "rate_limits", "usage", "x"]
        ),
        json_values,
    ),
)
def test_no_object_raises_or_loses_anything(kind: str, fields: dict[str, Any]) -> None:
    content = {**fields, "type": kind}
    event = parse_event(json.dumps(content))
    assert (event.event_type if isinstance(event, UnknownEvent) else event.type) == kind
    if kind:
        assert same(json.loads(encode_event(event)), content)


@given(data=st.binary(max_size=40) | st.text(max_size=40))
def test_no_message_raises(data: bytes | str) -> None:
    parse_event(data)


def test_text_that_strict_parsers_refuse_is_read_nevertheless() -> None:
    kind = "response.output_text.delta"
    content = {**sample(kind), "delta": "half a pair: \ud83d", "big": 10**400}
    event = parse_event(json.dumps(content))
    assert isinstance(event, models.RealtimeServerEventResponseTextDelta)
    assert event.delta == content["delta"]
    assert json.loads(encode_event(event)) == content
    assert type(parse_event("\ufeff" + json.dumps(sample(kind)))) is type(event)


@each("data", [None, 5, ["error"], object()])
def test_other_types_than_messages_are_type_errors(data: Any) -> None:
    with pytest.raises(TypeError, match="data: expected str, bytes or a mapping"):
        parse_event(data)


def test_parsing_leaves_the_mapping_alone() -> None:
    content = sample("response.done")
    before = json.dumps(content)
    parse_event(content)
    assert json.dumps(content) == before


# ---- writing


def test_events_are_written_compactly_and_without_absent_fields() -> None:
    event = models.RealtimeClientEventResponseCancel(response_id="resp_1")
    assert encode_event(event) == '{"type":"response.cancel","response_id":"resp_1"}'
    assert encode_event({"type": "response.create"}) == '{"type":"response.create"}'
    assert encode_event({"type": "x", "text": "Zoë\n"}) == '{"type":"x","text":"Zoë\\n"}'


def test_a_mapping_may_hold_generated_models_and_audio() -> None:
    item = models.RealtimeConversationItemFunctionCallOutput(call_id="call_1", output="{}")
    assert json.loads(encode_event({"type": "conversation.item.create", "item": item})) == {
        "type": "conversation.item.create",
        "item": {"type": "function_call_output", "call_id": "call_1", "output": "{}"},
    }
    assert json.loads(encode_event({"type": "x", "items": (item,)}))["items"] == [item.to_dict()]
    assert encode_event({"type": "x", "audio": b"\x00\xff"}) == '{"type":"x","audio":"AP8="}'


@each("event", [None, "x", b"x", 5, [], object()])
def test_malformed_events_can_not_be_written(event: Any) -> None:
    with pytest.raises(TypeError, match="event: expected"):
        encode_event(event)


def test_an_event_without_a_type_or_json_form_cannot_be_written() -> None:
    for content in ({}, {"type": None}, {"type": ""}, {"type": 5}, UnknownEvent("", {"raw": 1})):
        with pytest.raises(ValueError, match="type"):
            encode_event(content)  # type: ignore[arg-type]
    circle: dict[str, Any] = {"type": "x"}
    circle["circle"] = circle
    numbers = [{"type": "x", "y": [{"z": float(text)}]} for text in ("nan", "inf", "-inf")]
    surrogate = {"type": "x", "y": "\ud800", "z": float("nan")}
    for broken in ({"type": "x", "y": object()}, circle, {"type": "x", "y": 10**5000}, *numbers, surrogate):
        with pytest.raises(ValueError, match="event 'x'"):
            encode_event(broken)


# ---- what must not show, and what must not load


def test_the_repr_of_an_unknown_event_shows_no_values() -> None:
    event = parse_event('{"type":"x.y","client_secret":{"value":"ek_hidden"},"delta":"hush"}')
    assert repr(event) == "UnknownEvent(type='x.y', data=<type, client_secret, delta>, reason=None)"
    assert "ek_hidden" not in str(event)


def test_the_fields_of_an_unknown_event_are_attributes_too() -> None:
    event = parse_event('{"type":"x.y","delta":"abc","reason":"its own","__class__":1,"data":2}')
    assert isinstance(event, UnknownEvent)
    assert event.delta == "abc"
    assert event.reason is None and event.data["reason"] == "its own" and event.data["data"] == 2
    for name in ("item_id", "__length_hint__"):
        assert not hasattr(event, name)
    with pytest.raises(AttributeError, match="'UnknownEvent' has no attribute or field 'item_id'"):
        _ = event.item_id
    for twin in (copy.copy(event), copy.deepcopy(event), pickle.loads(pickle.dumps(event))):
        assert twin == event and twin.delta == "abc"


def test_unknown_events_can_be_counted_in_a_set() -> None:
    first, second = (parse_event('{"type":"x","y":[1]}') for _ in range(2))
    assert {first, second} == {first}


def test_importing_the_module_loads_neither_models_nor_msgspec() -> None:
    heavy = ("msgspec", "realtime_api.models.", "httpx", "websockets")
    code = f"import sys, realtime_ext.events; print([m for m in sys.modules if m.startswith({heavy})])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@each(
    "make",
    [
        lambda inner: UnknownEvent("x", {"type": "x", "a": inner}),
        lambda inner: models.RealtimeClientEventResponseCancel.from_dict(
            {"type": "response.cancel", "a": inner}
        ),
    ],
    ids=["unknown", "known"],
)
@each("value", [None, 1.5, float("inf")])
def test_an_event_that_is_deep_is_written_or_refused(make: Any, value: Any) -> None:
    for depth in (100, 700, 990, 5000):
        inner = value
        for _ in range(depth):
            inner = [inner]
        try:
            written = encode_event(make(inner))
        except ValueError as error:
            assert "not writable as JSON" in str(error)
        else:
            assert written.count("[") == depth and value != float("inf")
