"""Opening: where a connection goes, what it says on the way, and what refusals become."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import json
import traceback
from types import SimpleNamespace
from typing import Any

import pytest

from realtime_ext import (
    APIConnectionError,
    AsyncRealtimeClient,
    AuthenticationError,
    BadRequestError,
    ConnectionClosedError,
    MissingApiKeyError,
    NotFoundError,
    RateLimitError,
    RealtimeClient,
    RealtimeError,
    SessionBuilder,
    SessionConfigError,
    TranscriptionSessionBuilder,
    TranslationSessionBuilder,
)
from realtime_ext.connection import _opening as opening, _websocket as websocket
from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer, session
from tests.support.rows import each
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE


@async_only
def test_a_model_goes_into_the_address_and_the_key_into_the_header(runner: Runner) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server, model="gpt-realtime"):
        pass
    request = server.requests[0]
    assert request.path == "/v1/realtime?model=gpt-realtime"
    assert request.headers["authorization"] == "Bearer test-key-0123"
    assert request.headers["user-agent"].startswith("realtime-ext/")
    assert "openai-beta" not in request.headers


@async_only
def test_headers_and_query_come_from_the_client_and_from_the_call(runner: Runner) -> None:
    client = {
        "organization": "org-1",
        "project": "proj-1",
        "default_headers": {"x-a": "1"},
        "default_query": {"region": "eu", "on": True},
        "auth_header": "api-key",
    }
    options = {"extra_headers": {"x-b": "2"}, "extra_query": {"region": "us"}, "safety_identifier": "user-7"}
    with ScriptedServer(Model()) as server, connect(runner, server, client=client, **options):
        pass
    request = server.requests[0]
    assert request.path == "/v1/realtime?region=us&on=true&model=gpt-realtime"
    names = ("openai-organization", "openai-project", "x-a", "x-b", "api-key", "openai-safety-identifier")
    assert [request.headers.get(name) for name in names] == [
        "org-1",
        "proj-1",
        "1",
        "2",
        "test-key-0123",
        "user-7",
    ]
    assert "authorization" not in request.headers


def test_a_session_is_confirmed_before_the_block_starts(runner: Runner) -> None:
    built = SessionBuilder("gpt-realtime").instructions("Be brief.")
    with ScriptedServer(Model()) as server, connect(runner, server, session=built) as connection:
        assert connection.session.instructions == "Be brief."
        assert server.requests[0].path == "/v1/realtime?model=gpt-realtime"
    assert server.received[0]["session"]["instructions"] == "Be brief."


def test_a_refused_session_is_raised_and_the_connection_closed(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        update = peer.expect("session.update")
        error = {"type": "invalid_request_error", "code": "invalid_value", "param": "session.voice"}
        peer.send("error", error={**error, "message": "no such voice", "event_id": update["event_id"]})
        peer.until_closed()

    with ScriptedServer(script) as server:
        opening = connect(runner, server, session={"type": "realtime", "model": "gpt-realtime"})
        with pytest.raises(BadRequestError, match="no such voice") as caught:
            opening.__enter__()
        server.wait(lambda: server.peers[0].close_code is not None)
    assert (caught.value.code, caught.value.param) == ("invalid_value", "session.voice")
    assert server.peers[0].close_code == 1000


@async_only
def test_a_close_in_place_of_a_confirmation_is_raised(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("session.update")
        peer.close(4000, "invalid_request_error.beta_api_shape_disabled")

    with ScriptedServer(script) as server:
        opening = connect(runner, server, session={"type": "realtime", "model": "gpt-realtime"})
        with pytest.raises(BadRequestError) as caught:
            opening.__enter__()
    assert caught.value.code == "beta_api_shape_disabled"
    assert isinstance(caught.value.__cause__, ConnectionClosedError)


@async_only
def test_a_wrong_session_is_refused_before_anything_is_sent(runner: Runner) -> None:
    with ScriptedServer() as server:
        with pytest.raises(SessionConfigError, match="modalities"):
            connect(runner, server, session={"type": "realtime", "model": "m", "modalities": ["text"]})
        assert server.requests == []


@async_only
@each(
    "options, message",
    [
        ({"model": "m", "call_id": "rtc_1"}, "model and call_id"),
        ({"model": "m", "intent": "transcription"}, "model and intent"),
        ({"model": None}, "got none"),
        ({"session": {"type": "realtime"}}, "no model"),
        ({"model": "a", "session": {"type": "realtime", "model": "b"}}, "'b'"),
        ({"intent": "chat"}, "'transcription'"),
        ({"call_id": ".."}, "call_id"),
        ({"intent": "transcription", "session": {"type": "realtime"}}, "transcription session"),
        ({"model": " "}, "model"),
        ({"max_queue_bytes": 0}, "max_queue_bytes"),
        ({"websocket_options": {"logger": None}}, "logger"),
    ],
)
def test_contradictions_are_refused_at_once(runner: Runner, options: dict[str, Any], message: str) -> None:
    with ScriptedServer() as server:
        with pytest.raises(ValueError, match=message):
            connect(runner, server, **options)
        assert server.requests == []


@async_only
def test_an_option_that_the_library_does_not_know_is_refused(runner: Runner) -> None:
    with ScriptedServer() as server:
        opening = connect(runner, server, websocket_options={"no_such_option": 1})
        with pytest.raises(ValueError, match="no_such_option"):
            opening.__enter__()


@async_only
def test_transcription_sessions_go_by_intent(runner: Runner) -> None:
    built = TranscriptionSessionBuilder("gpt-4o-transcribe")
    with ScriptedServer(Model()) as server, connect(runner, server, session=built):
        pass
    assert server.requests[0].path == "/v1/realtime?intent=transcription"
    assert server.received[0]["session"]["type"] == "transcription"


@async_only
def test_translation_sessions_go_to_their_own_place_and_say_goodbye(runner: Runner) -> None:
    built = TranslationSessionBuilder("gpt-realtime-translate").to_language("es")
    with ScriptedServer(Model()) as server:
        with connect(runner, server, session=built) as connection:
            connection.append_audio(bytes(480))
            server.wait_for("session.input_audio_buffer.append")
        assert server.requests[0].path == "/v1/realtime/translations?model=gpt-realtime-translate"
        server.wait_for("session.close")
        kinds = [event["type"] for event in server.received]
        assert kinds == ["session.update", "session.input_audio_buffer.append", "session.close"]
        assert server.received[0]["session"] == {"audio": {"output": {"language": "es"}}}


@async_only
@each("status, kind", [(401, AuthenticationError), (404, NotFoundError), (400, BadRequestError)])
def test_refusals_become_the_errors_of_rest(runner: Runner, status: int, kind: type[Exception]) -> None:
    body = json.dumps({"error": {"message": "no: test-key-0123", "code": "some_code", "type": "t"}})
    with ScriptedServer(refusals=((status, body, {"x-request-id": "req_1"}),)) as server:
        with pytest.raises(kind) as caught:
            connect(runner, server).__enter__()
    error: Any = caught.value
    assert (error.status_code, error.code, error.request_id) == (status, "some_code", "req_1")
    assert "test-key" not in str(error) + error.body


@async_only
@each("with_session", [False, True])
@each(
    "code, close, kind",
    [
        ("invalid_api_key", 3000, AuthenticationError),
        (None, 3000, AuthenticationError),
        ("invalid_model", 4000, NotFoundError),
        ("missing_model", 4000, BadRequestError),
    ],
)
def test_refusals_after_the_handshake_become_the_errors_of_rest(
    runner: Runner,
    code: str | None,
    close: int,
    kind: type[Exception],
    with_session: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "GREETING", PATIENCE)

    def script(peer: Peer) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": "no", "param": None}
        peer.send("error", error={**error, "event_id": None})
        peer.close(close, f"invalid_request_error.{code}")

    options = {"session": SessionBuilder("gpt-realtime")} if with_session else {"model": "gpt-realtime"}
    with ScriptedServer(script) as server:
        with pytest.raises(kind) as caught:
            connect(runner, server, **options).__enter__()
    error: Any = caught.value
    assert (error.code, error.message) == (code, "no")


@async_only
def test_a_busy_server_is_asked_again(runner: Runner) -> None:
    refusals = ((429, "", {"retry-after": "3"}), (503, "", {}))
    with ScriptedServer(Model(), refusals=refusals) as server, connect(runner, server):
        pass
    assert len(server.requests) == 3
    assert runner.sleeps[0] == 3.0


@async_only
def test_retries_of_a_busy_server_are_bounded(runner: Runner) -> None:
    with ScriptedServer(refusals=((429, "", {}),) * 5) as server:
        with pytest.raises(RateLimitError):
            connect(runner, server, client={"max_retries": 1}).__enter__()
    assert len(server.requests) == 2


@async_only
def test_a_redirect_is_not_followed_with_the_key(runner: Runner) -> None:
    with ScriptedServer(Model()) as other:
        refusals = ((307, "", {"location": other.base_url.replace("http", "ws")}),)
        with ScriptedServer(refusals=refusals) as server, pytest.raises(Exception, match="307"):
            connect(runner, server).__enter__()
        assert other.requests == []


@async_only
def test_a_sideband_waits_for_its_call_to_be_ready(runner: Runner) -> None:
    refusals = ((404, "", {}),) * 3
    with (
        ScriptedServer(Model(), refusals=refusals) as server,
        connect(runner, server, call_id="rtc_1") as connection,
    ):
        assert connection.call_id == "rtc_1"
    assert server.requests[-1].path == "/v1/realtime?call_id=rtc_1"
    assert runner.sleeps == [0.1, 0.2, 0.4]


@async_only
def test_a_sideband_of_no_call_gives_up_and_says_why(runner: Runner) -> None:
    with ScriptedServer(refusals=((404, "", {}),) * 20) as server:
        with pytest.raises(NotFoundError, match=r"has ended.*client secret.*client\.live\.attach"):
            connect(runner, server, call_id="rtc_1").__enter__()
    assert 2 <= len(server.requests) < 12
    assert sum(runner.sleeps) < 10


@async_only
def test_no_server_is_a_connection_error(runner: Runner) -> None:
    with ScriptedServer() as server:
        pass
    with pytest.raises(APIConnectionError, match=r"127\.0\.0\.1"):
        connect(runner, server, client={"max_retries": 0}).__enter__()


def test_a_missing_key_is_said(runner: Runner) -> None:
    with ScriptedServer() as server, pytest.raises(MissingApiKeyError):
        connect(runner, server, client={"api_key": ""}).__enter__()


def test_a_key_callable_is_asked_for_each_attempt(runner: Runner) -> None:
    keys = iter(["key-1", "key-2"])
    with ScriptedServer(Model(), refusals=((503, "", {}),)) as server:
        with connect(runner, server, client={"api_key": lambda: next(keys)}):
            pass
    assert [request.headers["authorization"] for request in server.requests] == [
        "Bearer key-1",
        "Bearer key-2",
    ]


@async_only
@pytest.mark.parametrize("is_environment", [False, True])
def test_an_unreachable_proxy_is_named_with_the_host_and_without_its_password(
    runner: Runner, is_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = "proxy" + "-password"
    proxy = f"http://user:{password}@127.0.0.1:9"
    if is_environment:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy)
    options = {} if is_environment else {"proxy": proxy}
    elsewhere = SimpleNamespace(base_url="http://api.example.com/v1")  # the environment's is not for loopback
    opening = connect(runner, elsewhere, client={"max_retries": 0}, **options)
    through = r"^connect: no connection to api\.example\.com through the proxy 127\.0\.0\.1:9: "
    with pytest.raises(APIConnectionError, match=through) as caught:
        opening.__enter__()
    assert password not in "".join(traceback.format_exception(caught.value))


@async_only
def test_a_proxy_that_refuses_is_named(runner: Runner) -> None:
    # This server is no proxy: it answers a CONNECT with a refusal.
    with ScriptedServer() as other, ScriptedServer() as server:
        host = other.base_url.split("/")[2]
        opening = connect(runner, server, proxy=f"http://{host}", client={"max_retries": 0})
        through = rf"^connect: no connection to .* through the proxy {host}: .*(40|from proxy)"
        with pytest.raises(APIConnectionError, match=through):
            opening.__enter__()
        assert server.requests == []


@async_only
@each(
    "options, kind, message",
    [
        ({"websocket_options": {"close_timeout": "1"}}, TypeError, "close_timeout: expected seconds"),
        ({"ssl_context": "x"}, TypeError, r"ssl_context: expected an ssl\.SSLContext or None, got str"),
    ],
)
def test_options_that_cannot_work_are_named(
    runner: Runner, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with ScriptedServer() as server:
        with pytest.raises(kind, match=message):
            connect(runner, server, **options)
        assert server.requests == []


@async_only
@each(
    "options",
    [
        {"max_size": None, "max_queue": 8, "close_timeout": 1},
        {"max_queue": (8, 4), "compression": "deflate", "ping_interval": None},
    ],
)
def test_options_that_can_work_are_taken(runner: Runner, options: dict[str, Any]) -> None:
    with ScriptedServer(Model()) as server, connect(runner, server, websocket_options=options) as connection:
        assert connection.recv().type == "session.created"


@async_only
@each("scheme", ["ftp://", "htp://", ""])
def test_a_proxy_that_cannot_be_one_is_said_without_its_password(runner: Runner, scheme: str) -> None:
    password = "proxy" + "-password"
    expected = r"^proxy: expected a URL such as http://proxy\.example:3128; "
    with ScriptedServer() as server, pytest.raises(RealtimeError, match=expected) as caught:
        connect(runner, server, proxy=f"{scheme}user:{password}@127.0.0.1:9").__enter__()
    assert "  " not in str(caught.value)
    assert password not in "".join(traceback.format_exception(caught.value))


def test_entering_twice_is_refused(runner: Runner) -> None:
    with ScriptedServer(Model()) as server:
        opening = connect(runner, server)
        with opening, pytest.raises(Exception, match="already entered"):
            opening.__enter__()


@async_only
def test_the_servers_description_of_the_session_is_available(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.send("session.created", session=session(voice="marin"))
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        assert connection.session is None or connection.session.model == "gpt-realtime"
        event = connection.recv()
        assert event.type == "session.created"
        assert connection.session.id == "sess_1" or connection.session["id"] == "sess_1"


def test_the_first_argument_may_be_a_session(runner: Runner) -> None:
    with (
        ScriptedServer(Model()) as server,
        connect(runner, server, model=SessionBuilder("gpt-realtime-mini")),
    ):
        pass
    assert "model=gpt-realtime-mini" in server.requests[0].path


@each("client", [RealtimeClient, AsyncRealtimeClient])
def test_using_a_connection_without_with_is_explained(client: Any) -> None:
    opening = client(api_key="sk-x").connect("gpt-realtime")
    with pytest.raises(AttributeError, match=r"no attribute 'ask'; use it as `(async )?with client.connect"):
        opening.ask("Hi")
    assert not hasattr(opening, "__iter__") and not hasattr(opening, "_nothing")


def test_a_session_first_and_beside_is_refused() -> None:
    with pytest.raises(ValueError, match="leave out session="):
        RealtimeClient(api_key="sk-x").connect(SessionBuilder(), session=SessionBuilder())


@async_only
def test_the_proxy_is_looked_up_for_a_message_only_where_opening_fails(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking goes through the whole environment, which takes longer than the handshake."""
    looked: list[object] = []
    monkeypatch.setattr(websocket, "_proxy_of", lambda *args: looked.append(args))
    with ScriptedServer(Model()) as server:
        with connect(runner, server):
            assert not looked
        nowhere = {"max_retries": 0, "websocket_base_url": "ws://127.0.0.1:9"}
        with pytest.raises(APIConnectionError):
            connect(runner, server, client=nowhere).__enter__()
    assert looked


@async_only
def test_the_model_of_a_translation_may_stand_beside_its_session(runner: Runner) -> None:
    session = {"type": "translation", "audio": {"output": {"language": "es"}}}
    with ScriptedServer(Model()) as server:
        with connect(runner, server, model="gpt-realtime-translate", session=session):
            server.wait_for("session.update")
        assert server.requests[0].path == "/v1/realtime/translations?model=gpt-realtime-translate"
