"""Borders of an app: pages, webhooks, media streams, other dialects, and what is recorded and shown."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import json
import tempfile
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from realtime_kit.cli._conversation import View
from realtime_kit.cli._output import print_line
from realtime_kit.cli._tail import show
from realtime_kit.media_stream import MediaStream
from realtime_kit.recorder import Recorder
from realtime_kit.web import IncomingCall, RunningCalls, router
from starlette.applications import Starlette
from starlette.routing import Mount

from realtime_ext import AsyncRealtimeClient, RealtimeError, events, webhooks
from realtime_ext.connection._dialects import DialectLink
from realtime_ext.connection._state.client_events import append_messages
from tests.attack.servers import ANSWER, KEY, OFFER
from tests.attack.target import Run, Target, text_of
from tests.attack.texts import SECRET, event_samples

__all__ = ["TARGETS"]

DATA = {"call_id": "rtc_1", "sip_headers": [{"name": "From", "value": "<sip:+14155550123@a.example>"}]}
INCOMING = {"object": "event", "id": "evt_1", "type": "realtime.call.incoming", "created_at": 1, "data": DATA}
SESSION = {"type": "realtime", "model": "gpt-realtime"}
OBEYED = {*map(chr, range(9)), *map(chr, range(11, 32)), *map(chr, range(127, 160))}


# Pages and webhooks


class _Calls(RunningCalls):
    """The owner of calls without an attached connection."""

    def attach(self, *args: Any, **options: Any) -> Any:
        return None


def _api(request: httpx.Request) -> httpx.Response:
    headers = {"location": "/v1/realtime/calls/rtc_1", "content-type": "application/sdp"}
    return httpx.Response(201, text=ANSWER, headers=headers)


async def _answered(call: IncomingCall) -> None:
    repr((call, call.headers))


@contextlib.contextmanager
def _web() -> Iterator[Run]:
    upstream = httpx.AsyncClient(transport=httpx.MockTransport(_api))
    client = AsyncRealtimeClient(
        KEY, base_url="http://api.example/v1", http_client=upstream, webhook_secret=SECRET
    )
    calls = _Calls(client)
    routes = router(calls, SESSION, on_incoming=_answered)
    app = Starlette(routes=[Mount("/", routes)])

    async def post(case: dict[str, Any]) -> None:
        body = text_of(case.get("body")).encode(errors="surrogatepass")
        path = text_of(case.get("path"))
        named = case.get("headers")
        headers = {
            text_of(name).encode("latin-1", "replace"): text_of(value).encode("latin-1", "replace")
            for name, value in (named if isinstance(named, dict) else {}).items()
        }
        if case.get("signed"):
            headers |= {k.encode(): v.encode() for k, v in webhooks.sign(body, SECRET).items()}
        pieces = [body[start : start + 5000] for start in range(0, len(body), 5000)] or [b""]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not pieces:
                return {"type": "http.disconnect"}
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(message: Any) -> None:
            sent.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": path,
            "root_path": "",
            "query_string": b"",
            "headers": [(name.lower(), value) for name, value in headers.items()],
        }
        await app(scope, receive, send)
        await asyncio.gather(*calls._tasks.values())
        shown = b"".join(message.get("body", b"") for message in sent)
        assert KEY.encode() not in shown + repr(sent).encode()
        assert sent[0]["status"] < 500, shown

    def run(case: Any) -> None:
        if isinstance(case, dict) and case.get("path") in ("/offer", "/secret", "/webhook"):
            asyncio.run(post(case))

    yield run


def _real_posts() -> list[Any]:
    kinds = ("application/sdp", "application/sdp; charset=utf-8", "text/plain")
    return [
        *[{"path": "/offer", "headers": {"Content-Type": kind}, "body": OFFER} for kind in kinds],
        *[
            {"path": "/webhook", "signed": signed, "headers": {}, "body": json.dumps(INCOMING)}
            for signed in (True, False)
        ],
    ]


def _real_deliveries() -> list[Any]:
    return [{**INCOMING, "type": kind} for kind in (INCOMING["type"], "live.call.incoming", "later")]


@contextlib.contextmanager
def _deliveries() -> Iterator[Run]:
    """Signed, so that everything behind the signature meets what it does not expect."""
    with _web() as run:

        def deliver(case: Any) -> None:
            run({"path": "/webhook", "signed": True, "body": _text(case)})

        yield deliver


# A telephone's media stream


class _Socket:
    """A WebSocket from which come these messages."""

    def __init__(self, messages: list[Any]) -> None:
        self._messages = messages

    async def iter_text(self) -> AsyncIterator[str]:
        for message in self._messages:
            await asyncio.sleep(0)
            if isinstance(message, dict) and message.get("binary"):
                raise KeyError("text")  # as Starlette has it
            with contextlib.suppress(RecursionError):
                yield message if isinstance(message, str) else json.dumps(message)

    async def send_text(self, data: str) -> None:
        json.loads(data)

    async def close(self) -> None:
        pass


class _Connection:
    """A connection that answers with what it is to say."""

    session = None

    def __init__(self, says: list[Any]) -> None:
        self._says = says
        self._ids = itertools.count()
        self._handlers: dict[str, Any] = {}
        self.playback = self

    def on(self, kind: str, handler: Any) -> None:
        self._handlers[kind] = handler

    def off(self, kind: str, handler: Any) -> None:
        del self._handlers[kind]

    def played_bytes(self, count: int) -> None:
        assert count > 0

    async def append_audio(self, data: Any) -> None:
        list(append_messages(data, "input_audio_buffer.append", lambda: f"evt_{next(self._ids)}"))

    async def interrupt(self) -> None:
        pass

    async def run(self) -> None:
        for said in self._says:
            event = events.parse_event(_text(said))
            if isinstance(event.type, str) and event.type in self._handlers:
                await self._handlers[event.type](event)
            await asyncio.sleep(0)
        await asyncio.get_running_loop().create_future()


@contextlib.contextmanager
def _media() -> Iterator[Run]:
    async def bridge(case: dict[str, Any]) -> None:
        stream = MediaStream(_Socket(case["messages"]))
        connection: Any = _Connection(case.get("says") if isinstance(case.get("says"), list) else [])
        keys: list[str] = []
        with contextlib.suppress(RealtimeError):
            async with asyncio.timeout(20):
                await stream.bridge(connection, on_dtmf=keys.append)

    def run(case: Any) -> None:
        if isinstance(case, dict) and isinstance(case.get("messages"), list):
            asyncio.run(bridge(case))

    yield run


def _real_streams() -> list[Any]:
    start = {
        "accountSid": "AC1",
        "streamSid": "MZ1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"guest": "Ann"},
    }
    begin: list[Any] = [
        {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        {"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": start},
    ]
    sound = {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": "/////////w=="}
    media: list[Any] = [
        {"event": "media", "sequenceNumber": "2", "streamSid": "MZ1", "media": sound},
        {"event": "mark", "streamSid": "MZ1", "mark": {"name": "heard-1"}},
        {"event": "dtmf", "streamSid": "MZ1", "dtmf": {"track": "inbound_track", "digit": "1"}},
        {"binary": True},
        {"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}},
    ]
    delta = {"type": "response.output_audio.delta", "response_id": "r", "item_id": "i", "output_index": 0}
    says = [
        {"event_id": "e", **delta, "content_index": 0, "delta": "/////////w=="},
        {"event_id": "e", "type": "input_audio_buffer.speech_started", "audio_start_ms": 1, "item_id": "u"},
    ]
    return [
        {"messages": begin + media, "says": says},
        {"messages": begin + media[:1] * 5 + media[4:], "says": says * 3},
        {"messages": media[:3] + begin + media[:3], "says": []},
    ]


# What is recorded and shown


def _text(value: Any) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value)
    except RecursionError:
        return "[" * 1500


@contextlib.contextmanager
def _observers() -> Iterator[Run]:
    with tempfile.TemporaryDirectory() as folder:

        def run(case: Any) -> None:
            if not isinstance(case, list):
                return
            with (
                Recorder(Path(folder) / "call.wav") as recorder,
                contextlib.redirect_stdout(io.StringIO()) as out,
                contextlib.redirect_stderr(out),
            ):
                views = [View(as_json=False), View(as_json=True)]
                for number, one in enumerate(case):
                    event = events.parse_event(_text(one))
                    for observe in (recorder, *[view.observe for view in views]):
                        with contextlib.suppress(Exception):  # as the connection does
                            observe("in", event, recorder._began_ns + number * 10**7)
                    with contextlib.suppress(RecursionError):
                        show(event.to_dict(), 0.1)
                        print_line(event.to_dict())
            assert not OBEYED & set(out.getvalue()), "the terminal would obey it"
            lines = (Path(folder) / "call.jsonl").read_text().split("\n")
            assert lines.pop() == ""
            for line in lines:
                json.loads(line)
            with wave.open(f"{folder}/call.wav") as sound:
                assert sound.getnframes() < 24000 * 60

        yield run


def _real_conversations() -> list[Any]:
    spoken = event_samples("conversation", "transcription")
    return [spoken[start : start + 15] for start in range(0, len(spoken) - 15, 10)]


# Other dialects


class _Wire:
    """A link from which comes this message."""

    def __init__(self, text: str) -> None:
        self._text = text

    def receive(self, on_message: Callable[[str], object], on_end: object) -> None:
        on_message(self._text)


@contextlib.contextmanager
def _dialects() -> Iterator[Run]:
    def receive(case: Any) -> None:
        for dialect in ("beta", "xai"):
            wire: Any = _Wire(_text(case))
            link = DialectLink(wire, dialect)  # type: ignore[arg-type]
            link.receive(events.parse_event, id)

    yield receive


def _real_dialects() -> list[Any]:
    session = {
        "id": "s",
        "object": "realtime.session",
        "modalities": ["text", "audio"],
        "voice": "Cherry",
        "input_audio_format": "pcm16",
        "turn_detection": {"type": "server_vad"},
        "audio": {"output": {}},
    }
    item = {
        "id": "i",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "audio", "transcript": "Hello."}],
    }
    response = {"id": "r", "status": "completed", "modalities": ["text"], "output": [item]}
    return [
        *[{"type": kind, "session": session} for kind in ("session.created", "session.updated")],
        *[
            {"type": kind, "item": item}
            for kind in ("conversation.item.created", "response.output_item.done")
        ],
        {"type": "response.done", "response": response},
        {"type": "response.content_part.added", "part": {"type": "audio"}},
        {"type": "response.audio.delta", "item_id": "i", "delta": "AAAA"},
    ]


TARGETS = (
    Target("posts", _real_posts, _web),
    Target("deliveries", _real_deliveries, _deliveries, share=0.5),
    Target("media streams", _real_streams, _media),
    Target("observers", _real_conversations, _observers),
    Target("dialects", _real_dialects, _dialects, share=0.5),
)
