"""What every public function takes, and what none does: the tables of the tests of bad input."""

from __future__ import annotations

import datetime
import inspect
import math
import operator
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from realtime_ext import (
    AsyncRealtimeClient,
    LiveSessionBuilder,
    RealtimeClient,
    SessionBuilder,
    SipHeaders,
    TranscriptionSessionBuilder,
    TranslationSessionBuilder,
    audio,
    events,
    sdp,
    sip,
    testing,
    tools,
    webhooks,
)
from realtime_ext.sip import SipAddress
from tests.samples.sdp import sample

OFFER = sample("offer-chromium-audio-datachannel")
SESSION = {"type": "realtime", "model": "gpt-realtime"}
LIVE = {"model": "gpt-live-1"}
TRUNK = {
    "provider_url": "sips:sip.example.com",
    "auth": {"type": "digest", "username": "me", "password": "not telling"},
    "caller_number": "+14155550100",
}
TRANSLATION = {"model": "gpt-realtime-translate", "audio": {"output": {"language": "es"}}}
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
NOW = 1_800_000_000
BODY = b'{"object":"event","id":"evt_1","type":"some.type","created_at":1,"data":{}}'
HEADERS = webhooks.sign(BODY, SECRET, timestamp=NOW)
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
QUESTION = {"type": "predicate", "instructions": "Is it urgent?"}
PCM = b"\x00\x01" * 8


WAV = os.path.join(tempfile.mkdtemp(), "right.wav")
audio.write_wav(WAV, PCM)


def book(room: int) -> str:
    return f"room {room}"


def toolbox() -> tools.Toolbox:
    return tools.Toolbox([book])


DELTA = events.parse_event(
    '{"type":"response.output_audio.delta","event_id":"e","response_id":"r","item_id":"i",'
    '"output_index":0,"content_index":0,"delta":"AAAA"}'
)

# Every public function with arguments that are right. A name with a client's resource in front is called on
# both clients, by `method_of`.
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
    "live.calls.create": {"offer": OFFER, "session": LIVE},
    "live.calls.call": {"session": LIVE, "to": "+14155550123", "trunk": TRUNK},
    "live.calls.accept": {"session_id": "live_1", "session": LIVE},
    "live.calls.reject": {"session_id": "live_1", "status_code": 486},
    "live.calls.refer": {"session_id": "live_1", "target_uri": "tel:+14155550123"},
    "live.calls.hangup": {"session_id": "live_1"},
    "live.recording": {"session_id": "live_1"},
    "client_secrets.create": {"session": SESSION, "expires_after": 600, "safety_identifier": None},
    "translation_client_secrets.create": {"session": TRANSLATION, "expires_after": 600},
    "sessions.create": {"session": SESSION},
    "transcription_sessions.create": {"session": {"type": "transcription"}},
    "webhooks.unwrap": {"body": BODY, "headers": HEADERS},
}


def method_of(client: Any, function: str) -> Callable[..., Any]:
    """Return a client's method by its dotted name."""
    found: Callable[..., Any] = operator.attrgetter(function)(client)
    return found


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
    "webhooks.announcement": (
        webhooks.announcement,
        {"event": {"type": "realtime.call.incoming", "data": {"call_id": "rtc_1"}}},
    ),
    "webhooks.call_key": (
        webhooks.call_key,
        {"event": webhooks.unwrap(BODY, HEADERS, SECRET, clock=lambda: NOW)},
    ),
    "webhooks.Deduplicator": (webhooks.Deduplicator, {"max_entries": 10}),
    "webhooks.Deduplicator.seen": (webhooks.Deduplicator().seen, {"webhook_id": "wh_1", "call_id": "rtc_1"}),
    "tools.function_tool": (tools.function_tool, {"function": book}),
    "tools.Toolbox.add": (
        lambda **given: toolbox().add(**given),
        {"definition": TOOL, "handler": lambda: ""},
    ),
    "tools.Toolbox.tool": (lambda **given: tools.Toolbox().tool(**given), {"function": book}),
    "audio.decode": (audio.decode, {"event": DELTA}),
    "audio.audio_format": (audio.audio_format, {"format": "pcm"}),
    "audio.duration_ms": (audio.duration_ms, {"data": PCM, "format": "pcm"}),
    "tools.Toolbox": (
        tools.Toolbox,
        {"functions": [book], "on_failure": None, "explain": None, "keep_failures": 9},
    ),
    "tools.Toolbox.run": (
        lambda **given: toolbox().run("book", '{"room":1}', **given),
        {"context": tools.ToolContext()},
    ),
    "audio.chunks": (
        lambda **given: list(audio.chunks(**given)),
        {"data": PCM, "format": "pcm", "ms": 20},
    ),
    "audio.is_quiet": (audio.is_quiet, {"pcm": PCM}),
    "audio.silence": (audio.silence, {"ms": 20, "format": "pcm"}),
    "audio.Chunker": (audio.Chunker, {"format": "pcm", "ms": 20}),
    "audio.AudioFormat.bytes_in": (audio.audio_format().bytes_in, {"ms": 20}),
    "audio.AudioFormat.ms_in": (audio.audio_format().ms_in, {"size": 960}),
    "audio.Resampler": (
        audio.Resampler,
        {"source": 48000, "target": 24000, "channels": 1, "quality": "HQ"},
    ),
    "audio.read_wav": (audio.read_wav, {"path": WAV, "rate": 24000}),
    "audio.write_wav": (audio.write_wav, {"path": os.devnull, "pcm16": PCM, "rate": 24000}),
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
    "testing.hurry": (testing.hurry, {"client": RealtimeClient(api_key="k"), "times": 10}),
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
    LiveSessionBuilder: {
        "instructions": {"text": "Be brief."},
        "policies": {"backchannel": "sparse", "interruption": "yield", "delegation": "Hand it over."},
        "voice": {"voice": "marin"},
        "format": {"audio": "pcm", "rate": 16000},
        "delegate_to_client": {"acknowledgement_delay_ms": 400},
        "delegate_to": {
            "model": "gpt-5.6-sol",
            "tools": [TOOL],
            "instructions": None,
            "reasoning": "low",
            "tool_choice": "auto",
            "max_output_tokens": 100,
            "verbosity": "low",
        },
        "decisions": {"model": "gpt-5.6-sol", "questions": [QUESTION]},
        "trigger": {"event_type": "session.input_transcript.delta", "questions": [QUESTION]},
        "history": {"messages": [("user", "Hello")]},
        "store": {"keep": True},
        "standby": {"after": 30, "threshold": 0.5},
        "data_channel": {"client_events": "all", "server_events": ["session.started"]},
        "safety_identifier": {"identifier": "a-hash"},
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
    10**400,
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
