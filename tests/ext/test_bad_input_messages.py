"""What the errors about bad input say: which argument, what came and what is allowed; and no secret."""

from __future__ import annotations

import datetime
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import httpx
import pytest

from realtime_ext import (
    ClientSecret,
    SdpError,
    SessionBuilder,
    SessionConfigError,
    WebhookVerificationError,
    sdp,
)
from tests.ext.clients import IN_SYNC
from tests.samples.sdp import sample
from tests.support.bad_input import (
    ELSEWHERE,
    JUNK,
    LIVE,
    NOW,
    OFFER,
    ON_CLIENTS,
    SECRET,
    SESSION,
    TRANSLATION,
    TRUNK,
    Wire,
    method_of,
    toolbox,
)
from tests.support.rows import each
from tests.support.runner import Runner


@pytest.fixture
def wire() -> Wire:
    return Wire()


# What the errors say: (function, argument, value, error, the field, what came, what is allowed)


@attrs.frozen
class Row:
    function: str
    parameter: str
    value: Any
    error: type[Exception]
    says: tuple[str, ...]


def row(function: str, parameter: str, value: Any, error: type[Exception], *says: str) -> Row:
    return Row(function, parameter, value, error, says)


NO_AUDIO = sample("refused-chromium-datachannel-only")
SIP_URI = ("target_uri", "tel:", "sip:")

SAID_BY_CLIENTS = [
    row("calls.create", "offer", 7, TypeError, "offer", "int", "str or bytes"),
    row("calls.create", "offer", "", SdpError, "offer", "empty"),
    row("calls.create", "offer", "garbage", SdpError, "offer", "line 1"),
    row("calls.create", "offer", '{"sdp": "v=0"}', SdpError, "offer", "JSON"),
    row("calls.create", "offer", "<html></html>", SdpError, "offer", "HTML"),
    row("calls.create", "offer", OFFER[:-2], SdpError, "offer", "CRLF"),
    row("calls.create", "offer", OFFER.replace("\r\n", "\n"), SdpError, "offer", "CRLF"),
    row("calls.create", "offer", NO_AUDIO, SdpError, "offer", "audio"),
    row("calls.create", "offer", "\ud800", SdpError, "offer", "surrogate"),
    row(
        "calls.create", "session", [], TypeError, "session", "list", "a builder, a generated model or a dict"
    ),
    row(
        "calls.create",
        "session",
        {"type": "transcription"},
        SessionConfigError,
        "type",
        "'transcription'",
        "'realtime'",
    ),
    row(
        "calls.create",
        "session",
        {**SESSION, "audio": {"output": {"speed": 9}}},
        SessionConfigError,
        "audio.output.speed",
        "9",
        "0.25",
        "1.5",
    ),
    row(
        "calls.create",
        "session",
        {**SESSION, "modalities": ["text"]},
        SessionConfigError,
        "modalities",
        "output_modalities",
    ),
    row("calls.create", "safety_identifier", "a\r\nX: b", ValueError, "safety_identifier", "line breaks"),
    row("calls.create", "safety_identifier", 7, TypeError, "safety_identifier", "int", "str"),
    row("calls.create", "timeout", 0, ValueError, "timeout", "0", "more than 0 seconds"),
    row("calls.create", "timeout", "5", TypeError, "timeout", "str", "seconds or an httpx.Timeout"),
    row("calls.create", "extra_headers", {"a b": "c"}, ValueError, "extra_headers", "'a b'", "header name"),
    row("calls.create", "extra_headers", {"a": "b\r\nc"}, ValueError, "extra_headers['a']", "line breaks"),
    row("calls.create", "extra_headers", [("a", "b")], TypeError, "extra_headers", "list", "mapping"),
    row("calls.create", "extra_query", {"a": "\ud800"}, ValueError, "extra_query['a']", "UTF-8"),
    row("calls.create", "extra_query", {"": "b"}, ValueError, "extra_query", "''", "not empty"),
    row("calls.create", "extra_query", {"a": None}, TypeError, "extra_query['a']", "NoneType", "str, int"),
    row("calls.create_with_secret", "client_secret", "sk-1", ValueError, "client_secret", "API key", "ek_"),
    row("calls.create_with_secret", "client_secret", "ek_1\n", ValueError, "client_secret", "line breaks"),
    row("calls.create_with_secret", "client_secret", None, TypeError, "client_secret", "NoneType", "str"),
    row("calls.accept", "call_id", "", ValueError, "call_id", "''", "rtc_"),
    row("calls.accept", "call_id", "..", ValueError, "call_id", "'..'", "rtc_"),
    row("calls.accept", "call_id", 7, TypeError, "call_id", "int", "str"),
    row("calls.accept", "session", None, TypeError, "session", "NoneType", "dict"),
    row("calls.accept", "session", {"model": "m"}, SessionConfigError, "type"),
    row("calls.reject", "call_id", ".", ValueError, "call_id", "'.'", "rtc_"),
    row("calls.reject", "status_code", 299, ValueError, "status_code", "299", "300", "699"),
    row("calls.reject", "status_code", 700, ValueError, "status_code", "700", "300", "699"),
    row("calls.reject", "status_code", "486", TypeError, "status_code", "str", "300", "699"),
    row("calls.reject", "status_code", True, TypeError, "status_code", "bool"),
    row("calls.refer", "target_uri", "+14155550123", ValueError, *SIP_URI, "'+14155550123'"),
    row(
        "calls.refer",
        "target_uri",
        "tel:4155550123",
        ValueError,
        *SIP_URI,
        "'tel:4155550123'",
        "phone-context",
    ),
    row("calls.refer", "target_uri", "sip:", ValueError, *SIP_URI, "'sip:'"),
    row("calls.refer", "target_uri", "sip:a@b:99999", ValueError, *SIP_URI, "99999"),
    row("calls.refer", "target_uri", "https://a.test", ValueError, *SIP_URI, "https://a.test"),
    row("calls.refer", "target_uri", "sip:a@b\r\nX: y", ValueError, *SIP_URI),
    row("calls.refer", "target_uri", None, TypeError, *SIP_URI, "NoneType"),
    row("calls.hangup", "call_id", " ", ValueError, "call_id", "' '", "rtc_"),
    row("calls.hangup", "call_id", None, TypeError, "call_id", "NoneType", "str"),
    row("live.calls.create", "offer", "garbage", SdpError, "offer", "line 1", "v=0"),
    row("live.calls.create", "session", None, TypeError, "session", "NoneType", "dict"),
    row("live.calls.create", "session", {}, SessionConfigError, "model", "required"),
    row(
        "live.calls.create",
        "session",
        {**LIVE, "voice": "marin"},
        SessionConfigError,
        "voice",
        "audio.output.voice",
    ),
    row("live.calls.call", "to", "0123", ValueError, "to", "'0123'", "E.164"),
    row("live.calls.call", "to", 7, TypeError, "to", "int", "str"),
    row("live.calls.call", "trunk", None, TypeError, "trunk", "NoneType", "dict"),
    row("live.calls.call", "trunk", {"auth": object()}, ValueError, "trunk", "JSON"),
    row(
        "live.calls.call", "trunk", {**TRUNK, "caller_number": "1"}, ValueError, "trunk.caller_number", "'1'"
    ),
    row("live.calls.accept", "session", {"type": "realtime"}, SessionConfigError, "type", "'realtime'"),
    row("live.calls.accept", "session_id", "..", ValueError, "session_id", "'..'", "live_"),
    row("live.calls.reject", "status_code", 200, ValueError, "status_code", "200", "300", "699"),
    row("live.calls.refer", "target_uri", "sip:", ValueError, *SIP_URI, "'sip:'"),
    row("live.calls.hangup", "session_id", " ", ValueError, "session_id", "' '", "live_"),
    row("live.recording", "session_id", None, TypeError, "session_id", "NoneType", "str"),
    row("client_secrets.create", "expires_after", 9, SessionConfigError, "expires_after", "9", "10 to 7200"),
    row(
        "client_secrets.create",
        "expires_after",
        7201,
        SessionConfigError,
        "expires_after",
        "7201",
        "10 to 7200",
    ),
    row("client_secrets.create", "expires_after", 60.0, SessionConfigError, "expires_after", "60.0", "whole"),
    row(
        "client_secrets.create",
        "expires_after",
        datetime.timedelta(hours=3),
        SessionConfigError,
        "expires_after",
        "10800",
        "10 to 7200",
    ),
    row("client_secrets.create", "session", TRANSLATION, SessionConfigError, "type"),
    row(
        "translation_client_secrets.create",
        "session",
        {"model": 7},
        SessionConfigError,
        "model",
        "7",
        "a string",
    ),
    row(
        "translation_client_secrets.create",
        "expires_after",
        0,
        SessionConfigError,
        "expires_after",
        "10 to 7200",
    ),
    row("sessions.create", "session", "gpt-realtime", TypeError, "session", "str", "dict"),
    row("transcription_sessions.create", "session", SESSION, SessionConfigError, "type", "'realtime'"),
    row("webhooks.unwrap", "body", {"type": "x"}, WebhookVerificationError, "body", "dict", "bytes or str"),
    row("webhooks.unwrap", "headers", {}, WebhookVerificationError, "webhook-id", "missing"),
]

SAID_ELSEWHERE = [
    row("RealtimeClient", "api_key", "sk-1\n", ValueError, "api_key", "line breaks"),
    row("RealtimeClient", "api_key", 7, TypeError, "api_key", "int", "str"),
    row("RealtimeClient", "base_url", "api.openai.com", ValueError, "base_url", "'api.openai.com'", "https"),
    row("RealtimeClient", "base_url", 0, TypeError, "base_url", "int", "https"),
    row("RealtimeClient", "organization", b"", TypeError, "organization", "bytes", "str"),
    row("RealtimeClient", "webhook_secret", b"whsec_", TypeError, "webhook_secret", "bytes", "str"),
    row("RealtimeClient", "timeout", 10**10, ValueError, "timeout", "1000000000 seconds at most"),
    row("RealtimeClient", "base_url", "ftp://a/v1", ValueError, "base_url", "'ftp://a/v1'", "https or http"),
    row("RealtimeClient", "base_url", "https://a/v1?b=c", ValueError, "base_url", "query", "default_query"),
    row("RealtimeClient", "base_url", "https://u:p@a/v1", ValueError, "base_url", "user", "default_headers"),
    row(
        "RealtimeClient", "websocket_base_url", "https://a/v1", ValueError, "websocket_base_url", "wss or ws"
    ),
    row("RealtimeClient", "organization", "a\nb", ValueError, "organization", "line breaks"),
    row("RealtimeClient", "project", 7, TypeError, "project", "int", "str"),
    row("RealtimeClient", "webhook_secret", [7], TypeError, "webhook_secret", "int", "str"),
    row("RealtimeClient", "auth_header", "x-key", ValueError, "auth_header", "'x-key'", "'api-key'"),
    row("RealtimeClient", "default_headers", {"a": 7}, TypeError, "default_headers['a']", "int", "str"),
    row("RealtimeClient", "default_query", "a=b", TypeError, "default_query", "str", "mapping"),
    row("RealtimeClient", "timeout", -1, ValueError, "timeout", "-1", "more than 0"),
    row("RealtimeClient", "timeout", math.nan, ValueError, "timeout", "nan", "more than 0"),
    row("RealtimeClient", "max_retries", -1, ValueError, "max_retries", "-1", "0 or more"),
    row("RealtimeClient", "max_retries", 1.5, TypeError, "max_retries", "float", "int"),
    row(
        "RealtimeClient",
        "http_client",
        httpx.AsyncClient(),
        TypeError,
        "http_client",
        "httpx.Client",
        "Async",
    ),
    row("RealtimeClient", "validate", "yes", TypeError, "validate", "str", "bool"),
    row("sdp.SessionDescription.parse", "text", "", SdpError, "empty"),
    row("sdp.SessionDescription.parse", "text", "garbage", SdpError, "line 1", "'ga'", "v=0"),
    row("sdp.SessionDescription.parse", "text", b"v=0\r\n\xff", SdpError, "UTF-8"),
    row("sdp.SessionDescription.parse", "text", 7, SdpError, "SDP", "int", "str or bytes"),
    row("sdp.repair", "text", [], SdpError, "SDP", "list", "str or bytes"),
    row("events.parse_event", "data", 7, TypeError, "data", "int", "str"),
    row("events.encode_event", "event", "{}", TypeError, "event", "str"),
    row("events.encode_event", "event", {}, ValueError, "type"),
    row("events.encode_event", "event", {"type": "x", "a": object()}, ValueError, "event", "JSON"),
    row("webhooks.sign", "body", {}, ValueError, "body", "dict", "bytes or str"),
    row("webhooks.sign", "secret", "", ValueError, "secret", "empty"),
    row("webhooks.sign", "secret", "whsec_***", ValueError, "secret", "base64"),
    row("webhooks.sign", "secret", b"whsec_MDEy", ValueError, "secret", "bytes", "str"),
    row("webhooks.sign", "webhook_id", "a b", ValueError, "webhook_id", "'a b'", "printable ASCII"),
    row("webhooks.sign", "timestamp", -1, ValueError, "timestamp", "-1", "seconds since 1970"),
    row("webhooks.sign", "timestamp", True, ValueError, "timestamp", "True", "seconds since 1970"),
    row("webhooks.sign", "timestamp", JUNK[-1], ValueError, "timestamp", "2020", "aware"),
    row("webhooks.verify", "body", 7, WebhookVerificationError, "body", "int", "bytes or str"),
    row("webhooks.verify", "headers", "a: b", WebhookVerificationError, "headers", "str", "mapping"),
    row("webhooks.verify", "tolerance", -1, ValueError, "tolerance", "-1", "0 or more"),
    row("webhooks.verify", "tolerance", math.nan, ValueError, "tolerance", "nan", "0 or more"),
    row("webhooks.verify", "clock", 7, TypeError, "clock", "int", "callable"),
    row("webhooks.verify", "clock", lambda: None, TypeError, "clock", "None", "seconds since 1970"),
    row("webhooks.verify", "clock", lambda: JUNK[-1], TypeError, "clock", "aware"),
    row(
        "webhooks.unwrap", "clock", lambda: NOW + 301, WebhookVerificationError, "301 s", "300 s are allowed"
    ),
    row("webhooks.Deduplicator", "max_entries", 0, ValueError, "max_entries", "0", "1 or more"),
    row("webhooks.Deduplicator.seen", "webhook_id", b"wh_1", TypeError, "webhook_id", "bytes", "str"),
    row("webhooks.Deduplicator.seen", "webhook_id", "", ValueError, "webhook_id", "empty"),
    row("webhooks.Deduplicator.seen", "call_id", ["rtc_1"], TypeError, "call_id", "list", "str"),
    row("tools.function_tool", "function", 7, TypeError, "7", "a function"),
    row("audio.decode", "event", {"type": "x"}, TypeError, "event", "'x'", "an audio delta"),
    row("audio.audio_format", "format", "mp3", ValueError, "format", "'mp3'", '"pcmu"'),
    row("audio.audio_format", "format", "g711_ulaw", ValueError, "format", "'g711_ulaw'", "name of pcmu"),
    row("audio.duration_ms", "data", "text", TypeError, "data", "str", "bytes"),
    row("audio.pcm16_to_pcmu", "data", b"odd", ValueError, "data", "3"),
    row("audio.chunks", "data", 7, TypeError, "data", "int", "bytes"),
    row("audio.chunks", "ms", 0, ValueError, "ms", "0", "at least one sample"),
    row("audio.silence", "ms", -1, ValueError, "ms", "-1", "0 or more"),
    row("audio.silence", "ms", 10**400, ValueError, "ms", "1e+30", "86400000 at most"),
    row("audio.Chunker", "ms", math.inf, ValueError, "ms", "inf", "at least one sample"),
    row("audio.Resampler", "source", 0, ValueError, "source", "0", "above 0"),
    row("audio.Resampler", "channels", 1.5, ValueError, "channels", "1.5", "1 to 32"),
    row("audio.read_wav", "path", 7, TypeError, "int", "str"),
    row("audio.write_wav", "path", None, TypeError, "path", "NoneType", "write"),
    row("audio.write_wav", "rate", 0, ValueError, "rate", "0", "above 0"),
    row("tools.Toolbox", "keep_failures", -1, ValueError, "keep_failures", "-1", "0 or more"),
    row("tools.Toolbox", "on_failure", 7, TypeError, "on_failure", "int", "callable"),
    row("tools.Toolbox.run", "context", 7, TypeError, "context", "int", "ToolContext"),
    row("audio.silence", "format", "opus", ValueError, "format", "'opus'", '"pcma"'),
    row("SipHeaders", "fields", "From: a", ValueError, "SIP headers", "str", "list"),
    row("SipHeaders", "fields", [("From", "a\r\nTo: b")], ValueError, "From", "CR and LF"),
    row("SipHeaders", "fields", [("a b", "c")], ValueError, "SIP header 0", "'a b'", "header name"),
    row("SipHeaders", "fields", [("From", 7)], ValueError, "SIP header 0", "str"),
    row("SipHeaders.get_list", "name", 7, TypeError, "name", "int", "str"),
    row("SipHeaders.addresses", "name", b"from", TypeError, "name", "bytes", "str"),
    row("SipAddress.parse", "text", "", ValueError, "''", "sip:alice@example.com"),
    row("sip.check_target_uri", "uri", "", ValueError, *SIP_URI, "''"),
    row("testing.hurry", "client", None, TypeError, "client", "NoneType", "RealtimeClient"),
    row("testing.hurry", "times", 0, ValueError, "times", "0", "positive"),
    row("testing.hurry", "times", "10", TypeError, "times", "str", "number"),
    row("testing.vcr_settings", "secrets", "one", TypeError, "secrets", "str", "several"),
    row("testing.vcr_settings", "secrets", [""], ValueError, "secrets", "blank"),
]


def ids(rows: Sequence[Row]) -> list[str]:
    return [f"{r.function}-{r.parameter}-{str(r.value)[:16]!r}" for r in rows]


@IN_SYNC
@each("bad", SAID_BY_CLIENTS, ids=ids(SAID_BY_CLIENTS))
def test_a_client_error_names_the_problem_and_nothing_is_sent(bad: Row, runner: Runner, wire: Wire) -> None:
    client = runner.client(wire, webhook_secret=SECRET, api_key="sk-of-the-developer")
    with pytest.raises(bad.error) as caught:
        result = method_of(client, bad.function)(**{**ON_CLIENTS[bad.function], bad.parameter: bad.value})
        if inspect.isawaitable(result):
            runner.run(result)
    check_message(caught.value, bad)
    assert wire.sent == 0


@each("bad", SAID_ELSEWHERE, ids=ids(SAID_ELSEWHERE))
def test_an_error_names_the_problem(bad: Row) -> None:
    call, valid = ELSEWHERE[bad.function]
    with pytest.raises(bad.error) as caught:
        call(**{**valid, bad.parameter: bad.value})
    check_message(caught.value, bad)


def check_message(error: Exception, bad: Row) -> None:
    message = str(error)
    assert type(error).__module__ in ("builtins", "realtime_ext.errors")
    assert [word for word in bad.says if word not in message] == [], message
    secrets = (SECRET.removeprefix("whsec_"), "sk-of-the-developer")
    passwords = sdp.SessionDescription.parse(OFFER).ice_pwd or "none"
    assert not any(secret in message for secret in (*secrets, passwords))


SAID_BY_BUILDERS: Sequence[tuple[Callable[[SessionBuilder], Any], str, Sequence[str]]] = [
    (lambda b: b.voice("marin", speed=9), "audio.output.speed", ["9", "0.25", "1.5"]),
    (lambda b: b.server_vad(threshold=2), "audio.input.turn_detection.threshold", ["2", "0", "1"]),
    (
        lambda b: b.server_vad(idle_timeout_ms=1),
        "audio.input.turn_detection.idle_timeout_ms",
        ["1", "5000", "30000"],
    ),
    (lambda b: b.semantic_vad(eagerness="x"), "audio.input.turn_detection.eagerness", ["'x'", "'low'"]),
    (lambda b: b.noise_reduction("x"), "audio.input.noise_reduction.type", ["'x'", "'near_field'"]),
    (lambda b: b.output_format("pcm16"), "audio.output.format.type", ["pcm16", "audio/pcm"]),
    (lambda b: b.output("video"), "output_modalities[0]", ["'video'", "'audio'"]),
    (lambda b: b.max_output_tokens(0), "max_output_tokens", ["0", "1", "4096"]),
    (lambda b: b.truncation(2.0), "truncation.retention_ratio", ["2", "0", "1"]),
    (lambda b: b.tool_choice("look"), "tool_choice.name", ["'look'"]),
    (lambda b: b.mcp("shop"), "tools[0].server_url", ["connector_id"]),
]


@each("build, field, says", SAID_BY_BUILDERS, ids=[r[1] for r in SAID_BY_BUILDERS])
def test_a_builder_error_names_the_problem(
    build: Callable[[SessionBuilder], Any], field: str, says: Sequence[str]
) -> None:
    with pytest.raises(SessionConfigError) as caught:
        build(SessionBuilder("gpt-realtime")).build()
    assert caught.value.field == field
    assert caught.value.allowed is not None
    assert [word for word in (field, *says) if word not in str(caught.value)] == [], str(caught.value)


@each(
    "name, arguments, says",
    [
        ("other", "{}", ["other", "book"]),
        ("book", "{", ["JSON"]),
        ("book", "[]", ["object"]),
        ("book", "{}", ["room"]),
        ("book", '{"room":"x"}', ["room", "int"]),
        ("book", '{"room":1,"x":2}', ["x"]),
    ],
)
def test_a_tools_bad_arguments_are_answered_by_name(name: str, arguments: str, says: Sequence[str]) -> None:
    output = toolbox().call(name, arguments)
    assert '"error"' in output
    assert [word for word in says if word not in output] == [], output


def test_the_secrets_clock_is_checked() -> None:
    expires = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    secret = ClientSecret(value="ek_1", expires_at=expires, session=None)
    assert secret.is_expired(lambda: NOW)
    assert not secret.is_expired(lambda: expires - datetime.timedelta(seconds=1))
