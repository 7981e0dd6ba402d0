"""What commands print of a hostile server, caller, model or file: text that no terminal obeys."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import yaml
from realtime_simulator import cli as simulator_cli

from realtime_ext import webhooks
from tests.attack.target import Run, Target, text_of
from tests.ext.connection.scripted import Peer, ScriptedServer
from tests.samples.sdp import sample
from tests.support.command import realtime_here
from tests.support.loopback import Loopback
from tests.support.paths import QUESTION, ROOT, SAMPLES

sys.path.insert(0, str(ROOT / "scripts"))  # for the command; pytest's settings have it too

import regen
import sync

__all__ = ["TARGETS"]

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202edone\x7f\u061c\u200e\u200f\u2028\u2029\u2066."
_OBEYED = {
    *map(chr, (*range(9), *range(11, 32), *range(127, 160))),
    *"\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
}
_SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"
_ID = "rtc_1"
_OPENING = 2  # events before the server reads
_UNTIL = {
    **dict.fromkeys(("transcribe", "timestamps", "srt", "vtt"), "input_audio_buffer.commit"),
    "talk": "response.create",
    "translate": "session.close",
}


@attrs.frozen
class _Command:
    """A command of `realtime`.

    Args:
        words: Its words; FILE is the case's file.
        copies: Whether standard output is a copy of a file, byte for byte.
        is_linked: Whether it opens a WebSocket.
    """

    words: Sequence[str]
    copies: bool = False
    is_linked: bool = False


_COMMANDS: Mapping[str, _Command] = {
    "talk": _Command(["talk", "Hi"], is_linked=True),
    "tail": _Command(["tail", _ID], is_linked=True),
    "transcribe": _Command(["transcribe", str(QUESTION)], is_linked=True),
    "timestamps": _Command(["transcribe", "--timestamps", str(QUESTION)], is_linked=True),
    "srt": _Command(["transcribe", "--srt", str(QUESTION)], is_linked=True),
    "vtt": _Command(["transcribe", "--vtt", str(QUESTION)], is_linked=True),
    "translate": _Command(["translate", "--to", "es", str(QUESTION)], is_linked=True),
    "refused talk": _Command(["talk", "Hi"]),
    "refused tail": _Command(["tail", _ID]),
    "refused transcribe": _Command(["transcribe", str(QUESTION)]),
    "refused srt": _Command(["transcribe", "--srt", str(QUESTION)]),
    "refused translate": _Command(["translate", "--to", "es", str(QUESTION)]),
    "create": _Command(["call", "create", "OFFER"]),
    "answer": _Command(["call", "create", "OFFER", "--answer", "-"], copies=True),
    "accept": _Command(["call", "accept", _ID, "--model", "gpt-realtime-2.1"]),
    "accept with a file": _Command(["call", "accept", _ID, "--session", "FILE"]),
    "reject": _Command(["call", "reject", _ID]),
    "refer": _Command(["call", "refer", _ID, "tel:+14155550123"]),
    "hangup": _Command(["call", "hangup", _ID]),
    "secret": _Command(["secret", "create", "--reveal"]),
    "doctor": _Command(["doctor"]),
    "live doctor": _Command(["doctor", "--live"]),
    "session": _Command(["session", "check", "FILE"]),
    "offer": _Command(["sdp", "check", "FILE"]),
    "repair": _Command(["sdp", "repair", "FILE"], copies=True),
    "sign": _Command(["webhook", "sign", "FILE"]),
    "verify": _Command(["webhook", "verify", "FILE", "--headers", "-"]),
    "send": _Command(["webhook", "send", "URL", "FILE"]),
    "replay": _Command(["listen", "--replay", "FILE", "--forward-to", "URL"]),
    "control": _Command(["simulator", "hang-up", _ID]),
    "fault": _Command(["simulator", "fault", "rate_limit"]),
    "scenario": _Command(["simulator", "scenario", "FILE"]),
}
_PROGRAMS: Mapping[str, Callable[[Path], object]] = {
    "conform": lambda file: simulator_cli.main(["conform", str(file)]),
    "regen": lambda file: regen.main(["--spec", str(file), "--out", str(file.with_name("package"))]),
    "sync": lambda file: sync.main([str(file)]),
}


def _answers(case: Mapping[str, Any]) -> Callable[[socket.socket, Loopback], None]:
    status, body = case.get("status"), text_of(case.get("body")).encode("utf-8", "replace")
    header = "x" if text_of(case.get("command")).startswith("refused") else _line(case.get("header"))
    head = [
        f"HTTP/1.1 {status if isinstance(status, int) and 200 <= status < 600 else 400} x",
        *("content-type: application/json", "connection: close", f"content-length: {len(body)}"),
        *(f"{name}: {header}" for name in ("location", "x-request-id", "retry-after")),
    ]
    return lambda connection, server: connection.sendall("\r\n".join([*head, "", ""]).encode() + body)


def _line(text: Any) -> str:
    return text_of(text).replace("\r", "").replace("\n", "")


def _script(case: Mapping[str, Any]) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        events = case.get("events")
        for number, event in enumerate(events if isinstance(events, list) else []):
            if number == _OPENING:
                _read(peer, text_of(case.get("until")))
            with contextlib.suppress(UnicodeEncodeError):
                peer.raw(event if isinstance(event, str) else json.dumps(event, ensure_ascii=False))
        code = 1000 if case.get("code") == 1000 else 4000
        peer.close(code, _line(case.get("close")).encode("utf-8", "replace")[:120].decode("utf-8", "ignore"))

    return script


def _read(peer: Peer, kind: str) -> None:
    """Read what the command sends until an event of a type, if one is named."""
    with contextlib.suppress(TimeoutError):
        while kind and json.loads(peer.socket.recv(timeout=2))["type"] != kind:
            pass


@contextlib.contextmanager
def _output() -> Iterator[Run]:
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        file, offer = Path(folder) / "file.yaml", Path(folder) / "offer.sdp"
        offer.write_bytes(sample("offer-aiortc-audio-datachannel").encode())

        def run(case: Any) -> None:
            if not isinstance(case, dict):
                return
            file.write_text(text_of(case.get("file")), "utf-8", "replace")
            name = text_of(case.get("command"))
            if (program := _PROGRAMS.get(name)) is not None:
                with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
                    program(file)
                _check(out.getvalue())
            elif (command := _COMMANDS.get(name)) is not None:
                with contextlib.ExitStack() as servers:
                    server: Any = (
                        ScriptedServer(_script(case)) if command.is_linked else Loopback(_answers(case))
                    )
                    servers.enter_context(server)
                    _run(command, case, server.base_url, {"FILE": str(file), "OFFER": str(offer)})

        yield run


def _run(command: _Command, case: Mapping[str, Any], url: str, files: dict[str, str]) -> None:
    words = [{**files, "URL": url}.get(word, word) for word in command.words]
    if case.get("json") is True and not command.copies and not {"--srt", "--vtt"} & set(words):
        words.append("--json")
    body = text_of(case.get("stdin"))
    own = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-0123456789", "OPENAI_WEBHOOK_SECRET": _SECRET}
    done = realtime_here(*words, stdin=body.encode("utf-8", "replace"), **own)
    if not command.copies:
        _check(done.out)
    _check(done.err)


def _check(text: str) -> None:
    assert not _OBEYED & set(text), "the terminal would obey it"


def _real_output() -> list[Any]:
    error = {"message": HOSTILE, "type": HOSTILE, "code": HOSTILE, "param": HOSTILE}
    names = {"id": HOSTILE, "value": f"ek_{HOSTILE}", "model": HOSTILE, "expires_at": 1, HOSTILE: HOSTILE}
    session = {"type": "realtime", HOSTILE: HOSTILE, "instructions": HOSTILE, "output_modalities": [HOSTILE]}
    call = {"name": HOSTILE, "call_id": HOSTILE, "arguments": json.dumps({HOSTILE: HOSTILE})}
    response = {
        "id": "resp_1",
        "status": "failed",
        "status_details": {"type": "failed", "error": error},
        "output": [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": HOSTILE}]},
            {"type": "function_call", **call},
        ],
    }
    item = {
        "id": HOSTILE,
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": HOSTILE}],
    }
    usage = {"type": "duration", "seconds": 1}
    events: list[Any] = [
        {"type": "session.created", "event_id": HOSTILE, "session": {**session, "id": HOSTILE}},
        {"type": "session.updated", "session": session},
        {"type": "conversation.item.added", "item": item},
        {"type": "response.created", "response": {**response, "status": "in_progress"}},
        {
            "type": "response.output_text.delta",
            "response_id": "resp_1",
            "item_id": "x",
            "output_index": 0,
            "content_index": 0,
            "delta": HOSTILE,
        },
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": "x",
            "content_index": 0,
            "transcript": HOSTILE,
            "usage": usage,
        },
        {"type": "response.done", "response": response},
        {"type": "error", "error": error},
        {"type": HOSTILE, HOSTILE: HOSTILE},
        HOSTILE,
    ]
    said = "conversation.item.input_audio_transcription"
    segment = {"id": HOSTILE, "start": 0.1, "end": 0.9, "text": HOSTILE, "speaker": HOSTILE}
    words = {"content_index": 0, "transcript": HOSTILE, "usage": usage}
    timed: list[Any] = [
        *events[:2],
        {"type": "input_audio_buffer.speech_started", "item_id": "y", "audio_start_ms": 100},
        {"type": "input_audio_buffer.speech_stopped", "item_id": "y", "audio_end_ms": 900},
        {"type": "input_audio_buffer.committed", "item_id": "y", "previous_item_id": None},
        {"type": "input_audio_buffer.speech_started", "item_id": "z", "audio_start_ms": 1000},
        {"type": "input_audio_buffer.speech_stopped", "item_id": "z", "audio_end_ms": 1200},
        {"type": "input_audio_buffer.committed", "item_id": "z", "previous_item_id": "y"},
        {"type": f"{said}.segment", "item_id": "y", "content_index": 0, **segment},
        {"type": f"{said}.completed", "item_id": "y", **words},
        {"type": f"{said}.completed", "item_id": "z", **words},
        {"type": "input_audio_buffer.committed", "item_id": HOSTILE, "previous_item_id": "z"},
    ]
    translated: list[Any] = [
        *events[:2],
        {"type": "session.output_transcript.delta", "delta": HOSTILE},
        {"type": "session.closed"},
    ]
    for event in (*events, *timed, *translated):
        if isinstance(event, dict):
            event.setdefault("event_id", HOSTILE)
    scripts = {**dict.fromkeys(("timestamps", "srt", "vtt"), timed), "translate": translated}
    body = json.dumps({"type": "realtime.call.incoming", "id": HOSTILE, "data": {"call_id": HOSTILE}})
    headers = [{"name": HOSTILE, "value": HOSTILE}, {"name": "From", "value": HOSTILE}]
    genuine = json.dumps(
        {
            "type": "realtime.call.incoming",
            "id": "evt_1",
            "data": {"call_id": "rtc_1", "sip_headers": headers},
        }
    )
    kept = json.dumps({"webhook_id": "wh_1", "received_at": 1, "body": genuine})
    document = yaml.safe_load((SAMPLES / "specs" / "traps.yaml").read_text())
    document["components"]["schemas"]["RealtimeFirst"]["properties"] = {HOSTILE: {"$ref": HOSTILE}}
    messages = {"interactions": [{"direction": "received", "data": {"type": HOSTILE, HOSTILE: HOSTILE}}]}
    files: dict[str, list[str]] = {
        "session": [json.dumps(session)],
        "accept with a file": [json.dumps(session)],
        "offer": [f"v=0\ns={HOSTILE}\na={HOSTILE}\nm=audio {HOSTILE}\n"],
        "repair": [f"v=0\ns={HOSTILE}\na={HOSTILE}\n"],
        "sign": [body],
        "verify": [body, HOSTILE],
        "send": [body],
        "replay": [kept, HOSTILE],
        "scenario": [json.dumps({HOSTILE: HOSTILE}), json.dumps({"responses": [{"say": HOSTILE}]})],
        "conform": [json.dumps(messages), HOSTILE],
        "regen": [json.dumps(document), HOSTILE],
        "sync": [json.dumps(document), HOSTILE],
    }
    bodies = [json.dumps({"error": error}), json.dumps(error), json.dumps(names), HOSTILE]
    own = (*webhooks.sign(body.encode(), _SECRET).items(), ("x", HOSTILE))
    shared = {"header": HOSTILE, "close": HOSTILE}
    shared["stdin"] = "".join(f"{name}: {value}\n" for name, value in own)
    return [
        {"command": name, "status": status, "body": body, "file": file, "json": as_json, **shared}
        | {
            "until": _UNTIL.get(name),
            "events": scripts.get(name, events),
            "code": 1000 if name == "translate" else 4000,
        }
        for name in (*_COMMANDS, *_PROGRAMS)
        for file in files.get(name, [""])
        for status, body in ([(404, bodies[0]), (400, bodies[3]), (200, bodies[2]), (201, bodies[1])])
        for as_json in (False, True)
        if name not in files or (status, as_json) in ((404, False), (200, True))
    ]


TARGETS = (Target("command output", _real_output, _output, 20.0, share=2.0, often=0.4),)
