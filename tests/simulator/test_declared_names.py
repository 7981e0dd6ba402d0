"""Names of faults, paces and ends are declared once, and each of them is applied."""

from __future__ import annotations

import ast
from functools import cache
from typing import get_args

import attrs
from realtime_simulator import FAULTS, Pacing
from realtime_simulator._core.profile import PROFILES, Profile, ProfileName
from realtime_simulator._engine.settings import SessionSettings
from realtime_simulator._engine.turn import LATENCIES, Latency
from realtime_simulator._records.store import ENDS
from realtime_simulator._sessions.settings import Settings

from tests.support.paths import ROOT

PACKAGE = ROOT / "simulator" / "realtime_simulator"
ENDING = {"end", "end_later", "end_soon", "_end", "_on_end", "_ended", "_gone", "call_later"}


@cache
def read() -> list[tuple[str, ast.Call | ast.Attribute]]:
    """The calls and attributes in the package, each with its part."""
    return [
        (path.relative_to(PACKAGE).parts[0], node)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call | ast.Attribute)
    ]


def texts_given(names: set[str], *parts: str) -> set[str]:
    """The texts that functions of these names are called with, also one of two by a condition; drivers'
    functions, which end sessions and not calls, are left out."""
    given = [
        argument
        for part, call in read()
        if not parts or part in parts
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in names
        if not ast.unparse(call.func.value).endswith("driver")
        for argument in call.args
    ]
    choices = [one for text in given if isinstance(text, ast.IfExp) for one in (text.body, text.orelse)]
    return {
        text.value
        for text in (*given, *choices)
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
    }


def read_attributes() -> set[str]:
    """The attributes that the package reads of anything."""
    return {
        node.attr for _, node in read() if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


def test_each_fault_is_drawn_and_no_other() -> None:
    drawn = texts_given({"draw"})
    chosen = {"session_expired", "socket_drop", "live_lost"}  # by the event after which they happen
    assert drawn | chosen == FAULTS.keys()


def test_each_pace_has_a_name_and_each_of_its_times_is_applied() -> None:
    assert get_args(Latency) == tuple(LATENCIES)
    assert {field.name for field in attrs.fields(Pacing)} <= read_attributes()


def test_each_setting_is_applied() -> None:
    fields = [*attrs.fields(Settings), *attrs.fields(SessionSettings), *attrs.fields(Profile)]
    assert {field.name for field in fields} <= read_attributes()
    assert get_args(ProfileName) == tuple(PROFILES)


def test_each_end_of_a_call_happens_and_no_other() -> None:
    given = texts_given(ENDING, "_calls", "_server", "_simulator")
    assert given == set(ENDS)
