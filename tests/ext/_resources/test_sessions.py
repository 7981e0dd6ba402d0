"""Every operation that takes a session takes all its forms, and sends nothing that fails the check."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from realtime_ext import (
    SessionBuilder,
    SessionConfigError,
    SessionConfigWarning,
    TranscriptionSessionBuilder,
    TranslationSessionBuilder,
)
from tests.ext.clients import IN_BOTH
from tests.support.rows import each
from tests.support.runner import Runner

OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuvwx",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:actpass",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "",
    ]
)
Operation = Callable[[Any, Any], Any]

REALTIME = SessionBuilder("gpt-realtime").voice("marin")
TRANSCRIPTION = TranscriptionSessionBuilder("whisper-1")
TRANSLATION = TranslationSessionBuilder("gpt-realtime-translate").to_language("es")
OPERATIONS: dict[str, tuple[Operation, Any]] = {
    "calls.create": (lambda c, s: c.calls.create(OFFER, s), REALTIME),
    "calls.accept": (lambda c, s: c.calls.accept("rtc_1", s), REALTIME),
    "client_secrets-realtime": (lambda c, s: c.client_secrets.create(s), REALTIME),
    "client_secrets-transcription": (lambda c, s: c.client_secrets.create(s), TRANSCRIPTION),
    "translation": (lambda c, s: c.translation_client_secrets.create(s), TRANSLATION),
    "sessions": (lambda c, s: c.sessions.create(s), REALTIME),
    "transcription_sessions": (lambda c, s: c.transcription_sessions.create(s), TRANSCRIPTION),
}


class Wire:
    """Keeps the sessions that were sent, and refuses every request."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        if request.headers["content-type"].startswith("multipart/"):
            body = body[body.index(b"\r\n\r\n{") :].strip().split(b"\r\n")[0]
        decoded = json.loads(body)
        self.sent.append(decoded.get("session", decoded))
        return httpx.Response(400, json={"error": {"message": "no"}})


def send(runner: Runner, operation: Operation, session: Any, **options: Any) -> list[Any]:
    from realtime_ext import BadRequestError

    wire = Wire()
    client = runner.client(wire, **options)
    with pytest.raises(BadRequestError):
        runner.run(operation(client, session))
    return wire.sent


@each("operation, builder", OPERATIONS.values(), ids=OPERATIONS)
def test_builder_model_and_dict_send_the_same(runner: Runner, operation: Operation, builder: Any) -> None:
    for form in (builder, builder.build(), builder.to_dict()):
        assert send(runner, operation, form) == [builder.to_dict()]


@each("operation, builder", OPERATIONS.values(), ids=OPERATIONS)
def test_events_that_fail_the_check_are_not_sent(runner: Runner, operation: Operation, builder: Any) -> None:
    bad = builder.extra(audio={"input": {"noise_reduction": {"type": "no such filter"}}})
    for form in (bad, bad.build(validate=False), bad.to_dict()):
        wire = Wire()
        with pytest.raises(SessionConfigError) as caught:
            runner.run(operation(runner.client(wire), form))
        assert caught.value.field == "audio.input.noise_reduction.type"
        assert caught.value.value == "no such filter"
        assert caught.value.allowed == ("near_field", "far_field")
        assert wire.sent == []
        assert send(runner, operation, form, validate=False) == [bad.to_dict()]


@IN_BOTH
@each("operation, builder", OPERATIONS.values(), ids=OPERATIONS)
def test_unknown_fields_are_sent_with_a_warning_here(
    runner: Runner, operation: Operation, builder: Any
) -> None:
    session = {**builder.to_dict(), "surplus": 1}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SessionConfigWarning)
        assert send(runner, operation, session) == [session]
    (warning,) = [one for one in caught if one.category is SessionConfigWarning]
    assert warning.filename in (
        __file__,
        sys.modules[Runner.__module__].__file__,
    )  # the runner's, where it awaits
    assert send(runner, operation, builder.extra(surplus=1)) == [session]
