"""The module of official names: rules, exceptions, and errors for names that no longer fit."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from specpipe import pipeline, type_names
from specpipe.errors import SpecError

from tests.support.rows import each

pytestmark = pytest.mark.slow

NAMES = type_names.TypeNames(
    module="names",
    docstring="Names.",
    rules={r"ServerEvent(.+)": r"\1Event", r"(MCP.+)": r"\1", r"(.+)GA": r"\1"},
    spelling={"MCP": "Mcp"},
    exceptions={"Failed": "ServerEventError"},
    lists={"Tools": "Tool"},
    params={"CreateParams": "SessionGA"},
    unnamed=["ServerEventInternal"],
)
SCHEMAS = [
    "MCPTool",
    "ServerEventDone",
    "ServerEventError",
    "ServerEventInternal",
    "Session",
    "SessionGA",
    "Tool",
]
SENT = {"SessionParam", "SessionGAParam", "ToolParam"}


def source(names: type_names.TypeNames) -> str:
    return type_names.source(names, "api", SCHEMAS, SENT, templates=pipeline.OPENAPI / "templates")


def test_rules_and_exceptions_give_official_names() -> None:
    module = source(NAMES)
    for line in (
        "DoneEvent = _models.ServerEventDone",
        "Failed = _models.ServerEventError",
        "McpTool = _models.MCPTool",
        "Tools = list[_models.Tool]",
        "SessionParam = _params.SessionGAParam",
        "CreateParams = _params.SessionGAParam",
    ):
        assert f"    {line}\n" in module
    assert "ErrorEvent" not in module and "InternalEvent" not in module


def test_schemas_can_be_left_out() -> None:
    module = source(attrs.evolve(NAMES, without="MCP.+|ServerEventDone"))
    assert "McpTool" not in module and "MCPTool" not in module and "DoneEvent" not in module
    assert "    Failed = _models.ServerEventError\n" in module


def test_an_official_name_shadows_a_schema_of_that_name() -> None:
    module = source(NAMES)
    assert "    Session = _models.SessionGA\n" in module
    assert "        Session,\n" not in module and "        SessionGA,\n" in module


@each(
    "change, message",
    [
        ({"exceptions": {"Failed": "ServerEventGone"}}, "ServerEventGone, which is not a schema"),
        ({"lists": {"Tools": "Gone"}}, "Gone, which is not a schema"),
        ({"lists": {"Tools": "MCPTool"}}, "MCPTool is not sent"),
        ({"params": {"CreateParams": "MCPTool"}}, "MCPTool is not sent"),
        ({"unnamed": ["ServerEventInternal", "Tool"]}, "no rule matches Tool"),
        ({"exceptions": {"DoneEvent": "ServerEventError"}}, "the same official name DoneEvent"),
    ],
)
def test_a_name_that_does_not_fit_is_an_error(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        source(attrs.evolve(NAMES, **change))


@each("text", ["module = 1", "docstring = ", "[unnamed]\nschemas = []\nmodule = 'x'", "unnamed = 3"])
def test_a_malformed_file_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "types.toml"
    path.write_text(text)
    with pytest.raises(SpecError, match=r"cannot read types\.toml"):
        type_names.read(path)
