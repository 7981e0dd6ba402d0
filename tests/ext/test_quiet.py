"""What is logged: what happened, never with what."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from realtime_api.api.realtime import hangup_realtime_call

import realtime_ext
from realtime_ext import RealtimeClient, webhooks
from realtime_ext._http.sending import HTTP_LOGGERS
from realtime_ext.errors import APIConnectionError, APIStatusError
from tests.ext.connection.driver import Driven
from tests.samples.sdp import sample
from tests.support.loopback import Loopback, answer
from tests.support.rows import each
from tests.support.runner import Runner

OFFER = sample("offer-aiortc-audio-datachannel")
ANSWER = sample("answer-aiortc-audio-datachannel").encode()
LIBRARIES = ("httpx", "httpcore")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that is logged, with the libraries' loggers as they are in a new process."""
    for name in HTTP_LOGGERS:
        logging.getLogger(name).filters.clear()
    with caplog.at_level(logging.DEBUG):
        yield caplog


def told_by_libraries(log: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What the libraries tell of requests; older httpx also says where it loads certificates from."""
    told = [record for record in log.records if record.name.startswith(LIBRARIES)]
    return [record for record in told if not record.getMessage().startswith("load_")]


def test_a_call_is_logged_without_key_query_headers_or_sdp(
    runner: Runner, log: pytest.LogCaptureFixture
) -> None:
    steps = [
        answer(503, b'{"error":{"message":"hunter2"}}'),
        answer(201, ANSWER, location="/v1/realtime/calls/rtc_1", x_request_id="req_1", x_token="hunter2"),
    ]
    with Loopback(*steps) as server:
        client = runner.client(
            base_url=server.base_url, api_key="hunter2-key", default_query={"token": "hunter2"}
        )
        session = {"type": "realtime", "instructions": "hunter2"}
        runner.run(client.calls.create(OFFER, session, extra_headers={"X-Key": "hunter2"}))
    ours = [record for record in log.records if record.name == "realtime_ext"]
    assert {record.levelno for record in ours} == {logging.DEBUG, logging.INFO}
    assert "calls.create" in log.text and "req_1" in log.text and "retry 1 of 2" in log.text
    assert not told_by_libraries(log)
    assert "hunter2" not in log.text and "ice-pwd" not in log.text


def test_raw_requests_are_not_logged_by_httpx(runner: Runner, log: pytest.LogCaptureFixture) -> None:
    with Loopback(answer(200)) as server:
        client = runner.client(base_url=server.base_url, default_query={"token": "hunter2"})
        if runner.is_async:
            runner.run(hangup_realtime_call.asyncio_detailed("rtc_1", client=client.raw))
        else:
            hangup_realtime_call.sync_detailed("rtc_1", client=client.raw)
    assert len(server.requests) == 1
    assert "httpx" not in {record.name for record in told_by_libraries(log)}
    assert "hunter2" not in log.text and "headers" not in log.text


def test_other_requests_of_an_httpx_client_are_logged(runner: Runner, log: pytest.LogCaptureFixture) -> None:
    with Loopback(answer(200)) as server:
        http_client = runner.http_client()
        runner.run(runner.client(base_url=server.base_url, http_client=http_client).calls.hangup("rtc_1"))
        assert not told_by_libraries(log)
        runner.run(http_client.get(f"{server.base_url}/models"))
    told = {record.name for record in told_by_libraries(log)}
    assert {"httpx", "httpcore.http11"} <= told


def test_a_request_within_a_callback_of_the_user_s_is_logged(log: pytest.LogCaptureFixture) -> None:
    runner = Runner("sync")
    with Loopback(answer(200)) as server:

        def key() -> str:
            with httpx.Client() as http_client:
                http_client.get(f"{server.base_url}/key")
            return "key-1"

        runner.client(base_url=server.base_url, api_key=key).calls.hangup("rtc_1")
        runner.close()
    told = [record.getMessage() for record in told_by_libraries(log) if record.name == "httpx"]
    assert len(told) == 1 and "/v1/key" in told[0]


def test_nothing_is_set_up_at_import() -> None:
    code = """
import logging, realtime_ext, realtime_ext.client, realtime_ext._http.sending
realtime_ext.RealtimeClient(api_key="k")
loggers = [logging.getLogger(name) for name in ("", "httpx", "httpcore.http11", "realtime_ext")]
assert not [logger for logger in loggers if logger.handlers or logger.filters or logger.level not in (0, 30)]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_errors_and_their_causes_show_no_key(runner: Runner) -> None:
    import traceback

    body = json.dumps({"error": {"message": "Incorrect API key provided: hunter2-key"}}).encode()
    with Loopback(answer(401, body)) as server:
        client = runner.client(
            base_url=server.base_url, api_key="hunter2-key", default_query={"token": "hunter2"}
        )
        with pytest.raises(APIStatusError) as caught:
            runner.run(client.calls.hangup("rtc_1"))
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("auth_header", ["authorization", "api-key"])
@pytest.mark.parametrize("is_websocket", [False, True])
def test_no_frame_of_a_traceback_with_locals_shows_the_key(
    runner: Runner, auth_header: str, is_websocket: bool
) -> None:
    import traceback

    client = runner.client(
        base_url="http://127.0.0.1:9/v1",
        api_key="".join(["hunter2", "-key"]),  # the test's own frames have the parts
        auth_header=auth_header,
        max_retries=0,
        default_headers={"cookie": "".join(["id=hunter2", "-key"])},
    )
    with pytest.raises(APIConnectionError) as caught:
        if is_websocket:
            Driven(client.connect(model="gpt-realtime"), runner).__enter__()
        else:
            runner.run(client.calls.hangup("rtc_1"))
    error: BaseException | None = caught.value
    while error is not None:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        assert [frame.filename for frame in shown.stack if "hunter2-key" in str(frame.locals)] == []
        if hasattr(error, "request"):
            assert "hunter2-key" not in repr(error.request.headers)
        error = error.__cause__


SECRETS: dict[str, Callable[[str], object]] = {
    "another argument": lambda key: RealtimeClient(key, base_url="nowhere", webhook_secret=key),
    "a malformed key": lambda key: RealtimeClient(f"{key}\n"),
    "a malformed key of a function": lambda key: RealtimeClient(lambda: f"{key}\n").client_secrets.create(),
    "a client secret": lambda key: RealtimeClient(
        base_url="http://127.0.0.1:9/v1", max_retries=0
    ).calls.create_with_secret(sample("offer-aiortc-audio-datachannel"), f"ek_{key}"),
    "a malformed client secret": lambda key: RealtimeClient("k").calls.create_with_secret("v=0", f"ek {key}"),
    "a webhook that does not fit": lambda key: webhooks.verify("{}", webhooks.sign("{}", "other"), key),
    "a webhook to be read": lambda key: webhooks.unwrap("{}", webhooks.sign("{}", "other"), [key]),
    "a webhook's malformed secret": lambda key: webhooks.verify("{}", {}, f"whsec_{key}!"),
    "a signature": lambda key: webhooks.sign("{}", key, webhook_id="a b"),
}


@each("what", SECRETS)
def test_no_frame_of_this_package_shows_a_secret_that_it_was_given(what: str) -> None:
    import traceback

    package = str(Path(realtime_ext.__file__).parent)
    with pytest.raises(Exception) as caught:
        SECRETS[what]("hunter2-key")
    error: BaseException | None = caught.value
    while error is not None:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        own = [frame for frame in shown.stack if frame.filename.startswith(package)]
        assert [frame.name for frame in own if "hunter2-key" in str(frame.locals)] == []
        error = error.__cause__
