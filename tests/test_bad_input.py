"""Bad input, everywhere: what every public function does with what it can't use.

Each is called with its other arguments right and one wrong. It refuses by an error of its own, which names
the argument, what came and what is allowed; and nothing has been sent by then.
"""

from __future__ import annotations

import contextlib
import datetime
import inspect
import itertools
import linecache
import math
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest

import realtime_ext
from realtime_ext import (
    AsyncRealtimeClient,
    ClientSecret,
    RealtimeClient,
    RealtimeError,
    SdpError,
    SessionBuilder,
    SessionConfigError,
    SipHeaders,
    TranscriptionSessionBuilder,
    TranslationSessionBuilder,
    WebhookVerificationError,
    audio,
    events,
    sdp,
    sip,
    testing,
    tools,
    webhooks,
)
from realtime_ext.sip_address import SipAddress
from tests.runner import Flavour
from tests.samples.sdp import sample

OURS = Path(realtime_ext.__file__).parent
OFFER = sample("offer-chromium-audio-datachannel")
SESSION = {"type": "realtime", "model": "gpt-realtime"}
TRANSLATION = {"model": "gpt-realtime-translate", "audio": {"output": {"language": "es"}}}
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
NOW = 1_800_000_000
BODY = b'{"object":"event","id":"evt_1","type":"some.type","created_at":1,"data":{}}'
HEADERS = webhooks.sign(BODY, SECRET, timestamp=NOW)
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
PCM = b"\x00\x01" * 8


def book(room: int) -> str:
    return f"room {room}"


def toolbox() -> tools.Toolbox:
    return tools.Toolbox([book])


DELTA = events.parse_event(
    '{"type":"response.output_audio.delta","event_id":"e","response_id":"r","item_id":"i",'
    '"output_index":0,"content_index":0,"delta":"AAAA"}'
)

# Every public function with arguments that are right. A name with a client's resource in front is called on
# both clients.
Valid = Mapping[str, Any]
ON_CLIENTS: Mapping[str, Valid] = {
    "calls.create": {
        "offer": OFFER,
        "session": SESSION,
        "safety_identifier": None,
        "timeout": None,
        "extra_headers": None,
        "extra_query": None,
    },
    "calls.create_with_secret": {"offer": OFFER, "client_secret": "ek_1"},
    "calls.accept": {"call_id": "rtc_1", "session": SESSION},
    "calls.reject": {"call_id": "rtc_1", "status_code": 486},
    "calls.refer": {"call_id": "rtc_1", "target_uri": "tel:+14155550123"},
    "calls.hangup": {"call_id": "rtc_1"},
    "client_secrets.create": {"session": SESSION, "expires_after": 600, "safety_identifier": None},
    "translation_client_secrets.create": {"session": TRANSLATION, "expires_after": 600},
    "sessions.create": {"session": SESSION},
    "transcription_sessions.create": {"session": {"type": "transcription"}},
    "webhooks.unwrap": {"body": BODY, "headers": HEADERS},
}
CLIENT = dict.fromkeys(inspect.signature(RealtimeClient).parameters)
CLIENT |= {"api_key": "k", "base_url": "http://127.0.0.1/v1", "auth_header": "authorization", "timeout": 30.0}
CLIENT |= {"max_retries": 2, "validate": True}
ELSEWHERE: Mapping[str, tuple[Callable[..., Any], Valid]] = {
    "RealtimeClient": (RealtimeClient, CLIENT),
    "AsyncRealtimeClient": (AsyncRealtimeClient, CLIENT),
    "sdp.SessionDescription.parse": (sdp.SessionDescription.parse, {"text": OFFER}),
    "sdp.check_offer": (sdp.check_offer, {"text": OFFER}),
    "sdp.repair": (sdp.repair, {"text": OFFER}),
    "events.parse_event": (events.parse_event, {"data": '{"type":"x"}'}),
    "events.encode_event": (events.encode_event, {"event": {"type": "response.create"}}),
    "webhooks.sign": (
        webhooks.sign,
        {"body": BODY, "secret": SECRET, "webhook_id": "wh_1", "timestamp": NOW},
    ),
    "webhooks.verify": (
        webhooks.verify,
        {"body": BODY, "headers": HEADERS, "secret": SECRET, "tolerance": 300, "clock": lambda: NOW},
    ),
    "webhooks.unwrap": (
        webhooks.unwrap,
        {"body": BODY, "headers": HEADERS, "secret": SECRET, "tolerance": 300, "clock": lambda: NOW},
    ),
    "webhooks.Deduplicator": (webhooks.Deduplicator, {"max_entries": 10}),
    "webhooks.Deduplicator.seen": (webhooks.Deduplicator().seen, {"webhook_id": "wh_1", "call_id": "rtc_1"}),
    "tools.function_tool": (tools.function_tool, {"function": book}),
    "tools.Toolbox.add": (
        lambda **given: toolbox().add(**given),
        {"definition": TOOL, "handler": lambda: ""},
    ),
    "audio.decode": (audio.decode, {"event": DELTA}),
    "audio.audio_format": (audio.audio_format, {"format": "pcm"}),
    "audio.duration_ms": (audio.duration_ms, {"data": PCM, "format": "pcm"}),
    "audio.chunks": (lambda **given: list(audio.chunks(**given)), {"data": PCM, "format": "pcm"}),
    "audio.silence": (lambda **given: audio.silence(20, **given), {"format": "pcm"}),
    "audio.pcm16_to_pcma": (audio.pcm16_to_pcma, {"data": PCM}),
    "audio.pcm16_to_pcmu": (audio.pcm16_to_pcmu, {"data": PCM}),
    "audio.pcma_to_pcm16": (audio.pcma_to_pcm16, {"data": PCM}),
    "audio.pcmu_to_pcm16": (audio.pcmu_to_pcm16, {"data": PCM}),
    "SipHeaders": (SipHeaders, {"fields": [("From", "<sip:a@b>")]}),
    "SipHeaders.get_list": (SipHeaders().get_list, {"name": "from"}),
    "SipHeaders.addresses": (SipHeaders().addresses, {"name": "from"}),
    "SipAddress.parse": (SipAddress.parse, {"text": "<sip:a@b>"}),
    "SipAddress.parse_list": (SipAddress.parse_list, {"text": "<sip:a@b>"}),
    "sip.check_target_uri": (sip.check_target_uri, {"uri": "tel:+14155550123"}),
    "testing.vcr_settings": (testing.vcr_settings, {"secrets": ["a-secret"]}),
}

# Builders: method -> arguments that are right.
BUILDERS: Mapping[type, Mapping[str, Valid]] = {
    SessionBuilder: {
        "instructions": {"text": "Be brief."},
        "output": {"modality": "audio"},
        "voice": {"voice": "marin", "speed": 1.1},
        "output_format": {"audio": "pcm"},
        "input_format": {"audio": "pcm"},
        "telephony": {"codec": "pcmu"},
        "server_vad": {
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "idle_timeout_ms": 6000,
        },
        "semantic_vad": {"eagerness": "low"},
        "transcribe": {"model": "gpt-4o-transcribe", "language": "en", "prompt": None},
        "noise_reduction": {"type": "near_field"},
        "tool": {"tool": TOOL},
        "tools": {"tools": [TOOL]},
        "mcp": {
            "server_label": "shop",
            "server_url": "https://mcp.test/",
            "authorization": None,
            "headers": None,
            "require_approval": "never",
            "allowed_tools": None,
        },
        "tool_choice": {"choice": "auto"},
        "parallel_tool_calls": {"allowed": False},
        "reasoning": {"effort": "low"},
        "max_output_tokens": {"most": 100},
        "truncation": {"strategy": 0.5, "post_instructions": None},
        "tracing": {"tracing": "auto"},
        "prompt": {"id": "pmpt_1", "version": None, "variables": None},
    },
    TranscriptionSessionBuilder: {
        "transcribe": {"model": "gpt-4o-transcribe", "language": "en"},
        "input_format": {"audio": "pcm"},
        "noise_reduction": {"type": "near_field"},
    },
    TranslationSessionBuilder: {
        "to_language": {"language": "es"},
        "transcribe": {"model": "gpt-realtime-whisper"},
        "noise_reduction": {"type": "near_field"},
    },
}


JUNK: Sequence[Any] = [
    None,
    7,
    -1,
    1.5,
    math.nan,
    math.inf,
    True,
    "",
    " ",
    "garbage",
    "a\r\nInjected: b",
    "\x00",
    "\ud800",
    "x" * 5000,
    b"",
    b"\xff\xfe",
    bytearray(b"x"),
    [],
    ["x"],
    [None],
    (),
    {},
    {"type": "x"},
    {"type": 7},
    {"a": object()},
    object(),
    ValueError,
    datetime.timedelta(days=-1),
    datetime.timedelta(seconds=0.5),
    datetime.datetime(2020, 1, 1),  # without a time zone
]


class Wire:
    """Counts what is sent, and refuses it in the end."""

    def __init__(self) -> None:
        self.sent = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        return httpx.Response(400, json={"error": {"message": "refused by the wire"}})


@pytest.fixture
def wire() -> Wire:
    return Wire()


@contextlib.contextmanager
def refused_by_us(what: str) -> Iterator[None]:
    """Accept success; of errors, only those that this package's own code raises on purpose."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        line = linecache.getline(last.filename, last.lineno or 0).strip()
        assert Path(last.filename).is_relative_to(OURS), f"{what}: {error!r} from {last.filename}"
        assert line.startswith("raise "), f"{what}: {error!r} at {line!r}, which is no refusal"
        assert isinstance(error, RealtimeError | TypeError | ValueError), f"{what}: {error!r}"


def name_of(value: Any) -> str:
    return f"{type(value).__name__} {str(value)[:20]!r}"


@pytest.mark.parametrize(
    ("function", "parameter"),
    [(function, parameter) for function, valid in ON_CLIENTS.items() for parameter in valid],
)
def test_clients_meet_junk_with_errors_of_their_own(
    function: str, parameter: str, flavour: Flavour, wire: Wire
) -> None:
    client = flavour.client(wire, webhook_secret=SECRET, max_retries=0)
    method = client
    for part in function.split("."):
        method = getattr(method, part)
    for value in JUNK:
        before = wire.sent
        with refused_by_us(f"{function}({parameter}={name_of(value)})"):
            try:
                result = method(**{**ON_CLIENTS[function], parameter: value})
                if inspect.isawaitable(result):
                    flavour.run(result)
            except realtime_ext.BadRequestError:
                continue  # it was taken, sent and refused by the wire
        assert wire.sent == before, (
            f"{function}({parameter}={name_of(value)}) was sent and refused afterwards"
        )


@pytest.mark.parametrize(
    ("function", "parameter"),
    [(function, parameter) for function, (_, valid) in ELSEWHERE.items() for parameter in valid],
)
def test_functions_meet_junk_with_errors_of_their_own(function: str, parameter: str) -> None:
    call, valid = ELSEWHERE[function]
    for value in JUNK:
        with refused_by_us(f"{function}({parameter}={name_of(value)})"):
            call(**{**valid, parameter: value})


@pytest.mark.parametrize(
    ("builder", "method", "parameter"),
    [
        (builder, method, parameter)
        for builder, methods in BUILDERS.items()
        for method, valid in methods.items()
        for parameter in valid
    ],
    ids=lambda part: part.__name__ if isinstance(part, type) else part,
)
def test_builders_meet_junk_with_errors_of_their_own(builder: type, method: str, parameter: str) -> None:
    valid = BUILDERS[builder][method]
    for value in JUNK:
        with refused_by_us(f"{builder.__name__}.{method}({parameter}={name_of(value)})"):
            getattr(builder("gpt-realtime-2"), method)(**{**valid, parameter: value}).build()


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)
def test_builders_themselves_meet_junk_with_errors_of_their_own(builder: Any) -> None:
    for value in JUNK:
        with refused_by_us(f"{builder.__name__}({name_of(value)})"):
            builder(value).build()
        with refused_by_us(f"{builder.__name__}.from_dict({name_of(value)})"):
            builder.from_dict(value).build()


def test_what_is_right_is_taken(flavour: Flavour, wire: Wire) -> None:
    """Else the tables above would show nothing."""
    client = flavour.client(wire, webhook_secret=SECRET, max_retries=0)
    for function, valid in ON_CLIENTS.items():
        resource, method = function.split(".")
        if resource != "webhooks":
            with pytest.raises(realtime_ext.BadRequestError):
                flavour.run(getattr(getattr(client, resource), method)(**valid))
    assert wire.sent == len(ON_CLIENTS) - 1
    for call, valid in ELSEWHERE.values():
        call(**valid)
    for builder, methods in BUILDERS.items():
        for method, valid in methods.items():
            getattr(builder("gpt-realtime-2"), method)(**valid).build()


# Nothing public may be missing above.


def public_functions() -> Iterator[str]:
    for name in ("audio", "events", "sdp", "sip", "tools", "webhooks"):
        module = getattr(realtime_ext, name)
        for public in module.__all__:
            found = getattr(module, public)
            if inspect.isfunction(found):
                yield f"{name}.{public}"
    for resource in RealtimeClient(api_key="k").__dict__.items():
        yield from (
            f"{resource[0]}.{method}"
            for method, _ in inspect.getmembers(resource[1], inspect.ismethod)
            if not resource[0].startswith("_") and not method.startswith("_")
        )


# Functions that the tables leave out, and why.
LEFT_OUT = {
    "audio.read_wav": "takes files; test_audio_wav.py has the bad ones",
    "audio.write_wav": "likewise",
    "sip.build_accept": "calls.accept",
    "sip.build_refer": "calls.refer",
    "sip.build_reject": "calls.reject",
    "tools.error_output": "gets what this package says, not what users send",
}


def test_no_public_function_is_missing_here() -> None:
    covered = {*ON_CLIENTS, *ELSEWHERE, *LEFT_OUT}
    assert set(public_functions()) - covered == set()


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)
def test_no_builder_method_is_missing_here(builder: type) -> None:
    methods = {
        name for name, _ in inspect.getmembers(builder, inspect.isfunction) if not name.startswith("_")
    }
    assert methods - {"build", "extra", "push_to_talk", "include_logprobs", "from_dict", "to_dict"} <= {
        method for methods in BUILDERS.values() for method in methods
    }


@pytest.mark.parametrize("function", ON_CLIENTS)
def test_no_argument_of_a_client_is_missing_here(function: str) -> None:
    resource, method = function.split(".")
    parameters = set(
        inspect.signature(getattr(getattr(RealtimeClient(api_key="k"), resource), method)).parameters
    )
    everywhere = {
        "timeout",
        "extra_headers",
        "extra_query",
    }  # the same code for all; checked with calls.create
    flags = {"missing_ok"}
    assert parameters - everywhere - flags - set(ON_CLIENTS[function]) <= {"tolerance", "clock", "secret"}


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
    row("calls.reject", "status_code", "486", TypeError, "status_code", "str", "int"),
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
    row("webhooks.Deduplicator", "max_entries", "9", TypeError, "max_entries", "str", "int"),
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
    row("audio.silence", "format", "opus", ValueError, "format", "'opus'", '"pcma"'),
    row("SipHeaders", "fields", "From: a", ValueError, "SIP headers", "str", "list"),
    row("SipHeaders", "fields", [("From", "a\r\nTo: b")], ValueError, "From", "CR and LF"),
    row("SipHeaders", "fields", [("a b", "c")], ValueError, "SIP header 0", "'a b'", "header name"),
    row("SipHeaders", "fields", [("From", 7)], ValueError, "SIP header 0", "str"),
    row("SipHeaders.get_list", "name", 7, TypeError, "name", "int", "str"),
    row("SipHeaders.addresses", "name", b"from", TypeError, "name", "bytes", "str"),
    row("SipAddress.parse", "text", "", ValueError, "''", "sip:alice@example.com"),
    row("sip.check_target_uri", "uri", "", ValueError, *SIP_URI, "''"),
    row("testing.vcr_settings", "secrets", "one", TypeError, "secrets", "str", "several"),
    row("testing.vcr_settings", "secrets", [""], ValueError, "secrets", "blank"),
]


def ids(rows: Sequence[Row]) -> list[str]:
    return [f"{r.function}-{r.parameter}-{str(r.value)[:16]!r}" for r in rows]


@pytest.mark.parametrize("bad", SAID_BY_CLIENTS, ids=ids(SAID_BY_CLIENTS))
def test_a_clients_error_says_what_is_wrong_and_nothing_is_sent(
    bad: Row, flavour: Flavour, wire: Wire
) -> None:
    client = flavour.client(wire, webhook_secret=SECRET, api_key="sk-of-the-developer")
    resource, method = bad.function.split(".")
    with pytest.raises(bad.error) as caught:
        result = getattr(getattr(client, resource), method)(
            **{**ON_CLIENTS[bad.function], bad.parameter: bad.value}
        )
        if inspect.isawaitable(result):
            flavour.run(result)
    check_message(caught.value, bad)
    assert wire.sent == 0


@pytest.mark.parametrize("bad", SAID_ELSEWHERE, ids=ids(SAID_ELSEWHERE))
def test_an_error_says_what_is_wrong(bad: Row) -> None:
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


@pytest.mark.parametrize(("build", "field", "says"), SAID_BY_BUILDERS, ids=[r[1] for r in SAID_BY_BUILDERS])
def test_a_builders_error_says_what_is_wrong(
    build: Callable[[SessionBuilder], Any], field: str, says: Sequence[str]
) -> None:
    with pytest.raises(SessionConfigError) as caught:
        build(SessionBuilder("gpt-realtime")).build()
    assert caught.value.field == field
    assert caught.value.allowed is not None
    assert [word for word in (field, *says) if word not in str(caught.value)] == [], str(caught.value)


# What the model sends: a tool call never raises, but answers the model.


@pytest.mark.parametrize("junk", [value for value in JUNK if not isinstance(value, str | bytes | bytearray)])
def test_a_tools_junk_arguments_are_answered(junk: Any) -> None:
    box = toolbox()
    with refused_by_us(f"Toolbox.call(arguments={name_of(junk)})"):
        assert '"error"' in box.call("book", junk)


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
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


def test_junk_combined_does_not_get_through_either() -> None:
    for one, two in itertools.product(JUNK, JUNK):
        with refused_by_us(f"sign({name_of(one)}, {name_of(two)})"):
            webhooks.sign(one, two)
        with refused_by_us(f"verify(headers={name_of(one)}, body={name_of(two)})"):
            webhooks.verify(two, one, SECRET)
