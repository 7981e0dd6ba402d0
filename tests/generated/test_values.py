"""Decoded objects as values: they compare, print, copy, pickle and change as attrs classes do."""

from __future__ import annotations

import copy
import pickle
import weakref
from typing import Any

import attrs
import pytest
from realtime_api import models
from realtime_api._base import Model
from realtime_api.events import CLIENT_EVENTS, SERVER_EVENTS

from tests.support.rows import each

ITEM = {
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_audio", "transcript": "Good morning."}],
}
DONE: dict[str, Any] = {
    "type": "response.done",
    "event_id": "event_1",
    "response": {"object": "realtime.response", "status": "completed", "output": [ITEM]},
}


def done(**more: Any) -> models.RealtimeServerEventResponseDone:
    return models.RealtimeServerEventResponseDone.from_dict({**copy.deepcopy(DONE), **more})


def stored(model: Model, name: str) -> bool:
    """Whether a slot has a value, without asking for it."""
    try:
        getattr(type(model), name).__get__(model)
    except AttributeError:
        return False
    return True


def parts(value: Any) -> list[Model]:
    """A model and all that are in it."""
    if isinstance(value, list):
        return [part for item in value for part in parts(item)]
    if not isinstance(value, Model):
        return []
    inside = (getattr(value, field.name) for field in attrs.fields(type(value)) if field.init)  # type: ignore[arg-type]
    return [value, *(part for one in inside for part in parts(one))]


def test_additional_properties_are_allocated_on_demand() -> None:
    """10,000 responses in memory would have 40,000 empty dicts."""
    decoded = parts(done())
    assert len(decoded) == 4
    assert not [part for part in decoded if stored(part, "additional_properties")]
    assert not any(hasattr(part, "__dict__") for part in decoded)
    assert not stored(models.RealtimeClientEventResponseCreate(), "additional_properties")
    assert done().to_dict() == DONE
    assert stored(done(new=1), "additional_properties")


def test_accessing_additional_properties_allocates_them() -> None:
    event = done()
    assert event.additional_properties == {} and event.additional_properties is event.additional_properties
    event["new"] = 1
    assert event.additional_properties == {"new": 1} and event.to_dict() == {**DONE, "new": 1}


def test_equality_ignores_empty_additional_properties() -> None:
    asked, not_asked = done(), done()
    assert asked.additional_properties == {}
    assert asked == not_asked and repr(asked) == repr(not_asked)
    assert done(new=1) != not_asked and done(new=1) == done(new=1)
    made = models.RealtimeConversationItemMessageUser(content=[])
    assert made == models.RealtimeConversationItemMessageUser.from_dict(made.to_dict())


@pytest.mark.parametrize("more", [{}, {"new": {"deep": [1]}}], ids=["known", "unknown"])
def test_copies_and_pickles_are_equal_and_independent(more: dict[str, Any]) -> None:
    event = done(**more)
    for other in (copy.deepcopy(event), pickle.loads(pickle.dumps(event)), attrs.evolve(event)):
        other.additional_properties.update(more)  # evolve, as the constructor, leaves them out
        assert other == event and other is not event and repr(other) == repr(event)
    deep = copy.deepcopy(event)
    deep.response.status = "failed"
    deep["other"] = 1
    assert event == done(**more)
    assert copy.copy(event).response is event.response


def test_changed_attributes_are_encoded() -> None:
    event = done()
    event.response.status = "cancelled"
    event.event_id = "event_2"
    assert event.to_dict() == {
        **DONE,
        "event_id": "event_2",
        "response": {**DONE["response"], "status": "cancelled"},
    }
    with pytest.raises(AttributeError, match="no attribute 'respones'"):
        event.respones = 1  # type: ignore[attr-defined]


def test_an_unknown_attribute_is_an_error() -> None:
    with pytest.raises(
        AttributeError, match="'RealtimeServerEventResponseDone' object has no attribute 'delta'"
    ):
        done().delta  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(done(), "delta") and weakref.ref(done()) is not None


def test_decoding_does_not_modify_the_input() -> None:
    data: dict[str, Any] = {**copy.deepcopy(DONE), "new": 1}
    before = copy.deepcopy(data)
    models.RealtimeServerEventResponseDone.from_dict(data).response.output = []
    assert data == before


def test_subclasses_decode_themselves_and_accept_mappings() -> None:
    class Mine(models.RealtimeServerEventResponseDone):
        pass

    mine = Mine.from_dict(DONE)
    assert type(mine) is Mine and mine.to_dict() == DONE
    assert type(Mine.from_dict({"type": "response.done"}, strict=False)) is Mine


def test_event_tables_return_decoders() -> None:
    decode = SERVER_EVENTS.decoder("response.done")
    assert decode(DONE) == done() and decode("text") == "text"
    with pytest.raises(ValueError, match="required property 'event_id' is missing"):
        decode({"type": "response.done"})
    assert decode({"type": "response.done"}, False).missing == ("event_id", "response")
    with pytest.raises(KeyError):
        CLIENT_EVENTS.decoder("response.done")


def test_constant_strings_are_shared() -> None:
    kinds = {id(done(type="".join(["response.", "done"])).type) for _ in range(3)}
    assert len(kinds) == 1
    assert done(type="response.new").type == "response.new"  # type: ignore[comparison-overlap]


def test_as_many_unknown_keys_as_known_ones() -> None:
    """Objects with every field are read by a shorter way, which the number of keys must not mislead."""
    usage = {"total_tokens": 3, "input_tokens": 2, "output_tokens": 1, "new": 4, "newer": None}
    assert len(usage) == len(attrs.fields(models.RealtimeResponseUsage)) - 2
    for data in (usage, dict(reversed(usage.items()))):
        made = models.RealtimeResponseUsage.from_dict(data)
        assert made.to_dict() == data and made.additional_properties == {"new": 4, "newer": None}
        assert made.input_token_details is None and made.missing == ()


@each("new", [0, 1, 2, 3])
@each("last", [True, False])
def test_unknown_properties_are_kept_at_any_position(new: int, last: bool) -> None:
    unknown = {f"new_{number}": number for number in range(new)}
    data = {**DONE, **unknown} if last else {**unknown, **DONE}
    made = models.RealtimeServerEventResponseDone.from_dict(data)
    assert made.additional_properties == unknown and made.to_dict() == data
    assert list(made.additional_properties) == list(unknown)


def test_null_and_other_types_are_kept_instead_of_objects() -> None:
    for value in (None, "text", 7, [], True):
        made = done(response={**DONE["response"], "usage": value, "audio": value})
        assert made.response.usage is value and made.response.audio is value
