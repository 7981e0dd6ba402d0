"""Borders of the simulator: its API over HTTP and WebSocket, and what controls it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
from realtime_simulator import Simulator
from realtime_simulator._core.outgoing import is_loopback
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.attack.servers import OFFER
from tests.attack.target import Run, Target, text_of
from tests.attack.texts import event_samples

__all__ = ["TARGETS"]

SESSION = {"type": "realtime", "model": "gpt-realtime"}
_ALONE: dict[str, Any] = {
    "trust_env": False,
    "timeout": 15,
    "limits": httpx.Limits(max_keepalive_connections=0),  # one that is refused may be closed just then
}
_PROFILES = ("openai", "beta", "xai")
_ENDING = {"type": "input_audio_buffer.clear", "event_id": "the_end"}


def _written(value: Any) -> bytes:
    try:
        text = value if isinstance(value, str) else json.dumps(value)
    except RecursionError:
        text = "[" * 1500
    return text.encode(errors="surrogatepass")


@contextlib.contextmanager
def _simulator(profile: Any = "openai") -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False, kept=8, profile=profile) as simulator:
        yield simulator


@contextlib.contextmanager
def _requests() -> Iterator[Run]:
    with _simulator() as simulator, httpx.Client(**_ALONE) as client:
        origin = simulator.base_url.removesuffix("/v1")

        def run(case: Any) -> None:
            if not isinstance(case, dict) or not text_of(case.get("path")).startswith("/"):
                return
            named = case.get("headers")
            given = {
                b"authorization": f"Bearer {simulator.api_key}".encode(),
                b"content-type": b"application/json",
                **{
                    name.encode("latin-1", "replace"): text_of(value).encode("latin-1", "replace")
                    for name, value in (named if isinstance(named, dict) else {}).items()
                },
            }
            method = "GET" if case.get("method") == "GET" else "POST"
            path = case["path"].encode("utf-8", "replace").decode()
            content = _written(case.get("body", ""))
            try:
                request = client.build_request(
                    method, origin + path, headers=[*given.items()], content=content
                )
            except (httpx.InvalidURL, ValueError):
                return
            if request.url.port != httpx.URL(origin).port or request.url.host != "127.0.0.1":
                return
            try:
                answer = client.send(request)
            except httpx.LocalProtocolError:  # what no client sends
                return
            simulator.clear_faults()
            assert answer.status_code < 500, f"{answer.status_code} {answer.text[:200]}"
            if path.startswith("/simulator/") and answer.status_code == 200:
                assert is_loopback(f"//{request.headers['host']}"), "it was controlled by another name"

        yield run


def _real_requests() -> list[Any]:
    calls = "/v1/realtime/calls"
    fields = {"model": "gpt-realtime"}
    posts: list[tuple[str, Any]] = [
        ("/v1/realtime/client_secrets", {"session": SESSION, "expires_after": {"seconds": 60}}),
        ("/v1/realtime/sessions", SESSION),
        ("/v1/realtime/transcription_sessions", {"input_audio_format": "pcm16"}),
        (f"{calls}/rtc_1/accept", SESSION),
        (f"{calls}/rtc_1/reject", {"status_code": 486}),
        (f"{calls}/rtc_1/refer", {"target_uri": "tel:+14155550123"}),
        (f"{calls}/rtc_1/hangup", ""),
        (
            "/simulator/incoming",
            {"to": "http://127.0.0.1:9/", "headers": [["From", "<sip:a@b>"]], "attempts": 1},
        ),
        ("/simulator/faults", {"name": "rate_limit", "on": "calls.create", "rate": 0.5, "times": 1}),
        ("/simulator/scenario?name=one", "responses: [{say: Hello}]"),
        ("/simulator/calls/rtc_1/press", {"keys": "12#"}),
        ("/simulator/refer", {"status": 486, "delay": 0.1}),
        ("/simulator/sessions/sess_1/inject", {"type": "response.create"}),
    ]
    gets = (
        "overview",
        "sessions",
        "sessions/sess_1/events?after=1",
        "sessions/sess_1/export/python",
        "calls",
    )
    multipart = (
        '--x\r\nContent-Disposition: form-data; name="sdp"\r\nContent-Type: application/sdp\r\n\r\n'
        f'{OFFER}\r\n--x\r\nContent-Disposition: form-data; name="session"\r\n\r\n'
        f"{json.dumps(SESSION)}\r\n--x--\r\n"
    )
    return [
        *[{"path": path, "headers": {"x": "y"}, "body": body} for path, body in posts],
        *[{"method": "GET", "path": f"/simulator/{path}", "headers": {"host": "localhost"}} for path in gets],
        {"path": calls, "headers": {"content-type": "multipart/form-data; boundary=x"}, "body": multipart},
        {"path": calls, "headers": {"content-type": "application/sdp"}, "body": "v=0\r\n", "query": fields},
    ]


@contextlib.contextmanager
def _sessions() -> Iterator[Run]:
    with contextlib.ExitStack() as open_now:
        simulators = {profile: open_now.enter_context(_simulator(profile)) for profile in _PROFILES}

        def run(case: Any) -> None:
            if not isinstance(case, dict) or not isinstance(events := case.get("events"), list):
                return
            simulator = simulators.get(text_of(case.get("profile")), simulators["openai"])
            url = simulator.base_url.replace("http", "ws") + "/realtime?model=gpt-realtime"
            key = {"authorization": f"Bearer {simulator.api_key}"}
            with connect(url, additional_headers=key, open_timeout=15, proxy=None, max_queue=None) as socket:
                try:
                    for event in [*events, _ENDING]:
                        socket.send(_written(event).decode("utf-8", "replace"))
                    while True:
                        answer = json.loads(socket.recv(15))
                        if answer["type"] == "input_audio_buffer.cleared":
                            return
                except ConnectionClosed as closed:
                    assert closed.rcvd is not None and closed.rcvd.code in (1000, 1001, 3000, 4000), closed

        yield run


def _real_sessions() -> list[Any]:
    sent = [event for event in event_samples("client") if event.get("type") != "session.close"]
    turn = [
        {"type": "session.update", "session": {**SESSION, "output_modalities": ["text"]}},
        {
            "type": "conversation.item.create",
            "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        },
        {"type": "response.create", "response": {"instructions": "Be brief.", "metadata": {"a": "b"}}},
        {"type": "response.cancel"},
        {"type": "input_audio_buffer.append", "audio": "AAAA"},
    ]
    session = {
        "modalities": ["text"],
        "input_audio_format": "pcm16",
        "voice": "alloy",
        "turn_detection": None,
    }
    flat = [{"type": "session.update", "session": session}, *turn[1:]]
    rows = [turn, flat, *[sent[start : start + 6] for start in range(0, len(sent), 6)]]
    return [{"profile": profile, "events": events} for profile in _PROFILES for events in rows]


TARGETS = (
    Target("requests", _real_requests, _requests, 20.0),
    Target("simulated sessions", _real_sessions, _sessions, 20.0),
)
