"""Checks of responses. Exchanges cost something: each takes place once, and several checks look at it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from realtime_simulator._media.speech import RATE
from realtime_simulator._suite.check import Check, Run, add, check
from realtime_simulator._suite.sessions import text
from realtime_simulator._suite.target import Event, Failed, Target, expect, field

_RECORDED = "recordings of the service, 2026"
_DESCRIBED = "API description"
_SET = {"type": "object", "properties": {"degrees": {"type": "integer"}}, "required": ["degrees"]}
_TOOL = {"type": "function", "name": "set_heating", "description": "Set the heating.", "parameters": _SET}
_CONVERSATION = ("conversation",)
_BRIEF = "Answer with one short sentence."
_REPEAT = "Repeat this: one two three four five six seven eight nine ten eleven twelve thirteen fourteen."
_LENGTH = re.compile(r"Audio content of (\d+)ms")
_ROUNDED_MS = 20


async def _text(target: Target) -> Sequence[Event]:
    async with target.session() as socket:
        await socket.update(output_modalities=["text"], instructions=_BRIEF)
        await socket.create_item(text("user", _REPEAT))  # in many deltas, or a lost one is not noticed
        start = len(socket.events)
        await socket.send("response.create", response={"metadata": {"check": "text"}})
        await socket.until("response.done")
        return socket.events[start:]


async def _audio(target: Target) -> Sequence[Event]:
    """Return the events of a spoken response, then `truncated`, and the errors of two refused events."""
    async with target.session() as socket:
        await socket.update(instructions=_BRIEF)
        await socket.create_item(text("user", "Say hello."))
        start = len(socket.events)
        await socket.send("response.create")
        done = await socket.until("response.done")
        output = field(done, "response").get("output") or [{}]
        place = {"item_id": output[0].get("id"), "content_index": 0}
        await socket.send("conversation.item.truncate", **place, audio_end_ms=3_600_000)
        with contextlib.suppress(Failed):  # the checks of what is missing fail, and not those of the response
            await socket.until("error", may_fail=True)
        await socket.send("conversation.item.truncate", **place, audio_end_ms=100)
        with contextlib.suppress(Failed):
            await socket.until("conversation.item.truncated")
        shown = field(socket.events[0], "session").get("audio") or {}
        voice = "cedar" if (shown.get("output") or {}).get("voice") != "cedar" else "marin"
        update = {"type": "realtime", "audio": {"output": {"voice": voice}}}
        await socket.send("session.update", session=update)
        with contextlib.suppress(Failed):
            await socket.until("error", may_fail=True)
        return socket.events[start:]


async def _tool(target: Target) -> Sequence[Event]:
    async with target.session() as socket:
        await socket.update(
            output_modalities=["text"], instructions=_BRIEF, tools=[_TOOL], tool_choice="required"
        )
        await socket.create_item(text("user", "Set the heating to 21 degrees."))
        start = len(socket.events)
        await socket.send("response.create")
        done = await socket.until("response.done")
        output = field(done, "response").get("output") or []
        calls = [item for item in output if item.get("type") == "function_call"]
        expect(calls, "the response has no function call, though tool_choice is required")
        answer = {"type": "function_call_output", "call_id": calls[0].get("call_id"), "output": '"done"'}
        await socket.create_item(answer)
        await socket.send("response.create", response={"tool_choice": "none"})
        await socket.until("response.done")
        return socket.events[start:]


def of(events: Sequence[Event], type: str) -> list[Event]:
    """Return the events of a type."""
    return [event for event in events if event["type"] == type]


def one(events: Sequence[Event], type: str) -> Event:
    """Return the first event of a type; fail if there is none."""
    found = of(events, type)
    expect(found, f"{type} did not come; got {', '.join(dict.fromkeys(event['type'] for event in events))}")
    return found[0]


def in_order(events: Sequence[Event], *types: str) -> None:
    """Fail unless the first events of these types came in this order."""
    got = [event["type"] for event in events]
    for type in types:
        one(events, type)
    for before, after in pairwise(types):
        expect(got.index(before) < got.index(after), f"expected {before} before {after}")


def _in_order(exchange: str, make: Any, types: Sequence[str]) -> Run:
    async def run(target: Target) -> None:
        in_order(await target.shared(exchange, make), *types)

    return run


def _makes_up(exchange: str, make: Any, name: str, result: str) -> Run:
    async def run(target: Target) -> None:
        events = await target.shared(exchange, make)
        done = one(events, f"{name}.done")
        deltas = [e for e in of(events, f"{name}.delta") if e.get("item_id") == done.get("item_id")]
        made = "".join(str(event.get("delta")) for event in deltas)
        expect(made == done.get(result), f"the deltas make {made[:200]!r}, {result} is {done.get(result)!r}")

    return run


_TEXT_ORDER = (
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
)
_AUDIO_ORDER = (
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
)
_CALL_ORDER = (
    "response.created",
    "response.output_item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
    "response.done",
)
for _id, _area, _title, _name, _run in (
    ("T01", "turns", "the events of a text response are in order", "text", _in_order("text", _text,
    _TEXT_ORDER)), ("T02", "turns", "the deltas add up to the text", "text",
     _makes_up("text", _text, "response.output_text", "text")),
    ("A01", "output audio", "the events of a spoken response are in order", "audio",
     _in_order("audio", _audio, _AUDIO_ORDER)),
    ("A02", "output audio", "the deltas add up to the transcript", "audio",
     _makes_up("audio", _audio, "response.output_audio_transcript", "transcript")),
    ("F01", "tools", "the events of a function call are in order", "tool", _in_order("tool", _tool,
    _CALL_ORDER)), ("F02", "tools", "the deltas add up to the arguments", "tool",
     _makes_up("tool", _tool, "response.function_call_arguments", "arguments")),
):  # fmt: skip
    _needs = _CONVERSATION if _name == "tool" else ("current",)
    add(Check(_id, _area, _title, _RECORDED, _run, _needs, uses=(_name,)))


@check(
    "T03",
    "turns",
    "a response begins in progress and without output",
    _RECORDED,
    _CONVERSATION,
    uses=("text",),
)
async def begins(target: Target) -> None:
    response = field(one(await target.shared("text", _text), "response.created"), "response")
    got = response.get("status"), response.get("output")
    expect(got == ("in_progress", []), f"expected in_progress and no output, got {got}")


@check("T04", "turns", "a response ends completed, without status_details", _RECORDED, uses=("text",))
async def ends(target: Target) -> None:
    response = field(one(await target.shared("text", _text), "response.done"), "response")
    got = response.get("status"), response.get("status_details", "absent")
    expect(got == ("completed", None), f"expected completed and null, got {got}")


@check("T05", "turns", "response.done has the text that was streamed", _DESCRIBED, uses=("text",))
async def repeated(target: Target) -> None:
    events = await target.shared("text", _text)
    done = one(events, "response.output_text.done")
    output = field(one(events, "response.done"), "response").get("output") or []
    texts = [part.get("text") for item in output for part in item.get("content") or []]
    expect(done.get("text") in texts, f"expected {done.get('text')!r}, got {texts}")


@check("T06", "turns", "metadata is returned", _DESCRIBED, uses=("text",))
async def metadata(target: Target) -> None:
    got = field(one(await target.shared("text", _text), "response.done"), "response").get("metadata")
    expect(got == {"check": "text"}, f"expected the metadata of response.create, got {got!r}")


def _used(exchange: str, make: Any) -> Run:
    async def run(target: Target) -> None:
        response = field(one(await target.shared(exchange, make), "response.done"), "response")
        usage = field(response, "usage")
        total, given, made = (usage.get(f"{name}_tokens") for name in ("total", "input", "output"))
        expect(
            isinstance(given, int) and isinstance(made, int) and total == given + made,
            f"expected total_tokens to be the sum, got {total} of {given} and {made}",
        )

    return run


add(Check("T07", "turns", "total_tokens is the sum", _RECORDED, _used("text", _text), uses=("text",)))
add(
    Check(
        "A03", "output audio", "total_tokens is the sum", _RECORDED, _used("audio", _audio), uses=("audio",)
    )
)


@check("T08", "turns", "all events of a response name it", _DESCRIBED, _CONVERSATION, uses=("text",))
async def named(target: Target) -> None:
    events = await target.shared("text", _text)
    wanted = field(one(events, "response.created"), "response").get("id")
    for event in events:
        if event["type"].startswith("response.") and "response" not in event:
            got = event.get("response_id")
            expect(got == wanted, f"{event['type']}: expected the response {wanted!r}, got {got!r}")


@check("T09", "turns", "the model's message joins the conversation", _RECORDED, _CONVERSATION, uses=("text",))
async def joins(target: Target) -> None:
    events = await target.shared("text", _text)
    wanted = field(one(events, "response.output_item.added"), "item").get("id")
    ids = [field(event, "item").get("id") for event in of(events, "conversation.item.added")]
    expect(wanted in ids, f"expected conversation.item.added of {wanted!r}, got {ids}")


@check("A04", "output audio", "deltas are base64 of whole samples", _DESCRIBED, uses=("audio",))
async def samples(target: Target) -> None:
    events = await target.shared("audio", _audio)
    deltas = of(events, "response.output_audio.delta")
    expect(deltas, "response.output_audio.delta did not come")
    for event in deltas:
        try:
            size = len(base64.b64decode(str(event.get("delta")), validate=True))
        except (binascii.Error, ValueError):
            size = -1
        expect(size > 0 and size % 2 == 0, f"expected base64 of PCM16, got {str(event.get('delta'))[:40]!r}")


@check("A05", "output audio", "audio tokens are counted", _RECORDED, uses=("audio",))
async def audio_tokens(target: Target) -> None:
    response = field(one(await target.shared("audio", _audio), "response.done"), "response")
    got = field(field(response, "usage"), "output_token_details").get("audio_tokens")
    expect(isinstance(got, int) and got > 0, f"expected output audio tokens, got {got!r}")


@check("A08", "output audio", "the deltas are as long as the audio that can be truncated", "reports of users",
       uses=("audio",))  # fmt: skip
async def length(target: Target) -> None:
    events = await target.shared("audio", _audio)
    messages = [str(field(event, "error").get("message")) for event in of(events, "error")]
    known = [int(found[1]) for message in messages if (found := _LENGTH.match(message))]
    expect(known, "no error tells how long the audio is")
    deltas = [str(event.get("delta")) for event in of(events, "response.output_audio.delta")]
    got = sum(len(delta) // 4 * 3 - delta.count("=") for delta in deltas) * 1000 // (RATE * 2)
    expect(abs(got - known[0]) <= _ROUNDED_MS, f"the deltas have {got} ms, the item {known[0]} ms")


@check("N01", "interruption", "an answer can be truncated to what was heard", _DESCRIBED, uses=("audio",))
async def truncated(target: Target) -> None:
    event = one(await target.shared("audio", _audio), "conversation.item.truncated")
    expect(event.get("audio_end_ms") == 100, f"expected audio_end_ms 100, got {event.get('audio_end_ms')!r}")


def _errors(number: int, message: str) -> Run:
    async def run(target: Target) -> None:
        errors = of(await target.shared("audio", _audio), "error")
        expect(len(errors) == 2, f"expected two errors, got {len(errors)}")
        got = field(errors[number], "error").get("message")
        expect(str(got).startswith(message), f"expected the message {message!r}, got {got!r}")

    return run


_VOICE = "Cannot update a conversation's voice if assistant audio is present."
add(Check("N02", "interruption", "audio cannot be truncated beyond its end", "reports of users",
          _errors(0, "Audio content of "), uses=("audio",)))  # fmt: skip
add(Check("A06", "output audio", "the voice cannot change once it has been heard", "openai-agents-python",
          _errors(1, _VOICE), uses=("audio",)))  # fmt: skip


@check(
    "F03",
    "tools",
    "a required function is called with valid arguments",
    _DESCRIBED,
    _CONVERSATION,
    uses=("tool",),
)
async def arguments(target: Target) -> None:
    done = one(await target.shared("tool", _tool), "response.function_call_arguments.done")
    try:
        got = json.loads(str(done.get("arguments")))
    except ValueError:
        got = None
    fits = isinstance(got, dict) and isinstance(got.get("degrees"), int)
    expect(fits, f"expected an object with degrees, got {done.get('arguments')!r}")


@check("F04", "tools", "clients may send a call_id back", "logs of clients", uses=("tool",))
async def call_id(target: Target) -> None:
    done = one(await target.shared("tool", _tool), "response.function_call_arguments.done")
    got = done.get("call_id")
    expect(isinstance(got, str) and 0 < len(got) <= 32, f"expected at most 32 characters, got {got!r}")


@check(
    "F05",
    "tools",
    "the model answers with a message after the output",
    _DESCRIBED,
    _CONVERSATION,
    uses=("tool",),
)
async def after_the_output(target: Target) -> None:
    responses = of(await target.shared("tool", _tool), "response.done")
    output = field(responses[-1], "response").get("output") or []
    kinds = [item.get("type") for item in output]
    expect("message" in kinds, f"expected a message, got {kinds}")


# Ids, and what a response shows


@check("T10", "turns", "ids have the prefixes of their kinds", _RECORDED, uses=("text",))
async def prefixes(target: Target) -> None:
    events = await target.shared("text", _text)
    response = field(one(events, "response.done"), "response")
    found = {
        "event_": one(events, "response.created").get("event_id"),
        "resp_": response.get("id"),
        "item_": field(one(events, "response.output_item.added"), "item").get("id"),
        "conv_": response.get("conversation_id"),
    }
    wrong = {prefix: id for prefix, id in found.items() if not str(id).startswith(prefix)}
    expect(not wrong, f"by prefix: {wrong}")


@check("T11", "turns", "a response shows its modalities and limit", _RECORDED, uses=("text",))
async def shown(target: Target) -> None:
    response = field(one(await target.shared("text", _text), "response.created"), "response")
    got = tuple(response.get(name) for name in ("object", "output_modalities", "max_output_tokens"))
    expect(got == ("realtime.response", ["text"], "inf"), f"expected the defaults, got {got}")


@check("T12", "turns", "usage has the details of both sides", _RECORDED, uses=("text",))
async def details(target: Target) -> None:
    usage = field(field(one(await target.shared("text", _text), "response.done"), "response"), "usage")
    given, made = field(usage, "input_token_details"), field(usage, "output_token_details")
    lacks = [f"input_token_details.{name}" for name in ("text_tokens", "cached_tokens") if name not in given]
    lacks += [f"output_token_details.{name}" for name in ("text_tokens",) if name not in made]
    expect(not lacks, f"absent: {', '.join(lacks)}")


@check("T13", "turns", "the model's item is done in the conversation, too", _RECORDED, uses=("text",))
async def done_twice(target: Target) -> None:
    events = await target.shared("text", _text)
    wanted = field(one(events, "response.output_item.done"), "item")
    items = [field(e, "item") for e in of(events, "conversation.item.done")]
    same = [item for item in items if item.get("id") == wanted.get("id")]
    expect(same, f"no conversation.item.done names {wanted.get('id')!r}")
    expect(same[0].get("content") == wanted.get("content"), f"the contents differ: {same[0]} and {wanted}")


@check("A07", "output audio", "a spoken part is announced as audio, with an empty transcript", _RECORDED,
       uses=("audio",))  # fmt: skip
async def spoken_part(target: Target) -> None:
    part = field(one(await target.shared("audio", _audio), "response.content_part.added"), "part")
    expect(part == {"type": "audio", "transcript": ""}, f"expected an empty audio part, got {part}")


# Ends other than the usual one


async def _cancelled(target: Target) -> Sequence[Event]:
    async with target.session() as socket:
        await socket.update(output_modalities=["text"])
        await socket.create_item(text("user", "Count from one to five hundred, in words."))
        start = len(socket.events)
        await socket.send("response.create")
        await socket.send("response.create", event_id="event_second")
        await socket.send("response.cancel")
        await socket.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
        await socket.until("session.updated", may_fail=True)
        while len(of(socket.events, "response.done")) < len(of(socket.events, "response.created")):
            await socket.next()
        return socket.events[start:]


@check("N03", "interruption", "a response can be cancelled while it lasts", _RECORDED, uses=("cancel",))
async def cancelled(target: Target) -> None:
    events = await target.shared("cancel", _cancelled)
    responses = [field(event, "response") for event in of(events, "response.done")]
    got = [(one.get("status"), (one.get("status_details") or {}).get("reason")) for one in responses]
    messages = [str(field(event, "error").get("message")) for event in of(events, "error")]
    too_late = any(message.startswith("Cancellation failed") for message in messages)
    right = ("cancelled", "client_cancelled") in got or (too_late and got[:1] == [("completed", None)])
    expect(right, f"expected cancelled by the client, got {got}")


@check("N04", "interruption", "a second response does not begin while the first lasts", "reports of users",
       uses=("cancel",))  # fmt: skip
async def second(target: Target) -> None:
    events = await target.shared("cancel", _cancelled)
    active = 0
    for event in events:
        active += {"response.created": 1, "response.done": -1}.get(event["type"], 0)
        expect(active <= 1, "two responses were active")
    if len(of(events, "response.created")) == 1:
        found = [
            (field(e, "error").get("code"), field(e, "error").get("event_id")) for e in of(events, "error")
        ]
        wanted = ("conversation_already_has_active_response", "event_second")
        expect(wanted in found, f"expected {wanted}, got {found}")


async def _limited(target: Target) -> Sequence[Event]:
    async with target.session() as socket:
        await socket.update(output_modalities=["text"])
        await socket.create_item(text("user", "Repeat this: one two three four five six seven."))
        await socket.send("response.create", response={"max_output_tokens": 1})
        await socket.until("response.done")
        return socket.events


@check("T14", "turns", "a response with too many tokens ends incomplete", _DESCRIBED, uses=("limit",))
async def limited(target: Target) -> None:
    response = field(one(await target.shared("limit", _limited), "response.done"), "response")
    got = response.get("status"), (response.get("status_details") or {}).get("reason")
    expect(got == ("incomplete", "max_output_tokens"), f"expected incomplete by its limit, got {got}")


async def _aside(target: Target) -> Sequence[Event]:
    async with target.session() as socket:
        await socket.update(output_modalities=["text"], instructions=_BRIEF)
        given = {"conversation": "none", "input": [text("user", "Say hello.")]}
        await socket.send("response.create", response=given)
        await socket.until("response.done")
        await socket.update(instructions="Be brief.")
        return socket.events


@check("T15", "turns", "a response outside the conversation does not change it", _DESCRIBED, uses=("aside",))
async def aside(target: Target) -> None:
    events = await target.shared("aside", _aside)
    got = field(one(events, "response.done"), "response").get("conversation_id")
    expect(got is None, f"expected no conversation_id, got {got!r}")
    added = of(events, "conversation.item.added")
    expect(not added, f"{len(added)} items were added")
