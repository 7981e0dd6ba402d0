"""What mypy's strict mode sees of a program that names the generic values without saying of what."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.type_check import check_types

pytestmark = pytest.mark.slow

PROGRAM = """
from realtime_ext import ClientSecret, tools

toolbox = tools.Toolbox()


@toolbox.tool
def book_room(nights: int, context: tools.ToolContext) -> tools.Silent:
    return tools.Silent({"nights": nights, "guest": context.state.guest})


def nights(context: tools.ToolContext[int]) -> int:
    return context.state + 1


def for_browser(secret: ClientSecret) -> dict[str, object]:
    return secret.to_browser()


booked: tools.Silent = book_room(2, tools.ToolContext())
book_room("2", tools.ToolContext())  # the decorator keeps the signature
"""


def test_bare_generics_pass_and_the_decorator_keeps_types(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    printed = check_types(tmp_path, program.name)
    wrong = len(PROGRAM.splitlines())
    errors = [line for line in printed.splitlines() if ": error: " in line]
    assert len(errors) == 1, printed
    assert errors[0].startswith(f"program.py:{wrong}: error: Argument 1")
