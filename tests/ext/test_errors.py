"""The error tree: its shape, what its members say, and that they survive pickling."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from realtime_ext import errors
from realtime_ext._http.operation import status_error
from realtime_ext.errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ConnectionClosedError,
    InternalServerError,
    MissingApiKeyError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RealtimeError,
    SdpError,
    SessionConfigError,
    SessionConfigWarning,
    SessionExpired,
    SessionProblem,
    ToolArgumentError,
    TurnLost,
    UnprocessableEntityError,
    WebhookVerificationError,
)
from tests.support.rows import each

ENVELOPE = (
    b'{"error":{"message":"failed to unmarshal SDP: EOF","type":"invalid_request_error","param":"sdp",'
    b'"code":"invalid_offer"}}'
)
PROBLEM = SessionProblem(
    "audio.output.speed", 9, "0.25 to 1.5", "audio.output.speed: expected 0.25 to 1.5, got 9"
)
URL = "https://api.openai.com/v1/realtime/calls"


def error(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> APIStatusError:
    return status_error(status, headers or {}, body, url=URL, now=lambda: 784111777.0)


EXAMPLES: list[RealtimeError] = [
    MissingApiKeyError(),
    SessionConfigError([PROBLEM]),
    SdpError("no audio section", line=3),
    ToolArgumentError("room: missing"),
    WebhookVerificationError("no signature matches"),
    APIConnectionError("no answer", may_have_applied=True),
    APITimeoutError("no answer in time", may_have_applied=True),
    error(400, {"x-request-id": "req_1", "retry-after": "2"}, ENVELOPE),
    APIResponseError("not SDP", status_code=201, body="{}", request_id="req_2"),
    ConnectionClosedError(1011, "keepalive", [{"type": "response.create"}]),
    SessionExpired(1001, "session_expired"),
    TurnLost(1006, "the connection was lost", has_begun=True),
]


@each("original", EXAMPLES)
@each("clone", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_errors_survive_pickling_and_copying(original, clone) -> None:
    twin = clone(original)
    assert type(twin) is type(original)
    assert str(twin) == str(original)
    assert vars(twin) == vars(original)


def test_every_error_has_the_one_root_and_an_example_here() -> None:
    classes = [
        item for name, item in vars(errors).items() if inspect.isclass(item) and name in errors.__all__
    ]
    raised = {item for item in classes if issubclass(item, Exception) and not issubclass(item, Warning)}
    assert all(issubclass(item, RealtimeError) for item in raised)
    covered = {parent for example in EXAMPLES for parent in type(example).__mro__}
    assert {item.__name__ for item in raised - covered} == {
        "AuthenticationError",
        "ConflictError",
        "InternalServerError",
        "NotFoundError",
        "PermissionDeniedError",
        "RateLimitError",
        "UnprocessableEntityError",
    }
    assert errors.__all__ == sorted(errors.__all__)


def test_errors_are_caught_by_the_builtin_classes_that_people_expect() -> None:
    assert issubclass(SessionConfigError, ValueError)
    assert issubclass(SdpError, ValueError)
    assert issubclass(ToolArgumentError, ValueError)
    assert issubclass(APITimeoutError, TimeoutError)
    assert issubclass(APITimeoutError, APIConnectionError)
    assert issubclass(SessionExpired, ConnectionClosedError)
    assert issubclass(TurnLost, ConnectionClosedError)
    assert issubclass(SessionConfigWarning, UserWarning)
    assert not issubclass(WebhookVerificationError, ValueError)


@each(
    "status, kind",
    [
        (302, APIStatusError),
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (408, APIStatusError),
        (409, ConflictError),
        (418, APIStatusError),
        (422, UnprocessableEntityError),
        (429, RateLimitError),
        (500, InternalServerError),
        (503, InternalServerError),
        (520, InternalServerError),
        (999, InternalServerError),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[APIStatusError]) -> None:
    raised = error(status)
    assert type(raised) is kind
    assert raised.status_code == status


def test_the_envelope_is_spread_over_attributes() -> None:
    raised = error(400, {"x-request-id": "req_1"}, ENVELOPE)
    assert (raised.message, raised.type, raised.param, raised.code) == (
        "failed to unmarshal SDP: EOF",
        "invalid_request_error",
        "sdp",
        "invalid_offer",
    )
    assert raised.request_id == "req_1"
    assert raised.body == ENVELOPE.decode()
    assert raised.retry_after is None
    assert raised.may_have_applied is False
    assert str(raised) == (
        "failed to unmarshal SDP: EOF (status 400, code invalid_offer, param sdp, request req_1)"
    )


@each(
    "body, start",
    [
        (b"", "the body is empty"),
        (b"  \r\n ", "the body is empty"),
        (b"<html>\n<h1>502 Bad Gateway</h1></html>", "<html> <h1>502 Bad Gateway</h1></html>"),
        (b"\xff\xfe garbage", "garbage"),
        (b"[1, 2]", "[1, 2]"),
        (b'{"detail": "nope"}', "nope"),
        (b'{"error": null}', '{"error": null}'),
        (b'{"error": {"message": ""}}', '{"error": {"message": ""}}'),
        (b'{"error": {"message": 7}}', '{"error": {"message": 7}}'),
        (b'{"error": ', '{"error":'),
        (b"[" * 100_000, "[[[["),
        (b'{"a":' * 100_000, '{"a":{"a":'),
    ],
)
def test_without_an_envelope_the_message_has_status_and_start_of_body(body: bytes, start: str) -> None:
    raised = error(520, {}, body)
    assert "520" in raised.message and start in raised.message
    assert len(raised.message) < 300
    assert raised.body == body.decode("utf-8", "replace")
    assert (raised.code, raised.param, raised.type) == (None, None, None)


def test_other_servers_envelopes_are_read_too() -> None:
    assert error(400, {}, b'{"error": "no such model"}').message == "no such model"
    assert error(400, {}, b'{"error": {"message": "m", "code": 1001}}').code == "1001"


def test_a_key_that_the_server_quotes_is_not_shown_again() -> None:
    body = b'{"error":{"message":"Incorrect API key: hunter2-key","code":"invalid_api_key"}}'
    raised = status_error(401, {}, body, url=URL, now=lambda: 0.0, secrets=["hunter2-key"])
    shown = [str(raised), repr(raised), raised.message, raised.body, str(vars(raised))]
    assert not [text for text in shown if "hunter2" in text]
    assert raised.code == "invalid_api_key"


def test_likely_secrets_are_not_in_the_message() -> None:
    assert error(401, {}, b'{"error":{"message":"ek_hunter2 has expired"}}').message == "*** has expired"
    assert "hunter2" not in error(502, {}, b"<p>Bearer hunter2 is unknown</p>").message


@each(
    "value, seconds",
    [
        ("2", 2.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10.0),
        ("Sun Nov  6 08:49:47 1994", 10.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("nan", None),
        ("1,5", None),
        ("Sun, 99 Foo 1994", None),
        ("Mon, 1 Jan 99999 00:00:00 GMT", None),
        ("Sun, 06 Nov 1994" + " " * 100 + "08:49:47 GMT", None),  # longer than any date
    ],
)
def test_retry_after_is_seconds_from_now(value: str, seconds: float | None) -> None:
    raised = error(429, {"retry-after": value})
    assert raised.retry_after == seconds
    assert raised.retry_after is None or type(raised.retry_after) is float


def test_a_session_error_speaks_of_its_first_problem_and_tells_all() -> None:
    second = SessionProblem("audio.output.voice", 1, "a str or an object", "audio.output.voice: got 1")
    raised = SessionConfigError([PROBLEM, second])
    assert (raised.field, raised.value, raised.allowed) == ("audio.output.speed", 9, "0.25 to 1.5")
    assert raised.problems == (PROBLEM, second)
    assert PROBLEM.message in str(raised) and second.message in str(raised)
    assert str(SessionConfigError([PROBLEM])) == PROBLEM.message
    with pytest.raises(ValueError, match="at least one"):
        SessionConfigError([])


def test_a_closed_connection_says_why_without_secrets() -> None:
    raised = ConnectionClosedError(4000, "bad key ek_123456", unsent=["x", "y"])
    assert (raised.code, raised.reason, raised.unsent) == (4000, "bad key ***", ("x", "y"))
    assert str(raised) == "the connection closed with code 4000: bad key ***; 2 event(s) were not sent"
    assert str(ConnectionClosedError()) == "the connection closed"


def test_details_that_the_api_leaves_empty_are_left_out() -> None:
    error = NotFoundError(
        "No session found", status_code=404, code="call_id_not_found", param="", request_id=""
    )
    assert str(error) == "No session found (status 404, code call_id_not_found)"
