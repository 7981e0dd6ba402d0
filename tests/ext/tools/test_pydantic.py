"""Pydantic models as parameters and results."""

from __future__ import annotations

import dataclasses
import datetime
import json
import subprocess
import sys
from typing import Annotated, Any, Literal

import attrs
import msgspec
import pydantic

from realtime_ext import tools
from tests.support.rows import each


class Address(pydantic.BaseModel):
    street: str = pydantic.Field(min_length=1, description="With the number.")


class Guest(pydantic.BaseModel):
    """Somebody who stays."""

    model_config = pydantic.ConfigDict(extra="forbid")

    name: str
    arrives: datetime.date
    address: Address | None = None
    room: Literal["single", "double"] = "single"


class Node(pydantic.BaseModel):
    value: int
    children: list[Node] = []


def check_in(guest: Guest, others: list[Guest] | None = None) -> Any:
    assert isinstance(guest, Guest)
    assert all(isinstance(other, Guest) for other in others or [])
    return guest


def test_the_schema_is_pydantics_written_out() -> None:
    parameters = tools.function_tool(check_in).to_dict()["parameters"]
    assert "$defs" not in parameters
    guest = parameters["properties"]["guest"]
    assert guest == {
        "type": "object",
        "description": "Somebody who stays.",
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string"},
            "arrives": {"type": "string", "format": "date"},
            "address": {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {
                            "street": {"type": "string", "minLength": 1, "description": "With the number."}
                        },
                        "required": ["street"],
                    },
                    {"type": "null"},
                ],
                "default": None,
            },
            "room": {"type": "string", "enum": ["single", "double"], "default": "single"},
        },
        "required": ["name", "arrives"],
    }
    others = parameters["properties"]["others"]
    assert others == {"anyOf": [{"type": "array", "items": guest}, {"type": "null"}], "default": None}


def test_models_are_made_and_given_back() -> None:
    guest = {"name": "Ann", "arrives": "2026-01-15", "address": {"street": "Main 1"}}
    toolbox = tools.Toolbox([check_in])
    output = toolbox.call("check_in", json.dumps({"guest": guest, "others": [guest]}))
    assert json.loads(output) == {**guest, "room": "single"}


@dataclasses.dataclass
class Stay:
    guests: list[Address]
    note: str = dataclasses.field(init=False)


@attrs.define
class Room:
    guests: list[Address]


@each("kind", [Stay, Room, msgspec.defstruct("Flat", [("guests", list[Address])])])
def test_a_model_within_another_kind_of_object_is_given_back_too(kind: Any) -> None:
    def stay() -> Any:
        return kind([Address(street="Main 1")])

    assert json.loads(tools.Toolbox([stay]).call("stay", "{}")) == {"guests": [{"street": "Main 1"}]}


@each("limit", [pydantic.Field(multiple_of=0.1), msgspec.Meta(multiple_of=0.1, description="In kg.")])
def test_multiples_of_a_fraction_are_checked_as_they_are_written(limit: Any) -> None:
    def weigh(kilos: float) -> float:
        return kilos

    weigh.__annotations__["kilos"] = Annotated[float, limit]
    toolbox = tools.Toolbox([weigh])
    assert toolbox.definitions[0].to_dict()["parameters"]["properties"]["kilos"]["multipleOf"] == 0.1
    assert toolbox.call("weigh", '{"kilos": 0.3}') == "0.3"
    assert json.loads(toolbox.call("weigh", '{"kilos": 0.35}'))["error"]["type"] == "invalid_argument"


@each(
    "guest, kind, message",
    [
        ({"name": "Ann"}, "missing_argument", "check_in: guest.arrives: expected a string, got nothing"),
        (
            {"name": 5, "arrives": "2026-01-15"},
            "invalid_argument",
            "check_in: guest.name: expected a string, got 5",
        ),
        (
            {"name": "Ann", "arrives": "soon"},
            "invalid_argument",
            "check_in: guest: arrives: Input should be a valid date",
        ),
        (
            {"name": "Ann", "arrives": "2026-01-15", "x": 1},
            "unknown_argument",
            "check_in: guest.x: not known here",
        ),
        (
            {"name": "Ann", "arrives": "2026-01-15", "address": {"street": ""}},
            "invalid_argument",
            "check_in: guest.address.street: expected a string of at least 1 character",
        ),
    ],
)
def test_pydantic_errors_are_reported_to_the_model(guest: Any, kind: str, message: str) -> None:
    error = json.loads(tools.Toolbox([check_in]).call("check_in", json.dumps({"guest": guest})))["error"]
    assert error["type"] == kind
    assert error["message"].startswith(message)


def test_models_that_contain_themselves_stay_in_defs() -> None:
    def plant(tree: Node, spare: list[Node]) -> Any:
        return [tree, *spare]

    parameters = tools.function_tool(plant).to_dict()["parameters"]
    assert parameters["properties"]["tree"] == {"$ref": "#/$defs/Node.Node"}
    assert list(parameters["$defs"]) == ["Node.Node"]
    output = tools.Toolbox([plant]).call(
        "plant", '{"tree": {"value": 1, "children": [{"value": 2}]}, "spare": []}'
    )
    assert json.loads(output) == [{"value": 1, "children": [{"value": 2, "children": []}]}]


def test_two_models_of_one_name_stay_apart() -> None:
    def module(kind: type) -> type[pydantic.BaseModel]:
        inner = pydantic.create_model("Inner", x=(kind, ...))
        return pydantic.create_model(f"Outer{kind.__name__}", inner=(inner, ...), again=(inner, ...))

    def tool(a: Any, b: Any, c: Any) -> None: ...

    other = module(str)
    other.__name__, other.__module__ = "Outerint", "elsewhere"
    tool.__annotations__ = {"a": module(int), "b": module(str), "c": other}
    properties = tools.function_tool(tool).to_dict()["parameters"]["properties"]
    assert properties["a"]["properties"]["inner"]["properties"]["x"] == {"type": "integer"}
    assert properties["b"]["properties"]["again"]["properties"]["x"] == {"type": "string"}
    assert properties["c"]["properties"]["inner"]["properties"]["x"] == {"type": "string"}


def test_a_field_describes_and_limits_a_plain_parameter() -> None:
    def stay(nights: Annotated[int, pydantic.Field(ge=1, le=14, description="How many.")]) -> int:
        return nights

    toolbox = tools.Toolbox([stay])
    assert toolbox.definitions[0].to_dict()["parameters"]["properties"]["nights"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 14,
        "description": "How many.",
    }
    assert json.loads(toolbox.call("stay", '{"nights": 15}'))["error"]["type"] == "invalid_argument"


def test_pydantics_own_types_work() -> None:
    def visit(url: pydantic.HttpUrl) -> Any:
        return {"url": url, "host": url.host}

    toolbox = tools.Toolbox([visit])
    assert json.loads(toolbox.call("visit", '{"url": "https://example.com/x"}'))["host"] == "example.com"
    error = json.loads(toolbox.call("visit", '{"url": "nowhere"}'))["error"]
    assert error["message"].startswith("visit: url: Input should be a valid URL")


def test_a_default_model_is_in_the_schema() -> None:
    def stay(address: Address = Address(street="Main 1")) -> Any:  # noqa: B008
        return address

    toolbox = tools.Toolbox([stay])
    schema = toolbox.definitions[0].to_dict()["parameters"]["properties"]["address"]
    assert schema["default"] == {"street": "Main 1"}
    assert toolbox.call("stay", "") == '{"street":"Main 1"}'


def test_pydantic_is_not_imported_for_tools_without_it() -> None:
    code = (
        "import sys; from realtime_ext import tools\n"
        "def f(a: int, b: list[str] | None = None) -> dict: return {'a': a}\n"
        "box = tools.Toolbox([f]); box.definitions\n"
        "box.call('f', '{\"a\": 1}'); box.call('f', '{\"a\": \"x\"}')\n"
        "assert 'pydantic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class Broken(pydantic.BaseModel):
    code: str

    @pydantic.field_validator("code")
    @classmethod
    def look_up(cls, value: str) -> str:
        return {"a": "b"}[value]


def test_a_validator_that_fails_is_reported_with_its_error() -> None:
    def find(item: Broken) -> str:
        """Find an item."""
        return item.code

    error = json.loads(tools.Toolbox([find]).call("find", '{"item": {"code": "x"}}'))["error"]
    assert error == {"type": "invalid_argument", "message": "find: KeyError: 'x'"}
