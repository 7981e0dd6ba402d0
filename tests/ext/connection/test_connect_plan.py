"""The connect plan: where each combination of arguments connects, and the handshake's retries and errors."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_ext import (
    APIConnectionError,
    APIStatusError,
    NotFoundError,
    RealtimeError,
    SessionBuilder,
    SessionConfigError,
    TranscriptionSessionBuilder,
    TranslationSessionBuilder,
)
from realtime_ext.connection._state.connect_plan import (
    Handshake,
    Plan,
    Role,
    call_id_in,
    confirming_plan,
    make_plan,
)
from tests.support.rows import each


def plan(*, validate: bool = True, **arguments: Any) -> Plan:
    names = ("model", "session", "call_id", "intent")
    return make_plan(**{**dict.fromkeys(names), **arguments}, validate=validate)


TRANSCRIPTION = {"type": "transcription"}
TRANSLATION = {"type": "translation", "model": "gpt-realtime-translate"}


@each(
    "arguments, kind, subject",
    [
        ({"model": "gpt-realtime"}, "realtime", "/realtime model=gpt-realtime"),
        ({"session": SessionBuilder("gpt-realtime")}, "realtime", "/realtime model=gpt-realtime"),
        (
            {"session": {"type": "realtime", "model": "gpt-realtime"}, "model": "gpt-realtime"},
            "realtime",
            "/realtime model=gpt-realtime",
        ),
        ({"call_id": "rtc_1"}, "realtime", "/realtime call_id=rtc_1"),
        ({"intent": "transcription"}, "transcription", "/realtime intent=transcription"),
        ({"session": TRANSCRIPTION}, "transcription", "/realtime intent=transcription"),
        (
            {"session": TRANSCRIPTION, "intent": "transcription"},
            "transcription",
            "/realtime intent=transcription",
        ),
        ({"session": TRANSLATION}, "translation", "/realtime/translations model=gpt-realtime-translate"),
        (
            {"session": TranslationSessionBuilder("gpt-realtime-translate").build()},
            "translation",
            "/realtime/translations model=gpt-realtime-translate",
        ),
        (
            {"session": {"type": "translation"}, "model": "gpt-realtime-translate"},
            "translation",
            "/realtime/translations model=gpt-realtime-translate",
        ),
    ],
)
def test_the_arguments_choose_the_endpoint(arguments: dict[str, Any], kind: str, subject: str) -> None:
    found = plan(**arguments)
    assert (found.role.kind, found.subject) == (kind, subject)
    assert found.role.plays is (kind == "realtime" and "call_id" not in arguments)
    assert found.role.is_sideband is found.role.is_shared is ("call_id" in arguments)


@each(
    "arguments, error, message",
    [
        ({}, ValueError, "expected a model, a session that has one, a call_id or an intent; got none"),
        ({"model": "m", "call_id": "rtc_1"}, ValueError, "got model and call_id"),
        ({"model": " "}, ValueError, "model: expected a name"),
        ({"model": 5}, ValueError, "model: expected a name"),
        ({"intent": "talk"}, ValueError, "intent: expected 'transcription', got 'talk'"),
        ({"session": SessionBuilder()}, ValueError, "the session has no model, and no model was given"),
        (
            {"session": SessionBuilder("a"), "model": "b"},
            ValueError,
            "'b' was given, but the session has 'a'",
        ),
        (
            {"session": TRANSCRIPTION, "model": "m"},
            ValueError,
            "a transcription session names its model itself",
        ),
        (
            {"session": SessionBuilder("m"), "intent": "transcription"},
            ValueError,
            "needs a transcription session, got 'realtime'",
        ),
        ({"session": TRANSLATION, "call_id": "rtc_1"}, ValueError, "neither with call_id nor with intent"),
        ({"session": TRANSLATION, "intent": "transcription"}, ValueError, "neither with call_id nor"),
        ({"session": TRANSLATION, "model": "m"}, ValueError, "'m' was given, but the session has 'gpt-"),
        ({"session": {"type": "translation"}}, (ValueError, SessionConfigError), "model"),
        ({"session": TRANSCRIPTION, "call_id": "rtc_1"}, SessionConfigError, "type"),
    ],
)
def test_contradicting_arguments_are_refused(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        plan(**arguments)


def test_the_first_update_is_the_session() -> None:
    assert plan(model="gpt-realtime").update is None
    assert plan(call_id="rtc_1").update is None
    assert plan(call_id="rtc_1", session={"instructions": "a"}).update == {
        "type": "session.update",
        "session": {"type": "realtime", "instructions": "a"},
    }
    built = plan(session=TranscriptionSessionBuilder().transcribe("whisper-1")).update
    assert built is not None and built["session"]["type"] == "transcription"
    translated = plan(session={**TRANSLATION, "audio": {"output": {"language": "de"}}}).update
    assert translated is not None
    assert translated["session"] == {"audio": {"output": {"language": "de"}}}, "the model is in the address"
    assert plan(session=TRANSLATION).update is None
    confirming = confirming_plan("rtc_1", "realtime")
    assert confirming.update == {"type": "session.update", "session": {"type": "realtime"}}


def test_a_model_of_an_unknown_name_is_only_checked_on_request() -> None:
    assert plan(model="x" * 3, validate=False).query == {"model": "xxx"}


@each(
    "location, call_id",
    [
        ("/v1/realtime/calls/rtc_1", "rtc_1"),
        ("https://api.example/v1/realtime/calls/rtc_1/?a=b", "rtc_1"),
        ("/v1/realtime/calls/rtc%5F1", "rtc_1"),
        ("/v1/realtime/calls/..", None),
        ("/v1/realtime/rtc_1", None),
        ("rtc_1", None),
        ("", None),
        (None, None),
    ],
)
def test_a_call_is_found_in_its_location(location: str | None, call_id: str | None) -> None:
    assert call_id_in(location) == call_id


def test_sessions_lack_methods_of_others() -> None:
    for kind, lacks_items, lacks_responses in (
        ("realtime", False, False),
        ("transcription", False, True),
        ("translation", True, True),
    ):
        role = Role(kind=kind)
        for require, lacks in (
            (role.require_conversation, lacks_items),
            (role.require_responses, lacks_responses),
        ):
            if lacks:
                with pytest.raises(RealtimeError, match=f"^ask: a {kind} session"):
                    require("ask")
            else:
                require("ask")
    assert Role(carries_audio=False).is_shared
    assert not Role().is_shared


# The handshake


def handshake(**options: Any) -> Handshake:
    defaults: dict[str, Any] = {"is_sideband": False, "waits_for_call": False, "max_retries": 0}
    times = {"now": lambda: 0.0, "random": lambda: 0.0}
    return Handshake("wss://api.example/v1/realtime?model=m", **{**defaults, **times, **options})


def refused(shake: Handshake, status: int, headers: dict[str, str] | None = None) -> Any:
    return shake.refused(status, headers or {}, b"", ())


def test_a_call_that_is_not_ready_is_waited_for() -> None:
    shake = handshake(is_sideband=True, waits_for_call=True)
    pauses = [refused(shake, 404) for _ in range(8)]
    assert sum(pauses[:-1]) == pytest.approx(4.5)
    assert pauses[:-1] == sorted(pauses[:-1])
    assert isinstance(pauses[-1], NotFoundError)
    assert str(pauses[-1]).startswith("the call to attach to was not found")


@each("is_sideband, waits", [(True, False), (False, True)])
def test_no_other_404_is_waited_for(is_sideband: bool, waits: bool) -> None:
    error = refused(handshake(is_sideband=is_sideband, waits_for_call=waits), 404)
    assert isinstance(error, NotFoundError)
    assert ("the call to attach to" in str(error)) is is_sideband


def test_other_refusals_of_a_sideband_are_not_explained_by_its_call() -> None:
    error = refused(handshake(is_sideband=True, waits_for_call=True), 401)
    assert isinstance(error, APIStatusError) and "the call to attach to" not in str(error)


def test_busy_servers_are_tried_again_as_often_as_allowed() -> None:
    shake = handshake(max_retries=2)
    assert refused(shake, 503, {"retry-after": "3"}) == 3.0
    assert isinstance(refused(shake, 429), float)
    error = refused(shake, 503)
    assert isinstance(error, APIStatusError) and error.status_code == 503
    assert isinstance(refused(handshake(max_retries=2), 500), APIStatusError)


def test_a_failure_to_connect_is_tried_again_and_masks_secrets() -> None:
    shake = handshake(max_retries=1)
    failure = OSError("refused for sk-123456")
    assert isinstance(shake.failed(failure, ["sk-123456"]), float)
    error = shake.failed(failure, ["sk-123456"])
    assert isinstance(error, APIConnectionError)
    assert "no connection to api.example: refused for" in str(error) and "sk-123456" not in str(error)
    assert "OSError" in str(shake.failed(OSError(), ()))


def test_a_failure_names_the_host_and_the_proxy() -> None:
    refused = ConnectionRefusedError("refused")
    through = "no connection to api.example through the proxy proxy.example:3128: refused"
    assert str(handshake(proxy=lambda: "proxy.example:3128").failed(refused, ())) == f"connect: {through}"
    assert str(handshake().failed(refused, ())) == "connect: no connection to api.example: refused"


def test_a_timeout_names_the_host_and_the_proxy() -> None:
    assert str(handshake().timed_out(2.0)) == "connect: api.example did not accept the connection within 2 s"
    error = handshake(proxy=lambda: "proxy.example:3128").timed_out(2.0)
    assert "the connection through the proxy proxy.example:3128 within 2 s" in str(error)
