"""What the API would refuse is refused here, before anything goes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from realtime_api import models

from realtime_ext import SessionBuilder, SessionConfigError
from tests.connection.driver import connect
from tests.connection.scripted import Model, ScriptedServer
from tests.runner import Flavour

TOO_MANY = {f"key {number}": "value" for number in range(16)}


def refused(flavour: Flavour, told: Callable[[Any], Any], kind: type[Exception], words: str) -> Exception:
    """Have something refused, and see that nothing was sent."""
    with ScriptedServer(Model()) as server, connect(flavour, server) as connection:
        with pytest.raises(kind, match=words) as caught:
            told(connection)
        connection.commit_audio()
        server.wait_for("input_audio_buffer.commit")
    assert [event["type"] for event in server.received] == ["input_audio_buffer.commit"]
    return caught.value


@pytest.mark.parametrize("method", ["ask", "stream"])
@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        (
            {"max_output_tokens": 99999},
            ValueError,
            r"response\.max_output_tokens: .* at most 4096; it is 99999",
        ),
        (
            models.RealtimeResponseCreateParams(max_output_tokens=99999),
            ValueError,
            r"response\.max_output_tokens: .* at most 4096",
        ),
        ({"modalities": ["text"]}, ValueError, r"response\.modalities: .*response\.output_modalities"),
        ({"metadata": "mine"}, ValueError, r"response\.metadata: expected object"),
        ({"metadata": TOO_MANY}, ValueError, r"response\.metadata: .*16.*the turn's own"),
        ("text", TypeError, "response: expected RealtimeResponseCreateParams or a dict, got str"),
    ],
)
def test_the_response_that_is_asked_for_is_checked_first(
    flavour: Flavour, method: str, response: Any, kind: type[Exception], words: str
) -> None:
    refused(flavour, lambda connection: getattr(connection, method)("Hi", response=response), kind, words)


def test_a_response_of_ones_own_metadata_passes(flavour: Flavour) -> None:
    metadata = dict(list(TOO_MANY.items())[1:])
    with ScriptedServer(Model()) as server, connect(flavour, server) as connection:
        assert connection.ask("Hi", response={"metadata": metadata}).status == "completed"
    assert metadata.items() <= server.of("response.create")[0]["response"]["metadata"].items()


@pytest.mark.parametrize(
    ("response", "words"),
    [
        ({"modalities": ["text"]}, r"response\.modalities: .* its place is now response\.output_modalities"),
        ({"voice": "marin"}, r"response\.voice: .* now response\.audio\.output\.voice"),
        ({"output_audio_format": "pcm16"}, r"write response\.audio\.output\.format = {'type': 'audio/pcm'"),
        ({"temperature": 0.8}, r"response\.temperature: .* no successor"),
        ({"turn_detection": None}, r"response\.turn_detection: .*which a response doesn't have"),
    ],
)
def test_beta_names_in_a_response_are_answered_with_the_present_ones(
    flavour: Flavour, response: dict[str, Any], words: str
) -> None:
    event = {"type": "response.create", "response": response}
    refused(flavour, lambda connection: connection.send(event), ValueError, words)


@pytest.mark.parametrize(
    ("session", "field"),
    [
        ({"instructions": "x"}, "session.type"),
        ({"type": "realtime", "modalities": ["text"]}, "session.modalities"),
        ({"type": "realtime", "audio": {"output": {"speed": 9}}}, "session.audio.output.speed"),
    ],
)
def test_a_session_within_an_event_is_checked(flavour: Flavour, session: dict[str, Any], field: str) -> None:
    event = {"type": "session.update", "session": session}
    error = refused(flavour, lambda connection: connection.send(event), SessionConfigError, field)
    assert isinstance(error, SessionConfigError)
    assert error.field == field


def test_an_event_without_its_session_says_so(flavour: Flavour) -> None:
    event = {"type": "session.update"}
    refused(flavour, lambda connection: connection.send(event), ValueError, "session is missing")


GIVEN = models.RealtimeSessionCreateRequestGA(instructions="x")


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.update", "session": {"type": "realtime", "instructions": "x"}},
        {"type": "session.update", "session": SessionBuilder().instructions("x")},
        {"type": "session.update", "session": GIVEN},
        models.RealtimeClientEventSessionUpdate(session=GIVEN),
    ],
    ids=["dict", "builder", "model", "event"],
)
def test_a_session_within_an_event_is_sent(flavour: Flavour, event: Any) -> None:
    with ScriptedServer(Model()) as server, connect(flavour, server) as connection:
        connection.send(event)
        [update] = server.wait_for("session.update")
    assert update["session"] == {"type": "realtime", "instructions": "x"}
