"""`dir()` and completion of the simulator's public objects show the documented names, and no others."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from types import ModuleType

import httpx
import pytest
import realtime_simulator
from realtime_simulator import FAULTS, Simulator

from tests.simulator.receiver import receiving
from tests.simulator.wire import Socket
from tests.support.paths import ROOT
from tests.support.rows import each

PAGE = ROOT / "docs" / "reference" / "simulator-api.md"
PACKAGE = ROOT / "simulator" / "realtime_simulator"


def documented() -> dict[str, set[str]]:
    """The rows of the table of names: what is named, and its members."""
    rows = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("|") and "---" not in line:
            _, subject, members, _ = line.split("|")
            rows[subject.strip().strip("`")] = set(re.findall(r"`(\w+)`", members))
    return rows


def members(value: object) -> set[str]:
    """The public names that completion offers on an object or a class, but for those of every exception."""
    is_error = inspect.isclass(value) and issubclass(value, BaseException)
    return {name for name in dir(value) if not name.startswith("_")} - set(dir(Exception) if is_error else ())


def public_modules() -> Iterator[ModuleType]:
    yield realtime_simulator
    for path in sorted(PACKAGE.rglob("*.py")):
        names = path.relative_to(PACKAGE).with_suffix("").parts
        names = names[:-1] if names[-1] == "__init__" else names
        if names and not any(name.startswith("_") for name in names):
            yield importlib.import_module(".".join(("realtime_simulator", *names)))


DOCUMENTED = documented()
CLASSES = [name for name in realtime_simulator.__all__ if inspect.isclass(getattr(realtime_simulator, name))]


@pytest.mark.parametrize("module", list(public_modules()), ids=lambda module: module.__name__)
def test_a_public_module_only_shows_its_public_names(module: ModuleType) -> None:
    assert dir(module) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_the_documented_modules_are_the_public_ones() -> None:
    assert [module.__name__.removeprefix("realtime_simulator.") for module in public_modules()] == [
        "realtime_simulator",
        "cli",
        "pytest_plugin",
        "rehearsal",
        "scrub",
    ]


@each("name", CLASSES)
def test_a_public_class_shows_the_documented_members(name: str) -> None:
    assert members(getattr(realtime_simulator, name)) == DOCUMENTED.get(name, set())


def test_every_public_name_is_documented() -> None:
    text = PAGE.read_text(encoding="utf-8")
    missing = [name for name in realtime_simulator.__all__ if not re.search(rf"`{name}[`\[]", text)]
    assert not missing


def test_objects_show_the_documented_members() -> None:
    with Simulator(pacing="none") as simulator, receiving() as receiver:
        call = simulator.incoming_call(receiver.url)
        url = f"{simulator.base_url}/realtime/calls/{call.id}/accept"
        session = {"type": "realtime", "model": "gpt-realtime-2.1"}
        key = {"authorization": f"Bearer {simulator.api_key}"}
        assert httpx.post(url, json=session, headers=key).status_code == 200
        with Socket(simulator) as socket:
            socket.recv()
        objects = {
            "Simulator": simulator,
            "Call": call,
            "Call.deliveries[…]": call.deliveries[0],
            "SessionRecord": simulator.sessions[-1],
            "SessionEvent": simulator.sessions[-1].events[0],
            "RequestRecord": simulator.requests[-1],
            "Fault": simulator.fault("nulls"),
        }
        assert {name: members(value) for name, value in objects.items()} == {
            name: DOCUMENTED[name] for name in objects
        }


def test_the_catalog_of_faults_shows_the_documented_members() -> None:
    assert all(members(kind) == DOCUMENTED["FAULTS[…]"] for kind in FAULTS.values())
    settings = [setting for kind in FAULTS.values() for setting in kind.settings.values()]
    shown = set().union(*(members(setting) for setting in settings))
    assert shown == DOCUMENTED["FAULTS[…].settings[…]"]
