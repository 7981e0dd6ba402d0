"""Bad input, everywhere: what every public function does with what it can't use.

Each is called with its other arguments right and one wrong. It raises an error about the argument, and
nothing has been sent by then. What the errors say is in test_bad_input_messages.py.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import realtime_ext
from realtime_ext import LiveSessionBuilder, RealtimeClient, RealtimeError, webhooks
from tests.ext.clients import IN_SYNC
from tests.support.bad_input import (
    BUILDERS,
    ELSEWHERE,
    JUNK,
    ON_CLIENTS,
    SECRET,
    Wire,
    method_of,
    toolbox,
)
from tests.support.examples import check_each
from tests.support.rows import each
from tests.support.runner import Runner


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some junk is a file's name, to which `write_wav` rightly writes."""
    monkeypatch.chdir(tmp_path)


@contextlib.contextmanager
def refused_by_us(what: str) -> Iterator[None]:
    """Accept success; of errors, only those that say that the argument is wrong."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        assert isinstance(error, RealtimeError | TypeError | ValueError | OverflowError), f"{what}: {error!r}"


def name_of(value: Any) -> str:
    return f"{type(value).__name__} {str(value)[:20]!r}"


@IN_SYNC
@each(
    "function, parameter",
    [(function, parameter) for function, valid in ON_CLIENTS.items() for parameter in valid],
)
def test_clients_refuse_junk_before_anything_is_sent(
    function: str, parameter: str, runner: Runner, wire: Wire
) -> None:
    client = runner.client(wire, webhook_secret=SECRET, max_retries=0)
    method = method_of(client, function)
    for value in JUNK:
        before = wire.sent
        with refused_by_us(f"{function}({parameter}={name_of(value)})"):
            try:
                result = method(**{**ON_CLIENTS[function], parameter: value})
                if inspect.isawaitable(result):
                    runner.run(result)
            except realtime_ext.BadRequestError:
                continue  # it was taken, sent and refused by the wire
        assert wire.sent == before, (
            f"{function}({parameter}={name_of(value)}) was sent and refused afterwards"
        )


@each(
    "function, parameter",
    [(function, parameter) for function, (_, valid) in ELSEWHERE.items() for parameter in valid],
)
def test_functions_refuse_junk(function: str, parameter: str) -> None:
    call, valid = ELSEWHERE[function]
    for value in JUNK:
        with refused_by_us(f"{function}({parameter}={name_of(value)})"):
            try:
                call(**{**valid, parameter: value})
            except OSError:
                assert parameter == "path"  # what only the system can refuse


def _model(builder: type) -> str:
    return "gpt-live-1" if builder is LiveSessionBuilder else "gpt-realtime-2"


@pytest.mark.slow
@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)
def test_builders_refuse_junk(builder: type, subtests: pytest.Subtests) -> None:
    def check(argument: tuple[str, str]) -> None:
        method, parameter = argument
        valid = BUILDERS[builder][method]
        for value in JUNK:
            with refused_by_us(f"{builder.__name__}.{method}({parameter}={name_of(value)})"):
                getattr(builder(_model(builder)), method)(**{**valid, parameter: value}).build()

    methods = BUILDERS[builder]
    check_each(subtests, [(method, parameter) for method in methods for parameter in methods[method]], check)


@each("builder", BUILDERS)
def test_builders_themselves_refuse_junk(builder: Any) -> None:
    for value in JUNK:
        with refused_by_us(f"{builder.__name__}({name_of(value)})"):
            builder(value).build()
        with refused_by_us(f"{builder.__name__}.from_dict({name_of(value)})"):
            builder.from_dict(value).build()


@IN_SYNC
def test_valid_arguments_are_accepted(runner: Runner, wire: Wire) -> None:
    """Else the tables above would show nothing."""
    client = runner.client(wire, webhook_secret=SECRET, max_retries=0)
    for function, valid in ON_CLIENTS.items():
        if not function.startswith("webhooks."):
            with pytest.raises(realtime_ext.BadRequestError):
                runner.run(method_of(client, function)(**valid))
    assert wire.sent == len(ON_CLIENTS) - 1
    for call, valid in ELSEWHERE.values():
        call(**valid)
    for builder, methods in BUILDERS.items():
        for method, valid in methods.items():
            getattr(builder(_model(builder)), method)(**valid).build()


# Nothing public may be missing above.


def public_functions() -> Iterator[str]:
    for name in ("audio", "events", "sdp", "sip", "tools", "webhooks"):
        module = getattr(realtime_ext, name)
        for public in module.__all__:
            found = getattr(module, public)
            if inspect.isfunction(found):
                yield f"{name}.{public}"
    client = RealtimeClient(api_key="k")
    for prefix, resource in [
        *vars(client).items(),
        *((f"live.{k}", v) for k, v in vars(client.live).items()),
    ]:
        yield from (
            f"{prefix}.{method}"
            for method, _ in inspect.getmembers(resource, inspect.ismethod)
            if "_" not in (prefix[0], prefix.rpartition(".")[2][0], method[0])
        )


# Functions that the tables leave out, and why.
LEFT_OUT = {
    "live.answer": "as live.attach: test_live_calls.py",
    "live.attach": "opens a connection: test_live.py of connections",
    "live.connect": "as live.attach",
    "live.dial": "as live.attach: test_live_calls.py",
    "live.fork": "as live.attach",
    "live.sideband": "live.attach by another name",
    "sip.build_accept": "calls.accept",
    "sip.build_refer": "calls.refer",
    "sip.build_reject": "calls.reject",
    "tools.error_output": "gets what this package says, not what users send",
}


def test_no_public_function_is_missing_here() -> None:
    covered = {*ON_CLIENTS, *ELSEWHERE, *LEFT_OUT}
    assert set(public_functions()) - covered == set()


@each("builder", BUILDERS)
def test_no_builder_method_is_missing_here(builder: type) -> None:
    methods = {
        name for name, _ in inspect.getmembers(builder, inspect.isfunction) if not name.startswith("_")
    }
    assert methods - {"build", "extra", "push_to_talk", "include_logprobs", "from_dict", "to_dict"} <= {
        method for methods in BUILDERS.values() for method in methods
    }


@each("function", ON_CLIENTS)
def test_no_argument_of_a_client_is_missing_here(function: str) -> None:
    parameters = set(inspect.signature(method_of(RealtimeClient(api_key="k"), function)).parameters)
    everywhere = {
        "timeout",
        "extra_headers",
        "extra_query",
    }  # the same code for all; checked with calls.create
    flags = {"not_found_ok", "translation"}
    assert parameters - everywhere - flags - set(ON_CLIENTS[function]) <= {"tolerance", "clock", "secret"}


# What the model sends: a tool call never raises, but answers the model.


@each("junk", [value for value in JUNK if not isinstance(value, str | bytes | bytearray)])
def test_a_tools_junk_arguments_are_answered(junk: Any) -> None:
    box = toolbox()
    with refused_by_us(f"Toolbox.call(arguments={name_of(junk)})"):
        assert '"error"' in box.call("book", junk)


def test_junk_combined_does_not_get_through_either() -> None:
    for one, two in itertools.product(JUNK, JUNK):
        with refused_by_us(f"sign({name_of(one)}, {name_of(two)})"):
            webhooks.sign(one, two)
        with refused_by_us(f"verify(headers={name_of(one)}, body={name_of(two)})"):
            webhooks.verify(two, one, SECRET)
