"""Every model, fed with instances drawn from its own schema: nothing is lost, nothing raises."""

from __future__ import annotations

import importlib
from functools import cache
from itertools import product
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from realtime_api import models, schemas
from realtime_api._base import Model
from realtime_api.events import SERVER_EVENTS, TRANSLATION_SERVER_EVENTS
from realtime_api.types import UNSET

from tests.generated.drawing import Drawing, Drawn, choices, instances
from tests.support.examples import check_each, examples

pytestmark = pytest.mark.slow

DRAWN = settings(suppress_health_check=list(HealthCheck), phases=[Phase.generate])
UNKNOWN_KINDS = ["a new value", 7, 1.5, True, ["x"], [{"type": "new"}], {"type": "new", "deep": [1]}]
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


KNOWN = Drawing(schemas.get, Drawn(), extras=False)
DECODABLE = [name for name in models.__all__ if decoder(name) is not None]


def test_from_dict_and_to_dict_round_trip(subtests: pytest.Subtests) -> None:
    """With the properties that are described, and with others besides."""
    drawings = [KNOWN, Drawing(schemas.get, Drawn(), extras=True)]

    def check(name: str) -> None:
        decode = decoder(name)

        @settings(DRAWN, max_examples=examples(5))
        @given(st.tuples(*(drawing.instances(name) for drawing in drawings)))
        def check_drawn(drawn: tuple[Any, ...]) -> None:
            for data in drawn:
                made = decode(data)
                out = encoded(made)
                assert decode(out) == made
                assert present(out) == present(data)

        check_drawn()

    check_each(subtests, DECODABLE, check)


def present(value: Any) -> Any:
    """A JSON value without properties that are null, which is how a received model shows absence."""
    if isinstance(value, dict):
        return {key: present(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [present(item) for item in value]
    return value


def test_every_union_member_round_trips(subtests: pytest.Subtests) -> None:
    """Every union member, enum value and null position of the schema is drawn, decoded and encoded."""

    def check(name: str) -> None:
        seen = Drawn()
        decode = decoder(name)
        wanted = sorted(choices(name))
        for some in (wanted[start : start + 8] for start in range(0, len(wanted), 8)):

            @settings(DRAWN, max_examples=1)
            @given(st.tuples(*(instances(name, seen, through=choice) for choice in some)))
            def check_drawn(drawn: tuple[Any, ...]) -> None:
                for data in drawn:
                    assert present(encoded(decode(data))) == present(data)

            check_drawn()
        assert choices(name) <= set(seen)

    check_each(subtests, DECODABLE, check)


@cache
def drawn(name: str) -> list[dict[str, Any]]:
    """Values of a class, in which a test replaces one property after the other."""
    found: list[dict[str, Any]] = []

    @settings(DRAWN, max_examples=examples(10), database=None)
    @given(KNOWN.instances(name))
    def draw(data: dict[str, Any]) -> None:
        found.append(data)

    draw()
    return found


def test_null_anywhere_never_raises(subtests: pytest.Subtests) -> None:
    def check(name: str) -> None:
        model = getattr(models, name)
        for data, key in product(drawn(name), schemas.get(name)["properties"]):
            made = model.from_dict({**data, key: None})
            assert model.from_dict(made.to_dict()) == made

    check_each(subtests, CLASSES, check)


def test_values_of_unknown_types_are_kept(subtests: pytest.Subtests) -> None:
    """A value of an unexpected JSON type is kept and encoded again."""

    def check(name: str) -> None:
        model = getattr(models, name)
        for data, key, value in product(drawn(name), schemas.get(name)["properties"], UNKNOWN_KINDS):
            try:
                made = model.from_dict({**data, key: value})
            except ValueError as error:
                assert "required property" in str(error)
            else:
                assert made.to_dict()[key] == value

    check_each(subtests, CLASSES, check)


def test_a_missing_property_is_named(subtests: pytest.Subtests) -> None:
    def check(name: str) -> None:
        model = getattr(models, name)
        for data, key in product(drawn(name), schemas.get(name).get("required", [])):
            with pytest.raises(ValueError, match=f"{name}: required property '{key}' is missing"):
                model.from_dict({k: v for k, v in data.items() if k != key})
        with pytest.raises(ValueError, match="expected a JSON object"):
            model.from_dict([*drawn(name)])

    check_each(subtests, CLASSES, check)


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
    """Whether a model has an attribute that distinguishes `UNSET` from null."""
    return any(field.default is UNSET for field in attrs.fields(getattr(models, name)))


def test_null_and_absent(subtests: pytest.Subtests) -> None:
    """Sent models tell null from absence; models that are only received know None alone."""

    def check(name: str) -> None:
        model = getattr(models, name)
        for data, key in product(drawn(name), nullable(name)):
            null = model.from_dict({**data, key: None})
            absent = model.from_dict({k: v for k, v in data.items() if k != key})
            assert getattr(null, key) is None
            assert key not in absent.to_dict()
            if sendable(name):
                assert getattr(absent, key) is UNSET and not getattr(absent, key)
                assert null.to_dict()[key] is None
            else:
                assert null == absent

    check_each(subtests, CLASSES, check)


def test_only_sent_models_have_unset() -> None:
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
