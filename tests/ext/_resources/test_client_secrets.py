"""Client secrets and sessions of the older form: what is asked for, and what comes back masked."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from realtime_api.models import RealtimeSessionCreateResponseGA, RealtimeTranslationSession

from realtime_ext import ClientSecret, SessionConfigError
from realtime_ext.errors import APIResponseError, MissingApiKeyError
from tests.ext.clients import IN_BOTH
from tests.support.loopback import Loopback, answer, reset
from tests.support.rows import each
from tests.support.runner import Runner

SESSION = {"type": "realtime", "model": "gpt-realtime", "instructions": "secret prompt"}
TRANSLATION = {"model": "gpt-realtime-translate", "audio": {"output": {"language": "es"}}}
EXPIRES = 1_800_000_600
GIVEN = {
    "value": "ek_hunter2",
    "expires_at": EXPIRES,
    "session": {**SESSION, "id": "sess_1", "object": "realtime.session", "brand_new": [1]},
}
GIVEN_TRANSLATION = {
    "value": "ek_hunter2",
    "expires_at": EXPIRES,
    "session": {**TRANSLATION, "id": "sess_1", "type": "translation", "expires_at": EXPIRES},
}


class Api:
    """Answers with the same JSON always, and keeps the requests."""

    def __init__(self, given: Any, status: int = 200) -> None:
        self.given = given
        self.status = status
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        content = self.given if isinstance(self.given, bytes) else json.dumps(self.given).encode()
        return httpx.Response(self.status, content=content, headers={"x-request-id": "req_1"})

    @property
    def body(self) -> Any:
        return json.loads(self.requests[-1].content)


@IN_BOTH
def test_a_secret_is_minted_with_session_and_lifetime(runner: Runner) -> None:
    with Loopback(answer(200, json.dumps(GIVEN).encode(), x_request_id="req_1")) as server:
        client = runner.client(base_url=server.base_url)
        secret = runner.run(client.client_secrets.create(SESSION, 600, safety_identifier="user-7"))
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v1/realtime/client_secrets")
    assert request.header("content-type") == "application/json"
    assert request.header("openai-safety-identifier") == "user-7"
    assert json.loads(request.body) == {
        "expires_after": {"anchor": "created_at", "seconds": 600},
        "session": SESSION,
    }
    assert type(secret.value) is str and secret.value == "ek_hunter2"
    assert secret.expires_at == datetime.fromtimestamp(EXPIRES, UTC)
    assert secret.request_id == "req_1"
    assert isinstance(secret.session, RealtimeSessionCreateResponseGA)
    assert secret.session.to_dict() == GIVEN["session"]


def test_all_settings_are_optional(runner: Runner) -> None:
    api = Api(GIVEN)
    runner.run(runner.client(api).client_secrets.create())
    assert api.body == {}


def test_a_transcription_session_is_taken_too(runner: Runner) -> None:
    api = Api(GIVEN)
    runner.run(runner.client(api).client_secrets.create({"type": "transcription"}))
    assert api.body == {"session": {"type": "transcription"}}


@IN_BOTH
def test_a_translation_secret(runner: Runner) -> None:
    api = Api(GIVEN_TRANSLATION)
    secret = runner.run(runner.client(api).translation_client_secrets.create(TRANSLATION, 10))
    assert api.requests[0].url.path == "/v1/realtime/translations/client_secrets"
    assert api.body == {"expires_after": {"anchor": "created_at", "seconds": 10}, "session": TRANSLATION}
    assert isinstance(secret.session, RealtimeTranslationSession)


@each(
    "expires_after, seconds",
    [(10, 10), (7200, 7200), (timedelta(minutes=10), 600), (timedelta(seconds=10), 10)],
)
def test_lifetimes(runner: Runner, expires_after: Any, seconds: int) -> None:
    api = Api(GIVEN)
    runner.run(runner.client(api).client_secrets.create(expires_after=expires_after))
    assert api.body["expires_after"]["seconds"] == seconds


@each(
    "expires_after",
    [
        9,
        7201,
        0,
        -1,
        10**30,
        True,
        600.0,
        "600",
        timedelta(seconds=9),
        timedelta(hours=2, seconds=1),
        timedelta(seconds=10.5),
    ],
)
@each("resource", ["client_secrets", "translation_client_secrets"])
def test_a_lifetime_out_of_range_is_not_sent(runner: Runner, resource: str, expires_after: Any) -> None:
    api = Api(GIVEN)
    with pytest.raises(SessionConfigError, match="10 to 7200") as caught:
        runner.run(getattr(runner.client(api), resource).create(TRANSLATION, expires_after))
    assert caught.value.field == "expires_after.seconds"
    assert caught.value.value == expires_after
    assert "10 to 7200" in caught.value.allowed
    assert api.requests == []


def test_unchecked_lifetimes_are_sent_as_given(runner: Runner) -> None:
    api = Api(GIVEN)
    runner.run(runner.client(api, validate=False).client_secrets.create(expires_after=5))
    assert api.body["expires_after"]["seconds"] == 5


@IN_BOTH
def test_bad_sessions_are_not_sent(runner: Runner) -> None:
    api = Api(GIVEN)
    client = runner.client(api)
    for create in (client.client_secrets.create, client.calls.accept):
        arguments = ("rtc_1",) if create == client.calls.accept else ()
        with pytest.raises(SessionConfigError):
            runner.run(create(*arguments, {"modalities": ["text"]}))
    for resource in ("translation_client_secrets", "sessions", "transcription_sessions"):
        with pytest.raises(TypeError):
            runner.run(getattr(client, resource).create(None))
    assert api.requests == []


def test_unchecked_sessions_are_sent_as_given(runner: Runner) -> None:
    api = Api(GIVEN)
    session = {"modalities": ["text"], "audio": "loud", "nothing": None}
    runner.run(runner.client(api, validate=False).client_secrets.create(session))
    assert api.body["session"] == session


def test_a_browser_only_gets_value_and_expiry(runner: Runner) -> None:
    secret = runner.run(runner.client(Api(GIVEN)).client_secrets.create())
    assert secret.to_browser() == {"value": "ek_hunter2", "expires_at": EXPIRES}


def test_neither_value_nor_prompt_is_shown(runner: Runner) -> None:
    secret = runner.run(runner.client(Api(GIVEN)).client_secrets.create())
    assert "hunter2" not in repr(secret) + str(secret)
    assert "secret prompt" not in repr(secret)
    assert "value='***'" in repr(secret)
    assert pickle.loads(pickle.dumps(secret)) == secret


def test_expiry_follows_the_clock() -> None:
    secret = ClientSecret(value="ek_1", expires_at=datetime.fromtimestamp(EXPIRES, UTC), session={})
    assert not secret.is_expired(lambda: EXPIRES - 1)
    assert secret.is_expired(lambda: EXPIRES)
    assert secret.is_expired(clock=lambda: datetime.fromtimestamp(EXPIRES + 1, UTC))
    assert not secret.is_expired(clock=lambda: datetime.fromtimestamp(EXPIRES - 1, UTC))


def test_expires_in_counts_down_to_zero() -> None:
    past = ClientSecret(value="ek_1", expires_at=datetime.fromtimestamp(0, UTC), session={})
    ahead = ClientSecret(value="ek_1", expires_at=datetime.now(UTC) + timedelta(hours=1), session={})
    assert past.expires_in == 0.0 and past.is_expired()
    assert 0 < ahead.expires_in <= 3600 and not ahead.is_expired()


@each(
    "given",
    [
        b"",
        b"<html>",
        b"[]",
        b"7",
        b"\xff",
        {},
        {**GIVEN, "value": ""},
        {**GIVEN, "value": 7},
        {**GIVEN, "expires_at": "soon"},
        {**GIVEN, "expires_at": None},
        {**GIVEN, "expires_at": 10**30},
        {"value": "ek_hunter2", "expires_at": EXPIRES},
        {**GIVEN, "session": None},
        {**GIVEN, "session": []},
    ],
)
def test_a_success_without_a_secret_is_an_error_that_shows_none(runner: Runner, given: Any) -> None:
    api = Api(given)
    with pytest.raises(APIResponseError) as caught:
        runner.run(runner.client(api).client_secrets.create())
    assert caught.value.request_id == "req_1"
    body = (given if isinstance(given, bytes) else json.dumps(given).encode()).decode("utf-8", "replace")
    assert caught.value.body == body.replace("ek_hunter2", "***")
    assert "hunter2" not in str(caught.value)
    assert len(api.requests) == 1


def test_a_session_of_an_unknown_kind_is_kept(runner: Runner) -> None:
    given = {**GIVEN, "session": {"type": "telepathy", "depth": 3}}
    secret = runner.run(runner.client(Api(given)).client_secrets.create())
    assert secret.session == {"type": "telepathy", "depth": 3}


@each("resource", ["client_secrets", "translation_client_secrets"])
def test_a_session_that_lacks_something_costs_no_secret(runner: Runner, resource: str) -> None:
    session = {"type": "translation" if resource.startswith("translation") else "realtime", "model": "m"}
    resource_of = getattr(runner.client(Api({**GIVEN, "session": session})), resource)
    asked = {"model": "m", "audio": {"output": {"language": "es"}}} if "transl" in resource else None
    secret = runner.run(resource_of.create(asked))
    assert secret.value == GIVEN["value"]
    assert secret.session.to_dict() == session


@IN_BOTH
def test_creating_a_secret_is_idempotent(runner: Runner) -> None:
    with Loopback(reset, answer(500), answer(200, json.dumps(GIVEN).encode())) as server:
        runner.run(runner.client(base_url=server.base_url).client_secrets.create())
    assert len(server.requests) == 3


def test_without_a_key_nothing_is_minted(runner: Runner) -> None:
    api = Api(GIVEN)
    with pytest.raises(MissingApiKeyError):
        runner.run(runner.client(api, api_key=None).client_secrets.create())
    assert api.requests == []


OLDER = {
    "sessions": {
        "id": "sess_1",
        "object": "realtime.session",
        "model": "gpt-realtime",
        "client_secret": {"value": "ek_hunter2", "expires_at": EXPIRES},
        "brand_new": {"a": 1},
    },
    "transcription_sessions": {
        "client_secret": {"value": "ek_hunter2", "expires_at": EXPIRES},
        "input_audio_format": "pcm16",
        "brand_new": {"a": 1},
    },
}
PRESENT = {"sessions": SESSION, "transcription_sessions": {"type": "transcription"}}


@IN_BOTH
@each("resource", OLDER)
def test_sessions_of_the_older_form(runner: Runner, resource: str) -> None:
    api = Api(OLDER[resource])
    made = runner.run(getattr(runner.client(api), resource).create(PRESENT[resource]))
    assert api.requests[0].url.path == f"/v1/realtime/{resource}"
    assert api.body == PRESENT[resource]
    assert made.to_dict() == OLDER[resource]
    assert made.client_secret.value == "ek_hunter2"
    assert "hunter2" not in repr(made)


def test_the_older_form_is_accepted_where_the_api_accepts_it(runner: Runner) -> None:
    older = {
        "model": "gpt-realtime",
        "modalities": ["text"],
        "input_audio_format": "pcm16",
        "temperature": 0.8,
    }
    api = Api(OLDER["sessions"])
    runner.run(runner.client(api).sessions.create(older))
    assert api.body == older
    older = {"input_audio_format": "g711_ulaw", "input_audio_transcription": {"model": "whisper-1"}}
    api = Api(OLDER["transcription_sessions"])
    runner.run(runner.client(api).transcription_sessions.create(older))
    assert api.body == older


@each("resource", OLDER)
def test_malformed_older_sessions_are_errors(runner: Runner, resource: str) -> None:
    with pytest.raises(APIResponseError):
        runner.run(getattr(runner.client(Api(b"<html>")), resource).create(PRESENT[resource]))


def test_a_transcription_session_without_its_secret_is_an_error(runner: Runner) -> None:
    with pytest.raises(APIResponseError, match="client_secret"):
        runner.run(runner.client(Api({})).transcription_sessions.create({"type": "transcription"}))


@each("resource", OLDER)
def test_creating_older_sessions_is_idempotent(runner: Runner, resource: str) -> None:
    body = json.dumps(OLDER[resource]).encode()
    with Loopback(reset, answer(409), answer(200, body)) as server:
        runner.run(getattr(runner.client(base_url=server.base_url), resource).create(PRESENT[resource]))
    assert len(server.requests) == 3
