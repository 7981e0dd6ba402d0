"""Recordings of the Live API for tests, self-written, in the form of JSON lines: audio is left out."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

Lines = list[dict[str, Any]]
LIVE_ID = "live_u3_" + "Ab3" * 11
INSTRUCTIONS = "Answer callers of a bakery."
TOOL = {
    "type": "function",
    "name": "opening_hours",
    "description": "Return when the bakery is open.",
    "parameters": {"type": "object", "properties": {"day": {"type": "string"}}},
}
ITEM, CALL = "item_" + "Kq7" * 7, "call_" + "x9Zd" * 6
WARM, FIRST, SECOND = (f"resp_{digits * 10}" for digits in ("3eF2a", "5aB0e", "7cD1f"))


class Tape:
    """Writes the lines of a recording."""

    def __init__(self) -> None:
        self.lines: Lines = []
        self._events = 0

    def client(self, t: float | None, type: str, **fields: Any) -> None:
        self.lines.append({"dir": "c2s", "t": t, "data": {"type": type, **fields}})

    def server(self, t: float | None, type: str, **fields: Any) -> None:
        self._events += 1
        event_id = f"event_{self._events:021d}"
        self.lines.append({"dir": "s2c", "t": t, "data": {"type": type, "event_id": event_id, **fields}})

    def audio(self, side: str, begin: float, end: float, count: int) -> None:
        audio = {"$audio_bytes": 4800}
        one: dict[str, Any] = {"type": "session.input_audio.append", "audio": audio}
        if side == "s2c":
            one = {"type": "session.output_audio.delta", "delta": audio}
        self.lines.append({"dir": side, "t": begin, "t_end": end, "data": {"$repeat": count, "of": one}})

    def words(self, side: str, t: float, start: int, delta: str) -> None:
        at = {"start_ms": start, "end_ms": start + 200}
        self.server(t, f"session.{side}_transcript.delta", **at, delta=delta)

    def nested(self, t: float | None, type: str, number: int, **fields: Any) -> None:
        event = {"type": f"response.{type}", **fields, "sequence_number": number}
        self.server(t, "response.event", delegation_id=ITEM, event=event)

    def start(self, t: float, session_id: str = LIVE_ID, **session: Any) -> dict[str, Any]:
        """Start a session; return it as events show it."""
        self.client(t, "session.start", session={"model": "gpt-live-1", **session})
        delegation = copy.deepcopy(session.get("delegation") or {"type": "client"})
        if "responses" in delegation:
            delegation["responses"] = {"tools": [], "tool_choice": "auto", **delegation["responses"]}
        view = {
            "id": session_id,
            "expires_at": 1_790_100_000,
            **session,
            "model": "gpt-live-1",
            "audio": {"output": {"voice": "marin"}, "format": {"type": "audio/pcm", "rate": 24000}},
            "delegation": delegation,
            "status": "active",
            "input": [],
        }
        self.server(t + 0.4, "session.started", session=view)
        return view


def snapshot(id: str, previous: str, **fields: Any) -> dict[str, Any]:
    """Return a response of the backend."""
    images = {
        "input_tokens": 0,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"image_tokens": 0, "text_tokens": 0},
        "total_tokens": 0,
    }
    return {
        "id": id,
        "object": "response",
        "created_at": 1_790_099_000,
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "frequency_penalty": 0.0,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": "gpt-5.6-sol",
        "moderation": None,
        "output": [],
        "parallel_tool_calls": True,
        "presence_penalty": 0.0,
        "previous_response_id": previous,
        "prompt_cache_key": "live:0123",
        "prompt_cache_retention": "24h",
        "reasoning": {"context": "all_turns", "effort": "medium", "mode": "standard", "summary": None},
        "safety_identifier": None,
        "service_tier": "auto",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tool_usage": {"image_gen": images, "web_search": {"num_requests": 0}},
        "tools": [],
        "top_logprobs": 0,
        "top_p": 0.98,
        "truncation": "disabled",
        "usage": None,
        "user": "user-REMOVED",
        "metadata": {},
        **fields,
    }


def completed(id: str, previous: str) -> dict[str, Any]:
    details = {"cache_write_tokens": 90, "cached_tokens": 0}
    usage = {
        "input_tokens": 90,
        "input_tokens_details": details,
        "output_tokens": 12,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 102,
    }
    ended = {"status": "completed", "completed_at": 1_790_099_001, "service_tier": "default"}
    return snapshot(id, previous, **ended, usage=usage)


def client_delegation() -> Lines:
    """A question that the client answers, and a close."""
    tape = Tape()
    view = tape.start(0.0, instructions=INSTRUCTIONS)
    tape.client(0.4, "session.instructions.append", delegation_id=None, content="Be short.")
    tape.audio("c2s", 0.5, 4.9, 45)
    tape.audio("s2c", 1.1, 5.0, 40)
    tape.server(1.7, "session.instructions.appended", start_ms=600, end_ms=800)
    for n, word in enumerate(["Are", " you open", " on", " Sunday?"]):
        tape.words("input", 1.8 + 0.4 * n, 600 + 400 * n, word)
    tape.server(3.1, "session.delegation.created", offset_ms=2000, delegation={
        "id": ITEM, "type": "delegation", "target": "client",
    })  # fmt: skip
    tape.words("output", 3.2, 2200, "Let me")
    tape.client(3.2, "session.commentary.append", delegation_id=ITEM, content="Open from eight.")
    tape.words("output", 3.4, 2400, " look.")
    tape.server(4.0, "session.commentary.appended", start_ms=3000, end_ms=3200)
    tape.words("output", 4.6, 3600, " From eight.")
    tape.client(5.0, "session.close")
    tape.audio("s2c", 5.3, 5.3, 1)
    tape.server(5.7, "session.closed", reason="close_requested", session=view, usage={"seconds": 4.0})
    return tape.lines


def tool_round() -> Lines:
    """A question that the backend answers with a tool; the recording has no times, and ends early."""
    tape = Tape()
    responses = {"model": "gpt-5.6-sol", "instructions": "Use the tool.", "tools": [TOOL]}
    tape.start(0.0, instructions=INSTRUCTIONS, delegation={"type": "responses", "responses": responses})

    def pass_time(frames: int) -> None:
        data = {"$interleaved_audio": "100 ms each", "c2s": frames, "s2c": frames}
        tape.lines.append({"dir": "both", "t": None, "data": data})

    pass_time(20)
    for start, word in ((600, " When"), (800, " do you"), (1200, " open?")):
        tape.words("input", 0, start, word)
    delegation = {"id": ITEM, "type": "delegation", "response_id": FIRST, "target": "responses"}
    tape.server(None, "session.delegation.created", offset_ms=1400, delegation=delegation)
    tape.nested(None, "created", 0, response=snapshot(FIRST, WARM))
    tape.nested(None, "in_progress", 1, response=snapshot(FIRST, WARM))
    pass_time(4)
    tape.words("output", 0, 1600, "One second.")
    call = {"id": "fc_" + "9bC4d" * 10, "type": "function_call", "call_id": CALL, "name": "opening_hours"}
    begun = {"status": "in_progress", "arguments": ""}
    done = {"status": "completed", "arguments": '{"day":"Sunday"}'}
    of = {"item_id": call["id"], "output_index": 0}
    tape.nested(None, "output_item.added", 2, item={**call, **begun}, output_index=0)
    for number, delta in enumerate(['{"day"', ':"Sunday"}']):
        padding = {"delta": delta, "obfuscation": "abc"}
        tape.nested(None, "function_call_arguments.delta", 3 + number, **padding, **of)
    tape.nested(None, "function_call_arguments.done", 5, arguments='{"day":"Sunday"}', **of)
    tape.nested(None, "output_item.done", 6, item={**call, **done}, output_index=0)
    output = {"type": "function_call_output", "call_id": CALL, "output": "8 to 12"}
    tape.client(None, "response.item.create", item=output)
    tape.client(None, "response.create")
    pass_time(3)
    tape.nested(None, "completed", 7, response=completed(FIRST, WARM))
    tape.nested(None, "created", 0, response=snapshot(SECOND, FIRST))
    tape.nested(None, "in_progress", 1, response=snapshot(SECOND, FIRST))
    text, message = "Open from 8.", {"id": "msg_" + "2dE5f" * 10, "type": "message", "phase": "final_answer"}
    of = {"item_id": message["id"], "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    added = {**message, "status": "in_progress", "content": [], "role": "assistant"}
    tape.nested(None, "output_item.added", 2, item=added, output_index=0)
    tape.nested(None, "content_part.added", 3, part=part, **of)
    for number, delta in enumerate(["Open", " from", " 8."]):
        tape.nested(None, "output_text.delta", 4 + number, delta=delta, obfuscation="ab", logprobs=[], **of)
    tape.nested(None, "output_text.done", 7, text=text, logprobs=[], **of)
    part = {**part, "text": text}
    tape.nested(None, "content_part.done", 8, part=part, **of)
    ended = {**message, "status": "completed", "content": [part], "role": "assistant"}
    tape.nested(None, "output_item.done", 9, item=ended, output_index=0)
    pass_time(3)
    tape.nested(None, "completed", 10, response=completed(SECOND, FIRST))
    tape.words("output", 0, 2400, "We open")
    tape.words("output", 0, 2600, " at eight.")
    pass_time(5)
    for line in tape.lines:
        line["t"] = None
    return tape.lines


def web_search() -> Lines:
    """A question in writing; the backend searches the web, and the service runs the search."""
    tape = Tape()
    responses = {"model": "gpt-5.6-sol"}
    tape.start(0.0, delegation={"type": "responses", "responses": responses})
    tape.audio("c2s", 0.5, 2.4, 20)
    image = {"type": "input_image", "image_url": {"$image_bytes": 900}}
    content = [{"type": "input_text", "text": "Is this bread?"}, image]
    tape.client(1.0, "response.item.create", item={"type": "message", "role": "user", "content": content})
    tape.client(1.0, "response.create")
    delegation = {"id": ITEM, "type": "delegation", "response_id": FIRST, "target": "responses"}
    tape.server(1.2, "session.delegation.created", offset_ms=0, delegation=delegation)
    tape.nested(1.2, "created", 0, response=snapshot(FIRST, WARM))
    tape.nested(1.2, "in_progress", 1, response=snapshot(FIRST, WARM))
    thought = {"id": "rs_" + "8fA6b" * 10, "type": "reasoning", "encrypted_content": "gAAA", "summary": []}
    tape.nested(1.3, "output_item.added", 2, item=thought, output_index=0)
    tape.nested(1.3, "output_item.done", 3, item=thought, output_index=0)
    search = {"id": "ws_" + "1gB7c" * 10, "type": "web_search_call", "status": "in_progress"}
    of = {"item_id": search["id"], "output_index": 1}
    tape.nested(1.4, "output_item.added", 4, item=search, output_index=1)
    for number, state in enumerate(["in_progress", "searching", "completed"]):
        tape.nested(1.4 + number / 10, f"web_search_call.{state}", 5 + number, **of)
    action = {"type": "search", "queries": ["loaf"], "query": "loaf"}
    tape.nested(
        1.7, "output_item.done", 8, item={**search, "status": "completed", "action": action}, output_index=1
    )
    tape.nested(2.0, "completed", 9, response=completed(FIRST, WARM))
    return tape.lines


def refusals() -> Lines:
    """Messages that the service refuses, and an append whose injection the close prevents."""
    tape = Tape()
    view = tape.start(0.0)
    tape.client(0.5, "session.thinking.append", delegation_id=None, content="word " * 501)
    tape.server(0.7, "error", error={
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": "Context append text must not exceed 500 tokens.",
        "param": "content",
    })  # fmt: skip
    tape.client(0.8, "session.thinking.append", delegation_id=None, content="Hm.", event_id="mine")
    tape.client(1.0, "session.close", event_id="enough")
    tape.server(1.2, "error", error={
        "type": "server_error",
        "code": "context_injection_incomplete",
        "message": "The session closed before the estimated context injection completed.",
        "param": None,
        "client_event_id": "mine",
    })  # fmt: skip
    closed = {"reason": "close_requested", "session": view, "usage": {"seconds": 0.0}}
    tape.server(1.8, "session.closed", **closed, client_event_id="enough")
    return tape.lines


def refused_start() -> Lines:
    """A session that the service does not start."""
    tape = Tape()
    tape.client(1.2, "session.start", session={"model": "gpt-live-1"})
    error = {"type": "invalid_request_error", "code": "credit_balance_exhausted", "message": "No credit."}
    tape.server(3.0, "error", error=error)
    tape.lines[-1]["data"]["event_id"] = {"$not_shown": True}
    return tape.lines


def fork() -> Lines:
    """A stored session that is lost and continued, and a sideband of it."""
    tape = Tape()
    tape.start(0.0, store=True, instructions=INSTRUCTIONS)
    tape.lines.append({"dir": "s2c", "t": 2.0, "close": {"code": 1011, "reason": ""}})
    tape.client(2.2, "session.start", session={})
    view = {**tape.lines[1]["data"]["session"], "id": "live_u3_" + "Cd4" * 11}
    tape.server(2.8, "session.started", session=view)
    sideband = {**copy.deepcopy(tape.lines[-1]), "connection": "sideband /attach"}
    tape.lines.append(sideband)
    tape.audio("c2s", 2.9, 4.8, 20)
    tape.audio("s2c", 3.5, 5.0, 16)
    tape.words("input", 4.0, 400, "Hello?")
    tape.client(5.0, "session.close")
    tape.server(5.7, "session.closed", reason="close_requested", session=view, usage={"seconds": 1.0})
    tape.lines[-1]["data"]["usage"] = {"seconds": {"$not_read": True}}
    return tape.lines


def sideband() -> Lines:
    """A sideband of a call whose own connection was not recorded."""
    tape = Tape()
    view = tape.start(0.0, instructions=INSTRUCTIONS)
    del view["audio"]["format"], tape.lines[0]
    for number in range(10):
        of = {"start_ms": number * 200, "end_ms": number * 200 + 200}
        delta = {"type": "session.output_audio.delta", "delta": {"$audio_bytes": 9600}, **of}
        copy = {"type": "session.input_audio.append", "audio": {"$audio_bytes": 9600}}
        for data in (copy, delta):
            tape.lines.append({"dir": "s2c", "t": 1.0 + number / 5, "data": data})
    tape.words("input", 2.0, 600, " Hello")
    tape.words("input", 2.4, 1000, " there.")
    tape.words("output", 2.8, 1600, "Hi.")
    tape.client(3.0, "session.close")
    tape.server(3.7, "session.closed", reason="close_requested", session=view, usage={"seconds": 2.0})
    return tape.lines


RECORDINGS = (client_delegation, tool_round, web_search, refusals, refused_start, fork, sideband)


@cache
def _made(name: str) -> Lines:
    return next(make() for make in RECORDINGS if make.__name__ == name)


def load(name: str) -> Lines:
    """Return the lines of a recording, to be changed at will."""
    return copy.deepcopy(_made(name))


def write(path: Path, lines: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path
