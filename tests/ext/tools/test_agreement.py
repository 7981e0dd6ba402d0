"""What the schema allows, the tool takes; what it refuses, the tool refuses."""

from __future__ import annotations

import enum
import itertools
import json
from dataclasses import make_dataclass
from types import NoneType
from typing import Annotated, Any, Literal

import jsonschema_rs
import pytest
from hypothesis import given, settings, strategies as st
from msgspec import Meta

from realtime_ext import tools
from tests.support.examples import examples

pytestmark = pytest.mark.slow


class Size(enum.Enum):
    SMALL = "a"
    LARGE = "ab"


NUMBERS = itertools.count()


def dataclass_of(inner: Any) -> Any:
    return make_dataclass(f"Made{next(NUMBERS)}", [("a", inner), ("b", inner | None, None)])


LEAVES = st.sampled_from(
    [
        int,
        float,
        str,
        bool,
        Any,
        Size,
        Literal["a", "b"],
        Literal[1, 2],
        Annotated[int, Meta(ge=0, le=3)],
        Annotated[float, Meta(gt=0, lt=2)],
        Annotated[str, Meta(min_length=1, max_length=2)],
        Annotated[str, Meta(pattern="^a")],
        int | str,
        NoneType,
    ]
)
ANNOTATIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda item: list[item]),  # type: ignore[valid-type]
        inner.map(lambda item: dict[str, item]),  # type: ignore[valid-type]
        inner.map(lambda item: item | None),
        inner.map(lambda item: Annotated[list[item], Meta(max_length=2)]),  # type: ignore[valid-type]
        inner.map(dataclass_of),
        st.tuples(inner, inner).map(lambda pair: tuple[pair]),  # type: ignore[valid-type]
    ),
    max_leaves=3,
)
# Limits on an Optional as a whole are for parameters: within a class, msgspec wants them on the member.
PARAMETERS = ANNOTATIONS | st.just(Annotated[int | None, Meta(ge=1)])
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-1, 4),
        st.sampled_from([0.5, 1.0, 2.0, 2.5]),
        st.text("abc", max_size=3),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=examples(300), deadline=None)
@given(
    annotations=st.lists(PARAMETERS, min_size=1, max_size=2),
    optional=st.booleans(),
    arguments=st.dictionaries(st.sampled_from(["p0", "p1", "q"]), VALUES, max_size=3),
)
def test_schema_and_tool_agree(annotations: list[Any], optional: bool, arguments: dict[str, Any]) -> None:
    def first(p0: Any, p1: Any = None) -> str:
        return "taken"

    def second(p0: Any) -> str:
        return "taken"

    tool = first if optional else second
    tool.__name__ = "tool"
    tool.__annotations__ = {"p0": annotations[0], "p1": annotations[-1]}
    toolbox = tools.Toolbox([tool])
    schema = toolbox.definitions[0].to_dict()["parameters"]
    allowed = jsonschema_rs.Draft202012Validator(schema).is_valid(arguments)
    output = json.loads(toolbox.call("tool", json.dumps(arguments)))
    assert (output == "taken") == allowed, (schema, output)
    if not allowed:
        assert output["error"]["type"] in ("missing_argument", "unknown_argument", "invalid_argument")
