"""Calling tools with what a model sends, sync and async."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from msgspec import Meta
from realtime_api import models

from realtime_ext import tools
from realtime_ext.errors import ToolArgumentError
from tests.support.rows import each


@dataclass
class Guest:
    name: str

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a guest needs a name")


def book_room(room: str, nights: Annotated[int, Meta(ge=1, le=14)] = 1, guest: Guest | None = None) -> Any:
    return {"room": room, "nights": nights, "guest": guest}


async def look_up(name: str) -> list[str]:
    return [name]


def no_rooms(room: str) -> None:
    raise LookupError(f"no room {room}")


async def no_guests() -> None:
    raise LookupError


Call = Callable[..., str]


@pytest.fixture(params=["call", "acall"])
def call(request: pytest.FixtureRequest) -> Call:
    def call(toolbox: tools.Toolbox, *arguments: Any, **more: Any) -> str:
        if request.param == "call":
            return toolbox.call(*arguments, **more)
        return asyncio.run(toolbox.acall(*arguments, **more))

    return call


def new_toolbox() -> tools.Toolbox:
    return tools.Toolbox([book_room, look_up, no_rooms, no_guests])


@pytest.fixture
def toolbox() -> tools.Toolbox:
    return new_toolbox()


def error(output: str) -> tuple[str, str]:
    body = json.loads(output)["error"]
    assert body.keys() == {"type", "message"}
    return body["type"], body["message"]


def test_a_sync_and_an_async_function_are_called_alike(toolbox: tools.Toolbox, call: Call) -> None:
    made = call(toolbox, "book_room", '{"room": "Elm", "guest": {"name": "Ann"}}')
    assert json.loads(made) == {"room": "Elm", "nights": 1, "guest": {"name": "Ann"}}
    assert call(toolbox, "look_up", '{"name": "Ann"}') == '["Ann"]'
    assert toolbox.failures == ()


@each(
    "name, arguments, kind, message",
    [
        (
            "book_rom",
            "{}",
            "unknown_tool",
            "there is no tool book_rom; there are: book_room, look_up, no_rooms, no_guests; did",
        ),
        ("book_room", '{"room": "Elm"', "invalid_json", "the arguments of book_room are not valid JSON: "),
        ("book_room", "Elm", "invalid_json", "the arguments of book_room are not valid JSON: "),
        ("book_room", '{"room": "Elm"} x', "invalid_json", "the arguments of book_room are not valid JSON: "),
        ("book_room", '{"room": NaN}', "invalid_json", "the arguments of book_room are not valid JSON: "),
        ("book_room", b'{"room": "\xff"}', "invalid_json", "the arguments of book_room are not valid JSON: "),
        (
            "book_room",
            "[" * 100_000,
            "invalid_json",
            "the arguments of book_room are not valid JSON: nested too deeply",
        ),
        (
            "book_room",
            '["Elm"]',
            "invalid_argument",
            "the arguments of book_room: expected a JSON object, got ['Elm']",
        ),
        (
            "book_room",
            "null",
            "invalid_argument",
            "the arguments of book_room: expected a JSON object, got null",
        ),
        (
            "book_room",
            "{}",
            "missing_argument",
            "book_room: room: expected a string, got nothing; it is required",
        ),
        (
            "book_room",
            "",
            "missing_argument",
            "book_room: room: expected a string, got nothing; it is required",
        ),
        (
            "book_room",
            '{"room": 5}',
            "invalid_argument",
            "book_room: room: expected a string, got 5",
        ),
        (
            "book_room",
            '{"room": "Elm", "nights": "two"}',
            "invalid_argument",
            "book_room: nights: expected an integer from 1 to 14, got 'two'",
        ),
        (
            "book_room",
            '{"room": "Elm", "nights": 0}',
            "invalid_argument",
            "book_room: nights: expected an integer from 1 to 14, got 0",
        ),
        (
            "book_room",
            '{"room": "Elm", "night": 2}',
            "unknown_argument",
            "book_room: night: not known here, got 2; did you mean nights?",
        ),
        (
            "book_room",
            '{"room": "Elm", "guest": {}}',
            "missing_argument",
            "book_room: guest.name: expected a string, got nothing; it is required",
        ),
        (
            "book_room",
            '{"room": "Elm", "guest": {"name": ""}}',
            "invalid_argument",
            "book_room: guest: a guest needs a name",
        ),
        (
            "look_up",
            '{"name": null}',
            "invalid_argument",
            "look_up: name: expected a string, got null",
        ),
    ],
)
def test_each_mistake_of_the_model_has_its_own_message(
    call: Call, name: str, arguments: str, kind: str, message: str
) -> None:
    toolbox = new_toolbox()
    told, text = error(call(toolbox, name, arguments))
    assert (told, text[: len(message)]) == (kind, message)
    (failure,) = toolbox.failures
    assert (failure.name, failure.kind) == (name, kind)
    assert isinstance(failure.error, ToolArgumentError)
    assert str(failure.error) == text
    assert isinstance(pickle.loads(pickle.dumps(failure.error)), ToolArgumentError)


def test_all_mistakes_are_reported_at_once_up_to_a_limit(toolbox: tools.Toolbox, call: Call) -> None:
    _, text = error(call(toolbox, "book_room", '{"nights": 99, "guest": {"name": 5}, "x": 1}'))
    assert text == (
        "book_room: room: expected a string, got nothing; it is required; "
        "nights: expected an integer from 1 to 14, got 99; "
        "guest.name: expected a string, got 5; x: not known here, got 1; known are room, nights, guest"
    )
    many = json.dumps({f"x{n}": n for n in range(30)})
    _, text = error(call(toolbox, "book_room", many))
    assert text.endswith("; and 26 more")
    five = json.dumps({f"x{n}": n for n in range(4)})  # and no room
    _, text = error(call(toolbox, "book_room", five))
    assert "x3: not known here" in text
    assert "more" not in text


def test_a_whole_number_may_be_written_as_one_with_a_point(toolbox: tools.Toolbox, call: Call) -> None:
    assert json.loads(call(toolbox, "book_room", '{"room": "Elm", "nights": 2.0}'))["nights"] == 2
    assert error(call(toolbox, "book_room", '{"room": "Elm", "nights": 2.5}'))[0] == "invalid_argument"


def test_a_whole_number_may_have_a_point_beside_numbers_as_keys(call: Call) -> None:
    def price(nights: int, discounts: dict[int, str]) -> Any:
        return discounts[nights]

    assert call(tools.Toolbox([price]), "price", '{"nights": 2.0, "discounts": {"2": "5 %"}}') == '"5 %"'


def test_an_exception_is_reported_to_the_model_and_kept(toolbox: tools.Toolbox, call: Call) -> None:
    assert error(call(toolbox, "no_rooms", '{"room": "Elm"}')) == (
        "tool_failed",
        "no_rooms failed: LookupError: no room Elm",
    )
    assert error(call(toolbox, "no_guests", "")) == ("tool_failed", "no_guests failed: LookupError")
    first, second = toolbox.failures
    assert (first.name, first.kind, first.arguments) == ("no_rooms", "tool_failed", '{"room": "Elm"}')
    assert isinstance(first.error, LookupError) and first.error.__traceback__ is not None
    assert isinstance(second.error, LookupError)


def test_the_explanation_of_an_exception_can_be_customized(call: Call) -> None:
    toolbox = tools.Toolbox([no_rooms], explain=lambda error: f"please try later ({type(error).__name__})")
    output = call(toolbox, "no_rooms", '{"room": "Elm"}')
    assert error(output)[1] == "no_rooms failed: please try later (LookupError)"


def test_a_password_in_an_exception_does_not_reach_the_model(call: Call) -> None:
    def look_up() -> None:
        raise OSError("postgres://user:pw@db.example/x refused key sk-proj-0123456789abcdef")

    message = error(call(tools.Toolbox([look_up]), "look_up", "{}"))[1]
    assert message == "look_up failed: OSError: postgres://***@db.example/x refused key ***"


def test_a_long_exception_is_cut(call: Call) -> None:
    def verbose() -> None:
        raise ValueError("x" * 5000)

    assert len(error(call(tools.Toolbox([verbose]), "verbose", "{}"))[1]) < 600


def test_failures_are_bounded_and_the_newest_are_kept(call: Call) -> None:
    toolbox = tools.Toolbox([no_rooms], keep_failures=2)
    for room in "abc":
        call(toolbox, "no_rooms", json.dumps({"room": room}))
    assert [str(failure.error) for failure in toolbox.failures] == ["no room b", "no room c"]


def test_a_callback_sees_each_failure_and_may_itself_fail(
    call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[tools.ToolFailure] = []

    def report(failure: tools.ToolFailure) -> None:
        seen.append(failure)
        raise OSError("the reporting is down")

    toolbox = tools.Toolbox([no_rooms], on_failure=report)
    context = tools.ToolContext(call_id="call_1")
    assert error(call(toolbox, "no_rooms", '{"room": "Elm"}', context=context))[0] == "tool_failed"
    assert [(failure.name, failure.call_id) for failure in seen] == [("no_rooms", "call_1")]
    assert "on_failure itself raised OSError" in caplog.text


def test_neither_logs_nor_reprs_show_arguments(
    toolbox: tools.Toolbox, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    call(toolbox, "no_rooms", '{"room": "Elm"}')
    call(toolbox, "book_room", '{"room": "Elm", "night": "Elm"}')
    assert "Elm" not in caplog.text
    assert "tool no_rooms: tool_failed (LookupError)" in caplog.text
    context = tools.ToolContext(connection="sk-secret", call_id="call_1", state="sk-secret")
    assert repr(context) == "ToolContext(call_id='call_1')"
    assert '{"room"' not in repr(toolbox.failures[0])


@each(
    "value, output",
    [
        ({"a": [1, None, True]}, '{"a":[1,null,true]}'),
        (None, "null"),
        ("Room Elm is free", '"Room Elm is free"'),
        ('{"a": 1}', '{"a": 1}'),
        (" [1, 2]\n", " [1, 2]\n"),
        ("[not JSON", '"[not JSON"'),
        ("5", '"5"'),
        ("", '""'),
        (1.5, "1.5"),
        ({1}, "[1]"),
        (Guest("Ann"), '{"name":"Ann"}'),
        (b"hi", '"aGk="'),
        (models.RealtimeFunctionTool(name="x"), '{"type":"function","name":"x"}'),
        ([models.RealtimeFunctionTool(name="x")], '[{"type":"function","name":"x"}]'),
        ("\ud800", '"\\ud800"'),
    ],
)
def test_whatever_is_returned_becomes_one_json_document(call: Call, value: Any, output: str) -> None:
    def give() -> Any:
        return value

    toolbox = tools.Toolbox([give])
    written = call(toolbox, "give", "{}")
    assert written == output
    json.loads(written)


@each("value", [object(), {"a": object()}, (n for n in "ab"), lambda: 1])
def test_a_result_without_a_json_form_is_a_failure(call: Call, value: Any) -> None:
    def give() -> Any:
        return value

    toolbox = tools.Toolbox([give])
    kind, text = error(call(toolbox, "give", "{}"))
    assert kind == "tool_failed"
    assert "not writable as JSON" in text
    assert isinstance(toolbox.failures[0].error, ValueError)


def test_a_result_within_itself_is_a_failure(call: Call) -> None:
    def give() -> Any:
        ring: list[Any] = []
        ring.append(ring)
        return ring

    assert error(call(tools.Toolbox([give]), "give", "{}"))[0] == "tool_failed"


def test_a_silent_output_is_marked_and_written_as_any_other() -> None:
    def hush() -> tools.Silent[dict[str, int]]:
        return tools.Silent({"a": 1})

    async def ahush() -> tools.Silent[None]:
        return tools.Silent()

    toolbox = tools.Toolbox([hush, ahush, book_room])
    assert toolbox.run("hush", "{}") == tools.ToolResult(output='{"a":1}', silent=True)
    assert asyncio.run(toolbox.arun("ahush", "{}")) == tools.ToolResult(output="null", silent=True)
    assert not toolbox.run("book_room", '{"room": "Elm"}').silent
    failed = toolbox.run("book_room", "{}")
    assert failed.failure is toolbox.failures[0] and not failed.silent


def test_a_context_is_passed_to_annotated_parameters(call: Call) -> None:
    def where(a: int, context: tools.ToolContext[dict[str, str]], b: int = 2) -> Any:
        return [a, b, context.call_id, context.state["hotel"], context.connection]

    toolbox = tools.Toolbox([where], state={"hotel": "Grand"})
    assert call(toolbox, "where", '{"a": 1}') == '[1,2,"","Grand",null]'
    context = tools.ToolContext(connection="c", call_id="call_1", state={"hotel": "Ritz"})
    assert call(toolbox, "where", '{"a": 1}', context=context) == '[1,2,"call_1","Ritz","c"]'
    told = error(call(toolbox, "where", '{"a": 1, "context": {}}'))
    assert told == ("unknown_argument", "where: context: not known here, got an object; known are a, b")


def test_a_context_names_the_phone_or_webrtc_call_of_its_connection() -> None:
    connection = types.SimpleNamespace(call_id="rtc_1")
    assert tools.ToolContext(connection=connection).rtc_call_id == "rtc_1"
    assert tools.ToolContext().rtc_call_id is None


def test_parameters_of_every_kind_get_their_arguments(call: Call) -> None:
    def mixed(a: int, b: int = 2, /, c: int = 3, *, d: int = 4) -> list[int]:
        return [a, b, c, d]

    toolbox = tools.Toolbox([mixed])
    assert call(toolbox, "mixed", '{"a": 1}') == "[1,2,3,4]"
    assert call(toolbox, "mixed", '{"a": 1, "c": 9}') == "[1,2,9,4]"
    assert call(toolbox, "mixed", '{"d": 8, "a": 1}') == "[1,2,3,8]"

    def gap(a: int = 1, b: int = 2, /) -> list[int]:
        return [a, b]

    assert call(tools.Toolbox([gap]), "gap", '{"b": 9}') == "[1,9]"


def test_awkward_parameter_names_work(call: Call) -> None:
    def odd(self: int, __init__: int, _x: int, cls: int = 4) -> list[int]:
        return [self, __init__, _x, cls]

    toolbox = tools.Toolbox([odd])
    assert call(toolbox, "odd", '{"self": 1, "__init__": 2, "_x": 3}') == "[1,2,3,4]"


def test_sync_tools_run_beside_the_event_loop() -> None:
    release = threading.Event()

    def wait() -> str:
        assert release.wait(60)
        return threading.current_thread().name

    async def main() -> tuple[str, str]:
        task = asyncio.create_task(toolbox.acall("wait", "{}"))
        quick = await toolbox.acall("look_up", '{"name": "Ann"}')
        assert not task.done()
        release.set()
        return quick, await task

    toolbox = tools.Toolbox([wait, look_up])
    quick, thread = asyncio.run(main())
    assert quick == '["Ann"]'
    assert json.loads(thread) != threading.current_thread().name


def test_async_tools_run_in_the_callers_loop() -> None:
    async def loop_id() -> int:
        return id(asyncio.get_running_loop())

    async def main() -> bool:
        return json.loads(await tools.Toolbox([loop_id]).acall("loop_id", "")) == id(
            asyncio.get_running_loop()
        )

    assert asyncio.run(main())


def test_cancelling_a_call_cancels_its_tool() -> None:
    seen: list[str] = []

    async def forever(context: tools.ToolContext[Any]) -> None:
        try:
            context.connection.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main() -> None:
        started = asyncio.Event()
        context = tools.ToolContext(connection=started)
        task = asyncio.create_task(toolbox.acall("forever", "{}", context=context))
        await asyncio.wait_for(started.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    toolbox = tools.Toolbox([forever])
    asyncio.run(main())
    assert seen == ["cancelled"]
    assert toolbox.failures == ()


def test_a_sync_function_may_return_an_awaitable(call: Call) -> None:
    def indirect(name: str) -> Any:
        return look_up(name)

    assert call(tools.Toolbox([indirect]), "indirect", '{"name": "Ann"}') == '["Ann"]'


def test_calling_an_async_tool_within_a_loop_is_the_developers_mistake() -> None:
    def indirect(name: str) -> Any:
        return look_up(name)

    toolbox = tools.Toolbox([look_up, indirect])

    async def main() -> None:
        for name in ("look_up", "indirect"):
            with pytest.raises(RuntimeError, match=f"tool {name} is async .*: use acall"):
                toolbox.call(name, '{"name": "Ann"}')
        # What is wrong with the arguments is still the model's.
        assert error(toolbox.call("look_up", "{}"))[0] == "missing_argument"

    asyncio.run(main())


def test_stop_iteration_is_a_failure_like_any_other(call: Call) -> None:
    def stop() -> None:
        raise StopIteration

    assert error(call(tools.Toolbox([stop]), "stop", "{}"))[0] == "tool_failed"


def test_ctrl_c_is_let_through() -> None:
    def end() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tools.Toolbox([end]).call("end", "{}")


@pytest.mark.parametrize("is_async", [False, True])
def test_a_tool_that_exits_has_failed_and_ends_nothing_else(call: Call, is_async: bool) -> None:
    def end() -> None:
        sys.exit(3)

    async def aend() -> None:
        sys.exit(3)

    toolbox = tools.Toolbox([aend if is_async else end])
    name = toolbox.definitions[0].name
    assert error(call(toolbox, name, "{}")) == ("tool_failed", f"{name} failed: SystemExit: 3")
    assert isinstance(toolbox.failures[0].error, SystemExit)


@each("arguments", [None, {"room": "Elm"}, 5])
def test_arguments_of_another_type_than_text_raise_for_the_developer(
    toolbox: tools.Toolbox, call: Call, arguments: Any
) -> None:
    with pytest.raises(TypeError, match="arguments: expected JSON text, got"):
        call(toolbox, "book_room", arguments)


def test_definitions_are_the_generated_class_in_order(toolbox: tools.Toolbox) -> None:
    definitions = toolbox.definitions
    assert all(isinstance(definition, models.RealtimeFunctionTool) for definition in definitions)
    assert [definition.name for definition in definitions] == [
        "book_room",
        "look_up",
        "no_rooms",
        "no_guests",
    ]
    assert "look_up" in toolbox and "nothing" not in toolbox
    assert len(toolbox) == 4
    assert tools.Toolbox().definitions == []


def test_add_is_a_decorator_too(call: Call) -> None:
    toolbox = tools.Toolbox()

    @toolbox.add
    def ping() -> str:
        return "pong"

    assert ping() == "pong"
    assert call(toolbox, "ping", "") == '"pong"'


def test_tool_is_a_decorator_for_typed_functions(call: Call) -> None:
    toolbox = tools.Toolbox()

    @toolbox.tool
    def ping(times: int) -> str:
        return "pong" * times

    assert ping(1) == "pong"
    assert call(toolbox, "ping", '{"times": 2}') == '"pongpong"'
    assert [tool.name for tool in toolbox.definitions] == ["ping"]
    with pytest.raises(ValueError, match="tool ping: there is one of that name already"):
        toolbox.tool(ping)


def test_two_tools_of_one_name_are_refused(toolbox: tools.Toolbox) -> None:
    with pytest.raises(ValueError, match="tool look_up: there is one of that name already"):
        toolbox.add(look_up)
    assert len(toolbox) == 4


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="keep_failures: expected 0 or more, got -1"):
        tools.Toolbox(keep_failures=-1)


def test_an_error_output_has_the_shape_of_all_others() -> None:
    assert error(tools.error_output("timeout", "book_room took too long")) == (
        "timeout",
        "book_room took too long",
    )


class Raising:
    """Tools that raise what ends programs, tasks and coroutines."""

    def __init__(self, error: type[BaseException]) -> None:
        async def in_loop() -> None:
            raise error

        def in_thread() -> None:
            raise error

        self.tools = [in_loop, in_thread]


@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, BaseException, SystemExit])
def test_whatever_a_tool_raises_is_a_failure_of_the_tool(error: type[BaseException]) -> None:
    async def ask(toolbox: tools.Toolbox, name: str) -> str:
        return await toolbox.acall(name, "{}")

    toolbox = tools.Toolbox(Raising(error).tools)
    names = ["in_thread", "in_loop"]
    for name in names:
        for output in (toolbox.call(name, "{}"), asyncio.run(ask(toolbox, name))):
            assert json.loads(output)["error"]["type"] == "tool_failed"
    assert [type(failure.error) for failure in toolbox.failures] == [error] * 2 * len(names)


def test_a_tool_that_awaits_a_cancelled_task_does_not_fail_others() -> None:
    async def wait_for_a_cancelled_task() -> None:
        task = asyncio.create_task(asyncio.Event().wait())
        task.cancel()
        await task

    async def ask() -> tools.ToolResult:
        return await tools.Toolbox([wait_for_a_cancelled_task]).arun("wait_for_a_cancelled_task", "{}")

    result = asyncio.run(ask())
    assert result.failure is not None
    assert isinstance(result.failure.error, asyncio.CancelledError)


def test_ctrl_c_in_the_main_thread_is_raised() -> None:
    toolbox = tools.Toolbox(Raising(KeyboardInterrupt).tools)
    for name in ("in_thread", "in_loop"):
        with pytest.raises(KeyboardInterrupt):
            toolbox.call(name, "{}")

    async def ask() -> str:
        return await toolbox.acall("in_thread", "{}")  # in a thread: not Ctrl-C's

    assert "KeyboardInterrupt" in asyncio.run(ask())
    with pytest.raises(KeyboardInterrupt):
        toolbox.acall("in_loop", "{}").send(None)

    def interrupt(_: object) -> Any:
        raise KeyboardInterrupt

    for callback in ({"on_failure": interrupt}, {"explain": interrupt}):
        with pytest.raises(KeyboardInterrupt):
            tools.Toolbox([no_rooms], **callback).call("no_rooms", '{"room": "Elm"}')


def test_only_a_failure_of_the_tool_itself_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "realtime_ext")
    toolbox = tools.Toolbox([no_rooms])
    toolbox.call("no_rooms", '{"room": "Elm"}')
    toolbox.call("no_rooms", "{")
    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG"]


def test_callbacks_that_raise_are_named_and_change_no_output(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: object) -> Any:
        raise asyncio.CancelledError

    def fails() -> None:
        raise ValueError("a secret that explain hides")

    toolbox = tools.Toolbox([fails], on_failure=broken, explain=broken)
    assert json.loads(toolbox.call("fails", "{}"))["error"]["message"] == "fails failed: ValueError"
    assert "on_failure itself raised CancelledError" in caplog.text
    assert "explain itself raised CancelledError" in caplog.text


def test_a_failure_to_check_arguments_is_logged_as_one_of_this_package(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, call: Call, toolbox: tools.Toolbox
) -> None:
    def fails(*arguments: object) -> None:
        raise LookupError("a mistake of this package")

    monkeypatch.setattr("realtime_ext.tools._functions.FunctionTool.prepare", fails)
    assert error(call(toolbox, "no_rooms", "{}"))[0] == "tool_failed"
    assert "realtime_ext failed to check the arguments of tool no_rooms; please report this" in caplog.text
    assert "Traceback" in caplog.text
