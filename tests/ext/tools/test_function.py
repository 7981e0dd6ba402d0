"""From a Python function to the definition that the model sees."""

from __future__ import annotations

import datetime
import decimal
import enum
import functools
import typing
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, Required, TypedDict

import attrs
import jsonschema_rs
import msgspec
import pytest
from msgspec import Meta
from realtime_api.models import RealtimeFunctionTool

from realtime_ext import tools
from tests.support.rows import each


class Size(enum.Enum):
    """How big a room is."""

    SMALL = "small"
    LARGE = "large"


class Floor(enum.IntEnum):
    GROUND = 0
    FIRST = 1


@dataclass
class Guest:
    """Somebody who stays.

    Attributes:
        name: As in the passport.
    """

    name: str
    born: datetime.date | None = None
    arrives: datetime.datetime | None = None
    tags: list[Annotated[str, "a word"]] = field(default_factory=list)
    room: Literal["single", "double"] = "single"


@attrs.frozen
class Address:
    street: Annotated[str, "with the number"]
    size: Size = Size.SMALL


class Circle(msgspec.Struct, tag="circle"):
    radius: Annotated[float, Meta(gt=0)]


class Square(msgspec.Struct, tag="square"):
    side: float


@dataclass
class Node:
    value: int
    children: list[Node] = field(default_factory=list)


class Filters(TypedDict, total=False):
    city: Required[str]
    stars: Annotated[int, "1 to 5"]


class Point(NamedTuple):
    x: float
    y: float = 0.0


def schema_of(annotation: Any) -> dict[str, Any]:
    def tool(p: Any) -> None: ...

    tool.__annotations__["p"] = annotation
    parameters = tools.function_tool(tool).to_dict()["parameters"]
    assert parameters["required"] == ["p"]
    schema: dict[str, Any] = {**parameters["properties"]["p"]}
    return {**schema, "$defs": parameters["$defs"]} if "$defs" in parameters else schema


def book_room(
    room: str,
    nights: Annotated[int, Meta(ge=1, le=14)],
    context: tools.ToolContext[dict[str, int]],
    size: Size = Size.SMALL,
    *,
    late: bool = False,
    note: str | None = None,
) -> dict[str, Any]:
    """Book a room.

    Only after the caller has agreed.

    Args:
        room: The room's name,
            as on its door.
        nights: How many nights.
        context: Not for the model.

    Returns:
        The booking.
    """
    return {}


def test_a_function_becomes_a_definition() -> None:
    definition = tools.function_tool(book_room)
    assert isinstance(definition, RealtimeFunctionTool)
    assert definition.to_dict() == {
        "type": "function",
        "name": "book_room",
        "description": "Book a room.\n\nOnly after the caller has agreed.",
        "parameters": {
            "type": "object",
            "properties": {
                "room": {"type": "string", "description": "The room's name, as on its door."},
                "nights": {"type": "integer", "minimum": 1, "maximum": 14, "description": "How many nights."},
                "size": {
                    "type": "string",
                    "enum": ["small", "large"],
                    "description": "How big a room is.",
                    "default": "small",
                },
                "late": {"type": "boolean", "default": False},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            },
            "required": ["room", "nights"],
            "additionalProperties": False,
        },
    }


def test_a_function_without_parameters_or_docstring_is_one_too() -> None:
    def ping() -> str:
        return "pong"

    assert tools.function_tool(ping).to_dict() == {
        "type": "function",
        "name": "ping",
        "parameters": {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
    }


@each(
    "annotation, schema",
    [
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (str, {"type": "string"}),
        (None, {"type": "null"}),
        (Any, {}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
        (datetime.date, {"type": "string", "format": "date"}),
        (datetime.datetime, {"type": "string", "format": "date-time"}),
        (datetime.time, {"type": "string", "format": "time"}),
        (datetime.timedelta, {"type": "string", "format": "duration"}),
        (decimal.Decimal, {"type": "string", "format": "decimal"}),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (list, {"type": "array"}),
        (dict, {"type": "object"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (Sequence[int], {"type": "array", "items": {"type": "integer"}}),
        (set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Mapping[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Literal["z", "a", "m"], {"type": "string", "enum": ["z", "a", "m"]}),
        (Literal[3, 1], {"type": "integer", "enum": [3, 1]}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (Floor, {"type": "integer", "enum": [0, 1]}),
        (
            Point,
            {
                "type": "array",
                "prefixItems": [{"type": "number"}, {"type": "number", "default": 0.0}],
                "minItems": 1,
                "maxItems": 2,
            },
        ),
        (
            Filters,
            {
                "type": "object",
                "properties": {
                    "city": {"type": "string"},
                    "stars": {"type": "integer", "description": "1 to 5"},
                },
                "required": ["city"],
            },
        ),
        (
            Address,
            {
                "type": "object",
                "properties": {
                    "street": {"type": "string", "description": "with the number"},
                    "size": {
                        "type": "string",
                        "enum": ["small", "large"],
                        "description": "How big a room is.",
                        "default": "small",
                    },
                },
                "required": ["street"],
            },
        ),
        (
            Guest,
            {
                "type": "object",
                "description": "Somebody who stays.",
                "properties": {
                    "name": {"type": "string", "description": "As in the passport."},
                    "born": {
                        "anyOf": [{"type": "string", "format": "date"}, {"type": "null"}],
                        "default": None,
                    },
                    "arrives": {
                        "anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}],
                        "default": None,
                    },
                    "tags": {"type": "array", "items": {"type": "string", "description": "a word"}},
                    "room": {"type": "string", "enum": ["single", "double"], "default": "single"},
                },
                "required": ["name"],
            },
        ),
        (
            Circle | Square | None,
            {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {
                            "type": {"type": "string", "enum": ["circle"]},
                            "radius": {"type": "number", "exclusiveMinimum": 0},
                        },
                        "required": ["type", "radius"],
                    },
                    {
                        "type": "object",
                        "properties": {
                            "type": {"type": "string", "enum": ["square"]},
                            "side": {"type": "number"},
                        },
                        "required": ["type", "side"],
                    },
                    {"type": "null"},
                ]
            },
        ),
    ],
)
def test_types_have_their_exact_schema(annotation: Any, schema: dict[str, Any]) -> None:
    assert schema_of(annotation) == schema


def test_a_type_that_contains_itself_is_the_only_one_in_defs() -> None:
    node = {
        "type": "object",
        "properties": {
            "value": {"type": "integer"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
        },
        "required": ["value"],
    }
    assert schema_of(dict[str, Node]) == {
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/Node"},
        "$defs": {"Node": node},
    }
    assert "$defs" not in schema_of(list[Guest])


class Described:
    """Stands for `typing.Doc`, which is not in every Python."""

    def __init__(self, documentation: str) -> None:
        self.documentation = documentation


class Between:
    """Stands for annotated-types' `Interval`."""

    def __init__(self, ge: int | None = None, lt: int | None = None) -> None:
        self.ge, self.lt, self.gt, self.le = ge, lt, None, None


@each(
    "annotation, schema",
    [
        (Annotated[int, "how many"], {"type": "integer", "description": "how many"}),
        (Annotated[int, Described("how many")], {"type": "integer", "description": "how many"}),
        (Annotated[int, Meta(description="how many")], {"type": "integer", "description": "how many"}),
        (
            Annotated[int, Meta(ge=1), Meta(le=2), "n"],
            {"type": "integer", "minimum": 1, "maximum": 2, "description": "n"},
        ),
        (Annotated[int, Between(ge=1, lt=9)], {"type": "integer", "minimum": 1, "exclusiveMaximum": 9}),
        (
            Annotated[str, Meta(min_length=1, max_length=3, pattern="^a")],
            {"type": "string", "minLength": 1, "maxLength": 3, "pattern": "^a"},
        ),
        (
            Annotated[list[int], Meta(max_length=3)],
            {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
        ),
        (
            list[Annotated[int, "each"]],
            {"type": "array", "items": {"type": "integer", "description": "each"}},
        ),
        (
            typing.List[Annotated[int, "each"]],  # noqa: UP006
            {"type": "array", "items": {"type": "integer", "description": "each"}},
        ),
        (
            Annotated[int | None, Meta(ge=1, description="n")],
            {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "description": "n"},
        ),
        (Annotated[int, Meta(title="Count")], {"type": "integer", "title": "Count"}),
        (Annotated[datetime.datetime, Meta(tz=False)], {"type": "string"}),
        (
            Annotated[datetime.datetime, "when"],
            {"type": "string", "format": "date-time", "description": "when"},
        ),
        (Annotated[Guest, "who"], {"description": "who"}),
    ],
)
def test_annotations_describe_and_limit(annotation: Any, schema: dict[str, Any]) -> None:
    found = schema_of(annotation)
    if annotation == Annotated[Guest, "who"]:
        schema = {**schema_of(Guest), **schema}
    assert found == schema


def test_an_annotation_wins_over_the_docstring() -> None:
    def tool(a: Annotated[int, "from the annotation"], b: int) -> None:
        """X.

        Args:
            a: From the docstring.
            b: From the docstring.
        """

    properties = tools.function_tool(tool).to_dict()["parameters"]["properties"]
    assert properties["a"]["description"] == "from the annotation"
    assert properties["b"]["description"] == "From the docstring."


def test_defaults_with_a_json_form_are_in_the_schema() -> None:
    def tool(
        a: list[int] = [1, 2],  # noqa: B006
        b: Guest = Guest("Ann"),  # noqa: B008
        c: int = object(),  # type: ignore[assignment]
        d: Any = None,
    ) -> None: ...

    properties = tools.function_tool(tool).to_dict()["parameters"]["properties"]
    assert properties["a"]["default"] == [1, 2]
    assert properties["b"]["default"]["name"] == "Ann"
    assert "default" not in properties["c"]
    assert properties["d"] == {"default": None}


def test_every_schema_is_valid_json_schema() -> None:
    for annotation in (Guest, Node, Circle | Square, Filters, Point, Floor, set[int], tuple[int, str]):
        jsonschema_rs.Draft202012Validator(schema_of(annotation))


class Desk:
    def look_up(self, name: str) -> None:
        """Look somebody up."""

    @staticmethod
    def ring(times: int = 1) -> None:
        """Ring the bell."""

    async def __call__(self, name: str) -> None:
        """Ask the desk."""


def test_methods_partials_and_callable_objects_are_functions_too() -> None:
    assert list(tools.function_tool(Desk().look_up).to_dict()["parameters"]["properties"]) == ["name"]
    assert tools.function_tool(Desk.ring).to_dict()["name"] == "ring"
    called = tools.function_tool(Desk()).to_dict()
    assert (called["name"], list(called["parameters"]["properties"])) == ("Desk", ["name"])
    assert called["description"] == "Ask the desk."

    def find(database: object, city: str, limit: int = 5) -> None: ...

    partial = tools.function_tool(functools.partial(find, object(), limit=3)).to_dict()
    assert (partial["name"], list(partial["parameters"]["properties"])) == ("find", ["city"])


@each(
    "annotation",
    [
        tools.ToolContext,
        tools.ToolContext[int],
        tools.ToolContext | None,
        Annotated[tools.ToolContext, "here"],
    ],
)
def test_the_context_stays_out_of_the_schema(annotation: Any) -> None:
    def tool(a: int, where: Any) -> None: ...

    tool.__annotations__["where"] = annotation
    assert list(tools.function_tool(tool).to_dict()["parameters"]["properties"]) == ["a"]


def unannotated(city) -> None: ...  # type: ignore[no-untyped-def]
def star(*cities: str) -> None: ...
def double_star(**cities: str) -> None: ...
def opaque(city: object) -> None: ...
def callback(city: Callable[[], int]) -> None: ...
def two_lists(city: list[int] | list[str]) -> None: ...
def unresolved(city: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def bad_limit(city: Annotated[int, Meta(min_length=1)]) -> None: ...
def bad_limits(city: Annotated[int | None, Meta(min_length=1)]) -> None: ...
def größe(city: str) -> None: ...
def f2345678901234567890123456789012345678901234567890123456789012345(city: str) -> None: ...


@each(
    "function, error, message",
    [
        (unannotated, TypeError, "tool unannotated: parameter city has no annotation"),
        (Desk.look_up, TypeError, "tool look_up: parameter self has no annotation"),
        (star, TypeError, r"tool star: \*cities: .* can't be described; name each parameter"),
        (double_star, TypeError, r"tool double_star: \*\*cities: .* can't be described"),
        (opaque, TypeError, "tool opaque: parameter city: there is no JSON form of object"),
        (callback, TypeError, "tool callback: parameter city: there is no JSON form of Callable"),
        (two_lists, TypeError, "tool two_lists: parameter city: .* not supported"),
        (
            unresolved,
            TypeError,
            "tool unresolved: its annotations can't be read: name 'Nowhere' is not defined",
        ),
        (bad_limit, TypeError, "tool bad_limit: parameter city: Can only set `min_length`"),
        (bad_limits, TypeError, "tool bad_limits: parameter city: Can only set `min_length`"),
        (größe, ValueError, "tool größe: name: expected a string .* that matches .*, got 'größe'"),
        (f2345678901234567890123456789012345678901234567890123456789012345, ValueError, "name: expected"),
        (lambda: None, ValueError, "expected a function with a name, got a lambda"),
        (5, TypeError, "tool: expected a function, got 5"),
        ("book_room", TypeError, "tool: expected a function, got 'book_room'"),
        (Guest, TypeError, "tool: expected a function, got <class"),
        (print, TypeError, "tool print: "),
    ],
)
def test_undescribable_functions_are_refused_by_name(
    function: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tools.function_tool(function)
