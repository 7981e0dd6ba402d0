"""Every model, fed with instances drawn from its own schema: nothing is lost, nothing raises."""

from __future__ import annotations

import importlib
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from realtime_api import models, schemas
from realtime_api._base import Model
from realtime_api.events import SERVER_EVENTS, TRANSLATION_SERVER_EVENTS
from realtime_api.types import UNSET

from tests.generated.drawing import Drawn, choices, instances

QUICK = settings(
    max_examples=20,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
CLASSES = [name for name in models.__all__ if isinstance(getattr(models, name), type)]


def decoder(name: str) -> Any:
    """`from_dict` of a class, the decode function of an alias, or nothing for aliases that hold no models."""
    value = getattr(models, name)
    if isinstance(value, type) and issubclass(value, Model):
        return value.from_dict
    module = importlib.import_module(models._MODULES[name], models.__name__)
    return getattr(module, "decode_" + models._MODULES[name][1:], None)


def encoded(value: Any) -> Any:
    if isinstance(value, Model):
        return value.to_dict()
    if isinstance(value, list):
        return [encoded(item) for item in value]
    if isinstance(value, dict):
        return {key: encoded(item) for key, item in value.items()}
    return value


DECODABLE = [name for name in models.__all__ if decoder(name) is not None]


@pytest.mark.parametrize("extras", [False, True], ids=["known", "extras"])
@pytest.mark.parametrize("name", DECODABLE)
def test_from_dict_and_back(name: str, extras: bool) -> None:
    decode = decoder(name)

    @QUICK
    @given(instances(name, Drawn(), extras=extras))
    def check(data: Any) -> None:
        made = decode(data)
        out = encoded(made)
        assert decode(out) == made
        assert present(out) == present(data)

    check()


def present(value: Any) -> Any:
    """A JSON value without properties that are null, which is how a received model shows absence."""
    if isinstance(value, dict):
        return {key: present(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [present(item) for item in value]
    return value


@pytest.mark.parametrize("name", [name for name in DECODABLE if choices(name)])
def test_every_choice_survives(name: str) -> None:
    """Every union member, enum value and null position of the schema is drawn, decoded and encoded."""
    drawn = Drawn()
    decode = decoder(name)
    for choice in sorted(choices(name)):

        @settings(QUICK, max_examples=1)
        @given(instances(name, drawn, through=choice))
        def check(data: Any) -> None:
            assert present(encoded(decode(data))) == present(data)

        check()
    assert choices(name) <= set(drawn)


@pytest.mark.parametrize("name", CLASSES)
def test_null_in_any_place_never_raises(name: str) -> None:
    model = getattr(models, name)

    @settings(QUICK, max_examples=10)
    @given(instances(name, Drawn()), st.sampled_from(sorted(schemas.get(name)["properties"])))
    def check(data: dict[str, Any], key: str) -> None:
        made = model.from_dict({**data, key: None})
        assert model.from_dict(made.to_dict()) == made

    check()


@pytest.mark.parametrize("name", CLASSES)
def test_unknown_kinds_of_value_stay(name: str) -> None:
    """A value of another JSON type than described is kept as it is and goes out again."""
    model = getattr(models, name)

    @settings(QUICK, max_examples=10)
    @given(
        instances(name, Drawn()),
        st.sampled_from(sorted(schemas.get(name)["properties"])),
        st.sampled_from(
            ["a new value", 7, 1.5, True, ["x"], [{"type": "new"}], {"type": "new", "deep": [1]}]
        ),
    )
    def check(data: dict[str, Any], key: str, value: Any) -> None:
        try:
            made = model.from_dict({**data, key: value})
        except ValueError as error:
            assert "required property" in str(error)
            return
        assert made.to_dict()[key] == value

    check()


@pytest.mark.parametrize("name", CLASSES)
def test_a_missing_property_is_named(name: str) -> None:
    model = getattr(models, name)
    required = schemas.get(name).get("required", [])

    @settings(QUICK, max_examples=3)
    @given(instances(name, Drawn()))
    def check(data: dict[str, Any]) -> None:
        for key in required:
            with pytest.raises(ValueError, match=f"{name}: required property '{key}' is missing"):
                model.from_dict({k: v for k, v in data.items() if k != key})
        with pytest.raises(ValueError, match="expected a JSON object"):
            model.from_dict([data])

    check()


def nullable(name: str) -> list[str]:
    """Optional properties for which null is legal."""
    schema = schemas.get(name)

    def takes_null(part: Any) -> bool:
        if "$ref" in part:
            return takes_null(schemas.get(part["$ref"].rsplit("/", 1)[-1]))
        return part.get("type") == "null" or any(takes_null(member) for member in part.get("anyOf", ()))

    optional = set(schema["properties"]) - set(schema.get("required", ()))
    return sorted(key for key in optional if takes_null(schema["properties"][key]))


def sendable(name: str) -> bool:
    """Whether a model has `UNSET` for at least one attribute, so that null is a value of its own."""
    return any(field.default is UNSET for field in attrs.fields(getattr(models, name)))


@pytest.mark.parametrize("name", [name for name in CLASSES if nullable(name)])
def test_null_and_absence(name: str) -> None:
    """Sent models tell null from absence; models that are only received know None alone."""
    model = getattr(models, name)

    @settings(QUICK, max_examples=3)
    @given(instances(name, Drawn()))
    def check(data: dict[str, Any]) -> None:
        for key in nullable(name):
            null = model.from_dict({**data, key: None})
            absent = model.from_dict({k: v for k, v in data.items() if k != key})
            assert getattr(null, key) is None
            assert key not in absent.to_dict()
            if sendable(name):
                assert getattr(absent, key) is UNSET and not getattr(absent, key)
                assert null.to_dict()[key] is None
            else:
                assert null == absent

    check()


def test_unset_is_in_sent_models_alone() -> None:
    received = {
        cls.__name__ for table in (SERVER_EVENTS, TRANSLATION_SERVER_EVENTS) for cls in table.values()
    }
    received |= {
        "RealtimeCreateClientSecretResponse",
        "RealtimeSessionCreateResponseGA",
        "RealtimeResponse",
        "ErrorResponse",
    }
    assert not [name for name in received if sendable(name)]
    assert sendable("RealtimeSessionCreateRequestGA") and sendable("RealtimeAudioConfigInput")
