"""Definitions written by hand, with handlers of every shape."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from unittest import mock

import pytest
from realtime_api.models import RealtimeFunctionTool

from realtime_ext import tools
from tests.support.rows import each

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
}
DEFINITION = {"type": "function", "name": "weather", "description": "The weather.", "parameters": PARAMETERS}
ARGUMENTS = '{"city": "Bern", "days": 2}'


def by_keyword(city: str, days: int = 1) -> Any:
    return [city, days]


def by_any_keyword(**arguments: Any) -> Any:
    return [arguments["city"], arguments["days"]]


def as_dict(arguments: dict[str, Any]) -> Any:
    return [arguments["city"], arguments["days"]]


def as_positional_dict(arguments: dict[str, Any], /) -> Any:
    return as_dict(arguments)


def with_context(context: tools.ToolContext[Any], city: str, days: int) -> Any:
    assert isinstance(context, tools.ToolContext)
    return [city, days]


def dict_with_context(context: tools.ToolContext[Any], arguments: dict[str, Any], /) -> Any:
    assert isinstance(context, tools.ToolContext)
    return as_dict(arguments)


def keywords_with_context(context: tools.ToolContext[Any], /, **arguments: Any) -> Any:
    assert isinstance(context, tools.ToolContext)
    return by_any_keyword(**arguments)


async def asynchronous(city: str, days: int) -> Any:
    return [city, days]


class Service:
    def __call__(self, city: str, days: int) -> Any:
        return [city, days]


PARAMETERS_ALL = {**PARAMETERS, "required": ["city", "days"]}


@each(
    "handler",
    [
        by_keyword,
        by_any_keyword,
        as_dict,
        as_positional_dict,
        with_context,
        dict_with_context,
        keywords_with_context,
        asynchronous,
        Service(),
        lambda args: as_dict(args),
        mock.Mock(return_value=["Bern", 2]),
    ],
)
def test_a_handler_gets_the_arguments_by_its_signature(handler: Any) -> None:
    toolbox = tools.Toolbox()
    assert toolbox.add({**DEFINITION, "parameters": PARAMETERS_ALL}, handler) is handler
    assert toolbox.call("weather", ARGUMENTS) == '["Bern",2]'
    assert asyncio.run(toolbox.acall("weather", ARGUMENTS)) == '["Bern",2]'


@pytest.mark.parametrize("definition", [DEFINITION, RealtimeFunctionTool.from_dict(DEFINITION)])
def test_a_definition_is_a_dict_or_the_generated_class(definition: Any) -> None:
    toolbox = tools.Toolbox()
    toolbox.add(definition, by_keyword)
    assert [item.to_dict() for item in toolbox.definitions] == [DEFINITION]


def test_type_and_parameters_may_be_left_out() -> None:
    toolbox = tools.Toolbox()
    toolbox.add({"name": "ping"}, lambda: "pong")
    (definition,) = toolbox.definitions
    assert definition.to_dict() == {
        "type": "function",
        "name": "ping",
        "parameters": {"type": "object", "properties": {}},
    }
    assert toolbox.call("ping", "") == '"pong"'


@each(
    "arguments, kind, message",
    [
        ("{}", "missing_argument", "weather: city: expected a string, got nothing; it is required"),
        ('{"city": 5}', "invalid_argument", "weather: city: expected a string, got 5"),
        (
            '{"city": "Bern", "days": 0}',
            "invalid_argument",
            "weather: days: expected an integer of at least 1, got 0",
        ),
        (
            '{"city": "Bern", "day": 1}',
            "unknown_argument",
            "weather: day: not known here, got 1; did you mean days?",
        ),
        ("[]", "invalid_argument", "the arguments of weather: expected a JSON object, got []"),
    ],
)
def test_arguments_are_checked_against_the_schema(arguments: str, kind: str, message: str) -> None:
    toolbox = tools.Toolbox()
    toolbox.add(DEFINITION, by_keyword)
    assert json.loads(toolbox.call("weather", arguments)) == {"error": {"type": kind, "message": message}}


def test_a_handler_with_kwargs_gets_undescribed_arguments() -> None:
    toolbox = tools.Toolbox()
    toolbox.add(DEFINITION, lambda **arguments: arguments)
    assert json.loads(toolbox.call("weather", '{"city": "Bern", "unit": "C"}')) == {
        "city": "Bern",
        "unit": "C",
    }


def test_whole_numbers_are_integers_where_the_schema_asks_for_them() -> None:
    schema = {
        "type": "object",
        "properties": {
            "whole": {"type": ["integer", "null"]},
            "any": {"type": "number"},
            "list": {"type": "array", "items": {"type": "integer"}},
        },
    }
    toolbox = tools.Toolbox()
    toolbox.add({"name": "roll", "parameters": schema}, lambda **arguments: repr(arguments))
    output = toolbox.call("roll", '{"whole": 3.0, "any": 3.0, "list": [1.0, 2], "new": 4.0}')
    assert json.loads(output) == "{'whole': 3, 'any': 3.0, 'list': [1, 2], 'new': 4.0}"


def test_values_nested_too_deeply_for_the_check_are_refused() -> None:
    schema = {"type": "object", "properties": {"tree": {"$ref": "#/$defs/tree"}}}
    schema["$defs"] = {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}
    toolbox = tools.Toolbox()
    toolbox.add({"name": "plant", "parameters": schema}, lambda args: "planted")
    assert toolbox.call("plant", '{"tree": [[]]}') == '"planted"'
    told = json.loads(toolbox.call("plant", '{"tree": ' + "[" * 900 + "]" * 900 + "}"))
    assert told["error"] == {"type": "invalid_argument", "message": "plant: nested too deeply"}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def doubled(depth: int) -> Any:
    """A schema that is small here, and huge when it is written out."""
    schema: Any = {"type": "string"}
    for _ in range(depth):
        schema = {"anyOf": [schema, schema]}
    return {"type": "object", "properties": {"x": schema}}


@each(
    "definition, handler, error, message",
    [
        (
            {**DEFINITION, "parameters": doubled(40)},
            by_keyword,
            ValueError,
            "tool weather: parameters: expected 100,000 values at most, written out",
        ),
        ({}, by_keyword, ValueError, "tool: expected a definition with a name, got the name null"),
        ({"name": ""}, by_keyword, ValueError, "got the name ''"),
        ({"name": 5}, by_keyword, ValueError, "got the name 5"),
        ({"name": nested(1500)}, by_keyword, ValueError, "got the name a list of 1"),
        ({"name": {"a": nested(1500)}}, by_keyword, ValueError, "got the name an object"),
        (
            {"name": "the weather"},
            by_keyword,
            ValueError,
            "name: expected a string .* that matches .*, got 'the weather'",
        ),
        (
            {**DEFINITION, "type": "mcp"},
            by_keyword,
            ValueError,
            "tool weather: type: expected 'function', got 'mcp'",
        ),
        (
            {**DEFINITION, "description": 5},
            by_keyword,
            ValueError,
            "tool weather: description: expected a string",
        ),
        (
            {**DEFINITION, "parameters": []},
            by_keyword,
            ValueError,
            "parameters: expected an object, got \\[\\]",
        ),
        (
            {**DEFINITION, "parameters": {"type": "array"}},
            by_keyword,
            ValueError,
            "parameters.type: expected 'object'",
        ),
        (
            {**DEFINITION, "parameters": {"properties": 5}},
            by_keyword,
            ValueError,
            "parameters.properties: expected an object",
        ),
        (
            {**DEFINITION, "parameters": {"required": "city"}},
            by_keyword,
            ValueError,
            "parameters.required: expected a list",
        ),
        (
            {**DEFINITION, "parameters": {"properties": {"a": {"type": "int"}}}},
            by_keyword,
            ValueError,
            r"parameters\.properties\.a\.type: expected",
        ),
        (
            {**DEFINITION, "parameters": {"$ref": "#"}},
            by_keyword,
            ValueError,
            "a reference leads back to itself",
        ),
        (
            DEFINITION,
            lambda: None,
            ValueError,
            "tool weather: its handler has no parameter city, which its schema has",
        ),
        (
            DEFINITION,
            with_context,
            ValueError,
            "tool weather: its handler needs days, which its schema doesn't require",
        ),
        (DEFINITION, "by_keyword", TypeError, "tool weather: expected a handler to call, got str"),
        (5, by_keyword, TypeError, "tool: expected a RealtimeFunctionTool or a dict, got int"),
    ],
)
def test_unusable_definitions_are_refused_when_added(
    definition: Any, handler: Any, error: type[Exception], message: str
) -> None:
    toolbox = tools.Toolbox()
    with pytest.raises(error, match=message):
        toolbox.add(definition, handler)
    assert len(toolbox) == 0


def test_a_schema_that_is_nested_too_deep_is_refused() -> None:
    value: dict[str, Any] = {"type": "string"}
    for _ in range(1500):
        value = {"type": "array", "items": value}
    definition = {
        "type": "function",
        "name": "deep",
        "parameters": {"type": "object", "properties": {"a": value}},
    }
    with pytest.raises(ValueError, match="tool deep: parameters: the schema is nested too deep"):
        tools.Toolbox().add(definition, lambda a: a)
