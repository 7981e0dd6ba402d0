"""What a client is told, and what follows from it."""

from __future__ import annotations

import httpx
import pytest

from realtime_ext import AsyncRealtimeClient, RealtimeClient
from realtime_ext._core.version import __version__
from tests.ext.clients import IN_SYNC
from tests.support.rows import each
from tests.support.runner import Runner

CALL = "rtc_u1_abc"
OFFER_OF_OTHERS = {"Authorization": "Basic Z2F0ZXdheQ=="}


class Recorder:
    """Answers everything with 200 and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(200)

    @property
    def last(self) -> httpx.Request:
        return self.requests[-1]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@IN_SYNC
def test_the_defaults_are_the_api_s(runner: Runner, recorder: Recorder) -> None:
    client = runner.client(recorder)
    runner.run(client.calls.hangup(CALL))
    assert str(recorder.last.url) == f"https://api.openai.com/v1/realtime/calls/{CALL}/hangup"
    assert recorder.last.headers["authorization"] == "Bearer test-key-0123"
    assert recorder.last.headers["user-agent"] == f"realtime-ext/{__version__}"
    assert not {"openai-organization", "openai-project", "openai-beta", "api-key"} & set(
        recorder.last.headers
    )
    assert recorder.last.extensions["timeout"] == {"connect": 5.0, "read": 30.0, "write": 30.0, "pool": 30.0}
    assert client._settings.websocket_base_url == "wss://api.openai.com/v1"


@IN_SYNC
def test_missing_arguments_come_from_the_environment(
    runner: Runner, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "env-key")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:9/v1/")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-env")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-env")
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", "whsec_env")
    client = runner.client(recorder, api_key=None)
    runner.run(client.calls.hangup(CALL))
    assert str(recorder.last.url).startswith("http://localhost:9/v1/realtime/")
    assert recorder.last.headers["authorization"] == "Bearer env-key"
    assert recorder.last.headers["openai-organization"] == "org-env"
    assert recorder.last.headers["openai-project"] == "proj-env"
    assert client._settings.websocket_base_url == "ws://localhost:9/v1"
    assert [secret.reveal() for secret in client._settings.webhook_secrets] == ["whsec_env"]


@IN_SYNC
def test_arguments_win_over_the_environment(
    runner: Runner, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_KEY", "ORG_ID", "PROJECT_ID", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{name}", "env")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://env.invalid/v1")
    client = runner.client(
        recorder,
        api_key="arg-key",
        base_url="http://127.0.0.1:1/v1",
        websocket_base_url="wss://sockets.invalid/v1",
        organization="org-arg",
        project="proj-arg",
        webhook_secret=["whsec_a", "whsec_b"],
    )
    runner.run(client.calls.hangup(CALL))
    assert str(recorder.last.url).startswith("http://127.0.0.1:1/v1/realtime/")
    assert recorder.last.headers["authorization"] == "Bearer arg-key"
    assert recorder.last.headers["openai-organization"] == "org-arg"
    assert recorder.last.headers["openai-project"] == "proj-arg"
    assert client._settings.websocket_base_url == "wss://sockets.invalid/v1"
    assert [secret.reveal() for secret in client._settings.webhook_secrets] == ["whsec_a", "whsec_b"]


def test_empty_environment_variables_count_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "BASE_URL", "ORG_ID", "PROJECT_ID", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{name}", "")
    settings = RealtimeClient()._settings
    assert settings.api_key is None
    assert settings.webhook_secrets is None
    assert settings.base_url == "https://api.openai.com/v1"


@IN_SYNC
def test_a_bare_key_under_another_header(runner: Runner, recorder: Recorder) -> None:
    runner.run(runner.client(recorder, auth_header="api-key").calls.hangup(CALL))
    assert recorder.last.headers["api-key"] == "test-key-0123"
    assert "authorization" not in recorder.last.headers


@IN_SYNC
def test_default_and_extra_headers_and_query(runner: Runner, recorder: Recorder) -> None:
    client = runner.client(
        recorder,
        base_url="https://r.invalid/openai/v1",
        default_headers={"X-A": "client", "X-B": "client", "X-Empty": ""},
        default_query={"api-version": "preview", "n": 1},
    )
    runner.run(client.calls.hangup(CALL, extra_headers={"x-b": "call"}, extra_query={"n": 2, "on": True}))
    assert recorder.last.headers["x-a"] == "client"
    assert recorder.last.headers.get_list("x-b") == ["call"]
    assert recorder.last.headers["x-empty"] == ""
    assert recorder.last.url.path == f"/openai/v1/realtime/calls/{CALL}/hangup"
    assert dict(recorder.last.url.params) == {"api-version": "preview", "n": "2", "on": "true"}


@each("where", ["default_headers", "extra_headers"])
def test_an_authorization_of_the_user_s_own_stands_in_place_of_the_key(
    runner: Runner, recorder: Recorder, where: str
) -> None:
    asked: list[None] = []
    client = runner.client(
        recorder,
        api_key=lambda: asked.append(None),
        **({where: OFFER_OF_OTHERS} if where == "default_headers" else {}),
    )
    runner.run(client.calls.hangup(CALL, **({where: OFFER_OF_OTHERS} if where == "extra_headers" else {})))
    assert recorder.last.headers.get_list("authorization") == ["Basic Z2F0ZXdheQ=="]
    assert asked == []


@IN_SYNC
@each(
    "timeout, expected",
    [
        (2, {"connect": 2, "read": 2, "write": 2, "pool": 2}),
        (60.0, {"connect": 5.0, "read": 60.0, "write": 60.0, "pool": 60.0}),
        (None, {"connect": None, "read": None, "write": None, "pool": None}),
        (float("inf"), {"connect": None, "read": None, "write": None, "pool": None}),
        (httpx.Timeout(1, read=9), {"connect": 1, "read": 9, "write": 1, "pool": 1}),
    ],
)
def test_time_limits(runner: Runner, recorder: Recorder, timeout, expected) -> None:
    runner.run(runner.client(recorder, timeout=timeout).calls.hangup(CALL))
    assert recorder.last.extensions["timeout"] == expected
    if timeout is not None:
        runner.run(runner.client(recorder).calls.hangup(CALL, timeout=timeout))
        assert recorder.last.extensions["timeout"] == expected


def test_an_http_client_is_used_as_it_is_and_left_open(runner: Runner, recorder: Recorder) -> None:
    http_client = runner.http_client(
        transport=httpx.MockTransport(recorder),
        base_url="https://elsewhere.invalid/x",
        headers={"Authorization": "Bearer other", "X-Theirs": "1"},
        params={"theirs": "1"},
        auth=("user", "password"),
        timeout=9.0,
    )
    before = (dict(http_client.headers), http_client.timeout, str(http_client.base_url))
    client = runner.client(http_client=http_client, default_query={"ours": "1"})
    runner.run(client.calls.hangup(CALL))
    request = recorder.last
    assert request.url.host == "api.openai.com"
    assert dict(request.url.params) == {"theirs": "1", "ours": "1"}
    assert request.headers.get_list("authorization") == ["Bearer test-key-0123"]
    assert request.headers["x-theirs"] == "1"
    assert request.extensions["timeout"]["read"] == 9.0
    runner.run(client.aclose() if runner.is_async else client.close())
    assert not http_client.is_closed
    assert (dict(http_client.headers), http_client.timeout, str(http_client.base_url)) == before


@IN_SYNC
def test_a_time_limit_of_the_client_s_wins_over_the_http_client_s(runner: Runner, recorder: Recorder) -> None:
    http_client = runner.http_client(transport=httpx.MockTransport(recorder), timeout=9.0)
    runner.run(runner.client(http_client=http_client, timeout=3.0).calls.hangup(CALL))
    assert recorder.last.extensions["timeout"]["read"] == 3.0


@IN_SYNC
def test_a_bare_key_leaves_the_http_client_s_own_auth_alone(runner: Runner, recorder: Recorder) -> None:
    http_client = runner.http_client(transport=httpx.MockTransport(recorder), auth=("user", "password"))
    runner.run(runner.client(http_client=http_client, auth_header="api-key").calls.hangup(CALL))
    assert recorder.last.headers["api-key"] == "test-key-0123"
    assert recorder.last.headers["authorization"].startswith("Basic ")


def foreign_client() -> object:
    return type("Client", (), {"__module__": "httpx3._client"})()


@each(
    "make, kind, got",
    [
        (RealtimeClient, httpx.AsyncClient, r"httpx2?\.AsyncClient"),
        (AsyncRealtimeClient, httpx.Client, r"httpx2?\.Client"),
        (RealtimeClient, foreign_client, "httpx3.Client"),
        (AsyncRealtimeClient, foreign_client, "httpx3.Client"),
        (RealtimeClient, str, "builtins.str"),
    ],
)
def test_an_http_client_of_another_kind_is_a_type_error(make, kind, got: str) -> None:
    with pytest.raises(TypeError, match=rf"http_client: \w+ expects httpx\.(Async)?Client or .*, got {got}"):
        make(api_key="k", http_client=kind())


async def async_key() -> str:
    return "async-key"


def test_an_async_key_works_in_the_async_client_alone(recorder: Recorder) -> None:
    with pytest.raises(TypeError, match="AsyncRealtimeClient"):
        RealtimeClient(api_key=async_key)  # type: ignore[arg-type]
    runner = Runner("async")
    runner.run(runner.client(recorder, api_key=async_key).calls.hangup(CALL))
    assert recorder.last.headers["authorization"] == "Bearer async-key"
    runner.close()
    runner = Runner("sync")
    with pytest.raises(TypeError, match="AsyncRealtimeClient"):
        runner.client(recorder, api_key=lambda: async_key()).calls.hangup(CALL)
    runner.close()


@each(
    "options, error, message",
    [
        ({"api_key": 7}, TypeError, "api_key: expected a str, got int"),
        ({"api_key": "two words"}, ValueError, "api_key: must be printable ASCII"),
        ({"api_key": "sk-1234567890\n"}, ValueError, "api_key: must be printable ASCII"),
        ({"base_url": "api.openai.com/v1"}, ValueError, "base_url: expected https or http://host/path"),
        ({"base_url": "ftp://h/v1"}, ValueError, "base_url: expected https or http://host/path"),
        ({"base_url": "https:///v1"}, ValueError, "base_url: expected https or http://host/path"),
        ({"base_url": "https://h:99999/v1"}, ValueError, "base_url: expected https or http://host/path"),
        ({"base_url": "https://h:0/v1"}, ValueError, "base_url: expected https or http://host/path"),
        ({"base_url": "https://[::1/v1"}, ValueError, "base_url: expected https or http://host/path"),
        ({"base_url": "https://h/v 1"}, ValueError, "base_url: expected https or http://host/path"),
        ({"base_url": "https://h/v1?key=hunter2"}, ValueError, "base_url: a query .* use default_query"),
        ({"base_url": "https://me:hunter2@h/v1"}, ValueError, "base_url: a user or password"),
        ({"base_url": 7}, TypeError, "base_url: expected .*, got int"),
        ({"websocket_base_url": "https://h/v1"}, ValueError, "websocket_base_url: expected wss or ws://"),
        ({"organization": "org\r\nX: 1"}, ValueError, "organization: not usable as a header value"),
        ({"project": "прое"}, ValueError, "project: not usable as a header value"),
        ({"project": 7}, TypeError, "project: expected a str, got int"),
        ({"auth_header": "x-api-key"}, ValueError, "auth_header: expected 'authorization' or 'api-key'"),
        ({"default_headers": {"X A": "1"}}, ValueError, "default_headers: 'X A' is not a header name"),
        ({"default_headers": {"X": "1\n"}}, ValueError, r"default_headers\['X'\]: not usable"),
        ({"default_headers": {"X": 1}}, TypeError, r"default_headers\['X'\]: expected a str, got int"),
        ({"default_headers": "X: 1"}, TypeError, "default_headers: expected a mapping"),
        ({"default_query": {"": "1"}}, ValueError, "default_query: '' is not a parameter name"),
        ({"default_query": {"a": [1]}}, TypeError, r"default_query\['a'\]: expected a str, int, float"),
        ({"default_query": "a=1"}, TypeError, "default_query: expected a mapping"),
        ({"timeout": 0}, ValueError, "timeout: expected more than 0 seconds, got 0"),
        ({"timeout": -1.5}, ValueError, "timeout: expected more than 0 seconds, got -1.5"),
        ({"timeout": float("nan")}, ValueError, "timeout: expected more than 0 seconds, got nan"),
        ({"timeout": "30"}, TypeError, "timeout: expected seconds or an httpx.Timeout, got str"),
        ({"timeout": True}, TypeError, "timeout: expected seconds or an httpx.Timeout, got bool"),
        ({"max_retries": -1}, ValueError, "max_retries: expected 0 or more, got -1"),
        ({"max_retries": 1.5}, TypeError, "max_retries: expected an int, got float"),
        ({"max_retries": True}, TypeError, "max_retries: expected an int, got bool"),
        ({"validate": 1}, TypeError, "validate: expected a bool, got int"),
        ({"webhook_secret": [7]}, TypeError, "webhook_secret: expected a str or several, got int"),
        ({"webhook_secret": 7}, TypeError, "webhook_secret: expected a str or several, got int"),
    ],
)
@each("make", [RealtimeClient, AsyncRealtimeClient])
def test_arguments_that_cannot_work_are_refused(make, options, error, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        make(**options)
    assert "hunter2" not in str(caught.value) and "1234567890" not in str(caught.value)


@IN_SYNC
@each(
    "options, error, message",
    [
        ({"timeout": 0}, ValueError, "timeout: expected more than 0 seconds"),
        ({"extra_headers": {"X": "1\r\nY: 2"}}, ValueError, r"extra_headers\['X'\]: not usable"),
        ({"extra_query": {"a": object()}}, TypeError, r"extra_query\['a'\]: expected a str"),
    ],
)
def test_options_of_a_request_are_checked_before_it_is_sent(
    runner: Runner, recorder: Recorder, options, error, message: str
) -> None:
    with pytest.raises(error, match=message):
        runner.run(runner.client(recorder).calls.hangup(CALL, **options))
    assert recorder.requests == []


def test_reprs_show_no_secret() -> None:
    client = RealtimeClient(
        api_key="hunter2-key",
        webhook_secret="whsec_hunter2",
        default_headers={"X-Key": "hunter2"},
        default_query={"token": "hunter2"},
    )
    assert "hunter2" not in repr(client) + repr(client._settings) + repr(vars(client))
    assert repr(client) == "RealtimeClient(base_url='https://api.openai.com/v1')"
