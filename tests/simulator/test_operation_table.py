"""Every operation of the API description is served, can have faults, and is in the console's list."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import httpx
from realtime_api import api as described
from realtime_api.types import Request
from realtime_simulator import Simulator
from realtime_simulator._core.operations import CONNECTIONS, OPERATIONS, fault_labels

from tests.support.rows import each

MODULES = {
    module.name.rpartition(".")[2]: module.name
    for module in pkgutil.walk_packages(described.__path__, f"{described.__name__}.")
    if not module.ispkg
}
BY_NAME = {operation.name: operation for operation in OPERATIONS}


def request(name: str) -> Request:
    """A request for an operation of the generated client, on a call that does not exist."""
    build = importlib.import_module(MODULES[name]).build_request
    values = {"body": b"{}"}
    parameters = inspect.signature(build).parameters
    built: Request = build(**{parameter: values.get(parameter, "rtc_none") for parameter in parameters})
    return built


def test_the_table_has_the_operations_of_the_description() -> None:
    assert sorted(BY_NAME) == sorted(MODULES)
    assert len({operation.target for operation in OPERATIONS}) == len(OPERATIONS)


@each("name", MODULES)
def test_an_operation_has_a_route(api: httpx.Client, name: str) -> None:
    made = request(name)
    answer = api.request(made.method, made.path)
    # The operation itself refuses it: for a path without a route, the message is "Invalid URL".
    assert "Invalid URL" not in answer.text and answer.status_code != 405


@each("name", MODULES)
def test_an_operation_has_a_fault_target(sim: Simulator, api: httpx.Client, name: str) -> None:
    made = request(name)
    with sim.fault("gateway_520", on=BY_NAME[name].target) as fault:
        assert api.request(made.method, made.path).status_code == 520
        assert fault.hits == 1


def test_the_console_lists_every_operation(sim: Simulator, api: httpx.Client) -> None:
    known = api.get(f"{sim.base_url.removesuffix('/v1')}/simulator/faults/known").json()
    assert known["operations"] == [*(BY_NAME[name].target for name in BY_NAME), *CONNECTIONS]
    assert {BY_NAME[name].target for name in MODULES} <= set(known["operations"])


def test_a_request_on_a_call_carries_its_id() -> None:
    assert fault_labels("/v1/realtime/calls/rtc_1/refer") == ("calls.refer", "rtc_1")
    assert fault_labels("/v1/realtime/calls") == ("calls.create",)
    assert fault_labels("/v1/realtime/calls/rtc_1/other") == ()
