"""What the API would refuse is refused here, before anything goes out."""

from __future__ import annotations

import array
import base64
from collections.abc import Callable
from typing import Any

import pytest
from realtime_api import models

from realtime_ext import (
    APITimeoutError,
    RealtimeError,
    SessionBuilder,
    SessionConfigError,
    TranscriptionSessionBuilder,
    TranslationSessionBuilder,
)
from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Model, ScriptedServer
from tests.support.rows import each
from tests.support.runner import Runner

TOO_MANY = {f"key {number}": "value" for number in range(16)}


def refused(runner: Runner, told: Callable[[Any], Any], kind: type[Exception], words: str) -> Exception:
    """Have something refused, and see that nothing was sent."""
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        with pytest.raises(kind, match=words) as caught:
            told(connection)
        connection.commit_audio()
        server.wait_for("input_audio_buffer.commit")
    assert [event["type"] for event in server.received] == ["input_audio_buffer.commit"]
    return caught.value


@async_only
@each("method", ["ask", "stream"])
@each(
    "response, kind, words",
    [
        (
            {"max_output_tokens": 99999},
            ValueError,
            r"response\.max_output_tokens: .* from 1 to 4096 .* got 99999",
        ),
        (
            models.RealtimeResponseCreateParams(max_output_tokens=99999),
            ValueError,
            r"response\.max_output_tokens: .* from 1 to 4096",
        ),
        ({"modalities": ["text"]}, ValueError, r"response\.modalities: .*response\.output_modalities"),
        ({"metadata": "mine"}, ValueError, r"response\.metadata: expected an object"),
        ({"metadata": TOO_MANY}, ValueError, r"response\.metadata: .*16.*the turn itself"),
        ("text", TypeError, "response: expected RealtimeResponseCreateParams or a dict, got str"),
    ],
)
def test_the_response_that_is_asked_for_is_checked_first(
    runner: Runner, method: str, response: Any, kind: type[Exception], words: str
) -> None:
    refused(runner, lambda connection: getattr(connection, method)("Hi", response=response), kind, words)


@async_only
def test_custom_metadata_of_a_response_passes(runner: Runner) -> None:
    metadata = dict(list(TOO_MANY.items())[1:])
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        assert connection.ask("Hi", response={"metadata": metadata}).status == "completed"
    assert metadata.items() <= server.of("response.create")[0]["response"]["metadata"].items()


@async_only
@each(
    "response, words",
    [
        ({"modalities": ["text"]}, r"response\.modalities: .* use response\.output_modalities"),
        ({"voice": "marin"}, r"response\.voice: .* use response\.audio\.output\.voice"),
        ({"output_audio_format": "pcm16"}, r"write response\.audio\.output\.format = {'type': 'audio/pcm'"),
        ({"temperature": 0.8}, r"response\.temperature: .* without a successor"),
        ({"turn_detection": None}, r"response\.turn_detection: .*which a response doesn't have"),
    ],
)
def test_beta_names_in_a_response_are_answered_with_the_present_ones(
    runner: Runner, response: dict[str, Any], words: str
) -> None:
    event = {"type": "response.create", "response": response}
    refused(runner, lambda connection: connection.send(event), ValueError, words)


@async_only
@each(
    "session, field",
    [
        ({"instructions": "x"}, "session.type"),
        ({"type": "realtime", "modalities": ["text"]}, "session.modalities"),
        ({"type": "realtime", "audio": {"output": {"speed": 9}}}, "session.audio.output.speed"),
    ],
)
def test_a_session_within_an_event_is_checked(runner: Runner, session: dict[str, Any], field: str) -> None:
    event = {"type": "session.update", "session": session}
    error = refused(runner, lambda connection: connection.send(event), SessionConfigError, field)
    assert isinstance(error, SessionConfigError)
    assert error.field == field


@async_only
def test_an_event_without_its_session_says_so(runner: Runner) -> None:
    event = {"type": "session.update"}
    refused(
        runner,
        lambda connection: connection.send(event),
        ValueError,
        "session: .*got nothing; it is required",
    )


GIVEN = models.RealtimeSessionCreateRequestGA(instructions="x")


@async_only
@each(
    "event",
    [
        {"type": "session.update", "session": {"type": "realtime", "instructions": "x"}},
        {"type": "session.update", "session": SessionBuilder().instructions("x")},
        {"type": "session.update", "session": GIVEN},
        models.RealtimeClientEventSessionUpdate(session=GIVEN),
    ],
    ids=["dict", "builder", "model", "event"],
)
def test_a_session_within_an_event_is_sent(runner: Runner, event: Any) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        connection.send(event)
        [update] = server.wait_for("session.update")
    assert update["session"] == {"type": "realtime", "instructions": "x"}


@pytest.mark.parametrize(
    "told",
    [
        lambda connection, timeout: connection.ask("Hi", timeout=timeout),
        lambda connection, timeout: connection.create_response(timeout=timeout),
        lambda connection, timeout: connection.update_session({"instructions": "x"}, timeout=timeout),
        lambda connection, timeout: connection.run_tools([], timeout=timeout),
        lambda connection, timeout: connection.wait_for("response.done", timeout=timeout),
        lambda connection, timeout: connection.expect("response.done").wait(timeout),
    ],
    ids=["ask", "create_response", "update_session", "run_tools", "wait_for", "expect"],
)
@pytest.mark.parametrize(
    ("timeout", "kind", "words"),
    [
        ("5", TypeError, "timeout: expected seconds or None, got str"),
        (True, TypeError, "timeout: expected seconds or None, got bool"),
        (-1, ValueError, "timeout: expected .* seconds, or None for no limit, got -1"),
        (float("nan"), ValueError, "timeout: expected .* got nan"),
    ],
)
@pytest.mark.slow
def test_a_time_limit_is_checked(
    runner: Runner, told: Callable[[Any, Any], Any], timeout: Any, kind: type[Exception], words: str
) -> None:
    refused(runner, lambda connection: told(connection, timeout), kind, words)


def test_a_zero_timeout_only_polls(runner: Runner) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        with pytest.raises(APITimeoutError, match=r"response\.done"):
            connection.wait_for("response.done", timeout=0)
        with pytest.raises(ValueError, match="timeout: expected more than 0 seconds"):
            connection.ask("Hi", timeout=0)


def test_a_wait_that_timed_out_leaves_nothing_behind(runner: Runner) -> None:
    asked: list[Any] = []
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        with pytest.raises(APITimeoutError):
            connection.wait_for("response.done", where=asked.append, timeout=0)
        connection.ask("Hi")
    assert asked == []


async def _where(event: Any) -> bool:
    return True


@async_only
@each("where, words", [(5, "got int"), (_where, "got an async one")])
def test_a_condition_is_a_function(runner: Runner, where: Any, words: str) -> None:
    def told(connection: Any) -> None:
        connection.wait_for("response.done", where=where)

    refused(runner, told, TypeError, f"where: expected a function of an event, or None, {words}")


@async_only
@each("code", ["f", "d", "i", "q"])
def test_audio_other_than_pcm16_is_refused(runner: Runner, code: str) -> None:
    samples = array.array(code, [0] * 480)
    words = f"append_audio: expected bytes or 16-bit integers, got items of format '{code}'"
    refused(runner, lambda connection: connection.append_audio(samples), TypeError, words)


@async_only
@each("code", ["b", "B", "h", "H"])
def test_audio_of_bytes_and_of_pcm16_is_sent(runner: Runner, code: str) -> None:
    samples = array.array(code, [1, 2, 3, 4, 5, 6])
    with ScriptedServer(Model()) as server, connect(runner, server) as connection:
        connection.append_audio(samples)
        [event] = server.wait_for("input_audio_buffer.append")
    assert base64.b64decode(event["audio"]) == samples.tobytes()


APPENDS = {"input_audio_buffer.append", "session.input_audio_buffer.append"}
TRANSLATION = {"session": TranslationSessionBuilder("gpt-realtime-translate").to_language("es")}
TRANSCRIPTION = {"intent": "transcription"}
TRANSCRIBED = {"session": TranscriptionSessionBuilder("gpt-4o-transcribe")}
ANSWERING: list[Callable[[Any], Any]] = [
    lambda connection: connection.create_response(),
    lambda connection: connection.ask("Hi"),
    lambda connection: connection.stream("Hi"),
    lambda connection: connection.run_tools([]),
]
CONVERSING: list[Callable[[Any], Any]] = [
    lambda connection: connection.commit_audio(),
    lambda connection: connection.clear_audio(),
    lambda connection: connection.create_item({"type": "message", "role": "user", "content": []}),
    lambda connection: connection.send_text("Hi"),
    lambda connection: connection.delete_item("item_1"),
    lambda connection: connection.retrieve_item("item_1"),
    lambda connection: connection.cancel_response(),
    lambda connection: connection.clear_output_audio(),
]


@async_only
@each(
    "options, shortcuts, words",
    [
        (
            TRANSLATION,
            [*ANSWERING, *CONVERSING],
            "a translation session accepts only audio and session updates",
        ),
        (TRANSCRIPTION, ANSWERING, "a transcription session has no responses"),
        (TRANSCRIBED, ANSWERING, "a transcription session has no responses"),
    ],
    ids=["translation", "transcription", "transcription with a session"],
)
def test_events_unsupported_by_a_kind_of_session_are_refused(
    runner: Runner, options: dict[str, Any], shortcuts: list[Callable[[Any], Any]], words: str
) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server, **options) as connection:
        for shortcut in shortcuts:
            with pytest.raises(RealtimeError, match=words):
                shortcut(connection)
        connection.append_audio(bytes(480))
        server.wait(lambda: any(event["type"] in APPENDS for event in tuple(server.received)))
    assert {event["type"] for event in server.received} <= {"session.update", "session.close", *APPENDS}
